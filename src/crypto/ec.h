/* Inside src/crypto only: what ec.c, ecdsa.c and cert.c share. */
#ifndef CRYPTO_EC_H
#define CRYPTO_EC_H

#include "crypto/lib.h"

/* The library's key object: borrowed, lives as long as k. */
EVP_PKEY *ec_pkey(const struct ec_key *k);
/* The public key as a library object, to be freed by EVP_PKEY_free. WAX_R_POINT when it is
 * no uncompressed point of the curve. */
wax_rc ec_import_point(const struct point *p, EVP_PKEY **ret) WAX_MUST;

/* Empties the library's error queue and tells whether it held a complaint about the input
 * itself: a point off the curve, or a signature that leads to the point at infinity. */
bool ec_input_refused(void);

/* n, the order of the group, and ⌊n/2⌋, big-endian. */
extern const uint8_t ec_order[32];
extern const uint8_t ec_half_order[32];

#endif
