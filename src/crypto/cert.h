/* X.509 as far as Waxwing makes it: the device's login certificate, and the server's private
 * CA. Parsing and checking certificates is TLS's business (src/net). */
#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include "base/buf.h"
#include "crypto/crypto.h"

/* The login certificate (PROTOCOL 9): self-signed by DTK, P-256, fixed empty subject and
 * issuer, serial 1, not before 1970, not after 9999-12-31, ≤ 1 KiB DER. Appends PEM. */
wax_rc cert_login(const struct ec_key *dtk, struct buf *cert_pem) WAX_MUST;
/* The private key as PKCS#8 PEM (secret: the buffer wipes itself). */
wax_rc cert_key_pem(const struct ec_key *k, struct buf *key_pem) WAX_MUST;

/* A CA certificate for `domain` (CN "Waxwing CA for <domain>", basicConstraints CA:TRUE
 * pathlen 0, keyCertSign), valid from now − 1 h for 10 years. now in ms. */
wax_rc cert_ca(const struct ec_key *ca, const char *domain, uint64_t now, struct buf *pem) WAX_MUST;
/* A TLS server certificate signed by that CA for the names (DNS names or IP addresses as
 * text), valid from now − 1 h for `days`. serverAuth, random serial drawn from rng. */
wax_rc cert_server(const struct ec_key *ca, struct bytes ca_pem, const struct point *server_key,
                   const char *const *names, size_t n_names, const struct rng *rng, uint64_t now,
                   unsigned days, struct buf *pem) WAX_MUST;
/* SHA-256 of the DER SubjectPublicKeyInfo of the first certificate in pem: K and L of an
 * invitation. WAX_R_PARSE when it is none. */
wax_rc cert_spki_hash(struct bytes pem, struct hash32 *ret) WAX_MUST;
/* The same of a bare P-256 public key (the log key's L). */
wax_rc cert_point_spki_hash(const struct point *pub, struct hash32 *ret) WAX_MUST;
/* Reads a P-256 private key PEM made by cert_key_pem. */
wax_rc cert_key_load(struct bytes pem, struct ec_key **ret) WAX_MUST;

#endif
