/* SQLite engine: invites, the rendezvous of linking, the check. */
#include "store/sqlite_int.h"

#include "base/mem.h"

wax_rc sq_invite_find(struct sq *s, const struct hash32 *token, uint64_t now, int64_t *ret)
{
    struct sq_q q = sq_start(s, Q_INVITE_GET);

    sq_blob(&q, token->b, sizeof token->b);
    sq_i64(&q, (int64_t)now);
    bool found = sq_row(&q);
    int64_t n = found ? sq_col(&q, 0) : 0;
    wax_rc rc = sq_end(&q);
    if (rc == WAX_OK && !found)
        return WAX_E_DENIED;
    if (rc == WAX_OK)
        *ret = n;
    return rc;
}

wax_rc sq_invite_add(struct sq *s, struct store_req *req)
{
    const struct store_invite *x = &req->u.invites.invite;
    struct sq_q q = sq_start(s, Q_INVITE_INSERT);

    sq_blob(&q, x->id, sizeof x->id);
    sq_blob(&q, x->token_hash.b, sizeof x->token_hash.b);
    sq_i64(&q, x->uses_left);
    sq_i64(&q, (int64_t)x->expires);
    wax_rc rc = sq_run(&q);
    if (rc == WAX_OK && sqlite3_changes(s->db) == 0)
        return WAX_E_EXISTS;
    return rc;
}

wax_rc sq_invite_list(struct sq *s, struct store_req *req)
{
    struct store_invites *l = &req->u.invites;
    struct sq_q q = sq_start(s, Q_INVITE_LIST);
    struct store_invite *v = NULL;
    size_t n = 0, cap = 0;
    wax_rc rc = WAX_OK;

    sq_i64(&q, (int64_t)req->now);
    while (rc == WAX_OK && sq_row(&q)) {
        if (n == cap) {
            struct store_invite *w = mem_calloc(cap ? 2 * cap : 16, sizeof *w);
            if (!w) {
                rc = WAX_E_NOMEM;
                break;
            }
            if (n)
                memcpy(w, v, n * sizeof *w);
            mem_free(v);
            v = w;
            cap = cap ? 2 * cap : 16;
        }
        struct store_invite *x = &v[n++];
        sq_col_copy(&q, 0, x->id, sizeof x->id);
        sq_col_copy(&q, 1, x->token_hash.b, sizeof x->token_hash.b);
        x->uses_left = (uint32_t)sq_col(&q, 2);
        x->expires = (uint64_t)sq_col(&q, 3);
    }
    wax_rc end = sq_end(&q);
    if (rc == WAX_OK)
        rc = end;
    if (rc != WAX_OK) {
        mem_free(v);
        return rc;
    }
    l->list = v;
    l->n = n;
    return WAX_OK;
}

wax_rc sq_invite_remove(struct sq *s, struct store_req *req)
{
    struct sq_q q = sq_start(s, Q_INVITE_DELETE);

    sq_blob(&q, req->u.invites.invite.id, sizeof req->u.invites.invite.id);
    wax_rc rc = sq_run(&q);
    if (rc == WAX_OK && sqlite3_changes(s->db) == 0)
        return WAX_E_NOTFOUND;
    return rc;
}

struct meeting {
    bool there; /* a row, dead or alive */
    bool alive;
    int64_t count;
};

static wax_rc meeting_get(struct sq *s, const uint8_t rid[16], uint64_t now, struct meeting *ret)
{
    struct sq_q q = sq_start(s, Q_LINK_GET);

    sq_blob(&q, rid, 16);
    ret->there = sq_row(&q);
    ret->alive = ret->there && (uint64_t)sq_col(&q, 1) > now;
    ret->count = ret->alive ? sq_col(&q, 0) : 0;
    return sq_end(&q);
}

static wax_rc link_room(struct sq *s, uint32_t max, uint64_t now)
{
    struct sq_q q = sq_start(s, Q_LINK_LIVE);

    sq_i64(&q, (int64_t)now);
    int64_t n = sq_row(&q) ? sq_col(&q, 0) : 0;
    wax_rc rc = sq_end(&q);
    return rc == WAX_OK && n >= max ? WAX_E_FULL : rc;
}

static wax_rc by_rid(struct sq *s, enum sq_query which, const uint8_t rid[16])
{
    struct sq_q q = sq_start(s, which);

    sq_blob(&q, rid, 16);
    return sq_run(&q);
}

wax_rc sq_link_post(struct sq *s, struct store_req *req)
{
    const struct store_link *l = &req->u.link;
    struct meeting m;
    wax_rc rc = meeting_get(s, l->rid, req->now, &m);

    if (rc != WAX_OK)
        return rc;
    if (l->sealed.p[0] != m.count + 1 || m.count == STORE_RENDEZVOUS_RECORDS)
        return WAX_E_CONFLICT;
    if (!m.alive)
        rc = link_room(s, l->max, req->now);
    if (rc != WAX_OK)
        return rc;
    if (m.there && !m.alive) {
        s->deleting = true;
        rc = by_rid(s, Q_RECORD_DELETE, l->rid);
        if (rc == WAX_OK)
            rc = by_rid(s, Q_LINK_DELETE, l->rid);
        if (rc != WAX_OK)
            return rc;
    }
    struct sq_q q = sq_start(s, Q_LINK_PUT);
    sq_blob(&q, l->rid, sizeof l->rid);
    sq_i64(&q, (int64_t)(req->now + l->life_ms));
    rc = sq_run(&q);
    if (rc != WAX_OK)
        return rc;
    q = sq_start(s, Q_RECORD_PUT);
    sq_blob(&q, l->rid, sizeof l->rid);
    sq_i64(&q, m.count + 1);
    sq_blob(&q, l->sealed.p, l->sealed.n);
    return sq_run(&q);
}

wax_rc sq_link_get(struct sq *s, struct store_req *req)
{
    struct store_link *l = &req->u.link;
    struct meeting m;
    wax_rc rc = meeting_get(s, l->rid, req->now, &m);

    if (rc != WAX_OK)
        return rc;
    if (!m.alive)
        return WAX_E_NOTFOUND;
    struct sq_q q = sq_start(s, Q_RECORD_LIST);
    sq_blob(&q, l->rid, sizeof l->rid);
    while (rc == WAX_OK && sq_row(&q))
        rc = store_list_add(&l->records, sq_col_bytes(&q, 0));
    wax_rc end = sq_end(&q);
    return rc != WAX_OK ? rc : end;
}

/* What must hold between the tables; each query lists what does not. */
static const char *const checks[] = {
    /* No argument: newer SQLite takes one given here for a table's name. */
    "SELECT message FROM (SELECT integrity_check AS message FROM pragma_integrity_check LIMIT 20)"
    " WHERE message <> 'ok'",
    "SELECT 'device ' || hex(d.dev) || ': its mailbox counters are wrong' FROM queue q"
    " JOIN device d ON d.id = q.device WHERE q.count <> (SELECT count(*) FROM mailbox m"
    " WHERE m.device = q.device AND m.type = 1) OR q.bytes <> (SELECT"
    " coalesce(sum(length(m.envelope)), 0) FROM mailbox m WHERE m.device = q.device)"
    " OR q.seq < (SELECT coalesce(max(m.seq), 0) FROM mailbox m WHERE m.device = q.device)",
    "SELECT 'mailbox row ' || m.id || ': its device is in no manifest' FROM mailbox m"
    " LEFT JOIN queue q ON q.device = m.device WHERE q.device IS NULL LIMIT 20",
    "SELECT 'device ' || hex(d.dev) || ': no mailbox' FROM device d LEFT JOIN queue q"
    " ON q.device = d.id WHERE (d.account IS NULL) <> (q.device IS NULL) LIMIT 20",
    "SELECT 'account ' || a.handle || ': its chain has holes' FROM account a WHERE a.seq <>"
    " (SELECT count(*) FROM chain c WHERE c.account = a.id AND c.seq <= a.seq) LIMIT 20",
    "SELECT 'the changes are not numbered from 1 on without a gap' FROM (SELECT min(n) AS low,"
    " max(n) AS high, count(*) AS rows FROM chain) WHERE rows > 0 AND (low <> 1 OR high <> rows)",
    "SELECT 'account ' || a.handle || ': no device' FROM account a WHERE NOT EXISTS"
    " (SELECT 1 FROM device d WHERE d.account = a.id) LIMIT 20",
    /* Sizes and types that nothing of ours has written. A value that is changed within them is the
     * clients' to notice: they check signatures and tags, and ask for a message again. */
    "SELECT 'account ' || handle || ': its row is damaged' FROM account WHERE"
    " typeof(handle) <> 'text' OR length(handle) = 0 OR typeof(acct) <> 'blob'"
    " OR length(acct) <> 32 OR typeof(seq) <> 'integer' OR seq < 1 OR suspended NOT IN (0, 1)"
    " LIMIT 20",
    "SELECT 'account ' || coalesce(a.handle, c.account) || ': link ' || c.seq || ' of its chain is"
    " damaged' FROM chain c LEFT JOIN account a ON a.id = c.account WHERE a.id IS NULL"
    " OR typeof(c.hash) <> 'blob' OR length(c.hash) <> 32 OR typeof(c.link) <> 'blob'"
    " OR length(c.link) = 0 OR typeof(c.opening) <> 'blob' OR length(c.opening) <> 16 LIMIT 20",
    "SELECT 'device ' || hex(dev) || ': its keys are damaged' FROM device WHERE"
    " typeof(dev) <> 'blob' OR length(dev) <> 16 OR typeof(dsk) <> 'blob' OR length(dsk) <> 65"
    " OR typeof(dtk) <> 'blob' OR length(dtk) <> 65 LIMIT 20",
    "SELECT 'device ' || coalesce(hex(d.dev), b.device) || ': its prekey bundle is damaged' FROM"
    " bundle b LEFT JOIN device d ON d.id = b.device WHERE d.id IS NULL OR typeof(b.id) <> 'blob'"
    " OR length(b.id) <> 16 OR typeof(b.record) <> 'blob' OR length(b.record) = 0 LIMIT 20",
    "SELECT 'mailbox row ' || id || ': no envelope and no notice' FROM mailbox WHERE"
    " type NOT IN (1, 2, 4) OR typeof(seq) <> 'integer' OR typeof(time) <> 'integer' OR time < 0"
    " OR (type = 1 AND (typeof(envelope) <> 'blob' OR length(from_dev) <> 16"
    " OR length(fanout) <> 16)) LIMIT 20",
};

/* Lines of one check. What cannot even be read is damage as well, and a line. */
static void check_lines(struct sq *s, const char *sql, struct buf *report)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
            const char *line = (const char *)sqlite3_column_text(st, 0);
            buf_printf(report, "%s\n", line ? line : "?");
        }
    }
    if (rc != SQLITE_DONE)
        buf_printf(report, "%s\n", sqlite3_errmsg(s->db));
    sqlite3_finalize(st);
}

wax_rc sq_check(struct sq *s, struct store_req *req)
{
    struct buf *report = &req->u.check.report;
    wax_rc rc = sq_cache_flush(s);

    if (rc != WAX_OK)
        return rc;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++)
        check_lines(s, checks[i], report);
    if (buf_rc(report) != WAX_OK)
        return WAX_E_NOMEM;
    return report->n ? WAX_E_DAMAGED : WAX_OK;
}
