#!/bin/sh
# GIVE S06, the clock was wrong for a while: bob's is two hours ahead for ten messages, then it is
# right for ten more; then his client starts anew and lists the history.
. "$(dirname "$0")/lib.sh"
site
register ann1 ann@example.org
register bob1 bob@example.org
register carl1 carl@example.org
set_clock bob1 $((2 * hour))
set_clock carl1 $((50 * 60000))
follow bob1
# exchange FROM: ten messages, in turn, each seen before the next is written
exchange() {
    i=$1
    while [ "$i" -lt $(($1 + 10)) ]; do
        if [ $((i % 2)) = 0 ]; then
            w ann1 send bob@example.org "number $i" >/dev/null || die "ann sends $i"
            until_true 20 has_text "$tmp/bob1.follow" "number $i" || die "bob sees $i" "$tmp/bob1.ferr"
        else
            w bob1 send ann@example.org "number $i" >/dev/null || die "bob sends $i"
            take ann1 && has_text "$tmp/ann1.events" "number $i" || die "ann sees $i" "$tmp/ann1.err"
        fi
        i=$((i + 1))
    done
}
before=$(date +%s)
exchange 1
set_clock bob1 0
exchange 11
unfollow
after=$(date +%s)
wanted=$(seq -f 'number %g' 1 20)
for d in ann1 bob1; do
    j $d history >"$tmp/$d.history"
    same "$d: twenty messages, each once, in the order of the conversation" "$wanted" "$(texts "$tmp/$d.history")"
    w $d history >"$tmp/$d.words"
    same "$d: the list for people has them too, in that order" "$wanted" "$(sed -n 's/.*: //p' "$tmp/$d.words")"
    same "$d: each with a time sent and a time received" 20 "$(jq -r 'select((.sent_at | test("^20.*Z$")) and (.received_at | test("^20.*Z$"))) | .id' "$tmp/$d.history" | wc -l)"
done
same 'both list the same messages' "$(jq -r '[.id, .sent_at] | join(" ")' "$tmp/ann1.history")" "$(jq -r '[.id, .sent_at] | join(" ")' "$tmp/bob1.history")"
# Whole seconds that a field of the k-th message is off the true time of the test; 0: within it.
off() { # HOME K FIELD
    jq -rs --argjson b "$before" --argjson a "$after" ".[$2 - 1].$3 | sub(\"\\\\.[0-9]+Z\"; \"Z\") | fromdate | if . > \$a + 3600 then 2 elif . >= \$b and . <= \$a then 0 else 9 end" "$tmp/$1.history"
}
same 'a message of bob of then: sent by his clock, received at ann by hers' '2 0' "$(off ann1 1 sent_at) $(off ann1 1 received_at)"
same 'one of ann of then: sent by her clock, received at bob by his' '0 2' "$(off bob1 2 sent_at) $(off bob1 2 received_at)"
same 'after the correction both are right' '0 0 0 0' "$(off ann1 11 sent_at) $(off ann1 11 received_at) $(off bob1 12 sent_at) $(off bob1 12 received_at)"
same 'nothing is hidden: each of ann was printed when it came' 10 "$(texts "$tmp/bob1.follow" | sort -u | wc -l)"
take bob1
cat "$tmp/bob1.follow" "$tmp/bob1.events" >"$tmp/bob1.all"
same 'bob is told once that the clocks differ' 1 "$(jq -r 'select(.type == "alert" and .kind == "clock_differs") | .kind' "$tmp/bob1.all" | wc -l)"
same 'and of nothing else' '' "$(jq -r 'select(.type == "alert" and .kind != "clock_differs") | .kind' "$tmp/bob1.all")"
same 'nothing is printed twice' '' "$(jq -r 'select(.type == "message") | .id' "$tmp/bob1.all" | sort | uniq -d)"
no_alerts 'ann is told of nothing' "$tmp/ann1.events"
# Fifty minutes are within the documented hour.
w carl1 send ann@example.org 'fifty minutes ahead' >/dev/null || die 'carl sends'
take carl1
no_alerts 'fifty minutes are not worth a word' "$tmp/carl1.events"
check 'and hide nothing' sh -c "'$wax' --home '$tmp/ann1' receive | grep -q 'fifty minutes ahead'"
server_stop
finish
