/* The session layer's rows on the vault's tables. */
#ifndef CLIENT_ROWS_H
#define CLIENT_ROWS_H

#include "session/open.h"
#include "session/rows.h"
#include "session/state.h"

struct client;

/* Callbacks for session_judge and session_open_known; `state` is the small state in hand (may
 * be NULL for judging). r.ctx points into *ctx. */
struct rows_ctx {
    struct client *c;
    const struct peer_sessions *state;
};
struct session_rows rows_of(struct rows_ctx *ctx);

/* Loads the small state of a peer device; a fresh one when there is none. */
wax_rc peer_load(struct client *c, const struct dev_id *dev, struct peer_sessions *ret) WAX_MUST;
/* Stores it, with the SIDs it holds. */
wax_rc peer_store(struct client *c, const struct peer_sessions *s) WAX_MUST;
/* Forgets a peer device: its sessions with all their rows. */
wax_rc peer_drop(struct client *c, const struct dev_id *dev) WAX_MUST;

/* Applies a delta, inside the caller's transaction. opened: the message for its fan-out part
 * (kept with the slot), NULL when it was sealed. */
wax_rc delta_apply(struct client *c, const struct dev_id *peer, const struct session_delta *d,
                   const struct opened *opened, uint64_t now) WAX_MUST;

#endif
