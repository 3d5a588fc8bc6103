#include "home.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/crypto.h"

uint64_t home_random(struct home *h)
{
    uint64_t x = h->seed += 0x9e3779b97f4a7c15ull;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static wax_rc fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)home_random(ctx);
    return WAX_OK;
}

struct rng home_rng(struct home *h) { return (struct rng){fill, h}; }

wax_rc home_try_open(struct home *h, const char *path, bool create, unsigned wait_ms,
                     struct vault **ret)
{
    struct rng rng = home_rng(h);
    struct buf error = {0};
    wax_rc rc = vault_sqlite_open(path, &h->key, &rng, create, wait_ms, ret, &error);

    /* A refusal has one line for people, success has none. */
    assert_true(error.rc != WAX_OK || (error.n > 0) == (rc != WAX_OK));
    assert_true(error.n == 0 || memchr(error.p, '\n', error.n) == NULL);
    buf_done(&error);
    return rc;
}

static struct home *home_new(void)
{
    struct home *h = test_calloc(1, sizeof *h);

    assert_non_null(h);
    OK(crypto_init());
    h->seed = 20261125;
    memset(h->key.b, 0x5a, sizeof h->key.b);
    return h;
}

int home_new_memory(void **state)
{
    struct home *h = home_new();

    h->disk = vault_disk_new();
    assert_non_null(h->disk);
    OK(vault_memory_open(h->disk, &h->v));
    *state = h;
    return 0;
}

int home_new_sqlite(void **state)
{
    struct home *h = home_new();
    const char *tmp = getenv("TMPDIR");

    h->sqlite = true;
    (void)snprintf(h->folder, sizeof h->folder, "%.32s/waxvault-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(h->folder));
    (void)snprintf(h->path, sizeof h->path, "%s/vault.db", h->folder);
    OK(home_try_open(h, h->path, true, 1000, &h->v));
    *state = h;
    return 0;
}

static void remove_folder(const char *folder)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    char path[512];

    assert_non_null(d);
    while ((e = readdir(d))) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            (void)unlink(path);
    }
    closedir(d);
    (void)rmdir(folder);
}

void home_close(struct home *h)
{
    vault_close(h->v);
    h->v = NULL;
}

int home_end(void **state)
{
    struct home *h = *state;

    home_close(h);
    vault_disk_free(h->disk);
    if (h->sqlite)
        remove_folder(h->folder);
    test_free(h);
    return 0;
}

struct vault *home_second(struct home *h)
{
    struct vault *v = NULL;

    if (h->sqlite)
        OK(home_try_open(h, h->path, false, 0, &v));
    else
        OK(vault_memory_open(h->disk, &v));
    return v;
}

void home_crash(struct home *h)
{
    home_close(h);
    h->v = home_second(h);
}

void put_text(struct vault *v, enum vault_table t, const char *key, const char *value)
{
    OK(vault_put(v, t, BYTES_STR(key), BYTES_STR(value)));
}

void assert_text(struct vault *v, enum vault_table t, const char *key, const char *value)
{
    struct buf out = {0};

    OK(vault_get(v, t, BYTES_STR(key), &out));
    assert_string_equal(buf_cstr(&out), value);
    assert_int_equal(out.n, strlen(value));
    buf_done(&out);
}

void assert_absent(struct vault *v, enum vault_table t, const char *key)
{
    struct buf out = {0};

    RC(WAX_E_NOTFOUND, vault_get(v, t, BYTES_STR(key), &out));
    assert_int_equal(out.n, 0);
    buf_done(&out);
}

uint64_t rows(struct vault *v, enum vault_table t, const char *prefix)
{
    uint64_t n = 0;

    OK(vault_count(v, t, BYTES_STR(prefix), &n));
    return n;
}

static char listed[4096];

static bool list_row(void *ctx, struct bytes key, struct bytes value)
{
    size_t at = strlen(listed);

    (void)snprintf(listed + at, sizeof listed - at, "%.*s=%.*s ", (int)key.n, (const char *)key.p,
                   (int)value.n, (const char *)value.p);
    return true;
}

const char *listing(struct vault *v, enum vault_table t, const char *prefix, const char *after,
                    bool descending)
{
    listed[0] = 0;
    OK(vault_scan(v, t, BYTES_STR(prefix), BYTES_STR(after), descending, list_row, NULL));
    return listed;
}

void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "rb");
    uint8_t piece[4096];
    size_t n;

    if (!f)
        return;
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        buf_add(out, piece, n);
    (void)fclose(f);
    OK(buf_rc(out));
}

void write_file(const char *path, struct bytes content)
{
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    if (content.n)
        assert_int_equal(fwrite(content.p, 1, content.n, f), content.n);
    assert_int_equal(fclose(f), 0);
}

void read_folder(const char *folder, struct buf *out)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    char path[512];

    assert_non_null(d);
    while ((e = readdir(d))) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            read_file(path, out);
    }
    closedir(d);
}

bool holds(const struct buf *hay, struct bytes needle)
{
    return memmem(hay->p, hay->n, needle.p, needle.n) != NULL;
}
