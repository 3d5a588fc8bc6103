/* The clock as an interface: ms since 1970 UTC. The real one is os/clock.h; scenarios pass
 * virtual time. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

struct wall_clock {
    uint64_t (*now)(void *ctx);
    void *ctx;
};

static inline uint64_t wall_now(const struct wall_clock *c) { return c->now(c->ctx); }

#endif
