/* The store's writer thread looks at a clock to decide when to tidy up. A simulation's results hang
 * on nothing but the seed: for it, this clock stands still (so far ahead that no wait runs out). */
#include <time.h>

int __real_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t);

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    if (id != CLOCK_MONOTONIC)
        return __real_clock_gettime(id, t);
    *t = (struct timespec){.tv_sec = 1000000000};
    return 0;
}
