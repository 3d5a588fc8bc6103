/* Caps (PROTOCOL 4.3, 4.4): what is refused, what is evicted, and that a refusal costs
 * next to nothing, counted in chain steps and allocations. */
#include "base/mem.h"
#include "session/ratchet.h"
#include "session_talk.h"

static size_t chain_steps;

wax_rc __real_chain_next(struct key32 *ck, struct key32 *mk);
wax_rc __wrap_chain_next(struct key32 *ck, struct key32 *mk);
wax_rc __wrap_chain_next(struct key32 *ck, struct key32 *mk)
{
    chain_steps++;
    return __real_chain_next(ck, mk);
}

static size_t allocated;
static int count_allocation(size_t n)
{
    allocated += n;
    return 0;
}

static struct device ann, bob;

static int setup(void **state)
{
    device_new(&ann, 31);
    device_new(&bob, 32);
    devices_meet(&ann, &bob);
    return 0;
}

static int teardown(void **state)
{
    device_done(&ann);
    device_done(&bob);
    return 0;
}

/* n letters that nobody will ever see: only the sender's chain moves. */
static void waste(struct device *from, struct device *to, uint32_t n)
{
    struct send_chain *c = &state_of(from, to)->held[0].send;

    for (uint32_t i = 0; i < n; i++)
        assert_ok(chain_next(&c->ck, NULL));
    c->ctr += n;
}

/* Refused, cheaply, without a trace. */
static void assert_refused(struct device *to, const struct letter *l, wax_rc want, bool renews)
{
    struct buf before = {0}, after = {0};
    struct opened o;
    struct open_why why;

    twin_dump(&to->t, &before);
    chain_steps = allocated = 0;
    mem_set_fault(count_allocation);
    size_t lookups = to->t.lookups;
    wax_rc rc = twin_open(&to->t, buf_view(&l->env), TALK_NOW, &o, &why);
    mem_set_fault(NULL);
    assert_rc(rc, want);
    assert_int_equal(why.renew, renews);
    assert_int_equal(chain_steps, 0);
    assert_true(allocated <= sizeof(struct peer_sessions));
    assert_true(to->t.lookups - lookups <= 8);
    twin_dump(&to->t, &after);
    assert_true(bytes_eq(buf_view(&before), buf_view(&after)));
    buf_done(&before);
    buf_done(&after);
}

static void ten_thousand_may_be_skipped_but_not_one_more(void **state)
{
    struct letter l;

    say(&ann, &bob, "a", TALK_NOW);
    waste(&ann, &bob, 10001);
    letter_write(&ann, &bob, "too far", TALK_NOW, &l);
    assert_refused(&bob, &l, WAX_R_GAP, true);
    letter_done(&l);
    /* The same distance less one. */
    peer_sessions_init(state_of(&ann, &bob), &bob.t.me.dev);
    peer_sessions_init(state_of(&bob, &ann), &ann.t.me.dev);
    say(&ann, &bob, "b", TALK_NOW);
    waste(&ann, &bob, 10000);
    chain_steps = 0;
    say(&ann, &bob, "just near enough", TALK_NOW);
    assert_int_equal(bob.t.skipped.n, 10000);
    assert_int_equal(chain_steps, 1 + 10001);
}

static void a_step_that_closes_over_too_many_is_refused(void **state)
{
    struct letter l;

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    waste(&ann, &bob, 10001);
    letter_write(&ann, &bob, "c", TALK_NOW, &l);
    assert_refused(&bob, &l, WAX_R_GAP, true);
    letter_done(&l);
}

static void a_start_too_far_on_is_refused(void **state)
{
    struct letter l;

    letter_write(&ann, &bob, "lost", TALK_NOW, &l);
    letter_done(&l);
    waste(&ann, &bob, 10000);
    letter_write(&ann, &bob, "a", TALK_NOW, &l);
    assert_refused(&bob, &l, WAX_R_GAP, true);
    letter_done(&l);
}

static void a_device_holds_ten_thousand_keys_the_oldest_go(void **state)
{
    struct letter early, late, l;
    struct opened o;

    say(&ann, &bob, "a", TALK_NOW);
    letter_write(&ann, &bob, "early", TALK_NOW, &early);
    waste(&ann, &bob, 9998);
    letter_write(&ann, &bob, "late", TALK_NOW, &late);
    say(&ann, &bob, "b", TALK_NOW);
    assert_int_equal(bob.t.skipped.n, 10000);
    letter_write(&ann, &bob, "skipped", TALK_NOW, &l);
    letter_done(&l);
    say(&ann, &bob, "c", TALK_NOW);
    assert_int_equal(bob.t.skipped.n, 10000);
    assert_rc(letter_open(&bob, &early, TALK_NOW, &o), WAX_R_REPLAY);
    letter_read(&bob, &late, TALK_NOW);
    letter_done(&early);
    letter_done(&late);
}

static void a_step_with_two_gaps_keeps_the_newest_ten_thousand(void **state)
{
    say(&ann, &bob, "a", TALK_NOW);
    waste(&ann, &bob, 6000);
    say(&bob, &ann, "b", TALK_NOW);
    struct letter l;
    letter_write(&ann, &bob, "lost", TALK_NOW, &l);
    letter_done(&l);
    waste(&ann, &bob, 5999);
    say(&ann, &bob, "c", TALK_NOW);
    /* 6,000 of epoch 0 and 6,000 of epoch 2: 2,000 of epoch 0 are not even written. */
    assert_int_equal(bob.t.skipped.n, 10000);
    assert_int_equal(bob.t.skipped.v[0].slot.epoch, 0);
    assert_int_equal(bob.t.skipped.v[0].slot.ctr, 1 + 2000);
    assert_int_equal(bob.t.skipped.v[9999].slot.epoch, 2);
}

static void all_together_hold_fifty_thousand_the_largest_holder_gives(void **state)
{
    struct device more[6];
    size_t n = 0, all = 0;
    struct session_rows rows = twin_rows(&bob.t);

    for (size_t i = 0; i < 6; i++) {
        device_new(&more[i], 40 + i);
        devices_meet(&bob, &more[i]);
        say(&more[i], &bob, "a", TALK_NOW);
        waste(&more[i], &bob, i == 0 ? 10000 : i < 5 ? 9990 : 60);
        say(&more[i], &bob, "b", TALK_NOW);
    }
    /* 10,000 + 4 × 9,990 + 60 = 50,020: the first gives ten, then all five by turns. */
    for (size_t i = 0; i < 6; i++) {
        assert_ok(rows.skipped_count(rows.ctx, &more[i].t.me.dev, &n, &all));
        assert_in_range(n, i < 5 ? 9987 : 60, i < 5 ? 9990 : 60);
        device_done(&more[i]);
    }
    assert_int_equal(all, SKIPPED_ALL_MAX);
}

static void one_sender_gets_256_starts_on_one_bundle(void **state)
{
    struct device carl;
    struct letter l;

    device_new(&carl, 33);
    devices_meet(&bob, &carl);
    for (unsigned i = 0; i < SEEN_MAX; i++) {
        peer_sessions_init(state_of(&ann, &bob), &bob.t.me.dev);
        say(&ann, &bob, "again", TALK_NOW + i);
    }
    assert_int_equal(bob.t.seen.n, SEEN_MAX);
    peer_sessions_init(state_of(&ann, &bob), &bob.t.me.dev);
    letter_write(&ann, &bob, "once too often", TALK_NOW, &l);
    assert_refused(&bob, &l, WAX_R_NO_KEY, false);
    assert_int_equal(bob.t.seen.n, SEEN_MAX); /* and none was evicted for it */
    letter_done(&l);
    say(&carl, &bob, "another sender", TALK_NOW);
    device_done(&carl);
}

static void the_last_slot_of_an_epoch_is_not_sealed_over(void **state)
{
    struct letter l;

    say(&ann, &bob, "a", TALK_NOW);
    state_of(&ann, &bob)->held[0].send.ctr = UINT32_MAX;
    assert_rc(letter_seal(&ann, &bob, "b", TALK_NOW, NULL, &l), WAX_E_FULL);
    assert_int_equal(state_of(&ann, &bob)->held[0].send.ctr, UINT32_MAX);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(ten_thousand_may_be_skipped_but_not_one_more),
        T(a_step_that_closes_over_too_many_is_refused),
        T(a_start_too_far_on_is_refused),
        T(a_device_holds_ten_thousand_keys_the_oldest_go),
        T(a_step_with_two_gaps_keeps_the_newest_ten_thousand),
        T(all_together_hold_fifty_thousand_the_largest_holder_gives),
        T(one_sender_gets_256_starts_on_one_bundle),
        T(the_last_slot_of_an_epoch_is_not_sealed_over),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
