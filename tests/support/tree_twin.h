/* Where the nodes of the directory's trees lie in a test: plain arrays that count what is
 * asked of them, refuse what was never put, and can be made to fail. Abort when memory runs
 * out. */
#ifndef SUPPORT_TREE_TWIN_H
#define SUPPORT_TREE_TWIN_H

#include "tree/log.h"
#include "tree/map_build.h"

struct map_slot {
    bool there;
    struct map_node node;
};
struct map_twin {
    struct map_slot *v; /* by id */
    size_t cap, live;
    size_t gets, puts, drops;
    size_t fail_at; /* the call (of all three kinds) that fails, from 1; 0: none */
    size_t calls;
};
struct map_store map_twin_store(struct map_twin *t);
void map_twin_done(struct map_twin *t);

struct log_twin {
    struct {
        struct hash32 *v;
        size_t n, cap;
    } level[65];
    size_t gets, puts;
};
struct log_store log_twin_store(struct log_twin *t);
void log_twin_done(struct log_twin *t);

#endif
