/* net: connections that misbehave, that are unwanted, and that outlive their server. */
#include "raw.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"

#define OK(call) assert_int_equal((call), WAX_OK)
#define ENHANCE_YOUR_CALM 11

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static bool wait_connections(unsigned n)
{
    for (int i = 0; i < 1000 && net_server_connections(w.server) != n; i++)
        os_sleep_ms(5);
    return net_server_connections(w.server) == n;
}

static void a_connection_that_says_nothing_is_closed(void **state)
{
    (void)state;
    struct raw r;
    int fd;
    char c;

    world_start(&w, &(struct net_server_conf){.handshake_ms = 1000});
    fd = raw_tcp(&w); /* not even TLS */
    assert_int_equal(read(fd, &c, 1), 0);
    (void)close(fd);
    assert_true(raw_open(&w, NULL, &r)); /* TLS and no HTTP/2 */
    assert_true(raw_is_closed(&r));
    raw_close(&r);
    assert_true(wait_connections(0));
}

static void half_open_connections_make_room_for_who_waits(void **state)
{
    (void)state;
    struct raw r;
    int fds[8];

    world_start(&w, &(struct net_server_conf){.max_handshakes = 4});
    for (size_t i = 0; i < 8; i++)
        fds[i] = raw_tcp(&w); /* twice as many as may be at it, and they never begin */
    uint64_t since = os_mono_ms();
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    assert_true(raw_request(&r, 1, false));
    assert_true(world_wait(&w.requests, 1));
    uint64_t took = os_mono_ms() - since;
    assert_true(took >= 500); /* it waited for its turn */
    assert_true(took < 8000); /* and not until the others' time was up */
    assert_true(net_server_connections(w.server) <= 5);
    raw_close(&r);
    for (size_t i = 0; i < 8; i++)
        (void)close(fds[i]);
}

static void at_the_maximum_a_half_open_connection_goes_first(void **state)
{
    (void)state;
    struct raw r;
    char c;

    world_start(&w, &(struct net_server_conf){.max_connections = 1});
    int fd = raw_tcp(&w);
    assert_true(wait_connections(1));
    os_sleep_ms(1100);
    assert_true(raw_open(&w, NULL, &r));
    assert_int_equal(read(fd, &c, 1), 0);
    raw_close(&r);
    (void)close(fd);
}

/* Says what a client says first, and nothing more. */
static void say_hello(int fd)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = ctx ? SSL_new(ctx) : NULL;
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    const unsigned char h2[] = {2, 'h', '2'};
    char *p;

    assert_non_null(ssl);
    assert_true(in && out);
    SSL_set_bio(ssl, in, out);
    assert_int_equal(SSL_set_alpn_protos(ssl, h2, sizeof h2), 0);
    assert_true(SSL_connect(ssl) < 0);
    long n = BIO_get_mem_data(out, &p);
    assert_true(n > 0);
    assert_int_equal(write(fd, p, (size_t)n), n);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static void who_is_in_the_middle_of_a_handshake_has_longer(void **state)
{
    (void)state;
    struct raw r;
    uint8_t c[64];

    world_start(&w, &(struct net_server_conf){.max_connections = 2});
    int begun = raw_tcp(&w);
    say_hello(begun);
    assert_true(wait_connections(1));
    int silent = raw_tcp(&w);
    assert_true(wait_connections(2));
    os_sleep_ms(1100);
    assert_true(
        raw_open(&w, NULL, &r)); /* the younger one went, and the older one is still there */
    assert_int_equal(read(silent, c, 1), 0);
    assert_true(read(begun, c, sizeof c) > 0); /* the server's part of the handshake */
    assert_int_equal(net_server_connections(w.server), 2);
    raw_close(&r);
    (void)close(begun);
    (void)close(silent);
}

static void a_half_open_connection_is_found_by_ping(void **state)
{
    (void)state;
    struct raw r;
    uint8_t head[16];

    world_start(&w, &(struct net_server_conf){.ping_ms = 100, .pong_ms = 1000});
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    assert_true(raw_await(&r, 6, head)); /* the PING, which we do not answer */
    assert_true(raw_is_closed(&r));
    raw_close(&r);
}

static void an_answered_ping_keeps_it(void **state)
{
    (void)state;
    struct raw r;
    uint8_t head[16];

    world_start(&w, &(struct net_server_conf){.ping_ms = 100, .pong_ms = 1000});
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    for (int i = 0; i < 6; i++) {
        assert_true(raw_await(&r, 6, head));
        assert_true(raw_frame(&r, 6, 1, 0, head, 8));
    }
    raw_close(&r);
}

static void an_idle_connection_is_closed_and_a_used_one_is_not(void **state)
{
    (void)state;
    struct raw r;
    uint8_t head[16];
    uint64_t since;

    world_start(&w, &(struct net_server_conf){.idle_ms = 300});
    since = os_mono_ms();
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    assert_true(raw_await(&r, 7, head)); /* GOAWAY */
    assert_int_equal(get_u32(head + 4), 0);
    assert_true(raw_is_closed(&r));
    assert_true(os_mono_ms() - since >= 290);
    raw_close(&r);
}

static void an_upload_that_stalls_is_reset(void **state)
{
    (void)state;
    struct raw r;
    uint8_t head[16];

    world_start(&w, &(struct net_server_conf){.request_ms = 200});
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    assert_true(raw_request(&r, 1, true));
    assert_true(raw_frame(&r, 0, 0, 1, "part", 4));
    assert_true(raw_await(&r, 3, head)); /* RST_STREAM */
    assert_int_equal(w.requests, 0);
    raw_close(&r);
}

static void expect_calm_down(struct raw *r)
{
    uint8_t head[16];

    assert_true(raw_await(r, 7, head));
    assert_int_equal(get_u32(head + 4), ENHANCE_YOUR_CALM);
    raw_close(r);
    assert_true(wait_connections(0));
}

static void a_flood_of_pings_is_cut_off(void **state)
{
    (void)state;
    struct raw r;

    world_start(&w, NULL);
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    for (int i = 0; i < 230; i++)
        (void)raw_frame(&r, 6, 0, 0, "01234567", 8);
    expect_calm_down(&r);
}

static void a_flood_of_settings_is_cut_off(void **state)
{
    (void)state;
    struct raw r;

    world_start(&w, NULL);
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    for (int i = 0; i < 230; i++)
        (void)raw_frame(&r, 4, 0, 0, NULL, 0);
    expect_calm_down(&r);
}

static void requests_reset_as_fast_as_made_are_cut_off(void **state)
{
    (void)state;
    static const uint8_t cancel[4] = {0, 0, 0, 8};
    struct raw r;

    world_start(&w, NULL);
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    for (uint32_t i = 0; i < 230; i++) {
        (void)raw_request(&r, 2 * i + 1, true);
        (void)raw_frame(&r, 3, 0, 2 * i + 1, cancel, 4);
    }
    expect_calm_down(&r);
    assert_int_equal(w.requests, 0);
}

static void headers_over_16_kib_are_refused(void **state)
{
    (void)state;
    struct net_client *c;
    struct net_reply r = {0};
    char path[20000];

    world_start(&w, NULL);
    c = world_client(&w, true);
    memset(path, 'x', sizeof path);
    memcpy(path, "/echo?", 6);
    path[15000] = 0;
    OK(net_client_request(c, "GET", path, (struct bytes){0}, 5000, &r));
    assert_int_equal(r.status, 200);
    path[15000] = 'x';
    path[17000] = 0;
    OK(net_client_request(c, "GET", path, (struct bytes){0}, 5000, &r));
    assert_int_equal(r.status, 431);
    assert_int_equal(w.requests, 1);
    net_reply_done(&r);
    net_client_free(c);
}

static void connections_over_the_maximum_are_closed_at_once(void **state)
{
    (void)state;
    struct raw a, b, c;

    world_start(&w, &(struct net_server_conf){.max_connections = 2});
    assert_true(raw_open(&w, NULL, &a));
    assert_true(raw_open(&w, NULL, &b));
    assert_false(raw_open(&w, NULL, &c));
    raw_close(&c);
    raw_close(&a);
    assert_true(wait_connections(1));
    assert_true(raw_open(&w, NULL, &a));
    raw_close(&a);
    raw_close(&b);
}

static void a_vanished_client_is_gone_for_each_of_its_requests(void **state)
{
    (void)state;
    struct raw r;

    world_start(&w, NULL);
    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    /* "/" is answered, so the paths go as literals. */
    static const uint8_t mute[] = {0x82, 0x87, 0x04, 5, '/', 'm', 'u', 't', 'e', 0x01, 1, 'a'};
    for (uint32_t i = 0; i < 100; i++)
        assert_true(raw_frame(&r, 1, 5, 2 * i + 1, mute, sizeof mute));
    assert_true(world_wait(&w.requests, 100));
    raw_close(&r);
    assert_true(world_wait(&w.gone, 100));
    assert_true(wait_connections(0));
}

static void *busy(void *ctx)
{
    static const uint8_t body[5000] = {9};
    struct net_client *c = ctx;
    intptr_t bad = 0;

    for (int i = 0; i < 40; i++) {
        struct net_reply r = {0};
        bool late = i % 4 == 0;
        if (net_client_request(c, "POST", late ? "/later" : "/echo", BYTES_OF(body), 20000, &r) !=
                WAX_OK ||
            r.status != 200 || r.body.n != (late ? 5 : sizeof body))
            bad++;
        net_reply_done(&r);
    }
    return (void *)bad;
}

static void many_clients_at_once_get_their_own_answers(void **state)
{
    (void)state;
    struct net_client *c[12];
    pthread_t t[12];
    void *bad;

    world_start(&w, NULL);
    for (int i = 0; i < 12; i++) {
        c[i] = world_client(&w, i % 2 == 0);
        assert_int_equal(pthread_create(&t[i], NULL, busy, c[i]), 0);
    }
    for (int i = 0; i < 12; i++) {
        assert_int_equal(pthread_join(t[i], &bad), 0);
        assert_null(bad);
        net_client_free(c[i]);
    }
    assert_int_equal(w.requests, 12 * 40);
    assert_int_equal(w.gone, 0);
}

static void close_login(struct world *x) { net_server_close_key(x->server, ec_public(x->login)); }

static wax_rc nothing(void *ctx, struct bytes piece)
{
    (void)ctx;
    (void)piece;
    return WAX_OK;
}

static void *stream_it(void *ctx)
{
    struct net_stream_calls calls = {nothing, NULL, NULL};
    int status;

    return (void *)(intptr_t)net_client_stream(ctx, "/hold", &calls, 10000, &status, NULL);
}

static void a_revoked_key_loses_its_connections_and_no_other_does(void **state)
{
    (void)state;
    struct net_client *c, *other;
    struct net_reply r = {0};
    pthread_t t;
    void *rc;

    world_start(&w, NULL);
    c = world_client(&w, true);
    other = world_client(&w, false);
    OK(net_client_request(other, "GET", "/echo", (struct bytes){0}, 5000, &r));
    assert_int_equal(pthread_create(&t, NULL, stream_it, c), 0);
    assert_true(world_wait(&w.requests, 2));
    world_do(&w, close_login);
    assert_int_equal(pthread_join(t, &rc), 0);
    assert_int_equal((intptr_t)rc, WAX_E_NET);
    assert_int_equal(w.gone, 1);
    assert_true(wait_connections(1));
    net_reply_done(&r);
    net_client_free(c);
    net_client_free(other);
}

static atomic_uint drained;

static void on_drained(void *ctx)
{
    (void)ctx;
    drained++;
}

static void drain(struct world *x) { net_server_drain(x->server, on_drained, NULL); }

static void *later(void *ctx)
{
    struct net_reply r = {0};
    wax_rc rc = net_client_request(ctx, "GET", "/later", (struct bytes){0}, 5000, &r);
    int status = r.status;

    net_reply_done(&r);
    return (void *)(intptr_t)(rc ? rc : status);
}

static void draining_lets_requests_finish_and_cuts_streams_at_last(void **state)
{
    (void)state;
    struct net_client *a, *b, *late;
    struct net_reply r = {0};
    pthread_t ta, tb;
    void *ra, *rb;
    uint64_t since;

    world_start(&w, &(struct net_server_conf){.drain_ms = 800});
    a = world_client(&w, true);
    b = world_client(&w, true);
    late = world_client(&w, true);
    assert_int_equal(pthread_create(&tb, NULL, stream_it, b), 0);
    assert_true(world_wait(&w.requests, 1));
    assert_int_equal(pthread_create(&ta, NULL, later, a), 0);
    assert_true(world_wait(&w.requests, 2));
    drained = 0;
    since = os_mono_ms();
    world_do(&w, drain);
    assert_int_equal(net_client_request(late, "GET", "/echo", (struct bytes){0}, 5000, &r),
                     WAX_E_NET);
    assert_int_equal(pthread_join(ta, &ra), 0);
    assert_int_equal((intptr_t)ra, 200);
    assert_int_equal(pthread_join(tb, &rb), 0);
    assert_int_equal((intptr_t)rb, WAX_E_NET);
    assert_true(world_wait(&drained, 1));
    assert_true(os_mono_ms() - since >= 750);
    assert_int_equal(w.gone, 1);
    net_client_free(a);
    net_client_free(b);
    net_client_free(late);
}

static void draining_an_idle_server_is_quick(void **state)
{
    (void)state;
    struct net_client *c;
    struct net_reply r = {0};
    uint64_t since;

    world_start(&w, NULL);
    c = world_client(&w, true);
    OK(net_client_request(c, "GET", "/echo", (struct bytes){0}, 5000, &r));
    drained = 0;
    since = os_mono_ms();
    world_do(&w, drain);
    assert_true(world_wait(&drained, 1));
    assert_true(os_mono_ms() - since < 5000);
    net_reply_done(&r);
    net_client_free(c);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_that_says_nothing_is_closed),
        TEST(half_open_connections_make_room_for_who_waits),
        TEST(at_the_maximum_a_half_open_connection_goes_first),
        TEST(who_is_in_the_middle_of_a_handshake_has_longer),
        TEST(a_half_open_connection_is_found_by_ping),
        TEST(an_answered_ping_keeps_it),
        TEST(an_idle_connection_is_closed_and_a_used_one_is_not),
        TEST(an_upload_that_stalls_is_reset),
        TEST(a_flood_of_pings_is_cut_off),
        TEST(a_flood_of_settings_is_cut_off),
        TEST(requests_reset_as_fast_as_made_are_cut_off),
        TEST(headers_over_16_kib_are_refused),
        TEST(connections_over_the_maximum_are_closed_at_once),
        TEST(a_vanished_client_is_gone_for_each_of_its_requests),
        TEST(many_clients_at_once_get_their_own_answers),
        TEST(a_revoked_key_loses_its_connections_and_no_other_does),
        TEST(draining_lets_requests_finish_and_cuts_streams_at_last),
        TEST(draining_an_idle_server_is_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
