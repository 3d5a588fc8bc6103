/* The next manifest of an account (PROTOCOL 1, 5.2; RECORDS 3): add, revoke, rename, recover,
 * re-sign. Each step checks its own result by the chain's rules before handing it out. */
#ifndef ACCOUNT_UPDATE_H
#define ACCOUNT_UPDATE_H

#include "account/keys.h"
#include "chain/manifest_check.h"

/* Who signs: a device of the previous manifest, or its recovery key. */
struct update_signer {
    enum signer_kind kind;
    const struct ec_key *key; /* DSK or recovery private key; borrowed */
    struct dev_id dev;        /* kind 1 */
};
struct update_signer update_signer_device(const struct device_keys *k);
struct update_signer update_signer_recovery(const struct ec_key *recovery);

/* What changes; {0} changes nothing: the re-sign. All borrowed. */
struct update_change {
    const struct dev_id *revoke; /* devices to drop */
    size_t n_revoke;
    bool revoke_all; /* all of the previous ones (recovery); then revoke is ignored */
    const struct manifest_device *add; /* to the end, in this order */
    size_t n_add;
    const struct dev_id *rename_dev; /* NULL: none */
    const char *rename_to;
    const char *handle; /* NULL: stays */
    bool set_recovery;  /* kind 2 only: recovery becomes *recovery, or none if NULL */
    const struct point *recovery;
};

/* Appends the signed record (body ‖ sig) of the successor of *prev; issued = max(now,
 * previous). WAX_E_NOTFOUND: a device to revoke or rename is not listed; WAX_E_FULL: more than
 * 20 devices would result; WAX_E_INVAL: none would be left, bad name or handle, recovery
 * change by a device; WAX_E_DENIED: the signer is not in *prev, or its key is not the one
 * named there; WAX_E_EXISTS: a new device's key is in use already. */
wax_rc update_record(const struct chain_prev *prev, const struct update_signer *signer,
                     const struct update_change *change, uint64_t now, struct buf *record) WAX_MUST;

/* Joins record and joins (in the order of the new devices), checks the whole by chain_check
 * (WAX_R_* when something does not hold; dates against the later of now and the previous
 * issued) and appends the chain link. */
wax_rc update_link(const struct chain_prev *prev, struct bytes record, const struct join *joins,
                   size_t n_joins, uint64_t now, struct buf *link) WAX_MUST;

/* Record and link in one, for changes where every new device's keys are here: none (revoke,
 * rename, re-sign) or one (`recover`: joiner, whose entry is change->add[0]). joiner NULL:
 * change->n_add must be 0. Appends the chain link (UpdateRequest.chain_link). */
wax_rc update_make(const struct chain_prev *prev, const struct update_signer *signer,
                   const struct update_change *change, const struct device_keys *joiner,
                   uint64_t now, struct buf *link) WAX_MUST;

#endif
