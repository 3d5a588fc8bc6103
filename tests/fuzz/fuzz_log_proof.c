#include "fuzz.h"

#include "wire/proof.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes in = {p, n};
    struct buf again = {0};
    struct hashes path;

    wax_rc rc = log_proof_decode(in, &path);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    FUZZ_CHECK(log_proof_encode(path, &again) == WAX_OK);
    fuzz_same(&again, in);
    return 0;
}
