/* Power cut in software, for LD_PRELOAD: what was written to the files below POWERCUT_DIR and
 * not yet synced is at the mercy of the cut.
 *
 * The writes go to the real files at once, so reads, mappings and sizes are as always; what
 * they replace is kept, sector by sector, until a sync of that file makes them durable. At the
 * cut every sector of 512 bytes goes, by the seed, to any of the states it had since the last
 * sync: so writes are dropped, torn and reordered. A file's size likewise; a sector that never
 * was on the disk before may hold garbage. Names (create, rename, link, unlink) are durable
 * only when their folder is synced; they are lost from the newest backwards. Then the process
 * is killed where it stands.
 *
 *   POWERCUT_DIR    the folder (files right in it)
 *   POWERCUT_KEEP   another folder of the same file system, for names that were taken away
 *   POWERCUT_AT     the cut happens in that operation (write, truncate, sync, name); 0: never
 *   POWERCUT_SEED   what the cut does
 *   POWERCUT_COUNT  a file to which the number of operations so far is written
 *   POWERCUT_LIE    set: syncs are not kept (a disk that lies): to see that the test can fail */
#undef _FILE_OFFSET_BITS /* it would rename what is defined here */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define BUCKETS 4096

/* A state that a sector had; the one that is in the file now is not here. */
struct old {
    struct old *next; /* of the file, newest first */
    off_t at;
    unsigned n;  /* bytes; what the file had of the sector */
    bool absent; /* the disk never had it */
    uint8_t bytes[SECTOR];
};
struct size {
    struct size *next;
    off_t n;
};
struct file {
    struct file *next;
    dev_t dev;
    ino_t ino;
    int fd; /* ours, never closed: closing would drop the process's locks on the file */
    struct old *olds;
    struct size *sizes;
    off_t durable; /* size at the last sync */
};
enum name_op { NAME_MADE, NAME_GONE, NAME_MOVED };
struct name {
    struct name *next; /* newest first */
    enum name_op op;
    char path[PATH_MAX], from[PATH_MAX], kept[PATH_MAX]; /* kept: "" or what was there before */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *files;
static struct name *names;
static char dir[PATH_MAX];
static size_t dir_n;
static const char *keep;
static uint64_t cut_at, ops, rng, kept_n;
static bool lie;
static int count_fd = -1;

static struct {
    int (*open)(const char *, int, ...);
    int (*mkstemp)(char *);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*ftruncate)(int, off_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*rename)(const char *, const char *);
    int (*link)(const char *, const char *);
    int (*unlink)(const char *);
} real;

static uint64_t draw(uint64_t below)
{
    rng += 0x9e3779b97f4a7c15ULL;
    uint64_t z = rng;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return (z ^ z >> 31) % below;
}

static void *find(const char *name)
{
    void *p = dlsym(RTLD_NEXT, name);
    return p ? p : (abort(), NULL);
}

static uint64_t number(const char *name)
{
    const char *s = getenv(name);
    return s ? strtoull(s, NULL, 10) : 0;
}

static void start(void)
{
    const char *d = getenv("POWERCUT_DIR"), *count = getenv("POWERCUT_COUNT");

    *(void **)&real.open = find("open");
    *(void **)&real.mkstemp = find("mkstemp");
    *(void **)&real.write = find("write");
    *(void **)&real.pwrite = find("pwrite");
    *(void **)&real.ftruncate = find("ftruncate");
    *(void **)&real.fsync = find("fsync");
    *(void **)&real.fdatasync = find("fdatasync");
    *(void **)&real.rename = find("rename");
    *(void **)&real.link = find("link");
    *(void **)&real.unlink = find("unlink");
    keep = getenv("POWERCUT_KEEP");
    cut_at = number("POWERCUT_AT");
    rng = number("POWERCUT_SEED");
    lie = getenv("POWERCUT_LIE") != NULL;
    if (count)
        count_fd = real.open(count, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (d && keep && (d = realpath(d, dir)))
        dir_n = strlen(dir);
}

static void begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, start);
}

/* --- What is ours ------------------------------------------------------------------- */

static bool ours(const char *path)
{
    return dir_n && strncmp(path, dir, dir_n) == 0 && path[dir_n] == '/' &&
           !strchr(path + dir_n + 1, '/');
}

/* The absolute name, with folders resolved; the last part may not exist. */
static bool absolute(const char *path, char out[PATH_MAX])
{
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (n >= sizeof parent)
        return false;
    memcpy(parent, path, n);
    parent[n] = 0;
    if (!realpath(!slash ? "." : n == 0 ? "/" : parent, out))
        return false;
    size_t m = strlen(out);
    int w = snprintf(out + m, PATH_MAX - m, "/%s", slash ? slash + 1 : path);
    return w > 0 && (size_t)w < PATH_MAX - m;
}

/* The path of an open file; false when it is none of ours or has no name (any more). */
static bool path_of(int fd, char out[PATH_MAX])
{
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, out, PATH_MAX - 1);

    if (n <= 0)
        return false;
    out[n] = 0;
    return true;
}

/* The record of a file of ours; NULL for others. -shm is shared memory: see cut(). */
static struct file *file_of(int fd)
{
    char path[PATH_MAX], self[64];
    struct stat st;

    if (!dir_n || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    for (struct file *f = files; f; f = f->next)
        if (f->dev == st.st_dev && f->ino == st.st_ino)
            return f;
    if (!path_of(fd, path) || !ours(path) || strstr(path, "-shm"))
        return NULL;
    struct file *f = calloc(1, sizeof *f);
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    if (!f || (f->fd = real.open(self, O_RDWR | O_CLOEXEC)) < 0)
        abort();
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    f->durable = st.st_size;
    f->next = files;
    return files = f;
}

/* --- Remembering -------------------------------------------------------------------- */

static void remember_sector(struct file *f, off_t at)
{
    struct old *o = calloc(1, sizeof *o);
    if (!o)
        abort();
    ssize_t n = pread(f->fd, o->bytes, SECTOR, at);

    o->at = at;
    o->n = n > 0 ? (unsigned)n : 0;
    o->absent = at >= f->durable;
    o->next = f->olds;
    f->olds = o;
}

static void remember(struct file *f, off_t at, size_t n)
{
    struct stat st;
    struct size *s = calloc(1, sizeof *s);

    if (!s || fstat(f->fd, &st) != 0)
        abort();
    s->n = st.st_size;
    s->next = f->sizes;
    f->sizes = s;
    for (off_t x = at / SECTOR * SECTOR; x < at + (off_t)n; x += SECTOR)
        remember_sector(f, x);
}

static void durable(struct file *f)
{
    struct stat st;

    while (f->olds) {
        struct old *o = f->olds;
        f->olds = o->next;
        free(o);
    }
    while (f->sizes) {
        struct size *s = f->sizes;
        f->sizes = s->next;
        free(s);
    }
    if (fstat(f->fd, &st) == 0)
        f->durable = st.st_size;
}

static void names_durable(void)
{
    while (names) {
        struct name *n = names;
        names = n->next;
        if (n->kept[0])
            (void)real.unlink(n->kept);
        free(n);
    }
}

/* What lies under path now will be needed if the change is lost. */
static void keep_name(struct name *n, const char *path)
{
    char kept[PATH_MAX];
    int w = snprintf(kept, sizeof kept, "%s/%d.%llu", keep, (int)getpid(),
                     (unsigned long long)kept_n++);

    if (w > 0 && (size_t)w < sizeof kept && real.link(path, kept) == 0)
        memcpy(n->kept, kept, sizeof kept);
}

static struct name *name_new(enum name_op op, const char *path)
{
    struct name *n = calloc(1, sizeof *n);
    if (!n)
        abort();
    n->op = op;
    (void)snprintf(n->path, sizeof n->path, "%s", path);
    return n;
}

static void name_done(struct name *n, bool happened)
{
    if (!happened) {
        if (n->kept[0])
            (void)real.unlink(n->kept);
        free(n);
        return;
    }
    n->next = names;
    names = n;
}

/* --- The cut ------------------------------------------------------------------------ */

static void put_back(struct file *f, const struct old *o)
{
    uint8_t bytes[SECTOR];

    memcpy(bytes, o->bytes, SECTOR);
    if (o->absent && draw(2))
        for (size_t i = 0; i < SECTOR; i++)
            bytes[i] = (uint8_t)draw(256);
    (void)real.pwrite(f->fd, bytes, o->absent ? SECTOR : o->n, o->at);
}

/* Each sector once: of its states (the olds, newest first, and the present) one is drawn.
 * What was cut off has no present. */
static void cut_sectors(struct file *f, off_t present)
{
    for (struct old *o = f->olds; o; o = o->next) {
        unsigned states = 0;
        struct old *first = f->olds;
        while (first != o && first->at != o->at)
            first = first->next;
        if (first != o)
            continue; /* had its turn */
        for (struct old *p = o; p; p = p->next)
            states += p->at == o->at;
        uint64_t pick = draw(2) ? draw(states + 1) : draw(2) * states; /* 0: the present */
        if (pick == 0 && o->at >= present)
            pick = 1;
        for (struct old *p = o; p && pick > 0; p = p->next)
            if (p->at == o->at && --pick == 0)
                put_back(f, p);
    }
}

static off_t cut_size(const struct file *f, off_t present)
{
    uint64_t n = 0;

    for (struct size *s = f->sizes; s; s = s->next)
        n++;
    uint64_t pick = draw(n + 1);
    for (struct size *s = f->sizes; s && pick > 0; s = s->next, pick--)
        present = s->n;
    return present;
}

static void cut_names(void)
{
    uint64_t n = 0;

    for (struct name *x = names; x; x = x->next)
        n++;
    uint64_t lost = n ? draw(n + 1) : 0;
    for (struct name *x = names; x && lost > 0; x = x->next, lost--) {
        if (x->op == NAME_MADE)
            (void)real.unlink(x->path);
        if (x->op == NAME_MOVED)
            (void)real.rename(x->path, x->from);
        if (x->kept[0])
            (void)real.rename(x->kept, x->path);
    }
}

/* Shared memory of SQLite is never synced and means nothing after a start; anything may lie
 * there. */
static void cut_shm(void)
{
    char path[PATH_MAX];
    struct dirent *e;
    DIR *d = opendir(dir);

    while (d && (e = readdir(d))) {
        size_t n = strlen(e->d_name);
        if (n < 4 || strcmp(e->d_name + n - 4, "-shm") != 0 ||
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
            continue;
        uint64_t what = draw(3);
        if (what == 0)
            (void)real.unlink(path);
        if (what == 1)
            (void)truncate(path, 0);
    }
}

static void cut(void)
{
    for (struct file *f = files; f; f = f->next) {
        struct stat st;
        off_t present = fstat(f->fd, &st) == 0 ? st.st_size : 0, size = cut_size(f, present);
        cut_sectors(f, present);
        (void)real.ftruncate(f->fd, size);
    }
    cut_names();
    cut_shm();
    (void)kill(getpid(), SIGKILL);
    abort(); /* never gets here */
}

/* One more operation, under the lock; does not come back from the cut. */
static void step(void)
{
    char text[32];

    ops++;
    if (count_fd >= 0) {
        int n = snprintf(text, sizeof text, "%llu\n", (unsigned long long)ops);
        (void)real.pwrite(count_fd, text, (size_t)n, 0);
    }
    if (ops == cut_at)
        cut();
}

/* --- The calls ---------------------------------------------------------------------- */

static int open_made(const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    struct stat st;
    bool mine = dir_n && (flags & O_CREAT) && absolute(path, full) && ours(full) &&
                !strstr(full, "-shm") && lstat(full, &st) != 0;

    if (!mine)
        return real.open(path, flags, mode);
    (void)pthread_mutex_lock(&lock);
    struct name *n = name_new(NAME_MADE, full);
    int fd = real.open(path, flags, mode), err = errno;
    name_done(n, fd >= 0);
    step();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    begin();
    return open_made(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));

int mkstemp(char *path)
{
    char full[PATH_MAX];

    begin();
    int fd = real.mkstemp(path), err = errno;
    if (fd >= 0 && dir_n && absolute(path, full) && ours(full)) {
        (void)pthread_mutex_lock(&lock);
        name_done(name_new(NAME_MADE, full), true);
        step();
        (void)pthread_mutex_unlock(&lock);
    }
    errno = err;
    return fd;
}

int mkstemp64(char *path) __attribute__((alias("mkstemp")));

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
    begin();
    (void)pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    if (f)
        remember(f, at, n);
    ssize_t w = real.pwrite(fd, p, n, at);
    int err = errno;
    if (f)
        step();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return w;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at) __attribute__((alias("pwrite")));

ssize_t write(int fd, const void *p, size_t n)
{
    begin();
    (void)pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    if (f)
        remember(f, lseek(fd, 0, SEEK_CUR), n);
    ssize_t w = real.write(fd, p, n);
    int err = errno;
    if (f)
        step();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return w;
}

int ftruncate(int fd, off_t to)
{
    struct stat st;

    begin();
    (void)pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    if (f && fstat(fd, &st) == 0)
        remember(f, to, st.st_size > to ? (size_t)(st.st_size - to) : 0);
    int rc = real.ftruncate(fd, to), err = errno;
    if (f)
        step();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

int ftruncate64(int fd, off64_t to) __attribute__((alias("ftruncate")));

static int synced(int fd, int (*fn)(int))
{
    char path[PATH_MAX];
    struct stat st;

    begin();
    (void)pthread_mutex_lock(&lock);
    struct file *f = file_of(fd);
    bool folder = dir_n && !f && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) && path_of(fd, path) &&
                  strcmp(path, dir) == 0;
    if (f || folder)
        step(); /* a cut in here: nothing is promised yet */
    int rc = fn(fd), err = errno;
    if (f && rc == 0 && !lie)
        durable(f);
    if (folder && rc == 0 && !lie)
        names_durable();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

int fsync(int fd)
{
    begin();
    return synced(fd, real.fsync);
}

int fdatasync(int fd)
{
    begin();
    return synced(fd, real.fdatasync);
}

int rename(const char *from, const char *to)
{
    char full_from[PATH_MAX], full_to[PATH_MAX];

    begin();
    if (!dir_n || !absolute(from, full_from) || !absolute(to, full_to) || !ours(full_to))
        return real.rename(from, to);
    (void)pthread_mutex_lock(&lock);
    struct name *n = name_new(NAME_MOVED, full_to);
    (void)snprintf(n->from, sizeof n->from, "%s", full_from);
    keep_name(n, full_to);
    int rc = real.rename(from, to), err = errno;
    name_done(n, rc == 0);
    step();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

int link(const char *from, const char *to)
{
    char full[PATH_MAX];

    begin();
    if (!dir_n || !absolute(to, full) || !ours(full))
        return real.link(from, to);
    (void)pthread_mutex_lock(&lock);
    struct name *n = name_new(NAME_MADE, full);
    int rc = real.link(from, to), err = errno;
    name_done(n, rc == 0);
    step();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}

int unlink(const char *path)
{
    char full[PATH_MAX];

    begin();
    if (!dir_n || !absolute(path, full) || !ours(full) || strstr(full, "-shm"))
        return real.unlink(path);
    (void)pthread_mutex_lock(&lock);
    struct name *n = name_new(NAME_GONE, full);
    keep_name(n, full);
    int rc = real.unlink(path), err = errno;
    name_done(n, rc == 0);
    step();
    (void)pthread_mutex_unlock(&lock);
    errno = err;
    return rc;
}
