/* The proofs of the directory's two trees (RECORDS 13), bytes <-> structs: layout and caps
 * alone (WAX_R_PARSE). Whether a proof holds is src/tree (WAX_R_PROOF).
 *
 * Paths are borrowed from what was decoded and live as long as it; nothing is allocated. */
#ifndef WIRE_PROOF_H
#define WIRE_PROOF_H

#include "base/buf.h"

/* n hashes, in the order of the record: that nearest the leaf first. */
struct hashes {
    const struct hash32 *v;
    size_t n;
};

/* --- Prefix tree --- */
#define MAP_DEPTH_MAX 256
#define MAP_INCLUSION_MAX (2 + MAP_DEPTH_MAX * 32)
#define MAP_ABSENCE_MAX (1 + 2 + MAP_DEPTH_MAX * 32 + 64)

wax_rc map_inclusion_decode(struct bytes in, struct hashes *ret) WAX_MUST;
/* WAX_E_INVAL for more than MAP_DEPTH_MAX. */
wax_rc map_inclusion_encode(struct hashes path, struct buf *out) WAX_MUST;

enum absence_kind { ABSENCE_HOLE = 0, ABSENCE_OTHER = 1 };
struct map_absence {
    enum absence_kind kind;
    struct hashes path;
    struct map_key other; /* kind OTHER: the leaf that stands there; else zero */
    struct map_value other_value;
};
wax_rc map_absence_decode(struct bytes in, struct map_absence *ret) WAX_MUST;
wax_rc map_absence_encode(const struct map_absence *a, struct buf *out) WAX_MUST;

/* --- Log --- */
#define LOG_PATH_MAX 64
#define LOG_PROOF_MAX (1 + LOG_PATH_MAX * 32)

/* Inclusion and consistency have one layout. */
wax_rc log_proof_decode(struct bytes in, struct hashes *ret) WAX_MUST;
wax_rc log_proof_encode(struct hashes path, struct buf *out) WAX_MUST;

#define LOG_ENTRY_SIZE 48
struct log_entry {
    uint64_t time; /* ms */
    struct hash32 map_root;
    uint64_t map_size; /* keys in the map */
};
wax_rc log_entry_decode(struct bytes in, struct log_entry *ret) WAX_MUST;
void log_entry_encode(const struct log_entry *e, uint8_t out[LOG_ENTRY_SIZE]);

#define DAILY_PROOF_MAX (8 + 2 * (LOG_ENTRY_SIZE + LOG_PROOF_MAX))
struct daily_proof {
    uint64_t index;
    struct log_entry entry;
    struct hashes path;
    struct log_entry before; /* entry index − 1; zero when index is 0 */
    struct hashes before_path;
};
wax_rc daily_proof_decode(struct bytes in, struct daily_proof *ret) WAX_MUST;
/* With index 0 nothing of `before` is written. */
wax_rc daily_proof_encode(const struct daily_proof *p, struct buf *out) WAX_MUST;

/* --- Feed of the witnesses --- */
#define FEED_ITEM_SIZE 64
struct feed_item {
    struct map_key key;
    struct map_value value;
};
wax_rc feed_item_decode(struct bytes in, struct feed_item *ret) WAX_MUST;
void feed_item_encode(const struct feed_item *i, uint8_t out[FEED_ITEM_SIZE]);

#endif
