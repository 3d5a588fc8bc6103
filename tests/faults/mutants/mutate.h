/* Single changes of bytes: what a fault, a server or somebody in between might do to one. */
#ifndef MUTATE_H
#define MUTATE_H

#include "base/buf.h"

/* A small seeded generator (xorshift); a state of 0 is none. */
struct draw {
    uint64_t state;
};
uint64_t draw(struct draw *d);
size_t draw_below(struct draw *d, size_t n); /* n > 0 */

enum mutation {
    MUTATE_BIT,    /* one bit flipped */
    MUTATE_BYTE,   /* one byte replaced by another */
    MUTATE_INSERT, /* one byte more */
    MUTATE_DELETE, /* one byte less */
    MUTATE_SWAP,   /* two bytes that differ change places */
    MUTATE_CUT,    /* the end is missing */
    MUTATE_EXTEND, /* up to 64 bytes more */
    MUTATE_NUMBER, /* four bytes in a row become a number close by, 0 or all ones */
    MUTATE_BLANK,  /* 16 or 32 bytes in a row become zeros */
    MUTATE_REPEAT, /* a piece stands there twice */
    MUTATE_COUNT_,
};
extern const char *const mutation_names[MUTATE_COUNT_];

/* out: in after that change at a place drawn; never equal to in. in.n > 64. */
void mutate(struct draw *d, enum mutation how, struct bytes in, struct buf *out);

/* The same signature written otherwise: s becomes n − s, which plain ECDSA takes as well. */
void signature_turn(uint8_t sig[64]);

#endif
