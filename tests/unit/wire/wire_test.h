/* What the tests of src/wire share. */
#ifndef WIRE_TEST_H
#define WIRE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "vec.h"

/* cmocka prints no more than two numbers; a vector is known by its name. */
#define assert_class(name, got, want)                                                              \
    do {                                                                                           \
        wax_rc got_ = (got), want_ = (want);                                                       \
        if (got_ != want_)                                                                         \
            fail_msg("%s: %s, not %s", name, rc_text(got_), rc_text(want_));                       \
    } while (0)

static inline void assert_bytes(struct bytes got, struct bytes want)
{
    assert_int_equal(got.n, want.n);
    if (want.n)
        assert_memory_equal(got.p, want.p, want.n);
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

static inline void heap_free(struct bytes x) { free((void *)x.p); }

#endif
