#!/bin/sh
# 500 messages in each direction while server and clients are killed: nothing lost, nothing twice.
# All four devices must end up with every message that a sender's history has, once.
. "$(dirname "$0")/lib.sh"
per_round=25 rounds=20
server_new
four_devices
for d in ann1 ann2 bob1 bob2; do take $d; done
w ann1 send bob@example.org 'hello' >/dev/null && w bob1 send ann@example.org 'hello back' >/dev/null ||
    die 'a first exchange'
url_port=${url##*:}
# The port has to stay the same over restarts of the server.
restart() {
    "$waxd" run --data "$srv" --listen "127.0.0.1:$url_port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
    server_pid=$!
    until_true 20 grep -q '^ready' "$tmp/waxd.out" || die 'restart of waxd' "$tmp/waxd.log"
}
# write HOME TO ROUND: commits a round of messages, then sends in a process that may be killed.
write_round() {
    i=0
    while [ $i -lt $per_round ]; do
        w "$1" send "$2" --no-wait "$1 round $3 number $i" >>"$tmp/$1.ids" || die "send --no-wait of $1"
        i=$((i + 1))
    done
}
die_soon() { # HOME SECONDS COMMAND…: killed after that long
    who=$1 secs=$2
    shift 2
    timeout -s KILL "$secs" "$wax" --json --home "$tmp/$who" "$@" >>"$tmp/$who.events" 2>/dev/null || :
}
follow() { # HOME: receives until killed, again and again
    while [ ! -e "$tmp/enough" ]; do die_soon "$1" "$2" receive --follow; done
}
: >"$tmp/ann1.ids" >"$tmp/bob1.ids"
follow ann2 1.7 & f1=$!
follow bob2 2.3 & f2=$!
others="$f1 $f2"
kills=0 round=0
while [ $round -lt $rounds ]; do
    write_round ann1 bob@example.org $round & a=$!
    write_round bob1 ann@example.org $round & b=$!
    wait $a && wait $b || exit 1
    (die_soon ann1 0.4 flush) & a=$!
    (die_soon bob1 0.3 flush) & b=$!
    if [ $((round % 3)) = 0 ]; then
        sleep 0.2
        server_kill
        kills=$((kills + 1))
        restart
    fi
    wait $a $b
    (die_soon ann1 0.5 receive) & a=$!
    (die_soon bob1 0.6 receive) & b=$!
    wait $a $b
    round=$((round + 1))
done
: >"$tmp/enough"
wait $f1 $f2
others=''
good "$kills kills of the server, $((rounds * 4)) and more of clients are behind us"
all_sent() { w ann1 flush >/dev/null 2>&1 && w bob1 flush >/dev/null 2>&1; }
check 'both outboxes get empty' until_true 30 all_sent
for d in ann1 ann2 bob1 bob2; do check "$d receives what is left" take $d; done
total=$((per_round * rounds))
same 'ann committed all' $total "$(sort -u "$tmp/ann1.ids" | wc -l)"
same 'bob committed all' $total "$(sort -u "$tmp/bob1.ids" | wc -l)"
sort "$tmp/ann1.ids" "$tmp/bob1.ids" >"$tmp/wanted"
for d in ann1 ann2 bob1 bob2; do
    j $d history | jq -r 'select(.text | test("round")) | .id' | sort >"$tmp/got"
    check "the history of $d has every message once" cmp "$tmp/wanted" "$tmp/got"
done
for d in ann2 bob2; do
    jq -R -r 'fromjson? | select(.type == "message" and (.text | test("round")) and .repeat != true) | .id' \
        "$tmp/$d.events" | sort >"$tmp/got"
    check "$d printed none twice unmarked" sh -c "[ -z \"\$(uniq -d '$tmp/got')\" ]"
    jq -R -r 'fromjson? | select(.type == "message" and (.text | test("round"))) | .id' "$tmp/$d.events" |
        sort -u >"$tmp/got"
    check "$d printed every message" cmp "$tmp/wanted" "$tmp/got"
done
cat "$tmp"/*.events | jq -R -c 'fromjson? | select(.type == "alert" and .kind != "new_device")' >"$tmp/alerts"
check 'no alert was raised' [ ! -s "$tmp/alerts" ]
[ -s "$tmp/alerts" ] && head -n 5 "$tmp/alerts" | sed 's/^/# /'
server_stop
finish
