#include "fuzz.h"

#include "wire/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes in = {p, n};
    struct buf again = {0};
    struct env_hdr h;

    wax_rc rc = env_hdr_decode(in, &h);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    FUZZ_CHECK(n <= HDR_MAX);
    FUZZ_CHECK(env_hdr_encode(&h, &again) == WAX_OK);
    fuzz_same(&again, in);
    return 0;
}
