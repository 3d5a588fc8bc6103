/* Inside src/crypto only: what a back end of ML-KEM gives to kem.c. Lengths, the modulus
 * check and the H(ek) check are done before it is called. On failure (WAX_E_CRYPTO) what
 * is in the outputs is worthless and kem.c throws it away. */
#ifndef CRYPTO_KEM_BACKEND_H
#define CRYPTO_KEM_BACKEND_H

#include "crypto/kem.h"

struct kem_ops {
    bool (*present)(void);
    /* dk may be NULL. */
    wax_rc (*expand)(enum kem_set set, const struct seed64 *seed, uint8_t *ek,
                     uint8_t *dk) WAX_MUST;
    wax_rc (*encaps)(enum kem_set set, const uint8_t *ek, const struct key32 *m, uint8_t *ct,
                     struct key32 *ss) WAX_MUST;
    wax_rc (*decaps)(enum kem_set set, const struct seed64 *seed, const uint8_t *ct,
                     struct key32 *ss) WAX_MUST;
    wax_rc (*decaps_expanded)(enum kem_set set, const uint8_t *dk, const uint8_t *ct,
                              struct key32 *ss) WAX_MUST;
};

extern const struct kem_ops kem_ops_openssl;
#ifdef WAX_PQCLEAN
extern const struct kem_ops kem_ops_pqclean;
#endif

size_t kem_dk_size(enum kem_set set);
#define KEM_DK_MAX KEM1024_DK

#endif
