#include "server/op.h"

#include <stdio.h>

#include "base/mem.h"

void server_conf_default(struct server_conf *c, const char *domain)
{
    *c = (struct server_conf){
        .message_life_ms = 7ULL * 86400000,
        .mailbox_max_count = 10000,
        .mailbox_max_bytes = 256ULL * 1024 * 1024,
        .heartbeat_ms = 30000,
        .link_life_ms = 300000,
        .link_max = 1000,
        .login_per_min = 1200,
        .lookup_per_min = 3000,
        .send_per_min = 3000,
        .register_per_hour = 100,
        .link_per_min = 120,
        .max_fanout = 4096,
    };
    (void)snprintf(c->domain, sizeof c->domain, "%s", domain);
}

static struct directory_conf directory_part(const struct server_conf *c)
{
    struct directory_conf d = {.registration_open = c->registration_open};

    memcpy(d.domain, c->domain, sizeof d.domain);
    return d;
}

static struct mailbox_conf mailbox_part(const struct server_conf *c)
{
    return (struct mailbox_conf){.message_life_ms = c->message_life_ms,
                                 .max_count = c->mailbox_max_count,
                                 .max_bytes = c->mailbox_max_bytes,
                                 .max_fanout = c->max_fanout,
                                 .heartbeat_ms = c->heartbeat_ms};
}

/* Whoever posted the manifest that removes his own device gets his answer first. */
static bool posted_by(struct server *s, const struct dev_id *dev, const struct point *dtk)
{
    bool found = false;

    for (struct list *l = s->ops.next; l != &s->ops; l = l->next) {
        struct op *op = LIST_OF(l, struct op, node);
        if (!op->logged_in || !ID_EQ(&op->login.dev, dev) || op->route->run != run_update)
            continue;
        op->close_self = found = true;
        op->own_dtk = *dtk;
    }
    return found;
}

static void device_removed(void *ctx, const struct dev_id *dev, const struct point *dtk)
{
    struct server *s = ctx;

    known_remove(s->known, dev);
    mailbox_end_device(s->mailbox, dev);
    if (!posted_by(s, dev, dtk) && s->revoked)
        s->revoked(s->revoked_ctx, dtk);
}

static void device_notified(void *ctx, const struct dev_id *dev)
{
    mailbox_wake(((struct server *)ctx)->mailbox, dev);
}

static void refuse(struct http_responder *r, enum problem p, const char *detail, unsigned later)
{
    struct buf doc = {0};

    problem_write(p, detail, &doc);
    r->ops->start(r, problem_status(p), HTTP_PROBLEM_TYPE, later);
    if (buf_rc(&doc) == WAX_OK)
        r->ops->write(r, buf_view(&doc));
    r->ops->end(r);
    buf_done(&doc);
}

static void refuse_route(struct http_responder *r, const struct buf *allowed)
{
    struct buf detail = {0};

    buf_printf(&detail, "This path knows only %.*s", (int)allowed->n, (const char *)allowed->p);
    const char *text = buf_cstr(&detail);
    if (allowed->n)
        refuse(r, PROBLEM_METHOD, text ? text : "", 0);
    else
        refuse(r, PROBLEM_NOT_FOUND, "There is no such path", 0);
    buf_done(&detail);
}

/* Those refused now are asked back one after the other, not together. */
static unsigned later(struct server *s) { return 2 + s->n_refused++ % 14; }

static void handle(void *ctx, const struct http_request *req, struct http_responder *r)
{
    struct server *s = ctx;
    const char *segment = "";
    struct buf allowed = {0};
    const struct route *route = route_find(req->method, req->path, &segment, &allowed);

    if (!route) {
        refuse_route(r, &allowed);
        buf_done(&allowed);
        return;
    }
    buf_done(&allowed);
    if (s->draining || s->n_requests >= SERVER_REQUESTS_MAX) {
        refuse(r, PROBLEM_OVERLOADED, s->draining ? "The server is stopping" : "The server is busy",
               later(s));
        return;
    }
    if (req->body.n > route->body_max) {
        refuse(r, PROBLEM_TOO_LARGE, "The body is larger than this request may have", 0);
        return;
    }
    struct op *op = op_new(s, req, r);
    if (!op) {
        refuse(r, PROBLEM_OVERLOADED, "The server is short of memory", later(s));
        return;
    }
    op->route = route;
    int n = snprintf(op->query, sizeof op->query, "%s", req->query ? req->query : "");
    if (n < 0 || (size_t)n >= sizeof op->query ||
        percent_decode(segment, op->segment, sizeof op->segment) != WAX_OK) {
        op_problem(op, PROBLEM_BAD_REQUEST, "The path or query cannot be read");
        return;
    }
    login_begin(op, req->device);
}

static void drained(void *ctx, struct http_responder *r)
{
    struct op *op = op_find(ctx, r);

    if (op && op->stream)
        mailbox_stream_drained(op->stream);
}

static void gone(void *ctx, struct http_responder *r)
{
    struct op *op = op_find(ctx, r);

    if (op)
        op_gone(op);
}

wax_rc server_new(const struct server_conf *conf, struct store *store, struct server **ret)
{
    struct server *s = mem_alloc(sizeof *s);
    struct directory_conf dir = directory_part(conf);
    struct mailbox_conf mail = mailbox_part(conf);

    if (!s)
        return WAX_E_NOMEM;
    s->conf = *conf;
    s->store = store;
    s->handler = (struct http_handler){s, handle, drained, gone};
    list_init(&s->ops);
    list_init(&s->polls);
    for (size_t i = 0; i < SERVER_BUCKETS; i++)
        list_init(&s->by_responder[i]);
    struct directory_events events = {s, device_removed, device_notified};
    wax_rc rc = directory_new(&dir, store, &events, &s->directory);
    if (rc == WAX_OK)
        rc = mailbox_new(&mail, store, &s->mailbox);
    if (rc == WAX_OK)
        rc = limits_new(&s->limits);
    if (rc == WAX_OK)
        rc = known_new(&s->known);
    if (rc != WAX_OK) {
        server_free(s);
        return rc;
    }
    *ret = s;
    return WAX_OK;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    mailbox_free(s->mailbox);
    directory_free(s->directory);
    while (!list_empty(&s->ops))
        op_free(LIST_OF(s->ops.next, struct op, node));
    limits_free(s->limits);
    known_free(s->known);
    mem_free(s);
}

void server_keep_log(struct server *s, const struct directory_log *log)
{
    directory_keep_log(s->directory, log);
}

void server_reconfigure(struct server *s, const struct server_conf *conf)
{
    struct directory_conf dir = directory_part(conf);
    struct mailbox_conf mail = mailbox_part(conf);

    s->conf = *conf;
    directory_reconfigure(s->directory, &dir);
    mailbox_reconfigure(s->mailbox, &mail);
}

const struct http_handler *server_handler(struct server *s) { return &s->handler; }

void server_tick(struct server *s, uint64_t now_ms)
{
    s->now = now_ms;
    mailbox_tick(s->mailbox, now_ms);
    directory_tick(s->directory, now_ms);
    link_polls_tick(s);
}

uint64_t server_next_wake(const struct server *s)
{
    uint64_t at = mailbox_next_wake(s->mailbox);
    uint64_t log = directory_next_wake(s->directory);

    if (log < at)
        at = log;
    if (!list_empty(&s->polls)) {
        const struct op *first = LIST_OF(s->polls.next, struct op, poll);
        if (first->look_at < at)
            at = first->look_at;
    }
    return at;
}

void server_set_revoked(struct server *s, void (*fn)(void *ctx, const struct point *dtk), void *ctx)
{
    s->revoked = fn;
    s->revoked_ctx = ctx;
}

void server_drain(struct server *s)
{
    s->draining = true;
    mailbox_end_all(s->mailbox);
    link_polls_end(s);
}

void server_load(const struct server *s, size_t *ret_requests, size_t *ret_streams)
{
    *ret_requests = s->n_requests;
    *ret_streams = mailbox_streams(s->mailbox);
}
