/* What a sender signed of a message, kept with the message as it lies in the vault: of contents set
 * aside (aside.h) and of those that an own device may ask for (repair.h). Enough to check it again,
 * and to hand it on (PROTOCOL 5.4). */
#ifndef CLIENT_STATEMENT_H
#define CLIENT_STATEMENT_H

#include "session/open.h"

struct statement {
    struct party sender;
    struct fanout_id fanout;
    uint8_t depth; /* of the fan-out's tree, ≤ TREE_DEPTH_MAX */
    struct hash32 root, r32;
    struct sig sig;
    struct buf content; /* the exact bytes, 1 … CONTENT_MAX; owned, wiped */
};
void statement_done(struct statement *s);
/* Copies what an opened message brought. Ended by statement_done when it succeeds. */
wax_rc statement_of(const struct opened *o, struct statement *ret) WAX_MUST;
/* Appends acct 32 ‖ dev 16 ‖ DSK 65 ‖ fanout id 16 ‖ depth 1 ‖ root 32 ‖ sig 64 ‖ r32 32 ‖ content.
 */
void statement_write(const struct statement *s, struct buf *out);
/* Takes all that is left of r; ends it. WAX_E_DAMAGED. */
wax_rc statement_read(struct rd *r, struct statement *ret) WAX_MUST;

#endif
