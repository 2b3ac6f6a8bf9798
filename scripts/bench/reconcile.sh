#!/usr/bin/env bash
# Times a reconciliation: ROWS present records against the evidence of 35 runs, on SQLite.
#
#   scripts/bench/reconcile.sh KIGEN [ROWS]
#
# KIGEN is the program, built with --release; ROWS is 1000000 if it is left out. Everything lies in a
# temporary folder, which is removed. Of every hundred rows 35 are removed, one in each run; then the
# backup is restored. Three runs in the middle have the read-back switched off, for the comparison.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scripts/bench/school.sh
source "$here/school.sh"
readonly RUNS=35

school "${2:-1000000}" "$RUNS"
python3 -c 'import sqlite3; sqlite3.connect("store.db").execute("vacuum into \"backup.db\"")'
time=$(date -u +%Y-%m-%dT%H:%M:%SZ)
for run in $(seq 0 $((RUNS - 1))); do
  day=$(date -u -d "2026-01-02 + $run days" +%F)
  case $run in
    10 | 11 | 12) config off && timed 0 "run $run, without read-back" "$kigen" run --as-of "$day" --log error && config full ;;
    *) timed 0 "run $run" "$kigen" run --as-of "$day" --log error ;;
  esac
done
rm -f store.db-wal store.db-shm
cp backup.db store.db
words=(reconcile --store school --backup-time "$time" --log error)
timed 18 "look" "$kigen" "${words[@]}"
timed 0 "apply" "$kigen" "${words[@]}" --apply
timed 0 "look again" "$kigen" "${words[@]}"
