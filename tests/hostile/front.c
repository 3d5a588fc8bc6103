/* A TCP front before the server: counts bytes, and can misbehave below HTTP. One thread a
 * connection; a test never has more than a few. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front.h"

#define PIECE 16384

struct conn {
    struct scene *s;
    int fd;
};

static int tcp(unsigned port, bool listens, unsigned *ret_port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (listens ? bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 || listen(fd, 64) != 0
                : connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        (void)close(fd);
        return -1;
    }
    if (ret_port && getsockname(fd, (struct sockaddr *)&sa, &n) == 0)
        *ret_port = ntohs(sa.sin_port);
    return fd;
}

static void count(struct front *f, size_t n)
{
    (void)pthread_mutex_lock(&f->lock);
    f->bytes += n;
    (void)pthread_mutex_unlock(&f->lock);
}

static bool send_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0)
            return false;
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static void pass(struct scene *s, int client)
{
    int server = tcp(s->evil.port, false, NULL);
    char piece[PIECE];
    bool going = server >= 0;

    while (going) {
        struct pollfd p[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
        if (poll(p, 2, -1) < 0)
            break;
        for (int i = 0; going && i < 2; i++) {
            if (!p[i].revents)
                continue;
            ssize_t n = recv(p[i].fd, piece, sizeof piece, 0);
            going = n > 0 && send_all(p[1 - i].fd, piece, (size_t)n);
            if (going)
                count(s->front, (size_t)n);
        }
    }
    if (server >= 0)
        (void)close(server);
}

static void *serve(void *ctx)
{
    struct conn *c = ctx;
    struct front *f = c->s->front;
    front_fn fn;

    (void)pthread_mutex_lock(&f->lock);
    fn = f->fn;
    (void)pthread_mutex_unlock(&f->lock);
    (fn ? fn : pass)(c->s, c->fd);
    (void)close(c->fd);
    free(c);
    (void)pthread_mutex_lock(&f->lock);
    f->working--;
    (void)pthread_mutex_unlock(&f->lock);
    return NULL;
}

static void *accept_all(void *ctx)
{
    struct scene *s = ctx;
    struct front *f = s->front;
    pthread_attr_t detached;

    (void)pthread_attr_init(&detached);
    (void)pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        struct conn *c = malloc(sizeof *c);
        pthread_t thread;
        if (!c)
            abort();
        *c = (struct conn){s, fd};
        (void)pthread_mutex_lock(&f->lock);
        f->connections++;
        f->working++;
        (void)pthread_mutex_unlock(&f->lock);
        if (pthread_create(&thread, &detached, serve, c) != 0)
            abort();
    }
    (void)pthread_attr_destroy(&detached);
    return NULL;
}

void front_start(struct scene *s)
{
    struct front *f = calloc(1, sizeof *f);

    assert_non_null(f);
    s->front = f;
    assert_int_equal(pthread_mutex_init(&f->lock, NULL), 0);
    f->fd = tcp(0, true, &f->port);
    assert_true(f->fd >= 0);
    front_tls(f, &s->evil);
    assert_int_equal(pthread_create(&f->thread, NULL, accept_all, s), 0);
}

void front_stop(struct scene *s)
{
    struct front *f = s->front;

    (void)shutdown(f->fd, SHUT_RDWR);
    assert_int_equal(pthread_join(f->thread, NULL), 0);
    (void)close(f->fd);
    for (int left = 200;; left--) { /* clients are gone: their threads see it soon */
        (void)pthread_mutex_lock(&f->lock);
        unsigned working = f->working;
        (void)pthread_mutex_unlock(&f->lock);
        if (!working)
            break;
        assert_true(left > 0);
        (void)usleep(50000);
    }
    SSL_CTX_free(f->tls);
    SSL_CTX_free(f->stranger);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

void front_set(struct scene *s, front_fn fn)
{
    (void)pthread_mutex_lock(&s->front->lock);
    s->front->fn = fn;
    (void)pthread_mutex_unlock(&s->front->lock);
}

static uint64_t take(struct front *f, uint64_t *counter)
{
    (void)pthread_mutex_lock(&f->lock);
    uint64_t n = *counter;
    *counter = 0;
    (void)pthread_mutex_unlock(&f->lock);
    return n;
}

unsigned long front_connections(struct scene *s)
{
    return (unsigned long)take(s->front, &s->front->connections);
}

uint64_t front_bytes(struct scene *s) { return take(s->front, &s->front->bytes); }

unsigned front_port(const struct scene *s) { return s->front->port; }

/* --- Below HTTP: TLS and HTTP/2 by hand --- */

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                     const unsigned char *in, unsigned in_n, void *ctx)
{
    (void)ssl;
    return SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_n, ctx,
                                 (unsigned)strlen(ctx), in, in_n) == OPENSSL_NPN_NEGOTIATED
               ? SSL_TLSEXT_ERR_OK
               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL_CTX *context(const char *cert, const char *key)
{
    SSL_CTX *c = SSL_CTX_new(TLS_server_method());

    assert_non_null(c);
    assert_int_equal(SSL_CTX_use_certificate_chain_file(c, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_alpn_select_cb(c, choose_h2, (void *)(uintptr_t) "\x02h2");
    return c;
}

void front_tls(struct front *f, const struct evil *e)
{
    char ca[96], cert[96], key[96];

    f->tls = context(e->cert_file, e->key_file);
    certificates(e->dir, "stranger-", ca, cert, key);
    f->stranger = context(cert, key);
}

void front_alpn(struct front *f, const char *protocol)
{
    SSL_CTX_set_alpn_select_cb(f->tls, choose_h2, (void *)(uintptr_t)protocol);
}

static bool read_all(SSL *ssl, uint8_t *p, size_t n)
{
    while (n > 0) {
        int got = SSL_read(ssl, p, (int)n);
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

SSL *wire_tls(SSL_CTX *ctx, int fd)
{
    SSL *ssl = SSL_new(ctx);

    if (ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

SSL *wire_hello(struct scene *s, int fd)
{
    uint8_t preface[24];
    SSL *ssl = wire_tls(s->front->tls, fd);

    if (ssl && (!read_all(ssl, preface, sizeof preface) || !wire_frame(ssl, 4, 0, 0, NULL, 0))) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

bool wire_write(struct scene *s, SSL *ssl, const void *p, size_t n)
{
    const uint8_t *at = p;

    while (n > 0) {
        int piece = n > PIECE ? PIECE : (int)n;
        if (SSL_write(ssl, at, piece) != piece)
            return false;
        count(s->front, (size_t)piece);
        at += piece;
        n -= (size_t)piece;
    }
    return true;
}

bool wire_frame(SSL *ssl, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
    uint8_t f[9 + PIECE] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags};

    if (n > PIECE)
        return false;
    put_u32(f + 5, stream);
    if (n)
        memcpy(f + 9, p, n);
    return SSL_write(ssl, f, (int)(9 + n)) == (int)(9 + n);
}

uint32_t wire_request(SSL *ssl)
{
    for (;;) {
        uint8_t head[9], payload[PIECE + 1];
        if (!read_all(ssl, head, 9))
            return 0;
        size_t n = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
        if (n > sizeof payload || !read_all(ssl, payload, n))
            return 0;
        if (head[3] == 4 && !(head[4] & 1) && !wire_frame(ssl, 4, 1, 0, NULL, 0))
            return 0;
        if (head[3] == 1)
            return get_u32(head + 5) & 0x7fffffff;
    }
}

bool wire_header(uint8_t *block, size_t *n, const char *name, const char *value)
{
    size_t a = strlen(name), b = strlen(value);

    if (a > 126 || b > 126)
        return false;
    block[(*n)++] = 0; /* a literal, not indexed, with a new name */
    block[(*n)++] = (uint8_t)a;
    memcpy(block + *n, name, a);
    *n += a;
    block[(*n)++] = (uint8_t)b;
    memcpy(block + *n, value, b);
    *n += b;
    return true;
}

void wire_drain(int fd)
{
    char piece[PIECE];
    struct pollfd p = {.fd = fd, .events = POLLIN};

    while (poll(&p, 1, 30000) > 0 && recv(fd, piece, sizeof piece, 0) > 0)
        continue;
}
