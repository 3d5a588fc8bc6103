/* What contacts, servers and bad luck could make of repair: nothing is lost without a word, nobody
 * is starved, and no wrong clock lasts. */
#include "stage.h"

#include <stdlib.h>

#include "client/repair.h"

#define HOURS(n) ((uint64_t)(n)*3600000)
#define DAYS(n) HOURS(24 * (n))

/* --- Two devices that hold no session in common --- */

static void begin_anew(struct device *d, struct device *with)
{
    struct peer_sessions *p = calloc(1, sizeof *p);

    assert_non_null(p);
    ok(vault_begin(d->vault));
    ok(peer_load(d->client, client_dev(with->client), p));
    p->renew = true;
    ok(peer_store(d->client, p));
    ok(vault_commit(d->vault));
    peer_sessions_wipe(p);
    free(p);
}

static void who_share_no_session_any_more_find_a_new_one(void **state)
{
    struct stage s;
    uint64_t counter;

    (void)state;
    stage_acquainted(&s, false);
    struct vault_disk *copy = vault_disk_copy(s.bob->disk);
    begin_anew(s.ann, s.bob);
    say(s.ann, BOB, "in a new session");
    ok(device_receive(s.bob));
    say(s.bob, ANN, "established");
    ok(device_receive(s.ann));
    for (int day = 0; day < 10; day++) { /* the first one is erased on both sides */
        world_pass(&s.w, DAYS(1));
        say(s.ann, BOB, "daily");
        ok(device_receive(s.bob));
        say(s.bob, ANN, "daily, too");
        ok(device_receive(s.ann));
    }
    ok(meta_get_u64(s.bob->vault, "counter.n", &counter));
    ok(device_restore(s.bob, copy));
    ok(vault_begin(s.bob->vault));
    ok(meta_put_u64(s.bob->vault, "counter.n", counter));
    ok(vault_commit(s.bob->vault));
    say(s.ann, BOB, "do you read me");
    say(s.bob, ANN, "do you");
    for (int hour = 0; hour < 6; hour++) {
        all_talk(&s);
        world_pass(&s.w, HOURS(1) + 1000);
    }
    assert_int_equal(device_count(s.bob, "do you read me"), 1);
    assert_int_equal(device_count(s.ann, "do you"), 1);
    assert_int_equal(lines(s.ann, ITEM_UNREADABLE) + lines(s.bob, ITEM_UNREADABLE), 0);
    stage_close(&s);
}

/* --- A clock that is ahead --- */

static void a_clock_that_is_ahead_does_not_refuse_a_new_device(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    world_pass(&s.w, 660000); /* Bob may look Ann up again */
    s.bob->skew = DAYS(8);
    s.ann2 = world_device(&s.w, ANN, "laptop");
    ok(device_link(s.ann, s.ann2, false));
    say(s.ann2, BOB, "from the laptop");
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "from the laptop"), 1);
    world_pass(&s.w, 120000);
    struct device *third = world_device(&s.w, ANN, "tablet");
    ok(device_link(s.ann, third, false));
    say(third, BOB, "from the tablet");
    ok(device_receive(s.bob));
    assert_int_equal(alerts(s.bob, "undecryptable"), 0);
    for (int i = 0; i < 15; i++) {
        world_pass(&s.w, 60000);
        ok(device_receive(s.bob));
    }
    assert_int_equal(device_count(s.bob, "from the tablet"), 1);
    stage_close(&s);
}

/* --- What the server kept and sends again --- */

static void frames_again(struct device *d, const struct buf *stream)
{
    struct bytes in = buf_view(stream);
    struct frame *f = calloc(1, sizeof *f);
    bool ack;

    assert_non_null(f);
    while (frame_next(&in, f) == WAX_OK)
        ok(client_frame(d->client, f, &ack));
    free(f);
}

static void an_old_silent_message_that_comes_again_is_no_news(void **state)
{
    struct stage s;
    struct buf old = {0};

    (void)state;
    stage_acquainted(&s, false);
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    m.kind = WAX__V1__KIND__CONTROL;
    ok(vault_begin(s.ann->vault));
    ok(device_box(s.ann->client, client_acct(s.bob->client), client_dev(s.bob->client), &m));
    ok(vault_commit(s.ann->vault));
    say(s.ann, BOB, "text");
    ok(device_receive(s.bob));
    buf_bytes(&old, buf_view(&s.bob->taken));
    lose_sessions(s.bob, s.ann);
    say(s.ann, BOB, "text");
    for (int day = 0; day < 16; day++) {
        world_pass(&s.w, DAYS(1));
        all_talk(&s);
    }
    unsigned before = alerts(s.bob, NULL);
    frames_again(s.bob, &old);
    assert_int_equal(alerts(s.bob, NULL), before);
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 0);
    buf_done(&old);
    stage_close(&s);
}

static bool take_key(void *ctx, struct bytes key, struct bytes value)
{
    (void)value;
    buf_lp(ctx, key);
    return true;
}

/* As if the clock had been twelve years ahead when the rows of that table were written. */
static void date_ahead(struct device *d, enum vault_table table, size_t key_n, size_t at)
{
    struct buf keys = {0};

    ok(vault_scan(d->vault, table, BYTES(NULL, 0), BYTES(NULL, 0), false, take_key, &keys));
    struct rd r = rd_init(buf_view(&keys));
    assert_true(r.left > 0);
    while (r.left) {
        struct bytes key = rd_lp(&r, UINT16_MAX);
        struct buf row = {0};
        ok(vault_get(d->vault, table, key, &row));
        if (key.n == key_n) {
            put_u64(row.p + at, d->w->now + DAYS(4000));
            ok(vault_put(d->vault, table, key, buf_view(&row)));
        }
        buf_done(&row);
    }
    buf_done(&keys);
}

static void what_a_wrong_clock_dated_goes_in_its_time(void **state)
{
    static const enum vault_table gone[] = {VT_SKIPPED, VT_KEPT, VT_SENT};
    struct stage s;
    struct buf current = {0};
    uint64_t n;
    uint8_t slot[24] = {1}, skipped[40] = {0};

    (void)state;
    stage_acquainted(&s, false);
    device_stop(s.ann); /* nothing new comes */
    s.ann->client = NULL;
    ok(client_meta_get(s.bob->vault, "prekey.current", &current));
    world_pass(&s.w, DAYS(3));
    ok(device_receive(s.bob)); /* that one is superseded now */
    ok(vault_begin(s.bob->vault));
    ok(vault_put(s.bob->vault, VT_SKIPPED, BYTES_OF(slot), BYTES_OF(skipped)));
    date_ahead(s.bob, VT_SKIPPED, 24, 32);
    date_ahead(s.bob, VT_KEPT, 32, 0);
    date_ahead(s.bob, VT_SENT, 32, 1);
    date_ahead(s.bob, VT_PREKEY, 16, 1 + 32 + 64);
    ok(vault_commit(s.bob->vault));
    for (int day = 0; day < 40; day++) {
        world_pass(&s.w, DAYS(1));
        ok(device_receive(s.bob));
    }
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        ok(vault_count(s.bob->vault, gone[i], BYTES(NULL, 0), &n));
        assert_int_equal(n, 0);
    }
    ok(vault_count(s.bob->vault, VT_PREKEY, buf_view(&current), &n));
    assert_int_equal(n, 0);
    buf_done(&current);
    stage_close(&s);
}

static void the_oldest_slots_go_when_there_are_too_many(void **state)
{
    struct stage s;
    uint64_t n;
    uint8_t key[24] = {7}, row[40] = {0};
    struct buf first = {0};

    (void)state;
    stage_acquainted(&s, false);
    ok(vault_begin(s.bob->vault));
    for (uint32_t i = 0; i < SLOTS_ALL_MAX + 10; i++) {
        put_u32(key + 20, SLOTS_ALL_MAX + 10 - i);
        put_u64(row + 32, s.w.now + i);
        ok(vault_put(s.bob->vault, VT_SLOT, BYTES_OF(key), BYTES_OF(row)));
    }
    ok(vault_commit(s.bob->vault));
    world_pass(&s.w, HOURS(7));
    ok(device_receive(s.bob));
    ok(vault_count(s.bob->vault, VT_SLOT, BYTES(NULL, 0), &n));
    assert_int_equal(n, SLOTS_ALL_MAX);
    ok(vault_get(s.bob->vault, VT_SLOT, BYTES_OF(key), &first)); /* the newest stays */
    put_u32(key + 20, SLOTS_ALL_MAX + 10);
    assert_int_equal(vault_get(s.bob->vault, VT_SLOT, BYTES_OF(key), &first), WAX_E_NOTFOUND);
    buf_done(&first);
    stage_close(&s);
}

/* --- A list that somebody fills --- */

/* Rows of that many made-up devices, each with n messages. */
static void fill_list(struct device *d, unsigned devices, unsigned n)
{
    struct hash32 com = {{0}};
    struct dev_id dev = {{0}};
    uint8_t key[VAULT_KEY_MAX], row[41] = {0};

    put_u64(row, d->w->now);
    ok(vault_begin(d->vault));
    for (unsigned i = 0; i < devices; i++)
        for (unsigned k = 0; k < n; k++) {
            put_u32(dev.b, i);
            put_u32(com.b, k);
            ok(vault_put(d->vault, VT_REPAIR,
                         repair_key(REPAIR_UNREAD, BYTES_OF(dev.b), BYTES_OF(com.b), key),
                         BYTES_OF(row)));
        }
    ok(vault_commit(d->vault));
}

static void a_full_list_keeps_nobody_else_out_of_it(void **state)
{
    struct stage s;
    uint64_t n;
    uint8_t key[VAULT_KEY_MAX];

    (void)state;
    stage_acquainted(&s, false);
    fill_list(s.bob, 10, UNREAD_DEVICE_MAX);
    lose_sessions(s.bob, s.ann);
    say(s.ann, BOB, "one");
    say(s.ann, BOB, "two");
    ok(device_receive(s.bob));
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 2);
    ok(vault_count(s.bob->vault, VT_REPAIR,
                   repair_key(REPAIR_UNREAD, BYTES(NULL, 0), BYTES(NULL, 0), key), &n));
    assert_int_equal(n, UNREAD_ALL_MAX);
    assert_int_equal(alerts(s.bob, "undecryptable"), 4); /* two that came, and two given up */
    all_talk(&s);
    assert_int_equal(device_count(s.bob, "one"), 1);
    assert_int_equal(device_count(s.bob, "two"), 1);
    stage_close(&s);
}

static void strangers_do_not_use_up_the_requests_of_an_hour(void **state)
{
    struct stage s;
    bool may = true;

    (void)state;
    stage_acquainted(&s, false);
    ok(vault_begin(s.bob->vault)); /* what strangers may cause, and one more */
    ok(budget_take(s.bob->client, BUDGET_ASK, NULL, ASK_HOUR / 2, ASK_HOUR, &may));
    ok(vault_commit(s.bob->vault));
    struct device *cyd = world_device(&s.w, "cyd@example.org", "phone");
    ok(device_register(cyd));
    say(cyd, BOB, "hello");
    ok(device_receive(s.bob));
    lose_sessions(s.bob, cyd);
    lose_sessions(s.bob, s.ann);
    ok(vault_begin(s.bob->vault));
    ok(vault_del_prefix(s.bob->vault, VT_PREKEY, BYTES(NULL, 0)));
    ok(vault_commit(s.bob->vault));
    say(cyd, BOB, "who are you");
    ok(device_receive(s.bob));
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 1);
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 0);
    say(s.ann, BOB, "it is me");
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1);
    world_pass(&s.w, HOURS(1) + 1000);
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 3); /* Ann once more, and now the stranger */
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_share_no_session_any_more_find_a_new_one),
        cmocka_unit_test(a_clock_that_is_ahead_does_not_refuse_a_new_device),
        cmocka_unit_test(an_old_silent_message_that_comes_again_is_no_news),
        cmocka_unit_test(what_a_wrong_clock_dated_goes_in_its_time),
        cmocka_unit_test(the_oldest_slots_go_when_there_are_too_many),
        cmocka_unit_test(a_full_list_keeps_nobody_else_out_of_it),
        cmocka_unit_test(strangers_do_not_use_up_the_requests_of_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
