/* Nothing secret is left in memory that is let go of (RULES): every block freed during a
 * seal or an open is searched for the keys and the text that went through. */
#include <malloc.h>

#include "base/mem.h"
#include "session/ratchet.h"
#include "session_talk.h"

#define CANARY "canary text 7f3a"
#define SECRETS_MAX 256
#define SECRET_SIZE 16 /* as much of it as is searched for */

static uint8_t secrets[SECRETS_MAX][SECRET_SIZE];
static size_t n_secrets;
static bool watching;
static size_t freed, leaks;

void __real_free(void *p);
void __wrap_free(void *p);
void __wrap_free(void *p)
{
    if (watching && p) {
        size_t n = malloc_usable_size(p);
        freed++;
        for (size_t i = 0; i < n_secrets; i++)
            leaks += memmem(p, n, secrets[i], SECRET_SIZE) != NULL;
    }
    __real_free(p);
}

static void add_secret(const void *p)
{
    assert_true(n_secrets < SECRETS_MAX);
    if (!bytes_all_zero(p, SECRET_SIZE))
        memcpy(secrets[n_secrets++], p, SECRET_SIZE);
}

static void add_state(const struct peer_sessions *s)
{
    for (size_t i = 0; i < s->n_held; i++) {
        const struct session *x = &s->held[i];
        struct key32 cks[2] = {x->send.ck, x->recv.ck}, mk;
        add_secret(x->rk.b);
        add_secret(x->send.ck.b);
        add_secret(x->recv.ck.b);
        add_secret(x->send.e_priv.b);
        add_secret(x->send.kp_seed.b);
        add_secret(x->xk.received.b);
        add_secret(x->xk.started[0].b);
        add_secret(x->xk.started[1].b);
        for (unsigned c = 0; c < 2; c++)
            for (unsigned k = 0; k < 4; k++) {
                assert_ok(chain_next(&cks[c], &mk));
                add_secret(mk.b);
                add_secret(cks[c].b);
            }
    }
}

static struct device ann, bob;

static int setup(void **state)
{
    device_new(&ann, 51);
    device_new(&bob, 52);
    devices_meet(&ann, &bob);
    n_secrets = freed = leaks = 0;
    add_secret(CANARY);
    add_secret(bob.t.prekeys.v[0].key.spk_priv.b);
    add_secret(bob.t.prekeys.v[0].key.kpk_seed.b);
    return 0;
}

static int teardown(void **state)
{
    watching = false;
    device_done(&ann);
    device_done(&bob);
    return 0;
}

/* Seals with everything set up beforehand, so that only the module's own memory is seen. */
static void seal_watched(struct device *from, struct device *to, struct peer_sessions *state,
                         struct rng *rng, const struct payload *p, const struct hash32 *com,
                         struct sealed *ret)
{
    struct seal_bundle bundle = {buf_view(&to->bundle)};
    struct seal_in in = {.me = &from->t.me,
                         .peer = &to->t.me,
                         .payload = p,
                         .bundle = &bundle,
                         .now = TALK_NOW,
                         .com = *com};

    assert_ok(session_seal(&in, state, rng, ret));
}

/* Once to learn the keys that come out, once more the same way, watched. Then opened, first
 * with its tag spoilt, then as it is. */
static void pass_one_letter(struct device *from, struct device *to)
{
    struct payload p = {.r32 = {{9}}};
    struct peer_sessions *before = malloc(sizeof *before);
    struct seeded seed = from->seed;
    struct buf content = {0}, env = {0};
    struct sealed s = {0};
    struct env_fanout part;
    struct fanout_id none = {{0}};
    struct hash32 com;
    struct opened o;

    assert_non_null(before);
    *before = *state_of(from, to);
    add_state(before);
    content_text(&from->t.me.acct, &to->t.me.acct, TALK_NOW, CANARY, &content);
    p.content = buf_view(&content);
    assert_ok(session_com(&p.r32, p.content, &com));
    seal_watched(from, to, state_of(from, to), &from->rng, &p, &com, &s);
    add_state(state_of(from, to));
    sealed_done(&s);
    from->seed = seed;
    watching = true;
    seal_watched(from, to, before, &from->rng, &p, &com, &s);
    watching = false;
    twin_apply(&from->t, &to->t.me.dev, &s.delta);
    struct fanout_target target = {&to->t.me, buf_view(&s.hdr), buf_view(&s.body)};
    assert_ok(fanout_sign(&from->t.me, from->t.dsk, &none, &com, &target, 1, &from->rng, &part));
    assert_ok(envelope_encode(target.hdr, target.body, &part, &env));
    watching = true;
    sealed_done(&s);
    watching = false;
    /* The receiver's new keys are learned on a copy as well. */
    struct twin copy;
    twin_copy(&to->t, &copy);
    assert_ok(twin_open(&copy, buf_view(&env), TALK_NOW, &o, NULL));
    opened_done(&o);
    add_state(twin_state(&copy, &from->t.me.dev));
    twin_done(&copy);
    to->t.fanouts.n = 0; /* all letters here share one fanout id */
    watching = true;
    wax_rc rc = twin_open(&to->t, buf_view(&env), TALK_NOW, &o, NULL);
    if (rc == WAX_OK)
        opened_done(&o);
    watching = false;
    assert_ok(rc);
    to->t.fanouts.n = from->t.fanouts.n = 0;
    free(before);
    buf_done(&content);
    buf_done(&env);
    n_secrets = n_secrets > SECRETS_MAX / 2 ? SECRETS_MAX / 2 : n_secrets;
}

static void no_key_and_no_text_stays_in_freed_memory(void **state)
{
    /* INIT, its second message, the first answer, a KEM step, and on. */
    pass_one_letter(&ann, &bob);
    assert_int_equal(leaks, 0);
    pass_one_letter(&ann, &bob);
    assert_int_equal(leaks, 0);
    for (unsigned i = 0; i < 4; i++) {
        pass_one_letter(&bob, &ann);
        assert_int_equal(leaks, 0);
        pass_one_letter(&ann, &bob);
        assert_int_equal(leaks, 0);
    }
    assert_true(freed > 50);
}

static void the_search_finds_what_is_left_behind(void **state)
{
    char *p = mem_alloc(64);

    assert_non_null(p);
    memcpy(p + 7, CANARY, sizeof CANARY);
    watching = true;
    mem_free(p);
    watching = false;
    assert_int_equal(leaks, 1);
}

static void a_state_that_ends_is_empty(void **state)
{
    static struct peer_sessions s;

    say(&ann, &bob, "a", TALK_NOW);
    s = *state_of(&ann, &bob);
    peer_sessions_wipe(&s);
    assert_true(bytes_all_zero((const uint8_t *)&s, sizeof s));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(no_key_and_no_text_stays_in_freed_memory),
        T(the_search_finds_what_is_left_behind),
        T(a_state_that_ends_is_empty),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
