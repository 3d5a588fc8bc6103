#include "disk.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512
#define SHM_REGIONS 64

struct file {
    bool exists;
    uint8_t *now, *safe; /* what a reader sees; what a power cut leaves for sure */
    size_t n, safe_n, cap;
    uint8_t *dirty; /* one byte a sector */
};

enum { MAIN, WAL, JOURNAL, FILES };

struct disk {
    uint64_t (*random)(void *ctx);
    void *random_ctx;
    char path[64];
    struct file files[FILES];
    void *shm[SHM_REGIONS];
    unsigned dies, full;
    _Atomic bool dead;
    struct disk *next;
};

struct disk_count disk_count;

static struct disk *disks;
static char folder[32];
static unsigned names;
static sqlite3_vfs *system_vfs;
static _Atomic uint64_t random_state;

void disk_seed(uint64_t seed)
{
    random_state = seed;
    sqlite3_randomness(0, NULL);
}

/* --- Files --- */

static void room(struct file *f, size_t n)
{
    size_t cap = f->cap ? f->cap : 65536;

    while (cap < n)
        cap *= 2;
    if (cap == f->cap)
        return;
    f->now = realloc(f->now, cap);
    f->safe = realloc(f->safe, cap);
    f->dirty = realloc(f->dirty, cap / SECTOR);
    if (!f->now || !f->safe || !f->dirty)
        abort();
    memset(f->now + f->cap, 0, cap - f->cap);
    memset(f->safe + f->cap, 0, cap - f->cap);
    memset(f->dirty + f->cap / SECTOR, 0, (cap - f->cap) / SECTOR);
    f->cap = cap;
}

static void write_at(struct file *f, const void *p, size_t n, size_t at)
{
    room(f, at + n);
    memcpy(f->now + at, p, n);
    for (size_t s = at / SECTOR; s * SECTOR < at + n; s++)
        f->dirty[s] = 1;
    if (at + n > f->n)
        f->n = at + n;
}

static void shorten(struct file *f, size_t n)
{
    if (n >= f->n)
        return;
    memset(f->now + n, 0, f->n - n);
    if (n % SECTOR)
        f->dirty[n / SECTOR] = 1;
    f->n = n;
}

static void make_safe(struct file *f)
{
    for (size_t s = 0; s < f->cap / SECTOR; s++)
        if (f->dirty[s]) {
            memcpy(f->safe + s * SECTOR, f->now + s * SECTOR, SECTOR);
            f->dirty[s] = 0;
        }
    if (f->safe_n > f->n)
        memset(f->safe + f->n, 0, f->safe_n - f->n);
    f->safe_n = f->n;
}

/* Each sector written since the last sync is there or not, and so is the new size. */
static void lose(struct disk *d, struct file *f)
{
    unsigned keep = (unsigned)(d->random(d->random_ctx) % 5) * 25; /* percent */
    size_t n = f->safe_n;

    if (f->n < f->safe_n && d->random(d->random_ctx) % 100 < keep)
        n = f->n; /* cut short after all */
    for (size_t s = 0; s < f->cap / SECTOR; s++) {
        if (!f->dirty[s] || s * SECTOR >= f->n)
            continue;
        if (d->random(d->random_ctx) % 100 >= keep) {
            disk_count.sectors_lost++;
            continue;
        }
        size_t end = (s + 1) * SECTOR < f->n ? (s + 1) * SECTOR : f->n;
        memcpy(f->safe + s * SECTOR, f->now + s * SECTOR, SECTOR);
        if (end > n)
            n = end;
    }
    if (n < f->safe_n)
        memset(f->safe + n, 0, f->safe_n - n);
    memcpy(f->now, f->safe, f->cap);
    memset(f->dirty, 0, f->cap / SECTOR);
    f->n = f->safe_n = n;
}

/* --- What SQLite calls --- */

struct handle {
    sqlite3_file base;
    struct disk *d;
    struct file *f;
};

static struct handle *h(sqlite3_file *f) { return (struct handle *)f; }

/* Counts a write or sync; true: it does not happen. */
static bool strikes(struct disk *d)
{
    if (d->dies && --d->dies == 0) {
        d->dead = true;
        disk_count.died++;
    }
    return d->dead;
}

static int x_close(sqlite3_file *f)
{
    (void)f;
    return SQLITE_OK;
}

static int x_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    struct file *x = h(f)->f;
    size_t have = (size_t)at < x->n ? x->n - (size_t)at : 0;

    if (h(f)->d->dead)
        return SQLITE_IOERR_READ;
    if (have > (size_t)n)
        have = (size_t)n;
    if (have)
        memcpy(p, x->now + at, have);
    memset((uint8_t *)p + have, 0, (size_t)n - have);
    return have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    struct disk *d = h(f)->d;

    if (d->full && !d->dead) {
        d->full--;
        disk_count.full++;
        return SQLITE_FULL;
    }
    if (strikes(d)) {
        /* The last write may have got anywhere. */
        if (d->dies == 0 && h(f)->f->exists && d->random(d->random_ctx) % 2)
            write_at(h(f)->f, p, (size_t)n / 2, (size_t)at);
        return SQLITE_IOERR_WRITE;
    }
    write_at(h(f)->f, p, (size_t)n, (size_t)at);
    return SQLITE_OK;
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    if (strikes(h(f)->d))
        return SQLITE_IOERR_TRUNCATE;
    shorten(h(f)->f, (size_t)n);
    return SQLITE_OK;
}

static int x_sync(sqlite3_file *f, int flags)
{
    (void)flags;
    if (strikes(h(f)->d))
        return SQLITE_IOERR_FSYNC;
    make_safe(h(f)->f);
    return SQLITE_OK;
}

static int x_size(sqlite3_file *f, sqlite3_int64 *n)
{
    if (h(f)->d->dead)
        return SQLITE_IOERR_FSTAT;
    *n = (sqlite3_int64)h(f)->f->n;
    return SQLITE_OK;
}

/* One process, one handle: nobody to lock out. */
static int x_lock(sqlite3_file *f, int l)
{
    (void)l;
    return h(f)->d->dead ? SQLITE_IOERR_LOCK : SQLITE_OK;
}
static int x_reserved(sqlite3_file *f, int *out)
{
    (void)f;
    *out = 0;
    return SQLITE_OK;
}
static int x_control(sqlite3_file *f, int op, void *arg)
{
    (void)f, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}
static int x_sector(sqlite3_file *f)
{
    (void)f;
    return SECTOR;
}
static int x_device(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int x_shm_map(sqlite3_file *f, int i, int n, int extend, void volatile **out)
{
    struct disk *d = h(f)->d;

    if (d->dead || i >= SHM_REGIONS)
        return SQLITE_IOERR_SHMMAP;
    if (!d->shm[i] && extend && !(d->shm[i] = calloc(1, (size_t)n)))
        return SQLITE_NOMEM;
    *out = d->shm[i];
    return SQLITE_OK;
}
static int x_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    (void)f, (void)at, (void)n, (void)flags;
    return SQLITE_OK;
}
static void x_shm_barrier(sqlite3_file *f) { (void)f; }

static void shm_drop(struct disk *d)
{
    for (size_t i = 0; i < SHM_REGIONS; i++) {
        free(d->shm[i]);
        d->shm[i] = NULL;
    }
}

static int x_shm_unmap(sqlite3_file *f, int del)
{
    (void)del;
    shm_drop(h(f)->d);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = x_close,
    .xRead = x_read,
    .xWrite = x_write,
    .xTruncate = x_truncate,
    .xSync = x_sync,
    .xFileSize = x_size,
    .xLock = x_lock,
    .xUnlock = x_lock,
    .xCheckReservedLock = x_reserved,
    .xFileControl = x_control,
    .xSectorSize = x_sector,
    .xDeviceCharacteristics = x_device,
    .xShmMap = x_shm_map,
    .xShmLock = x_shm_lock,
    .xShmBarrier = x_shm_barrier,
    .xShmUnmap = x_shm_unmap,
};

/* --- The VFS --- */

static struct file *find(const char *name, struct disk **ret)
{
    static const char *const tails[FILES] = {"", "-wal", "-journal"};

    for (struct disk *d = disks; name && d; d = d->next) {
        size_t n = strlen(d->path);
        if (strncmp(name, d->path, n) != 0)
            continue;
        for (int i = 0; i < FILES; i++)
            if (strcmp(name + n, tails[i]) == 0) {
                *ret = d;
                return &d->files[i];
            }
    }
    return NULL;
}

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *file, int flags, int *out)
{
    struct handle *x = h(file);
    struct disk *d = NULL;
    struct file *f = find(name, &d);

    (void)v;
    if (!f)
        return system_vfs->xOpen(system_vfs, name, file, flags, out);
    x->base.pMethods = NULL;
    if (d->dead || (!f->exists && !(flags & SQLITE_OPEN_CREATE) && f != &d->files[MAIN]))
        return SQLITE_CANTOPEN;
    f->exists = true;
    x->d = d;
    x->f = f;
    x->base.pMethods = &methods;
    if (out)
        *out = flags;
    return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *v, const char *name, int sync)
{
    struct disk *d = NULL;
    struct file *f = find(name, &d);

    (void)v;
    if (!f)
        return system_vfs->xDelete(system_vfs, name, sync);
    if (d->dead)
        return SQLITE_IOERR_DELETE;
    shorten(f, 0);
    make_safe(f);
    f->exists = false;
    return SQLITE_OK;
}

static int v_access(sqlite3_vfs *v, const char *name, int flags, int *out)
{
    struct disk *d = NULL;
    struct file *f = find(name, &d);

    (void)v;
    if (!f)
        return system_vfs->xAccess(system_vfs, name, flags, out);
    *out = f->exists && (f == &d->files[MAIN] || f->n > 0);
    return d->dead ? SQLITE_IOERR_ACCESS : SQLITE_OK;
}

static int v_full_path(sqlite3_vfs *v, const char *name, int n, char *out)
{
    struct disk *d = NULL;

    (void)v;
    if (!find(name, &d))
        return system_vfs->xFullPathname(system_vfs, name, n, out);
    (void)snprintf(out, (size_t)n, "%s", name);
    return SQLITE_OK;
}

static int v_randomness(sqlite3_vfs *v, int n, char *out)
{
    (void)v;
    for (int i = 0; i < n; i++) {
        uint64_t x = atomic_fetch_add(&random_state, 0x9e3779b97f4a7c15ULL);
        out[i] = (char)((x ^ x >> 31) * 0xbf58476d1ce4e5b9ULL >> 56);
    }
    return n;
}

static int v_sleep(sqlite3_vfs *v, int us)
{
    (void)v;
    return us;
}

static void remove_folder(void) { (void)rmdir(folder); }

static void set_up(void)
{
    static sqlite3_vfs vfs;

    if (sqlite3_initialize() != SQLITE_OK || !(system_vfs = sqlite3_vfs_find(NULL)))
        abort();
    (void)snprintf(folder, sizeof folder, "/tmp/wax-disk-XXXXXX");
    if (!mkdtemp(folder) || atexit(remove_folder) != 0)
        abort();
    vfs = *system_vfs;
    vfs.pNext = NULL;
    vfs.zName = "wax-simulated";
    if ((size_t)vfs.szOsFile < sizeof(struct handle))
        vfs.szOsFile = (int)sizeof(struct handle);
    vfs.xOpen = v_open;
    vfs.xDelete = v_delete;
    vfs.xAccess = v_access;
    vfs.xFullPathname = v_full_path;
    vfs.xRandomness = v_randomness;
    vfs.xSleep = v_sleep;
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}

/* --- Disks --- */

static void place(const struct disk *d, struct bytes content)
{
    int fd = open(d->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, content.p, content.n) != (ssize_t)content.n || close(fd) != 0)
        abort();
}

struct disk *disk_new(uint64_t (*random)(void *ctx), void *ctx)
{
    struct disk *d = calloc(1, sizeof *d);

    if (!d)
        abort();
    if (!system_vfs)
        set_up();
    d->random = random;
    d->random_ctx = ctx;
    (void)snprintf(d->path, sizeof d->path, "%s/%u.db", folder, names++);
    place(d, BYTES("", 0));
    d->next = disks;
    disks = d;
    return d;
}

void disk_free(struct disk *d)
{
    if (!d)
        return;
    for (struct disk **at = &disks; *at; at = &(*at)->next)
        if (*at == d) {
            *at = d->next;
            break;
        }
    (void)unlink(d->path);
    shm_drop(d);
    for (int i = 0; i < FILES; i++) {
        free(d->files[i].now);
        free(d->files[i].safe);
        free(d->files[i].dirty);
    }
    free(d);
}

const char *disk_path(const struct disk *d) { return d->path; }

void disk_load(struct disk *d, struct bytes content)
{
    struct file *f = &d->files[MAIN];

    place(d, content);
    shorten(f, 0);
    write_at(f, content.p, content.n, 0);
    make_safe(f);
    f->exists = true;
}

struct disk *disk_copy(const struct disk *d)
{
    struct disk *c = disk_new(d->random, d->random_ctx);

    disk_load(c, BYTES(d->files[MAIN].now, d->files[MAIN].n));
    for (int i = WAL; i < FILES; i++) {
        const struct file *f = &d->files[i];
        if (!f->exists)
            continue;
        write_at(&c->files[i], f->now, f->n, 0);
        make_safe(&c->files[i]);
        c->files[i].exists = true;
    }
    return c;
}

void disk_dies(struct disk *d, unsigned nth) { d->dies = nth; }
void disk_full(struct disk *d, unsigned n) { d->full = n; }
void disk_stop(struct disk *d) { d->dead = true; }
bool disk_dead(const struct disk *d) { return d->dead; }

void disk_restart(struct disk *d, bool power)
{
    d->dead = false;
    d->dies = d->full = 0;
    shm_drop(d);
    disk_count.cuts += power;
    for (int i = 0; power && i < FILES; i++)
        if (d->files[i].exists && d->files[i].cap)
            lose(d, &d->files[i]);
}
