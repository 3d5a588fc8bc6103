/* Sealed values. The key of a row is in the AD, so a value that was moved to another row or
 * table does not open. */
#include "base/mem.h"
#include "vault/sqlite_internal.h"

/* table 1 ‖ row key */
struct ad {
    uint8_t b[1 + VAULT_KEY_MAX];
    size_t n;
};

static wax_rc ad_of(unsigned table, struct bytes key, struct ad *ret)
{
    if (key.n > VAULT_KEY_MAX)
        return WAX_E_INVAL;
    ret->b[0] = (uint8_t)table;
    if (key.n)
        memcpy(ret->b + 1, key.p, key.n);
    ret->n = 1 + key.n;
    return WAX_OK;
}

wax_rc sqlite_seal(struct sqlite *h, unsigned table, struct bytes key, struct bytes value,
                   struct buf *out)
{
    struct ad ad;
    uint8_t nonce[AEAD_NONCE];
    wax_rc rc = ad_of(table, key, &ad);

    if (rc == WAX_OK)
        rc = rng_fill(&h->rng, nonce, sizeof nonce);
    if (rc != WAX_OK)
        return rc;
    size_t before = out->n;
    buf_add(out, nonce, sizeof nonce);
    uint8_t *to = buf_extend(out, value.n + AEAD_TAG);
    if (!to)
        return buf_rc(out);
    rc = aead_seal(h->key, nonce, BYTES(ad.b, ad.n), value, to);
    if (rc != WAX_OK)
        out->n = before;
    return rc;
}

wax_rc sqlite_unseal(struct sqlite *h, unsigned table, struct bytes key, struct bytes sealed,
                     struct buf *out)
{
    struct ad ad;

    if (sealed.n < AEAD_NONCE + AEAD_TAG || ad_of(table, key, &ad) != WAX_OK)
        return WAX_E_DAMAGED;
    struct bytes body = BYTES(sealed.p + AEAD_NONCE, sealed.n - AEAD_NONCE);
    size_t before = out->n;
    uint8_t *to = buf_extend(out, body.n - AEAD_TAG);
    if (!to)
        return buf_rc(out);
    wax_rc rc = aead_open(h->key, sealed.p, BYTES(ad.b, ad.n), body, to);
    if (rc != WAX_OK)
        out->n = before;
    return rc == WAX_R_MAC ? WAX_E_DAMAGED : rc;
}
