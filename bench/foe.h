/* A client that does what it likes: TLS and HTTP/2 by hand, from 127.0.0.2, so that limits per
 * address tell it from the honest ones. Only what no server can cause ends the program. */
#ifndef BENCH_FOE_H
#define BENCH_FOE_H

#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "site.h"

enum {
    F_DATA,
    F_HEADERS,
    F_PRIORITY,
    F_RESET,
    F_SETTINGS,
    F_PUSH,
    F_PING,
    F_GOAWAY,
    F_WINDOW,
    F_MORE
};

struct foe {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    nghttp2_hd_inflater *inflater;
    uint32_t stream; /* of the last request of foe_ask */
};
struct foe_how {
    const struct user *as; /* NULL: no certificate */
    EVP_PKEY *key;         /* NULL: the one of `as` */
    const char *alpn;      /* NULL: h2 */
    int max_version;       /* 0: the newest */
    BIO *in, *out;         /* NULL: the socket; become the SSL's */
};

/* A TCP connection whose reads and writes give up after 5 s; -1 when it is refused. */
int foe_tcp(const struct site *s);
/* TLS without its handshake (SSL_connect). foe_close in any case. */
void foe_tls_begin(const struct site *s, const struct foe_how *how, struct foe *f);
/* With it. False: it does not come about. */
bool foe_tls(const struct site *s, const struct foe_how *how, struct foe *f);
/* The same, the preface and empty SETTINGS. False: it does not come about. */
bool foe_open(const struct site *s, const struct user *as, struct foe *f);
void foe_close(struct foe *f);
/* Closes with a TCP reset. */
void foe_abort(struct foe *f);

/* Bytes as they are; false when the connection does not take them (any more). */
bool foe_write(struct foe *f, const void *p, size_t n);
/* A frame of at most 32 KiB. */
bool foe_frame(struct foe *f, uint8_t type, uint8_t flags, uint32_t stream, const void *p,
               size_t n);
/* HEADERS of a request, all literals. extra: NULL-ended pairs, or NULL. */
bool foe_headers(struct foe *f, uint32_t stream, const char *method, const char *path,
                 const char *const *extra, bool end);
/* Adds a literal to a header block, of any length. */
void foe_header(struct buf *block, const char *name, const char *value);

/* Reads until that stream's answer has begun: its status; 0 when the connection ends or the stream
 * is reset before. */
int foe_status(struct foe *f, uint32_t stream);
/* Reads the beginnings of n answers, of whatever streams, a reset being 0. False: the connection
 * ended before. */
bool foe_statuses(struct foe *f, unsigned n, int *ret);
/* Reads until the server says GOAWAY: its error code; UINT32_MAX when it just hangs up. */
uint32_t foe_goaway(struct foe *f);
/* Reads until the stream is reset: the error code; UINT32_MAX when the connection ends. */
uint32_t foe_reset_code(struct foe *f, uint32_t stream);
/* Whether the server hangs up (within 5 s). */
bool foe_is_closed(struct foe *f);

struct foe_answer {
    int status;       /* 0: none came */
    char problem[32]; /* NAME of a problem document, or "" */
    struct buf body;
};
/* A whole request on that connection; device: the header, NULL: none; body at most 900 KiB. The
 * answer may have 64 KiB less what came on this connection before. Returns the status;
 * ret->body is reused. */
int foe_ask(struct foe *f, const char *method, const char *path, const char *device,
            struct bytes body, struct foe_answer *ret);

#endif
