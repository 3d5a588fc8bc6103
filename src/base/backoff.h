/* How long to wait before the next try to reach a server: PROTOCOL 12.1. Pure: randomness
 * comes in, a time comes out. */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include <stdint.h>

/* The first wait is below the first; each try doubles the bound, up to the second. */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_MAX_MS 60000
/* What a server asks for (retry-after) is kept up to this; a lying one must not silence a
 * client for longer. */
#define BACKOFF_ASKED_MAX_MS 300000
/* A try that fails at once is not followed by the next at once. */
#define BACKOFF_LEAST_MS 50

/* Zeroed: no try has failed since the last success. */
struct backoff {
    uint32_t bound; /* ms, of the next wait; 0: BACKOFF_FIRST_MS */
};

/* The ms to wait, drawn evenly by `random` (any 64 bits) from 0 to the bound, so that those
 * who lost the server together do not come back together; retry_after (seconds, 0: none) is
 * waited for in full, with at least half of it more to draw from. */
uint64_t backoff_next(struct backoff *b, uint64_t random, unsigned retry_after);
/* After a success. */
void backoff_reset(struct backoff *b);

#endif
