# Real processes under fire: sourced by each script here. What tests/e2e/lib.sh has, and:
# FIRE_LONG=1 is the long form of `./dev fire`, counts by FIRE_NAME (see docs/HACKING.md);
# FIRE_SEED decides what is random.
. "$(dirname "$0")/../e2e/lib.sh"
bin=$WAX_BUILD/tests/fire
seed=${FIRE_SEED:-$$}
rnd=$((seed & 0x7fffffff))
echo "# seed $seed"

# count NAME SHORT LONG: into $NAME, from FIRE_NAME where it is set.
count() {
    eval "given=\${FIRE_$1:-}"
    if [ -n "$given" ]; then eval "$1=$given"
    elif [ -n "${FIRE_LONG:-}" ]; then eval "$1=$3"
    else eval "$1=$2"; fi
}
# random BELOW: into $random.
random() {
    rnd=$(((rnd * 1103515245 + 12345) & 0x7fffffff))
    random=$(((rnd >> 8) % $1))
}
# seconds MS: as sleep and timeout take them.
seconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }
# figure TEXT: what was measured; kept where FIRE_FIGURES says.
figure() {
    echo "# figure: $1"
    [ -z "${FIRE_FIGURES:-}" ] || echo "$(basename "$0" .sh): $1" >>"$FIRE_FIGURES"
}
now_ms() { date +%s%3N; }
# lasts COMMAND…: how many ms it takes here and now, into $took; at least 40.
lasts() {
    begun=$(now_ms)
    "$@" >/dev/null 2>&1 || die "$*"
    took=$(($(now_ms) - begun))
    [ $took -ge 40 ] || took=40
}
server_again() { # [ENVIRONMENT…]: at the same port as before
    : >"$tmp/waxd.out"
    env "$@" "$waxd" run --data "$srv" --listen "127.0.0.1:$port" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
    server_pid=$!
    until_true 30 grep -q '^ready' "$tmp/waxd.out" || die 'restart of waxd' "$tmp/waxd.log"
}
# No limits of rate: one account stands for many people.
no_limits() {
    for s in login_per_minute lookup_per_minute send_per_minute register_per_hour link_per_minute; do set_ini $s 0; done
}
site() { # an empty server whose port stays
    server_init "$@"
    no_limits
    server_start
    port=${url##*:}
}
flushed() { w "$1" flush; }
mailbox_count() { sql 'SELECT count(*) FROM mailbox'; }
# The messages a home has of what SENDER wrote, in the order of its history.
numbers() { j "$1" history | jq -r "select(.type == \"message\" and (.text | startswith(\"$2 number\"))) | .text | ltrimstr(\"$2 number \")"; }
# ids HOME WORDS
ids() { j "$1" history | jq -r "select(.type == \"message\" and (.text | startswith(\"$2\"))) | .id"; }
# Events of a file that may hold lines a kill cut off.
events() { jq -R -r "fromjson? | select(.type == \"message\") | $2" "$1"; }
# No alert in these files but of devices and, where it was asked for, nothing at all.
no_alerts() { # TEXT FILE…
    claimed=$1
    shift
    cat "$@" | jq -R -c 'fromjson? | select(.type == "alert" and .kind != "new_device")' >"$tmp/alerts"
    same "$claimed" '' "$(head -n 3 "$tmp/alerts")"
}
# in_order TEXT HOME SENDER: rising numbers, none twice.
in_order() {
    numbers "$2" "$3" >"$tmp/order"
    sort -n -u "$tmp/order" >"$tmp/order.sorted"
    check "$1" cmp "$tmp/order" "$tmp/order.sorted"
}
