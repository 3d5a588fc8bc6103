#!/bin/sh
# GIVE S07, the server's certificate is not good: expired, not valid yet, for another name, from an
# unknown issuer, and good again later (short: seconds, long: five minutes), for one-shot commands
# and a client that stays. In the place of the server stands one that shows all it is sent.
. "$(dirname "$0")/lib.sh"
count BAD_SECONDS 4 300
site
. "$(dirname "$0")/../e2e/certs.sh"
register ann1 ann@example.org
register bob1 bob@example.org
login=$(openssl rand -hex 8) # stands in the text of each message
w ann1 send bob@example.org "$login before" >/dev/null || die 'before'
mkfifo "$tmp/hold"
exec 8<>"$tmp/hold"
# stand NAME: a TLS server with that certificate, at the port of waxd; what it sees in NAME.seen
stand() {
    openssl s_server -accept "127.0.0.1:$port" -cert "$tmp/pki/$1.crt" -key "$tmp/pki/$1.key" -cert_chain "$tmp/pki/$1.pem" \
        -tls1_3 -alpn h2 -verify 1 -msg <"$tmp/hold" >"$tmp/$1.seen" 2>&1 &
    stand_pid=$!
    others="$others $stand_pid"
    until_true 20 grep -q ACCEPT "$tmp/$1.seen" || die "stand $1" "$tmp/$1.seen"
}
unstand() { kill "$stand_pid"; wait "$stand_pid" 2>/dev/null || :; }
seen() { grep -a -c "$2" "$tmp/$1.seen"; }

# The server takes a new certificate, and its sessions stay.
follow bob1
until_true 20 has_text "$tmp/bob1.follow" "$login before" || die 'bob follows' "$tmp/bob1.ferr"
shown() { openssl s_client -connect "$1" -alpn h2 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256; }
wanted=$(openssl x509 -in "$tmp/pki/fresh.crt" -noout -fingerprint -sha256)
cp "$tmp/pki/fresh.pem" "$srv/tls.pem" && cp "$tmp/pki/fresh.key" "$srv/tls.key" && kill -HUP "$server_pid"
fresh_shown() { [ "$(shown "127.0.0.1:$port")" = "$wanted" ]; }
check 'who connects after the change is shown the new certificate' until_true 20 fresh_shown
w ann1 send bob@example.org "$login over the old stream" >/dev/null || die 'after the change'
check 'what comes after it arrives' until_true 20 has_text "$tmp/bob1.follow" "$login over the old stream"
same 'over the stream that was open: it was never away' '' "$(cat "$tmp/bob1.ferr")"
unfollow

# That the stand shows what it is sent: with a good certificate it gets login and request.
server_stop
stand fresh
w ann1 --server-timeout 1s receive >/dev/null 2>&1
unstand
same 'a good certificate: the stand sees the login, and HTTP' '1 1' "$(seen fresh '^<<< .*, Certificate$') $(seen fresh '^PRI ')"

# refused NAME CAUSE DATE: the stand stays
refused() {
    stand "$1"
    code 75 "$1: a known contact's message waits here" w ann1 send bob@example.org "$login held back: $1"
    check "$1: the text names the cause" grep -qi "$2" "$tmp/err"
    check "$1: and the date" grep -q "$3" "$tmp/err"
    code 69 "$1: receive" j ann1 receive
    check "$1: its text names them too" sh -c "jq -r .detail '$tmp/err' | grep -i '$2' | grep -q '$3'"
    same "$1: with its reason" certificate "$(jq -r .reason "$tmp/err")"
    check "$1: each has asked" [ "$(seen "$1" ClientHello)" -ge 2 ]
    : >"$tmp/bob1.ferr"
    follow bob1
    check "$1: a client that stays names the cause" until_true 20 grep -qi "away.*$2" "$tmp/bob1.ferr"
    check "$1: and the date" grep -q "$3" "$tmp/bob1.ferr"
}
# The stand has the keys of its connections: beside the first hello it saw nothing but alerts.
nothing_left() {
    same "$1: nothing else left the client, but its hello" '' \
        "$(grep -a '^<<< ' "$tmp/$1.seen" | grep -av 'RecordHeader\|InnerContent\|ChangeCipherSpec\|ClientHello\|Alert' | head -n 3)"
    same "$1: no login, nothing of HTTP, no text" '0 0 0' "$(seen "$1" 'Client certificate') $(seen "$1" '^PRI ') $(seen "$1" "$login")"
}
refused expired 'has expired' '2024-01-01' && unfollow && unstand && nothing_left expired
refused future 'not yet valid' '2040-01-01' && unfollow && unstand && nothing_left future
refused elsewhere 'wrong name' '2040-01-01' && unfollow && unstand && nothing_left elsewhere
refused stranger 'unknown issuer' '2024-01-01'
# It tries again slowly: the bound doubles from 1 s, and is drawn from 0.
before=$(seen stranger ClientHello)
sleep "$BAD_SECONDS"
after=$(seen stranger ClientHello)
figure "tries of a client that stays within $BAD_SECONDS s: $((after - before))"
check 'it tries again by itself, not in a tight loop' [ $((after - before)) -ge 1 -a $((after - before)) -le $((10 + BAD_SECONDS / 10)) ]
unstand
nothing_left stranger
same 'nothing was told twice' 1 "$(wc -l <"$tmp/bob1.ferr")"

# Good again: everything that waits goes out, nobody is started anew.
server_again
code 0 'a good one again: what waits goes out' w ann1 flush
check 'the client that stayed connects by itself' until_true 70 has_text "$tmp/bob1.follow" "$login held back: stranger"
same 'and has everything, in order' "before|over the old stream|held back: expired|held back: future|held back: elsewhere|held back: stranger" \
    "$(texts "$tmp/bob1.follow" | sed "s/^$login //" | paste -sd'|')"
same 'it says that the server is back' 'away back' "$(jq -r .state "$tmp/bob1.ferr" | paste -sd' ')"
check 'it is the same process' kill -0 "$follower"
unfollow
server_stop
finish
