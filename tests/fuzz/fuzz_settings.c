/* Numbers as people write them. */
#include "fuzz.h"

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf s = {0}, back = {0};
    uint64_t v;

    buf_add(&s, p, n);
    const char *text = buf_cstr(&s);
    FUZZ_CHECK(text);
    if (parse_u64(text, &v) == WAX_OK) {
        while (*text == '0' && text[1])
            text++;
        buf_printf(&back, "%llu", (unsigned long long)v);
        fuzz_same(&back, BYTES_STR(text));
    }
    if (parse_duration(text, &v) == WAX_OK)
        FUZZ_CHECK(parse_u64(text, &v) != WAX_OK); /* a bare number is none */
    if (parse_size(text, &v) == WAX_OK)
        FUZZ_CHECK(text[0] >= '0' && text[0] <= '9');
    buf_done(&s);
    return 0;
}
