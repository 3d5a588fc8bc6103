# The scenarios of GIVE.md: sourced by each script here. What tests/fire/lib.sh has (so FIRE_LONG=1
# is the long form, with the counts of GIVE.md itself), wall clocks that can be set, processes that stay.
. "$(dirname "$0")/../fire/lib.sh"

# --- Clocks ---

# set_clock NAME MS: the clock of home NAME (or of `server`) is that much ahead from now on.
set_clock() {
    [ -e "$tmp/clock.$1" ] || printf '+%019d' 0 >"$tmp/clock.$1"
    case $2 in -*) sign=- ;; *) sign=+ ;; esac
    printf "$sign%019d" "${2#-}" | dd of="$tmp/clock.$1" conv=notrunc status=none
}
clock_layer="LD_PRELOAD=$WAX_BUILD/tests/field/libclock.so"
# with_clock NAME COMMAND…: on the clock of NAME, where it has one.
with_clock() {
    clocked=$1
    shift
    if [ -e "$tmp/clock.$clocked" ]; then
        env "$clock_layer" "FIELD_CLOCK=$tmp/clock.$clocked" "$@"
    else
        "$@"
    fi
}
w() { who=$1; shift; with_clock "$who" "$wax" --home "$tmp/$who" "$@"; }
j() { who=$1; shift; with_clock "$who" "$wax" --json --home "$tmp/$who" "$@"; }
hour=3600000 day=86400000

# --- A client that stays: `receive --follow` in the place of a daemon ---

# follow HOME: its process is $follower; events are added to HOME.follow, the rest to HOME.ferr.
follow() {
    : >>"$tmp/$1.follow"
    if [ -e "$tmp/clock.$1" ]; then
        env "$clock_layer" "FIELD_CLOCK=$tmp/clock.$1" "$wax" --json --home "$tmp/$1" receive --follow \
            >>"$tmp/$1.follow" 2>>"$tmp/$1.ferr" &
    else
        "$wax" --json --home "$tmp/$1" receive --follow >>"$tmp/$1.follow" 2>>"$tmp/$1.ferr" &
    fi
    follower=$!
    others="$others $follower"
}
# unfollow: ends it as a person would.
unfollow() {
    rc=0
    kill -INT "$follower"
    wait "$follower" || rc=$?
    same 'receive --follow ends well when asked to' 0 $rc
}
# has_text FILE TEXT
has_text() { texts "$1" 2>/dev/null | grep -qxF "$2"; }
