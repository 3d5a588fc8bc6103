/* Inside src/directory only: the proofs of an answer (PROTOCOL 8.5), made inside the
 * transaction that read what they are about. */
#ifndef DIRECTORY_LOG_PROVE_H
#define DIRECTORY_LOG_PROVE_H

#include "directory/directory.h"
#include "directory/log_book.h"

/* What goes into a DirectoryReply beside the links and bundles. {0} is empty. */
struct log_proofs {
    bool there;
    uint8_t checkpoint[CHECKPOINT_RECORD];
    struct buf consistency;
    uint64_t last_index;
    uint8_t last_entry[LOG_ENTRY_SIZE];
    struct buf last_inclusion;
    struct buf_list inclusions; /* of the versions that the reply shows, ascending */
    struct buf absence_next;
    struct buf_list generations, generation_consistency; /* since the asker's, one each */
};
void log_proofs_done(struct log_proofs *p);

/* For what a look-up found, against the newest checkpoint. `known` is what the asker has of
 * the log. The first `max_bytes` of links and proofs only, but at least one version.
 * WAX_E_WAIT: its newest manifest is in no entry yet. *ret holds nothing before, and has to be
 * freed whatever the result. */
wax_rc log_prove_lookup(const struct store_log *log, const struct store_lookup *l,
                        const struct directory_known *known, size_t max_bytes,
                        struct log_proofs *ret) WAX_MUST;

/* Consistency from what the asker knows to that checkpoint, also from one of an earlier
 * generation as far as this log goes on from it; empty when he knows nothing, or what this log
 * does not have: then there is no proof, and he refuses (or, after a restore, sees by the
 * generation records that he knows more). */
wax_rc log_prove_known(const struct store_log *log, const struct checkpoint *c,
                       const struct directory_known *known, struct buf *out) WAX_MUST;
/* A version of a handle in the map of that root: inclusion or absence, whichever it is. */
wax_rc log_prove_version(const struct store_log *log, const struct log_id *id,
                         const struct map_ref *root, const char *handle, uint32_t version,
                         bool *ret_found, struct buf *out) WAX_MUST;
wax_rc log_prove_index(const struct store_log *log, uint64_t index, uint64_t size,
                       struct buf *out) WAX_MUST;

#endif
