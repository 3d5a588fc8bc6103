/* Processes that share one file, and processes that die. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "home.h"

static uint64_t number(struct vault *v, const char *key)
{
    struct buf out = {0};
    wax_rc rc = vault_get(v, VT_META, BYTES_STR(key), &out);

    assert_true(rc == WAX_OK || rc == WAX_E_NOTFOUND);
    uint64_t n = rc == WAX_OK ? get_u64(out.p) : 0;
    buf_done(&out);
    return n;
}

static wax_rc put_number(struct vault *v, enum vault_table t, const char *key, uint64_t n)
{
    uint8_t b[8];

    put_u64(b, n);
    return vault_put(v, t, BYTES_STR(key), BYTES_OF(b));
}

/* One transaction: the counter rises, and a row is written for the new number. */
static wax_rc count_one_up(struct vault *v)
{
    char key[32];
    wax_rc rc = vault_begin(v);

    if (rc != WAX_OK)
        return rc;
    uint64_t n = number(v, "n") + 1;
    (void)snprintf(key, sizeof key, "%08llu", (unsigned long long)n);
    rc = put_number(v, VT_META, "n", n);
    if (rc == WAX_OK)
        rc = put_number(v, VT_SKIPPED, key, n);
    if (rc == WAX_OK)
        rc = vault_commit(v);
    else
        vault_rollback(v);
    return rc;
}

/* Tells each committed number, and between commits writes what must never be seen. */
static void work_until_killed(struct home *h, int pipe_end)
{
    struct vault *v = NULL;

    if (home_try_open(h, h->path, false, 5000, &v) != WAX_OK)
        _exit(1);
    for (;;) {
        if (count_one_up(v) != WAX_OK)
            _exit(2);
        uint64_t n = number(v, "n");
        if (write(pipe_end, &n, sizeof n) != sizeof n)
            _exit(3);
        if (vault_begin(v) != WAX_OK || put_number(v, VT_META, "n", n + 1000) != WAX_OK ||
            put_number(v, VT_META, "dirty", n) != WAX_OK)
            _exit(4);
        if (n % 3)
            vault_rollback(v);
        else
            vault_close(v); /* a commit may never follow */
        if (n % 3 == 0 && home_try_open(h, h->path, false, 5000, &v) != WAX_OK)
            _exit(5);
    }
}

static uint64_t kill_after(pid_t child, int pipe_end, int reports)
{
    uint64_t told = 0, n;
    int status;

    while (reports-- && read(pipe_end, &n, sizeof n) == sizeof n)
        told = n;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it was still at work */
    while (read(pipe_end, &n, sizeof n) == sizeof n)
        told = n;
    return told;
}

static void what_was_committed_outlives_kill_9(void **state)
{
    struct home *h = *state;

    home_close(h); /* SQLite's handles do not cross a fork */
    for (int round = 0; round < 40; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            (void)close(ends[0]);
            work_until_killed(h, ends[1]);
        }
        (void)close(ends[1]);
        uint64_t told = kill_after(child, ends[0], 1 + (int)(home_random(h) % 12));
        (void)close(ends[0]);
        OK(home_try_open(h, h->path, false, 5000, &h->v));
        uint64_t n = number(h->v, "n");
        /* The one commit after the last report may have come through. */
        assert_in_range(n, told, told + 1);
        assert_int_equal(rows(h->v, VT_SKIPPED, ""), n);
        assert_absent(h->v, VT_META, "dirty");
        home_close(h);
    }
}

/* keep: one handle for all; else the vault is opened and closed each time, which also races
 * with the removal of the log. */
static int count_up(struct home *h, int times, bool keep)
{
    struct vault *v = NULL;

    for (int i = 0; i < times; i++) {
        if (!v && home_try_open(h, h->path, false, 20000, &v) != WAX_OK)
            return 1;
        if (count_one_up(v) != WAX_OK)
            return 2;
        if (!keep) {
            vault_close(v);
            v = NULL;
        }
    }
    vault_close(v);
    return 0;
}

static void several_processes_write_to_one_file(void **state)
{
    struct home *h = *state;
    pid_t child[4];
    int status;

    home_close(h);
    for (int i = 0; i < 4; i++) {
        child[i] = fork();
        if (child[i] == 0)
            _exit(count_up(h, 50, i < 2));
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(waitpid(child[i], &status, 0), child[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    OK(home_try_open(h, h->path, false, 5000, &h->v));
    assert_int_equal(number(h->v, "n"), 200);
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), 200);
}

/* Holds a transaction from the first byte that it writes to the first that it gets. */
static pid_t start_holder(struct home *h, int *said, int *tell)
{
    int up[2], down[2];

    assert_int_equal(pipe(up), 0);
    assert_int_equal(pipe(down), 0);
    pid_t child = fork();
    if (child == 0) {
        struct vault *v = NULL;
        char c = 'h';
        (void)close(down[1]);
        if (home_try_open(h, h->path, false, 0, &v) != WAX_OK || vault_begin(v) != WAX_OK ||
            write(up[1], &c, 1) != 1)
            _exit(1);
        if (read(down[0], &c, 1) == 1)
            (void)usleep(100000); /* the other is waiting by now */
        vault_rollback(v);
        vault_close(v);
        _exit(0);
    }
    (void)close(up[1]);
    (void)close(down[0]);
    *said = up[0];
    *tell = down[1];
    return child;
}

static void a_lock_is_waited_for_but_not_for_ever(void **state)
{
    struct home *h = *state;
    int said, tell, status;
    struct vault *patient = NULL, *hasty = NULL;
    char c;

    home_close(h);
    pid_t child = start_holder(h, &said, &tell);
    assert_int_equal(read(said, &c, 1), 1);
    OK(home_try_open(h, h->path, false, 50, &hasty)); /* opening and reading need no lock */
    assert_int_equal(number(hasty, "n"), 0);
    RC(WAX_E_BUSY, vault_begin(hasty));
    OK(home_try_open(h, h->path, false, 20000, &patient));
    assert_int_equal(write(tell, "x", 1), 1);
    OK(vault_begin(patient));
    vault_close(patient);
    OK(vault_begin(hasty));
    vault_close(hasty);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    (void)close(said);
    (void)close(tell);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, home_new_sqlite, home_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_was_committed_outlives_kill_9),
        STORY(several_processes_write_to_one_file),
        STORY(a_lock_is_waited_for_but_not_for_ever),
    };

    return cmocka_run_group_tests_name("vault: processes", tests, NULL, NULL);
}
