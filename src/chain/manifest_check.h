/* The rules of the manifest chain (PROTOCOL 1, RECORDS 3), pure: used by the account layer
 * of the client and by the server's directory, so that both refuse the same things.
 * Bytes are decoded by wire/manifest.h first; decode has given `parse` and the first byte of
 * points. What is left of RECORDS 0's order is done here: points on the curve (`point`),
 * `chain`, `dates`, `signature`, number of joins (`chain`), each join. */
#ifndef CHAIN_MANIFEST_CHECK_H
#define CHAIN_MANIFEST_CHECK_H

#include "wire/manifest.h"

/* Re-sign when less than this is left (PROTOCOL 1 "Time"). */
#define MANIFEST_RESIGN_MS 1296000000ULL
/* A receiver takes messages until not_after + 8 d. */
#define MANIFEST_READ_GRACE_MS 691200000ULL

/* What a link is checked against: the manifest before it and its hash. */
struct chain_prev {
    struct manifest manifest;
    struct hash32 hash;
};

/* H("WAX1-mhash" ‖ body). */
wax_rc manifest_hash(struct bytes body, struct hash32 *ret) WAX_MUST;
/* H("WAX1-acct" ‖ genesis body with bytes 1-32 zero). WAX_R_PARSE when body is shorter than
 * its fixed part. */
wax_rc acct_id_of(struct bytes genesis_body, struct acct_id *ret) WAX_MUST;
/* First 16 bytes of H("WAX1-dev" ‖ DSK). */
wax_rc dev_id_of(const struct point *dsk, struct dev_id *ret) WAX_MUST;

/* Checks a decoded link as the one after *prev, or as a genesis when prev is NULL. now: ms;
 * "in the future" is judged by the later of own and server clock, which the caller takes.
 * WAX_OK, a refusal class, or WAX_E_CRYPTO. Does not look at the handle: handle_matches. */
wax_rc chain_check(const struct chain_link *link, const struct chain_prev *prev,
                   uint64_t now) WAX_MUST;
/* Makes *ret the predecessor for the next link (copies the manifest, hashes the body). */
wax_rc chain_prev_of(const struct chain_link *link, struct chain_prev *ret) WAX_MUST;

/* Whether the manifest names exactly this handle (PROTOCOL 1 "Handle"). */
bool handle_matches(const struct manifest *m, const char *handle);

/* No key of m (DSK, DTK, recovery together) occurs twice. */
bool manifest_keys_distinct(const struct manifest *m);

/* Index of the device with this id in m, or -1 in *ret when it is not listed. */
wax_rc manifest_find(const struct manifest *m, const struct dev_id *dev, int *ret) WAX_MUST;
/* Index of the device with this DSK, or -1. */
int manifest_find_dsk(const struct manifest *m, const struct point *dsk);

/* Times of a manifest (saturating at UINT64_MAX). Expiry is judged by the own clock. */
uint64_t manifest_not_after(const struct manifest *m);
/* Sealing to its devices is allowed (now ≤ not_after); else the account is dormant. */
bool manifest_sealable(const struct manifest *m, uint64_t now);
/* Messages of its devices are still taken (now ≤ not_after + 8 d). */
bool manifest_readable(const struct manifest *m, uint64_t now);
/* Less than 15 d are left: its owner signs it again (after a random delay, the caller's). */
bool manifest_resign_due(const struct manifest *m, uint64_t now);

#endif
