/* Inside src/directory only: DirectoryReply and what wraps it. */
#ifndef DIRECTORY_REPLY_H
#define DIRECTORY_REPLY_H

#include "directory/internal.h"

/* Readers cap the lists they take; who knows less asks again from what he got. Of links and
 * their proofs: */
#define REPLY_LINKS_BYTES ((size_t)12 * 1024 * 1024)

/* Appends the packed reply for what a look-up found, with the proofs if they are there: then as
 * many links as have one. */
wax_rc reply_pack(const struct store_lookup *l, const struct log_proofs *p, enum reply_kind kind,
                  struct buf *out) WAX_MUST;

#endif
