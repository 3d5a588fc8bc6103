/* Linking a device (PROTOCOL 5.1): both sides over the rendezvous at the server. */
#include "client/internal.h"

#include <stdio.h>

#include "account/link.h"

#define POLL_PAUSE_MS 500

/* Records at the rendezvous so far; keeps the reply that they point into. */
struct poll {
    ProtobufCMessage *reply;
    struct bytes records[LINK_RECORDS];
    size_t n;
};

static void poll_done(struct poll *p)
{
    proto_free(p->reply);
    *p = (struct poll){0};
}

static void link_path(const uint8_t rid[LINK_RID], int have, char out[80])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out + snprintf(out, 80, "/v1/link/");

    for (size_t i = 0; i < LINK_RID; i++) {
        *p++ = digits[rid[i] >> 4];
        *p++ = digits[rid[i] & 15];
    }
    *p = 0;
    if (have >= 0)
        (void)snprintf(p, 20, "?have=%d", have);
}

static wax_rc poll_get(struct client *c, const uint8_t rid[LINK_RID], struct poll *p)
{
    struct transport_reply reply = {0};
    char path[80];
    size_t have = p->n;

    link_path(rid, (int)have, path);
    wax_rc rc = client_call(c, "GET", path, BYTES(NULL, 0), &reply);
    if (rc == WAX_OK) {
        poll_done(p);
        rc = proto_unpack(&wax__v1__link_reply__descriptor, buf_view(&reply.body), API_BODY_MAX,
                          &p->reply);
        if (rc == WAX_R_PARSE)
            rc = WAX_E_PROTO;
    }
    if (rc == WAX_OK) {
        const Wax__V1__LinkReply *r = (const void *)p->reply;
        if (r->n_sealed > LINK_RECORDS || r->n_sealed < have)
            rc = WAX_E_PROTO;
        for (size_t i = 0; rc == WAX_OK && i < r->n_sealed; i++)
            p->records[p->n++] = PB_BYTES(r->sealed[i]);
    }
    reply_done(&reply);
    return rc;
}

static wax_rc poll_post(struct client *c, const uint8_t rid[LINK_RID], struct bytes sealed)
{
    Wax__V1__LinkPost m = WAX__V1__LINK_POST__INIT;
    struct transport_reply reply = {0};
    struct buf body = {0};
    char path[80];

    m.sealed = (ProtobufCBinaryData){sealed.n, (uint8_t *)(uintptr_t)sealed.p};
    link_path(rid, -1, path);
    wax_rc rc = proto_pack(&m.base, &body);
    if (rc == WAX_OK)
        rc = client_call(c, "POST", path, buf_view(&body), &reply);
    /* A lost reply, repeated: the record is there already, and the next poll shows it. */
    if (rc == WAX_E_CONFLICT)
        rc = WAX_OK;
    reply_done(&reply);
    buf_done(&body);
    return rc;
}

/* Gets more records, or waits; WAX_E_TIMEOUT at the deadline. A rendezvous that is not there is
 * not there yet, at N before its first record. */
static wax_rc more(struct client *c, const uint8_t rid[LINK_RID], struct poll *p,
                   const struct client_link_ui *ui, uint64_t deadline)
{
    size_t have = p->n;

    for (;;) {
        if (now_own(c) >= deadline)
            return WAX_E_TIMEOUT;
        wax_rc rc = poll_get(c, rid, p);
        if (rc != WAX_OK || p->n > have)
            return rc;
        if (!ui->pause(ui->ctx, POLL_PAUSE_MS))
            return WAX_E_CANCELLED;
    }
}

/* --- N --- */

static wax_rc identity_pending(struct client *c, const struct prekey *p)
{
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    rc = identity_store(c, 0);
    if (rc == WAX_OK)
        rc = prekey_first(c, p);
    return vault_finish(c->env.vault, rc);
}

static wax_rc publish_identity(struct client *c)
{
    struct vault *v = c->env.vault;
    struct pin *own = mem_alloc(sizeof *own);
    wax_rc rc = own ? client_lookup(c, c->handle) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = pin_load_handle(c, c->handle, own);
    if (rc == WAX_OK &&
        (!ID_EQ(&own->head.manifest.acct, &c->acct) || pin_find(own, &c->keys.dev) < 0))
        rc = WAX_R_CHAIN; /* the directory does not show what record 4 promised */
    mem_free(own);
    if (rc == WAX_OK)
        rc = vault_begin(v);
    if (rc != WAX_OK)
        return rc;
    rc = vault_finish(v, meta_put_u64(v, "published", 1));
    if (rc == WAX_OK)
        c->published = true;
    return rc;
}

static wax_rc new_event(struct client *c, struct link_new *l, const struct link_out *out,
                        const struct client_link_ui *ui, bool *done)
{
    wax_rc rc = WAX_OK;

    switch (out->event) {
    case LINK_SHOW:
        c->acct = *out->acct;
        ui->six_digits(ui->ctx, out->digits, out->handle);
        break;
    case LINK_POST:
        if (out->prekey)
            rc = identity_pending(c, out->prekey);
        if (rc == WAX_OK)
            rc = poll_post(c, link_new_rid(l), out->post);
        break;
    case LINK_DONE:
        rc = publish_identity(c);
        *done = rc == WAX_OK;
        break;
    default:
        rc = WAX_E_INVAL;
    }
    return rc;
}

static wax_rc new_steps(struct client *c, struct link_new *l, const struct client_link_ui *ui,
                        uint64_t deadline)
{
    struct poll p = {0};
    bool done = false;
    wax_rc rc = WAX_OK;

    while (rc == WAX_OK && !done) {
        struct link_out out = {0};
        rc = link_new_step(l, p.records, p.n, c->env.rng, now_early(c), &out);
        if (rc == WAX_OK)
            rc = new_event(c, l, &out, ui, &done);
        else if (rc == WAX_E_WAIT)
            rc = more(c, link_new_rid(l), &p, ui, deadline);
    }
    poll_done(&p);
    return rc;
}

static wax_rc forget_identity(struct client *c)
{
    wax_rc rc = vault_begin(c->env.vault);

    for (int t = VT_META; rc == WAX_OK && t < VT_COUNT_; t++) {
        if (t == VT_META)
            continue;
        rc = vault_del_prefix(c->env.vault, (enum vault_table)t, BYTES(NULL, 0));
    }
    static const char *const names[] = {"keys", "account", "published", "prekey.current",
                                        "prekey.newest"};
    for (size_t i = 0; rc == WAX_OK && i < sizeof names / sizeof *names; i++)
        rc = vault_del(c->env.vault, VT_META, BYTES_STR(names[i]));
    return vault_finish(c->env.vault, rc);
}

wax_rc client_link_new(const struct client_env *env, const char *handle, const char *device_name,
                       const struct client_link_ui *ui, uint64_t deadline, struct client **ret)
{
    struct client *c = client_alloc(env);
    struct link_new *l = NULL;
    wax_rc rc = c ? device_keys_make(env->rng, &c->keys) : WAX_E_NOMEM;

    if (rc == WAX_OK) {
        item_short(c->handle, sizeof c->handle, handle);
        rc = link_new_start(&c->keys, device_name, handle, env->rng, &l);
    }
    if (rc == WAX_OK) {
        ui->link_code(ui->ctx, link_new_code(l));
        rc = new_steps(c, l, ui, deadline);
    }
    link_new_free(l);
    if (rc == WAX_OK) {
        *ret = c;
        return WAX_OK;
    }
    /* What record 5 answers to stays, since the account may list this device by now:
     * client_link_resume tells. Only an account that turned out to be another one is dropped at
     * once. */
    if (c && rc == WAX_R_CHAIN) {
        wax_rc rc2 = forget_identity(c);
        rc = rc2 == WAX_OK ? rc : rc2;
    }
    client_close(c);
    return rc;
}

static wax_rc resume(struct client *c)
{
    struct buf b = {0};
    wax_rc rc = client_meta_get(c->env.vault, "genesis", &b);

    buf_done(&b);
    if (c->published || rc == WAX_OK)
        return WAX_E_EXISTS;
    if (rc == WAX_E_NOTFOUND)
        rc = publish_identity(c);
    if (rc == WAX_R_CHAIN || rc == WAX_E_NOTFOUND) { /* never got in: begin anew */
        rc = forget_identity(c);
        return rc == WAX_OK ? WAX_E_NOTFOUND : rc;
    }
    return rc;
}

wax_rc client_link_resume(const struct client_env *env, struct client **ret)
{
    struct client *c = NULL;
    wax_rc rc = client_open(env, &c);

    if (rc == WAX_OK)
        rc = resume(c);
    if (rc == WAX_OK)
        *ret = c;
    else
        client_close(c);
    return rc;
}

/* --- O --- */

static wax_rc old_publish(struct client *c, struct link_old *l, const struct link_out *out)
{
    wax_rc rc = c->env.lock ? c->env.lock(c->env.lock_ctx) : WAX_OK;

    if (rc != WAX_OK)
        return rc;
    rc = client_publish_manifest(c, out->chain_link, out->bundle_record);
    if (c->env.unlock)
        c->env.unlock(c->env.lock_ctx);
    return rc == WAX_OK ? link_old_published(l) : rc;
}

static wax_rc old_event(struct client *c, struct link_old *l, const struct link_out *out,
                        const struct client_link_ui *ui, bool *done)
{
    char digits[LINK_DIGITS + 1] = "";
    wax_rc rc = WAX_OK;

    switch (out->event) {
    case LINK_POST:
        rc = poll_post(c, link_old_rid(l), out->post);
        break;
    case LINK_ASK:
        if (ui->ask_digits(ui->ctx, out->name, digits) != 0)
            rc = WAX_E_CANCELLED;
        else
            rc = link_old_typed(l, digits);
        break;
    case LINK_PUBLISH:
        rc = old_publish(c, l, out);
        break;
    case LINK_DONE:
        *done = true;
        break;
    default:
        rc = WAX_E_INVAL;
    }
    return rc;
}

static wax_rc old_steps(struct client *c, struct link_old *l, const struct client_link_ui *ui,
                        uint64_t deadline)
{
    struct poll p = {0};
    bool done = false;
    wax_rc rc = poll_get(c, link_old_rid(l), &p);

    while (rc == WAX_OK && !done) {
        struct link_out out = {0};
        /* Of what N signed "in the future" is judged, by the later clock; what is signed here takes
         * the earlier one (PROTOCOL 0). */
        rc = link_old_step(l, p.records, p.n, p.n >= 5 ? now_late(c) : now_early(c), &out);
        if (rc == WAX_OK)
            rc = old_event(c, l, &out, ui, &done);
        else if (rc == WAX_E_WAIT)
            rc = more(c, link_old_rid(l), &p, ui, deadline);
    }
    poll_done(&p);
    return rc;
}

/* The device that was not there before: the last of the own manifest. */
static wax_rc newest_device(struct client *c, struct dev_id *ret)
{
    struct pin *own = mem_alloc(sizeof *own);
    wax_rc rc = own ? pin_load(c, &c->acct, own) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        *ret = own->devs[own->head.manifest.n_devices - 1];
    mem_free(own);
    return rc;
}

wax_rc client_link_approve(struct client *c, const char *link_code, const struct client_link_ui *ui,
                           uint64_t deadline, struct dev_id *ret_dev)
{
    struct pin *own = mem_alloc(sizeof *own);
    struct link_old *l = NULL;
    wax_rc rc = own ? client_ensure_login(c) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = pin_load(c, &c->acct, own);
    if (rc == WAX_OK) {
        struct link_old_in in = {.code = link_code, .keys = &c->keys, .head = &own->head};
        rc = link_old_start(&in, c->env.rng, &l);
    }
    mem_free(own);
    if (rc == WAX_OK)
        rc = old_steps(c, l, ui, deadline);
    link_old_free(l);
    return rc == WAX_OK ? newest_device(c, ret_dev) : rc;
}
