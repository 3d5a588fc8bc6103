#!/bin/sh
# SIGTERM drains; one waxd a folder; what was accepted survives kill -9.
. "$(dirname "$0")/lib.sh"
server_new
port=${url##*:}
register ann1 ann@example.org
register bob1 bob@example.org
rc=0
timeout 20 "$waxd" run --data "$srv" --listen 127.0.0.1:0 >"$tmp/second" 2>"$tmp/second.err" || rc=$?
check 'a second waxd on one folder is refused' [ $rc -ne 0 -a $rc -ne 124 ]
same 'it never said ready' '' "$(cat "$tmp/second")"
check 'it says why' grep -qiE 'another|already|uses|busy' "$tmp/second.err"
code 0 'the first goes on' w ann1 send bob@example.org 'one'
take bob1
"$wax" --json --home "$tmp/bob1" receive --follow >"$tmp/follow" 2>/dev/null &
others=$!
sleep 1
(for i in 1 2 3 4 5 6 7 8; do w ann1 send bob@example.org "while draining $i" >>"$tmp/sent" 2>/dev/null || :; done) & sending=$!
sleep 0.4
start=$(date +%s)
server_stop
same 'SIGTERM ends it with 0' 0 "$stop_rc"
check 'within ten seconds, streams or not' [ $(($(date +%s) - start)) -le 10 ]
wait $sending
same 'each message has an id, sent or queued' 8 "$(sort -u "$tmp/sent" | wc -l)"
"$waxd" check --data "$srv" >"$tmp/check" 2>&1 && good 'waxd check finds the folder in order' || bad 'waxd check' "$tmp/check"
"$waxd" run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
server_pid=$!
until_true 20 grep -q '^ready' "$tmp/waxd.out" || die 'restart'
until_true 30 w ann1 flush
kill -INT $others; wait $others 2>/dev/null; others=''
take bob1
same 'all arrive' 8 "$(cat "$tmp/follow" "$tmp/bob1.events" | jq -r 'select(.type == "message") | .text' | grep -c draining)"
w ann1 send bob@example.org 'accepted, then kill -9' >/dev/null || die 'send'
server_kill
"$waxd" run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
server_pid=$!
until_true 20 grep -q '^ready' "$tmp/waxd.out" || die 'restart'
take bob1
same 'what was accepted is there' 'accepted, then kill -9' "$(texts "$tmp/bob1.events" | tail -n 1)"
code 0 'waxd invites lists' "$waxd" invites --data "$srv"
server_stop
"$waxd" check -v --data "$srv" >"$tmp/check" 2>&1
check 'the log holds after all that, with both accounts' grep -q '^log: .* 0 not yet in it' "$tmp/check"
sql "UPDATE chain SET opening = zeroblob(16) WHERE n = 1"
"$waxd" check --data "$srv" >"$tmp/check" 2>&1
same 'a change of what was logged is told' 65 $?
check 'with where it is' grep -q '^log: entry [0-9]*: its map is not that of' "$tmp/check"
finish
