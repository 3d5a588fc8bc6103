/* Outbox rows of the client: what is read encodes to the same bytes, anything else is damage. */
#include "fuzz.h"

#include "client/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct outbox o = {0};
    struct buf again = {0};
    wax_rc rc = outbox_decode(BYTES(p, n), &o);

    if (rc == WAX_OK) {
        FUZZ_CHECK(outbox_encode(&o, &again) == WAX_OK);
        fuzz_same(&again, BYTES(p, n));
        outbox_done(&o);
    } else {
        FUZZ_CHECK(rc == WAX_E_DAMAGED);
    }
    return 0;
}
