#include <stdio.h>

#include "base/mem.h"
#include "net/server_in.h"
#include "os/clock.h"

static struct net_stream *of(struct http_responder *r) { return (struct net_stream *)(void *)r; }

struct net_stream *net_stream_new(struct net_conn *c, int32_t id)
{
    struct net_stream *st = mem_alloc(sizeof *st);

    if (!st)
        return NULL;
    st->responder.ops = &net_stream_ops;
    st->conn = c;
    st->id = id;
    st->since = os_mono_ms();
    st->next = c->streams;
    if (st->next)
        st->next->prev = st;
    c->streams = st;
    c->n_streams++;
    return st;
}

void net_stream_drop_body(struct net_stream *st)
{
    st->conn->body_bytes -= st->body.n;
    st->conn->server->body_bytes -= st->body.n;
    buf_done(&st->body);
}

static void drop_request(struct net_stream *st)
{
    net_stream_drop_body(st);
    mem_free(st->method);
    mem_free(st->path);
    mem_free(st->device);
    st->method = st->path = st->device = NULL;
    st->query = NULL;
}

static void drop_answer(struct net_stream *st)
{
    if (!st->out)
        return;
    st->conn->queued -= evbuffer_get_length(st->out);
    evbuffer_free(st->out);
    st->out = NULL;
}

static void leave_line(struct net_stream *st)
{
    struct net_conn *c = st->conn;
    struct net_stream **at = &c->ready, *before = NULL;

    if (!st->ready)
        return;
    while (*at != st) {
        before = *at;
        at = &before->next_ready;
    }
    *at = st->next_ready;
    if (c->ready_last == st)
        c->ready_last = before;
    st->next_ready = NULL;
    st->ready = false;
}

void net_stream_free(struct net_stream *st)
{
    struct net_conn *c = st->conn;

    leave_line(st);
    drop_request(st);
    drop_answer(st);
    if (st->prev)
        st->prev->next = st->next;
    else
        c->streams = st->next;
    if (st->next)
        st->next->prev = st->prev;
    if (--c->n_streams == 0)
        c->idle_since = os_mono_ms();
    mem_free(st);
}

void net_stream_complete(struct net_stream *st)
{
    struct net_conn *c = st->conn;

    st->complete = true;
    if (st->refused || st->closed || st->ready)
        return;
    st->ready = true;
    if (c->ready)
        c->ready_last->next_ready = st;
    else
        c->ready = st;
    c->ready_last = st;
}

void net_stream_reset(struct net_stream *st, uint32_t error_code)
{
    st->refused = true;
    drop_request(st);
    drop_answer(st);
    if (!st->closed &&
        nghttp2_submit_rst_stream(st->conn->h2, NGHTTP2_FLAG_NONE, st->id, error_code) != 0)
        st->conn->dead = true; /* out of memory */
    net_conn_kick(st->conn);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void submit(struct net_stream *st, const char *content_type)
{
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = net_h2_read_answer};
    char status[16], retry[16];
    nghttp2_nv nv[4];
    size_t n = 0;

    (void)snprintf(status, sizeof status, "%d", st->status);
    nv[n++] = header(":status", status);
    nv[n++] = header("date", net_server_date(st->conn->server));
    if (content_type)
        nv[n++] = header("content-type", content_type);
    if (st->retry_after) {
        (void)snprintf(retry, sizeof retry, "%u", st->retry_after);
        nv[n++] = header("retry-after", retry);
    }
    st->submitted = true;
    if (nghttp2_submit_response(st->conn->h2, st->id, nv, n,
                                content_type && !st->head ? &body : NULL) != 0)
        net_stream_reset(st, NGHTTP2_INTERNAL_ERROR);
}

static void do_start(struct net_stream *st, int status, const char *content_type, unsigned retry)
{
    if (st->closed || st->submitted || st->status)
        return;
    st->status = status;
    st->retry_after = retry;
    /* Without a body the stream would be over at once, before `end`: so it waits for it. */
    if (content_type)
        submit(st, content_type);
}

static void do_write(struct net_stream *st, struct bytes piece)
{
    if (st->closed || !st->submitted || st->ended || st->head || piece.n == 0)
        return;
    if (!st->out)
        st->out = evbuffer_new();
    if (!st->out || evbuffer_add(st->out, piece.p, piece.n) != 0) {
        net_stream_reset(st, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    st->conn->queued += piece.n;
    if (evbuffer_get_length(st->out) >= NET_OUT_LOW)
        st->was_high = true;
}

/* There is something new to send, or an end. */
static void go_on(struct net_stream *st)
{
    if (!st->closed && st->deferred) {
        st->deferred = false;
        (void)nghttp2_session_resume_data(st->conn->h2, st->id);
    }
    net_conn_kick(st->conn);
}

static void do_end(struct net_stream *st)
{
    st->ended = true;
    if (!st->closed && !st->submitted) {
        if (!st->status)
            st->status = 500;
        submit(st, NULL);
    }
    if (st->closed)
        st->conn->look = true;
}

static void op_start(struct http_responder *r, int status, const char *content_type,
                     unsigned retry_after_s)
{
    if (of(r)->refused)
        return; /* reset by us, `gone` is under way */
    do_start(of(r), status, content_type, retry_after_s);
    net_conn_kick(of(r)->conn);
}

static void op_write(struct http_responder *r, struct bytes piece)
{
    if (of(r)->refused)
        return;
    do_write(of(r), piece);
    go_on(of(r));
}

static size_t op_pending(struct http_responder *r)
{
    return of(r)->out ? evbuffer_get_length(of(r)->out) : 0;
}

static void op_end(struct http_responder *r)
{
    struct net_stream *st = of(r);

    st->owned = false;
    if (!st->refused)
        do_end(st);
    go_on(st);
}

const struct http_responder_ops net_stream_ops = {op_start, op_write, op_pending, op_end};

void net_stream_refuse(struct net_stream *st, int status, const char *type, const char *title,
                       unsigned retry_after)
{
    char json[256];

    if (st->refused || st->closed || st->owned || st->submitted)
        return;
    (void)snprintf(json, sizeof json,
                   "{\"type\":\"urn:waxwing:%s\",\"title\":\"%s\",\"status\":%d,"
                   "\"detail\":\"%s\"}",
                   type, title, status, title);
    leave_line(st);
    drop_request(st);
    st->status = 0;
    do_start(st, status, HTTP_PROBLEM_TYPE, retry_after);
    do_write(st, BYTES_STR(json));
    do_end(st);
    st->refused = true;
    go_on(st);
}

static void hand_over(struct net_stream *st)
{
    struct net_conn *c = st->conn;
    const struct http_handler *h = c->server->handler;
    struct http_request req = {
        .method = st->method,
        .path = st->path,
        .query = st->query ? st->query : "",
        .device = st->device,
        .body = buf_view(&st->body),
        .has_client_key = c->has_key,
        .client_key = c->key,
        .source = c->source,
    };

    st->owned = true;
    h->request(h->ctx, &req, &st->responder);
    drop_request(st);
}

static void tell_gone(struct net_stream *st)
{
    const struct http_handler *h = st->conn->server->handler;

    st->owned = false;
    h->gone(h->ctx, &st->responder);
}

static bool look_through(struct net_conn *c)
{
    const struct http_handler *h = c->server->handler;
    bool acted = false;

    for (struct net_stream *st = c->streams, *next; st; st = next) {
        next = st->next;
        if (st->owned && (st->closed || st->tell_low))
            acted = true;
        if (st->closed) {
            if (st->owned)
                tell_gone(st);
            net_stream_free(st);
        } else if (st->tell_low) {
            st->tell_low = false;
            if (st->owned && op_pending(&st->responder) < NET_OUT_LOW)
                h->drained(h->ctx, &st->responder);
        }
    }
    return acted;
}

bool net_streams_turn(struct net_conn *c)
{
    bool acted = false;

    while (c->look) {
        c->look = false;
        acted |= look_through(c);
    }
    while (c->ready && !c->closing && c->queued < NET_QUEUED_MAX) {
        struct net_stream *st = c->ready;
        leave_line(st);
        if (st->closed || st->refused)
            continue;
        hand_over(st);
        acted = true;
    }
    return acted;
}

void net_streams_abandon(struct net_conn *c, bool keep_ended)
{
    for (struct net_stream *st = c->streams; st; st = st->next) {
        leave_line(st);
        if (!keep_ended)
            st->closed = true;
        else if (!st->ended && !st->refused)
            net_stream_reset(st, NGHTTP2_CANCEL);
    }
    for (struct net_stream *st = c->streams; st; st = st->next)
        if (st->owned)
            tell_gone(st);
    while (!keep_ended && c->streams)
        net_stream_free(c->streams);
}
