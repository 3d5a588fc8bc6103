/* What the files of the SQLite engine share. */
#ifndef VAULT_SQLITE_INTERNAL_H
#define VAULT_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "crypto/crypto.h"
#include "vault/engines.h"

#define SQLITE_VAULT_ID 0x57415856 /* application_id: "WAXV" */
#define SQLITE_VAULT_SCHEMA 2      /* user_version */

/* Statements of each table, prepared when first used. Ranges are lo <= k < hi. */
enum row_stmt { ST_GET, ST_PUT, ST_ADD, ST_SET, ST_DEL, ST_UP, ST_DOWN, ST_COUNT, ST_CLEAR, ST_N_ };
enum fixed_stmt {
    FX_BEGIN,
    FX_COMMIT,
    FX_ROLLBACK,
    FX_TALLY_ADD,
    FX_TALLY_DROP,
    FX_TALLY_GET,
    FX_TALLY_CLEAR,
    FX_N_,
};

struct sqlite {
    struct vault vault; /* first: handles are cast back from it */
    sqlite3 *db;
    struct key32 *key; /* in the secret heap */
    struct rng rng;
    unsigned wait_ms;
    bool open;     /* a transaction is */
    wax_rc lost;   /* SQLite itself rolled it back, for this reason */
    int wal_pages; /* size of the log after the last commit */
    sqlite3_stmt *fixed[FX_N_];
    sqlite3_stmt *rows[VT_COUNT_][ST_N_];
};

static inline struct sqlite *sqlite_of(struct vault *v) { return (struct sqlite *)v; }

/* sqlite.c: ours for SQLite's code; notices when SQLite gave up the open transaction, so
 * it is called right after the failing call. */
wax_rc sqlite_rc(struct sqlite *h, int rc) WAX_MUST;
/* Runs a bound statement that gives no rows, and makes it ready for the next use. */
wax_rc sqlite_run(struct sqlite *h, sqlite3_stmt *st) WAX_MUST;
wax_rc sqlite_fixed(struct sqlite *h, enum fixed_stmt which, sqlite3_stmt **ret) WAX_MUST;
wax_rc sqlite_prepare(struct sqlite *h, const char *sql, sqlite3_stmt **ret) WAX_MUST;
/* Whether a write may happen now; else the reason. */
wax_rc sqlite_writable(const struct sqlite *h) WAX_MUST;
/* Moves the log into the database file and empties it; another process's lock makes it do
 * less (WAX_E_BUSY). */
wax_rc sqlite_checkpoint(struct sqlite *h) WAX_MUST;

/* sqlite_seal.c: nonce 24 ‖ sealed value; AD = table 1 ‖ row key. Table 0: the sentinel. */
wax_rc sqlite_seal(struct sqlite *h, unsigned table, struct bytes key, struct bytes value,
                   struct buf *out) WAX_MUST;
/* Appends the value. WAX_E_DAMAGED, out as it was, when it does not open. */
wax_rc sqlite_unseal(struct sqlite *h, unsigned table, struct bytes key, struct bytes sealed,
                     struct buf *out) WAX_MUST;

/* sqlite_schema.c */
const char *sqlite_table_name(enum vault_table t);
wax_rc sqlite_exec(struct sqlite *h, const char *sql) WAX_MUST;
wax_rc sqlite_create_table(struct sqlite *h, enum vault_table t) WAX_MUST;
wax_rc sqlite_version(struct sqlite *h, int *ret) WAX_MUST; /* of the schema */
/* Makes all tables of schema 1 and the sentinel in an empty database. */
wax_rc sqlite_schema_create(struct sqlite *h) WAX_MUST;
/* Is it ours, of a schema known here, and is the key the right one? WAX_E_DAMAGED, WAX_E_VERSION,
 * WAX_R_MAC; *why is a static text then. */
wax_rc sqlite_schema_check(struct sqlite *h, const char **why) WAX_MUST;

/* sqlite_migrate.c */
struct schema_step {
    int to;                          /* from the version before */
    wax_rc (*run)(struct sqlite *h); /* in the transaction that raises the version */
};
/* Takes those that are to come, in order. On failure the schema is that of the last one taken. */
wax_rc sqlite_schema_steps(struct sqlite *h, const struct schema_step *steps, size_t n) WAX_MUST;
/* To the newest schema. */
wax_rc sqlite_schema_raise(struct sqlite *h) WAX_MUST;

/* sqlite_rows.c */
wax_rc sqlite_row_stmt(struct sqlite *h, enum vault_table t, enum row_stmt which,
                       sqlite3_stmt **ret) WAX_MUST;
wax_rc sqlite_get(struct vault *v, enum vault_table t, struct bytes key, struct buf *out) WAX_MUST;
wax_rc sqlite_put(struct vault *v, enum vault_table t, struct bytes key,
                  struct bytes value) WAX_MUST;
wax_rc sqlite_del(struct vault *v, enum vault_table t, struct bytes key) WAX_MUST;
wax_rc sqlite_bind(struct sqlite *h, sqlite3_stmt *st, int at, struct bytes x) WAX_MUST;
struct bytes sqlite_column(sqlite3_stmt *st, int at);

/* sqlite_range.c */
wax_rc sqlite_scan(struct vault *v, enum vault_table t, struct bytes prefix, struct bytes after,
                   bool descending, vault_row_fn fn, void *ctx) WAX_MUST;
wax_rc sqlite_del_prefix(struct vault *v, enum vault_table t, struct bytes prefix) WAX_MUST;
wax_rc sqlite_count(struct vault *v, enum vault_table t, struct bytes prefix,
                    uint64_t *ret) WAX_MUST;

/* The keys with a prefix, as bounds lo <= k < hi. */
struct key_range {
    uint8_t lo[VAULT_KEY_MAX + 1], hi[VAULT_KEY_MAX + 1];
    size_t nlo, nhi;
};
void key_range_of(struct bytes prefix, struct key_range *ret);

/* sqlite_tally.c: counted tables keep their numbers of rows, in all and by the first
 * TALLY_HEAD bytes of the key, so that asking costs one lookup. */
#define TALLY_HEAD 16
static inline bool tally_counts(enum vault_table t) { return t == VT_SKIPPED || t == VT_SEEN; }
wax_rc tally_change(struct sqlite *h, enum vault_table t, struct bytes key, int64_t by) WAX_MUST;
/* After n rows with that prefix were deleted. */
wax_rc tally_cleared(struct sqlite *h, enum vault_table t, struct bytes prefix, int64_t n) WAX_MUST;
wax_rc tally_get(struct sqlite *h, enum vault_table t, struct bytes head, uint64_t *ret) WAX_MUST;

#endif
