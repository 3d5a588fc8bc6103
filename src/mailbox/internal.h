/* Inside src/mailbox only. */
#ifndef MAILBOX_INTERNAL_H
#define MAILBOX_INTERNAL_H

#include "base/list.h"
#include "mailbox/mailbox.h"

#define MAILBOX_BUCKETS 4096 /* a power of two; dev_ids are hashes already */

struct fetch;

struct mailbox {
    struct mailbox_conf conf;
    struct store *store;
    uint64_t now;
    struct list calls;   /* struct mail_call */
    struct list fetches; /* struct fetch */
    struct list streams; /* by next heartbeat, the earliest first */
    struct list by_dev[MAILBOX_BUCKETS];
    size_t n_streams;

    uint64_t sweep_at;
    bool sweeping;
    struct store_req sweep;
};

struct mailbox_stream {
    struct list beat;   /* in mailbox.streams */
    struct list bucket; /* in mailbox.by_dev */
    struct mailbox *m;
    struct dev_id dev;
    struct http_responder *r;
    void (*ended)(void *ctx);
    void *ctx;
    uint64_t cursor; /* highest seq sent */
    uint64_t beat_at;
    uint64_t fetched_at;
    struct fetch *fetch; /* at the store now, or NULL */
    bool again;          /* woken meanwhile */
    bool checked;        /* the cursor was compared with what the mailbox ever gave */
    bool drained;        /* the stored part is over */
    uint8_t stalls;      /* heartbeats that found the pipe full */
};

/* One fetch at the store; outlives a stream that goes away meanwhile (then NULL). */
struct fetch {
    struct list node;
    struct mailbox_stream *stream;
    struct store_req req;
};

/* One running send or ack. */
struct mail_call {
    struct list node;
    struct mailbox *m;
    mailbox_fn fn;
    void *ctx;
    struct mailbox_answer answer;
    void *msg; /* the parsed body, with copies of all it needs; ProtobufCMessage */
    struct mailbox_login login;
    struct store_acct_seq *accounts;
    struct store_envelope *envelopes;
    struct conflict *conflict; /* send only: a SendConflict in the making */
    struct store_req req;
};

struct mail_call *mail_call_new(struct mailbox *m, mailbox_fn fn, void *ctx);
void mail_call_end(struct mail_call *c, wax_rc rc, const char *what);
void mail_call_free(struct mail_call *c);
const char *mail_trouble(wax_rc rc);

/* send_conflict.c: nothing was stored; looks up what the sender does not know yet and ends
 * the call with the SendConflict. c->req is the STORE_SEND that failed. */
void conflict_begin(struct mail_call *c);
void conflict_free(struct conflict *x);

/* stream.c: the part of the tick that belongs to streams. */
void streams_beat(struct mailbox *m);
void streams_free(struct mailbox *m);

#endif
