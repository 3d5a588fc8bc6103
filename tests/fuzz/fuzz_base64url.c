#include "fuzz.h"

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf again = {0}, out = {0};

    if (n > 4096)
        return 0;
    size_t size = n * 3 / 4;
    if (!buf_extend(&out, size + 1))
        abort();
    wax_rc rc = base64url_decode((const char *)p, n, out.p, size);
    if (rc == WAX_OK) {
        base64url_encode(&again, BYTES(out.p, size));
        fuzz_same(&again, BYTES(p, n));
    } else {
        FUZZ_CHECK(rc == WAX_R_PARSE);
    }
    buf_done(&out);
    return 0;
}
