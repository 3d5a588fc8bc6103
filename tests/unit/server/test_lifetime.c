/* Revokes, clients that go away, a store in trouble, the end of the server. */
#include "rig.h"

static struct rig g;
static struct person ann;
static struct device_keys laptop;
static struct answer s, t;

static int start(void **state)
{
    (void)state;
    rig_start(&g, true);
    person_make(&ann, "ann@example.org", true, 1);
    rig_register(&g, &ann);
    rig_add_device(&g, &ann, "laptop", &laptop, 3);
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
    device_keys_done(&laptop);
    person_done(&ann);
    rig_stop(&g);
    return 0;
}

static void revoke(const struct dev_id *dev, const struct device_keys *by, struct answer *a)
{
    struct update_change change = {.revoke = dev, .n_revoke = 1};
    struct update_signer signer = update_signer_device(by);
    struct buf body = {0};

    person_change_as(&ann, &signer, &change, NULL, NOW);
    body_update(&body, buf_view(&ann.links[ann.n_links - 1]), NULL, 0);
    rig_call(&g, by, "POST", "/v1/directory/ann@example.org", buf_view(&body), a);
    buf_done(&body);
}

static void a_revoked_device_is_cut_off_before_the_answer(void **state)
{
    struct answer a = {.status = 0};

    (void)state;
    rig_call(&g, &laptop, "GET", "/v1/mailbox", BYTES(NULL, 0), &s);
    rig_call(&g, &ann.keys, "GET", "/v1/mailbox", BYTES(NULL, 0), &t);
    g.hold = true;
    revoke(&laptop.dev, &ann.keys, &a);
    while (g.n_revoked == 0)
        assert_int_equal(store_memory_pump(g.memory, 1), 1);
    assert_false(a.started);
    assert_true(s.ended);
    assert_true(ID_EQ(&g.revoked[0], ec_public(laptop.dtk)));
    g.hold = false;
    rig_pump(&g);
    assert_int_equal(a.status, 200);
    assert_false(t.ended);
    rig_expect(&g, &laptop, "GET", "/v1/mailbox", BYTES(NULL, 0), 401, "not-a-device");
    answer_done(&a);
}

static void who_removes_himself_still_gets_his_answer(void **state)
{
    struct answer a = {.status = 0};

    (void)state;
    g.hold = true;
    revoke(&laptop.dev, &laptop, &a);
    while (!a.ended) {
        assert_int_equal(g.n_revoked, 0);
        assert_int_equal(store_memory_pump(g.memory, 1), 1);
    }
    g.hold = false;
    assert_int_equal(a.status, 200);
    assert_int_equal(g.n_revoked, 1);
    answer_done(&a);
}

static void a_login_that_is_remembered_does_not_outlive_the_revoke(void **state)
{
    struct answer a = {.status = 0};
    struct fan fan;

    (void)state;
    rig_expect(&g, &laptop, "GET", "/v1/counter", BYTES(NULL, 0), 404, "not-found");
    g.hold = true; /* asked before the revoke, answered after it */
    g.now += 2000;
    rig_call(&g, &laptop, "GET", "/v1/counter", BYTES(NULL, 0), &a);
    g.hold = false;
    rig_pump(&g);
    answer_done(&a);
    fan_start(&fan, 1);
    fan_account(&fan, &ann);
    fan_add(&fan, &laptop, &ann.keys.dev);
    revoke(&laptop.dev, &ann.keys, &a);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    rig_expect(&g, &laptop, "GET", "/v1/counter", BYTES(NULL, 0), 401, "not-a-device");
    assert_int_equal(fan_post(&g, &fan, &laptop, &a), 401);
    answer_done(&a);
    fan_done(&fan);
}

/* The login was good, then the manifest changed under it. */
static void a_message_on_its_way_during_the_revoke_is_not_stored(void **state)
{
    struct update_change change = {.revoke = &laptop.dev, .n_revoke = 1};
    struct update_signer signer = update_signer_device(&ann.keys);
    struct answer a = {.status = 0}, m = {.status = 0};
    struct buf body = {0};
    struct fan fan;

    (void)state;
    fan_start(&fan, 1);
    fan_account(&fan, &ann);
    fan_add(&fan, &laptop, &ann.keys.dev);
    person_change_as(&ann, &signer, &change, NULL, NOW);
    body_update(&body, buf_view(&ann.links[ann.n_links - 1]), NULL, 0);
    rig_expect(&g, &laptop, "GET", "/v1/counter", BYTES(NULL, 0), 404, "not-found");
    rig_expect(&g, &ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), 404, "not-found");
    g.hold = true;
    rig_call(&g, &ann.keys, "POST", "/v1/directory/ann@example.org", buf_view(&body), &a);
    assert_int_equal(store_memory_pump(g.memory, 1), 1); /* the update goes to the store … */
    fan_post(&g, &fan, &laptop, &m);                     /* … and a message right behind it */
    g.hold = false;
    rig_pump(&g);
    assert_int_equal(a.status, 200);
    assert_int_equal(m.status, 409);
    answer_done(&a);
    answer_done(&m);
    buf_done(&body);
    fan_done(&fan);
}

static void a_message_for_a_removed_device_comes_back_as_a_notice(void **state)
{
    struct answer a = {.status = 0};
    struct frame f;
    struct fan fan;
    size_t at = 0;

    (void)state;
    fan_start(&fan, 1);
    fan_account(&fan, &ann);
    fan_add(&fan, &ann.keys, &laptop.dev);
    assert_int_equal(fan_post(&g, &fan, &ann.keys, &a), 202);
    answer_done(&a);
    rig_call(&g, &ann.keys, "GET", "/v1/mailbox", BYTES(NULL, 0), &s);
    revoke(&laptop.dev, &ann.keys, &a);
    assert_int_equal(a.status, 200);
    assert_true(next_frame(&s, &at, &f));
    assert_int_equal(f.type, FRAME_DRAINED);
    assert_true(next_frame(&s, &at, &f));
    assert_int_equal(f.type, FRAME_NOTICE);
    assert_int_equal(f.reason, NOTICE_REVOKED);
    answer_done(&a);
    fan_done(&fan);
}

/* Every route, given up at every step of its way through the store. */
static void a_client_may_leave_at_any_moment(void **state)
{
    static const char *const gets[] = {"/v1/directory/ann@example.org", "/v1/mailbox",
                                       "/v1/counter", "/v1/link/00112233445566778899aabbccddeeff"};
    struct buf body = {0};
    struct answer a = {.status = 0};

    (void)state;
    g.hold = true;
    for (size_t i = 0; i < 4; i++) {
        for (size_t steps = 0; steps < 3; steps++) {
            g.now += 2000; /* the login goes through the store, too */
            rig_call(&g, &ann.keys, "GET", gets[i], BYTES(NULL, 0), &a);
            for (size_t k = 0; k < steps; k++)
                (void)store_memory_pump(g.memory, 1);
            if (!a.ended)
                rig_hang_up(&g, &a);
            answer_done(&a);
            rig_pump(&g);
        }
    }
    body_update(&body, buf_view(&ann.links[ann.n_links - 1]), NULL, 0);
    for (size_t steps = 0; steps < 4; steps++) {
        rig_call(&g, &ann.keys, "POST", "/v1/directory/ann@example.org", buf_view(&body), &a);
        for (size_t k = 0; k < steps; k++)
            (void)store_memory_pump(g.memory, 1);
        if (!a.ended)
            rig_hang_up(&g, &a);
        answer_done(&a);
        rig_pump(&g);
    }
    buf_done(&body);
    g.hold = false;
}

static void a_store_in_trouble_is_overloaded_and_may_be_asked_again(void **state)
{
    static const char *const gets[] = {"/v1/directory/ann@example.org", "/v1/mailbox",
                                       "/v1/counter", "/v1/link/00112233445566778899aabbccddeeff"};
    struct answer a = {.status = 0};

    (void)state;
    g.now += 2000; /* so that logins are asked of the store again */
    g.fail = true;
    for (size_t i = 0; i < 4; i++) {
        rig_call(&g, &ann.keys, "GET", gets[i], BYTES(NULL, 0), &a);
        expect_problem(&a, 503, "overloaded");
        assert_true(a.retry_after >= 1);
        answer_done(&a);
    }
    g.fail = false;
    assert_int_equal(
        rig_status(&g, &ann.keys, "GET", "/v1/directory/ann@example.org", BYTES(NULL, 0)), 200);
}

static void a_server_that_stops_ends_its_streams_and_takes_nothing_new(void **state)
{
    (void)state;
    rig_call(&g, &ann.keys, "GET", "/v1/mailbox", BYTES(NULL, 0), &s);
    server_drain(g.server);
    assert_true(s.ended);
    rig_expect(&g, &ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), 503, "overloaded");
}

static void a_crash_with_requests_under_way_leaks_nothing(void **state)
{
    struct buf body = {0};
    struct fan fan;

    (void)state;
    rig_call(&g, &ann.keys, "GET", "/v1/mailbox", BYTES(NULL, 0), &s);
    answer_done(&s);
    g.now += 2000; /* logins go through the store, too */
    g.hold = true;
    struct answer a[4] = {{.status = 0}};
    fan_start(&fan, 1);
    fan_account(&fan, &ann);
    fan_add(&fan, &ann.keys, &laptop.dev);
    fan_post(&g, &fan, &ann.keys, &a[0]);
    rig_call(&g, &ann.keys, "GET", "/v1/directory/ann@example.org", BYTES(NULL, 0), &a[1]);
    (void)store_memory_pump(g.memory, 2);
    rig_call(&g, &ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), &a[2]);
    store_memory_crash(g.memory);
    server_free(g.server);
    for (size_t i = 0; i < 4; i++) {
        assert_false(a[i].ended);
        answer_done(&a[i]);
    }
    assert_int_equal(server_new(&g.conf, &g.front, &g.server), WAX_OK);
    server_tick(g.server, g.now);
    g.hold = false;
    assert_int_equal(
        rig_status(&g, &ann.keys, "GET", "/v1/directory/ann@example.org", BYTES(NULL, 0)), 200);
    fan_done(&fan);
    buf_done(&body);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(a_revoked_device_is_cut_off_before_the_answer),
        STORY(who_removes_himself_still_gets_his_answer),
        STORY(a_login_that_is_remembered_does_not_outlive_the_revoke),
        STORY(a_message_on_its_way_during_the_revoke_is_not_stored),
        STORY(a_message_for_a_removed_device_comes_back_as_a_notice),
        STORY(a_client_may_leave_at_any_moment),
        STORY(a_store_in_trouble_is_overloaded_and_may_be_asked_again),
        STORY(a_server_that_stops_ends_its_streams_and_takes_nothing_new),
        STORY(a_crash_with_requests_under_way_leaks_nothing),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
