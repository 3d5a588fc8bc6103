/* What the file engine promises beyond the contract: whose file it is, what is in it, and
 * what happens when somebody has been at it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <sqlite3.h>

#include "home.h"

/* A stranger with SQLite's own tools at the closed file. */
static void meddle(struct home *h, const char *sql)
{
    sqlite3 *db;

    home_close(h);
    assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Changes one bit of the stored value of history's row. */
static void flip(struct home *h, const char *key, int byte, int bit)
{
    sqlite3 *db;
    sqlite3_stmt *get, *set;
    uint8_t v[200];

    home_close(h);
    assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT v FROM history WHERE k=?1", -1, &get, NULL), 0);
    assert_int_equal(sqlite3_prepare_v2(db, "UPDATE history SET v=?2 WHERE k=?1", -1, &set, NULL),
                     0);
    assert_int_equal(sqlite3_bind_blob(get, 1, key, (int)strlen(key), SQLITE_STATIC), 0);
    assert_int_equal(sqlite3_step(get), SQLITE_ROW);
    int n = sqlite3_column_bytes(get, 0);
    assert_in_range(n, byte + 1, sizeof v);
    memcpy(v, sqlite3_column_blob(get, 0), (size_t)n);
    sqlite3_finalize(get);
    v[byte] ^= (uint8_t)(1 << bit);
    assert_int_equal(sqlite3_bind_blob(set, 1, key, (int)strlen(key), SQLITE_STATIC), 0);
    assert_int_equal(sqlite3_bind_blob(set, 2, v, n, SQLITE_STATIC), 0);
    assert_int_equal(sqlite3_step(set), SQLITE_DONE);
    sqlite3_finalize(set);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void open_again(struct home *h) { OK(home_try_open(h, h->path, false, 1000, &h->v)); }

static void fill(struct home *h, int n)
{
    char key[16], value[32];

    OK(vault_begin(h->v));
    for (int i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "row%04d", i);
        (void)snprintf(value, sizeof value, "value of row %d", i);
        put_text(h->v, VT_HISTORY, key, value);
    }
    OK(vault_commit(h->v));
}

static mode_t mode_of(const struct home *h, const char *tail)
{
    char path[128];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s%s", h->path, tail);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void every_file_is_for_the_owner_alone(void **state)
{
    struct home *h = *state;

    fill(h, 3);
    assert_int_equal(mode_of(h, ""), 0600);
    assert_int_equal(mode_of(h, "-wal"), 0600);
    assert_int_equal(mode_of(h, "-shm"), 0600);
    home_close(h);
    assert_int_equal(chmod(h->path, 0644), 0); /* a backup tool was careless */
    open_again(h);
    fill(h, 4);
    assert_int_equal(mode_of(h, ""), 0600);
    assert_int_equal(mode_of(h, "-wal"), 0600);
}

static void closing_leaves_one_file(void **state)
{
    struct home *h = *state;
    char path[128];

    fill(h, 100);
    home_close(h);
    (void)snprintf(path, sizeof path, "%s-wal", h->path);
    assert_int_equal(access(path, F_OK), -1);
    open_again(h);
    assert_int_equal(rows(h->v, VT_HISTORY, ""), 100);
}

static void create_never_writes_over_a_file(void **state)
{
    struct home *h = *state;
    struct vault *v;
    struct buf before = {0}, after = {0};

    fill(h, 10);
    home_close(h);
    read_file(h->path, &before);
    RC(WAX_E_EXISTS, home_try_open(h, h->path, true, 0, &v));
    read_file(h->path, &after);
    assert_true(bytes_eq(buf_view(&before), buf_view(&after)));
    buf_done(&before);
    buf_done(&after);
}

static void create_refuses_the_log_of_a_lost_vault(void **state)
{
    struct home *h = *state;
    struct buf log = {0};
    char path[128];
    struct vault *v;

    fill(h, 10);
    (void)snprintf(path, sizeof path, "%s-wal", h->path);
    read_file(path, &log);
    assert_true(log.n > 0);
    home_close(h);
    assert_int_equal(unlink(h->path), 0);
    write_file(path, buf_view(&log));
    RC(WAX_E_EXISTS, home_try_open(h, h->path, true, 0, &v));
    assert_int_equal(access(h->path, F_OK), -1);
    assert_int_equal(unlink(path), 0);
    OK(home_try_open(h, h->path, true, 0, &h->v));
    assert_int_equal(rows(h->v, VT_HISTORY, ""), 0);
    buf_done(&log);
}

static void a_missing_file_is_not_found(void **state)
{
    struct home *h = *state;
    struct vault *v;
    char path[128];

    (void)snprintf(path, sizeof path, "%s/nothing.db", h->folder);
    RC(WAX_E_NOTFOUND, home_try_open(h, path, false, 0, &v));
    assert_int_equal(access(path, F_OK), -1);
    (void)snprintf(path, sizeof path, "%s/no/folder.db", h->folder);
    RC(WAX_E_NOTFOUND, home_try_open(h, path, true, 0, &v));
}

static void another_key_is_told_from_damage(void **state)
{
    struct home *h = *state;
    struct vault *v;

    fill(h, 3);
    home_close(h);
    h->key.b[31] ^= 1;
    RC(WAX_R_MAC, home_try_open(h, h->path, false, 0, &v));
    h->key.b[31] ^= 1;
    open_again(h);
    assert_text(h->v, VT_HISTORY, "row0002", "value of row 2");
    meddle(h, "UPDATE sentinel SET a = CAST(substr(a, 1, 20) || x'00' || substr(a, 22) AS BLOB)");
    RC(WAX_E_DAMAGED, home_try_open(h, h->path, false, 0, &v));
    meddle(h, "DELETE FROM sentinel");
    RC(WAX_E_DAMAGED, home_try_open(h, h->path, false, 0, &v));
}

static void a_newer_schema_is_left_alone(void **state)
{
    struct home *h = *state;
    struct vault *v;

    meddle(h, "PRAGMA user_version=3");
    RC(WAX_E_VERSION, home_try_open(h, h->path, false, 0, &v));
    meddle(h, "PRAGMA user_version=0");
    RC(WAX_E_DAMAGED, home_try_open(h, h->path, false, 0, &v));
    meddle(h, "PRAGMA user_version=2; PRAGMA application_id=7");
    RC(WAX_E_DAMAGED, home_try_open(h, h->path, false, 0, &v));
}

static void a_lost_table_is_damage(void **state)
{
    struct home *h = *state;
    struct buf out = {0};

    fill(h, 3);
    meddle(h, "DROP TABLE history; CREATE VIEW history AS SELECT k, v FROM meta;"
              "DROP TABLE outbox");
    open_again(h);
    RC(WAX_E_DAMAGED, vault_get(h->v, VT_HISTORY, BYTES_STR("row0001"), &out));
    RC(WAX_E_DAMAGED, vault_get(h->v, VT_OUTBOX, BYTES_STR("1"), &out));
    assert_absent(h->v, VT_EVENT, "1");
    buf_done(&out);
}

static void assert_garbage_is_kept(struct home *h, struct bytes garbage)
{
    struct buf after = {0};
    struct vault *v;

    write_file(h->path, garbage);
    RC(WAX_E_DAMAGED, home_try_open(h, h->path, false, 0, &v));
    RC(WAX_E_EXISTS, home_try_open(h, h->path, true, 0, &v));
    read_file(h->path, &after);
    assert_true(bytes_eq(garbage, buf_view(&after)));
    buf_done(&after);
}

static void a_file_of_something_else_is_damage_and_is_kept(void **state)
{
    struct home *h = *state;
    struct buf whole = {0};

    fill(h, 200);
    home_close(h);
    read_file(h->path, &whole);
    assert_garbage_is_kept(h, BYTES_STR("Dear diary, this is no database at all."));
    assert_garbage_is_kept(h, BYTES(NULL, 0));
    assert_garbage_is_kept(h, BYTES(whole.p, 100));
    memset(whole.p + 4096, 0xa5, whole.n - 4096); /* only the first page is left */
    assert_garbage_is_kept(h, buf_view(&whole));
    memset(whole.p, 0, 16);
    assert_garbage_is_kept(h, buf_view(&whole));
    buf_done(&whole);
}

static void a_row_moved_to_another_place_does_not_open(void **state)
{
    struct home *h = *state;
    struct buf out = {0};

    fill(h, 4);
    OK(vault_begin(h->v));
    put_text(h->v, VT_EVENT, "row0003", "an event");
    OK(vault_commit(h->v));
    meddle(h, "UPDATE history SET k = x'FF' WHERE k = CAST('row0000' AS BLOB);"
              "UPDATE history SET k = CAST('row0000' AS BLOB) WHERE k = CAST('row0001' AS BLOB);"
              "UPDATE history SET k = CAST('row0001' AS BLOB) WHERE k = x'FF';"
              "UPDATE event SET v = (SELECT v FROM history WHERE k = CAST('row0003' AS BLOB))");
    open_again(h);
    RC(WAX_E_DAMAGED, vault_get(h->v, VT_HISTORY, BYTES_STR("row0000"), &out));
    RC(WAX_E_DAMAGED, vault_get(h->v, VT_HISTORY, BYTES_STR("row0001"), &out));
    RC(WAX_E_DAMAGED, vault_get(h->v, VT_EVENT, BYTES_STR("row0003"), &out));
    assert_int_equal(out.n, 0);
    assert_text(h->v, VT_HISTORY, "row0002", "value of row 2");
    assert_text(h->v, VT_HISTORY, "row0003", "value of row 3");
    buf_done(&out);
}

static bool tally_row(void *ctx, struct bytes key, struct bytes value)
{
    (*(int *)ctx)++;
    return true;
}

/* One bit in each byte of one sealed value: nonce, text and tag. */
static void a_flipped_bit_costs_that_row_only(void **state)
{
    struct home *h = *state;
    struct buf out = {0};

    fill(h, 5);
    for (int i = 0; i < 24 + 14 + 16; i++) {
        int seen = 0;
        flip(h, "row0002", i, i % 8);
        open_again(h);
        RC(WAX_E_DAMAGED, vault_get(h->v, VT_HISTORY, BYTES_STR("row0002"), &out));
        RC(WAX_E_DAMAGED,
           vault_scan(h->v, VT_HISTORY, BYTES(NULL, 0), BYTES(NULL, 0), i % 2, tally_row, &seen));
        assert_int_equal(seen, 4);
        assert_text(h->v, VT_HISTORY, "row0001", "value of row 1");
        assert_text(h->v, VT_HISTORY, "row0003", "value of row 3");
        OK(vault_begin(h->v));
        put_text(h->v, VT_HISTORY, "row0002", "value of row 2"); /* it can be written again */
        OK(vault_commit(h->v));
    }
    assert_int_equal(out.n, 0);
    buf_done(&out);
}

static void judge_flipped(struct home *h, int n)
{
    struct buf out = {0};
    struct vault *v;
    char key[16], value[32];
    wax_rc rc = home_try_open(h, h->path, false, 0, &v);

    if (rc != WAX_OK) {
        assert_true(rc == WAX_E_DAMAGED || rc == WAX_E_VERSION || rc == WAX_R_MAC);
        return;
    }
    for (int i = 0; i < n; i++) {
        (void)snprintf(key, sizeof key, "row%04d", i);
        (void)snprintf(value, sizeof value, "value of row %d", i);
        buf_reset(&out);
        rc = vault_get(v, VT_HISTORY, BYTES_STR(key), &out);
        if (rc == WAX_OK)
            assert_true(bytes_eq(buf_view(&out), BYTES_STR(value)));
        else
            assert_true(rc == WAX_E_DAMAGED || rc == WAX_E_NOTFOUND || rc == WAX_E_IO);
    }
    vault_close(v);
    buf_done(&out);
}

/* Anywhere in the file: what opens is right, and nothing falls over. */
static void no_flipped_bit_in_the_file_gives_a_wrong_value(void **state)
{
    struct home *h = *state;
    struct buf whole = {0};

    fill(h, 60);
    home_close(h);
    read_file(h->path, &whole);
    for (int round = 0; round < 300; round++) {
        uint64_t at = home_random(h) % (whole.n * 8);
        if (round < 100)
            at %= 800; /* the header */
        whole.p[at / 8] ^= (uint8_t)(1 << at % 8);
        write_file(h->path, buf_view(&whole));
        judge_flipped(h, 60);
        whole.p[at / 8] ^= (uint8_t)(1 << at % 8);
    }
    buf_done(&whole);
}

static const char canary[] = "CANARY-the-crow-flies-at-midnight";

static void no_plain_value_is_in_any_file(void **state)
{
    struct home *h = *state;
    struct buf all = {0};

    OK(vault_begin(h->v));
    for (enum vault_table t = VT_META; t < VT_COUNT_; t++)
        put_text(h->v, t, "the-row-key-is-readable", canary);
    OK(vault_commit(h->v));
    read_folder(h->folder, &all);
    home_close(h);
    read_folder(h->folder, &all);
    assert_true(holds(&all, BYTES_STR("the-row-key-is-readable")));
    assert_false(holds(&all, BYTES_STR(canary)));
    assert_false(holds(&all, BYTES(h->key.b, 16)));
    buf_done(&all);
}

/* The nonce marks the ciphertext: the tests' random source is known. */
static void what_was_deleted_is_in_no_file(void **state)
{
    struct home *h = *state;
    struct home twin = *h; /* draws the same nonces */
    struct buf all = {0};
    uint8_t nonce[24];

    OK(home_rng(&twin).fill(&twin, nonce, sizeof nonce));
    OK(vault_begin(h->v));
    put_text(h->v, VT_SKIPPED, "a-session-of-16b00000001", "a message key");
    OK(vault_commit(h->v));
    read_folder(h->folder, &all);
    assert_true(holds(&all, BYTES_OF(nonce)));
    OK(vault_begin(h->v));
    OK(vault_del(h->v, VT_SKIPPED, BYTES_STR("a-session-of-16b00000001")));
    RC(WAX_E_INVAL, vault_sqlite_scrub(h->v));
    OK(vault_commit(h->v));
    OK(vault_sqlite_scrub(h->v));
    buf_reset(&all);
    read_folder(h->folder, &all);
    assert_false(holds(&all, BYTES_OF(nonce)));
    assert_false(holds(&all, BYTES_STR("a-session-of-16b")));
    buf_done(&all);
}

static void the_log_does_not_grow_without_end(void **state)
{
    struct home *h = *state;
    struct buf value = {0};
    struct stat st;
    char path[128];

    (void)snprintf(path, sizeof path, "%s-wal", h->path);
    buf_zero(&value, 100000);
    for (int i = 0; i < 60; i++) {
        OK(vault_begin(h->v));
        OK(vault_put(h->v, VT_META, BYTES_STR("k"), buf_view(&value)));
        OK(vault_commit(h->v));
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size < 2 << 20);
    }
    buf_done(&value);
}

/* In a child whose files may not grow: 0 when the vault behaved. */
static int write_until_full(struct home *h)
{
    struct rlimit limit = {300000, 300000};
    struct buf value = {0};
    char key[16];
    wax_rc rc = WAX_OK;
    int committed = 0;

    signal(SIGXFSZ, SIG_IGN);
    buf_zero(&value, 20000);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    for (int i = 0; rc == WAX_OK && i < 1000; i++) {
        (void)snprintf(key, sizeof key, "%04d", i);
        rc = vault_begin(h->v);
        if (rc == WAX_OK)
            rc = vault_put(h->v, VT_HISTORY, BYTES_STR(key), buf_view(&value));
        if (rc == WAX_OK)
            rc = vault_commit(h->v);
        else
            vault_rollback(h->v);
        committed += rc == WAX_OK;
    }
    buf_done(&value);
    if (rc != WAX_E_NOSPC)
        return 2;
    if (committed == 0 || rows(h->v, VT_HISTORY, "") != (uint64_t)committed)
        return 3;
    vault_close(h->v);
    return 0;
}

static void a_full_disk_says_so_and_keeps_what_was_committed(void **state)
{
    struct home *h = *state;
    int status;

    home_close(h); /* SQLite's handles do not cross a fork */
    pid_t child = fork();
    if (child == 0) {
        open_again(h);
        _exit(write_until_full(h));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    open_again(h);
    assert_true(rows(h->v, VT_HISTORY, "") > 0);
    OK(vault_begin(h->v));
    put_text(h->v, VT_META, "after", "all is well");
    OK(vault_commit(h->v));
}

static void a_vault_cannot_be_made_where_there_is_no_room(void **state)
{
    struct home *h = *state;
    struct rlimit limit = {20000, 20000};
    struct vault *v;
    char path[128];
    int status;

    (void)snprintf(path, sizeof path, "%s/second.db", h->folder);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(1);
        _exit(home_try_open(h, path, true, 0, &v) == WAX_E_NOSPC ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static wax_rc no_random(void *ctx, uint8_t *out, size_t n) { return WAX_E_RANDOM; }

static void without_randomness_nothing_is_sealed(void **state)
{
    struct home *h = *state;
    struct rng rng = {no_random, NULL};
    struct buf error = {0};
    char path[128];

    home_close(h);
    OK(vault_sqlite_open(h->path, &h->key, &rng, false, 0, &h->v, &error));
    OK(vault_begin(h->v));
    RC(WAX_E_RANDOM, vault_put(h->v, VT_META, BYTES_STR("k"), BYTES_STR("v")));
    OK(vault_commit(h->v));
    assert_absent(h->v, VT_META, "k");
    (void)snprintf(path, sizeof path, "%s/second.db", h->folder);
    struct vault *v;
    RC(WAX_E_RANDOM, vault_sqlite_open(path, &h->key, &rng, true, 0, &v, &error));
    assert_int_equal(access(path, F_OK), -1);
    buf_done(&error);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, home_new_sqlite, home_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(every_file_is_for_the_owner_alone),
        STORY(closing_leaves_one_file),
        STORY(create_never_writes_over_a_file),
        STORY(create_refuses_the_log_of_a_lost_vault),
        STORY(a_missing_file_is_not_found),
        STORY(another_key_is_told_from_damage),
        STORY(a_newer_schema_is_left_alone),
        STORY(a_lost_table_is_damage),
        STORY(a_file_of_something_else_is_damage_and_is_kept),
        STORY(a_row_moved_to_another_place_does_not_open),
        STORY(a_flipped_bit_costs_that_row_only),
        STORY(no_flipped_bit_in_the_file_gives_a_wrong_value),
        STORY(no_plain_value_is_in_any_file),
        STORY(what_was_deleted_is_in_no_file),
        STORY(the_log_does_not_grow_without_end),
        STORY(a_full_disk_says_so_and_keeps_what_was_committed),
        STORY(a_vault_cannot_be_made_where_there_is_no_room),
        STORY(without_randomness_nothing_is_sealed),
    };

    return cmocka_run_group_tests_name("vault: the SQLite file", tests, NULL, NULL);
}
