/* First byte: bit 0 says INIT. The rest is P. */
#include "fuzz.h"

#include "wire/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf again = {0};
    struct payload pl;

    if (n == 0)
        return 0;
    bool init = p[0] & 1;
    struct bytes in = {p + 1, n - 1};
    wax_rc rc = payload_decode(in, init, &pl);
    if (rc != WAX_OK) {
        FUZZ_CHECK(rc == WAX_R_PAYLOAD);
        return 0;
    }
    FUZZ_CHECK(payload_encode(&pl, init, &again) == WAX_OK);
    fuzz_same(&again, in);
    return 0;
}
