/* The memory twin of the vault. A disk is one version of every table; a transaction works
 * on versions of its own, and commit swaps them in. So the way back, and a crash, is to
 * drop them. */
#include "base/mem.h"
#include "vault/engines.h"
#include "vault/rowset.h"

struct vault_disk {
    struct rowset *tables[VT_COUNT_];
    bool locked; /* some handle has a transaction open */
    unsigned fail_in;
    wax_rc fail_rc;
};

struct memory {
    struct vault vault; /* first: handles are cast back from it */
    struct vault_disk *disk;
    bool own_disk;
    bool open; /* a transaction is */
    struct rowset *work[VT_COUNT_];
};

static struct memory *of(struct vault *v) { return (struct memory *)v; }

/* The version that this handle reads. */
static struct rowset **version(struct memory *m) { return m->open ? m->work : m->disk->tables; }

/* The test hook: counts down puts and commits. */
static wax_rc fault(struct vault_disk *d)
{
    if (d->fail_in == 0 || --d->fail_in > 0)
        return WAX_OK;
    return d->fail_rc;
}

static wax_rc mem_begin(struct vault *v)
{
    struct memory *m = of(v);

    if (m->open)
        return WAX_E_INVAL;
    if (m->disk->locked)
        return WAX_E_BUSY;
    for (int t = 0; t < VT_COUNT_; t++)
        m->work[t] = rowset_keep(m->disk->tables[t]);
    m->open = m->disk->locked = true;
    return WAX_OK;
}

static void mem_rollback(struct vault *v)
{
    struct memory *m = of(v);

    if (!m->open)
        return;
    for (int t = 0; t < VT_COUNT_; t++) {
        rowset_drop(m->work[t]);
        m->work[t] = NULL;
    }
    m->open = m->disk->locked = false;
}

static wax_rc mem_commit(struct vault *v)
{
    struct memory *m = of(v);

    if (!m->open)
        return WAX_E_INVAL;
    wax_rc rc = fault(m->disk);
    for (int t = 0; rc == WAX_OK && t < VT_COUNT_; t++) {
        struct rowset *old = m->disk->tables[t];
        m->disk->tables[t] = m->work[t];
        m->work[t] = old;
    }
    mem_rollback(v); /* drops the versions that lost */
    return rc;
}

static wax_rc mem_get(struct vault *v, enum vault_table t, struct bytes key, struct buf *out)
{
    struct bytes value;

    if (!vault_key_ok(t, key))
        return WAX_E_INVAL;
    if (!rowset_get(version(of(v))[t], key, &value))
        return WAX_E_NOTFOUND;
    buf_bytes(out, value);
    return buf_rc(out);
}

static wax_rc mem_put(struct vault *v, enum vault_table t, struct bytes key, struct bytes value)
{
    struct memory *m = of(v);

    if (!m->open || !vault_key_ok(t, key))
        return WAX_E_INVAL;
    if (value.n > VAULT_VALUE_MAX)
        return WAX_E_TOOBIG;
    wax_rc rc = fault(m->disk);
    return rc == WAX_OK ? rowset_put(&m->work[t], key, value) : rc;
}

static wax_rc mem_del(struct vault *v, enum vault_table t, struct bytes key)
{
    struct memory *m = of(v);

    if (!m->open || !vault_key_ok(t, key))
        return WAX_E_INVAL;
    return rowset_del(&m->work[t], key);
}

/* The ranks [from, to) of the rows that a scan gives. */
static void scan_range(const struct rowset *s, struct bytes prefix, struct bytes after,
                       bool descending, size_t *from, size_t *to)
{
    *from = rowset_rank(s, prefix);
    *to = rowset_rank_end(s, prefix);
    if (after.n == 0)
        return;
    size_t at = rowset_rank(s, after);
    struct bytes same;
    if (descending) {
        *to = at < *to ? at : *to;
    } else {
        at += rowset_get(s, after, &same);
        *from = at > *from ? at : *from;
    }
}

static wax_rc mem_scan(struct vault *v, enum vault_table t, struct bytes prefix, struct bytes after,
                       bool descending, vault_row_fn fn, void *ctx)
{
    size_t from, to;
    struct bytes key, value;

    if (!vault_table_ok(t))
        return WAX_E_INVAL;
    /* Kept, so that fn may change rows while it is given them. */
    struct rowset *s = rowset_keep(version(of(v))[t]);
    scan_range(s, prefix, after, descending, &from, &to);
    while (from < to) {
        rowset_at(s, descending ? --to : from++, &key, &value);
        if (!fn(ctx, key, value))
            break;
    }
    rowset_drop(s);
    return WAX_OK;
}

static wax_rc mem_del_prefix(struct vault *v, enum vault_table t, struct bytes prefix)
{
    struct memory *m = of(v);
    struct bytes key, value;
    wax_rc rc = WAX_OK;

    if (!m->open || !vault_table_ok(t))
        return WAX_E_INVAL;
    struct rowset *s = rowset_keep(m->work[t]);
    size_t from = rowset_rank(s, prefix), to = rowset_rank_end(s, prefix);
    struct rowset *less = rowset_keep(s);
    while (rc == WAX_OK && from < to) {
        rowset_at(s, from++, &key, &value);
        rc = rowset_del(&less, key);
    }
    if (rc == WAX_OK) {
        m->work[t] = less;
        less = s;
    }
    rowset_drop(less);
    rowset_drop(s);
    return rc;
}

static wax_rc mem_count(struct vault *v, enum vault_table t, struct bytes prefix, uint64_t *ret)
{
    if (!vault_table_ok(t))
        return WAX_E_INVAL;
    const struct rowset *s = version(of(v))[t];
    *ret = rowset_rank_end(s, prefix) - rowset_rank(s, prefix);
    return WAX_OK;
}

static void mem_close(struct vault *v)
{
    struct memory *m = of(v);

    mem_rollback(v);
    if (m->own_disk)
        vault_disk_free(m->disk);
    mem_free(m);
}

static const struct vault_ops memory_ops = {
    .begin = mem_begin,
    .commit = mem_commit,
    .rollback = mem_rollback,
    .get = mem_get,
    .put = mem_put,
    .del = mem_del,
    .scan = mem_scan,
    .del_prefix = mem_del_prefix,
    .count = mem_count,
    .close = mem_close,
};

struct vault_disk *vault_disk_new(void) { return mem_alloc(sizeof(struct vault_disk)); }

void vault_disk_free(struct vault_disk *d)
{
    if (!d)
        return;
    for (int t = 0; t < VT_COUNT_; t++)
        rowset_drop(d->tables[t]);
    mem_free(d);
}

struct vault_disk *vault_disk_copy(const struct vault_disk *d)
{
    struct vault_disk *copy = vault_disk_new();

    /* Versions never change, so the copy may share them. */
    for (int t = 0; copy && t < VT_COUNT_; t++)
        copy->tables[t] = rowset_keep(d->tables[t]);
    return copy;
}

wax_rc vault_memory_open(struct vault_disk *d, struct vault **ret)
{
    struct memory *m = mem_alloc(sizeof *m);
    struct vault_disk *disk = d ? d : vault_disk_new();

    if (!m || !disk) {
        mem_free(m);
        if (!d)
            vault_disk_free(disk);
        return WAX_E_NOMEM;
    }
    m->vault.ops = &memory_ops;
    m->disk = disk;
    m->own_disk = !d;
    *ret = &m->vault;
    return WAX_OK;
}

void vault_memory_fail(struct vault_disk *d, unsigned nth, wax_rc rc)
{
    d->fail_in = nth;
    d->fail_rc = rc;
}

void vault_disk_dump(const struct vault_disk *d, struct buf *out)
{
    struct bytes key, value;

    for (int t = 0; t < VT_COUNT_; t++)
        for (size_t i = 0; i < rowset_size(d->tables[t]); i++) {
            rowset_at(d->tables[t], i, &key, &value);
            buf_bytes(out, value);
        }
}
