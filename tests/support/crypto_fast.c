#include "crypto_fast.h"

#include <string.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "crypto/kem.h"

static bool fast;

void crypto_fast(bool on) { fast = on; }

/* --- Numbers: four lanes of 64 bits each --- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

#define GENERATOR 0x9e3779b97f4a7c15ULL

/* Public: lane · G. Agreement: lane · other's public lane = both lanes · G, either way round. */
static void times(const uint8_t a[32], const uint8_t b[32], uint8_t out[32])
{
    for (size_t i = 0; i < 32; i += 8)
        put_u64(out + i, get_u64(a + i) * (b ? get_u64(b + i) : GENERATOR));
}

/* A point's y tells whether its x is one of ours. */
static void y_of(const uint8_t x[32], uint8_t y[32])
{
    for (size_t i = 0; i < 32; i += 8)
        put_u64(y + i, mix(get_u64(x + i) + i + 1));
}

/* --- P-256 --- */

struct fast_key {
    struct key32 scalar;
    struct point pub;
};

wax_rc __real_ec_generate(const struct rng *rng, struct ec_key **ret) WAX_MUST;
wax_rc __wrap_ec_generate(const struct rng *rng, struct ec_key **ret) WAX_MUST;
wax_rc __real_ec_from_scalar(const struct key32 *scalar, struct ec_key **ret) WAX_MUST;
wax_rc __wrap_ec_from_scalar(const struct key32 *scalar, struct ec_key **ret) WAX_MUST;
void __real_ec_free(struct ec_key *k);
void __wrap_ec_free(struct ec_key *k);
const struct point *__real_ec_public(const struct ec_key *k);
const struct point *__wrap_ec_public(const struct ec_key *k);
void __real_ec_scalar(const struct ec_key *k, struct key32 *ret);
void __wrap_ec_scalar(const struct ec_key *k, struct key32 *ret);
wax_rc __real_ec_point_check(const struct point *p) WAX_MUST;
wax_rc __wrap_ec_point_check(const struct point *p) WAX_MUST;
wax_rc __real_ec_dh(const struct ec_key *k, const struct point *p, struct key32 *ret) WAX_MUST;
wax_rc __wrap_ec_dh(const struct ec_key *k, const struct point *p, struct key32 *ret) WAX_MUST;
wax_rc __real_ec_sign(const struct ec_key *k, enum label l, const struct bytes *parts, size_t n,
                      struct sig *ret) WAX_MUST;
wax_rc __wrap_ec_sign(const struct ec_key *k, enum label l, const struct bytes *parts, size_t n,
                      struct sig *ret) WAX_MUST;
wax_rc __real_ec_verify(const struct point *pub, enum label l, const struct bytes *parts, size_t n,
                        const struct sig *s) WAX_MUST;
wax_rc __wrap_ec_verify(const struct point *pub, enum label l, const struct bytes *parts, size_t n,
                        const struct sig *s) WAX_MUST;

/* The order of the real group: what lies outside is refused here, too. */
static const uint8_t group_order[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};

wax_rc __wrap_ec_from_scalar(const struct key32 *scalar, struct ec_key **ret)
{
    if (!fast)
        return __real_ec_from_scalar(scalar, ret);
    if (bytes_all_zero(scalar->b, 32) || memcmp(scalar->b, group_order, 32) >= 0)
        return WAX_E_INVAL;
    struct fast_key *k = mem_alloc(sizeof *k);
    if (!k)
        return WAX_E_NOMEM;
    k->scalar = *scalar;
    k->pub.b[0] = 4;
    times(scalar->b, NULL, k->pub.b + 1);
    y_of(k->pub.b + 1, k->pub.b + 33);
    *ret = (struct ec_key *)(void *)k;
    return WAX_OK;
}

wax_rc __wrap_ec_generate(const struct rng *rng, struct ec_key **ret)
{
    struct key32 scalar;
    wax_rc rc;

    if (!fast)
        return __real_ec_generate(rng, ret);
    do {
        rc = rng_fill(rng, scalar.b, sizeof scalar.b);
        if (rc == WAX_OK)
            rc = __wrap_ec_from_scalar(&scalar, ret);
    } while (rc == WAX_E_INVAL);
    return rc;
}

void __wrap_ec_free(struct ec_key *k)
{
    if (fast)
        mem_free(k);
    else
        __real_ec_free(k);
}

static const struct fast_key *of(const struct ec_key *k) { return (const void *)k; }

const struct point *__wrap_ec_public(const struct ec_key *k)
{
    return fast ? &of(k)->pub : __real_ec_public(k);
}

void __wrap_ec_scalar(const struct ec_key *k, struct key32 *ret)
{
    if (fast)
        *ret = of(k)->scalar;
    else
        __real_ec_scalar(k, ret);
}

wax_rc __wrap_ec_point_check(const struct point *p)
{
    uint8_t y[32];

    if (!fast)
        return __real_ec_point_check(p);
    y_of(p->b + 1, y);
    return p->b[0] == 4 && memcmp(y, p->b + 33, 32) == 0 ? WAX_OK : WAX_R_POINT;
}

wax_rc __wrap_ec_dh(const struct ec_key *k, const struct point *p, struct key32 *ret)
{
    if (!fast)
        return __real_ec_dh(k, p, ret);
    wax_rc rc = __wrap_ec_point_check(p);
    if (rc == WAX_OK)
        times(of(k)->scalar.b, p->b + 1, ret->b);
    return rc;
}

static wax_rc sig_of(const struct point *pub, enum label l, const struct bytes *parts, size_t n,
                     struct sig *ret)
{
    struct hash32 h, r;
    wax_rc rc = hash_label(&h, l, parts, n);

    if (rc == WAX_OK)
        rc = hash_raw(&r, PARTS(BYTES_OF(pub->b), BYTES_OF(h.b)));
    if (rc != WAX_OK)
        return rc;
    r.b[0] &= 0x7f;
    memcpy(ret->b, r.b, 32);
    for (size_t i = 0; i < 32; i += 8)
        put_u64(ret->b + 32 + i, mix(get_u64(r.b + i)));
    ret->b[32] &= 0x3f;
    return WAX_OK;
}

wax_rc __wrap_ec_sign(const struct ec_key *k, enum label l, const struct bytes *parts, size_t n,
                      struct sig *ret)
{
    return fast ? sig_of(&of(k)->pub, l, parts, n, ret) : __real_ec_sign(k, l, parts, n, ret);
}

wax_rc __wrap_ec_verify(const struct point *pub, enum label l, const struct bytes *parts, size_t n,
                        const struct sig *s)
{
    struct sig want;

    if (!fast)
        return __real_ec_verify(pub, l, parts, n, s);
    if (__wrap_ec_point_check(pub) != WAX_OK)
        return WAX_R_SIGNATURE;
    wax_rc rc = sig_of(pub, l, parts, n, &want);
    if (rc != WAX_OK)
        return rc;
    return memcmp(want.b, s->b, sizeof want.b) == 0 ? WAX_OK : WAX_R_SIGNATURE;
}

/* --- ML-KEM --- */

wax_rc __real_kem_keygen(enum kem_set set, const struct seed64 *seed, uint8_t *ek) WAX_MUST;
wax_rc __wrap_kem_keygen(enum kem_set set, const struct seed64 *seed, uint8_t *ek) WAX_MUST;
wax_rc __real_kem_encaps(enum kem_set set, struct bytes ek, const struct key32 *m, uint8_t *ct,
                         struct key32 *ret_ss) WAX_MUST;
wax_rc __wrap_kem_encaps(enum kem_set set, struct bytes ek, const struct key32 *m, uint8_t *ct,
                         struct key32 *ret_ss) WAX_MUST;
wax_rc __real_kem_decaps(enum kem_set set, const struct seed64 *seed, struct bytes ct,
                         struct key32 *ret_ss) WAX_MUST;
wax_rc __wrap_kem_decaps(enum kem_set set, const struct seed64 *seed, struct bytes ct,
                         struct key32 *ret_ss) WAX_MUST;

/* n bytes (a multiple of 8) from a seed. */
static void stretch(const uint8_t seed[32], uint8_t *out, size_t n)
{
    uint64_t x = get_u64(seed) ^ mix(get_u64(seed + 8)) ^ mix(get_u64(seed + 16) + 1) ^
                 mix(get_u64(seed + 24) + 2);

    for (size_t i = 0; i < n; i += 8)
        put_u64(out + i, mix(x += GENERATOR));
}

/* All coefficients below 2,048, so below the modulus; the last 32 bytes name the key. */
static void ek_of(enum kem_set set, const struct seed64 *seed, uint8_t *ek)
{
    size_t n = kem_ek_size(set);
    uint8_t half[64];

    stretch(seed->b, half, 32);
    stretch(seed->b + 32, half + 32, 32);
    for (size_t i = 0; i < 32; i++)
        half[i] ^= half[32 + i];
    stretch(half, ek, n);
    for (size_t i = 0; i + 32 < n; i += 3) {
        ek[i + 1] &= 0xf7;
        ek[i + 2] &= 0x7f;
    }
}

wax_rc __wrap_kem_keygen(enum kem_set set, const struct seed64 *seed, uint8_t *ek)
{
    if (!fast)
        return __real_kem_keygen(set, seed, ek);
    ek_of(set, seed, ek);
    return WAX_OK;
}

/* ct: m masked by the key's name, then what follows from both. */
static wax_rc make_ct(enum kem_set set, const uint8_t *ek, const uint8_t m[32], uint8_t *ct,
                      struct key32 *ss)
{
    const uint8_t *name = ek + kem_ek_size(set) - 32;
    struct hash32 h;
    wax_rc rc = hash_raw(&h, PARTS(BYTES(name, 32), BYTES(m, 32)));

    if (rc != WAX_OK)
        return rc;
    memcpy(ss->b, h.b, 32);
    stretch(h.b, ct, kem_ct_size(set));
    for (size_t i = 0; i < 32; i++)
        ct[i] = m[i] ^ name[i];
    return WAX_OK;
}

wax_rc __wrap_kem_encaps(enum kem_set set, struct bytes ek, const struct key32 *m, uint8_t *ct,
                         struct key32 *ret_ss)
{
    if (!fast)
        return __real_kem_encaps(set, ek, m, ct, ret_ss);
    wax_rc rc = kem_ek_check(set, ek);
    return rc == WAX_OK ? make_ct(set, ek.p, m->b, ct, ret_ss) : rc;
}

wax_rc __wrap_kem_decaps(enum kem_set set, const struct seed64 *seed, struct bytes ct,
                         struct key32 *ret_ss)
{
    uint8_t ek[KEM_EK_MAX], again[KEM_CT_MAX], m[32];
    struct key32 ss = {0};
    struct hash32 other;

    if (!fast)
        return __real_kem_decaps(set, seed, ct, ret_ss);
    if (ct.n != kem_ct_size(set))
        return WAX_R_KEM;
    ek_of(set, seed, ek);
    for (size_t i = 0; i < 32; i++)
        m[i] = ct.p[i] ^ ek[kem_ek_size(set) - 32 + i];
    wax_rc rc = make_ct(set, ek, m, again, &ss);
    if (rc == WAX_OK && memcmp(again, ct.p, ct.n) != 0) { /* implicit rejection */
        rc = hash_raw(&other, PARTS(BYTES_OF(seed->b), ct));
        memcpy(ss.b, other.b, 32);
    }
    if (rc == WAX_OK)
        *ret_ss = ss;
    return rc;
}
