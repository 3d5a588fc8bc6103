#include "fuzz.h"

#include "wire/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf hdr = {0}, again = {0};
    struct bytes in = {p, n};
    struct envelope e;

    wax_rc rc = envelope_decode(in, &e);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    FUZZ_CHECK(payload_size_valid(e.body.n - TAG_SIZE));
    FUZZ_CHECK(env_hdr_encode(&e.hdr, &hdr) == WAX_OK);
    FUZZ_CHECK(bytes_eq(buf_view(&hdr), e.raw_hdr));
    FUZZ_CHECK(envelope_encode(buf_view(&hdr), e.body, &e.fanout, &again) == WAX_OK);
    fuzz_same(&again, in);
    buf_done(&hdr);
    return 0;
}
