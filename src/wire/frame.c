#include "wire/records.h"
#include "wire/read.h"

#define FRAME_HEAD (1 + 8 + 8)

/* A hint is a handle or nothing. */
static bool hint_valid(struct bytes x) { return x.n == 0 || handle_valid(x); }

/* The envelope is not looked into: a bad one is refused by its own rules and acked, while a
 * bad frame ends the stream. */
static void read_envelope(struct rd *r, struct frame *f)
{
    read_text(r, 0, HANDLE_MAX, hint_valid, f->handle);
    f->envelope = rd_take(r, r->left);
}

static void read_notice(struct rd *r, struct frame *f)
{
    rd_copy(r, f->fanout.b, sizeof f->fanout.b);
    rd_copy(r, f->to.b, sizeof f->to.b);
    f->accepted_at = rd_u64(r);
    f->reason = rd_u8(r);
    rd_refuse_if(r, f->reason < NOTICE_EXPIRED || f->reason > NOTICE_FULL);
}

static wax_rc frame_decode(struct bytes in, struct frame *f)
{
    struct rd r = rd_init(in);

    f->type = rd_u8(&r);
    f->seq = rd_u64(&r);
    f->time = rd_u64(&r);
    switch (f->type) {
    case 0:
        return WAX_R_PARSE;
    case FRAME_ENVELOPE:
        read_envelope(&r, f);
        break;
    case FRAME_NOTICE:
        read_notice(&r, f);
        break;
    case FRAME_HEARTBEAT:
        rd_refuse_if(&r, f->seq != 0);
        break;
    case FRAME_EXPIRED:
        f->count = rd_u32(&r);
        break;
    case FRAME_DRAINED:
        break;
    default: /* of a later version: skipped as a whole */
        (void)rd_take(&r, r.left);
    }
    return rd_end(&r);
}

wax_rc frame_next(struct bytes *in, struct frame *ret)
{
    struct frame f = {0};

    if (in->n < 4)
        return WAX_E_WAIT;
    uint32_t n = get_u32(in->p);
    if (n < FRAME_HEAD || n > FRAME_MAX)
        return WAX_R_PARSE;
    if (in->n - 4 < n)
        return WAX_E_WAIT;
    wax_rc rc = frame_decode(BYTES(in->p + 4, n), &f);
    if (rc != WAX_OK)
        return rc;
    in->p += 4 + (size_t)n;
    in->n -= 4 + (size_t)n;
    *ret = f;
    return WAX_OK;
}

wax_rc frame_encode(uint8_t type, uint64_t seq, uint64_t time, struct bytes rest, struct buf *out)
{
    size_t start = out->n;

    if (rest.n > FRAME_MAX - FRAME_HEAD)
        return WAX_E_TOOBIG;
    buf_u32(out, (uint32_t)(FRAME_HEAD + rest.n));
    buf_u8(out, type);
    buf_u64(out, seq);
    buf_u64(out, time);
    buf_bytes(out, rest);
    wax_rc rc = buf_rc(out);
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

wax_rc frame_rest_envelope(const char *handle, struct bytes envelope, struct buf *out)
{
    size_t start = out->n;

    if (!hint_valid(BYTES_STR(handle)))
        return WAX_E_INVAL;
    buf_lp(out, BYTES_STR(handle));
    buf_bytes(out, envelope);
    wax_rc rc = buf_rc(out);
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

void frame_rest_notice(const struct fanout_id *f, const struct dev_id *to, uint64_t accepted_at,
                       uint8_t reason, struct buf *out)
{
    buf_add(out, f->b, sizeof f->b);
    buf_add(out, to->b, sizeof to->b);
    buf_u64(out, accepted_at);
    buf_u8(out, reason);
}

void frame_rest_expired(uint32_t count, struct buf *out) { buf_u32(out, count); }
