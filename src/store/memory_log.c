/* The memory twin: the numbered changes and the values of the directory's log. */
#include "store/memory_int.h"

#include "base/mem.h"

wax_rc mem_change_room(struct memory *m, struct mem_account *a)
{
    wax_rc rc =
        mem_room((void **)&m->changes, m->n_changes, &m->cap_changes, sizeof *m->changes, 1);

    return rc == WAX_OK
               ? mem_room((void **)&a->versions, a->seq, &a->cap_versions, sizeof *a->versions, 1)
               : rc;
}

void mem_changed(struct memory *m, struct mem_account *a, const struct store_manifest *man)
{
    m->changes[m->n_changes++] = (struct mem_change){a, a->seq};
    a->versions[a->seq - 1] = (struct mem_version){m->n_changes, man->hash, man->opening};
}

static struct mem_value **bucket_of(struct mem_values *v, uint64_t key)
{
    return &v->buckets[(key * 0x9e3779b97f4a7c15U >> 32) & (v->n_buckets - 1)];
}

/* Where the value is, or where it would be; NULL: there is no table yet. */
static struct mem_value **place_of(struct mem_values *v, uint64_t key)
{
    if (!v->n_buckets)
        return NULL;
    struct mem_value **at = bucket_of(v, key);
    while (*at && (*at)->key != key)
        at = &(*at)->next;
    return at;
}

static wax_rc grow(struct mem_values *v)
{
    struct mem_values w = {.n = v->n, .n_buckets = v->n_buckets ? 2 * v->n_buckets : 64};

    if (v->n < v->n_buckets)
        return WAX_OK;
    w.buckets = mem_calloc(w.n_buckets, sizeof(void *));
    if (!w.buckets)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < v->n_buckets; i++) {
        for (struct mem_value *x = v->buckets[i], *next; x; x = next) {
            struct mem_value **at = bucket_of(&w, x->key);
            next = x->next;
            x->next = *at;
            *at = x;
        }
    }
    mem_free(v->buckets);
    *v = w;
    return WAX_OK;
}

void mem_values_free(struct mem_values *v)
{
    for (size_t i = 0; i < v->n_buckets; i++) {
        for (struct mem_value *x = v->buckets[i], *next; x; x = next) {
            next = x->next;
            mem_free(x);
        }
    }
    mem_free(v->buckets);
}

/* Puts x (NULL: nothing) where that number is, and gives what was there. */
static struct mem_value *swap(struct mem_values *v, uint64_t key, struct mem_value *x)
{
    struct mem_value **at = place_of(v, key), *old = at ? *at : NULL;

    if (old) {
        *at = old->next;
        v->n--;
    }
    if (x) {
        x->next = *at;
        *at = x;
        v->n++;
    }
    return old;
}

/* The same, remembered. x is ours in any case. */
static wax_rc change_value(struct memory *m, enum store_log_table t, uint64_t key,
                           struct mem_value *x)
{
    struct mem_undo *u = mem_alloc(sizeof *u);

    if (!u) {
        mem_free(x);
        return WAX_E_NOMEM;
    }
    *u = (struct mem_undo){m->undo, t, key, swap(&m->values[t], key, x)};
    m->undo = u;
    return WAX_OK;
}

static void end_job(struct memory *m, bool undo)
{
    for (struct mem_undo *u = m->undo, *next; u; u = next) {
        next = u->next;
        mem_free(undo ? swap(&m->values[u->t], u->key, u->old) : u->old);
        mem_free(u);
    }
    m->undo = NULL;
}

static wax_rc get(void *ctx, enum store_log_table t, uint64_t key, struct store_log_value *ret)
{
    struct memory *m = ctx;
    struct mem_value **at = t < STORE_LOG_TABLES ? place_of(&m->values[t], key) : NULL;

    if (!at || !*at)
        return WAX_E_NOTFOUND;
    memcpy(ret->b, (*at)->b, (*at)->n);
    ret->n = (*at)->n;
    return WAX_OK;
}

static wax_rc put(void *ctx, enum store_log_table t, uint64_t key, struct bytes value)
{
    struct memory *m = ctx;

    if (!store_log_fits(t, key, value))
        return WAX_E_INVAL;
    wax_rc rc = grow(&m->values[t]);
    if (rc != WAX_OK)
        return rc;
    struct mem_value *x = mem_alloc(sizeof *x + value.n);
    if (!x)
        return WAX_E_NOMEM;
    x->key = key;
    x->n = value.n;
    memcpy(x->b, value.p, value.n);
    return change_value(m, t, key, x);
}

static wax_rc drop(void *ctx, enum store_log_table t, uint64_t key)
{
    struct memory *m = ctx;
    struct mem_value **at = t < STORE_LOG_TABLES ? place_of(&m->values[t], key) : NULL;

    return at && *at ? change_value(m, t, key, NULL) : WAX_OK;
}

static void fill_change(const struct mem_account *a, uint32_t seq, struct store_change *ret)
{
    const struct mem_version *v = &a->versions[seq - 1];

    *ret =
        (struct store_change){.acct = a->acct, .seq = seq, .hash = v->hash, .opening = v->opening};
    memcpy(ret->handle, a->handle, sizeof ret->handle);
}

static wax_rc change(void *ctx, uint64_t n, struct store_change *ret, struct buf *link)
{
    const struct memory *m = ctx;

    if (n == 0 || n > m->n_changes)
        return WAX_E_NOTFOUND;
    const struct mem_change *x = &m->changes[n - 1];
    if (link) {
        buf_bytes(link, buf_view(&x->account->links.v[x->seq - 1]));
        if (buf_rc(link) != WAX_OK)
            return WAX_E_NOMEM;
    }
    fill_change(x->account, x->seq, ret);
    return WAX_OK;
}

static wax_rc version(void *ctx, const char *handle, uint32_t seq, struct store_change *ret)
{
    const struct mem_account *a = mem_by_handle(ctx, handle);

    if (!a || seq == 0 || seq > a->seq)
        return WAX_E_NOTFOUND;
    fill_change(a, seq, ret);
    return WAX_OK;
}

wax_rc mem_log_read(struct memory *m, struct store_req *req)
{
    struct store_log log = {m, get, store_log_no_put, store_log_no_drop, change, version};

    return req->u.log.job(req->u.log.ctx, &log);
}

wax_rc mem_log_write(struct memory *m, struct store_req *req)
{
    struct store_log log = {m, get, put, drop, change, version};

    wax_rc rc = req->u.log.job(req->u.log.ctx, &log);
    end_job(m, rc != WAX_OK);
    return rc;
}

wax_rc mem_prove(struct memory *m, const struct store_lookup *l)
{
    struct store_log log = {m, get, store_log_no_put, store_log_no_drop, change, version};

    return l->prove(l->prove_ctx, &log, l);
}
