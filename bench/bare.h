/* The floor of the server's figures: SQLite by itself, with the same tables, the same rows and
 * as many messages in one transaction; nothing else in the way. */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>

#include "base/bytes.h"

struct bare;
struct bare *bare_open(const char *path);
void bare_close(struct bare *b);

/* Commits `messages`, each for `devices` mailboxes out of n_queues, in one transaction. */
void bare_commit(struct bare *b, size_t messages, size_t devices, size_t n_queues,
                 struct bytes envelope);
/* Reads the mailbox of that device through: how many rows. */
size_t bare_read(struct bare *b, size_t device);

#endif
