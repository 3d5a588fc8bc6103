/* The memory twin: accounts, devices, bundles and counters. */
#include "store/memory_int.h"

#include <stdio.h>

#include "base/mem.h"

static bool point_taken(struct memory *m, const struct point *p)
{
    for (size_t i = 0; i < m->n_devices; i++) {
        if (ID_EQ(&m->devices[i]->keys.dsk, p) || ID_EQ(&m->devices[i]->keys.dtk, p))
            return true;
    }
    return false;
}

/* Is it new here in all its parts? A removed device's never are again. */
static bool device_free_to_take(struct memory *m, const struct store_device *x)
{
    return !mem_any_device(m, &x->dev) && !point_taken(m, &x->dsk) && !point_taken(m, &x->dtk);
}

/* The device of this account that the manifest's entry keeps, or NULL. */
static struct mem_device *kept(const struct mem_account *a, const struct store_device *x)
{
    for (size_t i = 0; i < a->n_devices; i++) {
        struct mem_device *d = a->devices[i];
        if (ID_EQ(&d->keys.dev, &x->dev) && ID_EQ(&d->keys.dsk, &x->dsk) &&
            ID_EQ(&d->keys.dtk, &x->dtk))
            return d;
    }
    return NULL;
}

static void device_drop(struct mem_device *d)
{
    if (!d)
        return;
    buf_done(&d->record);
    mem_free(d);
}

/* A device that is in no list yet. bundle may be NULL. */
static struct mem_device *device_new(const struct store_device *x, const struct store_bundle *b)
{
    struct mem_device *d = mem_alloc(sizeof *d);

    if (!d)
        return NULL;
    d->keys = *x;
    d->tail = &d->head;
    if (b) {
        d->bundle = b->id;
        d->not_before = b->not_before;
        buf_bytes(&d->record, b->record);
        if (buf_rc(&d->record) != WAX_OK) {
            device_drop(d);
            return NULL;
        }
    }
    return d;
}

static wax_rc register_check(struct memory *m, const struct store_register *r, uint64_t now)
{
    if (r->need_invite) {
        wax_rc rc = mem_invite_use(m, &r->invite, now, false);
        if (rc != WAX_OK)
            return rc;
    }
    if (mem_by_acct(m, &r->manifest.acct) || !store_manifest_distinct(&r->manifest))
        return WAX_E_CONFLICT;
    for (size_t i = 0; i < r->manifest.n_devices; i++) {
        if (!device_free_to_take(m, &r->manifest.devices[i]))
            return WAX_E_CONFLICT;
    }
    return WAX_OK;
}

static const struct store_bundle *bundle_of(const struct store_bundle *b, size_t n,
                                            const struct dev_id *dev)
{
    for (size_t i = 0; i < n; i++) {
        if (ID_EQ(&b[i].dev, dev))
            return &b[i];
    }
    return NULL;
}

wax_rc mem_register(struct memory *m, struct store_req *req)
{
    struct store_register *r = &req->u.reg;
    const struct store_manifest *man = &r->manifest;
    struct mem_account *a = mem_by_handle(m, man->handle);

    if (a)
        return bytes_eq(buf_view(&a->links.v[0]), man->chain_link) ? WAX_OK : WAX_E_EXISTS;
    wax_rc rc = register_check(m, r, req->now);
    if (rc != WAX_OK)
        return rc;

    rc = mem_room((void **)&m->accounts, m->n_accounts, &m->cap_accounts, sizeof *m->accounts, 1);
    if (rc == WAX_OK)
        rc = mem_room((void **)&m->devices, m->n_devices, &m->cap_devices, sizeof *m->devices,
                      man->n_devices);
    if (rc != WAX_OK)
        return rc;
    a = mem_alloc(sizeof *a);
    if (!a || store_list_add(&a->links, man->chain_link) != WAX_OK ||
        mem_change_room(m, a) != WAX_OK)
        goto fail;
    for (; a->n_devices < man->n_devices; a->n_devices++) {
        const struct store_device *x = &man->devices[a->n_devices];
        struct mem_device *d = device_new(x, bundle_of(&r->bundle, 1, &x->dev));
        if (!d)
            goto fail;
        d->account = a;
        a->devices[a->n_devices] = d;
    }
    if (r->need_invite && mem_invite_use(m, &r->invite, req->now, true) != WAX_OK)
        goto fail;
    snprintf(a->handle, sizeof a->handle, "%s", man->handle);
    a->acct = man->acct;
    a->seq = man->seq;
    mem_changed(m, a, man);
    m->accounts[m->n_accounts++] = a;
    for (size_t i = 0; i < a->n_devices; i++)
        m->devices[m->n_devices++] = a->devices[i];
    return WAX_OK;
fail:
    if (a) {
        for (size_t i = 0; i < a->n_devices; i++)
            device_drop(a->devices[i]);
        buf_list_done(&a->links);
        mem_free(a->versions);
        mem_free(a);
    }
    return WAX_E_NOMEM;
}

/* What an update will do, made before anything is changed. */
struct plan {
    struct mem_device *next[STORE_DEVICES_MAX];
    bool fresh[STORE_DEVICES_MAX];
    size_t n;
    struct mem_device *gone[STORE_DEVICES_MAX];
    size_t n_gone;
    struct mem_row *notices, **notices_end;
    struct mem_device **notify; /* whom the k-th notice is for */
    size_t n_notices, cap_notify;
};

static void plan_drop(struct plan *p)
{
    for (size_t i = 0; i < p->n; i++) {
        if (p->fresh[i])
            device_drop(p->next[i]);
    }
    mem_rows_free(p->notices);
    mem_free(p->notify);
}

static wax_rc plan_devices(struct memory *m, struct mem_account *a, const struct store_update *u,
                           struct plan *p)
{
    const struct store_manifest *man = &u->manifest;

    if (!store_manifest_distinct(man))
        return WAX_E_EXISTS;
    for (size_t i = 0; i < man->n_devices; i++) {
        if (!kept(a, &man->devices[i]) && !device_free_to_take(m, &man->devices[i]))
            return WAX_E_EXISTS;
    }
    for (size_t i = 0; i < man->n_devices; i++) {
        const struct store_device *x = &man->devices[i];
        const struct store_bundle *b = bundle_of(u->bundles, u->n_bundles, &x->dev);
        struct mem_device *d = kept(a, x);
        if (d && b)
            return WAX_E_INVAL;
        p->fresh[p->n] = !d;
        if (!d)
            d = device_new(x, b);
        if (!d)
            return WAX_E_NOMEM;
        p->next[p->n++] = d;
    }
    for (size_t i = 0; i < a->n_devices; i++) {
        if (!store_manifest_has(man, &a->devices[i]->keys.dev))
            p->gone[p->n_gone++] = a->devices[i];
    }
    return WAX_OK;
}

static bool plan_removes(const struct plan *p, const struct mem_device *d)
{
    for (size_t i = 0; i < p->n_gone; i++) {
        if (p->gone[i] == d)
            return true;
    }
    return false;
}

/* A notice to the sender of each envelope that goes, if the sender stays. */
static wax_rc plan_notices(struct memory *m, struct store_update *u, struct plan *p)
{
    for (size_t i = 0; i < p->n_gone; i++) {
        for (struct mem_row *r = p->gone[i]->head; r; r = r->next) {
            struct mem_device *to = mem_device(m, &r->from);
            if (r->type != STORE_ROW_ENVELOPE || !to || plan_removes(p, to))
                continue;
            wax_rc rc =
                mem_room((void **)&p->notify, p->n_notices, &p->cap_notify, sizeof(void *), 1);
            if (rc == WAX_OK)
                rc = store_note(&u->notified, &to->keys.dev);
            if (rc != WAX_OK)
                return rc;
            struct mem_row *n = mem_notice_new(r, &p->gone[i]->keys.dev, STORE_REASON_REVOKED);
            if (!n)
                return WAX_E_NOMEM;
            *p->notices_end = n;
            p->notices_end = &n->next;
            p->notify[p->n_notices++] = to;
        }
    }
    return WAX_OK;
}

static void device_remove(struct mem_device *d)
{
    while (d->head)
        mem_row_remove(d, &d->head);
    buf_done(&d->record);
    d->n_old = 0;
    d->has_counter = false;
    d->account = NULL;
}

static void plan_run(struct memory *m, struct mem_account *a, struct store_update *u,
                     struct plan *p, uint64_t now)
{
    for (size_t i = 0; i < p->n_gone; i++) {
        u->removed[i] = p->gone[i]->keys.dev;
        device_remove(p->gone[i]);
    }
    u->n_removed = p->n_gone;
    struct mem_row *next;
    size_t k = 0;
    for (struct mem_row *r = p->notices; r; r = next) {
        next = r->next;
        mem_row_append(m, p->notify[k++], r, now);
    }
    p->notices = NULL;
    for (size_t i = 0; i < p->n; i++) {
        a->devices[i] = p->next[i];
        a->devices[i]->account = a;
        if (p->fresh[i])
            m->devices[m->n_devices++] = p->next[i];
        p->fresh[i] = false;
    }
    a->n_devices = p->n;
    a->seq = u->manifest.seq;
    mem_changed(m, a, &u->manifest);
}

wax_rc mem_update(struct memory *m, struct store_req *req)
{
    struct store_update *u = &req->u.update;
    const struct store_manifest *man = &u->manifest;
    struct mem_account *a = mem_by_handle(m, man->handle);

    if (!a)
        return WAX_E_NOTFOUND;
    if (bytes_eq(buf_view(&a->links.v[a->seq - 1]), man->chain_link))
        return WAX_OK;
    if (man->seq != a->seq + 1 || !ID_EQ(&man->acct, &a->acct))
        return WAX_E_CONFLICT;

    struct plan p = {.n = 0};
    p.notices_end = &p.notices;
    wax_rc rc = plan_devices(m, a, u, &p);
    if (rc == WAX_OK)
        rc = plan_notices(m, u, &p);
    if (rc == WAX_OK)
        rc = mem_room((void **)&m->devices, m->n_devices, &m->cap_devices, sizeof *m->devices,
                      man->n_devices);
    if (rc == WAX_OK)
        rc = mem_change_room(m, a);
    if (rc == WAX_OK) {
        rc = store_list_add(&a->links, man->chain_link);
        if (rc != WAX_OK && a->links.n > a->seq) /* an empty one was added */
            buf_done(&a->links.v[--a->links.n]);
    }
    if (rc == WAX_OK)
        plan_run(m, a, u, &p, req->now);
    plan_drop(&p);
    return rc;
}

static wax_rc lookup_links(const struct mem_account *a, struct store_lookup *l)
{
    uint32_t from = l->after < a->seq ? l->after + 1 : a->seq;
    size_t total = 0;

    l->first = from;
    for (uint32_t s = from; s <= a->seq; s++) {
        struct bytes x = buf_view(&a->links.v[s - 1]);
        if (total + x.n > STORE_LINKS_BYTES_MAX && total)
            break;
        total += x.n;
        wax_rc rc = store_list_add(&l->links, x);
        if (rc != WAX_OK)
            return rc;
        buf_bytes(&l->openings, BYTES_OF(a->versions[s - 1].opening.b));
    }
    if (buf_rc(&l->openings) != WAX_OK)
        return WAX_E_NOMEM;
    l->change = a->versions[a->seq - 1].change;
    buf_bytes(&l->newest_link, buf_view(&a->links.v[a->seq - 1]));
    return buf_rc(&l->newest_link);
}

wax_rc mem_lookup(struct memory *m, struct store_req *req)
{
    struct store_lookup *l = &req->u.lookup;
    struct mem_account *a = l->handle ? mem_by_handle(m, l->handle) : mem_by_acct(m, &l->acct);

    if (!a)
        return WAX_E_NOTFOUND;
    wax_rc rc = lookup_links(a, l);
    for (size_t i = 0; rc == WAX_OK && i < a->n_devices; i++)
        rc = store_list_add(&l->bundles, buf_view(&a->devices[i]->record));
    if (rc != WAX_OK)
        return rc;
    l->acct = a->acct;
    l->seq = a->seq;
    memcpy(l->handle_out, a->handle, sizeof l->handle_out);
    return l->prove ? mem_prove(m, l) : WAX_OK;
}

wax_rc mem_device_get(struct memory *m, struct store_req *req)
{
    struct store_device_get *g = &req->u.device;
    struct mem_device *d = mem_device(m, &g->dev);

    if (!d)
        return WAX_E_NOTFOUND;
    g->acct = d->account->acct;
    memcpy(g->handle, d->account->handle, sizeof g->handle);
    g->dsk = d->keys.dsk;
    g->dtk = d->keys.dtk;
    g->suspended = false;
    return WAX_OK;
}

wax_rc mem_bundle(struct memory *m, struct store_req *req)
{
    const struct store_bundle *b = &req->u.bundle.bundle;
    struct mem_device *d = mem_device(m, &b->dev);

    if (!d)
        return WAX_E_NOTFOUND;
    if (bytes_eq(buf_view(&d->record), b->record))
        return WAX_OK;
    if (d->record.n && b->not_before <= d->not_before)
        return WAX_E_CONFLICT;
    struct buf record = {0};
    buf_bytes(&record, b->record);
    struct mem_superseded *old = mem_calloc(d->n_old + 1, sizeof *old);
    if (buf_rc(&record) != WAX_OK || !old) {
        buf_done(&record);
        mem_free(old);
        return WAX_E_NOMEM;
    }
    if (d->n_old)
        memcpy(old, d->old, d->n_old * sizeof *old);
    mem_free(d->old);
    d->old = old;
    if (d->record.n)
        d->old[d->n_old++] = (struct mem_superseded){d->bundle, req->now};
    buf_done(&d->record);
    d->record = record;
    d->bundle = b->id;
    d->not_before = b->not_before;
    return WAX_OK;
}

wax_rc mem_counter_get(struct memory *m, struct store_req *req)
{
    struct store_counter *c = &req->u.counter;
    const struct mem_device *d = mem_device(m, &c->dev);

    c->n = 0;
    if (d && d->has_counter) {
        memcpy(c->record, d->counter, sizeof c->record);
        c->n = sizeof c->record;
    }
    return WAX_OK;
}

wax_rc mem_counter_put(struct memory *m, struct store_req *req)
{
    const struct store_counter *c = &req->u.counter;
    struct mem_device *d = mem_device(m, &c->dev);

    if (!d)
        return WAX_E_NOTFOUND;
    if (d->has_counter && get_u64(c->record) < get_u64(d->counter))
        return WAX_E_CONFLICT;
    memcpy(d->counter, c->record, sizeof d->counter);
    d->has_counter = true;
    return WAX_OK;
}
