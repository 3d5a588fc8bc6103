/* What the fuzz targets share. A target decodes its input; whatever it takes must encode to
 * the same bytes again. No target switches anything of the product off. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

/* Stops the run: the fuzzer and the replay keep the input as a finding. */
#define FUZZ_CHECK(held)                                                                           \
    do {                                                                                           \
        if (!(held)) {                                                                             \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #held);              \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline void fuzz_same(struct buf *got, struct bytes want)
{
    FUZZ_CHECK(buf_rc(got) == WAX_OK);
    FUZZ_CHECK(bytes_eq(buf_view(got), want));
    buf_done(got);
}

/* A refusal is one of the classes a decoder may give. */
static inline void fuzz_refused(wax_rc rc)
{
    FUZZ_CHECK(rc == WAX_R_PARSE || rc == WAX_R_POINT || rc == WAX_R_PAYLOAD);
}

#endif
