#!/bin/sh
# Linking and revoking.
. "$(dirname "$0")/lib.sh"
server_new
register ann1 ann@example.org
register bob1 bob@example.org
w bob1 send ann@example.org 'hi' >/dev/null && take ann1
line=$(j ann1 status | jq -r .invitation)
code 69 'nobody answers: time-out' w ann2 link ann@example.org "$line" --timeout 2s
check 'the link code was shown' grep -qE '^waxlink:' "$tmp/out"
code 78 'approve without a link code and without a terminal' setsid -w "$wax" --home "$tmp/ann1" approve </dev/null
code 65 'a link code that is none' w ann1 approve waxlink:abc </dev/null

# Wrong digits: one try.
"$wax" --json --home "$tmp/ann2" link ann@example.org "$line" --device-name ann2 --timeout 60s >"$tmp/l" 2>"$tmp/l.err" &
linking=$!
until_true 20 grep -q link_code "$tmp/l" || die 'link code' "$tmp/l.err"
lc=$(jq -r 'select(.link_code) | .link_code' "$tmp/l")
rm -f "$tmp/digits"; mkfifo "$tmp/digits"
"$wax" --json --home "$tmp/ann1" approve - <"$tmp/digits" >"$tmp/a" 2>"$tmp/a.err" & approving=$!
exec 9>"$tmp/digits"
echo "$lc" >&9
until_true 30 grep -q '"code"' "$tmp/l" || die 'digits' "$tmp/a.err"
until_true 30 grep -q '"approve"' "$tmp/a" || die 'approve event' "$tmp/a.err"
same 'approve shows who asks' ann2 "$(jq -r 'select(.type == "approve") | .name' "$tmp/a")"
right=$(jq -r 'select(.code) | .code' "$tmp/l")
printf '%06d\n' $(((${right#"${right%%[!0]*}"} + 1) % 1000000)) >&9
exec 9>&-
rc=0; wait $approving || rc=$?
same 'a wrong code: approve ends with 65' 65 $rc
start=$(date +%s)
rc=0
wait $linking || rc=$?
same 'and so does link, which is told' 65 $rc
check 'at once' [ $(($(date +%s) - start)) -le 10 ]
same 'with the reason' wrong-code "$(jq -r .reason "$tmp/l.err")"
check 'and the new device is not in' [ "$(j ann1 devices | wc -l)" = 1 ]
code 65 'the link code counts once' j ann1 approve "$lc" </dev/null
same 'and the reason says so' link-code-used "$(jq -r .reason "$tmp/err")"

# The code of a device that wants to join another account.
"$wax" --json --home "$tmp/x" link bob@example.org "$line" --timeout 60s >"$tmp/l" 2>"$tmp/l.err" &
linking=$!
until_true 20 grep -q link_code "$tmp/l" || die 'link code' "$tmp/l.err"
code 65 'approve at the wrong account does not hang' j ann1 approve "$(jq -r .link_code "$tmp/l")" </dev/null
same 'it says why' other-account "$(jq -r .reason "$tmp/err")"
rc=0; wait $linking || rc=$?
same 'the new device, too' '65 other-account' "$rc $(jq -r .reason "$tmp/l.err")"

# Nobody answers: interrupted.
"$wax" --home "$tmp/x" link ann@example.org "$line" >"$tmp/l" 2>"$tmp/l.err" & linking=$!
until_true 20 grep -q waxlink "$tmp/l" || die 'link code' "$tmp/l.err"
start=$(date +%s)
kill -INT $linking
wait $linking 2>/dev/null
check 'link stops when asked to' [ $(($(date +%s) - start)) -le 5 ]

# Nothing is shown before the server was there and knows the handle.
code 67 'link to a handle that is none' w x link nobody@example.org "$line"
check 'shows no code' [ ! -s "$tmp/out" ]
code 69 'link without a server' w x link ann@example.org --server https://127.0.0.1:1
check 'shows no code' [ ! -s "$tmp/out" ]

# The server goes away while link waits.
"$wax" --json --home "$tmp/x" link ann@example.org "$line" --timeout 90s >"$tmp/l" 2>"$tmp/l.err" & linking=$!
until_true 20 grep -q link_code "$tmp/l" || die 'link code' "$tmp/l.err"
port=${url##*:}
server_stop
set_ini listen "127.0.0.1:$port"
sleep 2
server_start
mkfifo "$tmp/digits2"
"$wax" --json --home "$tmp/ann1" approve "$(jq -r .link_code "$tmp/l")" <"$tmp/digits2" >"$tmp/a" 2>"$tmp/a.err" & approving=$!
exec 9>"$tmp/digits2"
until_true 30 grep -q '"code"' "$tmp/l" || die 'digits after the restart' "$tmp/l.err"
jq -r 'select(.code) | .code' "$tmp/l" >&9
exec 9>&-
rc=0; wait $approving || rc=$?
same 'a restart of the server does not end a link' 0 $rc
rc=0; wait $linking || rc=$?
same 'at the new device neither' 0 $rc
same 'what this device did itself is no alert to it' '' "$(j ann1 receive --since 0 | jq -r 'select(.kind == "new_device") | .handle' | grep ann)"
j ann1 revoke "$(device_of x)" >/dev/null
same 'nor a removal of its own' '' "$(j ann1 receive --since 0 | jq -r 'select(.kind == "device_revoked") | .handle' | grep ann)"
line=$(j ann1 status | jq -r .invitation)

link ann2 ann1 ann@example.org
same 'the right digits: two devices' 2 "$(j ann1 devices | wc -l)"
same 'the new one knows itself' ann2 "$(j ann2 devices | jq -r 'select(.this) | .name')"
same 'who added it' "$(device_of ann1)" "$(j ann2 devices | jq -r 'select(.this) | .added_by')"
code 73 'a home has one account' w ann2 link ann@example.org "$line"
w bob1 send ann@example.org 'to both' >/dev/null
take ann1; take ann2
same 'it gets messages' 'to both' "$(texts "$tmp/ann2.events")"
check 'the contact is told of the device' sh -c "'$wax' --json --home '$tmp/bob1' receive --since 0 | grep -q new_device"
code 0 'rename' w ann2 rename 'the laptop'
same 'the name is seen by contacts' 'ann1 the laptop' "$(j bob1 devices ann@example.org | jq -r .name | sort | tr '\n' ' ' | sed 's/ $//')"

gone=$(device_of ann2)
code 64 'revoke: three digits are too few' w ann1 revoke "$(printf %.3s "$gone")"
code 66 'revoke: no such device' w ann1 revoke 00000000000000000000000000000000
code 0 'revoke by the beginning of its id' j ann1 revoke "$(printf %.8s "$gone")"
code 77 'the revoked device cannot receive' j ann2 receive
same 'and knows why' revoked "$(jq -r .reason "$tmp/err")"
code 77 'nor send' w ann2 send bob@example.org 'still here'
same 'and queues nothing' '' "$(j ann2 outbox)"
check 'status says revoked' sh -c "'$wax' --home '$tmp/ann2' status | grep -q 'takes this device no longer'"
same 'to programs, too' 'true false' "$(j ann2 status | jq -r '"\(.revoked) \(.connected)"')"
check 'its history stays' [ "$(j ann2 history | wc -l)" -ge 1 ]
w bob1 send ann@example.org 'to one' >/dev/null
take ann1
same 'the other goes on' 'to one' "$(texts "$tmp/ann1.events" | tail -n 1)"
same 'nothing waits for the revoked one' 0 "$(sql 'SELECT count(*) FROM mailbox WHERE fanout IS NOT NULL')"
check 'contacts are told' sh -c "'$wax' --json --home '$tmp/bob1' receive --since 0 | grep -q device_revoked"
same 'one device is left' 1 "$(j bob1 devices ann@example.org | wc -l)"
code 64 'the last device cannot be revoked' w ann1 revoke "$(device_of ann1)"
server_stop
finish
