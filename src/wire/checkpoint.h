/* The signed records of the directory's log (RECORDS 13), bytes <-> structs: layout, caps,
 * ranges and first bytes of points (WAX_R_PARSE, WAX_R_POINT). Signatures and the rules
 * between records are src/tree. */
#ifndef WIRE_CHECKPOINT_H
#define WIRE_CHECKPOINT_H

#include "base/buf.h"

#define CHECKPOINT_RECORD 156
#define CHECKPOINT_SIGNED 92 /* of which the first are signed, by the log and by witnesses */

struct checkpoint {
    struct log_id log;
    uint32_t generation;
    uint64_t size; /* entries, ≥ 1 */
    struct hash32 root;
    uint64_t time;  /* ms */
    uint64_t daily; /* index of the daily entry of that time's day, < size */
    struct sig sig;
};
wax_rc checkpoint_decode(struct bytes in, struct checkpoint *ret) WAX_MUST;
void checkpoint_encode(const struct checkpoint *c, uint8_t out[CHECKPOINT_RECORD]);

/* As it stands in P: without the log_id (RECORDS 6), which is put in from `log`. Zeros stand
 * for none: WAX_E_NOTFOUND. */
#define CHECKPOINT_SHORT 124
wax_rc checkpoint_short_decode(struct bytes in, const struct log_id *log,
                               struct checkpoint *ret) WAX_MUST;
void checkpoint_short_encode(const struct checkpoint *c, uint8_t out[CHECKPOINT_SHORT]);

#define COSIGNATURE_RECORD 129
struct cosignature {
    struct point witness;
    struct sig sig; /* over the 92 bytes */
};
wax_rc cosignature_decode(struct bytes in, struct cosignature *ret) WAX_MUST;
void cosignature_encode(const struct cosignature *c, uint8_t out[COSIGNATURE_RECORD]);

#define ROTATION_RECORD 381
#define ROTATION_SIGNED 253 /* of which the first are signed by both keys */
struct rotation {
    struct log_id log;
    struct point new_key;
    struct checkpoint checkpoint; /* the last one */
    struct sig by_old, by_new;
};
wax_rc rotation_decode(struct bytes in, struct rotation *ret) WAX_MUST;
void rotation_encode(const struct rotation *r, uint8_t out[ROTATION_RECORD]);

#define GENERATION_RECORD 256
#define GENERATION_SIGNED 192 /* of which the first are signed */
struct generation {
    struct log_id log;
    uint32_t number;              /* the new generation */
    struct checkpoint checkpoint; /* the last one known of the generation before */
    struct sig sig;
};
wax_rc generation_decode(struct bytes in, struct generation *ret) WAX_MUST;
void generation_encode(const struct generation *g, uint8_t out[GENERATION_RECORD]);

#endif
