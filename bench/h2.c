#include "h2.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "measure.h"

#define OUT_MAX ((size_t)64 * 1024)
#define WINDOW (1 << 24)
#define EVENTS 64

struct h2_loop {
    int epoll;
    unsigned port;
    SSL_CTX *ssl;
    nghttp2_session_callbacks *callbacks;
    struct list conns;
};

struct h2_conn {
    struct list node;
    struct h2_loop *l;
    int fd;
    SSL *ssl;
    nghttp2_session *h2;
    char device[33], authority[32];
    uint8_t out[OUT_MAX]; /* made by nghttp2, not taken by TLS yet */
    size_t out_n, out_at;
    bool waits_to_write;
};

/* --- nghttp2's callbacks -------------------------------------------------------------- */

static int on_header(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *ctx)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);

    if (call && name_n == 7 && memcmp(name, ":status", 7) == 0)
        call->status = atoi((const char *)value);
    return 0;
}

static int on_data(nghttp2_session *h2, uint8_t flags, int32_t stream, const uint8_t *p, size_t n,
                   void *ctx)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(h2, stream);

    if (call && call->on_bytes)
        call->on_bytes(call, BYTES(p, n));
    return 0;
}

static int on_close(nghttp2_session *h2, int32_t stream, uint32_t error, void *ctx)
{
    struct h2_call *call = nghttp2_session_get_stream_user_data(h2, stream);

    if (call && call->done)
        call->done(call);
    return 0;
}

static ssize_t give_body(nghttp2_session *h2, int32_t stream, uint8_t *to, size_t room,
                         uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct h2_call *call = source->ptr;
    size_t left = call->body.n - call->at, n = left < room ? left : room;

    memcpy(to, call->body.p + call->at, n);
    call->at += n;
    if (n == left)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

/* --- Loop ----------------------------------------------------------------------------- */

struct h2_loop *h2_new(unsigned port, const char *ca_file)
{
    struct h2_loop *l = must_alloc(sizeof *l);

    l->port = port;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->ssl = SSL_CTX_new(TLS_client_method());
    if (l->epoll < 0 || !l->ssl || SSL_CTX_load_verify_locations(l->ssl, ca_file, NULL) != 1 ||
        SSL_CTX_set_alpn_protos(l->ssl, (const uint8_t *)"\x02h2", 3) != 0 ||
        nghttp2_session_callbacks_new(&l->callbacks) != 0)
        die("cannot set up the load generator");
    SSL_CTX_set_verify(l->ssl, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(l->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    nghttp2_session_callbacks_set_on_header_callback(l->callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(l->callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(l->callbacks, on_close);
    list_init(&l->conns);
    return l;
}

void h2_free(struct h2_loop *l)
{
    while (!list_empty(&l->conns))
        h2_close(LIST_OF(l->conns.next, struct h2_conn, node));
    nghttp2_session_callbacks_del(l->callbacks);
    SSL_CTX_free(l->ssl);
    (void)close(l->epoll);
    mem_free(l);
}

static void watch(struct h2_conn *c, int op, bool write)
{
    struct epoll_event e = {.events = EPOLLIN | (write ? EPOLLOUT : 0), .data.ptr = c};

    c->waits_to_write = write;
    if (epoll_ctl(c->l->epoll, op, c->fd, &e) != 0)
        die("epoll_ctl failed");
}

/* Collects what nghttp2 wants to send, so that TLS makes few records of it. */
static void fill(struct h2_conn *c)
{
    const uint8_t *p;

    if (c->out_at == c->out_n)
        c->out_at = c->out_n = 0;
    /* A frame has at most 16 KiB and its head. */
    while (OUT_MAX - c->out_n > 16384 + 9) {
        ssize_t n = nghttp2_session_mem_send(c->h2, &p);
        if (n < 0)
            die("nghttp2 cannot send");
        if (n == 0)
            return;
        memcpy(c->out + c->out_n, p, (size_t)n);
        c->out_n += (size_t)n;
    }
}

void h2_flush(struct h2_conn *c)
{
    for (;;) {
        fill(c);
        if (c->out_at == c->out_n)
            break;
        int n = SSL_write(c->ssl, c->out + c->out_at, (int)(c->out_n - c->out_at));
        if (n > 0) {
            c->out_at += (size_t)n;
            continue;
        }
        if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_WRITE)
            die("the server hung up");
        if (!c->waits_to_write)
            watch(c, EPOLL_CTL_MOD, true);
        return;
    }
    if (c->waits_to_write)
        watch(c, EPOLL_CTL_MOD, false);
}

static void receive(struct h2_conn *c)
{
    uint8_t in[16384];

    for (;;) {
        int n = SSL_read(c->ssl, in, sizeof in);
        if (n > 0) {
            if (nghttp2_session_mem_recv(c->h2, in, (size_t)n) != n)
                die("the server's HTTP/2 is broken");
            continue;
        }
        if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
            die("the server hung up");
        return;
    }
}

void h2_poll(struct h2_loop *l, int ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, ms);

    if (n < 0 && errno != EINTR)
        die("epoll_wait failed");
    for (int i = 0; i < n; i++) {
        struct h2_conn *c = events[i].data.ptr;
        if (events[i].events & ~(uint32_t)EPOLLOUT)
            receive(c);
        h2_flush(c);
    }
}

/* --- Connections ---------------------------------------------------------------------- */

static void login(struct h2_conn *c, struct bytes cert_pem, struct bytes key_pem)
{
    BIO *cert_bio = BIO_new_mem_buf(cert_pem.p, (int)cert_pem.n);
    BIO *key_bio = BIO_new_mem_buf(key_pem.p, (int)key_pem.n);
    X509 *cert = cert_bio ? PEM_read_bio_X509(cert_bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = key_bio ? PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL) : NULL;

    if (!cert || !key || SSL_use_certificate(c->ssl, cert) != 1 ||
        SSL_use_PrivateKey(c->ssl, key) != 1)
        die("cannot use the login certificate");
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(cert_bio);
    BIO_free(key_bio);
}

static void start_tcp(struct h2_conn *c)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)c->l->port)};
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        die("cannot connect to the server");
}

static void start_h2(struct h2_conn *c)
{
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW},
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
    };

    if (nghttp2_session_client_new(&c->h2, c->l->callbacks, c) != 0 ||
        nghttp2_submit_settings(c->h2, NGHTTP2_FLAG_NONE, settings, 2) != 0 ||
        nghttp2_session_set_local_window_size(c->h2, NGHTTP2_FLAG_NONE, 0, WINDOW) != 0)
        die("cannot start HTTP/2");
}

struct h2_conn *h2_open(struct h2_loop *l, struct bytes cert_pem, struct bytes key_pem,
                        const char *device)
{
    struct h2_conn *c = must_alloc(sizeof *c);

    c->l = l;
    memcpy(c->device, device, 32);
    (void)snprintf(c->authority, sizeof c->authority, "127.0.0.1:%u", l->port);
    start_tcp(c);
    c->ssl = SSL_new(l->ssl);
    if (!c->ssl)
        die("no memory");
    login(c, cert_pem, key_pem);
    if (SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
        die("the TLS handshake failed");
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl failed");
    start_h2(c);
    list_add(&l->conns, &c->node);
    watch(c, EPOLL_CTL_ADD, false);
    h2_flush(c);
    return c;
}

void h2_close(struct h2_conn *c)
{
    list_del(&c->node);
    (void)epoll_ctl(c->l->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    nghttp2_session_del(c->h2);
    SSL_free(c->ssl);
    (void)close(c->fd);
    mem_free(c);
}

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NO_COPY_NAME};
}

void h2_submit(struct h2_conn *c, struct h2_call *call)
{
    const nghttp2_nv headers[] = {
        header(":method", call->method),    header(":scheme", "https"),
        header(":authority", c->authority), header(":path", call->path),
        header("wax-device", c->device),    header("content-type", "application/vnd.waxwing"),
    };
    const nghttp2_data_provider body = {.source.ptr = call, .read_callback = give_body};
    size_t n = sizeof headers / sizeof headers[0];

    call->status = 0;
    call->at = 0;
    if (nghttp2_submit_request(c->h2, NULL, headers, call->body.n ? n : n - 1,
                               call->body.n ? &body : NULL, call) < 0)
        die("cannot submit a request");
}
