/* Every allocation, every operation of the crypto layer and every draw of randomness in a
 * seal, an open, a fan-out and a row fails once, each in its turn: an error comes out, the
 * state is as it was, nothing leaks; and when none fails it works. */
#include "base/mem.h"
#include "fault_openssl.h"
#include "session_talk.h"

enum source { ALLOCATION, OPERATION, RANDOMNESS, LIBRARY_CALL };
static const char *const sources[] = {"allocation", "crypto operation", "draw", "library call"};
static const wax_rc expected[] = {WAX_E_NOMEM, WAX_E_CRYPTO, WAX_E_RANDOM, WAX_E_CRYPTO};

static enum source source;
static size_t countdown;
static bool armed, fired;
static unsigned made_good; /* library calls whose failure the crypto layer made good */

/* Whether this is the one that fails. */
static bool hit(enum source which)
{
    if (!armed || which != source || countdown-- > 0)
        return false;
    fired = true;
    armed = false;
    return true;
}

static int fail_allocation(size_t n) { return hit(ALLOCATION); }

/* The crypto layer's door, as src/session calls it. */
#define WRAP(name, params, args)                                                                   \
    wax_rc __real_##name params;                                                                   \
    wax_rc __wrap_##name params;                                                                   \
    wax_rc __wrap_##name params { return hit(OPERATION) ? WAX_E_CRYPTO : __real_##name args; }

WRAP(hash_label, (struct hash32 * r, enum label l, const struct bytes *p, size_t n), (r, l, p, n))
WRAP(hash_prefixed, (struct hash32 * r, uint8_t x, const struct bytes *p, size_t n), (r, x, p, n))
WRAP(hmac_label, (struct key32 * r, struct bytes k, enum label l, const struct bytes *p, size_t n),
     (r, k, l, p, n))
WRAP(hkdf_extract, (struct key32 * r, struct bytes s, const struct bytes *p, size_t n),
     (r, s, p, n))
WRAP(hkdf_expand_label,
     (struct bytes k, enum label l, const struct bytes *p, size_t n, uint8_t *out, size_t len),
     (k, l, p, n, out, len))
WRAP(aes128_ctr,
     (const uint8_t k[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out, size_t n),
     (k, iv, in, out, n))
WRAP(ec_generate, (const struct rng *rng, struct ec_key **r), (rng, r))
WRAP(ec_from_scalar, (const struct key32 *s, struct ec_key **r), (s, r))
WRAP(ec_dh, (const struct ec_key *k, const struct point *p, struct key32 *r), (k, p, r))
WRAP(ec_sign,
     (const struct ec_key *k, enum label l, const struct bytes *p, size_t n, struct sig *r),
     (k, l, p, n, r))
WRAP(ec_verify,
     (const struct point *k, enum label l, const struct bytes *p, size_t n, const struct sig *s),
     (k, l, p, n, s))
WRAP(kem_keygen, (enum kem_set set, const struct seed64 *s, uint8_t *ek), (set, s, ek))
WRAP(kem_ek_check, (enum kem_set set, struct bytes ek), (set, ek))
WRAP(kem_encaps,
     (enum kem_set set, struct bytes ek, const struct key32 *m, uint8_t *ct, struct key32 *r),
     (set, ek, m, ct, r))
WRAP(kem_decaps, (enum kem_set set, const struct seed64 *s, struct bytes ct, struct key32 *r),
     (set, s, ct, r))

/* Blocks of base/mem.h (malloc and calloc) still held. */
static long live;
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void __wrap_free(void *p);
static bool counting;
static void *seen[4096];

static void *count(void *p)
{
    if (counting && p) {
        assert_true(live < 4096);
        seen[live++] = p;
    }
    return p;
}

void *__wrap_malloc(size_t n) { return count(__real_malloc(n)); }
void *__wrap_calloc(size_t n, size_t size) { return count(__real_calloc(n, size)); }

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

/* Draws without the crypto layer, whose calls are counted. */
static wax_rc faulty_fill(void *ctx, uint8_t *out, size_t n)
{
    static uint64_t x = 1;

    if (hit(RANDOMNESS))
        return WAX_E_RANDOM;
    for (size_t i = 0; i < n; i++) {
        x = x * 6364136223846793005ULL + 1442695040888963407ULL;
        out[i] = (uint8_t)(x >> 56);
    }
    return WAX_OK;
}

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
    if (rc != WAX_OK)
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
    ann.rng = (struct rng){faulty_fill, NULL};
}

static void end(void)
{
    letter_done(&pending);
    device_done(&ann);
    device_done(&bob);
}

/* Fails the k-th of its source; false when there was no k-th. */
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
    fault_openssl_set(source == LIBRARY_CALL ? (unsigned)k + 1 : 0);
    wax_rc rc = s->run();
    fired |= source == LIBRARY_CALL && fault_openssl_count() > k;
    fault_openssl_set(0);
    armed = false;
    counting = false;
    if (live != 0)
        fail_msg("%s: %s %d fails, %d blocks leak", s->name, sources[source], (int)k, (int)live);
    if (fired && source == LIBRARY_CALL && rc == WAX_OK) {
        made_good++;
    } else if (fired) {
        /* A library that cannot allocate may say so; a refusal it must never become. */
        if (rc != expected[source] && !(source == LIBRARY_CALL && rc == WAX_E_NOMEM))
            fail_msg("%s: %s %d fails, but: %s", s->name, sources[source], (int)k, rc_text(rc));
        twin_dump(&ann.t, &after[0]);
        twin_dump(&bob.t, &after[1]);
        for (unsigned i = 0; i < 2; i++)
            if (!bytes_eq(buf_view(&before[i]), buf_view(&after[i])))
                fail_msg("%s: %s %d fails and changes the state", s->name, sources[source], (int)k);
    } else if (rc != WAX_OK) {
        fail_msg("%s: no fault, but %s", s->name, rc_text(rc));
    }
    for (unsigned i = 0; i < 2; i++) {
        buf_done(&before[i]);
        buf_done(&after[i]);
    }
    return fired;
}

static size_t run_story(const struct story *s, enum source which)
{
    size_t k = 0;
    bool more;

    source = which;
    made_good = 0;
    do {
        begin(s);
        mem_set_fault(fail_allocation);
        more = try_one(s, k++);
        mem_set_fault(NULL);
        end();
    } while (more);
    /* The one call after AES that clears its key schedule may fail: the context is freed. */
    if (made_good > 1)
        fail_msg("%s: %d failed library calls went unnoticed", s->name, (int)made_good);
    return k - 1;
}

struct expectation {
    struct story story;
    /* How many of each source it has at least, so that none is skipped unnoticed. */
    size_t least[4];
};

static void every_failure_leaves_all_as_it_was(void **state)
{
    static const struct expectation all[] = {
        {{"seal an INIT", before_the_first_letter, seal_ann}, {3, 12, 2, 20}},
        {{"seal a step with KEM answer", before_a_step_with_kem, seal_ann}, {3, 10, 2, 20}},
        {{"seal a step with offer", before_an_offer, seal_ann}, {3, 11, 3, 20}},
        {{"seal within a chain", within_a_chain, seal_ann}, {2, 5, 0, 20}},
        {{"open an INIT", an_init_is_there, open_bob}, {3, 14, 0, 20}},
        {{"open a step over a gap", a_step_over_a_gap_is_there, open_bob}, {4, 16, 0, 20}},
        {{"open a skipped one", a_skipped_one_is_there, open_bob}, {3, 7, 0, 20}},
        {{"open a fourth session", a_fourth_session_is_there, open_bob}, {3, 15, 0, 20}},
        {{"sign a fan-out", before_the_first_letter, sign_many}, {3, 7, 2, 20}},
        {{"read a row", within_a_chain, read_row}, {2, 0, 0, 0}},
    };

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (unsigned which = ALLOCATION; which < 4; which++) {
            size_t n = run_story(&all[i].story, (enum source)which);
            if (n < all[i].least[which])
                fail_msg("%s: only %d of kind %s", all[i].story.name, (int)n, sources[which]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_leaves_all_as_it_was),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
