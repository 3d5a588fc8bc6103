#include "fuzz.h"

#include "wire/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint8_t again[COUNTER_SIZE];
    struct counter_record c;

    wax_rc rc = counter_decode(BYTES(p, n), &c);
    FUZZ_CHECK(rc == (n == COUNTER_SIZE ? WAX_OK : WAX_R_PARSE));
    if (rc == WAX_OK) {
        counter_encode(&c, again);
        FUZZ_CHECK(memcmp(again, p, n) == 0);
    }
    return 0;
}
