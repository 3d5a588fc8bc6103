/* An invitation (docs/CLI): `wax:HOST:PORT/DOMAIN/K/L/T/C`, only [A-Za-z0-9._:/-], every field
 * there, `-` = none. K and L: base64url of SHA-256 of a DER SubjectPublicKeyInfo (the private
 * CA's, the log key's), T: admission token, C: first 8 hex digits of SHA-256 of all before its
 * slash. The hash is the caller's to compute: this folder knows no crypto. */
#ifndef WIRE_INVITATION_H
#define WIRE_INVITATION_H

#include "base/buf.h"

#define INVITATION_MAX 900
#define INVITATION_TOKEN_MAX 127

struct invitation {
    char host[254]; /* name or address; IPv6 without brackets */
    uint16_t port;  /* ≥ 1 */
    char domain[254];
    bool has_ca, has_log;
    struct hash32 ca, log;                /* K, L */
    char token[INVITATION_TOKEN_MAX + 1]; /* "" = none; base64url characters */
};

/* Appends all before C's slash. WAX_E_INVAL when a field has other characters or is missing. */
wax_rc invitation_head(const struct invitation *in, struct buf *out) WAX_MUST;
/* Appends "/C" for the hash of the head. */
void invitation_check(const struct hash32 *head_hash, struct buf *out);

/* Parses all but the check: ret_head borrows the part that is hashed, check gets C's 8 digits.
 * The caller compares. WAX_R_PARSE. */
wax_rc invitation_parse(const char *s, struct invitation *ret, struct bytes *ret_head,
                        char check[9]) WAX_MUST;

#endif
