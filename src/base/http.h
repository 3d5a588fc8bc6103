/* What passes between the router (src/server) and whatever carries requests (src/net in
 * production, the scenario harness in tests). Neither includes the other. */
#ifndef BASE_HTTP_H
#define BASE_HTTP_H

#include "base/bytes.h"
#include "base/result.h"

#define HTTP_MEDIA_TYPE "application/vnd.waxwing"
#define HTTP_PROBLEM_TYPE "application/problem+json"
#define HTTP_STREAM_TYPE "application/vnd.waxwing.frames"

/* A whole request as it came; all pointers are borrowed for the call that gets it. */
struct http_request {
    const char *method;    /* "GET", "POST", … */
    const char *path;      /* still percent-encoded, without query; never NULL */
    const char *query;     /* without '?'; "" when there is none */
    const char *device;    /* header wax-device, or NULL */
    struct bytes body;     /* capped by the carrier at 16 MiB + 64 KiB */
    bool has_client_key;
    struct point client_key; /* public key of the TLS client certificate (P-256) */
    const char *source;    /* peer address as text, IPv6 cut to its /64; for limits */
};

/* How an answer goes out. One responder belongs to one request; it lives until `end` was
 * called or the router was told of its loss (http_handler.gone). All calls come from the
 * thread that runs the loop. */
struct http_responder {
    const struct http_responder_ops *ops;
};
struct http_responder_ops {
    /* Status and headers. content_type NULL: no body. retry_after_s 0: no such header.
     * The carrier adds `date`. */
    void (*start)(struct http_responder *r, int status, const char *content_type,
                  unsigned retry_after_s);
    /* A piece of the body (copied). */
    void (*write)(struct http_responder *r, struct bytes piece);
    /* Bytes written but not yet taken by the network: stop at 256 KiB, go on when
     * http_handler.drained says so. */
    size_t (*pending)(struct http_responder *r);
    /* The end; r is invalid afterwards. */
    void (*end)(struct http_responder *r);
};

/* The router as the carrier sees it. */
struct http_handler {
    void *ctx;
    /* A request is here. It is answered now or later, exactly once. */
    void (*request)(void *ctx, const struct http_request *req, struct http_responder *r);
    /* Below 64 KiB are pending again; write more. */
    void (*drained)(void *ctx, struct http_responder *r);
    /* The client went away before `end`: r is invalid after this call. */
    void (*gone)(void *ctx, struct http_responder *r);
};

#endif
