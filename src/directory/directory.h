/* The server's rules of the public-key directory (PROTOCOL 1, 9; RECORDS 3, 4): what is
 * checked before a manifest or a bundle gets into the store, and what is answered. Until the
 * transparency log exists only the fields that api.proto names for that time are filled.
 *
 * Asynchronous over the store contract: each call ends in exactly one call of `fn`, at once
 * when the request is refused without the store, else in the store's `done`. Request bytes
 * are borrowed for the call only. Reads no clock: `now` (ms) is the server's. */
#ifndef DIRECTORY_DIRECTORY_H
#define DIRECTORY_DIRECTORY_H

#include "store/store.h"

struct directory;

struct directory_conf {
    char domain[254];       /* handles of no other domain are taken */
    bool registration_open; /* else an invitation is needed */
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

/* POST /v1/accounts. The same chain link again: WAX_OK. */
void directory_register(struct directory *d, struct bytes body, uint64_t now, directory_fn fn,
                        void *ctx);
/* GET /v1/directory/{handle}: chain links after version `after`, at least the newest. */
void directory_lookup(struct directory *d, const char *handle, uint32_t after, uint64_t now,
                      directory_fn fn, void *ctx);
/* POST /v1/directory/{handle}. login NULL: only a manifest of signer kind 2 is taken. The
 * same bytes again: WAX_OK. */
void directory_update(struct directory *d, const char *handle, struct bytes body,
                      const struct directory_login *login, uint64_t now, directory_fn fn,
                      void *ctx);
/* PUT /v1/bundle. */
void directory_bundle(struct directory *d, struct bytes body, const struct directory_login *login,
                      uint64_t now, directory_fn fn, void *ctx);

#endif
