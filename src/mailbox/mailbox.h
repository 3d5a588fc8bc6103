/* The server's rules of store-and-forward (PROTOCOL 4.3, 9; RECORDS 14): commit, then
 * accept; stream; delete on ack; expire. It reads the fixed head of an envelope and never
 * what is inside.
 *
 * Asynchronous over the store contract, like src/directory: each call ends in exactly one
 * call of `fn`. Request bytes are borrowed for the call only. Reads no clock: `now` is ms of
 * the server's. */
#ifndef MAILBOX_MAILBOX_H
#define MAILBOX_MAILBOX_H

#include "base/http.h"
#include "store/store.h"

struct mailbox;

struct mailbox_conf {
    uint64_t message_life_ms;
    uint32_t max_count; /* per mailbox */
    uint64_t max_bytes;
    size_t max_fanout;
    uint64_t heartbeat_ms;
};

/* How many streams one device may have open, and how much waits unsent in one. */
#define MAILBOX_STREAMS_MAX 32
#define MAILBOX_PENDING_MAX ((size_t)256 * 1024)
/* A stream looks into the store at least this often, whatever wakes it. */
#define MAILBOX_REFETCH_MS 30000

struct mailbox_login {
    struct dev_id dev;
    struct acct_id acct;
    char handle[318];
};

/* How it ended. rc:
 *   WAX_OK           send: body is the SendReply; ack: no body
 *   WAX_E_CONFLICT   send: nothing is stored, body is the SendConflict
 *   WAX_E_FULL       send: every mailbox is full, nothing is stored
 *   WAX_E_NOTFOUND   ack: the device is in no manifest any more
 *   WAX_E_TOOBIG     over a cap
 *   WAX_R_*          not such a body
 *   others           trouble here; the same request, with the same fanout id, may be repeated
 * what is one static sentence for people, without its period. The answer lives for the call. */
struct mailbox_answer {
    wax_rc rc;
    const char *what;
    struct buf body;
};
typedef void (*mailbox_fn)(void *ctx, struct mailbox_answer *a);

/* The store outlives it, or has finished (or dropped in a crash) all its requests. */
wax_rc mailbox_new(const struct mailbox_conf *conf, struct store *store,
                   struct mailbox **ret) WAX_MUST;
/* Streams and calls left are dropped without a word. NULL is fine. */
void mailbox_free(struct mailbox *m);
void mailbox_reconfigure(struct mailbox *m, const struct mailbox_conf *conf);

/* POST /v1/messages. WAX_OK only after the store committed all of it. */
void mailbox_send(struct mailbox *m, struct bytes body, const struct mailbox_login *login,
                  uint64_t now, mailbox_fn fn, void *ctx);
/* POST /v1/mailbox/ack. */
void mailbox_ack(struct mailbox *m, struct bytes body, const struct dev_id *dev, uint64_t now,
                 mailbox_fn fn, void *ctx);

/* GET /v1/mailbox: one response that goes on. Starts the answer and writes frames: what is
 * stored after `after`, a `drained` frame, then what arrives. ended(ctx) is called once after
 * the mailbox ended the answer by itself (device removed, drain, stalled), never after
 * stream_gone. WAX_E_FULL: too many streams of this device; the responder is untouched. */
struct mailbox_stream;
wax_rc mailbox_stream_open(struct mailbox *m, const struct dev_id *dev, uint64_t after,
                           struct http_responder *r, uint64_t now, void (*ended)(void *ctx),
                           void *ctx, struct mailbox_stream **ret) WAX_MUST;
/* The network has taken what was written. */
void mailbox_stream_drained(struct mailbox_stream *st);
/* The client went away; the responder and the stream are invalid after it. */
void mailbox_stream_gone(struct mailbox_stream *st);

/* The device's mailbox has something new. */
void mailbox_wake(struct mailbox *m, const struct dev_id *dev);
/* Ends all streams of a device, or all there are. */
void mailbox_end_device(struct mailbox *m, const struct dev_id *dev);
void mailbox_end_all(struct mailbox *m);

/* Heartbeats, and the expiry sweep every min(60 s, message_life / 3). */
void mailbox_tick(struct mailbox *m, uint64_t now);
uint64_t mailbox_next_wake(const struct mailbox *m);
size_t mailbox_streams(const struct mailbox *m);

#endif
