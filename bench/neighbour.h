/* An honest pair that goes on, in a thread of its own, whatever others do to the server: one sends,
 * the other one holds a stream, takes the message and acknowledges; then the next one. A refusal,
 * a lost connection or a message that is 10 s late ends the program. */
#ifndef BENCH_NEIGHBOUR_H
#define BENCH_NEIGHBOUR_H

#include "site.h"

struct neighbour;

/* users: indexes in the site. */
struct neighbour *neighbour_start(const struct site *s, size_t sender, size_t reader);
/* Appends what the messages since the last call took, from POST to the reader's frame and the
 * sender's answer: doubles, in µs. to NULL: forgets it. */
void neighbour_take(struct neighbour *nb, struct buf *to);
/* Messages that came over so far. */
size_t neighbour_count(struct neighbour *nb);
void neighbour_stop(struct neighbour *nb);

#endif
