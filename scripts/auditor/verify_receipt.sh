#!/usr/bin/env bash
# Checks a receipt for one record or one person, with bash 4.4, GNU coreutils 8.31 and OpenSSL 3 alone.
#
#   verify_receipt.sh [--targets N] RECEIPT LOG_KEY.pem [STATEMENT.json]
#
# RECEIPT         the file that the certificate's issuer handed over (C2SP tlog-proof@v1)
# LOG_KEY.pem     the public key of the log, got outside of the receipt: by contract, web site, letter
# STATEMENT.json  the certificate's payload, to check that the receipt belongs to this certificate
# --targets N     try the targets 0 to N-1 of the certificate (default 16)
#
# Says in sentences what is proven and ends with 0; or says what is not, and ends with 1.
set -euo pipefail
export LC_ALL=C

usage() {
  echo "usage: verify_receipt.sh [--targets N] RECEIPT LOG_KEY.pem [STATEMENT.json]" >&2
  exit 2
}
refuse() {
  echo "not proven: $*" >&2
  exit 1
}

targets=16
if [[ ${1-} == --targets ]]; then
  [[ ${2-} =~ ^[1-9][0-9]{0,4}$ && $2 -le 65536 ]] || usage
  targets=$2
  shift 2
fi
[[ ($# == 2 || $# == 3) && $1 != -* ]] || usage
readonly receipt=$1 key=$2 statement=${3-}
for file in "$@"; do
  [[ -f $file && -r $file ]] || refuse "\`$file\` cannot be read: it is missing, or no plain file"
  # A record of a receipt has at most a mebibyte, which base64 makes longer.
  (($(wc -c <"$file") <= 4194304)) || refuse "\`$file\` is longer than any such file can be"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# ── Bytes ───────────────────────────────────────────────────────────────────────────────────────

# All values below are hexadecimal text; bash cannot hold zero bytes.
to_hex() { od -An -v -tx1 | tr -d ' \n'; }
from_hex() { tr -d '\n' | tr a-f A-F | basenc --base16 -d; }

# Sets `decoded` to the bytes of the one way of writing base64 that $1 is.
decode() {
  decoded=$(base64 -d <<<"$1" 2>/dev/null | to_hex) || return 1
  [[ $(printf %s "$decoded" | from_hex | base64 -w0) == "$1" ]]
}

# The digest of each line of standard input, all of which have the same length.
digests() {
  local lines
  mapfile -t lines
  rm -f "$work"/part.*
  printf '%s\n' "${lines[@]}" | from_hex | split -a 6 -d -b $((${#lines[0]} / 2)) - "$work/part."
  sha256sum "$work"/part.* | cut -c1-64
}

# ── The file ────────────────────────────────────────────────────────────────────────────────────

length=$(wc -c <"$receipt")
((length <= 2097152)) || refuse "the receipt is longer than 2 MiB"
mapfile -t lines <"$receipt" 2>/dev/null
sum=0
for line in "${lines[@]}"; do
  [[ $line != *[[:cntrl:]]* ]] || refuse "the receipt has control characters"
  sum=$((sum + ${#line} + 1))
done
# Zero bytes and a last line without its end would both be lost on the way.
((sum == length)) || refuse "the receipt is not made of whole lines"

[[ ${lines[0]-} == c2sp.org/tlog-proof@v1 ]] || refuse "the file is no receipt"
[[ ${lines[1]-} == 'extra '* ]] || refuse "the receipt opens no leaf"
decode "${lines[1]#extra }" || refuse "the receipt's second line is not base64"
opening=$decoded
readonly number='^(0|[1-9][0-9]{0,17})$'
[[ ${lines[2]-} == 'index '* && ${lines[2]#index } =~ $number ]] || refuse "the receipt has no index"
index=${lines[2]#index }

path=()
at=3
while [[ -n ${lines[at]-} ]]; do
  decode "${lines[at]}" && [[ ${#decoded} == 64 ]] || refuse "line $((at + 1)) of the receipt is no hash"
  path+=("$decoded")
  at=$((at + 1))
done
((${#path[@]} <= 64)) || refuse "the path has more than 64 hashes"

origin=${lines[at + 1]-} size=${lines[at + 2]-} root64=${lines[at + 3]-}
[[ -n $origin && -n $root64 && -z ${lines[at + 4]-} ]] || refuse "the receipt has no checkpoint of three lines"
[[ $size =~ $number ]] || refuse "the checkpoint has no size"
decode "$root64" && [[ ${#decoded} == 64 ]] || refuse "the checkpoint has no root"
root=$decoded
signatures=("${lines[@]:at+5}")
((${#signatures[@]} > 0)) || refuse "nobody has signed the checkpoint"
((${#signatures[@]} <= 100)) || refuse "the checkpoint has more than 100 signatures"

# ── The signature of the log ────────────────────────────────────────────────────────────────────

der=$(openssl pkey -pubin -in "$key" -outform DER 2>/dev/null | to_hex) || refuse "\`$key\` is no public key"
[[ $der == 302a300506032b6570032100* && ${#der} == 88 ]] || refuse "\`$key\` is no Ed25519 public key"
public=${der:24}
printf '%s\n%s\n%s\n' "$origin" "$size" "$root64" >"$work/text"

log=
for line in "${signatures[@]}"; do
  rest=${line#$'\xe2\x80\x94 '}
  name=${rest%% *} signature=${rest#* }
  [[ $rest != "$line" && $rest == *' '* && -n $name && $name != *+* ]] || refuse "a line behind the checkpoint is no signature"
  decode "$signature" && ((${#decoded} > 8)) || refuse "a line behind the checkpoint is no signature"
  id=$(printf '%s\n' "$(printf '%s\n\1' "$name" | to_hex)$public" | digests)
  # Signatures of others, of a witness for instance, say nothing to who holds the log's key alone.
  [[ ${decoded:0:8} == "${id:0:8}" ]] || continue
  printf %s "${decoded:8}" | from_hex >"$work/signature"
  openssl pkeyutl -verify -pubin -inkey "$key" -rawin -in "$work/text" -sigfile "$work/signature" >/dev/null 2>&1 ||
    refuse "the signature of \`$name\` does not hold"
  [[ -z $log || $log == "$name" ]] || refuse "the key has signed under two names"
  log=$name
done
[[ -n $log ]] || refuse "the checkpoint is not signed with the key in \`$key\`"
[[ $origin == "$log/run/"?* ]] || refuse "the checkpoint is about \`$origin\`, which is no run of the log \`$log\`"

# ── The opening: a record, or a person and a count ──────────────────────────────────────────────

# Each of these takes bytes from the front of `left` and fails if they are not there.
take() {
  ((${#left} >= 2 * $1)) || return 1
  taken=${left:0:2*$1}
  left=${left:2*$1}
}
take_bytes() {
  take 4 || return 1
  local bytes=$((16#$taken))
  ((bytes <= 1048576)) || return 1
  take "$bytes"
}
# Sets `text`, fit to be shown: what could steer a terminal becomes a question mark.
take_text() {
  take_bytes || return 1
  show "$taken"
}
show() {
  text=$(printf %s "$1" | from_hex | tr '\000-\037\177' '?' && printf .)
  text=${text%.}
  text=${text//$'\xc2'[$'\x80'-$'\x9f']/?}
}
is_integer() {
  [[ $text =~ ^(0|-?[1-9][0-9]{0,18})$ ]] || return 1
  # 64 bits: bash wraps around beyond them.
  [[ $((text)) == "$text" ]]
}
take_value() {
  take 1 || return 1
  local type=$taken
  take_bytes || return 1
  case $type in
    00) [[ -z $taken ]] && text=NULL ;;
    01) case $taken in 00) text=false ;; 01) text=true ;; *) return 1 ;; esac ;;
    02) show "$taken" && is_integer ;;
    03 | 07 | 08) show "$taken" ;;
    04) text=0x$taken ;;
    05) [[ ${#taken} == 32 ]] && text=${taken:0:8}-${taken:8:4}-${taken:12:4}-${taken:16:4}-${taken:20} ;;
    06) show "$taken" && is_integer && text="$text microseconds after 1970-01-01T00:00:00Z" ;;
    *) return 1 ;;
  esac
}

read_record() {
  left=${opening:64}
  local store object columns names=() keys= last= plain
  take_text || return 1
  client=$text
  take_text || return 1
  store=$text
  take_text || return 1
  object=$text
  take 2 || return 1
  columns=$((16#$taken))
  for ((; columns > 0; columns--)); do
    take_text || return 1
    plain=$taken
    [[ ${#names[@]} == 0 || $plain > $last ]] || return 1
    last=$plain
    names+=("$text")
    keys+="${keys:+, }$text = "
    take_value || return 1
    keys+=$text
  done
  take 4 && [[ -z $left ]] || return 1
  tag=$(printf 'kigen/leaf/v1\0' | to_hex) kind=01 hidden=$opening
  opened="a record of the client \`$client\` in \`$object\` of the store \`$store\`, with the key $keys"
  ((16#$taken == 0)) || opened+=" (removal $((16#$taken + 1)) of this key in the run)"
}

read_subject() {
  ((${#opening} > 80)) || return 1
  local person=${opening:64:${#opening}-80} counted=${opening: -16} subject
  left=$person
  take_text || return 1
  client=$text
  take_text || return 1
  subject=$text
  take_value && [[ -z $left && ! $counted > 7fffffffffffffff ]] || return 1
  tag=$(printf 'kigen/subject-leaf/v1\0' | to_hex) kind=02
  hidden=$(printf '%s\n' "$(printf 'kigen/subject/v1\0' | to_hex)${opening:0:64}$person" | digests)$counted
  opened="$((16#$counted)) records of the $subject $text of the client \`$client\`"
}

((${#opening} > 64 && ${#opening} <= 2097152)) || refuse "the receipt opens no leaf"
read_record || read_subject || refuse "what the receipt opens is neither a record nor a person"

# ── The path from the leaf to the root ──────────────────────────────────────────────────────────

((index < size)) || refuse "there is no leaf $index in a tree of $size leaves"

# Sets `head` to the one of the heads $@ whose leaf has this path to the root, if there is one.
# Action and target are a part of the leaf, but not of the receipt: they are tried side by side.
try() {
  local heads=("$@") commitments nodes i sibling node=$index last=$((size - 1))
  # A record's salt and bytes stand behind the head, and so do a person's reference and count.
  mapfile -t commitments < <(printf "$tag%s$hidden\n" "${heads[@]}" | digests)
  mapfile -t nodes < <(for i in "${!heads[@]}"; do echo "00${heads[i]}${commitments[i]}"; done | digests)
  for sibling in "${path[@]}"; do
    ((last > 0)) || refuse "the path is too long for a tree of $size leaves"
    if ((node % 2 == 1 || node == last)); then
      mapfile -t nodes < <(printf "01$sibling%s\n" "${nodes[@]}" | digests)
      while ((node % 2 == 0 && node != 0)); do
        node=$((node >> 1)) last=$((last >> 1))
      done
    else
      mapfile -t nodes < <(printf "01%s$sibling\n" "${nodes[@]}" | digests)
    fi
    node=$((node >> 1)) last=$((last >> 1))
  done
  ((last == 0)) || refuse "the path is too short for a tree of $size leaves"
  for i in "${!nodes[@]}"; do
    [[ ${nodes[i]} != "$root" ]] || head=${heads[i]}
  done
}

head=
heads=()
for ((target = 0; target < targets; target++)); do
  for action in 01 02 03 04 05 06 07 08; do
    heads+=("$kind$action$(printf %04x "$target")")
  done
  ((target % 4 == 3 || target == targets - 1)) || continue
  try "${heads[@]}"
  [[ -z $head ]] || break
  heads=()
done
[[ -n $head ]] || refuse "the leaf that the receipt opens is not in the tree that the log has signed"

if [[ -n $statement ]]; then
  text=$(tr -d '\0' <"$statement")
  [[ $text == *"\"runCheckpoint\":\"$origin\\n$size\\n$root64\\n\""* ]] ||
    refuse "the receipt belongs to another certificate than \`$statement\`"
fi

# ── What is proven ──────────────────────────────────────────────────────────────────────────────

case $((16#${head:2:2})) in
  1) became="deleted" ;;
  2) became="pseudonymized" ;;
  3) became="deleted, as a version of an object" ;;
  4) became="made unreadable by destroying its key" ;;
  5) became="found to be gone already" ;;
  6) became="due, but held: not removed" ;;
  7) became="removed, as the marker of a deletion" ;;
  8) became="aborted, as an upload" ;;
esac
echo "The log \`$log\` has signed the tree of the run \`${origin#"$log/run/"}\`, which has $size leaves."
echo "Leaf $index of this tree stands for $opened."
echo "What became of it: $became (action $((16#${head:2:2})), target $((16#${head:4:4})) of the certificate)."
[[ -z $statement ]] || echo "The tree is the one that the certificate in \`$statement\` names."
