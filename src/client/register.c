/* Making an account: everything is in the vault before the server hears of it, so that a repeat
 * after a lost reply publishes the same bytes. */
#include "client/internal.h"

#include <stdio.h>

#include "account/genesis.h"
#include "account/recovery.h"

wax_rc identity_store(struct client *c, uint64_t published)
{
    struct vault *v = c->env.vault;
    struct buf keys = {0}, account = {0};
    wax_rc rc = device_keys_encode(&c->keys, &keys);

    buf_bytes(&account, BYTES_OF(c->acct.b));
    buf_str(&account, c->handle);
    if (rc == WAX_OK)
        rc = buf_rc(&account);
    if (rc == WAX_OK)
        rc = client_meta_put(v, "keys", buf_view(&keys));
    if (rc == WAX_OK)
        rc = client_meta_put(v, "account", buf_view(&account));
    if (rc == WAX_OK)
        rc = meta_put_u64(v, "published", published);
    buf_done(&keys);
    buf_done(&account);
    return rc;
}

wax_rc prekey_first(struct client *c, const struct prekey *p)
{
    struct vault *v = c->env.vault;
    wax_rc rc = client_prekey_store(c, p);

    if (rc == WAX_OK)
        rc = meta_put_u64(v, "prekey.newest", p->not_before);
    return rc == WAX_OK ? client_meta_put(v, "prekey.current", BYTES_OF(p->id.b)) : rc;
}

/* "genesis" = bundle record ‖ chain link, until the server has it. */
static wax_rc prepare_in_tx(struct client *c, const struct buf *link, const struct prekey *p)
{
    struct buf b = {0};
    wax_rc rc = identity_store(c, 0);

    buf_bytes(&b, BYTES_OF(p->record));
    buf_bytes(&b, buf_view(link));
    if (rc == WAX_OK)
        rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = client_meta_put(c->env.vault, "genesis", buf_view(&b));
    if (rc == WAX_OK)
        rc = prekey_first(c, p);
    buf_done(&b);
    return rc;
}

/* Any answer tells the server's time: a genesis dated by a clock that is ahead would be refused.
 * Without an answer the own clock has to do. */
static wax_rc learn_time(struct client *c, const char *handle)
{
    struct transport_reply reply = {0};
    char path[HANDLE_MAX + 32];

    (void)snprintf(path, sizeof path, "/v1/directory/%s", handle);
    wax_rc rc = client_call(c, "GET", path, BYTES(NULL, 0), &reply);
    reply_done(&reply);
    c->detail[0] = 0;
    return rc == WAX_E_NOMEM || rc == WAX_E_CANCELLED ? rc : WAX_OK;
}

static wax_rc make(struct client *c, const struct client_register *o)
{
    struct ec_key *recovery = NULL;
    struct prekey p = {0};
    struct buf link = {0};
    struct chain_link decoded;
    wax_rc rc = learn_time(c, o->handle);

    if (rc == WAX_OK)
        rc = device_keys_make(c->env.rng, &c->keys);
    if (rc == WAX_OK && o->entropy)
        rc = recovery_key(o->entropy, &recovery);
    if (rc == WAX_OK) {
        struct genesis_in in = {
            .keys = &c->keys, .handle = o->handle, .name = o->device_name, .now = now_early(c)};
        in.recovery = recovery ? ec_public(recovery) : NULL;
        rc = genesis_make(&in, c->env.rng, &link, &p);
    }
    if (rc == WAX_OK)
        rc = chain_link_decode(buf_view(&link), &decoded);
    if (rc == WAX_OK) {
        c->acct = decoded.manifest.acct;
        item_short(c->handle, sizeof c->handle, o->handle);
        rc = vault_begin(c->env.vault);
    }
    if (rc == WAX_OK)
        rc = vault_finish(c->env.vault, prepare_in_tx(c, &link, &p));
    ec_free(recovery);
    prekey_done(&p);
    buf_done(&link);
    return rc;
}

wax_rc client_register_prepare(const struct client_env *env, const struct client_register *o,
                               struct client **ret)
{
    struct client *c = NULL;
    wax_rc rc = client_open(env, &c);

    if (rc == WAX_OK && (c->published || strcmp(c->handle, o->handle) != 0))
        rc = WAX_E_EXISTS;
    if (rc == WAX_OK) { /* a link that was begun has no genesis of its own */
        struct buf b = {0};
        rc = client_meta_get(env->vault, "genesis", &b);
        rc = rc == WAX_E_NOTFOUND ? WAX_E_EXISTS : rc;
        buf_done(&b);
    }
    if (rc == WAX_E_NOTFOUND) {
        c = client_alloc(env);
        rc = c ? make(c, o) : WAX_E_NOMEM;
    }
    if (rc == WAX_OK)
        *ret = c;
    else
        client_close(c);
    return rc;
}

static wax_rc drop_unpublished(struct client *c)
{
    static const char *const names[] = {"keys",    "account",        "published",
                                        "genesis", "prekey.current", "prekey.newest"};
    struct vault *v = c->env.vault;
    wax_rc rc = vault_begin(v);

    if (rc != WAX_OK)
        return rc;
    for (size_t i = 0; rc == WAX_OK && i < sizeof names / sizeof *names; i++)
        rc = vault_del(v, VT_META, BYTES_STR(names[i]));
    if (rc == WAX_OK)
        rc = vault_del_prefix(v, VT_PREKEY, BYTES(NULL, 0));
    return vault_finish(v, rc);
}

static wax_rc published(struct client *c, struct bytes link)
{
    struct pin_link l = {.version = 0, .link = link};
    struct vault *v = c->env.vault;
    wax_rc rc = pins_take(c, c->handle, &l, 1, 0);

    if (rc == WAX_OK)
        rc = vault_begin(v);
    if (rc != WAX_OK)
        return rc;
    rc = meta_put_u64(v, "published", 1);
    if (rc == WAX_OK)
        rc = vault_del(v, VT_META, BYTES_STR("genesis"));
    rc = vault_finish(v, rc);
    if (rc == WAX_OK)
        c->published = true;
    return rc;
}

wax_rc client_register_publish(struct client *c, const char *admission)
{
    Wax__V1__RegisterRequest m = WAX__V1__REGISTER_REQUEST__INIT;
    struct transport_reply reply = {0};
    struct buf genesis = {0}, body = {0};
    wax_rc rc = client_meta_get(c->env.vault, "genesis", &genesis);

    if (rc == WAX_OK && genesis.n <= BUNDLE_RECORD)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        m.bundle_record = (ProtobufCBinaryData){BUNDLE_RECORD, genesis.p};
        m.chain_link = (ProtobufCBinaryData){genesis.n - BUNDLE_RECORD, genesis.p + BUNDLE_RECORD};
        m.admission = (ProtobufCBinaryData){strlen(admission), (uint8_t *)(uintptr_t)admission};
        rc = proto_pack(&m.base, &body);
    }
    if (rc == WAX_OK)
        rc = client_call(c, "POST", "/v1/accounts", buf_view(&body), &reply);
    if (rc == WAX_OK) {
        rc = published(c, (struct bytes){genesis.p + BUNDLE_RECORD, genesis.n - BUNDLE_RECORD});
    } else if (rc == WAX_E_DENIED || rc == WAX_E_EXISTS || rc == WAX_E_INVAL) {
        wax_rc rc2 = drop_unpublished(c);
        rc = rc2 != WAX_OK ? rc2 : rc;
    }
    reply_done(&reply);
    buf_done(&genesis);
    buf_done(&body);
    return rc;
}
