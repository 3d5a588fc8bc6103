/* One queued message on its way: which devices, what is sealed for each, one request. */
#ifndef CLIENT_DELIVER_H
#define CLIENT_DELIVER_H

#include "client/repair.h"
#include "session/fanout.h"
#include "session/seal.h"

#define DELIVER_DEVICES_MAX (2 * MANIFEST_DEVICES_MAX)

/* A device that has to get the message: in the newest manifests, not this one, not done yet. */
struct target {
    struct party party;
    bool own;          /* of this account */
    int index;         /* in its manifest */
    struct buf sealed; /* its row: u64 when ‖ u32 |hdr| ‖ hdr ‖ body; empty: not sealed */
    bool dormant;
};

struct delivery {
    struct client *c;
    uint64_t order;
    struct outbox box;
    struct pin peer, own;
    struct target targets[DELIVER_DEVICES_MAX];
    size_t n_targets;
    bool held; /* some wait behind an earlier message to the same device */
    uint32_t skipped_peer, skipped_own; /* P's bit sets */
};

void delivery_done(struct delivery *d);
/* Loads the row and both pins, lists targets, loads what is sealed. */
wax_rc delivery_load(struct delivery *d) WAX_MUST;
/* Whether a device of the other side has it (of a note to oneself: always). */
bool delivery_has_peer(const struct delivery *d);
/* Seals what is missing, in one transaction (4.1). WAX_E_DORMANT: there is nobody to seal to. */
wax_rc delivery_seal(struct delivery *d) WAX_MUST;
/* One POST. WAX_OK: 202 and the row is up to date; *ret_again: a 409 was taken in, load again. */
wax_rc delivery_post(struct delivery *d, bool *ret_again, bool *ret_finished) WAX_MUST;

#endif
