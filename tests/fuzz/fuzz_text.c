/* What is shown on a terminal holds nothing that drives it, whatever came in. First byte:
 * bit 0 keeps newlines. */
#include "fuzz.h"

#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf shown = {0};

    if (n == 0)
        return 0;
    bool keep = p[0] & 1;
    struct bytes in = {p + 1, n - 1};
    if (name_valid(in))
        FUZZ_CHECK(utf8_valid(in));
    text_escape(&shown, in, keep);
    FUZZ_CHECK(buf_rc(&shown) == WAX_OK && shown.n >= in.n);
    for (size_t i = 0; keep && i < shown.n; i++)
        if (shown.p[i] == '\n' || shown.p[i] == '\t')
            shown.p[i] = ' ';
    FUZZ_CHECK(name_valid(buf_view(&shown)));
    buf_done(&shown);
    return 0;
}
