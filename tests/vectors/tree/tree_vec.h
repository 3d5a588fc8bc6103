/* What the programs here share. */
#ifndef TREE_VEC_H
#define TREE_VEC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "tree_twin.h"
#include "vec.h"

static inline int start_crypto(void **state)
{
    (void)state;
    return crypto_init() == WAX_OK ? 0 : -1;
}

static inline void expect_class(const char *name, wax_rc got, wax_rc want)
{
    if (got != want)
        fail_msg("%s: %s, not %s", name, rc_text(got), rc_text(want));
}

#define assert_ok(expr) expect_class(#expr, (expr), WAX_OK)

/* A hex member in a fresh buffer; buf_done it. */
static inline struct buf hex_of(const json_t *obj, const char *key)
{
    struct buf b = {0};

    vec_hex(obj, key, &b);
    return b;
}

static inline void assert_view(const struct buf *got, const struct buf *want)
{
    assert_int_equal(got->n, want->n);
    assert_memory_equal(got->p, want->p, want->n);
}

#endif
