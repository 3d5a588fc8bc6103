# Real processes: sourced by each script here. WAX_BUILD is the build folder.
# Every promise is one line `ok N - text` or `not ok N - text`; nothing is skipped.
set -u
LC_ALL=C.UTF-8
export LC_ALL
unset WAX_HOME XDG_DATA_HOME WAXD_DATA STATE_DIRECTORY CREDENTIALS_DIRECTORY 2>/dev/null || :
: "${WAX_BUILD:?the build folder}"
here=$(cd "$(dirname "$0")" && pwd)
wax=$WAX_BUILD/cmd/wax/wax
waxd=$WAX_BUILD/cmd/waxd/waxd
tap=$WAX_BUILD/tests/e2e/tap
# The processes forbid being traced, which the leak checker needs.
ASAN_OPTIONS=detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
export ASAN_OPTIONS UBSAN_OPTIONS
tmp=$(mktemp -d "${TMPDIR:-/tmp}/wax-e2e.XXXXXX")
srv=$tmp/server
db=$srv/waxd.db
HOME=$tmp
export HOME
server_pid='' others='' passed=0 failed=0

cleanup() {
    rc=$?
    trap - EXIT INT TERM
    for p in $others $server_pid; do kill -9 "$p" 2>/dev/null; done
    wait 2>/dev/null
    [ -n "${WAX_KEEP:-}" ] || rm -rf "$tmp"
    exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- Promises ---

good() { passed=$((passed + 1)); echo "ok $((passed + failed)) - $1"; }
bad() {
    failed=$((failed + 1))
    echo "not ok $((passed + failed)) - $1"
    shift
    for f in "$@"; do echo "# $f:"; tail -n 15 "$f" 2>/dev/null | sed 's/^/#   /'; done
}
# check TEXT COMMAND…: the command must succeed.
check() {
    claimed=$1
    shift
    if "$@" >"$tmp/check.out" 2>&1; then good "$claimed"; else bad "$claimed" "$tmp/check.out"; fi
}
# same TEXT WANTED GOT
same() {
    if [ "$2" = "$3" ]; then good "$1"; else
        bad "$1"
        printf '# wanted: %s\n# got:    %s\n' "$2" "$3"
    fi
}
# code N TEXT COMMAND…: the exit code must be N; output in $tmp/out, $tmp/err. Whatever fails
# must say so in one line.
code() {
    want=$1 claimed=$2
    shift 2
    rc=0
    "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
    lines=$(wc -l <"$tmp/err")
    if [ "$rc" != "$want" ]; then
        bad "$claimed (exit $rc, not $want)" "$tmp/out" "$tmp/err"
    elif [ "$want" != 0 ] && [ "$lines" != 1 ]; then
        bad "$claimed ($lines lines on standard error)" "$tmp/err"
    else
        good "$claimed"
    fi
}
finish() {
    echo "1..$((passed + failed))"
    [ "$failed" = 0 ] || { tail -n 30 "$tmp/waxd.log" | sed 's/^/# waxd: /'; exit 1; }
    [ "$passed" -gt 0 ]
}
die() { echo "not ok $((passed + failed + 1)) - $1"; [ -z "${2:-}" ] || sed 's/^/# /' "$2"; tail -n 30 "$tmp/waxd.log" 2>/dev/null | sed 's/^/# waxd: /'; exit 1; }

# until_true SECONDS COMMAND…: tries ten times a second.
until_true() {
    tries=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.1
    done
}

# --- The server ---

server_init() { # [OPTIONS OF init]
    "$waxd" init --domain example.org --listen 127.0.0.1:0 --data "$srv" "$@" >"$tmp/init.out" 2>&1 ||
        die 'waxd init' "$tmp/init.out"
    url=$(sed -n 's/^url: //p' "$tmp/init.out")
}
# set_ini NAME VALUE
set_ini() {
    sed -i "s|^[;# ]*$1 *=.*|$1 = $2|" "$srv/waxd.ini"
    grep -q "^$1 = " "$srv/waxd.ini" || die "waxd.ini has no setting $1" "$srv/waxd.ini"
}
server_start() {
    : >"$tmp/waxd.out"
    "$waxd" run --data "$srv" >"$tmp/waxd.out" 2>>"$tmp/waxd.log" &
    server_pid=$!
    until_true 20 grep -q '^ready https://' "$tmp/waxd.out" || die 'waxd run: ready' "$tmp/waxd.log"
    url=$(sed -n 's/^ready //p' "$tmp/waxd.out")
}
server_stop() {
    stop_rc=0
    kill -TERM "$server_pid"
    wait "$server_pid" || stop_rc=$?
    server_pid=""
}
server_kill() { kill -9 "$server_pid" 2>/dev/null; wait "$server_pid" 2>/dev/null; server_pid=''; }
server_new() { server_init && server_start; }
invitation() { "$waxd" invite --uses "${1:-20}" --data "$srv" | sed -n 's/^invitation: //p'; }
sql() { sqlite3 -cmd '.timeout 10000' "$db" "$@"; }

# --- Clients ---

# w HOME COMMAND…: a device; its home is $tmp/HOME.
w() { who=$1; shift; "$wax" --home "$tmp/$who" "$@"; }
j() { who=$1; shift; "$wax" --json --home "$tmp/$who" "$@"; }
register() { # HOME HANDLE
    j "$1" register "$2" "$(invitation 1)" --device-name "$1" --no-recovery >"$tmp/reg.out" 2>&1 ||
        die "register $2" "$tmp/reg.out"
}
# link NEW OLD HANDLE: a second device, with the digits carried over by hand.
link() {
    line=$(j "$2" status | jq -r .invitation)
    "$wax" --json --home "$tmp/$1" link "$3" "$line" --device-name "$1" --timeout 60s >"$tmp/link-$1" 2>&1 &
    linking=$!
    until_true 20 grep -q link_code "$tmp/link-$1" || die "link $1: no link code" "$tmp/link-$1"
    lc=$(jq -r 'select(.link_code) | .link_code' "$tmp/link-$1")
    rm -f "$tmp/digits"
    mkfifo "$tmp/digits"
    "$wax" --json --home "$tmp/$2" approve "$lc" <"$tmp/digits" >"$tmp/approve-$1" 2>&1 &
    approving=$!
    exec 9>"$tmp/digits"
    until_true 30 grep -q '"code"' "$tmp/link-$1" || die "link $1: no digits" "$tmp/approve-$1"
    until_true 30 grep -q '"approve"' "$tmp/approve-$1" || die "link $1: nobody asks" "$tmp/approve-$1"
    jq -r 'select(.code) | .code' "$tmp/link-$1" >&9
    exec 9>&-
    wait "$approving" || die "approve $1" "$tmp/approve-$1"
    wait "$linking" || die "link $1" "$tmp/link-$1"
}
device_of() { j "$1" status | jq -r .device; }
# Two accounts with two devices each: homes ann1 ann2 bob1 bob2.
four_devices() {
    register ann1 ann@example.org
    register bob1 bob@example.org
    link ann2 ann1 ann@example.org
    link bob2 bob1 bob@example.org
}
# Receives until nothing is left and adds to $tmp/HOME.events.
take() { j "$1" receive >>"$tmp/$1.events" 2>"$tmp/$1.err"; }
texts() { jq -r 'select(.type == "message") | .text' "$@"; }
history_of() { j "$1" history | jq -c 'select(.type == "message") | [.id, .conversation, .from, .text]' | sort; }

# --- What waits at the server ---

# row_of HOME: the server's row of that device.
row_of() { sql "SELECT id FROM device WHERE hex(dev) = upper('$(device_of "$1")')"; }
# copy_of ID DEVICE-ROW: the row of the ciphertext of that message for that device.
copies="instr(hex(envelope) || hex(coalesce(rest, x'')), upper"
copy_of() { sql "SELECT id FROM mailbox WHERE device = $2 AND $copies('$1')) > 0"; }
# flip MAILBOX-ROW OFFSET: one bit of it.
flip() {
    whole=$(sql "SELECT hex(envelope) FROM mailbox WHERE id = $1")
    at=$(($2 * 2 + 1))
    byte=$(printf %s "$whole" | cut -c$at-$((at + 1)))
    sql "UPDATE mailbox SET envelope = x'$(printf %s "$whole" | cut -c1-$((at - 1)))$(printf %02X $((0x$byte ^ 4)))$(printf %s "$whole" | cut -c$((at + 2))-)' WHERE id = $1"
}

# --- Bytes ---

hex_file() { od -An -v -tx1 "$1" | tr -d ' \n'; }
# in_folder HEX: some file of the server's folder has these bytes.
in_folder() {
    for f in $(find "$srv" -type f); do
        hex_file "$f" | grep -qF "$1" && { echo "$f"; return 0; }
    done
    return 1
}
not_in_folder() { ! in_folder "$1"; }
text_hex() { printf %s "$1" | od -An -v -tx1 | tr -d ' \n'; }
