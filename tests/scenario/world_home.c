/* A home's door: what a process does to its vault may fail, may be its last act, and has no effect
 * once the process is gone. And the allocator's door. */
#include "world.h"

#include "base/mem.h"

static struct home *of(struct vault *v) { return (struct home *)v; }

/* One more write or commit. What is to happen there, if anything. */
static enum home_fault strikes(struct home *x)
{
    if (!x->after || --x->after > 0)
        return HOME_WELL;
    enum home_fault what = x->fault;
    x->fault = HOME_WELL;
    x->d->w->n_faults++;
    return what;
}

static wax_rc before(struct home *x, enum home_fault what)
{
    if (what == HOME_DIES_BEFORE)
        device_kill(x->d);
    if (x->d->crashed)
        return WAX_E_IO;
    return what == HOME_NO_SPACE ? WAX_E_NOSPC : what == HOME_IO ? WAX_E_IO : WAX_OK;
}

static wax_rc x_begin(struct vault *v)
{
    return of(v)->d->crashed ? WAX_E_IO : vault_begin(of(v)->real);
}

static wax_rc x_commit(struct vault *v)
{
    struct home *x = of(v);
    enum home_fault what = strikes(x);
    wax_rc rc = before(x, what);

    if (rc != WAX_OK) {
        vault_rollback(x->real);
        return rc;
    }
    rc = vault_commit(x->real);
    if (what == HOME_DIES_AFTER) {
        device_kill(x->d);
        return WAX_E_IO;
    }
    return rc;
}

static void x_rollback(struct vault *v) { vault_rollback(of(v)->real); }

static wax_rc x_get(struct vault *v, enum vault_table t, struct bytes key, struct buf *out)
{
    return of(v)->d->crashed ? WAX_E_IO : vault_get(of(v)->real, t, key, out);
}

static wax_rc x_put(struct vault *v, enum vault_table t, struct bytes key, struct bytes value)
{
    struct home *x = of(v);
    wax_rc rc = before(x, x->fault == HOME_DIES_AFTER ? HOME_WELL : strikes(x));

    return rc == WAX_OK ? vault_put(x->real, t, key, value) : rc;
}

static wax_rc x_del(struct vault *v, enum vault_table t, struct bytes key)
{
    return of(v)->d->crashed ? WAX_E_IO : vault_del(of(v)->real, t, key);
}

static wax_rc x_scan(struct vault *v, enum vault_table t, struct bytes prefix, struct bytes after,
                     bool descending, vault_row_fn fn, void *ctx)
{
    return of(v)->d->crashed ? WAX_E_IO
                             : vault_scan(of(v)->real, t, prefix, after, descending, fn, ctx);
}

static wax_rc x_del_prefix(struct vault *v, enum vault_table t, struct bytes prefix)
{
    return of(v)->d->crashed ? WAX_E_IO : vault_del_prefix(of(v)->real, t, prefix);
}

static wax_rc x_count(struct vault *v, enum vault_table t, struct bytes prefix, uint64_t *ret)
{
    return of(v)->d->crashed ? WAX_E_IO : vault_count(of(v)->real, t, prefix, ret);
}

static void x_close(struct vault *v)
{
    vault_close(of(v)->real);
    of(v)->real = NULL;
}

static const struct vault_ops home_ops = {x_begin, x_commit, x_rollback,   x_get,   x_put,
                                          x_del,   x_scan,   x_del_prefix, x_count, x_close};

struct vault *home_open(struct device *d, struct vault *real)
{
    d->home = (struct home){.base.ops = &home_ops, .real = real, .d = d};
    return &d->home.base;
}

/* --- Allocations --- */

static bool product;
static unsigned left;

static int alloc_fails(size_t n)
{
    (void)n;
    return product && left && --left == 0;
}

bool world_product(bool runs)
{
    bool was = product;

    product = runs;
    return was;
}

void world_fail_alloc(unsigned nth)
{
    left = nth;
    mem_set_fault(alloc_fails);
}
