#!/bin/sh
# Print and ack: what was not printed whole comes again; --peek, --since, --max, --timeout, --follow.
. "$(dirname "$0")/lib.sh"
server_new
register ann1 ann@example.org
register bob1 bob@example.org
for i in 1 2 3 4 5; do w ann1 send bob@example.org "message $i" >/dev/null || die "send $i"; done
code 0 '--peek shows all' j bob1 receive --peek
same 'five' 5 "$(texts "$tmp/out" | wc -l)"
code 0 '--peek again' j bob1 receive --peek
same 'they stay new, unmarked' 5 "$(jq -r 'select(.type == "message" and .repeat != true) | .id' "$tmp/out" | wc -l)"
same 'the list counts them' 5 "$(j bob1 list | jq -r .unread)"
code 74 'an output that takes nothing: 74' sh -c "'$wax' --json --home '$tmp/bob1' receive >/dev/full"
code 0 'it comes again' j bob1 receive --max 2
same 'the interrupted one is marked, --max 2 gives two' 'message 1 true,message 2 null' \
    "$(jq -r 'select(.type == "message") | "\(.text) \(.repeat)"' "$tmp/out" | tr '\n' ',' | sed 's/,$//')"
seq=$(jq -r .seq "$tmp/out" | tail -n 1)
rc=0
{ j bob1 receive 2>"$tmp/err"; echo $? >"$tmp/rc"; } | :
until_true 10 [ -s "$tmp/rc" ]
same 'a reader that went away: 74' 74 "$(cat "$tmp/rc")"
code 0 'the rest' j bob1 receive
same 'message 3 is a repeat' 'message 3 true,message 4 null,message 5 null' \
    "$(jq -r 'select(.type == "message") | "\(.text) \(.repeat)"' "$tmp/out" | tr '\n' ',' | sed 's/,$//')"
code 0 'nothing new is 0' j bob1 receive
same 'and nothing is printed' '' "$(cat "$tmp/out")"
code 0 '--since shows again what came after' j bob1 receive --since "$seq"
same 'three, as repeats' 'true true true' "$(jq -r 'select(.type == "message") | .repeat' "$tmp/out" | paste -sd' ')"
start=$(date +%s)
code 0 '--timeout waits, then ends well' j bob1 receive --timeout 2s
check 'about that long' [ $(($(date +%s) - start)) -ge 2 ]
(sleep 1; w ann1 send bob@example.org 'late' >/dev/null) &
code 0 '--timeout ends with the first event' j bob1 receive --timeout 20s
same 'it is there' late "$(texts "$tmp/out")"
"$wax" --json --home "$tmp/bob1" receive --follow >"$tmp/follow" 2>"$tmp/follow.err" &
follower=$!
others=$follower
for i in 1 2 3; do
    w ann1 send bob@example.org "live $i" >/dev/null
    check "live $i arrives at once" until_true 10 grep -q "live $i" "$tmp/follow"
done
code 0 '--follow does not block send of the same home' timeout 20 "$wax" --home "$tmp/bob1" send ann@example.org 'meanwhile'
code 0 'nor other commands' timeout 20 "$wax" --home "$tmp/bob1" history
port=${url##*:}
server_kill
check 'the server away: it says so' until_true 20 grep -q '"state":"away"' "$tmp/follow.err"
sleep 2
"$waxd" run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
server_pid=$!
until_true 20 grep -q '^ready' "$tmp/waxd.out" || die 'restart'
w ann1 send bob@example.org 'after the restart' >/dev/null
check 'it comes back after the server did' until_true 20 grep -q 'after the restart' "$tmp/follow"
same 'each is said once, and nothing else' 'away back' \
    "$(jq -r .state "$tmp/follow.err" | tr '\n' ' ' | sed 's/ $//')"
kill -INT $follower
rc=0; wait $follower || rc=$?; others=''
same 'SIGINT ends it well' 0 $rc
same 'nothing was printed twice' '' "$(jq -r .id "$tmp/follow" | sort | uniq -d)"
server_stop
finish
