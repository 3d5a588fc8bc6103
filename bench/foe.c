#include "foe.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "measure.h"

#define PAYLOAD_MAX 32768
#define PIECE_MAX 16384 /* of what the server announces */

int foe_tcp(const struct site *s)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002)};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)s->port)};
    struct timeval limit = {.tv_sec = 5};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        die("the foe is out of descriptors");
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static bool log_in(SSL *ssl, const struct user *u, EVP_PKEY *other)
{
    BIO *c = BIO_new_mem_buf(u->cert.p, (int)u->cert.n);
    BIO *k = BIO_new_mem_buf(u->key.p, (int)u->key.n);
    X509 *cert = PEM_read_bio_X509(c, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(k, NULL, NULL, NULL);
    bool good = cert && key && SSL_use_certificate(ssl, cert) == 1 &&
                SSL_use_PrivateKey(ssl, other ? other : key) == 1;

    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(c);
    BIO_free(k);
    return good;
}

void foe_tls_begin(const struct site *s, const struct foe_how *how, struct foe *f)
{
    const char *alpn = how->alpn ? how->alpn : "h2";
    unsigned char wire[32] = {(unsigned char)strlen(alpn)};

    *f = (struct foe){.fd = foe_tcp(s)};
    memcpy(wire + 1, alpn, wire[0]);
    f->ctx = SSL_CTX_new(TLS_client_method());
    f->ssl = f->ctx ? SSL_new(f->ctx) : NULL;
    if (!f->ssl || SSL_set_alpn_protos(f->ssl, wire, wire[0] + 1u) != 0 ||
        (how->as && !log_in(f->ssl, how->as, how->key)))
        die("the foe has no TLS");
    if (how->max_version)
        (void)SSL_set_max_proto_version(f->ssl, how->max_version);
    if (how->in)
        SSL_set_bio(f->ssl, how->in, how->out);
    else if (f->fd >= 0 && SSL_set_fd(f->ssl, f->fd) != 1)
        die("the foe has no TLS");
}

bool foe_tls(const struct site *s, const struct foe_how *how, struct foe *f)
{
    foe_tls_begin(s, how, f);
    ERR_clear_error();
    return f->fd >= 0 && SSL_connect(f->ssl) == 1;
}

bool foe_open(const struct site *s, const struct user *as, struct foe *f)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    if (!foe_tls(s, &(struct foe_how){.as = as}, f))
        return false;
    if (nghttp2_hd_inflate_new(&f->inflater) != 0)
        die("no memory");
    return foe_write(f, preface, sizeof preface - 1) && foe_frame(f, F_SETTINGS, 0, 0, NULL, 0);
}

void foe_close(struct foe *f)
{
    if (f->inflater)
        nghttp2_hd_inflate_del(f->inflater);
    SSL_free(f->ssl);
    SSL_CTX_free(f->ctx);
    if (f->fd >= 0)
        (void)close(f->fd);
    ERR_clear_error();
}

void foe_abort(struct foe *f)
{
    struct linger now = {.l_onoff = 1};

    (void)setsockopt(f->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    foe_close(f);
}

bool foe_write(struct foe *f, const void *p, size_t n)
{
    ERR_clear_error();
    return n == 0 || SSL_write(f->ssl, p, (int)n) == (int)n;
}

bool foe_frame(struct foe *f, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
    uint8_t b[9 + PAYLOAD_MAX] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags};

    if (n > PAYLOAD_MAX)
        die("the foe's frame is too large");
    put_u32(b + 5, stream);
    if (n)
        memcpy(b + 9, p, n);
    return foe_write(f, b, 9 + n);
}

/* A length as HPACK has it, with a prefix of seven bits. */
static void put_length(struct buf *b, size_t n)
{
    if (n < 127) {
        buf_u8(b, (uint8_t)n);
        return;
    }
    buf_u8(b, 127);
    for (n -= 127; n >= 128; n >>= 7)
        buf_u8(b, (uint8_t)(n | 128));
    buf_u8(b, (uint8_t)n);
}

void foe_header(struct buf *block, const char *name, const char *value)
{
    buf_u8(block, 0);
    put_length(block, strlen(name));
    buf_str(block, name);
    put_length(block, strlen(value));
    buf_str(block, value);
}

bool foe_headers(struct foe *f, uint32_t stream, const char *method, const char *path,
                 const char *const *extra, bool end)
{
    struct buf b = {0};
    bool first = true, good = true;

    foe_header(&b, ":method", method);
    foe_header(&b, ":scheme", "https");
    foe_header(&b, ":authority", "127.0.0.1");
    foe_header(&b, ":path", path);
    for (; extra && *extra; extra += 2)
        foe_header(&b, extra[0], extra[1]);
    must(buf_rc(&b), "headers");
    for (size_t at = 0; good && (first || at < b.n); first = false) {
        size_t n = b.n - at < PIECE_MAX ? b.n - at : PIECE_MAX;
        uint8_t flags = (uint8_t)((at + n == b.n ? 4 : 0) | (first && end ? 1 : 0));
        good = foe_frame(f, first ? F_HEADERS : F_MORE, flags, stream, b.p + at, n);
        at += n;
    }
    buf_done(&b);
    return good;
}

static bool read_all(struct foe *f, uint8_t *p, size_t n)
{
    while (n > 0) {
        ERR_clear_error();
        int got = SSL_read(f->ssl, p, (int)n);
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

struct incoming {
    uint8_t type, flags;
    uint32_t stream;
    size_t n;
    int status; /* of HEADERS */
    uint8_t payload[PAYLOAD_MAX];
};

/* The :status of a header block; each block has to be read, for the table's sake. */
static int inflate(struct foe *f, const uint8_t *p, size_t n)
{
    int status = 0, flags = 0;
    nghttp2_nv nv;

    while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
        ssize_t used = nghttp2_hd_inflate_hd2(f->inflater, &nv, &flags, p, n, 1);
        if (used < 0)
            return 0;
        p += used;
        n -= (size_t)used;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) && nv.namelen == 7 &&
            memcmp(nv.name, ":status", 7) == 0)
            status = atoi((const char *)nv.value);
        if (!(flags & (NGHTTP2_HD_INFLATE_EMIT | NGHTTP2_HD_INFLATE_FINAL)))
            break;
    }
    (void)nghttp2_hd_inflate_end_headers(f->inflater);
    return status;
}

static bool next_frame(struct foe *f, struct incoming *in)
{
    uint8_t head[9];

    if (!read_all(f, head, sizeof head))
        return false;
    in->n = (size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2];
    in->type = head[3];
    in->flags = head[4];
    in->stream = get_u32(head + 5) & 0x7fffffff;
    if (in->n > PAYLOAD_MAX || !read_all(f, in->payload, in->n))
        return false;
    in->status = in->type == F_HEADERS ? inflate(f, in->payload, in->n) : 0;
    return true;
}

int foe_status(struct foe *f, uint32_t stream)
{
    struct incoming in;

    while (next_frame(f, &in)) {
        if (in.type == F_HEADERS && in.stream == stream)
            return in.status;
        if (in.type == F_RESET && in.stream == stream)
            return 0;
    }
    return 0;
}

bool foe_statuses(struct foe *f, unsigned n, int *ret)
{
    struct incoming in;

    for (unsigned i = 0; i < n;) {
        if (!next_frame(f, &in))
            return false;
        if (in.type == F_HEADERS || in.type == F_RESET)
            ret[i++] = in.status;
    }
    return true;
}

uint32_t foe_goaway(struct foe *f)
{
    struct incoming in;

    while (next_frame(f, &in))
        if (in.type == F_GOAWAY && in.n >= 8)
            return get_u32(in.payload + 4);
    return UINT32_MAX;
}

uint32_t foe_reset_code(struct foe *f, uint32_t stream)
{
    struct incoming in;

    while (next_frame(f, &in))
        if (in.type == F_RESET && in.stream == stream && in.n == 4)
            return get_u32(in.payload);
    return UINT32_MAX;
}

bool foe_is_closed(struct foe *f)
{
    uint8_t b[4096];
    int n;

    do {
        ERR_clear_error();
        n = SSL_read(f->ssl, b, sizeof b);
    } while (n > 0);
    return SSL_get_error(f->ssl, n) != SSL_ERROR_WANT_READ;
}

static void name_problem(struct foe_answer *a)
{
    static const char begins[] = "urn:waxwing:";
    const char *text = a->body.n ? buf_cstr(&a->body) : NULL,
               *p = text ? strstr(text, begins) : NULL;

    (void)snprintf(a->problem, sizeof a->problem, "%.*s", p ? (int)strcspn(p + 12, "\"") : 0,
                   p ? p + 12 : "");
}

int foe_ask(struct foe *f, const char *method, const char *path, const char *device,
            struct bytes body, struct foe_answer *ret)
{
    const char *const extra[] = {"wax-device", device, NULL};
    uint32_t id = f->stream = f->stream ? f->stream + 2 : 1;
    struct incoming in;
    bool good = foe_headers(f, id, method, path, device ? extra : NULL, body.n == 0);

    ret->status = 0;
    buf_reset(&ret->body);
    for (size_t at = 0; good && at < body.n;) {
        size_t n = body.n - at < PIECE_MAX ? body.n - at : PIECE_MAX;
        good = foe_frame(f, F_DATA, at + n == body.n ? 1 : 0, id, body.p + at, n);
        at += n;
    }
    while (next_frame(f, &in)) {
        if (in.stream != id)
            continue;
        if (in.type == F_RESET)
            break;
        if (in.type == F_HEADERS && !ret->status)
            ret->status = in.status;
        if (in.type == F_DATA)
            buf_add(&ret->body, in.payload, in.n);
        if ((in.type == F_HEADERS || in.type == F_DATA) && (in.flags & 1))
            break;
    }
    name_problem(ret);
    return ret->status;
}
