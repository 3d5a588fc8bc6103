/* Many HTTP/2 clients in one thread: the load for the server's figures, so as light as it can
 * be. Failures end the program. */
#ifndef BENCH_H2_H
#define BENCH_H2_H

#include <openssl/ssl.h>

#include "base/bytes.h"

struct h2_loop;
struct h2_conn;

/* Every connection goes to 127.0.0.1:port and checks the server by ca_file. */
struct h2_loop *h2_new(unsigned port, const char *ca_file);
void h2_free(struct h2_loop *l); /* closes all connections */
/* Works for at most that many ms, until something happened. */
void h2_poll(struct h2_loop *l, int ms);

/* Connects with that login; device: the header wax-device, 32 hex digits. Returns when TLS is
 * up. */
struct h2_conn *h2_open(struct h2_loop *l, struct bytes cert_pem, struct bytes key_pem,
                        const char *device);
void h2_close(struct h2_conn *c);

/* One exchange; the caller's, until done was called. */
struct h2_call {
    const char *method, *path;
    struct bytes body;
    void (*on_bytes)(struct h2_call *c, struct bytes piece); /* may be NULL */
    void (*done)(struct h2_call *c);
    void *ctx;
    int status; /* out */
    size_t at;  /* of the body, sent so far */
};
/* Queued; sent by h2_flush or h2_poll. */
void h2_submit(struct h2_conn *c, struct h2_call *call);
void h2_flush(struct h2_conn *c);

#endif
