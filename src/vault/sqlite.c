/* The SQLite engine: transactions, statements, result codes. */
#include <errno.h>

#include "base/mem.h"
#include "crypto/secheap.h"
#include "vault/sqlite_internal.h"
#include "vault/sqlite_open.h"

/* The log is emptied at this size (4 KiB pages): what was deleted must not stay in it for
 * long, and a reader has to look through it. */
#define WAL_PAGES_MAX 256

static const char *const fixed_sql[FX_N_] = {
    [FX_BEGIN] = "BEGIN IMMEDIATE",
    [FX_COMMIT] = "COMMIT",
    [FX_ROLLBACK] = "ROLLBACK",
    [FX_TALLY_ADD] = "INSERT INTO tally (t, head, n) VALUES (?1, ?2, ?3)"
                     " ON CONFLICT (t, head) DO UPDATE SET n = n + ?3",
    /* A head that comes down to nothing must leave no trace of its session. */
    [FX_TALLY_DROP] = "DELETE FROM tally WHERE t = ?1 AND head = ?2 AND n <= 0",
    [FX_TALLY_GET] = "SELECT n FROM tally WHERE t = ?1 AND head = ?2",
    [FX_TALLY_CLEAR] = "DELETE FROM tally WHERE t = ?1 AND head >= ?2 AND head < ?3"
                       " AND length(head) > 0",
};

static bool no_room(int e) { return e == ENOSPC || e == EDQUOT || e == EFBIG; }

/* Why the disk failed. SQLite does not always hand the reason up (a failing COMMIT does
 * not), so its two files are asked as well. */
static wax_rc disk_rc(const struct sqlite *h)
{
    sqlite3_file *log = NULL;
    int of_log = 0, of_db = 0;

    if (!h->db)
        return WAX_E_IO;
    (void)sqlite3_file_control(h->db, NULL, SQLITE_FCNTL_LAST_ERRNO, &of_db);
    (void)sqlite3_file_control(h->db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods)
        (void)log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &of_log);
    return no_room(sqlite3_system_errno(h->db)) || no_room(of_log) || no_room(of_db) ? WAX_E_NOSPC
                                                                                     : WAX_E_IO;
}

static wax_rc rc_of(const struct sqlite *h, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return WAX_OK;
    case SQLITE_NOMEM:
        return WAX_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: /* lost too many races for the log's locks */
        return WAX_E_BUSY;
    case SQLITE_FULL:
        return WAX_E_NOSPC;
    case SQLITE_IOERR:
        return rc == SQLITE_IOERR_NOMEM ? WAX_E_NOMEM : disk_rc(h);
    case SQLITE_TOOBIG:
        return WAX_E_TOOBIG;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* our statements are right, so the tables are not */
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_SCHEMA:
        return WAX_E_DAMAGED;
    default:
        return WAX_E_IO;
    }
}

wax_rc sqlite_rc(struct sqlite *h, int rc)
{
    wax_rc ret = rc_of(h, rc);

    if (ret != WAX_OK && h->open && h->lost == WAX_OK && sqlite3_get_autocommit(h->db))
        h->lost = ret;
    return ret;
}

wax_rc sqlite_prepare(struct sqlite *h, const char *sql, sqlite3_stmt **ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v3(h->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &st, NULL);

    if (rc != SQLITE_OK)
        return sqlite_rc(h, rc);
    *ret = st;
    return WAX_OK;
}

wax_rc sqlite_fixed(struct sqlite *h, enum fixed_stmt which, sqlite3_stmt **ret)
{
    wax_rc rc = h->fixed[which] ? WAX_OK : sqlite_prepare(h, fixed_sql[which], &h->fixed[which]);

    if (rc == WAX_OK)
        *ret = h->fixed[which];
    return rc;
}

wax_rc sqlite_run(struct sqlite *h, sqlite3_stmt *st)
{
    wax_rc rc = sqlite_rc(h, sqlite3_step(st));

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return rc;
}

wax_rc sqlite_writable(const struct sqlite *h) { return h->open ? h->lost : WAX_E_INVAL; }

static wax_rc run_fixed(struct sqlite *h, enum fixed_stmt which)
{
    sqlite3_stmt *st;
    wax_rc rc = sqlite_fixed(h, which, &st);

    return rc == WAX_OK ? sqlite_run(h, st) : rc;
}

wax_rc sqlite_checkpoint(struct sqlite *h)
{
    int log = 0, moved = 0;

    /* Without waiting: it is tidying up, and the caller has other things to do. */
    sqlite3_busy_timeout(h->db, 0);
    int rc = sqlite3_wal_checkpoint_v2(h->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &log, &moved);
    sqlite3_busy_timeout(h->db, (int)h->wait_ms);
    if (rc == SQLITE_OK)
        h->wal_pages = 0;
    return sqlite_rc(h, rc);
}

static wax_rc sqlite_begin(struct vault *v)
{
    struct sqlite *h = sqlite_of(v);

    if (h->open)
        return WAX_E_INVAL;
    wax_rc rc = run_fixed(h, FX_BEGIN);
    h->open = rc == WAX_OK;
    return rc;
}

static void sqlite_rollback(struct vault *v)
{
    struct sqlite *h = sqlite_of(v);

    if (!h->open)
        return;
    /* A rollback that fails has been done by SQLite already, or is done by closing. */
    if (!sqlite3_get_autocommit(h->db) && run_fixed(h, FX_ROLLBACK) != WAX_OK)
        (void)sqlite3_exec(h->db, fixed_sql[FX_ROLLBACK], NULL, NULL, NULL);
    h->open = false;
    h->lost = WAX_OK;
}

static wax_rc sqlite_commit(struct vault *v)
{
    struct sqlite *h = sqlite_of(v);

    if (!h->open)
        return WAX_E_INVAL;
    wax_rc rc = h->lost;
    if (rc == WAX_OK)
        rc = run_fixed(h, FX_COMMIT);
    if (rc != WAX_OK) {
        sqlite_rollback(v);
        return rc;
    }
    h->open = false;
    /* Where another process is in the way, a later commit does it. */
    if (h->wal_pages >= WAL_PAGES_MAX && sqlite_checkpoint(h) != WAX_OK)
        h->wal_pages = WAL_PAGES_MAX;
    return WAX_OK;
}

static int wal_grew(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct sqlite *h = ctx;

    h->wal_pages = pages;
    return SQLITE_OK;
}

void sqlite_free(struct sqlite *h)
{
    if (!h)
        return;
    for (int i = 0; i < FX_N_; i++)
        sqlite3_finalize(h->fixed[i]);
    for (int t = 0; t < VT_COUNT_; t++)
        for (int i = 0; i < ST_N_; i++)
            sqlite3_finalize(h->rows[t][i]);
    sqlite3_close(h->db);
    secret_free(h->key, sizeof *h->key);
    mem_free(h);
}

static void sqlite_close(struct vault *v)
{
    struct sqlite *h = sqlite_of(v);

    sqlite_rollback(v);
    wax_rc tidied = sqlite_checkpoint(h);
    (void)tidied; /* best effort: the next opener does it too */
    sqlite_free(h);
}

static const struct vault_ops sqlite_ops = {
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .get = sqlite_get,
    .put = sqlite_put,
    .del = sqlite_del,
    .scan = sqlite_scan,
    .del_prefix = sqlite_del_prefix,
    .count = sqlite_count,
    .close = sqlite_close,
};

void sqlite_ready(struct sqlite *h)
{
    h->vault.ops = &sqlite_ops;
    sqlite3_wal_hook(h->db, wal_grew, h);
}

wax_rc vault_sqlite_scrub(struct vault *v)
{
    struct sqlite *h = sqlite_of(v);

    return h->open ? WAX_E_INVAL : sqlite_checkpoint(h);
}
