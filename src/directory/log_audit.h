/* Verifying all of the log against the stored manifests (`waxd check`): nothing that the server
 * remembers of it is believed. */
#ifndef DIRECTORY_LOG_AUDIT_H
#define DIRECTORY_LOG_AUDIT_H

#include "store/store.h"

struct log_audit {
    const struct point *key; /* the log key in use */
    const char *domain;
    /* out */
    struct buf report;                  /* a line for each finding; owned by the caller */
    uint64_t entries, changes, waiting; /* in the log; not yet in it */
};

/* A job of STORE_LOG_READ; ctx: struct log_audit. It makes the whole log anew from the
 * manifests, entry by entry, in memory, and compares: times, map roots and sizes, the daily index,
 * the log's root, the checkpoint and its signature; and it lets the stored trees prove every change and every entry. WAX_E_DAMAGED: there are findings;
 * at most 20 of a kind are told. An empty log is fine. */
wax_rc log_audit_run(void *ctx, const struct store_log *log) WAX_MUST;

#endif
