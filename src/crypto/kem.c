#include "crypto/kem.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "crypto/kem_backend.h"
#include "crypto/lib.h"

struct sizes {
    size_t ek, ct, dk;
};
static const struct sizes sizes[] = {
    [KEM_768] = {KEM768_EK, KEM768_CT, KEM768_DK},
    [KEM_1024] = {KEM1024_EK, KEM1024_CT, KEM1024_DK},
};

size_t kem_ek_size(enum kem_set set) { return sizes[set].ek; }
size_t kem_ct_size(enum kem_set set) { return sizes[set].ct; }
size_t kem_dk_size(enum kem_set set) { return sizes[set].dk; }

static const struct kem_ops *const backends[] = {
#ifdef WAX_PQCLEAN
    [KEM_PQCLEAN] = &kem_ops_pqclean,
#else
    [KEM_PQCLEAN] = NULL,
#endif
    [KEM_OPENSSL] = &kem_ops_openssl,
};
static _Atomic(const struct kem_ops *) chosen;

bool kem_has(enum kem_backend b) { return backends[b] && backends[b]->present(); }

wax_rc kem_use(enum kem_backend b)
{
    if (!kem_has(b))
        return WAX_E_INVAL;
    atomic_store(&chosen, backends[b]);
    return WAX_OK;
}

/* NULL only in a build without pqclean that runs on a library without ML-KEM. */
static const struct kem_ops *ops(void)
{
    const struct kem_ops *o = atomic_load(&chosen);

    if (o)
        return o;
    o = kem_has(KEM_OPENSSL) ? backends[KEM_OPENSSL] : backends[KEM_PQCLEAN];
    atomic_store(&chosen, o);
    return o;
}

enum kem_backend kem_current(void) { return ops() == &kem_ops_openssl ? KEM_OPENSSL : KEM_PQCLEAN; }

/* FIPS 203 section 7.2: ByteEncode12(ByteDecode12(ek)) = ek, that is, every 12-bit
 * coefficient is below q; the last 32 bytes are the seed rho. ek is public. */
static bool modulus_holds(enum kem_set set, const uint8_t *ek)
{
    const uint8_t *end = ek + sizes[set].ek - 32;

    for (; ek < end; ek += 3) {
        unsigned x = ek[0] | (ek[1] & 0x0fu) << 8;
        unsigned y = ek[1] >> 4 | (unsigned)ek[2] << 4;
        if (x >= 3329 || y >= 3329)
            return false;
    }
    return true;
}

wax_rc kem_ek_check(enum kem_set set, struct bytes ek)
{
    return ek.n == sizes[set].ek && modulus_holds(set, ek.p) ? WAX_OK : WAX_R_KEM;
}

wax_rc kem_keygen(enum kem_set set, const struct seed64 *seed, uint8_t *ek)
{
    const struct kem_ops *o = ops();
    uint8_t made[KEM_EK_MAX];
    wax_rc rc = o ? o->expand(set, seed, made, NULL) : WAX_E_CRYPTO;

    if (rc == WAX_OK)
        memcpy(ek, made, sizes[set].ek);
    return rc;
}

wax_rc kem_expand(enum kem_set set, const struct seed64 *seed, uint8_t *ek, uint8_t *dk)
{
    const struct kem_ops *o = ops();
    uint8_t made_ek[KEM_EK_MAX], made_dk[KEM_DK_MAX];
    wax_rc rc = o ? o->expand(set, seed, made_ek, made_dk) : WAX_E_CRYPTO;

    if (rc == WAX_OK) {
        memcpy(ek, made_ek, sizes[set].ek);
        memcpy(dk, made_dk, sizes[set].dk);
    }
    mem_wipe(made_dk, sizeof made_dk);
    return rc;
}

wax_rc kem_encaps(enum kem_set set, struct bytes ek, const struct key32 *m, uint8_t *ct,
                  struct key32 *ret_ss)
{
    const struct kem_ops *o = ops();
    uint8_t made[KEM_CT_MAX];
    struct key32 ss;
    wax_rc rc = kem_ek_check(set, ek);

    if (rc != WAX_OK)
        return rc;
    rc = o ? o->encaps(set, ek.p, m, made, &ss) : WAX_E_CRYPTO;
    if (rc == WAX_OK) {
        memcpy(ct, made, sizes[set].ct);
        *ret_ss = ss;
    }
    mem_wipe(&ss, sizeof ss);
    return rc;
}

wax_rc kem_decaps(enum kem_set set, const struct seed64 *seed, struct bytes ct,
                  struct key32 *ret_ss)
{
    const struct kem_ops *o = ops();
    struct key32 ss;
    wax_rc rc;

    if (ct.n != sizes[set].ct)
        return WAX_R_KEM;
    rc = o ? o->decaps(set, seed, ct.p, &ss) : WAX_E_CRYPTO;
    if (rc == WAX_OK)
        *ret_ss = ss;
    mem_wipe(&ss, sizeof ss);
    return rc;
}

/* FIPS 203 section 7.3: dk = dk_pke ‖ ek ‖ H(ek) ‖ z, with H = SHA3-256. */
static wax_rc dk_check(enum kem_set set, struct bytes dk)
{
    uint8_t h[32];
    const uint8_t *stored;

    if (dk.n != sizes[set].dk)
        return WAX_R_KEM;
    stored = dk.p + dk.n - 64;
    if (!lib_algorithms()->sha3_256 || EVP_Digest(stored - sizes[set].ek, sizes[set].ek, h, NULL,
                                                  lib_algorithms()->sha3_256, NULL) != 1)
        return lib_failed();
    return ct_equal(h, stored, sizeof h) ? WAX_OK : WAX_R_KEM;
}

wax_rc kem_decaps_expanded(enum kem_set set, struct bytes dk, struct bytes ct, struct key32 *ret_ss)
{
    const struct kem_ops *o = ops();
    struct key32 ss;
    wax_rc rc = dk_check(set, dk);

    if (rc != WAX_OK)
        return rc;
    if (ct.n != sizes[set].ct)
        return WAX_R_KEM;
    rc = o ? o->decaps_expanded(set, dk.p, ct.p, &ss) : WAX_E_CRYPTO;
    if (rc == WAX_OK)
        *ret_ss = ss;
    mem_wipe(&ss, sizeof ss);
    return rc;
}
