/* The mailbox's routes, and the rollback counter's. */
#include <stdio.h>

#include "server/op.h"

static void sent(void *ctx, struct mailbox_answer *a)
{
    struct op *op = ctx;

    op->busy = false;
    if (a->rc == WAX_OK)
        op_answer(op, 202, HTTP_MEDIA_TYPE, buf_view(&a->body));
    else if (a->rc == WAX_E_CONFLICT)
        op_answer(op, 409, HTTP_MEDIA_TYPE, buf_view(&a->body));
    else if (a->rc == WAX_E_FULL)
        op_problem(op, PROBLEM_MAILBOX_FULL, a->what);
    else
        op_failed(op, a->rc, a->what);
}

void run_send(struct op *op)
{
    struct mailbox_login login = {.dev = op->login.dev, .acct = op->login.acct};

    if (!op_limit(op, LIMIT_SEND))
        return;
    (void)snprintf(login.handle, sizeof login.handle, "%s", op->login.handle);
    op->busy = true;
    mailbox_send(op->s->mailbox, buf_view(&op->body), &login, op->s->now, sent, op);
}

static void acked(void *ctx, struct mailbox_answer *a)
{
    struct op *op = ctx;

    op->busy = false;
    if (a->rc == WAX_OK)
        op_answer(op, 200, NULL, BYTES(NULL, 0));
    else if (a->rc == WAX_E_NOTFOUND)
        op_problem(op, PROBLEM_NOT_A_DEVICE, a->what);
    else
        op_failed(op, a->rc, a->what);
}

void run_ack(struct op *op)
{
    op->busy = true;
    mailbox_ack(op->s->mailbox, buf_view(&op->body), &op->login.dev, op->s->now, acked, op);
}

static void stream_ended(void *ctx) { op_free(ctx); }

void run_mailbox(struct op *op)
{
    struct mailbox_stream *stream;
    struct server *s = op->s;
    uint64_t after;

    if (!op_limit(op, LIMIT_LOGIN))
        return;
    if (op_number(op, "after", &after) != WAX_OK) {
        op_problem(op, PROBLEM_BAD_REQUEST, "The parameter after is no number of 64 bits");
        return;
    }
    wax_rc rc = mailbox_stream_open(s->mailbox, &op->login.dev, after, op->r, s->now, stream_ended,
                                    op, &stream);
    if (rc == WAX_E_FULL) {
        op_later(op, PROBLEM_RATE_LIMITED, "This device has too many streams open", 10000);
    } else if (rc != WAX_OK) {
        op_failed(op, rc, "");
    } else {
        op->stream = stream;
        s->n_requests--;
    }
}

static void counter_got(struct store_req *req)
{
    struct op *op = req->ctx;
    struct store_counter c = req->u.counter;
    wax_rc rc = req->rc;

    store_req_done(req);
    op->busy = false;
    if (rc != WAX_OK)
        op_failed(op, rc, "");
    else if (c.n == 0)
        op_problem(op, PROBLEM_NOT_FOUND, "This device has not stored a counter yet");
    else
        op_answer(op, 200, HTTP_MEDIA_TYPE, BYTES(c.record, c.n));
}

void run_counter_get(struct op *op)
{
    if (!op_limit(op, LIMIT_LOGIN))
        return;
    op->req.u.counter = (struct store_counter){.dev = op->login.dev};
    op_submit(op, STORE_COUNTER_GET, counter_got);
}

static void counter_stored(struct store_req *req)
{
    struct op *op = req->ctx;
    wax_rc rc = req->rc;

    store_req_done(req);
    op->busy = false;
    if (rc == WAX_OK)
        op_answer(op, 200, NULL, BYTES(NULL, 0));
    else if (rc == WAX_E_CONFLICT)
        op_problem(op, PROBLEM_STALE, "A higher counter of this device is stored");
    else if (rc == WAX_E_NOTFOUND)
        op_problem(op, PROBLEM_NOT_A_DEVICE, "This device is in no manifest any more");
    else
        op_failed(op, rc, "");
}

void run_counter_put(struct op *op)
{
    struct store_counter *c = &op->req.u.counter;

    if (!op_limit(op, LIMIT_LOGIN))
        return;
    if (op->body.n != sizeof c->record) {
        op_problem(op, PROBLEM_BAD_REQUEST, "A counter has exactly 40 bytes");
        return;
    }
    *c = (struct store_counter){.dev = op->login.dev, .n = sizeof c->record};
    memcpy(c->record, op->body.p, sizeof c->record);
    op_submit(op, STORE_COUNTER_PUT, counter_stored);
}
