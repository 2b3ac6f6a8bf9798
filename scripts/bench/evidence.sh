#!/usr/bin/env bash
# Times the evidence of one large run: LEAVES records removed at once, on SQLite; then what a client,
# a person and an auditor do with it.
#
#   scripts/bench/evidence.sh KIGEN [LEAVES]
#
# KIGEN is the program, built with --release; LEAVES is 1000000 if it is left out. Besides one leaf for
# each record there is one for each person (a seventh of them). Three of four records are of one client;
# the search for a receipt goes through the certificates of both. Everything lies in a temporary folder, which is removed.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
# shellcheck source=scripts/bench/school.sh
source "$here/school.sh"

school "${2:-1000000}" 100
# shellcheck disable=SC2016 # the inner shell expands it
timed 0 "run" sh -c '"$0" run --as-of 2026-11-22 --log kigen::progress=info 2> steps' "$kigen"
# Steps that took a second or more.
sed -n 's/.*stage ended label="\([^"]*\)" done=\([0-9]*\) .* seconds=\([0-9]*\.[0-9]\).*/  \1: \2 in \3 s/p' steps
find certificates -name leaves.bin -printf '  %s bytes of leaves\n'

mkdir keys
cp certificates/keys/* keys/
read -r log_key < <(find keys -name 'log-*.pem')
timed 0 "sha256sum of the leaves, once" sh -c 'cat certificates/*/*/leaves.bin | sha256sum'
timed 0 "verify" "$kigen" verify certificates --log error
timed 0 "verify.sh" "$here/../auditor/verify.sh" certificates keys
words=(certificate prove --cluster exam-history --log error)
timed 0 "prove a record" "$kigen" "${words[@]}" --key 101 --output record.tlog-proof
timed 19 "prove a record that nobody removed" "$kigen" "${words[@]}" --key -1
timed 0 "prove a person" "$kigen" "${words[@]}" --subject 15 --output person
timed 0 "verify-receipt" "$kigen" certificate verify-receipt record.tlog-proof --log-key "$log_key" --log error
timed 0 "verify_receipt.sh" "$here/../auditor/verify_receipt.sh" record.tlog-proof "$log_key"
