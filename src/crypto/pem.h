/* Inside src/crypto only: PEM (RFC 7468) and the two fixed DER frames of P-256 keys. The
 * frames are written by hand: they never vary, and so no copy of a private key is left in
 * a library's encoder. */
#ifndef CRYPTO_PEM_H
#define CRYPTO_PEM_H

#include "base/buf.h"
#include "crypto/crypto.h"

/* Appends the block: header, base64 in lines of 64, footer. Errors stick in out. */
void pem_write(struct buf *out, const char *what, struct bytes der);
/* The first block of that kind in text. Appends its DER; WAX_R_PARSE when there is none, or
 * when it is damaged or longer than PEM_MAX. */
wax_rc pem_read(struct bytes text, const char *what, struct buf *der) WAX_MUST;
#define PEM_MAX 8192

/* SubjectPublicKeyInfo of a P-256 key (RFC 5480). */
#define SPKI_SIZE 91
void spki_write(uint8_t out[SPKI_SIZE], const struct point *pub);

/* PKCS#8 with an ECPrivateKey (RFC 5208, RFC 5915) that holds its public key. */
#define PKCS8_SIZE 138
void pkcs8_write(uint8_t out[PKCS8_SIZE], const struct ec_key *k);
/* Exactly what pkcs8_write makes, the public key being the right one; else WAX_R_PARSE. */
wax_rc pkcs8_read(struct bytes der, struct ec_key **ret) WAX_MUST;

#endif
