/* Inside src/directory only: the log as it lies in the store (PROTOCOL 8), for the functions
 * that run inside a transaction. */
#ifndef DIRECTORY_LOG_BOOK_H
#define DIRECTORY_LOG_BOOK_H

#include "store/store.h"
#include "tree/checkpoint.h"
#include "tree/log.h"
#include "tree/map_build.h"

/* What one value of STORE_LOG_STATE holds, beside the entries. All of it changes with each
 * entry, in one transaction. */
struct log_state {
    struct point key;    /* that signs; its private half is the server's */
    uint64_t map_next;   /* id of the next node */
    uint64_t keep_below; /* nodes of daily entries: see map_insert */
    struct checkpoint checkpoint;
};
/* WAX_E_NOTFOUND: no entry was ever made. What does not hold is WAX_E_DAMAGED, here and
 * below. */
wax_rc log_state_get(const struct store_log *log, struct log_state *ret) WAX_MUST;
wax_rc log_state_put(const struct store_log *log, const struct log_state *s) WAX_MUST;

/* The record that opened a generation, from 1 on (RECORDS 13 "Generation"). */
wax_rc log_generation_get(const struct store_log *log, uint32_t number,
                          uint8_t out[GENERATION_RECORD], struct generation *ret) WAX_MUST;
wax_rc log_generation_put(const struct store_log *log, const struct generation *g) WAX_MUST;

/* An entry, and where its map's root lies. */
struct log_slot {
    struct log_entry entry;
    uint64_t root_id;
};
wax_rc log_slot_get(const struct store_log *log, uint64_t index, struct log_slot *ret) WAX_MUST;
wax_rc log_slot_put(const struct store_log *log, uint64_t index, const struct log_slot *s) WAX_MUST;
static inline struct map_ref log_slot_root(const struct log_slot *s)
{
    return (struct map_ref){s->root_id, s->entry.map_root};
}

/* Both trees over the store's values; they borrow `log`. */
struct map_store log_map_store(const struct store_log *log);
struct log_store log_hash_store(const struct store_log *log);

/* The key and value of a change (PROTOCOL 8.1). */
wax_rc log_item_of(const struct log_id *id, const struct store_change *c,
                   struct feed_item *ret) WAX_MUST;
/* The entry's leaf in the log. */
wax_rc log_slot_leaf(const struct log_slot *s, struct hash32 *ret) WAX_MUST;

#endif
