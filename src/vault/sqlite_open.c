/* Opening and making a vault file. A new one is built under another name and linked into
 * place when it is whole, so that a crash never leaves half a vault, and an existing file is
 * never written over. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/secheap.h"
#include "vault/sqlite_open.h"

static wax_rc errno_rc(void)
{
    switch (errno) {
    case ENOENT:
    case ENOTDIR:
        return WAX_E_NOTFOUND;
    case EEXIST:
        return WAX_E_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return WAX_E_NOSPC;
    case ENOMEM:
        return WAX_E_NOMEM;
    default:
        return WAX_E_IO;
    }
}

static wax_rc settings(struct sqlite *h)
{
    static const int off[] = {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
                              SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_DQS_DML,
                              SQLITE_DBCONFIG_DQS_DDL};
    int rc = sqlite3_db_config(h->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);

    /* A file made by somebody else must not run anything of its own. */
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof off / sizeof off[0]; i++)
        rc = sqlite3_db_config(h->db, off[i], 0, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(h->db, (int)h->wait_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(h->db,
                          "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
                          "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY",
                          NULL, NULL, NULL);
    return sqlite_rc(h, rc);
}

/* A handle on a file that is there. */
static wax_rc connect(const char *path, const struct key32 *key, const struct rng *rng,
                      unsigned wait_ms, struct sqlite **ret)
{
    struct sqlite *h = mem_alloc(sizeof *h);
    wax_rc rc;

    if (!h)
        return WAX_E_NOMEM;
    h->rng = *rng;
    h->wait_ms = wait_ms < INT_MAX ? wait_ms : INT_MAX;
    h->key = secret_alloc(sizeof *h->key);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (!h->key) {
        rc = WAX_E_NOMEM;
    } else {
        *h->key = *key;
        rc = sqlite_rc(h, sqlite3_open_v2(path, &h->db, flags, NULL));
    }
    if (rc == WAX_OK)
        rc = settings(h);
    if (rc != WAX_OK) {
        sqlite_free(h);
        return rc;
    }
    *ret = h;
    return WAX_OK;
}

static wax_rc sync_folder_of(const char *path)
{
    char *folder = mem_strdup(path);

    if (!folder)
        return WAX_E_NOMEM;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0;
    int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    wax_rc rc = fd >= 0 && fsync(fd) == 0 ? WAX_OK : errno_rc();
    if (fd >= 0)
        (void)close(fd);
    mem_free(folder);
    return rc;
}

/* Makes the file `temp` (a mkstemp pattern) a whole vault. */
static wax_rc build(char *temp, const struct key32 *key, const struct rng *rng)
{
    struct sqlite *h = NULL;
    int fd = mkstemp(temp); /* 0600 */

    if (fd < 0)
        return errno_rc();
    (void)close(fd);
    wax_rc rc = connect(temp, key, rng, 0, &h);
    if (rc == WAX_OK)
        rc = sqlite_schema_create(h);
    if (rc == WAX_OK)
        rc = sqlite_schema_raise(h);
    if (rc == WAX_OK)
        rc = sqlite_checkpoint(h); /* all of it in the one file */
    sqlite_free(h);
    return rc;
}

static void discard(const char *temp)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char name[PATH_MAX];

    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++)
        if (snprintf(name, sizeof name, "%s%s", temp, tails[i]) < (int)sizeof name)
            (void)unlink(name); /* mostly absent; what cannot go is no harm */
}

/* A log without its database is of a vault that was lost; the new one would replay it. */
static wax_rc no_old_log(const char *path, struct buf *error)
{
    struct buf log = {0};
    struct stat st;
    wax_rc rc = WAX_OK;

    buf_printf(&log, "%s-wal", path);
    const char *name = buf_cstr(&log);
    if (!name)
        rc = buf_rc(&log);
    else if (stat(name, &st) == 0 && st.st_size > 0) {
        buf_printf(error, "%s belongs to another vault: move it away first", name);
        rc = WAX_E_EXISTS;
    }
    buf_done(&log);
    return rc;
}

static wax_rc create_file(const char *path, const struct key32 *key, const struct rng *rng,
                          struct buf *error)
{
    struct buf name = {0};
    struct stat st;

    if (lstat(path, &st) == 0) {
        buf_printf(error, "%s exists already", path);
        return WAX_E_EXISTS;
    }
    wax_rc rc = no_old_log(path, error);
    if (rc != WAX_OK)
        return rc;
    buf_printf(&name, "%s.new-XXXXXX", path);
    char *temp = buf_cstr(&name) ? (char *)name.p : NULL;
    rc = temp ? build(temp, key, rng) : buf_rc(&name);
    if (rc == WAX_OK && link(temp, path) != 0)
        rc = errno_rc();
    if (temp)
        discard(temp);
    if (rc == WAX_OK)
        rc = sync_folder_of(path);
    if (rc != WAX_OK)
        buf_printf(error, "%s cannot be made: %s", path, rc_text(rc));
    buf_done(&name);
    return rc;
}

/* A copy brought back by other tools may have come with wider rights; the log inherits them. */
static wax_rc check_file(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return errno_rc();
    if (!S_ISREG(st.st_mode))
        return WAX_E_DAMAGED;
    if ((st.st_mode & 077) && chmod(path, 0600) != 0)
        return errno_rc();
    return st.st_size == 0 ? WAX_E_DAMAGED : WAX_OK;
}

wax_rc vault_sqlite_open(const char *path, const struct key32 *store_key, const struct rng *rng,
                         bool create, unsigned lock_wait_ms, struct vault **ret, struct buf *error)
{
    struct sqlite *h = NULL;
    const char *why = NULL;
    wax_rc rc = create ? create_file(path, store_key, rng, error) : WAX_OK;

    if (rc != WAX_OK)
        return rc;
    rc = check_file(path);
    if (rc == WAX_OK)
        rc = connect(path, store_key, rng, lock_wait_ms, &h);
    if (rc == WAX_OK)
        rc = sqlite_schema_check(h, &why);
    if (rc == WAX_OK)
        rc = sqlite_schema_raise(h);
    if (rc != WAX_OK) {
        buf_printf(error, "%s: %s", path, why ? why : rc_text(rc));
        sqlite_free(h);
        return rc;
    }
    sqlite_ready(h);
    *ret = &h->vault;
    return WAX_OK;
}
