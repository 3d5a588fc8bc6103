#include "fuzz.h"

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes in = {p, n};
    struct buf s = {0};
    char folded[HANDLE_MAX + 1], again[HANDLE_MAX + 1];

    if (handle_valid(in))
        FUZZ_CHECK(n >= 3 && n <= HANDLE_MAX && name_valid(in));
    buf_add(&s, p, n);
    const char *text = buf_cstr(&s);
    FUZZ_CHECK(text);
    if (handle_fold(text, folded) == WAX_OK) {
        FUZZ_CHECK(handle_valid(BYTES_STR(folded)));
        FUZZ_CHECK(handle_fold(folded, again) == WAX_OK && strcmp(folded, again) == 0);
    }
    buf_done(&s);
    return 0;
}
