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
        cmocka_unit_test(a_full_list_keeps_nobody_else_out_of_it),
        cmocka_unit_test(strangers_do_not_use_up_the_requests_of_an_hour),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
