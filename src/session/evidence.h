/* Judgements over facts: what a returned envelope proves (PROTOCOL 4.6 b), and what the
 * look-ups of an unknown sender device amount to (4.2). */
#ifndef SESSION_EVIDENCE_H
#define SESSION_EVIDENCE_H

#include "session/rows.h"
#include "session/state.h"

/* True (in *ret) when the envelope, which `peer` returned to us, proves that this state is an
 * older one: validly signed by our own DSK for that device, in a session we hold with it,
 * for a slot at or beyond our next one, or for one whose own slot hash we keep and which
 * differs. All sessions and prekeys are then dropped (4.6). Anything else is no evidence.
 * Errors are local ones. */
wax_rc session_rollback_evidence(const struct party *me, const struct party *peer,
                                 const struct peer_sessions *state, const struct session_rows *rows,
                                 struct bytes envelope, bool *ret) WAX_MUST;

/* The rule alone. */
struct rollback_facts {
    bool session_held, signature_valid;
    bool has_next; /* something was sent in it; else everything is beyond */
    uint32_t next_epoch, next_ctr;
    uint32_t epoch, ctr;          /* the returned slot */
    bool has_kept;                /* its own slot hash is still kept */
    struct hash32 kept, returned; /* slot hashes */
};
bool rollback_proved(const struct rollback_facts *f);

/* One look-up of the handle that the frame named: when it began and what it found. */
struct sender_lookup {
    uint64_t begun; /* ms, the server's clock like the frame's time */
    bool has_device;
};
#define SENDER_LOOKUP_MS 60000   /* a look-up begun that long after the frame counts */
#define SENDER_REFETCH_MS 600000 /* at most one refetch per account in that time */
/* WAX_OK: known. WAX_R_UNKNOWN_SENDER. WAX_E_WAIT: cannot judge yet. */
wax_rc sender_verdict(uint64_t frame_time, const struct sender_lookup *l, size_t n) WAX_MUST;

#endif
