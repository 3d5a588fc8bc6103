#!/bin/sh
# Canaries: texts and secrets that must show up in no log, no error and nowhere at the server.
. "$(dirname "$0")/lib.sh"
server_new
j ann1 register ann@example.org "$(invitation 1)" --recovery-file "$tmp/words" -v >"$tmp/o1" 2>"$tmp/e1" || die 'register' "$tmp/e1"
register bob1 bob@example.org
link ann2 ann1 ann@example.org
canary='CANARY-7f3a heron'
w ann1 -v send bob@example.org "$canary one" >>"$tmp/logs" 2>&1
w bob1 -v send ann@example.org "$canary two" >>"$tmp/logs" 2>&1
w bob1 send ann@example.org --no-wait "$canary three" >>"$tmp/logs" 2>&1
server_stop
w ann1 -v send bob@example.org "$canary four" >>"$tmp/logs" 2>&1
w ann1 --json send zoe@example.org "$canary five" >>"$tmp/logs" 2>&1
w ann1 --json flush >>"$tmp/logs" 2>&1
cat "$tmp/o1" "$tmp/e1" >>"$tmp/logs"
server_start
w ann1 flush >>"$tmp/logs" 2>&1
clean() { # WHAT TEXT: not in the logs, not at the server
    check "$1: not in logs and errors" sh -c "! grep -aqF -- '$2' '$tmp/logs' '$tmp/waxd.log'"
    check "$1: not in the server's folder" not_in_folder "$(text_hex "$2")"
}
clean 'the text' CANARY-7f3a
clean 'the recovery words' "$(cut -d' ' -f1-3 "$tmp/words")"
clean "a home's store key" "$(cut -c1-32 "$tmp/ann1/key")"
check "its bytes neither" not_in_folder "$(cut -c1-32 "$tmp/ann1/key")"
check 'the link code: not in the logs' sh -c "! grep -aqF \"\$(jq -r 'select(.link_code) | .link_code' '$tmp/link-ann2' | cut -c9-40)\" '$tmp/waxd.log' '$tmp/logs'"
# The home's store is sealed as well.
grep_home() { for f in "$tmp/ann1"/*; do hex_file "$f" | grep -qF "$1" && return 0; done; return 1; }
check 'the text is not in the clear in the home' sh -c "! grep -aqF CANARY-7f3a '$tmp/ann1/vault.db' '$tmp/ann1'/*-wal 2>/dev/null"
grep_home "$(text_hex CANARY)" && bad 'nor anywhere in it' || good 'nor anywhere in it'
take bob1
take ann2
same 'bob reads both' 2 "$(texts "$tmp/bob1.events" | grep -c CANARY-7f3a)"
server_stop
check 'no core file was written' sh -c "[ -z \"\$(find '$tmp' -name 'core*' -type f)\" ]"
check 'the server folder is for its owner alone' sh -c "[ -z \"\$(find '$srv' -perm /077 ! -type l -name '*.key' -o -perm /077 -name 'waxd.db*' -o -perm /077 -name invitation)\" ]"
finish
