#!/bin/sh
# Every exit code, each with one helpful line.
. "$(dirname "$0")/lib.sh"
server_new
inv=$(invitation 2)
code 78 'no account here' w nobody status
code 78 'no account here: send' w nobody send bob@example.org hi
code 64 'no command' "$wax" --json
code 64 'unknown command' "$wax" frobnicate
code 64 'unknown option' "$wax" status --frobnicate
code 64 'an option of a later feature: -g' "$wax" send -g club hi
code 64 'an option of a later feature: --attach' "$wax" send a@example.org hi --attach f
code 64 'an option of a later feature: --expire' "$wax" send a@example.org hi --expire 1d
code 64 '--protect passphrase is a later feature' w ann1 register ann@example.org "$inv" --no-recovery --protect passphrase
code 64 'register without a terminal needs a choice' setsid -w "$wax" --home "$tmp/ann1" register ann@example.org "$inv"
code 64 'a handle that is none' w ann1 register 'Ann Example' "$inv" --no-recovery
code 65 'a mistyped invitation' w ann1 register ann@example.org "${inv%?}x" --no-recovery
code 65 'half an invitation' w ann1 register ann@example.org "wax:127.0.0.1:1" --no-recovery
code 68 'an invitation of another domain' w ann1 register ann@example.com "$inv" --no-recovery
code 66 'no such invitation file' w ann1 register ann@example.org --invitation-file "$tmp/none" --no-recovery
: >"$tmp/words"
code 73 'the recovery file is never overwritten' w ann1 register ann@example.org "$inv" --recovery-file "$tmp/words"
rm "$tmp/words"
code 0 'register, invitation on standard input, words in a file' sh -c "echo '$inv' | '$wax' --home '$tmp/ann1' register ann@example.org - --recovery-file '$tmp/words'"
same 'twelve words' 12 "$(wc -w <"$tmp/words")"
same 'for the owner alone' 600 "$(stat -c %a "$tmp/words")"
check 'they are not on standard output' sh -c "! grep -q \"\$(cut -d' ' -f1-3 '$tmp/words')\" '$tmp/out' '$tmp/err'"
same 'the home is for the owner alone' '700 600 600' "$(stat -c %a "$tmp/ann1" "$tmp/ann1/key" "$tmp/ann1/vault.db" | tr '\n' ' ' | sed 's/ $//')"
code 73 'a home takes one account' w ann1 register ann2@example.org "$inv" --no-recovery
code 77 'a handle that is taken' w bob1 register ann@example.org "$inv" --no-recovery
code 0 'the next handle' w bob1 register bob@example.org "$inv" --no-recovery
code 77 'an invitation that is used up' w carl1 register carl@example.org "$inv" --no-recovery
code 77 'an unknown admission code' w carl1 register carl@example.org "$inv" --invite AAAAAAAAAAAAAAAAAAAAAA --no-recovery
soon=$("$waxd" invite --expire 1s --data "$srv" | sed -n 's/^invitation: //p')
sleep 1.2
code 77 'an invitation that is too old' w carl1 register carl@example.org "$soon" --no-recovery
code 67 'an unknown handle' w ann1 send zoe@example.org hi
code 67 'devices of an unknown handle' w ann1 devices zoe@example.org
code 68 'a foreign domain' w ann1 send bob@elsewhere.example hi
code 64 'no handle at all' w ann1 send bob hi
code 65 'an empty text' w ann1 send bob@example.org ''
code 65 'an empty standard input' sh -c "printf '\n' | '$wax' --home '$tmp/ann1' send bob@example.org"
code 65 'a NUL' sh -c "printf 'a\000b' | '$wax' --home '$tmp/ann1' send bob@example.org -"
code 65 'invalid UTF-8' sh -c "printf 'a\377b' | '$wax' --home '$tmp/ann1' send bob@example.org -"
code 65 'oversize' sh -c "head -c 70000 /dev/zero | tr '\\000' x | '$wax' --home '$tmp/ann1' send bob@example.org"
code 0 'the largest text' sh -c "head -c 65000 /dev/zero | tr '\\000' x | '$wax' --home '$tmp/ann1' send bob@example.org"
take bob1
same 'arrives whole' 65000 "$(jq -r 'select(.type == "message") | .text | length' "$tmp/bob1.events")"
code 65 'verify: other digits' w ann1 verify bob@example.org --confirm 000000000000000000000000000000000000000000000000000000000000
n=$(j bob1 verify ann@example.org | jq -r .number)
code 0 'verify: the right ones, on standard input' sh -c "echo '$n' | '$wax' --home '$tmp/ann1' verify bob@example.org --confirm -"
same 'marks the contact' true "$(j ann1 contacts | jq -r 'select(.handle == "bob@example.org") | .verified')"
code 66 'accept-identity: nothing has changed' w ann1 accept-identity bob@example.org --code "$n"
code 64 'accept-identity without a code' w ann1 accept-identity bob@example.org
code 67 'history with somebody unknown' w ann1 history nobody@example.org
code 66 'history before an unknown message' w ann1 history --before 00000000000000000000000000000000
code 64 'numbers that are none' w ann1 receive --max -3
code 64 'too many arguments' w ann1 status now
code 64 'the error object goes with --json anywhere' w ann1 status now --json
same 'and has a code and a reason' '64 usage' "$(jq -r '"\(.code) \(.reason)"' "$tmp/err")"
chmod 500 "$tmp"/ann1 2>/dev/null
mv "$tmp/ann1/key" "$tmp/key"
code 78 'the key file is missing' w ann1 status
mv "$tmp/key" "$tmp/ann1/key"
chmod 700 "$tmp"/ann1
# Where the server is, said by options: what status prints serves for linking.
mkdir "$tmp/dave1"
: >"$tmp/dave1/vault.db.new-a1B2c3"
: >"$tmp/dave1/vault.db.new-a1B2c3-wal"
code 0 'register by --server, --ca and --invite' j dave1 register dave@example.org --server "$url" \
    --ca "$srv/ca.pem" --invite "$("$waxd" invite --data "$srv" | sed -n 's/^code: //p')" --no-recovery
same 'what a killed register left is gone' '' "$(ls "$tmp/dave1" | grep new-)"
check 'status has an invitation line' sh -c "'$wax' --home '$tmp/dave1' status | grep -q '^invitation:  wax:127'"
same 'the one that the server prints, without T' "$(invitation | sed 's|/[^/]*/[^/]*$||; s|/[^/]*$||')" \
    "$(j dave1 status | jq -r .invitation | sed 's|/[^/]*/[^/]*$||; s|/[^/]*$||')"
link dave2 dave1 dave@example.org
good 'and links a device'
"$waxd" invite --data "$srv" >"$tmp/printed"
code 0 'a file with what waxd invite prints' w eve1 register eve@example.org --invitation-file "$tmp/printed" --no-recovery
code 0 'a line with its label' w fay1 register fay@example.org "$("$waxd" invite --data "$srv" | grep ^invitation:)" --no-recovery
code 69 'a server that is not there' w gil1 register gil@example.org --server https://127.0.0.1:1 --no-recovery
same 'is told of once' 1 "$(grep -oiE "reached|connect to server|could not connect" "$tmp/err" | wc -l)"
for c in register link approve devices revoke rename send receive flush outbox list contacts history verify accept-identity status; do
    "$wax" $c --help >"$tmp/help" 2>&1 || bad "$c --help" "$tmp/help"
    for o in $(sed -n '1,/^$/p' "$tmp/help" | grep -oE -- '--[a-z-]+' | sort -u); do
        grep -qE "^  $o( |\$)" "$tmp/help" || bad "$c --help tells of $o" "$tmp/help"
    done
done
good 'each command explains its options'
# Control characters of others never reach a terminal raw.
printf 'evil \033[31m\342\200\256 text' | w bob1 send ann@example.org >/dev/null
w ann1 receive >"$tmp/out"
check 'escape sequences are shown, not done' sh -c "! grep -q \"\$(printf '\\033')\" '$tmp/out' && grep -qF '\\x1b[31m' '$tmp/out'"
j ann1 history --limit 1 >"$tmp/out"
check 'JSON escapes bidirectional overrides' sh -c "grep -qiF '\\u202e' '$tmp/out' && grep -qiF '\\u001b' '$tmp/out'"
# The home is busy.
flock "$tmp/ann1/outbox.lock" sleep 40 & others=$!
sleep 0.3
code 71 'another process holds the home' w ann1 -q flush
server_stop
finish
