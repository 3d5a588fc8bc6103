/* The rendezvous of linking (RECORDS 9): the server passes on sealed records in order and
 * forgets them after five minutes. */
#include "base/mem.h"
#include "base/text.h"
#include "server/op.h"
#include "wire/proto.h"

static bool take_rid(struct op *op)
{
    if (hex_decode(op->segment, strlen(op->segment), op->rid, sizeof op->rid) == WAX_OK)
        return true;
    op_problem(op, PROBLEM_LINK_GONE, "A rendezvous is named by 32 hex digits");
    return false;
}

static void look(struct op *op);

static void wake_polls(struct server *s, const uint8_t rid[16])
{
    struct list *next;

    for (struct list *l = s->polls.next; l != &s->polls; l = next) {
        struct op *op = LIST_OF(l, struct op, poll);
        next = l->next;
        if (memcmp(op->rid, rid, sizeof op->rid) != 0)
            continue;
        if (op->busy)
            op->look_again = true;
        else
            look(op);
    }
}

static void posted(struct store_req *req)
{
    struct op *op = req->ctx;
    wax_rc rc = req->rc;

    store_req_done(req);
    op->busy = false;
    if (rc == WAX_OK) {
        wake_polls(op->s, op->rid);
        op_answer(op, 200, NULL, BYTES(NULL, 0));
    } else if (rc == WAX_E_CONFLICT) {
        op_problem(op, PROBLEM_STALE, "This is not the next record of the rendezvous");
    } else if (rc == WAX_E_FULL) {
        op_later(op, PROBLEM_RATE_LIMITED, "Too many devices are being linked at once", 30000);
    } else {
        op_failed(op, rc, "");
    }
}

void run_link_post(struct op *op)
{
    ProtobufCMessage *msg = NULL;
    struct buf sealed = {0};

    if (!op_limit(op, LIMIT_LINK) || !take_rid(op))
        return;
    wax_rc rc =
        proto_unpack(&wax__v1__link_post__descriptor, buf_view(&op->body), API_BODY_MAX, &msg);
    if (rc == WAX_OK) {
        buf_bytes(&sealed, PB_BYTES(((const Wax__V1__LinkPost *)msg)->sealed));
        rc = buf_rc(&sealed);
    }
    proto_free(msg);
    if (rc != WAX_OK) {
        op_failed(op, rc, "The body is no record of linking");
        return;
    }
    buf_done(&op->body);
    op->body = sealed;
    op->req.u.link = (struct store_link){.sealed = buf_view(&op->body),
                                         .life_ms = op->s->conf.link_life_ms,
                                         .max = op->s->conf.link_max};
    memcpy(op->req.u.link.rid, op->rid, sizeof op->rid);
    op_submit(op, STORE_LINK_POST, posted);
}

static wax_rc pack(const struct buf_list *records, struct buf *out)
{
    Wax__V1__LinkReply reply = WAX__V1__LINK_REPLY__INIT;
    ProtobufCBinaryData *v = mem_calloc(records->n + 1, sizeof *v);

    if (!v)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < records->n; i++)
        v[i] = (ProtobufCBinaryData){records->v[i].n, records->v[i].p};
    reply.sealed = v;
    reply.n_sealed = records->n;
    wax_rc rc = proto_pack(&reply.base, out);
    mem_free(v);
    return rc;
}

/* Looked at again in two seconds (another process may have written, and a rendezvous may die
 * meanwhile), or when a record is posted here. */
static void wait_on(struct op *op)
{
    struct server *s = op->s;

    list_del(&op->poll);
    op->look_at = s->now + LINK_LOOK_MS;
    if (op->look_at > op->wait_until)
        op->look_at = op->wait_until;
    list_add(&s->polls, &op->poll);
}

static void looked(struct store_req *req)
{
    struct op *op = req->ctx;
    struct buf_list records = req->u.link.records;
    wax_rc rc = req->rc;
    struct buf body = {0};

    req->u.link.records = (struct buf_list){0};
    store_req_done(req);
    op->busy = false;
    bool enough = records.n > op->have || op->s->now >= op->wait_until || op->s->draining;
    if (rc == WAX_OK && op->r && enough)
        rc = pack(&records, &body);
    buf_list_done(&records);
    if (!op->r)
        op_free(op);
    else if (rc == WAX_E_NOTFOUND)
        op_problem(op, PROBLEM_LINK_GONE, "There is no such rendezvous, or its time is over");
    else if (rc != WAX_OK)
        op_failed(op, rc, "");
    else if (!enough && op->look_again)
        look(op);
    else if (!enough)
        wait_on(op);
    else
        op_answer(op, 200, HTTP_MEDIA_TYPE, buf_view(&body));
    buf_done(&body);
}

static void look(struct op *op)
{
    op->look_again = false;
    op->req.u.link = (struct store_link){.life_ms = op->s->conf.link_life_ms};
    memcpy(op->req.u.link.rid, op->rid, sizeof op->rid);
    op_submit(op, STORE_LINK_GET, looked);
}

void run_link_get(struct op *op)
{
    if (!op_limit(op, LIMIT_LINK) || !take_rid(op))
        return;
    if (op_number(op, "have", &op->have) != WAX_OK) {
        op_problem(op, PROBLEM_BAD_REQUEST, "The parameter have is no number");
        return;
    }
    op->wait_until = op->s->now + LINK_WAIT_MS;
    wait_on(op);
    look(op);
}

void link_polls_tick(struct server *s)
{
    while (!list_empty(&s->polls)) {
        struct op *op = LIST_OF(s->polls.next, struct op, poll);
        if (op->look_at > s->now)
            return;
        list_del(&op->poll);
        op->look_at = s->now + LINK_LOOK_MS;
        list_add(&s->polls, &op->poll);
        if (!op->busy)
            look(op);
    }
}

void link_polls_end(struct server *s)
{
    for (struct list *l = s->polls.next; l != &s->polls; l = l->next) {
        struct op *op = LIST_OF(l, struct op, poll);
        if (!op->busy)
            look(op);
    }
}
