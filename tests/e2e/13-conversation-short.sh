#!/bin/sh
# One short conversation: register, link, send, receive, answer. Also run with the sanitizers.
. "$(dirname "$0")/lib.sh"
server_new
four_devices
good 'four devices'
id=$(w ann1 send bob@example.org 'see you at eight')
for d in ann2 bob1 bob2; do
    take $d
    same "$d has it" "$id see you at eight" "$(jq -r 'select(.type == "message") | "\(.id) \(.text)"' "$tmp/$d.events")"
done
for i in 1 2 3; do
    code 0 "answer $i" w bob2 send ann@example.org "answer $i"
    code 0 "and back $i" w ann1 send bob@example.org "back $i"
done
for d in ann1 ann2 bob1 bob2; do take $d; done
h=$(j ann1 history | jq -r .id | sort)
for d in ann2 bob1 bob2; do same "the history of $d" "$h" "$(j $d history | jq -r .id | sort)"; done
code 0 'revoke' w bob1 revoke "$(device_of bob2)"
code 0 'verify' w ann1 verify bob@example.org
code 77 'the revoked device is out' w bob2 receive
for d in ann1 ann2 bob1; do code 0 "status of $d" w $d status; done
server_stop
same 'the server ends well' 0 "$stop_rc"
check 'no sanitizer spoke' sh -c "! grep -hE 'ERROR: AddressSanitizer|runtime error:' '$tmp/waxd.log' '$tmp'/*err"
finish
