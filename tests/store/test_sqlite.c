/* What only the SQLite engine promises: data outlives the process, deleted ciphertext is in
 * no file, strange files are refused and kept, other processes may use the file too. */
#include "harness.h"

#include <dirent.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *db_path(const struct world *w)
{
    static char path[128];

    snprintf(path, sizeof path, "%s/waxd.db", w->dir);
    return path;
}

static uint8_t *slurp(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    struct stat st;

    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    uint8_t *p = malloc((size_t)st.st_size + 1);
    assert_non_null(p);
    *ret_n = fread(p, 1, (size_t)st.st_size, f);
    fclose(f);
    return p;
}

/* In how many files of the folder are these bytes? */
static size_t files_with(const char *dir, const void *needle, size_t n)
{
    DIR *d = opendir(dir);
    size_t hits = 0;

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        size_t size;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        uint8_t *p = slurp(path, &size);
        hits += memmem(p, size, needle, n) != NULL;
        free(p);
    }
    closedir(d);
    return hits;
}

static void sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static void people(struct world *w)
{
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
}

static void reopening_keeps_everything(void **state)
{
    struct world *w = *state;
    struct store_req req;

    people(w);
    assert_int_equal(publish(w, &req, "bob", 2, (int[]){2, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(send(w, 1, 2, 1, "acked"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 2, "waits"), STORE_RES_STORED);
    ack(w, 2, 1);
    assert_int_equal(put_bundle(w, 2, 2), WAX_OK);
    world_reopen(w);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 1);
    assert_int_equal(req.u.fetch.last_seq, 2);
    assert_envelope(&req, 0, "ann@x", "waits");
    store_req_done(&req);
    assert_int_equal(send(w, 1, 2, 1, "acked"), STORE_RES_ALREADY);
    assert_int_equal(send(w, 1, 2, 3, "next"), STORE_RES_STORED);
    assert_int_equal(fetch(w, &req, 2, 2), WAX_OK);
    assert_int_equal(req.u.fetch.rows[0].seq, 3);
    store_req_done(&req);
    w->now += DAY + 1;
    assert_int_equal(send_init(w, &req, 1, 2, 9, 1), WAX_E_CONFLICT);
    assert_int_equal(req.u.send.newer_bundles.n, 1);
    store_req_done(&req);
    assert_int_equal(reg(w, "cat", 200, NULL), WAX_E_CONFLICT);
    req = (struct store_req){.op = STORE_LOOKUP};
    req.u.lookup.handle = "bob@x";
    assert_int_equal(run(w, &req), WAX_OK);
    assert_int_equal(req.u.lookup.seq, 2);
    assert_int_equal(req.u.lookup.bundles.n, 2);
    store_req_done(&req);
}

static void only_the_owner_may_read_the_files(void **state)
{
    struct world *w = *state;
    const char *const names[] = {"waxd.db", "waxd.db-wal", "waxd.db-shm"};
    char path[128];
    struct stat st;

    people(w);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
}

static void the_envelope_column_holds_the_envelope_alone(void **state)
{
    struct world *w = *state;
    sqlite3 *db;
    sqlite3_stmt *st;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "the raw bytes"), STORE_RES_STORED);
    assert_int_equal(sqlite3_open_v2(db_path(w), &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT envelope, hint FROM mailbox", -1, &st, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_int_equal(sqlite3_column_bytes(st, 0), 13);
    assert_memory_equal(sqlite3_column_blob(st, 0), "the raw bytes", 13);
    assert_string_equal((const char *)sqlite3_column_text(st, 1), "ann@x");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

enum { MESSAGES = 600 };
#define MARK 24

/* Envelopes of many sizes, with a mark at the beginning, in the middle and at the end. */
static size_t marked(uint8_t *out, uint32_t k)
{
    size_t n = 100 + (size_t)(k * 2654435761U) % 9000;
    char mark[MARK + 1];

    snprintf(mark, sizeof mark, "<<canary-of-%08x>>", k);
    memset(out, (int)(k & 0xff), n);
    memcpy(out, mark, MARK - 2);
    memcpy(out + n / 2, mark, MARK - 2);
    memcpy(out + n - MARK, mark, MARK - 2);
    return n;
}

static void send_marked(struct world *w, const uint32_t *ks, size_t n)
{
    static struct store_req req[MESSAGES];
    static struct store_envelope e[MESSAGES];
    static uint8_t body[MESSAGES][9200];

    for (size_t i = 0; i < n; i++) {
        e[i] = (struct store_envelope){.to = dev(2 + (int)(ks[i] % 3))};
        e[i].envelope = BYTES(body[i], marked(body[i], ks[i]));
        req[i] = (struct store_req){.op = STORE_SEND};
        req[i].u.send = (struct store_send){.from = dev(1),
                                            .fanout = fanout(ks[i]),
                                            .envelopes = &e[i],
                                            .n_envelopes = 1,
                                            .max_count = 100000,
                                            .max_bytes = 1U << 30};
    }
    run_all(w, req, n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(e[i].result, STORE_RES_STORED);
}

/* Marks of all messages that a scan finds in a file: seen[k] is set. */
static void scan(const char *dir, bool *seen, uint32_t n_seen)
{
    DIR *d = opendir(dir);

    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        size_t size;
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        uint8_t *p = slurp(path, &size), *at = p;
        /* The number alone is enough of a trace; the mark's head may be gone. */
        while ((at = memmem(at, size - (size_t)(at - p), "ary-of-", 7)) != NULL) {
            char hex[9] = {0};
            at += 7;
            if (size - (size_t)(at - p) < 8)
                break;
            memcpy(hex, at, 8);
            unsigned long k = strtoul(hex, NULL, 16);
            if (k < n_seen)
                seen[k] = true;
        }
        free(p);
    }
    closedir(d);
}

static void deleted_ciphertext_is_in_no_file_after_a_sweep(void **state)
{
    struct world *w = *state;
    static bool acked[10 * MESSAGES], seen[10 * MESSAGES];
    uint32_t next = 0, seed = 6;
    struct store_req req;

    people(w);
    assert_int_equal(reg(w, "cat", 3, NULL), WAX_OK);
    assert_int_equal(reg(w, "dan", 4, NULL), WAX_OK);
    memset(acked, 0, sizeof acked);
    /* Mailboxes of mixed ages and sizes: pages split, merge and are used again. With this
     * seed SQLite 3.40 leaves old bytes in the gap of a page (sqlite_vfs.c). */
    for (int round = 0; round < 60; round++) {
        uint32_t ks[100];
        for (size_t i = 0; i < 100; i++)
            ks[i] = next++;
        send_marked(w, ks, 100);
        for (int n = 2; n <= 4; n++) {
            assert_int_equal(fetch(w, &req, n, 0), WAX_OK);
            static uint64_t seqs[3000];
            size_t gone = 0;
            for (size_t i = 0; i < req.u.fetch.n_rows; i++) {
                const struct store_row *r = &req.u.fetch.rows[i];
                seed = seed * 1664525U + 1013904223U;
                if ((seed >> 16) % 100 < 45) {
                    char hex[9] = {0};
                    memcpy(hex, r->rest.p + 2 + 12, 8);
                    acked[strtoul(hex, NULL, 16)] = true;
                    seqs[gone++] = r->seq;
                }
            }
            store_req_done(&req);
            struct store_req a = {.op = STORE_ACK};
            a.u.ack = (struct store_ack){dev(n), seqs, gone};
            assert_int_equal(run(w, &a), WAX_OK);
        }
    }
    assert_int_equal(files_with(w->dir, "ary-of-", 7) > 0, 1);
    sweep(w, &req, WEEK);
    store_req_done(&req);
    memset(seen, 0, sizeof seen);
    scan(w->dir, seen, next);
    size_t left = 0, waiting_still = 0;
    for (uint32_t k = 0; k < next; k++) {
        left += acked[k] && seen[k];
        waiting_still += !acked[k];
        assert_true(acked[k] || seen[k]); /* the scan does find what is there */
    }
    assert_true(waiting_still > 0);
    assert_int_equal(left, 0);
}

static void deleted_ciphertext_is_gone_soon_without_a_sweep(void **state)
{
    struct world *w = *state;
    const char *text = "<<a text nobody else writes>>";
    size_t hits = 1;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, text), STORE_RES_STORED);
    assert_true(files_with(w->dir, text, strlen(text)) > 0);
    ack(w, 2, 1);
    for (int i = 0; i < 300 && hits; i++) {
        sleep_ms(100);
        hits = files_with(w->dir, text, strlen(text));
    }
    assert_int_equal(hits, 0);
}

static void expired_and_revoked_ciphertext_is_gone_too(void **state)
{
    struct world *w = *state;
    struct store_req req;

    people(w);
    assert_int_equal(publish(w, &req, "bob", 2, (int[]){2, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(send(w, 1, 2, 1, "<<this one expires>>"), STORE_RES_STORED);
    w->now += WEEK;
    assert_int_equal(send(w, 1, 200, 2, "<<this one is purged>>"), STORE_RES_STORED);
    assert_int_equal(publish(w, &req, "bob", 3, (int[]){2, 0}), WAX_OK);
    store_req_done(&req);
    sweep(w, &req, WEEK);
    assert_int_equal(req.u.sweep.expired, 1);
    store_req_done(&req);
    assert_int_equal(files_with(w->dir, "<<this one", 10), 0);
}

static wax_rc open_at(const char *path, bool create, struct store **ret)
{
    struct buf error = {0};
    wax_rc rc =
        store_sqlite_open(&(struct store_sqlite_conf){.path = path, .create = create}, ret, &error);

    /* A refusal comes with one line of reason. */
    assert_int_equal(rc == WAX_OK, error.n == 0);
    assert_null(error.n ? memchr(error.p, '\n', error.n) : NULL);
    buf_done(&error);
    return rc;
}

static void a_missing_file_is_made_only_when_asked(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    char path[128];

    snprintf(path, sizeof path, "%s/other.db", w->dir);
    assert_int_equal(open_at(path, false, &s), WAX_E_NOTFOUND);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(open_at(path, true, &s), WAX_OK);
    store_close(s);
    assert_int_equal(open_at(path, false, &s), WAX_OK);
    store_close(s);
    snprintf(path, sizeof path, "%s/no-folder/other.db", w->dir);
    assert_int_equal(open_at(path, true, &s), WAX_E_IO);
    assert_int_equal(open_at(w->dir, true, &s), WAX_E_DAMAGED); /* a folder */
}

static void a_newer_schema_is_refused_and_kept(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    sqlite3 *db;

    people(w);
    store_close(w->store);
    w->store = NULL;
    assert_int_equal(sqlite3_open(db_path(w), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    size_t n, m;
    uint8_t *before = slurp(db_path(w), &n);
    assert_int_equal(open_at(db_path(w), true, &s), WAX_E_VERSION);
    uint8_t *after = slurp(db_path(w), &m);
    assert_int_equal(n, m);
    assert_memory_equal(before, after, n);
    free(before);
    free(after);
    assert_int_equal(sqlite3_open(db_path(w), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(w->engine->open(w->dir, &w->store), WAX_OK);
}

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void a_file_that_is_not_ours_is_refused_and_kept(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    char path[128];
    uint8_t junk[5000], back[5001];

    snprintf(path, sizeof path, "%s/junk.db", w->dir);
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (uint8_t)(i * 7 + 3);
    write_file(path, junk, sizeof junk);
    assert_int_equal(open_at(path, true, &s), WAX_E_DAMAGED);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(back, 1, sizeof back, f), sizeof junk);
    fclose(f);
    assert_memory_equal(back, junk, sizeof junk);

    /* A database, but somebody else's. */
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/foreign.db", w->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "CREATE TABLE t (x); INSERT INTO t VALUES (1)", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(open_at(path, true, &s), WAX_E_DAMAGED);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT x FROM t", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_database_cut_short_is_refused(void **state)
{
    struct world *w = *state;
    struct store *s = NULL;
    size_t n;

    people(w);
    store_close(w->store);
    w->store = NULL;
    uint8_t *whole = slurp(db_path(w), &n);
    write_file(db_path(w), whole, 4096);
    assert_int_equal(open_at(db_path(w), true, &s), WAX_E_DAMAGED);
    write_file(db_path(w), whole, n);
    free(whole);
    assert_int_equal(w->engine->open(w->dir, &w->store), WAX_OK);
}

static void the_check_finds_what_does_not_add_up(void **state)
{
    struct world *w = *state;
    struct store_req req = {.op = STORE_CHECK};
    sqlite3 *db;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "text"), STORE_RES_STORED);
    assert_int_equal(run(w, &req), WAX_OK);
    assert_int_equal(req.u.check.report.n, 0);
    store_req_done(&req);
    assert_int_equal(sqlite3_open(db_path(w), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE queue SET count = count + 1", NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(run(w, &req), WAX_E_DAMAGED);
    assert_true(req.u.check.report.n > 0);
    store_req_done(&req);
    assert_int_equal(sqlite3_exec(db, "UPDATE queue SET count = count - 1", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
}

static void another_process_may_add_invites_meanwhile(void **state)
{
    struct world *w = *state;
    struct store *other = NULL;
    struct store_req req = {.op = STORE_INVITE_ADD, .now = w->now};

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_STORED);
    assert_int_equal(open_at(db_path(w), false, &other), WAX_OK);
    req.u.invites.invite = (struct store_invite){{9}, {"token"}, 1, w->now + DAY};
    assert_int_equal(store_run(other, &req), WAX_OK);
    assert_int_equal(reg(w, "cat", 3, "token"), WAX_OK);
    assert_int_equal(send(w, 1, 2, 2, "b"), STORE_RES_STORED);
    /* Even a mailbox changed by somebody else is seen as it is. */
    struct world copy = *w;
    copy.store = other;
    assert_int_equal(send(&copy, 1, 2, 3, "c"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 4, "d"), STORE_RES_STORED);
    store_close(other);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 4);
    assert_envelope(&req, 2, "ann@x", "c");
    assert_int_equal(req.u.fetch.rows[3].seq, 4);
    store_req_done(&req);
}

static void a_writer_waits_for_another_one(void **state)
{
    struct world *w = *state;
    struct store_req req = {.op = STORE_SEND, .now = w->now};
    struct store_envelope e = {.to = dev(2), .envelope = BYTES_STR("patient")};
    sqlite3 *db;

    people(w);
    assert_int_equal(sqlite3_open(db_path(w), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    req.u.send = (struct store_send){
        .from = dev(1), .envelopes = &e, .n_envelopes = 1, .max_count = 9, .max_bytes = 99};
    store_submit(w->store, &req);
    sleep_ms(300);
    assert_int_equal(e.result, 0);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(waiting(w, 2), 1);
    assert_int_equal(e.result, STORE_RES_STORED);
}

/* --- completions through post, many submitters --- */
struct loop {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct {
        void (*fn)(void *arg);
        void *arg;
    } jobs[4096];
    size_t n, posts;
};

static void post(void *ctx, void (*fn)(void *arg), void *arg)
{
    struct loop *l = ctx;

    pthread_mutex_lock(&l->mutex);
    l->jobs[l->n].fn = fn;
    l->jobs[l->n++].arg = arg;
    pthread_cond_signal(&l->cond);
    pthread_mutex_unlock(&l->mutex);
}

static pthread_t loop_thread;
static size_t completed;

static void count_done(struct store_req *req)
{
    assert_true(pthread_equal(pthread_self(), loop_thread));
    assert_int_equal(req->rc, WAX_OK);
    /* In the order submitted: ctx is the number. */
    assert_int_equal((size_t)(uintptr_t)req->ctx, completed);
    completed++;
}

static void completions_come_by_post_a_batch_at_a_time(void **state)
{
    struct world *w = *state;
    static struct loop l = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, .n = 0};
    enum { N = 3000 };
    static struct store_req req[N];
    static struct store_envelope e[N];
    struct buf error = {0};

    people(w);
    store_close(w->store);
    loop_thread = pthread_self();
    assert_int_equal(
        store_sqlite_open(
            &(struct store_sqlite_conf){.path = db_path(w), .post = post, .post_ctx = &l},
            &w->store, &error),
        WAX_OK);
    for (size_t i = 0; i < N; i++) {
        e[i] = (struct store_envelope){.to = dev(2), .envelope = BYTES_STR("text")};
        req[i] = (struct store_req){
            .op = STORE_SEND, .now = w->now, .done = count_done, .ctx = (void *)(uintptr_t)i};
        req[i].u.send = (struct store_send){.from = dev(1),
                                            .fanout = fanout(i),
                                            .envelopes = &e[i],
                                            .n_envelopes = 1,
                                            .max_count = N,
                                            .max_bytes = 1U << 30};
        store_submit(w->store, &req[i]);
    }
    while (completed < N) {
        pthread_mutex_lock(&l.mutex);
        while (l.n == 0)
            pthread_cond_wait(&l.cond, &l.mutex);
        struct loop now = l;
        l.posts += l.n;
        l.n = 0;
        pthread_mutex_unlock(&l.mutex);
        for (size_t i = 0; i < now.n; i++)
            now.jobs[i].fn(now.jobs[i].arg);
    }
    assert_true(l.posts <= 30); /* batches, not requests */
    store_close(w->store);
    assert_int_equal(w->engine->open(w->dir, &w->store), WAX_OK);
    assert_int_equal(waiting(w, 2), N);
}

int main(void)
{
#define TEST(fn)                                                                                   \
    {                                                                                              \
#fn, fn, world_setup, world_teardown, (void *)(uintptr_t)&engine_sqlite                    \
    }
    const struct CMUnitTest tests[] = {
        TEST(reopening_keeps_everything),
        TEST(only_the_owner_may_read_the_files),
        TEST(the_envelope_column_holds_the_envelope_alone),
        TEST(deleted_ciphertext_is_in_no_file_after_a_sweep),
        TEST(deleted_ciphertext_is_gone_soon_without_a_sweep),
        TEST(expired_and_revoked_ciphertext_is_gone_too),
        TEST(a_missing_file_is_made_only_when_asked),
        TEST(a_newer_schema_is_refused_and_kept),
        TEST(a_file_that_is_not_ours_is_refused_and_kept),
        TEST(a_database_cut_short_is_refused),
        TEST(the_check_finds_what_does_not_add_up),
        TEST(another_process_may_add_invites_meanwhile),
        TEST(a_writer_waits_for_another_one),
        TEST(completions_come_by_post_a_batch_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
