/* The rollback counter (PROTOCOL 4.6, RECORDS 8): the record, and what a device does with
 * what it is served. {GET, judge, raise, fsync, PUT} is one step under the home's lock: the
 * caller's. Evidence (b) of 4.6, a returned envelope, is judged in src/session. */
#ifndef ACCOUNT_ROLLBACK_H
#define ACCOUNT_ROLLBACK_H

#include "crypto/crypto.h"
#include "wire/records.h"

/* u64 n ‖ HMAC(K_roll, "WAX1-roll" ‖ dev_id ‖ u64 n). */
wax_rc counter_make(const struct key32 *k_roll, const struct dev_id *dev, uint64_t n,
                    uint8_t ret[COUNTER_SIZE]) WAX_MUST;

enum rollback_verdict {
    ROLLBACK_GO_ON,          /* raise the own n to *ret_next, fsync, PUT */
    ROLLBACK_RESET,          /* this is a restored copy: drop all sessions and prekeys, then
                                raise to *ret_next, fsync, PUT */
    ROLLBACK_SERVER_REFUSED, /* alert; never a reset; nothing is sealed, nothing raised */
};

struct rollback_in {
    const struct key32 *k_roll;
    const struct dev_id *dev;
    uint64_t own_n;      /* 0 at first */
    bool put_confirmed;  /* a PUT of this device was confirmed once */
    struct bytes served; /* the GET's body; n = 0: the server has none */
};
/* *ret_next (where it is to be used): max(own, served) + 1. */
wax_rc rollback_judge(const struct rollback_in *in, enum rollback_verdict *ret,
                      uint64_t *ret_next) WAX_MUST;

#endif
