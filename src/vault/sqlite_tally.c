/* Kept counts. They change in the same transaction as the rows. A change that fails half
 * way gives the whole transaction up: the row is written, its count is not. */
#include "vault/sqlite_internal.h"

static wax_rc given_up(struct sqlite *h, wax_rc rc)
{
    if (rc != WAX_OK && h->open && h->lost == WAX_OK)
        h->lost = rc;
    return rc;
}

static wax_rc bound(struct sqlite *h, enum fixed_stmt which, enum vault_table t, struct bytes head,
                    sqlite3_stmt **ret)
{
    wax_rc rc = sqlite_fixed(h, which, ret);

    if (rc == WAX_OK)
        rc = sqlite_rc(h, sqlite3_bind_int(*ret, 1, (int)t));
    return rc == WAX_OK ? sqlite_bind(h, *ret, 2, head) : rc;
}

static wax_rc add(struct sqlite *h, enum vault_table t, struct bytes head, int64_t by)
{
    sqlite3_stmt *st;
    wax_rc rc = bound(h, FX_TALLY_ADD, t, head, &st);

    if (rc == WAX_OK)
        rc = sqlite_rc(h, sqlite3_bind_int64(st, 3, by));
    if (rc == WAX_OK)
        rc = sqlite_run(h, st);
    if (rc != WAX_OK || by > 0)
        return rc;
    rc = bound(h, FX_TALLY_DROP, t, head, &st);
    return rc == WAX_OK ? sqlite_run(h, st) : rc;
}

wax_rc tally_change(struct sqlite *h, enum vault_table t, struct bytes key, int64_t by)
{
    wax_rc rc = add(h, t, BYTES(NULL, 0), by);

    if (rc == WAX_OK && key.n >= TALLY_HEAD)
        rc = add(h, t, BYTES(key.p, TALLY_HEAD), by);
    return given_up(h, rc);
}

/* Forgets the heads that begin with a prefix shorter than a head. */
static wax_rc forget_heads(struct sqlite *h, enum vault_table t, struct bytes prefix)
{
    struct key_range r;
    sqlite3_stmt *st;

    key_range_of(prefix, &r);
    wax_rc rc = bound(h, FX_TALLY_CLEAR, t, BYTES(r.lo, r.nlo), &st);
    if (rc == WAX_OK)
        rc = sqlite_bind(h, st, 3, BYTES(r.hi, r.nhi));
    return rc == WAX_OK ? sqlite_run(h, st) : rc;
}

wax_rc tally_cleared(struct sqlite *h, enum vault_table t, struct bytes prefix, int64_t n)
{
    wax_rc rc = n ? add(h, t, BYTES(NULL, 0), -n) : WAX_OK;

    if (rc == WAX_OK && n)
        rc = prefix.n >= TALLY_HEAD ? add(h, t, BYTES(prefix.p, TALLY_HEAD), -n)
                                    : forget_heads(h, t, prefix);
    return given_up(h, rc);
}

wax_rc tally_get(struct sqlite *h, enum vault_table t, struct bytes head, uint64_t *ret)
{
    sqlite3_stmt *st;
    wax_rc rc = bound(h, FX_TALLY_GET, t, head, &st);

    if (rc != WAX_OK)
        return rc;
    int step = sqlite3_step(st);
    if (step == SQLITE_ROW || step == SQLITE_DONE)
        *ret = step == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
    else
        rc = sqlite_rc(h, step);
    sqlite3_reset(st);
    return rc;
}
