#include "fuzz.h"

#include "wire/proof.h"

/* First byte: 0 an inclusion, else an absence. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf again = {0};
    struct map_absence a;
    struct hashes path;

    if (n < 1)
        return 0;
    struct bytes in = {p + 1, n - 1};
    wax_rc rc = p[0] == 0 ? map_inclusion_decode(in, &path) : map_absence_decode(in, &a);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    rc = p[0] == 0 ? map_inclusion_encode(path, &again) : map_absence_encode(&a, &again);
    FUZZ_CHECK(rc == WAX_OK);
    fuzz_same(&again, in);
    return 0;
}
