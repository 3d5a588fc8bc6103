/* A real server on 127.0.0.1 in a thread of its own, with certificates made for the test,
 * and a handler whose paths do what the tests need:
 *   /echo    answers with the request's body      /empty   204, no body
 *   /later   answers from a timer                 /mute    never answers
 *   /fail    503 with retry-after                 /hold    starts a stream, says "hello", stays
 *   /count?N streams N bytes, as fast as the other side takes them */
#ifndef UNIT_NET_WORLD_H
#define UNIT_NET_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/buf.h"
#include "crypto/cert.h"
#include "net/client.h"
#include "net/server.h"

struct world {
    char dir[64];
    char cert_file[96], key_file[96], ca_file[96], login_cert_file[96], login_key_file[96];
    struct ec_key *ca_key, *login;
    struct buf ca, other_ca, login_cert, login_key;
    char url[64];
    struct net_loop *loop;
    struct net_server *server;
    pthread_t thread;
    bool running;
    struct http_handler handler;
    void *first_held;
    /* What the handler saw. */
    pthread_mutex_t lock;
    struct {
        bool has_key;
        struct point key;
        char device[64], source[64], query[64], method[16], path[64];
    } seen;
    atomic_uint requests, gone, drained, done;
    atomic_size_t most_pending;
};

/* Keys and certificates in a fresh folder. */
void world_make(struct world *w);
/* A new server certificate for the name, valid `days` from `age_days` ago. */
void world_certify(struct world *w, const char *const *names, size_t n, unsigned age_days,
                   unsigned days);
/* Starts the server; NULL: defaults. */
void world_start(struct world *w, const struct net_server_conf *conf);
/* Runs fn(w) in the loop's thread and waits for it. */
void world_do(struct world *w, void (*fn)(struct world *w));
void world_stop(struct world *w);
void world_end(struct world *w);
/* A client of w's server; logged_in: with the login certificate. */
struct net_client *world_client(struct world *w, bool logged_in);
/* Waits (at most 5 s) until the counter is at least n. */
bool world_wait(atomic_uint *counter, unsigned n);

#endif
