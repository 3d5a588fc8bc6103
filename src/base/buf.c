#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

void buf_done(struct buf *b)
{
    mem_free_wiped(b->p, b->cap);
    *b = (struct buf){0};
}

void buf_reset(struct buf *b)
{
    mem_wipe(b->p, b->n);
    b->n = 0;
    b->rc = WAX_OK;
}

wax_rc buf_rc(const struct buf *b) { return b->rc; }

/* Room for n more. Old memory is wiped, which realloc would not do. */
static bool reserve(struct buf *b, size_t n)
{
    if (b->rc != WAX_OK)
        return false;
    if (n > SIZE_MAX / 4 - b->n) {
        b->rc = WAX_E_TOOBIG;
        return false;
    }
    if (b->n + n <= b->cap)
        return true;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->n + n)
        cap *= 2;
    uint8_t *p = mem_alloc(cap);
    if (!p) {
        b->rc = WAX_E_NOMEM;
        return false;
    }
    if (b->n)
        memcpy(p, b->p, b->n);
    mem_free_wiped(b->p, b->cap);
    b->p = p;
    b->cap = cap;
    return true;
}

uint8_t *buf_extend(struct buf *b, size_t n)
{
    if (!reserve(b, n ? n : 1))
        return NULL;
    uint8_t *p = b->p + b->n;
    memset(p, 0, n);
    b->n += n;
    return p;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
    if (n == 0 || !reserve(b, n))
        return;
    memcpy(b->p + b->n, p, n);
    b->n += n;
}

void buf_bytes(struct buf *b, struct bytes x) { buf_add(b, x.p, x.n); }
void buf_str(struct buf *b, const char *s) { buf_add(b, s, strlen(s)); }
void buf_zero(struct buf *b, size_t n) { (void)buf_extend(b, n); }
void buf_u8(struct buf *b, uint8_t v) { buf_add(b, &v, 1); }

void buf_u16(struct buf *b, uint16_t v)
{
    uint8_t x[2];
    put_u16(x, v);
    buf_add(b, x, sizeof x);
}

void buf_u32(struct buf *b, uint32_t v)
{
    uint8_t x[4];
    put_u32(x, v);
    buf_add(b, x, sizeof x);
}

void buf_u64(struct buf *b, uint64_t v)
{
    uint8_t x[8];
    put_u64(x, v);
    buf_add(b, x, sizeof x);
}

void buf_lp(struct buf *b, struct bytes x)
{
    if (x.n > UINT16_MAX) {
        if (b->rc == WAX_OK)
            b->rc = WAX_E_TOOBIG;
        return;
    }
    buf_u16(b, (uint16_t)x.n);
    buf_bytes(b, x);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n + 1)) {
        if (b->rc == WAX_OK)
            b->rc = WAX_E_INVAL;
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf((char *)b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

const char *buf_cstr(struct buf *b)
{
    if (!reserve(b, 1))
        return NULL;
    b->p[b->n] = 0;
    return (const char *)b->p;
}

void buf_hex(struct buf *b, struct bytes x)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < x.n; i++) {
        char two[2] = {digits[x.p[i] >> 4], digits[x.p[i] & 15]};
        buf_add(b, two, 2);
    }
}

struct bytes rd_take(struct rd *r, size_t n)
{
    if (r->bad || n > r->left) {
        r->bad = true;
        return (struct bytes){NULL, 0};
    }
    struct bytes x = {r->p, n};
    if (n) {
        r->p += n;
        r->left -= n;
    }
    return x;
}

void rd_copy(struct rd *r, void *out, size_t n)
{
    struct bytes x = rd_take(r, n);

    if (n == 0)
        return;
    if (x.n == n)
        memcpy(out, x.p, n);
    else
        memset(out, 0, n);
}

uint8_t rd_u8(struct rd *r)
{
    struct bytes x = rd_take(r, 1);
    return x.n ? x.p[0] : 0;
}

uint16_t rd_u16(struct rd *r)
{
    struct bytes x = rd_take(r, 2);
    return x.n ? get_u16(x.p) : 0;
}

uint32_t rd_u32(struct rd *r)
{
    struct bytes x = rd_take(r, 4);
    return x.n ? get_u32(x.p) : 0;
}

uint64_t rd_u64(struct rd *r)
{
    struct bytes x = rd_take(r, 8);
    return x.n ? get_u64(x.p) : 0;
}

struct bytes rd_lp(struct rd *r, size_t cap)
{
    size_t n = rd_u16(r);

    rd_refuse_if(r, n > cap);
    return rd_take(r, n);
}

void rd_zero(struct rd *r, size_t n)
{
    struct bytes x = rd_take(r, n);

    rd_refuse_if(r, x.n != n || !bytes_all_zero(x.p, x.n));
}

wax_rc rd_end(const struct rd *r) { return r->bad || r->left ? WAX_R_PARSE : WAX_OK; }
