#!/bin/sh
# Certificates that do not hold: nothing is sent, the cause is named. SIGHUP takes new ones.
. "$(dirname "$0")/lib.sh"
server_init
. "$(dirname "$0")/certs.sh"
use() { cp "$tmp/pki/$1.pem" "$srv/tls.pem" && cp "$tmp/pki/$1.key" "$srv/tls.key" && kill -HUP "$server_pid" && sleep 0.7; }
server_start
inv=$(invitation 5)
register ann1 ann@example.org
register bob1 bob@example.org
w ann1 send bob@example.org before >/dev/null && take bob1
# refused NAME WORDS
refused() {
    use "$1"
    before=$(sql 'SELECT count(*) FROM mailbox')
    code 75 "$1: a known contact's message waits here" w ann1 send bob@example.org "held back: $1"
    check "$1: the cause is named" grep -qiE "$2" "$tmp/err"
    code 69 "$1: receive refuses too" j ann1 receive
    check "$1: the cause is named again" grep -qiE "$2" "$tmp/err"
    same "$1: with its reason" certificate "$(jq -r .reason "$tmp/err")"
    same "$1: nothing was sent" "$before" "$(sql 'SELECT count(*) FROM mailbox')"
    code 69 "$1: nobody registers" w new register new@example.org "$inv" --no-recovery
    same "$1: no account was made" 2 "$(sql 'SELECT count(*) FROM account')"
}
refused expired expired
refused future 'not yet valid'
refused elsewhere 'name|match'
refused stranger 'issuer|unknown|self.signed|CA'
use fresh
code 0 'a good certificate, taken over by SIGHUP: all goes out' w ann1 flush
take bob1
same 'in order' 'before,held back: expired,held back: future,held back: elsewhere,held back: stranger' \
    "$(texts "$tmp/bob1.events" | tr '\n' ',' | sed 's/,$//')"
printf 'no certificate\n' >"$srv/tls.pem"
kill -HUP "$server_pid"
sleep 0.7
code 0 'a file that is no certificate changes nothing' w ann1 receive
server_stop
finish
