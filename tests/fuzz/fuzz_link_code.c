#include "fuzz.h"

#include "wire/records.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char text[LINK_CODE_TEXT + 1];
    struct link_code code, back;
    struct buf s = {0};

    buf_add(&s, p, n);
    const char *in = buf_cstr(&s);
    FUZZ_CHECK(in);
    wax_rc rc = link_code_from_text(in, &code);
    if (rc == WAX_OK) {
        link_code_to_text(&code, text);
        FUZZ_CHECK(strlen(text) == LINK_CODE_TEXT);
        FUZZ_CHECK(link_code_from_text(text, &back) == WAX_OK);
        FUZZ_CHECK(memcmp(&code, &back, sizeof code) == 0);
    } else {
        FUZZ_CHECK(rc == WAX_R_PARSE);
    }
    buf_done(&s);
    return 0;
}
