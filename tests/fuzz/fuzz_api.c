/* First byte: which body. proto3 has many encodings of one message, so the property is that
 * what was packed once packs to the same bytes for ever. */
#include "fuzz.h"

#include "fuzz_api.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    ProtobufCMessage *m = NULL, *back = NULL;
    struct buf once = {0}, twice = {0};

    if (n == 0)
        return 0;
    const ProtobufCMessageDescriptor *type = api_types[p[0] % API_TYPES];
    wax_rc rc = proto_unpack(type, BYTES(p + 1, n - 1), API_BODY_MAX, &m);
    if (rc != WAX_OK) {
        FUZZ_CHECK(rc == WAX_R_PARSE && !m);
        return 0;
    }
    FUZZ_CHECK(proto_pack(m, &once) == WAX_OK);
    proto_free(m);
    FUZZ_CHECK(proto_unpack(type, buf_view(&once), API_BODY_MAX, &back) == WAX_OK);
    FUZZ_CHECK(proto_pack(back, &twice) == WAX_OK);
    proto_free(back);
    fuzz_same(&twice, buf_view(&once));
    buf_done(&once);
    return 0;
}
