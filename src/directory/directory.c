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
    *ret = d;
    return WAX_OK;
}

void directory_reconfigure(struct directory *d, const struct directory_conf *conf)
{
    d->conf = *conf;
}

static void call_free(struct dir_call *c)
{
    list_del(&c->node);
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

struct dir_call *call_new(struct directory *d, uint64_t now, directory_fn fn, void *ctx)
{
    struct dir_call *c = mem_alloc(sizeof *c);

    if (!c) {
        struct directory_answer a = {.rc = WAX_E_NOMEM, .what = "The server is short of memory"};
        fn(ctx, &a);
        return NULL;
    }
    list_add(&d->calls, &c->node);
    c->d = d;
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

static void reply_ready(struct store_req *req)
{
    struct dir_call *c = req->ctx;
    wax_rc rc = req->rc;
    const char *what = c->answer.what;

    if (rc == WAX_OK)
        rc = reply_pack(&req->u.lookup, c->kind, &c->answer.body);
    else if (rc == WAX_E_NOTFOUND)
        what = "Nobody has this handle";
    store_req_done(req);
    call_end(c, rc == WAX_OK ? c->answer.rc : rc, what);
}

void call_reply(struct dir_call *c, enum reply_kind kind, uint32_t after, wax_rc rc,
                const char *what)
{
    c->kind = kind;
    c->answer.rc = rc;
    c->answer.what = what;
    c->req.u.lookup = (struct store_lookup){.handle = c->handle, .after = after};
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
    const struct manifest *m = &c->link.manifest;
    struct hash32 hash;
    wax_rc rc = manifest_hash(c->link.body, &hash);

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
                                   .chain_link = link,
                                   .devices = c->devices,
                                   .n_devices = m->n_devices};
    return WAX_OK;
}

void directory_lookup(struct directory *d, const char *handle, uint32_t after, uint64_t now,
                      directory_fn fn, void *ctx)
{
    struct dir_call *c = call_new(d, now, fn, ctx);

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
