/* The sentences of vault/vault.h, told over both engines. */
#include <stdio.h>

#include "home.h"

static void what_is_committed_stays(void **state)
{
    struct home *h = *state;

    OK(vault_begin(h->v));
    put_text(h->v, VT_META, "name", "anna");
    put_text(h->v, VT_META, "empty", "");
    OK(vault_commit(h->v));
    home_crash(h);
    assert_text(h->v, VT_META, "name", "anna");
    assert_text(h->v, VT_META, "empty", "");
}

static void a_crash_in_a_transaction_leaves_nothing_of_it(void **state)
{
    struct home *h = *state;

    OK(vault_begin(h->v));
    put_text(h->v, VT_OUTBOX, "1", "first");
    put_text(h->v, VT_OUTBOX, "2", "second");
    OK(vault_commit(h->v));
    OK(vault_begin(h->v));
    put_text(h->v, VT_OUTBOX, "1", "changed");
    OK(vault_del(h->v, VT_OUTBOX, BYTES_STR("2")));
    put_text(h->v, VT_OUTBOX, "3", "third");
    home_crash(h);
    assert_string_equal(listing(h->v, VT_OUTBOX, "", "", false), "1=first 2=second ");
}

static void rollback_brings_everything_back(void **state)
{
    struct home *h = *state;

    OK(vault_begin(h->v));
    put_text(h->v, VT_SID, "a1", "1");
    put_text(h->v, VT_SID, "a2", "2");
    put_text(h->v, VT_SID, "b1", "3");
    OK(vault_commit(h->v));
    OK(vault_begin(h->v));
    OK(vault_del_prefix(h->v, VT_SID, BYTES_STR("a")));
    put_text(h->v, VT_SID, "b1", "new");
    put_text(h->v, VT_PIN, "p", "q");
    vault_rollback(h->v);
    assert_string_equal(listing(h->v, VT_SID, "", "", false), "a1=1 a2=2 b1=3 ");
    assert_absent(h->v, VT_PIN, "p");
    vault_rollback(h->v); /* without a transaction: nothing happens */
    OK(vault_begin(h->v));
    OK(vault_commit(h->v));
}

static void a_transaction_sees_its_own_writes_and_others_do_not(void **state)
{
    struct home *h = *state;
    struct vault *other = home_second(h);

    OK(vault_begin(h->v));
    put_text(h->v, VT_META, "k", "v");
    assert_text(h->v, VT_META, "k", "v");
    assert_int_equal(rows(h->v, VT_META, ""), 1);
    assert_absent(other, VT_META, "k");
    OK(vault_commit(h->v));
    assert_text(other, VT_META, "k", "v");
    vault_close(other);
}

static void a_second_handle_waits_for_its_turn(void **state)
{
    struct home *h = *state;
    struct vault *other = home_second(h);

    OK(vault_begin(h->v));
    RC(WAX_E_BUSY, vault_begin(other));
    OK(vault_commit(h->v));
    OK(vault_begin(other));
    RC(WAX_E_INVAL, vault_begin(other));
    vault_close(other); /* with its transaction open */
    OK(vault_begin(h->v));
    vault_rollback(h->v);
}

static void writes_belong_into_a_transaction(void **state)
{
    struct home *h = *state;
    struct bytes k = BYTES_STR("k");

    RC(WAX_E_INVAL, vault_put(h->v, VT_META, k, k));
    RC(WAX_E_INVAL, vault_del(h->v, VT_META, k));
    RC(WAX_E_INVAL, vault_del_prefix(h->v, VT_META, k));
    RC(WAX_E_INVAL, vault_commit(h->v));
    OK(vault_begin(h->v));
    RC(WAX_E_INVAL, vault_begin(h->v));
    OK(vault_put(h->v, VT_META, k, k));
    OK(vault_commit(h->v));
    RC(WAX_E_INVAL, vault_put(h->v, VT_META, k, k));
}

static void keys_have_bounds_and_tables_have_numbers(void **state)
{
    struct home *h = *state;
    uint8_t longest[VAULT_KEY_MAX + 1];
    struct buf out = {0};

    memset(longest, 0xff, sizeof longest);
    OK(vault_begin(h->v));
    RC(WAX_E_INVAL, vault_put(h->v, VT_META, BYTES(NULL, 0), BYTES_STR("x")));
    RC(WAX_E_INVAL, vault_put(h->v, VT_META, BYTES_OF(longest), BYTES_STR("x")));
    RC(WAX_E_INVAL, vault_put(h->v, (enum vault_table)0, BYTES_STR("k"), BYTES_STR("x")));
    RC(WAX_E_INVAL, vault_put(h->v, VT_COUNT_, BYTES_STR("k"), BYTES_STR("x")));
    RC(WAX_E_INVAL, vault_get(h->v, VT_COUNT_, BYTES_STR("k"), &out));
    RC(WAX_E_INVAL, vault_get(h->v, VT_META, BYTES_OF(longest), &out));
    OK(vault_put(h->v, VT_META, BYTES(longest, VAULT_KEY_MAX), BYTES_STR("far")));
    OK(vault_commit(h->v));
    OK(vault_get(h->v, VT_META, BYTES(longest, VAULT_KEY_MAX), &out));
    assert_int_equal(out.n, 3);
    assert_int_equal(rows(h->v, VT_META, ""), 1);
    assert_int_equal(rows(h->v, VT_META, "\xff\xff"), 1);
    buf_done(&out);
}

static void values_can_be_large_but_not_endless(void **state)
{
    struct home *h = *state;
    struct buf big = {0}, out = {0};

    buf_zero(&big, 3 << 20);
    OK(buf_rc(&big));
    for (size_t i = 0; i < big.n; i++)
        big.p[i] = (uint8_t)(i * 31);
    OK(vault_begin(h->v));
    OK(vault_put(h->v, VT_HISTORY, BYTES_STR("1"), buf_view(&big)));
    RC(WAX_E_TOOBIG,
       vault_put(h->v, VT_HISTORY, BYTES_STR("2"), BYTES(big.p, VAULT_VALUE_MAX + 1)));
    OK(vault_commit(h->v));
    OK(vault_get(h->v, VT_HISTORY, BYTES_STR("1"), &out));
    assert_true(bytes_eq(buf_view(&big), buf_view(&out)));
    assert_absent(h->v, VT_HISTORY, "2");
    buf_done(&big);
    buf_done(&out);
}

static void get_appends_and_leaves_the_buffer_alone_when_it_fails(void **state)
{
    struct home *h = *state;
    struct buf out = {0};

    OK(vault_begin(h->v));
    put_text(h->v, VT_PIN, "k", "tail");
    OK(vault_commit(h->v));
    buf_str(&out, "head ");
    OK(vault_get(h->v, VT_PIN, BYTES_STR("k"), &out));
    RC(WAX_E_NOTFOUND, vault_get(h->v, VT_PIN, BYTES_STR("other"), &out));
    assert_string_equal(buf_cstr(&out), "head tail");
    buf_done(&out);
}

static void put_replaces_and_del_of_nothing_is_fine(void **state)
{
    struct home *h = *state;

    OK(vault_begin(h->v));
    for (enum vault_table t = VT_META; t < VT_COUNT_; t++) {
        put_text(h->v, t, "k", "first");
        put_text(h->v, t, "k", "second, longer");
        OK(vault_del(h->v, t, BYTES_STR("absent")));
        assert_int_equal(rows(h->v, t, ""), 1);
    }
    OK(vault_commit(h->v));
    for (enum vault_table t = VT_META; t < VT_COUNT_; t++)
        assert_text(h->v, t, "k", "second, longer");
    OK(vault_begin(h->v));
    OK(vault_del(h->v, VT_META, BYTES_STR("k")));
    OK(vault_del(h->v, VT_META, BYTES_STR("k")));
    OK(vault_commit(h->v));
    assert_absent(h->v, VT_META, "k");
    assert_text(h->v, VT_PREKEY, "k", "second, longer");
}

static void scans_go_up_and_down_and_on_from_where_they_were(void **state)
{
    struct home *h = *state;
    static const char *const keys[] = {"b", "ab", "a", "c", "b2", "ba", "b1"};

    OK(vault_begin(h->v));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        put_text(h->v, VT_EVENT, keys[i], "-");
    OK(vault_commit(h->v));
    assert_string_equal(listing(h->v, VT_EVENT, "", "", false), "a=- ab=- b=- b1=- b2=- ba=- c=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "", "", true), "c=- ba=- b2=- b1=- b=- ab=- a=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "", false), "b=- b1=- b2=- ba=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "b1", false), "b2=- ba=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "b1", true), "b=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "b11", false), "b2=- ba=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "b11", true), "b1=- b=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "a", false), "b=- b1=- b2=- ba=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "a", true), "");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "c", false), "");
    assert_string_equal(listing(h->v, VT_EVENT, "b", "c", true), "ba=- b2=- b1=- b=- ");
    assert_string_equal(listing(h->v, VT_EVENT, "x", "", false), "");
    assert_int_equal(rows(h->v, VT_EVENT, "b"), 4);
    assert_int_equal(rows(h->v, VT_EVENT, ""), 7);
    assert_int_equal(rows(h->v, VT_EVENT, "x"), 0);
}

static void prefixes_that_end_in_ff_end_where_they_should(void **state)
{
    struct home *h = *state;

    OK(vault_begin(h->v));
    put_text(h->v, VT_SLOT, "a\xff", "1");
    put_text(h->v, VT_SLOT, "a\xff\xff", "2");
    put_text(h->v, VT_SLOT, "b", "3");
    put_text(h->v, VT_SLOT, "\xff", "4");
    put_text(h->v, VT_SLOT, "\xff\x01", "5");
    assert_int_equal(rows(h->v, VT_SLOT, "a\xff"), 2);
    assert_int_equal(rows(h->v, VT_SLOT, "\xff"), 2);
    OK(vault_del_prefix(h->v, VT_SLOT, BYTES_STR("a\xff")));
    OK(vault_commit(h->v));
    assert_string_equal(listing(h->v, VT_SLOT, "", "", false), "b=3 \xff=4 \xff\x01=5 ");
}

struct take {
    struct vault *v;
    int left, seen;
};

static bool take_some(void *ctx, struct bytes key, struct bytes value)
{
    struct take *t = ctx;

    t->seen++;
    return --t->left > 0;
}

static void a_scan_stops_when_told(void **state)
{
    struct home *h = *state;
    struct take t = {h->v, 2, 0};

    OK(vault_begin(h->v));
    for (char c = 'a'; c < 'k'; c++)
        OK(vault_put(h->v, VT_PARKED, BYTES(&c, 1), BYTES(&c, 1)));
    OK(vault_scan(h->v, VT_PARKED, BYTES(NULL, 0), BYTES(NULL, 0), false, take_some, &t));
    assert_int_equal(t.seen, 2);
    OK(vault_commit(h->v));
}

/* Deletes the row it is given, looks at another table, and scans this one again. */
static bool delete_while_looking(void *ctx, struct bytes key, struct bytes value)
{
    struct take *t = ctx, inner = {t->v, 100, 0};

    OK(vault_put(t->v, VT_META, key, value));
    OK(vault_del(t->v, VT_PARKED, key));
    OK(vault_scan(t->v, VT_PARKED, BYTES(NULL, 0), BYTES(NULL, 0), false, take_some, &inner));
    assert_int_equal(inner.seen, 9 - t->seen);
    t->seen++;
    return true;
}

static void rows_may_go_while_they_are_scanned(void **state)
{
    struct home *h = *state;
    struct take t = {h->v, 0, 0};

    OK(vault_begin(h->v));
    for (char c = 'a'; c < 'k'; c++)
        OK(vault_put(h->v, VT_PARKED, BYTES(&c, 1), BYTES(&c, 1)));
    OK(vault_scan(h->v, VT_PARKED, BYTES(NULL, 0), BYTES(NULL, 0), false, delete_while_looking,
                  &t));
    OK(vault_commit(h->v));
    assert_int_equal(t.seen, 10);
    assert_int_equal(rows(h->v, VT_PARKED, ""), 0);
    assert_int_equal(rows(h->v, VT_META, ""), 10);
}

/* VT_SKIPPED and VT_SEEN keep their counts: by session, in all, through every change. */
static void counted_tables_count_right(void **state)
{
    struct home *h = *state;
    char key[32];

    OK(vault_begin(h->v));
    for (int i = 0; i < 40; i++) {
        (void)snprintf(key, sizeof key, "%s%08d", i % 4 ? "session-with-bob" : "session-with-eve",
                       i);
        put_text(h->v, VT_SKIPPED, key, "mk");
        put_text(h->v, VT_SKIPPED, key, "mk again");
    }
    put_text(h->v, VT_SKIPPED, "short", "a key that has no session");
    assert_int_equal(rows(h->v, VT_SKIPPED, "session-with-bob"), 30);
    assert_int_equal(rows(h->v, VT_SKIPPED, "session-with-eve"), 10);
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), 41);
    OK(vault_commit(h->v));
    OK(vault_begin(h->v));
    OK(vault_del(h->v, VT_SKIPPED, BYTES_STR("session-with-bob00000001")));
    OK(vault_del(h->v, VT_SKIPPED, BYTES_STR("session-with-bob00000001")));
    OK(vault_del_prefix(h->v, VT_SKIPPED, BYTES_STR("session-with-eve0000002")));
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), 37);
    vault_rollback(h->v);
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), 41);
    OK(vault_begin(h->v));
    OK(vault_del_prefix(h->v, VT_SKIPPED, BYTES_STR("session-with-eve")));
    assert_int_equal(rows(h->v, VT_SKIPPED, "session-with-eve"), 0);
    assert_int_equal(rows(h->v, VT_SKIPPED, "session-with"), 30);
    OK(vault_del_prefix(h->v, VT_SKIPPED, BYTES_STR("session")));
    assert_int_equal(rows(h->v, VT_SKIPPED, "session-with-bob"), 0);
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), 1);
    OK(vault_del_prefix(h->v, VT_SKIPPED, BYTES(NULL, 0)));
    OK(vault_commit(h->v));
    home_crash(h);
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), 0);
}

static void del_prefix_of_nothing_means_the_whole_table(void **state)
{
    struct home *h = *state;

    OK(vault_begin(h->v));
    put_text(h->v, VT_DEVICE, "a", "1");
    put_text(h->v, VT_DEVICE, "\xff\xff", "2");
    put_text(h->v, VT_PEER, "a", "3");
    OK(vault_del_prefix(h->v, VT_DEVICE, BYTES(NULL, 0)));
    OK(vault_commit(h->v));
    assert_int_equal(rows(h->v, VT_DEVICE, ""), 0);
    assert_int_equal(rows(h->v, VT_PEER, ""), 1);
}

#define CONTRACT(setup)                                                                            \
    {                                                                                              \
        STORY(what_is_committed_stays, setup),                                                     \
            STORY(a_crash_in_a_transaction_leaves_nothing_of_it, setup),                           \
            STORY(rollback_brings_everything_back, setup),                                         \
            STORY(a_transaction_sees_its_own_writes_and_others_do_not, setup),                     \
            STORY(a_second_handle_waits_for_its_turn, setup),                                      \
            STORY(writes_belong_into_a_transaction, setup),                                        \
            STORY(keys_have_bounds_and_tables_have_numbers, setup),                                \
            STORY(values_can_be_large_but_not_endless, setup),                                     \
            STORY(get_appends_and_leaves_the_buffer_alone_when_it_fails, setup),                   \
            STORY(put_replaces_and_del_of_nothing_is_fine, setup),                                 \
            STORY(scans_go_up_and_down_and_on_from_where_they_were, setup),                        \
            STORY(prefixes_that_end_in_ff_end_where_they_should, setup),                           \
            STORY(a_scan_stops_when_told, setup),                                                  \
            STORY(rows_may_go_while_they_are_scanned, setup),                                      \
            STORY(counted_tables_count_right, setup),                                              \
            STORY(del_prefix_of_nothing_means_the_whole_table, setup),                             \
    }

static void the_test_hook_fails_the_nth_write(void **state)
{
    struct home *h = *state;

    OK(vault_begin(h->v));
    vault_memory_fail(h->disk, 2, WAX_E_NOSPC);
    put_text(h->v, VT_META, "a", "1");
    RC(WAX_E_NOSPC, vault_put(h->v, VT_META, BYTES_STR("b"), BYTES_STR("2")));
    put_text(h->v, VT_META, "c", "3");
    vault_memory_fail(h->disk, 1, WAX_E_IO);
    RC(WAX_E_IO, vault_commit(h->v));
    assert_int_equal(rows(h->v, VT_META, ""), 0);
    OK(vault_begin(h->v)); /* the failed commit has ended its transaction */
    put_text(h->v, VT_META, "d", "4");
    OK(vault_commit(h->v));
    vault_memory_fail(h->disk, 0, WAX_E_IO);
    assert_string_equal(listing(h->v, VT_META, "", "", false), "d=4 ");
}

static void a_copied_disk_goes_its_own_way(void **state)
{
    struct home *h = *state;
    struct vault *restored;
    struct buf dump = {0};

    OK(vault_begin(h->v));
    put_text(h->v, VT_PEER, "k", "old state");
    OK(vault_commit(h->v));
    struct vault_disk *backup = vault_disk_copy(h->disk);
    assert_non_null(backup);
    OK(vault_begin(h->v));
    put_text(h->v, VT_PEER, "k", "new state");
    OK(vault_commit(h->v));
    OK(vault_memory_open(backup, &restored));
    assert_text(restored, VT_PEER, "k", "old state");
    OK(vault_begin(restored));
    OK(vault_del(restored, VT_PEER, BYTES_STR("k")));
    OK(vault_commit(restored));
    assert_text(h->v, VT_PEER, "k", "new state");
    vault_disk_dump(h->disk, &dump);
    assert_true(holds(&dump, BYTES_STR("new state")));
    assert_false(holds(&dump, BYTES_STR("old state")));
    buf_done(&dump);
    vault_close(restored);
    vault_disk_free(backup);
}

static void a_memory_vault_without_a_disk_is_gone_at_close(void **state)
{
    struct vault *v;

    OK(vault_memory_open(NULL, &v));
    OK(vault_begin(v));
    put_text(v, VT_META, "k", "v");
    OK(vault_commit(v));
    assert_text(v, VT_META, "k", "v");
    vault_close(v);
    OK(vault_memory_open(NULL, &v));
    assert_absent(v, VT_META, "k");
    vault_close(v);
}

#define STORY(f, setup) cmocka_unit_test_setup_teardown(f, setup, home_end)

int main(void)
{
    const struct CMUnitTest memory[] = CONTRACT(home_new_memory);
    const struct CMUnitTest sqlite[] = CONTRACT(home_new_sqlite);
    const struct CMUnitTest twin[] = {
        STORY(the_test_hook_fails_the_nth_write, home_new_memory),
        STORY(a_copied_disk_goes_its_own_way, home_new_memory),
        STORY(a_memory_vault_without_a_disk_is_gone_at_close, home_new_memory),
    };
    int failed = cmocka_run_group_tests_name("vault contract: memory", memory, NULL, NULL);

    failed += cmocka_run_group_tests_name("vault contract: SQLite", sqlite, NULL, NULL);
    failed += cmocka_run_group_tests_name("vault: the memory twin alone", twin, NULL, NULL);
    return failed;
}
