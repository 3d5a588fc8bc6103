/* Repair: what cannot be read is listed, asked for and comes again, by itself and within bounds. */
#include "stage.h"

#include <stdlib.h>

#include "client/repair.h"

#define HOURS(n) ((uint64_t)(n)*3600000)
#define DAYS(n) HOURS(24 * (n))

struct texts {
    struct buf all;
};

static bool add_text(void *ctx, uint64_t order, const struct item *it)
{
    struct texts *t = ctx;

    (void)order;
    if (!it->own)
        buf_bytes(&t->all, buf_view(&it->text));
    return true;
}

static void reads(struct device *d, const char *with, const char *want)
{
    struct texts t = {0};

    ok(client_history_each(d->client, with, add_text, &t));
    if (!bytes_eq(buf_view(&t.all), BYTES_STR(want)))
        fail_msg("reads \"%.*s\"", (int)t.all.n, (const char *)t.all.p);
    buf_done(&t.all);
}

static void an_unreadable_message_comes_again_by_itself_in_its_place(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    lose_sessions(s.bob, s.ann);
    say(s.ann, BOB, "one");
    say(s.ann, BOB, "two");
    ok(device_receive(s.bob));
    assert_int_equal(alerts(s.bob, "undecryptable"), 2);
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 2);
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1); /* one request for both */
    assert_int_equal(waiting(s.bob), 0);               /* and nothing that people see */
    ok(client_flush(s.bob->client, NULL, NULL));
    ok(device_receive(s.ann));
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 2);
    assert_int_equal(waiting(s.ann), 0);
    say(s.ann, BOB, "three");
    ok(device_receive(s.bob));
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 0);
    reads(s.bob, ANN, "helloonetwothree");
    assert_int_equal(events(s.ann, ITEM_MESSAGE), 1); /* the request is no message */
    all_talk(&s);
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 0);
    stage_close(&s);
}

static void a_device_is_asked_once_an_hour_for_all_that_is_missing(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    lose_sessions(s.bob, s.ann);
    say(s.ann, BOB, "one");
    ok(device_receive(s.bob));
    say(s.ann, BOB, "two");
    say(s.ann, BOB, "three");
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1);
    ok(client_flush(s.bob->client, NULL, NULL));
    world_pass(&s.w, HOURS(1) + 1000);
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1); /* for two and three, and one once more */
    all_talk(&s);
    reads(s.bob, ANN, "helloonetwothree");
    stage_close(&s);
}

/* What stands in the vault of a sender about a message. */
static unsigned repeats_of(struct device *d, const struct hash32 *com, const struct dev_id *dev)
{
    struct sent *x = calloc(1, sizeof *x);

    assert_non_null(x);
    ok(sent_load(d->client, com, x));
    const struct sent_dev *e = sent_find(x, dev);
    unsigned n = e ? e->repeats : 0;
    free(x);
    return n;
}

/* A request for one com, as any contact could write it. */
static void ask_for(struct device *d, struct device *whom, const struct hash32 *com)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__RepeatRequest q = WAX__V1__REPEAT_REQUEST__INIT;
    ProtobufCBinaryData one = {32, (uint8_t *)(uintptr_t)com->b};

    q.n_coms = 1;
    q.coms = &one;
    m.kind = WAX__V1__KIND__REPEAT_REQUEST;
    m.repeat = &q;
    ok(vault_begin(d->vault));
    ok(device_box(d->client, client_acct(whom->client), client_dev(whom->client), &m));
    ok(vault_commit(d->vault));
    ok(client_flush(d->client, NULL, NULL));
    ok(device_receive(whom));
}

static void a_message_is_repeated_three_times_and_no_more(void **state)
{
    struct stage s;
    struct hash32 com;

    (void)state;
    stage_acquainted(&s, false);
    ok(device_send(s.ann, BOB, "again and again", &com));
    ok(client_flush(s.ann->client, NULL, NULL));
    ok(device_receive(s.bob));
    for (unsigned i = 0; i < 6; i++) {
        ask_for(s.bob, s.ann, &com);
        assert_int_equal(queued(s.ann, OUTBOX_REPEAT), i < 3 ? 1 : 0);
        ask_for(s.bob, s.ann, &com); /* one is on its way */
        assert_int_equal(queued(s.ann, OUTBOX_REPEAT), i < 3 ? 1 : 0);
        ok(client_flush(s.ann->client, NULL, NULL));
        assert_int_equal(repeats_of(s.ann, &com, client_dev(s.bob->client)), i < 3 ? i + 1 : 3);
        ok(device_receive(s.bob));
    }
    assert_int_equal(device_count(s.bob, "again and again"), 1);
    stage_close(&s);
}

static void nobody_else_gets_a_message_by_asking(void **state)
{
    struct stage s;
    struct hash32 com;

    (void)state;
    stage_acquainted(&s, false);
    struct device *cyd = world_device(&s.w, "cyd@example.org", "phone");
    ok(device_register(cyd));
    say(cyd, ANN, "who are you");
    ok(device_receive(s.ann));
    say(s.ann, "cyd@example.org", "ann");
    ok(device_receive(cyd));
    ok(device_send(s.ann, BOB, "for bob alone", &com));
    ok(client_flush(s.ann->client, NULL, NULL));
    ask_for(cyd, s.ann, &com);
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 0);
    /* Nor one of Bob's that was not there then. */
    s.bob2 = world_device(&s.w, BOB, "desk");
    ok(device_link(s.bob, s.bob2, false));
    ok(client_lookup(s.ann->client, BOB));
    ok(client_lookup(s.bob2->client, ANN));
    ask_for(s.bob2, s.ann, &com);
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 0);
    stage_close(&s);
}

static void what_is_two_weeks_old_is_not_repeated_and_not_kept(void **state)
{
    struct stage s;
    struct hash32 com;
    uint64_t left = 1;

    (void)state;
    stage_acquainted(&s, false);
    ok(device_send(s.ann, BOB, "old", &com));
    ok(client_flush(s.ann->client, NULL, NULL));
    ok(device_receive(s.bob));
    for (int day = 0; day < 14; day++) {
        world_pass(&s.w, DAYS(1));
        ok(device_receive(s.ann));
        ok(device_receive(s.bob));
    }
    world_pass(&s.w, HOURS(2));
    ask_for(s.bob, s.ann, &com);
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 0);
    world_pass(&s.w, DAYS(2));
    ok(device_receive(s.ann));
    ok(vault_count(s.ann->vault, VT_SENT, BYTES_OF(com.b), &left));
    assert_int_equal(left, 0);
    stage_close(&s);
}

static void what_never_comes_again_is_given_up_aloud(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    lose_sessions(s.bob, s.ann);
    say(s.ann, BOB, "lost");
    ok(device_receive(s.bob));
    device_stop(s.ann); /* for good */
    s.ann->client = NULL;
    unsigned asked = 0;
    for (int day = 0; day < 16; day++) {
        asked += queued(s.bob, OUTBOX_DEVICE);
        ok(client_flush(s.bob->client, NULL, NULL));
        world_pass(&s.w, DAYS(1));
        ok(device_receive(s.bob));
    }
    assert_in_range(asked, 2, ASKS_MAX);
    assert_int_equal(alerts(s.bob, "undecryptable"), 2); /* when it came, and that it is lost */
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 1);
    stage_close(&s);
}

/* 4.8: Bob, who lost the newer session, asks in the older one; the newer is for reading only then,
 * and both go on in the session of the request. */
static void the_answer_comes_in_the_session_of_the_request(void **state)
{
    struct stage s;
    struct hash32 com;

    (void)state;
    stage_acquainted(&s, false);
    struct vault_disk *before = vault_disk_copy(s.bob->disk);
    struct peer_sessions *p = calloc(1, sizeof *p);
    assert_non_null(p);
    ok(vault_begin(s.ann->vault));
    ok(peer_load(s.ann->client, client_dev(s.bob->client), p));
    p->renew = true; /* Ann begins a newer one */
    ok(peer_store(s.ann->client, p));
    ok(vault_commit(s.ann->vault));
    ok(device_send(s.ann, BOB, "in the newer", &com));
    ok(client_flush(s.ann->client, NULL, NULL));
    struct sid newer = {0};
    ok(peer_load(s.ann->client, client_dev(s.bob->client), p));
    newer = session_choose(p)->sid;
    /* Bob's disk is as before, without what opens the INIT. */
    uint64_t counter;
    ok(meta_get_u64(s.bob->vault, "counter.n", &counter));
    device_stop(s.bob);
    vault_disk_free(s.bob->disk);
    s.bob->disk = before;
    ok(device_start(s.bob));
    ok(vault_begin(s.bob->vault));
    ok(meta_put_u64(s.bob->vault, "counter.n", counter));
    ok(vault_del_prefix(s.bob->vault, VT_PREKEY, BYTES(NULL, 0)));
    ok(vault_commit(s.bob->vault));
    ok(device_receive(s.bob));
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 1);
    ok(client_flush(s.bob->client, NULL, NULL));
    ok(device_receive(s.ann));
    ok(peer_load(s.ann->client, client_dev(s.bob->client), p));
    assert_true(session_find(p, &newer)->reading_only);
    assert_memory_not_equal(session_choose(p)->sid.b, newer.b, sizeof newer.b);
    ok(client_flush(s.ann->client, NULL, NULL));
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "in the newer"), 1);
    say(s.ann, BOB, "on");
    say(s.bob, ANN, "and on");
    all_receive(&s);
    assert_int_equal(device_count(s.bob, "on"), 1);
    assert_int_equal(device_count(s.ann, "and on"), 1);
    assert_int_equal(alerts(s.bob, "undecryptable"), 1);
    assert_int_equal(alerts(s.ann, "session_reset") + alerts(s.bob, "session_reset"), 0);
    peer_sessions_wipe(p);
    free(p);
    stage_close(&s);
}

static void an_old_copy_gets_again_what_it_cannot_read(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    struct vault_disk *copy = vault_disk_copy(s.bob->disk);
    say(s.bob, ANN, "the copy does not know this");
    ok(device_receive(s.bob)); /* connects: the counter rises */
    say(s.ann, BOB, "in the old session");
    device_stop(s.bob);
    vault_disk_free(s.bob->disk);
    s.bob->disk = copy;
    ok(device_start(s.bob));
    ok(device_receive(s.bob));
    assert_int_equal(alerts(s.bob, "restored"), 1);
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 1);
    all_talk(&s);
    assert_int_equal(device_count(s.bob, "in the old session"), 1);
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 0);
    stage_close(&s);
}

/* --- Expiry --- */

static unsigned expiries(struct device *d, enum item_state state)
{
    uint64_t seq = 0;
    unsigned n = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, SHOWN_DONE + 1, &seq, &shown, &it) != WAX_OK)
            return n;
        n += it.type == ITEM_EXPIRED && it.own && it.state == state;
        item_done(&it);
    }
}

static void days_with(struct stage *s, struct device *d, int days)
{
    for (int day = 0; day < days; day++) {
        world_pass(&s->w, DAYS(1));
        ok(device_receive(d));
        ok(client_flush(d->client, NULL, NULL));
    }
}

static void an_expired_message_is_sent_again_until_it_is_fetched(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    say(s.ann, BOB, "patience");
    days_with(&s, s.ann, 16);
    assert_int_equal(expiries(s.ann, ITEM_QUEUED), 2);
    assert_int_equal(lines(s.ann, ITEM_EXPIRED_OUT), 0);
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "patience"), 1);
    days_with(&s, s.ann, 10);
    assert_int_equal(expiries(s.ann, ITEM_QUEUED) + expiries(s.ann, ITEM_EXPIRED_OUT), 2);
    stage_close(&s);
}

static void after_three_repeats_the_sender_is_told_the_end(void **state)
{
    struct stage s;
    struct hash32 com;

    (void)state;
    stage_acquainted(&s, false);
    ok(device_send(s.ann, BOB, "nobody there", &com));
    ok(client_flush(s.ann->client, NULL, NULL));
    days_with(&s, s.ann, 29);
    assert_int_equal(expiries(s.ann, ITEM_QUEUED), 3);
    assert_int_equal(expiries(s.ann, ITEM_EXPIRED_OUT), 1);
    assert_int_equal(lines(s.ann, ITEM_EXPIRED_OUT), 1);
    days_with(&s, s.ann, 20);
    assert_int_equal(expiries(s.ann, ITEM_QUEUED) + expiries(s.ann, ITEM_EXPIRED_OUT), 4);
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 0);
    stage_close(&s);
}

static void a_dormant_device_gets_no_repeat_and_the_sender_is_told(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    days_with(&s, s.ann, 25); /* Bob's bundle has five days left */
    say(s.ann, BOB, "too late");
    days_with(&s, s.ann, 10);
    assert_int_equal(expiries(s.ann, ITEM_QUEUED), 1);
    assert_int_equal(expiries(s.ann, ITEM_EXPIRED_OUT), 1);
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 0);
    stage_close(&s);
}

/* Notices live as long as messages: who was away for longer than both cannot know. */
static void a_sender_who_was_away_too_long_is_told_and_sends_again(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    say(s.ann, BOB, "are you there");
    ok(device_receive(s.ann));
    world_pass(&s.w, DAYS(8));
    world_pass(&s.w, DAYS(8));
    ok(device_receive(s.ann));
    assert_int_equal(expiries(s.ann, ITEM_QUEUED), 2); /* of the hello it cannot know, either */
    ok(client_flush(s.ann->client, NULL, NULL));
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "are you there"), 1);
    assert_int_equal(device_count(s.bob, "hello"), 1);
    ok(device_receive(s.ann));
    assert_int_equal(expiries(s.ann, ITEM_QUEUED), 2);
    stage_close(&s);
}

static void what_was_sealed_long_ago_is_sealed_anew(void **state)
{
    struct stage s;
    struct hash32 com;

    (void)state;
    stage_acquainted(&s, false);
    ok(device_send(s.ann, BOB, "late", &com));
    stage_tap(&s, s.ann);
    s.wire.die_before = 2; /* looked up and sealed, not posted */
    assert_int_equal(client_flush(s.ann->client, NULL, NULL), WAX_E_CANCELLED);
    stage_untap(&s, s.ann);
    ok(device_start(s.ann));
    for (int day = 0; day < 20; day++) { /* Bob goes on: what opened it is gone by now */
        world_pass(&s.w, DAYS(1));
        ok(device_receive(s.bob));
    }
    lose_sessions(s.bob, s.ann);
    lose_sessions(s.ann, s.bob);
    ok(client_flush(s.ann->client, NULL, NULL));
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "late"), 1);
    assert_int_equal(alerts(s.bob, "undecryptable"), 0);
    stage_close(&s);
}

/* --- Control messages --- */

static void twenty_five_messages_without_an_answer_bring_one_control_message(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    for (int i = 0; i < 24; i++)
        say(s.ann, BOB, "and another");
    ok(device_receive(s.bob));
    world_pass(&s.w, HOURS(2));
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 0);
    say(s.ann, BOB, "the twenty-fifth");
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 0); /* not at once */
    ok(device_start(s.bob));                           /* it survives the process */
    world_pass(&s.w, HOURS(1) + 1000);
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1);
    ok(client_flush(s.bob->client, NULL, NULL));
    ok(device_receive(s.ann));
    world_pass(&s.w, HOURS(26));
    ok(device_receive(s.ann));
    assert_int_equal(queued(s.ann, OUTBOX_DEVICE), 0); /* a control message never triggers one */
    assert_int_equal(events(s.ann, ITEM_MESSAGE), 1);  /* and nobody sees it */
    stage_close(&s);
}

static void one_message_is_answered_after_a_day_and_once_a_day_at_most(void **state)
{
    struct stage s;
    unsigned sent = 0;

    (void)state;
    stage_acquainted(&s, false);
    say(s.ann, BOB, "think about it");
    ok(device_receive(s.bob));
    world_pass(&s.w, HOURS(24));
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 0);
    for (int hour = 0; hour < 48; hour++) {
        for (int i = 0; i < 2; i++)
            say(s.ann, BOB, "well?");
        world_pass(&s.w, HOURS(1));
        ok(device_receive(s.bob));
        sent += queued(s.bob, OUTBOX_DEVICE);
        ok(client_flush(s.bob->client, NULL, NULL));
    }
    assert_in_range(sent, 2, 3);
    stage_close(&s);
}

static void a_stranger_gets_no_control_message(void **state)
{
    struct stage s;

    (void)state;
    stage_open(&s, false);
    for (int i = 0; i < 30; i++)
        say(s.ann, BOB, "hello?");
    ok(device_receive(s.bob));
    world_pass(&s.w, HOURS(26));
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 0);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unreadable_message_comes_again_by_itself_in_its_place),
        cmocka_unit_test(a_device_is_asked_once_an_hour_for_all_that_is_missing),
        cmocka_unit_test(a_message_is_repeated_three_times_and_no_more),
        cmocka_unit_test(nobody_else_gets_a_message_by_asking),
        cmocka_unit_test(what_is_two_weeks_old_is_not_repeated_and_not_kept),
        cmocka_unit_test(what_never_comes_again_is_given_up_aloud),
        cmocka_unit_test(the_answer_comes_in_the_session_of_the_request),
        cmocka_unit_test(an_old_copy_gets_again_what_it_cannot_read),
        cmocka_unit_test(an_expired_message_is_sent_again_until_it_is_fetched),
        cmocka_unit_test(after_three_repeats_the_sender_is_told_the_end),
        cmocka_unit_test(a_dormant_device_gets_no_repeat_and_the_sender_is_told),
        cmocka_unit_test(a_sender_who_was_away_too_long_is_told_and_sends_again),
        cmocka_unit_test(what_was_sealed_long_ago_is_sealed_anew),
        cmocka_unit_test(twenty_five_messages_without_an_answer_bring_one_control_message),
        cmocka_unit_test(one_message_is_answered_after_a_day_and_once_a_day_at_most),
        cmocka_unit_test(a_stranger_gets_no_control_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
