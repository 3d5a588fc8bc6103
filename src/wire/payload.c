#include "wire/envelope.h"
#include "wire/read.h"

#define START_MAX (UINT64_MAX >> 1)

static unsigned log2_floor(uint64_t x) { return 63U - (unsigned)__builtin_clzll(x); }

uint64_t padme(uint64_t x)
{
    if (x < 2)
        return x;
    unsigned e = log2_floor(x);
    unsigned s = log2_floor(e) + 1;
    uint64_t m = (1ULL << (e - s)) - 1;
    return (x + m) & ~m;
}

size_t payload_pad(size_t x)
{
    uint64_t n = padme(x);

    return n < P_MIN ? P_MIN : (size_t)n;
}

/* Padmé leaves its own results as they are, so n is one of them if it does. */
bool payload_size_valid(size_t n) { return n >= P_MIN && n <= P_MAX && padme(n) == n; }

/* The fixed part at `at`, P_FIXED bytes that are zero. */
static void write_fixed(const struct payload *p, bool init, uint8_t *at)
{
    put_u32(at, (uint32_t)p->content.n);
    memcpy(at + 4, p->r32.b, sizeof p->r32.b);
    if (init) {
        put_u64(at + 36, p->start);
    } else {
        put_u32(at + 36, p->echo_epoch);
        put_u32(at + 40, p->echo_count);
    }
    put_u32(at + 44, p->my_seq);
    memcpy(at + 48, p->my_hash.b, sizeof p->my_hash.b);
    put_u32(at + 80, p->your_seq);
    memcpy(at + 84, p->your_hash.b, sizeof p->your_hash.b);
    put_u32(at + 116, p->skipped);
    memcpy(at + 120, p->checkpoint.b, sizeof p->checkpoint.b);
    memcpy(at + 244, p->cont_sid.b, sizeof p->cont_sid.b);
    memcpy(at + 260, p->cont_mac.b, sizeof p->cont_mac.b);
}

wax_rc payload_encode(const struct payload *p, bool init, struct buf *out)
{
    struct payload check;
    size_t start = out->n;

    if (p->content.n < 1 || p->content.n > CONTENT_MAX)
        return WAX_E_TOOBIG;
    uint8_t *at = buf_extend(out, payload_pad(P_FIXED + p->content.n));
    wax_rc rc = buf_rc(out);
    if (at) {
        write_fixed(p, init, at);
        memcpy(at + P_FIXED, p->content.p, p->content.n);
    }
    /* Nothing is written that would not be read. */
    if (rc == WAX_OK &&
        payload_decode(BYTES(out->p + start, out->n - start), init, &check) != WAX_OK)
        rc = WAX_E_INVAL;
    if (rc != WAX_OK)
        write_undo(out, start);
    return rc;
}

static void read_start_or_echo(struct rd *r, bool init, struct payload *p)
{
    if (init) {
        p->start = rd_u64(r);
        rd_refuse_if(r, p->start < 1 || p->start > START_MAX);
        return;
    }
    p->echo_epoch = rd_u32(r);
    p->echo_count = rd_u32(r);
    rd_refuse_if(r, p->echo_epoch != 0 && p->echo_count == 0);
}

/* seq ‖ hash; without a seq there is no hash. */
static uint32_t read_known(struct rd *r, struct hash32 *ret_hash)
{
    uint32_t seq = rd_u32(r);

    rd_copy(r, ret_hash->b, sizeof ret_hash->b);
    rd_refuse_if(r, seq == 0 && !bytes_all_zero(ret_hash->b, sizeof ret_hash->b));
    return seq;
}

static void read_continuity(struct rd *r, bool init, struct payload *p)
{
    rd_copy(r, p->cont_sid.b, sizeof p->cont_sid.b);
    rd_copy(r, p->cont_mac.b, sizeof p->cont_mac.b);
    /* Absent as a whole: in a MSG always, in an INIT when it names no session. */
    if (!init || bytes_all_zero(p->cont_sid.b, sizeof p->cont_sid.b))
        rd_refuse_if(r, !bytes_all_zero(p->cont_sid.b, sizeof p->cont_sid.b) ||
                            !bytes_all_zero(p->cont_mac.b, sizeof p->cont_mac.b));
}

wax_rc payload_decode(struct bytes in, bool init, struct payload *ret)
{
    struct payload p = {0};
    struct rd r = rd_init(in);

    uint32_t n = rd_u32(&r);
    if (r.bad || n < 1 || n > CONTENT_MAX || in.n != payload_pad(P_FIXED + (size_t)n))
        return WAX_R_PAYLOAD;
    rd_copy(&r, p.r32.b, sizeof p.r32.b);
    read_start_or_echo(&r, init, &p);
    p.my_seq = read_known(&r, &p.my_hash);
    p.your_seq = read_known(&r, &p.your_hash);
    p.skipped = rd_u32(&r);
    rd_refuse_if(&r, p.your_seq == 0 && p.skipped != 0);
    rd_copy(&r, p.checkpoint.b, sizeof p.checkpoint.b);
    read_continuity(&r, init, &p);
    p.content = rd_take(&r, n);
    rd_zero(&r, r.left);
    if (rd_end(&r) != WAX_OK)
        return WAX_R_PAYLOAD;
    *ret = p;
    return WAX_OK;
}
