/* First byte: which of the records of RECORDS 9 (1, 2, 5; others: sealed). */
#include "fuzz.h"

#include "wire/records.h"

static wax_rc try_1(struct bytes in, struct buf *again)
{
    struct link1 l;
    wax_rc rc = link1_decode(in, &l);

    if (rc == WAX_OK)
        FUZZ_CHECK(link1_encode(&l, again) == WAX_OK);
    return rc;
}

static wax_rc try_2(struct bytes in, struct buf *again)
{
    struct link2 l;
    wax_rc rc = link2_decode(in, &l);

    if (rc == WAX_OK)
        FUZZ_CHECK(link2_encode(&l, again) == WAX_OK);
    return rc;
}

static wax_rc try_5(struct bytes in, struct buf *again)
{
    struct bytes raw, bundle;
    struct join j;
    wax_rc rc = link5_decode(in, &j, &raw, &bundle);

    if (rc != WAX_OK)
        return rc;
    FUZZ_CHECK(raw.n == JOIN_SIZE && bundle.n == BUNDLE_RECORD);
    join_encode(&j, again);
    buf_bytes(again, bundle);
    return rc;
}

static wax_rc try_sealed(struct bytes in, struct buf *again)
{
    struct bytes c, tag;
    uint8_t k;
    wax_rc rc = link_sealed_decode(in, &k, &c, &tag);

    if (rc != WAX_OK)
        return rc;
    FUZZ_CHECK(k >= 1 && k <= 6 && tag.n == 32);
    buf_u8(again, k);
    buf_bytes(again, c);
    buf_bytes(again, tag);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf again = {0};
    wax_rc rc;

    if (n == 0)
        return 0;
    struct bytes in = {p + 1, n - 1};
    switch (p[0]) {
    case 1:
        rc = try_1(in, &again);
        break;
    case 2:
        rc = try_2(in, &again);
        break;
    case 5:
        rc = try_5(in, &again);
        break;
    default:
        rc = try_sealed(in, &again);
    }
    if (rc == WAX_OK)
        fuzz_same(&again, in);
    else
        fuzz_refused(rc);
    return 0;
}
