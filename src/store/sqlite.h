/* The embedded engine: SQLite, WAL, synchronous=FULL, secure_delete. One writer thread with
 * group commit: it collects what was submitted (at most 2 ms or 1,024 requests), runs it in
 * one transaction, fsyncs once, then completes all. Refusals are found before a request's
 * first write; when anything else fails, the batch is rolled back and each of its requests
 * runs again in a transaction of its own, so that only those fail that must. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/store.h"

struct store_sqlite_conf {
    const char *path;             /* DIR/waxd.db; made 0600 when absent */
    bool create;                  /* else WAX_E_NOTFOUND when absent */
    /* Brings fn(arg) into the loop's thread; called from the writer thread, once a batch (fn
     * calls `done` of all its requests). What it was given before store_close returns may
     * still run after it: it touches the requests only. NULL: `done` is
     * called in the writer thread itself (command-line tools, bench). */
    void (*post)(void *ctx, void (*fn)(void *arg), void *arg);
    void *post_ctx;
};
/* WAX_E_VERSION: a newer schema. WAX_E_DAMAGED: not a database of ours. `error`: one line. */
wax_rc store_sqlite_open(const struct store_sqlite_conf *conf, struct store **ret, struct buf *error) WAX_MUST;

/* Submits and waits, for command-line tools (a store opened without post). */
wax_rc store_run(struct store *s, struct store_req *req) WAX_MUST;

#endif
