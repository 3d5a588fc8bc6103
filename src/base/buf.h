/* A growable byte buffer that wipes what it lets go of, and the bounded reader that
 * every decoder of ours is written with. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/bytes.h"
#include "base/result.h"

/* Embedded by value; `struct buf b = {0};` is an empty one. Errors stick: after a
 * failed append `rc` is set, later appends do nothing, and buf_rc tells. So a codec
 * appends its fields and looks once. */
struct buf {
    uint8_t *p;
    size_t n, cap;
    wax_rc rc;
};

void buf_done(struct buf *b);  /* wipes, frees, leaves an empty buffer */
void buf_reset(struct buf *b); /* wipes the content, keeps the memory, clears rc */
wax_rc buf_rc(const struct buf *b) WAX_MUST;
void buf_add(struct buf *b, const void *p, size_t n);
void buf_bytes(struct buf *b, struct bytes x);
void buf_str(struct buf *b, const char *s); /* without its NUL */
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_zero(struct buf *b, size_t n);
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_lp(struct buf *b, struct bytes x); /* u16 length ‖ x; over 65,535: WAX_E_TOOBIG */
/* n fresh zeroed bytes at the end to write into; NULL on failure (rc set). Valid until
 * the next append. */
uint8_t *buf_extend(struct buf *b, size_t n);
/* A NUL behind the content (not counted in n), so that it can be read as a string;
 * NULL on failure. */
const char *buf_cstr(struct buf *b);
void buf_hex(struct buf *b, struct bytes x); /* lower-case hex of x */
static inline struct bytes buf_view(const struct buf *b) { return (struct bytes){b->p, b->n}; }

/* A reader cannot run past its end. Errors stick like buf's: after a short read all
 * further reads give zeros or empty runs and rd_end refuses. */
struct rd {
    const uint8_t *p;
    size_t left;
    bool bad;
};

static inline struct rd rd_init(struct bytes x) { return (struct rd){x.p, x.n, false}; }
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
/* Copies n bytes to out; short: zeros. */
void rd_copy(struct rd *r, void *out, size_t n);
/* Borrows n bytes of the input; short: empty. */
struct bytes rd_take(struct rd *r, size_t n);
/* u16 length ‖ bytes, refused when longer than cap. */
struct bytes rd_lp(struct rd *r, size_t cap);
/* n bytes that must be zero. */
void rd_zero(struct rd *r, size_t n);
/* Marks the input as refused; for values out of their range. */
static inline void rd_refuse_if(struct rd *r, bool bad) { if (bad) r->bad = true; }
/* WAX_OK when all was read and nothing is left over, else WAX_R_PARSE. */
wax_rc rd_end(const struct rd *r) WAX_MUST;

#endif
