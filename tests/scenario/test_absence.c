/* Losses, absence and wrong clocks: situations from the field as stories. */
#include <stdio.h>

#include "base/mem.h"
#include "story.h"

#define DAY 86400000ULL

static void own_notes_reach_the_other_device(void **state)
{
    struct four *f = *state;

    story_send(f->ann1, ANN, "milk, bread");
    story_ok(device_receive(f->ann2));
    assert_int_equal(device_count(f->ann1, "milk, bread"), 1);
    assert_int_equal(device_count(f->ann2, "milk, bread"), 1);
    story_ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "milk, bread"), 0);
}

static void three_accounts_keep_their_conversations_apart(void **state)
{
    struct four *f = *state;
    struct device *carol = world_device(&f->w, "carol@example.org", "phone");

    story_ok(device_register(carol));
    story_send(f->ann1, BOB, "for bob");
    story_send(f->ann1, "carol@example.org", "for carol");
    story_send(f->bob2, "carol@example.org", "bob to carol");
    story_send(carol, ANN, "carol to ann");
    struct device *all[] = {f->ann1, f->ann2, f->bob1, f->bob2, carol};
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5; i++)
            story_ok(device_receive(all[i]));
    static const unsigned has[5][4] = {
        {1, 1, 0, 1}, {1, 1, 0, 1}, {1, 0, 1, 0}, {1, 0, 1, 0}, {0, 1, 1, 1}};
    static const char *const texts[] = {"for bob", "for carol", "bob to carol", "carol to ann"};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 4; k++)
            assert_int_equal(device_count(all[i], texts[k]), has[i][k]);
}

/* Events about what expired: at the sender those of one device, at the recipient all. */
static unsigned expired(struct device *d, const struct dev_id *dev)
{
    uint64_t seq = 0;
    unsigned n = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, (enum item_shown)(SHOWN_DONE + 1), &seq, &shown,
                              &it) != WAX_OK)
            return n;
        if (it.type == ITEM_EXPIRED && (dev ? it.own && ID_EQ(&it.device, dev) : !it.own))
            n += it.count;
        item_done(&it);
    }
}

static void nine_days_away_the_sender_is_told_and_they_talk_on(void **state)
{
    struct four *f = *state;

    story_send(f->ann1, BOB, "gone");
    story_ok(device_receive(f->bob1));
    for (int day = 0; day < 9; day++) {
        world_pass(&f->w, DAY);
        story_ok(device_receive(f->ann1));
    }
    assert_int_equal(expired(f->ann1, client_dev(f->bob2->client)), 1);
    assert_int_equal(expired(f->ann1, client_dev(f->bob1->client)), 0);
    story_send(f->ann1, BOB, "are you back");
    story_ok(device_receive(f->bob2));
    assert_int_equal(expired(f->bob2, NULL), 1);
    assert_int_equal(device_count(f->bob2, "gone"), 1); /* sent again by itself (4.8) */
    assert_int_equal(device_count(f->bob2, "are you back"), 1);
    story_send(f->bob2, ANN, "yes");
    story_ok(device_receive(f->ann1));
    assert_int_equal(device_count(f->ann1, "yes"), 1);
}

static void a_sender_who_was_away_finds_the_new_device(void **state)
{
    struct four *f = *state;
    struct device *tablet = world_device(&f->w, BOB, "tablet");

    story_send(f->ann1, BOB, "first");
    device_stop(f->ann1);
    story_ok(device_link(f->bob1, tablet, false));
    story_ok(device_start(f->ann1));
    story_send(f->ann1, BOB, "second");
    struct device *bobs[] = {f->bob1, f->bob2, tablet};
    for (int i = 0; i < 3; i++) {
        story_ok(device_receive(bobs[i]));
        assert_int_equal(device_count(bobs[i], "second"), 1);
    }
    assert_int_equal(device_count(f->ann1, "second"), 1);
    assert_int_equal(story_alerts(f->ann1, "new_device"),
                     1); /* her own second one is no news here */
}

static void note_devices(void *ctx, const struct flush_result *r)
{
    struct flush_result *ret = ctx;

    *ret = *r;
}

static void a_device_linked_in_the_same_second_is_not_left_out(void **state)
{
    struct four *f = *state;
    struct device *tablet = world_device(&f->w, BOB, "tablet");
    struct flush_result r = {0};
    struct hash32 com;

    story_send(f->ann1, BOB, "first"); /* this process has looked Bob up */
    story_ok(device_send(f->ann1, BOB, "second", &com));
    story_ok(device_link(f->bob1, tablet, false));
    story_ok(client_flush(f->ann1->client, note_devices, &r)); /* 409 with the newer list, and on */
    assert_true(r.accepted);
    assert_int_equal(r.devices, 4);
    struct device *bobs[] = {f->bob1, f->bob2, tablet};
    for (int i = 0; i < 3; i++) {
        story_ok(device_receive(bobs[i]));
        assert_int_equal(device_count(bobs[i], "second"), 1);
    }
}

static void answers_get_lost_and_each_message_arrives_once(void **state)
{
    struct four *f = *state;
    char text[32];
    struct hash32 com;
    unsigned left = 1;

    f->w.faults.lose_reply = 500;
    for (int i = 0; i < 100; i++) {
        wax_rc rc = WAX_E_NET;
        (void)snprintf(text, sizeof text, "message %d", i);
        for (int k = 0; rc == WAX_E_NET && k < 100; k++) /* a lost look-up: once more */
            rc = device_send(f->ann1, BOB, text, &com);
        story_ok(rc);
    }
    wax_rc rc = WAX_E_NET;
    for (int i = 0; rc != WAX_OK && i < 2000; i++)
        rc = client_flush(f->ann1->client, NULL, NULL);
    story_ok(rc);
    f->w.faults.lose_reply = 0;
    story_ok(client_outbox_count(f->ann1->client, &left));
    assert_int_equal(left, 0);
    story_ok(device_receive(f->bob1));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(text, sizeof text, "message %d", i);
        assert_int_equal(device_count(f->bob1, text), 1);
    }
    assert_int_equal(story_alerts(f->bob1, NULL), 0);
}

/* --- Long absence, mixed order --- */

#define MANY 600

struct stream {
    struct buf raw;
    struct bytes frames[MANY]; /* envelopes only */
    size_t n;
};

static void stream_take(struct device *d, struct stream *s)
{
    struct frame *fr = mem_alloc(sizeof *fr);

    story_ok(client_login(d->client));
    (void)world_request(d->w, d, "GET", CLIENT_MAILBOX_PATH, BYTES(NULL, 0), &s->raw);
    struct bytes in = buf_view(&s->raw);
    for (;;) {
        struct bytes at = in;
        if (frame_next(&in, fr) != WAX_OK)
            break;
        if (fr->type == FRAME_ENVELOPE && s->n < MANY)
            s->frames[s->n++] = BYTES(at.p, at.n - in.n);
    }
    mem_free(fr);
}

static void stream_hand(struct device *d, const struct stream *s, size_t i)
{
    struct frame *fr = mem_alloc(sizeof *fr);
    struct bytes in = s->frames[i];
    bool ack = false;

    story_ok(frame_next(&in, fr));
    story_ok(client_frame(d->client, fr, &ack));
    assert_true(ack);
    mem_free(fr);
}

struct in_order {
    unsigned next, wrong;
};

static bool is_next(void *ctx, uint64_t order, const struct item *it)
{
    struct in_order *o = ctx;
    char text[32];

    (void)order;
    if (it->own || it->type != ITEM_MESSAGE)
        return true;
    int n = snprintf(text, sizeof text, "number %u", o->next++);
    o->wrong += it->text.n != (size_t)n || memcmp(it->text.p, text, (size_t)n) != 0;
    return true;
}

static void many_waited(struct four *f)
{
    struct hash32 com;
    char text[32];

    for (int i = 0; i < MANY; i++) {
        (void)snprintf(text, sizeof text, "number %d", i);
        story_ok(device_send(f->ann1, BOB, text, &com));
    }
    story_ok(client_flush(f->ann1->client, NULL, NULL));
}

static void after_a_long_absence_all_is_there_in_order(void **state)
{
    struct four *f = *state;
    struct in_order o = {0};

    many_waited(f);
    story_ok(device_receive(f->bob1));
    story_ok(client_history_each(f->bob1->client, NULL, is_next, &o));
    assert_int_equal(o.next, MANY);
    assert_int_equal(o.wrong, 0);
    assert_int_equal(story_alerts(f->bob1, NULL), 0);
}

static void messages_in_any_order_open_and_their_keys_are_gone(void **state)
{
    struct four *f = *state;
    struct stream *s = calloc(1, sizeof *s);
    struct in_order o = {0};
    uint64_t skipped = 1;

    many_waited(f);
    stream_take(f->bob1, s);
    assert_int_equal(s->n, MANY);
    for (size_t i = 0; i < MANY; i++) /* 7 and 600 have no common divisor */
        stream_hand(f->bob1, s, (i * 7 + 5) % MANY);
    story_ok(client_history_each(f->bob1->client, NULL, is_next, &o));
    assert_int_equal(o.next, MANY);
    assert_int_equal(story_alerts(f->bob1, NULL), 0);
    story_ok(vault_count(f->bob1->vault, VT_SKIPPED, BYTES(NULL, 0), &skipped));
    assert_int_equal(skipped, 0);
    buf_done(&s->raw);
    free(s);
}

static void withheld_messages_leave_keys_that_open_them_later(void **state)
{
    struct four *f = *state;
    struct stream *s = calloc(1, sizeof *s);
    uint64_t skipped = 0;
    const size_t withheld = MANY * 11 / 12;

    many_waited(f);
    stream_take(f->bob1, s);
    for (size_t i = withheld; i < MANY; i++)
        stream_hand(f->bob1, s, i);
    assert_int_equal(device_count(f->bob1, "number 599"), 1);
    story_ok(vault_count(f->bob1->vault, VT_SKIPPED, BYTES(NULL, 0), &skipped));
    assert_int_equal(skipped, withheld);
    for (size_t i = 0; i < withheld; i++)
        stream_hand(f->bob1, s, i);
    assert_int_equal(device_count(f->bob1, "number 0"), 1);
    assert_int_equal(device_count(f->bob1, "number 549"), 1);
    story_ok(vault_count(f->bob1->vault, VT_SKIPPED, BYTES(NULL, 0), &skipped));
    assert_int_equal(skipped, 0);
    assert_int_equal(story_alerts(f->bob1, NULL), 0);
    buf_done(&s->raw);
    free(s);
}

/* --- Clocks and strangers --- */

static void ten_each_way(struct four *f, int from)
{
    char text[32];

    for (int i = from; i < from + 10; i++) {
        (void)snprintf(text, sizeof text, "number %d", i);
        if (i % 2) {
            story_send(f->bob1, ANN, text);
            story_ok(device_receive(f->ann1));
        } else {
            story_send(f->ann1, BOB, text);
            story_ok(device_receive(f->bob1));
        }
    }
}

static bool any_next(void *ctx, uint64_t order, const struct item *it)
{
    struct item other = *it;

    other.own = false;
    return is_next(ctx, order, &other);
}

static void a_clock_two_hours_ahead_hides_nothing(void **state)
{
    struct four *f = *state;
    struct in_order o = {0}, o2 = {0};

    f->bob1->skew = 7200000;
    ten_each_way(f, 0);
    f->bob1->skew = 0;
    ten_each_way(f, 10);
    story_ok(device_start(f->bob1));
    story_ok(client_history_each(f->bob1->client, NULL, any_next, &o));
    story_ok(client_history_each(f->ann1->client, NULL, any_next, &o2));
    assert_int_equal(o.next, 20);
    assert_int_equal(o.wrong, 0);
    assert_int_equal(o2.next, 20);
    assert_int_equal(o2.wrong, 0);
    assert_int_equal(story_alerts(f->bob1, "clock_differs"), 1);
    assert_int_equal(story_alerts(f->bob1, NULL), 1);
    assert_int_equal(story_alerts(f->ann1, NULL), 0);
}

#define STRANGERS 50

static void fifty_strangers_write_over_six_days(void **state)
{
    struct four *f = *state;
    struct device *s[STRANGERS];
    char text[64];

    for (int i = 0; i < STRANGERS; i++) {
        (void)snprintf(text, sizeof text, "stranger%d@example.org", i);
        s[i] = world_device(&f->w, text, "phone");
        story_ok(device_register(s[i]));
    }
    for (int day = 0; day < 6; day++) {
        for (int i = day % 2; i < STRANGERS; i += 2) { /* three messages each */
            (void)snprintf(text, sizeof text, "day %d of %d", day, i);
            story_send(s[i], BOB, text);
        }
        world_pass(&f->w, DAY);
        story_ok(client_login(f->bob2->client)); /* its bundle rotates, Bob's phone misses it */
    }
    story_ok(device_receive(f->bob1));
    story_ok(device_receive(f->bob2));
    for (int day = 0; day < 6; day++)
        for (int i = day % 2; i < STRANGERS; i += 2) {
            (void)snprintf(text, sizeof text, "day %d of %d", day, i);
            assert_int_equal(device_count(f->bob1, text), 1);
            assert_int_equal(device_count(f->bob2, text), 1);
        }
    assert_int_equal(story_alerts(f->bob1, NULL), 0);
    assert_int_equal(story_alerts(f->bob2, NULL), 0);
}

/* --- What a vault keeps --- */

static uint64_t rows(struct device *d, enum vault_table t)
{
    uint64_t n = 0;

    story_ok(vault_count(d->vault, t, BYTES(NULL, 0), &n));
    return n;
}

static void what_was_taken_leaves_no_sealed_rows(void **state)
{
    struct four *f = *state;
    struct device *all[] = {f->ann1, f->ann2, f->bob1, f->bob2};
    struct hash32 com;

    story_send(f->ann1, BOB, "from then on nothing is to be looked up");
    story_ok(device_send(f->ann1, BOB, "sealed once", &com));
    f->w.faults.lose_reply = 1000;
    assert_int_equal(client_flush(f->ann1->client, NULL, NULL), WAX_E_NET);
    f->w.faults.lose_reply = 0;
    assert_int_equal(rows(f->ann1, VT_SEALED), 3); /* to be sent again as they are */
    story_ok(client_flush(f->ann1->client, NULL, NULL));
    assert_int_equal(rows(f->ann1, VT_SEALED), 0);
    ten_each_way(f, 0);
    for (int i = 0; i < 8; i++) { /* what it took may have made it tell its sibling a pin */
        story_ok(device_receive(all[i % 4]));
        story_ok(client_flush(all[i % 4]->client, NULL, NULL));
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(rows(all[i], VT_SEALED), 0);
        assert_int_equal(rows(all[i], VT_OUTBOX), 0);
        assert_int_equal(rows(all[i], VT_SKIPPED), 0);
        assert_int_equal(rows(all[i], VT_PARKED), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(own_notes_reach_the_other_device),
        STORY(three_accounts_keep_their_conversations_apart),
        STORY(nine_days_away_the_sender_is_told_and_they_talk_on),
        STORY(a_sender_who_was_away_finds_the_new_device),
        STORY(a_device_linked_in_the_same_second_is_not_left_out),
        STORY(answers_get_lost_and_each_message_arrives_once),
        STORY(after_a_long_absence_all_is_there_in_order),
        STORY(messages_in_any_order_open_and_their_keys_are_gone),
        STORY(withheld_messages_leave_keys_that_open_them_later),
        STORY(a_clock_two_hours_ahead_hides_nothing),
        STORY(fifty_strangers_write_over_six_days),
        STORY(what_was_taken_leaves_no_sealed_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
