/* Hostile clients below the requests: TLS and HTTP/2 that break their rules. */
#include "siege.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../bench/measure.h"
#include "os/random.h"

enum { PROTOCOL_ERROR = 1, FRAME_SIZE = 6 };

static int start(void **state) { return siege_start(state, 0); }

/* --- TLS ------------------------------------------------------------------------------ */

/* These bytes on a fresh connection; the server hangs up. */
static void hung_up_on(const struct siege *s, const void *p, size_t n)
{
    uint8_t b[256];
    ssize_t got;
    int fd = foe_tcp(&s->site);

    assert_true(fd >= 0);
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
    do
        got = recv(fd, b, sizeof b, 0);
    while (got > 0);
    assert_true(got == 0 || errno == ECONNRESET);
    (void)close(fd);
}

static void noise_instead_of_tls_is_hung_up_on(void **state)
{
    static const char http[] = "GET /v1/mailbox HTTP/1.1\r\nHost: a\r\n\r\n";
    static const char h2[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /* A record of more than TLS allows, and an alert before anything. */
    static const uint8_t large[] = {22, 3, 1, 255, 255, 1, 0, 255, 250},
                         alert[] = {21, 3, 1, 0, 2, 2, 40};
    uint8_t noise[600];

    must(rng_fill(os_rng(), noise, sizeof noise), "noise");
    noise[0] = 0x99;
    hung_up_on(*state, noise, sizeof noise);
    hung_up_on(*state, http, sizeof http - 1);
    hung_up_on(*state, h2, sizeof h2 - 1);
    hung_up_on(*state, large, sizeof large);
    hung_up_on(*state, alert, sizeof alert);
}

static void older_tls_and_other_protocols_get_no_connection(void **state)
{
    struct siege *s = *state;
    const struct foe_how old = {.max_version = TLS1_2_VERSION}, http1 = {.alpn = "http/1.1"};
    struct foe f;

    assert_false(foe_tls(&s->site, &old, &f));
    foe_close(&f);
    assert_false(foe_tls(&s->site, &http1, &f));
    foe_close(&f);
}

static void a_record_changed_on_its_way_ends_the_connection(void **state)
{
    struct siege *s = *state;
    static const uint8_t made_up[] = {23, 3,  3,  0,  32, 1,  2,  3,  4,  5,  6,  7,  8,
                                      9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                      22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
    struct foe f;

    assert_true(foe_open(&s->site, &s->site.users[FLOOD_FOE], &f));
    assert_int_equal(send(f.fd, made_up, sizeof made_up, MSG_NOSIGNAL), sizeof made_up);
    assert_true(foe_is_closed(&f));
    foe_close(&f);
}

static void http1_inside_of_tls_is_hung_up_on(void **state)
{
    struct siege *s = *state;
    static const char http[] = "GET /v1/mailbox HTTP/1.1\r\nHost: a\r\n\r\n";
    struct foe f;

    assert_true(foe_tls(&s->site, &(struct foe_how){0}, &f));
    assert_true(foe_write(&f, http, sizeof http - 1));
    assert_true(foe_is_closed(&f));
    foe_close(&f);
}

/* --- HTTP/2 --------------------------------------------------------------------------- */

static void frames_against_the_rules_end_the_connection(void **state)
{
    struct siege *s = *state;
    static const uint8_t zeros[20000];
    static const struct {
        uint8_t type, flags;
        uint32_t stream;
        size_t n;
        uint32_t code;
    } bad[] = {
        {F_DATA, 0, 0, 10, PROTOCOL_ERROR},      /* belongs to no stream */
        {F_HEADERS, 5, 0, 10, PROTOCOL_ERROR},   /* the same */
        {F_HEADERS, 5, 2, 10, PROTOCOL_ERROR},   /* a stream of the server's */
        {F_DATA, 0, 7, 10, PROTOCOL_ERROR},      /* of a request that was never made */
        {F_RESET, 0, 7, 4, PROTOCOL_ERROR},      /* the same */
        {F_PUSH, 4, 1, 10, PROTOCOL_ERROR},      /* only servers push */
        {F_SETTINGS, 0, 1, 0, PROTOCOL_ERROR},   /* on a stream */
        {F_SETTINGS, 1, 0, 6, FRAME_SIZE},       /* an ack with something in it */
        {F_SETTINGS, 0, 0, 5, FRAME_SIZE},       /* not a whole setting */
        {F_PING, 0, 0, 7, FRAME_SIZE},           /* eight bytes they are */
        {F_WINDOW, 0, 0, 4, PROTOCOL_ERROR},     /* by nothing */
        {F_MORE, 4, 1, 10, PROTOCOL_ERROR},      /* of no header block */
        {F_DATA, 0, 1, 16385, FRAME_SIZE},       /* more than was announced */
        {F_HEADERS, 0x2d, 9, 2, PROTOCOL_ERROR}, /* too short for its own flags */
        {F_HEADERS, 5, 11, 20000, FRAME_SIZE},   /* more than was announced */
    };

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct foe f;
        assert_true(foe_open(&s->site, NULL, &f));
        (void)foe_frame(&f, bad[i].type, bad[i].flags, bad[i].stream, zeros, bad[i].n);
        uint32_t code = foe_goaway(&f);
        if (code != bad[i].code)
            fail_msg("frame %zu: answered with %u", i, code);
        assert_true(foe_is_closed(&f));
        foe_close(&f);
    }
}

static void headers_that_cannot_be_unpacked_end_the_connection(void **state)
{
    struct siege *s = *state;
    /* An index beyond the table, a Huffman string of padding, a length without end, a table larger
     * than it may be. */
    static const char *const blocks[] = {"\xff\xff\xff\xff\x0f", "\x40\x81\xff\x00",
                                         "\x40\x7f\xff\xff\xff\xff\xff\xff\xff",
                                         "\x3f\xe1\xff\xff\x7f"};

    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        struct foe f;
        assert_true(foe_open(&s->site, NULL, &f));
        assert_true(foe_frame(&f, F_HEADERS, 5, 1, blocks[i], strlen(blocks[i])));
        assert_int_not_equal(foe_goaway(&f), UINT32_MAX);
        foe_close(&f);
    }
}

/* A request whose header list is not one: the stream is reset, the connection goes on. */
static void header_lists_that_are_no_request_are_reset(void **state)
{
    struct siege *s = *state;
    static const char *const extras[][3] = {
        {"Upper", "case", NULL},
        {"connection", "close", NULL},
        {":status", "200", NULL},
        {":path", "/again", NULL},
        {"te", "gzip", NULL},
        {"bad name", "x", NULL},
        {"x", "line\nbreak", NULL},
        {"content-length", "-1", NULL},
        {"transfer-encoding", "chunked", NULL},
    };
    struct foe f;
    uint32_t id = 1;

    assert_true(foe_open(&s->site, NULL, &f));
    for (size_t i = 0; i < sizeof extras / sizeof extras[0]; i++, id += 2) {
        assert_true(foe_headers(&f, id, "GET", "/v1/mailbox", extras[i], true));
        int status = foe_status(&f, id);
        if (status != 0 && status != 400 && status != 413)
            fail_msg("header %zu: %d", i, status);
    }
    assert_true(foe_headers(&f, id, "GET", "/v1/mailbox", NULL, true));
    assert_int_equal(foe_status(&f, id), 401);
    foe_close(&f);
}

static void more_requests_at_once_than_announced_are_turned_away(void **state)
{
    struct siege *s = *state;
    struct foe f;
    enum { N = 300 };
    unsigned refused = 0;
    int statuses[N];

    assert_true(foe_open(&s->site, NULL, &f));
    for (uint32_t i = 0; i < N; i++) /* none of them is ever finished */
        assert_true(foe_headers(&f, 2 * i + 1, "POST", "/v1/accounts", NULL, false));
    assert_true(foe_statuses(&f, N - 128, statuses));
    for (size_t i = 0; i < N - 128; i++)
        refused += statuses[i] == 0;
    assert_int_equal(refused, N - 128);
    foe_close(&f);
}

static void bodies_that_never_come_are_waited_for_beside_the_others(void **state)
{
    struct siege *s = *state;
    enum { N = 40 };
    struct foe f[N];

    for (size_t i = 0; i < N; i++) { /* a hundred begun requests each, a byte a piece */
        assert_true(foe_open(&s->site, NULL, &f[i]));
        for (uint32_t k = 0; k < 100; k++)
            assert_true(foe_headers(&f[i], 2 * k + 1, "POST", "/v1/accounts", NULL, false) &&
                        foe_frame(&f[i], F_DATA, 0, 2 * k + 1, "x", 1));
    }
    newcomer_is_served(s);
    for (size_t i = 0; i < N; i++)
        i % 2 ? foe_abort(&f[i]) : foe_close(&f[i]);
}

static void a_length_that_is_no_bodys_is_refused_before_the_body(void **state)
{
    struct siege *s = *state;
    static const char *const lengths[] = {"16842753", "99999999999999999999999",
                                          "18446744073709551615"};
    struct foe f;

    assert_true(foe_open(&s->site, NULL, &f));
    for (uint32_t i = 0; i < 3; i++) {
        const char *const extra[] = {"content-length", lengths[i], NULL};
        assert_true(foe_headers(&f, 2 * i + 1, "POST", "/v1/accounts", extra, false));
        int status = foe_status(&f, 2 * i + 1);
        if (status != 413 && status != 0) /* nghttp2 itself resets what is no number of its */
            fail_msg("%s: %d", lengths[i], status);
    }
    /* More comes than was said, and less. */
    const char *const ten[] = {"content-length", "10", NULL};
    assert_true(foe_headers(&f, 11, "POST", "/v1/accounts", ten, false));
    assert_true(foe_frame(&f, F_DATA, 0, 11, "more than ten bytes", 19));
    assert_int_equal(foe_reset_code(&f, 11), PROTOCOL_ERROR);
    assert_true(foe_headers(&f, 13, "POST", "/v1/accounts", ten, false));
    assert_true(foe_frame(&f, F_DATA, 1, 13, "less", 4));
    assert_int_equal(foe_reset_code(&f, 13), PROTOCOL_ERROR);
    foe_close(&f);
}

static void a_body_over_the_limit_is_refused_and_not_kept(void **state)
{
    struct siege *s = *state;
    static const uint8_t piece[16384];
    struct foe f;

    assert_true(foe_open(&s->site, &s->site.users[FLOOD_FOE], &f));
    assert_true(foe_headers(&f, 1, "POST", "/v1/messages", NULL, false));
    for (int i = 0; i < 1100; i++)
        assert_true(foe_frame(&f, F_DATA, 0, 1, piece, sizeof piece));
    assert_int_equal(foe_status(&f, 1), 413);
    foe_close(&f);
}

static void paths_and_methods_that_do_not_exist_are_only_that(void **state)
{
    struct siege *s = *state;
    static const struct {
        const char *method, *path, *problem;
        int status;
    } asks[] = {
        {"GET", "/", "not-found", 404},
        {"GET", "/v1/../../../etc/passwd", "not-found", 404},
        {"GET", "/v1/directory/..%2f..%2fwaxd.db", "handle-invalid", 422},
        {"GET", "/v1/directory/%00", "bad-request", 400},
        {"GET", "/v1/directory/%zz", "bad-request", 400},
        {"GET", "/v1/directory/a%0d%0aset-cookie:x@bench.example", "handle-invalid", 422},
        {"GET", "/v1/directory/x@bench.example?version=-1", "bad-request", 400},
        {"GET", "/v1/directory/x@bench.example?version=99999999999", "bad-request", 400},
        {"DELETE", "/v1/mailbox", "method", 405},
        {"OPTIONS", "/v1/accounts", "method", 405},
        {"GET", "/v1/link/short", "link-gone", 404},
        {"GET", "/v1/link/00000000000000000000000000000000", "link-gone", 404},
    };
    struct foe f;
    struct foe_answer a = {0};
    char long_path[9000] = "/v1/directory/";

    assert_true(foe_open(&s->site, NULL, &f));
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        (void)foe_ask(&f, asks[i].method, asks[i].path, NULL, BYTES(NULL, 0), &a);
        if (a.status != asks[i].status || strcmp(a.problem, asks[i].problem) != 0)
            fail_msg("%s: %d %s", asks[i].path, a.status, a.problem);
    }
    memset(long_path + 14, 'a', sizeof long_path - 15);
    assert_int_equal(foe_ask(&f, "GET", long_path, NULL, BYTES(NULL, 0), &a), 400);
    foe_close(&f);
    buf_done(&a.body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        UNDER_SIEGE(noise_instead_of_tls_is_hung_up_on),
        UNDER_SIEGE(older_tls_and_other_protocols_get_no_connection),
        UNDER_SIEGE(a_record_changed_on_its_way_ends_the_connection),
        UNDER_SIEGE(http1_inside_of_tls_is_hung_up_on),
        UNDER_SIEGE(frames_against_the_rules_end_the_connection),
        UNDER_SIEGE(headers_that_cannot_be_unpacked_end_the_connection),
        UNDER_SIEGE(header_lists_that_are_no_request_are_reset),
        UNDER_SIEGE(more_requests_at_once_than_announced_are_turned_away),
        UNDER_SIEGE(bodies_that_never_come_are_waited_for_beside_the_others),
        UNDER_SIEGE(a_length_that_is_no_bodys_is_refused_before_the_body),
        UNDER_SIEGE(a_body_over_the_limit_is_refused_and_not_kept),
        UNDER_SIEGE(paths_and_methods_that_do_not_exist_are_only_that),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("hostile clients: frames", tests, start, siege_stop);
}
