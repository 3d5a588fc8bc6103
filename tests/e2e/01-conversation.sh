#!/bin/sh
# Two accounts with two devices each: each message reaches the three other devices, once.
. "$(dirname "$0")/lib.sh"
server_new
four_devices
good 'four devices of two accounts are there'

m1='Ünïcödé, "quotes", \back\slashes and
a second line'
a=$(w ann1 send bob@example.org "$m1")
b=$(printf 'from standard input\n' | w bob2 send ANN@example.org)
c=$(j ann2 send bob@example.org 'third' | jq -r 'select(.type == "sent" and .state == "accepted" and .devices == 3) | .id')
for d in ann1 ann2 bob1 bob2; do
    check "$d receives" take $d
    check "$d has nothing more" [ -z "$(j $d receive)" ]
done
same 'bob1 has what ann sent and what his other device sent' "$a $b $c" \
    "$(jq -r 'select(.type == "message") | .id' "$tmp/bob1.events" | tr '\n' ' ' | sed 's/ $//')"
same 'the text arrives byte for byte' "$m1" "$(jq -r "select(.id == \"$a\") | .text" "$tmp/bob2.events")"
same 'one final newline is dropped' 'from standard input' "$(jq -r "select(.id == \"$b\") | .text" "$tmp/ann1.events")"
same 'own messages are marked' true "$(jq -r "select(.id == \"$a\") | .own" "$tmp/ann2.events")"
same 'others are not' null "$(jq -r "select(.id == \"$a\") | .own" "$tmp/bob1.events")"
same 'who, to whom, from which device' "ann@example.org bob@example.org $(device_of ann1) ann@example.org" \
    "$(jq -r "select(.id == \"$a\") | \"\(.from) \(.to) \(.from_device) \(.conversation)\"" "$tmp/bob1.events")"
same 'the conversation of an own message is the peer' bob@example.org \
    "$(jq -r "select(.id == \"$a\") | .conversation" "$tmp/ann2.events")"
check 'seq rises' sh -c "jq -s 'map(.seq) | . == sort and length == (unique | length)' '$tmp/bob1.events' | grep -qx true"
check 'times are RFC 3339 with ms' sh -c "jq -e 'select(.type == \"message\") | (.sent_at, .received_at) | test(\"^20[0-9-]+T[0-9:]+[.][0-9]{3}Z\$\")' '$tmp/bob2.events'"
check 'no alert' sh -c "! grep -h '\"alert\"' '$tmp'/*.events | grep -v new_device"
h=$(j ann1 history | jq -c '[.id, .from, .text]' | sort)
for d in ann2 bob1 bob2; do
    same "the history of $d is that of ann1" "$h" "$(j $d history | jq -c '[.id, .from, .text]' | sort)"
done
same 'each message stands once in history' 3 "$(j bob1 history | jq -s 'map(.id) | unique | length')"
same 'nothing new is left to read' 0 "$(j bob1 list | jq -r .unread)"
same 'the number of devices is known' 2 "$(j bob1 contacts | jq -r 'select(.handle == "ann@example.org") | .devices')"
same 'both see one safety number' "$(j ann1 verify bob@example.org | jq -r .number)" "$(j bob2 verify ann@example.org | jq -r .number)"
same 'status tells that the directory is not yet verified' 'unverified true 0' \
    "$(j ann1 status | jq -r '"\(.directory) \(.connected) \(.outbox)"')"
same 'the mailboxes are empty' 0 "$(sql 'SELECT count(*) FROM mailbox')"
server_stop
finish
