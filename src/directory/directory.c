#include "directory/internal.h"

#include <stdio.h>

#include "base/mem.h"
#include "directory/reply.h"

wax_rc directory_new(const struct directory_conf *conf, struct store *store,
                     const struct directory_events *events, struct directory **ret)
{
    struct directory *d = mem_alloc(sizeof *d);

    if (!d)
        return WAX_E_NOMEM;
    d->conf = *conf;
    d->events = *events;
    d->store = store;
    list_init(&d->calls);
    sequencer_init(&d->sequencer, store, d->conf.domain);
    *ret = d;
    return WAX_OK;
}

void directory_reconfigure(struct directory *d, const struct directory_conf *conf)
{
    d->conf = *conf;
}

void directory_keep_log(struct directory *d, const struct directory_log *log)
{
    sequencer_start(&d->sequencer, log);
}

void directory_tick(struct directory *d, uint64_t now) { sequencer_tick(&d->sequencer, now); }

uint64_t directory_next_wake(const struct directory *d)
{
    return sequencer_next_wake(&d->sequencer);
}

static void call_free(struct dir_call *c)
{
    list_del(&c->node);
    list_del(&c->wait.node);
    log_proofs_done(&c->proofs);
    proto_free(c->msg);
    buf_done(&c->answer.body);
    mem_free(c);
}

void directory_free(struct directory *d)
{
    if (!d)
        return;
    while (!list_empty(&d->calls))
        call_free(LIST_OF(d->calls.next, struct dir_call, node));
    mem_free(d);
}

struct dir_call *call_new(struct directory *d, struct directory_known known, uint64_t now,
                          directory_fn fn, void *ctx)
{
    struct dir_call *c = mem_alloc(sizeof *c);

    if (!c) {
        struct directory_answer a = {.rc = WAX_E_NOMEM, .what = "The server is short of memory"};
        fn(ctx, &a);
        return NULL;
    }
    list_add(&d->calls, &c->node);
    list_init(&c->wait.node);
    c->d = d;
    c->known = known;
    c->now = now;
    c->fn = fn;
    c->ctx = ctx;
    return c;
}

void call_end(struct dir_call *c, wax_rc rc, const char *what)
{
    c->answer.rc = rc;
    c->answer.what = what;
    c->fn(c->ctx, &c->answer);
    call_free(c);
}

void call_submit(struct dir_call *c, enum store_op op, void (*done)(struct store_req *req))
{
    c->req.op = op;
    c->req.now = c->now;
    c->req.done = done;
    c->req.ctx = c;
    store_submit(c->d->store, &c->req);
}

static void look_again(struct sequencer_wait *w, wax_rc rc)
{
    struct dir_call *c = LIST_OF(w, struct dir_call, wait);

    if (rc == WAX_OK)
        call_reply(c, c->kind, c->after, c->answer.rc, c->answer.what);
    else
        call_end(c, rc, call_refused(rc));
}

static void reply_ready(struct store_req *req)
{
    struct dir_call *c = req->ctx;
    wax_rc rc = req->rc;
    const char *what = c->answer.what;

    if (rc == WAX_E_WAIT) {
        c->wait.change = c->change;
        c->wait.over = look_again;
        sequencer_await(&c->d->sequencer, &c->wait, c->d->sequencer.now);
        return;
    }
    if (rc == WAX_OK)
        rc = reply_pack(&req->u.lookup, &c->proofs, c->kind, &c->answer.body);
    else if (rc == WAX_E_NOTFOUND)
        what = "Nobody has this handle";
    store_req_done(req);
    call_end(c, rc == WAX_OK ? c->answer.rc : rc, what);
}

/* In the store's transaction. */
static wax_rc prove(void *ctx, const struct store_log *log, const struct store_lookup *l)
{
    struct dir_call *c = ctx;

    log_proofs_done(&c->proofs);
    c->change = l->change;
    return log_prove_lookup(log, l, &c->known, REPLY_LINKS_BYTES, &c->proofs);
}

void call_reply(struct dir_call *c, enum reply_kind kind, uint32_t after, wax_rc rc,
                const char *what)
{
    c->kind = kind;
    c->after = after;
    c->answer.rc = rc;
    c->answer.what = what;
    c->req.u.lookup = (struct store_lookup){.handle = c->handle, .after = after};
    if (c->d->sequencer.on) {
        c->req.u.lookup.prove = prove;
        c->req.u.lookup.prove_ctx = c;
    }
    call_submit(c, STORE_LOOKUP, reply_ready);
}

wax_rc call_parse(struct dir_call *c, const ProtobufCMessageDescriptor *type, struct bytes body)
{
    return proto_unpack(type, body, API_BODY_MAX, &c->msg);
}

bool handle_is_ours(const struct directory *d, const char *handle)
{
    const char *at = strchr(handle, '@');

    return at && strcmp(at + 1, d->conf.domain) == 0;
}

const char *call_refused(wax_rc rc)
{
    switch (rc) {
    case WAX_R_PARSE:
        return "The record is not laid out as RECORDS.md says";
    case WAX_R_POINT:
        return "A key in the record is no point of P-256";
    case WAX_R_KEM:
        return "The bundle's ML-KEM key is out of its range";
    case WAX_R_SIGNATURE:
        return "A signature of the record does not verify";
    case WAX_R_CHAIN:
        return "The record breaks the rules of the account's chain";
    case WAX_R_DATES:
        return "The record's time lies in the future";
    case WAX_E_TOOBIG:
        return "The body is larger than 16 MiB";
    default:
        return "The server cannot do this now; try again";
    }
}

wax_rc call_add_bundle(struct dir_call *c, struct bytes record, const struct manifest_device *dev,
                       uint64_t not_below)
{
    struct store_bundle *out = &c->bundles[c->n_bundles];
    struct bundle b;
    struct hash32 hash;
    struct dev_id id;
    wax_rc rc = bundle_decode(record, &b);

    if (rc == WAX_OK)
        rc = dev_id_of(&dev->dsk, &id);
    if (rc == WAX_OK)
        rc = bundle_check(record, &b, &id, &dev->dsk, c->now, not_below);
    if (rc == WAX_OK)
        rc = bundle_hash(record, &hash);
    if (rc != WAX_OK)
        return rc;
    *out = (struct store_bundle){
        .dev = id, .id = bundle_id_of(&hash), .not_before = b.not_before, .record = record};
    c->n_bundles++;
    return WAX_OK;
}

wax_rc call_manifest(struct dir_call *c, struct bytes link, struct store_manifest *ret)
{
    const struct sequencer *s = &c->d->sequencer;
    const struct manifest *m = &c->link.manifest;
    struct map_opening opening = {{0}};
    struct hash32 hash;
    wax_rc rc = manifest_hash(c->link.body, &hash);

    if (rc == WAX_OK && s->on)
        rc = rng_fill(&s->conf.rng, opening.b, sizeof opening.b);

    for (size_t i = 0; rc == WAX_OK && i < m->n_devices; i++) {
        c->devices[i].dsk = m->devices[i].dsk;
        c->devices[i].dtk = m->devices[i].dtk;
        rc = dev_id_of(&m->devices[i].dsk, &c->devices[i].dev);
    }
    if (rc != WAX_OK)
        return rc;
    *ret = (struct store_manifest){.handle = m->handle,
                                   .acct = m->acct,
                                   .seq = m->seq,
                                   .hash = hash,
                                   .opening = opening,
                                   .chain_link = link,
                                   .devices = c->devices,
                                   .n_devices = m->n_devices};
    return WAX_OK;
}

void directory_lookup(struct directory *d, const char *handle, uint32_t after,
                      struct directory_known known, uint64_t now, directory_fn fn, void *ctx)
{
    struct dir_call *c = call_new(d, known, now, fn, ctx);

    if (!c)
        return;
    if (!handle_valid(BYTES_STR(handle))) {
        call_end(c, WAX_E_INVAL, "A handle is written name@domain, in lower case");
        return;
    }
    if (!handle_is_ours(d, handle)) {
        call_end(c, WAX_E_NOTFOUND, "This server serves no handles of that domain");
        return;
    }
    (void)snprintf(c->handle, sizeof c->handle, "%s", handle);
    call_reply(c, REPLY_DIRECTORY, after, WAX_OK, "");
}
