/* One row: get, put, del. */
#include <stdio.h>

#include "vault/sqlite_internal.h"

/* What stands before and behind the table's name. */
static const char *const row_sql[ST_N_][2] = {
    [ST_GET] = {"SELECT v FROM ", " WHERE k = ?1"},
    [ST_PUT] = {"INSERT INTO ", " (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = ?2"},
    [ST_ADD] = {"INSERT OR IGNORE INTO ", " (k, v) VALUES (?1, ?2)"},
    [ST_SET] = {"UPDATE ", " SET v = ?2 WHERE k = ?1"},
    [ST_DEL] = {"DELETE FROM ", " WHERE k = ?1"},
    [ST_UP] = {"SELECT k, v FROM ", " WHERE k >= ?1 AND k < ?2 ORDER BY k"},
    [ST_DOWN] = {"SELECT k, v FROM ", " WHERE k >= ?1 AND k < ?2 ORDER BY k DESC"},
    [ST_COUNT] = {"SELECT count(*) FROM ", " WHERE k >= ?1 AND k < ?2"},
    [ST_CLEAR] = {"DELETE FROM ", " WHERE k >= ?1 AND k < ?2"},
};

wax_rc sqlite_row_stmt(struct sqlite *h, enum vault_table t, enum row_stmt which,
                       sqlite3_stmt **ret)
{
    char sql[160];
    wax_rc rc = WAX_OK;

    if (!h->rows[t][which]) {
        (void)snprintf(sql, sizeof sql, "%s%s%s", row_sql[which][0], sqlite_table_name(t),
                       row_sql[which][1]);
        rc = sqlite_prepare(h, sql, &h->rows[t][which]);
    }
    if (rc == WAX_OK)
        *ret = h->rows[t][which];
    return rc;
}

wax_rc sqlite_bind(struct sqlite *h, sqlite3_stmt *st, int at, struct bytes x)
{
    /* A NULL pointer would bind NULL instead of an empty blob. */
    return sqlite_rc(h,
                     sqlite3_bind_blob64(st, at, x.n ? (const void *)x.p : "", x.n, SQLITE_STATIC));
}

struct bytes sqlite_column(sqlite3_stmt *st, int at)
{
    const void *p = sqlite3_column_blob(st, at);

    return BYTES(p, p ? (size_t)sqlite3_column_bytes(st, at) : 0);
}

wax_rc sqlite_get(struct vault *v, enum vault_table t, struct bytes key, struct buf *out)
{
    struct sqlite *h = sqlite_of(v);
    sqlite3_stmt *st;

    if (!vault_key_ok(t, key))
        return WAX_E_INVAL;
    if (h->lost)
        return h->lost;
    wax_rc rc = sqlite_row_stmt(h, t, ST_GET, &st);
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 1, key);
    if (rc != WAX_OK)
        return rc;
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW)
        rc = sqlite_unseal(h, t, key, sqlite_column(st, 0), out);
    else
        rc = step == SQLITE_DONE ? WAX_E_NOTFOUND : sqlite_rc(h, step);
    sqlite3_reset(st);
    return rc;
}

static wax_rc write_row(struct sqlite *h, enum vault_table t, enum row_stmt which, struct bytes key,
                        struct bytes sealed, bool *changed)
{
    sqlite3_stmt *st;
    wax_rc rc = sqlite_row_stmt(h, t, which, &st);

    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 1, key);
    if (rc == WAX_OK && which != ST_DEL)
        rc = sqlite_bind(h, st, 2, sealed);
    if (rc == WAX_OK)
        rc = sqlite_run(h, st);
    if (rc == WAX_OK)
        *changed = sqlite3_changes(h->db) > 0;
    return rc;
}

/* A counted table has to know whether the row is new. */
static wax_rc put_counted(struct sqlite *h, enum vault_table t, struct bytes key,
                          struct bytes sealed)
{
    bool added = false;
    wax_rc rc = write_row(h, t, ST_ADD, key, sealed, &added);

    if (rc == WAX_OK && added)
        return tally_change(h, t, key, 1);
    return rc == WAX_OK ? write_row(h, t, ST_SET, key, sealed, &added) : rc;
}

wax_rc sqlite_put(struct vault *v, enum vault_table t, struct bytes key, struct bytes value)
{
    struct sqlite *h = sqlite_of(v);
    struct buf sealed = {0};
    bool changed;
    wax_rc rc = sqlite_writable(h);

    if (rc != WAX_OK)
        return rc;
    if (!vault_key_ok(t, key))
        return WAX_E_INVAL;
    if (value.n > VAULT_VALUE_MAX)
        return WAX_E_TOOBIG;
    rc = sqlite_seal(h, t, key, value, &sealed);
    if (rc == WAX_OK)
        rc = tally_counts(t) ? put_counted(h, t, key, buf_view(&sealed))
                             : write_row(h, t, ST_PUT, key, buf_view(&sealed), &changed);
    buf_done(&sealed);
    return rc;
}

wax_rc sqlite_del(struct vault *v, enum vault_table t, struct bytes key)
{
    struct sqlite *h = sqlite_of(v);
    bool gone = false;
    wax_rc rc = sqlite_writable(h);

    if (rc != WAX_OK)
        return rc;
    if (!vault_key_ok(t, key))
        return WAX_E_INVAL;
    rc = write_row(h, t, ST_DEL, key, BYTES(NULL, 0), &gone);
    return rc == WAX_OK && gone && tally_counts(t) ? tally_change(h, t, key, -1) : rc;
}
