# Certificates for the server that hold, or do not: sourced after lib.sh and `server_init`.
mkdir "$tmp/good" "$tmp/other" "$tmp/pki"
cp "$srv"/tls.pem "$srv"/tls.key "$srv"/ca.pem "$srv"/ca.key "$tmp/good/"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$tmp/other/ca.key" -out "$tmp/other/ca.pem" \
    -subj /CN=other -days 3000 2>/dev/null || die 'another CA'
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
past=20200101000000Z lately=20240101000000Z then=20400101000000Z later=20450101000000Z
here_name=IP:127.0.0.1,DNS:localhost,DNS:example.org
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
make fresh "$here_name" $lately $then "$tmp/good"
make expired "$here_name" $past $lately "$tmp/good"
make future "$here_name" $then $later "$tmp/good"
make elsewhere DNS:elsewhere.example $lately $then "$tmp/good"
make stranger "$here_name" $lately $then "$tmp/other"
