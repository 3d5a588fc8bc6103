/* The first manifest of an account (PROTOCOL 1 "Genesis", RECORDS 3). */
#ifndef ACCOUNT_GENESIS_H
#define ACCOUNT_GENESIS_H

#include "account/keys.h"

struct genesis_in {
    const struct device_keys *keys;
    const char *handle;           /* exact lower-case form (handle_fold) */
    const char *name;             /* of the device, 1-64 bytes */
    const struct point *recovery; /* public recovery key; NULL: none, for ever */
    uint64_t now;                 /* earlier of own and server clock */
};

/* Builds and signs genesis and join, appends the chain link (RegisterRequest.chain_link) to
 * link, and makes the first prekey (RegisterRequest.bundle_record = ret->record). Store keys,
 * link and prekey before the POST and repeat those bytes. WAX_E_INVAL: handle or name. */
wax_rc genesis_make(const struct genesis_in *in, const struct rng *rng, struct buf *link,
                    struct prekey *ret_prekey) WAX_MUST;

#endif
