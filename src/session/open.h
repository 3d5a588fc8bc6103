/* Opening an envelope (PROTOCOL 4.2, 4.3, 4.5; order of refusals: RECORDS 5). */
#ifndef SESSION_OPEN_H
#define SESSION_OPEN_H

#include "session/rows.h"
#include "session/state.h"
#include "wire/proto.h"

/* What an INIT of an unknown SID did (4.5). */
enum start_verdict {
    START_NONE,        /* no new session */
    START_QUIET,       /* first contact, or both started */
    START_SWITCH,      /* valid continuity MAC: quiet */
    START_RESET,       /* shown, directory re-checked, verified contacts confirm */
    START_RESET_ALERT, /* likewise, and an alert: wrong MAC for a session held or kept */
};

enum conversation_kind {
    CONV_DIRECT, /* sender's account and ours */
    CONV_OWN,    /* from an own device: ours and `with` */
    CONV_NOTES,  /* from an own device: our account twice */
    CONV_GROUP,  /* a gid: whether the sender is a member is the client's to judge */
    CONV_LATER,  /* content is NULL */
};

/* Where a refusal came from; for alerts and repair, never for the server. */
enum clone_kind { CLONE_NONE, CLONE_SLOT, CLONE_FANOUT, CLONE_EPOCH };
struct open_why {
    enum clone_kind clone; /* WAX_R_CLONE: which of the three */
    bool renew;            /* WAX_R_GAP, ahead, or a MSG of a session that is not held: call
                              session_mark_renew (4.4, 4.5) */
    bool ahead;            /* WAX_R_RULE: an epoch that answers one we do not know to have sent: our
                              state is an older one, and the message cannot be read in it */
    bool fanout_known;     /* the (sender device, fanout id) was accepted before: do not list */
};

/* An accepted message. Owned by the caller, ended by opened_done; holds secrets. Views
 * point into `plain`. */
struct opened {
    struct party sender;
    struct slot slot;
    struct buf plain;          /* P, padded */
    struct payload payload;    /* its fields */
    Wax__V1__Content *content; /* payload.content, unpacked; NULL: to be judged later */
    enum conversation_kind conversation;
    struct acct_id with; /* CONV_DIRECT: the sender's account; CONV_OWN: the other one */
    struct hash32 com;
    struct env_fanout fanout; /* with the statement's depth and signature (4.3) */
    struct hash32 root;       /* of the signed tree: the statement is (depth, root, sig) */
    enum start_verdict start;
    bool has_sending; /* which session sends from now on (4.5) */
    struct sid sending;
    bool echo_ahead; /* the peer saw more of us than we sent: session_mark_renew */
    struct session_delta delta;
};
void opened_done(struct opened *o);

/* First half: parse, point, wrong_device, unknown_sender, signature. Needs no state: it
 * tells whose state to load. ret_env borrows from in. */
wax_rc session_judge(const struct party *me, const struct session_rows *rows, struct bytes in,
                     struct envelope *ret_env, struct party *ret_sender,
                     struct hash32 *ret_root) WAX_MUST;

/* Second half, for an envelope that session_judge (or the same checks) let pass. state is
 * the small state of the sender's device (peer_sessions_init when there is none yet).
 *
 * WAX_OK: state is the new one, ret is filled; store both with ret->delta in one
 * transaction, or forget both. Else: a class of RECORDS 0 or a local error; state is byte
 * for byte as before, ret untouched. *why (may be NULL) is written in every case.
 * `now` in ms. WAX_R_PARSE after a good MAC: the content is no valid message. WAX_R_NO_KEY
 * also for an INIT beyond SEEN_MAX of one sender and bundle (4.3). A group message is opened
 * whatever the membership: where that refuses it, forget state and delta. */
wax_rc session_open_known(const struct party *me, const struct party *sender,
                          const struct hash32 *root, struct peer_sessions *state,
                          const struct session_rows *rows, const struct envelope *env, uint64_t now,
                          struct opened *ret, struct open_why *why) WAX_MUST;

/* Both halves, where the caller knows the sender device beforehand; WAX_E_INVAL when state
 * is another device's. */
wax_rc session_open(const struct party *me, struct peer_sessions *state,
                    const struct session_rows *rows, struct bytes in, uint64_t now,
                    struct opened *ret, struct open_why *why) WAX_MUST;

/* The conversation rule of 4.2 alone: content (an unpacked one) from `sender` to `me`.
 * WAX_R_CONVERSATION. ret_with is written for CONV_DIRECT and CONV_OWN. */
wax_rc session_conversation(const struct party *me, const struct party *sender,
                            const Wax__V1__Content *content, enum conversation_kind *ret_kind,
                            struct acct_id *ret_with) WAX_MUST;

/* com = H("WAX1-content" ‖ r32 ‖ content). */
wax_rc session_com(const struct hash32 *r32, struct bytes content, struct hash32 *ret) WAX_MUST;

/* H("WAX1-slot" ‖ hdr ‖ body) and H("WAX1-epoch" ‖ hdr without its ctr). */
wax_rc session_slot_hash(struct bytes hdr, struct bytes body, struct hash32 *ret) WAX_MUST;
wax_rc session_epoch_hash(struct bytes hdr, struct hash32 *ret) WAX_MUST;

#endif
