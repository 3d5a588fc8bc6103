/* The memory twin: sending, fetching, acknowledging, sweeping. */
#include "store/memory_int.h"

#include <stdlib.h>

#include "base/mem.h"

static struct mem_dedup **dedup_bucket(struct memory *m, const struct dev_id *from,
                                       const struct dev_id *to, const struct fanout_id *f)
{
    uint32_t h = 2166136261U;

    for (size_t i = 0; i < 16; i++)
        h = (h ^ from->b[i] ^ to->b[i] ^ f->b[i]) * 16777619U;
    return &m->dedup[h % MEM_DEDUP_BUCKETS];
}

static struct mem_dedup *dedup_find(struct memory *m, const struct dev_id *from,
                                    const struct dev_id *to, const struct fanout_id *f)
{
    for (struct mem_dedup *d = *dedup_bucket(m, from, to, f); d; d = d->next) {
        if (ID_EQ(&d->from, from) && ID_EQ(&d->to, to) && ID_EQ(&d->fanout, f))
            return d;
    }
    return NULL;
}

static bool dedup_known(struct memory *m, const struct store_send *s, const struct dev_id *to,
                        uint64_t now)
{
    const struct mem_dedup *d = dedup_find(m, &s->from, to, &s->fanout);
    return d && !store_past(d->created, STORE_DEDUP_MS, now);
}

static bool find_stale(struct memory *m, struct store_send *s)
{
    s->n_stale = 0;
    for (size_t i = 0; i < s->n_accounts; i++) {
        const struct mem_account *a = mem_by_acct(m, &s->accounts[i].acct);
        if (a && s->accounts[i].seq < a->seq && s->n_stale < 64)
            s->stale[s->n_stale++] = (struct store_acct_seq){a->acct, a->seq};
    }
    return s->n_stale > 0;
}

static bool bundle_usable(const struct mem_device *d, const struct bundle_id *id, uint64_t now)
{
    if (d->record.n && ID_EQ(&d->bundle, id))
        return true;
    for (size_t i = 0; i < d->n_old; i++) {
        if (ID_EQ(&d->old[i].id, id))
            return d->old[i].since + STORE_BUNDLE_GRACE_MS >= now;
    }
    return false;
}

/* WAX_E_CONFLICT when any INIT was sealed to a bundle that is too old. */
static wax_rc find_old_bundles(struct memory *m, struct store_send *s, uint64_t now)
{
    bool old = false;

    for (size_t i = 0; i < s->n_envelopes; i++) {
        const struct store_envelope *e = &s->envelopes[i];
        const struct mem_device *d = mem_device(m, &e->to);
        if (!e->init || !d || dedup_known(m, s, &e->to, now) || bundle_usable(d, &e->bundle, now))
            continue;
        old = true;
        if (d->record.n == 0)
            continue;
        wax_rc rc = store_list_add(&s->newer_bundles, buf_view(&d->record));
        if (rc != WAX_OK)
            return rc;
    }
    return old ? WAX_E_CONFLICT : WAX_OK;
}

static struct mem_row *envelope_row(const struct store_send *s, const struct store_envelope *e)
{
    size_t hint = s->from_handle ? strlen(s->from_handle) : 0;
    struct mem_row *r = mem_row_new(STORE_ROW_ENVELOPE, 2 + hint + e->envelope.n);

    if (!r)
        return NULL;
    r->from = s->from;
    r->fanout = s->fanout;
    r->envelope = e->envelope.n;
    put_u16(r->rest, (uint16_t)hint);
    if (hint)
        memcpy(r->rest + 2, s->from_handle, hint);
    if (e->envelope.n)
        memcpy(r->rest + 2 + hint, e->envelope.p, e->envelope.n);
    return r;
}

/* Everything one envelope may need, so that storing cannot fail half-way. */
struct spare {
    struct mem_row *row;
    struct mem_dedup *dedup;
};

static void store_one(struct memory *m, struct store_send *s, struct store_envelope *e,
                      struct spare *sp, uint64_t now)
{
    struct mem_device *d = mem_device(m, &e->to);

    if (dedup_known(m, s, &e->to, now)) {
        e->result = STORE_RES_ALREADY;
        return;
    }
    if (!d) {
        e->result = STORE_RES_NO_DEVICE;
        return;
    }
    if (d->count + 1 > s->max_count || d->bytes + e->envelope.n > s->max_bytes) {
        e->result = STORE_RES_FULL;
        return;
    }
    struct mem_dedup *x = dedup_find(m, &s->from, &e->to, &s->fanout);
    if (!x) {
        struct mem_dedup **bucket = dedup_bucket(m, &s->from, &e->to, &s->fanout);
        x = sp->dedup;
        sp->dedup = NULL;
        *x = (struct mem_dedup){*bucket, s->from, e->to, s->fanout, 0};
        *bucket = x;
    }
    x->created = now;
    mem_row_append(m, d, sp->row, now);
    sp->row = NULL;
    e->result = STORE_RES_STORED;
}

wax_rc mem_send(struct memory *m, struct store_req *req)
{
    struct store_send *s = &req->u.send;

    if (find_stale(m, s))
        return WAX_E_CONFLICT;
    wax_rc rc = find_old_bundles(m, s, req->now);
    if (rc != WAX_OK)
        return rc;
    struct spare *sp = mem_calloc(s->n_envelopes, sizeof *sp);
    if (!sp)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < s->n_envelopes && rc == WAX_OK; i++) {
        sp[i].row = envelope_row(s, &s->envelopes[i]);
        sp[i].dedup = mem_alloc(sizeof *sp[i].dedup);
        if (!sp[i].row || !sp[i].dedup)
            rc = WAX_E_NOMEM;
    }
    for (size_t i = 0; i < s->n_envelopes && rc == WAX_OK; i++)
        store_one(m, s, &s->envelopes[i], &sp[i], req->now);
    for (size_t i = 0; i < s->n_envelopes; i++) {
        mem_rows_free(sp[i].row);
        mem_free(sp[i].dedup);
    }
    mem_free(sp);
    return rc;
}

wax_rc mem_fetch(struct memory *m, struct store_req *req)
{
    struct store_fetch *f = &req->u.fetch;
    const struct mem_device *d = mem_device(m, &f->dev);
    size_t total = 0;

    if (!d)
        return WAX_E_NOTFOUND;
    for (const struct mem_row *r = d->head; r; r = r->next) {
        if (r->seq <= f->after)
            continue;
        if (f->n_rows && total + r->n > f->max_bytes)
            break;
        total += r->n;
        struct store_row *out = store_fetch_add(f);
        if (!out)
            return WAX_E_NOMEM;
        out->seq = r->seq;
        out->time = r->time;
        out->type = r->type;
        buf_add(&out->rest, r->rest, r->n);
        if (buf_rc(&out->rest) != WAX_OK)
            return WAX_E_NOMEM;
    }
    f->last_seq = d->seq;
    return WAX_OK;
}

static struct mem_row **row_at(struct mem_device *d, uint64_t seq)
{
    for (struct mem_row **at = &d->head; *at; at = &(*at)->next) {
        if ((*at)->seq == seq)
            return at;
    }
    return NULL;
}

wax_rc mem_ack(struct memory *m, struct store_req *req)
{
    const struct store_ack *a = &req->u.ack;
    struct mem_device *d = mem_device(m, &a->dev);

    if (!d)
        return WAX_E_NOTFOUND;
    for (size_t i = 0; i < a->n; i++) {
        struct mem_row **at = row_at(d, a->seqs[i]);
        if (at)
            mem_row_remove(d, at);
    }
    return WAX_OK;
}

struct due {
    struct mem_device *device;
    struct mem_row *row;
    struct mem_row *notice, *expired; /* what it may turn into */
};

static int due_order(const void *a, const void *b)
{
    const struct mem_row *x = ((const struct due *)a)->row, *y = ((const struct due *)b)->row;

    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* All rows that are due: envelopes before notices, then oldest first. */
static wax_rc find_due(struct memory *m, uint64_t life, uint64_t now, struct due **ret,
                       size_t *ret_n)
{
    struct due *v = NULL;
    size_t n = 0, cap = 0;

    for (size_t i = 0; i < m->n_devices; i++) {
        for (struct mem_row *r = m->devices[i]->head; r; r = r->next) {
            if (!store_past(r->time, store_row_life(r->type, life), now))
                continue;
            if (mem_room((void **)&v, n, &cap, sizeof *v, 1) != WAX_OK) {
                mem_free(v);
                return WAX_E_NOMEM;
            }
            v[n++] = (struct due){m->devices[i], r, NULL, NULL};
        }
    }
    if (n)
        qsort(v, n, sizeof *v, due_order);
    *ret = v;
    *ret_n = n;
    return WAX_OK;
}

static wax_rc due_prepare(struct memory *m, struct due *x, struct store_sweep *s)
{
    if (x->row->type != STORE_ROW_ENVELOPE)
        return WAX_OK;
    const struct mem_device *from = mem_device(m, &x->row->from);
    if (from) {
        x->notice = mem_notice_new(x->row, &x->device->keys.dev, STORE_REASON_EXPIRED);
        if (!x->notice || store_note(&s->notified, &from->keys.dev) != WAX_OK)
            return WAX_E_NOMEM;
    }
    x->expired = mem_row_new(STORE_ROW_EXPIRED, 4);
    return x->expired ? store_note(&s->notified, &x->device->keys.dev) : WAX_E_NOMEM;
}

static void due_run(struct memory *m, struct due *x, struct store_sweep *s, uint64_t now)
{
    struct mem_device *d = x->device;
    struct dev_id from = x->row->from;
    bool envelope = x->row->type == STORE_ROW_ENVELOPE;

    /* A type 4 row that rose a moment ago lives on. */
    if (!store_past(x->row->time, store_row_life(x->row->type, s->message_life), now))
        return;
    mem_row_remove(d, row_at(d, x->row->seq));
    if (!envelope)
        return;
    s->expired++;
    if (x->notice) {
        mem_row_append(m, mem_device(m, &from), x->notice, now);
        x->notice = NULL;
    }
    struct mem_row **at = d->expired_seq ? row_at(d, d->expired_seq) : NULL;
    if (at) {
        put_u32((*at)->rest, get_u32((*at)->rest) + 1);
        (*at)->time = now;
        return;
    }
    put_u32(x->expired->rest, 1);
    mem_row_append(m, d, x->expired, now);
    x->expired = NULL;
}

static wax_rc sweep_mail(struct memory *m, struct store_sweep *s, uint64_t now)
{
    struct due *v = NULL;
    size_t n = 0;
    wax_rc rc = find_due(m, s->message_life, now, &v, &n);

    if (rc != WAX_OK)
        return rc;
    s->more = n > STORE_SWEEP_ROWS;
    if (s->more)
        n = STORE_SWEEP_ROWS;
    for (size_t i = 0; i < n && rc == WAX_OK; i++)
        rc = due_prepare(m, &v[i], s);
    for (size_t i = 0; i < n && rc == WAX_OK; i++)
        due_run(m, &v[i], s, now);
    for (size_t i = 0; i < n; i++) {
        mem_rows_free(v[i].notice);
        mem_rows_free(v[i].expired);
    }
    mem_free(v);
    return rc;
}

static void sweep_dedup(struct memory *m, uint64_t now)
{
    for (size_t i = 0; i < MEM_DEDUP_BUCKETS; i++) {
        for (struct mem_dedup **at = &m->dedup[i]; *at;) {
            struct mem_dedup *d = *at;
            if (store_past(d->created, STORE_DEDUP_MS, now)) {
                *at = d->next;
                mem_free(d);
            } else {
                at = &d->next;
            }
        }
    }
}

static void sweep_superseded(struct mem_device *d, uint64_t now)
{
    size_t n = 0;

    for (size_t i = 0; i < d->n_old; i++) {
        if (!store_past(d->old[i].since, STORE_SUPERSEDED_KEEP_MS, now))
            d->old[n++] = d->old[i];
    }
    d->n_old = n;
}

wax_rc mem_sweep(struct memory *m, struct store_req *req)
{
    wax_rc rc = sweep_mail(m, &req->u.sweep, req->now);

    if (rc != WAX_OK)
        return rc;
    sweep_dedup(m, req->now);
    for (size_t i = 0; i < m->n_devices; i++)
        sweep_superseded(m->devices[i], req->now);
    mem_links_expire(m, req->now);
    mem_invites_expire(m, req->now);
    return WAX_OK;
}
