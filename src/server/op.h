/* Inside src/server only: one request on its way through. */
#ifndef SERVER_OP_H
#define SERVER_OP_H

#include "base/list.h"
#include "directory/directory.h"
#include "mailbox/mailbox.h"
#include "server/known.h"
#include "server/limit.h"
#include "server/problem.h"
#include "server/server.h"

#define SERVER_BUCKETS 4096
#define SERVER_REQUESTS_MAX 10000
#define LINK_WAIT_MS 25000
#define LINK_LOOK_MS 2000

struct server {
    struct server_conf conf;
    struct store *store;
    struct http_handler handler;
    struct directory *directory;
    struct mailbox *mailbox;
    struct limits *limits;
    struct known *known;
    uint64_t now;
    bool draining;
    void (*revoked)(void *ctx, const struct point *dtk);
    void *revoked_ctx;
    struct list ops;
    struct list by_responder[SERVER_BUCKETS];
    struct list polls;  /* by next look, the earliest first */
    size_t n_requests;  /* ops that are no stream */
    unsigned n_refused; /* for want of room */
};

enum login_need { LOGIN_NONE, LOGIN_OPTIONAL, LOGIN_NEEDED };
struct op;
struct route {
    const char *method;
    const char *path; /* a final '*' stands for one segment */
    enum login_need login;
    size_t body_max;
    void (*run)(struct op *op);
};

struct op {
    struct list node, bucket, poll;
    struct server *s;
    struct http_responder *r; /* NULL: the client went away */
    const struct route *route;
    bool busy;      /* a store, directory or mailbox callback will come */
    bool logged_in; /* then login holds */
    struct directory_login login;
    uint64_t epoch; /* of server.known, when the store was asked for the login */
    bool has_key;
    struct point key;
    char source[64];
    char segment[384]; /* what '*' stood for, percent-decoded */
    char query[256];
    struct buf body;
    struct mailbox_stream *stream;
    uint8_t rid[16];
    uint64_t have, wait_until, look_at; /* a waiting link poll */
    bool look_again;                    /* woken while busy */
    bool close_self;                    /* its own device was removed: close when answered */
    struct point own_dtk;
    struct store_req req;
};

/* --- op.c --- */
/* NULL: out of memory. */
struct op *op_new(struct server *s, const struct http_request *req, struct http_responder *r);
struct op *op_find(struct server *s, const struct http_responder *r);
/* Answers, if anybody is still there, and frees. An empty body with status 200 has no type. */
void op_answer(struct op *op, int status, const char *type, struct bytes body);
void op_problem(struct op *op, enum problem p, const char *detail);
/* With Retry-After. */
void op_later(struct op *op, enum problem p, const char *detail, uint64_t ms);
/* The client went away. */
void op_gone(struct op *op);
/* Without a word. */
void op_free(struct op *op);
/* For wax_rc values that mean the same everywhere: trouble, refusals, sizes. */
void op_failed(struct op *op, wax_rc rc, const char *what);
/* Submits op->req. */
void op_submit(struct op *op, enum store_op what, void (*done)(struct store_req *req));
/* Takes a token; false: the op was answered with rate-limited. */
bool op_limit(struct op *op, enum limit_kind kind);
/* A decimal parameter of the query; absent: 0. */
wax_rc op_number(const struct op *op, const char *name, uint64_t *ret) WAX_MUST;

/* --- route.c --- */
/* NULL: none; then *ret_allowed is the methods of the path ("" when there is no such path).
 * segment: what '*' stood for, as it came. */
const struct route *route_find(const char *method, const char *path, const char **ret_segment,
                               struct buf *ret_allowed);
wax_rc percent_decode(const char *in, char *out, size_t size) WAX_MUST;

/* --- login.c: goes on with op->route->run, or answers --- */
void login_begin(struct op *op, const char *device);
/* The bucket of failed tries has nothing left; the op was answered. */
bool login_blocked(struct op *op);

/* --- r_*.c: one function a route --- */
void run_register(struct op *op);
void run_lookup(struct op *op);
void run_update(struct op *op);
void run_daily(struct op *op);
void run_bundle(struct op *op);
void run_send(struct op *op);
void run_mailbox(struct op *op);
void run_ack(struct op *op);
void run_counter_get(struct op *op);
void run_counter_put(struct op *op);
void run_link_post(struct op *op);
void run_link_get(struct op *op);

/* r_link.c */
void link_polls_tick(struct server *s);
void link_polls_end(struct server *s);

#endif
