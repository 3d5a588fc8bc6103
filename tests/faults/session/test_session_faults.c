/* Every allocation of a seal, an open, a fan-out and a row fails once, each in its turn: an
 * error comes out, the state is as it was, nothing leaks; and when none fails it works. */
#include "base/mem.h"
#include "session_talk.h"

static size_t countdown;
static bool armed, fired;

static int fail_at(size_t n)
{
    if (!armed || countdown-- > 0)
        return 0;
    fired = true;
    armed = false;
    return 1;
}

/* Blocks of base/mem.h (calloc) still held. */
static long live;
void *__real_calloc(size_t n, size_t size);
void __real_free(void *p);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *p);
static bool counting;
static void *seen[4096];

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = __real_calloc(n, size);

    if (counting && p) {
        assert_true(live < 4096);
        seen[live++] = p;
    }
    return p;
}

void __wrap_free(void *p)
{
    for (long i = 0; p && i < live; i++)
        if (seen[i] == p) {
            seen[i] = seen[--live];
            break;
        }
    __real_free(p);
}

static struct device ann, bob;

/* One operation under test: `prepare` brings the devices to where it starts; `run` does it
 * once and gives back what it holds; on success it may change the twins. */
struct story {
    const char *name;
    void (*prepare)(void);
    wax_rc (*run)(void);
};

static struct letter pending; /* what an opening story opens */

/* --- Sealing -------------------------------------------------------------------------- */

static wax_rc seal_ann(void)
{
    struct payload p = {0};
    struct buf content = {0};
    struct sealed s = {0};
    struct seal_bundle bundle = {buf_view(&bob.bundle)};
    struct seal_in in = {
        .me = &ann.t.me, .peer = &bob.t.me, .payload = &p, .bundle = &bundle, .now = TALK_NOW};

    content_text(&ann.t.me.acct, &bob.t.me.acct, TALK_NOW, "x", &content);
    wax_rc rc = buf_rc(&content);
    if (rc == WAX_OK) {
        p.content = buf_view(&content);
        rc = session_seal(&in, state_of(&ann, &bob), &ann.rng, &s);
    }
    if (rc != WAX_OK)
        assert_true(s.hdr.n == 0 && s.body.n == 0 && !s.delta.has_slot);
    sealed_done(&s);
    buf_done(&content);
    return rc;
}

static void before_the_first_letter(void) { (void)state_of(&ann, &bob); }
static void before_a_step_with_kem(void)
{
    say(&ann, &bob, "a", TALK_NOW);
    say(&bob, &ann, "b", TALK_NOW);
}
static void before_an_offer(void)
{
    before_a_step_with_kem();
    session_mark_offer_due(state_of(&ann, &bob));
}
static void within_a_chain(void) { say(&ann, &bob, "a", TALK_NOW); }

/* --- Opening -------------------------------------------------------------------------- */

static wax_rc open_bob(void)
{
    struct opened o, untouched;

    memset(&o, 0xa5, sizeof o);
    memcpy(&untouched, &o, sizeof o);
    wax_rc rc = twin_open(&bob.t, buf_view(&pending.env), TALK_NOW, &o, NULL);
    if (rc == WAX_OK)
        opened_done(&o);
    else
        assert_memory_equal(&o, &untouched, sizeof o);
    return rc;
}

static void an_init_is_there(void)
{
    (void)state_of(&bob, &ann);
    letter_write(&ann, &bob, "a", TALK_NOW, &pending);
}

static void a_step_over_a_gap_is_there(void)
{
    struct letter lost;

    before_a_step_with_kem();
    session_mark_offer_due(state_of(&ann, &bob));
    letter_write(&ann, &bob, "lost", TALK_NOW, &lost);
    letter_done(&lost);
    letter_write(&ann, &bob, "c", TALK_NOW, &pending);
}

static void a_skipped_one_is_there(void)
{
    before_a_step_with_kem();
    letter_write(&ann, &bob, "late", TALK_NOW, &pending);
    say(&ann, &bob, "in time", TALK_NOW);
}

static void a_fourth_session_is_there(void)
{
    struct letter_how force = {.force_init = true};
    struct letter l;

    for (unsigned i = 0; i < 3; i++) {
        assert_ok(letter_seal(&ann, &bob, "x", TALK_NOW, &force, &l));
        letter_read(&bob, &l, TALK_NOW);
        letter_done(&l);
    }
    assert_ok(letter_seal(&ann, &bob, "y", TALK_NOW, &force, &pending));
}

/* --- Fan-out, row ---------------------------------------------------------------------- */

static wax_rc sign_many(void)
{
    struct hash32 com = {{1}};
    struct fanout_id id = {{2}};
    struct fanout_target targets[3];
    struct env_fanout parts[3], untouched[3];

    memset(parts, 0xa5, sizeof parts);
    memcpy(untouched, parts, sizeof parts);
    for (size_t i = 0; i < 3; i++)
        targets[i] = (struct fanout_target){&bob.t.me, BYTES_STR("hdr"), BYTES_STR("body")};
    wax_rc rc = fanout_sign(&ann.t.me, ann.t.dsk, &id, &com, targets, 3, &ann.rng, parts);
    if (rc == WAX_E_NOMEM)
        assert_memory_equal(parts, untouched, sizeof parts);
    return rc;
}

static wax_rc read_row(void)
{
    struct buf row = {0};
    wax_rc rc = peer_sessions_encode(state_of(&bob, &ann), &row);

    if (rc == WAX_OK)
        rc = peer_sessions_decode(buf_view(&row), state_of(&bob, &ann));
    buf_done(&row);
    return rc;
}

/* --- The loop -------------------------------------------------------------------------- */

static void begin(const struct story *s)
{
    device_new(&ann, 61);
    device_new(&bob, 62);
    devices_meet(&ann, &bob);
    pending = (struct letter){0};
    s->prepare();
}

static void end(void)
{
    letter_done(&pending);
    device_done(&ann);
    device_done(&bob);
}

/* Fails the k-th allocation; false when there was no k-th. */
static bool try_one(const struct story *s, size_t k)
{
    struct buf before[2] = {0}, after[2] = {0};

    twin_dump(&ann.t, &before[0]);
    twin_dump(&bob.t, &before[1]);
    countdown = k;
    fired = false;
    armed = true;
    live = 0;
    counting = true;
    wax_rc rc = s->run();
    armed = false;
    counting = false;
    if (live != 0)
        fail_msg("%s: allocation %d fails, %d blocks leak", s->name, (int)k, (int)live);
    if (fired) {
        if (rc != WAX_E_NOMEM)
            fail_msg("%s: allocation %d fails, but: %s", s->name, (int)k, rc_text(rc));
        twin_dump(&ann.t, &after[0]);
        twin_dump(&bob.t, &after[1]);
        for (unsigned i = 0; i < 2; i++)
            if (!bytes_eq(buf_view(&before[i]), buf_view(&after[i])))
                fail_msg("%s: allocation %d fails and changes the state", s->name, (int)k);
    } else if (rc != WAX_OK) {
        fail_msg("%s: no fault, but %s", s->name, rc_text(rc));
    }
    for (unsigned i = 0; i < 2; i++) {
        buf_done(&before[i]);
        buf_done(&after[i]);
    }
    return fired;
}

static void run_story(const struct story *s)
{
    size_t k = 0;

    /* On failure nothing changes: one preparation serves for all. */
    begin(s);
    mem_set_fault(fail_at);
    while (try_one(s, k))
        k++;
    mem_set_fault(NULL);
    end();
    if (k < 1)
        fail_msg("%s: no allocation was ever made to fail", s->name);
}

static void every_failed_allocation_leaves_all_as_it_was(void **state)
{
    static const struct story stories[] = {
        {"seal an INIT", before_the_first_letter, seal_ann},
        {"seal a step with KEM answer", before_a_step_with_kem, seal_ann},
        {"seal a step with offer", before_an_offer, seal_ann},
        {"seal within a chain", within_a_chain, seal_ann},
        {"open an INIT", an_init_is_there, open_bob},
        {"open a step over a gap", a_step_over_a_gap_is_there, open_bob},
        {"open a skipped one", a_skipped_one_is_there, open_bob},
        {"open a fourth session", a_fourth_session_is_there, open_bob},
        {"sign a fan-out", before_the_first_letter, sign_many},
        {"read a row", within_a_chain, read_row},
    };

    for (size_t i = 0; i < sizeof stories / sizeof stories[0]; i++)
        run_story(&stories[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_leaves_all_as_it_was),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
