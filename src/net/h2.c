#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "net/server_in.h"

static struct net_stream *stream_of(nghttp2_session *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2, id);
}

static int on_begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *ctx)
{
    struct net_conn *c = ctx;
    struct net_stream *st;

    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    if (c->closing)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    st = net_stream_new(c, frame->hd.stream_id);
    if (!st)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    (void)nghttp2_session_set_stream_user_data(h2, frame->hd.stream_id, st);
    return 0;
}

static bool named(const uint8_t *name, size_t n, const char *want)
{
    return n == strlen(want) && memcmp(name, want, n) == 0;
}

static bool copy_to(char **to, const uint8_t *value)
{
    mem_free(*to);
    *to = mem_strdup((const char *)value); /* nghttp2 ends them with NUL and refuses NUL inside */
    return *to != NULL;
}

static bool take_header(struct net_stream *st, const uint8_t *name, size_t n, const uint8_t *value)
{
    uint64_t length;

    if (named(name, n, ":method"))
        return copy_to(&st->method, value);
    if (named(name, n, ":path"))
        return copy_to(&st->path, value);
    if (named(name, n, "wax-device"))
        return copy_to(&st->device, value);
    if (named(name, n, "content-length") &&
        (parse_u64((const char *)value, &length) != WAX_OK || length > NET_BODY_MAX))
        st->status = 413;
    return true;
}

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct net_stream *st = stream_of(h2, frame->hd.stream_id);

    (void)flags;
    (void)ctx;
    if (!st || frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    st->header_bytes += name_n + value_n + 32; /* as HPACK counts */
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return st->header_bytes > NET_HEADERS_MAX ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    if (st->header_bytes > NET_HEADERS_MAX) {
        st->status = 431;
        return 0;
    }
    return take_header(st, name, name_n, value) ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* The headers of a request are through. */
static void headers_done(struct net_stream *st)
{
    char *mark;

    if (st->status == 413)
        net_stream_refuse(st, 413, "too-large", "the body is over 16 MiB", 0);
    else if (st->status == 431)
        net_stream_refuse(st, 431, "bad-request", "the headers are over 16 KiB", 0);
    else if (!st->method || !st->path || st->path[0] != '/')
        net_stream_refuse(st, 400, "bad-request", "no path", 0);
    if (st->refused)
        return;
    st->head = strcmp(st->method, "HEAD") == 0;
    mark = strchr(st->path, '?');
    if (mark) {
        *mark = 0;
        st->query = mark + 1;
    }
}

static int on_frame_recv(nghttp2_session *h2, const nghttp2_frame *frame, void *ctx)
{
    struct net_conn *c = ctx;
    struct net_stream *st;
    bool ack = frame->hd.flags & NGHTTP2_FLAG_ACK;
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    net_conn_settled(c);
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        st = stream_of(h2, frame->hd.stream_id);
        if (st && frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
            headers_done(st);
        if (st && end)
            net_stream_complete(st);
        if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 && !end)
            (void)net_conn_calm(c);
        break;
    case NGHTTP2_PING:
        if (ack)
            c->pinged = 0;
        else
            (void)net_conn_calm(c);
        break;
    case NGHTTP2_SETTINGS:
        if (!ack)
            (void)net_conn_calm(c);
        break;
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PRIORITY:
        (void)net_conn_calm(c);
        break;
    case NGHTTP2_WINDOW_UPDATE:
        /* Who takes an answer byte by byte has us make a frame of each. */
        if (frame->window_update.window_size_increment < NET_WINDOW_STEP)
            (void)net_conn_calm(c);
        break;
    default:
        break;
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *h2, const nghttp2_frame *frame, int error, void *ctx)
{
    (void)h2;
    (void)frame;
    (void)error;
    (void)net_conn_calm(ctx);
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *p, size_t n,
                   void *ctx)
{
    struct net_conn *c = ctx;
    struct net_server *s = c->server;
    struct net_stream *st = stream_of(h2, id);

    (void)flags;
    if (!st || st->closed)
        return 0;
    if (st->refused) {
        /* Many clients read no answer before their body is out: we let them, within bounds. */
        st->dropped += n;
        if (st->dropped > NET_BODY_MAX)
            net_stream_reset(st, NGHTTP2_NO_ERROR);
    } else if (st->body.n + n > NET_BODY_MAX) {
        net_stream_refuse(st, 413, "too-large", "the body is over 16 MiB", 0);
    } else if (c->body_bytes + n > NET_CONN_BODIES_MAX || s->body_bytes + n > s->conf.body_memory) {
        net_stream_refuse(st, 503, "overloaded", "too much is being uploaded", 1);
    } else {
        size_t before = st->body.n;
        buf_add(&st->body, p, n);
        c->body_bytes += st->body.n - before;
        s->body_bytes += st->body.n - before;
        if (buf_rc(&st->body) != WAX_OK)
            net_stream_refuse(st, 503, "overloaded", "no memory", 1);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *h2, int32_t id, uint32_t error_code, void *ctx)
{
    struct net_conn *c = ctx;
    struct net_stream *st = stream_of(h2, id);

    (void)error_code;
    if (!st)
        return 0;
    (void)nghttp2_session_set_stream_user_data(h2, id, NULL);
    st->closed = true;
    c->look = true;
    return 0;
}

ssize_t net_h2_read_answer(nghttp2_session *h2, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
                           nghttp2_data_source *source, void *ctx)
{
    struct net_stream *st = source->ptr;
    struct net_conn *c = ctx;
    size_t left = st->out ? evbuffer_get_length(st->out) : 0;

    (void)h2;
    (void)id;
    n = left < n ? left : n;
    if (n > 0 && evbuffer_remove(st->out, p, n) != (int)n)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    left -= n;
    c->queued -= n;
    if (left < NET_OUT_LOW && st->was_high) {
        st->was_high = false;
        st->tell_low = true;
        c->look = true;
    }
    if (left == 0 && st->ended) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)n;
    }
    if (n == 0) {
        st->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)n;
}

wax_rc net_h2_setup(struct net_server *s)
{
    nghttp2_session_callbacks *cb;

    if (nghttp2_session_callbacks_new(&s->callbacks) != 0 || nghttp2_option_new(&s->option) != 0)
        return WAX_E_NOMEM;
    cb = s->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
    nghttp2_option_set_no_closed_streams(s->option, 1);
    nghttp2_option_set_max_send_header_block_length(s->option, 4096);
    nghttp2_option_set_max_settings(s->option, 16);
    return WAX_OK;
}

void net_h2_done(struct net_server *s)
{
    nghttp2_session_callbacks_del(s->callbacks);
    nghttp2_option_del(s->option);
}

wax_rc net_h2_start(struct net_conn *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, NET_STREAMS_MAX},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, NET_HEADERS_MAX},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, NET_WINDOW},
    };

    if (nghttp2_session_server_new2(&c->h2, c->server->callbacks, c, c->server->option) != 0)
        return WAX_E_NOMEM;
    if (nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings,
                                sizeof settings / sizeof settings[0]) != 0 ||
        nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, NET_WINDOW) != 0)
        return WAX_E_NOMEM;
    return WAX_OK;
}
