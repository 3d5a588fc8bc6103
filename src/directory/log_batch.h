/* For src/directory and the commands of waxd: making the next log entry (PROTOCOL 8.3, 8.4), as one
 * function inside one transaction: changes into the map, the entry into the log, the checkpoint
 * over it. So there is no moment at which a crash could leave one without the other. */
#ifndef DIRECTORY_LOG_BATCH_H
#define DIRECTORY_LOG_BATCH_H

#include "directory/log_book.h"

#define LOG_BATCH_CHANGES 512 /* an entry: others wait for the store meanwhile */

struct log_batch {
    const struct ec_key *key;
    const char *domain; /* of the log_id, when the first entry is made */
    uint64_t now;       /* the server's clock; entries' times never decrease though it may */
    bool due;           /* an entry is wanted even if nothing has changed */
    bool restored;      /* the store is an older copy: a new generation begins with this entry */
    /* out */
    bool made;
    bool more;       /* changes that did not fit */
    uint64_t logged; /* changes that are in the log: all up to that number */
    uint64_t time;   /* of the last entry */
    uint32_t generation;
};

/* A job of STORE_LOG_WRITE; ctx: struct log_batch. Makes an entry if there are changes, if the
 * day (of the times of entries) has none yet, or if it is due.
 * WAX_E_DENIED: the log in the store is signed by another key. */
wax_rc log_batch_run(void *ctx, const struct store_log *log) WAX_MUST;

#endif
