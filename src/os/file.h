/* Files and folders as Waxwing needs them: whole, capped, private, durable. */
#ifndef OS_FILE_H
#define OS_FILE_H

#include "base/buf.h"

/* errno as a result code: ENOENT → NOTFOUND, EEXIST → EXISTS, ENOSPC and EDQUOT → NOSPC,
 * ENOMEM → NOMEM, EACCES, EPERM and EROFS → DENIED, EWOULDBLOCK → BUSY, else IO. */
wax_rc os_rc(int err);

/* The whole file, at most cap bytes (WAX_E_TOOBIG). *ret is replaced on success. */
wax_rc os_file_read(const char *path, size_t cap, struct buf *ret) WAX_MUST;

enum os_file_flags {
    OS_FILE_REPLACE = 0,
    OS_FILE_NEW = 1, /* never overwrite: WAX_E_EXISTS */
};
/* Writes the file as a whole with mode 0600: either the old content or the new is there
 * after a crash, and the new one is on the disk when this returns. */
wax_rc os_file_write(const char *path, struct bytes content, unsigned flags) WAX_MUST;

bool os_exists(const char *path);
/* Makes the folder with mode 0700, parents included; there already is fine. */
wax_rc os_mkdir(const char *path) WAX_MUST;
/* Another name in the same folder, which is on the disk when this returns; a file that had it
 * is replaced. */
wax_rc os_file_rename(const char *from, const char *to) WAX_MUST;
/* Removes a file; not there is WAX_E_NOTFOUND. */
wax_rc os_file_remove(const char *path) WAX_MUST;

/* Removes the files of a folder whose names begin so: what a killed process left. What cannot go is
 * no harm. */
void os_file_sweep(const char *folder, const char *begin);

/* A lock file (flock): held by one opener at a time, dropped by the kernel when its
 * process dies. The file itself stays. */
struct os_lock;
wax_rc os_lock_open(const char *path, struct os_lock **ret) WAX_MUST;
/* Takes it, waiting at most timeout_ms (0: not at all); WAX_E_BUSY when somebody else
 * holds it for longer. */
wax_rc os_lock_try(struct os_lock *l, unsigned timeout_ms) WAX_MUST;
void os_lock_unlock(struct os_lock *l);
/* Also unlocks. NULL is fine. */
void os_lock_close(struct os_lock *l);

#endif
