/* ML-KEM by the C sources of the npm package pqclean. Only its *_derand functions are
 * called, with our randomness. Its headers name other things kem.h too, so the functions
 * are declared here. */
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/kem_backend.h"

#define DECLARE(N)                                                                                 \
    int PQCLEAN_MLKEM##N##_CLEAN_crypto_kem_keypair_derand(uint8_t *pk, uint8_t *sk,               \
                                                           const uint8_t *coins);                  \
    int PQCLEAN_MLKEM##N##_CLEAN_crypto_kem_enc_derand(uint8_t *ct, uint8_t *ss,                   \
                                                       const uint8_t *pk, const uint8_t *coins);   \
    int PQCLEAN_MLKEM##N##_CLEAN_crypto_kem_dec(uint8_t *ss, const uint8_t *ct, const uint8_t *sk)
DECLARE(768);
DECLARE(1024);

int PQCLEAN_randombytes(uint8_t *output, size_t n);
/* Would be called by the functions that draw for themselves; we call none of them. */
int PQCLEAN_randombytes(uint8_t *output, size_t n) { abort(); }

/* pqclean leaves noise, secret polynomials and the message in its dead stack frames; the
 * deepest chain of calls (ML-KEM-1024 decapsulation) stays below 24 KiB. */
#define STACK_USED 32768
static __attribute__((noinline)) void burn_stack(void)
{
    uint8_t dead[STACK_USED];

    mem_wipe(dead, sizeof dead);
}

static bool present(void) { return true; }

static wax_rc expand_to(enum kem_set set, const struct seed64 *seed, uint8_t *ek, uint8_t *dk)
{
    int failed = set == KEM_768
                     ? PQCLEAN_MLKEM768_CLEAN_crypto_kem_keypair_derand(ek, dk, seed->b)
                     : PQCLEAN_MLKEM1024_CLEAN_crypto_kem_keypair_derand(ek, dk, seed->b);

    burn_stack();
    return failed ? WAX_E_CRYPTO : WAX_OK;
}

static wax_rc expand(enum kem_set set, const struct seed64 *seed, uint8_t *ek, uint8_t *dk)
{
    uint8_t mine[KEM_DK_MAX];
    wax_rc rc = expand_to(set, seed, ek, dk ? dk : mine);

    mem_wipe(mine, sizeof mine);
    return rc;
}

static wax_rc encaps(enum kem_set set, const uint8_t *ek, const struct key32 *m, uint8_t *ct,
                     struct key32 *ss)
{
    int failed = set == KEM_768
                     ? PQCLEAN_MLKEM768_CLEAN_crypto_kem_enc_derand(ct, ss->b, ek, m->b)
                     : PQCLEAN_MLKEM1024_CLEAN_crypto_kem_enc_derand(ct, ss->b, ek, m->b);

    burn_stack();
    return failed ? WAX_E_CRYPTO : WAX_OK;
}

static wax_rc decaps_expanded(enum kem_set set, const uint8_t *dk, const uint8_t *ct,
                              struct key32 *ss)
{
    int failed = set == KEM_768 ? PQCLEAN_MLKEM768_CLEAN_crypto_kem_dec(ss->b, ct, dk)
                                : PQCLEAN_MLKEM1024_CLEAN_crypto_kem_dec(ss->b, ct, dk);

    burn_stack();
    return failed ? WAX_E_CRYPTO : WAX_OK;
}

static wax_rc decaps(enum kem_set set, const struct seed64 *seed, const uint8_t *ct,
                     struct key32 *ss)
{
    uint8_t ek[KEM_EK_MAX], dk[KEM_DK_MAX];
    wax_rc rc = expand_to(set, seed, ek, dk);

    if (rc == WAX_OK)
        rc = decaps_expanded(set, dk, ct, ss);
    mem_wipe(dk, sizeof dk);
    return rc;
}

const struct kem_ops kem_ops_pqclean = {
    .present = present,
    .expand = expand,
    .encaps = encaps,
    .decaps = decaps,
    .decaps_expanded = decaps_expanded,
};
