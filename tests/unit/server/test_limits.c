/* Token buckets, alone and through the router; problem documents. */
#include "rig.h"

#include "server/limit.h"
#include "server/problem.h"

static struct rig g;
static struct person ann;

static int start(void **state)
{
    (void)state;
    rig_start(&g, true);
    person_make(&ann, "ann@example.org", true, 1);
    rig_register(&g, &ann);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    person_done(&ann);
    rig_stop(&g);
    return 0;
}

static void a_bucket_gives_its_burst_then_one_at_a_time(void **state)
{
    struct limits *l;
    struct limit_rate r = {60, 60000};
    struct bytes key = BYTES_STR("somebody");
    uint64_t now = NOW;

    (void)state;
    assert_int_equal(limits_new(&l), WAX_OK);
    for (int i = 0; i < 60; i++)
        assert_int_equal(limit_take(l, LIMIT_SEND, key, r, now), 0);
    assert_int_equal(limit_take(l, LIMIT_SEND, key, r, now), 1000);
    assert_int_equal(limit_ask(l, LIMIT_SEND, key, r, now + 400), 600);
    assert_int_equal(limit_take(l, LIMIT_LOOKUP, key, r, now), 0); /* another kind */
    assert_int_equal(limit_take(l, LIMIT_SEND, BYTES_STR("other"), r, now), 0);
    now += 1000;
    assert_int_equal(limit_ask(l, LIMIT_SEND, key, r, now), 0);
    assert_int_equal(limit_take(l, LIMIT_SEND, key, r, now), 0);
    assert_int_equal(limit_take(l, LIMIT_SEND, key, r, now), 1000);
    now += 3600000; /* an hour later no more than one burst is there */
    for (int i = 0; i < 60; i++)
        assert_int_equal(limit_take(l, LIMIT_SEND, key, r, now), 0);
    assert_true(limit_take(l, LIMIT_SEND, key, r, now) > 0);
    assert_true(limit_take(l, LIMIT_SEND, key, r, now - 600000) <= 60000); /* clock set back */
    assert_int_equal(limit_take(l, LIMIT_SEND, key, (struct limit_rate){0, 60000}, now), 0);
    limits_free(l);
}

static void a_flood_of_keys_does_not_free_the_one_held_back(void **state)
{
    struct limits *l;
    struct limit_rate r = {10, 60000};
    char key[32];

    (void)state;
    assert_int_equal(limits_new(&l), WAX_OK);
    for (int i = 0; i < 10; i++)
        assert_int_equal(limit_take(l, LIMIT_LOGIN, BYTES_STR("flooder"), r, NOW), 0);
    for (int i = 0; i < 200000; i++) {
        snprintf(key, sizeof key, "2001:db8:%x::", (unsigned)i);
        assert_int_equal(limit_take(l, LIMIT_LOGIN, BYTES_STR(key), r, NOW), 0);
    }
    assert_true(limit_take(l, LIMIT_LOGIN, BYTES_STR("flooder"), r, NOW) > 0);
    limits_free(l);
}

static void expect_limited(const struct device_keys *as, const char *method, const char *path,
                           struct bytes body, unsigned burst)
{
    struct answer a = {.status = 0};

    for (unsigned i = 0; i < burst; i++)
        assert_int_not_equal(rig_status(&g, as, method, path, body), 429);
    rig_call(&g, as, method, path, body, &a);
    expect_problem(&a, 429, "rate-limited");
    assert_true(a.retry_after >= 1);
    g.now += a.retry_after * 1000ULL;
    answer_done(&a);
    assert_int_not_equal(rig_status(&g, as, method, path, body), 429);
}

static void every_limit_holds_and_says_when_to_come_again(void **state)
{
    (void)state;
    g.conf.login_per_min = 4;
    g.conf.lookup_per_min = 5;
    g.conf.send_per_min = 6;
    g.conf.register_per_hour = 3;
    g.conf.link_per_min = 7;
    server_reconfigure(g.server, &g.conf);
    g.now += HOUR;
    expect_limited(&ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), 4);
    expect_limited(&ann.keys, "GET", "/v1/directory/x@example.org", BYTES(NULL, 0), 5);
    expect_limited(NULL, "GET", "/v1/directory/x@example.org", BYTES(NULL, 0), 1);
    expect_limited(&ann.keys, "POST", "/v1/messages", BYTES(NULL, 0), 6);
    expect_limited(NULL, "POST", "/v1/accounts", BYTES(NULL, 0), 3);
    expect_limited(NULL, "GET", "/v1/link/00112233445566778899aabbccddeeff", BYTES(NULL, 0), 7);
}

static void logins_that_fail_slow_their_key_down_not_others(void **state)
{
    struct point stranger = *ec_public(ann.keys.dsk);
    struct who who = {&stranger, "00112233445566778899aabbccddeeff", "198.51.100.7"};
    struct buf dev = {0};
    struct answer a = {.status = 0};

    (void)state;
    g.conf.login_per_min = 20; /* so 3 failed ones */
    server_reconfigure(g.server, &g.conf);
    for (int i = 0; i < 3; i++) {
        rig_ask(&g, &who, "GET", "/v1/counter", BYTES(NULL, 0), &a);
        expect_problem(&a, 401, "not-a-device");
        answer_done(&a);
    }
    rig_ask(&g, &who, "GET", "/v1/counter", BYTES(NULL, 0), &a);
    expect_problem(&a, 429, "rate-limited");
    answer_done(&a);
    buf_hex(&dev, BYTES_OF(ann.keys.dev.b));
    who.key = ec_public(ann.keys.dtk); /* ann, at the same address */
    who.device = buf_cstr(&dev);
    rig_ask(&g, &who, "GET", "/v1/counter", BYTES(NULL, 0), &a);
    expect_problem(&a, 404, "not-found");
    answer_done(&a);
    buf_done(&dev);
}

static void a_problem_document_is_json_whatever_it_quotes(void **state)
{
    struct buf out = {0};

    (void)state;
    problem_write(PROBLEM_BAD_REQUEST, "a \"quote\", a \\ and\na line", &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"type\":\"urn:waxwing:bad-request\",\"title\":\"Request does not "
                        "hold\",\"status\":400,\"detail\":\"a \\\"quote\\\", a \\\\ "
                        "and\\u000aa line\"}");
    buf_reset(&out);
    for (int p = 0; p < PROBLEM_COUNT; p++) {
        assert_non_null(problem_name((enum problem)p));
        assert_true(problem_status((enum problem)p) >= 400);
    }
    buf_done(&out);
}

static void a_device_may_have_many_streams_but_not_any_number(void **state)
{
    static struct answer s[33];

    (void)state;
    for (size_t i = 0; i < 33; i++)
        rig_call(&g, &ann.keys, "GET", "/v1/mailbox", BYTES(NULL, 0), &s[i]);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(s[i].status, 200);
    expect_problem(&s[32], 429, "rate-limited");
    for (size_t i = 0; i < 32; i++)
        rig_hang_up(&g, &s[i]);
    for (size_t i = 0; i < 33; i++)
        answer_done(&s[i]);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest stories[] = {
        cmocka_unit_test(a_bucket_gives_its_burst_then_one_at_a_time),
        cmocka_unit_test(a_flood_of_keys_does_not_free_the_one_held_back),
        STORY(every_limit_holds_and_says_when_to_come_again),
        STORY(logins_that_fail_slow_their_key_down_not_others),
        cmocka_unit_test(a_problem_document_is_json_whatever_it_quotes),
        STORY(a_device_may_have_many_streams_but_not_any_number),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
