/* The prefix tree of the directory (PROTOCOL 8.1 and 8.2, RECORDS 13), pure: its keys and
 * values, and the checks of what is in it and what is not.
 *
 * Checks give WAX_OK, WAX_R_PARSE (a record's layout), WAX_R_PROOF, or WAX_E_CRYPTO. No two
 * of them hold under one root for one key with two values, or with one and absent. */
#ifndef TREE_MAP_H
#define TREE_MAP_H

#include "wire/proof.h"

/* H("WAX1-log" ‖ first log key ‖ lp(domain)). */
wax_rc log_id_of(const struct point *first_key, const char *domain, struct log_id *ret) WAX_MUST;
/* H("WAX1-kt-idx" ‖ log_id ‖ lp(handle) ‖ u32 version). */
wax_rc map_key_of(const struct log_id *log, const char *handle, uint32_t version,
                  struct map_key *ret) WAX_MUST;

/* What stands at a version of a handle. */
struct map_claim {
    struct acct_id acct;
    uint32_t seq;
    struct hash32 manifest;
    struct map_opening opening;
};
/* H("WAX1-kt-val" ‖ acct_id ‖ u32 seq ‖ manifest hash ‖ opening). */
wax_rc map_value_of(const struct map_claim *c, struct map_value *ret) WAX_MUST;

/* H(02 ‖ key ‖ value), H(03 ‖ l ‖ r). An absent child, and the root of an empty tree, are 32
 * zero bytes; the root of a tree of one leaf is that leaf. */
wax_rc map_leaf(const struct map_key *key, const struct map_value *value,
                struct hash32 *ret) WAX_MUST;
wax_rc map_inner(const struct hash32 *l, const struct hash32 *r, struct hash32 *ret) WAX_MUST;
/* Bit `depth` of a key, 0 = left; depth < 256. */
static inline unsigned map_bit(const struct map_key *key, size_t depth)
{
    return key->b[depth / 8] >> (7 - depth % 8) & 1;
}

/* Records as they came: "Map inclusion" and "Map absence" of RECORDS 13. */
wax_rc map_check_inclusion(const struct hash32 *root, const struct map_key *key,
                           const struct map_value *value, struct bytes inclusion) WAX_MUST;
wax_rc map_check_absence(const struct hash32 *root, const struct map_key *key,
                         struct bytes absence) WAX_MUST;

#endif
