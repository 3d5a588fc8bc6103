/* Looking accounts up, and what people decide about them. */
#include "client/internal.h"

#include <stdio.h>

#include "account/safety.h"

/* All links of a DirectoryReply as pin_update takes them. */
static wax_rc reply_links(const Wax__V1__DirectoryReply *r, struct pin_link **ret)
{
    struct pin_link *l = mem_calloc(r->n_versions, sizeof *l);

    if (!l)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < r->n_versions; i++)
        l[i] = (struct pin_link){r->versions[i]->version, PB_BYTES(r->versions[i]->chain_link)};
    *ret = l;
    return WAX_OK;
}

wax_rc directory_take(struct client *c, const char *handle, struct bytes body)
{
    ProtobufCMessage *m = NULL;
    struct pin_link *links = NULL;
    wax_rc rc = proto_unpack(&wax__v1__directory_reply__descriptor, body, API_BODY_MAX, &m);

    if (rc != WAX_OK)
        return rc == WAX_E_NOMEM ? rc : WAX_E_PROTO;
    const Wax__V1__DirectoryReply *r = (const void *)m;
    rc = reply_links(r, &links);
    if (rc == WAX_OK)
        rc = pins_take(c, handle, links, r->n_versions, r->version);
    if (rc == WAX_OK)
        rc = pins_take_bundles(c, handle, r->bundle_records, r->n_bundle_records);
    mem_free(links);
    proto_free(m);
    return rc;
}

wax_rc client_lookup(struct client *c, const char *handle)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    struct transport_reply reply = {0};
    char path[HANDLE_MAX + 64];
    uint32_t version = 0;
    wax_rc rc = pin ? pin_load_handle(c, handle, pin) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        version = pin->version;
    else if (rc == WAX_E_NOTFOUND)
        rc = WAX_OK;
    mem_free(pin);
    if (rc != WAX_OK)
        return rc;
    (void)snprintf(path, sizeof path, "/v1/directory/%s?version=%u", handle, version);
    rc = client_call(c, "GET", path, BYTES(NULL, 0), &reply);
    if (rc == WAX_OK)
        rc = directory_take(c, handle, buf_view(&reply.body));
    reply_done(&reply);
    return rc;
}

static bool is_fresh(const struct client *c, const struct acct_id *acct)
{
    for (size_t i = 0; i < c->fresh.n; i += 32)
        if (memcmp(c->fresh.p + i, acct->b, 32) == 0)
            return true;
    return false;
}

wax_rc directory_fresh(struct client *c, const struct acct_id *acct, const char *handle)
{
    if (is_fresh(c, acct))
        return WAX_OK;
    wax_rc rc = client_lookup(c, handle);
    if (rc != WAX_OK)
        return rc;
    buf_bytes(&c->fresh, BYTES_OF(acct->b));
    return buf_rc(&c->fresh);
}

void directory_forget(struct client *c, const struct acct_id *acct)
{
    for (size_t i = 0; i < c->fresh.n; i += 32)
        if (memcmp(c->fresh.p + i, acct->b, 32) == 0)
            memset(c->fresh.p + i, 0, 32);
}

wax_rc client_safety(struct client *c, const char *handle, bool pending, char digits[61])
{
    struct pin *pins = mem_calloc(2, sizeof *pins);
    char mine[SAFETY_HALF + 1], theirs[SAFETY_HALF + 1];
    wax_rc rc = pins ? pin_load_handle(c, handle, &pins[0]) : WAX_E_NOMEM;
    const struct pin *other = pins;

    if (rc == WAX_OK && pending && pins[0].identity_changed) {
        rc = candidate_load(c, &pins[0], &pins[1]);
        if (rc == WAX_OK)
            other = &pins[1];
        else if (rc == WAX_E_NOTFOUND)
            rc = WAX_OK;
    }
    if (rc == WAX_OK)
        rc = safety_half(&c->acct, c->handle, mine);
    if (rc == WAX_OK)
        rc = safety_half(&other->head.manifest.acct, handle, theirs);
    if (rc == WAX_OK)
        safety_number(mine, theirs, digits);
    mem_free(pins);
    return rc;
}

wax_rc client_set_verified(struct client *c, const char *handle)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? vault_begin(c->env.vault) : WAX_E_NOMEM;

    if (rc == WAX_OK) {
        rc = pin_load_handle(c, handle, pin);
        if (rc == WAX_OK && pin->identity_changed)
            rc = WAX_E_DENIED;
        if (rc == WAX_OK) {
            pin_set_verified(pin, &c->keys.dev, now_own(c));
            rc = pin_store(c, pin);
        }
        rc = vault_finish(c->env.vault, rc);
    }
    mem_free(pin);
    return rc;
}

/* The old account's devices lose their sessions; the pin's row moves to the new acct_id. */
static wax_rc replace_account(struct client *c, struct pin *pin, const struct pin *other)
{
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < pin->head.manifest.n_devices; i++) {
        rc = peer_drop(c, &pin->devs[i]);
        if (rc == WAX_OK)
            rc = vault_del(c->env.vault, VT_DEVICE, BYTES_OF(pin->devs[i].b));
    }
    if (rc == WAX_OK)
        rc = outbox_orphan(c, &pin->head.manifest.acct);
    if (rc == WAX_OK)
        rc = candidate_drop(c, pin);
    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_PIN, BYTES_OF(pin->head.manifest.acct.b));
    if (rc == WAX_OK)
        pin_accept_identity(pin, other);
    return rc;
}

/* The digits are held against what is accepted in this very transaction. Those of the account that
 * is pinned say that nothing changed: a candidate that the directory showed is dropped then, or one
 * lie of it would close the conversation for good. */
static wax_rc accept_in_tx(struct client *c, const char *handle, const char *digits,
                           struct pin *pins)
{
    char right[61], pinned[61];
    wax_rc rc = client_safety(c, handle, true, right);

    if (rc == WAX_OK)
        rc = client_safety(c, handle, false, pinned);
    if (rc == WAX_OK)
        rc = pin_load_handle(c, handle, &pins[0]);
    bool stays = rc == WAX_OK && safety_equal(pinned, digits);
    if (rc == WAX_OK && !stays && !safety_equal(right, digits))
        rc = WAX_R_CONTENT;
    else if (rc == WAX_OK && !pins[0].identity_changed)
        rc = WAX_E_INVAL;
    if (rc != WAX_OK)
        return rc;
    rc = stays ? candidate_drop(c, &pins[0]) : candidate_load(c, &pins[0], &pins[1]);
    if (rc == WAX_OK && !stays)
        rc = replace_account(c, &pins[0], &pins[1]);
    else if (rc == WAX_OK)
        pin_accept_identity(&pins[0], NULL);
    if (rc == WAX_OK)
        rc = pin_store(c, &pins[0]);
    if (rc == WAX_OK)
        rc = sync_queue(c, (const struct pin *const[]){&pins[0]}, 1);
    return rc;
}

wax_rc client_accept_identity(struct client *c, const char *handle, const char *digits)
{
    struct pin *pins = mem_calloc(2, sizeof *pins);
    wax_rc rc = pins ? vault_begin(c->env.vault) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = vault_finish(c->env.vault, accept_in_tx(c, handle, digits, pins));
    mem_free(pins);
    return rc;
}

struct each_pin {
    struct client *c;
    client_pin_fn fn;
    void *ctx;
    wax_rc rc;
};

static bool pin_row(void *ctx, struct bytes key, struct bytes value)
{
    struct each_pin *e = ctx;
    struct pin *pin = mem_alloc(sizeof *pin);
    bool go_on = true;

    e->rc = pin ? row_rc(pin_decode(value, pin)) : WAX_E_NOMEM;
    if (e->rc == WAX_OK && !bytes_eq(key, BYTES_OF(e->c->acct.b)))
        go_on = e->fn(e->ctx, pin);
    mem_free(pin);
    return go_on && e->rc == WAX_OK;
}

wax_rc client_pins_each(struct client *c, client_pin_fn fn, void *ctx)
{
    struct each_pin e = {.c = c, .fn = fn, .ctx = ctx};
    wax_rc rc =
        vault_scan(c->env.vault, VT_PIN, BYTES(NULL, 0), BYTES(NULL, 0), false, pin_row, &e);

    return rc != WAX_OK ? rc : e.rc;
}
