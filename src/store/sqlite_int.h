/* What the files of the SQLite engine share. Everything here runs in the writer thread. */
#ifndef STORE_SQLITE_INT_H
#define STORE_SQLITE_INT_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/rules.h"
#include "store/sqlite.h"

/* Statements, prepared once; texts in sqlite_query.c. */
enum sq_query {
    Q_BEGIN,
    Q_BEGIN_WRITE,
    Q_COMMIT,
    Q_ROLLBACK,
    Q_DATA_VERSION,
    Q_ACCOUNT_BY_HANDLE,
    Q_ACCOUNT_BY_ACCT,
    Q_ACCOUNT_INSERT,
    Q_ACCOUNT_SEQ,
    Q_CHAIN_GET,
    Q_CHAIN_FROM,
    Q_CHAIN_INSERT,
    Q_DEVICE_ID,
    Q_DEVICE_GET,
    Q_DEVICE_LOAD,
    Q_DEVICE_LIST,
    Q_DEVICE_INSERT,
    Q_DEVICE_POS,
    Q_DEVICE_REMOVE,
    Q_KEY_TAKEN,
    Q_KEY_INSERT,
    Q_COUNTER_GET,
    Q_COUNTER_PUT,
    Q_BUNDLE_GET,
    Q_BUNDLE_LIST,
    Q_BUNDLE_PUT,
    Q_BUNDLE_DELETE,
    Q_SUPERSEDED_GET,
    Q_SUPERSEDED_PUT,
    Q_SUPERSEDED_DELETE,
    Q_SUPERSEDED_SWEEP,
    Q_QUEUE_INSERT,
    Q_QUEUE_UPDATE,
    Q_QUEUE_DELETE,
    Q_MAIL_INSERT,
    Q_MAIL_FETCH,
    Q_MAIL_FIND,
    Q_MAIL_DELETE,
    Q_MAIL_OF,
    Q_MAIL_PURGE,
    Q_MAIL_DUE,
    Q_MAIL_REST,
    Q_MAIL_RAISE,
    Q_DEDUP_GET,
    Q_DEDUP_PUT,
    Q_DEDUP_SWEEP,
    Q_INVITE_GET,
    Q_INVITE_USE,
    Q_INVITE_INSERT,
    Q_INVITE_LIST,
    Q_INVITE_DELETE,
    Q_INVITE_SWEEP,
    Q_LINK_GET,
    Q_LINK_LIVE,
    Q_LINK_PUT,
    Q_LINK_DELETE,
    Q_LINK_SWEEP,
    Q_RECORD_LIST,
    Q_RECORD_PUT,
    Q_RECORD_DELETE,
    Q_RECORD_SWEEP,
    Q_LOG_GET,
    Q_LOG_PUT,
    Q_LOG_DROP,
    Q_CHANGE_GET,
    Q_CHANGE_OF,
    Q_COUNT,
};

/* A device of a current manifest as the hot path needs it. Its counter row is written back
 * once a batch (sq_cache_flush). */
struct sq_dev {
    bool used, dirty, has_bundle;
    struct dev_id dev;
    struct bundle_id bundle;
    int64_t id;
    uint64_t seq, count, bytes, expired_seq;
};
struct sq_acct {
    bool used;
    struct acct_id acct;
    uint32_t seq;
};
#define SQ_DEVS 8192U /* slots; a power of two */
#define SQ_ACCTS 4096U

struct sq {
    struct store store;
    struct store_sqlite_conf conf;
    sqlite3 *db;
    sqlite3_stmt *stmt[Q_COUNT];
    /* The writer's only. */
    struct sq_dev *devs;
    struct sq_acct *accts;
    uint32_t *dirty; /* slots of devs to write back */
    size_t n_devs, n_accts, n_dirty;
    int64_t data_version;
    bool failed;                        /* the database refused something in this transaction */
    bool deleting;                      /* this transaction deletes ciphertext */
    bool unscrubbed;                    /* deleted ciphertext may still be in the WAL */
    uint64_t unscrubbed_at, scrub_next; /* monotonic ms */
    int wal_pages;
    size_t last_batch;
    /* Shared with submitters, under the mutex. */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct store_req *first, **last;
    size_t queued, want; /* want: the writer sleeps until so many are there; 0: it runs */
    bool closing;
};

/* --- sqlite_query.c: one statement's run. Errors stick; sq_end tells. --- */
struct sq_q {
    struct sq *s;
    sqlite3_stmt *st;
    int n;  /* parameters bound */
    int rc; /* SQLite's */
};
extern const char *const sq_texts[Q_COUNT];
wax_rc sq_prepare(struct sq *s) WAX_MUST;
void sq_finalize(struct sq *s);
/* SQLite's result as one of ours; marks the transaction as failed. */
wax_rc sq_error(struct sq *s, int rc) WAX_MUST;
struct sq_q sq_start(struct sq *s, enum sq_query which);
void sq_i64(struct sq_q *q, int64_t v);
/* Borrowed until sq_end. {NULL, 0} binds NULL. */
void sq_blob(struct sq_q *q, const void *p, size_t n);
void sq_text(struct sq_q *q, const char *text);
bool sq_row(struct sq_q *q); /* true: there is a row */
wax_rc sq_end(struct sq_q *q) WAX_MUST;
wax_rc sq_run(struct sq_q *q) WAX_MUST; /* for statements without rows */
int64_t sq_col(const struct sq_q *q, int i);
struct bytes sq_col_bytes(const struct sq_q *q, int i); /* borrowed until the next row */
/* Copies exactly n bytes; anything else in the column is damage. */
void sq_col_copy(struct sq_q *q, int i, void *out, size_t n);

/* --- sqlite_vfs.c --- */
#define SQ_PAGE 4096
#define SQ_PAGES_MAX 218103807 /* 0x0d000000 - 1: see there */
const char *sq_vfs(void); /* its name; NULL when it could not be made */

/* --- sqlite_schema.c --- */
wax_rc sq_open(struct sq *s, struct buf *error) WAX_MUST;

/* --- sqlite_cache.c --- */
wax_rc sq_cache_new(struct sq *s) WAX_MUST;
void sq_cache_free(struct sq *s);
void sq_cache_forget(struct sq *s);           /* drops all, unsaved counters too */
wax_rc sq_cache_flush(struct sq *s) WAX_MUST; /* writes the counters back */
wax_rc sq_cache_drop(struct sq *s) WAX_MUST;  /* flush, then forget */
/* WAX_E_NOTFOUND. The entry stays until the next call. */
wax_rc sq_dev_get(struct sq *s, const struct dev_id *dev, struct sq_dev **ret) WAX_MUST;
void sq_dev_changed(struct sq *s, struct sq_dev *d);
/* 0: no such account. */
wax_rc sq_acct_seq(struct sq *s, const struct acct_id *acct, uint32_t *ret) WAX_MUST;

/* --- sqlite_writer.c --- */
wax_rc sq_writer_start(struct sq *s) WAX_MUST;
void sq_writer_stop(struct sq *s);
void sq_submit(struct store *store, struct store_req *req);

/* --- requests. A refusal comes before the first write; any other failure makes the writer
 * roll the transaction back. --- */
/* One row into a mailbox. hint and envelope, or rest. */
struct sq_mail {
    uint8_t type;
    uint64_t time;
    const struct dev_id *from; /* or NULL */
    const struct fanout_id *fanout;
    const char *hint;
    struct bytes envelope, rest;
};
wax_rc sq_mail_append(struct sq *s, struct sq_dev *d, const struct sq_mail *m) WAX_MUST;
wax_rc sq_invite_find(struct sq *s, const struct hash32 *token, uint64_t now,
                      int64_t *ret) WAX_MUST;

wax_rc sq_register(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_update(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_lookup(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_device_get(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_bundle(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_counter_get(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_counter_put(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_send(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_fetch(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_ack(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_sweep(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_invite_add(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_invite_list(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_invite_remove(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_link_post(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_link_get(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_log_read(struct sq *s, struct store_req *req) WAX_MUST;
wax_rc sq_log_write(struct sq *s, struct store_req *req) WAX_MUST;
/* Calls l->prove. */
wax_rc sq_prove(struct sq *s, const struct store_lookup *l) WAX_MUST;
wax_rc sq_check(struct sq *s, struct store_req *req) WAX_MUST;

#endif
