/* The text of a scanned QR code. */
#include "fuzz.h"

#include "account/safety.h"

static const char digits[] = "536744620949347268780929667685854270993743089847365078884805";

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct safety_view mine = {0}, theirs;
    enum safety_match match;
    struct buf text = {0}, again = {0};

    buf_add(&text, p, n);
    const char *scanned = buf_cstr(&text);
    FUZZ_CHECK(scanned != NULL);
    wax_rc rc = safety_qr_judge(scanned, digits, &mine, &match, &theirs);
    if (rc != WAX_OK) {
        FUZZ_CHECK(rc == WAX_R_PARSE);
    } else if (match != SAFETY_OTHER_DIGITS) {
        FUZZ_CHECK(safety_qr(digits, &theirs, &again) == WAX_OK);
        FUZZ_CHECK(strcmp(scanned, buf_cstr(&again)) == 0);
    }
    buf_done(&text);
    buf_done(&again);
    return 0;
}
