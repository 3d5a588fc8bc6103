/* Inside src/session only: one envelope on its way through session_open_known. */
#ifndef SESSION_OPENING_H
#define SESSION_OPENING_H

#include "session/open.h"

/* Where the message key comes from. */
enum key_source {
    KEY_SKIPPED,   /* a stored skipped key */
    KEY_CURRENT,   /* further on in the epoch being received */
    KEY_NEW_EPOCH, /* a step */
    KEY_INIT,      /* a new session */
};

/* Holds secrets: opening_done. */
struct opening {
    const struct party *me, *sender;
    const struct session_rows *rows;
    const struct envelope *env;
    uint64_t now;
    struct peer_sessions *next; /* the copy that is worked on */
    size_t at;                  /* index in next->held; n_held (the spare place) for an INIT */
    enum key_source source;
    struct hash32 slot_hash, constants;
    struct hash32 seen_key;   /* KEY_INIT */
    struct own_prekey prekey; /* KEY_INIT */
    struct key32 mk;
    struct session_delta delta;
    struct open_why why;
};

/* Everything that is judged before a key is touched, in RECORDS 5's order from "SID held
 * with another device" to "jump". Fills at, source, hashes, prekey, and mk for a skipped key. */
wax_rc opening_admit(struct opening *o) WAX_MUST;
/* Moves next->held[at] on and derives mk and the skipped keys: step, INIT, chain. */
wax_rc opening_keys(struct opening *o) WAX_MUST;
/* The start rule of 4.5 for a new session told by payload p; makes the session one of those
 * held. */
wax_rc opening_start(struct opening *o, const struct payload *p, enum start_verdict *ret) WAX_MUST;

#endif
