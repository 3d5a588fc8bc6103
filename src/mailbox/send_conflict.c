/* The 409 of POST /v1/messages: what the sender must learn before he seals again. */
#include "base/mem.h"
#include "mailbox/internal.h"
#include "wire/proto.h"

/* What one reply may weigh; the rest is found out at the next try. */
#define CONFLICT_BYTES_MAX ((size_t)8 * 1024 * 1024)
#define STALE_MAX 64

struct stale {
    struct acct_id acct;
    char handle[318];
    struct buf_list links;
};
struct conflict {
    struct store_acct_seq asked[STALE_MAX]; /* seq: the one the sender named */
    size_t n_asked, at;
    struct stale found[STALE_MAX];
    size_t n_found, weight;
    struct buf_list bundles;
};

void conflict_free(struct conflict *x)
{
    if (!x)
        return;
    for (size_t i = 0; i < x->n_found; i++)
        buf_list_done(&x->found[i].links);
    buf_list_done(&x->bundles);
    mem_free(x);
}

static uint32_t seq_named(const struct store_send *s, const struct acct_id *acct)
{
    for (size_t i = 0; i < s->n_accounts; i++) {
        if (ID_EQ(&s->accounts[i].acct, acct))
            return s->accounts[i].seq;
    }
    return 0;
}

static ProtobufCBinaryData *views(const struct buf_list *l)
{
    ProtobufCBinaryData *v = mem_calloc(l->n + 1, sizeof *v);

    for (size_t i = 0; v && i < l->n; i++)
        v[i] = (ProtobufCBinaryData){l->v[i].n, l->v[i].p};
    return v;
}

static wax_rc pack_stale(struct stale *in, Wax__V1__StaleAccount *out)
{
    wax__v1__stale_account__init(out);
    out->acct_id = (ProtobufCBinaryData){sizeof in->acct, in->acct.b};
    out->handle = (ProtobufCBinaryData){strlen(in->handle), (uint8_t *)in->handle};
    out->chain_links = views(&in->links);
    out->n_chain_links = in->links.n;
    return out->chain_links ? WAX_OK : WAX_E_NOMEM;
}

static wax_rc pack(struct conflict *x, struct buf *out)
{
    Wax__V1__SendConflict m = WAX__V1__SEND_CONFLICT__INIT;
    Wax__V1__StaleAccount *v = mem_calloc(x->n_found + 1, sizeof *v);
    Wax__V1__StaleAccount **at = mem_calloc(x->n_found + 1, sizeof *at);
    wax_rc rc = v && at ? WAX_OK : WAX_E_NOMEM;

    m.newer_bundles = views(&x->bundles);
    m.n_newer_bundles = x->bundles.n;
    if (!m.newer_bundles)
        rc = WAX_E_NOMEM;
    for (size_t i = 0; rc == WAX_OK && i < x->n_found; i++) {
        rc = pack_stale(&x->found[i], &v[i]);
        at[i] = &v[i];
    }
    m.stale = at;
    m.n_stale = x->n_found;
    if (rc == WAX_OK)
        rc = proto_pack(&m.base, out);
    for (size_t i = 0; v && i < x->n_found; i++)
        mem_free(v[i].chain_links);
    mem_free(m.newer_bundles);
    mem_free(at);
    mem_free(v);
    return rc;
}

static void next_lookup(struct mail_call *c);

static void looked_up(struct store_req *req)
{
    struct mail_call *c = req->ctx;
    struct store_lookup *l = &req->u.lookup;
    struct conflict *x = c->conflict;
    wax_rc rc = req->rc;

    if (rc == WAX_OK) {
        struct stale *s = &x->found[x->n_found++];
        s->acct = l->acct;
        memcpy(s->handle, l->handle_out, sizeof s->handle);
        s->links = l->links;
        l->links = (struct buf_list){0};
        for (size_t i = 0; i < s->links.n; i++)
            x->weight += s->links.v[i].n;
    }
    store_req_done(req);
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND) {
        mail_call_end(c, rc, mail_trouble(rc));
        return;
    }
    next_lookup(c);
}

static void next_lookup(struct mail_call *c)
{
    struct conflict *x = c->conflict;

    if (x->at < x->n_asked && x->weight < CONFLICT_BYTES_MAX) {
        const struct store_acct_seq *a = &x->asked[x->at++];
        c->req.op = STORE_LOOKUP;
        c->req.done = looked_up;
        c->req.u.lookup = (struct store_lookup){.acct = a->acct, .after = a->seq};
        store_submit(c->m->store, &c->req);
        return;
    }
    wax_rc rc = pack(x, &c->answer.body);
    if (rc != WAX_OK)
        mail_call_end(c, rc, mail_trouble(rc));
    else
        mail_call_end(c, WAX_E_CONFLICT, "The device lists or bundles used are not the newest");
}

void conflict_begin(struct mail_call *c)
{
    struct store_send *s = &c->req.u.send;
    struct conflict *x = mem_alloc(sizeof *x);

    c->conflict = x;
    if (x) {
        x->n_asked = s->n_stale < STALE_MAX ? s->n_stale : STALE_MAX;
        for (size_t i = 0; i < x->n_asked; i++)
            x->asked[i] =
                (struct store_acct_seq){s->stale[i].acct, seq_named(s, &s->stale[i].acct)};
        x->bundles = s->newer_bundles;
        s->newer_bundles = (struct buf_list){0};
    }
    store_req_done(&c->req);
    if (x)
        next_lookup(c);
    else
        mail_call_end(c, WAX_E_NOMEM, mail_trouble(WAX_E_NOMEM));
}
