#!/bin/sh
# The box: what others wrote is taken apart in a process without files, network or keys; what kills
# it is set aside.
. "$(dirname "$0")/lib.sh"

proc() { sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"; }
# The helper of a running wax: its only child.
helper_of() { pgrep -P "$1" waxwing-box; }
# The vault is held for half a second: wax is in the middle of taking a message in.
vault_held() {
    for _ in 1 2 3 4 5; do
        sqlite3 "$1" 'BEGIN IMMEDIATE; ROLLBACK;' 2>/dev/null && return 1
        sleep 0.1
    done
}
state_is() { [ "$(proc "$1" State | cut -c1)" = "$2" ]; }

server_new

# --- The helper ---

register ann ann@example.org
register bob bob@example.org
box=$(j bob status | jq -r .box)
check 'status says how the box is confined' test "$box" = landlock -o "$box" = seccomp
w ann send bob@example.org 'one' >/dev/null || die 'send one'
"$wax" --json --home "$tmp/bob" receive --follow >"$tmp/follow" 2>"$tmp/follow.err" &
bob=$!
others=$bob
check 'a message arrives through the box' until_true 20 grep -q '"one"' "$tmp/follow"
helper=$(helper_of "$bob")
same 'the helper is under a filter' 2 "$(proc "$helper" Seccomp)"
same 'and gains no privileges' 1 "$(proc "$helper" NoNewPrivs)"
if [ "$(id -u)" = 0 ]; then
    same 'it has one descriptor, a socket' 'socket' "$(readlink /proc/"$helper"/fd/* | sed 's/:.*//')"
else
    check 'nobody but root looks into it' test ! -r "/proc/$helper/fd"
fi

# --- It dies ---

kill -STOP "$helper"
check 'the helper stands still' until_true 5 state_is "$helper" T
w ann send bob@example.org 'poison' >/dev/null || die 'send poison'
check 'a message is given to it' until_true 20 vault_held "$tmp/bob/vault.db"
kill -KILL "$helper"
check 'its death is told' until_true 20 grep -q '"set_aside"' "$tmp/follow"
w ann send bob@example.org 'two' >/dev/null || die 'send two'
check 'the next message arrives through a new one' until_true 20 grep -q '"two"' "$tmp/follow"
check 'what killed it was not shown' sh -c "! grep -q poison '$tmp/follow'"
empty() { [ "$(sql 'SELECT count(*) FROM mailbox')" = 0 ]; }
check 'its envelope is acked: nobody waits behind it' until_true 10 empty
kill -INT "$bob"
wait "$bob"
same 'status counts what is set aside' 1 "$(j bob status | jq -r .set_aside)"

# --- It is missing ---

mkdir "$tmp/lone" "$tmp/path"
cp "$WAX_BUILD/src/lib/libwax.so.0" "$tmp/lone/"
cp "$WAX_BUILD/src/box/waxwing-box" "$tmp/path/"
w ann send bob@example.org 'three' >/dev/null || die 'send three'
code 78 'without the helper nothing is received' env LD_LIBRARY_PATH="$tmp/lone" PATH="$tmp/path:$PATH" "$wax" --home "$tmp/bob" receive
check 'and the error names it' grep -q 'waxwing-box' "$tmp/err"
take bob
same 'nothing was acked: it comes with the next one' three "$(texts "$tmp/bob.events")"

# --- Installed ---

meson install -C "$WAX_BUILD" --no-rebuild --quiet --destdir "$tmp/root" >"$tmp/install.out" 2>&1 || die 'install' "$tmp/install.out"
installed=$(dirname "$(find "$tmp/root" -name libwax.so.0)")
w ann send bob@example.org 'four' >/dev/null || die 'send four'
LD_LIBRARY_PATH=$installed "$(find "$tmp/root" -name wax -path '*/bin/*')" --json --home "$tmp/bob" receive >"$tmp/four" 2>"$tmp/four.err"
same 'an installed tree finds its own, wherever it stands' four "$(texts "$tmp/four")"

finish
