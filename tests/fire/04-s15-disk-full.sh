#!/bin/sh
# GIVE S15, the disk is full, and its sister, the disk that fails: the k-th write, sync or new
# name in the data folder fails, for k = 1, 2, 3 … until the run passes without meeting it; once
# with ENOSPC, which stays, once with a single EIO. (The short form takes every 89th k from a
# random one on.) Each time one line of error and a code that
# is not 0, or all is done; nothing is confirmed that is not stored; and without a fault
# everything goes on, without repair. (faults.c says what counts as an operation.)
. "$(dirname "$0")/lib.sh"
count STRIDE 89 1
burst=$WAX_BUILD/tests/e2e/burst
wrong=$tmp/wrong
site --registration open
CA="$srv/ca.pem"
errors='28 5'
# faulty FOLDER K ERRNO COMMAND…: code in $rc; operations met in $ops; output in $tmp/out, $tmp/err.
faulty() {
    folder=$1 k=$2 errno=$3
    shift 3
    rc=0
    env LD_PRELOAD="$bin/libfaults.so" FAULT_DIR="$folder" FAULT_AT="$k" FAULT_ERRNO="$errno" \
        $([ "$errno" != 28 ] || echo FAULT_STAYS=1) FAULT_COUNT="$tmp/ops" "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
    ops=$(cat "$tmp/ops")
}
complain() { # WHAT
    echo "$part errno $errno k $k: $1" >>"$wrong"
    sed 's/^/    /' "$tmp/err" >>"$wrong"
}
# The verdict on a run that met its fault: a line and a code, or success (told apart, because
# then what it was for must be there: the caller's ledger sees to that).
judge() {
    lines=$(wc -l <"$tmp/err")
    if [ $rc = 0 ]; then passes=$((passes + 1))
    elif [ $rc -ge 128 ] || [ $rc -lt 64 ]; then complain "exit $rc"
    elif [ "$lines" != 1 ]; then complain "exit $rc, $lines lines on standard error"
    fi
}
# every_k NAME FUNCTION: FUNCTION K ERRNO until the k-th operation does not exist.
every_k() {
    part=$1
    : >"$wrong"
    for e in $errors; do
        random "$STRIDE"
        i=$((1 + random)) runs=0 passes=0
        while :; do
            "$2" $i "$e"
            runs=$((runs + 1))
            [ "$ops" -ge $i ] || break
            i=$((i + STRIDE))
        done
        figure "$1, errno $e: k up to $i in steps of $STRIDE, $runs runs, of which $passes were done in spite of the fault"
    done
    same "$1: a line and a code, or done; and then it goes on" '' "$(head -n 12 "$wrong")"
}

# --- waxd init ---
try_init() {
    d=$tmp/init-$1-$2
    faulty "$d" "$1" "$2" "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$d"
    [ "$ops" -lt "$1" ] || judge
    again=0
    "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$d" >"$tmp/err" 2>&1 || again=$?
    { [ $rc != 0 ] && [ $again = 0 ]; } || { [ $again = 73 ] && "$waxd" check --data "$d" >"$tmp/err" 2>&1; } ||
        complain "first $rc, init again $again"
    rm -rf "$d"
}
every_k 'waxd init' try_init

# --- wax register ---
try_register() {
    d=$tmp/reg-$1-$2
    set -- "$1" "$2" "$wax" --home "$d" register "r$1-$2@example.org" --server "$url" --ca "$CA" --no-recovery
    faulty "$d" "$@"
    [ "$ops" -lt "$1" ] || judge
    shift 2
    again=0
    "$@" >/dev/null 2>"$tmp/err" || again=$?
    { [ $rc != 0 ] && [ $again = 0 ]; } || [ $again = 73 ] || complain "first $rc, register again $again"
    "$wax" --home "$d" receive >/dev/null 2>"$tmp/err" || complain "receive afterwards $?"
    rm -rf "$d"
}
every_k register try_register

# --- wax send, wax receive ---
register ann1 ann@example.org
register bob1 bob@example.org
w ann1 send bob@example.org hello >/dev/null && take bob1 || die 'a first message'
: >"$tmp/printed"
n=0
try_send() {
    n=$((n + 1))
    faulty "$tmp/ann1" "$1" "$2" "$wax" --home "$tmp/ann1" send bob@example.org "ann1 number $n"
    [ "$ops" -lt "$1" ] || judge
    [ $rc != 0 ] || [ -s "$tmp/out" ] || complain 'success without an id'
    cat "$tmp/out" >>"$tmp/printed"
    w ann1 history --limit 1 >/dev/null 2>"$tmp/err" || complain 'the home does not open'
}
every_k send try_send
try_receive() {
    n=$((n + 1))
    w ann1 send bob@example.org "ann1 number $n" >>"$tmp/printed"
    faulty "$tmp/bob1" "$1" "$2" "$wax" --json --home "$tmp/bob1" receive
    [ "$ops" -lt "$1" ] || judge
    cat "$tmp/out" >>"$tmp/bob1.events"
    w bob1 history --limit 1 >/dev/null 2>"$tmp/err" || complain 'the home does not open'
}
every_k receive try_receive
check 'what waits goes out' until_true 20 flushed ann1
check 'what is left arrives' take bob1
ledger() { # what ann's history has, bob's has, once
    ids ann1 'ann1 number' | sort >"$tmp/wanted"
    ids bob1 'ann1 number' | sort >"$tmp/got"
    check "$1: what ann has, bob has, once" cmp "$tmp/wanted" "$tmp/got"
    sort "$tmp/printed" | comm -23 - "$tmp/wanted" >"$tmp/lost"
    same "$1: each id that was printed is stored" '' "$(cat "$tmp/lost")"
    in_order "$1: in order" bob1 ann1
}
ledger 'client faults'
events "$tmp/bob1.events" 'select(.repeat != true) | .id' | sort >"$tmp/got"
same 'receive printed nothing twice unmarked' '' "$(uniq -d "$tmp/got")"
events "$tmp/bob1.events" 'select(.text | startswith("ann1")) | .id' | sort -u >"$tmp/got"
check 'receive printed everything' cmp "$tmp/wanted" "$tmp/got"
w ann1 receive >/dev/null
no_alerts 'no alert was raised' "$tmp/bob1.events"

# --- wax link, with the fault on the new device, then on the one that approves ---
line=$(j ann1 status | jq -r .invitation)
# link_once NEW: with $new_env and $old_env; codes in $rc (of the one with the fault), $other.
link_once() {
    rm -f "$tmp/digits"
    mkfifo "$tmp/digits"
    env $new_env "$wax" --json --home "$1" link ann@example.org "$line" --device-name new --timeout 20s >"$tmp/link.out" 2>"$tmp/link.err" &
    linking=$!
    until_true 20 sh -c "grep -q link_code '$tmp/link.out' || ! kill -0 $linking" || :
    lc=$(jq -r 'select(.link_code) | .link_code' "$tmp/link.out")
    old_rc=none new_rc=0
    if [ -n "$lc" ]; then
        old_rc=0
        env $old_env "$wax" --json --home "$tmp/ann1" approve "$lc" <"$tmp/digits" >"$tmp/approve.out" 2>"$tmp/approve.err" &
        approving=$!
        exec 9<>"$tmp/digits"
        until_true 20 sh -c "grep -q '\"code\"' '$tmp/link.out' || ! kill -0 $linking || ! kill -0 $approving" || :
        jq -r 'select(.code) | .code' "$tmp/link.out" | head -n 1 >&9
        # Who waits for the other's word gives up when that one is gone.
        until_true 20 sh -c "! kill -0 $approving || ! kill -0 $linking" || :
        sleep 0.2
        until_true 3 sh -c "! kill -0 $approving && ! kill -0 $linking" || kill -INT $approving $linking 2>/dev/null
        wait $approving || old_rc=$?
        exec 9>&-
    fi
    wait $linking || new_rc=$?
}
try_link() { # K ERRNO, the fault in $tmp/$side
    k=$1 errno=$2
    home=$tmp/new-$side-$1-$2
    : >"$tmp/ops"
    faults="LD_PRELOAD=$bin/libfaults.so FAULT_AT=$1 FAULT_ERRNO=$2 FAULT_COUNT=$tmp/ops"
    [ "$2" != 28 ] || faults="$faults FAULT_STAYS=1"
    new_env='' old_env=''
    if [ "$side" = new ]; then new_env="$faults FAULT_DIR=$home"; else old_env="$faults FAULT_DIR=$tmp/ann1"; fi
    link_once "$home"
    ops=$(cat "$tmp/ops")
    if [ "$side" = new ]; then rc=$new_rc; cp "$tmp/link.err" "$tmp/err"; else rc=$old_rc; cp "$tmp/approve.err" "$tmp/err"; fi
    [ "${ops:-0}" -lt "$1" ] || judge
    # Now without faults: whatever became of the first try, there is a device in the end.
    new_env='' old_env=''
    if ! "$wax" --home "$home" status >/dev/null 2>&1; then
        link_once "$home"
        [ "$new_rc" = 0 ] || [ "$new_rc" = 73 ] || { cat "$tmp/link.err" "$tmp/approve.err" >"$tmp/err"; complain "first $rc, link again $new_rc, approve $old_rc"; }
    fi
    "$wax" --home "$home" receive >/dev/null 2>"$tmp/err" || complain 'receive on the new device'
    dev=$("$wax" --json --home "$home" status | jq -r .device)
    w ann1 revoke "$dev" >/dev/null 2>"$tmp/err" || complain 'revoke'
    rm -rf "$home"
}
[ "$STRIDE" = 1 ] || STRIDE=$((STRIDE * 2))
side=new
every_k 'link, the new device' try_link
side=old
every_k 'link, the device that approves' try_link
[ "$STRIDE" = 1 ] || STRIDE=$((STRIDE / 2))
w ann1 receive >/dev/null && take bob1

# --- waxd run ---
server_stop
try_run() { # a waxd that may not even start; ann and bob try to send through it
    k=$1 errno=$2
    : >"$tmp/ops"
    : >"$tmp/waxd.out"
    env LD_PRELOAD="$bin/libfaults.so" FAULT_DIR="$srv" FAULT_AT="$1" FAULT_ERRNO="$2" $([ "$2" != 28 ] || echo FAULT_STAYS=1) \
        FAULT_COUNT="$tmp/ops" "$waxd" --quiet run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>"$tmp/err" &
    server_pid=$!
    until_true 20 sh -c "grep -q '^ready' '$tmp/waxd.out' || ! kill -0 $server_pid" || :
    if grep -q '^ready' "$tmp/waxd.out"; then
        for d in ann1 bob1; do
            case $d in ann1) to=bob@example.org ;; *) to=ann@example.org ;; esac
            "$burst" "$tmp/$d" $to "$d number" $((100000 + n)) 3 >>"$tmp/$d.ids" 2>>"$tmp/burst.err" || :
            j $d receive >>"$tmp/$d.events" 2>/dev/null || :
        done
        n=$((n + 10))
        rc=0
        kill -TERM $server_pid
        wait $server_pid || rc=$?
        [ $rc -lt 128 ] || complain "waxd ended by a signal: $rc"
        passes=$((passes + 1))
    else
        rc=0
        wait $server_pid || rc=$?
        judge
    fi
    server_pid=''
    ops=$(cat "$tmp/ops")
    "$waxd" check --data "$srv" >"$tmp/err" 2>&1 || complain 'waxd check finds something'
}
every_k 'waxd run' try_run
server_again
cat "$tmp/ann1.ids" >>"$tmp/printed"
check 'what waits at ann goes out' until_true 30 flushed ann1
check 'what waits at bob goes out' until_true 30 flushed bob1
check 'ann takes the rest' take ann1
check 'bob takes the rest' take bob1
ledger 'server faults'
ids bob1 'bob1 number' | sort >"$tmp/wanted"
ids ann1 'bob1 number' | sort >"$tmp/got"
check "what bob has, ann has, once" cmp "$tmp/wanted" "$tmp/got"
sort "$tmp/bob1.ids" | comm -23 - "$tmp/wanted" >"$tmp/lost"
same "each id that bob's printed is stored" '' "$(cat "$tmp/lost")"
same 'the mailboxes are empty' 0 "$(mailbox_count)"
cat "$tmp/bob1.events" "$tmp/ann1.events" | jq -R -c 'fromjson? | select(.type == "alert" and .kind != "new_device" and .kind != "device_revoked")' >"$tmp/alerts"
same 'no alert was raised but of devices' '' "$(head -n 3 "$tmp/alerts")"
server_stop
finish
