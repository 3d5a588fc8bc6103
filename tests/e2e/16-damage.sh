#!/bin/sh
# Damaged files: what is damaged is said, all files are kept, what is whole goes on, and nothing
# ever starts over by itself.
. "$(dirname "$0")/lib.sh"
command -v sqlite3 >/dev/null || die 'sqlite3 is needed'
server_new
for who in ann bob carl; do register ${who}1 $who@example.org; done

# One byte of the stored value of a table's N-th row (counted from 0) is another one.
spoil() { # HOME TABLE N
    sqlite3 "$tmp/$1/vault.db" "UPDATE $2 SET v = CAST(substr(v, 1, 30) ||
        (CASE substr(v, 31, 1) WHEN x'5A' THEN x'5B' ELSE x'5A' END) || substr(v, 32) AS BLOB)
        WHERE k = (SELECT k FROM $2 ORDER BY k LIMIT 1 OFFSET $3)"
}
sum() { sha256sum "$@" | sha256sum; }
say() { w "$1" send "$2@example.org" "$3" >/dev/null; }

say ann1 bob one; say ann1 bob two; say ann1 bob three
take bob1
say bob1 ann four
take ann1

# A message of the history.
spoil bob1 history 1
code 65 'a damaged row of the history is said' w bob1 history
check 'in words' grep -q 'history: 1 row set aside' "$tmp/err"
code 0 'the next look goes on without it' j bob1 history
same 'with all the rest' 'one three four ' "$(texts "$tmp/out" | tr '\n' ' ')"
code 0 'status goes on' j bob1 status
same 'and names it from then on' 'history: 1 row set aside' "$(jq -r .damage "$tmp/out")"
code 0 'an alert tells it' j bob1 receive
same 'once' 1 "$(jq -r 'select(.type == "alert") | .kind' "$tmp/out" | grep -c store_damaged)"
code 0 'then no more' j bob1 receive
same 'events' 0 "$(wc -l <"$tmp/out")"

# A session: its conversation starts anew, the other one is not touched.
say carl1 bob 'from carl'; take bob1
spoil bob1 peer 0
spoil bob1 peer 1
say ann1 bob lost; say carl1 bob lost
code 0 'sessions that are lost do not stop receiving' j bob1 receive
check 'their messages are visibly unreadable' grep -q '"undecryptable"' "$tmp/out"
say bob1 ann 'again'
take ann1
check 'an answer starts a new session' grep -q '"again"' "$tmp/ann1.events"
say ann1 bob 'and back'
take bob1
check 'in both directions' grep -q '"and back"' "$tmp/bob1.events"

# A contact: what comes from it waits, the rest goes on.
spoil bob1 pin 0; spoil bob1 pin 1; spoil bob1 pin 2
code 65 'damaged contacts are said' w bob1 contacts
check 'in words' grep -q 'contacts: 3 rows cannot be read' "$tmp/err"
cp -r "$tmp/bob1" "$tmp/bob1.hurt"

# The own identity: nothing takes it for an empty home.
cp -r "$tmp/carl1" "$tmp/carl1.whole"
sqlite3 "$tmp/carl1/vault.db" "UPDATE meta SET k = CAST('x' || k AS BLOB)"
before=$(sum "$tmp/carl1/key" "$tmp/carl1/vault.db")
code 65 'a home that lost its identity to damage says so' w carl1 status
inv=$(invitation 2)
code 65 'and takes no second one' w carl1 register carl2@example.org "$inv" --no-recovery
check 'its rows are all there' sh -c "[ \$(sqlite3 '$tmp/carl1/vault.db' 'SELECT count(*) FROM meta') = \
    \$(sqlite3 '$tmp/carl1.whole/vault.db' 'SELECT count(*) FROM meta') ]"

# The key file.
rm -rf "$tmp/carl1"; cp -r "$tmp/carl1.whole" "$tmp/carl1"
mv "$tmp/carl1/key" "$tmp/key"
code 78 'the key file is missing' w carl1 status
code 78 'and register makes no new one' w carl1 register carl2@example.org "$inv" --no-recovery
check 'there is none' test ! -e "$tmp/carl1/key"
tr 0-9a-f 1-9a-f0 <"$tmp/key" >"$tmp/carl1/key"
code 78 'another key' w carl1 status
echo garbage >"$tmp/carl1/key"
code 78 'a key file that holds none' w carl1 status
same 'which stays' garbage "$(cat "$tmp/carl1/key")"
cp "$tmp/key" "$tmp/carl1/key"
code 0 'the right one again' w carl1 status

# The whole file: cut, emptied, garbage, of a newer version.
db_of=$tmp/carl1/vault.db
for how in 'truncate -s 20480' 'truncate -s 0' 'cp /etc/passwd' newer; do
    cp "$tmp/carl1.whole/vault.db" "$db_of"
    want=65
    case $how in
    cp*) head -c 40000 /dev/urandom >"$db_of" ;;
    newer) want=78; sqlite3 "$db_of" 'PRAGMA user_version=99' ;;
    *) $how "$db_of" ;;
    esac
    before=$(sum "$db_of" "$tmp/carl1/key")
    code $want "vault.db, $how: refused" w carl1 send ann@example.org hi
    check 'by name, with what to do' grep -q "vault.db.*\(restore\|update\)" "$tmp/err"
    code $want "vault.db, $how: nothing starts over" w carl1 register carl2@example.org "$inv" --no-recovery
    same 'and the files are as they were' "$before" "$(sum "$db_of" "$tmp/carl1/key")"
done
cp "$tmp/carl1.whole/vault.db" "$db_of"
code 0 'the copy brought back works' w carl1 status

# The file is gone, its siblings are there.
mkdir "$tmp/away"
mv "$db_of" "$tmp/away"; rm -f "$db_of-wal" "$db_of-shm"
code 65 'vault.db is missing' w carl1 status
check 'by name, with what to do' grep -q 'vault.db.*missing.*restore' "$tmp/err"
code 65 'nothing starts over: register' w carl1 register carl2@example.org "$inv" --no-recovery
code 65 'nothing starts over: link' w carl1 link carl@example.org "$inv" --timeout 2s
same 'no new one is made' 'key lock outbox.lock ' "$(ls "$tmp/carl1" | tr '\n' ' ')"
mv "$tmp/away/vault.db" "$db_of"
code 0 'the file brought back works' w carl1 status

# A page of a table: nothing of the file is written, the rest goes on.
page() { sqlite3 "$1" "SELECT rootpage FROM sqlite_schema WHERE name = '$2'"; }
scribble() { dd if=/dev/urandom of="$1" bs=4096 seek=$(($2 - 1)) count=1 conv=notrunc status=none; }
register dora1 dora@example.org
say dora1 bob 'in the history'
dora=$tmp/dora1/vault.db
sqlite3 "$dora" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
scribble "$dora" "$(page "$dora" history)"
code 65 'a page of the history is damaged' w dora1 history
check 'in words' grep -q 'history: a part of the file cannot be read' "$tmp/err"
check 'with what to do' grep -q 'kept.*restore' "$tmp/err"
for what in status contacts devices outbox receive 'verify bob@example.org'; do code 0 "$what goes on" w dora1 $what; done
code 0 'status names it' j dora1 status
check 'and the page' sh -c "jq -r .damage '$tmp/out' | grep -qi '^pages of the file: .*page'"
code 65 'what needs the history stops' w dora1 send bob@example.org 'no place'

# An older schema.
sqlite3 "$db_of" 'DROP TABLE damaged; DROP TABLE sent; DROP TABLE kept; DROP TABLE repair;
    DROP TABLE aside; DROP TABLE aside_content; PRAGMA user_version=1'
code 0 'an older vault is raised and goes on' w carl1 send bob@example.org 'from an older vault'
same 'to the newest' 2 "$(sqlite3 "$db_of" 'PRAGMA user_version')"

# A log that is garbage does not touch what is in the file.
head -c 20000 /dev/urandom >"$db_of-wal"
code 0 'a log of garbage is passed over' w carl1 status
same 'nothing is missing' null "$(j carl1 status | jq -r .damage)"

# The server.
server_stop
cp "$db" "$tmp/waxd.whole"
sqlite3 "$db" "UPDATE account SET acct = x'00' WHERE handle = 'ann@example.org';
    UPDATE bundle SET record = x'' WHERE device = 1; UPDATE chain SET hash = x'00' WHERE account = 2"
rc=0
"$waxd" check --data "$srv" >"$tmp/out" 2>"$tmp/err" || rc=$?
same 'waxd check finds damaged rows' 65 $rc
check 'an account' grep -q 'account ann@example.org: its row is damaged' "$tmp/out"
check 'a prekey bundle' grep -q 'device .*bundle is damaged' "$tmp/out"
check 'a link of a chain' grep -q 'account bob@example.org: link 1 of its chain is damaged' "$tmp/out"
for how in 'truncate -s 8192' garbage newer; do
    cp "$tmp/waxd.whole" "$db"
    want=65
    case $how in
    garbage) head -c 40000 /dev/urandom >"$db" ;;
    newer) want=78; sqlite3 "$db" 'PRAGMA user_version=99' ;;
    *) $how "$db" ;;
    esac
    before=$(sum "$db")
    code $want "waxd.db, $how: run refuses" "$waxd" run --data "$srv" --listen 127.0.0.1:0
    check 'by name' grep -q 'waxd.db' "$tmp/err"
    code $want "waxd.db, $how: so does check" "$waxd" check --data "$srv"
    code 73 "waxd.db, $how: init does not start over" "$waxd" init --data "$srv" --domain example.org
    same 'and the file is as it was' "$before" "$(sum "$db")"
done
cp "$tmp/waxd.whole" "$db"
server_start
code 0 'the copy brought back works' w ann1 status
server_stop
finish
