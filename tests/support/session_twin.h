/* One device as the session layer sees it, in memory: its rows, the small states of its
 * peers, and the application of a delta as a vault would do it. For tests only: linear
 * look-ups, abort when memory runs out. */
#ifndef SUPPORT_SESSION_TWIN_H
#define SUPPORT_SESSION_TWIN_H

#include "crypto/crypto.h"
#include "session/open.h"
#include "session/seal.h"

struct twin_skipped {
    struct dev_id peer;
    struct slot slot;
    struct key32 mk;
};
struct twin_slot {
    struct slot slot;
    struct hash32 hash;
    bool own;
};
struct twin_seen {
    struct dev_id sender;
    struct bundle_id bundle;
    struct hash32 key;
};
struct twin_fanout {
    struct dev_id sender;
    struct fanout_id id;
    struct hash32 com;
};
struct twin_prekey {
    struct bundle_id id;
    struct own_prekey key;
};

/* A growable array of x. */
#define TWIN_LIST(type)                                                                            \
    struct {                                                                                       \
        type *v;                                                                                   \
        size_t n, cap;                                                                             \
    }

struct twin {
    struct party me;
    struct ec_key *dsk;
    TWIN_LIST(struct twin_skipped) skipped; /* oldest first */
    TWIN_LIST(struct twin_slot) slots;
    TWIN_LIST(struct epoch_row) epochs;
    TWIN_LIST(struct twin_seen) seen;
    TWIN_LIST(struct twin_fanout) fanouts;
    TWIN_LIST(struct twin_prekey) prekeys;
    TWIN_LIST(struct party) known;
    TWIN_LIST(struct peer_sessions *) states;
    bool seen_any_bundle; /* vectors list cache keys without their bundle */
    size_t lookups;       /* callbacks answered: to see that work is bounded */
};

void *twin_grow(void *v, size_t *cap, size_t n, size_t size);
#define TWIN_PUSH(list, ...)                                                                       \
    do {                                                                                           \
        (list)->v = twin_grow((list)->v, &(list)->cap, (list)->n, sizeof *(list)->v);              \
        (list)->v[(list)->n++] = (__VA_ARGS__);                                                    \
    } while (0)

void twin_done(struct twin *t);
struct session_rows twin_rows(struct twin *t);
/* The state of that peer device; made empty when there is none. */
struct peer_sessions *twin_state(struct twin *t, const struct dev_id *peer);
/* The transaction. peer: with whom. */
void twin_apply(struct twin *t, const struct dev_id *peer, const struct session_delta *d);
/* Everything there is, in a fixed order: equal bytes are equal states. */
void twin_dump(const struct twin *t, struct buf *out);
/* A deep copy (twin_done it): "what an attacker carries away". dsk is not copied. */
void twin_copy(const struct twin *t, struct twin *ret);

/* Judge and open, commit on success. */
wax_rc twin_open(struct twin *t, struct bytes envelope, uint64_t now, struct opened *ret,
                 struct open_why *why);

/* A device of its own account from seeded randomness, with a bundle; bundle_body (1,659
 * bytes) is appended to ret_bundle. */
void twin_device(struct twin *t, const struct rng *rng, struct buf *ret_bundle);

/* Seeded randomness: SHA-256 in counter mode. */
struct seeded {
    uint8_t key[32];
    uint64_t counter;
};
struct rng seeded_rng(struct seeded *s, uint64_t seed);
/* Randomness from a script: hands out the given bytes in order, fails when they end. */
struct scripted {
    struct buf bytes;
    size_t at;
};
struct rng scripted_rng(struct scripted *s);

#endif
