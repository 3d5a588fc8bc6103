/* What a session has outside its small state: rows of the vault, read through callbacks and
 * changed only through a delta that the caller applies in its one transaction (PROTOCOL
 * 4.1, 4.2), together with the new small state.
 *
 * Retention is the vault's, by these numbers (4.3, 4.4). */
#ifndef SESSION_ROWS_H
#define SESSION_ROWS_H

#include "crypto/kem.h"
#include "session/party.h"
#include "wire/envelope.h"
#include "wire/proto.h"

#define SKIPPED_JUMP_MAX 10000U   /* keys skipped in one jump of a chain */
#define SKIPPED_DEVICE_MAX 10000U /* skipped keys held of one peer device */
#define SKIPPED_ALL_MAX 50000U    /* and of all together */
#define SKIPPED_KEEP_MS (14ULL * 86400000)
#define SLOTS_SESSION_MIN 1000U /* a session's last slots kept, or 14 d if that is longer, */
#define SLOTS_KEEP_MS (14ULL * 86400000)
#define SLOTS_ALL_MAX 50000U /* within these in all; own slots likewise */
#define FANOUTS_KEEP_MS (14ULL * 86400000)
#define SEEN_MAX 256U /* INITs of one sender device to one bundle */
#define SESSIONS_ERASED_MAX 4

/* (SID, epoch, ctr). Even epochs are the initiator's, odd ones the responder's: so own and
 * peer's slots never share a key. */
struct slot {
    struct sid sid;
    uint32_t epoch, ctr;
};

struct epoch_row { /* (sid, epoch) of a received epoch */
    struct sid sid;
    uint32_t epoch;
    struct hash32 constants; /* RECORDS 5: epoch-constants hash */
    bool closed;             /* a later epoch came: limit is its pcl */
    uint32_t limit;
};

/* A prekey bundle of ours with its private half, as opening an INIT needs it (account/keys.h has
 * the struct that the vault stores). Holds secrets: wiped by its user. RENAMED by the lead from
 * "struct prekey", which account/keys.h defines too. */
struct own_prekey {
    struct hash32 bundle_hash;
    struct point spk;
    struct key32 spk_priv;
    struct seed64 kpk_seed;
    uint8_t kpk[KEM1024_EK];
};

/* Every callback returns WAX_OK, WAX_E_NOTFOUND, or a local error that is handed on as it
 * is (the envelope then cannot be judged yet). Outputs are written on WAX_OK only. None
 * changes anything. All but `content` are set. */
struct session_rows {
    void *ctx;
    /* The device in its account's newest verified manifest. WAX_E_NOTFOUND becomes
     * `unknown_sender`; WAX_E_WAIT while the look-up of 4.2 is not conclusive. */
    wax_rc (*find_sender)(void *ctx, const struct dev_id *dev, struct party *ret);
    /* The peer device with which a session of that SID is held. */
    wax_rc (*sid_owner)(void *ctx, const struct sid *sid, struct dev_id *ret);
    wax_rc (*skipped_key)(void *ctx, const struct slot *slot, struct key32 *ret);
    /* Accepted slots of the peer, and own ones. */
    wax_rc (*slot_hash)(void *ctx, const struct slot *slot, struct hash32 *ret);
    wax_rc (*epoch)(void *ctx, const struct sid *sid, uint32_t epoch, struct epoch_row *ret);
    /* INIT cache, filed under the bundle. WAX_OK: it is there. */
    wax_rc (*seen)(void *ctx, const struct bundle_id *bundle, const struct hash32 *key);
    wax_rc (*seen_count)(void *ctx, const struct dev_id *sender, const struct bundle_id *bundle,
                         size_t *ret);
    wax_rc (*fanout)(void *ctx, const struct dev_id *sender, const struct fanout_id *id,
                     struct hash32 *ret_com);
    /* Skipped keys held of one peer device, and of all. */
    wax_rc (*skipped_count)(void *ctx, const struct dev_id *peer, size_t *ret_peer,
                            size_t *ret_all);
    wax_rc (*prekey)(void *ctx, const struct bundle_id *id, struct own_prekey *ret);
    /* Takes a content apart as content_unpack does (the same results; *ret is freed by
     * content_free); WAX_OK with *ret NULL: that failed in a way that says nothing about the
     * content, which is to be judged another time. NULL: content_unpack, in this process. */
    wax_rc (*content)(void *ctx, struct bytes content, Wax__V1__Content **ret);
};

struct skipped_row {
    struct slot slot;
    struct key32 mk;
};

/* What one opened or sealed message changes besides the small state. `struct session_delta
 * d = {0};` is an empty one; it holds secrets, session_delta_done ends it. Apply in this
 * order: erased, used key, evictions, new rows. */
struct session_delta {
    /* Sessions erased from the small state: all their rows (skipped keys, slots, epochs) go.
     * Rows below may name one of them (an INIT that was itself the oldest): they are then
     * not written, `seen` and `fanout` excepted. */
    struct sid erased[SESSIONS_ERASED_MAX];
    size_t n_erased;
    bool key_used; /* this skipped key is used up: delete it */
    struct slot used;
    size_t evict_peer;           /* delete that many oldest skipped keys of the peer device */
    size_t evict_largest;        /* then that many, each the oldest of the largest holder */
    struct skipped_row *skipped; /* new ones, in order; owned, wiped */
    size_t n_skipped;
    bool has_slot; /* opened: the accepted slot; sealed: our own */
    struct slot slot;
    struct hash32 slot_hash;
    bool slot_own;
    struct epoch_row epochs[2]; /* write or overwrite */
    size_t n_epochs;
    bool has_seen; /* INIT cache, by (bundle, key); count by (sender, bundle) */
    struct bundle_id seen_bundle;
    struct hash32 seen_key;
    bool has_fanout; /* receiver's dedup: (sender device, id) → com */
    struct fanout_id fanout;
    struct hash32 com;
};
void session_delta_done(struct session_delta *d);

#endif
