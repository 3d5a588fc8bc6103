/* Inside src/directory only: tree nodes in memory, for an audit. */
#ifndef DIRECTORY_LOG_SCRATCH_H
#define DIRECTORY_LOG_SCRATCH_H

#include "tree/map_build.h"

struct scratch_node;
/* {0} is empty. */
struct log_scratch {
    struct scratch_node **buckets;
    size_t n, n_buckets; /* a power of two */
};
void log_scratch_done(struct log_scratch *s);
struct map_store log_scratch_store(struct log_scratch *s);

#endif
