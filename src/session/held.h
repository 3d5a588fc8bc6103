/* Inside src/session only: changes of the list of held sessions. */
#ifndef SESSION_HELD_H
#define SESSION_HELD_H

#include "session/rows.h"
#include "session/state.h"

/* Index in held, or n_held. */
size_t held_index(const struct peer_sessions *s, const struct sid *sid);
/* Which session goes when there is one too many (4.5): the oldest of those that do not send,
 * unestablished before established; n_held when there is none. `spare` (or n_held) is left
 * out: one that is just being sealed in. */
size_t held_victim(const struct peer_sessions *s, size_t spare);
/* Erases held[i]: SID, start and XKs go to kept, the SID to delta->erased. */
void held_erase(struct peer_sessions *s, size_t i, struct session_delta *delta);
/* A message of x was sealed or opened: counters for offers, idleness, `established`. */
void session_count(struct session *x, uint64_t now);
/* XK of a new epoch that we started, or received. */
void xk_started(struct xk_set *x, const struct key32 *xk);
void xk_received(struct xk_set *x, const struct key32 *xk);

#endif
