#!/bin/sh
# Certificates that do not hold: nothing is sent, the cause is named. SIGHUP takes new ones.
. "$(dirname "$0")/lib.sh"
server_init
mkdir "$tmp/good" "$tmp/pki"
cp "$srv"/tls.pem "$srv"/tls.key "$srv"/ca.pem "$srv"/ca.key "$tmp/good/"
cat >"$tmp/pki/conf" <<TXT
[ca]
default_ca = here
[here]
database = $tmp/pki/index
new_certs_dir = $tmp/pki
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
[any]
commonName = optional
TXT
# make NAME SANS START END CA: a certificate for the server, YYYYMMDDHHMMSSZ
make() {
    : >"$tmp/pki/index"
    printf 'subjectAltName = %s\nbasicConstraints = critical, CA:FALSE\nextendedKeyUsage = serverAuth\n' "$2" >"$tmp/pki/ext"
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/pki/$1.key" \
        -subj /CN=waxd -out "$tmp/pki/$1.csr" 2>/dev/null &&
        openssl ca -batch -notext -config "$tmp/pki/conf" -in "$tmp/pki/$1.csr" -out "$tmp/pki/$1.crt" \
            -cert "$5/ca.pem" -keyfile "$5/ca.key" -extfile "$tmp/pki/ext" -startdate "$3" -enddate "$4" 2>"$tmp/pki/err" ||
        die "make a certificate: $1" "$tmp/pki/err"
    cat "$tmp/pki/$1.crt" "$5/ca.pem" >"$tmp/pki/$1.pem"
}
use() { cp "$tmp/pki/$1.pem" "$srv/tls.pem" && cp "$tmp/pki/$1.key" "$srv/tls.key" && kill -HUP "$server_pid" && sleep 0.7; }
past=20200101000000Z lately=20240101000000Z then=20400101000000Z later=20450101000000Z
here_name=IP:127.0.0.1,DNS:localhost,DNS:example.org
mkdir "$tmp/other"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/other/ca.key" -out "$tmp/other/ca.pem" \
    -subj /CN=other -days 3000 2>/dev/null || die 'another CA'
make fresh "$here_name" $lately $then "$tmp/good"
make expired "$here_name" $past $lately "$tmp/good"
make future "$here_name" $then $later "$tmp/good"
make elsewhere DNS:elsewhere.example $lately $then "$tmp/good"
make stranger "$here_name" $lately $then "$tmp/other"
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
