/* Sealing one message for one device (PROTOCOL 2, 4.1, 4.5). */
#ifndef SESSION_SEAL_H
#define SESSION_SEAL_H

#include "base/rng.h"
#include "session/rows.h"
#include "session/state.h"
#include "wire/manifest.h"

/* A verified bundle of the peer device: signature, dates and pin are checked by the caller
 * (src/account); here its id and hash are taken over the exact body bytes. */
struct seal_bundle {
    struct bytes body; /* 1,659 bytes: RECORDS 4 without the signature; borrowed */
};

struct seal_in {
    const struct party *me, *peer;
    struct fanout_id fanout;
    struct hash32 com;
    /* P's fields. start, echo and continuity are filled in here; what stands there is not
     * looked at. content is the exact bytes that com was taken over. */
    const struct payload *payload;
    /* Used when an INIT has to be made; NULL: then WAX_E_NOTFOUND. Look one up when
     * session_sending gives NULL. */
    const struct seal_bundle *bundle;
    bool force_init;              /* 409 with a newer bundle: a fresh INIT whatever is held */
    const struct sid *in_session; /* answer to a repeat request (4.8): this session, if it
                                     is held (else WAX_E_NOTFOUND); NULL: by 4.5 */
    uint64_t now;                 /* ms, the earlier of own and server clock */
};

/* One sealed message; `struct sealed x = {0};`, use again after sealed_reset, end with
 * sealed_done. Not secret but for what delta may hold. */
struct sealed {
    struct buf hdr, body; /* for the outbox, and for the tree (session/fanout.h) */
    struct slot slot;
    bool started;               /* a new session began with it */
    struct session_delta delta; /* own slot hash (4.3, 4.6); SIDs of an erased session */
};
void sealed_reset(struct sealed *x);
void sealed_done(struct sealed *x);

/* Picks the session (or starts one with in->bundle), makes the DH step and the KEM offer or
 * answer when due, seals. WAX_OK: state is advanced, mk is erased, ret is filled: store
 * both in one transaction before anything is sent (a slot is never sealed twice).
 * Else: state as before, ret empty. WAX_E_NOTFOUND: a bundle is needed; WAX_R_POINT,
 * WAX_R_KEM: the bundle's keys are none; WAX_E_TOOBIG: content. rng: for keys of a step or
 * an INIT only. */
wax_rc session_seal(const struct seal_in *in, struct peer_sessions *state, const struct rng *rng,
                    struct sealed *ret) WAX_MUST;

/* The same with a complete, padded P given (known answers); in->payload is not looked at. */
wax_rc session_seal_p(const struct seal_in *in, struct bytes p, struct peer_sessions *state,
                      const struct rng *rng, struct sealed *ret) WAX_MUST;

#endif
