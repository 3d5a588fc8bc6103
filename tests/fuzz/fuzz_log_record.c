#include "fuzz.h"

#include "wire/checkpoint.h"
#include "wire/proof.h"

/* Each decodes and, when that went well, writes the record again. */
static wax_rc entry(struct bytes in, uint8_t *out)
{
    struct log_entry e;
    wax_rc rc = log_entry_decode(in, &e);

    if (rc == WAX_OK)
        log_entry_encode(&e, out);
    return rc;
}

static wax_rc item(struct bytes in, uint8_t *out)
{
    struct feed_item i;
    wax_rc rc = feed_item_decode(in, &i);

    if (rc == WAX_OK)
        feed_item_encode(&i, out);
    return rc;
}

static wax_rc checkpoint(struct bytes in, uint8_t *out)
{
    struct checkpoint c;
    wax_rc rc = checkpoint_decode(in, &c);

    if (rc == WAX_OK)
        checkpoint_encode(&c, out);
    return rc;
}

static wax_rc in_p(struct bytes in, uint8_t *out)
{
    static const struct log_id log = {{7}};
    struct checkpoint c;
    wax_rc rc = checkpoint_short_decode(in, &log, &c);

    if (rc == WAX_OK) {
        FUZZ_CHECK(ID_EQ(&c.log, &log));
        checkpoint_short_encode(&c, out);
    }
    return rc;
}

static wax_rc cosignature(struct bytes in, uint8_t *out)
{
    struct cosignature c;
    wax_rc rc = cosignature_decode(in, &c);

    if (rc == WAX_OK)
        cosignature_encode(&c, out);
    return rc;
}

static wax_rc rotation(struct bytes in, uint8_t *out)
{
    struct rotation r;
    wax_rc rc = rotation_decode(in, &r);

    if (rc == WAX_OK)
        rotation_encode(&r, out);
    return rc;
}

static wax_rc generation(struct bytes in, uint8_t *out)
{
    struct generation g;
    wax_rc rc = generation_decode(in, &g);

    if (rc == WAX_OK)
        generation_encode(&g, out);
    return rc;
}

static const struct {
    wax_rc (*codec)(struct bytes in, uint8_t *out);
    size_t size;
} kinds[] = {{entry, LOG_ENTRY_SIZE},           {item, FEED_ITEM_SIZE},
             {checkpoint, CHECKPOINT_RECORD},   {in_p, CHECKPOINT_SHORT},
             {cosignature, COSIGNATURE_RECORD}, {rotation, ROTATION_RECORD},
             {generation, GENERATION_RECORD}};

/* First byte: which record. */
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct buf again = {0};

    if (n < 1 || p[0] >= sizeof kinds / sizeof *kinds)
        return 0;
    struct bytes in = {p + 1, n - 1};
    uint8_t *out = buf_extend(&again, kinds[p[0]].size);
    FUZZ_CHECK(out);
    wax_rc rc = kinds[p[0]].codec(in, out);
    if (rc == WAX_OK) {
        fuzz_same(&again, in);
        return 0;
    }
    if (rc == WAX_E_NOTFOUND) /* zeros in P stand for none */
        FUZZ_CHECK(p[0] == 3 && in.n == CHECKPOINT_SHORT && bytes_all_zero(in.p, in.n));
    else
        fuzz_refused(rc);
    buf_done(&again);
    return 0;
}
