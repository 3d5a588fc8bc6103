#include "os/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t id)
{
    struct timespec t = {0};

    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t os_now_ms(void) { return read_clock(CLOCK_REALTIME); }

uint64_t os_mono_ms(void) { return read_clock(CLOCK_MONOTONIC); }

void os_sleep_ms(unsigned ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}
