/* Misbehaving below HTTP: TCP, TLS, HTTP/2 by hand. */
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "front.h"
#include "os/clock.h"

static const struct bound *within;

/* ann's message is queued in time and at a bounded cost, bob's receive ends, too; afterwards the
 * message arrives once. */
static void both_get_over_it(struct scene *s, front_fn fn, const char *text)
{
    s->timeout = "1s";
    front_set(s, fn);
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), text, NULL), 75);
    cost_at_most(s, within ? within : &usual);
    is_clean(s);
    int code = wax(s, s->bob, "receive", NULL);
    assert_true(code == 69 || code == 76);
    cost_at_most(s, within ? within : &usual);
    is_clean(s);
    assert_int_equal(printed(s, "message", NULL, NULL), 0);
    front_set(s, NULL);
    front_alpn(s->front, "\x02h2");
    within = NULL;
    s->timeout = "10s";
    assert_int_equal(wax(s, s->ann, "flush", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, text), 1);
}

/* A request is here, and its answer may begin. */
static SSL *asked(struct scene *s, int fd, uint32_t *stream)
{
    SSL *ssl = wire_hello(s, fd);

    *stream = ssl ? wire_request(ssl) : 0;
    if (ssl && !*stream) {
        SSL_free(ssl);
        ssl = NULL;
    }
    return ssl;
}

static bool status_200(SSL *ssl, uint32_t stream, bool end)
{
    static const uint8_t block[] = {0x88};
    return wire_frame(ssl, 1, end ? 5 : 4, stream, block, sizeof block);
}

/* --- TCP and TLS --- */

static void silent(struct scene *s, int fd) { wire_drain(fd); }
static void a_connection_without_a_word_is_left_in_time(void **state)
{
    both_get_over_it(*state, silent, "hello?");
}

static void hang_up(struct scene *s, int fd) {}
static void hanging_up_at_once_is_no_busy_loop(void **state)
{
    both_get_over_it(*state, hang_up, "click");
    assert_in_range(front_connections(*state), 1, 60);
}

static void garbage(struct scene *s, int fd)
{
    static const char words[] = "220 mail.example.org ESMTP\r\n";

    (void)!write(fd, words, sizeof words - 1);
    wire_drain(fd);
}
static void a_mail_server_is_no_server(void **state) { both_get_over_it(*state, garbage, "mail"); }

static void alert(struct scene *s, int fd)
{
    static const uint8_t handshake_failure[] = {21, 3, 3, 0, 2, 2, 40};

    (void)!write(fd, handshake_failure, sizeof handshake_failure);
    wire_drain(fd);
}
static void a_tls_alert_is_no_server(void **state) { both_get_over_it(*state, alert, "alert"); }

static void stranger(struct scene *s, int fd)
{
    SSL *ssl = wire_tls(s->front->stranger, fd);

    if (ssl)
        wire_drain(fd);
    SSL_free(ssl);
}
static void a_certificate_of_another_ca_gets_not_one_request(void **state)
{
    both_get_over_it(*state, stranger, "who are you?");
}

static void cut_early(struct scene *s, int fd)
{
    char piece[300];

    (void)!read(fd, piece, sizeof piece);
    (void)!write(fd, "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 11);
}
static void a_handshake_cut_in_the_middle_is_tried_again_later(void **state)
{
    both_get_over_it(*state, cut_early, "cut");
}

/* --- HTTP/1 --- */

static void http1(struct scene *s, int fd)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    SSL *ssl = wire_tls(s->front->tls, fd);
    char piece[4096];

    while (ssl && SSL_read(ssl, piece, sizeof piece) > 0)
        if (!wire_write(s, ssl, answer, sizeof answer - 1))
            break;
    SSL_free(ssl);
}
static void http_1_is_not_spoken(void **state)
{
    struct scene *s = *state;

    front_alpn(s->front, "\x08http/1.1");
    both_get_over_it(s, http1, "as in 1999");
}

/* --- HTTP/2 --- */

static void broken_frames(struct scene *s, int fd)
{
    static const uint8_t junk[64] = {0xff, 0xff, 0xff, 0x77, 0xff};
    SSL *ssl = wire_hello(s, fd);

    if (ssl && wire_write(s, ssl, junk, sizeof junk))
        wire_drain(fd);
    SSL_free(ssl);
}
static void broken_frames_end_the_connection(void **state)
{
    both_get_over_it(*state, broken_frames, "broken");
}

static void bad_hpack(struct scene *s, int fd)
{
    static const uint8_t block[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);

    if (ssl && wire_frame(ssl, 1, 5, stream, block, sizeof block))
        wire_drain(fd);
    SSL_free(ssl);
}
static void headers_that_do_not_decode_end_the_connection(void **state)
{
    both_get_over_it(*state, bad_hpack, "hpack");
}

static void goaway(struct scene *s, int fd)
{
    static const uint8_t last_0[8] = {0};
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);

    if (ssl)
        (void)wire_frame(ssl, 7, 0, 0, last_0, sizeof last_0);
    SSL_free(ssl);
}
static void goaway_to_every_request_is_no_busy_loop(void **state)
{
    struct scene *s = *state;

    (void)front_connections(s);
    both_get_over_it(s, goaway, "go away");
    assert_in_range(front_connections(s), 1, 80);
}

static void refused_streams(struct scene *s, int fd)
{
    static const uint8_t refused[4] = {0, 0, 0, 7};
    uint32_t stream;
    SSL *ssl = wire_hello(s, fd);

    while (ssl && (stream = wire_request(ssl)) && wire_frame(ssl, 3, 0, stream, refused, 4))
        continue;
    SSL_free(ssl);
}
static void refusing_every_stream_is_no_busy_loop(void **state)
{
    struct scene *s = *state;

    (void)front_connections(s);
    both_get_over_it(s, refused_streams, "reset");
    assert_in_range(front_connections(s), 1, 80);
}

static void pings(struct scene *s, int fd)
{
    static const uint8_t opaque[8] = {1};
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);
    uint64_t end = os_mono_ms() + 20000;

    while (ssl && os_mono_ms() < end && wire_frame(ssl, 6, 0, 0, opaque, 8))
        (void)usleep(1000);
    SSL_free(ssl);
}
static void pings_are_no_answer(void **state) { both_get_over_it(*state, pings, "ping"); }

static void settings(struct scene *s, int fd)
{
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);
    uint64_t end = os_mono_ms() + 20000;

    while (ssl && os_mono_ms() < end && wire_frame(ssl, 4, 0, 0, NULL, 0))
        (void)usleep(1000);
    SSL_free(ssl);
}
static void settings_are_no_answer(void **state) { both_get_over_it(*state, settings, "settings"); }

static void informational(struct scene *s, int fd)
{
    uint8_t block[64];
    size_t n = 0;
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);

    (void)wire_header(block, &n, ":status", "103");
    (void)wire_header(block, &n, "link", "</nowhere>");
    while (ssl && wire_frame(ssl, 1, 4, stream, block, n))
        continue;
    SSL_free(ssl);
}
static void early_hints_without_end_are_cut_off(void **state)
{
    static struct bound b;

    b = usual;
    b.bytes = 4 * 1024 * 1024;
    within = &b;
    both_get_over_it(*state, informational, "any hints?");
}

static void many_headers(struct scene *s, int fd)
{
    uint8_t block[16384];
    char value[126];
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);

    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (int i = 0; ssl && i < 64; i++) {
        size_t n = 0;
        if (i == 0)
            block[n++] = 0x88;
        while (n < sizeof block - 200)
            (void)wire_header(block, &n, "x-more", value);
        if (!wire_frame(ssl, i ? 9 : 1, i == 63 ? 4 : 0, stream, block, n))
            break;
    }
    if (ssl)
        wire_drain(fd);
    SSL_free(ssl);
}
static void a_megabyte_of_headers_is_cut_off(void **state)
{
    both_get_over_it(*state, many_headers, "headers");
}

static void continuations(struct scene *s, int fd)
{
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);

    if (ssl && wire_frame(ssl, 1, 0, stream, NULL, 0))
        while (wire_frame(ssl, 9, 0, stream, NULL, 0))
            continue;
    SSL_free(ssl);
}
static void continuations_without_end_are_cut_off(void **state)
{
    both_get_over_it(*state, continuations, "to be continued");
}

static void drip(struct scene *s, int fd)
{
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);
    uint64_t end = os_mono_ms() + 20000;

    if (ssl && status_200(ssl, stream, false))
        while (os_mono_ms() < end && wire_frame(ssl, 0, 0, stream, "x", 1))
            (void)usleep(200000);
    SSL_free(ssl);
}
static void an_answer_byte_by_byte_is_given_up(void **state)
{
    both_get_over_it(*state, drip, "drip");
}

static void empty_data(struct scene *s, int fd)
{
    uint32_t stream;
    SSL *ssl = asked(s, fd, &stream);

    if (ssl && status_200(ssl, stream, false))
        while (wire_frame(ssl, 0, 0, stream, NULL, 0))
            (void)usleep(500);
    SSL_free(ssl);
}
static void empty_pieces_are_no_answer(void **state)
{
    both_get_over_it(*state, empty_data, "nothing");
}

static void empty_answers(struct scene *s, int fd)
{
    uint32_t stream;
    SSL *ssl = wire_hello(s, fd);

    while (ssl && (stream = wire_request(ssl)) && status_200(ssl, stream, true))
        continue;
    SSL_free(ssl);
}
static void empty_answers_are_none(void **state)
{
    struct scene *s = *state;

    front_set(s, empty_answers);
    /* An empty counter says "none": after one was confirmed that is an alert, and nothing goes. */
    assert_int_equal(wax(s, s->ann, "send", at(s->bob), "empty", NULL), 77);
    cost_at_most(s, &usual);
    front_set(s, NULL);
    assert_int_equal(wax(s, s->ann, "flush", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "empty"), 1);
}

static void redirect(struct scene *s, int fd)
{
    uint8_t block[256];
    char where[100];
    uint32_t stream;
    SSL *ssl = wire_hello(s, fd);

    (void)snprintf(where, sizeof where, "https://127.0.0.1:%u/elsewhere", s->evil.port);
    while (ssl && (stream = wire_request(ssl))) {
        size_t n = 0;
        (void)wire_header(block, &n, ":status", "307");
        (void)wire_header(block, &n, "location", where);
        if (!wire_frame(ssl, 1, 5, stream, block, n))
            break;
    }
    SSL_free(ssl);
}
static void redirects_are_not_followed(void **state)
{
    struct scene *s = *state;

    (void)evil_requests(&s->evil);
    front_set(s, redirect);
    assert_int_not_equal(wax(s, s->ann, "send", at(s->bob), "this way", NULL), 0);
    cost_at_most(s, &usual);
    assert_int_equal(s->r.requests, 0); /* the other place heard nothing */
    assert_int_not_equal(wax(s, s->bob, "receive", NULL), 0);
    assert_int_equal(s->r.requests, 0);
    front_set(s, NULL);
    assert_int_equal(wax(s, s->ann, "receive", NULL), 0);
    all_is_well(s);
    assert_int_equal(times_read(s, s->bob, "this way"), 1);
}

int main(int argc, char **argv)
{
#define T(f) cmocka_unit_test_teardown(f, calm)
    const struct CMUnitTest tests[] = {
        T(a_connection_without_a_word_is_left_in_time),
        T(hanging_up_at_once_is_no_busy_loop),
        T(a_mail_server_is_no_server),
        T(a_tls_alert_is_no_server),
        T(a_certificate_of_another_ca_gets_not_one_request),
        T(a_handshake_cut_in_the_middle_is_tried_again_later),
        T(http_1_is_not_spoken),
        T(broken_frames_end_the_connection),
        T(headers_that_do_not_decode_end_the_connection),
        T(goaway_to_every_request_is_no_busy_loop),
        T(refusing_every_stream_is_no_busy_loop),
        T(pings_are_no_answer),
        T(settings_are_no_answer),
        T(early_hints_without_end_are_cut_off),
        T(a_megabyte_of_headers_is_cut_off),
        T(continuations_without_end_are_cut_off),
        T(an_answer_byte_by_byte_is_given_up),
        T(empty_pieces_are_no_answer),
        T(empty_answers_are_none),
        T(redirects_are_not_followed),
    };

    if (argc > 1) /* one test, by its name or a pattern */
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("below HTTP", tests, scene_start, scene_stop);
}
