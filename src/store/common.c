#include "store/rules.h"

#include "base/mem.h"
#include "base/text.h"

struct buf *buf_list_add(struct buf_list *l)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 8;
        struct buf *v = mem_calloc(cap, sizeof *v);
        if (!v)
            return NULL;
        if (l->n)
            memcpy(v, l->v, l->n * sizeof *v);
        mem_free(l->v);
        l->v = v;
        l->cap = cap;
    }
    return &l->v[l->n++];
}

void buf_list_done(struct buf_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        buf_done(&l->v[i]);
    mem_free(l->v);
    *l = (struct buf_list){0};
}

wax_rc store_list_add(struct buf_list *l, struct bytes x)
{
    struct buf *b = buf_list_add(l);

    if (!b)
        return WAX_E_NOMEM;
    buf_bytes(b, x);
    return buf_rc(b);
}

wax_rc store_note(struct buf_list *l, const struct dev_id *dev)
{
    for (size_t i = 0; i < l->n; i++) {
        if (bytes_eq(buf_view(&l->v[i]), BYTES_OF(dev->b)))
            return WAX_OK;
    }
    return store_list_add(l, BYTES_OF(dev->b));
}

struct store_row *store_fetch_add(struct store_fetch *f)
{
    bool full = f->n_rows == 0 || (f->n_rows >= 16 && (f->n_rows & (f->n_rows - 1)) == 0);

    if (full) {
        struct store_row *rows = mem_calloc(f->n_rows ? 2 * f->n_rows : 16, sizeof *rows);
        if (!rows)
            return NULL;
        if (f->n_rows)
            memcpy(rows, f->rows, f->n_rows * sizeof *rows);
        mem_free(f->rows);
        f->rows = rows;
    }
    return &f->rows[f->n_rows++];
}

void store_notice(uint8_t out[STORE_NOTICE_SIZE], const struct fanout_id *fanout,
                  const struct dev_id *to, uint64_t accepted_at, uint8_t reason)
{
    memcpy(out, fanout->b, 16);
    memcpy(out + 16, to->b, 16);
    put_u64(out + 32, accepted_at);
    out[40] = reason;
}

bool store_manifest_has(const struct store_manifest *m, const struct dev_id *dev)
{
    for (size_t i = 0; i < m->n_devices; i++) {
        if (ID_EQ(&m->devices[i].dev, dev))
            return true;
    }
    return false;
}

bool store_manifest_distinct(const struct store_manifest *m)
{
    for (size_t i = 0; i < m->n_devices; i++) {
        const struct store_device *x = &m->devices[i];
        if (ID_EQ(&x->dsk, &x->dtk))
            return false;
        for (size_t j = 0; j < i; j++) {
            const struct store_device *y = &m->devices[j];
            if (ID_EQ(&x->dev, &y->dev) || ID_EQ(&x->dsk, &y->dsk) || ID_EQ(&x->dsk, &y->dtk) ||
                ID_EQ(&x->dtk, &y->dsk) || ID_EQ(&x->dtk, &y->dtk))
                return false;
        }
    }
    return true;
}

static wax_rc check_manifest(const struct store_manifest *m, const struct store_bundle *bundles,
                             size_t n_bundles)
{
    if (!m->handle || strlen(m->handle) > HANDLE_MAX || m->n_devices == 0 ||
        m->n_devices > STORE_DEVICES_MAX || m->chain_link.n == 0)
        return WAX_E_INVAL;
    for (size_t i = 0; i < n_bundles; i++) {
        if (bundles[i].record.n == 0 || !store_manifest_has(m, &bundles[i].dev))
            return WAX_E_INVAL;
        for (size_t j = 0; j < i; j++) {
            if (ID_EQ(&bundles[i].dev, &bundles[j].dev))
                return WAX_E_INVAL;
        }
    }
    return WAX_OK;
}

static wax_rc check_sealed(const struct store_link *l)
{
    if (l->sealed.n == 0)
        return WAX_E_INVAL;
    return l->sealed.n > STORE_RENDEZVOUS_SEALED_MAX ? WAX_E_TOOBIG : WAX_OK;
}

wax_rc store_req_check(const struct store_req *req)
{
    switch (req->op) {
    case STORE_REGISTER:
        if (req->u.reg.manifest.seq != 1)
            return WAX_E_INVAL;
        return check_manifest(&req->u.reg.manifest, &req->u.reg.bundle, 1);
    case STORE_UPDATE:
        return check_manifest(&req->u.update.manifest, req->u.update.bundles,
                              req->u.update.n_bundles);
    case STORE_BUNDLE:
        return req->u.bundle.bundle.record.n ? WAX_OK : WAX_E_INVAL;
    case STORE_COUNTER_PUT:
        return req->u.counter.n == sizeof req->u.counter.record ? WAX_OK : WAX_E_INVAL;
    case STORE_LINK_POST:
        return check_sealed(&req->u.link);
    case STORE_LOG_READ:
    case STORE_LOG_WRITE:
        return req->u.log.job ? WAX_OK : WAX_E_INVAL;
    default:
        return WAX_OK;
    }
}

bool store_log_fits(enum store_log_table t, uint64_t key, struct bytes value)
{
    return t < STORE_LOG_TABLES && key <= STORE_LOG_KEY_MAX && value.n > 0 &&
           value.n <= STORE_LOG_VALUE_MAX;
}

wax_rc store_log_no_put(void *ctx, enum store_log_table t, uint64_t key, struct bytes value)
{
    (void)ctx, (void)t, (void)key, (void)value;
    return WAX_E_INVAL;
}

wax_rc store_log_no_drop(void *ctx, enum store_log_table t, uint64_t key)
{
    (void)ctx, (void)t, (void)key;
    return WAX_E_INVAL;
}

static void fetch_done(struct store_fetch *f)
{
    for (size_t i = 0; i < f->n_rows; i++)
        buf_done(&f->rows[i].rest);
    mem_free(f->rows);
    f->rows = NULL;
    f->n_rows = 0;
    f->last_seq = 0;
}

static void lookup_done(struct store_lookup *l)
{
    buf_list_done(&l->links);
    buf_list_done(&l->bundles);
    buf_done(&l->openings);
    buf_done(&l->newest_link);
    l->seq = l->first = 0;
    l->change = 0;
}

void store_req_done(struct store_req *req)
{
    switch (req->op) {
    case STORE_UPDATE:
        buf_list_done(&req->u.update.notified);
        req->u.update.n_removed = 0;
        break;
    case STORE_LOOKUP:
        lookup_done(&req->u.lookup);
        break;
    case STORE_SEND:
        buf_list_done(&req->u.send.newer_bundles);
        req->u.send.n_stale = 0;
        break;
    case STORE_FETCH:
        fetch_done(&req->u.fetch);
        break;
    case STORE_SWEEP:
        buf_list_done(&req->u.sweep.notified);
        req->u.sweep.expired = 0;
        req->u.sweep.more = false;
        break;
    case STORE_INVITE_LIST:
        mem_free(req->u.invites.list);
        req->u.invites.list = NULL;
        req->u.invites.n = 0;
        break;
    case STORE_LINK_GET:
        buf_list_done(&req->u.link.records);
        break;
    case STORE_CHECK:
        buf_done(&req->u.check.report);
        break;
    default:
        break;
    }
}
