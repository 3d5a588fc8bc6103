/* SQLite engine: the statements and how one is run. */
#include "store/sqlite_int.h"

#include <errno.h>

const char *const sq_texts[Q_COUNT] = {
    [Q_BEGIN] = "BEGIN",
    [Q_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [Q_COMMIT] = "COMMIT",
    [Q_ROLLBACK] = "ROLLBACK",
    [Q_DATA_VERSION] = "PRAGMA data_version",

    [Q_ACCOUNT_BY_HANDLE] = "SELECT id, acct, seq, handle FROM account WHERE handle = ?",
    [Q_ACCOUNT_BY_ACCT] = "SELECT id, acct, seq, handle FROM account WHERE acct = ?",
    [Q_ACCOUNT_INSERT] = "INSERT INTO account (handle, acct, seq) VALUES (?, ?, ?)",
    [Q_ACCOUNT_SEQ] = "UPDATE account SET seq = ? WHERE id = ?",
    [Q_CHAIN_GET] = "SELECT link FROM chain WHERE account = ? AND seq = ?",
    [Q_CHAIN_FROM] =
        "SELECT link, n, opening FROM chain WHERE account = ? AND seq >= ? ORDER BY seq",
    [Q_CHAIN_INSERT] = "INSERT INTO chain (account, seq, hash, opening, link)"
                       " VALUES (?, ?, ?, ?, ?)",

    [Q_DEVICE_ID] = "SELECT id FROM device WHERE dev = ?",
    [Q_DEVICE_GET] = "SELECT a.acct, a.handle, d.dsk, d.dtk, a.suspended FROM device d"
                     " JOIN account a ON a.id = d.account WHERE d.dev = ?",
    [Q_DEVICE_LOAD] = "SELECT d.id, q.seq, q.count, q.bytes, q.expired_seq, b.id FROM device d"
                      " JOIN queue q ON q.device = d.id LEFT JOIN bundle b ON b.device = d.id"
                      " WHERE d.dev = ? AND d.account IS NOT NULL",
    [Q_DEVICE_LIST] = "SELECT id, dev, dsk, dtk FROM device WHERE account = ? ORDER BY pos",
    [Q_DEVICE_INSERT] = "INSERT INTO device (dev, account, pos, dsk, dtk) VALUES (?, ?, ?, ?, ?)",
    [Q_DEVICE_POS] = "UPDATE device SET pos = ? WHERE id = ?",
    [Q_DEVICE_REMOVE] = "UPDATE device SET account = NULL, pos = NULL, counter = NULL WHERE id = ?",
    [Q_KEY_TAKEN] = "SELECT 1 FROM key WHERE point = ?",
    [Q_KEY_INSERT] = "INSERT INTO key (point, device) VALUES (?, ?)",
    [Q_COUNTER_GET] = "SELECT counter FROM device WHERE dev = ? AND account IS NOT NULL",
    [Q_COUNTER_PUT] = "UPDATE device SET counter = ? WHERE dev = ?",

    [Q_BUNDLE_GET] = "SELECT id, not_before, record FROM bundle WHERE device = ?",
    [Q_BUNDLE_LIST] = "SELECT b.record FROM device d LEFT JOIN bundle b ON b.device = d.id"
                      " WHERE d.account = ? ORDER BY d.pos",
    [Q_BUNDLE_PUT] = "INSERT OR REPLACE INTO bundle (device, id, not_before, record)"
                     " VALUES (?, ?, ?, ?)",
    [Q_BUNDLE_DELETE] = "DELETE FROM bundle WHERE device = ?",
    [Q_SUPERSEDED_GET] = "SELECT since FROM superseded WHERE device = ? AND id = ?",
    [Q_SUPERSEDED_PUT] = "INSERT OR REPLACE INTO superseded (device, id, since) VALUES (?, ?, ?)",
    [Q_SUPERSEDED_DELETE] = "DELETE FROM superseded WHERE device = ?",
    [Q_SUPERSEDED_SWEEP] = "DELETE FROM superseded WHERE (device, id) IN (SELECT device, id"
                           " FROM superseded WHERE since <= ? ORDER BY since LIMIT ?)",

    [Q_QUEUE_INSERT] = "INSERT INTO queue (device) VALUES (?)",
    [Q_QUEUE_UPDATE] = "UPDATE queue SET seq = ?, count = ?, bytes = ?, expired_seq = ?"
                       " WHERE device = ?",
    [Q_QUEUE_DELETE] = "DELETE FROM queue WHERE device = ?",

    [Q_MAIL_INSERT] = "INSERT INTO mailbox (device, seq, time, type, from_dev, fanout, hint,"
                      " envelope, rest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [Q_MAIL_FETCH] = "SELECT seq, time, type, hint, envelope, rest FROM mailbox"
                     " WHERE device = ? AND seq > ? ORDER BY seq",
    [Q_MAIL_FIND] = "SELECT id, type, length(envelope), time FROM mailbox"
                    " WHERE device = ? AND seq = ?",
    [Q_MAIL_DELETE] = "DELETE FROM mailbox WHERE id = ?",
    [Q_MAIL_OF] = "SELECT time, from_dev, fanout FROM mailbox WHERE device = ? AND type = 1"
                  " ORDER BY seq",
    [Q_MAIL_PURGE] = "DELETE FROM mailbox WHERE device = ?",
    [Q_MAIL_DUE] = "SELECT m.seq, m.time, m.type, m.from_dev, m.fanout, d.dev FROM mailbox m"
                   " JOIN device d ON d.id = m.device WHERE m.type = ? AND m.time <= ?"
                   " ORDER BY m.time, m.id LIMIT ?",
    [Q_MAIL_REST] = "SELECT rest FROM mailbox WHERE device = ? AND seq = ?",
    [Q_MAIL_RAISE] = "UPDATE mailbox SET rest = ?, time = ? WHERE device = ? AND seq = ?",

    [Q_DEDUP_GET] = "SELECT 1 FROM dedup WHERE fanout = ? AND from_dev = ? AND device = ?"
                    " AND created > ?",
    /* Touches nothing when the row is there and lives: then no row has changed. */
    [Q_DEDUP_PUT] = "INSERT INTO dedup (fanout, from_dev, device, created) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET created = excluded.created WHERE created <= ?",
    [Q_DEDUP_SWEEP] = "DELETE FROM dedup WHERE (fanout, from_dev, device) IN (SELECT fanout,"
                      " from_dev, device FROM dedup WHERE created <= ? ORDER BY created LIMIT ?)",

    [Q_INVITE_GET] = "SELECT n FROM invite WHERE token = ? AND uses > 0 AND expires > ?",
    [Q_INVITE_USE] = "UPDATE invite SET uses = uses - 1 WHERE n = ?",
    [Q_INVITE_INSERT] =
        "INSERT OR IGNORE INTO invite (id, token, uses, expires) VALUES (?, ?, ?, ?)",
    [Q_INVITE_LIST] = "SELECT id, token, uses, expires FROM invite"
                      " WHERE uses > 0 AND expires > ? ORDER BY n",
    [Q_INVITE_DELETE] = "DELETE FROM invite WHERE id = ?",
    [Q_INVITE_SWEEP] = "DELETE FROM invite WHERE uses = 0 OR expires <= ?",

    [Q_LINK_GET] = "SELECT count, dies FROM rendezvous WHERE rid = ?",
    [Q_LINK_LIVE] = "SELECT count(*) FROM rendezvous WHERE dies > ?",
    [Q_LINK_PUT] = "INSERT INTO rendezvous (rid, count, dies) VALUES (?, 1, ?)"
                   " ON CONFLICT DO UPDATE SET count = count + 1",
    [Q_LINK_DELETE] = "DELETE FROM rendezvous WHERE rid = ?",
    [Q_LINK_SWEEP] = "DELETE FROM rendezvous WHERE dies <= ?",
    [Q_RECORD_LIST] = "SELECT sealed FROM rendezvous_record WHERE rid = ? ORDER BY n",
    [Q_RECORD_PUT] = "INSERT INTO rendezvous_record (rid, n, sealed) VALUES (?, ?, ?)",
    [Q_RECORD_DELETE] = "DELETE FROM rendezvous_record WHERE rid = ?",
    [Q_RECORD_SWEEP] = "DELETE FROM rendezvous_record WHERE rid IN"
                       " (SELECT rid FROM rendezvous WHERE dies <= ?)",

    [Q_LOG_GET] = "SELECT value FROM log WHERE key = ?",
    [Q_LOG_PUT] = "INSERT OR REPLACE INTO log (key, value) VALUES (?, ?)",
    [Q_LOG_DROP] = "DELETE FROM log WHERE key = ?",
    [Q_CHANGE_GET] = "SELECT a.handle, a.acct, c.seq, c.hash, c.opening, c.link FROM chain c"
                     " JOIN account a ON a.id = c.account WHERE c.n = ?",
    [Q_CHANGE_OF] = "SELECT a.handle, a.acct, c.seq, c.hash, c.opening FROM account a"
                    " JOIN chain c ON c.account = a.id WHERE a.handle = ? AND c.seq = ?",
};

wax_rc sq_prepare(struct sq *s)
{
    for (int i = 0; i < Q_COUNT; i++) {
        int rc = sqlite3_prepare_v3(s->db, sq_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->stmt[i],
                                    NULL);
        if (rc != SQLITE_OK)
            return sq_error(s, rc);
    }
    return WAX_OK;
}

void sq_finalize(struct sq *s)
{
    for (int i = 0; i < Q_COUNT; i++)
        sqlite3_finalize(s->stmt[i]);
}

static wax_rc io_error(struct sq *s)
{
    /* SQLite does not always keep it; then it is what the failed step left (sq_row clears
     * it first). */
    int e = sqlite3_system_errno(s->db) ? sqlite3_system_errno(s->db) : errno;
    return e == ENOSPC || e == EDQUOT || e == EFBIG ? WAX_E_NOSPC : WAX_E_IO;
}

wax_rc sq_error(struct sq *s, int rc)
{
    s->failed = true;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return WAX_E_NOSPC;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return io_error(s);
    case SQLITE_NOMEM:
        return WAX_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return WAX_E_BUSY;
    case SQLITE_TOOBIG:
        return WAX_E_TOOBIG;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_ERROR:
        return WAX_E_DAMAGED;
    default:
        return WAX_E_IO;
    }
}

struct sq_q sq_start(struct sq *s, enum sq_query which)
{
    return (struct sq_q){s, s->stmt[which], 0, SQLITE_OK};
}

static void bound(struct sq_q *q, int rc)
{
    if (q->rc == SQLITE_OK)
        q->rc = rc;
}

void sq_i64(struct sq_q *q, int64_t v) { bound(q, sqlite3_bind_int64(q->st, ++q->n, v)); }

void sq_blob(struct sq_q *q, const void *p, size_t n)
{
    if (!p)
        bound(q, sqlite3_bind_null(q->st, ++q->n));
    else
        bound(q, sqlite3_bind_blob64(q->st, ++q->n, p, n, SQLITE_STATIC));
}

void sq_text(struct sq_q *q, const char *text)
{
    bound(q, sqlite3_bind_text(q->st, ++q->n, text, -1, SQLITE_STATIC));
}

bool sq_row(struct sq_q *q)
{
    if (q->rc != SQLITE_OK)
        return false;
    errno = 0;
    int rc = sqlite3_step(q->st);
    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        q->rc = rc;
    return false;
}

wax_rc sq_end(struct sq_q *q)
{
    int rc = q->rc;

    /* The reset repeats the step's error, which is in rc already. */
    (void)sqlite3_reset(q->st);
    return rc == SQLITE_OK ? WAX_OK : sq_error(q->s, rc);
}

wax_rc sq_run(struct sq_q *q)
{
    while (sq_row(q))
        ;
    return sq_end(q);
}

int64_t sq_col(const struct sq_q *q, int i) { return sqlite3_column_int64(q->st, i); }

struct bytes sq_col_bytes(const struct sq_q *q, int i)
{
    const void *p = sqlite3_column_blob(q->st, i);
    return BYTES(p, p ? (size_t)sqlite3_column_bytes(q->st, i) : 0);
}

void sq_col_copy(struct sq_q *q, int i, void *out, size_t n)
{
    struct bytes x = sq_col_bytes(q, i);

    if (x.n == n)
        memcpy(out, x.p, n);
    else
        bound(q, SQLITE_CORRUPT);
}
