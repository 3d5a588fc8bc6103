/* The client core: registration, login, outbox, sealing, receiving, own devices — everything
 * that decides, over effects passed in: the vault, a transport, a clock and randomness. It
 * opens no file and no socket and reads no clock, so that scenarios run dozens of devices in
 * one thread under a seed, and crash them at any effect.
 *
 * Straight-line code over these interfaces rather than one hand-written state machine an
 * operation: each `transport.request` and each `vault_commit` is a point where the scenario
 * harness may run other devices, lose the reply or end the process.
 *
 * One client belongs to one thread. Several processes may work on one home: every state
 * change is one vault transaction that reads what it changes (vault_begin excludes the
 * others), and nothing read before it is trusted inside it. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "account/link.h"
#include "base/clock.h"
#include "base/rng.h"
#include "client/item.h"
#include "vault/vault.h"
#include "wire/records.h"

/* --- Effects -------------------------------------------------------------------------- */

struct transport_reply {
    int status;
    struct buf body;
    unsigned retry_after;
    uint64_t server_time; /* from the Date header; 0: unknown */
    char problem[32];     /* NAME of a problem document's urn:waxwing:NAME, or "" */
    char detail[256];     /* its detail, or "" */
};
struct transport {
    /* One request to the server, path with query, body may be empty. `as` is this device (header
     * wax-device and TLS key). WAX_OK: there is a reply, whatever its status. WAX_E_NET, WAX_E_TLS,
     * WAX_E_TIMEOUT: nobody knows whether the server acted. reply starts empty and is the
     * caller's to free. */
    wax_rc (*request)(void *ctx, const char *method, const char *path, struct bytes body,
                      struct transport_reply *reply);
    void *ctx;
};

/* Takes apart what strangers wrote, without the keys that this process holds (libwax: the box of
 * src/box). Appends the record of wire/content_record.h to an empty buffer. WAX_R_PARSE: it is no
 * content; WAX_E_CRASHED: it died of it, or took too long; WAX_E_HELPER: it cannot be started.
 * Called inside a transaction: it must not come back to the client. */
struct decoder {
    wax_rc (*content)(void *ctx, struct bytes content, struct buf *ret_record);
    void *ctx;
};

struct client_env {
    struct vault *vault;
    const struct rng *rng;
    const struct wall_clock *clock;
    const struct transport *net;
    /* Held over login (PROTOCOL 4.6) and over a manifest change; NULL: one process only.
     * WAX_E_BUSY when it cannot be had in time. */
    wax_rc (*lock)(void *ctx);
    void (*unlock)(void *ctx);
    void *lock_ctx;
    const struct decoder *decoder; /* NULL: in this process; for tests and scenarios */
};

struct client;

/* Loads the identity from the vault. WAX_E_NOTFOUND: no account here yet. env is copied; what
 * it points to outlives the client. */
wax_rc client_open(const struct client_env *env, struct client **ret) WAX_MUST;
void client_close(struct client *c);

const char *client_handle(const struct client *c);
const struct acct_id *client_acct(const struct client *c);
const struct dev_id *client_dev(const struct client *c);
/* The login key, for the TLS certificate (borrowed). */
struct ec_key;
const struct ec_key *client_login_key(const struct client *c);

/* The last problem document's "detail", or a sentence of our own; "" when there is none. */
const char *client_detail(const struct client *c);
/* Since the last call: a message was left at the server, since a row it needs cannot be read. */
bool client_met_damage(struct client *c);
/* An alert `store_damaged` of what was found damaged in the own store (lines, for people); the same
 * text is told once. In a transaction of its own. */
wax_rc client_tell_damage(struct client *c, const struct buf *report) WAX_MUST;

/* --- Making an account (client/register.c) ------------------------------------------------ */

struct client_register {
    const char *handle; /* folded */
    const char *device_name;
    const char *admission;  /* invite code, or "" */
    const uint8_t *entropy; /* 16 bytes of the recovery key, or NULL: none */
};
/* Step 1, local: makes the keys and the genesis and commits them, so that a repeat after a
 * lost reply publishes the same bytes. Step 2 is client_register_publish. A home that holds
 * an unpublished account of the same handle goes on with it. WAX_E_EXISTS: there is a
 * published one, or an unpublished one of another handle. */
wax_rc client_register_prepare(const struct client_env *env, const struct client_register *o,
                               struct client **ret) WAX_MUST;
/* POST /v1/accounts. WAX_E_DENIED: invitation invalid; WAX_E_EXISTS: handle taken (the
 * unpublished account is dropped from the vault in both cases; client_detail says why). */
wax_rc client_register_publish(struct client *c, const char *admission) WAX_MUST;
bool client_is_published(const struct client *c);
/* A verified manifest of the account does not list this device any more: known since a login, and
 * for good, since keys of a removed device are never taken again (PROTOCOL 5.2). */
bool client_is_revoked(const struct client *c);

/* --- Connecting (client/login.c) ------------------------------------------------------------ */

/* Once per process and connection, before anything is sealed: rollback counter, prekey
 * rotation, own directory entry, manifest re-signing. WAX_E_DENIED: this device is revoked. */
wax_rc client_login(struct client *c) WAX_MUST;
/* Logs in again if something that was received asks for it (4.6 b), else does nothing. */
wax_rc client_refresh(struct client *c) WAX_MUST;
/* Deletes what has outlived its rule: prekeys, sessions, skipped keys, caches. Called by
 * login and after a drained mailbox. */
wax_rc client_maintain(struct client *c, bool drained) WAX_MUST;

/* --- Accounts known (client/directory.c) ----------------------------------------------------- */

struct pin;
/* The pinned account with that handle, from the vault. WAX_E_NOTFOUND. Freed by pin_done. */
wax_rc client_pin_by_handle(struct client *c, const char *handle, struct pin *ret) WAX_MUST;
wax_rc client_pin_by_acct(struct client *c, const struct acct_id *acct, struct pin *ret) WAX_MUST;
/* Asks the directory and pins what verifies. WAX_E_NOTFOUND: unknown handle; a refusal class:
 * the answer was set aside and an alert is recorded; WAX_E_DENIED: another account under a
 * pinned handle (`identity_changed`). */
wax_rc client_lookup(struct client *c, const char *handle) WAX_MUST;
/* Takes the changed identity of a pinned handle for good (wax accept-identity). */
wax_rc client_accept_identity(struct client *c, const char *handle, const char *digits) WAX_MUST;
wax_rc client_set_verified(struct client *c, const char *handle) WAX_MUST;
/* The 60 digits between this account and handle's; `pending`: of the identity that waits for
 * acceptance. digits: ≥ 61 bytes. */
wax_rc client_safety(struct client *c, const char *handle, bool pending, char digits[61]) WAX_MUST;

/* --- Sending (client/compose.c, client/flush.c) ---------------------------------------------- */

/* Commits a text to outbox and history; *ret is its com. The recipient must be pinned (look
 * up first): WAX_E_NOTFOUND; WAX_E_DENIED: its identity changed and is not accepted. */
wax_rc client_compose_text(struct client *c, const char *to, struct bytes text,
                           struct hash32 *ret) WAX_MUST;

struct flush_result {
    struct hash32 com;
    char to[HANDLE_MAX + 1];
    unsigned devices; /* ciphertexts that the server holds now */
    bool accepted;    /* else it waits on; why: */
    wax_rc why;
};
typedef void (*flush_fn)(void *ctx, const struct flush_result *r);
/* Sends what waits, oldest first; logs in first if that was not done. fn (may be NULL) hears
 * of each user message that was tried. WAX_OK: nothing waits any more; WAX_E_NET and the like:
 * the server is away; WAX_E_FULL: some wait for room or for a bundle. */
wax_rc client_flush(struct client *c, flush_fn fn, void *ctx) WAX_MUST;
/* Messages in the outbox (user messages only). */
wax_rc client_outbox_count(struct client *c, unsigned *ret) WAX_MUST;
typedef bool (*client_item_fn)(void *ctx, uint64_t order, const struct item *it);
/* Whether anything waits there, also what people do not see. */
wax_rc client_outbox_waits(struct client *c, bool *ret) WAX_MUST;
wax_rc client_outbox_each(struct client *c, client_item_fn fn, void *ctx) WAX_MUST;
/* WAX_E_NOTFOUND; WAX_E_DENIED: sealed already, a copy may be out. */
wax_rc client_outbox_cancel(struct client *c, const struct msg_id *id) WAX_MUST;

/* --- Receiving (client/receive.c) --------------------------------------------------------------
 */

/* Path of the mailbox stream ("/v1/mailbox?after=0"). */
#define CLIENT_MAILBOX_PATH "/v1/mailbox?after=0"
/* Takes one frame: commits what it brings (message, alert, notice), and says whether it may be
 * acked (*ret_ack). An envelope that cannot be judged yet waits in memory, unacked, and those
 * of the same device behind it. Errors are local ones only (vault, memory): nothing was
 * committed, nothing may be acked. */
wax_rc client_frame(struct client *c, const struct frame *f, bool *ret_ack) WAX_MUST;
/* Frames so far that brought nothing: refused, known already, about nothing. More than a mailbox
 * holds of them is a flood: client_flooded says so (alert server_refused) and gives WAX_E_PROTO. */
uint64_t client_useless(const struct client *c);
wax_rc client_flooded(struct client *c) WAX_MUST;
/* Acks seqs at the server (≤ 4,096 a request). */
wax_rc client_ack(struct client *c, const uint64_t *seqs, size_t n) WAX_MUST;
/* Tries contents again that were set aside (client/aside.c) and are due, a few at a time; part of
 * client_retry_waiting and client_flush. WAX_E_HELPER: no box, they wait on. */
wax_rc client_aside_retry(struct client *c) WAX_MUST;
/* How many are set aside. */
wax_rc client_aside_count(struct client *c, unsigned *ret) WAX_MUST;
/* Tries what waits again; appends the seqs (8 bytes big-endian each) that may be acked now. */
wax_rc client_retry_waiting(struct client *c, struct buf *ret_seqs) WAX_MUST;

/* --- What the person sees (client/events.c, client/history.c) ------------------------------------
 */

/* The oldest event with seq > after whose state is below `shown_below`. The caller frees it by
 * item_done. WAX_E_NOTFOUND. */
wax_rc client_event_next(struct client *c, uint64_t after, enum item_shown shown_below,
                         uint64_t *ret_seq, enum item_shown *ret_shown, struct item *ret) WAX_MUST;
/* Durable before it returns. */
wax_rc client_event_mark(struct client *c, uint64_t seq, enum item_shown shown) WAX_MUST;
/* Messages of both directions, in the order of their arrival here. */
wax_rc client_history_each(struct client *c, const char *with, client_item_fn fn,
                           void *ctx) WAX_MUST;
/* Pinned accounts other than our own. */
typedef bool (*client_pin_fn)(void *ctx, const struct pin *pin);
wax_rc client_pins_each(struct client *c, client_pin_fn fn, void *ctx) WAX_MUST;
/* New events not shown yet in the conversation with that handle. */
wax_rc client_unread(struct client *c, const char *with, unsigned *ret) WAX_MUST;

/* --- Own devices (client/devices.c, client/linking.c)
 * --------------------------------------------- */

/* A new manifest without the devices given, or with another name for this one; published by
 * compare-and-swap (PROTOCOL 1 "one head"). WAX_E_CONFLICT: another change won; look again. */
wax_rc client_revoke(struct client *c, const struct dev_id *dev) WAX_MUST;
wax_rc client_rename(struct client *c, const char *name) WAX_MUST;

/* When this client first saw a device in its account's manifest, and who signed it in (the
 * manifest's signer, where it was a device). WAX_E_NOTFOUND. */
struct client_device_note {
    uint64_t added_at; /* the manifest's issued */
    uint32_t seq;      /* of the manifest it was first seen in */
    bool has_by;
    struct dev_id added_by;
};
wax_rc client_device_note(struct client *c, const struct dev_id *dev,
                          struct client_device_note *ret) WAX_MUST;

/* Linking, new side (PROTOCOL 5.1). The keys are made and kept in memory until record 6. */
struct client_link_ui {
    void (*link_code)(void *ctx, const char text[65]);
    void (*six_digits)(void *ctx, const char digits[7], const char *handle);
    /* Fills digits; non-zero cancels. The old side's. */
    int (*ask_digits)(void *ctx, const char *name, char digits[7]);
    /* Waits about ms, or cancels (false). Scenarios run others meanwhile. */
    bool (*pause)(void *ctx, unsigned ms);
    /* The other device has ended the link, and why. May be NULL. */
    void (*ended)(void *ctx, enum link_end why);
    void *ctx;
};
/* env.net sends without a device here. Nothing is shown before the server has answered and knows
 * the handle (WAX_E_NOTFOUND: it does not). A server that is away later is waited for until the
 * deadline. On success the vault holds the identity. Refusal class, WAX_E_TIMEOUT,
 * WAX_E_DENIED (another account answers) or WAX_E_CANCELLED else, and the vault stays empty. */
wax_rc client_link_new(const struct client_env *env, const char *handle, const char *device_name,
                       const struct client_link_ui *ui, uint64_t deadline,
                       struct client **ret) WAX_MUST;
/* After a process died late in client_link_new: if the account lists this home's device by now, the
 * link is finished (WAX_OK); if not, what was begun is dropped (WAX_E_NOTFOUND, as when nothing
 * was). WAX_E_EXISTS: the home has an account, or a registration that is not finished. */
wax_rc client_link_resume(const struct client_env *env, struct client **ret) WAX_MUST;
/* Old side. WAX_E_DENIED: wrong digits; WAX_E_NOTFOUND: no such link code (gone or mistyped);
 * WAX_E_EXISTS: it was answered before, here or by another device; WAX_E_CANCELLED: the new device
 * ended it. */
wax_rc client_link_approve(struct client *c, const char *link_code, const struct client_link_ui *ui,
                           uint64_t deadline, struct dev_id *ret_dev) WAX_MUST;

/* --- Small settings of the layer above (server address, CA): VT_META rows "lib.NAME" -------------
 */
wax_rc client_meta_get(struct vault *v, const char *name, struct buf *out) WAX_MUST;
wax_rc client_meta_put(struct vault *v, const char *name, struct bytes value) WAX_MUST;

#endif
