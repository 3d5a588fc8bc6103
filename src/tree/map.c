#include "tree/map.h"

#include "crypto/crypto.h"

#define LP_MAX 65535

wax_rc log_id_of(const struct point *first_key, const char *domain, struct log_id *ret)
{
    struct bytes d = BYTES_STR(domain);
    uint8_t n[2];
    struct hash32 h;

    if (d.n > LP_MAX)
        return WAX_E_INVAL;
    put_u16(n, (uint16_t)d.n);
    wax_rc rc = hash_label(&h, LABEL_LOG, PARTS(BYTES_OF(first_key->b), BYTES_OF(n), d));
    if (rc == WAX_OK)
        memcpy(ret->b, h.b, sizeof ret->b);
    return rc;
}

wax_rc map_key_of(const struct log_id *log, const char *handle, uint32_t version,
                  struct map_key *ret)
{
    struct bytes h = BYTES_STR(handle);
    uint8_t n[2], v[4];
    struct hash32 hash;

    if (h.n > LP_MAX)
        return WAX_E_INVAL;
    put_u16(n, (uint16_t)h.n);
    put_u32(v, version);
    wax_rc rc =
        hash_label(&hash, LABEL_KT_IDX, PARTS(BYTES_OF(log->b), BYTES_OF(n), h, BYTES_OF(v)));
    if (rc == WAX_OK)
        memcpy(ret->b, hash.b, sizeof ret->b);
    return rc;
}

wax_rc map_value_of(const struct map_claim *c, struct map_value *ret)
{
    uint8_t seq[4];
    struct hash32 h;

    put_u32(seq, c->seq);
    wax_rc rc = hash_label(
        &h, LABEL_KT_VAL,
        PARTS(BYTES_OF(c->acct.b), BYTES_OF(seq), BYTES_OF(c->manifest.b), BYTES_OF(c->opening.b)));
    if (rc == WAX_OK)
        memcpy(ret->b, h.b, sizeof ret->b);
    return rc;
}

wax_rc map_leaf(const struct map_key *key, const struct map_value *value, struct hash32 *ret)
{
    return hash_prefixed(ret, 2, PARTS(BYTES_OF(key->b), BYTES_OF(value->b)));
}

wax_rc map_inner(const struct hash32 *l, const struct hash32 *r, struct hash32 *ret)
{
    return hash_prefixed(ret, 3, PARTS(BYTES_OF(l->b), BYTES_OF(r->b)));
}

/* From what stands at the path's depth below the root up to it. */
static wax_rc climb(const struct hash32 *root, const struct map_key *key, struct hash32 h,
                    struct hashes path)
{
    for (size_t i = 0; i < path.n; i++) {
        const struct hash32 *other = &path.v[i];
        bool right = map_bit(key, path.n - 1 - i);
        wax_rc rc = map_inner(right ? other : &h, right ? &h : other, &h);
        if (rc != WAX_OK)
            return rc;
    }
    return ID_EQ(&h, root) ? WAX_OK : WAX_R_PROOF;
}

wax_rc map_check_inclusion(const struct hash32 *root, const struct map_key *key,
                           const struct map_value *value, struct bytes inclusion)
{
    struct hashes path;
    struct hash32 leaf;

    wax_rc rc = map_inclusion_decode(inclusion, &path);
    if (rc == WAX_OK)
        rc = map_leaf(key, value, &leaf);
    return rc == WAX_OK ? climb(root, key, leaf, path) : rc;
}

/* Equal in the first n bits. */
static bool share_prefix(const struct map_key *x, const struct map_key *y, size_t n)
{
    if (memcmp(x->b, y->b, n / 8) != 0)
        return false;
    return n % 8 == 0 || (x->b[n / 8] ^ y->b[n / 8]) >> (8 - n % 8) == 0;
}

wax_rc map_check_absence(const struct hash32 *root, const struct map_key *key, struct bytes absence)
{
    struct map_absence a;
    struct hash32 there = {{0}};

    wax_rc rc = map_absence_decode(absence, &a);
    if (rc == WAX_OK && a.kind == ABSENCE_OTHER) {
        if (ID_EQ(&a.other, key) || !share_prefix(&a.other, key, a.path.n))
            return WAX_R_PROOF;
        rc = map_leaf(&a.other, &a.other_value, &there);
    }
    return rc == WAX_OK ? climb(root, key, there, a.path) : rc;
}
