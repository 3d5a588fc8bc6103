/* The two engines of the vault contract. */
#ifndef VAULT_ENGINES_H
#define VAULT_ENGINES_H

#include "base/rng.h"
#include "vault/vault.h"

/* Memory twin for scenarios: survives vault_close when `disk` is given (a crash = closing
 * with a transaction open, then opening again). */
struct vault_disk;
struct vault_disk *vault_disk_new(void);
void vault_disk_free(struct vault_disk *d);
/* A deep copy: the restored backup and the cloned home of the scenarios. */
struct vault_disk *vault_disk_copy(const struct vault_disk *d);
/* d NULL: a disk of its own, gone at close. Handles of one disk (or its copies) belong to
 * one thread; a second handle's begin during a transaction gives WAX_E_BUSY at once. */
wax_rc vault_memory_open(struct vault_disk *d, struct vault **ret) WAX_MUST;
/* Test hook: the n-th put or commit from now fails with rc (0: off). */
void vault_memory_fail(struct vault_disk *d, unsigned nth, wax_rc rc);
/* Bytes of all committed values, for state-leak tests and canary searches. */
void vault_disk_dump(const struct vault_disk *d, struct buf *out);

/* SQLite with sealed values at `path` (0600), WAL, synchronous=FULL, secure_delete.
 * store_key: 32 bytes (kept in the secret heap). lock_wait_ms: how long `begin` waits for
 * another process's transaction. error may be an empty buf, not NULL. create: makes a new one
 * (WAX_E_EXISTS when there). WAX_E_DAMAGED: not ours or corrupt (the file is kept); WAX_E_VERSION:
 * newer schema (an older one is raised to this program's, step by step); WAX_R_MAC: another store
 * key. error: one line for people. */
wax_rc vault_sqlite_open(const char *path, const struct key32 *store_key, const struct rng *rng,
                         bool create, unsigned lock_wait_ms, struct vault **ret,
                         struct buf *error) WAX_MUST;

/* Looks through the whole file, for when something did not open and for `status`: sets rows
 * that cannot be read aside where the rest does without them (they stay in the file, out of
 * the way), and appends a line for people for each kind of damage, earlier ones too. Nothing
 * appended: all is whole. Reads everything, so not on the usual path. WAX_E_INVAL: a transaction is
 * open. Whatever is damaged, WAX_OK. */
wax_rc vault_sqlite_mend(struct vault *v, struct buf *report) WAX_MUST;

/* Moves the log into the database file and empties it: afterwards nothing that was deleted
 * is in any file of the vault. Cheap when there is nothing to do; for idle moments of a
 * process that stays open (closing does it too, and every commit that finds a log of 1 MiB).
 * WAX_E_BUSY: another process reads or writes just now. WAX_E_INVAL: a transaction is open. */
wax_rc vault_sqlite_scrub(struct vault *v) WAX_MUST;

#endif
