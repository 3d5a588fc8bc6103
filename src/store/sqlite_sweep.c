/* SQLite engine: what is past its time goes. */
#include "store/sqlite_int.h"

#include "base/mem.h"

struct due {
    uint64_t seq, time;
    uint8_t type;
    struct dev_id from, to;
    struct fanout_id fanout;
};

/* Adds the rows of one type that are due, oldest first, up to STORE_SWEEP_ROWS + 1 in all. */
static wax_rc find_due(struct sq *s, uint8_t type, uint64_t life, uint64_t now, struct due *v,
                       size_t *n_io)
{
    struct sq_q q = sq_start(s, Q_MAIL_DUE);
    size_t n = *n_io;

    if (now < life)
        return WAX_OK;
    sq_i64(&q, type);
    sq_i64(&q, (int64_t)(now - life));
    sq_i64(&q, (int64_t)(STORE_SWEEP_ROWS + 1 - n));
    while (n < STORE_SWEEP_ROWS + 1 && sq_row(&q)) {
        struct due *x = &v[n++];
        x->seq = (uint64_t)sq_col(&q, 0);
        x->time = (uint64_t)sq_col(&q, 1);
        x->type = (uint8_t)sq_col(&q, 2);
        if (x->type == STORE_ROW_ENVELOPE) {
            sq_col_copy(&q, 3, x->from.b, sizeof x->from.b);
            sq_col_copy(&q, 4, x->fanout.b, sizeof x->fanout.b);
        }
        sq_col_copy(&q, 5, x->to.b, sizeof x->to.b);
    }
    *n_io = n;
    return sq_end(&q);
}

static wax_rc delete_row(struct sq *s, const struct due *x, bool *ret_gone)
{
    struct sq_dev *d;
    wax_rc rc = sq_dev_get(s, &x->to, &d);
    *ret_gone = false;
    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;

    struct sq_q q = sq_start(s, Q_MAIL_FIND);
    sq_i64(&q, d->id);
    sq_i64(&q, (int64_t)x->seq);
    bool found = sq_row(&q);
    int64_t id = found ? sq_col(&q, 0) : 0;
    uint64_t n = found ? (uint64_t)sq_col(&q, 2) : 0;
    /* A type 4 row that rose a moment ago lives on. */
    found = found && (uint64_t)sq_col(&q, 3) == x->time;
    rc = sq_end(&q);
    if (rc != WAX_OK || !found)
        return rc;
    q = sq_start(s, Q_MAIL_DELETE);
    sq_i64(&q, id);
    rc = sq_run(&q);
    if (rc != WAX_OK)
        return rc;
    s->deleting = *ret_gone = true;
    if (x->type == STORE_ROW_ENVELOPE) {
        d->count--;
        d->bytes -= n;
    }
    if (x->seq == d->expired_seq)
        d->expired_seq = 0;
    sq_dev_changed(s, d);
    return WAX_OK;
}

static wax_rc tell_sender(struct sq *s, const struct due *x, struct store_sweep *w, uint64_t now)
{
    uint8_t rest[STORE_NOTICE_SIZE];
    struct sq_dev *d;
    wax_rc rc = sq_dev_get(s, &x->from, &d);

    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    store_notice(rest, &x->fanout, &x->to, x->time, STORE_REASON_EXPIRED);
    struct sq_mail m = {.type = STORE_ROW_NOTICE, .time = now, .rest = BYTES_OF(rest)};
    rc = sq_mail_append(s, d, &m);
    return rc == WAX_OK ? store_note(&w->notified, &x->from) : rc;
}

/* The recipient's pending type 4 row rises, or one is made. */
static wax_rc tell_recipient(struct sq *s, const struct due *x, struct store_sweep *w, uint64_t now)
{
    uint8_t rest[4] = {0};
    struct sq_dev *d;
    wax_rc rc = sq_dev_get(s, &x->to, &d);

    if (rc == WAX_OK)
        rc = store_note(&w->notified, &x->to);
    if (rc != WAX_OK)
        return rc;
    if (!d->expired_seq) {
        put_u32(rest, 1);
        struct sq_mail m = {.type = STORE_ROW_EXPIRED, .time = now, .rest = BYTES_OF(rest)};
        return sq_mail_append(s, d, &m);
    }
    struct sq_q q = sq_start(s, Q_MAIL_REST);
    sq_i64(&q, d->id);
    sq_i64(&q, (int64_t)d->expired_seq);
    if (sq_row(&q))
        sq_col_copy(&q, 0, rest, sizeof rest);
    rc = sq_end(&q);
    if (rc != WAX_OK)
        return rc;
    put_u32(rest, get_u32(rest) + 1);
    q = sq_start(s, Q_MAIL_RAISE);
    sq_blob(&q, rest, sizeof rest);
    sq_i64(&q, (int64_t)now);
    sq_i64(&q, d->id);
    sq_i64(&q, (int64_t)d->expired_seq);
    return sq_run(&q);
}

static wax_rc sweep_mail(struct sq *s, struct store_sweep *w, uint64_t now)
{
    static const uint8_t types[] = {STORE_ROW_ENVELOPE, STORE_ROW_NOTICE, STORE_ROW_EXPIRED};
    struct due *v = mem_calloc(STORE_SWEEP_ROWS + 1, sizeof *v);
    if (!v)
        return WAX_E_NOMEM;
    size_t n = 0;
    wax_rc rc = WAX_OK;
    for (size_t i = 0; rc == WAX_OK && i < sizeof types; i++)
        rc = find_due(s, types[i], store_row_life(types[i], w->message_life), now, v, &n);
    if (n > STORE_SWEEP_ROWS) {
        w->more = true;
        n = STORE_SWEEP_ROWS;
    }
    for (size_t i = 0; rc == WAX_OK && i < n; i++) {
        bool gone;
        rc = delete_row(s, &v[i], &gone);
        if (rc != WAX_OK || !gone || v[i].type != STORE_ROW_ENVELOPE)
            continue;
        w->expired++;
        rc = tell_sender(s, &v[i], w, now);
        if (rc == WAX_OK)
            rc = tell_recipient(s, &v[i], w, now);
    }
    mem_free(v);
    return rc;
}

/* A bounded delete: of the rows made `life` ago or earlier. */
static wax_rc sweep_old(struct sq *s, enum sq_query which, uint64_t life, uint64_t now, bool *more)
{
    struct sq_q q = sq_start(s, which);

    if (now < life)
        return WAX_OK;
    sq_i64(&q, (int64_t)(now - life));
    sq_i64(&q, STORE_SWEEP_SMALL);
    wax_rc rc = sq_run(&q);
    if (rc == WAX_OK && sqlite3_changes(s->db) == (int)STORE_SWEEP_SMALL)
        *more = true;
    return rc;
}

static wax_rc sweep_dead(struct sq *s, enum sq_query which, uint64_t now)
{
    struct sq_q q = sq_start(s, which);

    sq_i64(&q, (int64_t)now);
    wax_rc rc = sq_run(&q);
    if (rc == WAX_OK && sqlite3_changes(s->db) > 0)
        s->deleting = true;
    return rc;
}

wax_rc sq_sweep(struct sq *s, struct store_req *req)
{
    struct store_sweep *w = &req->u.sweep;
    uint64_t now = req->now;

    w->expired = 0;
    w->more = false;
    wax_rc rc = sweep_mail(s, w, now);
    if (rc == WAX_OK)
        rc = sweep_old(s, Q_DEDUP_SWEEP, STORE_DEDUP_MS, now, &w->more);
    if (rc == WAX_OK)
        rc = sweep_old(s, Q_SUPERSEDED_SWEEP, STORE_SUPERSEDED_KEEP_MS, now, &w->more);
    if (rc == WAX_OK)
        rc = sweep_dead(s, Q_RECORD_SWEEP, now);
    if (rc == WAX_OK)
        rc = sweep_dead(s, Q_LINK_SWEEP, now);
    if (rc == WAX_OK)
        rc = sweep_dead(s, Q_INVITE_SWEEP, now);
    return rc;
}
