/* SQLite engine: devices and account seqs by id, kept between batches.
 *
 * One mailbox often gets many rows in one batch; its counter row is read once and written
 * back once. Nobody else changes devices (the command-line tools touch invites only), but if
 * another connection has committed anything, all is forgotten. */
#include "store/sqlite_int.h"

#include "base/mem.h"

wax_rc sq_cache_new(struct sq *s)
{
    s->devs = mem_calloc(SQ_DEVS, sizeof *s->devs);
    s->accts = mem_calloc(SQ_ACCTS, sizeof *s->accts);
    s->dirty = mem_calloc(SQ_DEVS, sizeof *s->dirty);
    return s->devs && s->accts && s->dirty ? WAX_OK : WAX_E_NOMEM;
}

void sq_cache_free(struct sq *s)
{
    mem_free(s->devs);
    mem_free(s->accts);
    mem_free(s->dirty);
}

void sq_cache_forget(struct sq *s)
{
    if (s->n_devs)
        memset(s->devs, 0, SQ_DEVS * sizeof *s->devs);
    if (s->n_accts)
        memset(s->accts, 0, SQ_ACCTS * sizeof *s->accts);
    s->n_devs = s->n_accts = s->n_dirty = 0;
}

wax_rc sq_cache_flush(struct sq *s)
{
    wax_rc rc = WAX_OK;

    for (size_t i = 0; i < s->n_dirty && rc == WAX_OK; i++) {
        struct sq_dev *d = &s->devs[s->dirty[i]];
        struct sq_q q = sq_start(s, Q_QUEUE_UPDATE);
        sq_i64(&q, (int64_t)d->seq);
        sq_i64(&q, (int64_t)d->count);
        sq_i64(&q, (int64_t)d->bytes);
        sq_i64(&q, (int64_t)d->expired_seq);
        sq_i64(&q, d->id);
        d->dirty = false;
        rc = sq_run(&q);
    }
    s->n_dirty = 0;
    return rc;
}

wax_rc sq_cache_drop(struct sq *s)
{
    wax_rc rc = sq_cache_flush(s);
    sq_cache_forget(s);
    return rc;
}

/* Ids are hashes already; but whoever registers may choose them, so mix all bytes. */
static uint32_t slot_of(const uint8_t *p, size_t n, uint32_t slots)
{
    uint64_t h = 0x9e3779b97f4a7c15U;

    for (size_t i = 0; i + 8 <= n; i += 8)
        h = (h ^ get_u64(p + i)) * 0xff51afd7ed558ccdU;
    return (uint32_t)(h >> 40) & (slots - 1);
}

static wax_rc load_dev(struct sq *s, const struct dev_id *dev, struct sq_dev *out)
{
    struct sq_q q = sq_start(s, Q_DEVICE_LOAD);
    struct sq_dev d = {.used = true, .dev = *dev};

    sq_blob(&q, dev->b, sizeof dev->b);
    bool found = sq_row(&q);
    if (found) {
        d.id = sq_col(&q, 0);
        d.seq = (uint64_t)sq_col(&q, 1);
        d.count = (uint64_t)sq_col(&q, 2);
        d.bytes = (uint64_t)sq_col(&q, 3);
        d.expired_seq = (uint64_t)sq_col(&q, 4);
        d.has_bundle = sq_col_bytes(&q, 5).n > 0;
        if (d.has_bundle)
            sq_col_copy(&q, 5, d.bundle.b, sizeof d.bundle.b);
    }
    wax_rc rc = sq_end(&q);
    if (rc == WAX_OK && !found)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK)
        *out = d;
    return rc;
}

wax_rc sq_dev_get(struct sq *s, const struct dev_id *dev, struct sq_dev **ret)
{
    wax_rc rc;

    if (s->n_devs >= SQ_DEVS / 4 * 3) {
        rc = sq_cache_drop(s);
        if (rc != WAX_OK)
            return rc;
    }
    uint32_t i = slot_of(dev->b, sizeof dev->b, SQ_DEVS);
    while (s->devs[i].used) {
        if (ID_EQ(&s->devs[i].dev, dev)) {
            *ret = &s->devs[i];
            return WAX_OK;
        }
        i = (i + 1) & (SQ_DEVS - 1);
    }
    rc = load_dev(s, dev, &s->devs[i]);
    if (rc != WAX_OK)
        return rc;
    s->n_devs++;
    *ret = &s->devs[i];
    return WAX_OK;
}

void sq_dev_changed(struct sq *s, struct sq_dev *d)
{
    if (d->dirty)
        return;
    d->dirty = true;
    s->dirty[s->n_dirty++] = (uint32_t)(d - s->devs);
}

wax_rc sq_acct_seq(struct sq *s, const struct acct_id *acct, uint32_t *ret)
{
    if (s->n_accts >= SQ_ACCTS / 4 * 3) {
        memset(s->accts, 0, SQ_ACCTS * sizeof *s->accts);
        s->n_accts = 0;
    }
    uint32_t i = slot_of(acct->b, sizeof acct->b, SQ_ACCTS);
    while (s->accts[i].used) {
        if (ID_EQ(&s->accts[i].acct, acct)) {
            *ret = s->accts[i].seq;
            return WAX_OK;
        }
        i = (i + 1) & (SQ_ACCTS - 1);
    }
    struct sq_q q = sq_start(s, Q_ACCOUNT_BY_ACCT);
    sq_blob(&q, acct->b, sizeof acct->b);
    bool found = sq_row(&q);
    uint32_t seq = found ? (uint32_t)sq_col(&q, 2) : 0;
    wax_rc rc = sq_end(&q);
    if (rc != WAX_OK)
        return rc;
    if (found) {
        s->accts[i] = (struct sq_acct){true, *acct, seq};
        s->n_accts++;
    }
    *ret = seq;
    return WAX_OK;
}
