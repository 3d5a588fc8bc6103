#include "mutate.h"

#include <string.h>

const char *const mutation_names[MUTATE_COUNT_] = {
    [MUTATE_BIT] = "bit",       [MUTATE_BYTE] = "byte",     [MUTATE_INSERT] = "insert",
    [MUTATE_DELETE] = "delete", [MUTATE_SWAP] = "swap",     [MUTATE_CUT] = "cut",
    [MUTATE_EXTEND] = "extend", [MUTATE_NUMBER] = "number", [MUTATE_BLANK] = "blank",
    [MUTATE_REPEAT] = "repeat",
};

uint64_t draw(struct draw *d)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return d->state;
}

size_t draw_below(struct draw *d, size_t n) { return (size_t)(draw(d) % n); }

/* Makes `n` bytes at `at` another number: one off, zero, or all ones. */
static void renumber(struct draw *d, uint8_t *at)
{
    uint32_t was = get_u32(at), now = was;

    switch (draw_below(d, 4)) {
    case 0:
        now = was + 1;
        break;
    case 1:
        now = was - 1;
        break;
    case 2:
        now = was ? 0 : 1;
        break;
    default:
        now = was == 0xffffffff ? 0 : 0xffffffff;
    }
    put_u32(at, now);
}

static void swap_two(struct draw *d, uint8_t *p, size_t n)
{
    size_t i = draw_below(d, n), j = draw_below(d, n);

    if (p[i] == p[j]) { /* nothing would change */
        p[i] ^= 1;
        return;
    }
    uint8_t x = p[i];
    p[i] = p[j];
    p[j] = x;
}

static void in_place(struct draw *d, enum mutation how, uint8_t *p, size_t n)
{
    size_t at = draw_below(d, n), block = draw_below(d, 2) ? 32 : 16;

    switch (how) {
    case MUTATE_BIT:
        p[at] ^= (uint8_t)(1U << draw_below(d, 8));
        break;
    case MUTATE_BYTE:
        p[at] = (uint8_t)(p[at] + 1 + draw_below(d, 255));
        break;
    case MUTATE_SWAP:
        swap_two(d, p, n);
        break;
    case MUTATE_NUMBER:
        renumber(d, p + draw_below(d, n - 3));
        break;
    default:
        at = draw_below(d, n - block);
        if (bytes_all_zero(p + at, block))
            p[at] = 1;
        else
            memset(p + at, 0, block);
    }
}

/* Changes of the length. */
static void moved(struct draw *d, enum mutation how, struct bytes in, struct buf *out)
{
    size_t at = draw_below(d, in.n), piece = 1 + draw_below(d, 64);

    if (how == MUTATE_EXTEND)
        at = in.n;
    buf_add(out, in.p, at);
    if (how == MUTATE_CUT)
        return;
    if (how == MUTATE_INSERT)
        buf_u8(out, (uint8_t)draw(d));
    for (size_t i = 0; how == MUTATE_EXTEND && i < piece; i++)
        buf_u8(out, (uint8_t)draw(d));
    if (how == MUTATE_REPEAT)
        buf_add(out, in.p + at, piece < in.n - at ? piece : in.n - at);
    if (how == MUTATE_DELETE)
        at++;
    buf_add(out, in.p + at, in.n - at);
}

void mutate(struct draw *d, enum mutation how, struct bytes in, struct buf *out)
{
    switch (how) {
    case MUTATE_INSERT:
    case MUTATE_DELETE:
    case MUTATE_CUT:
    case MUTATE_EXTEND:
    case MUTATE_REPEAT:
        moved(d, how, in, out);
        return;
    default:
        buf_bytes(out, in);
        if (buf_rc(out) == WAX_OK)
            in_place(d, how, out->p + out->n - in.n, in.n);
    }
}

void signature_turn(uint8_t sig[64])
{
    /* The order of P-256. */
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
                                      0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    int borrow = 0;

    for (int i = 31; i >= 0; i--) {
        int x = order[i] - sig[32 + i] - borrow;
        borrow = x < 0;
        sig[32 + i] = (uint8_t)(x + (borrow ? 256 : 0));
    }
}
