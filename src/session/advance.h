/* Inside src/session only: how the sender's half of a state moves on. */
#ifndef SESSION_ADVANCE_H
#define SESSION_ADVANCE_H

#include "session/seal.h"

/* Makes an INIT's session (PROTOCOL 2, 4.5) and appends it to state->held; erases one when
 * there are too many. On failure state is in an undefined, wipeable condition: work on a
 * copy. *ret_i: its index. */
wax_rc advance_init(const struct seal_in *in, struct peer_sessions *state, const struct rng *rng,
                    struct session_delta *delta, size_t *ret_i) WAX_MUST;
/* Whether x must step before it can send: first time since it received a newer epoch. */
bool advance_due(const struct session *x);
/* The step to x's next own epoch, with KEM answer and offer (PROTOCOL 2). Likewise on a copy. */
wax_rc advance_step(struct session *x, uint64_t now, const struct rng *rng) WAX_MUST;

#endif
