/* SQLite engine: opening a file, its schema, and refusing what is not ours. */
#include "store/sqlite_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x57415844 /* "WAXD" */
#define STR_(x) #x
#define STR(x) STR_(x)

/* The dedup key begins with the fanout id, so that the rows of one fan-out share a page.
 * The queue row of a device is what gives its mailbox the order; it is apart from `device`
 * so that many of them share a page too. A removed device keeps its rows in `device` and
 * `key`: its keys stay taken.
 *
 * chain.n numbers the changes of all accounts; no row of it is ever deleted, so SQLite gives
 * the next number. The key of `log` is the table's number in the top bits (sqlite_log.c). */
static const char schema[] =
    "CREATE TABLE account (id INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE,"
    " acct BLOB NOT NULL UNIQUE, seq INTEGER NOT NULL, suspended INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE chain (n INTEGER PRIMARY KEY, account INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " hash BLOB NOT NULL, opening BLOB NOT NULL, link BLOB NOT NULL, UNIQUE (account, seq));"
    "CREATE TABLE log (key INTEGER PRIMARY KEY, value BLOB NOT NULL);"
    "CREATE TABLE device (id INTEGER PRIMARY KEY, dev BLOB NOT NULL UNIQUE, account INTEGER,"
    " pos INTEGER, dsk BLOB NOT NULL, dtk BLOB NOT NULL, counter BLOB);"
    "CREATE INDEX device_account ON device (account, pos);"
    "CREATE TABLE key (point BLOB PRIMARY KEY, device INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE bundle (device INTEGER PRIMARY KEY, id BLOB NOT NULL,"
    " not_before INTEGER NOT NULL, record BLOB NOT NULL);"
    "CREATE TABLE superseded (device INTEGER NOT NULL, id BLOB NOT NULL, since INTEGER NOT NULL,"
    " PRIMARY KEY (device, id)) WITHOUT ROWID;"
    "CREATE INDEX superseded_since ON superseded (since);"
    "CREATE TABLE queue (device INTEGER PRIMARY KEY, seq INTEGER NOT NULL DEFAULT 0,"
    " count INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,"
    " expired_seq INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE mailbox (id INTEGER PRIMARY KEY, device INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, time INTEGER NOT NULL, type INTEGER NOT NULL, from_dev BLOB,"
    " fanout BLOB, hint TEXT, envelope BLOB, rest BLOB);"
    "CREATE UNIQUE INDEX mailbox_order ON mailbox (device, seq);"
    "CREATE INDEX mailbox_due ON mailbox (type, time);"
    "CREATE TABLE dedup (fanout BLOB NOT NULL, from_dev BLOB NOT NULL, device INTEGER NOT NULL,"
    " created INTEGER NOT NULL, PRIMARY KEY (fanout, from_dev, device)) WITHOUT ROWID;"
    "CREATE INDEX dedup_created ON dedup (created);"
    "CREATE TABLE invite (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
    " token BLOB NOT NULL UNIQUE, uses INTEGER NOT NULL, expires INTEGER NOT NULL);"
    "CREATE TABLE rendezvous (rid BLOB PRIMARY KEY, count INTEGER NOT NULL,"
    " dies INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE rendezvous_record (rid BLOB NOT NULL, n INTEGER NOT NULL,"
    " sealed BLOB NOT NULL, UNIQUE (rid, n));"
    "PRAGMA application_id = " STR(APPLICATION_ID) ";"
                                                   "PRAGMA user_version = " STR(SCHEMA_VERSION) ";";

static wax_rc pragma_i64(struct sq *s, const char *sql, int64_t *ret)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
            *ret = sqlite3_column_int64(st, 0);
    }
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? WAX_OK : sq_error(s, rc);
}

static wax_rc exec(struct sq *s, const char *sql)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? WAX_OK : sq_error(s, rc);
}

/* Makes the file with mode 0600 (its -wal and -shm take that over), or finds it. */
static wax_rc make_file(struct sq *s, struct buf *error)
{
    const char *path = s->conf.path;
    struct stat st;

    if (stat(path, &st) == 0) {
        if (S_ISREG(st.st_mode))
            return WAX_OK;
        buf_printf(error, "%s is no file", path);
        return WAX_E_DAMAGED;
    }
    if (!s->conf.create) {
        buf_printf(error, "%s is not there", path);
        return errno == ENOENT ? WAX_E_NOTFOUND : WAX_E_IO;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        /* Another process may have been quicker. */
        if (errno == EEXIST)
            return WAX_OK;
        buf_printf(error, "%s cannot be made: %s", path, strerror(errno));
        return errno == ENOSPC || errno == EDQUOT ? WAX_E_NOSPC : WAX_E_IO;
    }
    close(fd);
    return WAX_OK;
}

/* Is it ours, and of a schema we know? An empty file is a fresh one. Changes nothing. */
static wax_rc inspect(struct sq *s, bool *ret_fresh, struct buf *error)
{
    int64_t app = 0, version = 0, tables = 0;
    wax_rc rc = pragma_i64(s, "PRAGMA application_id", &app);

    if (rc == WAX_OK)
        rc = pragma_i64(s, "PRAGMA user_version", &version);
    if (rc == WAX_OK)
        rc = pragma_i64(s, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != WAX_OK) {
        buf_printf(error, "%s: %s", s->conf.path, sqlite3_errmsg(s->db));
        return rc;
    }
    *ret_fresh = s->conf.create && app == 0 && version == 0 && tables == 0;
    if (*ret_fresh)
        return WAX_OK;
    if (app != APPLICATION_ID) {
        buf_printf(error, "%s is not a database of waxd", s->conf.path);
        return WAX_E_DAMAGED;
    }
    if (version > SCHEMA_VERSION) {
        buf_printf(error, "%s has schema %lld, this program knows up to %d", s->conf.path,
                   (long long)version, SCHEMA_VERSION);
        return WAX_E_VERSION;
    }
    return WAX_OK;
}

/* Somebody else may be making it at the same moment: the lock decides, the loser looks
 * again. */
static wax_rc make_schema(struct sq *s, struct buf *error)
{
    bool fresh = false;
    wax_rc rc = exec(s, "BEGIN IMMEDIATE");

    if (rc == WAX_OK)
        rc = inspect(s, &fresh, error);
    if (rc == WAX_OK && fresh)
        rc = exec(s, schema);
    if (rc == WAX_OK)
        return exec(s, "COMMIT");
    (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static wax_rc settings(struct sq *s)
{
    int64_t secure = 0, sync = 0, page = 0;
    wax_rc rc = exec(
        s,
        "PRAGMA page_size = " STR(
            SQ_PAGE) ";"
                     "PRAGMA max_page_count = " STR(
                         SQ_PAGES_MAX) ";"
                                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                       "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY;"
                                       "PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16384");

    if (rc == WAX_OK)
        rc = pragma_i64(s, "PRAGMA secure_delete", &secure);
    if (rc == WAX_OK)
        rc = pragma_i64(s, "PRAGMA synchronous", &sync);
    if (rc == WAX_OK)
        rc = pragma_i64(s, "PRAGMA page_size", &page);
    if (rc == WAX_OK && (secure != 1 || sync != 2 || page != SQ_PAGE))
        rc = WAX_E_IO;
    return rc;
}

wax_rc sq_open(struct sq *s, struct buf *error)
{
    bool fresh = false;
    wax_rc rc = make_file(s, error);

    if (rc != WAX_OK)
        return rc;
    const char *vfs = sq_vfs();
    if (!vfs)
        return WAX_E_NOMEM;
    int srd =
        sqlite3_open_v2(s->conf.path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, vfs);
    if (srd != SQLITE_OK) {
        buf_printf(error, "%s: %s", s->conf.path, s->db ? sqlite3_errmsg(s->db) : "no memory");
        return s->db ? sq_error(s, srd) : WAX_E_NOMEM;
    }
    (void)sqlite3_busy_timeout(s->db, 5000);
    rc = inspect(s, &fresh, error);
    if (rc != WAX_OK)
        return rc;
    rc = settings(s);
    if (rc == WAX_OK && fresh)
        rc = make_schema(s, error);
    if (rc == WAX_OK)
        rc = sq_prepare(s);
    if (rc != WAX_OK && error->n == 0)
        buf_printf(error, "%s: %s", s->conf.path, sqlite3_errmsg(s->db));
    s->failed = false;
    return rc;
}
