/* The server's insides, for its own files:
 *
 *   listen.c  addresses and accepting       tls.c     certificates, the TLS rules
 *   server.c  one server, its clock         conn.c    one connection and its bytes
 *   h2.c      what nghttp2 calls            stream.c  one request and its answer
 *
 * One rule keeps it safe: the handler is never called from inside a callback of nghttp2 or
 * by a call that the handler itself made. Callbacks and responder calls only note what is
 * to be done; conn_pump does it, and only it frees connections. */
#ifndef NET_SERVER_IN_H
#define NET_SERVER_IN_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/list.h"
#include "net/loop_in.h"
#include "net/server.h"

#define NET_STREAMS_MAX 128
#define NET_HEADERS_MAX ((size_t)16 * 1024)
#define NET_WINDOW (1 << 20)
#define NET_WINDOW_STEP 1024 /* smaller steps of a client's window count as control frames */
/* Written to the connection and not yet taken by the network: above the first we stop
 * reading from the client and sending more, below the second we go on. */
#define NET_OUT_HIGH ((size_t)256 * 1024)
#define NET_OUT_LOW ((size_t)64 * 1024)
/* Answers that wait for the client's flow-control window: above it no further request of
 * that connection is handed over. */
#define NET_QUEUED_MAX ((size_t)1024 * 1024)
#define NET_CONN_BODIES_MAX (2 * NET_BODY_MAX)
/* Control frames a connection may send: a bucket of so many, refilled per second. */
#define NET_CALM_BURST 200
#define NET_CALM_PER_S 20
#define NET_SOURCE_MAX 64

struct net_conn;

struct net_stream {
    struct http_responder responder; /* must be first */
    struct net_conn *conn;
    struct net_stream *prev, *next; /* of the connection's streams */
    struct net_stream *next_ready;
    int32_t id;
    char *method, *path, *device; /* path is cut at '?' */
    const char *query;
    struct buf body;
    struct evbuffer *out;
    uint64_t since; /* ms, when its first byte came */
    size_t header_bytes;
    size_t dropped; /* bytes that came after a refusal */
    int status;     /* answered when the headers are through (ours), or to be sent at `end` */
    unsigned retry_after;
    bool head;      /* HEAD: the answer's body is left out */
    bool complete;  /* the whole request is here */
    bool ready;     /* waits for its turn to be handed over */
    bool refused;   /* answered by us; what still comes is dropped */
    bool owned;     /* the handler has the responder */
    bool submitted; /* the answer's headers are with nghttp2 */
    bool deferred;  /* nghttp2 found nothing to send and waits for a resume */
    bool ended;     /* no more writes */
    bool closed;    /* nghttp2 is through with it */
    bool was_high;  /* pending reached the low mark since `drained` was called last */
    bool tell_low;  /* call `drained` */
};

struct net_conn {
    struct net_server *server;
    struct net_conn *prev, *next;
    struct list unsettled; /* in the server's, until a first HTTP/2 frame came */
    struct bufferevent *bev;
    struct event *pump_ev;
    nghttp2_session *h2; /* NULL until the handshake is done */
    struct net_stream *streams;
    struct net_stream *ready, *ready_last;
    unsigned n_streams;
    size_t queued;     /* in the streams' out */
    size_t body_bytes; /* in the streams' bodies */
    /* Monotonic ms: of opening, the last byte heard, the last request's end, the PING that
     * waits for its answer (0: none), the last progress of a full output, the start of
     * closing. */
    uint64_t since, heard, idle_since, pinged, moved, closing_since;
    size_t out_seen; /* output when the sweep looked last */
    uint64_t calm_at;
    unsigned calm; /* control frames left */
    bool pumping, again;
    bool noticed;   /* draining: the client was told to open no more streams */
    bool abandoned; /* closing: the handler was told */
    bool look;      /* a stream is closed or wants `drained`: look them through */
    bool reading_stopped;
    bool closing; /* flush, then close */
    bool linger;  /* closing for a fault of the client: see conn.c */
    bool lingering;
    bool dead; /* close without flushing */
    bool has_key;
    struct point key;
    char source[NET_SOURCE_MAX];
};

struct net_server {
    struct net_loop *loop;
    struct event_base *base;
    struct net_server_conf conf;
    char *listen, *cert_file, *key_file;
    const struct http_handler *handler;
    SSL_CTX *tls;
    struct evconnlistener *listener;
    struct net_timer *accept_again;
    char address[96];
    unsigned port;
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    struct net_conn *conns;
    unsigned n_conns;
    struct list unsettled; /* of connections, oldest first */
    unsigned n_unsettled;
    unsigned accepted; /* in this turn of the loop */
    size_t body_bytes;
    struct net_timer *sweep;
    uint64_t date_s; /* second that `date` was made for */
    char date[40];
    bool draining;
    uint64_t drain_last_call, drain_until;
    net_fn drained;
    void *drained_ctx;
};

/* tls.c */
/* A context by the server's rules; WAX_E_TLS with a line in err. */
wax_rc net_tls_server(const char *cert_file, const char *key_file, SSL_CTX **ret, char *err,
                      size_t err_size) WAX_MUST;
/* After the handshake: h2 was agreed on. */
bool net_tls_is_h2(const SSL *ssl);
/* The client's key, when it showed a certificate. */
bool net_tls_client_key(const SSL *ssl, struct point *ret);

/* listen.c */
/* Opens the socket of "HOST:PORT"; fills port and address. */
wax_rc net_listen(struct net_server *s, char *err, size_t err_size) WAX_MUST;
void net_listen_stop(struct net_server *s);
/* The peer's address as text, IPv6 cut to its /64. */
void net_source_text(const struct sockaddr *sa, char out[NET_SOURCE_MAX]);

/* server.c */
const char *net_server_date(struct net_server *s);

/* conn.c */
void net_conn_open(struct net_server *s, evutil_socket_t fd, const struct sockaddr *peer);
/* A first HTTP/2 frame came. */
void net_conn_settled(struct net_conn *c);
/* Does everything that waits; frees the connection when it is over. */
void net_conn_pump(struct net_conn *c);
/* Has the pump run soon. */
void net_conn_kick(struct net_conn *c);
/* Flushes and closes; GOAWAY with the error code. */
void net_conn_close(struct net_conn *c, uint32_t error_code);
/* GOAWAY; closes when the last stream is through. */
void net_conn_drain(struct net_conn *c);
/* Time-outs and PINGs. May free c. */
void net_conn_sweep(struct net_conn *c, uint64_t now);
/* Takes one control frame off the bucket; false when it was empty and c is closing. */
bool net_conn_calm(struct net_conn *c);
void net_conn_free(struct net_conn *c);

/* h2.c */
wax_rc net_h2_setup(struct net_server *s) WAX_MUST;
void net_h2_done(struct net_server *s);
wax_rc net_h2_start(struct net_conn *c) WAX_MUST;
/* Reads from the stream's answer; nghttp2's data source. */
ssize_t net_h2_read_answer(nghttp2_session *h2, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
                           nghttp2_data_source *source, void *ctx);

/* stream.c */
extern const struct http_responder_ops net_stream_ops;
struct net_stream *net_stream_new(struct net_conn *c, int32_t id);
void net_stream_free(struct net_stream *st);
/* Answers with a problem document of ours. */
void net_stream_refuse(struct net_stream *st, int status, const char *type, const char *title,
                       unsigned retry_after);
/* The request is whole: puts it in line for the handler. */
void net_stream_complete(struct net_stream *st);
void net_stream_drop_body(struct net_stream *st);
/* Takes the stream back without an answer. */
void net_stream_reset(struct net_stream *st, uint32_t error_code);
/* Hands requests over, tells what is drained and gone. True when the handler was called. */
bool net_streams_turn(struct net_conn *c);
/* The connection ends: all but ended answers are gone. */
void net_streams_abandon(struct net_conn *c, bool keep_ended);

#endif
