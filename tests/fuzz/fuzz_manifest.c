#include "fuzz.h"

#include "wire/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes body, in = {p, n};
    struct buf again = {0};
    struct manifest m;
    struct sig sig;

    wax_rc rc = manifest_decode(in, &m, &body, &sig);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    FUZZ_CHECK(manifest_encode_body(&m, &again) == WAX_OK);
    buf_add(&again, sig.b, sizeof sig.b);
    fuzz_same(&again, in);
    return 0;
}
