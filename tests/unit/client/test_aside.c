/* Contents that the box dies of: nothing is lost, nobody waits behind them, and they are tried
 * again ever more rarely (ARCHITECTURE "The box"). Virtual time; the box is a double. */
#include "stage.h"

#include "wire/content_record.h"

#define MINUTE 60000ULL
#define DAY (1440 * MINUTE)

/* Dies of the next contents, or says something else of them; else it does its work. */
static struct {
    unsigned crashes, calls;
    unsigned lives; /* contents that it takes apart before it dies */
    wax_rc says;  /* WAX_OK: its work */
    bool garbage; /* a box that was taken over */
} box;

static wax_rc take_apart(void *ctx, struct bytes content, struct buf *ret_record)
{
    Wax__V1__Content *c = NULL;

    (void)ctx;
    box.calls++;
    if (box.says != WAX_OK)
        return box.says;
    if (box.garbage) {
        buf_str(ret_record, "as you wish");
        return buf_rc(ret_record);
    }
    if (box.lives) {
        box.lives--;
    } else if (box.crashes) {
        box.crashes--;
        return WAX_E_CRASHED;
    }
    wax_rc rc = content_unpack(content, &c);
    if (rc == WAX_OK)
        rc = content_record_encode(c, ret_record);
    content_free(c);
    return rc;
}

static const struct decoder decoder = {take_apart, NULL};

/* Ann and bob have talked; from now on bob's device has a box. */
static void with_a_box(struct stage *s, bool linked)
{
    stage_open(s, linked);
    say(s->ann, BOB, "hello");
    all_receive(s);
    say(s->bob, ANN, "hi");
    all_receive(s);
    memset(&box, 0, sizeof box);
    s->bob->env.decoder = &decoder;
    s->bob->client->env.decoder = &decoder;
}

static unsigned set_aside(struct device *d)
{
    unsigned n = 0;

    ok(client_aside_count(d->client, &n));
    return n;
}

static void what_kills_the_box_is_set_aside_and_delivered_later(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.crashes = 1;
    say(s.ann, BOB, "poison");
    say(s.ann, BOB, "and after it");
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "poison"), 0);
    assert_int_equal(device_count(s.bob, "and after it"), 1); /* nobody waits behind it */
    assert_int_equal(alerts(s.bob, "set_aside"), 1);
    assert_int_equal(set_aside(s.bob), 1);
    unsigned calls = box.calls;
    ok(device_receive(s.bob)); /* acked: it does not come again */
    assert_int_equal(box.calls, calls);

    ok(device_start(s.bob)); /* a new process goes on with it */
    world_pass(&s.w, MINUTE);
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "poison"), 1);
    assert_int_equal(set_aside(s.bob), 0);
    assert_int_equal(alerts(s.bob, "set_aside"), 1);
    say(s.bob, ANN, "the sessions are well");
    all_receive(&s);
    assert_int_equal(device_count(s.ann, "the sessions are well"), 1);
    stage_close(&s);
}

/* When the box was asked again, in minutes after the first time. */
static void the_next_attempts_wait_1_2_4_minutes_up_to_a_day(void **state)
{
    static const uint64_t waits[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440};
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.crashes = 1000;
    say(s.ann, BOB, "poison");
    ok(device_receive(s.bob));
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++) {
        unsigned before = box.calls;
        s.w.now += waits[i] * MINUTE - 1000;
        ok(client_aside_retry(s.bob->client));
        assert_int_equal(box.calls, before); /* not yet */
        s.w.now += 1000;
        ok(client_aside_retry(s.bob->client));
        ok(client_aside_retry(s.bob->client)); /* once, however often somebody looks */
        assert_int_equal(box.calls, before + 1);
    }
    assert_int_equal(alerts(s.bob, "set_aside"), 1);
    assert_int_equal(alerts(s.bob, NULL), 1);
    stage_close(&s);
}

static void after_a_month_it_is_told_as_lost(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.crashes = 1000;
    say(s.ann, BOB, "poison");
    ok(device_receive(s.bob));
    for (int day = 0; day < 29; day++) {
        s.w.now += DAY;
        ok(client_aside_retry(s.bob->client));
    }
    assert_int_equal(set_aside(s.bob), 1);
    assert_int_equal(alerts(s.bob, "given_up"), 0);
    s.w.now += DAY;
    ok(client_aside_retry(s.bob->client));
    assert_int_equal(set_aside(s.bob), 0);
    assert_int_equal(alerts(s.bob, "given_up"), 1);
    unsigned calls = box.calls;
    s.w.now += DAY;
    ok(client_aside_retry(s.bob->client));
    assert_int_equal(box.calls, calls);
    stage_close(&s);
}

static void a_clock_set_back_puts_it_off_by_no_more_than_a_day(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.crashes = 1;
    say(s.ann, BOB, "poison");
    s.bob->skew = 3 * DAY;
    ok(device_receive(s.bob));
    assert_int_equal(set_aside(s.bob), 1);
    s.bob->skew = 0;
    ok(client_aside_retry(s.bob->client));
    assert_int_equal(device_count(s.bob, "poison"), 1);
    stage_close(&s);
}

static void one_device_fills_no_vault(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.crashes = 1000;
    for (int i = 0; i < 66; i++)
        say(s.ann, BOB, "poison");
    ok(device_receive(s.bob));
    assert_int_equal(set_aside(s.bob), 64);
    assert_int_equal(alerts(s.bob, "given_up"), 2); /* each one that is lost is told */
    s.w.now += MINUTE;
    unsigned calls = box.calls;
    ok(client_aside_retry(s.bob->client));
    assert_int_equal(box.calls, calls + 8); /* and a few at a time are tried */
    box.crashes = 0;
    for (int i = 0; i < 9; i++) {
        s.w.now += 2 * MINUTE;
        ok(client_aside_retry(s.bob->client));
    }
    assert_int_equal(device_count(s.bob, "poison"), 64);
    assert_int_equal(set_aside(s.bob), 0);
    stage_close(&s);
}

static void without_a_box_nothing_is_taken_in(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.says = WAX_E_HELPER;
    say(s.ann, BOB, "patience");
    assert_int_equal(device_receive(s.bob), WAX_E_HELPER);
    assert_int_equal(set_aside(s.bob), 0);
    assert_int_equal(alerts(s.bob, NULL), 0);
    box.says = WAX_OK;
    ok(device_receive(s.bob)); /* it was not acked */
    assert_int_equal(device_count(s.bob, "patience"), 1);
    stage_close(&s);
}

static void what_is_no_content_is_refused_as_before(void **state)
{
    struct stage s;
    struct buf before = {0}, after = {0};

    (void)state;
    with_a_box(&s, false);
    box.says = WAX_R_PARSE;
    struct bytes dev = BYTES_OF(client_dev(s.ann->client)->b);
    ok(vault_get(s.bob->vault, VT_PEER, dev, &before));
    say(s.ann, BOB, "junk");
    ok(device_receive(s.bob));
    ok(vault_get(s.bob->vault, VT_PEER, dev, &after));
    assert_true(bytes_eq(buf_view(&before), buf_view(&after)));
    assert_int_equal(alerts(s.bob, "tampered"), 1);
    assert_int_equal(set_aside(s.bob), 0);
    buf_done(&before);
    buf_done(&after);
    stage_close(&s);
}

/* Refused by a box that died of it the first time. */
static void what_turns_out_to_be_no_content_is_refused_late(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.crashes = 1;
    say(s.ann, BOB, "junk");
    ok(device_receive(s.bob));
    box.says = WAX_R_PARSE;
    s.w.now += MINUTE;
    ok(client_aside_retry(s.bob->client));
    assert_int_equal(alerts(s.bob, "tampered"), 1);
    assert_int_equal(set_aside(s.bob), 0);
    stage_close(&s);
}

static void a_box_that_was_taken_over_is_not_believed(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.garbage = true;
    say(s.ann, BOB, "poison");
    ok(device_receive(s.bob));
    assert_int_equal(set_aside(s.bob), 1);
    assert_int_equal(device_count(s.bob, "poison"), 0);
    box.garbage = false;
    s.w.now += MINUTE;
    ok(client_aside_retry(s.bob->client));
    assert_int_equal(device_count(s.bob, "poison"), 1);
    stage_close(&s);
}

/* What a sibling sent is a stranger's, too; it loses nothing on its way round. */
static void own_messages_and_syncs_come_back_as_well(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, true);
    struct device *cyd = world_device(&s.w, "cyd@example.org", "phone");
    ok(device_register(cyd));
    box.crashes = 2;
    say(s.bob2, "cyd@example.org", "from my other device");
    ok(device_receive(s.bob));
    assert_int_equal(set_aside(s.bob), 2); /* the sync of the pin, and the message */
    s.w.now += MINUTE;
    ok(device_receive(s.bob));
    ok(device_receive(s.bob));
    assert_int_equal(set_aside(s.bob), 0);
    assert_int_equal(device_count(s.bob, "from my other device"), 1);
    stage_close(&s);
}

static bool is_handed_on(void *ctx, uint64_t order, const struct item *it)
{
    (void)order;
    *(unsigned *)ctx += it->handed_on;
    return true;
}

/* What a sibling handed on stays that, however late it is read: a content for devices would not be
 * acted on. */
static void what_was_handed_on_comes_back_as_handed_on(void **state)
{
    struct stage s;
    unsigned handed = 0;

    (void)state;
    with_a_box(&s, true);
    lose_sessions(s.bob, s.ann);
    say(s.ann, BOB, "asked for in vain");
    ok(device_receive(s.bob2));
    ok(device_receive(s.bob));
    device_stop(s.ann);
    device_stop(s.ann2);
    ok(client_flush(s.bob->client, NULL, NULL));
    world_pass(&s.w, 120 * MINUTE);
    ok(device_receive(s.bob)); /* now the sibling is asked */
    ok(client_flush(s.bob->client, NULL, NULL));
    ok(device_receive(s.bob2));
    ok(client_flush(s.bob2->client, NULL, NULL));
    box.lives = box.crashes = 1; /* what is around it can be read */
    ok(device_receive(s.bob));
    assert_int_equal(set_aside(s.bob), 1);
    s.w.now += MINUTE;
    ok(client_aside_retry(s.bob->client));
    assert_int_equal(device_count(s.bob, "asked for in vain"), 1);
    ok(client_history_each(s.bob->client, NULL, is_handed_on, &handed));
    assert_int_equal(handed, 1);
    stage_close(&s);
}

static void a_row_that_does_not_open_ends_no_receiving(void **state)
{
    struct stage s;

    (void)state;
    with_a_box(&s, false);
    box.crashes = 1;
    say(s.ann, BOB, "poison");
    ok(device_receive(s.bob));
    ok(vault_begin(s.bob->vault));
    uint8_t order[8];
    ok(vault_put(s.bob->vault, VT_ASIDE_CONTENT, order_key(1, order), BYTES_STR("damaged")));
    ok(vault_commit(s.bob->vault));
    s.w.now += MINUTE;
    say(s.ann, BOB, "goes on");
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "goes on"), 1);
    assert_int_equal(alerts(s.bob, "given_up"), 1);
    assert_int_equal(set_aside(s.bob), 0);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_kills_the_box_is_set_aside_and_delivered_later),
        cmocka_unit_test(the_next_attempts_wait_1_2_4_minutes_up_to_a_day),
        cmocka_unit_test(after_a_month_it_is_told_as_lost),
        cmocka_unit_test(a_clock_set_back_puts_it_off_by_no_more_than_a_day),
        cmocka_unit_test(one_device_fills_no_vault),
        cmocka_unit_test(without_a_box_nothing_is_taken_in),
        cmocka_unit_test(what_is_no_content_is_refused_as_before),
        cmocka_unit_test(what_turns_out_to_be_no_content_is_refused_late),
        cmocka_unit_test(a_box_that_was_taken_over_is_not_believed),
        cmocka_unit_test(own_messages_and_syncs_come_back_as_well),
        cmocka_unit_test(what_was_handed_on_comes_back_as_handed_on),
        cmocka_unit_test(a_row_that_does_not_open_ends_no_receiving),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
