#!/bin/sh
# While a message waits its text is nowhere on the server or the wire, its ciphertext is on the
# server; after the last ack it is in no file of the server's folder.
. "$(dirname "$0")/lib.sh"
server_new
"$tap" "${url##*:}" "$tmp/wire" >"$tmp/tap.port" &
others=$!
until_true 5 [ -s "$tmp/tap.port" ] || die 'the tap listens'
url=https://127.0.0.1:$(cat "$tmp/tap.port")
for d in ann bob; do
    j ${d}1 register $d@example.org "$(invitation 1)" --server "$url" --no-recovery >"$tmp/reg.out" 2>&1 ||
        die "register $d" "$tmp/reg.out"
done
text='The heron stands at the lock before sunrise'
id=$(w ann1 send bob@example.org "$text") || die 'send'
hex=$(text_hex "$text")
check 'the wire was really seen' [ "$(wc -c <"$tmp/wire")" -gt 4000 ]
check 'the text is not on the wire' sh -c "! grep -aqF '$text' '$tmp/wire'"
check 'the text is in no file of the server' not_in_folder "$hex"
check 'not in its log' sh -c "! grep -aqF '$text' '$tmp/waxd.log'"
check 'the ciphertext waits in the folder, found by its id' in_folder "$id"
same 'in the database' "1" "$(sql "SELECT count(*) FROM mailbox WHERE instr(hex(envelope) || hex(coalesce(rest, x'')), upper('$id')) > 0")"
env=$(sql "SELECT hex(substr(envelope, 1, 1713 + 4 + 256)) FROM mailbox LIMIT 1" | tr A-F a-f)
cipher=$(printf %s "$env" | cut -c3461-3590)
check 'its body as well' in_folder "$cipher"
take bob1
same 'bob reads it' "$text" "$(texts "$tmp/bob1.events")"
same 'the row is gone' 0 "$(sql 'SELECT count(*) FROM mailbox')"
check 'within a minute its body is in no file' until_true 60 not_in_folder "$cipher"
check 'nor its fan-out part' until_true 10 not_in_folder "$id"
check 'the text still is on no wire' sh -c "! grep -aqF '$text' '$tmp/wire'"
server_stop
check 'nor after the server stopped' not_in_folder "$id"
finish
