#include "fuzz.h"

#include "wire/manifest.h"

static void try_join(struct bytes in)
{
    struct buf again = {0};
    struct join j;

    if (join_decode(in, &j) != WAX_OK)
        return;
    join_encode(&j, &again);
    fuzz_same(&again, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct bytes in = {p, n};
    struct buf again = {0};
    struct chain_link c;

    try_join(in);
    wax_rc rc = chain_link_decode(in, &c);
    if (rc != WAX_OK) {
        fuzz_refused(rc);
        return 0;
    }
    FUZZ_CHECK(c.body.n + sizeof c.sig.b == c.record.n);
    FUZZ_CHECK(chain_link_encode(c.record, c.joins, c.n_joins, &again) == WAX_OK);
    fuzz_same(&again, in);
    return 0;
}
