#!/bin/sh
# At a terminal: recovery words, prompts, QR codes, colours; and none of them elsewhere.
. "$(dirname "$0")/lib.sh"
TERM=xterm
export TERM
unset NO_COLOR
server_new
esc=$(printf '\033')
# at_terminal COMMAND-LINE: runs it on a terminal of its own, what it shows in $tmp/screen;
# standard input is typed.
at_terminal() { script -qefc "$1" /dev/null >"$tmp/screen" 2>&1; }

inv=$(invitation 1)
{ sleep 3; echo; } | at_terminal "$wax --home $tmp/ann1 register ann@example.org $inv >$tmp/stdout"
same 'register shows twelve words on the terminal' 12 "$(grep -cE '^ +[0-9]+\. [a-z]+' "$tmp/screen")"
check 'and asks to write them down' grep -q 'Press Enter' "$tmp/screen"
word=$(sed -n 's/^ *1\. \([a-z]*\).*/\1/p' "$tmp/screen" | tr -d '\r')
check 'standard output tells of the account' grep -q 'Registered ann@example.org' "$tmp/stdout"
check 'and has none of the words' sh -c "! grep -qw '$word' '$tmp/stdout'"
code 0 'the account is there' w ann1 status

# A second device, both sides at terminals.
line=$(j ann1 status | jq -r .invitation)
script -qefc "$wax --home $tmp/ann2 link ann@example.org $line --device-name laptop" /dev/null >"$tmp/new" 2>&1 &
linking=$!
others=$linking
until_true 20 grep -q 'waxlink:' "$tmp/new" || die 'a link code at the terminal' "$tmp/new"
check 'the link code comes as QR code too' until_true 5 grep -q '█' "$tmp/new"
lc=$(tr -d '\r' <"$tmp/new" | sed -n 's/.*waxlink://p' | sed 's/.\{8\}/& /g')
rm -f "$tmp/typed"
mkfifo "$tmp/typed"
script -qefc "$wax --home $tmp/ann1 approve" /dev/null <"$tmp/typed" >"$tmp/old" 2>&1 &
approving=$!
exec 9>"$tmp/typed"
until_true 20 grep -q 'Link code' "$tmp/old" || die 'approve asks for the link code' "$tmp/old"
good 'approve asks for the link code'
echo "$lc" >&9
until_true 30 grep -qE 'six digits there: [0-9]{6}' "$tmp/new" || die 'six digits' "$tmp/new"
until_true 30 grep -q 'six digits that' "$tmp/old" || die 'approve asks for the digits' "$tmp/old"
check 'approve shows who asks' grep -q 'asks to join: laptop' "$tmp/old"
tr -d '\r' <"$tmp/new" | sed -n 's/.*six digits there: //p' >&9
exec 9>&-
check 'the old device approves' wait $approving
check 'the new one is linked' wait $linking
others=''
check 'and says so' grep -q 'Linked to ann@example.org' "$tmp/new"

register bob1 bob@example.org
take bob1
id=$(w ann1 send bob@example.org 'bold or not')
flip "$(copy_of "$id" "$(row_of bob1)")" 900
at_terminal "$wax --home $tmp/bob1 receive --peek" </dev/null
check 'an alert is red on a terminal' grep -q "$esc\[1;31mALERT tampered" "$tmp/screen"
at_terminal "env NO_COLOR=1 $wax --home $tmp/bob1 receive --peek" </dev/null
check 'NO_COLOR is respected' sh -c "grep -q '^ALERT tampered' '$tmp/screen'"
w bob1 receive >"$tmp/out"
check 'no colours in a file' sh -c "grep -q '^ALERT tampered' '$tmp/out' && ! grep -q '$esc' '$tmp/out'"
at_terminal "$wax --home $tmp/bob1 verify ann@example.org" </dev/null
check 'the safety number comes as QR code too' grep -q '█' "$tmp/screen"
w bob1 verify ann@example.org >"$tmp/out"
check 'but not into a file' sh -c "! grep -q '█' '$tmp/out'"
at_terminal "$wax --home $tmp/bob1 --json status" </dev/null
check '--json is JSON on a terminal' sh -c "tr -d '\r' <'$tmp/screen' | jq -e .handle"
code 78 'without a terminal nothing prompts' setsid -w "$wax" --home "$tmp/ann1" approve </dev/null
w ann1 send bob@example.org "$(printf 'hi\nALERT device_revoked, ann@example.org: forged')" >/dev/null
w bob1 receive >"$tmp/out"
check 'a text cannot pass for a line of ours' sh -c "grep -q '^    ALERT device_revoked' '$tmp/out' && ! grep -q '^ALERT device' '$tmp/out'"
server_stop
finish
