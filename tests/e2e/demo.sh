#!/bin/sh
# ./dev demo: two people, four devices, one server, in plain words. Every claim is checked; the
# first that does not hold ends the demo with a non-zero exit code.
set -u
[ $# -eq 1 ] || { echo 'usage: demo.sh BUILD-FOLDER' >&2; exit 64; }
WAX_BUILD=$1
export WAX_BUILD
. "$(dirname "$0")/lib.sh"
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$(printf '\033[1m') red=$(printf '\033[1;31m') dim=$(printf '\033[2m') off=$(printf '\033[0m')
else
    bold='' red='' dim='' off=''
fi
step() { printf '\n%s%s%s\n' "$bold" "$1" "$off"; }
say() { printf '   %s\n' "$1"; }
shown() { printf '   %s$ %s%s\n' "$dim" "$1" "$off"; }
broken() {
    printf '\n%sThis does not hold: %s%s\n' "$red" "$1" "$off" >&2
    [ -z "${2:-}" ] || sed 's/^/   | /' "$2" >&2
    tail -n 10 "$tmp/waxd.log" 2>/dev/null | sed 's/^/   waxd: /' >&2
    exit 1
}
holds() { # TEXT COMMAND…
    claim=$1
    shift
    "$@" >"$tmp/claim" 2>&1 || broken "$claim" "$tmp/claim"
    say "$claim"
}
die() { broken "$@"; }
receives() { j "$1" receive >"$tmp/got" 2>"$tmp/err" || broken "$1 receives" "$tmp/err"; }

step '1. A server'
server_new
shown 'waxd init --domain example.org && waxd run'
say "It serves at $url, with a certificate from its own CA."

step '2. Ann and Bob, two devices each'
register ann1 ann@example.org
register bob1 bob@example.org
say 'ann@example.org and bob@example.org registered, each by an invitation, with a first device.'
link ann2 ann1 ann@example.org
link bob2 bob1 bob@example.org
say 'Each linked a second one: the new device showed a link code and six digits, the old one took'
say 'the digits and signed it in. The server cannot add a device: it has no key to sign with.'
for d in ann1 ann2 bob1 bob2; do
    say "  $d  device $(device_of $d)"
    receives $d
done

step '3. Ann writes from her first device'
text='See you at eight, by the old lock.'
shown "wax send bob@example.org '$text'"
id=$(w ann1 send bob@example.org "$text") || broken 'the message is accepted'
say "Accepted; its id is $id."
n=$(sql "SELECT count(*) FROM mailbox WHERE $copies('$id')) > 0")
[ "$n" = 3 ] || broken "one message is three ciphertexts (there are $n)"
say 'It left as three ciphertexts, one for each device concerned:'
for d in bob1 bob2 ann2; do
    row=$(sql "SELECT length(envelope) || ' bytes beginning ' || lower(hex(substr(envelope, 1, 12))) FROM mailbox
        WHERE id = $(copy_of "$id" "$(row_of $d)")")
    [ -n "$row" ] || broken "a ciphertext for $d"
    say "  for $d: $row…"
done

step '4. What the server holds while it waits'
ls -1s --block-size=1K "$srv" | sed '1d;s/^/   /;s/$/ (KiB)/' | sed 's/^   *\([0-9]*\) \([^ ]*\) (KiB)/   \1 KiB  \2/'
holds "The message's id, which stands in each ciphertext, is found in its files." in_folder "$id"
holds 'The text is in none of them.' not_in_folder "$(text_hex "$text")"
holds 'Nor in its log.' sh -c "! grep -aqF 'old lock' '$tmp/waxd.log'"

step '5. Delivery'
for d in bob1 bob2 ann2; do
    receives $d
    [ "$(jq -r 'select(.type == "message") | .text' "$tmp/got")" = "$text" ] || broken "$d reads the text" "$tmp/got"
    if [ $d = ann2 ]; then say "  $d (her other device) has: $text"; else say "  $d reads: $text"; fi
done
[ "$(sql 'SELECT count(*) FROM mailbox')" = 0 ] || broken "the server's copies are gone"
say "Each device confirmed, and the server's three copies are gone;"
until_true 60 not_in_folder "$id" || broken 'a while later they are in no file either'
say 'their bytes are in no file of its folder any more.'
answer='Eight it is.'
w bob2 send ann@example.org "$answer" >/dev/null || broken 'the answer is accepted'
for d in ann1 ann2 bob1; do
    receives $d
    [ "$(jq -r 'select(.type == "message") | .text' "$tmp/got")" = "$answer" ] || broken "$d reads the answer" "$tmp/got"
done
say "Bob's answer from his second device reached the three others: $answer"

step '6. Somebody flips one bit on the server'
id=$(w ann1 send bob@example.org 'This one will be touched.') || broken 'the message is accepted'
flip "$(copy_of "$id" "$(row_of bob1)")" 500 || broken 'the bit is flipped'
shown 'wax receive'
w bob1 receive >"$tmp/got" 2>"$tmp/err" || broken 'bob1 receives' "$tmp/err"
grep -q '^ALERT tampered' "$tmp/got" || broken 'the flipped bit raises an alert' "$tmp/got"
grep -q 'will be touched' "$tmp/got" && broken 'nothing of it is shown' "$tmp/got"
sed "s/^/   $red/;s/\$/$off/" "$tmp/got"
receives bob2
[ "$(texts "$tmp/got")" = 'This one will be touched.' ] || broken 'the other device reads its own copy' "$tmp/got"
say 'bob1 shows nothing of it; bob2 has its own, untouched copy.'
receives ann2

step '7. A device comes, a device goes'
link bob3 bob1 bob@example.org
say 'Bob linked a third device.'
gone=$(device_of bob2)
j bob1 revoke "$gone" >"$tmp/got" 2>"$tmp/err" || broken 'bob2 is revoked' "$tmp/err"
say "He revoked his second one, $(printf %.8s "$gone")…"
rc=0
w bob2 receive >"$tmp/got" 2>"$tmp/err" || rc=$?
[ $rc = 77 ] || broken "the revoked device is refused (exit $rc)" "$tmp/err"
say "It is shut out: $(sed 's/^wax: //' "$tmp/err")"
w ann1 send bob@example.org 'Only to whom it concerns.' >/dev/null || broken 'the message is accepted'
for d in bob1 bob3; do
    receives $d
    texts "$tmp/got" | grep -qx 'Only to whom it concerns.' || broken "$d reads it" "$tmp/got"
done
say "Ann's next message reached bob1 and bob3, and no bob2."
receives ann1
[ -n "$(jq -r 'select(.type == "alert") | .kind' "$tmp/got")" ] || broken 'ann is told of the changes' "$tmp/got"
say "Ann was told: $(jq -r 'select(.type == "alert") | .detail' "$tmp/got" | tr '\n' ';' | sed 's/;$//;s/;/; /g')"
server_stop
[ "$stop_rc" = 0 ] || broken 'the server ends well'

step 'All of it held. To go on by hand'
cat <<TXT
   PATH=\$PATH:$WAX_BUILD/cmd/wax:$WAX_BUILD/cmd/waxd
   waxd init --domain example.org --listen 127.0.0.1:8443 --data /tmp/server
   waxd run --data /tmp/server &
   wax --home /tmp/ann register ann@example.org --invitation-file /tmp/server/invitation
   wax --home /tmp/bob register bob@example.org --invitation-file /tmp/server/invitation
   wax --home /tmp/ann send bob@example.org 'hello'
   wax --home /tmp/bob receive --follow
   wax --help, waxd --help, and \`man -l\` on the pages in $WAX_BUILD/docs/man tell the rest.
TXT
