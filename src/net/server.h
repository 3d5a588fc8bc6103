/* The HTTPS server: HTTP/2 over TLS 1.3, nothing else. It carries requests to an
 * http_handler (base/http.h) and its answers back; it knows no path and no record.
 *
 * A client may show a certificate: any self-signed one of a P-256 key within 1 KiB; all
 * but the key is ignored (PROTOCOL 9). No tickets, no resumption, no 0-RTT.
 *
 * Everything here belongs to the loop's thread. */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/http.h"
#include "net/loop.h"

#define NET_BODY_MAX ((size_t)16 * 1024 * 1024 + (size_t)64 * 1024)

/* A zero stands for the default in brackets. */
struct net_server_conf {
    const char *listen;       /* "[::]:8443" (dual stack), "127.0.0.1:0" (a free port) */
    const char *cert_file;    /* PEM chain, leaf first */
    const char *key_file;     /* PEM */
    unsigned max_connections; /* [10,000] more are closed at once, unless a half-open one can go */
    unsigned handshake_ms;    /* [10,000] for TLS and the HTTP/2 preface */
    /* [1,024] handshakes at once. More wait in the system's queue; one that has had its
     * time (listen.c) makes room for who waits, so that half-open ones keep nobody out. */
    unsigned max_handshakes;
    unsigned idle_ms;    /* [600,000] without any request in progress */
    unsigned request_ms; /* [300,000] from a request's first byte to its last */
    unsigned ping_ms;    /* [60,000] a PING after so much silence */
    unsigned pong_ms;    /* [30,000] then dead without an answer */
    unsigned drain_ms;   /* [10,000] what still runs after that is cut off */
    size_t body_memory;  /* [256 MiB] of all unfinished request bodies together */
};

struct net_server;

/* Listens when it returns. conf is copied; the handler outlives the server. On failure err
 * (NUL-terminated, may be NULL when err_size is 0) says in one line why.
 * WAX_E_TLS: certificate or key do not do; WAX_E_NET: cannot listen there. */
wax_rc net_server_new(struct net_loop *loop, const struct net_server_conf *conf,
                      const struct http_handler *handler, struct net_server **ret, char *err,
                      size_t err_size) WAX_MUST;
/* Closes all connections; the handler hears `gone` for what was not ended. NULL is fine. */
void net_server_free(struct net_server *s);

/* The port it listens on. */
unsigned net_server_port(const struct net_server *s);
/* "ADDR:PORT" or "[ADDR]:PORT" it listens on; lives as long as the server. */
const char *net_server_address(const struct net_server *s);

/* Reads certificate and key again, for connections from now on. On failure the old ones
 * stay and err says why. */
wax_rc net_server_reload(struct net_server *s, char *err, size_t err_size) WAX_MUST;

/* Stops accepting and says GOAWAY; requests in progress are answered, streams go on until
 * the handler ends them, at most drain_ms. done is called once, from the loop, when no
 * connection is left. */
void net_server_drain(struct net_server *s, net_fn done, void *ctx);

/* Closes every connection that logged in with this key (a revoked device). Answers that
 * were ended still go out; for the rest the handler hears `gone`, from the loop. */
void net_server_close_key(struct net_server *s, const struct point *key);

/* Connections open now. */
unsigned net_server_connections(const struct net_server *s);

#endif
