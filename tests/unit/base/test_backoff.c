/* Waiting between tries: the bounds of PROTOCOL 12.1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/backoff.h"

static void the_first_wait_is_short_and_each_failure_doubles_the_bound(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct backoff most = {0}, least = {0};

    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++) {
        assert_int_equal(backoff_next(&most, bounds[i], 0), bounds[i]);
        assert_int_equal(backoff_next(&least, 0, 0), BACKOFF_LEAST_MS);
    }
    backoff_reset(&most);
    assert_int_equal(backoff_next(&most, 1000, 0), 1000);
}

static void every_draw_is_within_the_bound(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252ULL;

    for (int i = 0; i < 10000; i++) {
        struct backoff b = {0};
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        (void)backoff_next(&b, 0, 0);
        uint64_t ms = backoff_next(&b, x, 0);
        assert_true(ms >= BACKOFF_LEAST_MS && ms <= 2000);
    }
}

static void what_the_server_asks_for_is_waited_for_and_spread(void **state)
{
    (void)state;
    struct backoff b = {0};

    assert_int_equal(backoff_next(&b, 0, 10), 10000);
    assert_int_equal(backoff_next(&b, 5000, 10), 15000);
    assert_true(backoff_next(&b, UINT64_MAX, 1) <= 1000 + 4000);
}

static void a_server_cannot_silence_a_client_for_longer_than_the_cap(void **state)
{
    (void)state;
    struct backoff b = {0};

    assert_int_equal(backoff_next(&b, 0, UINT32_MAX), BACKOFF_ASKED_MAX_MS);
    assert_true(backoff_next(&b, UINT64_MAX, UINT32_MAX) <= BACKOFF_ASKED_MAX_MS * 3 / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_wait_is_short_and_each_failure_doubles_the_bound),
        cmocka_unit_test(every_draw_is_within_the_bound),
        cmocka_unit_test(what_the_server_asks_for_is_waited_for_and_spread),
        cmocka_unit_test(a_server_cannot_silence_a_client_for_longer_than_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
