#include "bare.h"

#include <sqlite3.h>
#include <time.h>

#include "base/mem.h"
#include "measure.h"
#include "os/random.h"

#define WAL_PAGES 4096 /* as the server does */

/* The tables that a message touches, as src/store/sqlite_schema.c has them. */
static const char schema[] =
    "PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
    "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;"
    "PRAGMA wal_autocheckpoint = 4096;"
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
    "CREATE INDEX dedup_created ON dedup (created);";

enum query { BEGIN, COMMIT, DEDUP, MAIL, QUEUE, READ, N_QUERIES };
static const char *const texts[N_QUERIES] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [DEDUP] = "INSERT INTO dedup (fanout, from_dev, device, created) VALUES (?, ?, ?, ?)"
              " ON CONFLICT DO UPDATE SET created = excluded.created WHERE created <= 0",
    [MAIL] = "INSERT INTO mailbox (device, seq, time, type, from_dev, fanout, hint, envelope)"
             " VALUES (?, ?, ?, 1, ?, ?, ?, ?)",
    [QUEUE] = "UPDATE queue SET seq = ?, count = ?, bytes = ? WHERE device = ?",
    [READ] = "SELECT seq, time, type, hint, envelope, rest FROM mailbox WHERE device = ?"
             " AND seq > 0 ORDER BY seq",
};

#define QUEUES_MAX 64
struct bare {
    sqlite3 *db;
    sqlite3_stmt *st[N_QUERIES];
    int64_t seq[QUEUES_MAX], bytes[QUEUES_MAX];
    bool touched[QUEUES_MAX];
    size_t n_queues, next;
    uint8_t from[16];
};

static void check(struct bare *b, int rc)
{
    if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW)
        die(sqlite3_errmsg(b->db));
}

static void run(struct bare *b, enum query which)
{
    check(b, sqlite3_step(b->st[which]));
    check(b, sqlite3_reset(b->st[which]));
}

struct bare *bare_open(const char *path)
{
    struct bare *b = must_alloc(sizeof *b);

    if (sqlite3_open(path, &b->db) != SQLITE_OK)
        die("cannot open the bare database");
    check(b, sqlite3_exec(b->db, schema, NULL, NULL, NULL));
    for (int i = 0; i < N_QUERIES; i++)
        check(b,
              sqlite3_prepare_v3(b->db, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &b->st[i], NULL));
    must(rng_fill(os_rng(), b->from, sizeof b->from), "bare");
    return b;
}

void bare_close(struct bare *b)
{
    for (int i = 0; i < N_QUERIES; i++)
        (void)sqlite3_finalize(b->st[i]);
    (void)sqlite3_close(b->db);
    mem_free(b);
}

static void make_queues(struct bare *b, size_t n)
{
    char text[80];

    if (n > QUEUES_MAX)
        die("too many mailboxes");
    for (; b->n_queues < n; b->n_queues++) {
        (void)sqlite3_snprintf(sizeof text, text, "INSERT INTO queue (device) VALUES (%d)",
                               (int)b->n_queues);
        check(b, sqlite3_exec(b->db, text, NULL, NULL, NULL));
    }
}

static void put_one(struct bare *b, size_t device, const uint8_t fanout[16], int64_t now,
                    struct bytes envelope)
{
    sqlite3_stmt *d = b->st[DEDUP], *m = b->st[MAIL];

    check(b, sqlite3_bind_blob(d, 1, fanout, 16, SQLITE_STATIC));
    check(b, sqlite3_bind_blob(d, 2, b->from, 16, SQLITE_STATIC));
    check(b, sqlite3_bind_int64(d, 3, (int64_t)device));
    check(b, sqlite3_bind_int64(d, 4, now));
    run(b, DEDUP);
    check(b, sqlite3_bind_int64(m, 1, (int64_t)device));
    check(b, sqlite3_bind_int64(m, 2, ++b->seq[device]));
    check(b, sqlite3_bind_int64(m, 3, now));
    check(b, sqlite3_bind_blob(m, 4, b->from, 16, SQLITE_STATIC));
    check(b, sqlite3_bind_blob(m, 5, fanout, 16, SQLITE_STATIC));
    check(b, sqlite3_bind_text(m, 6, "bench00@bench.example", -1, SQLITE_STATIC));
    check(b, sqlite3_bind_blob(m, 7, envelope.p, (int)envelope.n, SQLITE_STATIC));
    run(b, MAIL);
    b->bytes[device] += (int64_t)envelope.n;
    b->touched[device] = true;
}

static void put_queues(struct bare *b)
{
    sqlite3_stmt *q = b->st[QUEUE];

    for (size_t i = 0; i < b->n_queues; i++) {
        if (!b->touched[i])
            continue;
        b->touched[i] = false;
        check(b, sqlite3_bind_int64(q, 1, b->seq[i]));
        check(b, sqlite3_bind_int64(q, 2, b->seq[i]));
        check(b, sqlite3_bind_int64(q, 3, b->bytes[i]));
        check(b, sqlite3_bind_int64(q, 4, (int64_t)i));
        run(b, QUEUE);
    }
}

void bare_commit(struct bare *b, size_t messages, size_t devices, size_t n_queues,
                 struct bytes envelope)
{
    struct timespec t;
    uint8_t fanout[16];

    make_queues(b, n_queues);
    clock_gettime(CLOCK_REALTIME, &t);
    run(b, BEGIN);
    for (size_t i = 0; i < messages; i++, b->next++) {
        must(rng_fill(os_rng(), fanout, sizeof fanout), "bare");
        for (size_t k = 1; k <= devices; k++)
            put_one(b, (b->next + k) % n_queues, fanout,
                    (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, envelope);
    }
    put_queues(b);
    run(b, COMMIT);
}

size_t bare_read(struct bare *b, size_t device)
{
    sqlite3_stmt *st = b->st[READ];
    size_t n = 0;

    check(b, sqlite3_bind_int64(st, 1, (int64_t)device));
    while (sqlite3_step(st) == SQLITE_ROW)
        n += sqlite3_column_bytes(st, 4) > 0;
    check(b, sqlite3_reset(st));
    return n;
}
