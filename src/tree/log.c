#include "tree/log.h"

#include "crypto/crypto.h"

wax_rc log_leaf(struct bytes entry, struct hash32 *ret) { return hash_prefixed(ret, 0, &entry, 1); }

wax_rc log_node(const struct hash32 *l, const struct hash32 *r, struct hash32 *ret)
{
    return hash_prefixed(ret, 1, PARTS(BYTES_OF(l->b), BYTES_OF(r->b)));
}

wax_rc log_empty_root(struct hash32 *ret) { return hash_raw(ret, NULL, 0); }

wax_rc log_check_inclusion(const struct log_head *log, uint64_t index, const struct hash32 *leaf,
                           struct hashes path)
{
    if (index >= log->size)
        return WAX_R_PROOF;
    uint64_t at = index, last = log->size - 1;
    struct hash32 h = *leaf;
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < path.n; i++) {
        if (last == 0)
            return WAX_R_PROOF; /* longer than the tree is high */
        if (at & 1 || at == last) {
            rc = log_node(&path.v[i], &h, &h);
            /* The right edge has no node on the levels where it has no sibling. */
            for (; !(at & 1) && at != 0; at >>= 1)
                last >>= 1;
        } else {
            rc = log_node(&h, &path.v[i], &h);
        }
        at >>= 1;
        last >>= 1;
    }
    if (rc != WAX_OK)
        return rc;
    return last == 0 && ID_EQ(&h, &log->root) ? WAX_OK : WAX_R_PROOF;
}

/* The path from the earlier log's last full subtree, whose hash is `first`, upwards: it gives
 * both roots. */
static wax_rc check_both(const struct log_head *earlier, const struct log_head *later,
                         const struct hash32 *first, struct hashes path)
{
    uint64_t at = earlier->size - 1, last = later->size - 1;
    struct hash32 old = *first, new = *first;
    wax_rc rc = WAX_OK;

    for (; at & 1; at >>= 1)
        last >>= 1;
    for (size_t i = 0; rc == WAX_OK && i < path.n; i++) {
        const struct hash32 *c = &path.v[i];
        if (last == 0)
            return WAX_R_PROOF;
        if (at & 1 || at == last) {
            rc = log_node(c, &old, &old);
            if (rc == WAX_OK)
                rc = log_node(c, &new, &new);
            for (; !(at & 1) && at != 0; at >>= 1)
                last >>= 1;
        } else {
            rc = log_node(&new, c, &new);
        }
        at >>= 1;
        last >>= 1;
    }
    if (rc != WAX_OK)
        return rc;
    return last == 0 && ID_EQ(&old, &earlier->root) && ID_EQ(&new, &later->root) ? WAX_OK
                                                                                 : WAX_R_PROOF;
}

wax_rc log_check_consistency(const struct log_head *earlier, const struct log_head *later,
                             struct hashes path)
{
    if (earlier->size == 0 || earlier->size > later->size)
        return WAX_R_PROOF;
    if (earlier->size == later->size)
        return path.n == 0 && ID_EQ(&earlier->root, &later->root) ? WAX_OK : WAX_R_PROOF;
    /* The root of a full tree is a node of the later one: it is not sent. */
    if ((earlier->size & (earlier->size - 1)) == 0)
        return check_both(earlier, later, &earlier->root, path);
    if (path.n == 0)
        return WAX_R_PROOF;
    return check_both(earlier, later, &path.v[0], (struct hashes){path.v + 1, path.n - 1});
}

wax_rc log_check_entry(const struct log_head *log, uint64_t index, const struct log_entry *entry,
                       struct bytes inclusion)
{
    uint8_t bytes[LOG_ENTRY_SIZE];
    struct hashes path;
    struct hash32 leaf;

    wax_rc rc = log_proof_decode(inclusion, &path);
    log_entry_encode(entry, bytes);
    if (rc == WAX_OK)
        rc = log_leaf(BYTES_OF(bytes), &leaf);
    return rc == WAX_OK ? log_check_inclusion(log, index, &leaf, path) : rc;
}

wax_rc log_check_extends(const struct log_head *earlier, const struct log_head *later,
                         struct bytes consistency)
{
    bool first = !earlier || earlier->size == 0;
    struct hashes path;

    if (first && consistency.n == 0)
        return WAX_OK;
    wax_rc rc = log_proof_decode(consistency, &path);
    if (rc != WAX_OK)
        return rc;
    if (first)
        return path.n == 0 ? WAX_OK : WAX_R_PROOF;
    return log_check_consistency(earlier, later, path);
}
