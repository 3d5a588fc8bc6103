/* Older schemas: steps are taken in order, each whole or not at all, whatever happens in
 * between. The steps here are the test's own; the real ones are in sqlite_migrate.c. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "home.h"
#include "vault/sqlite_internal.h"

#define NEWEST SQLITE_VAULT_SCHEMA

static int until_kill; /* statements until the process is killed; 0: never */

static wax_rc statement(struct sqlite *h, const char *sql)
{
    if (until_kill && --until_kill == 0)
        (void)raise(SIGKILL);
    return sqlite_exec(h, sql);
}

/* Each takes a few statements, and writes more than a page. */
static wax_rc fill(struct sqlite *h, const char *table)
{
    char sql[200];

    (void)snprintf(sql, sizeof sql, "CREATE TABLE %s (n INTEGER PRIMARY KEY, b BLOB)", table);
    wax_rc rc = statement(h, sql);
    (void)snprintf(sql, sizeof sql,
                   "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 300)"
                   " INSERT INTO %s SELECT n, randomblob(200) FROM c",
                   table);
    if (rc == WAX_OK)
        rc = statement(h, sql);
    (void)snprintf(sql, sizeof sql, "DELETE FROM %s WHERE n > 200", table);
    return rc == WAX_OK ? statement(h, sql) : rc;
}

static wax_rc step_a(struct sqlite *h) { return fill(h, "a"); }
static wax_rc step_b(struct sqlite *h) { return fill(h, "b"); }
static wax_rc step_c(struct sqlite *h) { return fill(h, "c"); }
static const struct schema_step steps[] = {
    {NEWEST + 1, step_a},
    {NEWEST + 2, step_b},
    {NEWEST + 3, step_c},
};

/* The file without the vault around it, which would refuse the test's versions as newer. */
static void raw_open(struct home *h, struct sqlite *ret)
{
    *ret = (struct sqlite){0};
    home_close(h);
    assert_int_equal(sqlite3_open(h->path, &ret->db), SQLITE_OK);
    assert_int_equal(sqlite3_extended_result_codes(ret->db, 1), SQLITE_OK);
}

static int64_t number(struct sqlite *s, const char *sql)
{
    sqlite3_stmt *st;

    assert_int_equal(sqlite3_prepare_v2(s->db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return n;
}

/* The tables are exactly those of the version that the file says; which that is. */
static int whole_version(struct sqlite *s)
{
    int version = 0;
    char sql[80];

    OK(sqlite_version(s, &version));
    for (int i = 0; i < 3; i++) {
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_schema WHERE name = '%c'",
                       'a' + i);
        assert_int_equal(number(s, sql), version > NEWEST + i);
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %c", 'a' + i);
        if (version > NEWEST + i)
            assert_int_equal(number(s, sql), 200);
    }
    assert_int_equal(number(s, "SELECT count(*) FROM history WHERE k = CAST('1' AS BLOB)"), 1);
    return version;
}

static void keep_a_row(struct home *h)
{
    OK(vault_begin(h->v));
    put_text(h->v, VT_HISTORY, "1", "as it was");
    OK(vault_commit(h->v));
}

static void all_steps_are_taken_in_order_and_once(void **state)
{
    struct home *h = *state;
    struct sqlite s;

    keep_a_row(h);
    raw_open(h, &s);
    OK(sqlite_schema_steps(&s, steps, 1));
    assert_int_equal(whole_version(&s), NEWEST + 1);
    OK(sqlite_schema_steps(&s, steps, 3));
    assert_int_equal(whole_version(&s), NEWEST + 3);
    OK(sqlite_schema_steps(&s, steps, 3));
    assert_int_equal(whole_version(&s), NEWEST + 3);
    OK(sqlite_exec(&s, "PRAGMA user_version=1"));
    RC(WAX_E_DAMAGED, sqlite_schema_steps(&s, steps, 3)); /* no step leads on from there */
    assert_int_equal(sqlite3_close(s.db), SQLITE_OK);
}

/* A child takes the steps and dies before its n-th statement. */
static bool killed_at(struct home *h, int n)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct sqlite s;
        until_kill = n;
        raw_open(h, &s);
        _exit(sqlite_schema_steps(&s, steps, 3) == WAX_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

static void a_kill_between_or_inside_steps_leaves_a_whole_version(void **state)
{
    struct home *h = *state;
    struct buf fresh = {0};
    struct sqlite s;
    int n = 1;
    bool killed = true;

    keep_a_row(h);
    home_close(h);
    read_file(h->path, &fresh);
    for (; killed; n++) {
        write_file(h->path, buf_view(&fresh));
        killed = killed_at(h, n);
        raw_open(h, &s);
        assert_int_equal(whole_version(&s), NEWEST + (n - 1) / 3);
        OK(sqlite_schema_steps(&s, steps, 3)); /* opening again goes on */
        assert_int_equal(whole_version(&s), NEWEST + 3);
        assert_int_equal(sqlite3_close(s.db), SQLITE_OK);
    }
    assert_int_equal(n, 3 * 3 + 2); /* nine places to die at, and the run that passes */
    buf_done(&fresh);
}

/* The file may grow to this size only: so the disk is full somewhere in a step. */
static void limit(rlim_t size)
{
    struct rlimit l = {.rlim_cur = size, .rlim_max = RLIM_INFINITY};

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void a_disk_that_is_full_inside_a_step_leaves_a_whole_version(void **state)
{
    struct home *h = *state;
    struct sqlite s;
    unsigned failed = 0;
    wax_rc rc = WAX_E_NOSPC;

    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    keep_a_row(h);
    raw_open(h, &s);
    for (rlim_t size = 4096; rc != WAX_OK; size += 12288) {
        limit(size);
        rc = sqlite_schema_steps(&s, steps, 3);
        limit(RLIM_INFINITY);
        assert_true(rc == WAX_OK || rc == WAX_E_NOSPC || rc == WAX_E_IO);
        failed += rc != WAX_OK;
        (void)whole_version(&s);
    }
    assert_true(failed > 3);
    assert_int_equal(whole_version(&s), NEWEST + 3);
    assert_int_equal(sqlite3_close(s.db), SQLITE_OK);
}

/* The real step: a vault as the schema before had it gains what it lacks when it is opened. */
static void an_older_vault_is_raised_when_it_is_opened(void **state)
{
    struct home *h = *state;
    struct buf report = {0};
    int version;

    keep_a_row(h);
    OK(sqlite_exec(sqlite_of(h->v), "DROP TABLE damaged; DROP TABLE sent; DROP TABLE kept;"
                                    " DROP TABLE repair; PRAGMA user_version=1"));
    home_close(h);
    OK(home_try_open(h, h->path, false, 1000, &h->v));
    OK(sqlite_version(sqlite_of(h->v), &version));
    assert_int_equal(version, NEWEST);
    assert_text(h->v, VT_HISTORY, "1", "as it was");
    OK(vault_sqlite_mend(h->v, &report));
    assert_int_equal(report.n, 0);
    buf_done(&report);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, home_new_sqlite, home_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(all_steps_are_taken_in_order_and_once),
        STORY(a_kill_between_or_inside_steps_leaves_a_whole_version),
        STORY(a_disk_that_is_full_inside_a_step_leaves_a_whole_version),
        STORY(an_older_vault_is_raised_when_it_is_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
