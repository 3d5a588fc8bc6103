/* The server's rules of the public-key directory (PROTOCOL 1, 9; RECORDS 3, 4): what is
 * checked before a manifest or a bundle gets into the store, and what is answered; and its
 * transparency log (PROTOCOL 8).
 *
 * Asynchronous over the store contract: each call ends in exactly one call of `fn`, at once
 * when the request is refused without the store, else in the store's `done`. Request bytes
 * are borrowed for the call only. Reads no clock: `now` (ms) is the server's. */
#ifndef DIRECTORY_DIRECTORY_H
#define DIRECTORY_DIRECTORY_H

#include "base/rng.h"
#include "store/store.h"

struct directory;
struct ec_key;

struct directory_conf {
    char domain[254];       /* handles of no other domain are taken */
    bool registration_open; /* else an invitation is needed */
};

/* What it takes to keep the log. */
struct directory_log {
    const struct ec_key *key; /* signs checkpoints; borrowed as long as the directory lives */
    struct rng rng;           /* for the openings of map values */
    /* May be NULL. Entries cannot be made: WAX_E_DENIED, the log in the store has another key;
     * others: trouble here. Tried again every second; told once. what: as in an answer. */
    void (*trouble)(void *ctx, wax_rc rc, const char *what);
    void *ctx;
};

/* The checkpoint that the asker has, as he says (parameters of the request); size 0: none. */
struct directory_known {
    uint32_t generation;
    uint64_t size;
};

/* Who asks, as the login has established it. */
struct directory_login {
    struct dev_id dev;
    struct acct_id acct;
    struct point dsk;
    char handle[318];
};

/* How it ended. rc:
 *   WAX_OK          body holds the reply (lookup: DirectoryReply, register: RegisterReply,
 *                   update: UpdateReply, bundle: nothing)
 *   WAX_E_CONFLICT  a newer state is there: body holds a DirectoryReply
 *   WAX_E_INVAL     the handle cannot be served here
 *   WAX_E_NOTFOUND  unknown handle (bundle: the device is gone)
 *   WAX_E_EXISTS    register: the handle is taken
 *   WAX_E_DENIED    register: the invitation does not hold; update: the signer's kind needs
 *                   a login of that account
 *   WAX_E_TOOBIG    the body is over its cap
 *   WAX_R_*         the record does not hold
 *   others          trouble here; the same request may be repeated
 * what is one static sentence for people without its period, never NULL. The answer lives for the
 * call. */
struct directory_answer {
    wax_rc rc;
    const char *what;
    struct buf body;
};
typedef void (*directory_fn)(void *ctx, struct directory_answer *a);

/* What an update means for others. Called before the update's own `fn`. */
struct directory_events {
    void *ctx;
    /* A device is in no manifest any more. */
    void (*removed)(void *ctx, const struct dev_id *dev, const struct point *dtk);
    /* A device's mailbox has a new row. */
    void (*notified)(void *ctx, const struct dev_id *dev);
};

/* The store outlives it, or has finished (or dropped in a crash) all its requests. */
wax_rc directory_new(const struct directory_conf *conf, struct store *store,
                     const struct directory_events *events, struct directory **ret) WAX_MUST;
/* What still waits for the store is dropped without `fn`. NULL is fine. */
void directory_free(struct directory *d);
void directory_reconfigure(struct directory *d, const struct directory_conf *conf);

/* From now on every change goes into the log, and every reply with manifests waits until they
 * are in it (two commits) and comes with its proofs. Without it nothing is proven; that is for
 * tests of other things. Before the first request. */
void directory_keep_log(struct directory *d, const struct directory_log *log);
/* Makes the entries that the time asks for; call whenever directory_next_wake is due. */
void directory_tick(struct directory *d, uint64_t now);
uint64_t directory_next_wake(const struct directory *d);

/* POST /v1/accounts. The same chain link again: WAX_OK. known, here and below: the reply proves
 * consistency from it. */
void directory_register(struct directory *d, struct bytes body, struct directory_known known,
                        uint64_t now, directory_fn fn, void *ctx);
/* GET /v1/directory/{handle}: chain links after version `after`, at least the newest. */
void directory_lookup(struct directory *d, const char *handle, uint32_t after,
                      struct directory_known known, uint64_t now, directory_fn fn, void *ctx);
/* POST /v1/directory/{handle}. login NULL: only a manifest of signer kind 2 is taken. The
 * same bytes again: WAX_OK. */
void directory_update(struct directory *d, const char *handle, struct bytes body,
                      const struct directory_login *login, struct directory_known known,
                      uint64_t now, directory_fn fn, void *ctx);
/* POST /v1/directory/daily (PROTOCOL 8.6): for each query the version at the daily entry of that
 * day. WAX_E_NOTFOUND: there is no log yet. */
void directory_daily(struct directory *d, struct bytes body, uint64_t now, directory_fn fn,
                     void *ctx);
/* PUT /v1/bundle. */
void directory_bundle(struct directory *d, struct bytes body, const struct directory_login *login,
                      struct directory_known known, uint64_t now, directory_fn fn, void *ctx);

#endif
