/* Repair (PROTOCOL 4.3-4.8): what is kept for it, and who does what. Everything here runs inside
 * the caller's transaction unless it says otherwise, and everything is bounded: a contact or a
 * server must not be able to make this device send without end. */
#ifndef CLIENT_REPAIR_H
#define CLIENT_REPAIR_H

#include "client/internal.h"
#include "client/statement.h"

#define HOUR_MS 3600000ULL
#define DAY_MS (24 * HOUR_MS)

#define LIFE_MS (7 * DAY_MS + 2 * HOUR_MS) /* what the server keeps, with a sweep to spare */
#define STALE_MS (7 * DAY_MS) /* sealed that long ago and still here: sealed anew (4.8) */

#define REPEAT_KEEP_MS (14 * DAY_MS) /* own messages are repeated that long after they went out */
#define REPEATS_MAX 3U               /* of a message to a device */
#define REPEATS_HOUR 256U            /* to a device in an hour */
#define ASK_COMS_MAX 256U            /* named in one request (RECORDS 15) */
#define ASK_MS HOUR_MS               /* between two requests to a device */
#define ASK_HOUR 64U                 /* requests to all devices in an hour */
#define ASKS_MAX 6U                  /* times that one message is asked for */
#define HAND_MAX 256U                /* messages handed on to an own device in an hour */
#define MISSED_HOUR 16U              /* senders told of a device they left out, in an hour */
#define HEED_HOUR 16U                /* of a device: times that it may tell so */
#define MISSING_MAX 64U              /* devices told of that the directory is to be asked for */
#define UNREAD_DEVICE_MAX 1000U      /* messages listed of one device; further ones by the hour */
#define UNREAD_ALL_MAX 10000U

/* Rows of VT_REPAIR: kind 1 ‖ the rest of the key. */
enum repair_row {
    REPAIR_UNREAD = 'u',  /* dev 16 ‖ com 32 → an unreadable message */
    REPAIR_ASKED = 'a',   /* dev 16 → when a request went to it last */
    REPAIR_CATCHUP = 's', /* own device 16 → what it is asked for (5.4) */
    REPAIR_NEWEST = 'n',  /* sid 16 → newest accepted envelope of the session */
    REPAIR_HEAL = 'c',    /* dev 16 → traffic that goes one way (4.7) */
    REPAIR_MISSED = 'm', /* sender's device 16 ‖ own device 16 → told that he left it out (4.8) */
    REPAIR_MISSING = 'l', /* a contact's device 16 → told of, not in our pin (4.8) */
    REPAIR_BUDGET = 'b',  /* what 1 ‖ dev 16 → hour begun 8 ‖ used 4 */
};
struct bytes repair_key(enum repair_row kind, struct bytes a, struct bytes b,
                        uint8_t out[VAULT_KEY_MAX]);

/* A budget by the hour: *ret is false when it is used up, else it is charged. dev NULL: of all. */
enum budget {
    BUDGET_REPEAT = 1,
    BUDGET_ASK = 2,
    BUDGET_COUNT = 3,
    BUDGET_EVIDENCE = 4,
    BUDGET_HAND = 5,
    BUDGET_MISSED = 6,
    BUDGET_HEED = 7
};
wax_rc budget_take(struct client *c, enum budget what, const struct dev_id *dev, uint32_t n,
                   uint32_t most, bool *ret) WAX_MUST;

/* --- sent.c: own messages that went out, as a repeat needs them --- */
enum {
    SENT_PENDING = 1, /* a repeat of it is in the outbox */
    SENT_ENDED = 2    /* its newest envelope expired; told */
};
struct sent_dev {
    struct dev_id dev;
    struct sid sid; /* the session that its newest envelope was sealed in; zero: none was */
    struct fanout_id fanout;
    uint8_t repeats, flags;
};
#define SENT_DEVICES_MAX 64 /* of one message: those listed, and what came and went meanwhile */
struct sent {
    uint8_t kind; /* enum outbox_kind */
    struct acct_id peer;
    uint64_t sealed;   /* its newest envelope, by the earlier clock */
    uint64_t last;     /* when the server took it last, by the later clock */
    uint64_t accepted; /* the server's clock: last taken; 0: not yet known */
    uint64_t history;  /* 0: none */
    uint32_t n;
    struct sent_dev devs[SENT_DEVICES_MAX];
};
wax_rc sent_load(struct client *c, const struct hash32 *com, struct sent *ret) WAX_MUST;
wax_rc sent_store(struct client *c, const struct hash32 *com, const struct sent *s) WAX_MUST;
/* r32 ‖ content. */
wax_rc sent_content(struct client *c, const struct hash32 *com, struct hash32 *ret_r32,
                    struct buf *content) WAX_MUST;
struct sent_dev *sent_find(struct sent *s, const struct dev_id *dev);
/* The same, added where it is not there; NULL: no room. */
struct sent_dev *sent_add(struct sent *s, const struct dev_id *dev);
/* The outbox row is about to be sealed for a device in that session. */
wax_rc sent_sealed(struct client *c, const struct outbox *o, const struct dev_id *dev,
                   const struct sid *sid) WAX_MUST;
/* The server took it, or nobody is left to send it to. listed: devices that it could not be sealed
 * for, and that may ask for it. accepted: the server's clock, 0: none. */
wax_rc sent_finished(struct client *c, const struct outbox *o, const struct dev_id *listed,
                     size_t n, uint64_t accepted) WAX_MUST;
/* sent.accepted in a row of VT_SENT as it lies there; 0 too for one of another kind. */
uint64_t sent_accepted(struct bytes row);
/* The earliest time at which the server may have taken that: an answer that was lost is known only
 * by the one to the next try. */
uint64_t sent_first(struct bytes row);
/* What no repeat may be asked for any more, and whose fate is known or no longer to be known. */
wax_rc sent_sweep(struct client *c) WAX_MUST;

/* --- repeat.c: the answering side --- */
/* A request that came in session `in`. */
wax_rc repeat_answer(struct client *c, const struct opened *o) WAX_MUST;
/* Queues one more envelope of an own message for a device; *ret false when a rule forbids it
 * (REPEATS_MAX, one is on its way). to_acct: its account, NULL: as the vault knows. in: the session
 * to seal in, or NULL. s is changed and stored. */
wax_rc repeat_queue(struct client *c, const struct hash32 *com, struct sent *s,
                    const struct dev_id *to, const struct acct_id *to_acct, const struct sid *in,
                    bool *ret) WAX_MUST;

/* --- notice.c: what the server says became of messages --- */
/* A frame of type 2 or 4; in a transaction of its own. */
wax_rc server_word(struct client *c, const struct frame *f) WAX_MUST;
/* The person is told that devices did not get a message; again: it is sent once more. dev NULL:
 * several. */
wax_rc expiry_tell(struct client *c, const struct hash32 *com, const struct sent *s,
                   const struct dev_id *dev, uint32_t devices, bool again,
                   const char *detail) WAX_MUST;
/* A repeat for a device that cannot be written to any more has left the outbox. */
wax_rc expiry_ended(struct client *c, const struct outbox *o) WAX_MUST;
/* The mailbox was drained `before` and is so `now` (the server's clock): notices that came and went
 * in between are made good. */
wax_rc notices_missed(struct client *c, uint64_t before, uint64_t now) WAX_MUST;

/* --- heal.c: control messages (4.7) --- */
wax_rc heal_received(struct client *c, const struct opened *o, const struct pin *pin) WAX_MUST;
wax_rc heal_sent(struct client *c, const struct dev_id *dev) WAX_MUST;
wax_rc heal_forget(struct client *c, const struct dev_id *dev) WAX_MUST;
wax_rc heal_tick(struct client *c) WAX_MUST;

/* --- missed.c: devices that a sender does not know of (4.8) --- */
/* A message came that this account's newest devices cannot have got: its sender is told. */
wax_rc missed_note(struct client *c, const struct opened *o, const char *from,
                   uint64_t frame_time) WAX_MUST;
/* A MISSED_DEVICE content. */
wax_rc missed_take(struct client *c, const struct opened *o) WAX_MUST;
/* Asks the directory for those told of; in transactions of its own. */
wax_rc missed_look(struct client *c) WAX_MUST;

/* --- clone.c: evidence of a clone (4.3, 4.6 b) --- */
/* After an envelope was accepted into s: kept while it is its session's newest. */
wax_rc clone_keep(struct client *c, const struct opened *o, const struct peer_sessions *s,
                  struct bytes envelope) WAX_MUST;
wax_rc clone_forget(struct vault *v, const struct sid *sid) WAX_MUST;
/* An envelope whose signature holds collides with an accepted one: both go back, once an hour. */
wax_rc clone_return(struct client *c, const struct env_hdr *hdr, struct bytes envelope) WAX_MUST;
/* What a peer returned to us; drops all sessions where it proves that this home is an older copy.
 */
wax_rc clone_judge(struct client *c, const struct opened *o, bool *ret_older) WAX_MUST;

/* --- unread.c: the asking side --- */
/* A message whose signature holds cannot be read: listed once, and asked for. alert: NULL when the
 * person was told otherwise. */
wax_rc unread_note(struct client *c, const struct env_hdr *hdr, const struct env_fanout *fanout,
                   const struct item *alert) WAX_MUST;
/* A message that is not for people came after all: its line goes. */
wax_rc unread_resolve(struct client *c, const struct hash32 *com,
                      const struct acct_id *sender) WAX_MUST;
/* Its line has become the message: nothing is asked for any more. */
wax_rc unread_forget(struct client *c, const struct dev_id *dev, const struct hash32 *com) WAX_MUST;
wax_rc unread_ask(struct client *c) WAX_MUST;
/* Whether a request may go to that device now (ASK_MS, ASK_HOUR); charged when it may. */
wax_rc ask_allowed(struct client *c, const struct dev_id *dev, bool *ret) WAX_MUST;

/* --- kept.c: messages of others with their sender's signed statement --- */
struct kept {
    uint64_t accepted; /* the server's clock */
    struct statement told;
};
void kept_done(struct kept *k);
wax_rc kept_put(struct client *c, const struct opened *o, uint64_t frame_time) WAX_MUST;
wax_rc kept_load(struct client *c, const struct hash32 *com, struct kept *ret) WAX_MUST;
/* Appends the coms (32 bytes each) accepted at or after that time, oldest first. */
wax_rc kept_since(struct client *c, uint64_t since, struct buf *ret) WAX_MUST;

/* --- handing.c: own devices help each other out (5.4) --- */
/* The other devices of this account. */
wax_rc siblings(struct client *c, struct dev_id out[MANIFEST_DEVICES_MAX], size_t *ret) WAX_MUST;
/* Messages are gone that came after the mailbox was drained at that time (the server's clock): the
 * others are asked for them. */
wax_rc catchup_begin(struct client *c, uint64_t drained) WAX_MUST;
wax_rc catchup_tick(struct client *c) WAX_MUST;
/* A request of an own device: for one message, or for all since a time. */
wax_rc handing_answer(struct client *c, const struct opened *o, const struct hash32 *com) WAX_MUST;
wax_rc handing_since(struct client *c, const struct opened *o, uint64_t since) WAX_MUST;
/* A HANDED_ON content. */
wax_rc handing_take(struct client *c, const struct opened *by) WAX_MUST;

/* --- repair.c: what is due --- */
/* Something is due at that time (own clock). */
wax_rc repair_at(struct client *c, uint64_t at) WAX_MUST;
/* Queues a content for one device. peer: its account. content is packed. */
wax_rc device_box(struct client *c, const struct acct_id *peer, const struct dev_id *to,
                  const Wax__V1__Content *content) WAX_MUST;
/* Does what is due, in a transaction of its own: only queues, never sends. */
wax_rc repair_tick(struct client *c) WAX_MUST;

#endif
