/* Linking a device (PROTOCOL 5.1): both sides over the rendezvous at the server. */
#include "client/internal.h"

#include <stdio.h>

#include "account/link.h"

#define POLL_PAUSE_MS 500
#define AWAY_PAUSE_MS 5000 /* at most, between tries while the server is away */

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

/* The record is at the rendezvous under its number; WAX_E_EXISTS: another one is. */
static wax_rc is_there(struct client *c, const uint8_t rid[LINK_RID], struct bytes sealed)
{
    struct poll p = {0};
    size_t k = sealed.p[0];
    wax_rc rc = poll_get(c, rid, &p);

    if (rc == WAX_OK && (k > p.n || !bytes_eq(p.records[k - 1], sealed)))
        rc = WAX_E_EXISTS;
    poll_done(&p);
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
    if (rc == WAX_E_CONFLICT) /* a lost reply, repeated? */
        rc = is_there(c, rid, sealed);
    reply_done(&reply);
    buf_done(&body);
    return rc;
}

static bool away(wax_rc rc) { return rc == WAX_E_NET || rc == WAX_E_TIMEOUT; }

/* Waits before the next try, longer each time that the server was away. */
static wax_rc pause_turn(struct client *c, const struct client_link_ui *ui, wax_rc rc,
                         unsigned *pause, uint64_t deadline)
{
    *pause = !away(rc) ? POLL_PAUSE_MS : *pause * 2 < AWAY_PAUSE_MS ? *pause * 2 : AWAY_PAUSE_MS;
    if (!ui->pause(ui->ctx, *pause))
        return WAX_E_CANCELLED;
    return now_own(c) >= deadline ? WAX_E_TIMEOUT : WAX_OK;
}

static wax_rc post_patiently(struct client *c, const uint8_t rid[LINK_RID], struct bytes sealed,
                             const struct client_link_ui *ui, uint64_t deadline)
{
    unsigned pause = POLL_PAUSE_MS;
    wax_rc rc = poll_post(c, rid, sealed);

    while (away(rc)) {
        wax_rc rc2 = pause_turn(c, ui, rc, &pause, deadline);
        if (rc2 != WAX_OK)
            return rc2;
        rc = poll_post(c, rid, sealed);
    }
    return rc;
}

/* Gets more records, or waits; WAX_E_TIMEOUT at the deadline. */
static wax_rc more(struct client *c, const uint8_t rid[LINK_RID], struct poll *p,
                   const struct client_link_ui *ui, uint64_t deadline)
{
    size_t have = p->n;
    unsigned pause = POLL_PAUSE_MS;

    for (;;) {
        if (now_own(c) >= deadline)
            return WAX_E_TIMEOUT;
        wax_rc rc = poll_get(c, rid, p);
        if ((rc != WAX_OK && !away(rc)) || p->n > have)
            return rc;
        rc = pause_turn(c, ui, rc, &pause, deadline);
        if (rc != WAX_OK)
            return rc;
    }
}

/* The other side is told of an end of ours, so that it need not wait; a server that is away has
 * heard it once. What ended the link stays the result. */
static wax_rc tell_end(struct client *c, const uint8_t rid[LINK_RID], struct bytes end, wax_rc why)
{
    wax_rc rc = poll_post(c, rid, end);

    return rc == WAX_E_NOMEM || rc == WAX_E_CRYPTO ? rc : why;
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
    if (rc == WAX_E_NOTFOUND)
        rc = WAX_R_CHAIN;
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
                        const struct client_link_ui *ui, uint64_t deadline, bool *done)
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
        /* The code is worth showing once the rendezvous is there. */
        if (rc == WAX_OK && out->step == 1)
            rc = poll_post(c, link_new_rid(l), out->post);
        else if (rc == WAX_OK)
            rc = post_patiently(c, link_new_rid(l), out->post, ui, deadline);
        if (rc == WAX_OK && out->step == 1)
            ui->link_code(ui->ctx, link_new_code(l));
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
            rc = new_event(c, l, &out, ui, deadline, &done);
        else if (rc == WAX_E_WAIT)
            rc = more(c, link_new_rid(l), &p, ui, deadline);
    }
    poll_done(&p);
    return rc == WAX_E_NOTFOUND ? WAX_E_TIMEOUT : rc; /* the rendezvous has a life, too */
}

/* Over before its time: O hears of it, the person hears who it was. */
static wax_rc new_failed(struct client *c, struct link_new *l, const struct client_link_ui *ui,
                         wax_rc rc)
{
    struct bytes end;

    if (link_new_end(l, &end) == WAX_OK)
        rc = tell_end(c, link_new_rid(l), end, rc);
    if (ui->ended && link_new_ended(l) != LINK_END_NONE)
        ui->ended(ui->ctx, link_new_ended(l));
    return rc;
}

/* A server that is not there, is another one or has no such handle is told of before anything is
 * shown. */
static wax_rc handle_there(struct client *c)
{
    struct transport_reply reply = {0};
    char path[HANDLE_MAX + 32];

    (void)snprintf(path, sizeof path, "/v1/directory/%s", c->handle);
    wax_rc rc = client_call(c, "GET", path, BYTES(NULL, 0), &reply);
    reply_done(&reply);
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
    if (rc == WAX_OK)
        rc = handle_there(c);
    if (rc == WAX_OK) {
        rc = new_steps(c, l, ui, deadline);
        if (rc != WAX_OK)
            rc = new_failed(c, l, ui, rc);
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
    if (rc == WAX_E_CONFLICT) {
        wax_rc rc2 = link_old_lost(l);
        return rc2 == WAX_OK ? rc : rc2;
    }
    return rc == WAX_OK ? link_old_published(l) : rc;
}

/* Each link code is answered once by this home, whichever process it is typed into: record 2 holds
 * a fresh rO under keys that hang on the code alone (PROTOCOL 5.1). "link.answered" = rendezvous
 * ids, the oldest first; one lives for minutes. */
#define ANSWERED_MAX ((size_t)64 * LINK_RID)

static wax_rc answer_once(struct client *c, const uint8_t rid[LINK_RID])
{
    struct vault *v = c->env.vault;
    struct buf b = {0};
    wax_rc rc = vault_begin(v);

    if (rc != WAX_OK)
        return rc;
    rc = client_meta_get(v, "link.answered", &b);
    if (rc == WAX_E_NOTFOUND)
        rc = WAX_OK;
    for (size_t i = 0; rc == WAX_OK && i + LINK_RID <= b.n; i += LINK_RID)
        if (memcmp(b.p + i, rid, LINK_RID) == 0)
            rc = WAX_E_EXISTS;
    if (rc == WAX_OK) {
        size_t drop = b.n >= ANSWERED_MAX ? b.n + LINK_RID - ANSWERED_MAX : 0;
        buf_add(&b, rid, LINK_RID);
        rc = buf_rc(&b);
        if (rc == WAX_OK)
            rc = client_meta_put(v, "link.answered", BYTES(b.p + drop, b.n - drop));
    }
    buf_done(&b);
    return vault_finish(v, rc);
}

static wax_rc old_event(struct client *c, struct link_old *l, const struct link_out *out,
                        const struct client_link_ui *ui, uint64_t deadline, bool *done)
{
    char digits[LINK_DIGITS + 1] = "";
    wax_rc rc = WAX_OK;

    switch (out->event) {
    case LINK_POST:
        if (out->step == 2)
            rc = answer_once(c, link_old_rid(l));
        if (rc == WAX_OK)
            rc = post_patiently(c, link_old_rid(l), out->post, ui, deadline);
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
            rc = old_event(c, l, &out, ui, deadline, &done);
        else if (rc == WAX_E_WAIT)
            rc = more(c, link_old_rid(l), &p, ui, deadline);
    }
    poll_done(&p);
    return rc;
}

static wax_rc old_failed(struct client *c, struct link_old *l, const struct client_link_ui *ui,
                         wax_rc rc)
{
    struct bytes end;

    if (link_old_end(l, &end) == WAX_OK)
        rc = tell_end(c, link_old_rid(l), end, rc);
    if (ui->ended && link_old_ended(l) != LINK_END_NONE)
        ui->ended(ui->ctx, link_old_ended(l));
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
    if (rc == WAX_OK) {
        rc = old_steps(c, l, ui, deadline);
        if (rc != WAX_OK)
            rc = old_failed(c, l, ui, rc);
    }
    link_old_free(l);
    return rc == WAX_OK ? newest_device(c, ret_dev) : rc;
}
