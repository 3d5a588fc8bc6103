/* The router: which request goes where, who may ask what, and what a stranger's bytes do. */
#include "rig.h"

#include "account/rollback.h"

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

static const struct {
    const char *method, *path;
    bool login;
} known[] = {
    {"POST", "/v1/accounts", false},
    {"GET", "/v1/directory/ann@example.org", false},
    {"POST", "/v1/directory/ann@example.org", false},
    {"PUT", "/v1/bundle", true},
    {"POST", "/v1/messages", true},
    {"GET", "/v1/mailbox", true},
    {"POST", "/v1/mailbox/ack", true},
    {"GET", "/v1/counter", true},
    {"PUT", "/v1/counter", true},
    {"POST", "/v1/link/00112233445566778899aabbccddeeff", false},
    {"GET", "/v1/link/00112233445566778899aabbccddeeff", false},
};
#define N_KNOWN (sizeof known / sizeof known[0])

static void a_path_that_does_not_exist_is_not_found(void **state)
{
    static const char *const paths[] = {"/",
                                        "",
                                        "/v1",
                                        "/v1/",
                                        "/v2/accounts",
                                        "/v1/accounts/",
                                        "/v1/directory",
                                        "/v1/directory/",
                                        "/v1/directory/a@b/c",
                                        "/v1/mailbox/acks",
                                        "/v1/log/checkpoint",
                                        "/healthz",
                                        "/v1/blobs"};

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        rig_expect(&g, &ann.keys, "GET", paths[i], BYTES(NULL, 0), 404, "not-found");
}

static void a_method_that_does_not_apply_says_which_do(void **state)
{
    struct answer a = {.status = 0};

    (void)state;
    for (size_t i = 0; i < N_KNOWN; i++)
        rig_expect(&g, &ann.keys, "DELETE", known[i].path, BYTES(NULL, 0), 405, "method");
    rig_call(&g, NULL, "PATCH", "/v1/counter", BYTES(NULL, 0), &a);
    assert_non_null(memmem(a.body.p, a.body.n, "GET, PUT", 8));
    answer_done(&a);
}

static void strangers_reach_only_what_is_meant_for_them(void **state)
{
    struct device_keys stranger;
    struct rng rng = people_rng(7);
    struct answer a = {.status = 0};

    (void)state;
    assert_int_equal(device_keys_make(&rng, &stranger), WAX_OK);
    for (size_t i = 0; i < N_KNOWN; i++) {
        rig_call(&g, &stranger, known[i].method, known[i].path, BYTES(NULL, 0), &a);
        if (known[i].login)
            expect_problem(&a, 401, "not-a-device");
        else
            assert_int_not_equal(a.status, 401);
        answer_done(&a);
    }
    device_keys_done(&stranger);
}

static void login_needs_the_right_key_for_the_device_named(void **state)
{
    struct person bob;
    const char *dev = "00112233445566778899aabbccddeeff";
    char own[33];
    struct buf hex = {0};
    struct answer a = {.status = 0};

    (void)state;
    person_make(&bob, "bob@example.org", false, 2);
    rig_register(&g, &bob);
    buf_hex(&hex, BYTES_OF(ann.keys.dev.b));
    snprintf(own, sizeof own, "%s", buf_cstr(&hex));
    buf_done(&hex);
    const struct who tries[] = {
        {NULL, own, NULL},                     /* no certificate */
        {ec_public(ann.keys.dtk), NULL, NULL}, /* no device */
        {ec_public(ann.keys.dtk), "", NULL},
        {ec_public(ann.keys.dtk), dev, NULL}, /* a device nobody has */
        {ec_public(ann.keys.dtk), "no hex at all, of some length....", NULL},
        {ec_public(ann.keys.dsk), own, NULL}, /* her other key */
        {ec_public(bob.keys.dtk), own, NULL}, /* a real device's, not hers */
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        rig_ask(&g, &tries[i], "GET", "/v1/counter", BYTES(NULL, 0), &a);
        expect_problem(&a, 401, "not-a-device");
        answer_done(&a);
    }
    rig_expect(&g, &ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), 404, "not-found");
    person_done(&bob);
}

static void a_body_over_its_cap_is_not_even_parsed(void **state)
{
    static uint8_t big[70000];

    (void)state;
    rig_expect(&g, &ann.keys, "POST", "/v1/accounts", BYTES(big, 16385), 413, "too-large");
    rig_expect(&g, &ann.keys, "POST", "/v1/directory/ann@example.org", BYTES_OF(big), 413,
               "too-large");
    rig_expect(&g, &ann.keys, "PUT", "/v1/bundle", BYTES(big, 4097), 413, "too-large");
    rig_expect(&g, &ann.keys, "POST", "/v1/mailbox/ack", BYTES_OF(big), 413, "too-large");
    rig_expect(&g, &ann.keys, "GET", "/v1/counter", BYTES(big, 1), 413, "too-large");
}

static void hostile_bodies_are_refused_one_by_one(void **state)
{
    struct rng rng = people_rng(99);
    uint8_t body[512];
    uint64_t n;

    (void)state;
    g.conf.register_per_hour = g.conf.link_per_min = 0;
    server_reconfigure(g.server, &g.conf);
    for (int round = 0; round < 200; round++) {
        assert_int_equal(rng_below(&rng, sizeof body, &n), WAX_OK);
        assert_int_equal(rng_fill(&rng, body, n), WAX_OK);
        if (round % 2 && n > 2) { /* make it look like one long field */
            body[0] = 0x0a;
            body[1] = (uint8_t)(n - 2);
        }
        for (size_t i = 0; i < N_KNOWN; i++) {
            if (strcmp(known[i].method, "GET") == 0)
                continue;
            int status = rig_status(&g, &ann.keys, known[i].method, known[i].path, BYTES(body, n));
            bool link = strstr(known[i].path, "/link/") != NULL;
            if (link) /* sealed: any bytes may be a record, but never out of turn */
                assert_true(status == 400 || status == 409 || status == 200);
            else if (n > 0 || strcmp(known[i].path, "/v1/mailbox/ack") != 0)
                assert_true(status == 400 || (status == 200 && strstr(known[i].path, "/ack")));
        }
    }
}

static void the_counter_only_rises(void **state)
{
    uint8_t five[COUNTER_SIZE], six[COUNTER_SIZE];
    struct answer a = {.status = 0};

    (void)state;
    assert_int_equal(counter_make(&ann.keys.k_roll, &ann.keys.dev, 5, five), WAX_OK);
    assert_int_equal(counter_make(&ann.keys.k_roll, &ann.keys.dev, 6, six), WAX_OK);
    rig_expect(&g, &ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), 404, "not-found");
    assert_int_equal(rig_status(&g, &ann.keys, "PUT", "/v1/counter", BYTES_OF(six)), 200);
    assert_int_equal(rig_status(&g, &ann.keys, "PUT", "/v1/counter", BYTES_OF(six)), 200);
    rig_expect(&g, &ann.keys, "PUT", "/v1/counter", BYTES_OF(five), 409, "stale");
    rig_expect(&g, &ann.keys, "PUT", "/v1/counter", BYTES(six, 39), 400, "bad-request");
    rig_call(&g, &ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), &a);
    assert_int_equal(a.status, 200);
    assert_true(bytes_eq(buf_view(&a.body), BYTES_OF(six)));
    answer_done(&a);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(a_path_that_does_not_exist_is_not_found),
        STORY(a_method_that_does_not_apply_says_which_do),
        STORY(strangers_reach_only_what_is_meant_for_them),
        STORY(login_needs_the_right_key_for_the_device_named),
        STORY(a_body_over_its_cap_is_not_even_parsed),
        STORY(hostile_bodies_are_refused_one_by_one),
        STORY(the_counter_only_rises),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
