#!/bin/sh
# The checks of tools/ are themselves checked: each gets a small clean tree, which passes, and
# then the same tree with one violation planted, which must be named.
set -u
tools=$(cd "$(dirname "$0")/../../tools" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT INT TERM
number=0 failed=0

report() { # TRUTH NAME
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; return; fi
    failed=$((failed + 1))
    echo "not ok $number - $2"
    sed 's/^/# /' "$tmp/out"
}

# put FILE: writes the lines on standard input into the tree.
put() {
    mkdir -p "$(dirname "$tree/$1")"
    cat >"$tree/$1"
}

fresh() {
    tree=$tmp/tree
    rm -rf "$tree"
    put include/wax/wax.h <<'H'
#ifndef WAX_H
#define WAX_H
#include <stddef.h>
#define WAX_API __attribute__((visibility("default")))
/* What is told of a type is not told of what follows it. */
struct wax_o {
    int (*fn)(void *ctx); /* called */
};

/* Opens; it may
 * take long. */
WAX_API int wax_open(const struct wax_o *o,
                     size_t n);
WAX_API void wax_close(void); /* closes */

typedef int (*wax_fn)(void *ctx);
#endif
H
    put src/base/buf.h <<'H'
#ifndef BUF_H
#define BUF_H
#include <stddef.h>
static inline int buf_one(size_t n) { return n == 1; }
#endif
H
    put src/crypto/crypto.h <<'H'
#include "base/buf.h"
int hash_raw(void);
H
    put src/crypto/lib.c <<'C'
#include <openssl/evp.h>
#include "crypto/crypto.h"
C
    put src/store/store.h <<'H'
#include "base/buf.h"
H
    put src/store/sqlite.c <<'C'
#include <sqlite3.h>
#include <time.h>
#include "store/store.h"
C
    put src/tree/tree.c <<'C'
/* time( and "fopen(" in a text are not calls */
#include "crypto/crypto.h"
static const char *text = "time(NULL) /* getrandom(";
int tree_runtime(int x);
int tree(struct ops *o, int c) { return o->open(c) + tree_runtime(c) + (c == '"') + o->x.time(c); }
C
    put src/vault/vault.h <<'H'
#include "base/buf.h"
H
    put src/server/route.c <<'C'
#include "base/buf.h"
#include "store/store.h"
C
    put cmd/wax/main.c <<'C'
#include "wax/wax.h"
#include "table.h"
#include <jansson.h>
int main(void) { return 0; }
C
}

# clean TOOL: passes on the tree as it is.
clean() {
    if "$tools/$1" "$tree" >"$tmp/out" 2>&1; then report 0 "$1: $2"; else report 1 "$1: $2"; fi
}

# caught TOOL TEXT NAME: fails with exit code 1 and a line that holds TEXT.
caught() {
    "$tools/$1" "$tree" >"$tmp/out" 2>&1
    if [ $? = 1 ] && grep -qF -- "$2" "$tmp/out"; then report 0 "$1: $3"; else report 1 "$1: $3"; fi
}

# plant FILE TEXT NAME, the violation on standard input: check-layers names it.
plant() {
    fresh
    put "$1"
    caught check-layers "$2" "$3"
}

layers() {
    fresh
    clean check-layers "a clean tree passes"
    plant src/base/up.c "src/base/up.c:1: base may not include crypto/crypto.h" "base looks up" <<'C'
#include "crypto/crypto.h"
C
    plant src/mailbox/m.c "mailbox may not include crypto/crypto.h" "the mailbox opens messages" <<'C'
#include "base/buf.h"
#include "crypto/crypto.h"
C
    plant src/client/c.c "client may not include vault/engines.h" "the client picks an engine" <<'C'
#include "vault/vault.h"
#include "vault/engines.h"
C
    plant src/store/store.h "store/store.h may not include store/rules.h" "the contract knows an engine" <<'C'
#include "store/rules.h"
C
    plant src/chain/c.c "chain may not include crypto/lib.h" "chain takes more of crypto" <<'C'
#include "crypto/lib.h"
C
    plant cmd/wax/send.c "cmd/wax may not include client/client.h" "the program goes past libwax" <<'C'
#include "client/client.h"
C
    plant src/new/n.c "folder new has no row" "a folder that nobody knows" <<'C'
int x;
C
    plant src/wire/w.c 'write the folder: "wire/read.h"' "an include without its folder" <<'C'
#include "read.h"
C
    plant src/server/s.c "server may not include api.pb-c.h" "generated structs leave wire" <<'C'
#include "api.pb-c.h"
C
    for one in "os openssl/evp.h" "net sodium.h" "mailbox sqlite3.h" "server nghttp2/nghttp2.h" \
        "lib curl/curl.h" "os event2/event.h" "session protobuf-c/protobuf-c.h" "wire jansson.h"; do
        plant "src/${one% *}/x.c" "${one% *} may not include <${one#* }>" "${one#* } in ${one% *}" <<C
#include <${one#* }>
C
    done
    pure
    cycles
}

pure() {
    for folder in session account client directory mailbox server wire tree chain base; do
        plant "src/$folder/x.c" "src/$folder/x.c:2: $folder is pure core and may not call time()" "$folder reads the clock" <<'C'
/* a comment */ int f(void)
{ return /* really */ (int)time(0); }
C
    done
    for header in time.h unistd.h fcntl.h sys/socket.h; do
        plant src/session/x.c "session is pure core and may not include <$header>" "<$header> in the core" <<C
#include <$header>
C
    done
    for call in 'clock_gettime (0, 0)' 'getrandom(p, 1, 0)' 'open("x", 0)' 'socket(1, 2, 3)' \
        '!fopen("x", "r")' 'x = (y)rand()' 'a ? "text" : getenv("X")'; do
        plant src/wire/x.c "is pure core and may not call" "$call in the core" <<C
int f(void) { $call; }
C
    done
    plant src/directory/x.c "directory has no secrets and may not call ec_sign()" "the directory signs" <<'C'
int f(void) { return ec_sign(0); }
C
    plant src/tree/x.c "tree has no secrets and may not call ec_generate()" "the trees make keys" <<'C'
int f(void) { return ec_sign(0) + ec_generate(0); }
C
}

cycles() {
    fresh
    put src/account/a.c <<'C'
#include "chain/c.h"
C
    put src/chain/c.c <<'C'
#include "wire/w.h"
C
    put src/wire/w.h <<'C'
#include "account/a.h"
C
    caught check-layers "cycle between folders: account -> chain -> wire -> account" "a cycle of three folders"
}

# body N: a function of N lines named f.
body() {
    echo "int f(void)"
    echo "{"
    i=4
    while [ $i -lt "$1" ]; do echo "    ;"; i=$((i + 1)); done
    echo "    return 0;"
    echo "}"
}

lines() {
    i=0
    while [ $i -lt "$1" ]; do echo "int x$i;"; i=$((i + 1)); done
}

as_committed() {
    git -C "$tree" init -q && git -C "$tree" add tools/size-allow &&
        git -C "$tree" -c user.name=t -c user.email=t@example.org commit -qm "the list" >/dev/null
}

size() {
    fresh
    clean check-size "a clean tree passes"
    body 80 | put src/base/f.c
    clean check-size "80 lines are allowed"
    if grep -q "warning: src/base/f.c:f: 80 lines" "$tmp/out"; then report 0 "check-size: over 60 it warns"; else report 1 "check-size: over 60 it warns"; fi
    body 81 | put src/base/f.c
    caught check-size "src/base/f.c:f: 81 lines" "a function of 81 lines"
    echo "81 src/base/f.c:f" | put tools/size-allow
    clean check-size "the list allows what it names"
    echo "90 src/base/f.c:f" | put tools/size-allow
    caught check-size "lower its entry" "an entry that is too generous"
    as_committed
    echo "95 src/base/f.c:f" | put tools/size-allow
    body 95 | put src/base/f.c
    caught check-size "has grown from 90 to 95" "the list grows"
    (echo "90 src/base/f.c:f" && echo "700 src/base/g.c") | put tools/size-allow
    body 90 | put src/base/f.c
    lines 700 | put src/base/g.c
    caught check-size "src/base/g.c is new" "the list gets a new entry"
    fresh
    lines 600 | put src/base/g.c
    clean check-size "600 lines are allowed"
    lines 601 | put tests/g.c
    caught check-size "tests/g.c: 601 lines" "a file of 601 lines"
    fresh
    echo "81 src/base/f.c:f" | put tools/size-allow
    caught check-size "is gone" "an entry without its function"
    body 30 | put src/base/f.c
    caught check-size "take it off the list" "an entry that is done with"
}

headers() {
    fresh
    clean check-headers "a clean tree passes"
    put src/base/lost.h <<'H'
int lost(uint32_t x);
H
    caught check-headers "src/base/lost.h does not compile alone (gcc)" "a header that needs another"
    caught check-headers "src/base/lost.h does not compile alone (clang)" "and clang says so too"
    fresh
    sed -i 's/(void \*ctx);$/(void *new, char template);/' "$tree/include/wax/wax.h"
    caught check-headers "does not compile alone (C++)" "a public header that is no C++"
    for line in "WAX_API int wax_dumb(void);" "int wax_dumb(const char *a,
    int b);" "WAX_API const char *wax_dumb (int x);"; do
        fresh
        sed -i '/^#endif/d' "$tree/include/wax/wax.h"
        printf '\n%s\n#endif\n' "$line" >>"$tree/include/wax/wax.h"
        caught check-headers "wax_dumb() has no comment" "undocumented: $(echo "$line" | head -n 1)"
    done
    fresh
    sed -i 's|^ \* take long. \*/| */ struct wax_q {\n    int x; /* said of x */\n};|' "$tree/include/wax/wax.h"
    caught check-headers "wax_open() has no comment" "a comment that was said of a type"
}

layers
size
headers
echo "$((number - failed)) of $number hold"
[ "$failed" = 0 ]
