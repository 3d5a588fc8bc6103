/* The vault contract: the client's local store as ordered tables of (key → value) with
 * transactions. Synchronous: one process at a time holds the home's lock. Values are sealed
 * by the engine (XChaCha20-Poly1305 under the store key, AD = table ‖ row key); row keys are
 * stored as they are, so nothing secret may be in them (ids and counters only).
 *
 * Exactly one transaction at a time per handle. Reads work inside and outside of one, and
 * see what the handle's own transaction wrote; other handles see what is committed.
 * WAX_E_INVAL: a write, commit or second begin at the wrong time, an empty or overlong key.
 * A failed put, del or del_prefix changes nothing. After one for want of memory or disk the
 * engine may have given the whole transaction up: then everything up to its rollback or
 * commit fails with that code. */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include "base/buf.h"

enum vault_table {
    VT_META = 1,      /* named singletons: identity, settings, counters (key: short ASCII name) */
    VT_PREKEY,        /* bundle id 16 → prekey */
    VT_PIN,           /* acct_id 32 → pinned account */
    VT_HANDLE,        /* H(handle) 32 → acct_id */
    VT_DEVICE,        /* dev_id 16 → acct_id */
    VT_PEER,          /* dev_id 16 → small session state (session/…) */
    VT_SID,           /* sid 16 → dev_id */
    VT_SKIPPED,       /* sid 16 ‖ epoch 4 ‖ ctr 4 → mk, time */
    VT_SLOT,          /* sid ‖ epoch ‖ ctr → slot hash, fan-out part, time (received) */
    VT_OWN_SLOT,      /* sid ‖ epoch ‖ ctr → slot hash, time (sent) */
    VT_EPOCH,         /* sid ‖ epoch → constants hash, limit */
    VT_SEEN,          /* bundle id 16 ‖ sender dev 16 ‖ hash 32 → time */
    VT_FANOUT,        /* dev 16 ‖ fanout id 16 → com, time */
    VT_OUTBOX,        /* local order 8 → queued message */
    VT_SEALED,        /* local order 8 ‖ dev 16 → hdr, body, fanout id, com of a sealed envelope */
    VT_HISTORY,       /* local order 8 → message (both directions) */
    VT_MESSAGE,       /* com 32 ‖ sender acct 32 → history order (display dedup) */
    VT_EVENT,         /* seq 8 → event, state {new, tried, shown} */
    VT_PARKED,        /* arrival order 8 → sealed frame that cannot be judged yet */
    VT_SENT,          /* com 32 → what a repeat needs of an own message; com 32 ‖ 1 → its content */
    VT_KEPT,          /* com 32 → a message received, with its sender's signed statement */
    VT_REPAIR,        /* kind 1 ‖ … → what is asked for, owed, counted (client/repair.h) */
    VT_ASIDE,         /* dev_id 16 ‖ arrival order 8 → attempts, times: a content set aside */
    VT_ASIDE_CONTENT, /* arrival order 8 → that content, with what is known of it */
    VT_COUNT_,
};

#define VAULT_KEY_MAX 128
#define VAULT_VALUE_MAX (16U << 20)

static inline bool vault_table_ok(enum vault_table t) { return t >= VT_META && t < VT_COUNT_; }
static inline bool vault_key_ok(enum vault_table t, struct bytes key)
{
    return vault_table_ok(t) && key.n > 0 && key.n <= VAULT_KEY_MAX;
}

struct vault {
    const struct vault_ops *ops;
};

/* Called by scan with borrowed key and value; false stops the scan. It may read and write
 * through the same handle (whether the scan still meets rows written meanwhile is open), but
 * not begin, commit or roll back. */
typedef bool (*vault_row_fn)(void *ctx, struct bytes key, struct bytes value);

struct vault_ops {
    /* WAX_E_BUSY: the home is locked by another process for longer than the wait. */
    wax_rc (*begin)(struct vault *v);
    /* Durable (fsync) before it returns WAX_OK. On failure the transaction is rolled back. */
    wax_rc (*commit)(struct vault *v);
    void (*rollback)(struct vault *v);
    /* Appends the value to out. WAX_E_NOTFOUND; WAX_E_DAMAGED when it does not open. */
    wax_rc (*get)(struct vault *v, enum vault_table t, struct bytes key, struct buf *out);
    /* Makes or replaces the row. WAX_E_TOOBIG: over VAULT_VALUE_MAX. */
    wax_rc (*put)(struct vault *v, enum vault_table t, struct bytes key, struct bytes value);
    wax_rc (*del)(struct vault *v, enum vault_table t, struct bytes key); /* absent: OK */
    /* Rows whose key starts with prefix and is > after (empty: from the start), ascending
     * (or descending, then < after). Rows that do not open are left out, and WAX_E_DAMAGED is
     * given at the end. */
    wax_rc (*scan)(struct vault *v, enum vault_table t, struct bytes prefix, struct bytes after,
                   bool descending, vault_row_fn fn, void *ctx);
    /* Deletes all rows with that key prefix. */
    wax_rc (*del_prefix)(struct vault *v, enum vault_table t, struct bytes prefix);
    /* How many rows have that prefix (counts are kept cheap for VT_SKIPPED and VT_SEEN). */
    wax_rc (*count)(struct vault *v, enum vault_table t, struct bytes prefix, uint64_t *ret);
    void (*close)(struct vault *v); /* rolls back what is open */
};

#define vault_begin(v) ((v)->ops->begin(v))
#define vault_commit(v) ((v)->ops->commit(v))
#define vault_rollback(v) ((v)->ops->rollback(v))
#define vault_get(v, t, k, o) ((v)->ops->get(v, t, k, o))
#define vault_put(v, t, k, x) ((v)->ops->put(v, t, k, x))
#define vault_del(v, t, k) ((v)->ops->del(v, t, k))
#define vault_scan(v, t, p, a, d, f, c) ((v)->ops->scan(v, t, p, a, d, f, c))
#define vault_del_prefix(v, t, p) ((v)->ops->del_prefix(v, t, p))
#define vault_count(v, t, p, r) ((v)->ops->count(v, t, p, r))
static inline void vault_close(struct vault *v) { if (v) v->ops->close(v); }

#endif
