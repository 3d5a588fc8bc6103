#!/bin/sh
# 500 messages in each direction while server and clients are killed: nothing lost, nothing twice.
# What a sender's history has (and it has all whose id was printed) must end up in the history
# of all four devices, once.
. "$(dirname "$0")/lib.sh"
wanted=500 burst=$WAX_BUILD/tests/e2e/burst
server_new
port=${url##*:}
four_devices
w ann1 send bob@example.org 'hello' >/dev/null && w bob1 send ann@example.org 'hello back' >/dev/null ||
    die 'a first exchange'
restart() {
    "$waxd" run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
    server_pid=$!
    until_true 30 grep -q '^ready' "$tmp/waxd.out" || die 'restart of waxd' "$tmp/waxd.log"
}
follow() { # HOME SECONDS: receives until killed, again and again
    while [ ! -e "$tmp/enough" ]; do
        timeout -s KILL "$2" "$wax" --json --home "$tmp/$1" receive --follow >>"$tmp/$1.events" 2>/dev/null
    done
}
# volley HOME TO FIRST SECONDS: a sender, killed after that long
volley() {
    timeout -s KILL "$4" "$burst" "$tmp/$1" "$2" "$1 number" "$3" 60 >>"$tmp/$1.ids" 2>>"$tmp/burst.err"
}
sent() { j "$1" history | jq -r "select(.text | startswith(\"$1 number\")) | .id" | sort; }
enough() { [ "$(sent ann1 | wc -l)" -ge $wanted ] && [ "$(sent bob1 | wc -l)" -ge $wanted ]; }

: >"$tmp/ann1.ids" >"$tmp/bob1.ids"
follow ann2 2.1 & f1=$!
follow bob2 3.3 & f2=$!
others="$f1 $f2"
kills=0 round=0
until enough; do
    [ $round -lt 60 ] || die "500 messages in $round rounds" "$tmp/burst.err"
    secs=$((1 + round % 3)).$((round * 7 % 10))
    volley ann1 bob@example.org $((round * 100)) $secs & a=$!
    volley bob1 ann@example.org $((round * 100)) 2.$((round * 3 % 10)) & b=$!
    if [ $((round % 2)) = 0 ]; then
        sleep 0.$((3 + round % 5))
        server_kill
        kills=$((kills + 1))
        restart
    fi
    wait $a
    wait $b
    timeout -s KILL 1.1 "$wax" --json --home "$tmp/ann1" receive >>"$tmp/ann1.events" 2>/dev/null & a=$!
    timeout -s KILL 0.9 "$wax" --json --home "$tmp/bob1" receive >>"$tmp/bob1.events" 2>/dev/null & b=$!
    wait $a
    wait $b
    round=$((round + 1))
done
: >"$tmp/enough"
wait $f1
wait $f2
others=''
good "over $round rounds the server was killed $kills times, the clients more often"
all_sent() { w ann1 flush && w bob1 flush; }
check 'both outboxes get empty' until_true 30 all_sent
for d in ann1 ann2 bob1 bob2; do check "$d receives what is left" take $d; done
sent ann1 >"$tmp/ann1.all"
sent bob1 >"$tmp/bob1.all"
good "ann sent $(wc -l <"$tmp/ann1.all"), bob $(wc -l <"$tmp/bob1.all")"
for d in ann1 bob1; do
    sort "$tmp/$d.ids" >"$tmp/printed"
    check "each id that $d printed stands in the history" sh -c "[ -z \"\$(comm -23 '$tmp/printed' '$tmp/$d.all')\" ]"
done
sort "$tmp/ann1.all" "$tmp/bob1.all" >"$tmp/wanted"
for d in ann1 ann2 bob1 bob2; do
    j $d history | jq -r 'select(.text | test("number")) | .id' | sort >"$tmp/got"
    check "the history of $d has every message once" cmp "$tmp/wanted" "$tmp/got"
done
# A line that a kill cut off is no event; the event comes again as a repeat.
events() { jq -R -r "fromjson? | select(.type == \"message\" and (.text | test(\"number\"))) | $1" "$tmp/$2.events" | sort; }
for d in ann2 bob2; do
    events 'select(.repeat != true) | .id' $d >"$tmp/got"
    same "$d printed none twice unmarked" '' "$(uniq -d "$tmp/got")"
    events .id $d | sort -u >"$tmp/got"
    check "$d printed every message" cmp "$tmp/wanted" "$tmp/got"
done
cat "$tmp"/*.events | jq -R -c 'fromjson? | select(.type == "alert" and .kind != "new_device")' >"$tmp/alerts"
same 'no alert was raised' '' "$(head -n 5 "$tmp/alerts")"
same 'the mailboxes are empty' 0 "$(sql 'SELECT count(*) FROM mailbox')"
server_stop
finish
