/* The record that the box hands back: whatever is taken is a content that the box's own parser
 * would take, too, and encodes to the same bytes. */
#include "fuzz.h"

#include "wire/content_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    Wax__V1__Content *c = NULL, *back = NULL;
    struct buf again = {0}, packed = {0};

    wax_rc rc = content_record_decode(BYTES(p, n), &c);
    if (rc != WAX_OK) {
        FUZZ_CHECK(rc == WAX_R_PARSE && !c);
        return 0;
    }
    FUZZ_CHECK(proto_pack(&c->base, &packed) == WAX_OK);
    if (packed.n <= CONTENT_MAX) {
        FUZZ_CHECK(content_unpack(buf_view(&packed), &back) == WAX_OK);
        content_free(back);
    }
    FUZZ_CHECK(content_record_encode(c, &again) == WAX_OK);
    fuzz_same(&again, BYTES(p, n));
    content_free(c);
    buf_done(&packed);
    return 0;
}
