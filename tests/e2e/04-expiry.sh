#!/bin/sh
# With message_life = 3s a message for a device that stays away is gone; both sides are told, and the
# sender sends it again by itself.
. "$(dirname "$0")/lib.sh"
server_init
set_ini message_life 3s
server_start
register ann1 ann@example.org
register bob1 bob@example.org
id=$(w ann1 send bob@example.org 'nobody comes') || die 'send'
check 'it waits' in_folder "$id"
gone() { [ "$(sql "SELECT count(*) FROM mailbox WHERE type = (SELECT min(type) FROM mailbox) AND envelope IS NOT NULL AND length(envelope) > 1000")" = 0 ]; }
check 'it is gone after its life' until_true 15 gone
check 'from every file' until_true 60 not_in_folder "$(text_hex 'nobody comes')"
take bob1
take ann1
same 'the recipient learns how many' 1 "$(jq -r 'select(.type == "expired") | .count' "$tmp/bob1.events")"
same 'and sees no message' '' "$(texts "$tmp/bob1.events")"
same 'the sender learns which, and to whom' "$id bob@example.org 1" \
    "$(jq -r 'select(.type == "expired") | "\(.id) \(.to) \(.devices)"' "$tmp/ann1.events")"
same 'it came again by itself' 'nobody comes' "$(j bob1 receive | jq -r .text)"
same 'the notices come once' '' "$(j bob1 receive; j ann1 receive)"
w ann1 send bob@example.org 'here in time' >/dev/null && take bob1
same 'the next one arrives' 'here in time' "$(texts "$tmp/bob1.events")"
server_stop
finish
