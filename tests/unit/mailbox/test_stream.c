/* GET /v1/mailbox: what is stored, what arrives, what is acked, what expires. */
#include "rig.h"

static struct rig g;
static struct person ann, bob;
static struct answer s, t;
static uint8_t next_id;

static int start(void **state)
{
    (void)state;
    rig_start(&g, true);
    person_make(&ann, "ann@example.org", true, 1);
    person_make(&bob, "bob@example.org", false, 2);
    rig_register(&g, &ann);
    rig_register(&g, &bob);
    next_id = 0;
    return 0;
}

static int stop(void **state)
{
    (void)state;
    struct answer *open[] = {&s, &t};

    for (size_t i = 0; i < 2; i++) {
        if (open[i]->started && !open[i]->ended)
            rig_hang_up(&g, open[i]);
        answer_done(open[i]);
    }
    person_done(&ann);
    person_done(&bob);
    rig_stop(&g);
    return 0;
}

static void send_to(const struct device_keys *to)
{
    struct fan fan;
    struct answer a = {.status = 0};

    fan_start(&fan, ++next_id);
    fan_account(&fan, &ann);
    fan_account(&fan, &bob);
    fan_add(&fan, &ann.keys, &to->dev);
    assert_int_equal(fan_post(&g, &fan, &ann.keys, &a), 202);
    answer_done(&a);
    fan_done(&fan);
}

static void open_stream(struct answer *a, const struct device_keys *k, const char *path)
{
    rig_call(&g, k, "GET", path, BYTES(NULL, 0), a);
    assert_int_equal(a->status, 200);
    assert_string_equal(a->type, HTTP_STREAM_TYPE);
    assert_false(a->ended);
}

static void expect_frame(struct answer *a, size_t *at, uint8_t type, uint64_t seq,
                         struct frame *ret)
{
    assert_true(next_frame(a, at, ret));
    assert_int_equal(ret->type, type);
    assert_int_equal(ret->seq, seq);
}

static int ack(const struct device_keys *k, uint64_t *seqs, size_t n)
{
    Wax__V1__AckRequest m = WAX__V1__ACK_REQUEST__INIT;
    struct buf body = {0};

    m.seqs = seqs;
    m.n_seqs = n;
    assert_int_equal(proto_pack(&m.base, &body), WAX_OK);
    int status = rig_status(&g, k, "POST", "/v1/mailbox/ack", buf_view(&body));
    buf_done(&body);
    return status;
}

static void the_stored_part_comes_first_then_what_arrives(void **state)
{
    struct frame f;
    size_t at = 0;

    (void)state;
    send_to(&bob.keys);
    send_to(&bob.keys);
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    expect_frame(&s, &at, FRAME_ENVELOPE, 1, &f);
    assert_string_equal(f.handle, "ann@example.org");
    assert_int_equal(f.time, g.now);
    expect_frame(&s, &at, FRAME_ENVELOPE, 2, &f);
    expect_frame(&s, &at, FRAME_DRAINED, 2, &f);
    assert_false(next_frame(&s, &at, &f));
    send_to(&bob.keys);
    expect_frame(&s, &at, FRAME_ENVELOPE, 3, &f);
    assert_false(next_frame(&s, &at, &f));

    open_stream(&t, &bob.keys, "/v1/mailbox?after=2");
    at = 0;
    expect_frame(&t, &at, FRAME_ENVELOPE, 3, &f);
    expect_frame(&t, &at, FRAME_DRAINED, 3, &f);
}

static void an_empty_mailbox_is_drained_at_once(void **state)
{
    struct frame f;
    size_t at = 0;

    (void)state;
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    expect_frame(&s, &at, FRAME_DRAINED, 0, &f);
}

static void several_streams_of_one_device_all_see_what_arrives(void **state)
{
    struct frame f;
    size_t at = 0;

    (void)state;
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    open_stream(&t, &bob.keys, "/v1/mailbox?after=0");
    send_to(&bob.keys);
    expect_frame(&s, &at, FRAME_DRAINED, 0, &f);
    expect_frame(&s, &at, FRAME_ENVELOPE, 1, &f);
    at = 0;
    expect_frame(&t, &at, FRAME_DRAINED, 0, &f);
    expect_frame(&t, &at, FRAME_ENVELOPE, 1, &f);
}

static void what_is_acked_is_gone(void **state)
{
    uint64_t seqs[] = {1, 77};
    struct frame f;
    size_t at = 0;

    (void)state;
    send_to(&bob.keys);
    send_to(&bob.keys);
    assert_int_equal(ack(&bob.keys, seqs, 2), 200);
    assert_int_equal(ack(&bob.keys, seqs, 2), 200);
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    expect_frame(&s, &at, FRAME_ENVELOPE, 2, &f);
    rig_expect(&g, &bob.keys, "POST", "/v1/mailbox/ack", BYTES_STR("\x0a\xff"), 400, "bad-request");
}

static void a_quiet_stream_beats(void **state)
{
    struct frame f;
    size_t at = 0;

    (void)state;
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    expect_frame(&s, &at, FRAME_DRAINED, 0, &f);
    rig_wait(&g, g.conf.heartbeat_ms - 1);
    assert_false(next_frame(&s, &at, &f));
    rig_wait(&g, 1);
    expect_frame(&s, &at, FRAME_HEARTBEAT, 0, &f);
    assert_int_equal(f.time, g.now);
    rig_wait(&g, 2 * g.conf.heartbeat_ms);
    expect_frame(&s, &at, FRAME_HEARTBEAT, 0, &f);
    expect_frame(&s, &at, FRAME_HEARTBEAT, 0, &f);
}

static void a_reader_who_is_slow_is_waited_for_and_misses_nothing(void **state)
{
    const struct http_handler *h = server_handler(g.server);
    struct frame f;
    size_t at = 0;

    (void)state;
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    expect_frame(&s, &at, FRAME_DRAINED, 0, &f);
    s.pending = 256 * 1024;
    for (int i = 0; i < 5; i++)
        send_to(&bob.keys);
    assert_false(next_frame(&s, &at, &f));
    s.pending = 0;
    h->drained(h->ctx, &s.r);
    rig_pump(&g);
    for (uint64_t seq = 1; seq <= 5; seq++)
        expect_frame(&s, &at, FRAME_ENVELOPE, seq, &f);
    assert_false(next_frame(&s, &at, &f));
}

static void a_reader_who_takes_nothing_for_long_is_let_go(void **state)
{
    (void)state;
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    s.pending = 1024 * 1024;
    rig_wait(&g, 2 * g.conf.heartbeat_ms);
    assert_false(s.ended);
    rig_wait(&g, g.conf.heartbeat_ms);
    assert_true(s.ended);
}

static void the_stored_part_comes_in_portions_that_fit(void **state)
{
    struct frame f;
    size_t at = 0;

    (void)state;
    for (int i = 0; i < 250; i++) /* over 256 KiB in all */
        send_to(&bob.keys);
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    for (uint64_t seq = 1; seq <= 250; seq++)
        expect_frame(&s, &at, FRAME_ENVELOPE, seq, &f);
    expect_frame(&s, &at, FRAME_DRAINED, 250, &f);
}

static void a_message_that_nobody_fetched_expires_and_both_are_told(void **state)
{
    struct frame f;
    size_t at = 0;

    (void)state;
    g.conf.message_life_ms = 3000;
    server_reconfigure(g.server, &g.conf);
    send_to(&bob.keys);
    uint64_t accepted = g.now;
    open_stream(&s, &ann.keys, "/v1/mailbox?after=0");
    expect_frame(&s, &at, FRAME_DRAINED, 0, &f);
    rig_wait(&g, 2000);
    assert_false(next_frame(&s, &at, &f));
    rig_wait(&g, 2500);
    expect_frame(&s, &at, FRAME_NOTICE, 1, &f);
    assert_int_equal(f.reason, NOTICE_EXPIRED);
    assert_int_equal(f.accepted_at, accepted);
    assert_true(ID_EQ(&f.to, &bob.keys.dev));
    assert_int_equal(f.fanout.b[0], next_id);
    at = 0;
    open_stream(&t, &bob.keys, "/v1/mailbox?after=0");
    expect_frame(&t, &at, FRAME_EXPIRED, 2, &f);
    assert_int_equal(f.count, 1);
    expect_frame(&t, &at, FRAME_DRAINED, 2, &f);
}

static void a_cursor_from_another_life_of_the_server_starts_anew(void **state)
{
    struct frame f;
    size_t at = 0;

    (void)state;
    send_to(&bob.keys);
    open_stream(&s, &bob.keys, "/v1/mailbox?after=900");
    expect_frame(&s, &at, FRAME_ENVELOPE, 1, &f);
    expect_frame(&s, &at, FRAME_DRAINED, 1, &f);
    rig_expect(&g, &bob.keys, "GET", "/v1/mailbox?after=-1", BYTES(NULL, 0), 400, "bad-request");
}

static void a_client_that_leaves_during_a_fetch_harms_nothing(void **state)
{
    (void)state;
    g.hold = true;
    rig_call(&g, &bob.keys, "GET", "/v1/mailbox?after=0", BYTES(NULL, 0), &s);
    store_memory_pump(g.memory, 1);
    assert_true(s.started);
    rig_hang_up(&g, &s);
    answer_done(&s);
    g.hold = false;
    rig_pump(&g);
    send_to(&bob.keys);
}

static void a_store_in_trouble_ends_the_stream(void **state)
{
    (void)state;
    open_stream(&s, &bob.keys, "/v1/mailbox?after=0");
    g.fail = true;
    rig_wait(&g, 31000);
    g.fail = false;
    assert_true(s.ended);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(the_stored_part_comes_first_then_what_arrives),
        STORY(an_empty_mailbox_is_drained_at_once),
        STORY(several_streams_of_one_device_all_see_what_arrives),
        STORY(what_is_acked_is_gone),
        STORY(a_quiet_stream_beats),
        STORY(a_reader_who_is_slow_is_waited_for_and_misses_nothing),
        STORY(a_reader_who_takes_nothing_for_long_is_let_go),
        STORY(the_stored_part_comes_in_portions_that_fit),
        STORY(a_message_that_nobody_fetched_expires_and_both_are_told),
        STORY(a_cursor_from_another_life_of_the_server_starts_anew),
        STORY(a_client_that_leaves_during_a_fetch_harms_nothing),
        STORY(a_store_in_trouble_ends_the_stream),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
