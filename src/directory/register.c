/* POST /v1/accounts: the first manifest of an account and its first bundle. */
#include <stdio.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "directory/internal.h"

/* An admission token is 16 random bytes as base64url; the store knows its SHA-256 only. */
#define TOKEN_SIZE 16

static wax_rc token_hash(struct bytes text, struct hash32 *ret)
{
    uint8_t token[TOKEN_SIZE];

    if (base64url_decode((const char *)text.p, text.n, token, sizeof token) != WAX_OK)
        return WAX_E_DENIED;
    return hash_raw(ret, PARTS(BYTES_OF(token)));
}

static void registered(struct store_req *req)
{
    struct dir_call *c = req->ctx;
    wax_rc rc = req->rc;

    store_req_done(req);
    switch (rc) {
    case WAX_OK:
        sequencer_kick(&c->d->sequencer, c->d->sequencer.now);
        call_reply(c, REPLY_REGISTER, 0, WAX_OK, "");
        return;
    case WAX_E_EXISTS:
        call_end(c, rc, "Somebody else has this handle");
        return;
    case WAX_E_DENIED:
        call_end(c, rc, "The invitation is unknown, used up or expired; ask for a new one");
        return;
    case WAX_E_CONFLICT:
        call_end(c, WAX_R_CHAIN, "A key of this manifest is in use by another device");
        return;
    default:
        call_end(c, rc, call_refused(rc));
    }
}

static wax_rc check(struct dir_call *c, const Wax__V1__RegisterRequest *m)
{
    wax_rc rc = chain_link_decode(PB_BYTES(m->chain_link), &c->link);

    if (rc == WAX_OK)
        rc = chain_check(&c->link, NULL, c->now);
    if (rc == WAX_OK)
        rc = call_add_bundle(c, PB_BYTES(m->bundle_record), &c->link.manifest.devices[0], 0);
    if (rc == WAX_OK)
        rc = call_manifest(c, PB_BYTES(m->chain_link), &c->req.u.reg.manifest);
    return rc;
}

void directory_register(struct directory *d, struct bytes body, struct directory_known known,
                        uint64_t now, directory_fn fn, void *ctx)
{
    struct dir_call *c = call_new(d, known, now, fn, ctx);

    if (!c)
        return;
    wax_rc rc = call_parse(c, &wax__v1__register_request__descriptor, body);
    const Wax__V1__RegisterRequest *m = (const void *)c->msg;
    struct store_register *r = &c->req.u.reg;
    if (rc == WAX_OK)
        rc = check(c, m);
    if (rc != WAX_OK) {
        call_end(c, rc, call_refused(rc));
        return;
    }
    if (!handle_is_ours(d, c->link.manifest.handle)) {
        call_end(c, WAX_E_INVAL, "This server registers handles of its own domain only");
        return;
    }
    r->bundle = c->bundles[0];
    r->need_invite = !d->conf.registration_open;
    if (r->need_invite)
        rc = token_hash(PB_BYTES(m->admission), &r->invite);
    if (rc != WAX_OK) {
        call_end(c, rc, "An invitation is needed, and this is none");
        return;
    }
    (void)snprintf(c->handle, sizeof c->handle, "%s", c->link.manifest.handle);
    call_submit(c, STORE_REGISTER, registered);
}
