/* Rows of contents set aside: what is read encodes to the same bytes, anything else is damage. */
#include "fuzz.h"

#include "client/aside.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct aside a = {0};
    struct buf again = {0};
    wax_rc rc = aside_decode(BYTES(p, n), &a);

    if (rc == WAX_OK) {
        FUZZ_CHECK(aside_encode(&a, &again) == WAX_OK);
        fuzz_same(&again, BYTES(p, n));
        aside_done(&a);
    } else {
        FUZZ_CHECK(rc == WAX_E_DAMAGED);
    }
    return 0;
}
