/* net: timers, posted work and signals of the event loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>

#include "net/loop.h"
#include "os/clock.h"

#define OK(call) assert_int_equal((call), WAX_OK)

static struct net_loop *loop;
static char trace[64];
static size_t traced;

static int set_up(void **state)
{
    (void)state;
    traced = 0;
    trace[0] = 0;
    OK(net_loop_new(&loop));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    net_loop_free(loop);
    return 0;
}

static void mark(void *ctx)
{
    trace[traced++] = *(const char *)ctx;
    trace[traced] = 0;
}

static void stop(void *ctx)
{
    (void)ctx;
    net_loop_stop(loop);
}

static void timers_fire_in_the_order_of_their_time_and_once(void **state)
{
    (void)state;
    struct net_timer *t;
    char c[] = "c", a[] = "a", b[] = "b", x[] = "x";
    uint64_t since = os_mono_ms();

    assert_non_null(net_loop_timer(loop, 60, mark, c));
    assert_non_null(net_loop_timer(loop, 10, mark, a));
    assert_non_null(net_loop_timer(loop, 30, mark, b));
    t = net_loop_timer(loop, 20, mark, x);
    net_timer_cancel(t);
    assert_non_null(net_loop_timer(loop, 150, stop, NULL));
    OK(net_loop_run(loop));
    assert_string_equal(trace, "abc");
    assert_true(os_mono_ms() - since >= 148);
}

static atomic_uint sum;

static void add(void *ctx) { sum += (unsigned)(uintptr_t)ctx; }

static void *poster(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 1000; i++)
        while (net_loop_post(loop, add, (void *)1) != WAX_OK)
            os_sleep_ms(1);
    return NULL;
}

static void work_of_other_threads_all_runs(void **state)
{
    (void)state;
    pthread_t t[4];

    sum = 0;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, poster, NULL), 0);
    assert_non_null(net_loop_timer(loop, 20, stop, NULL));
    OK(net_loop_run(loop));
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(t[i], NULL), 0);
    OK(net_loop_post(loop, stop, NULL));
    OK(net_loop_run(loop)); /* runs again after a stop */
    assert_int_equal(sum, 4000);
}

static void posted_work_keeps_its_order(void **state)
{
    (void)state;
    char a[] = "a", b[] = "b", c[] = "c";

    OK(net_loop_post(loop, mark, a));
    OK(net_loop_post(loop, mark, b));
    OK(net_loop_post(loop, mark, c));
    OK(net_loop_post(loop, stop, NULL));
    OK(net_loop_run(loop));
    assert_string_equal(trace, "abc");
}

static void a_stop_before_the_run_counts(void **state)
{
    (void)state;
    net_loop_stop(loop);
    OK(net_loop_run(loop));
}

static void a_signal_comes_to_the_loop(void **state)
{
    (void)state;
    char s[] = "s";

    OK(net_loop_signal(loop, SIGUSR1, mark, s));
    OK(net_loop_signal(loop, SIGUSR2, stop, NULL));
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(raise(SIGUSR2), 0);
    OK(net_loop_run(loop));
    assert_string_equal(trace, "s");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_the_order_of_their_time_and_once),
        TEST(work_of_other_threads_all_runs),
        TEST(posted_work_keeps_its_order),
        TEST(a_stop_before_the_run_counts),
        TEST(a_signal_comes_to_the_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
