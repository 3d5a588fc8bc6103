/* Failing disk and failing memory, for LD_PRELOAD.
 *
 *   FAULT_DIR    the folder whose files fail (below it at any depth)
 *   FAULT_AT     the number of the operation that fails, from 1; 0: none. Operations: writes,
 *                growing and syncing of files, making, renaming and linking of names
 *   FAULT_ERRNO  its error number (28 ENOSPC, 5 EIO)
 *   FAULT_STAYS  set: every operation from then on fails too, but removing: a full disk
 *   FAULT_COUNT  a file to which the number of operations so far is written
 *   ALLOC_AT     the number of the allocation that fails, from 1; 0: none
 *   ALLOC_COUNT  a file to which the number of allocations is written at the end
 *
 * A write that fails for lack of space is made half first, as disks do. */
#undef _FILE_OFFSET_BITS /* it would rename what is defined here */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int (*open)(const char *, int, ...);
    int (*mkstemp)(char *);
    int (*mkdir)(const char *, mode_t);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*ftruncate)(int, off_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*rename)(const char *, const char *);
    int (*link)(const char *, const char *);
} real;

static char dir[PATH_MAX];
static size_t dir_n;
static atomic_ullong ops, allocs;
static unsigned long long fail_at, alloc_at;
static int fail_errno, count_fd = -1, alloc_fd = -1;
static bool stays;

static unsigned long long number(const char *name)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : 0;
}

static int count_file(const char *name)
{
    const char *path = getenv(name);
    return path ? real.open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
}

static void *find(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);

    if (!p)
        abort();
    return p;
}

static void start(void)
{
    const char *d = getenv("FAULT_DIR");

    *(void **)&real.open = find("open");
    *(void **)&real.mkstemp = find("mkstemp");
    *(void **)&real.mkdir = find("mkdir");
    *(void **)&real.write = find("write");
    *(void **)&real.pwrite = find("pwrite");
    *(void **)&real.ftruncate = find("ftruncate");
    *(void **)&real.fsync = find("fsync");
    *(void **)&real.fdatasync = find("fdatasync");
    *(void **)&real.rename = find("rename");
    *(void **)&real.link = find("link");
    fail_at = number("FAULT_AT");
    fail_errno = (int)number("FAULT_ERRNO");
    stays = getenv("FAULT_STAYS") != NULL;
    count_fd = count_file("FAULT_COUNT");
    alloc_fd = count_file("ALLOC_COUNT");
    if (d && *d == '/' && strlen(d) < sizeof dir) {
        memcpy(dir, d, strlen(d) + 1);
        dir_n = strlen(dir);
    }
}

static void begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start);
}

static void tell(int fd, unsigned long long n)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%llu\n", n);

    if (fd >= 0)
        (void)real.pwrite(fd, text, (size_t)len, 0);
}

/* Takes part; true when it has to fail, errno set. */
static bool fails(void)
{
    unsigned long long n = atomic_fetch_add(&ops, 1) + 1;

    tell(count_fd, n);
    if (fail_at == 0 || n < fail_at || (n > fail_at && !stays))
        return false;
    errno = fail_errno;
    return true;
}

/* Names are given absolute by the tests. */
static bool path_ours(const char *path)
{
    return dir_n && strncmp(path, dir, dir_n) == 0 && (path[dir_n] == '/' || !path[dir_n]) &&
           !strstr(path, "-shm");
}

static bool fd_ours(int fd)
{
    char self[64], path[PATH_MAX];
    int before = errno;

    if (!dir_n)
        return false;
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(self, path, sizeof path - 1);
    errno = before;
    if (n <= 0)
        return false;
    path[n] = 0;
    return path_ours(path);
}

/* --- Files -------------------------------------------------------------------------- */

static int open_any(const char *path, int flags, mode_t mode)
{
    struct stat st;

    begin();
    if ((flags & O_CREAT) && path_ours(path) && lstat(path, &st) != 0 && fails())
        return -1;
    return real.open(path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open_any(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int mkstemp(char *path)
{
    begin();
    return path_ours(path) && fails() ? -1 : real.mkstemp(path);
}

int mkstemp64(char *path) __attribute__((alias("mkstemp")));

int mkdir(const char *path, mode_t mode)
{
    struct stat st;

    begin();
    return path_ours(path) && lstat(path, &st) != 0 && fails() ? -1 : real.mkdir(path, mode);
}

ssize_t write(int fd, const void *p, size_t n)
{
    begin();
    if (fd_ours(fd) && fails()) {
        if (fail_errno == ENOSPC)
            (void)real.write(fd, p, n / 2);
        errno = fail_errno;
        return -1;
    }
    return real.write(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    begin();
    if (fd_ours(fd) && fails()) {
        if (fail_errno == ENOSPC)
            (void)real.pwrite(fd, p, n / 2, at);
        errno = fail_errno;
        return -1;
    }
    return real.pwrite(fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) __attribute__((alias("pwrite")));

int ftruncate(int fd, off_t to)
{
    struct stat st;

    begin();
    if (fd_ours(fd) && fstat(fd, &st) == 0 && to > st.st_size && fails())
        return -1;
    return real.ftruncate(fd, to);
}

int ftruncate64(int fd, off64_t to) __attribute__((alias("ftruncate")));

int fsync(int fd)
{
    begin();
    return fd_ours(fd) && fails() ? -1 : real.fsync(fd);
}

int fdatasync(int fd)
{
    begin();
    return fd_ours(fd) && fails() ? -1 : real.fdatasync(fd);
}

int rename(const char *from, const char *to)
{
    begin();
    return path_ours(to) && fails() ? -1 : real.rename(from, to);
}

int link(const char *from, const char *to)
{
    begin();
    return path_ours(to) && fails() ? -1 : real.link(from, to);
}

/* --- Memory ------------------------------------------------------------------------- */

/* glibc's own names for what is wrapped: dlsym allocates, so it cannot find them. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);

static bool counting; /* from main on: what the loader allocates is nobody's to handle */

static bool no_memory(void)
{
    if (!counting)
        return false;
    if (atomic_fetch_add(&allocs, 1) + 1 != alloc_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n) { return no_memory() ? NULL : __libc_malloc(n); }
void *calloc(size_t count, size_t n) { return no_memory() ? NULL : __libc_calloc(count, n); }
void *realloc(void *p, size_t n) { return no_memory() ? NULL : __libc_realloc(p, n); }

__attribute__((constructor)) static void count_from_here(void)
{
    begin();
    alloc_at = number("ALLOC_AT");
    counting = alloc_at > 0 || alloc_fd >= 0;
}

__attribute__((destructor)) static void tell_allocs(void)
{
    counting = false;
    tell(alloc_fd, atomic_load(&allocs));
}
