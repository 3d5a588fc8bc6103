/* POST /v1/messages: what of a fan-out the server can judge (PROTOCOL 9). */
#include <stdlib.h>

#include "base/mem.h"
#include "mailbox/internal.h"
#include "wire/envelope.h"
#include "wire/proto.h"

static int id_order(const void *a, const void *b) { return memcmp(a, b, sizeof(struct dev_id)); }

/* The from dev is the one logged in, the to dev the mailbox (PROTOCOL 9). */
static wax_rc take_envelope(const struct mail_call *c, const Wax__V1__SendRequest *m,
                            const Wax__V1__DeviceEnvelope *in, struct store_envelope *out)
{
    struct envelope *e = mem_alloc(sizeof *e);

    if (!e)
        return WAX_E_NOMEM;
    wax_rc rc = envelope_decode(PB_BYTES(in->envelope), e);
    if (rc == WAX_OK && (!ID_EQ(&e->hdr.from, &c->login.dev) ||
                         memcmp(e->hdr.to.b, in->dev_id.data, sizeof e->hdr.to) != 0 ||
                         memcmp(e->fanout.id.b, m->fanout_id.data, sizeof e->fanout.id) != 0))
        rc = WAX_R_WRONG_DEVICE;
    if (rc == WAX_OK)
        *out = (struct store_envelope){.to = e->hdr.to,
                                       .envelope = PB_BYTES(in->envelope),
                                       .init = e->hdr.type == ENV_INIT,
                                       .bundle = e->hdr.bundle};
    mem_free(e);
    return rc;
}

/* One envelope a device: a second one would count as the first repeated. */
static wax_rc refuse_twice(const struct mail_call *c, size_t n)
{
    struct dev_id *ids = mem_calloc(n, sizeof *ids);
    wax_rc rc = WAX_OK;

    if (!ids)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        ids[i] = c->envelopes[i].to;
    qsort(ids, n, sizeof *ids, id_order);
    for (size_t i = 1; i < n && rc == WAX_OK; i++) {
        if (ID_EQ(&ids[i - 1], &ids[i]))
            rc = WAX_R_CLONE;
    }
    mem_free(ids);
    return rc;
}

/* The manifests the fan-out was made for; one's own account is always among them. */
static wax_rc take_accounts(struct mail_call *c, const Wax__V1__SendRequest *m)
{
    bool own = false;

    c->accounts = mem_calloc(m->n_accounts, sizeof *c->accounts);
    if (!c->accounts)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < m->n_accounts; i++) {
        memcpy(c->accounts[i].acct.b, m->accounts[i]->acct_id.data, sizeof(struct acct_id));
        c->accounts[i].seq = m->accounts[i]->seq;
        own = own || ID_EQ(&c->accounts[i].acct, &c->login.acct);
    }
    return own ? WAX_OK : WAX_R_CONVERSATION;
}

static wax_rc take_all(struct mail_call *c, const Wax__V1__SendRequest *m)
{
    if (m->n_envelopes == 0)
        return WAX_R_PARSE;
    if (m->n_envelopes > c->m->conf.max_fanout)
        return WAX_E_TOOBIG;
    wax_rc rc = take_accounts(c, m);
    if (rc != WAX_OK)
        return rc;
    c->envelopes = mem_calloc(m->n_envelopes, sizeof *c->envelopes);
    if (!c->envelopes)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < m->n_envelopes && rc == WAX_OK; i++)
        rc = take_envelope(c, m, m->envelopes[i], &c->envelopes[i]);
    return rc == WAX_OK ? refuse_twice(c, m->n_envelopes) : rc;
}

static const char *refused(wax_rc rc)
{
    switch (rc) {
    case WAX_R_WRONG_DEVICE:
        return "An envelope's sender, recipient or fanout id is not that of the request";
    case WAX_R_CLONE:
        return "Two envelopes of the request are for one device";
    case WAX_R_CONVERSATION:
        return "The sender's own account is not among the accounts";
    case WAX_R_POINT:
    case WAX_R_PARSE:
        return "An envelope, or the request itself, is not laid out as it must be";
    case WAX_E_TOOBIG:
        return "The request has too many envelopes, or is larger than 16 MiB";
    default:
        return mail_trouble(rc);
    }
}

static bool all_full(const struct store_send *s)
{
    for (size_t i = 0; i < s->n_envelopes; i++) {
        if (s->envelopes[i].result != STORE_RES_FULL)
            return false;
    }
    return true;
}

static wax_rc pack_reply(const struct store_send *s, uint64_t now, struct buf *out)
{
    Wax__V1__SendReply reply = WAX__V1__SEND_REPLY__INIT;
    Wax__V1__DeviceResult *v = mem_calloc(s->n_envelopes, sizeof *v);
    Wax__V1__DeviceResult **at = mem_calloc(s->n_envelopes, sizeof *at);
    wax_rc rc = WAX_E_NOMEM;

    if (!v || !at)
        goto out;
    for (size_t i = 0; i < s->n_envelopes; i++) {
        wax__v1__device_result__init(&v[i]);
        v[i].dev_id = (ProtobufCBinaryData){sizeof(struct dev_id), s->envelopes[i].to.b};
        v[i].result = (Wax__V1__DeviceResult__R)s->envelopes[i].result;
        at[i] = &v[i];
    }
    reply.accepted_at = now;
    reply.results = at;
    reply.n_results = s->n_envelopes;
    rc = proto_pack(&reply.base, out);
out:
    mem_free(at);
    mem_free(v);
    return rc;
}

static void sent(struct store_req *req)
{
    struct mail_call *c = req->ctx;
    struct store_send *s = &req->u.send;
    wax_rc rc = req->rc;

    if (rc == WAX_E_CONFLICT) {
        conflict_begin(c);
        return;
    }
    if (rc == WAX_OK && all_full(s))
        rc = WAX_E_FULL;
    if (rc == WAX_OK)
        rc = pack_reply(s, req->now, &c->answer.body);
    for (size_t i = 0; rc == WAX_OK && i < s->n_envelopes; i++) {
        if (s->envelopes[i].result == STORE_RES_STORED)
            mailbox_wake(c->m, &s->envelopes[i].to);
    }
    store_req_done(req);
    mail_call_end(
        c, rc, rc == WAX_E_FULL ? "The mailboxes of all these devices are full" : mail_trouble(rc));
}

void mailbox_send(struct mailbox *m, struct bytes body, const struct mailbox_login *login,
                  uint64_t now, mailbox_fn fn, void *ctx)
{
    struct mail_call *c = mail_call_new(m, fn, ctx);
    ProtobufCMessage *msg = NULL;

    if (!c)
        return;
    c->login = *login;
    wax_rc rc = proto_unpack(&wax__v1__send_request__descriptor, body, API_BODY_MAX, &msg);
    c->msg = msg;
    const Wax__V1__SendRequest *s = (const void *)msg;
    if (rc == WAX_OK)
        rc = take_all(c, s);
    if (rc != WAX_OK) {
        mail_call_end(c, rc, refused(rc));
        return;
    }
    c->req = (struct store_req){.op = STORE_SEND, .now = now, .done = sent, .ctx = c};
    c->req.u.send = (struct store_send){.from = login->dev,
                                        .from_handle = c->login.handle,
                                        .accounts = c->accounts,
                                        .n_accounts = s->n_accounts,
                                        .envelopes = c->envelopes,
                                        .n_envelopes = s->n_envelopes,
                                        .max_count = m->conf.max_count,
                                        .max_bytes = m->conf.max_bytes};
    memcpy(c->req.u.send.fanout.b, s->fanout_id.data, sizeof(struct fanout_id));
    store_submit(m->store, &c->req);
}
