/* Named singletons and rising counters of the vault. */
#include "client/internal.h"

#include <stdio.h>

static struct bytes meta_key(const char *name) { return BYTES_STR(name); }

wax_rc client_meta_get(struct vault *v, const char *name, struct buf *out)
{
    return vault_get(v, VT_META, meta_key(name), out);
}

wax_rc client_meta_put(struct vault *v, const char *name, struct bytes value)
{
    return vault_put(v, VT_META, meta_key(name), value);
}

wax_rc meta_get_u64(struct vault *v, const char *name, uint64_t *ret)
{
    struct buf b = {0};
    wax_rc rc = client_meta_get(v, name, &b);

    if (rc == WAX_E_NOTFOUND) {
        *ret = 0;
        rc = WAX_OK;
    } else if (rc == WAX_OK && b.n != 8) {
        rc = WAX_E_DAMAGED;
    } else if (rc == WAX_OK) {
        *ret = get_u64(b.p);
    }
    buf_done(&b);
    return rc;
}

wax_rc meta_put_u64(struct vault *v, const char *name, uint64_t value)
{
    uint8_t b[8];

    put_u64(b, value);
    return client_meta_put(v, name, BYTES_OF(b));
}

wax_rc meta_next(struct vault *v, const char *name, uint64_t *ret)
{
    uint64_t n;
    wax_rc rc = meta_get_u64(v, name, &n);

    if (rc == WAX_OK)
        rc = meta_put_u64(v, name, n + 1);
    if (rc == WAX_OK)
        *ret = n + 1;
    return rc;
}

struct bytes order_key(uint64_t order, uint8_t out[8])
{
    put_u64(out, order);
    return BYTES(out, 8);
}

void client_say(struct client *c, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(c->detail, sizeof c->detail, fmt, ap);
    va_end(ap);
}

const char *client_detail(const struct client *c) { return c->detail; }

bool client_met_damage(struct client *c)
{
    bool met = c->damaged;

    c->damaged = false;
    return met;
}

wax_rc vault_finish(struct vault *v, wax_rc rc)
{
    if (rc == WAX_OK)
        return vault_commit(v);
    vault_rollback(v);
    return rc;
}

uint64_t now_own(const struct client *c) { return wall_now(c->env.clock); }

uint64_t now_server(const struct client *c)
{
    uint64_t now = now_own(c);

    if (!c->has_skew || (c->skew < 0 && 0 - (uint64_t)c->skew > now))
        return now;
    return now + (uint64_t)c->skew;
}

uint64_t now_early(const struct client *c)
{
    uint64_t own = now_own(c), server = now_server(c);
    return own < server ? own : server;
}

uint64_t now_late(const struct client *c)
{
    uint64_t own = now_own(c), server = now_server(c);
    return own > server ? own : server;
}

struct client *client_alloc(const struct client_env *env)
{
    struct client *c = mem_alloc(sizeof *c);

    if (c)
        c->env = *env;
    return c;
}

void client_close(struct client *c)
{
    if (!c)
        return;
    device_keys_done(&c->keys);
    buf_done(&c->fresh);
    buf_done(&c->bundles);
    buf_done(&c->lookups);
    for (size_t i = 0; i < c->n_waiting; i++)
        buf_done(&c->waiting[i].envelope);
    mem_free(c->waiting);
    mem_free_wiped(c, sizeof *c);
}

struct party client_self(const struct client *c)
{
    return (struct party){.acct = c->acct, .dev = c->keys.dev, .dsk = *ec_public(c->keys.dsk)};
}

const char *client_handle(const struct client *c) { return c->handle; }
const struct acct_id *client_acct(const struct client *c) { return &c->acct; }
const struct dev_id *client_dev(const struct client *c) { return &c->keys.dev; }
const struct ec_key *client_login_key(const struct client *c) { return c->keys.dtk; }
bool client_is_published(const struct client *c) { return c->published; }
bool client_is_revoked(const struct client *c) { return c->revoked; }

static wax_rc load_account(struct client *c)
{
    struct buf b = {0};
    uint64_t published = 0, revoked = 0;
    wax_rc rc = client_meta_get(c->env.vault, "keys", &b);

    if (rc == WAX_OK)
        rc = row_rc(device_keys_decode(buf_view(&b), &c->keys));
    buf_done(&b);
    if (rc == WAX_OK)
        rc = client_meta_get(c->env.vault, "account", &b);
    if (rc == WAX_OK && (b.n <= 32 || b.n > 32 + HANDLE_MAX))
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        memcpy(c->acct.b, b.p, 32);
        memcpy(c->handle, b.p + 32, b.n - 32);
        rc = meta_get_u64(c->env.vault, "published", &published);
    }
    if (rc == WAX_OK)
        rc = meta_get_u64(c->env.vault, "revoked", &revoked);
    c->published = published != 0;
    c->revoked = revoked != 0;
    buf_done(&b);
    return rc;
}

wax_rc client_open(const struct client_env *env, struct client **ret)
{
    struct client *c = client_alloc(env);
    wax_rc rc = c ? load_account(c) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        *ret = c;
    else
        client_close(c);
    return rc;
}
