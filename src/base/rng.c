#include "base/rng.h"

wax_rc rng_below(const struct rng *r, uint64_t n, uint64_t *ret)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;

    for (;;) {
        uint64_t x;
        wax_rc rc = rng_fill(r, &x, sizeof x);
        if (rc != WAX_OK)
            return rc;
        if (x < limit) {
            *ret = x % n;
            return WAX_OK;
        }
    }
}
