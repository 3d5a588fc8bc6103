/* What the tests of src/tree share. */
#ifndef TREE_TEST_H
#define TREE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "tree_twin.h"

#define assert_rc(expr, want) assert_string_equal(rc_text(expr), rc_text(want))
#define assert_ok(expr) assert_rc(expr, WAX_OK)

static inline int start_crypto(void **state)
{
    (void)state;
    return crypto_init() == WAX_OK ? 0 : -1;
}

/* xorshift64*: a history is a function of its seed. */
static inline uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717ULL;
}

static inline size_t below(uint64_t *seed, size_t n) { return (size_t)(draw(seed) >> 16) % n; }

static inline void draw_bytes(uint64_t *seed, uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(draw(seed) >> 32);
}

/* An exact-size heap copy, so that a sanitizer sees a read past the end. */
static inline struct bytes heap_copy(struct bytes x)
{
    uint8_t *p = malloc(x.n ? x.n : 1);

    assert_non_null(p);
    if (x.n)
        memcpy(p, x.p, x.n);
    return (struct bytes){p, x.n};
}

#endif
