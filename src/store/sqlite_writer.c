/* SQLite engine: the writer thread. It takes what was submitted, runs it in one
 * transaction, syncs once, answers all; and it scrubs what was deleted. */
#include "store/sqlite_int.h"

#include <time.h>

#include "base/mem.h"

#define BATCH_MAX 1024U
#define COLLECT_NS 2000000L /* at most 2 ms */
#define IDLE_MS 1000U       /* without requests: then is the time to scrub */
#define SCRUB_MS 20000U     /* and at the latest */
#define WAL_PAGES 4096      /* then copy them into the database */

typedef wax_rc (*sq_fn)(struct sq *s, struct store_req *req);
static const struct {
    sq_fn fn;
    bool writes;
} ops[] = {
    [STORE_REGISTER] = {sq_register, true},
    [STORE_UPDATE] = {sq_update, true},
    [STORE_LOOKUP] = {sq_lookup, false},
    [STORE_DEVICE] = {sq_device_get, false},
    [STORE_BUNDLE] = {sq_bundle, true},
    [STORE_COUNTER_GET] = {sq_counter_get, false},
    [STORE_COUNTER_PUT] = {sq_counter_put, true},
    [STORE_SEND] = {sq_send, true},
    [STORE_FETCH] = {sq_fetch, false},
    [STORE_ACK] = {sq_ack, true},
    [STORE_SWEEP] = {sq_sweep, true},
    [STORE_INVITE_ADD] = {sq_invite_add, true},
    [STORE_INVITE_LIST] = {sq_invite_list, false},
    [STORE_INVITE_REMOVE] = {sq_invite_remove, true},
    [STORE_LINK_POST] = {sq_link_post, true},
    [STORE_LINK_GET] = {sq_link_get, false},
    [STORE_LOG_READ] = {sq_log_read, false},
    [STORE_LOG_WRITE] = {sq_log_write, true},
    [STORE_CHECK] = {sq_check, false},
};

static uint64_t ticks(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

void sq_submit(struct store *store, struct store_req *req)
{
    struct sq *s = (struct sq *)store;

    req->next = NULL;
    pthread_mutex_lock(&s->mutex);
    *s->last = req;
    s->last = &req->next;
    s->queued++;
    if (s->want && s->queued >= s->want)
        pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mutex);
}

/* Sleeps until n are queued, the store closes, or the time is over. The mutex is held. */
static void wait_for(struct sq *s, size_t n, long ns)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ns / 1000000000L;
    t.tv_nsec += ns % 1000000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_nsec -= 1000000000L;
        t.tv_sec++;
    }
    s->want = n;
    while (s->queued < n && !s->closing) {
        if (pthread_cond_timedwait(&s->cond, &s->mutex, &t) != 0)
            break;
    }
    s->want = 0;
}

/* Up to BATCH_MAX requests; NULL: nothing came for a second, or the store closes.
 *
 * Requests queue up by themselves while a batch is written. But the submitters of the last
 * batch are about to come again, so it waits for as many, for at most 2 ms: else batches
 * would be small and large in turn. A lone submitter never waits. */
static struct store_req *take(struct sq *s, size_t *ret_n, bool *ret_closing)
{
    pthread_mutex_lock(&s->mutex);
    if (!s->first && !s->closing)
        wait_for(s, 1, s->unscrubbed ? IDLE_MS * 1000000L : 3600L * 1000000000L);
    if (s->first && s->queued < s->last_batch && !s->closing)
        wait_for(s, s->last_batch, COLLECT_NS);
    struct store_req *list = s->first;
    size_t n = 0;
    struct store_req **end = &s->first;
    while (*end && n < BATCH_MAX) {
        end = &(*end)->next;
        n++;
    }
    s->first = *end;
    if (n)
        *end = NULL;
    if (!s->first)
        s->last = &s->first;
    s->queued -= n;
    *ret_closing = s->closing;
    pthread_mutex_unlock(&s->mutex);
    s->last_batch = n;
    *ret_n = n;
    return list;
}

static wax_rc simple(struct sq *s, enum sq_query which)
{
    struct sq_q q = sq_start(s, which);
    return sq_run(&q);
}

/* Forgets the cache when another connection has written. */
static wax_rc check_others(struct sq *s)
{
    struct sq_q q = sq_start(s, Q_DATA_VERSION);
    int64_t version = sq_row(&q) ? sq_col(&q, 0) : 0;
    wax_rc rc = sq_end(&q);

    if (rc == WAX_OK && version != s->data_version) {
        sq_cache_forget(s);
        s->data_version = version;
    }
    return rc;
}

static void rollback(struct sq *s)
{
    sq_cache_forget(s);
    /* After some errors SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(s->db) && simple(s, Q_ROLLBACK) != WAX_OK)
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->failed = false;
    s->deleting = false;
}

static void fail_all(struct store_req *list, wax_rc rc)
{
    for (struct store_req *r = list; r; r = r->next) {
        store_req_done(r);
        r->rc = rc;
    }
}

static wax_rc run_one(struct sq *s, struct store_req *req)
{
    wax_rc rc = store_req_check(req);

    if (rc == WAX_OK)
        rc = ops[req->op].fn(s, req);
    if (rc == WAX_E_NOMEM)
        s->failed = true;
    if (rc != WAX_OK && rc != WAX_E_CONFLICT && rc != WAX_E_DAMAGED)
        store_req_done(req);
    req->rc = rc;
    if (!s->failed)
        return WAX_OK;
    return rc != WAX_OK ? rc : WAX_E_IO;
}

/* One transaction over the list. On failure nothing of it is done. */
static wax_rc transaction(struct sq *s, struct store_req *list)
{
    bool writes = false;
    wax_rc rc;

    for (struct store_req *r = list; r; r = r->next)
        writes = writes || ops[r->op].writes;
    s->failed = s->deleting = false;
    rc = simple(s, writes ? Q_BEGIN_WRITE : Q_BEGIN);
    if (rc == WAX_OK)
        rc = check_others(s);
    for (struct store_req *r = list; r && rc == WAX_OK; r = r->next)
        rc = run_one(s, r);
    if (rc == WAX_OK)
        rc = sq_cache_flush(s);
    if (rc == WAX_OK)
        rc = simple(s, Q_COMMIT);
    if (rc != WAX_OK) {
        rollback(s);
        return rc;
    }
    if (s->deleting && !s->unscrubbed) {
        s->unscrubbed = true;
        s->unscrubbed_at = ticks();
    }
    return WAX_OK;
}

/* Something failed in a batch. Each request alone then finds out whether it was the one;
 * what cannot even begin fails them all. This stands for a savepoint a request: refusals are
 * found before the first write, so real failures are rare. */
static void one_by_one(struct sq *s, struct store_req *list)
{
    for (struct store_req *r = list, *next; r; r = next) {
        next = r->next;
        r->next = NULL;
        store_req_done(r);
        wax_rc rc = transaction(s, r);
        if (rc != WAX_OK)
            fail_all(r, rc);
        r->next = next;
        if (rc == WAX_E_BUSY) {
            fail_all(next, rc);
            return;
        }
    }
}

static void run_batch(struct sq *s, struct store_req *list)
{
    wax_rc rc = transaction(s, list);

    if (rc == WAX_OK)
        return;
    if (rc == WAX_E_BUSY || !list->next)
        fail_all(list, rc);
    else
        one_by_one(s, list);
}

/* Copies the WAL into the database and cuts it to nothing. Readers of other processes can
 * keep it from that: then again a second later. */
static void scrub(struct sq *s)
{
    (void)sqlite3_busy_timeout(s->db, 200);
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(s->db, 5000);
    if (rc == SQLITE_OK) {
        s->unscrubbed = false;
        s->wal_pages = 0;
    }
    s->scrub_next = ticks() + IDLE_MS;
}

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages)
{
    struct sq *s = ctx;

    (void)db;
    (void)name;
    s->wal_pages = pages;
    return SQLITE_OK;
}

static void complete(void *arg)
{
    for (struct store_req *r = arg, *next; r; r = next) {
        next = r->next;
        r->next = NULL;
        if (r->done)
            r->done(r);
    }
}

static bool has_sweep(const struct store_req *list)
{
    for (; list; list = list->next) {
        if (list->op == STORE_SWEEP)
            return true;
    }
    return false;
}

/* After the answers are out: nobody waits for this. */
static void housekeeping(struct sq *s, bool idle)
{
    uint64_t now = ticks();

    if (s->unscrubbed && now >= s->scrub_next && (idle || now >= s->unscrubbed_at + SCRUB_MS))
        scrub(s);
    else if (s->wal_pages > WAL_PAGES) {
        (void)sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        s->wal_pages = 0;
    }
}

static void *writer(void *arg)
{
    struct sq *s = arg;
    bool closing = false;

    (void)sqlite3_wal_hook(s->db, on_commit, s);
    for (;;) {
        size_t n;
        struct store_req *list = take(s, &n, &closing);
        if (!list && closing)
            break;
        if (list) {
            run_batch(s, list);
            if (s->unscrubbed && has_sweep(list))
                scrub(s);
            if (s->conf.post)
                s->conf.post(s->conf.post_ctx, complete, list);
            else
                complete(list);
        }
        housekeeping(s, !list);
    }
    if (s->unscrubbed)
        scrub(s);
    return NULL;
}

wax_rc sq_writer_start(struct sq *s)
{
    pthread_condattr_t attr;

    s->last = &s->first;
    /* A crash may have left deleted ciphertext in the WAL. */
    s->unscrubbed = true;
    s->unscrubbed_at = ticks();
    if (pthread_condattr_init(&attr) != 0)
        return WAX_E_NOMEM;
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int err = pthread_cond_init(&s->cond, &attr);
    pthread_condattr_destroy(&attr);
    if (err != 0)
        return WAX_E_NOMEM;
    if (pthread_mutex_init(&s->mutex, NULL) != 0) {
        pthread_cond_destroy(&s->cond);
        return WAX_E_NOMEM;
    }
    if (pthread_create(&s->thread, NULL, writer, s) != 0) {
        pthread_mutex_destroy(&s->mutex);
        pthread_cond_destroy(&s->cond);
        return WAX_E_NOMEM;
    }
    return WAX_OK;
}

void sq_writer_stop(struct sq *s)
{
    pthread_mutex_lock(&s->mutex);
    s->closing = true;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mutex);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->mutex);
    pthread_cond_destroy(&s->cond);
}
