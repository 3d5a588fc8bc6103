#include "crypto/ec.h"

#include <openssl/core_names.h>
#include <openssl/err.h>

#include "base/mem.h"
#include "crypto/secheap.h"

struct ec_key {
    struct key32 scalar;
    struct point pub;
    EVP_PKEY *pkey;
};

const uint8_t ec_order[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};
const uint8_t ec_half_order[32] = {
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8,
};

EVP_PKEY *ec_pkey(const struct ec_key *k) { return k->pkey; }

const struct point *ec_public(const struct ec_key *k) { return &k->pub; }

void ec_scalar(const struct ec_key *k, struct key32 *ret) { *ret = k->scalar; }

void ec_free(struct ec_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    secret_free(k, sizeof *k);
}

/* 1 ≤ scalar < n, the comparison without a branch on its bytes. */
static bool scalar_valid(const struct key32 *scalar)
{
    unsigned borrow = 0;

    for (size_t i = 32; i-- > 0;)
        borrow = ((unsigned)scalar->b[i] - ec_order[i] - borrow) >> 31;
    return borrow == 1 && !bytes_all_zero(scalar->b, sizeof scalar->b);
}

bool ec_input_refused(void)
{
    unsigned long e;
    bool refused = false;

    while ((e = ERR_get_error()) != 0) {
        int reason = ERR_GET_REASON(e);
        if (ERR_GET_LIB(e) == ERR_LIB_EC &&
            (reason == EC_R_POINT_IS_NOT_ON_CURVE || reason == EC_R_INVALID_ENCODING ||
             reason == EC_R_COORDINATES_OUT_OF_RANGE || reason == EC_R_POINT_AT_INFINITY))
            refused = true;
    }
    return refused;
}

/* The key pair as a library object; NULL on failure. native: the scalar in the machine's
 * byte order. */
static EVP_PKEY *import_pair(const struct point *pub, uint8_t native[32])
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    char group[] = "prime256v1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (uint8_t *)(uintptr_t)pub->b,
                                          sizeof pub->b),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, native, 32),
        OSSL_PARAM_construct_end(),
    };

    if (!c || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_KEYPAIR, params) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(c);
    return pkey;
}

wax_rc ec_import_point(const struct point *p, EVP_PKEY **ret)
{
    const EVP_PKEY *p256 = lib_algorithms()->p256_key;
    EVP_PKEY *pkey;
    wax_rc rc;

    if (p->b[0] != POINT_CONVERSION_UNCOMPRESSED)
        return WAX_R_POINT;
    if (!p256)
        return WAX_E_CRYPTO;
    ERR_clear_error();
    pkey = EVP_PKEY_new();
    /* Parameters are copied from one key: to make the curve from its name each time takes
     * longer than all the rest of an import. */
    if (!pkey || EVP_PKEY_copy_parameters(pkey, p256) != 1) {
        rc = lib_failed();
        goto out;
    }
    if (EVP_PKEY_set1_encoded_public_key(pkey, p->b, sizeof p->b) != 1) {
        rc = ec_input_refused() ? WAX_R_POINT : lib_failed();
        goto out;
    }
    *ret = pkey;
    return WAX_OK;
out:
    EVP_PKEY_free(pkey);
    return rc;
}

wax_rc ec_point_check(const struct point *p)
{
    EVP_PKEY *pkey = NULL;
    wax_rc rc = ec_import_point(p, &pkey);

    EVP_PKEY_free(pkey);
    return rc;
}

/* pub = scalar · G. */
static wax_rc public_of(const struct key32 *scalar, struct point *ret)
{
    const EC_GROUP *p256 = lib_algorithms()->p256;
    BIGNUM *k = BN_secure_new();
    EC_POINT *p = p256 ? EC_POINT_new(p256) : NULL;
    struct point pub;
    wax_rc rc = WAX_E_CRYPTO;

    if (!k || !p || !BN_bin2bn(scalar->b, sizeof scalar->b, k))
        goto out;
    BN_set_flags(k, BN_FLG_CONSTTIME);
    if (EC_POINT_mul(p256, p, k, NULL, NULL, NULL) != 1 ||
        EC_POINT_point2oct(p256, p, POINT_CONVERSION_UNCOMPRESSED, pub.b, sizeof pub.b, NULL) !=
            sizeof pub.b)
        goto out;
    *ret = pub;
    rc = WAX_OK;
out:
    BN_clear_free(k);
    EC_POINT_clear_free(p);
    return rc == WAX_OK ? rc : lib_failed();
}

wax_rc ec_from_scalar(const struct key32 *scalar, struct ec_key **ret)
{
    uint8_t native[32];
    struct ec_key *k;
    wax_rc rc;

    if (!scalar_valid(scalar))
        return WAX_E_INVAL;
    k = secret_alloc(sizeof *k);
    if (!k)
        return WAX_E_NOMEM;
    k->scalar = *scalar;
    for (size_t i = 0; i < sizeof native; i++)
        native[i] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? scalar->b[31 - i] : scalar->b[i];
    rc = public_of(scalar, &k->pub);
    if (rc != WAX_OK)
        goto out;
    k->pkey = import_pair(&k->pub, native);
    if (!k->pkey) {
        rc = lib_failed();
        goto out;
    }
    *ret = k;
    k = NULL;
out:
    mem_wipe(native, sizeof native);
    ec_free(k);
    return rc;
}

wax_rc ec_generate(const struct rng *rng, struct ec_key **ret)
{
    struct key32 scalar;
    wax_rc rc;

    do {
        rc = rng_fill(rng, scalar.b, sizeof scalar.b);
        if (rc == WAX_OK)
            rc = ec_from_scalar(&scalar, ret);
    } while (rc == WAX_E_INVAL); /* outside 1 … n−1: chance 2^-32 */
    mem_wipe(&scalar, sizeof scalar);
    return rc;
}

wax_rc ec_dh(const struct ec_key *k, const struct point *p, struct key32 *ret)
{
    EVP_PKEY *peer = NULL;
    EVP_PKEY_CTX *c = NULL;
    struct key32 x;
    size_t len = sizeof x.b;
    wax_rc rc = ec_import_point(p, &peer);

    if (rc != WAX_OK)
        return rc;
    rc = WAX_E_CRYPTO;
    c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    /* 0: the import has refused points off the curve already; the check again would cost
     * as much as the exchange. */
    if (!c || EVP_PKEY_derive_init(c) != 1 || EVP_PKEY_derive_set_peer_ex(c, peer, 0) != 1 ||
        EVP_PKEY_derive(c, x.b, &len) != 1 || len != sizeof x.b)
        goto out;
    *ret = x;
    rc = WAX_OK;
out:
    mem_wipe(&x, sizeof x);
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(peer);
    return rc == WAX_OK ? rc : lib_failed();
}
