/* Rows by key prefix: scan, del_prefix, count. */
#include "vault/sqlite_internal.h"

/* The end of a prefix: its last byte that is not FF, plus one. Where there is none, longer
 * than any key and all FF, so that it lies behind every key. */
void key_range_of(struct bytes prefix, struct key_range *ret)
{
    size_t n = prefix.n < VAULT_KEY_MAX ? prefix.n : VAULT_KEY_MAX;

    if (n) {
        memcpy(ret->lo, prefix.p, n);
        memcpy(ret->hi, prefix.p, n);
    }
    ret->nlo = n;
    while (n && ret->hi[n - 1] == 0xff)
        n--;
    if (n) {
        ret->hi[n - 1]++;
        ret->nhi = n;
    } else {
        memset(ret->hi, 0xff, sizeof ret->hi);
        ret->nhi = sizeof ret->hi;
    }
}

static int key_cmp(struct bytes x, struct bytes y)
{
    size_t n = x.n < y.n ? x.n : y.n;
    int c = n ? memcmp(x.p, y.p, n) : 0;

    return c ? c : (x.n > y.n) - (x.n < y.n);
}

/* Cuts off what lies before (descending: behind) the place where the scan goes on. */
static void range_resume(struct key_range *r, struct bytes after, bool descending)
{
    if (descending) {
        if (key_cmp(after, BYTES(r->hi, r->nhi)) < 0) {
            memcpy(r->hi, after.p, after.n);
            r->nhi = after.n;
        }
    } else if (key_cmp(after, BYTES(r->lo, r->nlo)) >= 0) {
        memcpy(r->lo, after.p, after.n);
        r->lo[after.n] = 0; /* the very next key */
        r->nlo = after.n + 1;
    }
}

/* The cached statement, or a fresh one when a scan further up the stack runs it; *own says
 * that the caller finalizes it. */
static wax_rc range_stmt(struct sqlite *h, enum vault_table t, enum row_stmt which,
                         const struct key_range *r, sqlite3_stmt **ret, bool *own)
{
    sqlite3_stmt *st;
    wax_rc rc = sqlite_row_stmt(h, t, which, &st);

    *own = false;
    if (rc == WAX_OK && sqlite3_stmt_busy(st)) {
        rc = sqlite_prepare(h, sqlite3_sql(st), &st);
        *own = rc == WAX_OK;
    }
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 1, BYTES(r->lo, r->nlo));
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 2, BYTES(r->hi, r->nhi));
    if (rc == WAX_OK)
        *ret = st;
    else if (*own)
        sqlite3_finalize(st);
    return rc;
}

/* Gives the rows of a bound statement to fn. */
static wax_rc scan_rows(struct sqlite *h, enum vault_table t, sqlite3_stmt *st, vault_row_fn fn,
                        void *ctx)
{
    struct buf value = {0};
    uint8_t at[VAULT_KEY_MAX];
    wax_rc rc = WAX_OK, damaged = WAX_OK;
    bool more = true;
    int step = SQLITE_DONE;

    while (rc == WAX_OK && more && (step = sqlite3_step(st)) == SQLITE_ROW) {
        /* A copy, since fn may delete this row by the key it was given. */
        struct bytes key = sqlite_column(st, 0);
        if (key.n > sizeof at) {
            damaged = WAX_E_DAMAGED;
            continue;
        }
        key.p = key.n ? memcpy(at, key.p, key.n) : NULL;
        buf_reset(&value);
        rc = sqlite_unseal(h, t, key, sqlite_column(st, 1), &value);
        if (rc == WAX_OK)
            more = fn(ctx, key, buf_view(&value));
        else if (rc == WAX_E_DAMAGED) {
            damaged = rc;
            rc = WAX_OK;
        }
    }
    if (rc == WAX_OK && step != SQLITE_ROW && step != SQLITE_DONE)
        rc = sqlite_rc(h, step);
    buf_done(&value);
    return rc == WAX_OK ? damaged : rc;
}

wax_rc sqlite_scan(struct vault *v, enum vault_table t, struct bytes prefix, struct bytes after,
                   bool descending, vault_row_fn fn, void *ctx)
{
    struct sqlite *h = sqlite_of(v);
    struct key_range r;
    sqlite3_stmt *st;
    bool own;

    if (!vault_table_ok(t) || prefix.n > VAULT_KEY_MAX || after.n > VAULT_KEY_MAX)
        return WAX_E_INVAL;
    if (h->lost)
        return h->lost;
    key_range_of(prefix, &r);
    if (after.n)
        range_resume(&r, after, descending);
    wax_rc rc = range_stmt(h, t, descending ? ST_DOWN : ST_UP, &r, &st, &own);
    if (rc != WAX_OK)
        return rc;
    rc = scan_rows(h, t, st, fn, ctx);
    if (own)
        sqlite3_finalize(st);
    else
        sqlite3_reset(st); /* ends the read transaction */
    return rc;
}

wax_rc sqlite_del_prefix(struct vault *v, enum vault_table t, struct bytes prefix)
{
    struct sqlite *h = sqlite_of(v);
    struct key_range r;
    sqlite3_stmt *st;
    bool own;
    wax_rc rc = sqlite_writable(h);

    if (rc != WAX_OK)
        return rc;
    if (!vault_table_ok(t) || prefix.n > VAULT_KEY_MAX)
        return WAX_E_INVAL;
    key_range_of(prefix, &r);
    rc = range_stmt(h, t, ST_CLEAR, &r, &st, &own);
    if (rc == WAX_OK)
        rc = sqlite_run(h, st);
    if (rc == WAX_OK && tally_counts(t))
        rc = tally_cleared(h, t, prefix, sqlite3_changes(h->db));
    return rc;
}

wax_rc sqlite_count(struct vault *v, enum vault_table t, struct bytes prefix, uint64_t *ret)
{
    struct sqlite *h = sqlite_of(v);
    struct key_range r;
    sqlite3_stmt *st;
    bool own;

    if (!vault_table_ok(t) || prefix.n > VAULT_KEY_MAX)
        return WAX_E_INVAL;
    if (h->lost)
        return h->lost;
    if (tally_counts(t) && (prefix.n == 0 || prefix.n == TALLY_HEAD))
        return tally_get(h, t, prefix, ret);
    key_range_of(prefix, &r);
    wax_rc rc = range_stmt(h, t, ST_COUNT, &r, &st, &own);
    if (rc != WAX_OK)
        return rc;
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        *ret = (uint64_t)sqlite3_column_int64(st, 0);
    else
        rc = sqlite_rc(h, step);
    sqlite3_reset(st);
    return rc;
}
