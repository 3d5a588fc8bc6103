#include "fuzz.h"

#include "wire/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes in = {p, n};
    struct buf again = {0};
    struct bundle b;

    wax_rc rc = bundle_decode(in, &b);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    bundle_encode_body(&b, &again);
    FUZZ_CHECK(again.n == BUNDLE_BODY);
    buf_add(&again, b.sig.b, sizeof b.sig.b);
    fuzz_same(&again, in);
    return 0;
}
