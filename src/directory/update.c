/* POST /v1/directory/{handle}: the next manifest, compare-and-swap on its seq; and
 * PUT /v1/bundle. */
#include <stdio.h>

#include "directory/internal.h"

static void tell_others(struct dir_call *c)
{
    const struct store_update *u = &c->req.u.update;
    const struct directory_events *e = &c->d->events;

    for (size_t i = 0; i < u->n_removed; i++) {
        int at = -1;
        if (manifest_find(&c->prev.manifest, &u->removed[i], &at) == WAX_OK && at >= 0)
            e->removed(e->ctx, &u->removed[i], &c->prev.manifest.devices[at].dtk);
    }
    for (size_t i = 0; i < u->notified.n; i++) {
        struct dev_id dev;
        if (u->notified.v[i].n != sizeof dev)
            continue;
        memcpy(dev.b, u->notified.v[i].p, sizeof dev);
        e->notified(e->ctx, &dev);
    }
}

static void conflict(struct dir_call *c)
{
    uint32_t seq = c->link.manifest.seq;

    /* From the seq that was tried: its owner sees what stands there instead. */
    call_reply(c, REPLY_DIRECTORY, seq ? seq - 1 : 0, WAX_E_CONFLICT,
               "Another manifest of this account is newer");
}

static void updated(struct store_req *req)
{
    struct dir_call *c = req->ctx;
    wax_rc rc = req->rc;

    if (rc == WAX_OK)
        tell_others(c);
    store_req_done(req);
    switch (rc) {
    case WAX_OK:
        sequencer_kick(&c->d->sequencer, c->d->sequencer.now);
        call_reply(c, REPLY_UPDATE, c->link.manifest.seq - 1, WAX_OK, "");
        return;
    case WAX_E_CONFLICT:
        conflict(c);
        return;
    case WAX_E_EXISTS:
        call_end(c, WAX_R_CHAIN, "A key of this manifest is in use by another device");
        return;
    case WAX_E_NOTFOUND:
        call_end(c, rc, "Nobody has this handle");
        return;
    default:
        call_end(c, rc, call_refused(rc));
    }
}

/* The first bundles of devices that the manifest adds, each at most once. */
static wax_rc add_bundles(struct dir_call *c, const Wax__V1__UpdateRequest *m)
{
    const struct manifest *next = &c->link.manifest;

    for (size_t i = 0; i < m->n_bundle_records; i++) {
        struct bytes record = PB_BYTES(m->bundle_records[i]);
        struct bundle b;
        int at = -1;
        wax_rc rc = bundle_decode(record, &b);
        if (rc == WAX_OK)
            rc = manifest_find(next, &b.dev, &at);
        if (rc == WAX_OK &&
            (at < 0 || manifest_find_dsk(&c->prev.manifest, &next->devices[at].dsk) >= 0))
            rc = WAX_R_CHAIN;
        for (size_t k = 0; rc == WAX_OK && k < c->n_bundles; k++) {
            if (ID_EQ(&c->bundles[k].dev, &b.dev))
                rc = WAX_R_CHAIN;
        }
        if (rc == WAX_OK)
            rc = call_add_bundle(c, record, &next->devices[at], 0);
        if (rc != WAX_OK)
            return rc;
    }
    return WAX_OK;
}

/* The newest link is known: checks ours against it. */
static wax_rc check(struct dir_call *c, struct bytes newest)
{
    const Wax__V1__UpdateRequest *m = (const void *)c->msg;
    struct chain_link stored;
    wax_rc rc = chain_link_decode(newest, &stored);

    if (rc == WAX_OK)
        rc = chain_prev_of(&stored, &c->prev);
    if (rc != WAX_OK) /* what the store holds was checked when it came in */
        return rc_is_refusal(rc) ? WAX_E_DAMAGED : rc;
    if (bytes_eq(newest, PB_BYTES(m->chain_link)))
        return WAX_E_EXISTS;
    if (c->link.manifest.seq != c->prev.manifest.seq + 1)
        return WAX_E_CONFLICT;
    rc = chain_check(&c->link, &c->prev, c->now);
    return rc == WAX_OK ? add_bundles(c, m) : rc;
}

static void newest_known(struct store_req *req)
{
    struct dir_call *c = req->ctx;
    const Wax__V1__UpdateRequest *m = (const void *)c->msg;
    wax_rc rc = req->rc;
    bool unknown = rc == WAX_E_NOTFOUND;

    if (rc == WAX_OK)
        rc = check(c, buf_view(&req->u.lookup.newest_link));
    store_req_done(req);
    if (rc == WAX_E_EXISTS) { /* the same bytes again */
        call_reply(c, REPLY_UPDATE, c->link.manifest.seq - 1, WAX_OK, "");
        return;
    }
    if (rc == WAX_E_CONFLICT) {
        conflict(c);
        return;
    }
    if (rc == WAX_OK) {
        req->u.update = (struct store_update){.bundles = c->bundles, .n_bundles = c->n_bundles};
        rc = call_manifest(c, PB_BYTES(m->chain_link), &req->u.update.manifest);
    }
    if (rc != WAX_OK) {
        call_end(c, rc, unknown ? "Nobody has this handle" : call_refused(rc));
        return;
    }
    call_submit(c, STORE_UPDATE, updated);
}

void directory_update(struct directory *d, const char *handle, struct bytes body,
                      const struct directory_login *login, struct directory_known known,
                      uint64_t now, directory_fn fn, void *ctx)
{
    struct dir_call *c = call_new(d, known, now, fn, ctx);

    if (!c)
        return;
    wax_rc rc = call_parse(c, &wax__v1__update_request__descriptor, body);
    if (rc == WAX_OK)
        rc = chain_link_decode(PB_BYTES(((const Wax__V1__UpdateRequest *)c->msg)->chain_link),
                               &c->link);
    if (rc != WAX_OK) {
        call_end(c, rc, call_refused(rc));
        return;
    }
    const struct manifest *m = &c->link.manifest;
    if (m->signer_kind == SIGNER_DEVICE && (!login || !ID_EQ(&login->acct, &m->acct))) {
        call_end(c, WAX_E_DENIED, "Only a device of this account may publish its manifest");
        return;
    }
    if (strcmp(m->handle, handle) != 0 || !handle_is_ours(d, handle)) {
        call_end(c, WAX_E_INVAL, "The manifest names another handle, which this server cannot do");
        return;
    }
    (void)snprintf(c->handle, sizeof c->handle, "%s", handle);
    c->req.u.lookup = (struct store_lookup){.handle = c->handle, .after = UINT32_MAX};
    call_submit(c, STORE_LOOKUP, newest_known);
}

static void bundle_stored(struct store_req *req)
{
    struct dir_call *c = req->ctx;
    wax_rc rc = req->rc;

    store_req_done(req);
    if (rc == WAX_E_CONFLICT)
        call_reply(c, REPLY_DIRECTORY, UINT32_MAX, rc, "A newer bundle of this device is here");
    else if (rc == WAX_E_NOTFOUND)
        call_end(c, rc, "This device is in no manifest any more");
    else
        call_end(c, rc, rc == WAX_OK ? "" : call_refused(rc));
}

void directory_bundle(struct directory *d, struct bytes body, const struct directory_login *login,
                      struct directory_known known, uint64_t now, directory_fn fn, void *ctx)
{
    struct dir_call *c = call_new(d, known, now, fn, ctx);

    if (!c)
        return;
    struct manifest_device self = {.dsk = login->dsk};
    wax_rc rc = call_parse(c, &wax__v1__bundle_request__descriptor, body);
    if (rc == WAX_OK)
        rc = call_add_bundle(c, PB_BYTES(((const Wax__V1__BundleRequest *)c->msg)->bundle_record),
                             &self, 0);
    if (rc != WAX_OK) {
        call_end(c, rc, call_refused(rc));
        return;
    }
    (void)snprintf(c->handle, sizeof c->handle, "%s", login->handle);
    c->req.u.bundle = (struct store_bundle_put){.bundle = c->bundles[0]};
    call_submit(c, STORE_BUNDLE, bundle_stored);
}
