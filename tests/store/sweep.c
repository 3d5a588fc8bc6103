/* Stories of expiry: what is past its time goes, and both sides are told. */
#include "harness.h"

#include <stdio.h>

static void people(struct world *w)
{
    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
}

static void an_expired_message_tells_sender_and_recipient(void **state)
{
    struct world *w = *state;
    struct store_req req;
    uint64_t sent = w->now;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "unread"), STORE_RES_STORED);
    w->now += WEEK - 1;
    sweep(w, &req, WEEK);
    assert_int_equal(req.u.sweep.expired, 0);
    assert_int_equal(req.u.sweep.notified.n, 0);
    store_req_done(&req);
    assert_int_equal(waiting(w, 2), 1);
    w->now += 1;
    sweep(w, &req, WEEK);
    assert_int_equal(req.u.sweep.expired, 1);
    assert_false(req.u.sweep.more);
    assert_int_equal(req.u.sweep.notified.n, 2);
    assert_true(has_dev(&req.u.sweep.notified, 1));
    assert_true(has_dev(&req.u.sweep.notified, 2));
    store_req_done(&req);
    assert_int_equal(fetch(w, &req, 1, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 1);
    assert_notice(&req, 0, 1, 2, sent, 1);
    store_req_done(&req);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 1);
    assert_expired(&req, 0, 1);
    assert_int_equal(req.u.fetch.rows[0].seq, 2);
    assert_int_equal(req.u.fetch.rows[0].time, w->now);
    store_req_done(&req);
}

static void the_recipient_has_one_pending_count_that_rises(void **state)
{
    struct world *w = *state;
    struct store_req req;

    people(w);
    for (uint64_t f = 1; f <= 4; f++) {
        assert_int_equal(send(w, 1, 2, f, "unread"), STORE_RES_STORED);
        w->now += 1000;
        sweep(w, &req, 1000);
        assert_int_equal(req.u.sweep.expired, 1);
        store_req_done(&req);
        assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
        assert_int_equal(req.u.fetch.n_rows, 1);
        assert_expired(&req, 0, (uint32_t)(f < 4 ? f : 1));
        uint64_t seq = req.u.fetch.rows[0].seq;
        store_req_done(&req);
        if (f == 3)
            ack(w, 2, seq); /* then a new one starts */
    }
}

static void notices_expire_in_silence(void **state)
{
    struct world *w = *state;
    struct store_req req;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "unread"), STORE_RES_STORED);
    w->now += WEEK;
    sweep(w, &req, WEEK);
    store_req_done(&req);
    assert_int_equal(waiting(w, 1), 1);
    assert_int_equal(waiting(w, 2), 1);
    w->now += WEEK;
    sweep(w, &req, WEEK);
    assert_int_equal(req.u.sweep.expired, 0);
    assert_int_equal(req.u.sweep.notified.n, 0);
    store_req_done(&req);
    assert_int_equal(waiting(w, 1), 0);
    assert_int_equal(waiting(w, 2), 0);
    /* The next expiry begins to count anew. */
    assert_int_equal(send(w, 1, 2, 2, "unread"), STORE_RES_STORED);
    w->now += WEEK;
    sweep(w, &req, WEEK);
    store_req_done(&req);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_expired(&req, 0, 1);
    store_req_done(&req);
}

static void notices_outlive_a_short_message_life(void **state)
{
    struct world *w = *state;
    struct store_req req;
    uint64_t sent = w->now;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "unread"), STORE_RES_STORED);
    w->now += 3000;
    sweep(w, &req, 3000);
    store_req_done(&req);
    w->now += WEEK - 1;
    sweep(w, &req, 3000);
    store_req_done(&req);
    assert_int_equal(fetch(w, &req, 1, 0), WAX_OK);
    assert_notice(&req, 0, 1, 2, sent, 1);
    store_req_done(&req);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_expired(&req, 0, 1);
    store_req_done(&req);
    w->now += 1;
    sweep(w, &req, 3000);
    store_req_done(&req);
    assert_int_equal(waiting(w, 1), 0);
    assert_int_equal(waiting(w, 2), 0);
}

static void notices_are_not_under_the_quota(void **state)
{
    struct world *w = *state;
    struct store_req req;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "unread"), STORE_RES_STORED);
    w->now += WEEK;
    sweep(w, &req, WEEK);
    store_req_done(&req);
    w->max_count = 1;
    assert_int_equal(send(w, 2, 1, 2, "fits"), STORE_RES_STORED);
    assert_int_equal(send(w, 2, 1, 3, "too much"), STORE_RES_FULL);
}

static void a_sender_who_is_gone_gets_no_notice(void **state)
{
    struct world *w = *state;
    struct store_req req;

    people(w);
    assert_int_equal(publish(w, &req, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&req);
    assert_int_equal(send(w, 200, 2, 1, "unread"), STORE_RES_STORED);
    assert_int_equal(publish(w, &req, "ann", 3, (int[]){1, 0}), WAX_OK);
    store_req_done(&req);
    w->now += WEEK;
    sweep(w, &req, WEEK);
    assert_int_equal(req.u.sweep.expired, 1);
    assert_int_equal(req.u.sweep.notified.n, 1);
    assert_true(has_dev(&req.u.sweep.notified, 2));
    store_req_done(&req);
}

static void a_sweep_is_bounded_and_says_when_there_is_more(void **state)
{
    struct world *w = *state;
    struct store_req req;
    enum { N = 2500 };
    size_t expired = 0, rounds = 0;
    bool more = true;

    static struct store_req out[N];
    static struct store_envelope e[N];

    people(w);
    for (uint64_t f = 0; f < N; f++) {
        e[f] = (struct store_envelope){.to = dev(2), .envelope = BYTES_STR("unread")};
        out[f] = (struct store_req){.op = STORE_SEND};
        out[f].u.send = (struct store_send){.from = dev(1),
                                            .fanout = fanout(f),
                                            .envelopes = &e[f],
                                            .n_envelopes = 1,
                                            .max_count = N,
                                            .max_bytes = 1U << 30};
    }
    run_all(w, out, N);
    for (size_t f = 0; f < N; f++)
        assert_int_equal(e[f].result, STORE_RES_STORED);
    w->now += WEEK;
    while (more) {
        sweep(w, &req, WEEK);
        expired += req.u.sweep.expired;
        more = req.u.sweep.more;
        assert_true(req.u.sweep.expired < N);
        store_req_done(&req);
        rounds++;
    }
    assert_int_equal(expired, N);
    assert_int_equal(rounds, 3);
    assert_int_equal(waiting(w, 1), N);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 1);
    assert_expired(&req, 0, N);
    store_req_done(&req);
}

static void the_sweep_leaves_what_is_young(void **state)
{
    struct world *w = *state;
    struct store_req req;

    people(w);
    assert_int_equal(send(w, 1, 2, 1, "old"), STORE_RES_STORED);
    w->now += WEEK / 2;
    assert_int_equal(send(w, 1, 2, 2, "young"), STORE_RES_STORED);
    w->now += WEEK / 2;
    sweep(w, &req, WEEK);
    assert_int_equal(req.u.sweep.expired, 1);
    store_req_done(&req);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 2);
    assert_envelope(&req, 0, "ann@x", "young");
    assert_expired(&req, 1, 1);
    store_req_done(&req);
    /* A clock that stands at the beginning of time expires nothing. */
    w->now = 5;
    sweep(w, &req, WEEK);
    assert_int_equal(req.u.sweep.expired, 0);
    store_req_done(&req);
}

const struct story stories_sweep[] = {
    STORY(an_expired_message_tells_sender_and_recipient),
    STORY(the_recipient_has_one_pending_count_that_rises),
    STORY(notices_expire_in_silence),
    STORY(notices_outlive_a_short_message_life),
    STORY(notices_are_not_under_the_quota),
    STORY(a_sender_who_is_gone_gets_no_notice),
    STORY(a_sweep_is_bounded_and_says_when_there_is_more),
    STORY(the_sweep_leaves_what_is_young),
    {NULL, NULL},
};
