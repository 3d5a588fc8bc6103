#include "wire/manifest.h"
#include "wire/read.h"

void bundle_encode_body(const struct bundle *b, struct buf *out)
{
    buf_u8(out, 1);
    buf_u8(out, 1);
    buf_add(out, b->dev.b, sizeof b->dev.b);
    buf_u64(out, b->not_before);
    buf_add(out, b->spk.b, sizeof b->spk.b);
    buf_add(out, b->kpk, sizeof b->kpk);
}

wax_rc bundle_decode(struct bytes record, struct bundle *ret)
{
    struct rd r = rd_init(record);
    struct bundle b;
    bool off = false;

    rd_refuse_if(&r, rd_u8(&r) != 1);
    rd_refuse_if(&r, rd_u8(&r) != 1);
    rd_copy(&r, b.dev.b, sizeof b.dev.b);
    b.not_before = rd_u64(&r);
    read_point(&r, &b.spk, &off);
    rd_copy(&r, b.kpk, sizeof b.kpk);
    rd_copy(&r, b.sig.b, sizeof b.sig.b);
    wax_rc rc = read_end(&r, off);
    if (rc == WAX_OK)
        *ret = b;
    return rc;
}
