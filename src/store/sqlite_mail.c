/* SQLite engine: sending, fetching, acknowledging. The hot path: for a message to a known
 * device two inserts, and nothing else, run per envelope. */
#include "store/sqlite_int.h"

wax_rc sq_mail_append(struct sq *s, struct sq_dev *d, const struct sq_mail *m)
{
    struct sq_q q = sq_start(s, Q_MAIL_INSERT);

    d->seq++;
    if (m->type == STORE_ROW_ENVELOPE) {
        d->count++;
        d->bytes += m->envelope.n;
    }
    if (m->type == STORE_ROW_EXPIRED)
        d->expired_seq = d->seq;
    sq_dev_changed(s, d);
    sq_i64(&q, d->id);
    sq_i64(&q, (int64_t)d->seq);
    sq_i64(&q, (int64_t)m->time);
    sq_i64(&q, m->type);
    sq_blob(&q, m->from ? m->from->b : NULL, sizeof m->from->b);
    sq_blob(&q, m->fanout ? m->fanout->b : NULL, sizeof m->fanout->b);
    sq_text(&q, m->hint);
    if (m->type == STORE_ROW_ENVELOPE) {
        /* An empty envelope is a blob too, not NULL. */
        sq_blob(&q, m->envelope.n ? m->envelope.p : (const uint8_t *)"", m->envelope.n);
        sq_blob(&q, NULL, 0);
    } else {
        sq_blob(&q, NULL, 0);
        sq_blob(&q, m->rest.p, m->rest.n);
    }
    return sq_run(&q);
}

static wax_rc find_stale(struct sq *s, struct store_send *x)
{
    x->n_stale = 0;
    for (size_t i = 0; i < x->n_accounts; i++) {
        const struct store_acct_seq *a = &x->accounts[i];
        uint32_t seq;
        wax_rc rc = sq_acct_seq(s, &a->acct, &seq);
        if (rc != WAX_OK)
            return rc;
        if (a->seq < seq && x->n_stale < sizeof x->stale / sizeof x->stale[0])
            x->stale[x->n_stale++] = (struct store_acct_seq){a->acct, seq};
    }
    return x->n_stale ? WAX_E_CONFLICT : WAX_OK;
}

/* Is there a living dedup row? Also for devices that were removed. */
static wax_rc dedup_known(struct sq *s, const struct store_send *x, const struct dev_id *to,
                          uint64_t now, bool *ret)
{
    struct sq_q q = sq_start(s, Q_DEVICE_ID);
    sq_blob(&q, to->b, sizeof to->b);
    bool seen = sq_row(&q);
    int64_t device = seen ? sq_col(&q, 0) : 0;
    wax_rc rc = sq_end(&q);

    *ret = false;
    if (rc != WAX_OK || !seen)
        return rc;
    q = sq_start(s, Q_DEDUP_GET);
    sq_blob(&q, x->fanout.b, sizeof x->fanout.b);
    sq_blob(&q, x->from.b, sizeof x->from.b);
    sq_i64(&q, device);
    sq_i64(&q, (int64_t)now - (int64_t)STORE_DEDUP_MS);
    *ret = sq_row(&q);
    return sq_end(&q);
}

static wax_rc superseded_usable(struct sq *s, const struct sq_dev *d, const struct bundle_id *id,
                                uint64_t now, bool *ret)
{
    struct sq_q q = sq_start(s, Q_SUPERSEDED_GET);

    sq_i64(&q, d->id);
    sq_blob(&q, id->b, sizeof id->b);
    *ret = sq_row(&q) && (uint64_t)sq_col(&q, 0) + STORE_BUNDLE_GRACE_MS >= now;
    return sq_end(&q);
}

static wax_rc add_newer_bundle(struct sq *s, struct store_send *x, int64_t device)
{
    struct sq_q q = sq_start(s, Q_BUNDLE_GET);
    wax_rc rc = WAX_OK;

    sq_i64(&q, device);
    if (sq_row(&q))
        rc = store_list_add(&x->newer_bundles, sq_col_bytes(&q, 2));
    wax_rc end = sq_end(&q);
    return rc != WAX_OK ? rc : end;
}

/* One INIT. *ret: it was sealed to a bundle that is too old or unknown. */
static wax_rc is_old(struct sq *s, struct store_send *x, const struct store_envelope *e,
                     uint64_t now, bool *ret)
{
    struct sq_dev *d;
    bool known = false, usable = false;
    wax_rc rc = sq_dev_get(s, &e->to, &d);

    *ret = false;
    if (rc == WAX_E_NOTFOUND)
        return WAX_OK;
    if (rc != WAX_OK || (d->has_bundle && ID_EQ(&d->bundle, &e->bundle)))
        return rc;
    rc = superseded_usable(s, d, &e->bundle, now, &usable);
    if (rc == WAX_OK && !usable)
        rc = dedup_known(s, x, &e->to, now, &known);
    if (rc != WAX_OK || usable || known)
        return rc;
    *ret = true;
    return add_newer_bundle(s, x, d->id);
}

static wax_rc find_old_bundles(struct sq *s, struct store_send *x, uint64_t now)
{
    bool any = false;

    for (size_t i = 0; i < x->n_envelopes; i++) {
        bool old = false;
        if (!x->envelopes[i].init)
            continue;
        wax_rc rc = is_old(s, x, &x->envelopes[i], now, &old);
        if (rc != WAX_OK)
            return rc;
        any = any || old;
    }
    return any ? WAX_E_CONFLICT : WAX_OK;
}

static wax_rc put_dedup(struct sq *s, const struct store_send *x, int64_t device, uint64_t now,
                        bool *ret_fresh)
{
    struct sq_q q = sq_start(s, Q_DEDUP_PUT);

    sq_blob(&q, x->fanout.b, sizeof x->fanout.b);
    sq_blob(&q, x->from.b, sizeof x->from.b);
    sq_i64(&q, device);
    sq_i64(&q, (int64_t)now);
    sq_i64(&q, (int64_t)now - (int64_t)STORE_DEDUP_MS);
    wax_rc rc = sq_run(&q);
    *ret_fresh = rc == WAX_OK && sqlite3_changes(s->db) > 0;
    return rc;
}

static wax_rc store_one(struct sq *s, struct store_send *x, struct store_envelope *e, uint64_t now)
{
    struct sq_dev *d;
    wax_rc rc = sq_dev_get(s, &e->to, &d);

    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    bool gone = rc == WAX_E_NOTFOUND;
    if (gone || d->count + 1 > x->max_count || d->bytes + e->envelope.n > x->max_bytes) {
        bool known;
        rc = dedup_known(s, x, &e->to, now, &known);
        if (rc == WAX_OK)
            e->result = known ? STORE_RES_ALREADY : gone ? STORE_RES_NO_DEVICE : STORE_RES_FULL;
        return rc;
    }
    bool fresh;
    rc = put_dedup(s, x, d->id, now, &fresh);
    if (rc != WAX_OK)
        return rc;
    if (!fresh) {
        e->result = STORE_RES_ALREADY;
        return WAX_OK;
    }
    struct sq_mail m = {.type = STORE_ROW_ENVELOPE,
                        .time = now,
                        .from = &x->from,
                        .fanout = &x->fanout,
                        .hint = x->from_handle ? x->from_handle : "",
                        .envelope = e->envelope};
    rc = sq_mail_append(s, d, &m);
    if (rc == WAX_OK)
        e->result = STORE_RES_STORED;
    return rc;
}

wax_rc sq_send(struct sq *s, struct store_req *req)
{
    struct store_send *x = &req->u.send;
    wax_rc rc = find_stale(s, x);

    if (rc == WAX_OK)
        rc = find_old_bundles(s, x, req->now);
    for (size_t i = 0; rc == WAX_OK && i < x->n_envelopes; i++)
        rc = store_one(s, x, &x->envelopes[i], req->now);
    return rc;
}

static wax_rc read_rest(struct sq_q *q, uint8_t type, struct buf *out)
{
    if (type == STORE_ROW_ENVELOPE) {
        struct bytes hint = sq_col_bytes(q, 3);
        struct bytes envelope = sq_col_bytes(q, 4);
        buf_lp(out, hint);
        buf_bytes(out, envelope);
    } else {
        buf_bytes(out, sq_col_bytes(q, 5));
    }
    return buf_rc(out);
}

wax_rc sq_fetch(struct sq *s, struct store_req *req)
{
    struct store_fetch *f = &req->u.fetch;
    struct sq_dev *d;
    size_t total = 0;
    wax_rc rc = sq_dev_get(s, &f->dev, &d);

    if (rc != WAX_OK)
        return rc;
    uint64_t last = d->seq;
    struct sq_q q = sq_start(s, Q_MAIL_FETCH);
    sq_i64(&q, d->id);
    sq_i64(&q, f->after > INT64_MAX ? INT64_MAX : (int64_t)f->after);
    while (rc == WAX_OK && sq_row(&q)) {
        struct store_row row = {.seq = (uint64_t)sq_col(&q, 0),
                                .time = (uint64_t)sq_col(&q, 1),
                                .type = (uint8_t)sq_col(&q, 2)};
        rc = read_rest(&q, row.type, &row.rest);
        if (rc == WAX_OK && f->n_rows && total + row.rest.n > f->max_bytes) {
            buf_done(&row.rest);
            break;
        }
        total += row.rest.n;
        struct store_row *out = rc == WAX_OK ? store_fetch_add(f) : NULL;
        if (out) {
            *out = row;
            continue;
        }
        buf_done(&row.rest);
        rc = WAX_E_NOMEM;
    }
    wax_rc end = sq_end(&q);
    f->last_seq = last;
    return rc != WAX_OK ? rc : end;
}

static wax_rc ack_one(struct sq *s, struct sq_dev *d, uint64_t seq)
{
    struct sq_q q = sq_start(s, Q_MAIL_FIND);

    if (seq == 0 || seq > d->seq)
        return WAX_OK;
    sq_i64(&q, d->id);
    sq_i64(&q, (int64_t)seq);
    bool found = sq_row(&q);
    int64_t id = found ? sq_col(&q, 0) : 0;
    bool envelope = found && sq_col(&q, 1) == STORE_ROW_ENVELOPE;
    uint64_t n = found ? (uint64_t)sq_col(&q, 2) : 0;
    wax_rc rc = sq_end(&q);
    if (rc != WAX_OK || !found)
        return rc;
    q = sq_start(s, Q_MAIL_DELETE);
    sq_i64(&q, id);
    rc = sq_run(&q);
    if (rc != WAX_OK)
        return rc;
    s->deleting = true;
    if (envelope) {
        d->count--;
        d->bytes -= n;
    }
    if (seq == d->expired_seq)
        d->expired_seq = 0;
    sq_dev_changed(s, d);
    return WAX_OK;
}

wax_rc sq_ack(struct sq *s, struct store_req *req)
{
    const struct store_ack *a = &req->u.ack;
    struct sq_dev *d;
    wax_rc rc = sq_dev_get(s, &a->dev, &d);

    for (size_t i = 0; rc == WAX_OK && i < a->n; i++)
        rc = ack_one(s, d, a->seqs[i]);
    return rc;
}
