/* The log: RFC 6962's Merkle tree over log entries (PROTOCOL 8.3, RECORDS 13), pure.
 *
 * Checks give WAX_OK, WAX_R_PARSE (a record's layout), WAX_R_PROOF, or WAX_E_CRYPTO. They
 * follow RFC 9162 2.1.3.2 and 2.1.4.2 and take sizes up to 2^64 − 1. */
#ifndef TREE_LOG_H
#define TREE_LOG_H

#include "wire/proof.h"

/* H(00 ‖ entry), H(01 ‖ l ‖ r), and the root of the empty log, H(""). */
wax_rc log_leaf(struct bytes entry, struct hash32 *ret) WAX_MUST;
wax_rc log_node(const struct hash32 *l, const struct hash32 *r, struct hash32 *ret) WAX_MUST;
wax_rc log_empty_root(struct hash32 *ret) WAX_MUST;

/* A size of the log and the root it has there. */
struct log_head {
    uint64_t size;
    struct hash32 root;
};

/* The leaf hash stands at `index` of the log. */
wax_rc log_check_inclusion(const struct log_head *log, uint64_t index, const struct hash32 *leaf,
                           struct hashes path) WAX_MUST;
/* `later` extends `earlier`. Between equal sizes: equal roots and no path. From size 0, which
 * proves nothing, always WAX_R_PROOF. */
wax_rc log_check_consistency(const struct log_head *earlier, const struct log_head *later,
                             struct hashes path) WAX_MUST;

/* The same on records as they came (RECORDS 13 "Log inclusion, consistency"). */
wax_rc log_check_entry(const struct log_head *log, uint64_t index, const struct log_entry *entry,
                       struct bytes inclusion) WAX_MUST;
/* earlier NULL or of size 0: nothing is known yet, and the record has count 0 or is empty. */
wax_rc log_check_extends(const struct log_head *earlier, const struct log_head *later,
                         struct bytes consistency) WAX_MUST;

/* --- Keeping one --- */

/* Where the hashes of full subtrees lie: (level, index) is the hash over the leaves
 * index·2^level … (index + 1)·2^level − 1. Written once each, never changed; 2 for a leaf in
 * the long run. get of one never put: any error, by rights WAX_E_DAMAGED. */
struct log_store {
    void *ctx;
    wax_rc (*get)(void *ctx, uint8_t level, uint64_t index, struct hash32 *ret);
    wax_rc (*put)(void *ctx, uint8_t level, uint64_t index, const struct hash32 *hash);
};

/* Leaf number `size` of a log of that size. At most 64 reads and 65 writes, one each in the
 * mean. Repeating it, after a failure too, writes the same. */
wax_rc log_append(const struct log_store *s, uint64_t size, const struct hash32 *leaf) WAX_MUST;
/* The root at any size up to the present one; a read for each 1 bit of size. */
wax_rc log_root(const struct log_store *s, uint64_t size, struct hash32 *ret) WAX_MUST;

/* A path of the caller's own, which a record is encoded from (log_proof_encode). */
struct log_path {
    struct hash32 v[LOG_PATH_MAX];
    size_t n;
};
static inline struct hashes log_path_view(const struct log_path *p)
{
    return (struct hashes){p->v, p->n};
}
/* Against any size up to the present one; at most 128 reads. WAX_E_INVAL unless index < size
 * (from ≤ to). */
wax_rc log_prove_inclusion(const struct log_store *s, uint64_t index, uint64_t size,
                           struct log_path *ret) WAX_MUST;
wax_rc log_prove_consistency(const struct log_store *s, uint64_t from, uint64_t to,
                             struct log_path *ret) WAX_MUST;

#endif
