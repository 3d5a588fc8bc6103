/* Randomness as an interface: the pure core draws from what it is given. The real one
 * is os/random.h; scenarios pass a seeded one. */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

struct rng {
    /* Fills out with n bytes, or fails (WAX_E_RANDOM) and leaves no partial secret. */
    wax_rc (*fill)(void *ctx, uint8_t *out, size_t n);
    void *ctx;
};

static inline wax_rc WAX_MUST rng_fill(const struct rng *r, void *out, size_t n)
{
    return r->fill(r->ctx, out, n);
}

/* Uniform in 0 … n−1 (n ≥ 1), by rejection. */
wax_rc rng_below(const struct rng *r, uint64_t n, uint64_t *ret) WAX_MUST;

#endif
