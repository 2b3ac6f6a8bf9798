#!/usr/bin/env bash
# Runs a command beside a real PostgreSQL and a real S3 server (moto), started for it alone.
#
#   scripts/with-services.sh [--postgres] [--s3] [--reopen] -- COMMAND [ARGUMENT…]
#
# Without --postgres and --s3 both are started. Both listen on free ports of 127.0.0.1 and live in a
# temporary folder; whatever happens to the command, they are stopped and the folder is removed. The
# command's standard output stays its own, its exit code is returned (69: a service did not start).
#
# The command finds in its environment:
#   KIGEN_TEST_POSTGRES_URL         superuser over TCP, with a password (scram)
#   KIGEN_TEST_POSTGRES_SOCKET_URL  the same over the Unix socket
#   KIGEN_TEST_S3_ENDPOINT          with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION
#
# KIGEN_POSTGRES_OPTIONS holds further words of the server's command line: "-c shared_buffers=1GB".
#
# With KIGEN_PGDATA=FOLDER the database is left there, stopped, in the place of the one before;
# --reopen starts a copy of the one that was left, which is thrown away again.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

readonly SERVICE_FAILED=69 # EX_UNAVAILABLE
readonly START_SECONDS=60
readonly PORT_ATTEMPTS=10

say() { printf 'with-services: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit "$SERVICE_FAILED"
}
fail_with_log() {
  say "$1; the last lines of its log:"
  tail -n 20 "$2" >&2 || true
  exit "$SERVICE_FAILED"
}
usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2
  exit 64
}

# ── what was asked for ──────────────────────────────────────────────────────────────────────────

wants_postgres='' wants_s3='' reopens=''
while [[ ${1-} == --* ]]; do
  case $1 in
    --postgres) wants_postgres=yes ;;
    --s3) wants_s3=yes ;;
    --reopen) wants_postgres=yes reopens=yes ;;
    --) break ;;
    *) usage ;;
  esac
  shift
done
[[ ${1-} == -- && $# -ge 2 ]] || usage
shift
[[ $wants_postgres || $wants_s3 ]] || wants_postgres=yes wants_s3=yes

kept_data=${KIGEN_PGDATA-}
if [[ $kept_data && $kept_data != /* ]]; then kept_data=$PWD/$kept_data; fi

# ── stopping: in every case, also half-way through starting ─────────────────────────────────────

folder='' postgres_pid='' moto_pid='' command_pid='' interrupted=''

is_running() { [[ $1 ]] && kill -0 "$1" 2>/dev/null; }

# Signals a service of ours and waits until it has ended; returns its exit code.
stop() {
  local pid=$1 signal=$2
  kill -s "$signal" "$pid" 2>/dev/null || true
  for ((tenths = 0; tenths < 300; tenths++)); do
    is_running "$pid" || break
    sleep 0.1
  done
  is_running "$pid" && kill -s KILL "$pid" 2>/dev/null
  wait "$pid" 2>/dev/null
}

keep_data() {
  if ! stop "$postgres_pid" INT; then
    say "postgres did not stop cleanly: nothing was left in ${KIGEN_PGDATA}"
    return 1
  fi
  rm -rf -- "$kept_data"
  mkdir -p -- "$(dirname "$kept_data")"
  mv -- "$folder/postgres/data" "$kept_data"
}

clean_up() {
  local code=$?
  trap '' INT TERM HUP
  trap - EXIT
  set +e
  is_running "$command_pid" && stop "$command_pid" TERM
  is_running "$moto_pid" && stop "$moto_pid" TERM
  if is_running "$postgres_pid"; then
    if [[ $kept_data && ! $reopens && $command_pid ]]; then
      keep_data || { [[ $code -ne 0 ]] || code=$SERVICE_FAILED; }
    else
      stop "$postgres_pid" QUIT # Its data is thrown away: no checkpoint is needed.
    fi
  fi
  [[ $folder ]] && rm -rf -- "$folder"
  exit "$code"
}
trap clean_up EXIT

# Passes a signal on; the command decides when and how it ends. At a terminal Ctrl-C has reached it already.
pass_on() {
  [[ $command_pid ]] || exit $((128 + $2))
  interrupted=yes
  [[ $1 == INT && -t 0 ]] || kill -s "$1" "$command_pid" 2>/dev/null || true
}
trap 'pass_on INT 2' INT
trap 'pass_on TERM 15' TERM
trap 'pass_on HUP 1' HUP

# ── the temporary folder ────────────────────────────────────────────────────────────────────────

# PostgreSQL refuses to run as root; any account without rights will do.
server_user=''
if [[ $wants_postgres && $EUID -eq 0 ]]; then
  for name in postgres nobody; do
    if id -u "$name" >/dev/null 2>&1; then server_user=$name && break; fi
  done
  [[ $server_user ]] || fail "there is no user postgres or nobody to run PostgreSQL as; run 'make setup'"
fi

# Replaces this process by a service: in a session of its own, where a terminal's Ctrl-C does not reach
# it, and ended by the kernel should this script be killed outright.
become_service() {
  cd "$folder"
  exec setsid setpriv --pdeathsig "$@" </dev/null
}

server_account=()
if [[ $server_user ]]; then
  server_account=(--reuid="$server_user" --regid="$(id -gn "$server_user")" --init-groups)
fi
as_server_user() { (cd "$folder" && exec setpriv "${server_account[@]}" "$@" </dev/null); }

# A Unix socket's path has at most 107 bytes, and stands in a URL.
for parent in "${TMPDIR:-/tmp}" /tmp; do
  [[ $parent =~ ^/[A-Za-z0-9/._-]{0,59}$ ]] || continue
  folder=$(mktemp -d "${parent%/}/kigen.XXXXXX") || continue
  chmod 711 "$folder"
  as_server_user test -x "$folder" 2>/dev/null && break
  rm -rf -- "$folder"
  folder=''
done
[[ $folder ]] || fail "no temporary folder is writable here and open to user ${server_user:-$(id -un)}"

# ── PostgreSQL ──────────────────────────────────────────────────────────────────────────────────

# The server's programs are not on Debian's PATH, and what a PATH has may be a wrapper.
newest_postgres() {
  local bin version
  while read -r bin; do
    [[ -x $bin/initdb && -x $bin/postgres && -x $bin/pg_isready ]] || continue
    version=$("$bin/postgres" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
    [[ $version -ge 14 ]] && printf '%s' "$bin" && return
  done < <(
    printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort --reverse
    command -v initdb | xargs -r readlink -f | xargs -r dirname
  )
  return 1
}

refuse_foreign_folder() {
  [[ ! -e $kept_data || -e $kept_data/PG_VERSION || -z $(ls -A -- "$kept_data") ]] ||
    fail "${KIGEN_PGDATA} holds something else than a database: it is not replaced"
}

# The password stays beside the data, so that --reopen can hand it out again.
create_cluster() {
  (umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' ' >"$socket/$password_file")
  own "$socket"
  as_server_user env LC_ALL=C.UTF-8 "$bin/initdb" --pgdata="$data" --username=postgres --auth=scram-sha-256 \
    --pwfile="$socket/$password_file" --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$log" 2>&1 ||
    fail_with_log "initdb failed" "$log"
  mv -- "$socket/$password_file" "$data/"
}

reopen_cluster() {
  [[ -e $kept_data/$password_file ]] || fail "no database was left in '${KIGEN_PGDATA-}'"
  cp -a -- "$kept_data" "$data"
  own "$socket"
}

own() { [[ -z $server_user ]] || chown -R "$server_user" "$1"; }

start_postgres() {
  local bin socket=$folder/postgres data=$folder/postgres/data log=$folder/postgres.log
  local password_file=kigen-test-password password port attempt options=()
  read -ra options <<<"${KIGEN_POSTGRES_OPTIONS-}"
  bin=$(newest_postgres) || fail "there is no PostgreSQL 14 or newer; run 'make setup'"
  mkdir -m 700 "$socket"
  if [[ $reopens ]]; then
    reopen_cluster
  else
    [[ -z $kept_data ]] || refuse_foreign_folder
    create_cluster
  fi
  password=$(<"$data/$password_file")

  for ((attempt = 1; ; attempt++)); do
    port=$((20000 + RANDOM % 12000)) # Below the ports that the kernel hands out.
    (
      become_service INT "${server_account[@]}" env LC_ALL=C.UTF-8 "$bin/postgres" -D "$data" -c listen_addresses=127.0.0.1 \
        -c port="$port" -c unix_socket_directories="$socket" -c max_connections=200 "${options[@]}" >"$log" 2>&1
    ) &
    postgres_pid=$!
    if is_ready "$postgres_pid" "$bin/pg_isready" -q -h "$socket" -p "$port"; then break; fi
    if ! is_running "$postgres_pid" && grep -q 'Address already in use' "$log" && ((attempt < PORT_ATTEMPTS)); then continue; fi
    fail_with_log "postgres did not start" "$log"
  done
  unset PGHOST PGHOSTADDR PGPORT PGUSER PGPASSWORD PGPASSFILE PGDATABASE PGOPTIONS PGSERVICE PGSSLMODE
  export KIGEN_TEST_POSTGRES_URL="postgres://postgres:$password@127.0.0.1:$port/postgres"
  export KIGEN_TEST_POSTGRES_SOCKET_URL="postgres://postgres:$password@localhost/postgres?host=$socket&port=$port"
  say "$("$bin/postgres" --version | cut -d' ' -f1-3) on port $port"
}

# Waits until a check of a service holds; fails when the service ends or START_SECONDS have passed.
is_ready() {
  local pid=$1 deadline=$((SECONDS + START_SECONDS))
  shift
  until "$@" >/dev/null 2>&1; do
    is_running "$pid" && ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# ── S3 ──────────────────────────────────────────────────────────────────────────────────────────

moto_port() { sed -nE 's,.*Running on http://127\.0\.0\.1:([0-9]+).*,\1,p' "$folder/moto.log"; }

moto_answers() (
  port=$(moto_port)
  [[ $port ]] || return 1
  exec 9<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n' >&9
  read -r -t 5 status <&9
  [[ $status == HTTP/*' 200 '* ]]
)

start_s3() {
  local server=$repository/target/tools/venv/bin/moto_server log=$folder/moto.log
  [[ -x $server ]] || fail "the S3 test server is not installed; run 'make setup'"
  # With port 0 the kernel picks the port, so that two of these scripts cannot meet.
  (become_service TERM env PYTHONUNBUFFERED=1 "$server" -H 127.0.0.1 -p 0 >"$log" 2>&1) &
  moto_pid=$!
  is_ready "$moto_pid" moto_answers || fail_with_log "moto did not start" "$log"
  unset AWS_PROFILE AWS_DEFAULT_REGION AWS_SESSION_TOKEN AWS_ENDPOINT_URL AWS_ENDPOINT_URL_S3
  export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true
  export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=ap-northeast-1
  KIGEN_TEST_S3_ENDPOINT=http://127.0.0.1:$(moto_port)
  export KIGEN_TEST_S3_ENDPOINT
  say "moto on port ${KIGEN_TEST_S3_ENDPOINT##*:}"
}

# ── the command ─────────────────────────────────────────────────────────────────────────────────

if [[ $wants_postgres ]]; then start_postgres; fi
if [[ $wants_s3 ]]; then start_s3; fi

# In the background, because bash runs a trap only between commands; with our input, and open to Ctrl-C again.
(
  trap - INT TERM HUP EXIT
  exec "$@"
) <&0 &
command_pid=$!

while
  interrupted=''
  wait "$command_pid" && code=0 || code=$?
  [[ $interrupted ]]
do :; done
exit "$code"
