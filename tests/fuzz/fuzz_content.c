#include "fuzz.h"

#include "wire/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    Wax__V1__Content *c = NULL, *back = NULL;
    struct buf once = {0}, twice = {0};

    wax_rc rc = content_unpack(BYTES(p, n), &c);
    if (rc != WAX_OK) {
        FUZZ_CHECK(rc == WAX_R_PARSE && !c);
        return 0;
    }
    FUZZ_CHECK((int)c->kind >= 1 && c->n_parents <= 8 && c->n_attachments <= 32);
    FUZZ_CHECK(c->conversation.len == 32 || c->conversation.len == 64);
    FUZZ_CHECK(proto_pack(&c->base, &once) == WAX_OK);
    content_free(c);
    FUZZ_CHECK(content_unpack(buf_view(&once), &back) == WAX_OK);
    FUZZ_CHECK(proto_pack(&back->base, &twice) == WAX_OK);
    content_free(back);
    fuzz_same(&twice, buf_view(&once));
    buf_done(&once);
    return 0;
}
