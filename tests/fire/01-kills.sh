#!/bin/sh
# kill -9 of server and clients at random points. The ledger: whatever a sender's history has
# (and it has all whose id was printed) stands once, in the order of its sender, in the history
# of all four devices; `receive` prints nothing twice unmarked; nothing raises an alert.
. "$(dirname "$0")/lib.sh"
count KILLS 12 500
burst=$WAX_BUILD/tests/e2e/burst
site
four_devices
w ann1 send bob@example.org 'hello' >/dev/null && w bob1 send ann@example.org 'hello back' >/dev/null ||
    die 'a first exchange'

# A time that is random, but long enough here and now for something to have happened.
lasts w ann1 send bob@example.org 'how long this takes'
once=$took
# Each client process is killed after a random time; .kills counts those that still ran.
killed() { # NAME MS COMMAND…
    who=$1 ms=$2
    shift 2
    rc=0
    timeout -s KILL "$(seconds "$ms")" "$@" || rc=$?
    [ $rc != 137 ] || echo >>"$tmp/$who.kills"
}
receiver() { # HOME: receives until killed, again and again
    rnd=$((rnd + $2))
    while [ ! -e "$tmp/enough" ]; do
        random $((once * 8))
        killed "$1" $((50 + random)) "$wax" --json --home "$tmp/$1" receive --follow >>"$tmp/$1.events" 2>/dev/null
    done
}
sender() { # HOME TO NUMBER: sends until killed, again and again; then receives a little
    rnd=$((rnd + $3))
    round=0
    while [ ! -e "$tmp/enough" ]; do
        random $((once * 8))
        killed "$1" $((50 + random)) "$burst" "$tmp/$1" "$2" "$1 number" $((round * 100)) 40 >>"$tmp/$1.ids" 2>/dev/null
        random $((once * 3))
        killed "$1" $((50 + random)) "$wax" --json --home "$tmp/$1" receive >>"$tmp/$1.events" 2>/dev/null
        round=$((round + 1))
    done
}
for d in ann1 ann2 bob1 bob2; do : >"$tmp/$d.kills"; : >"$tmp/$d.ids"; done
sender ann1 bob@example.org 1 & p1=$!
sender bob1 ann@example.org 2 & p2=$!
receiver ann2 3 & p3=$!
receiver bob2 4 & p4=$!
others="$p1 $p2 $p3 $p4"
client_kills() { cat "$tmp"/*.kills | wc -l; }
kills=0
while [ $kills -lt "$KILLS" ] || [ "$(client_kills)" -lt "$KILLS" ]; do
    random 700
    sleep "$(seconds $((30 + random)))"
    server_kill
    kills=$((kills + 1))
    server_again
done
: >"$tmp/enough"
wait $p1 $p2 $p3 $p4
others=''
good "the server was killed $kills times, the clients $(client_kills) times"
figure "server kills $kills, client kills $(client_kills)"
all_sent() { w ann1 flush && w bob1 flush; }
check 'both outboxes get empty' until_true 60 all_sent
for d in ann1 ann2 bob1 bob2; do check "$d receives what is left" take $d; done
for d in ann1 bob1; do
    ids $d "$d number" | sort >"$tmp/$d.all"
    sort "$tmp/$d.ids" >"$tmp/printed"
    check "each id that $d printed stands in its history" sh -c "[ -z \"\$(comm -23 '$tmp/printed' '$tmp/$d.all')\" ]"
done
check 'both got messages out' [ -s "$tmp/ann1.all" -a -s "$tmp/bob1.all" ]
figure "messages: $(wc -l <"$tmp/ann1.all") from ann, $(wc -l <"$tmp/bob1.all") from bob, each at three more devices"
sort "$tmp/ann1.all" "$tmp/bob1.all" >"$tmp/wanted"
for d in ann1 ann2 bob1 bob2; do
    { ids $d 'ann1 number'; ids $d 'bob1 number'; } | sort >"$tmp/got"
    check "the history of $d has every message once" cmp "$tmp/wanted" "$tmp/got"
    in_order "$d has ann's in her order" $d ann1
    in_order "$d has bob's in his order" $d bob1
done
for d in ann2 bob2; do
    events "$tmp/$d.events" 'select(.text | test("number")) | select(.repeat != true) | .id' | sort >"$tmp/got"
    same "$d printed none twice unmarked" '' "$(uniq -d "$tmp/got")"
    events "$tmp/$d.events" 'select(.text | test("number")) | .id' | sort -u >"$tmp/got"
    check "$d printed every message" cmp "$tmp/wanted" "$tmp/got"
done
no_alerts 'no alert was raised' "$tmp"/*.events
same 'the mailboxes are empty' 0 "$(mailbox_count)"
server_stop
finish
