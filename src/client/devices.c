/* The account's own manifest: changes by compare-and-swap (PROTOCOL 1 "One head"). */
#include "client/internal.h"

#include <stdio.h>

#include "account/update.h"

static wax_rc post_manifest(struct client *c, struct bytes link, struct bytes bundle,
                            struct buf *conflict)
{
    Wax__V1__UpdateRequest m = WAX__V1__UPDATE_REQUEST__INIT;
    ProtobufCBinaryData record = {bundle.n, (uint8_t *)(uintptr_t)bundle.p};
    struct transport_reply reply = {0};
    struct buf body = {0};
    char path[HANDLE_MAX + 32];

    m.chain_link = (ProtobufCBinaryData){link.n, (uint8_t *)(uintptr_t)link.p};
    if (bundle.n) {
        m.n_bundle_records = 1;
        m.bundle_records = &record;
    }
    (void)snprintf(path, sizeof path, "/v1/directory/%s", c->handle);
    wax_rc rc = proto_pack(&m.base, &body);
    if (rc == WAX_OK)
        rc = client_call(c, "POST", path, buf_view(&body), &reply);
    if (reply.status == 400)
        rc = WAX_E_INVAL;
    if (rc == WAX_E_CONFLICT) {
        buf_bytes(conflict, buf_view(&reply.body));
        if (buf_rc(conflict) != WAX_OK)
            rc = conflict->rc;
    }
    reply_done(&reply);
    buf_done(&body);
    return rc;
}

/* "manifest.next" = lp(bundle) ‖ link: what was signed for the next seq, kept until that one or
 * another valid one of that seq is shown. Another one in its place: WAX_E_EXISTS, since no device
 * POSTs two of one seq. */
static wax_rc keep(struct client *c, struct bytes link, struct bytes bundle)
{
    struct buf b = {0}, before = {0};
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    buf_lp(&b, bundle);
    buf_bytes(&b, link);
    rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = client_meta_get(c->env.vault, "manifest.next", &before);
    if (rc == WAX_OK && !bytes_eq(buf_view(&before), buf_view(&b)))
        rc = WAX_E_EXISTS;
    else if (rc == WAX_E_NOTFOUND)
        rc = client_meta_put(c->env.vault, "manifest.next", buf_view(&b));
    buf_done(&b);
    buf_done(&before);
    return vault_finish(c->env.vault, rc);
}

/* A new device is told of all pins, so that it can name the peers of own messages (5.4). */
static bool gather(void *ctx, const struct pin *pin)
{
    struct buf *pins = ctx;

    buf_add(pins, pin, sizeof *pin);
    return buf_rc(pins) == WAX_OK;
}

static wax_rc tell_pins(struct client *c)
{
    struct buf pins = {0};
    wax_rc rc = client_pins_each(c, gather, &pins);
    size_t n = pins.n / sizeof(struct pin);
    const struct pin **list = n ? mem_calloc(n, sizeof *list) : NULL;

    if (rc == WAX_OK)
        rc = buf_rc(&pins);
    if (rc == WAX_OK && n && !list)
        rc = WAX_E_NOMEM;
    for (size_t i = 0; list && i < n; i++)
        list[i] = (const struct pin *)(const void *)pins.p + i;
    if (rc == WAX_OK && n)
        rc = sync_queue(c, list, n);
    mem_free(list);
    buf_done(&pins);
    return rc;
}

/* One step with the sync for a device that came with it: a process that dies in between does both
 * when it resumes. */
static wax_rc forget(struct client *c, bool linked)
{
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    rc = linked ? tell_pins(c) : WAX_OK;
    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_META, BYTES_STR("manifest.next"));
    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_META, BYTES_STR("resign.at"));
    return vault_finish(c->env.vault, rc);
}

static wax_rc take_confirmed(struct client *c, struct bytes link)
{
    struct pin_link l = {.version = 0, .link = link};

    return pins_take(c, c->handle, &l, 1, 0);
}

wax_rc client_publish_manifest(struct client *c, struct bytes link, struct bytes bundle)
{
    struct buf conflict = {0};
    wax_rc rc = keep(c, link, bundle);

    if (rc == WAX_E_EXISTS)
        return WAX_E_CONFLICT;
    if (rc == WAX_OK)
        rc = post_manifest(c, link, bundle, &conflict);
    if (rc == WAX_OK) {
        rc = take_confirmed(c, link);
        if (rc == WAX_OK)
            rc = forget(c, bundle.n > 0);
    } else if (rc == WAX_E_CONFLICT) {
        /* Erased only once the other one of that seq has been verified. */
        rc = directory_take(c, c->handle, buf_view(&conflict));
        if (rc == WAX_OK)
            rc = forget(c, bundle.n > 0);
        if (rc == WAX_OK)
            rc = WAX_E_CONFLICT;
    } else if (rc == WAX_E_INVAL) {
        /* Refused as it is, maybe dated by a clock that was far ahead then: never published. Any
         * other answer leaves that open. */
        wax_rc rc2 = forget(c, false);
        rc = rc2 != WAX_OK ? rc2 : rc;
    }
    buf_done(&conflict);
    return rc;
}

wax_rc client_resume_manifest(struct client *c)
{
    struct buf b = {0};
    wax_rc rc = client_meta_get(c->env.vault, "manifest.next", &b);

    if (rc == WAX_E_NOTFOUND)
        return WAX_OK;
    if (rc == WAX_OK) {
        struct rd r = rd_init(buf_view(&b));
        struct bytes bundle = rd_lp(&r, BUNDLE_RECORD), link = rd_take(&r, r.left);
        rc = rd_end(&r) == WAX_OK ? client_publish_manifest(c, link, bundle) : WAX_E_DAMAGED;
    }
    buf_done(&b);
    return rc == WAX_E_CONFLICT ? WAX_OK : rc;
}

static wax_rc change_locked(struct client *c, const struct update_change *change)
{
    struct pin *own = mem_alloc(sizeof *own);
    struct buf link = {0};
    struct update_signer signer = update_signer_device(&c->keys);
    /* One that this process could not bring to its end comes first. */
    wax_rc rc = own ? client_resume_manifest(c) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = pin_load(c, &c->acct, own);
    if (rc == WAX_OK)
        rc = update_make(&own->head, &signer, change, NULL, now_early(c), &link);
    if (rc == WAX_OK)
        rc = client_publish_manifest(c, buf_view(&link), BYTES(NULL, 0));
    buf_done(&link);
    mem_free(own);
    return rc;
}

static wax_rc change(struct client *c, const struct update_change *ch)
{
    wax_rc rc = client_ensure_login(c);

    if (rc == WAX_OK && c->env.lock)
        rc = c->env.lock(c->env.lock_ctx);
    if (rc != WAX_OK)
        return rc;
    rc = change_locked(c, ch);
    if (c->env.unlock)
        c->env.unlock(c->env.lock_ctx);
    return rc;
}

wax_rc client_revoke(struct client *c, const struct dev_id *dev)
{
    struct update_change ch = {.revoke = dev, .n_revoke = 1};
    wax_rc rc = change(c, &ch);

    /* Own prekeys rotate after a revoke (5.2): noted with the removal, so that a failure here is
     * made good at the next login. A device that revoked itself has no say left. */
    if (rc == WAX_OK && !ID_EQ(dev, &c->keys.dev)) {
        rc = prekey_rotate(c);
        if (rc == WAX_E_NET || rc == WAX_E_TLS || rc == WAX_E_TIMEOUT || rc == WAX_E_PROTO)
            rc = WAX_OK;
    }
    return rc;
}

wax_rc client_rename(struct client *c, const char *name)
{
    struct update_change ch = {.rename_dev = &c->keys.dev, .rename_to = name};

    return change(c, &ch);
}
