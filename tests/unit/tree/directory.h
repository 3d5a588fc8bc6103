/* A small directory with real trees and a real key, which answers honestly until a test makes
 * it lie; and a client that looks. */
#ifndef TREE_DIRECTORY_H
#define TREE_DIRECTORY_H

#include "tree/judge.h"
#include "tree_test.h"

#define DAY_ONE 1767225600000ULL /* midnight */
#define ENTRIES_MAX 64
#define HANDLE "ann@example.org"

struct directory {
    struct ec_key *key, *key2;
    struct log_id log;
    struct map_twin nodes;
    struct map_tree map;
    struct map_ref roots[ENTRIES_MAX];
    struct log_twin hashes;
    struct log_entry entries[ENTRIES_MAX];
    uint64_t size, daily;
    uint32_t generation, version; /* of HANDLE */
    uint64_t clock, seed;
};

/* What stands at a version of HANDLE. */
struct map_claim claim_of(uint32_t version);
/* A key of a scalar that small; ec_free it. */
struct ec_key *key_of(uint8_t number);
void open_directory(struct directory *d);
void close_directory(struct directory *d);
/* The next log entry: some strangers' changes, and a new version of the handle or not. */
void next_entry(struct directory *d, uint64_t time, bool change);
/* Opens it: five entries a day for three days; the handle has three versions. */
void run_three_days(struct directory *d);
void checkpoint_of(struct directory *d, struct checkpoint *ret);

enum part { CHECKPOINT, CONSISTENCY, ENTRY, LAST, INCLUSION, INCLUSION2, ABSENCE, N_PARTS };
struct served {
    struct buf part[N_PARTS];
    struct lookup_version versions[2]; /* the newest two */
    struct lookup_answer answer;
};

void served_done(struct served *s);
/* The record of consistency from that size to now. */
void consistency_record(struct directory *d, uint64_t from, struct buf *out);
/* The newest two versions, for a client that knows the log up to `from` (0: nothing). */
void serve(struct directory *d, uint64_t from, struct served *s);
/* Points the answer at the parts, as they are now. */
void bind_parts(struct served *s);
/* What a client knows that saw the directory as it is now. */
void view_of(struct directory *d, struct log_view *ret);
wax_rc look(const struct log_view *view, const struct served *s);

#endif
