/* What both programs here need. */
#ifndef ACCOUNT_VEC_H
#define ACCOUNT_VEC_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "vec.h"

/* A private key member, its public half compared with pub (may be NULL). */
static inline struct ec_key *vec_key(const json_t *obj, const char *key, const struct point *pub)
{
    struct key32 scalar;
    struct ec_key *k = NULL;

    vec_fixed(obj, key, scalar.b, sizeof(scalar.b));
    assert_int_equal(ec_from_scalar(&scalar, &k), WAX_OK);
    if (pub != NULL)
        assert_memory_equal(ec_public(k)->b, pub->b, sizeof(pub->b));
    return k;
}

/* Expected class `want` and what came, with the case's name in the message. */
static inline void expect_class(const char *name, wax_rc got, wax_rc want)
{
    if (got != want)
        fail_msg("%s: %s, not %s", name, rc_text(got), rc_text(want));
}

static inline int start_crypto(void **state)
{
    (void)state;
    return crypto_init() == WAX_OK ? 0 : -1;
}

#endif
