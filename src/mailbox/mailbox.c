#include "mailbox/internal.h"

#include "base/mem.h"
#include "base/log.h"
#include "wire/proto.h"

#define SWEEP_MAX_MS 60000

wax_rc mailbox_new(const struct mailbox_conf *conf, struct store *store, struct mailbox **ret)
{
    struct mailbox *m = mem_alloc(sizeof *m);

    if (!m)
        return WAX_E_NOMEM;
    m->conf = *conf;
    m->store = store;
    list_init(&m->calls);
    list_init(&m->fetches);
    list_init(&m->streams);
    for (size_t i = 0; i < MAILBOX_BUCKETS; i++)
        list_init(&m->by_dev[i]);
    *ret = m;
    return WAX_OK;
}

void mailbox_free(struct mailbox *m)
{
    if (!m)
        return;
    while (!list_empty(&m->calls))
        mail_call_free(LIST_OF(m->calls.next, struct mail_call, node));
    streams_free(m);
    mem_free(m);
}

void mailbox_reconfigure(struct mailbox *m, const struct mailbox_conf *conf)
{
    m->conf = *conf;
    m->sweep_at = m->now;
}

size_t mailbox_streams(const struct mailbox *m) { return m->n_streams; }

struct mail_call *mail_call_new(struct mailbox *m, mailbox_fn fn, void *ctx)
{
    struct mail_call *c = mem_alloc(sizeof *c);

    if (!c) {
        struct mailbox_answer a = {.rc = WAX_E_NOMEM, .what = mail_trouble(WAX_E_NOMEM)};
        fn(ctx, &a);
        return NULL;
    }
    list_add(&m->calls, &c->node);
    c->m = m;
    c->fn = fn;
    c->ctx = ctx;
    return c;
}

void mail_call_free(struct mail_call *c)
{
    list_del(&c->node);
    conflict_free(c->conflict);
    proto_free(c->msg);
    mem_free(c->accounts);
    mem_free(c->envelopes);
    buf_done(&c->answer.body);
    mem_free(c);
}

void mail_call_end(struct mail_call *c, wax_rc rc, const char *what)
{
    c->answer.rc = rc;
    c->answer.what = what;
    c->fn(c->ctx, &c->answer);
    mail_call_free(c);
}

const char *mail_trouble(wax_rc rc)
{
    if (rc == WAX_E_TOOBIG)
        return "The body is larger than 16 MiB";
    if (rc_is_refusal(rc))
        return "The body is not the message that belongs to this request";
    return "The server cannot do this now; try again";
}

static void acked(struct store_req *req)
{
    struct mail_call *c = req->ctx;
    wax_rc rc = req->rc;

    store_req_done(req);
    mail_call_end(
        c, rc, rc == WAX_E_NOTFOUND ? "This device is in no manifest any more" : mail_trouble(rc));
}

void mailbox_ack(struct mailbox *m, struct bytes body, const struct dev_id *dev, uint64_t now,
                 mailbox_fn fn, void *ctx)
{
    struct mail_call *c = mail_call_new(m, fn, ctx);
    ProtobufCMessage *msg = NULL;

    if (!c)
        return;
    wax_rc rc = proto_unpack(&wax__v1__ack_request__descriptor, body, API_BODY_MAX, &msg);
    c->msg = msg;
    if (rc != WAX_OK) {
        mail_call_end(c, rc, mail_trouble(rc));
        return;
    }
    const Wax__V1__AckRequest *a = (const void *)msg;
    c->req = (struct store_req){.op = STORE_ACK, .now = now, .done = acked, .ctx = c};
    c->req.u.ack = (struct store_ack){.dev = *dev, .seqs = a->seqs, .n = a->n_seqs};
    store_submit(m->store, &c->req);
}

/* --- The sweep --- */

static uint64_t sweep_every(const struct mailbox *m)
{
    uint64_t every = m->conf.message_life_ms / 3;

    if (every > SWEEP_MAX_MS)
        every = SWEEP_MAX_MS;
    return every ? every : 1;
}

static void sweep_if_due(struct mailbox *m);

static void swept(struct store_req *req)
{
    struct mailbox *m = req->ctx;
    struct buf_list woken = req->u.sweep.notified;
    bool more = req->u.sweep.more && req->rc == WAX_OK;

    if (req->rc != WAX_OK)
        log_error("mailbox: the expiry sweep failed: %s", rc_text(req->rc));
    for (size_t i = 0; i < woken.n; i++) {
        struct dev_id dev;
        if (woken.v[i].n != sizeof dev)
            continue;
        memcpy(dev.b, woken.v[i].p, sizeof dev);
        mailbox_wake(m, &dev);
    }
    store_req_done(req);
    m->sweeping = false;
    m->sweep_at = more ? m->now : m->now + sweep_every(m);
    sweep_if_due(m);
}

static void sweep_if_due(struct mailbox *m)
{
    if (m->sweeping || m->now < m->sweep_at)
        return;
    m->sweeping = true;
    m->sweep = (struct store_req){.op = STORE_SWEEP, .now = m->now, .done = swept, .ctx = m};
    m->sweep.u.sweep.message_life = m->conf.message_life_ms;
    store_submit(m->store, &m->sweep);
}

void mailbox_tick(struct mailbox *m, uint64_t now)
{
    m->now = now;
    streams_beat(m);
    sweep_if_due(m);
}

uint64_t mailbox_next_wake(const struct mailbox *m)
{
    uint64_t at = m->sweeping ? UINT64_MAX : m->sweep_at;

    if (!list_empty(&m->streams)) {
        const struct mailbox_stream *first = LIST_OF(m->streams.next, struct mailbox_stream, beat);
        if (first->beat_at < at)
            at = first->beat_at;
    }
    return at;
}
