/* Connecting: rollback counter (PROTOCOL 4.6), prekeys (1), own directory entry. */
#include "client/internal.h"

#include <stdio.h>

#include "account/rollback.h"
#include "account/update.h"
#include "client/repair.h"

/* --- Prekeys in the vault --- */

static wax_rc prekey_get(struct client *c, const struct bundle_id *id, struct prekey *ret)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_PREKEY, BYTES_OF(id->b), &b);

    if (rc == WAX_OK)
        rc = row_rc(prekey_decode(buf_view(&b), ret));
    buf_done(&b);
    return rc;
}

wax_rc client_prekey_store(struct client *c, const struct prekey *p)
{
    struct buf b = {0};
    wax_rc rc = prekey_encode(p, &b);

    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_PREKEY, BYTES_OF(p->id.b), buf_view(&b));
    buf_done(&b);
    return rc;
}

wax_rc client_prekey_load(struct client *c, const struct bundle_id *id, struct own_prekey *ret)
{
    struct prekey p = {0};
    struct bundle b;
    wax_rc rc = prekey_get(c, id, &p);

    if (rc == WAX_OK && !p.spk)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK)
        rc = row_rc(bundle_decode(BYTES_OF(p.record), &b));
    if (rc == WAX_OK) {
        ret->bundle_hash = p.hash;
        ret->spk = b.spk;
        ec_scalar(p.spk, &ret->spk_priv);
        ret->kpk_seed = p.kpk_seed;
        memcpy(ret->kpk, b.kpk, sizeof ret->kpk);
    }
    prekey_done(&p);
    return rc;
}

static wax_rc meta_bundle(struct client *c, const char *name, struct bundle_id *ret)
{
    struct buf b = {0};
    wax_rc rc = client_meta_get(c->env.vault, name, &b);

    if (rc == WAX_OK && b.n != 16)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK)
        memcpy(ret->b, b.p, 16);
    buf_done(&b);
    return rc;
}

static wax_rc put_bundle(struct client *c, const struct prekey *p)
{
    Wax__V1__BundleRequest m = WAX__V1__BUNDLE_REQUEST__INIT;
    struct transport_reply reply = {0};
    struct buf body = {0};

    m.bundle_record = (ProtobufCBinaryData){BUNDLE_RECORD, (uint8_t *)(uintptr_t)p->record};
    wax_rc rc = proto_pack(&m.base, &body);
    if (rc == WAX_OK)
        rc = client_call(c, "PUT", "/v1/bundle", buf_view(&body), &reply);
    if (reply.status == 400)
        rc = WAX_E_INVAL;
    reply_done(&reply);
    buf_done(&body);
    return rc;
}

/* The server confirmed `next`: it is current, the one before is superseded from now on. */
static wax_rc confirm_in_tx(struct client *c, const struct bundle_id *next)
{
    struct bundle_id old;
    wax_rc rc = meta_bundle(c, "prekey.current", &old);

    if (rc == WAX_OK && !ID_EQ(&old, next)) {
        struct prekey p = {0};
        rc = prekey_get(c, &old, &p);
        if (rc == WAX_OK) {
            p.superseded_at = now_own(c);
            rc = client_prekey_store(c, &p);
        }
        prekey_done(&p);
    }
    if (rc == WAX_E_NOTFOUND)
        rc = WAX_OK;
    if (rc == WAX_OK)
        rc = client_meta_put(c->env.vault, "prekey.current", BYTES_OF(next->b));
    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_META, BYTES_STR("prekey.due"));
    return rc == WAX_OK ? vault_del(c->env.vault, VT_META, BYTES_STR("prekey.next")) : rc;
}

/* The highest not_before of an own bundle: that of the last one made here, or, after an older copy
 * of this home was put back, that of the one the directory serves. */
static wax_rc newest_known(struct client *c, uint64_t *ret)
{
    struct pin *own = mem_alloc(sizeof *own);
    wax_rc rc = own ? meta_get_u64(c->env.vault, "prekey.newest", ret) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = pin_load(c, &c->acct, own);
    int at = rc == WAX_OK ? pin_find(own, &c->keys.dev) : -1;
    if (at >= 0 && own->bundle_not_before[at] > *ret)
        *ret = own->bundle_not_before[at];
    mem_free(own);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

/* Makes the successor, durable before the PUT; one made and not confirmed is repeated. */
static wax_rc next_prekey(struct client *c, struct prekey *ret)
{
    struct vault *v = c->env.vault;
    struct bundle_id id;
    uint64_t newest;
    wax_rc rc = vault_begin(v);

    if (rc != WAX_OK)
        return rc;
    rc = meta_bundle(c, "prekey.next", &id);
    if (rc != WAX_E_NOTFOUND) {
        rc = rc == WAX_OK ? prekey_get(c, &id, ret) : rc;
        return vault_finish(v, rc);
    }
    rc = newest_known(c, &newest);
    if (rc == WAX_OK)
        rc = prekey_make(&c->keys, c->env.rng, now_early(c), newest, ret);
    if (rc == WAX_OK)
        rc = client_prekey_store(c, ret);
    if (rc == WAX_OK)
        rc = meta_put_u64(v, "prekey.newest", ret->not_before);
    if (rc == WAX_OK)
        rc = client_meta_put(v, "prekey.next", BYTES_OF(ret->id.b));
    return vault_finish(v, rc);
}

/* A bundle that the server will not have. Its time must not push the next one's ahead where it was
 * the reason. */
static wax_rc give_up_in_tx(struct client *c, const struct bundle_id *id, bool refused)
{
    struct vault *v = c->env.vault;
    struct prekey current = {0};
    struct bundle_id held;
    wax_rc rc = vault_del(v, VT_META, BYTES_STR("prekey.next"));

    if (rc == WAX_OK)
        rc = vault_del(v, VT_PREKEY, BYTES_OF(id->b));
    if (rc != WAX_OK || !refused)
        return rc;
    rc = meta_bundle(c, "prekey.current", &held);
    if (rc == WAX_OK)
        rc = prekey_get(c, &held, &current);
    if (rc == WAX_OK || rc == WAX_E_NOTFOUND)
        rc = meta_put_u64(v, "prekey.newest", current.not_before);
    prekey_done(&current);
    return rc;
}

wax_rc prekey_rotate(struct client *c)
{
    struct prekey p = {0};
    wax_rc rc = next_prekey(c, &p);

    if (rc != WAX_OK) {
        prekey_done(&p);
        return rc;
    }
    rc = put_bundle(c, &p);
    /* The server holds one at least as new (a lost vault commit, a clock set back), or this one was
     * dated by a clock that was far ahead then (400): it is never shown to anybody; a newer one is
     * made at the next chance. */
    if (rc == WAX_E_CONFLICT || rc == WAX_E_INVAL) {
        bool refused = rc == WAX_E_INVAL;
        rc = vault_begin(c->env.vault);
        if (rc == WAX_OK)
            rc = vault_finish(c->env.vault, give_up_in_tx(c, &p.id, refused));
    } else if (rc == WAX_OK) {
        rc = vault_begin(c->env.vault);
        if (rc == WAX_OK)
            rc = vault_finish(c->env.vault, confirm_in_tx(c, &p.id));
    }
    prekey_done(&p);
    return rc;
}

static wax_rc rotate_if_due(struct client *c)
{
    struct prekey p = {0};
    struct bundle_id id;
    wax_rc rc = meta_bundle(c, "prekey.next", &id);

    if (rc == WAX_OK)
        return prekey_rotate(c);
    if (rc != WAX_E_NOTFOUND)
        return rc;
    rc = meta_bundle(c, "prekey.current", &id);
    if (rc == WAX_OK)
        rc = prekey_get(c, &id, &p);
    bool due = rc == WAX_E_NOTFOUND || (rc == WAX_OK && prekey_rotation_due(&p, now_own(c)));
    prekey_done(&p);
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    uint64_t revoked; /* since the last one a device was removed (1, 5.2) */
    rc = meta_get_u64(c->env.vault, "prekey.due", &revoked);
    if (rc != WAX_OK)
        return rc;
    return due || revoked ? prekey_rotate(c) : WAX_OK;
}

/* --- Rollback counter --- */

static bool key_row(void *ctx, struct bytes key, struct bytes value)
{
    (void)value;
    buf_bytes(ctx, key);
    return true;
}

/* PROTOCOL 4.6: this is a restored copy. All sessions, with what is kept of erased ones, and all
 * private halves of prekeys go at once; history stays. */
wax_rc client_reset(struct client *c)
{
    struct vault *v = c->env.vault;
    struct buf devs = {0};
    wax_rc rc = vault_scan(v, VT_PEER, BYTES(NULL, 0), BYTES(NULL, 0), false, key_row, &devs);

    if (rc == WAX_OK)
        rc = buf_rc(&devs);
    for (size_t i = 0; rc == WAX_OK && i + 16 <= devs.n; i += 16) {
        struct dev_id dev;
        memcpy(dev.b, devs.p + i, 16);
        rc = peer_drop(c, &dev);
    }
    buf_done(&devs);
    static const enum vault_table tables[] = {VT_PREKEY, VT_SEEN, VT_SEALED};
    for (size_t i = 0; rc == WAX_OK && i < sizeof tables / sizeof *tables; i++)
        rc = vault_del_prefix(v, tables[i], BYTES(NULL, 0));
    if (rc == WAX_OK)
        rc = vault_del(v, VT_META, BYTES_STR("prekey.next"));
    if (rc == WAX_OK)
        rc = vault_del(v, VT_META, BYTES_STR("prekey.current"));
    uint64_t drained;
    if (rc == WAX_OK)
        rc = meta_get_u64(v, "drained.server", &drained);
    if (rc == WAX_OK && drained) /* what came since that copy was made, own devices may have */
        rc = catchup_begin(c, drained);
    if (rc == WAX_OK) {
        struct item a =
            alert_make(c, "restored", WAX_OK, c->handle, &c->keys.dev,
                       "this home is an older copy: all sessions start anew, the history stays");
        rc = event_put_alert(c, &a);
    }
    return rc;
}

static wax_rc counter_refused(struct client *c)
{
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    struct item a = alert_make(
        c, "server_refused", WAX_OK, c->handle, &c->keys.dev,
        "the server's copy of this device's counter does not hold; nothing is sent through it");
    rc = vault_finish(c->env.vault, event_put_alert(c, &a));
    client_say(c, "the server's copy of this device's rollback counter does not hold");
    return rc == WAX_OK ? WAX_E_DENIED : rc;
}

static wax_rc counter_raise(struct client *c, uint64_t next, bool reset)
{
    struct transport_reply reply = {0};
    uint8_t record[COUNTER_SIZE];
    struct vault *v = c->env.vault;
    wax_rc rc = vault_begin(v);

    if (rc != WAX_OK)
        return rc;
    rc = reset ? client_reset(c) : WAX_OK;
    if (rc == WAX_OK)
        rc = meta_put_u64(v, "counter.n", next);
    rc = vault_finish(v, rc);
    if (rc == WAX_OK)
        rc = counter_make(&c->keys.k_roll, &c->keys.dev, next, record);
    if (rc == WAX_OK)
        rc = client_call(c, "PUT", "/v1/counter", BYTES_OF(record), &reply);
    reply_done(&reply);
    if (rc == WAX_OK) {
        rc = vault_begin(v);
        if (rc == WAX_OK)
            rc = vault_finish(v, meta_put_u64(v, "counter.put", 1));
    }
    return rc;
}

static wax_rc counter_step(struct client *c)
{
    struct transport_reply reply = {0};
    enum rollback_verdict verdict;
    uint64_t own, put, next;
    wax_rc rc = client_call(c, "GET", "/v1/counter", BYTES(NULL, 0), &reply);

    if (rc == WAX_E_NOTFOUND) {
        buf_reset(&reply.body);
        rc = WAX_OK;
    }
    if (rc == WAX_OK)
        rc = meta_get_u64(c->env.vault, "counter.n", &own);
    if (rc == WAX_OK)
        rc = meta_get_u64(c->env.vault, "counter.put", &put);
    if (rc == WAX_OK) {
        struct rollback_in in = {.k_roll = &c->keys.k_roll,
                                 .dev = &c->keys.dev,
                                 .own_n = own,
                                 .put_confirmed = put != 0,
                                 .served = buf_view(&reply.body)};
        rc = rollback_judge(&in, &verdict, &next);
    }
    reply_done(&reply);
    if (rc != WAX_OK)
        return rc;
    if (verdict == ROLLBACK_SERVER_REFUSED)
        return counter_refused(c);
    return counter_raise(c, next, verdict == ROLLBACK_RESET);
}

/* --- Own entry --- */

/* Signs the manifest again when less than 15 d are left, after a random delay of 0-24 h. */
static wax_rc resign_if_due(struct client *c)
{
    struct pin *own = mem_alloc(sizeof *own);
    struct buf link = {0};
    uint64_t at = 0, delay;
    wax_rc rc = own ? pin_load(c, &c->acct, own) : WAX_E_NOMEM;

    if (rc == WAX_OK && !manifest_resign_due(&own->head.manifest, now_own(c)))
        goto out;
    if (rc == WAX_OK)
        rc = meta_get_u64(c->env.vault, "resign.at", &at);
    if (rc == WAX_OK && at == 0) {
        rc = rng_below(c->env.rng, 86400000, &delay);
        if (rc == WAX_OK)
            rc = vault_begin(c->env.vault);
        if (rc == WAX_OK)
            rc = vault_finish(c->env.vault,
                              meta_put_u64(c->env.vault, "resign.at", now_own(c) + delay));
        goto out;
    }
    if (rc == WAX_OK && now_own(c) >= at) {
        struct update_signer signer = update_signer_device(&c->keys);
        struct update_change none = {0};
        rc = update_make(&own->head, &signer, &none, NULL, now_early(c), &link);
        if (rc == WAX_OK)
            rc = client_publish_manifest(c, buf_view(&link), BYTES(NULL, 0));
        if (rc == WAX_E_CONFLICT)
            rc = WAX_OK; /* another device was faster */
    }
out:
    buf_done(&link);
    mem_free(own);
    return rc;
}

static wax_rc say_revoked(struct client *c)
{
    client_say(c, "this device was revoked: it is no longer one of %s", c->handle);
    return WAX_E_DENIED;
}

static wax_rc check_own(struct client *c)
{
    struct pin *own = mem_alloc(sizeof *own);
    wax_rc rc = own ? client_lookup(c, c->handle) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = pin_load(c, &c->acct, own);
    if (rc == WAX_OK && pin_find(own, &c->keys.dev) < 0) {
        rc = vault_begin(c->env.vault);
        if (rc == WAX_OK)
            rc = vault_finish(c->env.vault, meta_put_u64(c->env.vault, "revoked", 1));
        if (rc == WAX_OK) {
            c->revoked = true;
            rc = say_revoked(c);
        }
    }
    mem_free(own);
    return rc;
}

/* The server has refused this device's login: the directory answers anybody, and its answer is
 * verified, so that a server cannot make a device believe that it is revoked. */
static wax_rc why_refused(struct client *c)
{
    char said[sizeof c->detail];

    memcpy(said, c->detail, sizeof said);
    wax_rc rc = check_own(c);
    if (c->revoked || rc == WAX_E_NOMEM)
        return rc;
    memcpy(c->detail, said, sizeof said);
    return WAX_E_DENIED;
}

static wax_rc login_steps(struct client *c)
{
    wax_rc rc = counter_step(c);

    if (rc == WAX_E_DENIED)
        return why_refused(c);
    if (rc == WAX_OK)
        rc = client_resume_manifest(c);
    if (rc == WAX_OK)
        rc = check_own(c);
    if (rc == WAX_OK)
        rc = rotate_if_due(c);
    if (rc == WAX_OK)
        rc = resign_if_due(c);
    if (rc == WAX_OK)
        rc = client_maintain(c, false);
    return rc == WAX_OK ? repair_tick(c) : rc;
}

wax_rc client_login(struct client *c)
{
    if (!c->published)
        return WAX_E_DENIED;
    if (c->revoked)
        return say_revoked(c);
    wax_rc rc = c->env.lock ? c->env.lock(c->env.lock_ctx) : WAX_OK;
    if (rc != WAX_OK)
        return rc;
    c->logged_in = false;
    buf_reset(&c->fresh);
    rc = login_steps(c);
    if (c->env.unlock)
        c->env.unlock(c->env.lock_ctx);
    if (rc == WAX_OK) {
        buf_bytes(&c->fresh, BYTES_OF(c->acct.b));
        rc = buf_rc(&c->fresh);
    }
    c->logged_in = rc == WAX_OK;
    return rc;
}

wax_rc client_ensure_login(struct client *c) { return c->logged_in ? WAX_OK : client_login(c); }

wax_rc client_refresh(struct client *c) { return client_ensure_login(c); }
