/* Inside src/directory only: DirectoryReply and what wraps it. */
#ifndef DIRECTORY_REPLY_H
#define DIRECTORY_REPLY_H

#include "directory/internal.h"

/* Appends the packed reply for what a look-up found. */
wax_rc reply_pack(const struct store_lookup *l, enum reply_kind kind, struct buf *out) WAX_MUST;

#endif
