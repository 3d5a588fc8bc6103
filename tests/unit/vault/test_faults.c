/* Each allocation fails once, ours and SQLite's: nothing leaks, nothing is half done. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/mem.h"
#include "home.h"

/* Allocations until the one that fails; 0: none fails. */
static unsigned fail_in;
static bool failed;

static int fault(size_t n)
{
    if (fail_in == 0 || --fail_in > 0)
        return 0;
    failed = true;
    return 1;
}

static sqlite3_mem_methods real;

static void *sqlite_malloc_or_fail(int n) { return fault(0) ? NULL : real.xMalloc(n); }
static void *sqlite_realloc_or_fail(void *p, int n)
{
    return fault(0) ? NULL : real.xRealloc(p, n);
}

static int install(void **state)
{
    sqlite3_mem_methods mine;

    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real), SQLITE_OK);
    mine = real;
    mine.xMalloc = sqlite_malloc_or_fail;
    mine.xRealloc = sqlite_realloc_or_fail;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &mine), SQLITE_OK);
    mem_set_fault(fault);
    /* Thousands of commits, and none of them needs a disk. */
    if (access("/dev/shm", W_OK) == 0)
        assert_int_equal(setenv("TMPDIR", "/dev/shm", 0), 0);
    return 0;
}

static bool look(void *ctx, struct bytes key, struct bytes value)
{
    (*(int *)ctx)++;
    return true;
}

static wax_rc put(struct vault *v, enum vault_table t, const char *key, const char *value)
{
    return vault_put(v, t, BYTES_STR(key), BYTES_STR(value));
}

static wax_rc changes(struct vault *v)
{
    struct buf out = {0};
    uint64_t n;
    int seen = 0;
    wax_rc rc = put(v, VT_META, "a", "new");

    if (rc == WAX_OK)
        rc = put(v, VT_SKIPPED, "session-with-bob1", "new");
    if (rc == WAX_OK)
        rc = vault_del(v, VT_META, BYTES_STR("b"));
    if (rc == WAX_OK)
        rc = vault_scan(v, VT_META, BYTES(NULL, 0), BYTES(NULL, 0), false, look, &seen);
    if (rc == WAX_OK)
        rc = vault_get(v, VT_META, BYTES_STR("a"), &out);
    if (rc == WAX_OK)
        rc = vault_count(v, VT_SKIPPED, BYTES(NULL, 0), &n);
    if (rc == WAX_OK)
        rc = vault_del_prefix(v, VT_SKIPPED, BYTES_STR("session-with-eve"));
    buf_done(&out);
    return rc;
}

/* Opens, changes, commits, closes; the first failure ends it. */
static wax_rc whole_visit(struct home *h)
{
    struct rng rng = home_rng(h);
    struct buf error = {0};
    struct vault *v = NULL;
    wax_rc rc = h->sqlite ? vault_sqlite_open(h->path, &h->key, &rng, false, 0, &v, &error)
                          : vault_memory_open(h->disk, &v);

    if (rc == WAX_OK)
        rc = vault_begin(v);
    if (rc == WAX_OK)
        rc = changes(v);
    if (rc == WAX_OK)
        rc = vault_commit(v);
    vault_close(v);
    buf_done(&error);
    return rc;
}

static void set_up(struct home *h)
{
    OK(vault_begin(h->v));
    for (enum vault_table t = VT_META; t < VT_COUNT_; t++)
        OK(vault_del_prefix(h->v, t, BYTES(NULL, 0)));
    put_text(h->v, VT_META, "a", "old");
    put_text(h->v, VT_META, "b", "old");
    put_text(h->v, VT_SKIPPED, "session-with-eve1", "old");
    put_text(h->v, VT_SKIPPED, "session-with-eve2", "old");
    OK(vault_commit(h->v));
}

static void assert_all_or_nothing(struct home *h, bool all)
{
    assert_string_equal(listing(h->v, VT_META, "", "", false), all ? "a=new " : "a=old b=old ");
    assert_string_equal(listing(h->v, VT_SKIPPED, "", "", false),
                        all ? "session-with-bob1=new "
                            : "session-with-eve1=old session-with-eve2=old ");
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), all ? 1 : 2);
    assert_int_equal(rows(h->v, VT_SKIPPED, "session-with-eve"), all ? 0 : 2);
}

static void each_allocation_may_fail(void **state)
{
    struct home *h = *state;
    unsigned k, refused = 0;

    for (k = 1, failed = true; failed; k++) {
        set_up(h);
        home_close(h);
        failed = false;
        fail_in = k;
        wax_rc rc = whole_visit(h);
        fail_in = 0;
        assert_true(rc == WAX_OK || (rc == WAX_E_NOMEM && failed));
        refused += rc == WAX_E_NOMEM;
        h->v = home_second(h);
        assert_all_or_nothing(h, rc == WAX_OK);
    }
    assert_true(refused > 10);
    print_message("           %u allocations, %u of them matter\n", k - 2, refused);
}

/* Goes on after a failure, as a careless caller would; the commit tells. */
static wax_rc stubborn_visit(struct home *h)
{
    struct rng rng = home_rng(h);
    struct buf error = {0};
    struct vault *v = NULL;
    char key[32];
    wax_rc one = WAX_OK;
    wax_rc rc = vault_sqlite_open(h->path, &h->key, &rng, false, 0, &v, &error);

    if (rc == WAX_OK)
        rc = vault_begin(v);
    for (int i = 0; rc == WAX_OK && i < 6; i++) {
        (void)snprintf(key, sizeof key, "session-with-bob%d", i);
        one = put(v, VT_SKIPPED, key, "new");
        if (one != WAX_OK)
            (void)snprintf(key, sizeof key, "session-with-eve%d", i % 2);
        one = vault_del(v, VT_SKIPPED, BYTES_STR(key));
    }
    if (rc == WAX_OK)
        one = put(v, VT_META, "c", "new");
    (void)one; /* only the commit decides */
    if (rc == WAX_OK)
        rc = vault_commit(v);
    vault_close(v);
    buf_done(&error);
    return rc;
}

static void a_count_never_differs_from_its_rows(void **state)
{
    struct home *h = *state;
    unsigned refused = 0;

    failed = true;
    for (unsigned k = 1; failed; k++) {
        int seen = 0;
        set_up(h);
        home_close(h);
        failed = false;
        fail_in = k;
        wax_rc rc = stubborn_visit(h);
        fail_in = 0;
        assert_true(rc == WAX_OK || (rc == WAX_E_NOMEM && failed));
        refused += rc == WAX_E_NOMEM;
        h->v = home_second(h);
        OK(vault_scan(h->v, VT_SKIPPED, BYTES(NULL, 0), BYTES(NULL, 0), false, look, &seen));
        assert_int_equal(rows(h->v, VT_SKIPPED, ""), seen);
        if (rc != WAX_OK)
            assert_all_or_nothing(h, false);
    }
    assert_true(refused > 10);
}

static void a_vault_is_made_whole_or_not_at_all(void **state)
{
    struct home *h = *state;
    struct rng rng = home_rng(h);
    char path[128];
    unsigned refused = 0;

    (void)snprintf(path, sizeof path, "%s/second.db", h->folder);
    failed = true;
    for (unsigned k = 1; failed; k++) {
        struct buf error = {0};
        struct vault *v = NULL;
        failed = false;
        fail_in = k;
        wax_rc rc = vault_sqlite_open(path, &h->key, &rng, true, 0, &v, &error);
        fail_in = 0;
        buf_done(&error);
        assert_true(rc == WAX_OK || (rc == WAX_E_NOMEM && failed));
        refused += rc == WAX_E_NOMEM;
        vault_close(v);
        /* What is there can be used: it may have been made before the failure. */
        rc = home_try_open(h, path, false, 0, &v);
        assert_true(rc == WAX_OK || rc == WAX_E_NOTFOUND);
        if (rc == WAX_OK) {
            assert_int_equal(rows(v, VT_META, ""), 0);
            vault_close(v);
            assert_int_equal(remove(path), 0);
        }
    }
    assert_true(refused > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_allocation_may_fail, home_new_memory, home_end),
        cmocka_unit_test_setup_teardown(each_allocation_may_fail, home_new_sqlite, home_end),
        cmocka_unit_test_setup_teardown(a_count_never_differs_from_its_rows, home_new_sqlite,
                                        home_end),
        cmocka_unit_test_setup_teardown(a_vault_is_made_whole_or_not_at_all, home_new_sqlite,
                                        home_end),
    };

    return cmocka_run_group_tests_name("vault: no memory", tests, install, NULL);
}
