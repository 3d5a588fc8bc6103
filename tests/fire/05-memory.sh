#!/bin/sh
# The k-th allocation of the whole process fails (faults.c): ours, and those of OpenSSL, SQLite,
# curl, nghttp2, jansson, protobuf-c and the C library. Each time an error and a code, or all is
# done; nobody crashes; nothing is lost or twice; without the fault it goes on. (That each single
# allocation of ours fails is tests/faults; here they fail in the midst of real processes.)
. "$(dirname "$0")/lib.sh"
count STRIDE 9973 97
site --registration open
register ann1 ann@example.org
register bob1 bob@example.org
w ann1 send bob@example.org hello >/dev/null && take bob1 || die 'a first message'
wrong=$tmp/wrong
: >"$tmp/printed"
n=0
starve() { # K COMMAND…
    k=$1
    shift
    rc=0
    env LD_PRELOAD="$bin/libfaults.so" ALLOC_AT="$k" "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
    if [ $rc = 0 ]; then passes=$((passes + 1))
    elif [ $rc -ge 128 ] || [ $rc -lt 64 ]; then echo "$part k $k: exit $rc: $(head -n 1 "$tmp/err")" >>"$wrong"
    elif [ "$(wc -l <"$tmp/err")" != 1 ]; then echo "$part k $k: exit $rc, $(wc -l <"$tmp/err") lines on standard error" >>"$wrong"
    fi
}
all_of() { # COMMAND…: how many allocations it makes, into $all
    env LD_PRELOAD="$bin/libfaults.so" ALLOC_COUNT="$tmp/allocs" "$@" >"$tmp/out" 2>"$tmp/err" || die "$part" "$tmp/err"
    all=$(cat "$tmp/allocs")
}
every_k() { # NAME FUNCTION ALL: FUNCTION K
    : >"$wrong"
    random "$STRIDE"
    i=$((1 + random)) runs=0 passes=0
    while [ $i -le "$3" ]; do
        "$2" $i
        runs=$((runs + 1))
        i=$((i + STRIDE))
    done
    figure "$1: $3 allocations, every ${STRIDE}th failed once: $runs runs, of which $passes were done in spite of it"
    same "$1: a line and a code, or done" '' "$(head -n 12 "$wrong")"
}
part=init
all_of "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$tmp/init0"
try_init() {
    starve "$1" "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$tmp/init-$1"
    again=0
    "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$tmp/init-$1" >"$tmp/err" 2>&1 || again=$?
    [ $again = 0 ] || { [ $again = 73 ] && "$waxd" check --data "$tmp/init-$1" >"$tmp/err" 2>&1; } || echo "init again $again after k $1" >>"$wrong"
    rm -rf "$tmp/init-$1"
}
every_k 'waxd init' try_init "$all"
part=register
all_of "$wax" --home "$tmp/reg0" register reg0@example.org --server "$url" --ca "$srv/ca.pem" --no-recovery
try_register() {
    starve "$1" "$wax" --home "$tmp/reg-$1" register "r$1@example.org" --server "$url" --ca "$srv/ca.pem" --no-recovery
    again=0
    w "reg-$1" register "r$1@example.org" --server "$url" --ca "$srv/ca.pem" --no-recovery >"$tmp/err" 2>&1 || again=$?
    [ $again = 0 ] || [ $again = 73 ] || echo "register again $again after k $1" >>"$wrong"
    rm -rf "$tmp/reg-$1"
}
every_k register try_register "$all"
part=send
all_of "$wax" --home "$tmp/ann1" send bob@example.org 'ann1 number 0'
cat "$tmp/out" >>"$tmp/printed"
try_send() {
    n=$((n + 1))
    starve "$1" "$wax" --home "$tmp/ann1" send bob@example.org "ann1 number $n"
    [ $rc != 0 ] || [ -s "$tmp/out" ] || echo "success without an id, k $1" >>"$wrong"
    cat "$tmp/out" >>"$tmp/printed"
}
every_k send try_send "$all"
part=receive
all_of "$wax" --json --home "$tmp/bob1" receive
cat "$tmp/out" >>"$tmp/bob1.events"
w ann1 send bob@example.org "ann1 number $((n += 1))" >>"$tmp/printed"
all_of "$wax" --json --home "$tmp/bob1" receive
cat "$tmp/out" >>"$tmp/bob1.events"
try_receive() {
    n=$((n + 1))
    w ann1 send bob@example.org "ann1 number $n" >>"$tmp/printed"
    starve "$1" "$wax" --json --home "$tmp/bob1" receive
    cat "$tmp/out" >>"$tmp/bob1.events"
}
every_k receive try_receive "$all"
check 'what waits goes out' until_true 20 flushed ann1
check 'what is left arrives' take bob1
# waxd: the k-th of all, over its start and some work.
server_stop
part=run
server_work() { # K COUNTFILE
    : >"$tmp/waxd.out"
    env LD_PRELOAD="$bin/libfaults.so" ALLOC_AT="$1" ${2:+ALLOC_COUNT="$2"} "$waxd" --quiet run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>"$tmp/err" &
    server_pid=$!
    until_true 20 sh -c "grep -q '^ready' '$tmp/waxd.out' || ! kill -0 $server_pid" || :
    if grep -q '^ready' "$tmp/waxd.out"; then
        n=$((n + 1))
        w ann1 send bob@example.org "ann1 number $n" >>"$tmp/printed" 2>/dev/null || :
        j bob1 receive >>"$tmp/bob1.events" 2>/dev/null || :
        kill -TERM $server_pid 2>/dev/null
    fi
    rc=0
    wait $server_pid || rc=$?
    server_pid=''
}
server_work 0 "$tmp/allocs"
all=$(cat "$tmp/allocs")
aborts=0
try_run() {
    server_work "$1"
    [ $rc != 0 ] || passes=$((passes + 1))
    # What a batch of the store would have told the loop is lost with the process, on purpose.
    if [ $rc = 134 ] && grep -q 'out of memory; giving up' "$tmp/err"; then aborts=$((aborts + 1))
    elif [ $rc -ge 128 ]; then echo "run k $1: exit $rc: $(tail -n 1 "$tmp/err")" >>"$wrong"
    fi
}
every_k 'waxd run' try_run "$all"
figure "waxd run: $aborts times it said 'out of memory; giving up' and aborted, as it is meant to"
check 'the store is whole' "$waxd" check --data "$srv"
server_again
check 'what waits goes out' until_true 20 flushed ann1
check 'what is left arrives' take bob1
ids ann1 'ann1 number' | sort >"$tmp/wanted"
ids bob1 'ann1 number' | sort >"$tmp/got"
check 'what ann has, bob has, once' cmp "$tmp/wanted" "$tmp/got"
sort "$tmp/printed" | comm -23 - "$tmp/wanted" >"$tmp/lost"
same 'each id that was printed is stored' '' "$(cat "$tmp/lost")"
in_order 'in order' bob1 ann1
events "$tmp/bob1.events" 'select(.repeat != true) | .id' | sort >"$tmp/got"
same 'receive printed nothing twice unmarked' '' "$(uniq -d "$tmp/got")"
w ann1 receive >/dev/null
no_alerts 'no alert was raised' "$tmp/bob1.events"
server_stop
finish
