/* What the programs for the vectors of others share. */
#ifndef OUTSIDE_H
#define OUTSIDE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "crypto/kem.h"
#include "vec.h"

static inline int start_crypto(void **state)
{
    (void)state;
    return crypto_init() == WAX_OK ? 0 : -1;
}

/* The hex member in a fresh buffer; buf_done it. */
static inline struct buf hex_of(const json_t *obj, const char *key)
{
    struct buf b = {0};

    vec_hex(obj, key, &b);
    return b;
}

/* Calls one for every test of every group of a Wycheproof file; gives their number. */
typedef void (*wycheproof_fn)(const json_t *group, const json_t *test, void *ctx);
static inline size_t wycheproof_each(const char *file, wycheproof_fn one, void *ctx)
{
    json_t *root = vec_load(file);
    const json_t *group, *test;
    size_t i, j, n = 0;

    json_array_foreach(vec_get(root, "testGroups"), i, group)
        json_array_foreach(vec_get(group, "tests"), j, test)
    {
        one(group, test, ctx);
        n++;
    }
    assert_int_equal(n, vec_u64(root, "numberOfTests"));
    json_decref(root);
    return n;
}

static inline bool is_valid(const json_t *test)
{
    return strcmp(vec_str(test, "result"), "valid") == 0;
}

/* Runs what under each ML-KEM back end that is there; at least one must be. */
static inline void each_backend(void (*what)(void))
{
    static const char *const names[] = {[KEM_PQCLEAN] = "pqclean", [KEM_OPENSSL] = "OpenSSL"};
    int ran = 0;

    for (enum kem_backend b = KEM_PQCLEAN; b <= KEM_OPENSSL; b++) {
        if (!kem_has(b))
            continue;
        print_message("           with %s\n", names[b]);
        assert_int_equal(kem_use(b), WAX_OK);
        assert_int_equal(kem_current(), b);
        what();
        ran++;
    }
    assert_true(ran > 0);
}

static inline size_t dk_size(enum kem_set set) { return set == KEM_768 ? KEM768_DK : KEM1024_DK; }

#endif
