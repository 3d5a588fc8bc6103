/* A simulated disk under SQLite: files in memory that know which of their sectors were synced. It
 * dies at a given write or sync, is full for a while, and a power cut keeps any subset of the
 * sectors written since the last sync. SQLite gets to it as the default VFS; names that are no
 * disk's go on to the real one.
 *
 * Each disk holds one database with its log. For the checks that a product makes of the path
 * itself a real file stands there, with what disk_load was given first. */
#ifndef SUPPORT_DISK_H
#define SUPPORT_DISK_H

#include "base/bytes.h"

struct disk;
/* random: 64 bits that decide what a power cut leaves. Aborts for want of memory. */
struct disk *disk_new(uint64_t (*random)(void *ctx), void *ctx);
void disk_free(struct disk *d); /* its database is closed; NULL is fine */
/* Of the database; lives as long as the disk. */
const char *disk_path(const struct disk *d);
/* The database file's content, synced. */
void disk_load(struct disk *d, struct bytes content);
/* All as it is now, synced. Not while a database is open on it. */
struct disk *disk_copy(const struct disk *d);

/* The n-th write or sync from now fails, and everything after it (0: off). */
void disk_dies(struct disk *d, unsigned nth);
/* The next n writes find no space. */
void disk_full(struct disk *d, unsigned n);
/* From now on nothing works any more: the process is gone. */
void disk_stop(struct disk *d);
bool disk_dead(const struct disk *d);
/* After all handles are closed: works again. With power, what was not synced is kept or lost
 * sector by sector. */
void disk_restart(struct disk *d, bool power);
/* SQLite's randomness is this one's from now on (log salts, temporary names). */
void disk_seed(uint64_t seed);

/* How often disks died, were full or lost sectors since the process began. */
struct disk_count {
    uint64_t died, full, cuts, sectors_lost;
};
extern struct disk_count disk_count;

#endif
