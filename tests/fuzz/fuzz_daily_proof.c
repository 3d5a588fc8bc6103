#include "fuzz.h"

#include "wire/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes in = {p, n};
    struct buf again = {0};
    struct daily_proof d;

    wax_rc rc = daily_proof_decode(in, &d);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    FUZZ_CHECK(daily_proof_encode(&d, &again) == WAX_OK);
    fuzz_same(&again, in);
    return 0;
}
