/* The two engines against each other: the same ten thousand steps, the same answers. */
#include <stdio.h>

#include "home.h"

struct pair {
    struct home *memory, *sqlite;
};

static int pair_new(void **state)
{
    static struct pair p;

    assert_int_equal(home_new_memory((void **)&p.memory), 0);
    assert_int_equal(home_new_sqlite((void **)&p.sqlite), 0);
    *state = &p;
    return 0;
}

static int pair_end(void **state)
{
    struct pair *p = *state;

    (void)home_end((void **)&p->memory);
    return home_end((void **)&p->sqlite);
}

/* A step's answer, as bytes to compare. */
static bool write_down(void *ctx, struct bytes key, struct bytes value)
{
    buf_lp(ctx, key);
    buf_lp(ctx, value);
    return true;
}

static const enum vault_table tables[] = {VT_META, VT_SKIPPED, VT_SEEN, VT_EVENT};

/* Few letters and lengths around 16, so that keys meet, nest and share heads. */
static struct bytes random_key(struct home *h, uint8_t out[40], size_t least)
{
    static const uint8_t letters[] = {0x00, 'a', 0xfe, 0xff};
    size_t n = least + home_random(h) % 4;

    if (home_random(h) % 2)
        n += 14;
    for (size_t i = 0; i < n; i++)
        out[i] = i < 14 && n > 14 ? 's' : letters[home_random(h) % 4];
    if (n > 14)
        out[3] = letters[home_random(h) % 2];
    return BYTES(out, n);
}

static wax_rc look(struct home *h, struct home *dice, enum vault_table t, struct buf *answer)
{
    uint8_t a[40], b[40];
    uint64_t n = 0;
    wax_rc rc;

    switch (home_random(dice) % 3) {
    case 0:
        return vault_get(h->v, t, random_key(dice, a, 1), answer);
    case 1:
        rc = vault_count(h->v, t, random_key(dice, a, 0), &n);
        buf_u64(answer, n);
        return rc;
    default: {
        struct bytes prefix = random_key(dice, a, 0), after = random_key(dice, b, 0);
        return vault_scan(h->v, t, prefix, after, home_random(dice) % 2, write_down, answer);
    }
    }
}

static wax_rc change(struct home *h, struct home *dice, enum vault_table t)
{
    uint8_t a[40], value[64];

    switch (home_random(dice) % 12) {
    case 0:
        return vault_del_prefix(h->v, t, random_key(dice, a, 0));
    case 1:
    case 2:
    case 3:
        return vault_del(h->v, t, random_key(dice, a, 1));
    default:
        for (size_t i = 0; i < sizeof value; i++)
            value[i] = (uint8_t)home_random(dice);
        return vault_put(h->v, t, random_key(dice, a, 1),
                         BYTES(value, home_random(dice) % sizeof value));
    }
}

/* One step as the dice say; dice is a copy, so that both homes get the same throws. */
static wax_rc step(struct home *h, struct home dice, struct buf *answer)
{
    enum vault_table t = tables[home_random(&dice) % 4];

    switch (home_random(&dice) % 40) {
    case 0:
        return vault_commit(h->v);
    case 1:
        vault_rollback(h->v);
        return WAX_OK;
    case 2:
        home_crash(h);
        return WAX_OK;
    case 3:
    case 4:
    case 5:
        return vault_begin(h->v);
    default:
        return home_random(&dice) % 3 ? change(h, &dice, t) : look(h, &dice, t, answer);
    }
}

static void ten_thousand_steps_give_the_same_answers(void **state)
{
    struct pair *p = *state;
    struct home dice = {.seed = 4711};
    struct buf a = {0}, b = {0};
    int worked = 0;

    for (int i = 0; i < 10000; i++) {
        buf_reset(&a);
        buf_reset(&b);
        wax_rc ra = step(p->memory, dice, &a), rb = step(p->sqlite, dice, &b);
        if (ra != rb || !bytes_eq(buf_view(&a), buf_view(&b)))
            fail_msg("step %d: memory says %d (%zu bytes), SQLite %d (%zu bytes)", i, (int)ra, a.n,
                     (int)rb, b.n);
        worked += ra == WAX_OK;
        (void)home_random(&dice);
    }
    assert_true(worked > 5000);
    assert_true(rows(p->memory->v, VT_SKIPPED, "") > 0);
    buf_done(&a);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ten_thousand_steps_give_the_same_answers, pair_new,
                                        pair_end),
    };

    return cmocka_run_group_tests_name("vault: memory and SQLite agree", tests, NULL, NULL);
}
