/* The rendezvous of linking: six sealed records in order, five minutes, no login. */
#include "rig.h"

#define ROOM "/v1/link/00112233445566778899aabbccddeeff"

static struct rig g;

static int start(void **state)
{
    (void)state;
    rig_start(&g, true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    rig_stop(&g);
    return 0;
}

static void pack_record(uint8_t k, struct buf *body)
{
    Wax__V1__LinkPost m = WAX__V1__LINK_POST__INIT;
    uint8_t sealed[64] = {k};

    m.sealed = (ProtobufCBinaryData){sizeof sealed, sealed};
    assert_int_equal(proto_pack(&m.base, body), WAX_OK);
}

static int post(const char *path, uint8_t k)
{
    struct buf body = {0};

    pack_record(k, &body);
    int status = rig_status(&g, NULL, "POST", path, buf_view(&body));
    buf_done(&body);
    return status;
}

static size_t records_of(const struct answer *a)
{
    ProtobufCMessage *m = NULL;

    assert_true(a->ended);
    assert_int_equal(a->status, 200);
    assert_int_equal(
        proto_unpack(&wax__v1__link_reply__descriptor, buf_view(&a->body), API_BODY_MAX, &m),
        WAX_OK);
    size_t n = ((Wax__V1__LinkReply *)(void *)m)->n_sealed;
    proto_free(m);
    return n;
}

static void records_are_posted_in_their_order(void **state)
{
    struct answer a = {.status = 0};

    (void)state;
    assert_int_equal(post(ROOM, 2), 409);
    assert_int_equal(post(ROOM, 0), 409);
    for (uint8_t k = 1; k <= 6; k++)
        assert_int_equal(post(ROOM, k), 200);
    assert_int_equal(post(ROOM, 7), 409);
    assert_int_equal(post(ROOM, 6), 409);
    rig_call(&g, NULL, "GET", ROOM "?have=2", BYTES(NULL, 0), &a);
    assert_int_equal(records_of(&a), 6);
    answer_done(&a);
}

static void who_waits_is_answered_when_a_record_comes(void **state)
{
    struct answer a = {.status = 0}, b = {.status = 0};

    (void)state;
    assert_int_equal(post(ROOM, 1), 200);
    rig_call(&g, NULL, "GET", ROOM "?have=1", BYTES(NULL, 0), &a);
    rig_call(&g, NULL, "GET", ROOM "?have=0", BYTES(NULL, 0), &b);
    assert_false(a.started);
    assert_int_equal(records_of(&b), 1);
    rig_wait(&g, 5000);
    assert_false(a.started);
    assert_int_equal(post(ROOM, 2), 200);
    assert_int_equal(records_of(&a), 2);
    answer_done(&a);
    answer_done(&b);
}

static void a_poll_ends_after_25_seconds_with_what_there_is(void **state)
{
    struct answer a = {.status = 0};

    (void)state;
    assert_int_equal(post(ROOM, 1), 200);
    rig_call(&g, NULL, "GET", ROOM "?have=1", BYTES(NULL, 0), &a);
    rig_wait(&g, 24999);
    assert_false(a.started);
    rig_wait(&g, 1);
    assert_int_equal(records_of(&a), 1);
    answer_done(&a);
}

static void a_rendezvous_is_gone_after_its_time(void **state)
{
    struct answer a = {.status = 0};

    (void)state;
    rig_expect(&g, NULL, "GET", ROOM, BYTES(NULL, 0), 404, "link-gone");
    rig_expect(&g, NULL, "GET", "/v1/link/xyz", BYTES(NULL, 0), 404, "link-gone");
    assert_int_equal(post(ROOM, 1), 200);
    g.now += g.conf.link_life_ms - 3000;
    rig_call(&g, NULL, "GET", ROOM "?have=1", BYTES(NULL, 0), &a);
    assert_false(a.started);
    rig_wait(&g, 5000);
    expect_problem(&a, 404, "link-gone");
    answer_done(&a);
}

static void too_many_at_once_are_refused(void **state)
{
    (void)state;
    g.conf.link_max = 1;
    server_reconfigure(g.server, &g.conf);
    assert_int_equal(post(ROOM, 1), 200);
    assert_int_equal(post("/v1/link/ffeeddccbbaa99887766554433221100", 1), 429);
    assert_int_equal(post(ROOM, 2), 200);
}

static void a_poll_survives_its_client_and_ends_when_the_server_stops(void **state)
{
    struct answer a = {.status = 0}, b = {.status = 0};

    (void)state;
    assert_int_equal(post(ROOM, 1), 200);
    rig_call(&g, NULL, "GET", ROOM "?have=1", BYTES(NULL, 0), &a);
    rig_call(&g, NULL, "GET", ROOM "?have=1", BYTES(NULL, 0), &b);
    rig_hang_up(&g, &a);
    answer_done(&a);
    server_drain(g.server);
    rig_pump(&g);
    assert_int_equal(records_of(&b), 1);
    answer_done(&b);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(records_are_posted_in_their_order),
        STORY(who_waits_is_answered_when_a_record_comes),
        STORY(a_poll_ends_after_25_seconds_with_what_there_is),
        STORY(a_rendezvous_is_gone_after_its_time),
        STORY(too_many_at_once_are_refused),
        STORY(a_poll_survives_its_client_and_ends_when_the_server_stops),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
