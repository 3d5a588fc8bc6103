#include "server/op.h"

#include <stdio.h>

#include "base/mem.h"
#include "base/text.h"

static struct list *bucket_of(struct server *s, const struct http_responder *r)
{
    uintptr_t x = (uintptr_t)r;

    return &s->by_responder[(x >> 4 ^ x >> 16) & (SERVER_BUCKETS - 1)];
}

struct op *op_find(struct server *s, const struct http_responder *r)
{
    struct list *head = bucket_of(s, r);

    for (struct list *l = head->next; l != head; l = l->next) {
        struct op *op = LIST_OF(l, struct op, bucket);
        if (op->r == r)
            return op;
    }
    return NULL;
}

struct op *op_new(struct server *s, const struct http_request *req, struct http_responder *r)
{
    struct op *op = mem_alloc(sizeof *op);

    if (!op)
        return NULL;
    buf_bytes(&op->body, req->body);
    if (buf_rc(&op->body) != WAX_OK) {
        buf_done(&op->body);
        mem_free(op);
        return NULL;
    }
    op->s = s;
    op->r = r;
    op->has_key = req->has_client_key;
    op->key = req->client_key;
    (void)snprintf(op->source, sizeof op->source, "%s", req->source ? req->source : "");
    list_init(&op->poll);
    list_add(&s->ops, &op->node);
    list_add(bucket_of(s, r), &op->bucket);
    s->n_requests++;
    return op;
}

void op_free(struct op *op)
{
    list_del(&op->node);
    list_del(&op->bucket);
    list_del(&op->poll);
    if (!op->stream)
        op->s->n_requests--;
    buf_done(&op->body);
    mem_free(op);
}

static void op_finish(struct op *op, int status, const char *type, struct bytes body,
                      uint64_t later_ms)
{
    struct server *s = op->s;
    struct http_responder *r = op->r;
    bool close_self = op->close_self;
    struct point dtk = op->own_dtk;

    op_free(op);
    if (r) {
        r->ops->start(r, status, body.n ? type : NULL, (unsigned)((later_ms + 999) / 1000));
        if (body.n)
            r->ops->write(r, body);
        r->ops->end(r);
    }
    if (close_self && s->revoked)
        s->revoked(s->revoked_ctx, &dtk);
}

void op_answer(struct op *op, int status, const char *type, struct bytes body)
{
    op_finish(op, status, type, body, 0);
}

void op_later(struct op *op, enum problem p, const char *detail, uint64_t ms)
{
    struct buf doc = {0};

    problem_write(p, detail, &doc);
    op_finish(op, problem_status(p), HTTP_PROBLEM_TYPE,
              buf_rc(&doc) == WAX_OK ? buf_view(&doc) : BYTES(NULL, 0), ms);
    buf_done(&doc);
}

void op_problem(struct op *op, enum problem p, const char *detail) { op_later(op, p, detail, 0); }

void op_gone(struct op *op)
{
    list_del(&op->bucket);
    op->r = NULL;
    if (op->stream) {
        mailbox_stream_gone(op->stream);
        op_free(op);
    } else if (!op->busy) {
        op_free(op);
    }
}

void op_failed(struct op *op, wax_rc rc, const char *what)
{
    if (rc_is_refusal(rc))
        op_problem(op, PROBLEM_BAD_REQUEST, what);
    else if (rc == WAX_E_TOOBIG)
        op_problem(op, PROBLEM_TOO_LARGE, what);
    else
        op_later(op, PROBLEM_OVERLOADED, "The server cannot do this now; try again", 1000);
}

void op_submit(struct op *op, enum store_op what, void (*done)(struct store_req *req))
{
    op->busy = true;
    op->req.op = what;
    op->req.now = op->s->now;
    op->req.done = done;
    op->req.ctx = op;
    store_submit(op->s->store, &op->req);
}

static struct limit_rate rate_of(const struct op *op, enum limit_kind kind)
{
    const struct server_conf *c = &op->s->conf;
    struct limit_rate r = {0, 60000};

    switch (kind) {
    case LIMIT_LOGIN:
        r.rate = c->login_per_min;
        break;
    case LIMIT_SEND:
        r.rate = c->send_per_min;
        break;
    case LIMIT_LINK:
        r.rate = c->link_per_min;
        break;
    case LIMIT_LOOKUP:
        r.rate = c->lookup_per_min;
        if (r.rate && !op->logged_in)
            r.rate = r.rate / 50 + 1;
        break;
    case LIMIT_REGISTER:
        r.rate = c->register_per_hour;
        r.period_ms = 3600000;
        break;
    }
    return r;
}

bool op_limit(struct op *op, enum limit_kind kind)
{
    bool by_account = op->logged_in && kind != LIMIT_REGISTER && kind != LIMIT_LINK;
    struct bytes key = by_account ? BYTES_OF(op->login.acct.b) : BYTES_STR(op->source);
    uint64_t wait = limit_take(op->s->limits, kind, key, rate_of(op, kind), op->s->now);

    if (wait == 0)
        return true;
    op_later(op, PROBLEM_RATE_LIMITED, "Too many such requests came in a short time", wait);
    return false;
}

wax_rc op_number(const struct op *op, const char *name, uint64_t *ret)
{
    size_t n = strlen(name);
    char digits[24];

    for (const char *p = op->query; *p;) {
        size_t len = strcspn(p, "&");
        if (len > n && strncmp(p, name, n) == 0 && p[n] == '=') {
            if (len - n - 1 >= sizeof digits)
                return WAX_E_INVAL;
            memcpy(digits, p + n + 1, len - n - 1);
            digits[len - n - 1] = 0;
            return parse_u64(digits, ret);
        }
        p += len + (p[len] == '&');
    }
    *ret = 0;
    return WAX_OK;
}
