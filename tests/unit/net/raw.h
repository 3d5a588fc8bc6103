/* A bare TLS connection to the server, for what a well-behaved client never does. */
#ifndef UNIT_NET_RAW_H
#define UNIT_NET_RAW_H

#include <openssl/ssl.h>

#include "world.h"

struct raw_conf {
    const char *alpn; /* NULL: "h2"; "": none */
    int max_version;  /* 0: the newest */
    X509 *cert;
    EVP_PKEY *key;
};
struct raw {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
};

/* A plain TCP connection; reads give up after 5 s. */
int raw_tcp(const struct world *w);
/* False when the handshake fails. raw_close in either case. */
bool raw_open(const struct world *w, const struct raw_conf *conf, struct raw *ret);
void raw_close(struct raw *r);
/* Preface and empty SETTINGS. False when the connection does not take them. */
bool raw_hello(struct raw *r);
/* A frame: type, flags, stream, payload. False when the connection does not take it. */
bool raw_frame(struct raw *r, uint8_t type, uint8_t flags, uint32_t stream, const void *p,
               size_t n);
/* Opens a request "GET /" or, with a body to come, "POST /". */
bool raw_request(struct raw *r, uint32_t stream, bool body);
/* Reads frames until one of that type is there: its payload's first bytes. False when the
 * connection ends before. */
bool raw_await(struct raw *r, uint8_t type, uint8_t head[16]);
/* Whether the server ends the connection (within 5 s), whatever it sends before. */
bool raw_is_closed(struct raw *r);

/* A self-signed certificate with a key made by EVP_PKEY_Q_keygen's arguments. */
enum raw_key { RAW_P256, RAW_P256_COMPRESSED, RAW_P384, RAW_RSA, RAW_ED25519 };
void raw_certify(enum raw_key kind, size_t padding, X509 **cert, EVP_PKEY **key);

#endif
