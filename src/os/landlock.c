/* Landlock by its system calls: the headers of a system may be older than its kernel, and the
 * other way round. Constants of the kernel's include/uapi/linux/landlock.h. */
#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on every architecture. */
#define CALL_CREATE_RULESET 444
#define CALL_ADD_RULE 445
#define CALL_RESTRICT_SELF 446

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_ALL_1 ((1ULL << 13) - 1) /* up to MAKE_SYM: version 1 */
#define FS_MAKE_SPECIAL                                                                            \
    (1ULL << 6 | 1ULL << 9 | 1ULL << 10 | 1ULL << 11 |                                             \
     1ULL << 12)                  /* devices, sockets, pipes, links */
#define FS_REFER (1ULL << 13)     /* version 2 */
#define FS_TRUNCATE (1ULL << 14)  /* 3 */
#define NET_BIND_CONNECT_TCP 3ULL /* 4 */
#define FS_IOCTL_DEV (1ULL << 15) /* 5 */
#define SCOPE_SIGNAL (1ULL << 1)  /* 6; the abstract sockets of bit 0 may be the manager's */

/* What fits into a file, for a path that is none of a folder. */
#define FS_OF_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset {
    uint64_t fs, net, scoped;
};
struct path_beneath {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

static struct ruleset ruleset_of(long abi)
{
    struct ruleset r = {.fs = FS_ALL_1};

    if (abi >= 2)
        r.fs |= FS_REFER;
    if (abi >= 3)
        r.fs |= FS_TRUNCATE;
    if (abi >= 4)
        r.net = NET_BIND_CONNECT_TCP;
    if (abi >= 5)
        r.fs |= FS_IOCTL_DEV;
    if (abi >= 6)
        r.scoped = SCOPE_SIGNAL;
    return r;
}

/* Each kernel takes the struct as long as it knew it. */
static size_t ruleset_size(long abi)
{
    return abi >= 6 ? sizeof(struct ruleset) : abi >= 4 ? 16 : 8;
}

static bool allow(int fd, const struct os_path *p, const struct ruleset *r)
{
    struct stat st;
    struct path_beneath b = {.allowed = FS_READ_FILE | FS_READ_DIR,
                             .parent = open(p->path, O_PATH | O_CLOEXEC)};

    if (b.parent < 0)
        return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
    if (p->write)
        b.allowed = r->fs & ~(FS_EXECUTE | FS_MAKE_SPECIAL | FS_IOCTL_DEV);
    bool ok = fstat(b.parent, &st) == 0;
    if (ok && !S_ISDIR(st.st_mode))
        b.allowed &= FS_OF_FILE;
    ok = ok && syscall(CALL_ADD_RULE, fd, RULE_PATH_BENEATH, &b, 0U) == 0;
    (void)close(b.parent);
    return ok;
}

wax_rc os_landlock(const struct os_path *paths, size_t n, int *ret_abi)
{
    long abi = syscall(CALL_CREATE_RULESET, NULL, (size_t)0, CREATE_RULESET_VERSION);

    if (abi < 1) {
        *ret_abi = 0;
        return WAX_OK;
    }
    struct ruleset r = ruleset_of(abi);
    int fd = (int)syscall(CALL_CREATE_RULESET, &r, ruleset_size(abi), 0U);
    if (fd < 0)
        return WAX_E_IO;
    bool ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    for (size_t i = 0; i < n && ok; i++)
        ok = allow(fd, &paths[i], &r);
    ok = ok && syscall(CALL_RESTRICT_SELF, fd, 0U) == 0;
    (void)close(fd);
    if (!ok)
        return WAX_E_IO;
    *ret_abi = (int)abi;
    return WAX_OK;
}
