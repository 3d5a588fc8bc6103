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

/* The store key lies in HOME/key (0600): 64 hex digits. */
static wax_rc store_key(const char *path, bool create, struct key32 *ret)
{
    struct buf b = {0};
    wax_rc rc = os_file_read(path, 4096, &b);

    if (rc == WAX_E_NOTFOUND && create) {
        rc = rng_fill(os_rng(), ret->b, sizeof ret->b);
        buf_reset(&b);
        buf_hex(&b, BYTES_OF(ret->b));
        buf_str(&b, "\n");
        if (rc == WAX_OK)
            rc = buf_rc(&b);
        if (rc == WAX_OK)
            rc = os_file_write(path, buf_view(&b), OS_FILE_NEW);
    } else if (rc == WAX_OK) {
        size_t n = b.n && b.p[b.n - 1] == '\n' ? b.n - 1 : b.n;
        rc = hex_decode((const char *)b.p, n, ret->b, sizeof ret->b) == WAX_OK ? WAX_OK
                                                                               : WAX_E_DAMAGED;
    }
    buf_done(&b);
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

/* Under `lock`, so that nobody else is making the store: what a process that was killed over it has
 * left goes first. */
static wax_rc make_store(struct wax *w, const char *db, const char *key_path, struct buf *error)
{
    struct key32 key = {0};
    wax_rc rc = home_lock(w, w->lock);

    if (rc != WAX_OK)
        return rc;
    bool there = os_exists(db); /* another process was faster */
    if (!there) {
        os_file_sweep(w->home, "vault.db.new-");
        os_file_sweep(w->home, "key.new-");
    }
    rc = store_key(key_path, !there, &key);
    if (rc == WAX_OK)
        rc = vault_sqlite_open(db, &key, os_rng(), !there, LOCK_WAIT_MS, &w->vault, error);
    os_lock_unlock(w->lock);
    mem_wipe(&key, sizeof key);
    return rc;
}

static wax_rc open_store(struct wax *w, const char *db, const char *key_path, struct buf *error)
{
    struct key32 key = {0};
    wax_rc rc = store_key(key_path, false, &key);

    if (rc == WAX_OK)
        rc = vault_sqlite_open(db, &key, os_rng(), false, LOCK_WAIT_MS, &w->vault, error);
    mem_wipe(&key, sizeof key);
    return rc;
}

int home_open(struct wax *w, bool create, struct wax_error *err)
{
    char db[PATH_MAX], key_path[PATH_MAX];
    struct buf error = {0};

    if (w->vault)
        return WAX_EX_OK;
    (void)snprintf(db, sizeof db, "%s/vault.db", w->home);
    (void)snprintf(key_path, sizeof key_path, "%s/key", w->home);
    bool there = os_exists(db);
    if (!there && !create)
        return WAX_EX_OK; /* no account yet: later calls say so */
    wax_rc rc = there ? WAX_OK : os_mkdir(w->home);
    if (rc != WAX_OK)
        return fail(err, WAX_EX_CANTCREATE, "home",
                    "make the home %s: %s; choose another by --home DIR", w->home, rc_text(rc));
    rc = open_locks(w);
    if (rc == WAX_OK)
        rc = there ? open_store(w, db, key_path, &error) : make_store(w, db, key_path, &error);
    int code = WAX_EX_OK;
    if (rc == WAX_E_NOTFOUND)
        code = fail(err, WAX_EX_CONFIG, "no-key",
                    "open the home %s: its file `key` is missing; put it back, nothing else opens "
                    "the store",
                    w->home);
    else if (rc == WAX_R_MAC)
        code = fail(err, WAX_EX_CONFIG, "wrong-key",
                    "open the home %s: its file `key` is not the one that the store was made with; "
                    "put the right one back",
                    w->home);
    else if (rc != WAX_OK && error.n)
        code = fail(err,
                    rc == WAX_E_VERSION   ? WAX_EX_CONFIG
                    : rc == WAX_E_DAMAGED ? WAX_EX_DATA
                                          : WAX_EX_IO,
                    rc == WAX_E_VERSION   ? "home-newer"
                    : rc == WAX_E_DAMAGED ? "home-damaged"
                                          : "io",
                    "open the home %s: %s", w->home, buf_cstr(&error));
    else
        code = fail_rc(w, err, rc, "open the home");
    buf_done(&error);
    return code;
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
