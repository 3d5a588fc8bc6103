/* What the decoders of this folder share on top of base's bounded reader. */
#ifndef WIRE_READ_H
#define WIRE_READ_H

#include "base/buf.h"

/* Reads a point; one that does not begin with 04 is noted in *off, not in the reader:
 * `parse` is reported before `point` (RECORDS 0), wherever in the record they stand. */
static inline void read_point(struct rd *r, struct point *ret, bool *off)
{
    rd_copy(r, ret->b, sizeof ret->b);
    if (ret->b[0] != 4)
        *off = true;
}

/* The class of a whole record. */
static inline wax_rc WAX_MUST read_end(const struct rd *r, bool off)
{
    wax_rc rc = rd_end(r);

    return rc == WAX_OK && off ? WAX_R_POINT : rc;
}

/* lp(text) of least … most bytes that `valid` accepts, with a NUL behind it; neither names
 * nor handles can hold one. out has most + 1 bytes. */
static inline void read_text(struct rd *r, size_t least, size_t most, bool (*valid)(struct bytes),
                             char *out)
{
    struct bytes x = rd_lp(r, most);

    rd_refuse_if(r, x.n < least || !valid(x));
    if (x.n)
        memcpy(out, x.p, x.n);
    out[x.n] = 0;
}

/* Takes back what was appended since `n`: a failed encoder leaves its buffer as it was. */
void write_undo(struct buf *out, size_t n);

#endif
