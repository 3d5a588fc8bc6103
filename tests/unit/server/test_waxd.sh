#!/bin/sh
# The server program by itself: init, check, invitations, run, reload, stop, and what it says
# when something is wrong. Usage: test_waxd.sh WAXD
set -u
waxd=$1
dir=$(mktemp -d) || exit 1
data=$dir/data
pid=
n=0
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null; rm -rf "$dir"' EXIT
# The process forbids being traced, which the leak checker needs.
ASAN_OPTIONS=detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
export ASAN_OPTIONS
unset WAXD_DATA STATE_DIRECTORY NOTIFY_SOCKET

fail() {
    echo "not ok: $*" >&2
    sed 's/^/  out: /' "$dir/out" >&2
    sed 's/^/  err: /' "$dir/err" >&2
    exit 1
}
# expect CODE ARGUMENTS…: runs waxd and wants that exit code; an error is one line.
expect() {
    want=$1
    shift
    "$waxd" "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || fail "waxd $* ended with $got, not $want"
    [ "$want" = 0 ] || [ "$(wc -l <"$dir/err")" = 1 ] || fail "waxd $*: more or less than one line of error"
    n=$((n + 1))
}
# says FILE WORDS: out or err holds them.
says() {
    grep -q -- "$2" "$dir/$1" || fail "no '$2' in what it said"
}
serve() {
    "$waxd" run --data "$data" "$@" >"$dir/out" 2>"$dir/err" &
    pid=$!
    i=0
    until grep -q '^ready https://\|"type":"ready"' "$dir/out"; do
        i=$((i + 1))
        [ $i -lt 100 ] || fail "run is not ready after 10 s"
        kill -0 "$pid" 2>/dev/null || fail "run ended"
        sleep 0.1
    done
}
stop() {
    kill -TERM "$pid"
    wait "$pid"
    got=$?
    pid=
    [ "$got" = 0 ] || fail "run ended with $got after SIGTERM"
}

# The command line.
expect 64 frobnicate
expect 64 stats --data "$data"
expect 64 init --data "$data"
expect 64 init --data "$data" --domain 'no domain'
expect 64 init --data "$data" --domain example.test --store postgres://x
expect 64 init --data "$data" --domain example.test --registration email
expect 64 init --data "$data" --domain example.test --listen nowhere
expect 64 init --data "$data" --domain example.test --public nowhere
expect 64 init --data
expect 0 --version
expect 0 run --help
[ ! -e "$data" ] || fail "a refused init left a folder"

# Before init there is nothing to serve.
expect 78 run --data "$data"
expect 78 check --data "$data"

# init.
expect 0 init --data "$data" --domain Example.TEST --listen 127.0.0.1:0 --public chat.example.test:443
says out '^url: https://chat.example.test:443$'
says out '^ca: /.*/ca.pem$'
says out '^log-key: 04[0-9a-f]\{128\}$'
! grep -q invitation "$dir/out" || fail "the invitation is printed without a terminal"
says err 'does not resolve'
[ "$(stat -c %a "$data")" = 700 ] || fail "the folder is open to others"
for f in waxd.ini waxd.db log.key ca.pem ca.key tls.pem tls.key invitation; do
    [ "$(stat -c %a "$data/$f")" = 600 ] || fail "$f is open to others or missing"
done
grep -q '^wax:chat.example.test:443/example.test/[A-Za-z0-9_-]\{43\}/[A-Za-z0-9_-]\{43\}/[A-Za-z0-9_-]\{22\}/[0-9a-f]\{8\}$' \
    "$data/invitation" || fail "the first invitation is no invitation"
grep -q '^listen = 127.0.0.1:[1-9][0-9]*$' "$data/waxd.ini" || fail "no port was written down"
expect 73 init --data "$data" --domain example.test
WAXD_DATA=$data expect 0 check
expect 0 --json check --data "$data"

# Settings that do not hold.
cp "$data/waxd.ini" "$dir/ini"
for line in 'message_life = 3' 'colour = blue' 'registration = perhaps' 'mailbox_max_messages = 0' \
    'heartbeat = 90s' 'listen = 1' 'nonsense' 'domain = Example.test'; do
    { cat "$dir/ini"; echo "$line"; } >"$data/waxd.ini"
    expect 78 check --data "$data"
    says err "(line [0-9]"
done
{ cat "$dir/ini"; echo 'message_life = 3s'; } >"$data/waxd.ini"
expect 0 check --data "$data"
cp "$dir/ini" "$data/waxd.ini"

# A certificate that does not hold, a store that is damaged.
cp "$data/tls.key" "$dir/key"
cp "$data/ca.key" "$data/tls.key"
expect 78 run --data "$data"
says err 'certificate'
"$waxd" check --data "$data" >"$dir/out" 2>"$dir/err"
[ $? = 78 ] || fail "check takes a key that is not the certificate's"
says out '^certificate: '
cp "$dir/key" "$data/tls.key"
cp "$data/waxd.db" "$dir/db"
printf 'this is no database, and never was one' | dd of="$data/waxd.db" conv=notrunc 2>/dev/null
"$waxd" check --data "$data" >"$dir/out" 2>"$dir/err"
[ $? = 65 ] || fail "check takes a damaged store"
cp "$dir/db" "$data/waxd.db"
expect 0 check --data "$data"

# Invitations.
expect 64 invite --data "$data" --uses none
expect 64 invite --data "$data" --expire 5
expect 0 invite --data "$data" --uses 2 --expire 7d
says out '^code: [A-Za-z0-9_-]\{22\}$'
says out '^invitation: wax:chat.example.test:443/example.test/'
expect 0 invites --data "$data"
[ "$(wc -l <"$dir/out")" = 2 ] || fail "there are not two invitations"
id=$(sed -n 's/ .*2 left.*//p' "$dir/out")
expect 64 uninvite --data "$data"
expect 64 uninvite --data "$data" xyz
expect 66 uninvite --data "$data" 0011223344556677
expect 0 uninvite --data "$data" "$id"
expect 66 uninvite --data "$data" "$id"
expect 0 invites --data "$data" --json
[ "$(grep -c '"type":"invite"' "$dir/out")" = 1 ] || fail "there is not one invitation left"

# run: one at a time, reload, stop.
serve
port=$(sed -n 's/^listen = 127.0.0.1://p' "$data/waxd.ini")
says out "^ready https://127.0.0.1:$port\$"
cp "$dir/out" "$dir/ready"
expect 71 run --data "$data"
expect 71 restored --data "$data"
expect 0 invite --data "$data"
"$waxd" run --data "$data" --listen 127.0.0.1:x >"$dir/out" 2>"$dir/err"
[ $? = 64 ] || fail "run takes a port that is none"
{ cat "$dir/ini"; echo 'colour = blue'; } >"$data/waxd.ini"
kill -HUP "$pid"
sleep 0.5
kill -0 "$pid" || fail "run ended over bad settings"
cp "$dir/ini" "$data/waxd.ini"
kill -HUP "$pid"
sleep 0.2
if command -v curl >/dev/null; then
    curl -s --http2 --cacert "$data/ca.pem" "https://localhost:$port/v1/nowhere" >"$dir/out" 2>"$dir/err"
    says out '"type":"urn:waxwing:not-found"'
    n=$((n + 1))
fi
stop
serve --listen 127.0.0.1:0 --json
says out '"url":"https://127.0.0.1:[1-9]'
stop
# A kill at any moment leaves a folder that serves again.
serve
kill -KILL "$pid"
wait "$pid" 2>/dev/null
pid=
serve
stop
# The log: put back from a copy, it goes on in a new generation; with another key it does not.
expect 0 restored --data "$data"
says out '^generation: 1$'
expect 0 restored --data "$data" --json
says out '"generation":2}$'
expect 0 check -v --data "$data"
says out '^log: [3-9][0-9]* entries, 0 changes, 0 not yet in it$'
cp "$data/log.key" "$dir/log.key"
cp "$data/ca.key" "$data/log.key"
"$waxd" run --data "$data" >"$dir/out" 2>"$dir/err"
[ $? = 78 ] || fail "run goes on with another log key"
says err 'signed with another log key'
expect 78 restored --data "$data"
"$waxd" check --data "$data" >"$dir/out" 2>"$dir/err"
[ $? = 65 ] || fail "check takes another log key"
says out '^log: the log is that of another log key'
cp "$dir/log.key" "$data/log.key"
expect 0 check --data "$data"
echo "ok: $n calls of waxd"
