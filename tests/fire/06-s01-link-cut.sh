#!/bin/sh
# The link is cut after the n-th byte, in either direction, for each n of a send and of a receive
# conversation (short form: some). The client goes on by itself at the next chance; nothing is
# lost, nothing twice. And GIVE S01, the answer gets lost, the request did not: the server has
# the message, its answer breaks off, once or twice a message.
. "$(dirname "$0")/lib.sh"
count STRIDE 1499 1
count MESSAGES 10 100
site
"$bin/cutproxy" "$port" "$tmp/control" "$tmp/state" >"$tmp/proxy" &
others=$!
until_true 10 [ -s "$tmp/proxy" ] || die 'the proxy'
through="https://127.0.0.1:$(cat "$tmp/proxy")"
serial=1
# link_is HOW [N]: from the next connection on.
link_is() {
    serial=$((serial + 1))
    echo "$serial $*" >"$tmp/control.next"
    mv "$tmp/control.next" "$tmp/control"
}
state() { cut -d' ' -f"$1" "$tmp/state"; } # 2 up, 3 down, 4 cuts
link_is none
j ann1 register ann@example.org "$(invitation 1)" --server "$through" --no-recovery >"$tmp/out" 2>&1 || die 'register ann' "$tmp/out"
j bob1 register bob@example.org "$(invitation 1)" --server "$through" --no-recovery >"$tmp/out" 2>&1 || die 'register bob' "$tmp/out"
w ann1 send bob@example.org hello >/dev/null && take bob1 && w bob1 send ann@example.org hello >/dev/null && take ann1 || die 'a first exchange'
: >"$tmp/printed"
n=0

# --- S01 ---
# The answer to the POST is the last that comes down in a send. When it is lost, the client
# repeats the request over a new connection, at once; when that answer is lost too, the message
# stays in the outbox and goes with the next command.
link_is none
w ann1 send bob@example.org 'ann1 number 0' >>"$tmp/printed"
first=$(($(state 3) - 30))
link_is down $first
w ann1 send bob@example.org 'ann1 number 1' >>"$tmp/printed" 2>"$tmp/err"
check 'S01: an answer lost once is asked for again by itself' [ "$(state 4) $(mailbox_count)" = '1 2' -a ! -s "$tmp/err" ]
second=$(($(state 3) - first - 30))
n=1 lost=0 kept=0
while [ $n -le "$MESSAGES" ]; do
    n=$((n + 1)) rc=0
    if [ $((n % 2)) = 0 ]; then link_is down $first $second; else link_is down $first; fi
    before=$(mailbox_count)
    w ann1 send bob@example.org "ann1 number $n" >>"$tmp/printed" 2>"$tmp/err" || rc=$?
    lost=$((lost + $(state 4)))
    [ "$(mailbox_count)" = "$before" ] || kept=$((kept + 1))
done
wanted_lost=$((MESSAGES + MESSAGES / 2))
check 'S01: nearly every answer was lost' [ "$lost" -ge $((wanted_lost * 9 / 10)) ]
check 'S01: the server had the messages all the same' [ "$kept" -ge $((MESSAGES * 9 / 10)) ]
figure "S01: $MESSAGES messages, $lost answers lost, $kept at the server by then"
link_is none
check 'S01: the sender tries again by itself' until_true 20 flushed ann1
same 'S01: none is pending' '' "$(j ann1 outbox)"
same 'S01: all are sent' "$((n + 1))" "$(j ann1 history | jq -r 'select(.type == "message" and .from == "ann@example.org" and .state == "accepted" and (.text | startswith("ann1 number"))) | .id' | wc -l)"
check 'S01: the receiver takes them' take bob1
of() { j "$1" history | jq -c 'select(.type == "message" and (.text | startswith("ann1 number"))) | [.id, .sent_at, .text]' | sort; }
of ann1 >"$tmp/wanted"
of bob1 >"$tmp/got"
check 'S01: each once, with the id and the time of then' cmp "$tmp/wanted" "$tmp/got"

# --- Every byte ---
every_byte() { # NAME FUNCTION UP DOWN
    runs=0 broken=0
    for way in up down; do
        random "$STRIDE"
        at=$random
        [ $way = up ] && last=$3 || last=$4
        while [ $at -le "$last" ]; do
            "$2" $way $at
            runs=$((runs + 1))
            broken=$((broken + $(state 4)))
            at=$((at + STRIDE))
        done
    done
    figure "$1: $3 bytes up, $4 down, cut at every ${STRIDE}th: $runs runs, $broken cuts"
    check "$1: the link was cut" [ $broken -gt 0 ]
}
: >"$tmp/wrong"
cut_send() {
    n=$((n + 1))
    link_is "$1" "$2"
    rc=0
    w ann1 send bob@example.org "ann1 number $n" >"$tmp/out" 2>"$tmp/err" || rc=$?
    cat "$tmp/out" >>"$tmp/printed"
    case $rc in 0 | 75) ;; *) echo "send $1 $2: $rc $(cat "$tmp/err")" >>"$tmp/wrong" ;; esac
}
link_is none
w ann1 send bob@example.org "ann1 number $((n += 1))" >>"$tmp/printed"
every_byte send cut_send "$(state 2)" "$(state 3)"
same 'send: done, or in the outbox (75)' '' "$(head -n 5 "$tmp/wrong")"
link_is none
check 'the next chance takes all out' until_true 20 flushed ann1
check 'bob takes them' take bob1
cut_receive() {
    n=$((n + 1))
    link_is none
    w ann1 send bob@example.org "ann1 number $n" >>"$tmp/printed"
    link_is "$1" "$2"
    rc=0
    take bob1 || rc=$?
    case $rc in 0 | 69) ;; *) echo "receive $1 $2: $rc $(cat "$tmp/bob1.err")" >>"$tmp/wrong" ;; esac
}
w ann1 send bob@example.org "ann1 number $((n += 1))" >>"$tmp/printed"
link_is none
take bob1
every_byte receive cut_receive "$(state 2)" "$(state 3)"
same 'receive: done, or away (69)' '' "$(head -n 5 "$tmp/wrong")"
link_is none
check 'the next chance takes the rest in' take bob1
same 'the mailboxes are empty' 0 "$(mailbox_count)"
of ann1 >"$tmp/wanted"
of bob1 >"$tmp/got"
check 'what ann has, bob has, once' cmp "$tmp/wanted" "$tmp/got"
ids ann1 'ann1 number' | sort >"$tmp/wanted"
sort "$tmp/printed" | comm -23 - "$tmp/wanted" >"$tmp/lost"
same 'each id that was printed is stored' '' "$(cat "$tmp/lost")"
in_order 'in order' bob1 ann1
events "$tmp/bob1.events" 'select(.text | startswith("ann1 number")) | .id' | sort >"$tmp/got"
check 'receive printed each exactly once' cmp "$tmp/wanted" "$tmp/got"
# --- And a follower, cut in the middle, comes back by itself ---
link_is none
"$wax" --json --home "$tmp/bob1" receive --follow >"$tmp/follow" 2>"$tmp/follow.err" &
follower=$!
others="$others $follower"
w ann1 send bob@example.org "ann1 number $((n += 1))" >>"$tmp/printed"
check 'a follower gets it' until_true 20 grep -q "ann1 number $n\"" "$tmp/follow"
link_is down 1
w ann1 history --limit 1 >/dev/null
w ann1 send bob@example.org "ann1 number $((n += 1))" >>"$tmp/printed" 2>/dev/null # cuts all connections
w ann1 flush >/dev/null
check 'after a cut it comes back by itself' until_true 30 grep -q "ann1 number $n\"" "$tmp/follow"
kill -INT $follower
wait $follower
same 'and printed nothing twice' '' "$(jq -r 'select(.type == "message") | .id' "$tmp/follow" | sort | uniq -d)"
no_alerts 'no alert was raised' "$tmp/bob1.events" "$tmp/follow"
server_stop
finish
