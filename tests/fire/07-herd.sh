#!/bin/sh
# A crowd comes back: all of CLIENTS lose the server to a kill -9, for the moment of a restart and
# (long form) for longer, and come back by the back-off of libwax (base/backoff.h). All are back
# within a bounded time, those who are in already are served meanwhile, the server's memory stays
# bounded, and after the first wave comes no second one.
. "$(dirname "$0")/lib.sh"
count CLIENTS 100 2000
count QUIET 1000 5000
count AWAY 0 12
server_init
no_limits
set_ini registration open
server_start
port=${url##*:}
mkfifo "$tmp/herd.in" "$tmp/probe.in"
"$bin/crowd" herd "$port" "$srv/ca.pem" "$QUIET" "$CLIENTS" <"$tmp/herd.in" >"$tmp/herd" 2>&1 &
herd=$!
"$bin/crowd" probe "$port" "$srv/ca.pem" 1 <"$tmp/probe.in" >"$tmp/probe" 2>&1 &
others="$herd $!"
exec 7>"$tmp/herd.in" 8>"$tmp/probe.in"
backs() { [ "$(grep -c ^back "$tmp/herd")" -ge "$1" ] || ! kill -0 $herd 2>/dev/null; }
all_back() { until_true "$2" backs "$1" && backs "$1" && [ "$(grep -c ^back "$tmp/herd")" -ge "$1" ]; }
# said WORD: the rest of the last line that begins with it.
said() { sed -n "s/^$1 //p" "$tmp/herd" | tail -n 1; }
probed() { # into $probed: "N p50 p99 max" ms since the last time
    before=$(grep -c ^asked "$tmp/probe")
    echo >&8
    until_true 20 sh -c "[ \$(grep -c ^asked '$tmp/probe') -gt $before ]" || die 'the probe' "$tmp/probe"
    probed=$(sed -n 's/^asked //p' "$tmp/probe" | tail -n 1)
}
memory() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$server_pid/status"; }

until_true $((60 + CLIENTS / 10)) grep -q ^registered "$tmp/herd" || die 'registering' "$tmp/herd"
all_back 1 120 || die 'all streams are up' "$tmp/herd"
good "$CLIENTS clients hold a mailbox stream each, two connections a client"
n=1
longer=
[ "$AWAY" = 0 ] || longer=$AWAY
for away in 0 $longer; do
    server_kill
    sleep $away
    server_again
    empty=$(memory)
    probed
    n=$((n + 1))
    check "after a kill and $away s without a server all are back" all_back $n 120
    probed
    set -- $(said back)
    got=$1 p50=$2 p99=$3 max=$4
    same '… each of them' "$CLIENTS" "$got"
    check "… within a minute" [ "$max" -le 60000 ]
    same '… with no try in the time after' 0 "$(said after)"
    check '… in one wave: at most one in twenty has to try again' [ "$(said failed)" -le $((CLIENTS / 20)) ]
    per=$((($(memory) - empty) / (CLIENTS * 2)))
    check '… in bounded memory' [ $per -le 150 ]
    figure "$away s away: $got back, p50 $p50 p99 $p99 max $max ms; $(said failed) tries failed, $(said away) while away; at most $(said logins) handshakes a second; $per KiB a connection at the most"
    figure "$away s away: tries in each second: $(said tries)"
    set -- $probed
    check '… while who is in gets answers' [ "$3" -le 3000 ]
    figure "$away s away: $1 requests of somebody who is in: p50 $2 p99 $3 max $4 ms"
done
server_stop
same 'the server stops in order' 0 $stop_rc
finish
