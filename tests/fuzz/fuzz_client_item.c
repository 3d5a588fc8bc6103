/* History and event rows of the client: what is read encodes to the same bytes, anything else is
 * damage. */
#include "fuzz.h"

#include "client/item.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct item it = {0};
    struct buf again = {0};
    wax_rc rc = item_decode(BYTES(p, n), &it);

    if (rc == WAX_OK) {
        FUZZ_CHECK(item_encode(&it, &again) == WAX_OK);
        fuzz_same(&again, BYTES(p, n));
        item_done(&it);
    } else {
        FUZZ_CHECK(rc == WAX_E_DAMAGED);
    }
    return 0;
}
