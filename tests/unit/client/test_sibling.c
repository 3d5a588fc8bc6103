/* Own devices help each other out: what one missed another hands on, and the sender's signature
 * decides whether it is true. */
#include "stage.h"

#include <stdlib.h>

#include "client/repair.h"

#define HOURS(n) ((uint64_t)(n)*3600000)
#define DAYS(n) HOURS(24 * (n))

static bool handed(void *ctx, uint64_t order, const struct item *it)
{
    (void)order;
    *(unsigned *)ctx += it->handed_on;
    return true;
}

static unsigned handed_on(struct device *d)
{
    unsigned n = 0;

    ok(client_history_each(d->client, NULL, handed, &n));
    return n;
}

static void gone_for_good(struct device *d) { device_stop(d); }

/* Days in which only these two look in. */
static void days(struct stage *s, int n, struct device *x, struct device *y)
{
    for (int day = 0; day < n; day++) {
        world_pass(&s->w, DAYS(1));
        if (x)
            ok(device_receive(x));
        if (y)
            ok(device_receive(y));
    }
}

static void bobs_talk(struct stage *s, int times)
{
    for (int i = 0; i < times; i++) {
        ok(device_receive(s->bob));
        ok(client_flush(s->bob->client, NULL, NULL));
        ok(device_receive(s->bob2));
        ok(client_flush(s->bob2->client, NULL, NULL));
    }
}

static void who_was_away_gets_from_its_sibling_what_the_server_dropped(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, true);
    say(s.ann, BOB, "one");
    say(s.ann2, BOB, "two");
    ok(device_receive(s.bob));
    say(s.bob, ANN, "answer");
    gone_for_good(s.ann); /* they cannot send anything again */
    gone_for_good(s.ann2);
    days(&s, 9, s.bob, NULL);
    bobs_talk(&s, 3);
    assert_int_equal(device_count(s.bob2, "one"), 1);
    assert_int_equal(device_count(s.bob2, "two"), 1);
    assert_int_equal(device_count(s.bob2, "answer"), 1); /* of the sibling itself: repeated */
    assert_int_equal(handed_on(s.bob2), 2);
    assert_int_equal(handed_on(s.bob), 0);
    assert_int_equal(events(s.bob2, ITEM_EXPIRED), 1);
    assert_int_equal(alerts(s.bob2, "tampered"), 0);
    uint64_t left = 1;
    uint8_t key[VAULT_KEY_MAX];
    for (int i = 0; i < 3; i++) { /* asked once more, and told nothing new */
        world_pass(&s.w, HOURS(1) + 1000);
        bobs_talk(&s, 2);
    }
    ok(vault_count(s.bob2->vault, VT_REPAIR,
                   repair_key(REPAIR_CATCHUP, BYTES(NULL, 0), BYTES(NULL, 0), key), &left));
    assert_int_equal(left, 0); /* nothing is asked for any more */
    stage_close(&s);
}

static void a_new_device_is_not_handed_what_is_older_than_it(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, false);
    say(s.ann, BOB, "before");
    all_receive(&s);
    world_pass(&s.w, HOURS(1));
    s.bob2 = world_device(&s.w, BOB, "desk");
    ok(device_link(s.bob, s.bob2, false));
    all_talk(&s);
    ok(vault_begin(s.bob2->vault)); /* it asks for all of two weeks */
    ok(catchup_begin(s.bob2->client, 0));
    ok(vault_commit(s.bob2->vault));
    bobs_talk(&s, 3);
    assert_int_equal(device_count(s.bob2, "before"), 0);
    stage_close(&s);
}

static void an_old_copy_gets_back_what_it_had_read_and_written(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, true);
    struct vault_disk *copy = vault_disk_copy(s.bob2->disk);
    world_pass(&s.w, HOURS(5));
    say(s.ann, BOB, "read once");
    say(s.bob2, ANN, "written once");
    all_receive(&s);
    assert_int_equal(device_count(s.bob2, "read once"), 1);
    ok(device_restore(s.bob2, copy));
    assert_int_equal(device_count(s.bob2, "read once"), 0);
    all_talk(&s);
    assert_int_equal(alerts(s.bob2, "restored"), 1);
    assert_int_equal(device_count(s.bob2, "read once"), 1);
    assert_int_equal(device_count(s.bob2, "written once"), 1);
    stage_close(&s);
}

static void more_than_fits_an_hour_comes_in_the_next_ones(void **state)
{
    struct stage s;
    unsigned n = HAND_MAX + 44;

    (void)state;
    stage_acquainted(&s, true);
    for (unsigned i = 0; i < n; i++)
        say(s.ann, BOB, "one of many");
    ok(device_receive(s.bob));
    gone_for_good(s.ann);
    days(&s, 9, s.bob, NULL);
    bobs_talk(&s, 2);
    assert_in_range(device_count(s.bob2, "one of many"), HAND_MAX - 2, HAND_MAX);
    for (int hour = 0; hour < 2; hour++) {
        world_pass(&s.w, HOURS(1) + 1000);
        bobs_talk(&s, 2);
    }
    assert_int_equal(device_count(s.bob2, "one of many"), n);
    stage_close(&s);
}

static uint64_t asked_since(struct device *d, struct device *of)
{
    struct buf b = {0};
    uint8_t key[VAULT_KEY_MAX];

    ok(vault_get(
        d->vault, VT_REPAIR,
        repair_key(REPAIR_CATCHUP, BYTES_OF(client_dev(of->client)->b), BYTES(NULL, 0), key), &b));
    uint64_t since = get_u64(b.p);
    buf_done(&b);
    return since;
}

static void a_second_absence_does_not_forget_what_the_first_one_lacks(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, true);
    uint64_t first = s.w.now;
    world_pass(&s.w, DAYS(5));
    ok(vault_begin(s.bob2->vault));
    ok(catchup_begin(s.bob2->client, first));
    ok(vault_commit(s.bob2->vault));
    ok(device_receive(s.bob2)); /* asks; nobody answers yet */
    uint64_t since = asked_since(s.bob2, s.bob);
    assert_true(since <= first);
    world_pass(&s.w, HOURS(3));
    ok(vault_begin(s.bob2->vault));
    ok(catchup_begin(s.bob2->client, s.w.now - HOURS(1)));
    ok(vault_commit(s.bob2->vault));
    assert_int_equal(asked_since(s.bob2, s.bob), since);
    stage_close(&s);
}

static void a_server_time_far_ahead_hides_no_later_absence(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, true);
    ok(vault_begin(s.bob2->vault)); /* as after an answer of a server in 2038 */
    ok(meta_put_u64(s.bob2->vault, "drained.server", s.w.now + DAYS(4000)));
    ok(vault_commit(s.bob2->vault));
    ok(device_receive(s.bob2));
    say(s.ann, BOB, "meanwhile");
    ok(device_receive(s.bob));
    gone_for_good(s.ann);
    gone_for_good(s.ann2);
    ok(vault_begin(s.bob2->vault)); /* nor does the server tell of what expired */
    ok(meta_put_u64(s.bob2->vault, "notice.last", UINT64_MAX));
    ok(vault_commit(s.bob2->vault));
    days(&s, 9, s.bob, NULL);
    bobs_talk(&s, 3);
    assert_int_equal(device_count(s.bob2, "meanwhile"), 1);
    stage_close(&s);
}

/* The contact got a new phone while this device was away. */
static void what_a_device_not_known_yet_wrote_comes_after_a_look_up(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, true);
    struct device *fresh = world_device(&s.w, ANN, "tablet");
    ok(device_link(s.ann, fresh, false));
    say(fresh, BOB, "from the tablet");
    say(s.ann, BOB, "from the phone");
    ok(device_receive(s.bob));
    device_stop(fresh);
    fresh->client = NULL;
    gone_for_good(s.ann);
    days(&s, 9, s.bob, NULL);
    for (int hour = 0; hour < 3; hour++) {
        bobs_talk(&s, 2);
        world_pass(&s.w, HOURS(1) + 1000);
    }
    assert_int_equal(device_count(s.bob2, "from the phone"), 1);
    assert_int_equal(device_count(s.bob2, "from the tablet"), 1);
    stage_close(&s);
}

static void what_a_removed_device_wrote_is_not_taken_and_that_is_told(void **state)
{
    struct stage s;
    char id[33] = "";

    (void)state;
    stage_acquainted(&s, true);
    say(s.ann2, BOB, "from the laptop");
    say(s.ann, BOB, "from the phone");
    ok(device_receive(s.bob));
    memcpy(id, s.ann2->dev_hex, sizeof id);
    days(&s, 9, s.bob, NULL);
    ok(client_login(s.ann->client));
    ok(client_revoke(s.ann->client, client_dev(s.ann2->client)));
    gone_for_good(s.ann2);
    ok(client_lookup(s.bob2->client, ANN));
    for (int hour = 0; hour < 14; hour++) {
        bobs_talk(&s, 2);
        world_pass(&s.w, HOURS(1) + 1000);
    }
    assert_int_equal(device_count(s.bob2, "from the phone"), 1);
    assert_int_equal(device_count(s.bob2, "from the laptop"), 0);
    assert_true(alerts(s.bob2, "undecryptable") > 0);
    stage_close(&s);
}

/* A message kept at bob, as bob hands it on after ctx changed it. */
static void hand(struct device *from, struct device *to, const struct kept *k,
                 const struct hash32 *com)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__HandedOn h = WAX__V1__HANDED_ON__INIT;

    h.r32 = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)k->told.r32.b};
    h.content = (ProtobufCBinaryData){k->told.content.n, k->told.content.p};
    h.com = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)com->b};
    h.fanout_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)k->told.fanout.b};
    h.sender_acct = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)k->told.sender.acct.b};
    h.sender_dev = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)k->told.sender.dev.b};
    h.sender_dsk = (ProtobufCBinaryData){65, (uint8_t *)(uintptr_t)k->told.sender.dsk.b};
    h.depth = k->told.depth;
    h.root = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)k->told.root.b};
    h.sig = (ProtobufCBinaryData){64, (uint8_t *)(uintptr_t)k->told.sig.b};
    h.suite = 1;
    m.kind = WAX__V1__KIND__HANDED_ON;
    m.handed_on = &h;
    ok(vault_begin(from->vault));
    ok(device_box(from->client, client_acct(to->client), client_dev(to->client), &m));
    ok(vault_commit(from->vault));
    ok(client_flush(from->client, NULL, NULL));
    ok(device_receive(to));
}

/* Forgets a message that it has, so that it could be handed on again. */
static void forget(struct device *d, const struct hash32 *com, const struct acct_id *sender)
{
    uint64_t order;
    uint8_t key[8];

    ok(vault_begin(d->vault));
    ok(message_find(d->client, com, sender, &order));
    ok(vault_del(d->vault, VT_HISTORY, order_key(order, key)));
    ok(message_unfile(d->client, com, sender));
    ok(vault_del_prefix(d->vault, VT_EVENT, BYTES(NULL, 0)));
    ok(vault_commit(d->vault));
}

static void only_what_its_sender_signed_is_taken_and_only_from_own_devices(void **state)
{
    struct stage s;
    struct hash32 com;

    (void)state;
    stage_acquainted(&s, true);
    ok(device_send(s.ann, BOB, "signed", &com));
    ok(client_flush(s.ann->client, NULL, NULL));
    all_receive(&s);
    const struct acct_id *ann = client_acct(s.ann->client);
    forget(s.bob2, &com, ann);
    for (int what = 0; what < 6; what++) {
        struct kept k = {0};
        ok(kept_load(s.bob->client, &com, &k));
        struct hash32 told = com;
        if (what == 0)
            k.told.content.p[k.told.content.n - 1] ^= 1;
        else if (what == 1)
            k.told.r32.b[0] ^= 1;
        else if (what == 2)
            k.told.root.b[0] ^= 1;
        else if (what == 3)
            k.told.fanout.b[0] ^= 1;
        else if (what == 4)
            k.told.sender.dsk.b[9] ^= 1;
        else
            told.b[3] ^= 1;
        hand(s.bob, s.bob2, &k, &told);
        assert_int_equal(device_count(s.bob2, "signed"), 0);
        assert_true(alerts(s.bob2, "tampered") > 0);
        kept_done(&k);
    }
    struct kept k = {0};
    ok(kept_load(s.bob->client, &com, &k));
    hand(s.ann, s.bob2, &k, &com); /* of another account: not looked at */
    assert_int_equal(device_count(s.bob2, "signed"), 0);
    hand(s.bob, s.bob2, &k, &com);
    assert_int_equal(device_count(s.bob2, "signed"), 1);
    hand(s.bob, s.bob2, &k, &com);
    assert_int_equal(device_count(s.bob2, "signed"), 1);
    assert_int_equal(handed_on(s.bob2), 1);
    kept_done(&k);
    stage_close(&s);
}

static void what_the_sender_does_not_repeat_a_sibling_hands_on(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, true);
    lose_sessions(s.bob2, s.ann);
    say(s.ann, BOB, "asked for in vain");
    ok(device_receive(s.bob));
    ok(device_receive(s.bob2));
    gone_for_good(s.ann);
    gone_for_good(s.ann2);
    assert_int_equal(lines(s.bob2, ITEM_UNREADABLE), 1);
    bobs_talk(&s, 1);
    world_pass(&s.w, HOURS(2));
    bobs_talk(&s, 3);
    assert_int_equal(lines(s.bob2, ITEM_UNREADABLE), 0);
    assert_int_equal(device_count(s.bob2, "asked for in vain"), 1);
    assert_int_equal(handed_on(s.bob2), 1);
    stage_close(&s);
}

static void an_endless_request_is_answered_within_bounds(void **state)
{
    struct stage s;
    uint64_t n = 0;

    (void)state;
    stage_acquainted(&s, true);
    for (int i = 0; i < 20; i++)
        say(s.ann, BOB, "some");
    all_receive(&s);
    for (int i = 0; i < 30; i++) { /* thirty requests in one hour, each for all */
        Wax__V1__Content m = WAX__V1__CONTENT__INIT;
        Wax__V1__RepeatRequest q = WAX__V1__REPEAT_REQUEST__INIT;
        q.since = 1;
        m.kind = WAX__V1__KIND__REPEAT_REQUEST;
        m.repeat = &q;
        ok(vault_begin(s.bob2->vault));
        ok(device_box(s.bob2->client, client_acct(s.bob->client), client_dev(s.bob->client), &m));
        ok(vault_commit(s.bob2->vault));
        ok(client_flush(s.bob2->client, NULL, NULL));
        ok(device_receive(s.bob));
    }
    ok(vault_count(s.bob->vault, VT_OUTBOX, BYTES(NULL, 0), &n));
    assert_in_range(n, 20, HAND_MAX + REPEATS_HOUR);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_was_away_gets_from_its_sibling_what_the_server_dropped),
        cmocka_unit_test(more_than_fits_an_hour_comes_in_the_next_ones),
        cmocka_unit_test(a_second_absence_does_not_forget_what_the_first_one_lacks),
        cmocka_unit_test(a_server_time_far_ahead_hides_no_later_absence),
        cmocka_unit_test(what_a_device_not_known_yet_wrote_comes_after_a_look_up),
        cmocka_unit_test(what_a_removed_device_wrote_is_not_taken_and_that_is_told),
        cmocka_unit_test(a_new_device_is_not_handed_what_is_older_than_it),
        cmocka_unit_test(an_old_copy_gets_back_what_it_had_read_and_written),
        cmocka_unit_test(only_what_its_sender_signed_is_taken_and_only_from_own_devices),
        cmocka_unit_test(what_the_sender_does_not_repeat_a_sibling_hands_on),
        cmocka_unit_test(an_endless_request_is_answered_within_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
