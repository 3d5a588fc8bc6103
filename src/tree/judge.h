/* What a client makes of an answer of the directory (PROTOCOL 8.4 - 8.8), pure: everything is
 * handed in, nothing is stored, nothing is shown. What refuses an answer here has no "go on
 * anyway".
 *
 * Classes: those of tree/log.h, map.h and checkpoint.h; WAX_R_EQUIVOCATION when signed
 * records contradict each other (both are then evidence and must be kept). */
#ifndef TREE_JUDGE_H
#define TREE_JUDGE_H

#include "tree/checkpoint.h"
#include "tree/map.h"

/* --- Values --- */

/* The value of that version of a handle is in the map of that root. */
wax_rc version_check(const struct hash32 *map_root, const struct log_id *log, const char *handle,
                     uint32_t version, const struct map_claim *claim,
                     struct bytes inclusion) WAX_MUST;
/* There is no such version in it. */
wax_rc version_absent(const struct hash32 *map_root, const struct log_id *log, const char *handle,
                      uint32_t version, struct bytes absence) WAX_MUST;

/* --- Daily entries (PROTOCOL 8.4, RECORDS 13 "Daily proof") --- */

/* The proof shows the daily entry of that day in the log of `under`, and its index is that of
 * every checkpoint of that day and generation among `under` and the n held. Gives the entry,
 * against whose map root values are checked. */
wax_rc daily_check(struct bytes proof, uint64_t day, const struct checkpoint *under,
                   const struct checkpoint *held, size_t n, struct log_entry *ret,
                   uint64_t *ret_index) WAX_MUST;

/* --- A new generation (PROTOCOL 8.8) --- */

enum restore_verdict {
    RESTORE_NONE,    /* no new generation */
    RESTORE_EXTENDS, /* the new log extends what the client knows of the old one */
    RESTORE_LARGER   /* the client knows more of the old log than the record names: what lies
                        beyond is lost. Shown with both sizes */
};
/* One record, checked (generation_check), and a checkpoint of it or of a later generation,
 * checked. own: the client's newest of the generation before, NULL: none; consistency_own is
 * from it, and is looked at unless the verdict is RESTORE_LARGER. */
wax_rc restore_judge(const struct generation *g, const struct checkpoint *now,
                     struct bytes consistency_named, const struct checkpoint *own,
                     struct bytes consistency_own, enum restore_verdict *ret) WAX_MUST;

/* --- A checkpoint that comes with an answer --- */

/* What a client holds of a log. */
struct log_view {
    struct log_id log;
    struct log_keys keys;         /* since the pinned one */
    bool has_checkpoint;          /* false: at the first answer */
    struct checkpoint checkpoint; /* the newest */
};
/* What the answer brings for it: records as they came. */
struct log_advance {
    struct bytes checkpoint, consistency;
    const struct bytes *rotations; /* since the client's last key */
    size_t n_rotations;
    const struct bytes *generations, *generation_consistency; /* since the client's; n each */
    size_t n_generations;
};
struct log_advanced {
    struct log_view view; /* as it is with the answer */
    enum restore_verdict restore;
    uint64_t named_size; /* restore: what the first record names … */
    uint64_t own_size;   /* … and what the client knew */
};
/* Rotations, then generation records (each one step further), then the checkpoint, signed by
 * the last key; nothing contradicts the client's own; consistency from that. A checkpoint
 * smaller than the client's own, of its generation, cannot extend it: WAX_R_PROOF. Without a
 * checkpoint of his own a client needs no generation records. Takes about 9 KiB of stack. */
wax_rc log_advance_judge(const struct log_view *view, const struct log_advance *in,
                         struct log_advanced *ret) WAX_MUST;

/* --- A look-up (PROTOCOL 8.5) --- */

struct lookup_version {
    uint32_t version;
    struct map_claim claim;
    struct bytes inclusion;
};
struct lookup_answer {
    struct log_advance advance;
    uint64_t last_index; /* of the last entry: size − 1 */
    struct bytes last_entry, last_inclusion;
    uint32_t version;                      /* the newest of the handle */
    const struct lookup_version *versions; /* ascending by one, up to the newest; ≥ 1 */
    size_t n_versions;
    struct bytes absence_next;
};
struct lookup_result {
    struct log_advanced log;
    struct log_entry entry; /* the last one */
};
/* The checkpoint (log_advance_judge); the last entry in the log, of the checkpoint's day and
 * no later than it; every version in its map, none left out; version + 1 not. The caller has
 * checked the chain links that the claims are made of, and pins the result. */
wax_rc lookup_judge(const struct log_view *view, const char *handle, const struct lookup_answer *in,
                    struct lookup_result *ret) WAX_MUST;

#endif
