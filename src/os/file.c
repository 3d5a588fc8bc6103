#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/random.h"

wax_rc os_rc(int err)
{
    switch (err) {
    case 0:
        return WAX_OK;
    case ENOENT:
    case ENOTDIR:
        return WAX_E_NOTFOUND;
    case EEXIST:
        return WAX_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
        return WAX_E_NOSPC;
    case ENOMEM:
        return WAX_E_NOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
        return WAX_E_DENIED;
    case EWOULDBLOCK:
        return WAX_E_BUSY;
    default:
        return WAX_E_IO;
    }
}

static wax_rc read_all(int fd, size_t cap, struct buf *out)
{
    uint8_t piece[8192];
    wax_rc rc = WAX_OK;

    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = os_rc(errno);
        else if ((size_t)n > cap - out->n)
            rc = WAX_E_TOOBIG;
        else
            buf_add(out, piece, (size_t)n);
        if (rc || n == 0 || buf_rc(out))
            break;
    }
    mem_wipe(piece, sizeof piece); /* the file may be a key */
    return rc ? rc : buf_rc(out);
}

wax_rc os_file_read(const char *path, size_t cap, struct buf *ret)
{
    struct buf b = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    wax_rc rc;

    if (fd < 0)
        return os_rc(errno);
    rc = read_all(fd, cap, &b);
    (void)close(fd);
    if (rc) {
        buf_done(&b);
        return rc;
    }
    buf_done(ret);
    *ret = b;
    return WAX_OK;
}

static wax_rc write_all(int fd, struct bytes x)
{
    while (x.n > 0) {
        ssize_t n = write(fd, x.p, x.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_rc(errno);
        x.p += n;
        x.n -= (size_t)n;
    }
    return fsync(fd) == 0 ? WAX_OK : os_rc(errno);
}

/* The new name itself must be on the disk too. */
static wax_rc sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = mem_strdup(path);
    wax_rc rc = WAX_OK;
    int fd;

    if (!dir)
        return WAX_E_NOMEM;
    dir[slash ? (size_t)(slash - path) : 0] = 0;
    fd = open(!slash ? "." : slash == path ? "/" : dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        rc = os_rc(errno);
    if (fd >= 0)
        (void)close(fd);
    mem_free(dir);
    return rc;
}

static wax_rc put_in_place(const char *temp, const char *path, unsigned flags)
{
    if (!(flags & OS_FILE_NEW))
        return rename(temp, path) == 0 ? WAX_OK : os_rc(errno);
    /* A hard link refuses an existing name on every file system that has links. */
    if (link(temp, path) == 0) {
        (void)unlink(temp);
        return WAX_OK;
    }
    if (errno == EEXIST)
        return WAX_E_EXISTS;
    return renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? WAX_OK : os_rc(errno);
}

wax_rc os_file_write(const char *path, struct bytes content, unsigned flags)
{
    struct buf temp = {0};
    const char *name;
    uint8_t r[8];
    wax_rc rc;
    int fd;

    if ((flags & OS_FILE_NEW) && os_exists(path))
        return WAX_E_EXISTS;
    rc = rng_fill(os_rng(), r, sizeof r);
    if (rc)
        return rc;
    buf_printf(&temp, "%s.new-", path);
    buf_hex(&temp, BYTES_OF(r));
    name = buf_cstr(&temp);
    if (!name)
        return buf_done(&temp), WAX_E_NOMEM;
    fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        rc = os_rc(errno);
        goto out;
    }
    rc = write_all(fd, content);
    if (close(fd) != 0 && !rc)
        rc = os_rc(errno);
    if (!rc)
        rc = put_in_place(name, path, flags);
    if (rc)
        (void)unlink(name);
    else
        rc = sync_folder_of(path);
out:
    buf_done(&temp);
    return rc;
}

bool os_exists(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

wax_rc os_mkdir(const char *path)
{
    char *copy = mem_strdup(path);
    struct stat st;
    wax_rc rc = WAX_OK;

    if (!copy)
        return WAX_E_NOMEM;
    for (char *p = copy; *p && !rc; p++) {
        if (*p != '/' || p == copy)
            continue;
        *p = 0;
        if (mkdir(copy, 0700) != 0 && errno != EEXIST)
            rc = os_rc(errno);
        *p = '/';
    }
    if (!rc && mkdir(copy, 0700) != 0 && errno != EEXIST)
        rc = os_rc(errno);
    if (!rc && (stat(copy, &st) != 0 || !S_ISDIR(st.st_mode)))
        rc = WAX_E_EXISTS;
    mem_free(copy);
    return rc;
}

wax_rc os_file_rename(const char *from, const char *to)
{
    return rename(from, to) == 0 ? sync_folder_of(to) : os_rc(errno);
}

wax_rc os_file_remove(const char *path) { return unlink(path) == 0 ? WAX_OK : os_rc(errno); }

void os_file_sweep(const char *folder, const char *begin)
{
    DIR *d = opendir(folder);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (strncmp(e->d_name, begin, strlen(begin)) == 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        (void)closedir(d);
}
