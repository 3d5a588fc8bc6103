#!/bin/sh
# GIVE S03, killed while receiving: messages wait for bob; his `receive` is killed at random
# moments until nothing waits. At no moment is there a message that neither the server nor
# bob's own store has; in the end all are there, once.
. "$(dirname "$0")/lib.sh"
count MESSAGES 60 500
site
register ann1 ann@example.org
register bob1 bob@example.org
"$WAX_BUILD/tests/e2e/burst" "$tmp/ann1" bob@example.org 'ann1 number' 0 "$MESSAGES" >"$tmp/sent" 2>"$tmp/burst.err" ||
    die 'messages that wait' "$tmp/burst.err"
sort "$tmp/sent" >"$tmp/wanted"
same "$MESSAGES wait" "$MESSAGES" "$(mailbox_count)"
# The id is the beginning of com, which with one target stands 99 bytes from the end (RECORDS 5).
on_server() { sql "SELECT lower(substr(hex(envelope) || hex(coalesce(rest, x'')), -198, 32)) FROM mailbox"; }
on_server | sort >"$tmp/there"
check 'the ledger reads the server' cmp "$tmp/wanted" "$tmp/there"
lasts w ann1 receive
kills=0 tries=0 gaps=0 most=0 longest=$took left=$MESSAGES
: >"$tmp/bob1.events"
while [ "$(mailbox_count)" != 0 ] && [ $tries -lt 2000 ]; do
    random "$longest"
    rc=0
    timeout -s KILL "$(seconds $((20 + random)))" "$wax" --json --home "$tmp/bob1" receive >>"$tmp/bob1.events" 2>/dev/null || rc=$?
    [ $rc != 137 ] || kills=$((kills + 1))
    tries=$((tries + 1))
    # A machine that has got slower: without any progress the moments come later.
    [ "$(mailbox_count)" = $left ] && longest=$((longest + 10)) || left=$(mailbox_count)
    # The server first: what it deletes from now on is in bob's store by then.
    on_server >"$tmp/there"
    ids bob1 'ann1 number' >>"$tmp/there"
    sort -u "$tmp/there" >"$tmp/either"
    missing=$(comm -23 "$tmp/wanted" "$tmp/either" | wc -l)
    [ "$missing" -le "$most" ] || most=$missing
    [ "$missing" = 0 ] || gaps=$((gaps + 1))
done
figure "$MESSAGES messages, receive killed $kills times in $tries tries"
same "nothing waits any more, after $kills kills" 0 "$(mailbox_count)"
check 'it was killed more than once' [ $kills -gt 1 ]
same 'at no moment neither side had a message' '0 0' "$gaps $most"
check 'the rest is printed' take bob1
ids bob1 'ann1 number' | sort >"$tmp/got"
check 'all are readable, each once' cmp "$tmp/wanted" "$tmp/got"
in_order 'in the order they were written' bob1 ann1
events "$tmp/bob1.events" 'select(.repeat != true) | .id' | sort >"$tmp/got"
same 'none printed twice unmarked' '' "$(uniq -d "$tmp/got")"
events "$tmp/bob1.events" .id | sort -u >"$tmp/got"
check 'every one was printed' cmp "$tmp/wanted" "$tmp/got"
no_alerts 'no alert was raised' "$tmp/bob1.events"
server_stop
finish
