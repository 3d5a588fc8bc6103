#!/bin/sh
# The server is away: known recipients' messages are queued (75) and keep their id.
. "$(dirname "$0")/lib.sh"
server_new
port=${url##*:}
register ann1 ann@example.org
register bob1 bob@example.org
w ann1 send bob@example.org 'known now' >/dev/null && take bob1
server_stop
code 75 'send queues for a known recipient' w ann1 send bob@example.org 'first away'
id=$(cat "$tmp/out")
check 'its id is printed' sh -c "printf %s '$id' | grep -qE '^[0-9a-f]{32}\$'"
code 75 'with --json too' j ann1 send bob@example.org 'second away'
same 'a sent event tells that it waits' "sent queued" "$(jq -r '"\(.type) \(.state)"' "$tmp/out")"
same 'the error is an object' 'error 75' "$(jq -r '"\(.type) \(.code)"' "$tmp/err")"
code 69 'an unknown recipient: nothing is queued' w ann1 send carl@example.org 'who'
code 75 'flush: still waiting' w ann1 flush
code 69 'receive: 69' w ann1 receive
code 0 '--no-wait commits' w ann1 send bob@example.org --no-wait 'third away'
same 'three wait, oldest first' "$id" "$(j ann1 outbox | jq -r .id | head -n 1)"
same 'three wait' 3 "$(j ann1 outbox | wc -l)"
third=$(j ann1 outbox | jq -r .id | tail -n 1)
code 0 'one is taken back' w ann1 outbox --cancel "$third"
code 66 'which is not there any more' w ann1 outbox --cancel "$third"
code 64 'an id that is none' w ann1 outbox --cancel xyz
same 'status counts them without a server' '2 false' "$(j ann1 status | jq -r '"\(.outbox) \(.connected)"')"
"$waxd" run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
server_pid=$!
until_true 20 grep -q '^ready' "$tmp/waxd.out" || die 'restart'
code 0 'flush sends them' j ann1 flush
same 'in order, with a sent event each' "$id" "$(jq -r 'select(.type == "sent" and .state == "accepted") | .id' "$tmp/out" | head -n 1)"
take bob1
same 'both arrive in order' 'first away second away' "$(texts "$tmp/bob1.events" | tail -n 2 | tr '\n' ' ' | sed 's/ $//')"
same 'with the id of then' "$id" "$(jq -r 'select(.text == "first away") | .id' "$tmp/bob1.events")"
code 67 'with a server: the handle is unknown' w ann1 send carl@example.org 'who'
server_stop
w ann1 send bob@example.org 'goes with the next command' >/dev/null 2>&1
"$waxd" run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
server_pid=$!
until_true 20 grep -q '^ready' "$tmp/waxd.out" || die 'restart'
code 0 'every command that connects flushes' w ann1 receive
take bob1
same 'so it arrived' 'goes with the next command' "$(texts "$tmp/bob1.events" | tail -n 1)"
server_stop
finish
