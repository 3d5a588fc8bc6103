/* An ordered map from keys to values whose old versions stay valid: a change makes new
 * nodes along one path and shares the rest. So a snapshot (a transaction's way back, a scan
 * that runs while rows change, a copied disk) costs one reference. Reference counts are not
 * atomic: all versions that share rows stay in one thread. */
#ifndef VAULT_ROWSET_H
#define VAULT_ROWSET_H

#include "base/bytes.h"
#include "base/result.h"

/* NULL is the empty set. */
struct rowset;

/* Another owner of the same version; each reference is given back by rowset_drop. */
struct rowset *rowset_keep(struct rowset *s);
void rowset_drop(struct rowset *s); /* wipes the values nobody holds any more */

/* Borrowed from s; false when there is no such key. */
bool rowset_get(const struct rowset *s, struct bytes key, struct bytes *ret);
/* Replaces *s by a version with (without) the row. WAX_E_NOMEM leaves *s as it was. */
wax_rc rowset_put(struct rowset **s, struct bytes key, struct bytes value) WAX_MUST;
wax_rc rowset_del(struct rowset **s, struct bytes key) WAX_MUST; /* absent: OK */

/* How many rows have a key < key. */
size_t rowset_rank(const struct rowset *s, struct bytes key);
/* How many rows have a key that is < all keys beyond the prefix: rank of the prefix's end. */
size_t rowset_rank_end(const struct rowset *s, struct bytes prefix);
/* The i-th row in ascending order; i < rowset_size. Borrowed from s. */
void rowset_at(const struct rowset *s, size_t i, struct bytes *key, struct bytes *value);
size_t rowset_size(const struct rowset *s);

#endif
