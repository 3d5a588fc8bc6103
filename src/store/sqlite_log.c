/* SQLite engine: the values of the directory's log, and the functions that work on them inside
 * a transaction. */
#include "store/sqlite_int.h"

#include <stdio.h>

_Static_assert(STORE_LOG_TABLES <= 8, "a table's number has to fit above the key");

static int64_t row_key(enum store_log_table t, uint64_t key)
{
    return (int64_t)t << 60 | (int64_t)key;
}

static wax_rc get(void *ctx, enum store_log_table t, uint64_t key, struct store_log_value *ret)
{
    if (t >= STORE_LOG_TABLES || key > STORE_LOG_KEY_MAX)
        return WAX_E_NOTFOUND;
    struct sq_q q = sq_start(ctx, Q_LOG_GET);
    sq_i64(&q, row_key(t, key));
    bool found = sq_row(&q);
    struct bytes value = found ? sq_col_bytes(&q, 0) : BYTES(NULL, 0);
    bool fits = value.n > 0 && value.n <= sizeof ret->b;
    if (fits) {
        memcpy(ret->b, value.p, value.n);
        ret->n = value.n;
    }
    wax_rc rc = sq_end(&q);
    if (rc == WAX_OK && !fits)
        rc = found ? WAX_E_DAMAGED : WAX_E_NOTFOUND;
    return rc;
}

static wax_rc put(void *ctx, enum store_log_table t, uint64_t key, struct bytes value)
{
    if (!store_log_fits(t, key, value))
        return WAX_E_INVAL;
    struct sq_q q = sq_start(ctx, Q_LOG_PUT);
    sq_i64(&q, row_key(t, key));
    sq_blob(&q, value.p, value.n);
    return sq_run(&q);
}

static wax_rc drop(void *ctx, enum store_log_table t, uint64_t key)
{
    if (t >= STORE_LOG_TABLES || key > STORE_LOG_KEY_MAX)
        return WAX_OK;
    struct sq_q q = sq_start(ctx, Q_LOG_DROP);
    sq_i64(&q, row_key(t, key));
    return sq_run(&q);
}

/* The row of a change, if there is one. */
static wax_rc read_change(struct sq_q *q, struct store_change *ret, struct buf *link)
{
    struct store_change c = {.seq = 0};
    bool found = sq_row(q);

    if (found) {
        (void)snprintf(c.handle, sizeof c.handle, "%s",
                       (const char *)sqlite3_column_text(q->st, 0));
        sq_col_copy(q, 1, c.acct.b, sizeof c.acct.b);
        c.seq = (uint32_t)sq_col(q, 2);
        sq_col_copy(q, 3, c.hash.b, sizeof c.hash.b);
        sq_col_copy(q, 4, c.opening.b, sizeof c.opening.b);
        if (link)
            buf_bytes(link, sq_col_bytes(q, 5));
    }
    wax_rc rc = sq_end(q);
    if (rc == WAX_OK && !found)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK && link)
        rc = buf_rc(link);
    if (rc == WAX_OK)
        *ret = c;
    return rc;
}

static wax_rc change(void *ctx, uint64_t n, struct store_change *ret, struct buf *link)
{
    struct sq_q q = sq_start(ctx, Q_CHANGE_GET);

    sq_i64(&q, n <= INT64_MAX ? (int64_t)n : 0);
    return read_change(&q, ret, link);
}

static wax_rc version(void *ctx, const char *handle, uint32_t seq, struct store_change *ret)
{
    struct sq_q q = sq_start(ctx, Q_CHANGE_OF);

    sq_text(&q, handle);
    sq_i64(&q, seq);
    return read_change(&q, ret, NULL);
}

wax_rc sq_log_read(struct sq *s, struct store_req *req)
{
    struct store_log log = {s, get, store_log_no_put, store_log_no_drop, change, version};

    return req->u.log.job(req->u.log.ctx, &log);
}

wax_rc sq_log_write(struct sq *s, struct store_req *req)
{
    struct store_log log = {s, get, put, drop, change, version};

    wax_rc rc = req->u.log.job(req->u.log.ctx, &log);
    if (rc != WAX_OK)
        s->failed = true; /* it may have written */
    return rc;
}

wax_rc sq_prove(struct sq *s, const struct store_lookup *l)
{
    struct store_log log = {s, get, store_log_no_put, store_log_no_drop, change, version};

    return l->prove(l->prove_ctx, &log, l);
}
