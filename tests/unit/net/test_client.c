/* net: the client against a real server; what it says when something does not hold. */
#include "world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"

#define OK(call) assert_int_equal((call), WAX_OK)

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    world_start(&w, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static void a_request_gets_its_answer(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct net_reply r = {0};

    OK(net_client_request(c, "POST", "/echo?a=b&c", BYTES_STR("hello"), 5000, &r));
    assert_int_equal(r.status, 200);
    assert_string_equal(r.content_type, HTTP_MEDIA_TYPE);
    assert_true(bytes_eq(buf_view(&r.body), BYTES_STR("hello")));
    assert_true(r.date_ms > os_now_ms() - 5000 && r.date_ms <= os_now_ms());
    assert_string_equal(net_client_error(c), "");
    assert_string_equal(w.seen.method, "POST");
    assert_string_equal(w.seen.path, "/echo");
    assert_string_equal(w.seen.query, "a=b&c");
    assert_string_equal(w.seen.source, "127.0.0.1");
    assert_string_equal(w.seen.device, "00112233445566778899aabbccddeeff");
    assert_true(w.seen.has_key);
    assert_memory_equal(w.seen.key.b, ec_public(w.login)->b, 65);
    net_reply_done(&r);
    net_client_free(c);
}

static void without_a_certificate_there_is_no_key(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, false);
    struct net_reply r = {0};

    OK(net_client_request(c, "GET", "/echo", (struct bytes){0}, 5000, &r));
    assert_false(w.seen.has_key);
    assert_string_equal(w.seen.device, "-");
    net_reply_done(&r);
    net_client_free(c);
}

static void one_connection_serves_many_requests(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    static const struct {
        const char *method, *path;
        int status;
        const char *body;
    } t[] = {
        {"GET", "/later", 200, "later"}, {"GET", "/empty", 204, ""}, {"PUT", "/echo", 200, "x"},
        {"GET", "/none", 404, ""},       {"HEAD", "/echo", 200, ""}, {"PATCH", "/echo", 200, "x"},
    };

    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        struct net_reply r = {0};
        struct bytes body = t[i].method[0] == 'P' ? BYTES_STR("x") : (struct bytes){0};
        OK(net_client_request(c, t[i].method, t[i].path, body, 5000, &r));
        assert_int_equal(r.status, t[i].status);
        assert_true(bytes_eq(buf_view(&r.body), BYTES_STR(t[i].body)));
        assert_string_equal(w.seen.method, t[i].method);
        assert_int_equal(net_server_connections(w.server), 1);
        net_reply_done(&r);
    }
    net_client_free(c);
}

static void a_problem_comes_with_its_headers(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct net_reply r = {0};

    OK(net_client_request(c, "GET", "/fail", (struct bytes){0}, 5000, &r));
    assert_int_equal(r.status, 503);
    assert_int_equal(r.retry_after, 7);
    assert_string_equal(r.content_type, HTTP_PROBLEM_TYPE);
    net_reply_done(&r);
    net_client_free(c);
}

static void large_bodies_arrive_whole(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    static const size_t sizes[] = {1, 16384, 65535, 1 << 20, NET_BODY_MAX};
    uint8_t *big = mem_alloc(NET_BODY_MAX);

    assert_non_null(big);
    for (size_t i = 0; i < NET_BODY_MAX; i++)
        big[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct net_reply r = {0};
        OK(net_client_request(c, "POST", "/echo", BYTES(big, sizes[i]), 20000, &r));
        assert_true(bytes_eq(buf_view(&r.body), BYTES(big, sizes[i])));
        net_reply_done(&r);
    }
    mem_free(big);
    net_client_free(c);
}

static void a_body_over_the_cap_is_413_and_the_handler_never_sees_it(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct net_reply r = {0};
    uint8_t *big = mem_alloc(NET_BODY_MAX + 1);
    unsigned before = w.requests;

    assert_non_null(big);
    OK(net_client_request(c, "POST", "/echo", BYTES(big, NET_BODY_MAX + 1), 20000, &r));
    assert_int_equal(r.status, 413);
    assert_string_equal(r.content_type, HTTP_PROBLEM_TYPE);
    assert_non_null(strstr(buf_cstr(&r.body), "\"urn:waxwing:too-large\""));
    assert_int_equal(w.requests, before);
    net_reply_done(&r);
    /* And the client is not spoilt. */
    OK(net_client_request(c, "POST", "/echo", BYTES_STR("x"), 5000, &r));
    assert_int_equal(r.status, 200);
    net_reply_done(&r);
    mem_free(big);
    net_client_free(c);
}

struct reader {
    struct net_client *other;
    uint64_t got, stop_at;
    unsigned pieces, idles, slow_ms;
    wax_rc stop_with;
};

static wax_rc on_bytes(void *ctx, struct bytes piece)
{
    struct reader *r = ctx;

    r->got += piece.n;
    r->pieces++;
    if (r->slow_ms)
        os_sleep_ms(r->slow_ms);
    return r->stop_at && r->got >= r->stop_at ? r->stop_with : WAX_OK;
}

static wax_rc on_idle(void *ctx)
{
    struct reader *r = ctx;
    struct net_reply reply = {0};

    r->idles++;
    if (r->other) {
        OK(net_client_request(r->other, "POST", "/echo", BYTES_STR("ack"), 5000, &reply));
        assert_int_equal(reply.status, 200);
        net_reply_done(&reply);
    }
    return r->idles >= 3 && !r->stop_at ? WAX_E_CANCELLED : WAX_OK;
}

static void a_stream_is_read_to_its_end(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct reader r = {.stop_at = UINT64_MAX};
    struct net_stream_calls calls = {on_bytes, on_idle, &r};
    int status;

    OK(net_client_stream(c, "/count?5000001", &calls, 5000, &status, NULL));
    assert_int_equal(status, 200);
    assert_int_equal(r.got, 5000001);
    net_client_free(c);
}

static void a_slow_reader_holds_the_writer_back(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct reader r = {.slow_ms = 5, .stop_at = UINT64_MAX};
    struct net_stream_calls calls = {on_bytes, on_idle, &r};
    unsigned drained = w.drained;
    int status;

    w.most_pending = 0;
    OK(net_client_stream(c, "/count?30000000", &calls, 5000, &status, NULL));
    assert_int_equal(r.got, 30000000);
    assert_true(w.most_pending >= 256 * 1024);
    assert_true(w.most_pending < 256 * 1024 + 10000);
    assert_true(w.drained > drained + 10);
    net_client_free(c);
}

static void an_idle_stream_turns_and_other_clients_may_be_used_inside(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct reader r = {.other = world_client(&w, true)};
    struct net_stream_calls calls = {on_bytes, on_idle, &r};
    unsigned gone = w.gone;
    uint64_t since = os_mono_ms();
    int status;

    assert_int_equal(net_client_stream(c, "/hold", &calls, 5000, &status, NULL), WAX_E_CANCELLED);
    assert_true(os_mono_ms() - since < 3000);
    assert_int_equal(status, 200);
    assert_int_equal(r.got, 5);
    assert_true(world_wait(&w.gone, gone + 1)); /* the stream was reset: the handler hears it */
    net_client_free(r.other);
    net_client_free(c);
}

static void what_on_bytes_returns_comes_back(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct reader r = {.stop_at = 5, .stop_with = WAX_R_PARSE};
    struct net_stream_calls calls = {on_bytes, NULL, &r};
    unsigned gone = w.gone;
    int status;

    assert_int_equal(net_client_stream(c, "/hold", &calls, 5000, &status, NULL), WAX_R_PARSE);
    assert_true(world_wait(&w.gone, gone + 1));
    net_client_free(c);
}

static void silence_ends_a_stream(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct reader r = {.stop_at = UINT64_MAX};
    struct net_stream_calls calls = {on_bytes, on_idle, &r};
    int status;

    assert_int_equal(net_client_stream(c, "/hold", &calls, 600, &status, NULL), WAX_E_TIMEOUT);
    assert_string_equal(net_client_error(c), "the server has fallen silent");
    net_client_free(c);
}

static void a_refused_stream_gives_its_problem(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct reader r = {.stop_at = UINT64_MAX};
    struct net_stream_calls calls = {on_bytes, on_idle, &r};
    struct buf body = {0};
    int status;

    OK(net_client_stream(c, "/fail", &calls, 5000, &status, &body));
    assert_int_equal(status, 503);
    assert_int_equal(r.got, 0);
    assert_non_null(strstr(buf_cstr(&body), "overloaded"));
    buf_done(&body);
    net_client_free(c);
}

static void a_mute_server_is_a_time_out(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct net_reply r = {0};

    assert_int_equal(net_client_request(c, "GET", "/mute", (struct bytes){0}, 300, &r),
                     WAX_E_TIMEOUT);
    assert_non_null(strstr(net_client_error(c), "does not answer"));
    net_client_free(c);
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_call_can_be_cancelled(void **state)
{
    (void)state;
    struct net_client_conf conf = {.url = w.url, .ca_pem = buf_view(&w.ca), .cancelled = at_once};
    struct net_client *c;
    struct net_reply r = {0};

    OK(net_client_new(&conf, &c));
    assert_int_equal(net_client_request(c, "GET", "/mute", (struct bytes){0}, 30000, &r),
                     WAX_E_CANCELLED);
    net_client_free(c);
}

static void no_server_there(void **state)
{
    (void)state;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: refused */
    char url[64];
    struct net_client *c;
    struct net_reply r = {0};

    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u", ntohs(sa.sin_port));
    struct net_client_conf conf = {.url = url, .ca_pem = buf_view(&w.ca)};
    OK(net_client_new(&conf, &c));
    assert_int_equal(net_client_request(c, "GET", "/echo", (struct bytes){0}, 5000, &r), WAX_E_NET);
    assert_non_null(strstr(net_client_error(c), "cannot be reached"));
    net_client_free(c);
    (void)close(fd);
}

static void another_scheme_is_refused(void **state)
{
    (void)state;
    struct net_client_conf conf = {.url = "http://127.0.0.1:1"};
    struct net_client *c;

    assert_int_equal(net_client_new(&conf, &c), WAX_E_INVAL);
}

/* One request that must fail with WAX_E_TLS and say so. */
static void expect_tls(struct bytes ca, const char *says)
{
    struct net_client_conf conf = {.url = w.url, .ca_pem = ca};
    struct net_client *c;
    struct net_reply r = {0};
    unsigned before = w.requests;
    wax_rc rc;

    OK(net_client_new(&conf, &c));
    rc = net_client_request(c, "GET", "/echo", (struct bytes){0}, 5000, &r);
    if (rc != WAX_E_TLS || !strstr(net_client_error(c), says))
        fail_msg("said: %s", net_client_error(c));
    assert_int_equal(w.requests, before);
    net_client_free(c);
}

static void an_unknown_issuer_is_refused(void **state)
{
    (void)state;
    expect_tls(buf_view(&w.other_ca), "certificate");
    expect_tls((struct bytes){0}, "issuer"); /* the system's roots do not know it either */
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    world_stop(&w);
    world_certify(&w, (const char *const[]){"localhost", "127.0.0.1"}, 2, 40, 30);
    world_start(&w, NULL);
    expect_tls(buf_view(&w.ca), "expired");
}

static void a_certificate_of_another_name_is_refused(void **state)
{
    (void)state;
    world_stop(&w);
    world_certify(&w, (const char *const[]){"other.example"}, 1, 0, 30);
    world_start(&w, NULL);
    expect_tls(buf_view(&w.ca), "wrong name");
}

static void *stop_soon(void *ctx)
{
    struct world *v = ctx;

    (void)world_wait(&v->requests, 1);
    os_sleep_ms(100);
    world_stop(v);
    return NULL;
}

static void a_server_that_goes_away_breaks_the_stream(void **state)
{
    (void)state;
    struct world *v = &w;
    struct net_client *c = world_client(v, true);
    struct reader r = {.stop_at = UINT64_MAX};
    struct net_stream_calls calls = {on_bytes, on_idle, &r};
    pthread_t stopper;
    int status;

    assert_int_equal(pthread_create(&stopper, NULL, stop_soon, v), 0);
    assert_int_equal(net_client_stream(c, "/hold", &calls, 10000, &status, NULL), WAX_E_NET);
    assert_int_equal(pthread_join(stopper, NULL), 0);
    net_client_free(c);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_request_gets_its_answer),
        TEST(without_a_certificate_there_is_no_key),
        TEST(one_connection_serves_many_requests),
        TEST(a_problem_comes_with_its_headers),
        TEST(large_bodies_arrive_whole),
        TEST(a_body_over_the_cap_is_413_and_the_handler_never_sees_it),
        TEST(a_stream_is_read_to_its_end),
        TEST(a_slow_reader_holds_the_writer_back),
        TEST(an_idle_stream_turns_and_other_clients_may_be_used_inside),
        TEST(what_on_bytes_returns_comes_back),
        TEST(silence_ends_a_stream),
        TEST(a_refused_stream_gives_its_problem),
        TEST(a_mute_server_is_a_time_out),
        TEST(a_call_can_be_cancelled),
        TEST(no_server_there),
        TEST(another_scheme_is_refused),
        TEST(an_unknown_issuer_is_refused),
        TEST(an_expired_certificate_is_refused),
        TEST(a_certificate_of_another_name_is_refused),
        TEST(a_server_that_goes_away_breaks_the_stream),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
