/* SQLite engine: a door to the file that leaves nothing in the gaps of pages.
 *
 * secure_delete overwrites a deleted cell and a freed page. But when SQLite balances a tree
 * it may rebuild a page without the cells that moved to a sibling, and their old bytes stay
 * in the gap between the cell pointers and the cells: a second copy of rows that are alive
 * then, and that nobody overwrites when they are deleted later (seen with SQLite 3.40). The
 * gap means nothing to SQLite, so it is zeroed here, in each leaf page on its way into the
 * database file. The WAL, whose frames carry checksums, is cut to nothing anyway. */
#include "store/sqlite_int.h"

#include "base/mem.h"

#define LEAF 0x0d /* of a table: the only pages besides overflow pages that hold envelopes */

struct clean_file {
    sqlite3_file base;
    sqlite3_file *real;
    uint8_t page[SQ_PAGE];
};

static sqlite3_file *real(sqlite3_file *f) { return ((struct clean_file *)f)->real; }

/* The gap of a leaf page, or an empty run. No other page can begin with LEAF: overflow and
 * free pages begin with a page number, and there are fewer than 0x0d000000 pages. */
static void clean(uint8_t page[SQ_PAGE], bool first)
{
    uint8_t *h = page + (first ? 100 : 0); /* page 1 begins with the file's header */

    if (h[0] != LEAF)
        return;
    size_t from = (size_t)(h - page) + 8 + 2 * (size_t)get_u16(h + 3);
    size_t to = get_u16(h + 5);
    if (from < to && to <= SQ_PAGE)
        mem_wipe(page + from, to - from);
}

static int clean_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    struct clean_file *c = (struct clean_file *)f;

    if (n != SQ_PAGE || at % SQ_PAGE != 0)
        return c->real->pMethods->xWrite(c->real, p, n, at);
    memcpy(c->page, p, SQ_PAGE);
    clean(c->page, at == 0);
    return c->real->pMethods->xWrite(c->real, c->page, n, at);
}

static int clean_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }
static int clean_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real(f)->pMethods->xRead(real(f), p, n, at);
}
static int clean_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return real(f)->pMethods->xTruncate(real(f), n);
}
static int clean_sync(sqlite3_file *f, int flags)
{
    return real(f)->pMethods->xSync(real(f), flags);
}
static int clean_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return real(f)->pMethods->xFileSize(real(f), n);
}
static int clean_lock(sqlite3_file *f, int l) { return real(f)->pMethods->xLock(real(f), l); }
static int clean_unlock(sqlite3_file *f, int l) { return real(f)->pMethods->xUnlock(real(f), l); }
static int clean_reserved(sqlite3_file *f, int *out)
{
    return real(f)->pMethods->xCheckReservedLock(real(f), out);
}
static int clean_control(sqlite3_file *f, int op, void *arg)
{
    return real(f)->pMethods->xFileControl(real(f), op, arg);
}
static int clean_sector(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }
static int clean_device(sqlite3_file *f)
{
    return real(f)->pMethods->xDeviceCharacteristics(real(f));
}
static int clean_shm_map(sqlite3_file *f, int region, int n, int extend, void volatile **out)
{
    return real(f)->pMethods->xShmMap(real(f), region, n, extend, out);
}
static int clean_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}
static void clean_shm_barrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }
static int clean_shm_unmap(sqlite3_file *f, int del)
{
    return real(f)->pMethods->xShmUnmap(real(f), del);
}

/* Version 2: what WAL needs, and no memory mapping. */
static const sqlite3_io_methods clean_methods = {
    .iVersion = 2,
    .xClose = clean_close,
    .xRead = clean_read,
    .xWrite = clean_write,
    .xTruncate = clean_truncate,
    .xSync = clean_sync,
    .xFileSize = clean_size,
    .xLock = clean_lock,
    .xUnlock = clean_unlock,
    .xCheckReservedLock = clean_reserved,
    .xFileControl = clean_control,
    .xSectorSize = clean_sector,
    .xDeviceCharacteristics = clean_device,
    .xShmMap = clean_shm_map,
    .xShmLock = clean_shm_lock,
    .xShmBarrier = clean_shm_barrier,
    .xShmUnmap = clean_shm_unmap,
};

static sqlite3_vfs *system_vfs;
static sqlite3_vfs clean_vfs;

static int clean_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct clean_file *c = (struct clean_file *)f;

    (void)vfs;
    if (!(flags & SQLITE_OPEN_MAIN_DB))
        return system_vfs->xOpen(system_vfs, name, f, flags, out);
    c->base.pMethods = NULL;
    c->real = (sqlite3_file *)(c + 1);
    int rc = system_vfs->xOpen(system_vfs, name, c->real, flags, out);
    if (rc == SQLITE_OK)
        c->base.pMethods = &clean_methods;
    return rc;
}

static void make_vfs(void)
{
    if (sqlite3_initialize() != SQLITE_OK || !(system_vfs = sqlite3_vfs_find(NULL)))
        return;
    clean_vfs = *system_vfs;
    clean_vfs.pNext = NULL;
    clean_vfs.zName = "wax-clean";
    clean_vfs.szOsFile = (int)sizeof(struct clean_file) + system_vfs->szOsFile;
    clean_vfs.xOpen = clean_open;
    if (sqlite3_vfs_register(&clean_vfs, 0) != SQLITE_OK)
        system_vfs = NULL;
}

const char *sq_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_vfs);
    return system_vfs ? clean_vfs.zName : NULL;
}
