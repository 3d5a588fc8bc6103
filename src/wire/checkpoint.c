#include "wire/checkpoint.h"

#include "wire/read.h"

/* All but the log_id. */
static void read_rest(struct rd *r, struct checkpoint *c)
{
    c->generation = rd_u32(r);
    c->size = rd_u64(r);
    rd_copy(r, c->root.b, sizeof c->root.b);
    c->time = rd_u64(r);
    c->daily = rd_u64(r);
    /* The daily entry must exist (PROTOCOL 8.4), so no log without entries is signed. */
    rd_refuse_if(r, c->daily >= c->size);
    rd_copy(r, c->sig.b, sizeof c->sig.b);
}

static void read_checkpoint(struct rd *r, struct checkpoint *c)
{
    rd_copy(r, c->log.b, sizeof c->log.b);
    read_rest(r, c);
}

wax_rc checkpoint_decode(struct bytes in, struct checkpoint *ret)
{
    struct rd r = rd_init(in);
    struct checkpoint c;

    read_checkpoint(&r, &c);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = c;
    return rc;
}

void checkpoint_short_encode(const struct checkpoint *c, uint8_t out[CHECKPOINT_SHORT])
{
    put_u32(out, c->generation);
    put_u64(out + 4, c->size);
    memcpy(out + 12, c->root.b, sizeof c->root.b);
    put_u64(out + 44, c->time);
    put_u64(out + 52, c->daily);
    memcpy(out + 60, c->sig.b, sizeof c->sig.b);
}

void checkpoint_encode(const struct checkpoint *c, uint8_t out[CHECKPOINT_RECORD])
{
    memcpy(out, c->log.b, sizeof c->log.b);
    checkpoint_short_encode(c, out + sizeof c->log.b);
}

wax_rc checkpoint_short_decode(struct bytes in, const struct log_id *log, struct checkpoint *ret)
{
    struct rd r = rd_init(in);
    struct checkpoint c = {.log = *log};

    if (in.n == CHECKPOINT_SHORT && bytes_all_zero(in.p, in.n))
        return WAX_E_NOTFOUND;
    read_rest(&r, &c);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = c;
    return rc;
}

wax_rc cosignature_decode(struct bytes in, struct cosignature *ret)
{
    struct rd r = rd_init(in);
    struct cosignature c;
    bool off = false;

    read_point(&r, &c.witness, &off);
    rd_copy(&r, c.sig.b, sizeof c.sig.b);
    wax_rc rc = read_end(&r, off);
    if (rc == WAX_OK)
        *ret = c;
    return rc;
}

void cosignature_encode(const struct cosignature *c, uint8_t out[COSIGNATURE_RECORD])
{
    memcpy(out, c->witness.b, sizeof c->witness.b);
    memcpy(out + sizeof c->witness.b, c->sig.b, sizeof c->sig.b);
}

wax_rc rotation_decode(struct bytes in, struct rotation *ret)
{
    struct rd r = rd_init(in);
    struct rotation t;
    bool off = false;

    rd_copy(&r, t.log.b, sizeof t.log.b);
    read_point(&r, &t.new_key, &off);
    read_checkpoint(&r, &t.checkpoint);
    rd_copy(&r, t.by_old.b, sizeof t.by_old.b);
    rd_copy(&r, t.by_new.b, sizeof t.by_new.b);
    wax_rc rc = read_end(&r, off);
    if (rc == WAX_OK)
        *ret = t;
    return rc;
}

void rotation_encode(const struct rotation *r, uint8_t out[ROTATION_RECORD])
{
    memcpy(out, r->log.b, sizeof r->log.b);
    memcpy(out + 32, r->new_key.b, sizeof r->new_key.b);
    checkpoint_encode(&r->checkpoint, out + 97);
    memcpy(out + ROTATION_SIGNED, r->by_old.b, sizeof r->by_old.b);
    memcpy(out + ROTATION_SIGNED + 64, r->by_new.b, sizeof r->by_new.b);
}

wax_rc generation_decode(struct bytes in, struct generation *ret)
{
    struct rd r = rd_init(in);
    struct generation g;

    rd_copy(&r, g.log.b, sizeof g.log.b);
    g.number = rd_u32(&r);
    read_checkpoint(&r, &g.checkpoint);
    rd_copy(&r, g.sig.b, sizeof g.sig.b);
    wax_rc rc = rd_end(&r);
    if (rc == WAX_OK)
        *ret = g;
    return rc;
}

void generation_encode(const struct generation *g, uint8_t out[GENERATION_RECORD])
{
    memcpy(out, g->log.b, sizeof g->log.b);
    put_u32(out + 32, g->number);
    checkpoint_encode(&g->checkpoint, out + 36);
    memcpy(out + GENERATION_SIGNED, g->sig.b, sizeof g->sig.b);
}
