#!/bin/sh
# What the server's owner can do to data: each time an alert with its kind, no message, no crash.
. "$(dirname "$0")/lib.sh"
server_new
four_devices
for d in ann1 ann2 bob1 bob2; do take $d; done
w ann1 send bob@example.org 'a session is there' >/dev/null && take bob1 && take bob2
w bob1 send ann@example.org 'both ways' >/dev/null && take ann1 && take ann2 && take bob2
bob1_row=$(row_of bob1) bob2_row=$(row_of bob2)
fresh() { for d in ann1 ann2 bob1 bob2; do : >"$tmp/$d.events"; done; }
# kinds HOME: the alerts' kinds and classes
kinds() { jq -r 'select(.type == "alert") | "\(.kind)/\(.class)"' "$tmp/$1.events" | sort -u | tr '\n' ' ' | sed 's/ $//'; }
fresh
id=$(w ann1 send bob@example.org 'flipped')
flip "$(copy_of "$id" "$bob1_row")" 900
check 'a flipped bit does not stop receive' take bob1
same 'it is an alert of kind tampered' 'tampered/signature' "$(kinds bob1)"
same 'no message is shown' '' "$(texts "$tmp/bob1.events")"
take bob2
same 'the other device reads its own copy' 'flipped' "$(texts "$tmp/bob2.events")"
same 'the alert is not repeated' '' "$(j bob1 receive)"
check 'people see it as an alert' sh -c "'$wax' --home '$tmp/bob1' receive --since 0 | grep -q '^ALERT tampered'"

fresh
w ann1 send bob@example.org 'stays on course' >/dev/null && take bob1
same 'the conversation goes on' 'stays on course' "$(texts "$tmp/bob1.events")"
take bob2

fresh
w ann1 send bob@example.org 'for another device' >/dev/null
sql "UPDATE mailbox SET device = -1 WHERE device = $bob1_row;
     UPDATE mailbox SET device = $bob1_row, seq = seq + 100000 WHERE device = $bob2_row;
     UPDATE queue SET seq = seq + 200000 WHERE device = $bob1_row;
     DELETE FROM mailbox WHERE device = -1;"
take bob1
same 'a ciphertext for another device is refused' 'tampered/wrong_device' "$(kinds bob1)"
same 'and not shown' '' "$(texts "$tmp/bob1.events")"

fresh
w ann1 send bob@example.org 'only once' >/dev/null
sql "CREATE TABLE kept AS SELECT * FROM mailbox WHERE device = $bob1_row"
take bob1
same 'it is shown' 'only once' "$(texts "$tmp/bob1.events")"
fresh
sql "UPDATE queue SET seq = seq + 1, count = count + 1, bytes = bytes + 4000 WHERE device = $bob1_row;
     INSERT INTO mailbox (device, seq, time, type, from_dev, fanout, hint, envelope, rest)
     SELECT device, (SELECT seq FROM queue WHERE device = $bob1_row), time, type, from_dev, fanout, hint, envelope, rest FROM kept;
     DROP TABLE kept;"
take bob1
same 'the same ciphertext again: nothing is shown, nothing alarms' '' "$(cat "$tmp/bob1.events")"
same 'it was acked' 0 "$(sql "SELECT count(*) FROM mailbox WHERE device = $bob1_row AND fanout IS NOT NULL")"
same 'and stands once in history' 1 "$(j bob1 history | jq -r 'select(.text == "only once") | .id' | wc -l)"
take bob2

# Two more accounts look bob up for the first time while the directory lies.
register eve eve@example.org
register frank frank@example.org
server_stop
cp "$db" "$tmp/save.db"
sql "CREATE TEMP TABLE two AS SELECT device, record FROM bundle WHERE device IN ($bob1_row, $bob2_row);
     UPDATE bundle SET record = (SELECT t.record FROM two t WHERE t.device <> bundle.device) WHERE device IN ($bob1_row, $bob2_row);"
server_start
fresh
before=$(sql 'SELECT count(*) FROM mailbox')
code 75 'swapped bundles: nothing can be sealed, the message stays here' j eve send bob@example.org 'to whom?'
same 'nothing left the device' "$before" "$(sql 'SELECT count(*) FROM mailbox')"
j eve receive >>"$tmp/eve.events"
same 'an alert of kind tampered' tampered "$(jq -r 'select(.type == "alert") | .kind' "$tmp/eve.events" | sort -u)"
server_stop
cp "$tmp/save.db" "$db"
rm -f "$db-wal" "$db-shm"
# The device key in the newest link of bob's chain, one bit off.
dsk=$(sql "SELECT hex(dsk) FROM device WHERE id = $bob2_row")
bad_dsk=$(printf %s "$dsk" | cut -c1-100)$(printf %s "$dsk" | cut -c101-102 | tr 0123456789ABCDEF 1032547698BADCFE)$(printf %s "$dsk" | cut -c103-)
l=$(sql "SELECT hex(link) FROM chain WHERE seq = 2 AND account = (SELECT account FROM device WHERE id = $bob2_row)")
case $l in *"$dsk"*) good 'the manifest holds the device key' ;; *) bad 'the manifest holds the device key' ;; esac
l=$(printf %s "$l" | sed "s/$dsk/$bad_dsk/g")
sql "UPDATE chain SET link = x'$l' WHERE seq = 2 AND account = (SELECT account FROM device WHERE id = $bob2_row)"
server_start
code 65 'a swapped device key: nothing is sent, 65' j frank send bob@example.org 'to whom?'
same 'nothing left the device' "$before" "$(sql 'SELECT count(*) FROM mailbox')"
same 'nothing is queued' '' "$(j frank outbox)"
j frank receive >>"$tmp/frank.events"
same 'an alert of kind tampered' tampered "$(jq -r 'select(.type == "alert") | .kind' "$tmp/frank.events" | sort -u)"
code 75 'eve, who knows him, keeps what she knew' j eve send bob@example.org 'still to whom?'
server_stop
finish
