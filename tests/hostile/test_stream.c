/* Streams that are none, and acks that come to nothing. */
#include <stdlib.h>

#include "story.h"

/* --- Streams that are none --- */

static void huge_length(struct evil *e, const struct ask *q, const struct frame *f,
                        struct bytes raw, struct buf *out)
{
    buf_u32(out, UINT32_MAX);
    buf_bytes(out, raw);
}

static void a_frame_of_four_gigabytes_ends_the_stream(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = huge_length};

    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 76);
    cost_at_most(s, &usual);
    all_is_well(s);
}

static void half_a_frame(struct evil *e, const struct ask *q, const struct frame *f,
                         struct bytes raw, struct buf *out)
{
    if (e->n++ == 0)
        buf_add(out, raw.p, raw.n / 2);
}

static void silence_in_the_middle_of_a_frame_is_noticed(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = half_a_frame};

    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "cut in half", NULL), 0);
    lie(s, &w);
    s->timeout = "1s";
    assert_int_equal(wax(s, s->bob, "receive", NULL), 69);
    cost_at_most(s, &usual);
    s->timeout = "10s";
    lie(s, NULL);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", "text", "cut in half"), 1);
    all_is_well(s);
}

static void never_drained(struct evil *e, const struct ask *q, const struct frame *f,
                          struct bytes raw, struct buf *out)
{
    if (f->type != FRAME_DRAINED)
        buf_bytes(out, raw);
}

static void heartbeats_without_an_end_are_no_answer(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = never_drained};

    lie(s, &w); /* the server's heartbeat is 300 ms here */
    s->timeout = "1s";
    assert_int_equal(wax(s, s->bob, "receive", NULL), 69);
    cost_at_most(s, &usual);
    s->timeout = "10s";
    assert_in_range(s->r.wall_ms, 1000, 15000);
    all_is_well(s);
}

static void byte_by_byte(struct evil *e, const struct ask *q, const struct frame *f,
                         struct bytes raw, struct buf *out)
{
    if (f->type != FRAME_HEARTBEAT)
        buf_bytes(&e->kept, raw);
    if (e->n < e->kept.n)
        buf_u8(out, e->kept.p[e->n++]);
}

static void one_byte_now_and_then_is_no_answer(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = byte_by_byte};

    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "drop by drop", NULL), 0);
    lie(s, &w);
    s->timeout = "1s";
    assert_int_equal(wax(s, s->bob, "receive", NULL), 69);
    cost_at_most(s, &usual);
    s->timeout = "10s";
    lie(s, NULL);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", "text", "drop by drop"), 1);
    all_is_well(s);
}

static void absurd_times(struct evil *e, const struct ask *q, const struct frame *f,
                         struct bytes raw, struct buf *out)
{
    buf_bytes(out, raw);
    put_u64(out->p + out->n - raw.n + 13, e->n++ % 2 ? 0 : UINT64_MAX);
}

static void frames_from_the_end_of_time_are_read_all_the_same(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = absurd_times};

    two_friends(s);
    send_three(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(printed(s, "message", NULL, NULL), 3);
    all_is_well(s);
}

static void strange_types(struct evil *e, const struct ask *q, const struct frame *f,
                          struct bytes raw, struct buf *out)
{
    for (unsigned type = 6; f->type == FRAME_DRAINED && type < 256; type++)
        frame_out((uint8_t)type, 5000000 + type, 0, BYTES_STR("from a later version"), out);
    buf_bytes(out, raw);
}

static void frames_of_later_versions_are_skipped(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.frame = strange_types};

    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(s->r.out.n, 0);
    all_is_well(s);
}

/* --- Acks --- */

static bool swallow_acks(struct evil *e, const struct ask *q, struct answer *a)
{
    if (!asks(q, "POST", "/v1/mailbox/ack"))
        return false;
    e->n++;
    a->status = 200;
    return true;
}

static void acks_that_delete_nothing_repeat_nothing(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = swallow_acks};

    two_friends(s);
    send_three(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(printed(s, "message", NULL, NULL), 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
        cost_at_most(s, &usual);
        assert_int_equal(s->r.out.n, 0);
    }
    assert_true(s->evil.n >= 4);
    bob_has_read_three(s, 1);
    all_is_well(s);
}

static bool refuse_acks(struct evil *e, const struct ask *q, struct answer *a)
{
    if (!asks(q, "POST", "/v1/mailbox/ack"))
        return false;
    answer_problem(a, 500, "bad-request", "No \\u001b[2J acks today");
    return true;
}

static void refused_acks_lose_and_repeat_nothing(void **state)
{
    struct scene *s = *state;
    static const struct ways w = {.instead = refuse_acks};

    two_friends(s);
    send_three(s);
    lie(s, &w);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 76);
    cost_at_most(s, &usual);
    is_clean(s);
    bob_has_read_three(s, 1);
    lie(s, NULL);
    assert_int_equal(wax(s, s->bob, "receive", NULL), 0);
    all_is_well(s);
    bob_has_read_three(s, 1);
}

int main(int argc, char **argv)
{
    if (argc > 1) /* one test, by its name or a pattern */
        cmocka_set_test_filter(argv[1]);
#define T(f) cmocka_unit_test_teardown(f, calm)
    const struct CMUnitTest tests[] = {
        T(a_frame_of_four_gigabytes_ends_the_stream),
        T(silence_in_the_middle_of_a_frame_is_noticed),
        T(heartbeats_without_an_end_are_no_answer),
        T(one_byte_now_and_then_is_no_answer),
        T(frames_from_the_end_of_time_are_read_all_the_same),
        T(frames_of_later_versions_are_skipped),
        T(acks_that_delete_nothing_repeat_nothing),
        T(refused_acks_lose_and_repeat_nothing),
    };
    return cmocka_run_group_tests_name("the stream lies", tests, scene_start, scene_stop);
}
