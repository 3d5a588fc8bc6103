#include "client/rows.h"

#include <stdlib.h>

#include "account/keys.h"
#include "client/repair.h"

#define SLOT_KEY 24
#define SEEN_KEY 64
#define FANOUT_KEY 32

static struct bytes slot_key(const struct slot *s, uint8_t out[SLOT_KEY])
{
    memcpy(out, s->sid.b, 16);
    put_u32(out + 16, s->epoch);
    put_u32(out + 20, s->ctr);
    return BYTES(out, SLOT_KEY);
}

static struct bytes epoch_key(const struct sid *sid, uint32_t epoch, uint8_t out[20])
{
    memcpy(out, sid->b, 16);
    put_u32(out + 16, epoch);
    return BYTES(out, 20);
}

static struct bytes seen_key(const struct bundle_id *b, const struct dev_id *dev,
                             const struct hash32 *h, uint8_t out[SEEN_KEY])
{
    memcpy(out, b->b, 16);
    memcpy(out + 16, dev->b, 16);
    memcpy(out + 32, h->b, 32);
    return BYTES(out, SEEN_KEY);
}

struct bytes fanout_key(const struct dev_id *dev, const struct fanout_id *f,
                        uint8_t out[FANOUT_KEY])
{
    memcpy(out, dev->b, 16);
    memcpy(out + 16, f->b, 16);
    return BYTES(out, FANOUT_KEY);
}

/* Reads the first n bytes of a row, which has to be at least that long. */
static wax_rc get_fixed(struct vault *v, enum vault_table t, struct bytes key, void *out, size_t n)
{
    struct buf b = {0};
    wax_rc rc = vault_get(v, t, key, &b);

    if (rc == WAX_OK && b.n < n)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK)
        memcpy(out, b.p, n);
    buf_done(&b);
    return rc;
}

static wax_rc row_sender(void *ctx, const struct dev_id *dev, struct party *ret)
{
    struct rows_ctx *r = ctx;

    return client_find_device(r->c, dev, ret);
}

static wax_rc row_sid(void *ctx, const struct sid *sid, struct dev_id *ret)
{
    struct rows_ctx *r = ctx;

    return get_fixed(r->c->env.vault, VT_SID, BYTES_OF(sid->b), ret->b, sizeof ret->b);
}

static wax_rc row_skipped(void *ctx, const struct slot *slot, struct key32 *ret)
{
    struct rows_ctx *r = ctx;
    uint8_t key[SLOT_KEY];

    return get_fixed(r->c->env.vault, VT_SKIPPED, slot_key(slot, key), ret->b, sizeof ret->b);
}

static wax_rc row_slot(void *ctx, const struct slot *slot, struct hash32 *ret)
{
    struct rows_ctx *r = ctx;
    uint8_t key[SLOT_KEY];
    wax_rc rc = get_fixed(r->c->env.vault, VT_SLOT, slot_key(slot, key), ret->b, sizeof ret->b);

    if (rc == WAX_E_NOTFOUND)
        rc = get_fixed(r->c->env.vault, VT_OWN_SLOT, slot_key(slot, key), ret->b, sizeof ret->b);
    return rc;
}

static wax_rc row_epoch(void *ctx, const struct sid *sid, uint32_t epoch, struct epoch_row *ret)
{
    struct rows_ctx *r = ctx;
    uint8_t key[20], b[37];
    wax_rc rc = get_fixed(r->c->env.vault, VT_EPOCH, epoch_key(sid, epoch, key), b, sizeof b);

    if (rc != WAX_OK)
        return rc;
    struct epoch_row row = {
        .sid = *sid, .epoch = epoch, .closed = b[32] != 0, .limit = get_u32(b + 33)};
    memcpy(row.constants.b, b, 32);
    *ret = row;
    return WAX_OK;
}

struct seen_search {
    const struct hash32 *key;
    const struct dev_id *dev;
    size_t n;
    bool found;
};

static bool seen_row(void *ctx, struct bytes key, struct bytes value)
{
    struct seen_search *s = ctx;

    (void)value;
    if (key.n != SEEN_KEY)
        return true;
    s->found = s->found || (s->key && memcmp(key.p + 32, s->key->b, 32) == 0);
    s->n += s->dev && memcmp(key.p + 16, s->dev->b, 16) == 0;
    return !(s->key && s->found);
}

static wax_rc row_seen(void *ctx, const struct bundle_id *bundle, const struct hash32 *key)
{
    struct rows_ctx *r = ctx;
    struct seen_search s = {.key = key};
    wax_rc rc = vault_scan(r->c->env.vault, VT_SEEN, BYTES_OF(bundle->b), BYTES(NULL, 0), false,
                           seen_row, &s);

    return rc != WAX_OK ? rc : s.found ? WAX_OK : WAX_E_NOTFOUND;
}

static wax_rc row_seen_count(void *ctx, const struct dev_id *sender, const struct bundle_id *bundle,
                             size_t *ret)
{
    struct rows_ctx *r = ctx;
    uint8_t prefix[32];
    uint64_t n;

    memcpy(prefix, bundle->b, 16);
    memcpy(prefix + 16, sender->b, 16);
    wax_rc rc = vault_count(r->c->env.vault, VT_SEEN, BYTES_OF(prefix), &n);
    if (rc == WAX_OK)
        *ret = (size_t)n;
    return rc;
}

static wax_rc row_fanout(void *ctx, const struct dev_id *sender, const struct fanout_id *id,
                         struct hash32 *ret)
{
    struct rows_ctx *r = ctx;
    uint8_t key[FANOUT_KEY];

    return get_fixed(r->c->env.vault, VT_FANOUT, fanout_key(sender, id, key), ret->b,
                     sizeof ret->b);
}

static wax_rc row_skipped_count(void *ctx, const struct dev_id *peer, size_t *ret_peer,
                                size_t *ret_all)
{
    struct rows_ctx *r = ctx;
    uint64_t all, own = 0;
    wax_rc rc = vault_count(r->c->env.vault, VT_SKIPPED, BYTES(NULL, 0), &all);

    (void)peer;
    for (size_t i = 0; rc == WAX_OK && r->state && i < r->state->n_held; i++) {
        uint64_t n;
        rc = vault_count(r->c->env.vault, VT_SKIPPED, BYTES_OF(r->state->held[i].sid.b), &n);
        if (rc == WAX_OK)
            own += n;
    }
    if (rc == WAX_OK) {
        *ret_peer = (size_t)own;
        *ret_all = (size_t)all;
    }
    return rc;
}

static wax_rc row_prekey(void *ctx, const struct bundle_id *id, struct own_prekey *ret)
{
    struct rows_ctx *r = ctx;

    return client_prekey_load(r->c, id, ret);
}

static wax_rc row_content(void *ctx, struct bytes content, Wax__V1__Content **ret)
{
    struct rows_ctx *r = ctx;

    return aside_content(r->c, content, ret);
}

struct session_rows rows_of(struct rows_ctx *ctx)
{
    return (struct session_rows){
        .ctx = ctx,
        .find_sender = row_sender,
        .sid_owner = row_sid,
        .skipped_key = row_skipped,
        .slot_hash = row_slot,
        .epoch = row_epoch,
        .seen = row_seen,
        .seen_count = row_seen_count,
        .fanout = row_fanout,
        .skipped_count = row_skipped_count,
        .prekey = row_prekey,
        .content = row_content,
    };
}

wax_rc peer_load(struct client *c, const struct dev_id *dev, struct peer_sessions *ret)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_PEER, BYTES_OF(dev->b), &b);

    if (rc == WAX_E_NOTFOUND) {
        peer_sessions_init(ret, dev);
        rc = WAX_OK;
    } else if (rc == WAX_OK) {
        rc = row_rc(peer_sessions_decode(buf_view(&b), ret));
    }
    buf_done(&b);
    return rc;
}

wax_rc peer_store(struct client *c, const struct peer_sessions *s)
{
    struct vault *v = c->env.vault;
    struct buf b = {0};
    wax_rc rc = peer_sessions_encode(s, &b);

    if (rc == WAX_OK)
        rc = vault_put(v, VT_PEER, BYTES_OF(s->peer.b), buf_view(&b));
    for (size_t i = 0; rc == WAX_OK && i < s->n_held; i++)
        rc = vault_put(v, VT_SID, BYTES_OF(s->held[i].sid.b), BYTES_OF(s->peer.b));
    buf_done(&b);
    return rc;
}

/* All rows that hang on a session. */
static wax_rc sid_drop(struct vault *v, const struct sid *sid)
{
    static const enum vault_table tables[] = {VT_SKIPPED, VT_SLOT, VT_OWN_SLOT, VT_EPOCH};
    wax_rc rc = vault_del(v, VT_SID, BYTES_OF(sid->b));

    if (rc == WAX_OK)
        rc = clone_forget(v, sid);
    for (size_t i = 0; rc == WAX_OK && i < sizeof tables / sizeof *tables; i++)
        rc = vault_del_prefix(v, tables[i], BYTES_OF(sid->b));
    return rc;
}

wax_rc peer_drop(struct client *c, const struct dev_id *dev)
{
    struct peer_sessions s;
    wax_rc rc = peer_load(c, dev, &s);

    if (rc != WAX_OK)
        return rc;
    for (size_t i = 0; rc == WAX_OK && i < s.n_held; i++)
        rc = sid_drop(c->env.vault, &s.held[i].sid);
    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_PEER, BYTES_OF(dev->b));
    if (rc == WAX_OK)
        rc = heal_forget(c, dev);
    peer_sessions_wipe(&s);
    return rc;
}

/* --- Eviction of skipped keys: oldest first, by the time in the row --- */

struct aged {
    uint64_t time;
    uint8_t key[SLOT_KEY];
};
struct aged_list {
    struct buf rows; /* of struct aged */
};

static bool aged_row(void *ctx, struct bytes key, struct bytes value)
{
    struct aged_list *l = ctx;
    struct aged a = {0};

    if (key.n != SLOT_KEY || value.n < 40)
        return true;
    a.time = get_u64(value.p + 32);
    memcpy(a.key, key.p, SLOT_KEY);
    buf_add(&l->rows, &a, sizeof a);
    return true;
}

static int aged_order(const void *x, const void *y)
{
    const struct aged *a = x, *b = y;

    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return memcmp(a->key, b->key, SLOT_KEY);
}

/* The n oldest of these sessions together. */
static wax_rc evict(struct vault *v, const struct sid *sids, size_t n_sids, size_t n)
{
    struct aged_list l = {0};
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < n_sids; i++)
        rc = vault_scan(v, VT_SKIPPED, BYTES_OF(sids[i].b), BYTES(NULL, 0), false, aged_row, &l);
    if (rc == WAX_OK)
        rc = buf_rc(&l.rows);
    size_t have = l.rows.n / sizeof(struct aged);
    struct aged *a = (struct aged *)(void *)l.rows.p;
    if (rc == WAX_OK && have)
        qsort(a, have, sizeof *a, aged_order);
    for (size_t i = 0; rc == WAX_OK && i < n && i < have; i++)
        rc = vault_del(v, VT_SKIPPED, BYTES(a[i].key, SLOT_KEY));
    buf_done(&l.rows);
    return rc;
}

/* 4.4 counts by device: its keys lie in all its sessions, not only in that of this message. The
 * state is stored before its delta is applied. */
static wax_rc evict_peer(struct client *c, const struct dev_id *peer, size_t n)
{
    struct peer_sessions *s = mem_alloc(sizeof *s);
    struct sid sids[SESSIONS_HELD_MAX];
    wax_rc rc = s ? peer_load(c, peer, s) : WAX_E_NOMEM;
    size_t n_sids = rc == WAX_OK ? s->n_held : 0;

    for (size_t i = 0; i < n_sids; i++)
        sids[i] = s->held[i].sid;
    if (s)
        peer_sessions_wipe(s);
    mem_free(s);
    return rc == WAX_OK ? evict(c->env.vault, sids, n_sids, n) : rc;
}

/* The session with the most skipped keys stands for its device: a device's keys lie in at most
 * three sessions, and only the largest matters. */
struct holder {
    struct vault *v;
    struct sid sid;
    uint64_t most;
};

static bool holder_row(void *ctx, struct bytes key, struct bytes value)
{
    struct holder *h = ctx;
    uint64_t n;

    (void)value;
    if (key.n == 16 && vault_count(h->v, VT_SKIPPED, key, &n) == WAX_OK && n > h->most) {
        h->most = n;
        memcpy(h->sid.b, key.p, 16);
    }
    return true;
}

static wax_rc evict_largest(struct vault *v, size_t n)
{
    wax_rc rc = WAX_OK;

    while (rc == WAX_OK && n > 0) {
        struct holder h = {.v = v};
        rc = vault_scan(v, VT_SID, BYTES(NULL, 0), BYTES(NULL, 0), false, holder_row, &h);
        if (rc != WAX_OK || h.most == 0)
            break;
        size_t some = n < 64 ? n : 64; /* a scan for each single key would be slow */
        rc = evict(v, &h.sid, 1, some);
        n -= some;
    }
    return rc;
}

static bool is_erased(const struct session_delta *d, const struct sid *sid)
{
    for (size_t i = 0; i < d->n_erased; i++)
        if (ID_EQ(&d->erased[i], sid))
            return true;
    return false;
}

static wax_rc put_skipped(struct vault *v, const struct session_delta *d, uint64_t now)
{
    wax_rc rc = WAX_OK;
    uint8_t key[SLOT_KEY], value[40];

    for (size_t i = 0; rc == WAX_OK && i < d->n_skipped; i++) {
        const struct skipped_row *s = &d->skipped[i];
        if (is_erased(d, &s->slot.sid))
            continue;
        memcpy(value, s->mk.b, 32);
        put_u64(value + 32, now);
        rc = vault_put(v, VT_SKIPPED, slot_key(&s->slot, key), BYTES_OF(value));
    }
    mem_wipe(value, sizeof value);
    return rc;
}

/* Slot hash ‖ time, and for a message of others its signed fan-out statement (4.3). */
static wax_rc put_slot(struct vault *v, const struct session_delta *d, const struct opened *o,
                       uint64_t now)
{
    struct buf b = {0};
    uint8_t key[SLOT_KEY];

    buf_bytes(&b, BYTES_OF(d->slot_hash.b));
    buf_u64(&b, now);
    if (o) {
        buf_bytes(&b, BYTES_OF(o->fanout.id.b));
        buf_bytes(&b, BYTES_OF(o->com.b));
        buf_u8(&b, o->fanout.depth);
        buf_bytes(&b, BYTES_OF(o->root.b));
        buf_bytes(&b, BYTES_OF(o->fanout.sig.b));
    }
    wax_rc rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = vault_put(v, d->slot_own ? VT_OWN_SLOT : VT_SLOT, slot_key(&d->slot, key),
                       buf_view(&b));
    buf_done(&b);
    return rc;
}

static wax_rc put_epochs(struct vault *v, const struct session_delta *d, uint64_t now)
{
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < d->n_epochs; i++) {
        const struct epoch_row *e = &d->epochs[i];
        uint8_t key[20], value[45];
        if (is_erased(d, &e->sid))
            continue;
        memcpy(value, e->constants.b, 32);
        value[32] = e->closed;
        put_u32(value + 33, e->limit);
        put_u64(value + 37, now);
        rc = vault_put(v, VT_EPOCH, epoch_key(&e->sid, e->epoch, key), BYTES_OF(value));
    }
    return rc;
}

static wax_rc put_caches(struct vault *v, const struct dev_id *peer, const struct session_delta *d,
                         uint64_t now)
{
    uint8_t time[8], key[SEEN_KEY], value[40];
    wax_rc rc = WAX_OK;

    put_u64(time, now);
    if (d->has_seen)
        rc = vault_put(v, VT_SEEN, seen_key(&d->seen_bundle, peer, &d->seen_key, key),
                       BYTES_OF(time));
    if (rc == WAX_OK && d->has_fanout) {
        memcpy(value, d->com.b, 32);
        put_u64(value + 32, now);
        rc = vault_put(v, VT_FANOUT, fanout_key(peer, &d->fanout, key), BYTES_OF(value));
    }
    return rc;
}

wax_rc delta_apply(struct client *c, const struct dev_id *peer, const struct session_delta *d,
                   const struct opened *opened, uint64_t now)
{
    struct vault *v = c->env.vault;
    uint8_t key[SLOT_KEY];
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < d->n_erased; i++)
        rc = sid_drop(v, &d->erased[i]);
    if (rc == WAX_OK && d->key_used)
        rc = vault_del(v, VT_SKIPPED, slot_key(&d->used, key));
    if (rc == WAX_OK && d->evict_peer)
        rc = evict_peer(c, peer, d->evict_peer);
    if (rc == WAX_OK && d->evict_largest)
        rc = evict_largest(v, d->evict_largest);
    if (rc == WAX_OK)
        rc = put_skipped(v, d, now);
    if (rc == WAX_OK && d->has_slot && !is_erased(d, &d->slot.sid))
        rc = put_slot(v, d, opened, now);
    if (rc == WAX_OK)
        rc = put_epochs(v, d, now);
    return rc == WAX_OK ? put_caches(v, peer, d, now) : rc;
}
