/* The crypto that Waxwing uses, as typed operations. This folder is the only one that
 * includes OpenSSL's libcrypto, libsodium and the ML-KEM sources (rules: docs/HACKING.md).
 *
 * crypto_init once per process before anything else; then every function here may be
 * called from any thread (contexts are kept per thread). WAX_E_CRYPTO is a failure of the
 * library itself (memory, faults), never an input that does not hold: those have their own
 * refusal class. On failure outputs are untouched. */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "base/bytes.h"
#include "base/label.h"
#include "base/result.h"
#include "base/rng.h"

/* Fetches every algorithm. Safe to call again. */
wax_rc crypto_init(void) WAX_MUST;

/* --- SHA-256 ------------------------------------------------------------------------- */

/* H(label ‖ parts…). */
wax_rc hash_label(struct hash32 *ret, enum label l, const struct bytes *parts, size_t n) WAX_MUST;
/* H(prefix byte ‖ parts…): Merkle leaves and nodes (PROTOCOL 0: 00-03). */
wax_rc hash_prefixed(struct hash32 *ret, uint8_t prefix, const struct bytes *parts,
                     size_t n) WAX_MUST;
/* H(parts…) with no label: fingerprints of foreign formats only (SPKI, certificates). */
wax_rc hash_raw(struct hash32 *ret, const struct bytes *parts, size_t n) WAX_MUST;
/* Count of an array literal of parts. */
#define PARTS(...)                                                                                 \
    (const struct bytes[]){__VA_ARGS__},                                                           \
        sizeof((const struct bytes[]){__VA_ARGS__}) / sizeof(struct bytes)

/* --- HMAC, HKDF (RFC 2104, RFC 5869) -------------------------------------------------- */

/* HMAC(key, label ‖ parts…). */
wax_rc hmac_label(struct key32 *ret, struct bytes key, enum label l, const struct bytes *parts,
                  size_t n) WAX_MUST;
/* HMAC(key, parts…) without a label: for the outside vectors. */
wax_rc hmac_raw(struct key32 *ret, struct bytes key, const struct bytes *parts, size_t n) WAX_MUST;
wax_rc hkdf_extract(struct key32 *ret, struct bytes salt, const struct bytes *ikm,
                    size_t n) WAX_MUST;
/* Expand(prk, label ‖ info…, len), len ≤ 8,160, at most 7 parts (else WAX_E_INVAL). */
wax_rc hkdf_expand_label(struct bytes prk, enum label l, const struct bytes *info, size_t n,
                         uint8_t *out, size_t len) WAX_MUST;
wax_rc hkdf_expand_raw(struct bytes prk, struct bytes info, uint8_t *out, size_t len) WAX_MUST;

/* Constant time. */
bool ct_equal(const void *x, const void *y, size_t n);

/* --- AES-128-CTR (SP 800-38A; iv = first 128-bit big-endian counter block) ------------- */

/* in and out may be the same; n may be 0. */
wax_rc aes128_ctr(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
                  size_t n) WAX_MUST;

/* --- XChaCha20-Poly1305 (libsodium; the vault's values) -------------------------------- */

#define AEAD_NONCE 24
#define AEAD_TAG 16
/* out: n + AEAD_TAG bytes. */
wax_rc aead_seal(const struct key32 *key, const uint8_t nonce[AEAD_NONCE], struct bytes ad,
                 struct bytes plain, uint8_t *out) WAX_MUST;
/* sealed.n ≥ AEAD_TAG; out: sealed.n − AEAD_TAG bytes. WAX_R_MAC when it does not open. */
wax_rc aead_open(const struct key32 *key, const uint8_t nonce[AEAD_NONCE], struct bytes ad,
                 struct bytes sealed, uint8_t *out) WAX_MUST;

/* --- P-256: ECDH and ECDSA (SHA-256, low s, 64-byte r ‖ s) ------------------------------ */

/* A private key; in the library's secure heap where that is on. Owned, freed by ec_free
 * (NULL is fine), which wipes it. */
struct ec_key;
/* Fresh key from rng: 32-byte draws, those outside 1 … n−1 are rejected, so the key is a
 * function of the bytes drawn. */
wax_rc ec_generate(const struct rng *rng, struct ec_key **ret) WAX_MUST;
/* From its big-endian scalar; WAX_E_INVAL outside 1 … n−1. */
wax_rc ec_from_scalar(const struct key32 *scalar, struct ec_key **ret) WAX_MUST;
void ec_free(struct ec_key *k);
/* Its public point (borrowed, lives as long as the key). */
const struct point *ec_public(const struct ec_key *k);
/* Copies the scalar out (to be stored sealed). */
void ec_scalar(const struct ec_key *k, struct key32 *ret);

/* First byte 04 and on the curve, not infinity: WAX_OK or WAX_R_POINT. */
wax_rc ec_point_check(const struct point *p) WAX_MUST;
/* x-coordinate of k·p. p is imported with its curve check: WAX_R_POINT when it fails. */
wax_rc ec_dh(const struct ec_key *k, const struct point *p, struct key32 *ret) WAX_MUST;

/* sign(key, label ‖ parts…): always low s. */
wax_rc ec_sign(const struct ec_key *k, enum label l, const struct bytes *parts, size_t n,
               struct sig *ret) WAX_MUST;
/* WAX_OK, or WAX_R_SIGNATURE: r or s out of range, high s, point unusable, or no match. */
wax_rc ec_verify(const struct point *pub, enum label l, const struct bytes *parts, size_t n,
                 const struct sig *s) WAX_MUST;

/* Raw verifiers for the outside vectors: no low-s rule; DER or r ‖ s of any length. */
wax_rc ec_verify_raw(const struct point *pub, struct bytes msg, struct bytes sig,
                     bool der) WAX_MUST;

#endif
