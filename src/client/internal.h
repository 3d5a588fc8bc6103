/* What the files of the client core share. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include <stdarg.h>

#include "account/keys.h"
#include "account/pin.h"
#include "base/mem.h"
#include "client/aside.h"
#include "client/client.h"
#include "client/rows.h"
#include "crypto/crypto.h"
#include "wire/proto.h"

/* Bundles served in this process, by device: what an INIT is sealed to. */
struct served_bundle {
    struct dev_id dev;
    bool usable; /* verified and in date */
    uint8_t record[BUNDLE_RECORD];
};

/* When a handle was last looked up for the sake of an unknown sender device (4.2). */
struct handle_lookup {
    struct hash32 handle;
    uint64_t begun; /* ms, the server's clock */
    bool fruitless; /* it did not know the device either */
};

/* A frame kept in memory until it can be judged: at the server it stays unacked, so that
 * nothing is lost when this process ends (4.2 "Cannot judge yet"). */
struct waiting {
    uint64_t seq, time;
    struct dev_id from;
    char hint[HANDLE_MAX + 1];
    struct buf envelope;
};
/* What a frame counts for that cost a write and brought nothing. */
#define USELESS_WRITE 64
#define WAITING_MAX 1000
#define WAITING_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct client {
    struct client_env env;
    struct device_keys keys;
    struct acct_id acct;
    char handle[HANDLE_MAX + 1];
    bool published;
    bool revoked; /* a verified manifest of the account does not list this device */
    bool logged_in;
    int64_t skew; /* server clock − own clock, ms, by the last reply */
    bool has_skew;
    bool damaged; /* a row of ours did not open while messages were taken in */
    char detail[512];
    struct buf fresh;        /* acct_ids looked up in this process, 32 bytes each */
    struct buf bundles;      /* of struct served_bundle */
    struct buf lookups;      /* of struct handle_lookup: refetches for unknown senders */
    struct waiting *waiting; /* envelopes that cannot be judged yet; unacked at the server */
    size_t n_waiting, cap_waiting, waiting_bytes;
    uint64_t useless; /* frames that brought nothing, see client_useless */
};

/* --- state.c --- */
wax_rc meta_get_u64(struct vault *v, const char *name, uint64_t *ret) WAX_MUST; /* absent: 0 */
wax_rc meta_put_u64(struct vault *v, const char *name, uint64_t value) WAX_MUST;
wax_rc meta_next(struct vault *v, const char *name, uint64_t *ret) WAX_MUST; /* from 1 */
struct bytes order_key(uint64_t order, uint8_t out[8]);
void client_say(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What a decoder says of a row of ours: a refusal is damage here, and not the message's or the
 * server's fault; want of memory stays what it is. */
static inline wax_rc row_rc(wax_rc rc) { return rc_is_refusal(rc) ? WAX_E_DAMAGED : rc; }
/* Ends a transaction: commit when rc is OK, else roll back and hand rc on. */
wax_rc vault_finish(struct vault *v, wax_rc rc) WAX_MUST;
/* PROTOCOL 0: expiry by the own clock; "in the future" by the later; issued and not_before by
 * the earlier of own and server clock. */
uint64_t now_own(const struct client *c);
uint64_t now_early(const struct client *c);
uint64_t now_server(const struct client *c); /* own, corrected by what the server last told */
uint64_t now_late(const struct client *c);
struct client *client_alloc(const struct client_env *env);
struct party client_self(const struct client *c);

/* --- call.c --- */
/* One request; the reply's status becomes a result: 2xx OK, 401 403 DENIED, 404 NOTFOUND,
 * 409 CONFLICT (handle-taken: EXISTS), 413 TOOBIG, 422 INVAL, 507 FULL, 429 and 503 NET (later),
 * else PROTO. reply is filled whenever there was one; freed by reply_done. */
wax_rc client_call(struct client *c, const char *method, const char *path, struct bytes body,
                   struct transport_reply *reply) WAX_MUST;
void reply_done(struct transport_reply *r);

/* --- events.c --- */
wax_rc event_put_item(struct vault *v, const struct item *it) WAX_MUST;
wax_rc event_put_history(struct vault *v, uint64_t order) WAX_MUST;
/* At most one an hour for the same kind, class, handle and device. */
#define ALERT_QUIET_MS 3600000ULL
wax_rc event_put_alert(struct client *c, const struct item *alert) WAX_MUST;
wax_rc history_load(struct vault *v, uint64_t order, struct item *ret) WAX_MUST;
wax_rc history_store(struct vault *v, uint64_t order, const struct item *it) WAX_MUST;
/* An alert with its fields; `now` filled in. */
struct item alert_make(const struct client *c, const char *kind, wax_rc klass, const char *handle,
                       const struct dev_id *dev, const char *detail);

/* --- pins.c: inside or outside a transaction --- */
wax_rc pin_load(struct client *c, const struct acct_id *acct, struct pin *ret) WAX_MUST;
wax_rc pin_load_handle(struct client *c, const char *handle, struct pin *ret) WAX_MUST;
wax_rc pin_store(struct client *c, const struct pin *pin) WAX_MUST;
/* The device in its account's newest verified manifest: WAX_E_NOTFOUND. */
wax_rc client_find_device(struct client *c, const struct dev_id *dev, struct party *ret) WAX_MUST;
/* The pinned account of a device, listed or retired. */
wax_rc client_device_acct(struct client *c, const struct dev_id *dev, struct acct_id *ret) WAX_MUST;
/* Stores a pin after pin_update: device rows, sessions of removed devices, offers, alerts,
 * siblings' sync. In a transaction. */
wax_rc pin_apply(struct client *c, const struct pin *pin, const struct pin_change *change) WAX_MUST;
/* Judges links and applies them in a transaction of its own; alerts for what does not hold.
 * links empty: nothing. */
wax_rc pins_take(struct client *c, const char *handle, const struct pin_link *links, size_t n,
                 uint32_t newest) WAX_MUST;
wax_rc pins_take_bundles(struct client *c, const char *handle, const ProtobufCBinaryData *records,
                         size_t n) WAX_MUST;
/* The other account that waits under this pin; WAX_E_NOTFOUND: none (the change is a recovery of
 * the same account). */
wax_rc candidate_load(struct client *c, const struct pin *pin, struct pin *ret) WAX_MUST;
wax_rc candidate_drop(struct client *c, const struct pin *pin) WAX_MUST;
const struct served_bundle *bundle_served(const struct client *c, const struct dev_id *dev);
wax_rc bundle_remember(struct client *c, const struct dev_id *dev, struct bytes record,
                       bool usable) WAX_MUST;

/* --- directory.c --- */
/* Takes a DirectoryReply for a handle. */
wax_rc directory_take(struct client *c, const char *handle, struct bytes body) WAX_MUST;
/* Looks up once in this process. */
wax_rc directory_fresh(struct client *c, const struct acct_id *acct, const char *handle) WAX_MUST;
void directory_forget(struct client *c, const struct acct_id *acct);

/* --- login.c --- */
wax_rc client_prekey_load(struct client *c, const struct bundle_id *id,
                          struct own_prekey *ret) WAX_MUST;
wax_rc client_prekey_store(struct client *c, const struct prekey *p) WAX_MUST;
wax_rc prekey_rotate(struct client *c) WAX_MUST;
/* This home is an older copy (4.6): what is dropped then. In a transaction. */
wax_rc client_reset(struct client *c) WAX_MUST;
/* After a successful login: makes sure own directory entry is as pinned. */
wax_rc client_ensure_login(struct client *c) WAX_MUST;

/* --- devices.c --- */
/* Publishes the next own manifest (bundle: of a new device, or empty): kept in the vault until that
 * one or another valid one of its seq is shown. WAX_E_CONFLICT: another one won and is pinned. */
wax_rc client_publish_manifest(struct client *c, struct bytes link, struct bytes bundle) WAX_MUST;
/* Repeats one that was begun and whose end is not known. */
wax_rc client_resume_manifest(struct client *c) WAX_MUST;

/* --- register.c --- */
/* Stores keys, account and whether it is published; the first prekey. In a transaction. */
wax_rc identity_store(struct client *c, uint64_t published) WAX_MUST;
wax_rc prekey_first(struct client *c, const struct prekey *p) WAX_MUST;

/* --- outbox.c --- */
enum outbox_kind {
    OUTBOX_TEXT = 1, /* the only ones that people see */
    OUTBOX_SYNC = 2,
    OUTBOX_DEVICE = 3, /* for one device: requests, control, evidence, handed on */
    OUTBOX_REPEAT = 4, /* an own message once more, for one device (4.8) */
};
struct outbox {
    uint8_t kind;
    bool has_fanout;
    bool has_sid;     /* OUTBOX_REPEAT: sealed in that session while it is held (4.8) */
    struct dev_id to; /* OUTBOX_DEVICE, OUTBOX_REPEAT: the device; else zero */
    struct sid sid;
    uint8_t why;         /* 0, or −wax_rc of the last try */
    struct acct_id peer; /* the other account; own for notes and syncs */
    struct hash32 r32, com;
    struct fanout_id fanout;
    uint64_t created, history; /* history: order of its row, 0: none */
    struct buf done;           /* dev_ids that have it, 16 bytes each */
    struct buf content;
};
void outbox_done(struct outbox *o);
wax_rc outbox_encode(const struct outbox *o, struct buf *out) WAX_MUST;
wax_rc outbox_decode(struct bytes in, struct outbox *ret) WAX_MUST;
wax_rc outbox_load(struct client *c, uint64_t order, struct outbox *ret) WAX_MUST;
wax_rc outbox_store(struct client *c, uint64_t order, const struct outbox *o) WAX_MUST;
/* Draws r32, makes com, gives it the next order. In a transaction. */
wax_rc outbox_add(struct client *c, struct outbox *o, uint64_t *ret_order) WAX_MUST;
/* The same with r32 and com as they are. */
wax_rc outbox_put(struct client *c, struct outbox *o, uint64_t *ret_order) WAX_MUST;
static inline bool outbox_one_device(const struct outbox *o) { return o->kind >= OUTBOX_DEVICE; }
bool outbox_has(const struct outbox *o, const struct dev_id *dev);
/* Takes the messages to an account that was replaced out of the outbox and says so: a message is
 * never sent to another account than it was written to. In a transaction. */
wax_rc outbox_orphan(struct client *c, const struct acct_id *gone) WAX_MUST;
/* Orders in the outbox, oldest first, 8 bytes each. */
wax_rc outbox_orders(struct client *c, struct buf *ret) WAX_MUST;
struct bytes fanout_key(const struct dev_id *dev, const struct fanout_id *f, uint8_t out[32]);
struct bytes sealed_key(uint64_t order, const struct dev_id *dev, uint8_t out[24]);

/* --- compose.c --- */
/* The conversation field: both acct_ids sorted. */
void conversation_of(const struct acct_id *a, const struct acct_id *b, uint8_t out[64]);
/* Queues a sync with these pins for the own other devices; nothing when there are none. In a
 * transaction. */
wax_rc sync_queue(struct client *c, const struct pin *const *pins, size_t n) WAX_MUST;

/* --- content.c: what an accepted message does; in the receiving transaction --- */
/* Display dedup (4.3): (com, sender account) → order of the history row, NO_LINE for what people
 * do not see. WAX_E_NOTFOUND. */
#define NO_LINE 0
wax_rc message_find(struct client *c, const struct hash32 *com, const struct acct_id *sender,
                    uint64_t *ret_order) WAX_MUST;
wax_rc message_file(struct client *c, const struct hash32 *com, const struct acct_id *sender,
                    uint64_t order) WAX_MUST;
wax_rc message_unfile(struct client *c, const struct hash32 *com,
                      const struct acct_id *sender) WAX_MUST;
/* Own messages that waited for their account to be known; accounts that a sibling told of. */
wax_rc content_release(struct client *c) WAX_MUST;
/* The directory is asked again for a pinned account, which may have new devices. In a transaction.
 */
wax_rc content_want(struct client *c, const struct pin *pin) WAX_MUST;
/* A message that an own device handed on, verified: for people only. */
wax_rc content_handed(struct client *c, const struct opened *o, const char *from_handle,
                      uint64_t accepted) WAX_MUST;
wax_rc content_take(struct client *c, const struct opened *o, const char *from_handle,
                    uint64_t frame_time) WAX_MUST;

#endif
