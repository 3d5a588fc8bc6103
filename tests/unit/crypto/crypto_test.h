/* What the tests of src/crypto share. */
#ifndef CRYPTO_TEST_H
#define CRYPTO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/text.h"
#include "crypto/crypto.h"

static inline int start_crypto(void **state)
{
    (void)state;
    return crypto_init() == WAX_OK ? 0 : -1;
}

/* Hex literal → exactly n bytes. */
static inline void unhex(const char *hex, void *out, size_t n)
{
    assert_int_equal(hex_decode(hex, strlen(hex), out, n), WAX_OK);
}

/* A generator whose draws are known: counts up from a start byte. */
struct counting {
    uint8_t next;
    unsigned draws;
};
static inline wax_rc counting_fill(void *ctx, uint8_t *out, size_t n)
{
    struct counting *c = ctx;

    c->draws++;
    for (size_t i = 0; i < n; i++)
        out[i] = c->next++;
    return WAX_OK;
}

static inline struct ec_key *key_from(uint8_t start)
{
    struct counting c = {start, 0};
    struct ec_key *k = NULL;

    assert_int_equal(ec_generate(&(struct rng){counting_fill, &c}, &k), WAX_OK);
    return k;
}

#endif
