# A school to measure on. To be sourced with the path of kigen as the first argument: goes into a new
# temporary folder, which is removed at the end.
#
# shellcheck shell=bash
# shellcheck disable=SC2034 # the scripts that source this use them
kigen=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit

# school ROWS DAYS: a store of ROWS exam attempts. Of each hundred DAYS end in 2025, one a day; the others in 2030.
school() {
  python3 - "$1" "$2" <<'PYTHON'
import datetime, os, sqlite3, sys
store = sqlite3.connect("store.db")
store.execute("""create table exam_attempt (attempt_id integer not null primary key,
  learner_id integer not null, client_id text not null, ended_on date, answers text)""")
first = datetime.date(2025, 1, 1)
def row(number):
    group = number % 100
    ended = first + datetime.timedelta(days=group) if group < int(sys.argv[2]) else datetime.date(2030, 1, 1)
    client = "own" if number // 100 % 4 else "another"
    return number, number // 7, client, ended.isoformat(), f"answers of {number}, and some more text"
store.executemany("insert into exam_attempt values (?, ?, ?, ?, ?)", map(row, range(int(sys.argv[1]))))
store.execute("create index exam_attempt_by_end on exam_attempt (ended_on)")
store.commit()
os.mkdir("jobs")
PYTHON
  cat > jobs/exam-history.toml <<'TOML'
cluster = "exam-history"
owner = "privacy office"
time-zone = "Asia/Tokyo"
title = { ja = "受験履歴", en = "Exam history" }
clause = { document = "Policy", version = "1", text = "Kept for a year." }
subject = { kind = "learner", column = "learner_id" }
client = { column = "client_id" }
limit = { max-records = 1000000000, max-percent = 100, max-persons = 1000000000 }
store = { name = "school", table = "exam_attempt", key = ["attempt_id"] }
columns = { direct-identifier = ["learner_id"], quasi-identifier = ["answers", "ended_on"], not-personal = ["attempt_id", "client_id"] }

[[stage]]
name = "delete"
disposal = "delete"
purpose = [{ name = "course", starting-point = "end-of-transaction", starts-at = "ended_on", period = "P1Y" }]

[[example]]
stage = "delete"
as-of = "2026-03-31"
expect = "retain"
reason = "not-expired"
starts = { course = "2025-03-31" }

[[example]]
stage = "delete"
as-of = "2026-04-01"
expect = "dispose"
starts = { course = "2025-03-31" }
TOML
  config full
  for command in "keyring init" "ledger migrate" "journal migrate"; do
    # shellcheck disable=SC2086 # two words
    "$kigen" $command --log error > /dev/null
  done
}

# config READ_BACK: the configuration, with the read-back `full` or `off`.
config() {
  cat > kigen.toml <<TOML
version = 1
ledger = { url = "sqlite://ledger.db" }
stores = { school = { kind = "sqlite", url = "sqlite://store.db" } }
keyring = { path = "keyring.toml" }
certificates = { folder = "certificates", origin = "certificates.example.jp/kigen" }
evidence = { read-back = "$1" }
issuer = { organization = "見本" }
jobs = { folder = "jobs" }
TOML
}

# timed EXIT WHAT COMMAND…: prints seconds and the peak memory of the largest process of the command. Ends
# the measurement if the command ends with another code than EXIT: what failed was not measured.
timed() {
  python3 - "$@" <<'PYTHON'
import resource, subprocess, sys, time
begun = time.time()
expected, what, *command = sys.argv[1:]
done = subprocess.run(command, stdout=subprocess.DEVNULL)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(f"{what}: {time.time() - begun:.1f} s, peak {peak} MiB", flush=True)
if done.returncode != int(expected):
    sys.exit(f"{what}: exit code {done.returncode} instead of {expected}")
PYTHON
}
