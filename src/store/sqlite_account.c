/* SQLite engine: accounts, devices, bundles and counters. */
#include "store/sqlite_int.h"

#include <stdio.h>

struct account {
    int64_t id;
    struct acct_id acct;
    uint32_t seq;
    char handle[318];
};

/* By handle, or by acct when handle is NULL. WAX_E_NOTFOUND. */
static wax_rc account_get(struct sq *s, const char *handle, const struct acct_id *acct,
                          struct account *ret)
{
    struct sq_q q = sq_start(s, handle ? Q_ACCOUNT_BY_HANDLE : Q_ACCOUNT_BY_ACCT);

    if (handle)
        sq_text(&q, handle);
    else
        sq_blob(&q, acct->b, sizeof acct->b);
    bool found = sq_row(&q);
    if (found) {
        ret->id = sq_col(&q, 0);
        sq_col_copy(&q, 1, ret->acct.b, sizeof ret->acct.b);
        ret->seq = (uint32_t)sq_col(&q, 2);
        snprintf(ret->handle, sizeof ret->handle, "%s", (const char *)sqlite3_column_text(q.st, 3));
    }
    wax_rc rc = sq_end(&q);
    return rc == WAX_OK && !found ? WAX_E_NOTFOUND : rc;
}

static wax_rc same_link(struct sq *s, int64_t account, uint32_t seq, struct bytes link, bool *ret)
{
    struct sq_q q = sq_start(s, Q_CHAIN_GET);

    sq_i64(&q, account);
    sq_i64(&q, seq);
    *ret = sq_row(&q) && bytes_eq(sq_col_bytes(&q, 0), link);
    return sq_end(&q);
}

static wax_rc chain_put(struct sq *s, int64_t account, const struct store_manifest *m)
{
    struct sq_q q = sq_start(s, Q_CHAIN_INSERT);

    sq_i64(&q, account);
    sq_i64(&q, m->seq);
    sq_blob(&q, m->hash.b, sizeof m->hash.b);
    sq_blob(&q, m->opening.b, sizeof m->opening.b);
    sq_blob(&q, m->chain_link.p, m->chain_link.n);
    return sq_run(&q);
}

static wax_rc has_row(struct sq *s, enum sq_query which, struct bytes key, bool *ret)
{
    struct sq_q q = sq_start(s, which);

    sq_blob(&q, key.p, key.n);
    *ret = sq_row(&q);
    return sq_end(&q);
}

/* Is any part of it in use, or was it ever? */
static wax_rc device_taken(struct sq *s, const struct store_device *d, bool *ret)
{
    wax_rc rc = has_row(s, Q_DEVICE_ID, BYTES_OF(d->dev.b), ret);

    if (rc == WAX_OK && !*ret)
        rc = has_row(s, Q_KEY_TAKEN, BYTES_OF(d->dsk.b), ret);
    if (rc == WAX_OK && !*ret)
        rc = has_row(s, Q_KEY_TAKEN, BYTES_OF(d->dtk.b), ret);
    return rc;
}

static wax_rc bundle_write(struct sq *s, int64_t device, const struct store_bundle *b)
{
    struct sq_q q = sq_start(s, Q_BUNDLE_PUT);

    sq_i64(&q, device);
    sq_blob(&q, b->id.b, sizeof b->id.b);
    sq_i64(&q, (int64_t)b->not_before);
    sq_blob(&q, b->record.p, b->record.n);
    return sq_run(&q);
}

static wax_rc key_put(struct sq *s, const struct point *p, int64_t device)
{
    struct sq_q q = sq_start(s, Q_KEY_INSERT);

    sq_blob(&q, p->b, sizeof p->b);
    sq_i64(&q, device);
    return sq_run(&q);
}

/* A new device with its mailbox, and its bundle if there is one among these. */
static wax_rc device_put(struct sq *s, int64_t account, size_t pos, const struct store_device *d,
                         const struct store_bundle *bundles, size_t n_bundles)
{
    struct sq_q q = sq_start(s, Q_DEVICE_INSERT);

    sq_blob(&q, d->dev.b, sizeof d->dev.b);
    sq_i64(&q, account);
    sq_i64(&q, (int64_t)pos);
    sq_blob(&q, d->dsk.b, sizeof d->dsk.b);
    sq_blob(&q, d->dtk.b, sizeof d->dtk.b);
    wax_rc rc = sq_run(&q);
    int64_t id = sqlite3_last_insert_rowid(s->db);
    if (rc == WAX_OK)
        rc = key_put(s, &d->dsk, id);
    if (rc == WAX_OK)
        rc = key_put(s, &d->dtk, id);
    if (rc == WAX_OK) {
        q = sq_start(s, Q_QUEUE_INSERT);
        sq_i64(&q, id);
        rc = sq_run(&q);
    }
    for (size_t i = 0; rc == WAX_OK && i < n_bundles; i++) {
        if (ID_EQ(&bundles[i].dev, &d->dev))
            rc = bundle_write(s, id, &bundles[i]);
    }
    return rc;
}

static wax_rc register_check(struct sq *s, const struct store_register *r, uint64_t now,
                             int64_t *ret_invite)
{
    bool taken = false;
    struct account other;
    wax_rc rc = WAX_OK;

    if (r->need_invite)
        rc = sq_invite_find(s, &r->invite, now, ret_invite);
    if (rc != WAX_OK)
        return rc;
    rc = account_get(s, NULL, &r->manifest.acct, &other);
    if (rc == WAX_OK || !store_manifest_distinct(&r->manifest))
        return WAX_E_CONFLICT;
    if (rc != WAX_E_NOTFOUND)
        return rc;
    rc = WAX_OK;
    for (size_t i = 0; rc == WAX_OK && !taken && i < r->manifest.n_devices; i++)
        rc = device_taken(s, &r->manifest.devices[i], &taken);
    return rc == WAX_OK && taken ? WAX_E_CONFLICT : rc;
}

static wax_rc account_put(struct sq *s, const struct store_manifest *m, int64_t *ret_id)
{
    struct sq_q q = sq_start(s, Q_ACCOUNT_INSERT);

    sq_text(&q, m->handle);
    sq_blob(&q, m->acct.b, sizeof m->acct.b);
    sq_i64(&q, m->seq);
    wax_rc rc = sq_run(&q);
    *ret_id = sqlite3_last_insert_rowid(s->db);
    return rc;
}

wax_rc sq_register(struct sq *s, struct store_req *req)
{
    const struct store_register *r = &req->u.reg;
    const struct store_manifest *m = &r->manifest;
    struct account a;
    int64_t invite = 0;
    bool same = false;
    wax_rc rc = account_get(s, m->handle, NULL, &a);

    if (rc == WAX_OK) {
        rc = same_link(s, a.id, 1, m->chain_link, &same);
        return rc == WAX_OK && !same ? WAX_E_EXISTS : rc;
    }
    if (rc != WAX_E_NOTFOUND)
        return rc;
    rc = register_check(s, r, req->now, &invite);
    if (rc == WAX_OK)
        rc = account_put(s, m, &a.id);
    if (rc == WAX_OK)
        rc = chain_put(s, a.id, m);
    for (size_t i = 0; rc == WAX_OK && i < m->n_devices; i++)
        rc = device_put(s, a.id, i, &m->devices[i], &r->bundle, 1);
    if (rc == WAX_OK && r->need_invite) {
        struct sq_q q = sq_start(s, Q_INVITE_USE);
        sq_i64(&q, invite);
        rc = sq_run(&q);
    }
    return rc;
}

static wax_rc add_link(struct sq_q *q, struct bytes link, struct store_lookup *l)
{
    struct map_opening opening = {{0}};

    sq_col_copy(q, 2, opening.b, sizeof opening.b);
    buf_bytes(&l->openings, BYTES_OF(opening.b));
    wax_rc rc = buf_rc(&l->openings);
    return rc == WAX_OK ? store_list_add(&l->links, link) : rc;
}

static wax_rc lookup_links(struct sq *s, const struct account *a, struct store_lookup *l)
{
    struct sq_q q = sq_start(s, Q_CHAIN_FROM);
    uint32_t from = l->after < a->seq ? l->after + 1 : a->seq, seq = from;
    size_t total = 0;
    wax_rc rc = WAX_OK;

    sq_i64(&q, a->id);
    sq_i64(&q, from);
    for (; rc == WAX_OK && sq_row(&q); seq++) {
        struct bytes x = sq_col_bytes(&q, 0);
        if (seq == a->seq) {
            l->change = (uint64_t)sq_col(&q, 1);
            buf_bytes(&l->newest_link, x);
            rc = buf_rc(&l->newest_link);
        }
        total += x.n;
        if (rc == WAX_OK && (seq == from || total <= STORE_LINKS_BYTES_MAX))
            rc = add_link(&q, x, l);
    }
    wax_rc end = sq_end(&q);
    l->first = from;
    return rc != WAX_OK ? rc : end;
}

wax_rc sq_lookup(struct sq *s, struct store_req *req)
{
    struct store_lookup *l = &req->u.lookup;
    struct account a;
    wax_rc rc = account_get(s, l->handle, &l->acct, &a);

    if (rc == WAX_OK)
        rc = lookup_links(s, &a, l);
    if (rc != WAX_OK)
        return rc;
    struct sq_q q = sq_start(s, Q_BUNDLE_LIST);
    sq_i64(&q, a.id);
    while (rc == WAX_OK && sq_row(&q))
        rc = store_list_add(&l->bundles, sq_col_bytes(&q, 0));
    wax_rc end = sq_end(&q);
    if (rc != WAX_OK || end != WAX_OK)
        return rc != WAX_OK ? rc : end;
    l->acct = a.acct;
    l->seq = a.seq;
    memcpy(l->handle_out, a.handle, sizeof l->handle_out);
    return l->prove ? sq_prove(s, l) : WAX_OK;
}

wax_rc sq_device_get(struct sq *s, struct store_req *req)
{
    struct store_device_get *g = &req->u.device;
    struct sq_q q = sq_start(s, Q_DEVICE_GET);

    sq_blob(&q, g->dev.b, sizeof g->dev.b);
    bool found = sq_row(&q);
    if (found) {
        sq_col_copy(&q, 0, g->acct.b, sizeof g->acct.b);
        snprintf(g->handle, sizeof g->handle, "%s", (const char *)sqlite3_column_text(q.st, 1));
        sq_col_copy(&q, 2, g->dsk.b, sizeof g->dsk.b);
        sq_col_copy(&q, 3, g->dtk.b, sizeof g->dtk.b);
        g->suspended = sq_col(&q, 4) != 0;
    }
    wax_rc rc = sq_end(&q);
    return rc == WAX_OK && !found ? WAX_E_NOTFOUND : rc;
}

/* The current bundle against a new one: the same record, or not newer, or to be kept as
 * superseded. */
static wax_rc bundle_compare(struct sq *s, int64_t device, const struct store_bundle *b,
                             bool *ret_same, struct bundle_id *ret_old)
{
    struct sq_q q = sq_start(s, Q_BUNDLE_GET);
    bool stale = false;

    sq_i64(&q, device);
    *ret_same = false;
    if (sq_row(&q)) {
        sq_col_copy(&q, 0, ret_old->b, sizeof ret_old->b);
        *ret_same = bytes_eq(sq_col_bytes(&q, 2), b->record);
        stale = b->not_before <= (uint64_t)sq_col(&q, 1);
    }
    wax_rc rc = sq_end(&q);
    return rc == WAX_OK && stale && !*ret_same ? WAX_E_CONFLICT : rc;
}

wax_rc sq_bundle(struct sq *s, struct store_req *req)
{
    const struct store_bundle *b = &req->u.bundle.bundle;
    struct bundle_id old;
    struct sq_dev *d;
    bool same = false;
    wax_rc rc = sq_dev_get(s, &b->dev, &d);

    if (rc == WAX_OK)
        rc = bundle_compare(s, d->id, b, &same, &old);
    if (rc != WAX_OK || same)
        return rc;
    if (d->has_bundle) {
        struct sq_q q = sq_start(s, Q_SUPERSEDED_PUT);
        sq_i64(&q, d->id);
        sq_blob(&q, old.b, sizeof old.b);
        sq_i64(&q, (int64_t)req->now);
        rc = sq_run(&q);
    }
    if (rc == WAX_OK)
        rc = bundle_write(s, d->id, b);
    if (rc == WAX_OK) {
        d->has_bundle = true;
        d->bundle = b->id;
    }
    return rc;
}

static wax_rc counter_read(struct sq *s, struct store_counter *c, bool *ret_device)
{
    struct sq_q q = sq_start(s, Q_COUNTER_GET);

    sq_blob(&q, c->dev.b, sizeof c->dev.b);
    c->n = 0;
    *ret_device = sq_row(&q);
    if (*ret_device && sq_col_bytes(&q, 0).n) {
        sq_col_copy(&q, 0, c->record, sizeof c->record);
        c->n = sizeof c->record;
    }
    return sq_end(&q);
}

wax_rc sq_counter_get(struct sq *s, struct store_req *req)
{
    bool device;
    return counter_read(s, &req->u.counter, &device);
}

wax_rc sq_counter_put(struct sq *s, struct store_req *req)
{
    struct store_counter *c = &req->u.counter, held = {.dev = c->dev};
    bool device;
    wax_rc rc = counter_read(s, &held, &device);

    if (rc != WAX_OK)
        return rc;
    if (!device)
        return WAX_E_NOTFOUND;
    if (held.n && get_u64(c->record) < get_u64(held.record))
        return WAX_E_CONFLICT;
    struct sq_q q = sq_start(s, Q_COUNTER_PUT);
    sq_blob(&q, c->record, sizeof c->record);
    sq_blob(&q, c->dev.b, sizeof c->dev.b);
    return sq_run(&q);
}

/* --- update --- */
struct held {
    int64_t id;
    struct store_device keys;
    bool stays;
};
struct change {
    int64_t account;
    struct held held[STORE_DEVICES_MAX];
    size_t n_held;
    const struct held *kept[STORE_DEVICES_MAX]; /* of the manifest's entries; NULL: new */
};

static wax_rc load_held(struct sq *s, struct change *c)
{
    struct sq_q q = sq_start(s, Q_DEVICE_LIST);

    sq_i64(&q, c->account);
    while (c->n_held < STORE_DEVICES_MAX && sq_row(&q)) {
        struct held *h = &c->held[c->n_held++];
        h->id = sq_col(&q, 0);
        sq_col_copy(&q, 1, h->keys.dev.b, sizeof h->keys.dev.b);
        sq_col_copy(&q, 2, h->keys.dsk.b, sizeof h->keys.dsk.b);
        sq_col_copy(&q, 3, h->keys.dtk.b, sizeof h->keys.dtk.b);
    }
    return sq_end(&q);
}

/* Who stays, who is new, and whether all that is allowed. Writes nothing. */
static wax_rc plan(struct sq *s, const struct store_update *u, struct change *c)
{
    const struct store_manifest *m = &u->manifest;

    if (!store_manifest_distinct(m))
        return WAX_E_EXISTS;
    for (size_t i = 0; i < m->n_devices; i++) {
        const struct store_device *d = &m->devices[i];
        bool taken = false;
        for (size_t j = 0; j < c->n_held; j++) {
            struct held *h = &c->held[j];
            if (ID_EQ(&h->keys.dev, &d->dev) && ID_EQ(&h->keys.dsk, &d->dsk) &&
                ID_EQ(&h->keys.dtk, &d->dtk)) {
                h->stays = true;
                c->kept[i] = h;
            }
        }
        wax_rc rc = c->kept[i] ? WAX_OK : device_taken(s, d, &taken);
        if (rc != WAX_OK || taken)
            return rc != WAX_OK ? rc : WAX_E_EXISTS;
    }
    for (size_t i = 0; i < m->n_devices; i++) {
        for (size_t j = 0; c->kept[i] && j < u->n_bundles; j++) {
            if (ID_EQ(&u->bundles[j].dev, &m->devices[i].dev))
                return WAX_E_INVAL;
        }
    }
    return WAX_OK;
}

static bool goes(const struct change *c, const struct dev_id *dev)
{
    for (size_t i = 0; i < c->n_held; i++) {
        if (!c->held[i].stays && ID_EQ(&c->held[i].keys.dev, dev))
            return true;
    }
    return false;
}

/* A notice to the sender of each envelope in this mailbox, if the sender stays. */
static wax_rc notify_senders(struct sq *s, const struct change *c, const struct held *h,
                             struct store_update *u, uint64_t now)
{
    struct sq_q q = sq_start(s, Q_MAIL_OF);
    wax_rc rc = WAX_OK;

    sq_i64(&q, h->id);
    while (rc == WAX_OK && sq_row(&q)) {
        uint8_t rest[STORE_NOTICE_SIZE];
        struct dev_id from = {{0}};
        struct fanout_id fanout = {{0}};
        struct sq_dev *d;
        uint64_t time = (uint64_t)sq_col(&q, 0);
        sq_col_copy(&q, 1, from.b, sizeof from.b);
        sq_col_copy(&q, 2, fanout.b, sizeof fanout.b);
        rc = goes(c, &from) ? WAX_E_NOTFOUND : sq_dev_get(s, &from, &d);
        if (rc == WAX_E_NOTFOUND) {
            rc = WAX_OK;
            continue;
        }
        if (rc != WAX_OK)
            break;
        store_notice(rest, &fanout, &h->keys.dev, time, STORE_REASON_REVOKED);
        struct sq_mail m = {.type = STORE_ROW_NOTICE, .time = now, .rest = BYTES_OF(rest)};
        rc = sq_mail_append(s, d, &m);
        if (rc == WAX_OK)
            rc = store_note(&u->notified, &from);
    }
    wax_rc end = sq_end(&q);
    return rc != WAX_OK ? rc : end;
}

static wax_rc device_drop(struct sq *s, int64_t id)
{
    static const enum sq_query each[] = {Q_MAIL_PURGE, Q_QUEUE_DELETE, Q_BUNDLE_DELETE,
                                         Q_SUPERSEDED_DELETE, Q_DEVICE_REMOVE};
    wax_rc rc = WAX_OK;

    s->deleting = true;
    for (size_t i = 0; rc == WAX_OK && i < sizeof each / sizeof each[0]; i++) {
        struct sq_q q = sq_start(s, each[i]);
        sq_i64(&q, id);
        rc = sq_run(&q);
    }
    return rc;
}

static wax_rc remove_devices(struct sq *s, struct change *c, struct store_update *u, uint64_t now)
{
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < c->n_held; i++) {
        if (c->held[i].stays)
            continue;
        rc = notify_senders(s, c, &c->held[i], u, now);
        u->removed[u->n_removed++] = c->held[i].keys.dev;
    }
    /* The cache knows the devices that go. */
    if (rc == WAX_OK)
        rc = sq_cache_drop(s);
    for (size_t i = 0; rc == WAX_OK && i < c->n_held; i++) {
        if (!c->held[i].stays)
            rc = device_drop(s, c->held[i].id);
    }
    return rc;
}

static wax_rc write_devices(struct sq *s, const struct change *c, const struct store_update *u)
{
    const struct store_manifest *m = &u->manifest;
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < m->n_devices; i++) {
        if (!c->kept[i]) {
            rc = device_put(s, c->account, i, &m->devices[i], u->bundles, u->n_bundles);
            continue;
        }
        struct sq_q q = sq_start(s, Q_DEVICE_POS);
        sq_i64(&q, (int64_t)i);
        sq_i64(&q, c->kept[i]->id);
        rc = sq_run(&q);
    }
    return rc;
}

wax_rc sq_update(struct sq *s, struct store_req *req)
{
    struct store_update *u = &req->u.update;
    const struct store_manifest *m = &u->manifest;
    struct account a;
    bool same = false;
    wax_rc rc = account_get(s, m->handle, NULL, &a);

    u->n_removed = 0;
    if (rc == WAX_OK)
        rc = same_link(s, a.id, a.seq, m->chain_link, &same);
    if (rc != WAX_OK || same)
        return rc;
    if (m->seq != a.seq + 1 || !ID_EQ(&m->acct, &a.acct))
        return WAX_E_CONFLICT;
    struct change c = {.account = a.id};
    rc = load_held(s, &c);
    if (rc == WAX_OK)
        rc = plan(s, u, &c);
    if (rc == WAX_OK)
        rc = remove_devices(s, &c, u, req->now);
    if (rc == WAX_OK)
        rc = write_devices(s, &c, u);
    if (rc == WAX_OK)
        rc = chain_put(s, a.id, m);
    if (rc == WAX_OK) {
        struct sq_q q = sq_start(s, Q_ACCOUNT_SEQ);
        sq_i64(&q, m->seq);
        sq_i64(&q, a.id);
        rc = sq_run(&q);
    }
    return rc;
}
