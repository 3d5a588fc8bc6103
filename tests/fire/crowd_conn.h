/* One HTTP/2 connection of a crowd: connecting, TLS with a login and requests, none of which
 * ever blocks; what goes wrong is told, and the connection is over. */
#ifndef FIRE_CROWD_CONN_H
#define FIRE_CROWD_CONN_H

#include <openssl/ssl.h>

#include "base/bytes.h"
#include "base/list.h"

struct crowd_conn;
/* All are called from crowd_poll; the connection may be closed inside any of them. */
struct crowd_calls {
    void (*up)(struct crowd_conn *c, void *ctx); /* TLS is done */
    /* An answer is whole; or, of a stream, a piece of it (status 200, over false). */
    void (*answer)(struct crowd_conn *c, void *ctx, int status, unsigned retry_after,
                   struct bytes piece, bool over);
    void (*down)(struct crowd_conn *c, void *ctx); /* it is freed after that */
};

struct crowd {
    int epoll;
    unsigned port;
    SSL_CTX *tls;
    struct list conns;
    uint64_t now; /* ms, monotonic; brought up to date by crowd_poll */
};

/* Ends the program with a line that says why. */
_Noreturn void crowd_die(const char *why);
void crowd_start(struct crowd *w, unsigned port, const char *ca_file);
/* Works for at most that many ms, until something happened. */
void crowd_poll(struct crowd *w, int ms);

/* receive_buffer: bytes of the socket's, 0: the system's choice. Never NULL; what fails is told
 * by `down`, from crowd_poll. */
struct crowd_conn *crowd_open(struct crowd *w, X509 *cert, EVP_PKEY *key, int receive_buffer,
                              const struct crowd_calls *calls, void *ctx);
void crowd_close(struct crowd_conn *c); /* without `down`; NULL is fine */
/* Stops reading for good. */
void crowd_deafen(struct crowd_conn *c);
/* One request at a time. device: 32 hex digits. body is copied. */
void crowd_request(struct crowd_conn *c, const char *method, const char *path, const char *device,
                   struct bytes body);

#endif
