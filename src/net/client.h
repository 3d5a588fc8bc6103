/* The HTTPS client: one server, HTTP/2 over TLS 1.3, blocking calls. Peer and host are
 * always checked; nothing is redirected.
 *
 * A client object belongs to one thread and does one thing at a time; calls on another
 * client object are fine from inside its callbacks. */
#ifndef NET_CLIENT_H
#define NET_CLIENT_H

#include "base/buf.h"

/* Answers above it are refused (WAX_E_TOOBIG). */
#define NET_REPLY_MAX ((size_t)16 * 1024 * 1024 + (size_t)64 * 1024)

struct net_client_conf {
    const char *url;       /* "https://host:port" */
    struct bytes ca_pem;   /* empty: the system's roots; else the only trust anchors */
    struct bytes cert_pem; /* the login certificate and its key; both may be empty */
    struct bytes key_pem;
    const char *device;     /* header wax-device, hex; NULL: none */
    const char *user_agent; /* NULL: none */
    /* Asked about every 250 ms; true ends a call with WAX_E_CANCELLED. May be NULL. */
    bool (*cancelled)(void *ctx);
    void *cancel_ctx;
};

struct net_client;
/* conf and what it points to is copied (but cancel_ctx). Does not connect yet. */
wax_rc net_client_new(const struct net_client_conf *conf, struct net_client **ret) WAX_MUST;
/* Closes its connections, wipes its key. NULL is fine. */
void net_client_free(struct net_client *c);

struct net_reply {
    int status;
    char content_type[96]; /* "" when there is none */
    unsigned retry_after;  /* seconds; 0: none */
    uint64_t date_ms;      /* the Date header; 0: none */
    struct buf body;
};
void net_reply_done(struct net_reply *r);

/* One request, with the media type of Waxwing when it has a body. path starts with '/' and
 * may hold a query. WAX_OK means that there is a whole answer, whatever its status.
 *   WAX_E_NET        no connection, or it broke: the server may have acted or not
 *   WAX_E_TLS        the server's certificate does not hold
 *   WAX_E_TIMEOUT    no whole answer within timeout_ms
 *   WAX_E_CANCELLED  by the callback
 *   WAX_E_TOOBIG     the answer is over NET_REPLY_MAX
 *   WAX_E_PROTO      its headers are over 64 KiB, or it is no HTTP/2
 * ret starts empty; the caller ends it with net_reply_done. */
wax_rc net_client_request(struct net_client *c, const char *method, const char *path,
                          struct bytes body, unsigned timeout_ms, struct net_reply *ret) WAX_MUST;

struct net_stream_calls {
    /* The next bytes of a 200 answer, cut anywhere. Not WAX_OK: stop and return that. */
    wax_rc (*on_bytes)(void *ctx, struct bytes piece);
    /* When the bytes that were there are handed on, and about every 250 ms, also while
     * bytes flow. May be NULL. */
    wax_rc (*on_idle)(void *ctx);
    void *ctx;
};
/* GETs an answer that need not end. WAX_OK: it ended in order, or the status is not 200
 * (then error_body, which may be NULL, is replaced by its body, at most 64 KiB).
 * WAX_E_TIMEOUT when no byte came for idle_timeout_ms; else as above. *ret_status is set as
 * soon as it is known and 0 before. */
wax_rc net_client_stream(struct net_client *c, const char *path,
                         const struct net_stream_calls *calls, unsigned idle_timeout_ms,
                         int *ret_status, struct buf *error_body) WAX_MUST;

/* The seconds that the last call's answer asked to wait (retry-after); 0: none. */
unsigned net_client_retry_after(const struct net_client *c);

/* Why the last call failed, one line for people; "" after a success. Lives until the next
 * call on c. */
const char *net_client_error(const struct net_client *c);

#endif
