/* One signature for all devices (PROTOCOL 3, RECORDS 5): the tree over what each device
 * gets, its signature, and the check at the receiver. */
#ifndef SESSION_FANOUT_H
#define SESSION_FANOUT_H

#include "base/rng.h"
#include "crypto/crypto.h"
#include "session/party.h"
#include "wire/envelope.h"

#define FANOUT_STATEMENT 211

struct fanout_target { /* one device and what was sealed for it; borrowed */
    const struct party *to;
    struct bytes hdr, body;
};

/* Builds the tree (several when n > 4,096, each with its own signature) over n ≥ 1 targets
 * in a fresh random order with random padding leaves, signs each root once and writes the
 * fan-out part of target i to ret[i]. key is me's DSK. */
wax_rc fanout_sign(const struct party *me, const struct ec_key *key, const struct fanout_id *id,
                   const struct hash32 *com, const struct fanout_target *targets, size_t n,
                   const struct rng *rng, struct env_fanout *ret) WAX_MUST;

/* leaf_index of RECORDS 5. */
wax_rc fanout_leaf(uint16_t index, const struct party *to, struct bytes hdr, struct bytes body,
                   struct hash32 *ret) WAX_MUST;
/* Depth of a tree over n leaves: ⌈log2 n⌉, n in 1 … 4,096. */
uint8_t fanout_depth(size_t n);
/* All levels over 2^depth leaves: nodes has room for 2^(depth+1) hashes, filled with the
 * leaves at [2^depth …] by the caller; the root comes to [1], child pairs to [2i], [2i+1]. */
wax_rc fanout_tree(struct hash32 *nodes, uint8_t depth) WAX_MUST;
/* The root that leaf, index and path give. */
wax_rc fanout_root(const struct hash32 *leaf, const struct env_fanout *f,
                   struct hash32 *ret) WAX_MUST;

/* The signed 211 bytes, label included (PROTOCOL 3); for messages handed on (5.4). */
void fanout_statement(const struct party *sender, const struct fanout_id *id,
                      const struct hash32 *com, uint8_t depth, const struct hash32 *root,
                      uint8_t out[FANOUT_STATEMENT]);
/* WAX_OK or WAX_R_SIGNATURE (depth over 12 too). */
wax_rc fanout_statement_verify(const struct party *sender, const struct fanout_id *id,
                               const struct hash32 *com, uint8_t depth, const struct hash32 *root,
                               const struct sig *sig) WAX_MUST;
/* Leaf, path and signature of an envelope from `sender` to `to`. ret_root may be NULL. */
wax_rc fanout_verify(const struct party *sender, const struct party *to, const struct envelope *env,
                     struct hash32 *ret_root) WAX_MUST;

#endif
