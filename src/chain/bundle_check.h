/* The rules of prekey bundles (PROTOCOL 1, RECORDS 4), pure; shared by the account layer and
 * the server's directory. */
#ifndef CHAIN_BUNDLE_CHECK_H
#define CHAIN_BUNDLE_CHECK_H

#include "wire/manifest.h"

/* H("WAX1-bundle" ‖ bytes 0-1658) of a record (1,723 bytes) or of a bare body (1,659);
 * WAX_E_INVAL for another length. */
wax_rc bundle_hash(struct bytes record, struct hash32 *ret) WAX_MUST;
/* The bundle id: its first 16 bytes. */
struct bundle_id bundle_id_of(const struct hash32 *hash);

/* Checks a record (bytes as they came) with its decoded form, after wire's `parse`, in the
 * order of RECORDS 0: dev_id (`chain`), `signature`, SPK on the curve (`point`), `kem`,
 * `dates`: not_before > now + 1 h, or below pin_not_before (0: no pin; equal is fine: it is
 * the same bundle or the owner's clash, the server wants it rising). now: the later of own
 * and server clock. Whether it is too old to seal to is not asked here. */
wax_rc bundle_check(struct bytes record, const struct bundle *b, const struct dev_id *dev,
                    const struct point *dsk, uint64_t now, uint64_t pin_not_before) WAX_MUST;

uint64_t bundle_not_after(const struct bundle *b); /* saturating */
/* now (own clock) ≤ not_after; else the device is dormant, which RECORDS 0 calls `dates`. */
bool bundle_usable_for_sealing(const struct bundle *b, uint64_t now);

#endif
