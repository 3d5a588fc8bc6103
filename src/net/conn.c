#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/server_in.h"
#include "os/clock.h"

/* How long a closing connection may take to flush. */
#define CLOSING_MS 5000
#define LINGER_MS 1000

static size_t out_length(const struct net_conn *c)
{
    return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void net_conn_kick(struct net_conn *c)
{
    if (c->pumping)
        c->again = true;
    else
        event_active(c->pump_ev, EV_TIMEOUT, 0);
}

void net_conn_settled(struct net_conn *c)
{
    if (list_empty(&c->unsettled))
        return;
    list_del(&c->unsettled);
    c->server->n_unsettled--;
}

void net_conn_free(struct net_conn *c)
{
    struct net_server *s = c->server;
    SSL *ssl = c->bev ? bufferevent_openssl_get_ssl(c->bev) : NULL;

    c->pumping = true; /* kicks from here on are for nobody */
    net_streams_abandon(c, false);
    nghttp2_session_del(c->h2);
    if (ssl && c->h2 && !c->dead && !c->lingering) {
        /* close_notify, without waiting for the peer's. */
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
        (void)SSL_shutdown(ssl);
    }
    ERR_clear_error();
    if (c->bev)
        bufferevent_free(c->bev);
    if (c->pump_ev)
        event_free(c->pump_ev);
    if (c->prev)
        c->prev->next = c->next;
    else if (s->conns == c)
        s->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    net_conn_settled(c);
    s->n_conns--;
    mem_free(c);
}

/* Moves what nghttp2 wants to send to the connection, up to the high mark. */
static void send_out(struct net_conn *c)
{
    struct evbuffer *out = bufferevent_get_output(c->bev);

    while (evbuffer_get_length(out) < NET_OUT_HIGH) {
        const uint8_t *p;
        ssize_t n = nghttp2_session_mem_send(c->h2, &p);
        if (n == 0)
            return;
        if (n < 0 || evbuffer_add(out, p, (size_t)n) != 0) {
            c->dead = true;
            return;
        }
    }
}

static bool is_over(struct net_conn *c)
{
    if (c->dead)
        return true;
    if (!c->h2)
        return c->closing;
    if (out_length(c) > 0 || nghttp2_session_want_write(c->h2))
        return false;
    return c->closing || !nghttp2_session_want_read(c->h2);
}

/* A client that does not take its answers is not asked for more requests. */
static void watch_output(struct net_conn *c)
{
    size_t n = out_length(c);

    if (!c->reading_stopped && n >= NET_OUT_HIGH) {
        c->reading_stopped = bufferevent_disable(c->bev, EV_READ) == 0;
    } else if (c->reading_stopped && n < NET_OUT_LOW) {
        c->reading_stopped = false;
        if (bufferevent_enable(c->bev, EV_READ) != 0)
            c->dead = true;
    }
}

/* Closing a socket with unread bytes in it makes the kernel send a reset, and the GOAWAY that
 * says why would be lost with it. So what a client at fault still sends is read and dropped
 * until it hangs up, or until the sweep ends it. */
static bool start_to_linger(struct net_conn *c)
{
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

    if (c->dead || !c->linger)
        return false;
    if (c->lingering)
        return true;
    c->lingering = true;
    c->closing_since = os_mono_ms();
    (void)SSL_shutdown(ssl);
    ERR_clear_error();
    (void)shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    return bufferevent_enable(c->bev, EV_READ) == 0;
}

void net_conn_pump(struct net_conn *c)
{
    if (c->pumping) {
        c->again = true;
        return;
    }
    c->pumping = true;
    do {
        c->again = false;
        if (c->closing && !c->abandoned && !c->dead) {
            c->abandoned = true;
            net_streams_abandon(c, true);
        }
        if (c->h2 && !c->dead)
            send_out(c);
        if (c->h2 && !c->dead && net_streams_turn(c))
            c->again = true;
    } while (c->again && !c->dead);
    c->pumping = false;
    if (is_over(c) && !start_to_linger(c))
        net_conn_free(c);
    else if (c->h2 && !c->lingering)
        watch_output(c);
}

void net_conn_close(struct net_conn *c, uint32_t error_code)
{
    if (c->closing)
        return;
    c->closing = true;
    c->closing_since = os_mono_ms();
    if (!c->h2)
        c->dead = true;
    else if (error_code == NGHTTP2_NO_ERROR)
        (void)nghttp2_submit_goaway(c->h2, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(c->h2), error_code,
                                    NULL, 0);
    else
        (void)nghttp2_session_terminate_session(c->h2, error_code);
    c->linger = error_code != NGHTTP2_NO_ERROR;
    net_conn_kick(c);
}

/* First "no more streams, please" with an open end, so that a request under way is still
 * taken; the sweep follows with the last stream that counts. */
void net_conn_drain(struct net_conn *c)
{
    if (!c->h2)
        c->dead = true;
    else
        (void)nghttp2_submit_shutdown_notice(c->h2);
    net_conn_kick(c);
}

bool net_conn_calm(struct net_conn *c)
{
    uint64_t now = os_mono_ms(), fill = (now - c->calm_at) * NET_CALM_PER_S / 1000;

    if (fill > 0) {
        c->calm = c->calm + fill > NET_CALM_BURST ? NET_CALM_BURST : c->calm + (unsigned)fill;
        c->calm_at = now;
    }
    if (c->calm > 0) {
        c->calm--;
        return true;
    }
    if (!c->closing)
        log_info("%s: too many control frames, connection closed", c->source);
    net_conn_close(c, NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
}

static void on_read(struct bufferevent *bev, void *ctx)
{
    struct net_conn *c = ctx;
    struct evbuffer *in = bufferevent_get_input(bev);
    struct evbuffer_iovec v;

    c->heard = os_mono_ms();
    while (!c->dead && !c->closing && evbuffer_peek(in, -1, NULL, &v, 1) > 0) {
        ssize_t n = nghttp2_session_mem_recv(c->h2, v.iov_base, v.iov_len);
        if (n <= 0)
            net_conn_close(c, NGHTTP2_PROTOCOL_ERROR);
        else
            (void)evbuffer_drain(in, (size_t)n);
    }
    if (c->closing)
        (void)evbuffer_drain(in, evbuffer_get_length(in));
    net_conn_pump(c);
}

static void on_write(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    net_conn_pump(ctx);
}

static void on_pump(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    net_conn_pump(ctx);
}

static void handshake_done(struct net_conn *c)
{
    SSL *ssl = bufferevent_openssl_get_ssl(c->bev);

    c->heard = os_mono_ms();
    c->has_key = net_tls_client_key(ssl, &c->key);
    if (!net_tls_is_h2(ssl) || net_h2_start(c) != WAX_OK) {
        c->dead = true;
        return;
    }
    bufferevent_setwatermark(c->bev, EV_WRITE, NET_OUT_LOW, 0);
    if (bufferevent_enable(c->bev, EV_READ | EV_WRITE) != 0)
        c->dead = true;
    if (c->server->draining)
        net_conn_drain(c);
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    struct net_conn *c = ctx;

    (void)bev;
    if ((what & BEV_EVENT_CONNECTED) && !c->h2)
        handshake_done(c);
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
        c->dead = true;
    ERR_clear_error();
    net_conn_pump(c);
}

void net_conn_open(struct net_server *s, evutil_socket_t fd, const struct sockaddr *peer)
{
    struct net_conn *c = mem_alloc(sizeof *c);
    SSL *ssl = SSL_new(s->tls);

    if (c && ssl) {
        c->pump_ev = event_new(s->base, -1, 0, on_pump, c);
        c->bev = bufferevent_openssl_socket_new(s->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                                BEV_OPT_CLOSE_ON_FREE);
    }
    if (!c || !c->bev || !c->pump_ev) {
        if (c && c->bev) {
            bufferevent_free(c->bev); /* the SSL and the socket with it */
        } else {
            SSL_free(ssl);
            (void)close(fd);
        }
        if (c && c->pump_ev)
            event_free(c->pump_ev);
        mem_free(c);
        return;
    }
    bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
    bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
    c->server = s;
    list_init(&c->unsettled);
    c->since = c->heard = c->idle_since = c->calm_at = os_mono_ms();
    c->calm = NET_CALM_BURST;
    net_source_text(peer, c->source);
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->n_conns++;
    list_add(&s->unsettled, &c->unsettled);
    s->n_unsettled++;
}

/* A PING after silence; dead when nothing is heard after it, unless a slow reader is still
 * taking what lies before it in the output. */
static void sweep_ping(struct net_conn *c, uint64_t now)
{
    const struct net_server_conf *conf = &c->server->conf;
    size_t out = out_length(c);

    if (out > 0 && out != c->out_seen)
        c->moved = now;
    c->out_seen = out;
    if (c->pinged && c->heard > c->pinged)
        c->pinged = 0;
    if (c->pinged && now - c->pinged >= conf->pong_ms && now - c->moved >= conf->pong_ms) {
        log_debug("%s: no answer to PING", c->source);
        c->dead = true;
    } else if (!c->pinged && now - c->heard >= conf->ping_ms) {
        if (nghttp2_submit_ping(c->h2, NGHTTP2_FLAG_NONE, NULL) != 0)
            c->dead = true;
        c->pinged = now;
        net_conn_kick(c);
    }
}

static void sweep_requests(struct net_conn *c, uint64_t now)
{
    for (struct net_stream *st = c->streams; st; st = st->next)
        if (!st->complete && !st->closed && now - st->since >= c->server->conf.request_ms)
            net_stream_reset(st, NGHTTP2_CANCEL);
}

void net_conn_sweep(struct net_conn *c, uint64_t now)
{
    const struct net_server_conf *conf = &c->server->conf;

    if (!list_empty(&c->unsettled) && now - c->since >= conf->handshake_ms)
        c->dead = true;
    if (c->closing && now - c->closing_since >= (c->lingering ? LINGER_MS : CLOSING_MS))
        c->dead = true;
    if (c->h2 && !c->dead && !c->closing) {
        sweep_requests(c, now);
        sweep_ping(c, now);
        if (c->server->draining && !c->noticed && now >= c->server->drain_last_call) {
            c->noticed = true;
            (void)nghttp2_submit_goaway(c->h2, NGHTTP2_FLAG_NONE,
                                        nghttp2_session_get_last_proc_stream_id(c->h2),
                                        NGHTTP2_NO_ERROR, NULL, 0);
            net_conn_kick(c);
        } else if (!c->server->draining && c->n_streams == 0 &&
                   now - c->idle_since >= conf->idle_ms) {
            net_conn_close(c, NGHTTP2_NO_ERROR);
        }
    }
    if (c->dead)
        net_conn_free(c);
}
