/* GET /v1/mailbox: one response that goes on for hours (RECORDS 14). What was sent stays in
 * the store until its ack; so nothing here needs to be durable. */
#include "base/mem.h"
#include "mailbox/internal.h"
#include "wire/records.h"

#define FETCH_BYTES ((size_t)256 * 1024)
/* A reader that takes nothing for so many heartbeats is gone in all but name. */
#define STALLS_MAX 3

static struct list *bucket_of(struct mailbox *m, const struct dev_id *dev)
{
    return &m->by_dev[get_u32(dev->b) & (MAILBOX_BUCKETS - 1)];
}

static void stream_free(struct mailbox_stream *st)
{
    list_del(&st->beat);
    list_del(&st->bucket);
    st->m->n_streams--;
    if (st->fetch)
        st->fetch->stream = NULL;
    mem_free(st);
}

/* The mailbox ends the answer by itself. */
static void stream_end(struct mailbox_stream *st)
{
    void (*ended)(void *ctx) = st->ended;
    void *ctx = st->ctx;

    st->r->ops->end(st->r);
    stream_free(st);
    ended(ctx);
}

static uint64_t next_beat(const struct mailbox *m)
{
    return m->now + (m->conf.heartbeat_ms ? m->conf.heartbeat_ms : 1);
}

static bool stream_full(const struct mailbox_stream *st)
{
    return st->r->ops->pending(st->r) >= MAILBOX_PENDING_MAX;
}

static wax_rc write_frame(struct mailbox_stream *st, uint8_t type, uint64_t seq, uint64_t time,
                          struct bytes rest)
{
    struct buf out = {0};
    wax_rc rc = frame_encode(type, seq, time, rest, &out);

    if (rc == WAX_OK)
        st->r->ops->write(st->r, buf_view(&out));
    buf_done(&out);
    return rc;
}

static void fetched(struct store_req *req);

static void fetch_more(struct mailbox_stream *st)
{
    if (st->fetch) {
        st->again = true;
        return;
    }
    if (stream_full(st)) /* goes on when drained */
        return;
    struct fetch *f = mem_alloc(sizeof *f);
    if (!f) { /* the next heartbeat tries again */
        st->fetched_at = 0;
        return;
    }
    st->fetch = f;
    st->again = false;
    st->fetched_at = st->m->now;
    f->stream = st;
    list_add(&st->m->fetches, &f->node);
    f->req = (struct store_req){.op = STORE_FETCH, .now = st->m->now, .done = fetched, .ctx = f};
    f->req.u.fetch =
        (struct store_fetch){.dev = st->dev, .after = st->cursor, .max_bytes = FETCH_BYTES};
    store_submit(st->m->store, &f->req);
}

/* Writes what was found. Ends the stream (false) when it cannot go on. */
static bool write_rows(struct mailbox_stream *st, const struct store_fetch *f, wax_rc rc)
{
    for (size_t i = 0; rc == WAX_OK && i < f->n_rows; i++) {
        const struct store_row *row = &f->rows[i];
        rc = write_frame(st, row->type, row->seq, row->time, buf_view(&row->rest));
        if (rc == WAX_OK)
            st->cursor = row->seq;
    }
    if (rc != WAX_OK) {
        stream_end(st);
        return false;
    }
    return true;
}

/* A cursor beyond all that this mailbox ever gave is from another life of the server
 * (restored from a backup): from the start, then. */
static bool cursor_is_foreign(struct mailbox_stream *st, const struct store_fetch *f)
{
    bool foreign = !st->checked && st->cursor > f->last_seq;

    st->checked = true;
    if (foreign)
        st->cursor = 0;
    return foreign;
}

static void fetched(struct store_req *req)
{
    struct fetch *f = req->ctx;
    struct mailbox_stream *st = f->stream;
    const struct store_fetch *got = &req->u.fetch;

    list_del(&f->node);
    if (st) {
        bool any = got->n_rows > 0;
        st->fetch = NULL;
        if (req->rc == WAX_OK && cursor_is_foreign(st, got)) {
            fetch_more(st);
        } else if (write_rows(st, got, req->rc)) {
            if (!any && !st->drained) {
                st->drained = true;
                any = st->again;
                if (write_frame(st, FRAME_DRAINED, st->cursor, st->m->now, BYTES(NULL, 0)) !=
                    WAX_OK) {
                    stream_end(st);
                    st = NULL;
                }
            }
            if (st && (any || st->again))
                fetch_more(st);
        }
    }
    store_req_done(req);
    mem_free(f);
}

wax_rc mailbox_stream_open(struct mailbox *m, const struct dev_id *dev, uint64_t after,
                           struct http_responder *r, uint64_t now, void (*ended)(void *ctx),
                           void *ctx, struct mailbox_stream **ret)
{
    struct list *head = bucket_of(m, dev);
    size_t n = 0;

    m->now = now;
    for (struct list *l = head->next; l != head; l = l->next)
        n += ID_EQ(&LIST_OF(l, struct mailbox_stream, bucket)->dev, dev);
    if (n >= MAILBOX_STREAMS_MAX)
        return WAX_E_FULL;
    struct mailbox_stream *st = mem_alloc(sizeof *st);
    if (!st)
        return WAX_E_NOMEM;
    st->m = m;
    st->dev = *dev;
    st->r = r;
    st->ended = ended;
    st->ctx = ctx;
    st->cursor = after;
    st->beat_at = next_beat(m);
    list_add(&m->streams, &st->beat);
    list_add(head, &st->bucket);
    m->n_streams++;
    *ret = st;
    r->ops->start(r, 200, HTTP_STREAM_TYPE, 0);
    fetch_more(st);
    return WAX_OK;
}

void mailbox_stream_drained(struct mailbox_stream *st)
{
    st->stalls = 0;
    fetch_more(st);
}

void mailbox_stream_gone(struct mailbox_stream *st) { stream_free(st); }

void mailbox_wake(struct mailbox *m, const struct dev_id *dev)
{
    struct list *head = bucket_of(m, dev);

    for (struct list *l = head->next; l != head; l = l->next) {
        struct mailbox_stream *st = LIST_OF(l, struct mailbox_stream, bucket);
        if (ID_EQ(&st->dev, dev))
            fetch_more(st);
    }
}

void mailbox_end_device(struct mailbox *m, const struct dev_id *dev)
{
    struct list *head = bucket_of(m, dev), *next;

    for (struct list *l = head->next; l != head; l = next) {
        struct mailbox_stream *st = LIST_OF(l, struct mailbox_stream, bucket);
        next = l->next;
        if (ID_EQ(&st->dev, dev))
            stream_end(st);
    }
}

void mailbox_end_all(struct mailbox *m)
{
    while (!list_empty(&m->streams))
        stream_end(LIST_OF(m->streams.next, struct mailbox_stream, beat));
}

static void beat(struct mailbox_stream *st)
{
    struct mailbox *m = st->m;

    list_del(&st->beat);
    st->beat_at = next_beat(m);
    list_add(&m->streams, &st->beat);
    if (stream_full(st)) {
        if (++st->stalls >= STALLS_MAX)
            stream_end(st);
        return;
    }
    st->stalls = 0;
    if (write_frame(st, FRAME_HEARTBEAT, 0, m->now, BYTES(NULL, 0)) != WAX_OK) {
        stream_end(st);
        return;
    }
    if (m->now - st->fetched_at >= MAILBOX_REFETCH_MS)
        fetch_more(st);
}

void streams_beat(struct mailbox *m)
{
    while (!list_empty(&m->streams)) {
        struct mailbox_stream *st = LIST_OF(m->streams.next, struct mailbox_stream, beat);
        if (st->beat_at > m->now)
            return;
        beat(st);
    }
}

void streams_free(struct mailbox *m)
{
    while (!list_empty(&m->streams))
        stream_free(LIST_OF(m->streams.next, struct mailbox_stream, beat));
    while (!list_empty(&m->fetches)) {
        struct fetch *f = LIST_OF(m->fetches.next, struct fetch, node);
        list_del(&f->node);
        mem_free(f);
    }
}
