/* Stories of sending, fetching and acknowledging. */
#include "harness.h"

#include <stdio.h>
#include <string.h>

/* ann has device 1; bob has 2 and 200. */
static void two_people(struct world *w)
{
    struct store_req req;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    assert_int_equal(publish(w, &req, "bob", 2, (int[]){2, 200, 0}), WAX_OK);
    store_req_done(&req);
}

static struct store_req fan_out(struct world *w, uint64_t f, struct store_envelope *e, size_t n)
{
    struct store_req req = {.op = STORE_SEND};

    req.u.send = (struct store_send){.from = dev(1),
                                     .from_handle = w->from,
                                     .fanout = fanout(f),
                                     .envelopes = e,
                                     .n_envelopes = n,
                                     .max_count = w->max_count,
                                     .max_bytes = w->max_bytes};
    return req;
}

static void a_fan_out_reaches_every_mailbox_in_order(void **state)
{
    struct world *w = *state;
    struct store_req req;

    two_people(w);
    for (uint64_t f = 1; f <= 3; f++) {
        char text[2][32];
        struct store_envelope e[2] = {{.to = dev(2)}, {.to = dev(200)}};
        for (size_t i = 0; i < 2; i++) {
            snprintf(text[i], sizeof text[i], "message %d copy %zu", (int)f, i);
            e[i].envelope = BYTES_STR(text[i]);
        }
        struct store_req out = fan_out(w, f, e, 2);
        struct store_acct_seq known[] = {{account_id("bob"), 2}, {account_id("ann"), 1}};
        out.u.send.accounts = known;
        out.u.send.n_accounts = 2;
        assert_int_equal(run(w, &out), WAX_OK);
        assert_int_equal(e[0].result, STORE_RES_STORED);
        assert_int_equal(e[1].result, STORE_RES_STORED);
        store_req_done(&out);
        w->now++;
    }
    assert_int_equal(fetch(w, &req, 200, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 3);
    assert_int_equal(req.u.fetch.last_seq, 3);
    for (uint64_t k = 0; k < 3; k++) {
        char text[32];
        snprintf(text, sizeof text, "message %d copy 1", (int)k + 1);
        assert_envelope(&req, k, "ann@x", text);
        assert_int_equal(req.u.fetch.rows[k].seq, k + 1);
        assert_int_equal(req.u.fetch.rows[k].time, w->now - 3 + k);
    }
    store_req_done(&req);
}

static void requests_submitted_at_once_take_effect_in_that_order(void **state)
{
    struct world *w = *state;
    enum { N = 300 };
    static struct store_req req[N + 1];
    static struct store_envelope e[N];
    static char text[N][16];

    two_people(w);
    for (size_t i = 0; i < N; i++) {
        snprintf(text[i], sizeof text[i], "no. %zu", i);
        e[i] = (struct store_envelope){.to = dev(2), .envelope = BYTES_STR(text[i])};
        req[i] = fan_out(w, 1000 + i, &e[i], 1);
    }
    /* A read sees all that was submitted before it. */
    req[N] = (struct store_req){.op = STORE_FETCH};
    req[N].u.fetch.dev = dev(2);
    req[N].u.fetch.max_bytes = 1U << 20;
    run_all(w, req, N + 1);
    const struct store_fetch *all = &req[N].u.fetch;
    assert_int_equal(all->n_rows, N);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(req[i].rc, WAX_OK);
        assert_int_equal(all->rows[i].seq, i + 1);
        assert_envelope(&req[N], i, "ann@x", text[i]);
    }
    store_req_done(&req[N]);
}

static void a_stale_account_stores_nothing(void **state)
{
    struct world *w = *state;
    struct store_envelope e[2] = {{.to = dev(1), .envelope = BYTES_STR("a")},
                                  {.to = dev(2), .envelope = BYTES_STR("b")}};
    struct store_acct_seq known[] = {
        {account_id("ann"), 1}, {account_id("bob"), 1}, {account_id("nobody"), 1}};

    two_people(w);
    struct store_req req = fan_out(w, 1, e, 2);
    req.u.send.accounts = known;
    req.u.send.n_accounts = 3;
    assert_int_equal(run(w, &req), WAX_E_CONFLICT);
    assert_int_equal(req.u.send.n_stale, 1);
    struct acct_id bob = account_id("bob");
    assert_memory_equal(req.u.send.stale[0].acct.b, bob.b, 32);
    assert_int_equal(req.u.send.stale[0].seq, 2);
    assert_int_equal(req.u.send.newer_bundles.n, 0);
    store_req_done(&req);
    assert_int_equal(waiting(w, 1), 0);
    assert_int_equal(waiting(w, 2), 0);
    /* With the right seq; an account nobody knows is skipped. */
    known[1].seq = 2;
    req = fan_out(w, 1, e, 2);
    req.u.send.accounts = known;
    req.u.send.n_accounts = 3;
    assert_int_equal(run(w, &req), WAX_OK);
    assert_int_equal(e[0].result, STORE_RES_STORED);
    assert_int_equal(e[1].result, STORE_RES_STORED);
    store_req_done(&req);
}

static void a_sender_who_knows_more_than_the_server_is_not_stale(void **state)
{
    struct world *w = *state;
    struct store_envelope e = {.to = dev(2), .envelope = BYTES_STR("a")};
    struct store_acct_seq known = {account_id("bob"), 7};

    two_people(w);
    struct store_req req = fan_out(w, 1, &e, 1);
    req.u.send.accounts = &known;
    req.u.send.n_accounts = 1;
    assert_int_equal(run(w, &req), WAX_OK);
    store_req_done(&req);
}

static void more_stale_accounts_than_fit_are_cut(void **state)
{
    struct world *w = *state;
    static struct store_acct_seq known[70];
    struct store_req req;

    for (int i = 0; i < 70; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(reg(w, name, 1000 + i, NULL), WAX_OK);
        assert_int_equal(publish(w, &req, name, 2, (int[]){1000 + i, 0}), WAX_E_INVAL);
        struct store_device d = device(1000 + i);
        char handle[24];
        snprintf(handle, sizeof handle, "%s@x", name);
        req = (struct store_req){.op = STORE_UPDATE};
        req.u.update.manifest = (struct store_manifest){.handle = handle,
                                                        .acct = account_id(name),
                                                        .seq = 2,
                                                        .chain_link = BYTES_STR("link 2"),
                                                        .devices = &d,
                                                        .n_devices = 1};
        assert_int_equal(run(w, &req), WAX_OK);
        known[i] = (struct store_acct_seq){account_id(name), 1};
    }
    req = fan_out(w, 1, NULL, 0);
    req.u.send.accounts = known;
    req.u.send.n_accounts = 70;
    assert_int_equal(run(w, &req), WAX_E_CONFLICT);
    assert_int_equal(req.u.send.n_stale, 64);
    store_req_done(&req);
}

static void each_envelope_stands_alone(void **state)
{
    struct world *w = *state;
    struct store_envelope e[] = {
        {.to = dev(2), .envelope = BYTES_STR("new")},
        {.to = dev(77), .envelope = BYTES_STR("to nobody")},
        {.to = dev(200), .envelope = BYTES_STR("known")},
        {.to = dev(2), .envelope = BYTES_STR("new again")},
    };

    two_people(w);
    assert_int_equal(send(w, 1, 200, 5, "known"), STORE_RES_STORED);
    struct store_req req = fan_out(w, 5, e, 4);
    assert_int_equal(run(w, &req), WAX_OK);
    store_req_done(&req);
    assert_int_equal(e[0].result, STORE_RES_STORED);
    assert_int_equal(e[1].result, STORE_RES_NO_DEVICE);
    assert_int_equal(e[2].result, STORE_RES_ALREADY);
    assert_int_equal(e[3].result, STORE_RES_ALREADY); /* the device twice in one fan-out */
    assert_int_equal(waiting(w, 2), 1);
    assert_int_equal(waiting(w, 200), 1);
}

static void dedup_is_by_sender_device_recipient_and_fan_out(void **state)
{
    struct world *w = *state;

    two_people(w);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_ALREADY);
    assert_int_equal(send(w, 1, 2, 2, "a"), STORE_RES_STORED);
    assert_int_equal(send(w, 200, 2, 1, "a"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 200, 1, "a"), STORE_RES_STORED);
}

static void dedup_outlives_the_ack_and_ends_after_eight_days(void **state)
{
    struct world *w = *state;
    struct store_req req;

    two_people(w);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_STORED);
    ack(w, 2, 1);
    assert_int_equal(waiting(w, 2), 0);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_ALREADY);
    w->now += 8 * DAY - 1;
    sweep(w, &req, WEEK);
    store_req_done(&req);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_ALREADY);
    w->now += 1;
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_ALREADY);
    w->now += 8 * DAY;
    sweep(w, &req, 100 * DAY);
    store_req_done(&req);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_STORED);
}

static void over_quota_leaves_no_trace(void **state)
{
    struct world *w = *state;
    struct store_req req;

    two_people(w);
    w->max_count = 2;
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 2, "b"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 3, "c"), STORE_RES_FULL);
    assert_int_equal(send(w, 1, 2, 3, "c"), STORE_RES_FULL); /* not ALREADY */
    assert_int_equal(send(w, 1, 2, 2, "b"), STORE_RES_ALREADY);
    assert_int_equal(send(w, 1, 200, 3, "c"), STORE_RES_STORED); /* a mailbox of its own */
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 2);
    assert_int_equal(req.u.fetch.last_seq, 2);
    store_req_done(&req);
    ack(w, 2, 1);
    assert_int_equal(send(w, 1, 2, 3, "c"), STORE_RES_STORED);
}

static void the_quota_counts_bytes_too(void **state)
{
    struct world *w = *state;

    two_people(w);
    w->max_bytes = 10;
    assert_int_equal(send(w, 1, 2, 1, "12345"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 2, "123456"), STORE_RES_FULL);
    assert_int_equal(send(w, 1, 2, 3, "12345"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 2, 4, "1"), STORE_RES_FULL);
    ack(w, 2, 2);
    ack(w, 2, 2); /* not freed twice */
    assert_int_equal(send(w, 1, 2, 5, "123456"), STORE_RES_FULL);
    assert_int_equal(send(w, 1, 2, 6, "12345"), STORE_RES_STORED);
}

static void an_init_to_the_current_bundle_is_stored(void **state)
{
    struct world *w = *state;
    struct store_req req;

    two_people(w);
    assert_int_equal(send_init(w, &req, 1, 2, 1, 1), WAX_OK);
    store_req_done(&req);
    assert_int_equal(waiting(w, 2), 1);
}

static void an_init_to_an_old_bundle_is_good_for_a_day(void **state)
{
    struct world *w = *state;
    struct store_req req;

    two_people(w);
    assert_int_equal(put_bundle(w, 2, 2), WAX_OK);
    w->now += DAY;
    assert_int_equal(send_init(w, &req, 1, 2, 1, 1), WAX_OK);
    store_req_done(&req);
    w->now += 1;
    assert_int_equal(send_init(w, &req, 1, 2, 2, 1), WAX_E_CONFLICT);
    assert_int_equal(req.u.send.n_stale, 0);
    assert_int_equal(req.u.send.newer_bundles.n, 1);
    assert_true(
        bytes_eq(buf_view(&req.u.send.newer_bundles.v[0]), BYTES_STR("bundle 2 of device 2")));
    store_req_done(&req);
    assert_int_equal(waiting(w, 2), 1);
    /* What is known already is not judged by its bundle. */
    assert_int_equal(send_init(w, &req, 1, 2, 1, 1), WAX_OK);
    store_req_done(&req);
    assert_int_equal(waiting(w, 2), 1);
}

static void an_init_to_an_unknown_bundle_stores_nothing_at_all(void **state)
{
    struct world *w = *state;
    struct store_envelope e[] = {
        {.to = dev(200), .envelope = BYTES_STR("fine")},
        {.to = dev(2), .envelope = BYTES_STR("init"), .init = true, .bundle = bundle_id(2, 66)},
        {.to = dev(77), .envelope = BYTES_STR("init"), .init = true, .bundle = bundle_id(77, 1)},
    };

    two_people(w);
    struct store_req req = fan_out(w, 1, e, 3);
    assert_int_equal(run(w, &req), WAX_E_CONFLICT);
    assert_int_equal(req.u.send.newer_bundles.n, 1);
    store_req_done(&req);
    assert_int_equal(waiting(w, 200), 0);
    /* A device that is not there has no bundle to be newer. */
    e[1].bundle = bundle_id(2, 1);
    req = fan_out(w, 1, e, 3);
    assert_int_equal(run(w, &req), WAX_OK);
    store_req_done(&req);
    assert_int_equal(e[0].result, STORE_RES_STORED);
    assert_int_equal(e[1].result, STORE_RES_STORED);
    assert_int_equal(e[2].result, STORE_RES_NO_DEVICE);
}

static void a_bundle_twice_superseded_keeps_its_own_day(void **state)
{
    struct world *w = *state;
    struct store_req req;

    two_people(w);
    assert_int_equal(put_bundle(w, 2, 2), WAX_OK);
    w->now += 20 * HOUR;
    assert_int_equal(put_bundle(w, 2, 3), WAX_OK);
    w->now += 5 * HOUR;
    assert_int_equal(send_init(w, &req, 1, 2, 1, 1), WAX_E_CONFLICT);
    store_req_done(&req);
    assert_int_equal(send_init(w, &req, 1, 2, 2, 2), WAX_OK);
    store_req_done(&req);
    /* The ids go after 30 days: the INIT is refused as before. */
    w->now += 31 * DAY;
    sweep(w, &req, WEEK);
    store_req_done(&req);
    assert_int_equal(send_init(w, &req, 1, 2, 3, 2), WAX_E_CONFLICT);
    store_req_done(&req);
    assert_int_equal(send_init(w, &req, 1, 2, 4, 3), WAX_OK);
    store_req_done(&req);
}

static void fetching_goes_by_pages(void **state)
{
    struct world *w = *state;
    struct store_req req = {.op = STORE_FETCH};
    char text[11] = "0123456789";
    uint64_t after = 0;
    size_t pages = 0, rows = 0;

    two_people(w);
    for (uint64_t f = 1; f <= 10; f++)
        assert_int_equal(send(w, 1, 2, f, text), STORE_RES_STORED);
    for (;;) {
        req.u.fetch = (struct store_fetch){.dev = dev(2), .after = after, .max_bytes = 3 * 17};
        assert_int_equal(run(w, &req), WAX_OK);
        size_t n = req.u.fetch.n_rows;
        assert_int_equal(req.u.fetch.last_seq, 10);
        if (n == 0)
            break;
        assert_true(n <= 3); /* a row's rest is 2 + 5 + 10 bytes */
        for (size_t i = 0; i < n; i++)
            assert_int_equal(req.u.fetch.rows[i].seq, ++after);
        rows += n;
        pages++;
        store_req_done(&req);
    }
    store_req_done(&req);
    assert_int_equal(rows, 10);
    assert_int_equal(pages, 4);
    /* At least one row comes, however little is asked for. */
    req.u.fetch = (struct store_fetch){.dev = dev(2), .after = 4, .max_bytes = 1};
    assert_int_equal(run(w, &req), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 1);
    assert_int_equal(req.u.fetch.rows[0].seq, 5);
    store_req_done(&req);
}

static void an_empty_mailbox_tells_its_last_seq(void **state)
{
    struct world *w = *state;
    struct store_req req;

    two_people(w);
    assert_int_equal(fetch(w, &req, 77, 0), WAX_E_NOTFOUND);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 0);
    assert_int_equal(req.u.fetch.last_seq, 0);
    store_req_done(&req);
    assert_int_equal(send(w, 1, 2, 1, "a"), STORE_RES_STORED);
    ack(w, 2, 1);
    assert_int_equal(fetch(w, &req, 2, UINT64_MAX), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 0);
    assert_int_equal(req.u.fetch.last_seq, 1);
    store_req_done(&req);
    /* A seq is given once, also when the mailbox was empty in between. */
    assert_int_equal(send(w, 1, 2, 2, "b"), STORE_RES_STORED);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.rows[0].seq, 2);
    store_req_done(&req);
}

static void acks_take_lists_and_unknown_seqs(void **state)
{
    struct world *w = *state;
    struct store_req req = {.op = STORE_ACK};
    uint64_t seqs[] = {4, 2, 99, 2, 0, UINT64_MAX};

    two_people(w);
    for (uint64_t f = 1; f <= 4; f++)
        assert_int_equal(send(w, 1, 2, f, "a"), STORE_RES_STORED);
    assert_int_equal(send(w, 1, 200, 9, "of another"), STORE_RES_STORED);
    req.u.ack = (struct store_ack){dev(2), seqs, 6};
    assert_int_equal(run(w, &req), WAX_OK);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.n_rows, 2);
    assert_int_equal(req.u.fetch.rows[0].seq, 1);
    assert_int_equal(req.u.fetch.rows[1].seq, 3);
    store_req_done(&req);
    assert_int_equal(waiting(w, 200), 1);
    req = (struct store_req){.op = STORE_ACK};
    req.u.ack = (struct store_ack){dev(77), seqs, 6};
    assert_int_equal(run(w, &req), WAX_E_NOTFOUND);
}

static void envelopes_come_back_byte_for_byte(void **state)
{
    struct world *w = *state;
    static uint8_t big[262144];
    struct store_req req;

    two_people(w);
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 31 + i / 256);
    struct store_envelope e = {.to = dev(2), .envelope = BYTES_OF(big)};
    struct store_req out = fan_out(w, 1, &e, 1);
    out.u.send.from_handle = "";
    assert_int_equal(run(w, &out), WAX_OK);
    assert_int_equal(fetch(w, &req, 2, 0), WAX_OK);
    assert_int_equal(req.u.fetch.rows[0].rest.n, 2 + sizeof big);
    assert_memory_equal(req.u.fetch.rows[0].rest.p + 2, big, sizeof big);
    store_req_done(&req);
}

const struct story stories_mail[] = {
    STORY(a_fan_out_reaches_every_mailbox_in_order),
    STORY(requests_submitted_at_once_take_effect_in_that_order),
    STORY(a_stale_account_stores_nothing),
    STORY(a_sender_who_knows_more_than_the_server_is_not_stale),
    STORY(more_stale_accounts_than_fit_are_cut),
    STORY(each_envelope_stands_alone),
    STORY(dedup_is_by_sender_device_recipient_and_fan_out),
    STORY(dedup_outlives_the_ack_and_ends_after_eight_days),
    STORY(over_quota_leaves_no_trace),
    STORY(the_quota_counts_bytes_too),
    STORY(an_init_to_the_current_bundle_is_stored),
    STORY(an_init_to_an_old_bundle_is_good_for_a_day),
    STORY(an_init_to_an_unknown_bundle_stores_nothing_at_all),
    STORY(a_bundle_twice_superseded_keeps_its_own_day),
    STORY(fetching_goes_by_pages),
    STORY(an_empty_mailbox_tells_its_last_seq),
    STORY(acks_take_lists_and_unknown_seqs),
    STORY(envelopes_come_back_byte_for_byte),
    {NULL, NULL},
};
