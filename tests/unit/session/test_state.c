/* Which session sends, when a new one starts, when an old one goes, what an INIT proves, and
 * the row in which all of it is kept. */
#include "session/held.h"
#include "session_talk.h"

static struct device ann, bob;

static int setup(void **state)
{
    device_new(&ann, 1);
    device_new(&bob, 2);
    devices_meet(&ann, &bob);
    return 0;
}

static int teardown(void **state)
{
    device_done(&ann);
    device_done(&bob);
    return 0;
}

static const struct session *held(struct device *d, struct device *peer, size_t i)
{
    assert_true(i < state_of(d, peer)->n_held);
    return &state_of(d, peer)->held[i];
}

/* --- Starting ------------------------------------------------------------------------- */

static void the_first_message_starts_a_session_and_the_answer_establishes_it(void **state)
{
    struct letter l;

    letter_write(&ann, &bob, "hello", TALK_NOW, &l);
    assert_true(l.started);
    letter_read(&bob, &l, TALK_NOW);
    assert_false(session_established(held(&bob, &ann, 0)));
    letter_done(&l);
    say(&bob, &ann, "hello yourself", TALK_NOW);
    assert_true(session_established(held(&bob, &ann, 0)));
    assert_true(session_established(held(&ann, &bob, 0)));
    /* Epoch 1 offers a KEM key, and its answer is mandatory: epoch 2 has the secret. */
    assert_true(held(&bob, &ann, 0)->send.has_offer);
    say(&ann, &bob, "how are you", TALK_NOW);
    assert_int_equal(held(&ann, &bob, 0)->send.epoch, 2);
    assert_int_equal(held(&ann, &bob, 0)->send.ct_len, KEM768_CT);
    assert_false(held(&ann, &bob, 0)->send.has_offer);
    assert_int_equal(state_of(&ann, &bob)->n_held, 1);
    assert_int_equal(state_of(&bob, &ann)->n_held, 1);
}

static void without_a_bundle_no_session_starts(void **state)
{
    struct payload p = {0};
    struct sealed sealed = {0};
    struct seal_in in = {.me = &ann.t.me, .peer = &bob.t.me, .payload = &p, .now = TALK_NOW};

    p.content = BYTES_STR("x");
    assert_rc(session_seal(&in, state_of(&ann, &bob), &ann.rng, &sealed), WAX_E_NOTFOUND);
    assert_int_equal(state_of(&ann, &bob)->n_held, 0);
    sealed_done(&sealed);
}

static void the_bundle_of_another_device_is_not_used(void **state)
{
    struct payload p = {.content = BYTES_STR("x")};
    struct sealed sealed = {0};
    struct seal_bundle bundle = {buf_view(&ann.bundle)};
    struct seal_in in = {
        .me = &ann.t.me, .peer = &bob.t.me, .payload = &p, .bundle = &bundle, .now = TALK_NOW};

    assert_rc(session_seal(&in, state_of(&ann, &bob), &ann.rng, &sealed), WAX_E_INVAL);
    sealed_done(&sealed);
}

static void a_session_idle_for_30_days_is_replaced(void **state)
{
    struct letter l;
    struct opened o;

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    letter_write(&ann, &bob, "c", TALK_NOW + 30 * DAY_MS - 1, &l);
    assert_false(l.started);
    letter_read(&bob, &l, TALK_NOW + 30 * DAY_MS);
    letter_done(&l);
    assert_null(session_sending(state_of(&ann, &bob), TALK_NOW + 60 * DAY_MS));
    letter_write(&ann, &bob, "d", TALK_NOW + 60 * DAY_MS, &l);
    assert_true(l.started);
    assert_ok(letter_open(&bob, &l, TALK_NOW + 60 * DAY_MS, &o));
    /* With continuity by the old one: quiet, and the new one sends. */
    assert_int_equal(o.start, START_SWITCH);
    assert_true(ID_EQ(&o.sending, &l.slot.sid));
    opened_done(&o);
    letter_done(&l);
}

static void renewal_is_granted_once_an_hour(void **state)
{
    struct letter l;
    struct peer_sessions *s = state_of(&ann, &bob);

    say(&ann, &bob, "a", TALK_NOW);
    assert_true(session_mark_renew(s, TALK_NOW));
    assert_false(session_mark_renew(s, TALK_NOW + HOUR_MS - 1));
    letter_write(&ann, &bob, "b", TALK_NOW, &l);
    assert_true(l.started);
    assert_false(s->renew);
    letter_done(&l);
    letter_write(&ann, &bob, "c", TALK_NOW, &l);
    assert_false(l.started);
    letter_done(&l);
    assert_true(session_mark_renew(s, TALK_NOW + HOUR_MS));
    /* A clock that was wrong once does not keep them apart. */
    assert_true(session_mark_renew(s, TALK_NOW + 4000 * DAY_MS));
    assert_true(session_mark_renew(s, TALK_NOW + 2 * HOUR_MS));
    assert_false(session_mark_renew(s, TALK_NOW + 2 * HOUR_MS + 1));
}

static void times_of_a_clock_that_was_set_back_count_as_now(void **state)
{
    struct peer_sessions *s = state_of(&ann, &bob);

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    assert_false(session_set_back(s, TALK_NOW - DAY_MS));
    assert_true(session_set_back(s, TALK_NOW - 2 * DAY_MS));
    const struct session *x = held(&ann, &bob, 0);
    assert_int_equal(x->came_at, TALK_NOW - 2 * DAY_MS);
    assert_int_equal(x->established_at, TALK_NOW - 2 * DAY_MS);
    assert_int_equal(x->used_at, TALK_NOW - 2 * DAY_MS);
    assert_int_equal(x->kem_at, TALK_NOW - 2 * DAY_MS);
    assert_false(session_set_back(s, TALK_NOW - 2 * DAY_MS));
}

static void a_reading_only_session_is_left_for_the_one_before(void **state)
{
    struct letter l, answer;
    struct letter_how force = {.force_init = true};

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    assert_ok(letter_seal(&ann, &bob, "lost", TALK_NOW + 1, &force, &l));
    /* Bob never saw the newer session; his repeat request names its message (4.8). */
    assert_true(session_mark_reading_only(state_of(&ann, &bob), &l.slot.sid));
    letter_write(&ann, &bob, "repeat", TALK_NOW + 2, &answer);
    assert_false(answer.started);
    assert_false(ID_EQ(&answer.slot.sid, &l.slot.sid));
    letter_read(&bob, &answer, TALK_NOW + 2);
    struct sid nowhere = {{1}};
    assert_false(session_mark_reading_only(state_of(&ann, &bob), &nowhere));
    letter_done(&l);
    letter_done(&answer);
}

static void an_answer_can_be_bound_to_the_session_it_came_in(void **state)
{
    struct letter first, second, answer;
    struct letter_how force = {.force_init = true}, in = {0};

    letter_write(&ann, &bob, "a", TALK_NOW, &first);
    letter_read(&bob, &first, TALK_NOW);
    assert_ok(letter_seal(&ann, &bob, "b", TALK_NOW, &force, &second));
    letter_read(&bob, &second, TALK_NOW);
    in.in_session = &first.slot.sid;
    assert_ok(letter_seal(&bob, &ann, "c", TALK_NOW, &in, &answer));
    assert_true(ID_EQ(&answer.slot.sid, &first.slot.sid));
    letter_read(&ann, &answer, TALK_NOW);
    struct sid nowhere = {{1}};
    in.in_session = &nowhere;
    struct letter none;
    assert_rc(letter_seal(&bob, &ann, "d", TALK_NOW, &in, &none), WAX_E_NOTFOUND);
    letter_done(&first);
    letter_done(&second);
    letter_done(&answer);
}

/* --- KEM offers ----------------------------------------------------------------------- */

/* Ann and bob each send once; true when ann's new epoch offers a KEM key. */
static bool round_offers(uint64_t now)
{
    say(&bob, &ann, "ping", now);
    say(&ann, &bob, "pong", now);
    return held(&ann, &bob, 0)->send.has_offer;
}

/* One message; whether the epoch that it starts offers is as the counter before demands. */
static bool offers_as_counted(struct device *from, struct device *to)
{
    uint32_t since = held(from, to, 0)->since_kem;

    say(from, to, "x", TALK_NOW);
    bool offers = held(from, to, 0)->send.has_offer;
    assert_int_equal(offers, since >= SESSION_OFFER_MESSAGES);
    return offers;
}

static void after_fifty_messages_a_kem_key_is_offered(void **state)
{
    unsigned n = 0;

    say(&ann, &bob, "a", TALK_NOW);
    assert_false(round_offers(TALK_NOW)); /* epoch 2 just had a KEM secret */
    while (!offers_as_counted(&bob, &ann) && !offers_as_counted(&ann, &bob))
        assert_true(++n < 50);
    assert_true(n >= 24);
}

static void after_seven_days_a_kem_key_is_offered(void **state)
{
    say(&ann, &bob, "a", TALK_NOW);
    assert_false(round_offers(TALK_NOW));
    assert_false(round_offers(TALK_NOW + 7 * DAY_MS - 1));
    say(&bob, &ann, "b", TALK_NOW + 7 * DAY_MS);
    assert_true(held(&bob, &ann, 0)->send.has_offer);
}

static void after_a_change_of_devices_a_kem_key_is_offered_once(void **state)
{
    say(&ann, &bob, "a", TALK_NOW);
    assert_false(round_offers(TALK_NOW));
    session_mark_offer_due(state_of(&ann, &bob));
    assert_true(round_offers(TALK_NOW));
    assert_false(round_offers(TALK_NOW));
}

/* --- Erasing -------------------------------------------------------------------------- */

static void the_session_that_does_not_send_goes_after_eight_days(void **state)
{
    struct letter_how force = {.force_init = true};
    struct letter l;
    struct session_delta d = {0};
    struct peer_sessions *s = state_of(&ann, &bob);

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    struct sid old = s->held[0].sid;
    assert_ok(letter_seal(&ann, &bob, "c", TALK_NOW + DAY_MS, &force, &l));
    letter_read(&bob, &l, TALK_NOW + DAY_MS);
    /* Not answered yet: the old one stays, however long. */
    assert_true(session_tidy_at(s) == UINT64_MAX);
    assert_false(session_tidy(s, TALK_NOW + 100 * DAY_MS, &d));
    say(&bob, &ann, "d", TALK_NOW + 2 * DAY_MS);
    assert_true(session_tidy_at(s) == TALK_NOW + 10 * DAY_MS);
    assert_false(session_tidy(s, TALK_NOW + 10 * DAY_MS - 1, &d));
    assert_true(session_tidy(s, TALK_NOW + 10 * DAY_MS, &d));
    assert_int_equal(d.n_erased, 1);
    assert_true(ID_EQ(&d.erased[0], &old));
    assert_int_equal(s->n_held, 1);
    assert_int_equal(s->n_kept, 1);
    assert_true(ID_EQ(&s->kept[0].sid, &old));
    assert_true(ID_EQ(&s->held[0].sid, &l.slot.sid));
    letter_done(&l);
}

static void at_most_three_are_held_and_four_kept_the_newest(void **state)
{
    struct letter_how force = {.force_init = true};
    struct sid started[9];
    struct peer_sessions *s = state_of(&ann, &bob), *b = state_of(&bob, &ann);

    for (size_t i = 0; i < 9; i++) {
        struct letter l;
        assert_ok(letter_seal(&ann, &bob, "again", TALK_NOW, &force, &l));
        letter_read(&bob, &l, TALK_NOW);
        started[i] = l.slot.sid;
        letter_done(&l);
    }
    assert_int_equal(s->n_held, 3);
    assert_int_equal(s->n_kept, 4);
    assert_int_equal(b->n_held, 3);
    assert_int_equal(b->n_kept, 4);
    for (size_t i = 6; i < 9; i++)
        assert_non_null(session_find(s, &started[i]));
    for (size_t i = 0; i < 4; i++)
        assert_true(ID_EQ(&s->kept[i].sid, &started[5 - i]));
    /* Their rows went with them. */
    for (size_t i = 0; i < bob.t.slots.n; i++)
        assert_non_null(session_find(b, &bob.t.slots.v[i].slot.sid));
}

/* --- What a start proves -------------------------------------------------------------- */

static void a_device_that_lost_its_sessions_shows_as_a_reset(void **state)
{
    struct letter l;
    struct opened o;

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    peer_sessions_init(state_of(&ann, &bob), &bob.t.me.dev);
    letter_write(&ann, &bob, "c", TALK_NOW + 1, &l);
    assert_ok(letter_open(&bob, &l, TALK_NOW + 1, &o));
    assert_int_equal(o.start, START_RESET);
    opened_done(&o);
    letter_done(&l);
}

static void continuity_is_made_by_what_is_kept_of_an_erased_session(void **state)
{
    struct letter l;
    struct opened o;
    struct session_delta d = {0};

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    say(&ann, &bob, "c", TALK_NOW);
    held_erase(state_of(&ann, &bob), 0, &d);
    assert_int_equal(state_of(&ann, &bob)->n_held, 0);
    letter_write(&ann, &bob, "d", TALK_NOW + 1, &l);
    assert_ok(letter_open(&bob, &l, TALK_NOW + 1, &o));
    assert_int_equal(o.start, START_SWITCH);
    opened_done(&o);
    letter_done(&l);
}

static void a_peer_that_saw_more_than_we_sent_is_noticed(void **state)
{
    struct letter l;
    struct opened o;
    struct peer_sessions older;

    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
    say(&ann, &bob, "c", TALK_NOW);
    older = *state_of(&ann, &bob);
    say(&ann, &bob, "d", TALK_NOW);
    letter_write(&bob, &ann, "e", TALK_NOW, &l);
    *state_of(&ann, &bob) = older; /* a restored folder */
    assert_ok(letter_open(&ann, &l, TALK_NOW, &o));
    assert_true(o.echo_ahead);
    opened_done(&o);
    letter_done(&l);
}

/* --- The row -------------------------------------------------------------------------- */

static void the_row_reads_back_as_it_was(void **state)
{
    struct letter_how force = {.force_init = true};
    struct peer_sessions *read = calloc(1, sizeof *read);
    struct buf row = {0}, again = {0};
    struct letter l;

    assert_non_null(read);
    for (unsigned i = 0; i < 5; i++) {
        assert_ok(letter_seal(&ann, &bob, "x", TALK_NOW + i, &force, &l));
        letter_read(&bob, &l, TALK_NOW + i);
        letter_done(&l);
        say(&bob, &ann, "y", TALK_NOW + i);
    }
    for (unsigned side = 0; side < 2; side++) {
        struct peer_sessions *s = side ? state_of(&ann, &bob) : state_of(&bob, &ann);
        buf_reset(&row);
        buf_reset(&again);
        assert_ok(peer_sessions_encode(s, &row));
        assert_true(row.n <= PEER_SESSIONS_MAX);
        assert_ok(peer_sessions_decode(buf_view(&row), read));
        assert_ok(peer_sessions_encode(read, &again));
        assert_true(bytes_eq(buf_view(&row), buf_view(&again)));
        assert_int_equal(read->n_kept, s->n_kept);
    }
    for (size_t n = 1; n < row.n; n++)
        assert_rc(peer_sessions_decode((struct bytes){row.p, n}, read), WAX_E_DAMAGED);
    buf_u8(&row, 0);
    assert_rc(peer_sessions_decode(buf_view(&row), read), WAX_E_DAMAGED);
    row.p[0] = 2;
    assert_rc(peer_sessions_decode(buf_view(&row), read), WAX_E_VERSION);
    free(read);
    buf_done(&row);
    buf_done(&again);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(the_first_message_starts_a_session_and_the_answer_establishes_it),
        T(without_a_bundle_no_session_starts),
        T(the_bundle_of_another_device_is_not_used),
        T(a_session_idle_for_30_days_is_replaced),
        T(renewal_is_granted_once_an_hour),
        T(times_of_a_clock_that_was_set_back_count_as_now),
        T(a_reading_only_session_is_left_for_the_one_before),
        T(an_answer_can_be_bound_to_the_session_it_came_in),
        T(after_fifty_messages_a_kem_key_is_offered),
        T(after_seven_days_a_kem_key_is_offered),
        T(after_a_change_of_devices_a_kem_key_is_offered_once),
        T(the_session_that_does_not_send_goes_after_eight_days),
        T(at_most_three_are_held_and_four_kept_the_newest),
        T(a_device_that_lost_its_sessions_shows_as_a_reset),
        T(continuity_is_made_by_what_is_kept_of_an_erased_session),
        T(a_peer_that_saw_more_than_we_sent_is_noticed),
        T(the_row_reads_back_as_it_was),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
