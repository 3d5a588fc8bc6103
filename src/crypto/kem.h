/* ML-KEM (FIPS 203) behind one checking wrapper over two back ends with the same accept
 * set: OpenSSL ≥ 3.5, and the C sources of the npm package pqclean. Encapsulation keys pass
 * the length and modulus check at import; decapsulation keys are kept as their 64-byte seed
 * d ‖ z and expanded for each use. */
#ifndef CRYPTO_KEM_H
#define CRYPTO_KEM_H

#include "base/bytes.h"
#include "base/result.h"

enum kem_set { KEM_768, KEM_1024 };
#define KEM768_EK 1184
#define KEM768_CT 1088
#define KEM1024_EK 1568
#define KEM1024_CT 1568
#define KEM_EK_MAX 1568
#define KEM_CT_MAX 1568
size_t kem_ek_size(enum kem_set set);
size_t kem_ct_size(enum kem_set set);

enum kem_backend { KEM_PQCLEAN, KEM_OPENSSL };
/* Whether this build, with the OpenSSL it runs on, has the back end. */
bool kem_has(enum kem_backend b);
/* Forces a back end for the whole process (tests); WAX_E_INVAL when it is not there.
 * Default: OpenSSL where it has ML-KEM, else pqclean. */
wax_rc kem_use(enum kem_backend b) WAX_MUST;
enum kem_backend kem_current(void);

/* ek: kem_ek_size bytes. */
wax_rc kem_keygen(enum kem_set set, const struct seed64 *seed, uint8_t *ek) WAX_MUST;
/* WAX_R_KEM: wrong length or a coefficient ≥ 3329. */
wax_rc kem_ek_check(enum kem_set set, struct bytes ek) WAX_MUST;
/* m: 32 fresh random bytes. WAX_R_KEM as above. ct: kem_ct_size bytes. */
wax_rc kem_encaps(enum kem_set set, struct bytes ek, const struct key32 *m, uint8_t *ct,
                  struct key32 *ret_ss) WAX_MUST;
/* WAX_R_KEM only for a wrong ct length: a wrong ct gives another secret (implicit
 * rejection). Constant time in seed and secret. */
wax_rc kem_decaps(enum kem_set set, const struct seed64 *seed, struct bytes ct,
                  struct key32 *ret_ss) WAX_MUST;

/* For the outside vectors: expanded decapsulation keys (with the H(ek) check: WAX_R_KEM). */
wax_rc kem_expand(enum kem_set set, const struct seed64 *seed, uint8_t *ek, uint8_t *dk) WAX_MUST;
wax_rc kem_decaps_expanded(enum kem_set set, struct bytes dk, struct bytes ct,
                           struct key32 *ret_ss) WAX_MUST;
#define KEM768_DK 2400
#define KEM1024_DK 3168

#endif
