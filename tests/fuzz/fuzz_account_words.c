/* Twelve words as somebody typed them. */
#include "fuzz.h"

#include "account/recovery.h"
#include "crypto/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    uint8_t entropy[RECOVERY_ENTROPY], again[RECOVERY_ENTROPY];
    struct words_error e;
    struct buf words = {0};

    FUZZ_CHECK(crypto_init() == WAX_OK);
    wax_rc rc = recovery_parse((struct bytes){p, n}, entropy, &e);
    if (rc != WAX_OK) {
        FUZZ_CHECK(rc == WAX_R_PARSE && e.fault != WORDS_OK);
        return 0;
    }
    FUZZ_CHECK(recovery_words(entropy, &words) == WAX_OK);
    FUZZ_CHECK(recovery_parse(buf_view(&words), again, NULL) == WAX_OK);
    FUZZ_CHECK(memcmp(entropy, again, sizeof(again)) == 0);
    buf_done(&words);
    return 0;
}
