/* Damage of the file: what is whole goes on, what is not is named, nothing is wrong, and what
 * cannot be opened is left as it is. WAX_DAMAGE_ROUNDS: how many, for the long run. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "home.h"

#define ROWS 40

static void key_of(int t, int i, char key[16]) { (void)snprintf(key, 16, "k%02d-%03d", t, i); }

/* Values from a few bytes to some pages. */
static void value_of(int t, int i, struct buf *out)
{
    size_t n = i % 13 == 0 ? 9000 : (size_t)(20 + i * 7 % 300);

    buf_reset(out);
    buf_printf(out, "value %d of table %d ", i, t);
    while (out->n < n)
        buf_u8(out, (uint8_t)(out->n * 31 + (size_t)i));
    OK(buf_rc(out));
}

static void fill_all(struct home *h)
{
    struct buf value = {0};
    char key[16];

    OK(vault_begin(h->v));
    for (int t = VT_META; t < VT_COUNT_; t++)
        for (int i = 0; i < ROWS; i++) {
            key_of(t, i, key);
            value_of(t, i, &value);
            OK(vault_put(h->v, (enum vault_table)t, BYTES_STR(key), buf_view(&value)));
        }
    OK(vault_commit(h->v));
    buf_done(&value);
}

static void sql(const char *path, const char *text)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void open_again(struct home *h) { OK(home_try_open(h, h->path, false, 1000, &h->v)); }

static void mended(struct home *h, const char *want)
{
    struct buf report = {0};

    OK(vault_sqlite_mend(h->v, &report));
    const char *got = buf_cstr(&report);
    assert_string_equal(got ? got : "", want);
    buf_done(&report);
}

static void a_whole_vault_has_nothing_to_tell(void **state)
{
    struct home *h = *state;

    fill_all(h);
    mended(h, "");
    assert_int_equal(rows(h->v, VT_HISTORY, ""), ROWS);
}

static void a_row_that_can_be_spared_is_set_aside_and_named_from_then_on(void **state)
{
    struct home *h = *state;
    struct buf out = {0};

    fill_all(h);
    home_close(h);
    sql(h->path, "UPDATE history SET v = CAST(substr(v, 1, 30) || x'00FF' || substr(v, 33) AS BLOB)"
                 " WHERE k IN (CAST('k16-003' AS BLOB), CAST('k16-005' AS BLOB));"
                 "UPDATE skipped SET v = x'00' WHERE k = CAST('k08-001' AS BLOB)");
    open_again(h);
    RC(WAX_E_DAMAGED, vault_get(h->v, VT_HISTORY, BYTES_STR("k16-003"), &out));
    mended(h, "keys of messages under way: 1 row set aside\nhistory: 2 rows set aside\n");
    RC(WAX_E_NOTFOUND, vault_get(h->v, VT_HISTORY, BYTES_STR("k16-003"), &out));
    assert_int_equal(rows(h->v, VT_HISTORY, ""), ROWS - 2);
    assert_int_equal(rows(h->v, VT_SKIPPED, ""), ROWS - 1); /* its count went along */
    home_close(h);
    open_again(h);
    mended(h, "keys of messages under way: 1 row set aside\nhistory: 2 rows set aside\n");
    OK(vault_begin(h->v)); /* the place is free again */
    put_text(h->v, VT_HISTORY, "k16-003", "anew");
    OK(vault_commit(h->v));
    assert_text(h->v, VT_HISTORY, "k16-003", "anew");
    buf_done(&out);
}

static void a_row_that_says_who_somebody_is_stays_and_stops_what_needs_it(void **state)
{
    struct home *h = *state;
    struct buf out = {0};

    fill_all(h);
    home_close(h);
    sql(h->path, "UPDATE pin SET v = x'00' WHERE k = CAST('k03-004' AS BLOB);"
                 "UPDATE meta SET k = CAST('k01-00z' AS BLOB) WHERE k = CAST('k01-004' AS BLOB)");
    open_again(h);
    for (int i = 0; i < 2; i++) {
        mended(h, "settings and own identity: 1 row cannot be read; what needs them stops\n"
                  "contacts: 1 row cannot be read; what needs them stops\n");
        RC(WAX_E_DAMAGED, vault_get(h->v, VT_PIN, BYTES_STR("k03-004"), &out));
    }
    buf_reset(&out);
    OK(vault_get(h->v, VT_PIN, BYTES_STR("k03-005"), &out));
    buf_done(&out);
}

/* --- Anywhere --- */

enum hurt { FLIP, FLIP_HEAD, SCRIBBLE, ZERO_PAGE, SWAP_PAGES, CUT, LOG_GARBAGE, HURT_COUNT_ };

static void hurt_file(struct home *h, struct bytes whole, enum hurt how)
{
    struct buf b = {0};
    size_t pages = whole.n / 4096, at = home_random(h) % whole.n, n;
    char path[128];

    buf_bytes(&b, whole);
    OK(buf_rc(&b));
    switch (how) {
    case FLIP_HEAD:
        at %= 800;
        b.p[at] ^= (uint8_t)(1 << home_random(h) % 8);
        break;
    case SCRIBBLE:
        n = 1 + home_random(h) % 64;
        for (size_t i = at; i < at + n && i < b.n; i++)
            b.p[i] = (uint8_t)home_random(h);
        break;
    case ZERO_PAGE:
        memset(b.p + home_random(h) % pages * 4096, 0, 4096);
        break;
    case SWAP_PAGES:
        at = (1 + home_random(h) % (pages - 1)) * 4096;
        n = (1 + home_random(h) % (pages - 1)) * 4096;
        memcpy(b.p + at, whole.p + n, 4096);
        memcpy(b.p + n, whole.p + at, 4096);
        break;
    case CUT:
        b.n = at / 512 * 512;
        break;
    case LOG_GARBAGE:
        buf_reset(&b);
        for (n = home_random(h) % 9000; n; n--)
            buf_u8(&b, (uint8_t)home_random(h));
        (void)snprintf(path, sizeof path, "%s-wal", h->path);
        write_file(path, buf_view(&b));
        buf_reset(&b);
        buf_bytes(&b, whole);
        break;
    default:
        b.p[at] ^= (uint8_t)(1 << home_random(h) % 8);
    }
    write_file(h->path, buf_view(&b));
    buf_done(&b);
}

/* Each row is right, or not to be had; how many are not. */
static unsigned missing(struct vault *v)
{
    struct buf out = {0}, want = {0};
    unsigned n = 0;
    char key[16];

    for (int t = VT_META; t < VT_COUNT_; t++)
        for (int i = 0; i < ROWS; i++) {
            key_of(t, i, key);
            value_of(t, i, &want);
            buf_reset(&out);
            wax_rc rc = vault_get(v, (enum vault_table)t, BYTES_STR(key), &out);
            if (rc == WAX_OK)
                assert_true(bytes_eq(buf_view(&out), buf_view(&want)));
            else
                assert_true(rc == WAX_E_DAMAGED || rc == WAX_E_NOTFOUND || rc == WAX_E_IO);
            n += rc != WAX_OK;
        }
    buf_done(&out);
    buf_done(&want);
    return n;
}

/* Whether it opened. */
static bool judge(struct home *h)
{
    struct buf before = {0}, after = {0}, report = {0};
    struct vault *v;

    read_file(h->path, &before);
    wax_rc rc = home_try_open(h, h->path, false, 0, &v);
    if (rc != WAX_OK) {
        assert_true(rc == WAX_E_DAMAGED || rc == WAX_E_VERSION || rc == WAX_R_MAC ||
                    rc == WAX_E_IO);
        RC(WAX_E_EXISTS, home_try_open(h, h->path, true, 0, &v)); /* no new one in its place */
        read_file(h->path, &after);
        assert_true(bytes_eq(buf_view(&before), buf_view(&after)));
    } else {
        unsigned first = missing(v);
        OK(vault_sqlite_mend(v, &report));
        assert_true(first == 0 || report.n > 0); /* what is missing is told of */
        unsigned second = missing(v);
        assert_int_equal(second, first); /* mending loses nothing */
        vault_close(v);
    }
    buf_done(&before);
    buf_done(&after);
    buf_done(&report);
    return rc == WAX_OK;
}

static void no_damage_anywhere_gives_a_wrong_value_a_silent_loss_or_a_new_vault(void **state)
{
    struct home *h = *state;
    const char *given = getenv("WAX_DAMAGE_ROUNDS"), *seed = getenv("WAX_DAMAGE_SEED");
    int count = given ? atoi(given) : 140, opened = 0;
    struct buf whole = {0};
    char path[128];

    fill_all(h);
    home_close(h);
    read_file(h->path, &whole);
    if (seed)
        h->seed = strtoull(seed, NULL, 10);
    for (int i = 0; i < count; i++) {
        for (int tail = 0; tail < 2; tail++) {
            (void)snprintf(path, sizeof path, "%s%s", h->path, tail ? "-shm" : "-wal");
            (void)unlink(path);
        }
        hurt_file(h, buf_view(&whole), (enum hurt)(i % HURT_COUNT_));
        opened += judge(h);
    }
    printf("%d damaged files: %d opened, %d refused and kept\n", count, opened, count - opened);
    write_file(h->path, buf_view(&whole));
    open_again(h);
    assert_int_equal(missing(h->v), 0);
    buf_done(&whole);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, home_new_sqlite, home_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_whole_vault_has_nothing_to_tell),
        STORY(a_row_that_can_be_spared_is_set_aside_and_named_from_then_on),
        STORY(a_row_that_says_who_somebody_is_stays_and_stops_what_needs_it),
        STORY(no_damage_anywhere_gives_a_wrong_value_a_silent_loss_or_a_new_vault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
