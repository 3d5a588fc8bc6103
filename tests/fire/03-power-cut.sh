#!/bin/sh
# Power cut in software (powercut.c): what client and server wrote and had not synced is dropped,
# torn, reordered, and the process ends there. Afterwards each opens its data without repair, and
# the ledger holds: what was accepted, printed or acknowledged is there, once.
. "$(dirname "$0")/lib.sh"
count CUTS 4 150
burst=$WAX_BUILD/tests/e2e/burst
mkdir "$tmp/keep"
# cut FOLDER K COMMAND…: the power goes in the K-th operation on the folder's files.
cut_power() {
    folder=$1 k=$2
    shift 2
    random 1000000000
    rc=0
    env LD_PRELOAD="$bin/libpowercut.so" POWERCUT_DIR="$folder" POWERCUT_KEEP="$tmp/keep" POWERCUT_AT="$k" \
        POWERCUT_SEED=$random POWERCUT_COUNT="$tmp/ops" "$@" || rc=$?
    [ $rc != 137 ] || cuts=$((cuts + 1))
}
operations() { cat "$tmp/ops"; }
cuts=0

# --- waxd init, wax register ---
mkdir "$tmp/init1"
chmod 700 "$tmp/init1"
cut_power "$tmp/init1" 0 "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$tmp/init1" >"$tmp/out" 2>&1
all=$(operations)
figure "waxd init: $all operations on files"
bad_inits=''
i=0
while [ $i -lt "$CUTS" ]; do
    i=$((i + 1))
    random "$all"
    dir=$tmp/init-$i
    mkdir -m 700 "$dir"
    cut_power "$dir" $((random + 1)) "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$dir" >"$tmp/out" 2>&1
    rc=0
    "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$dir" >"$tmp/out" 2>&1 || rc=$?
    { [ $rc = 0 ] || [ $rc = 73 ]; } && "$waxd" check --data "$dir" >>"$tmp/out" 2>&1 ||
        { bad_inits="$bad_inits $k:$rc"; cp "$tmp/out" "$tmp/out.init"; cp -a "$dir" "$tmp/bad-init"; }
    rm -rf "$dir"
done
same 'init after a cut in init: a whole folder' '' "$bad_inits"
[ -z "$bad_inits" ] || sed 's/^/# /' "$tmp/out.init"

site --registration open
register ann1 ann@example.org
register bob1 bob@example.org
mkdir -m 700 "$tmp/reg0"
cut_power "$tmp/reg0" 0 "$wax" --home "$tmp/reg0" register reg0@example.org --server "$url" --ca "$srv/ca.pem" --no-recovery >"$tmp/out" 2>&1
all=$(operations)
figure "wax register: $all operations on files"
bad_registers=''
i=0
while [ $i -lt "$CUTS" ]; do
    i=$((i + 1))
    random "$all"
    mkdir -m 700 "$tmp/reg$i"
    cut_power "$tmp/reg$i" $((random + 1)) "$wax" --home "$tmp/reg$i" register "reg$i@example.org" --server "$url" --ca "$srv/ca.pem" --no-recovery >"$tmp/out" 2>&1
    rc=0
    w "reg$i" register "reg$i@example.org" --server "$url" --ca "$srv/ca.pem" --no-recovery >"$tmp/out" 2>&1 || rc=$?
    { [ $rc = 0 ] || [ $rc = 73 ]; } && w "reg$i" receive >>"$tmp/out" 2>&1 ||
        { bad_registers="$bad_registers $k:$rc"; cp "$tmp/out" "$tmp/out.reg"; }
    rm -rf "$tmp/reg$i"
done
same 'register after a cut in register: an account' '' "$bad_registers"
[ -z "$bad_registers" ] || sed 's/^/# /' "$tmp/out.reg"

# --- wax send, wax receive ---
w ann1 send bob@example.org 'hello' >/dev/null && take bob1 || die 'a first message'
cut_power "$tmp/ann1" 0 "$wax" --home "$tmp/ann1" send bob@example.org 'ann1 number 0' >"$tmp/out"
sends=$(operations)
cut_power "$tmp/bob1" 0 "$wax" --json --home "$tmp/bob1" receive >>"$tmp/bob1.events"
receives=$(operations)
figure "wax send: $sends, wax receive: $receives operations on files"
: >"$tmp/printed"
closed=''
i=0 before=$cuts
while [ $i -lt "$CUTS" ]; do
    i=$((i + 1))
    random "$sends"
    cut_power "$tmp/ann1" $((random + 1)) "$wax" --home "$tmp/ann1" send bob@example.org "ann1 number $i" >>"$tmp/printed" 2>/dev/null
    w ann1 history --limit 1 >/dev/null 2>"$tmp/err" || closed="$closed send $k: $(cat "$tmp/err")"
    random "$receives"
    cut_power "$tmp/bob1" $((random + 1)) "$wax" --json --home "$tmp/bob1" receive >>"$tmp/bob1.events" 2>/dev/null
    w bob1 history --limit 1 >/dev/null 2>"$tmp/err" || closed="$closed receive $k: $(cat "$tmp/err")"
done
good "$((cuts - before)) cuts in send and receive"
same 'every vault opens without repair' '' "$closed"
check 'what waits goes out' until_true 20 flushed ann1
check 'what is left arrives' take bob1
ids ann1 'ann1 number' | sort >"$tmp/wanted"
ids bob1 'ann1 number' | sort >"$tmp/got"
check 'what ann has, bob has, once' cmp "$tmp/wanted" "$tmp/got"
sort "$tmp/printed" | comm -23 - "$tmp/wanted" >"$tmp/lost"
same 'each id that was printed is there' '' "$(cat "$tmp/lost")"
events "$tmp/bob1.events" 'select(.repeat != true) | .id' | sort >"$tmp/got"
same 'receive printed nothing twice unmarked' '' "$(uniq -d "$tmp/got")"
events "$tmp/bob1.events" 'select(.text | startswith("ann1")) | .id' | sort -u >"$tmp/got"
check 'receive printed everything' cmp "$tmp/wanted" "$tmp/got"
in_order 'in order' bob1 ann1
w ann1 receive >/dev/null && no_alerts 'no alert was raised' "$tmp/bob1.events"

# --- waxd run ---
server_cut() { # K
    random 1000000000
    server_again LD_PRELOAD="$bin/libpowercut.so" POWERCUT_DIR="$srv" POWERCUT_KEEP="$tmp/keep" POWERCUT_AT="$1" \
        POWERCUT_SEED=$random POWERCUT_COUNT="$tmp/ops" ${2:-}
}
volleys() { # NUMBER: both send, ann twice, until all is queued or out
    "$burst" "$tmp/ann1" bob@example.org 'ann1 number' $((1000 + $1 * 100)) 10 >>"$tmp/ann1.ids" 2>>"$tmp/burst.err" & v1=$!
    "$burst" "$tmp/bob1" ann@example.org 'bob1 number' $((1000 + $1 * 100)) 10 >>"$tmp/bob1.ids" 2>>"$tmp/burst.err" & v2=$!
    wait $v1
    wait $v2
    take ann1 || :
    take bob1 || :
}
server_stop
server_cut 0
volleys 0
server_stop
all=$(operations)
figure "waxd run with 20 messages: $all operations on files"
i=0 before=$cuts damaged=''
while [ $i -lt "$CUTS" ]; do
    i=$((i + 1))
    random "$all"
    server_cut $((random + 40))
    volleys $i
    kill -9 "$server_pid" 2>/dev/null || cuts=$((cuts + 1))
    wait "$server_pid" 2>/dev/null
    "$waxd" check --data "$srv" >"$tmp/out" 2>&1 || damaged="$damaged $i: $(head -n 1 "$tmp/out")"
done
good "$((cuts - before)) cuts in the server"
figure "cuts in all: $cuts"
same 'every store opens without a finding' '' "$damaged"
server_again
check 'outboxes get empty' until_true 30 flushed ann1
check 'both of them' until_true 30 flushed bob1
for d in ann1 bob1; do check "$d receives what is left" take $d; done
for d in ann1 bob1; do { ids $d 'ann1 number'; ids $d 'bob1 number'; } | sort >"$tmp/$d.all"; done
check 'both histories have the same messages, each once' cmp "$tmp/ann1.all" "$tmp/bob1.all"
same 'none twice' '' "$(uniq -d "$tmp/ann1.all")"
sort "$tmp/ann1.ids" "$tmp/bob1.ids" | comm -23 - "$tmp/ann1.all" >"$tmp/lost"
same 'each id that was printed is there' '' "$(cat "$tmp/lost")"
in_order 'in the order of ann' bob1 ann1
in_order 'in the order of bob' ann1 bob1
no_alerts 'no alert was raised by it' "$tmp/ann1.events" "$tmp/bob1.events"

# --- And with a disk that lies, so that the ledger is known to see a loss ---
server_stop
i=0 seen=''
while [ -z "$seen" ] && [ $i -lt 20 ]; do
    i=$((i + 1))
    rm -rf "$tmp/before"
    cp -a "$srv" "$tmp/before"
    server_cut 0 POWERCUT_LIE=1
    kill -9 "$server_pid"
    wait "$server_pid" 2>/dev/null
    rm -rf "$srv"
    cp -a "$tmp/before" "$srv"
    random "$all"
    server_cut $((random + 40)) POWERCUT_LIE=1
    volleys $((900 + i))
    kill -9 "$server_pid" 2>/dev/null
    wait "$server_pid" 2>/dev/null
    "$waxd" check --data "$srv" >"$tmp/out" 2>&1 || { seen='the store is damaged'; break; }
    server_again
    until_true 30 flushed ann1 || seen='the outbox stays'
    take bob1
    ids ann1 'ann1 number' | sort >"$tmp/ann1.all"
    ids bob1 'ann1 number' | sort >"$tmp/bob1.all"
    cmp -s "$tmp/ann1.all" "$tmp/bob1.all" || seen='messages are lost'
    server_stop
done
check "with a disk that lies about its syncs, a loss is seen: $seen (try $i)" [ -n "$seen" ]
finish
