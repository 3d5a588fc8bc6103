#include "base/backoff.h"

uint64_t backoff_next(struct backoff *b, uint64_t random, unsigned retry_after)
{
    uint64_t bound = b->bound ? b->bound : BACKOFF_FIRST_MS;
    uint64_t asked = (uint64_t)retry_after * 1000;

    if (asked > BACKOFF_ASKED_MAX_MS)
        asked = BACKOFF_ASKED_MAX_MS;
    b->bound = (uint32_t)(bound * 2 < BACKOFF_MAX_MS ? bound * 2 : BACKOFF_MAX_MS);
    if (asked / 2 > bound)
        bound = asked / 2;
    uint64_t drawn = random % (bound + 1);
    if (asked == 0 && drawn < BACKOFF_LEAST_MS)
        return BACKOFF_LEAST_MS;
    return asked + drawn;
}

void backoff_reset(struct backoff *b) { *b = (struct backoff){0}; }
