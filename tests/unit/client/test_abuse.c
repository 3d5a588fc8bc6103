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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_share_no_session_any_more_find_a_new_one),
        cmocka_unit_test(a_clock_that_is_ahead_does_not_refuse_a_new_device),
        cmocka_unit_test(an_old_silent_message_that_comes_again_is_no_news),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
