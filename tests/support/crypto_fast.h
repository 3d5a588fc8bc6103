/* A cheap stand-in for the dear calls of src/crypto (P-256 and ML-KEM), for simulations that run
 * by the thousand. It takes the calls' places when a program is linked (`dep_crypto_fast` has a
 * --wrap for each), and passes them on to the real ones until it is switched on.
 *
 * It keeps what callers can see: sizes, determinism (a key is a function of the bytes drawn), the
 * refusal of points, signatures, encapsulation keys and lengths that do not hold, agreement of
 * both sides, another secret for another ciphertext. It protects nothing: whoever sees a public
 * key can sign for it. */
#ifndef SUPPORT_CRYPTO_FAST_H
#define SUPPORT_CRYPTO_FAST_H

#include <stdbool.h>

/* While no key is alive. */
void crypto_fast(bool on);

#endif
