#include "crowd_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "os/clock.h"

#define EVENTS 256
#define HANDSHAKE_MS 10000 /* as long as wax gives a connection */

struct crowd_conn {
    struct list node;
    struct crowd *w;
    struct crowd_calls calls;
    void *ctx;
    int fd;
    SSL *ssl;
    nghttp2_session *h2;
    uint64_t since;
    bool is_up, over, closed, deaf, in_work;
    struct buf out; /* made by nghttp2, not taken by TLS yet */
    struct buf body;
    size_t body_at;
    int status;
    unsigned retry_after;
};

_Noreturn void crowd_die(const char *why)
{
    fprintf(stderr, "crowd: %s: %s\n", why, strerror(errno));
    exit(70);
}

/* --- nghttp2's callbacks -------------------------------------------------------------- */

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct crowd_conn *c = ctx;

    if (name_n == 7 && memcmp(name, ":status", 7) == 0)
        c->status = atoi((const char *)value);
    if (name_n == 11 && memcmp(name, "retry-after", 11) == 0)
        c->retry_after = (unsigned)atoi((const char *)value);
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *p, size_t n,
                   void *ctx)
{
    struct crowd_conn *c = ctx;

    if (!c->closed)
        c->calls.answer(c, c->ctx, c->status, c->retry_after, BYTES(p, n), false);
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t stream, uint32_t error, void *ctx)
{
    struct crowd_conn *c = ctx;

    if (!c->closed)
        c->calls.answer(c, c->ctx, error ? 0 : c->status, c->retry_after, BYTES(NULL, 0), true);
    return 0;
}

static ssize_t give_body(nghttp2_session *h2, int32_t stream, uint8_t *to, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct crowd_conn *c = ctx;
    size_t left = c->body.n - c->body_at, n = left < room ? left : room;

    memcpy(to, c->body.p + c->body_at, n);
    c->body_at += n;
    if (n == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void start_h2(struct crowd_conn *c)
{
    static const nghttp2_settings_entry settings = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 24};
    nghttp2_session_callbacks *calls;

    if (nghttp2_session_callbacks_new(&calls) != 0)
        crowd_die("no memory");
    nghttp2_session_callbacks_set_on_header_callback(calls, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(calls, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(calls, on_close);
    if (nghttp2_session_client_new(&c->h2, calls, c) != 0 ||
        nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, &settings, 1) != 0 ||
        nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, 1 << 24) != 0)
        crowd_die("no HTTP/2");
    nghttp2_session_callbacks_del(calls);
}

/* --- Moving bytes --------------------------------------------------------------------- */

static bool again(const struct crowd_conn *c, int n)
{
    int e = SSL_get_error(c->ssl, n);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

static void watch(struct crowd_conn *c)
{
    bool write = c->out.n > 0 || (!c->is_up && SSL_want_write(c->ssl));
    struct epoll_event e = {.events = (c->deaf ? 0u : (uint32_t)EPOLLIN) |
                                      (write ? (uint32_t)EPOLLOUT : 0u),
                            .data.ptr = c};
    if (epoll_ctl(c->w->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        c->over = true;
}

static void send_out(struct crowd_conn *c)
{
    const uint8_t *p;
    ssize_t n;

    while (c->out.n < 65536 && (n = nghttp2_session_mem_send(c->h2, &p)) > 0)
        buf_add(&c->out, p, (size_t)n);
    while (c->out.n > 0 && !c->over) {
        int w = SSL_write(c->ssl, c->out.p, (int)(c->out.n < 16384 ? c->out.n : 16384));
        if (w <= 0) {
            c->over = !again(c, w);
            return;
        }
        memmove(c->out.p, c->out.p + w, c->out.n - (size_t)w);
        c->out.n -= (size_t)w;
    }
}

static void take_in(struct crowd_conn *c)
{
    uint8_t in[16384];

    while (!c->over && !c->closed && !c->deaf) {
        int n = SSL_read(c->ssl, in, sizeof in);
        if (n <= 0) {
            c->over = !again(c, n);
            return;
        }
        if (nghttp2_session_mem_recv(c->h2, in, (size_t)n) != n)
            c->over = true;
    }
}

static void work(struct crowd_conn *c)
{
    ERR_clear_error();
    c->in_work = true;
    if (!c->is_up) {
        int n = SSL_connect(c->ssl);
        if (n == 1) {
            c->is_up = true;
            start_h2(c);
            c->calls.up(c, c->ctx);
        } else if (!again(c, n)) {
            c->over = true;
        }
    }
    if (c->is_up && !c->over && !c->closed)
        take_in(c);
    if (c->is_up && !c->over && !c->closed)
        send_out(c);
    if (!c->over && !c->closed)
        watch(c);
    c->in_work = false;
}

/* --- Connections ---------------------------------------------------------------------- */

void crowd_start(struct crowd *w, unsigned port, const char *ca_file)
{
    *w = (struct crowd){.port = port, .now = os_mono_ms()};
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->tls = SSL_CTX_new(TLS_client_method());
    if (w->epoll < 0 || !w->tls || SSL_CTX_load_verify_locations(w->tls, ca_file, NULL) != 1 ||
        SSL_CTX_set_alpn_protos(w->tls, (const uint8_t *)"\x02h2", 3) != 0)
        crowd_die("cannot set up");
    SSL_CTX_set_verify(w->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(w->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    list_init(&w->conns);
}

struct crowd_conn *crowd_open(struct crowd *w, X509 *cert, EVP_PKEY *key, int receive_buffer,
                              const struct crowd_calls *calls, void *ctx)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)w->port)};
    struct crowd_conn *c = mem_alloc(sizeof *c);
    int one = 1;

    if (!c)
        crowd_die("no memory");
    c->w = w;
    c->calls = *calls;
    c->ctx = ctx;
    c->since = w->now;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    c->ssl = SSL_new(w->tls);
    if (c->fd < 0 || !c->ssl || SSL_use_certificate(c->ssl, cert) != 1 ||
        SSL_use_PrivateKey(c->ssl, key) != 1 || SSL_set_fd(c->ssl, c->fd) != 1)
        crowd_die("cannot make a connection");
    SSL_set_connect_state(c->ssl);
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (receive_buffer)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        crowd_die("epoll");
    c->over = connect(c->fd, (struct sockaddr *)&sa, sizeof sa) != 0 && errno != EINPROGRESS;
    list_add(&w->conns, &c->node);
    return c;
}

void crowd_close(struct crowd_conn *c)
{
    if (c)
        c->closed = true;
}

void crowd_deafen(struct crowd_conn *c) { c->deaf = true; }

static void destroy(struct crowd_conn *c)
{
    list_del(&c->node);
    nghttp2_session_del(c->h2);
    SSL_free(c->ssl);
    (void)close(c->fd);
    buf_done(&c->out);
    buf_done(&c->body);
    mem_free(c);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), 0};
}

void crowd_request(struct crowd_conn *c, const char *method, const char *path, const char *device,
                   struct bytes body)
{
    nghttp2_nv nv[] = {header(":method", method), header(":scheme", "https"),
                       header(":authority", "localhost"), header(":path", path),
                       header("wax-device", device)};
    nghttp2_data_provider provider = {.read_callback = give_body};

    buf_reset(&c->body);
    buf_bytes(&c->body, body);
    c->body_at = 0;
    c->status = 0;
    c->retry_after = 0;
    if (nghttp2_submit_request(c->h2, NULL, nv, sizeof nv / sizeof *nv, body.n ? &provider : NULL,
                               NULL) < 0)
        c->over = true;
    else if (!c->in_work)
        work(c);
}

void crowd_poll(struct crowd *w, int ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(w->epoll, events, EVENTS, ms);

    w->now = os_mono_ms();
    for (int i = 0; i < n; i++) {
        struct crowd_conn *c = events[i].data.ptr;
        if (!c->closed && !c->over)
            work(c);
    }
    for (struct list *l = w->conns.next, *next; l != &w->conns; l = next) {
        struct crowd_conn *c = LIST_OF(l, struct crowd_conn, node);
        next = l->next;
        if (!c->is_up && w->now - c->since > HANDSHAKE_MS)
            c->over = true;
        if (c->over && !c->closed) {
            c->closed = true;
            c->calls.down(c, c->ctx);
        }
        if (c->closed) {
            next = l->next; /* `down` may have opened another behind it */
            destroy(c);
        }
    }
}
