/* The front's insides, and HTTP/2 by hand for the ways to misbehave below HTTP. */
#ifndef HOSTILE_FRONT_H
#define HOSTILE_FRONT_H

#include <openssl/ssl.h>
#include <pthread.h>

#include "story.h"

struct front {
    int fd;
    unsigned port;
    pthread_t thread;
    pthread_mutex_t lock;
    front_fn fn;
    uint64_t bytes, connections;
    unsigned working;
    SSL_CTX *tls, *stranger; /* with the server's certificate; with one of another CA */
};

void front_start(struct scene *s);
void front_stop(struct scene *s);
void front_tls(struct front *f, const struct evil *e);
/* What ALPN answers from now on, in wire form. */
void front_alpn(struct front *f, const char *protocol);

/* TLS alone; NULL when it does not come about. */
SSL *wire_tls(SSL_CTX *ctx, int fd);
/* TLS, the client's preface, our SETTINGS. */
SSL *wire_hello(struct scene *s, int fd);
/* Bytes as they are, counted. */
bool wire_write(struct scene *s, SSL *ssl, const void *p, size_t n);
/* A frame (at most 16 KiB of payload). */
bool wire_frame(SSL *ssl, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n);
/* Reads until a request's HEADERS are there: its stream. 0: the connection ended. */
uint32_t wire_request(SSL *ssl);
/* Adds a header to a block; at most 126 bytes each. */
bool wire_header(uint8_t *block, size_t *n, const char *name, const char *value);
/* Reads until the client hangs up. */
void wire_drain(int fd);

#endif
