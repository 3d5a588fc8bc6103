#include "wire/envelope.h"

#include "wire/read.h"

#define FANOUT_FIXED (16 + 32 + 1 + 2 + 64) /* the fan-out part without its path */

static void read_type(struct rd *r, struct env_hdr *h)
{
    rd_refuse_if(r, rd_u8(r) != 1);
    rd_refuse_if(r, rd_u8(r) != 1);
    h->type = rd_u8(r);
    h->flags = rd_u8(r);
    switch (h->type) {
    case ENV_INIT:
        rd_refuse_if(r, h->flags != ENV_FLAG_CT);
        break;
    case ENV_MSG:
        rd_refuse_if(r, h->flags > (ENV_FLAG_KP | ENV_FLAG_CT));
        break;
    default:
        rd_refuse_if(r, true);
    }
}

static void read_slot(struct rd *r, struct env_hdr *h)
{
    rd_copy(r, h->sid.b, sizeof h->sid.b);
    rd_copy(r, h->from.b, sizeof h->from.b);
    rd_copy(r, h->to.b, sizeof h->to.b);
    h->epoch = rd_u32(r);
    rd_refuse_if(r, (h->type == ENV_INIT) != (h->epoch == 0));
    h->ctr = rd_u32(r);
    h->pcl = rd_u32(r);
    rd_refuse_if(r, h->epoch <= 1 && h->pcl != 0);
}

static void read_hdr(struct rd *r, struct env_hdr *h, bool *off)
{
    read_type(r, h);
    read_slot(r, h);
    read_point(r, &h->e, off);
    if (h->type == ENV_INIT)
        rd_copy(r, h->bundle.b, sizeof h->bundle.b);
    if (h->flags & ENV_FLAG_KP)
        h->kp = rd_take(r, KEM768_EK_SIZE);
    if (h->flags & ENV_FLAG_CT)
        h->ct = rd_take(r, h->type == ENV_INIT ? KEM1024_CT_SIZE : KEM768_CT_SIZE);
}

static struct bytes read_body(struct rd *r)
{
    uint32_t n = rd_u32(r);

    rd_refuse_if(r, n < BODY_MIN || n > BODY_MAX || !payload_size_valid(n - TAG_SIZE));
    return rd_take(r, n);
}

static void read_fanout(struct rd *r, struct env_fanout *f)
{
    rd_copy(r, f->id.b, sizeof f->id.b);
    rd_copy(r, f->com.b, sizeof f->com.b);
    f->depth = rd_u8(r);
    rd_refuse_if(r, f->depth > TREE_DEPTH_MAX);
    f->index = rd_u16(r);
    rd_refuse_if(r, !r->bad && f->index >= 1U << f->depth);
    for (size_t i = 0; !r->bad && i < f->depth; i++)
        rd_copy(r, f->path[i].b, sizeof f->path[i].b);
    rd_copy(r, f->sig.b, sizeof f->sig.b);
}

wax_rc envelope_decode(struct bytes in, struct envelope *ret)
{
    struct envelope e = {0};
    struct rd r = rd_init(in);
    bool off = false;

    if (in.n > ENVELOPE_MAX)
        return WAX_R_PARSE;
    read_hdr(&r, &e.hdr, &off);
    e.raw_hdr = (struct bytes){in.p, in.n - r.left};
    e.body = read_body(&r);
    read_fanout(&r, &e.fanout);
    wax_rc rc = read_end(&r, off);
    if (rc == WAX_OK)
        *ret = e;
    return rc;
}

wax_rc env_hdr_decode(struct bytes in, struct env_hdr *ret)
{
    struct env_hdr h = {0};
    struct rd r = rd_init(in);
    bool off = false;

    read_hdr(&r, &h, &off);
    wax_rc rc = read_end(&r, off);
    if (rc == WAX_OK)
        *ret = h;
    return rc;
}

/* Fields one behind the other into a place that is large enough: an append each costs more
 * than all else here, and a message for a thousand devices has a thousand headers. */
static uint8_t *put(uint8_t *at, const void *p, size_t n)
{
    if (n)
        memcpy(at, p, n);
    return at + n;
}

static void write_hdr(const struct env_hdr *h, struct buf *out)
{
    size_t bundle = h->type == ENV_INIT ? sizeof h->bundle.b : 0;
    uint8_t *at = buf_extend(out, HDR_MSG + bundle + h->kp.n + h->ct.n);

    if (!at)
        return;
    at[0] = at[1] = 1;
    at[2] = h->type;
    at[3] = h->flags;
    at = put(at + 4, h->sid.b, sizeof h->sid.b);
    at = put(at, h->from.b, sizeof h->from.b);
    at = put(at, h->to.b, sizeof h->to.b);
    put_u32(at, h->epoch);
    put_u32(at + 4, h->ctr);
    put_u32(at + 8, h->pcl);
    at = put(at + 12, h->e.b, sizeof h->e.b);
    at = put(at, h->bundle.b, bundle);
    at = put(at, h->kp.p, h->kp.n);
    (void)put(at, h->ct.p, h->ct.n);
}

wax_rc env_hdr_encode(const struct env_hdr *h, struct buf *out)
{
    struct env_hdr check;
    size_t start = out->n;

    write_hdr(h, out);
    wax_rc rc = buf_rc(out);
    /* Nothing is written that would not be read. */
    if (rc == WAX_OK && env_hdr_decode(BYTES(out->p + start, out->n - start), &check) != WAX_OK)
        rc = WAX_E_INVAL;
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

static void write_fanout(const struct env_fanout *f, uint8_t *at)
{
    at = put(at, f->id.b, sizeof f->id.b);
    at = put(at, f->com.b, sizeof f->com.b);
    at[0] = f->depth;
    put_u16(at + 1, f->index);
    at = put(at + 3, f->path, f->depth * sizeof f->path[0]);
    (void)put(at, f->sig.b, sizeof f->sig.b);
}

wax_rc envelope_encode(struct bytes hdr, struct bytes body, const struct env_fanout *f,
                       struct buf *out)
{
    struct env_hdr check;

    if (env_hdr_decode(hdr, &check) != WAX_OK)
        return WAX_E_INVAL;
    if (body.n < BODY_MIN || body.n > BODY_MAX || !payload_size_valid(body.n - TAG_SIZE))
        return WAX_E_INVAL;
    if (f->depth > TREE_DEPTH_MAX || f->index >= 1U << f->depth)
        return WAX_E_INVAL;
    uint8_t *at = buf_extend(out, hdr.n + 4 + body.n + FANOUT_FIXED + f->depth * sizeof f->path[0]);
    if (!at)
        return buf_rc(out);
    at = put(at, hdr.p, hdr.n);
    put_u32(at, (uint32_t)body.n);
    at = put(at + 4, body.p, body.n);
    write_fanout(f, at);
    return WAX_OK;
}
