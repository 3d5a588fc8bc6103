/* The server's storage contract. One suite (tests/store) holds every engine to it: the
 * memory twin, SQLite, later PostgreSQL.
 *
 * It is asynchronous: submit a request, later its `done` is called, in the thread of the
 * loop that owns the store handle. That is what group commit, pipelines and the scenarios'
 * crash points need. Each request is atomic: all of it is durable before `done` with
 * WAX_OK, or none of it. WAX_E_IO at commit means "unknown": repeat with the same ids.
 * Requests of one store handle that touch the same rows take effect in the order submitted.
 *
 * Times are passed in; the engine reads no clock of its own for data.
 *
 * Outputs of a request start empty (zeroed by the submitter). They hold the answer when rc
 * says OK or CONFLICT (CHECK also: DAMAGED); on any other result they are empty. A request
 * outside its contract gets WAX_E_INVAL: a bundle of a device that is not (newly) listed,
 * a manifest without devices, a counter that is not 40 bytes. An engine may also answer
 * WAX_E_NOMEM, WAX_E_IO, WAX_E_NOSPC or WAX_E_BUSY; then nothing was done. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/buf.h"
#include "base/bytes.h"
#include "base/result.h"

#define STORE_DEVICES_MAX 20
#define STORE_DEDUP_MS (8ULL * 86400000)        /* life of a dedup row (PROTOCOL 4.3) */
#define STORE_BUNDLE_GRACE_MS (24ULL * 3600000) /* INITs to a superseded bundle (PROTOCOL 1) */

/* A list of byte strings, owned. `struct buf_list l = {0};` is empty. */
struct buf_list {
    struct buf *v;
    size_t n, cap;
};
struct buf *buf_list_add(struct buf_list *l); /* a fresh empty buf, or NULL */
void buf_list_done(struct buf_list *l);

enum store_op {
    STORE_REGISTER, STORE_UPDATE, STORE_LOOKUP, STORE_DEVICE, STORE_BUNDLE,
    STORE_COUNTER_GET, STORE_COUNTER_PUT,
    STORE_SEND, STORE_FETCH, STORE_ACK, STORE_SWEEP,
    STORE_INVITE_ADD, STORE_INVITE_LIST, STORE_INVITE_REMOVE,
    STORE_LINK_POST, STORE_LINK_GET,
    STORE_LOG_READ, STORE_LOG_WRITE,
    STORE_CHECK,
};

/* --- The directory's log (PROTOCOL 8) ---
 *
 * The engine keeps numbered values for it and numbers the changes; what they mean is known to
 * src/directory alone, in functions that the engine calls inside the transaction of a request,
 * in its own thread. Such a function sees one state of the store and may be called again after
 * a failure that was not its own: then what it has put and dropped is undone. */
enum store_log_table {
    STORE_LOG_STATE,   /* a handful of values */
    STORE_LOG_ENTRIES, /* one each */
    STORE_LOG_HASHES,  /* two an entry, never dropped */
    STORE_LOG_NODES,   /* of the prefix tree */
    STORE_LOG_TABLES
};
#define STORE_LOG_KEY_MAX ((1ULL << 60) - 1)
#define STORE_LOG_VALUE_MAX 512
struct store_log_value {
    size_t n;
    uint8_t b[STORE_LOG_VALUE_MAX];
};

/* A manifest as it entered the store: change n of all, from 1 and without gaps. */
struct store_change {
    char handle[318];
    struct acct_id acct;
    uint32_t seq;
    struct hash32 hash;
    struct map_opening opening;
};

struct store_log {
    void *ctx;
    /* WAX_E_NOTFOUND */
    wax_rc (*get)(void *ctx, enum store_log_table t, uint64_t key, struct store_log_value *ret);
    /* New or instead of the old one. WAX_E_INVAL: an empty or too long value, too high a key. */
    wax_rc (*put)(void *ctx, enum store_log_table t, uint64_t key, struct bytes value);
    /* One that is not there is fine. */
    wax_rc (*drop)(void *ctx, enum store_log_table t, uint64_t key);
    /* WAX_E_NOTFOUND: there are not so many yet. link, if not NULL, is appended to. */
    wax_rc (*change)(void *ctx, uint64_t n, struct store_change *ret, struct buf *link);
    /* The manifest `seq` of a handle, if it has come so far; else WAX_E_NOTFOUND. */
    wax_rc (*version)(void *ctx, const char *handle, uint32_t seq, struct store_change *ret);
};

/* STORE_LOG_READ, STORE_LOG_WRITE: runs `job`; its result is the request's. In a READ put and
 * drop give WAX_E_INVAL; a WRITE that fails leaves nothing behind. */
struct store_log_run {
    wax_rc (*job)(void *ctx, const struct store_log *log);
    void *ctx;
};

struct store_device {
    struct dev_id dev;
    struct point dsk, dtk;
};

/* A manifest in the form the store needs; the caller has verified it. Borrowed. */
struct store_manifest {
    const char *handle;
    struct acct_id acct;
    uint32_t seq;
    struct hash32 hash;
    struct map_opening opening;   /* random; goes into the log (PROTOCOL 8.1) */
    struct bytes chain_link;      /* as it came (RECORDS 3) */
    const struct store_device *devices;
    size_t n_devices;
};
struct store_bundle {
    struct dev_id dev;
    struct bundle_id id;
    uint64_t not_before;
    struct bytes record;
};

/* STORE_REGISTER. OK (also when the same chain link is there already, then the invite is
 * not used up again); EXISTS: handle taken; DENIED: invite unknown, expired or used up;
 * CONFLICT: a DSK, DTK or acct_id is in use elsewhere. */
struct store_register {
    struct store_manifest manifest;
    struct store_bundle bundle;
    bool need_invite;
    struct hash32 invite;         /* SHA-256 of the admission token */
};

/* STORE_UPDATE, compare-and-swap: OK; CONFLICT: seq ≠ current + 1 (unless these are the
 * bytes that are current: OK), or another acct_id; NOTFOUND: no such handle; EXISTS: a key
 * is in use elsewhere, or was: those of a removed device are taken for ever, for its own
 * account too.
 * Devices that are no longer listed lose queue, bundle, counter; the sender of each envelope
 * purged gets a notice (reason 2). */
struct store_update {
    struct store_manifest manifest;
    const struct store_bundle *bundles;   /* of the new devices */
    size_t n_bundles;
    /* out */
    struct dev_id removed[STORE_DEVICES_MAX];
    size_t n_removed;
    struct buf_list notified;     /* 16-byte dev_ids that got a notice: wake them */
};

/* STORE_LOOKUP by handle, or by acct when handle is NULL. NOTFOUND. */
struct store_lookup {
    const char *handle;
    struct acct_id acct;          /* in, or out when looked up by handle */
    uint32_t after;               /* chain links with seq > after; at least the newest comes */
    /* NULL, or called when all below is filled, in the same transaction: makes the proofs. The
     * request's result is its own unless something failed before. */
    wax_rc (*prove)(void *ctx, const struct store_log *log, const struct store_lookup *l);
    void *prove_ctx;
    /* out */
    char handle_out[318];
    uint32_t seq;                 /* newest */
    uint32_t first;               /* seq of links.v[0] */
    uint64_t change;              /* number of the newest */
    struct buf_list links;        /* ascending; ≤ 16 MiB in all */
    struct buf openings;          /* 16 bytes for each of links */
    struct buf_list bundles;      /* one per device in manifest order; empty buf: none */
    struct buf newest_link;       /* also when links was cut at 16 MiB */
};

/* STORE_DEVICE: is this device in the current manifest of an account? NOTFOUND. */
struct store_device_get {
    struct dev_id dev;
    /* out */
    struct acct_id acct;
    char handle[318];
    struct point dsk, dtk;
    bool suspended;
};

/* STORE_BUNDLE: replaces the device's bundle; the old one's id is kept with the time it was
 * superseded. OK (also for the same record again); CONFLICT: not_before not above the
 * current one's; NOTFOUND: no such device. */
struct store_bundle_put {
    struct store_bundle bundle;
};

/* STORE_COUNTER_GET: out.n = 0 when there is none. STORE_COUNTER_PUT: CONFLICT when n is
 * below what is held. The 40 bytes of RECORDS 8. */
struct store_counter {
    struct dev_id dev;
    uint8_t record[40];
    size_t n;                     /* 40, or 0 */
};

enum store_result { STORE_RES_STORED = 1, STORE_RES_ALREADY = 2, STORE_RES_FULL = 3, STORE_RES_NO_DEVICE = 4 };

struct store_envelope {
    struct dev_id to;
    struct bytes envelope;
    bool init;                    /* then bundle names what it was sealed to */
    struct bundle_id bundle;
    enum store_result result;     /* out */
};
struct store_acct_seq {
    struct acct_id acct;
    uint32_t seq;
};

/* STORE_SEND, one fan-out, in this order: a stale account (seq below the current one) →
 * CONFLICT, nothing stored, `stale` lists them (an acct that does not exist is skipped: its
 * devices give NO_DEVICE); else each envelope stands alone: dedup row (from, to, fanout id)
 * known → ALREADY; then INITs to a device that is there: bundle superseded for more than
 * STORE_BUNDLE_GRACE_MS, or unknown → CONFLICT, nothing stored at all, `newer_bundles` has
 * the newer records; device not in a current manifest → NO_DEVICE; over quota → FULL,
 * without trace; else a mailbox row with the device's next seq, and a dedup row. */
struct store_send {
    struct dev_id from;
    const char *from_handle;      /* hint for frames (RECORDS 14) */
    struct fanout_id fanout;
    const struct store_acct_seq *accounts;
    size_t n_accounts;
    struct store_envelope *envelopes;
    size_t n_envelopes;
    uint32_t max_count;           /* per mailbox */
    uint64_t max_bytes;
    /* out */
    struct store_acct_seq stale[64]; /* their current seqs; the caller looks links up */
    size_t n_stale;
    struct buf_list newer_bundles;
};

/* Mailbox rows: `rest` is what follows type, seq and time in a frame (RECORDS 14). */
struct store_row {
    uint64_t seq, time;
    uint8_t type;
    struct buf rest;
};
/* STORE_FETCH: rows with seq > after, ascending, up to max_bytes (at least one row if any). */
struct store_fetch {
    struct dev_id dev;
    uint64_t after;
    size_t max_bytes;
    /* out */
    struct store_row *rows;
    size_t n_rows;
    uint64_t last_seq;            /* highest seq ever given to this mailbox */
};
/* STORE_ACK: unknown seqs are fine. Deleted for good: see STORE_SWEEP's scrub. */
struct store_ack {
    struct dev_id dev;
    const uint64_t *seqs;
    size_t n;
};

/* STORE_SWEEP: envelopes with accepted_at + message_life ≤ now are deleted; the sender's
 * device gets a notice row (type 2, reason 1), the recipient a type 4 row (one pending row,
 * its count rises). Notices expire silently, after message_life but not before 7 days: the
 * recipient learns the count at its next connect (PROTOCOL 4.8). Notices are not under the
 * quota. Old dedup rows, link records, invites, superseded bundle ids (30 d) go. Bounded
 * work per call: `more` is set when there is more to do. After it, deleted ciphertext is in
 * no file of the data folder (secure_delete, WAL checkpoint with truncation). */
struct store_sweep {
    uint64_t message_life;
    /* out */
    size_t expired;
    bool more;
    struct buf_list notified;     /* dev_ids with a new row: wake them */
};

struct store_invite {
    uint8_t id[8];
    struct hash32 token_hash;
    uint32_t uses_left;
    uint64_t expires;
};
/* ADD one; LIST all that are valid at `now`; REMOVE by id (NOTFOUND). */
struct store_invites {
    struct store_invite invite;
    /* out of LIST, freed by store_req_done */
    struct store_invite *list;
    size_t n;
};

/* STORE_LINK_POST: sealed.p[0] must be count + 1 (CONFLICT), ≤ 8,192 bytes, ≤ 6 records; the
 * rendezvous dies life_ms after its first record. FULL: more than max rendezvous at once.
 * STORE_LINK_GET: NOTFOUND when there is none (or dead). */
struct store_link {
    uint8_t rid[16];
    struct bytes sealed;
    uint64_t life_ms;
    uint32_t max;
    /* out of GET */
    struct buf_list records;
};

/* STORE_CHECK: OK, or WAX_E_DAMAGED with lines in `report`. */
struct store_check {
    struct buf report;
};

struct store_req {
    enum store_op op;
    uint64_t now;                 /* ms, the server's clock */
    union {
        struct store_register reg;
        struct store_update update;
        struct store_lookup lookup;
        struct store_device_get device;
        struct store_bundle_put bundle;
        struct store_counter counter;
        struct store_send send;
        struct store_fetch fetch;
        struct store_ack ack;
        struct store_sweep sweep;
        struct store_invites invites;
        struct store_link link;
        struct store_log_run log;
        struct store_check check;
    } u;
    wax_rc rc;                    /* out */
    void (*done)(struct store_req *req);
    void *ctx;                    /* the submitter's */
    struct store_req *next;       /* the engine's, while submitted */
};

/* Frees what the engine allocated in the request's outputs; the request itself is the
 * submitter's. */
void store_req_done(struct store_req *req);

struct store {
    const struct store_ops *ops;
};
struct store_ops {
    /* Takes the request; everything it points to must stay until `done`. Never calls
     * `done` before it returns. */
    void (*submit)(struct store *s, struct store_req *req);
    /* Finishes what was submitted, then frees the store. */
    void (*close)(struct store *s);
};
static inline void store_submit(struct store *s, struct store_req *r) { s->ops->submit(s, r); }
static inline void store_close(struct store *s) { if (s) s->ops->close(s); }

#endif
