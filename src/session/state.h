/* The small state of the sessions with one peer device (PROTOCOL 2, 4.5): keys of at most
 * three held sessions and what is kept of at most four erased ones. One row of the vault;
 * everything that can grow lives in rows of its own (session/rows.h).
 *
 * A plain struct: embed it or put it on the heap (about 18 KiB), start it with
 * peer_sessions_init, end it with peer_sessions_wipe. It holds secrets. */
#ifndef SESSION_STATE_H
#define SESSION_STATE_H

#include "base/buf.h"
#include "wire/envelope.h"

#define SESSIONS_HELD_MAX 3 /* the sending one and two for reading (4.5) */
#define SESSIONS_KEPT_MAX 4
#define SESSION_START_MAX 0x7fffffffffffffffULL /* RECORDS 6 */

#define SESSION_IDLE_MS (30ULL * 86400000) /* then an INIT replaces it */
#define SESSION_ERASE_MS (8ULL * 86400000) /* a session that does not send */
#define SESSION_RENEW_MS 3600000ULL        /* at most one renewing INIT an hour */
#define SESSION_AHEAD_MS 86400000ULL       /* a time further in the future is a wrong clock's */
#define SESSION_OFFER_MESSAGES 50          /* since the last KEM secret, both ways */
#define SESSION_OFFER_MS (7ULL * 86400000)

/* The continuity keys of a session: the XK of the newest epoch received and of the last
 * two it started, newest first. */
struct xk_set {
    bool has_received;
    uint8_t n_started; /* 0-2 */
    struct key32 received;
    struct key32 started[2];
};

struct send_chain {
    bool on;        /* something was sent (or a step made) */
    bool has_priv;  /* e_priv is there: until the step that answers it */
    bool has_offer; /* kp_seed, kp: our ML-KEM-768 offer of this epoch, likewise */
    uint32_t epoch, ctr /* next */, pcl;
    struct key32 ck;
    struct point e;
    struct key32 e_priv;
    struct seed64 kp_seed;
    uint16_t ct_len;         /* 0, 1088 or, in an INIT, 1568 */
    struct bundle_id bundle; /* epoch 0: whose keys the INIT used */
    struct sid cont_sid;     /* epoch 0: the continuity that every message of it tells */
    struct hash32 cont_mac;
    uint8_t kp[KEM768_EK_SIZE];
    uint8_t ct[KEM1024_CT_SIZE];
};

struct recv_chain {
    bool on;     /* something was received */
    bool has_kp; /* kp: the peer's offer, until our step answers it */
    uint32_t epoch, next /* ctr */;
    struct key32 ck;
    struct point e;
    uint8_t kp[KEM768_EK_SIZE];
};

struct session {
    struct sid sid;
    bool initiator;
    bool reading_only; /* not chosen for sending until something new is received in it */
    bool offer_due;    /* a device was added or removed in either account */
    uint64_t start;    /* as its INIT tells it */
    struct hash32 t;   /* transcript of the newest epoch */
    struct key32 rk;   /* root of the newest epoch */
    struct xk_set xk;
    uint64_t came_at;        /* ms: when it came to be here */
    uint64_t established_at; /* ms: since when it has both sent and received; 0: not yet */
    uint64_t used_at;        /* ms: last sealed or opened in it */
    uint64_t kem_at;         /* ms: last KEM secret */
    uint32_t since_kem;      /* messages both ways since then, saturating */
    struct send_chain send;
    struct recv_chain recv;
};

struct kept_session {
    struct sid sid;
    uint64_t start;
    struct xk_set xk;
};

struct peer_sessions {
    struct dev_id peer;
    bool renew;          /* the next seal starts an INIT (echo ahead, gap: 4.4, 4.5) */
    uint64_t renewed_at; /* ms: last time renew was granted; 0 never */
    uint8_t n_held, n_kept;
    struct session held[SESSIONS_HELD_MAX + 1];  /* in no particular order; one spare place for the
                                                  moment in which one replaces another */
    struct kept_session kept[SESSIONS_KEPT_MAX]; /* newest (highest start) first */
};

void peer_sessions_init(struct peer_sessions *s, const struct dev_id *peer);
void peer_sessions_wipe(struct peer_sessions *s);

/* Appends the row (first byte: version 1; secrets inside). */
wax_rc peer_sessions_encode(const struct peer_sessions *s, struct buf *out) WAX_MUST;
#define PEER_SESSIONS_MAX 20000 /* no encoding is longer */
/* WAX_E_DAMAGED: not such a row; WAX_E_VERSION: its first byte is another. ret is
 * overwritten only on success. */
wax_rc peer_sessions_decode(struct bytes in, struct peer_sessions *ret) WAX_MUST;

/* The session held with that SID, or NULL. Valid until the state changes. */
const struct session *session_find(const struct peer_sessions *s, const struct sid *sid);
/* PROTOCOL 4.5: which one sends: newest start, equal ones: lower SID; never a reading-only
 * one. NULL: none. Idleness is not looked at (see session_sending). */
const struct session *session_choose(const struct peer_sessions *s);
/* The session that a seal at `now` would use, or NULL when it would need an INIT: nothing
 * held that may send, renewal asked for, or idle for 30 d. */
const struct session *session_sending(const struct peer_sessions *s, uint64_t now);
/* Has both sent and received here. */
bool session_established(const struct session *x);
/* start of an INIT made now: max(now, highest start held or kept + 1), saturating.
 * `now` is the earlier of own and server clock (RECORDS 6). */
uint64_t session_own_start(const struct peer_sessions *s, uint64_t now);

/* 4.8: that session is for reading only from now on. False when it is not held. */
bool session_mark_reading_only(struct peer_sessions *s, const struct sid *sid);
/* A device was added to or removed from either account: every session offers a KEM key in
 * its next own epoch (PROTOCOL 2). */
void session_mark_offer_due(struct peer_sessions *s);
/* Times that lie over a day after now are those of a clock set back since; they become now. True
 * when something changed. */
bool session_set_back(struct peer_sessions *s, uint64_t now);
/* Echo ahead of our state, or a gap: the next seal makes an INIT, at most once an hour;
 * false when it was refused for that. */
bool session_mark_renew(struct peer_sessions *s, uint64_t now);

struct session_delta;
/* Erases what 4.5 says is over (a session that does not send, 8 d after the sending one
 * was established or after it came); SIDs whose rows go are added to delta->erased.
 * True when something changed. */
bool session_tidy(struct peer_sessions *s, uint64_t now, struct session_delta *delta);
/* When session_tidy has work next, in ms; UINT64_MAX: not as things are. */
uint64_t session_tidy_at(const struct peer_sessions *s);

#endif
