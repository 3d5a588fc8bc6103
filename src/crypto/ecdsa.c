/* ECDSA with SHA-256. On our wire a signature is r ‖ s with low s; the library speaks DER. */
#include "crypto/ec.h"

#include <string.h>

/* 2 + 2·(2 + 33): SEQUENCE of two INTEGERs, each with a leading 00 where the top bit is set. */
#define DER_MAX 72

/* Takes one INTEGER of at most 32 bytes (+ a leading 00) off the front of x. */
static bool der_integer(struct bytes *x, uint8_t out[32])
{
    if (x->n < 2 || x->p[0] != 0x02 || x->p[1] == 0 || x->p[1] > x->n - 2)
        return false;
    struct bytes v = {x->p + 2, x->p[1]};
    *x = (struct bytes){v.p + v.n, x->n - 2 - v.n};
    if (v.n > 1 && v.p[0] == 0)
        v = (struct bytes){v.p + 1, v.n - 1};
    if (v.n > 32)
        return false;
    memset(out, 0, 32 - v.n);
    memcpy(out + 32 - v.n, v.p, v.n);
    return true;
}

/* What the library made → r ‖ s. */
static bool der_decode(struct bytes der, struct sig *ret)
{
    if (der.n < 2 || der.p[0] != 0x30 || der.p[1] != der.n - 2)
        return false;
    der = (struct bytes){der.p + 2, der.n - 2};
    return der_integer(&der, ret->b) && der_integer(&der, ret->b + 32) && der.n == 0;
}

static size_t der_put_integer(uint8_t *out, const uint8_t v[32])
{
    size_t skip = 0, lead;

    while (skip < 31 && v[skip] == 0)
        skip++;
    lead = v[skip] >> 7;
    out[0] = 0x02;
    out[1] = (uint8_t)(32 - skip + lead);
    out[2] = 0;
    memcpy(out + 2 + lead, v + skip, 32 - skip);
    return 2 + lead + 32 - skip;
}

static size_t der_encode(uint8_t out[DER_MAX], const struct sig *s)
{
    size_t n = 2;

    n += der_put_integer(out + n, s->b);
    n += der_put_integer(out + n, s->b + 32);
    out[0] = 0x30;
    out[1] = (uint8_t)(n - 2);
    return n;
}

/* s ← n − s. */
static void negate(uint8_t s[32])
{
    unsigned borrow = 0;

    for (size_t i = 32; i-- > 0;) {
        unsigned d = (unsigned)ec_order[i] - s[i] - borrow;
        s[i] = (uint8_t)d;
        borrow = d >> 31;
    }
}

static bool in_range(const uint8_t v[32])
{
    return memcmp(v, ec_order, 32) < 0 && !bytes_all_zero(v, 32);
}

wax_rc ec_sign(const struct ec_key *k, enum label l, const struct bytes *parts, size_t n,
               struct sig *ret)
{
    struct hash32 h;
    struct sig s;
    uint8_t der[DER_MAX];
    size_t len = sizeof der;
    wax_rc rc = hash_label(&h, l, parts, n);

    if (rc != WAX_OK)
        return rc;
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, ec_pkey(k), NULL);
    if (!c || EVP_PKEY_sign_init(c) != 1 || EVP_PKEY_sign(c, der, &len, h.b, sizeof h.b) != 1 ||
        !der_decode(BYTES(der, len), &s) || !in_range(s.b) || !in_range(s.b + 32)) {
        rc = lib_failed();
        goto out;
    }
    if (memcmp(s.b + 32, ec_half_order, 32) > 0)
        negate(s.b + 32);
    *ret = s;
out:
    EVP_PKEY_CTX_free(c);
    return rc;
}

/* der is well-formed or comes from outside (foreign): then a complaint of the library, too,
 * means that it does not hold. */
static wax_rc verify_hash(const struct point *pub, const struct hash32 *h, struct bytes der,
                          bool foreign)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *c = NULL;
    wax_rc rc = ec_import_point(pub, &pkey);

    if (rc != WAX_OK)
        return rc == WAX_R_POINT ? WAX_R_SIGNATURE : rc;
    rc = WAX_E_CRYPTO;
    c = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (!c || EVP_PKEY_verify_init(c) != 1)
        goto out;
    int match = EVP_PKEY_verify(c, der.p, der.n, h->b, sizeof h->b);
    if (match == 1)
        rc = WAX_OK;
    else if (match == 0 || foreign || ec_input_refused())
        rc = WAX_R_SIGNATURE;
out:
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(pkey);
    if (rc != WAX_OK)
        (void)lib_failed();
    return rc;
}

wax_rc ec_verify(const struct point *pub, enum label l, const struct bytes *parts, size_t n,
                 const struct sig *s)
{
    struct hash32 h;
    uint8_t der[DER_MAX];

    if (!in_range(s->b) || !in_range(s->b + 32) || memcmp(s->b + 32, ec_half_order, 32) > 0)
        return WAX_R_SIGNATURE;
    wax_rc rc = hash_label(&h, l, parts, n);
    if (rc != WAX_OK)
        return rc;
    size_t len = der_encode(der, s);
    return verify_hash(pub, &h, BYTES(der, len), false);
}

wax_rc ec_verify_raw(const struct point *pub, struct bytes msg, struct bytes sig, bool der)
{
    struct hash32 h;
    struct sig s;
    uint8_t buf[DER_MAX];
    wax_rc rc;

    if (!der) {
        if (sig.n != sizeof s.b)
            return WAX_R_SIGNATURE;
        memcpy(s.b, sig.p, sig.n);
        if (!in_range(s.b) || !in_range(s.b + 32))
            return WAX_R_SIGNATURE;
        sig = BYTES(buf, der_encode(buf, &s));
    }
    rc = hash_raw(&h, &msg, 1);
    if (rc != WAX_OK)
        return rc;
    return verify_hash(pub, &h, sig, der);
}
