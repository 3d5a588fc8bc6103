/* The mailbox lies: what the stream brings, and what becomes of acks. */
#include <stdlib.h>

#include "story.h"

#include "base/list.h"
#include "os/clock.h"
#include "os/random.h"
#include "wire/envelope.h"

/* --- Repeats, order, silence --- */

static void thrice(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                   struct buf *out)
{
    for (int i = 0; i < (f->type == FRAME_ENVELOPE ? 3 : 1); i++)
        buf_bytes(out, raw);
}

static void frames_sent_three_times_are_read_once(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = thrice};

    two_friends(s);
    send_three(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(printed(s, "message", NULL, NULL), 3);
    assert_int_equal(printed(s, "alert", NULL, NULL), 0);
    bob_has_read_three(s, 1);
    all_is_well(s);
}

static void backwards(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                      struct buf *out)
{
    struct buf all = {0};

    if (f->type == FRAME_ENVELOPE) {
        buf_bytes(&all, raw);
        buf_bytes(&all, buf_view(&e->kept));
        buf_done(&e->kept);
        e->kept = all;
        return;
    }
    buf_bytes(out, buf_view(&e->kept));
    buf_reset(&e->kept);
    buf_bytes(out, raw);
}

static void frames_in_the_wrong_order_are_all_read(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = backwards};

    two_friends(s);
    send_three(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(printed(s, "message", NULL, NULL), 3);
    assert_string_equal(field_of(s, "message", 0, "text"), "three");
    bob_has_read_three(s, 1);
    all_is_well(s);
}

static void withhold(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                     struct buf *out)
{
    if (f->type != FRAME_ENVELOPE || e->n++ != 0)
        buf_bytes(out, raw);
}

static void a_frame_held_back_is_read_when_it_comes(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = withhold};

    two_friends(s);
    send_three(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", NULL, NULL), 2);
    assert_int_equal(printed(s, "message", "text", "one"), 0);
    lie(s, NULL);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", "text", "one"), 1);
    bob_has_read_three(s, 1);
    all_is_well(s);
}

/* --- Replays and strangers' frames --- */

static void keep_first(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                       struct buf *out)
{
    if (f->type == FRAME_ENVELOPE && !e->kept.n)
        buf_bytes(&e->kept, f->envelope);
    buf_bytes(out, raw);
}

/* e->kept once more, e->number times, with new seqs and the hint in e->text. */
static void replay(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                   struct buf *out)
{
    struct buf rest = {0};

    if (f->type == FRAME_DRAINED && e->kept2.n) {
        if (frame_rest_envelope(e->text, buf_view(&e->kept2), &rest) != WAX_OK)
            abort();
        for (int64_t i = 0; i < e->number; i++)
            frame_out(FRAME_ENVELOPE, 1000000 + e->n++, os_now_ms(), buf_view(&rest), out);
    }
    buf_bytes(out, raw);
    buf_done(&rest);
}

/* The envelope of "one" on its way to bob; bob reads it. */
static void capture(struct scene *s, struct buf *ret)
{
    static const struct ways keep = {.frame = keep_first};

    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "one", NULL), 0);
    lie(s, &keep);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    lie(s, NULL);
    buf_reset(ret);
    buf_bytes(ret, buf_view(&s->evil.kept));
    assert_true(ret->n > 0);
}

static void play(struct scene *s, const struct buf *envelope, int64_t times)
{
    static const struct ways w = {.frame = replay};

    lie(s, &w);
    buf_bytes(&s->evil.kept2, buf_view(envelope));
    s->evil.number = times;
    (void)snprintf(s->evil.text, sizeof s->evil.text, "%s", at(s->ann));
}

static void old_frames_with_new_numbers_are_silent_and_cheap(void **state)
{
    struct scene *s = *state;
    struct bound b = usual;
    struct buf one = {0};

    two_friends(s);
    capture(s, &one);
    play(s, &one, 1000);
    b.bytes = 4 * 1024 * 1024;
    b.cpu_ms = 10000;
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(s->evil.n, 1000);
    cost_at_most(s, &b);
    assert_int_equal(s->r.out.n, 0);
    assert_int_equal(times_read(s, s->bob, "one"), 1);
    all_is_well(s);
    buf_done(&one);
}

static void a_frame_for_another_person_is_refused_aloud(void **state)
{
    struct scene *s = *state;
    struct buf one = {0};
    char carol[24];

    two_friends(s);
    newcomer(s, carol);
    capture(s, &one);
    play(s, &one, 3);
    assert_int_equal(wax(s, carol, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(printed(s, "message", NULL, NULL), 0);
    assert_int_equal(printed(s, "alert", "class", "wrong_device"), 1);
    all_is_well(s);
    buf_done(&one);
}

static void flip_body(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                      struct buf *out)
{
    size_t at_byte = out->n + raw.n - f->envelope.n + HDR_MSG + 40;

    buf_bytes(out, raw);
    if (f->type == FRAME_ENVELOPE && f->envelope.n > HDR_MSG + 100)
        out->p[at_byte] ^= 1;
}

static void a_changed_message_is_an_alert_and_never_a_message(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = flip_body};

    two_friends(s);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "in order?", NULL), 0);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(printed(s, "message", NULL, NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "tampered"), 1);
    all_is_well(s);
}

static void another_hint(struct evil *e, const struct ask *q, const struct frame *f,
                         struct bytes raw, struct buf *out)
{
    struct buf rest = {0};

    if (f->type != FRAME_ENVELOPE) {
        buf_bytes(out, raw);
        return;
    }
    if (frame_rest_envelope("president@example.org", f->envelope, &rest) != WAX_OK)
        abort();
    frame_out(FRAME_ENVELOPE, f->seq, f->time, buf_view(&rest), out);
    buf_done(&rest);
}

static void a_false_sender_name_beside_a_message_changes_nothing(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = another_hint};

    two_friends(s);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "it is me", NULL), 0);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(printed(s, "message", "from", at(s->ann)), 1);
    all_is_well(s);
}

/* --- Made-up senders --- */

static void made_up(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                    struct buf *out)
{
    char hint[64];

    for (int64_t i = 0; f->type == FRAME_DRAINED && i < e->number; i++) {
        struct buf rest = {0};
        if (rng_fill(os_rng(), e->kept2.p + 20, 16) != WAX_OK) /* from dev */
            abort();
        (void)snprintf(hint, sizeof hint, "nobody%lu@example.org", e->n % 300);
        if (frame_rest_envelope(hint, buf_view(&e->kept2), &rest) != WAX_OK)
            abort();
        /* An hour ago: a look-up that does not know the device is the last word on it. */
        frame_out(FRAME_ENVELOPE, 1000000 + e->n++, os_now_ms() - 3600000, buf_view(&rest), out);
        buf_done(&rest);
    }
    buf_bytes(out, raw);
}

static void made_up_senders_cost_few_look_ups_and_few_lines(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = made_up};
    struct bound b = usual;
    struct buf one = {0};

    two_friends(s);
    capture(s, &one);
    lie(s, &w);
    buf_bytes(&s->evil.kept2, buf_view(&one));
    s->evil.number = 2000;
    b.bytes = 6 * 1024 * 1024;
    b.cpu_ms = 10000;
    b.requests = 80;
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(s->evil.n, 2000);
    cost_at_most(s, &b);
    assert_int_equal(printed(s, "message", NULL, NULL), 0);
    assert_in_range(printed(s, "alert", NULL, NULL), 1, 64);
    all_is_well(s);
    buf_done(&one);
}

/* --- Notices --- */

static void many_notices(struct evil *e, const struct ask *q, const struct frame *f,
                         struct bytes raw, struct buf *out)
{
    struct fanout_id fanout;
    struct dev_id to;

    for (int64_t i = 0; f->type == FRAME_DRAINED && i < e->number; i++) {
        struct buf rest = {0};
        memset(to.b, (int)i, sizeof to.b);
        memset(fanout.b, (int)(i / 256), sizeof fanout.b);
        frame_rest_notice(&fanout, &to, os_now_ms(), NOTICE_EXPIRED, &rest);
        frame_out(FRAME_NOTICE, 2000000 + e->n++, os_now_ms(), buf_view(&rest), out);
        buf_done(&rest);
    }
    buf_bytes(out, raw);
}

static void a_flood_ends_the_connection(struct scene *s, unsigned lines)
{
    struct bound b = usual;

    b.bytes = 8 * 1024 * 1024;
    b.cpu_ms = 10000;
    b.requests = 150; /* acks, 256 at a time */
    assert_int_equal(wax(s, s->bob, "receive", NULL), 76);
    cost_at_most(s, &b);
    assert_in_range(printed(s, "expired", NULL, NULL), 0, lines);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 76);
    cost_at_most(s, &b);
    assert_int_equal(printed(s, "expired", NULL, NULL), 0);
    assert_int_equal(printed(s, "alert", "kind", "server_refused"), 1);
}

static void notices_about_nothing_by_the_ten_thousand_are_cut_off(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = many_notices};

    two_friends(s);
    lie(s, &w);
    s->evil.number = 30000;
    a_flood_ends_the_connection(s, 0);
    all_is_well(s);
}

static void many_expired(struct evil *e, const struct ask *q, const struct frame *f,
                         struct bytes raw, struct buf *out)
{
    struct buf rest = {0};

    frame_rest_expired(7, &rest);
    for (int64_t i = 0; f->type == FRAME_DRAINED && i < e->number; i++)
        frame_out(FRAME_EXPIRED, 3000000 + e->n++, os_now_ms(), buf_view(&rest), out);
    buf_bytes(out, raw);
    buf_done(&rest);
}

static void losses_claimed_by_the_ten_thousand_are_few_lines(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = many_expired};

    two_friends(s);
    lie(s, &w);
    s->evil.number = 30000;
    a_flood_ends_the_connection(s, 24);
    all_is_well(s);
}

static void a_few_claims_are_all_told(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = many_expired};

    two_friends(s);
    lie(s, &w);
    s->evil.number = 8; /* few enough to be told one by one */
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "expired", NULL, NULL), 8);
    assert_string_equal(field_of(s, "expired", 7, "count"), "7");
    all_is_well(s);
}

static void notice_for_kept(struct evil *e, const struct ask *q, const struct frame *f,
                            struct bytes raw, struct buf *out)
{
    struct envelope env;

    if (f->type == FRAME_DRAINED && envelope_decode(buf_view(&e->kept2), &env) == WAX_OK)
        for (int64_t i = 0; i < e->number; i++) {
            struct buf rest = {0};
            struct dev_id to = env.hdr.to;
            if (i % 2 && rng_fill(os_rng(), to.b, 16) != WAX_OK) /* or any other device */
                abort();
            frame_rest_notice(&env.fanout.id, &to, os_now_ms(), NOTICE_EXPIRED, &rest);
            frame_out(FRAME_NOTICE, 4000000 + e->n++, os_now_ms(), buf_view(&rest), out);
            buf_done(&rest);
        }
    buf_bytes(out, raw);
}

static void said_to_have_expired_what_was_read_is_told_once(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = notice_for_kept};
    struct buf one = {0};

    two_friends(s);
    capture(s, &one);
    lie(s, &w);
    buf_bytes(&s->evil.kept2, buf_view(&one));
    s->evil.number = 50;
    /* The sender cannot know better: he is told that the server says so, once for the device. */
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(printed(s, "expired", NULL, NULL), 1);
    lie(s, NULL);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", "text", "one"), 0); /* whatever was repeated */
    assert_int_equal(times_read(s, s->bob, "one"), 1);
    all_is_well(s);
    buf_done(&one);
}

int main(int argc, char **argv)
{
    if (argc > 1) /* one test, by its name or a pattern */
        cmocka_set_test_filter(argv[1]);
#define T(f) cmocka_unit_test_teardown(f, calm)
    const struct CMUnitTest tests[] = {
        T(frames_sent_three_times_are_read_once),
        T(frames_in_the_wrong_order_are_all_read),
        T(a_frame_held_back_is_read_when_it_comes),
        T(old_frames_with_new_numbers_are_silent_and_cheap),
        T(a_frame_for_another_person_is_refused_aloud),
        T(a_changed_message_is_an_alert_and_never_a_message),
        T(a_false_sender_name_beside_a_message_changes_nothing),
        T(made_up_senders_cost_few_look_ups_and_few_lines),
        T(notices_about_nothing_by_the_ten_thousand_are_cut_off),
        T(losses_claimed_by_the_ten_thousand_are_few_lines),
        T(a_few_claims_are_all_told),
        T(said_to_have_expired_what_was_read_is_told_once),
    };
    return cmocka_run_group_tests_name("the mailbox lies", tests, scene_start, scene_stop);
}
