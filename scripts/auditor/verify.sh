#!/usr/bin/env bash
# Checks published deletion certificates with stock tools alone: nothing of kigen's is needed.
#
#   scripts/auditor/verify.sh DIR KEYDIR [CHECKPOINT…]
#
# DIR is a folder of certificates, as the issuer published it. KEYDIR holds the issuer's public keys,
# got by another way than DIR (contract, letter, web site): `log-*.pem` for the heads of the clients'
# logs, other `*.pem` for certificates, and one `allowed_signers`. Each CHECKPOINT is a head of a
# log that was kept from earlier: the log must still contain it.
# Needed: bash 4.4, coreutils, jq, openssl 3, ssh-keygen 8.1, xxd. With python3, large files go faster.
#
# Prints one sentence for each check. Exit codes: 0 everything holds, 1 something does not, 2 nothing
# could be checked. README.md beside this file says what each check means.
# shellcheck disable=SC2016 # Backticks are quotes for readers here.
set -uo pipefail
export LC_ALL=C
shopt -s nullglob dotglob

readonly NAMESPACE=deletion-certificate@kigen
readonly PAYLOAD_TYPE=application/vnd.in-toto+json
readonly LEAF=36                  # Bytes of a leaf: kind, action, target (2), commitment (32).
readonly LONGEST=1048576          # Bytes of the longest envelope that is looked at.
readonly LONGEST_FILE=20971520    # Bytes of the longest file beside `leaves.bin`.
readonly DEEPEST=12               # Folders in folders, as deep as a log can be.
readonly PIECE=4096               # Nodes of the tree that are hashed at a time.
readonly ACTIONS='{"deleted":1,"pseudonymized":2,"versionsDeleted":3,"cryptoErased":4,"alreadyAbsent":5,"held":6,"deleteMarkersRemoved":7,"uploadsAborted":8}'
# Above this number of leaves the root is computed by python3, if it is there.
readonly BASH_LEAVES=${BASH_LEAVES:-100000}

failures=0
holds() { printf '  holds  %s\n' "$*"; }
notes() { printf '  note   %s\n' "$*"; }
fails() {
  printf '  FAILS  %s\n' "$*"
  failures=$((failures + 1))
}
stops() {
  printf 'verify.sh: %s\n' "$*" >&2
  exit 2
}

# ── what it takes ───────────────────────────────────────────────────────────────────────────────

[[ $# -ge 2 ]] || stops 'usage: verify.sh DIR KEYDIR [CHECKPOINT…]'
dir=${1%/} keydir=${2%/}
shift 2
kept=("$@")
for file in ${kept[@]+"${kept[@]}"}; do
  [[ -f $file ]] || stops "there is no file $(printf %q "$file")"
done
[[ -d $dir ]] || stops "there is no folder $(printf %q "$dir")"
[[ -d $keydir ]] || stops "there is no folder $(printf %q "$keydir")"
for tool in jq openssl ssh-keygen xxd sha256sum base64 sort cut; do
  command -v "$tool" >/dev/null || stops "\`$tool\` is needed and not installed"
done
[[ $(openssl version) =~ ^OpenSSL\ ([0-9]+) && ${BASH_REMATCH[1]} -ge 3 ]] ||
  stops 'OpenSSL 3 or newer is needed: older ones cannot check Ed25519'

work=$(mktemp -d) || stops 'no temporary folder can be made'
# Small files by the thousand are quicker in memory.
nodes=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d) || stops 'no temporary folder can be made'
trap 'rm -rf -- "$work" "$nodes"' EXIT

pems=() log_pems=()
# The root of the time-stamping authority is no key that signs anything here.
readonly tsa_root=$keydir/tsa-root.pem
for pem in "$keydir"/*.pem; do
  [[ $pem != "$tsa_root" ]] || continue
  if [[ ${pem##*/} == log-* ]]; then log_pems+=("$pem"); else pems+=("$pem"); fi
done
[[ ${#pems[@]} -gt 0 ]] || stops 'KEYDIR has no public key for certificates (*.pem)'
signers=$keydir/allowed_signers
[[ -f $signers ]] || stops 'KEYDIR has no `allowed_signers`'

sha256() { sha256sum <"$1" | cut -c1-64; }

# A public key without its armor, so that two files of the same key are the same.
fingerprint() { openssl pkey -pubin -in "$1" -outform DER 2>/dev/null | sha256sum | cut -c1-64; }

declare -A trusted=()
for pem in "${pems[@]}" ${log_pems[@]+"${log_pems[@]}"}; do
  openssl pkey -pubin -in "$pem" -noout 2>/dev/null || stops "$(printf %q "$pem") is no public key in PEM"
  trusted[$(fingerprint "$pem")]=$pem
done

# ── the keys beside the certificates ────────────────────────────────────────────────────────────

# Prints the keys of an allowed_signers file, one a line.
signer_keys() {
  local line word found
  while read -r line || [[ $line ]]; do
    [[ $line && $line != \#* ]] || continue
    found=''
    for word in $line; do
      [[ $found == ssh-ed25519 ]] && printf '%s\n' "$word" && break
      found=$word
    done
    [[ $found == ssh-ed25519 ]] || printf 'unreadable\n'
  done <"$1"
}

check_keys() {
  local file before=$failures key
  for file in "$dir"/keys/certificate*.pub.pem "$dir"/keys/log-*.pub.pem; do
    [[ -n ${trusted[$(fingerprint "$file")]-} ]] ||
      fails "$(printf %q "${file#"$dir"/}") is not a key of KEYDIR"
  done
  if [[ -f $dir/keys/allowed_signers ]]; then
    while read -r key; do
      [[ $'\n'$(signer_keys "$signers")$'\n' == *$'\n'"$key"$'\n'* ]] && continue
      fails 'keys/allowed_signers names a key that KEYDIR does not have'
    done < <(signer_keys "$dir/keys/allowed_signers")
  fi
  [[ $failures -ne $before ]] || holds 'the published keys are among those of KEYDIR'
}

# ── the files ───────────────────────────────────────────────────────────────────────────────────

readonly NAME='[A-Za-z0-9_%-][A-Za-z0-9._%-]*'
readonly OF_RUN='(leaves[.]bin|statement[.]json|statement[.]json[.]sig|cert[.]dsse[.]json|cert[.]tlog-proof|certificate[.]html|certificate[.]pdf)'
readonly TILE='tile/(entries|[0-9]{1,2})/(x[0-9]{3}/)*[0-9]{3}([.]p/[0-9]{1,3})?'

is_known() {
  [[ $1 =~ ^(keys/allowed_signers|keys/tsa-root[.]pem|keys/${NAME}[.]pub[.]pem)$ ]] && return 0
  [[ $1 != keys/* ]] || return 1
  [[ $1 =~ ^$NAME/log/(checkpoint|checkpoint[.]tsr|policy[.]txt|entry/(0|[1-9][0-9]{0,19})|cosigned/[0-9]{1,20}-[0-9a-f]{8}|stamped/[0-9]{1,20}[.](checkpoint|tsr)|$TILE)$ ]] && return 0
  [[ $1 != */log/* && $1 =~ ^$NAME/$NAME/$OF_RUN$ ]]
}

# Goes through everything below a folder; what is neither known nor unfinished is foreign. Links,
# pipes, devices, files that are longer than any that can be right, and folders deeper than any are
# counted in `unsafe`: nothing is read where they are.
unsafe=0
check_files() {
  local entry path depth=$2
  for entry in "$1"/*; do
    path=${entry#"$dir"/}
    if [[ -L $entry || (! -f $entry && ! -d $entry) ]]; then
      fails "$(printf %q "$path") is a link or a device, and no file"
      unsafe=$((unsafe + 1))
    elif [[ -d $entry ]]; then
      if ((depth < DEEPEST)); then
        check_files "$entry" $((depth + 1))
      else
        fails "$(printf %q "$path") lies deeper than anything that is published"
        unsafe=$((unsafe + 1))
      fi
    elif [[ ${path##*/} == .unfinished-* ]]; then
      notes "$(printf %q "$path") is not finished; it is no evidence yet"
    elif ! is_known "$path"; then
      fails "$(printf %q "$path") is no file of a certificate"
    elif [[ ${path##*/} != leaves.bin && $(wc -c <"$entry") -gt $LONGEST_FILE ]]; then
      fails "$(printf %q "$path") is longer than any such file can be"
      unsafe=$((unsafe + 1))
    fi
  done
}

# ── one certificate ─────────────────────────────────────────────────────────────────────────────

# Decodes base64, standard or URL-safe, with or without its padding, as DSSE wants it.
decode() {
  local text
  text=$(tr -d '\n=' | tr '_-' '/+')
  while ((${#text} % 4)); do text+='='; done
  printf '%s' "$text" | base64 -d 2>/dev/null
}

# The signature over the envelope's payload, which is left in $work/body.
check_envelope() {
  local envelope=$1/cert.dsse.json type count number pem
  if [[ ! -f $envelope ]]; then
    fails '`cert.dsse.json` is missing'
    return 1
  fi
  if [[ $(wc -c <"$envelope") -gt $LONGEST ]] || ! jq -e 'type == "object"' "$envelope" >/dev/null 2>&1; then
    fails '`cert.dsse.json` is no DSSE envelope'
    return 1
  fi
  type=$(jq -r '.payloadType' "$envelope")
  jq -r '.payload' "$envelope" | decode >"$work/body" || {
    fails 'the payload of the envelope is no base64'
    return 1
  }
  { printf 'DSSEv1 %d %s %d ' "${#type}" "$type" "$(wc -c <"$work/body")" && cat "$work/body"; } >"$work/pae"
  count=$(jq '.signatures | length' "$envelope" 2>/dev/null || echo 0)
  for ((number = 0; number < count; number++)); do
    jq -r ".signatures[$number].sig" "$envelope" | decode >"$work/sig" || continue
    for pem in "${pems[@]}"; do
      openssl pkeyutl -verify -pubin -inkey "$pem" -rawin -in "$work/pae" -sigfile "$work/sig" >/dev/null 2>&1 || continue
      if [[ $type != "$PAYLOAD_TYPE" ]]; then
        fails 'what was signed is of another type than a statement'
        return 1
      fi
      holds "the signature holds under $(printf %q "${pem##*/}")"
      return 0
    done
  done
  fails 'the signature does not hold under a key of KEYDIR'
  return 1
}

check_statement() {
  if [[ ! -f $1/statement.json ]]; then
    fails '`statement.json` is missing'
  elif cmp -s "$work/body" "$1/statement.json"; then
    holds '`statement.json` is what was signed'
  else
    fails '`statement.json` is not what was signed'
  fi
}

# The second signature, over the same bytes; keys may have been valid for a time only.
check_ssh_signature() {
  local signature=$1/statement.json.sig sealed principal
  if [[ ! -f $signature ]]; then
    fails '`statement.json.sig` is missing'
    return
  fi
  sealed=$(date -u -d "$(jq -r '.predicate.period.sealedAt' "$work/body")" +%Y%m%d%H%M%S 2>/dev/null)
  while read -r principal; do
    TZ=UTC ssh-keygen -Y verify -f "$signers" -I "$principal" -n "$NAMESPACE" -s "$signature" \
      ${sealed:+-O verify-time="$sealed"} <"$work/body" >/dev/null 2>&1 || continue
    holds "the SSH signature holds for $(printf %q "$principal")"
    return
  done < <(TZ=UTC ssh-keygen -Y find-principals -f "$signers" -s "$signature" ${sealed:+-O verify-time="$sealed"} 2>/dev/null)
  fails 'the SSH signature does not hold under a key of `allowed_signers`'
}

# Whether the certificate agrees with itself.
check_itself() {
  local before=$failures id checkpoint line times count digest
  jq -e '._type == "https://in-toto.io/Statement/v1"
         and .predicateType == "urn:kigen:deletion-certificate:v1"
         and (.subject | length) == 1 and .subject[0].name == "leaves.bin"
         and .predicate.evidence.tree == "rfc6962-sha256"
         and .predicate.evidence.leafFormat == "urn:kigen:leaf:v1"' "$work/body" >/dev/null 2>&1 || {
    fails 'the signed bytes are no deletion certificate of version 1'
    return 1
  }
  jq -e '[.predicate.targets[].index] | . == (sort | unique)' "$work/body" >/dev/null ||
    fails 'the certificate contradicts itself: its targets are not in the order of their indexes'
  jq -e '([.predicate.targets[].counts[]] | add // 0) == .predicate.evidence.leaves.record' "$work/body" >/dev/null ||
    fails 'the certificate contradicts itself: its targets do not count as many records as it has record leaves'
  id=$(jq -r '.predicate.certificateId' "$work/body")
  mapfile -t checkpoint < <(jq -r '.predicate.evidence.runCheckpoint' "$work/body")
  [[ ${#checkpoint[@]} -eq 4 && -z ${checkpoint[3]} ]] || checkpoint=('' '' '')
  root=${checkpoint[2]} size=${checkpoint[1]}
  [[ ${checkpoint[0]} == */run/"$id" ]] ||
    fails 'the certificate contradicts itself: its run checkpoint belongs to another certificate'
  jq -e --arg size "$size" '.predicate.evidence.leaves | (.record + .subject | tostring) == $size' "$work/body" >/dev/null ||
    fails 'the certificate contradicts itself: its run checkpoint has another size than its leaves'
  count=$(jq '.predicate.clauses // [] | length' "$work/body")
  for ((line = 0; line < count; line++)); do
    digest=$(jq -r ".predicate.clauses[$line].textSha256" "$work/body")
    if [[ $(jq -j ".predicate.clauses[$line].text" "$work/body" | sha256sum | cut -c1-64) != "$digest" ]] ||
      ! jq -e --arg digest "$digest" 'any(.predicate.targets[]; .rule.clause.textSha256 == $digest)' "$work/body" >/dev/null; then
      fails 'the certificate contradicts itself: it quotes a clause that no rule of it carries out, or with other words'
    fi
  done
  for line in startedAt finishedAt sealedAt; do
    date -u -d "$(jq -r ".predicate.period.$line" "$work/body")" +%s%N
  done >"$work/times" 2>/dev/null
  mapfile -t times <"$work/times"
  ((${#times[@]} == 3 && times[0] <= times[1] && times[1] <= times[2])) ||
    fails 'the certificate contradicts itself: the run ended before it started, or was sealed before it ended'
  zone=$(jq -r '.predicate.run.timeZone' "$work/body")
  # Of a zone that is not known here, the latest day that any zone can have.
  [[ $zone != *..* && -e /usr/share/zoneinfo/$zone ]] || zone=UTC-14
  began=$(TZ=$zone date -d "$(jq -r '.predicate.period.startedAt' "$work/body")" +%F 2>/dev/null) || began=''
  [[ ! $(jq -r '.predicate.run.asOf' "$work/body") > $began ]] ||
    fails 'the certificate contradicts itself: it decided for a day after the one on which its run began: what was not due yet may have been removed'
  [[ $failures -ne $before ]] || holds 'the certificate does not contradict itself'
}

# The name of a client's folder: other bytes than letters, digits, `.`, `_` and `-` as %E3.
folder_name() {
  local hex name='' byte place=0
  hex=$(printf '%s' "$1" | xxd -p -c1)
  for byte in $hex; do
    # shellcheck disable=SC2059 # The byte is part of the format.
    byte=$(printf "\\x$byte" && printf x) && byte=${byte%x}
    if [[ $byte == [A-Za-z0-9._-] && ! ($place -eq 0 && ($1 == keys || $1 == .*)) ]]; then
      name+=$byte
    else
      name+=$(printf '%%%02X' "'$byte")
    fi
    place=$((place + 1))
  done
  [[ $name ]] || name=%
  if ((${#name} > 200)); then name=${name:0:140}%$(printf '%s' "$1" | sha256sum | cut -c1-64); fi
  printf '%s' "$name"
}

check_place() {
  local client run belongs
  client=$(jq -j '.predicate.controller.client' "$work/body" && printf x) && client=${client%x}
  run=$(jq -j '.predicate.run.id' "$work/body")
  belongs=$(folder_name "$client")/$(folder_name "$run")
  if [[ ${1#"$dir"/} == "$belongs" ]]; then
    holds 'the certificate lies where its client and run belong'
  else
    fails "the certificate belongs into $belongs"
  fi
}

# ── its leaves ──────────────────────────────────────────────────────────────────────────────────

check_leaves() {
  local leaves=$1/leaves.bin bytes
  if [[ ! -f $leaves ]]; then
    fails '`leaves.bin` is missing'
    return
  fi
  bytes=$(wc -c <"$leaves")
  if [[ $((size * LEAF)) -eq $bytes ]]; then
    holds "\`leaves.bin\` holds $size leaves, as the run checkpoint says"
  else
    fails "\`leaves.bin\` has $bytes bytes, and not $LEAF for each of the $size leaves of the run checkpoint"
    # A file without end would be read without end.
    ((bytes <= (size + 1) * LEAF)) || return
  fi
  if [[ $(sha256 "$leaves") == "$(jq -r '.subject[0].digest.sha256' "$work/body")" ]]; then
    holds '`leaves.bin` has the digest that the certificate names'
  else
    fails '`leaves.bin` does not have the digest that the certificate names'
  fi
  xxd -p -c "$LEAF" "$leaves" >"$work/leaves"
  if sort -c -u "$work/leaves" 2>/dev/null; then
    holds 'the leaves are in ascending order, each once'
  else
    fails 'the leaves are not in ascending order, each once'
  fi
  check_counts
  check_root "$leaves"
}

# Heads are the open part of a leaf: kind 1 is a record, kind 2 a person's share of a run.
check_counts() {
  local before=$failures stated found count head subjects
  cut -c1-8 "$work/leaves" | sort | uniq -c | sed 's/^ *//' >"$work/heads"
  stated=$(jq -r --argjson actions "$ACTIONS" '
    def hex($width): . as $number | [range($width)] | reverse
      | map(($number / pow(16; .) | floor) % 16 | "0123456789abcdef"[.:. + 1]) | join("");
    .predicate.targets[] | .index as $index | .counts | to_entries[]
      | select(.value > 0) | "\(.value) 01\($actions[.key] // 255 | hex(2))\($index | hex(4))"' "$work/body" | sort)
  found=$(while read -r count head; do [[ $head == 02* ]] || printf '%s %s\n' "$count" "$head"; done <"$work/heads" | sort)
  [[ $stated == "$found" ]] ||
    fails 'the leaves of records are not as many as the certificate counts, for each target and action'
  subjects=0
  while read -r count head; do
    [[ $head == 02* ]] || continue
    subjects=$((subjects + count))
    local records=0 of_record
    while read -r of_record other; do [[ $other == 01"${head:2}" ]] && records=$of_record; done <"$work/heads"
    ((count <= records)) || fails "there are more persons than records of target and action ${head:2}"
  done <"$work/heads"
  [[ $subjects == "$(jq -r '.predicate.evidence.leaves.subject' "$work/body")" ]] ||
    fails 'the leaves of persons are not as many as the certificate counts'
  [[ $failures -ne $before ]] || holds 'the leaves are as many as the certificate counts, for each target and action'
}

# Reads hex lines, prints the SHA-256 of each, piece by piece: each line becomes a small file.
hash_lines() {
  local bytes=$1 files at
  while true; do
    rm -rf -- "${nodes:?}"/*
    head -n "$PIECE" >"$work/piece"
    [[ -s $work/piece ]] || break
    xxd -r -p "$work/piece" | split -b "$bytes" -a 4 -d - "$nodes/"
    files=("$nodes"/*)
    for ((at = 0; at < ${#files[@]}; at += 1024)); do sha256sum "${files[@]:at:1024}"; done | cut -c1-64
  done
}

# RFC 6962: a leaf is hashed after a 00, two nodes after a 01; a node without a partner goes up alone.
root_by_bash() {
  local count
  count=$(wc -l <"$work/leaves")
  if ((count == 0)); then
    printf '' | sha256sum | cut -c1-64
    return
  fi
  prefixed 00 "$count" "$work/leaves" >"$work/hashed"
  hash_lines $((LEAF + 1)) <"$work/hashed" >"$work/level"
  while (((count = $(wc -l <"$work/level")) > 1)); do
    head -n $((count / 2 * 2)) "$work/level" | paste -d '' - - >"$work/pairs"
    prefixed 01 $((count / 2)) "$work/pairs" >"$work/hashed"
    hash_lines 65 <"$work/hashed" >"$work/next"
    if ((count % 2)); then tail -n 1 "$work/level" >>"$work/next"; fi
    mv -- "$work/next" "$work/level"
  done
  cat "$work/level"
}

prefixed() { paste -d '' <(yes "$1" | head -n "$2") "$3"; }

root_by_python() {
  python3 - "$1" <<'PYTHON'
import hashlib, sys
subtrees = []
with open(sys.argv[1], "rb") as leaves:
    while leaf := leaves.read(36):
        level, digest = 0, hashlib.sha256(b"\0" + leaf).digest()
        while subtrees and subtrees[-1][0] == level:
            digest = hashlib.sha256(b"\1" + subtrees.pop()[1] + digest).digest()
            level += 1
        subtrees.append((level, digest))
root = subtrees.pop()[1] if subtrees else hashlib.sha256().digest()
while subtrees:
    root = hashlib.sha256(b"\1" + subtrees.pop()[1] + root).digest()
print(root.hex())
PYTHON
}

check_root() {
  local found by=coreutils leaves
  leaves=$(($(wc -c <"$1") / LEAF))
  if (($(wc -c <"$1") % LEAF)); then
    fails 'the last leaf is not whole, so that there is no tree'
    return
  fi
  if ((leaves > BASH_LEAVES)) && command -v python3 >/dev/null; then
    by=python3
    found=$(root_by_python "$1")
  else
    ((leaves <= BASH_LEAVES)) || notes "more than $BASH_LEAVES leaves and no python3: this takes about two minutes for each million"
    found=$(root_by_bash)
  fi
  if [[ $found == "$(printf '%s' "$root" | base64 -d 2>/dev/null | xxd -p -c32)" ]]; then
    holds "the tree of the leaves has the certified root (computed by $by)"
  else
    fails "the tree of the leaves does not have the certified root (computed by $by)"
  fi
}

# ── the log of a client ─────────────────────────────────────────────────────────────────────────

# The hash of a leaf is that of 00 and its bytes, the hash of a node that of 01 and both halves.
leaf_hash() { { printf '\0' && cat "$1"; } | sha256sum | cut -c1-64; }
node_hash() { printf '01%s%s' "$1" "$2" | xxd -r -p | sha256sum | cut -c1-64; }
hex_of_base64() { printf '%s' "$1" | base64 -d 2>/dev/null | xxd -p -c32; }

# Adds a leaf's hash to the tree: `stack` holds the complete subtrees, the largest first.
stack=() leaves_in=0
push_leaf() {
  local hash=$1 rest=$leaves_in
  while ((rest & 1)); do
    hash=$(node_hash "${stack[-1]}" "$hash")
    unset 'stack[-1]'
    rest=$((rest >> 1))
  done
  stack+=("$hash")
  leaves_in=$((leaves_in + 1))
}

root_of_stack() {
  local at hash
  if ((${#stack[@]} == 0)); then
    printf '' | sha256sum | cut -c1-64
    return
  fi
  hash=${stack[-1]}
  for ((at = ${#stack[@]} - 2; at >= 0; at--)); do hash=$(node_hash "${stack[at]}" "$hash"); done
  printf '%s\n' "$hash"
}

# A checkpoint in a signed note: three lines, an empty one, and signatures. Leaves `origin`,
# `log_size` and `log_root` (hex); the text is in $work/note.
read_note() {
  local lines
  mapfile -t lines <"$1"
  [[ ${#lines[@]} -ge 5 && -z ${lines[3]} && ${lines[1]} =~ ^(0|[1-9][0-9]{0,17})$ ]] || return 1
  origin=${lines[0]} log_size=${lines[1]} log_root=$(hex_of_base64 "${lines[2]}")
  [[ ${#log_root} -eq 64 ]] || return 1
  head -n 3 "$1" >"$work/note"
  tail -n +5 "$1" >"$work/signatures"
}

# Whether a key of the log signed what `read_note` has read.
note_is_signed() {
  local mark name signature pem
  while read -r mark name signature; do
    [[ $mark == — && $name == "$origin" ]] || continue
    # Four bytes say which key it is; they are not to be trusted, and not needed.
    printf '%s' "$signature" | base64 -d 2>/dev/null | tail -c +5 >"$work/sig"
    for pem in ${log_pems[@]+"${log_pems[@]}"}; do
      openssl pkeyutl -verify -pubin -inkey "$pem" -rawin -in "$work/note" -sigfile "$work/sig" >/dev/null 2>&1 || continue
      signed_with=${pem##*/}
      return 0
    done
  done <"$work/signatures"
  return 1
}

# The path of a bundle of entries: 256 in each, the last one as wide as the log is long.
bundle_path() {
  local index=$1 size=$2 path width
  path=$(printf '%03d' $((index % 1000)))
  for ((index /= 1000; index > 0; index /= 1000)); do path=$(printf 'x%03d/%s' $((index % 1000)) "$path"); done
  width=$((size - $1 * 256))
  if ((width < 256)); then path+=.p/$width; fi
  printf 'tile/entries/%s' "$path"
}

# What one entry says, compared with what was before it.
check_entry() {
  local index=$1 entry=$2 previous type said plan closed at
  jq -e 'type == "object"' "$entry" >/dev/null 2>&1 || {
    fails "entry $index of the log cannot be read"
    return
  }
  previous=$(jq -r '.predicate.log.previousCheckpoint' "$entry")
  said=$(jq -r '.predicate.log | "\(.origin) \(.index)"' "$entry")
  [[ $said == "$origin $index" ]] ||
    fails "entry $index of the log says that it is entry $said: one was left out or added"
  [[ $previous == "$origin"$'\n'"$index"$'\n'"$(printf '%s' "${roots[index]}" | xxd -r -p | base64)" ]] ||
    fails "entry $index of the log does not quote the head before it: what precedes it was changed"
  at=$(date -u -d "$(jq -r '.predicate.recordedAt // .predicate.period.sealedAt' "$entry")" +%s 2>/dev/null || echo 0)
  ((at >= last_at)) || fails "entry $index of the log is older than one before it"
  last_at=$at
  type=$(jq -r '.predicateType' "$entry")
  case $type in
    urn:kigen:plan:v1)
      plans[$index]=$(sha256 "$entry")
      plan_runs[$index]=$(jq -r '.predicate.run.id' "$entry")
      plan_times[$index]=$at
      ;;
    urn:kigen:deletion-certificate:v1 | urn:kigen:abort:v1)
      plan=$(jq -r '.predicate.log.plan.index // "none"' "$entry")
      closed=$(jq -r '.predicate | "\(.log.plan.payloadSha256) \(.run.id)"' "$entry")
      if [[ -z ${plans[$plan]-} ]]; then
        fails "entry $index of the log closes no plan that is open: nothing was announced before the removal"
      elif [[ $closed != "${plans[$plan]} ${plan_runs[$plan]}" ]]; then
        fails "entry $index of the log closes the plan $plan of another run, or with another digest"
      fi
      unset "plans[$plan]"
      if [[ $type == urn:kigen:deletion-certificate:v1 && $(jq -r '.predicate.kind' "$entry") != noop ]]; then
        certified[$index]=$(jq -r '.predicate.certificateId' "$entry")
      fi
      ;;
  esac
}

# Takes the next entry of the log out of a file.
take_entry() {
  check_entry "$index" "$1"
  leaf[index]=$(leaf_hash "$1")
  push_leaf "${leaf[index]}"
  index=$((index + 1))
  roots[index]=$(root_of_stack)
}

# Reads all entries: full bundles, and behind them one file for each entry; older places have a partial
# bundle there. Leaves `leaf` (their hashes), `roots` (of each size) and what `check_entry` keeps.
read_entries() {
  local log=$1 size=$2 index=0 bundle path hex at length
  stack=() leaves_in=0
  roots[0]=$(root_of_stack)
  for ((bundle = 0; bundle * 256 < size; bundle++)); do
    path=$(bundle_path "$bundle" "$size")
    if [[ $path == *.p/* && -f $log/entry/$index ]]; then
      while ((index < size)); do
        if [[ ! -f $log/entry/$index ]]; then
          fails "entry/$index is missing: the log is not whole"
          return 1
        fi
        take_entry "$log/entry/$index"
      done
      continue
    fi
    if [[ ! -f $log/$path ]]; then
      fails "$(printf %q "$path") is missing: the log is not whole"
      return 1
    fi
    hex=$(xxd -p "$log/$path" | tr -d '\n')
    for ((at = 0; at * 2 < ${#hex}; at += 2 + length)); do
      length=$((16#${hex:at * 2:4}))
      tail -c +$((at + 3)) "$log/$path" | head -c "$length" >"$work/entry"
      take_entry "$work/entry"
    done
  done
  [[ $index -eq $size ]] || fails "the log has $index entries, and its head is over $size"
}

# A proof that the certificate is in the log: RFC 9162, section 2.1.3.2.
check_proof() {
  local proof=$1/cert.tlog-proof hash=$2 lines at=1 index node last
  if [[ ! -f $proof ]]; then
    fails "$(printf %q "${proof#"$dir"/}") is missing"
    return
  fi
  mapfile -t lines <"$proof"
  if [[ ${lines[0]-} == c2sp.org/tlog-proof@v1 && ${lines[1]-} =~ ^index\ (0|[1-9][0-9]{0,17})$ ]]; then
    index=${BASH_REMATCH[1]}
    node=$index
    sed '1,/^$/d' "$proof" >"$work/proof"
    if read_note "$work/proof" && note_is_signed && ((index < log_size)); then
      last=$((log_size - 1))
      for ((at = 2; at < ${#lines[@]} && ${#lines[at]} > 0; at++)); do
        if ((last == 0)); then
          hash=''
        elif ((node & 1 || node == last)); then
          hash=$(node_hash "$(hex_of_base64 "${lines[at]}")" "$hash")
          while ((!(node & 1) && node)); do node=$((node >> 1)) last=$((last >> 1)); done
        else
          hash=$(node_hash "$hash" "$(hex_of_base64 "${lines[at]}")")
        fi
        node=$((node >> 1)) last=$((last >> 1))
      done
      if [[ $last -eq 0 && $hash == "$log_root" && ${roots[log_size]-} == "$log_root" ]]; then
        return
      fi
    fi
  fi
  fails "$(printf %q "${proof#"$dir"/}") does not prove that the certificate is in the log"
}

# The published certificates and those of the log are the same.
check_certified() {
  local run index
  for run in "${!entry_of[@]}"; do
    [[ $run == "$1"/* ]] || continue
    index=${place_of[$run]}
    if [[ $index == none || ${leaf[index]-} != "${entry_of[$run]}" ]]; then
      fails "the certificate in $(printf %q "${run#"$dir"/}") is not in the log at the place that it names"
      continue
    fi
    unset "certified[$index]"
    check_proof "$run" "${entry_of[$run]}"
  done
  for index in "${!certified[@]}"; do
    fails "entry $index of the log is the certificate ${certified[$index]}, which is not published: it was taken away, or is being published just now"
  done
}

# The log was only added to since the heads that were kept.
check_kept() {
  local file at=$1 size=$2
  for file in ${kept[@]+"${kept[@]}"}; do
    if ! read_note "$file" || [[ $origin != "$at" ]]; then continue; fi
    if ((log_size > size)); then
      fails "$(printf %q "$file") is over $log_size entries, and the log has only $size: it was shortened"
    elif [[ ${roots[log_size]} == "$log_root" ]]; then
      holds "the log was only added to since $(printf %q "$file"), which is over $log_size entries"
    else
      fails "the first $log_size entries of the log are not those of $(printf %q "$file"): its history was rewritten"
    fi
  done
}

# Heads that were kept beside the log, with the lines of witnesses or for a time stamp: all of them
# are heads of this log. What a witness has signed is for who has its key.
check_beside() {
  local log=$1 at=$2 size=$3 file found=0 stamps=0 head
  for file in "$log"/cosigned/* "$log"/stamped/*.checkpoint; do
    [[ -f $file ]] || continue
    found=$((found + 1))
    if ! read_note "$file" || ! note_is_signed || [[ $origin != "$at" ]]; then
      fails "$(printf %q "${file#"$dir"/}") is no head that the log has signed"
    elif ((log_size > size)) || [[ ${roots[log_size]-} != "$log_root" ]]; then
      fails "$(printf %q "${file#"$dir"/}") is a head of another log: two histories"
    fi
  done
  ((found == 0)) || notes "$found heads are kept beside the log"
  for file in "$log"/stamped/*.tsr "$log"/checkpoint.tsr; do
    [[ -f $file ]] || continue
    stamps=$((stamps + 1))
    [[ -f $tsa_root ]] || continue
    head=${file%.tsr}.checkpoint
    if [[ $file == */checkpoint.tsr ]]; then
      # The newest one again; the head itself may have moved on.
      cmp -s "$file" "$(printf '%s\n' "$log"/stamped/*.tsr | sort -V | tail -n 1)" ||
        fails "$(printf %q "${file#"$dir"/}") is not the newest time stamp"
    elif openssl ts -verify -data "$head" -in "$file" -CAfile "$tsa_root" >/dev/null 2>&1; then
      holds "the time stamp $(printf %q "${file#"$dir"/}") is signed by the authority, and of the head beside it"
    else
      fails "the time stamp $(printf %q "${file#"$dir"/}") does not hold under tsa-root.pem of KEYDIR"
    fi
  done
  if ((stamps > 0)) && [[ ! -f $tsa_root ]]; then
    notes "time stamps were not checked: KEYDIR has no \`tsa-root.pem\`"
  fi
}

# `policy.txt` tells programs whom to trust: the keys of KEYDIR, and no other.
check_policy() {
  local word name key known pem
  [[ -f $1 ]] || return
  while read -r word name; do
    [[ $word == log ]] || continue
    # A name, an id, and after one byte of type the key itself; its base64 may have a plus too.
    key=${name#*+}
    key=$(printf '%s' "${key#*+}" | base64 -d 2>/dev/null | tail -c +2 | xxd -p -c64)
    known=no
    for pem in ${log_pems[@]+"${log_pems[@]}"}; do
      [[ $key != "$(openssl pkey -pubin -in "$pem" -outform DER | tail -c 32 | xxd -p -c64)" ]] || known=yes
    done
    [[ $known == yes ]] || fails "$(printf %q "${1#"$dir"/}") names a key that KEYDIR does not have"
  done <"$1"
}

check_log() {
  local client=$1 log=$1/log before=$failures size at signed_with='' origin log_size log_root index last_at=0
  local -a leaf=() roots=()
  local -A plans=() plan_runs=() plan_times=() certified=()
  printf '%s\n' "$log"
  if [[ ! -f $log/checkpoint ]]; then
    fails '`log/checkpoint` is missing: nobody can tell what was taken away'
    return
  fi
  if ! read_note "$log/checkpoint" || ! note_is_signed; then
    fails 'the head of the log is not signed by a key `log-*.pem` of KEYDIR'
    return
  fi
  size=$log_size at=$origin
  if [[ ${origin##*/} != "${client##*/}" ]]; then
    fails "the head is that of another log, $(printf %q "$origin")"
    return
  fi
  holds "the head of the log, over $size entries, is signed under $(printf %q "$signed_with")"
  local head_root=$log_root
  read_entries "$log" "$size" || return
  if [[ ${roots[size]-} == "$head_root" ]]; then
    holds "all $size entries are there and have the root that was signed"
  else
    fails "the $size entries of the log do not have the root that was signed"
  fi
  for index in "${!plans[@]}"; do
    if ((last_at - plan_times[$index] > 48 * 3600)); then
      fails "entry $index of the log plans run ${plan_runs[$index]}, and nothing closes it: what the run did is concealed, or nobody took it up again"
    else
      notes "entry $index of the log plans run ${plan_runs[$index]}, which has no end yet: it goes on, or was stopped"
    fi
  done
  check_certified "$client"
  check_policy "$log/policy.txt"
  check_kept "$at" "$size"
  check_beside "$log" "$at" "$size"
  [[ $failures -ne $before ]] || holds 'the log tells a whole story, and its certificates are those that are published'
}

# ── all of them ─────────────────────────────────────────────────────────────────────────────────

declare -A seen=() entry_of=() place_of=()
certificates=0 failing=0

check_certificate() {
  local before=$failures id root='' size=''
  printf '%s\n' "$1"
  certificates=$((certificates + 1))
  if check_envelope "$1" && check_itself; then
    check_statement "$1"
    check_ssh_signature "$1"
    check_leaves "$1"
    check_place "$1"
    id=$(jq -r '.predicate.certificateId' "$work/body")
    [[ -z ${seen[$id]-} ]] || fails "certificate $id is published twice"
    seen[$id]=$1
    entry_of[$1]=$(leaf_hash "$work/body")
    place_of[$1]=$(jq -r '.predicate.log.index // "none"' "$work/body")
  fi
  [[ $failures -eq $before ]] || failing=$((failing + 1))
}

# Each head that was kept is one of a log that is here: a client that was hidden has none.
check_no_log_is_hidden() {
  local file client origin log_size log_root
  for file in ${kept[@]+"${kept[@]}"}; do
    if ! read_note "$file"; then
      fails "$(printf %q "$file") is no head of a log"
      continue
    fi
    client=$dir/${origin##*/}
    [[ -f $client/log/checkpoint && $(head -n 1 "$client/log/checkpoint") == "$origin" ]] ||
      fails "$(printf %q "$file") is a head of the log $(printf %q "$origin"), which is not here: the whole log was taken away, or hidden"
  done
}

printf '%s\n' "$dir"
check_files "$dir" 0
if ((unsafe > 0)); then
  printf '%d entries of the folder are no files that can be read; nothing else was checked\n' "$unsafe"
  exit 1
fi
check_keys
check_no_log_is_hidden
for client in "$dir"/*/; do
  [[ ${client%/} != "$dir"/keys ]] || continue
  for run in "$client"*/; do
    run=${run%/}
    [[ ${run##*/} == log ]] || check_certificate "$run"
  done
  check_log "${client%/}"
done
if ((failures > 0)); then
  printf '%d of %d certificates do NOT hold; %d checks failed in all\n' "$failing" "$certificates" "$failures"
  exit 1
fi
if ((certificates == 0)); then
  printf 'no certificate has been published here\n'
else
  printf '%d certificates verified, all hold\n' "$certificates"
fi
