/* The client's home: folder, locks, key file, vault. */
#include "lib/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "crypto/secheap.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/random.h"

#define LOCK_WAIT_MS 30000
#define LOCK_SAY_MS 1000

static uint64_t real_now(void *ctx)
{
    (void)ctx;
    return os_now_ms();
}

static bool home_path(const char *given, char *out, size_t cap)
{
    const char *own = getenv("WAX_HOME"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int n;

    if (given && *given)
        n = snprintf(out, cap, "%s", given);
    else if (own && *own)
        n = snprintf(out, cap, "%s", own);
    else if (data && *data)
        n = snprintf(out, cap, "%s/waxwing", data);
    else if (home && *home)
        n = snprintf(out, cap, "%s/.local/share/waxwing", home);
    else
        return false;
    return n > 0 && (size_t)n < cap;
}

int wax_open(const struct wax_options *options, wax **ret, struct wax_error *err)
{
    struct wax *w = mem_alloc(sizeof *w);

    if (!w)
        return fail(err, WAX_EX_FAULT, "no-memory", "open the home: out of memory");
    if (options)
        w->options = *options;
    w->clock.now = real_now;
    if (!home_path(w->options.home, w->home, sizeof w->home)) {
        wax_close(w);
        return fail(err, WAX_EX_CONFIG, "no-home",
                    "open the home: no folder for it; give --home DIR or set $WAX_HOME");
    }
    w->options.home = NULL; /* not kept: the caller's string */
    wax_rc rc = os_harden();
    if (rc == WAX_OK)
        rc = secheap_init();
    if (rc == WAX_E_UNLOCKED && w->options.allow_unlocked)
        rc = WAX_OK;
    if (rc == WAX_OK)
        rc = crypto_init();
    if (rc == WAX_OK)
        rc = lib_box_open(w);
    int code = rc == WAX_OK ? WAX_EX_OK : fail_rc(w, err, rc, "open the home");
    if (code == WAX_EX_OK)
        code = home_open(w, false, err);
    if (code != WAX_EX_OK) {
        wax_close(w);
        return code;
    }
    *ret = w;
    return WAX_EX_OK;
}

void wax_close(wax *w)
{
    if (!w)
        return;
    conn_close(w);
    client_close(w->client);
    box_free(w->box);
    vault_close(w->vault);
    os_lock_close(w->lock);
    os_lock_close(w->outbox);
    buf_done(&w->ca);
    mem_free_wiped(w, sizeof *w);
}

/* 64 hex digits, 0600. */
static wax_rc key_read(const char *path, struct key32 *ret)
{
    struct buf b = {0};
    wax_rc rc = os_file_read(path, 4096, &b);

    if (rc == WAX_OK) {
        size_t n = b.n && b.p[b.n - 1] == '\n' ? b.n - 1 : b.n;
        rc = hex_decode((const char *)b.p, n, ret->b, sizeof ret->b) == WAX_OK ? WAX_OK
                                                                               : WAX_E_DAMAGED;
    }
    buf_done(&b);
    return rc;
}

static wax_rc key_make(const char *path, struct key32 *ret)
{
    struct buf b = {0};
    wax_rc rc = rng_fill(os_rng(), ret->b, sizeof ret->b);

    buf_hex(&b, BYTES_OF(ret->b));
    buf_str(&b, "\n");
    if (rc == WAX_OK)
        rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = os_file_write(path, buf_view(&b), OS_FILE_NEW);
    buf_done(&b);
    return rc;
}

/* The store key lies in HOME/key. Until the vault is there it is called HOME/key.new: so a `key`
 * without a vault is a vault that was lost, and no home that is not made yet. */
struct home_files {
    char db[PATH_MAX], key[PATH_MAX], fresh[PATH_MAX];
    bool there, keyed;
};

static void home_look(const struct wax *w, struct home_files *ret)
{
    (void)snprintf(ret->db, sizeof ret->db, "%s/vault.db", w->home);
    (void)snprintf(ret->key, sizeof ret->key, "%s/key", w->home);
    (void)snprintf(ret->fresh, sizeof ret->fresh, "%s/key.new", w->home);
    ret->keyed = os_exists(ret->key); /* first: another process may be making the home */
    ret->there = os_exists(ret->db);
}

static wax_rc home_files_open(struct wax *w, const struct home_files *f, struct buf *error)
{
    struct key32 key = {0};
    bool fresh = !f->keyed;
    wax_rc rc = key_read(fresh ? f->fresh : f->key, &key);

    if (rc == WAX_E_NOTFOUND && !f->there)
        rc = key_make(f->fresh, &key);
    if (rc == WAX_OK)
        rc = vault_sqlite_open(f->db, &key, os_rng(), !f->there, LOCK_WAIT_MS, &w->vault, error);
    if (rc == WAX_OK && fresh)
        rc = os_file_rename(f->fresh, f->key);
    mem_wipe(&key, sizeof key);
    return rc;
}

static wax_rc open_locks(struct wax *w)
{
    char path[PATH_MAX];
    wax_rc rc = WAX_OK;

    (void)snprintf(path, sizeof path, "%s/lock", w->home);
    if (!w->lock)
        rc = os_lock_open(path, &w->lock);
    (void)snprintf(path, sizeof path, "%s/outbox.lock", w->home);
    if (rc == WAX_OK && !w->outbox)
        rc = os_lock_open(path, &w->outbox);
    return rc;
}

/* Under `lock`, so that nobody else is making the home: what a process that was killed over it has
 * left goes first. */
static wax_rc home_files_make(struct wax *w, struct buf *error)
{
    struct home_files f;
    wax_rc rc = home_lock(w, w->lock);

    if (rc != WAX_OK)
        return rc;
    home_look(w, &f); /* another process may have been faster */
    if (!f.there) {
        os_file_sweep(w->home, "vault.db.new-");
        os_file_sweep(w->home, "key.new.new-");
    }
    rc = home_files_open(w, &f, error);
    os_lock_unlock(w->lock);
    return rc;
}

/* why: the vault's own words, or "". */
static int open_failed(struct wax *w, wax_rc rc, const char *why, struct wax_error *err)
{
    if (rc == WAX_E_NOTFOUND)
        return fail(err, WAX_EX_CONFIG, "no-key",
                    "open the home %s: its file `key` is missing; put it back, nothing else opens "
                    "the store",
                    w->home);
    if (rc == WAX_R_MAC)
        return fail(err, WAX_EX_CONFIG, "wrong-key",
                    "open the home %s: its file `key` is not the one that the store was made with; "
                    "put the right one back",
                    w->home);
    if (rc == WAX_E_DAMAGED && !*why)
        return fail(err, WAX_EX_CONFIG, "no-key",
                    "open the home %s: its file `key` does not hold a key; put the right one back, "
                    "nothing else opens the store",
                    w->home);
    if (rc == WAX_E_DAMAGED)
        return fail(err, WAX_EX_DATA, "home-damaged",
                    "open the home %s: %s; all files are kept: restore a backup of the folder, or "
                    "move it away and link this device anew",
                    w->home, why);
    if (rc == WAX_E_VERSION)
        return fail(err, WAX_EX_CONFIG, "home-newer", "open the home %s: %s; update this program",
                    w->home, why);
    if (*why)
        return fail(err, WAX_EX_IO, "io", "open the home %s: %s", w->home, why);
    return fail_rc(w, err, rc, "open the home");
}

int home_open(struct wax *w, bool create, struct wax_error *err)
{
    struct home_files f;
    struct buf error = {0};

    if (w->vault)
        return WAX_EX_OK;
    home_look(w, &f);
    if (!f.there && f.keyed)
        return open_failed(w, WAX_E_DAMAGED, "its file `vault.db` is missing", err);
    if (!f.there && !create)
        return WAX_EX_OK; /* no account yet: later calls say so */
    wax_rc rc = f.there ? WAX_OK : os_mkdir(w->home);
    if (rc != WAX_OK)
        return fail(err, WAX_EX_CANTCREATE, "home",
                    "make the home %s: %s; choose another by --home DIR", w->home, rc_text(rc));
    rc = open_locks(w);
    if (rc == WAX_OK)
        rc = f.there && f.keyed ? home_files_open(w, &f, &error) : home_files_make(w, &error);
    const char *why = error.n ? buf_cstr(&error) : NULL;
    int code = rc == WAX_OK ? WAX_EX_OK : open_failed(w, rc, why ? why : "", err);
    buf_done(&error);
    return code;
}

void home_mend(struct wax *w, struct buf *report)
{
    if (!w->vault || vault_sqlite_mend(w->vault, report) != WAX_OK || !report->n || !w->client)
        return;
    /* Where that cannot be stored, `status` says it all the same. */
    wax_rc told = client_tell_damage(w->client, report);
    (void)told;
}

wax_rc home_no_account(struct wax *w)
{
    struct buf report = {0};
    wax_rc rc = vault_sqlite_mend(w->vault, &report);

    if (rc == WAX_OK)
        rc = report.n ? WAX_E_DAMAGED : WAX_E_NOTFOUND;
    buf_done(&report);
    return rc;
}

wax_rc home_lock(struct wax *w, struct os_lock *l)
{
    wax_rc rc = os_lock_try(l, LOCK_SAY_MS);

    if (rc != WAX_E_BUSY)
        return rc;
    if (w->options.waiting)
        w->options.waiting(w->options.ctx);
    return os_lock_try(l, LOCK_WAIT_MS - LOCK_SAY_MS);
}

static wax_rc env_lock(void *ctx)
{
    struct wax *w = ctx;
    return home_lock(w, w->lock);
}

static void env_unlock(void *ctx)
{
    struct wax *w = ctx;
    os_lock_unlock(w->lock);
}

struct client_env home_env(struct wax *w)
{
    return (struct client_env){.vault = w->vault,
                               .rng = os_rng(),
                               .clock = &w->clock,
                               .net = &w->transport,
                               .lock = env_lock,
                               .unlock = env_unlock,
                               .lock_ctx = w,
                               .decoder = &w->decoder};
}

int home_account(struct wax *w, struct wax_error *err)
{
    wax_rc rc = w->vault ? WAX_OK : WAX_E_NOTFOUND;

    w->net_error[0] = 0;
    if (rc == WAX_OK && !w->client) {
        struct client_env env = home_env(w);
        rc = client_open(&env, &w->client);
        if (rc == WAX_E_NOTFOUND)
            rc = home_no_account(w);
    }
    if (rc == WAX_E_NOTFOUND || (rc == WAX_OK && !client_is_published(w->client)))
        return fail(
            err, WAX_EX_CONFIG, "no-account",
            "use the home %s: there is no account in it yet; run `wax register` or `wax link`",
            w->home);
    if (rc == WAX_OK && !w->net)
        rc = conn_load(w);
    if (rc == WAX_OK && !w->net)
        rc = conn_open(w, client_login_key(w->client), client_dev(w->client));
    return fail_rc(w, err, rc, "open the account");
}
