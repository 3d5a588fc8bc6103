/* Nothing secret is left in memory that is let go of (RULES): every block freed during a
 * seal or an open is searched for the keys and the text that went through. */
#include <malloc.h>
#include <ucontext.h>

#include "base/mem.h"
#include "session/ratchet.h"
#include "session_talk.h"

#define CANARY "canary text 7f3a"
#define SECRETS_MAX 256
#define SECRET_SIZE 16 /* as much of it as is searched for */

static uint8_t secrets[SECRETS_MAX][SECRET_SIZE];
static size_t n_secrets, n_fixed; /* n_fixed: those of the whole test */
static bool watching;
static size_t freed, leaks, stack_leaks;

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

/* --- A stack of our own, to be searched after a call ------------------------------------ */

#define STACK_SIZE (1U << 20)
static uint8_t *stack;
static ucontext_t outside, inside;
static void (*job)(void);

static void run_job(void)
{
    job();
    swapcontext(&inside, &outside);
}

/* Runs f on the clean stack and counts the secrets it left there. */
static void on_own_stack(void (*f)(void))
{
    job = f;
    mem_wipe(stack, STACK_SIZE);
    assert_int_equal(getcontext(&inside), 0);
    inside.uc_stack.ss_sp = stack;
    inside.uc_stack.ss_size = STACK_SIZE;
    inside.uc_link = NULL;
    makecontext(&inside, run_job, 0);
    assert_int_equal(swapcontext(&outside, &inside), 0);
}

static size_t search_stack(void)
{
    size_t found = 0;

    for (size_t i = 0; i < n_secrets; i++)
        found += memmem(stack, STACK_SIZE, secrets[i], SECRET_SIZE) != NULL;
    return found;
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
    n_secrets = freed = leaks = stack_leaks = 0;
    add_secret(CANARY);
    add_secret(bob.t.prekeys.v[0].key.spk_priv.b);
    add_secret(bob.t.prekeys.v[0].key.kpk_seed.b);
    n_fixed = n_secrets;
    return 0;
}

static int teardown(void **state)
{
    watching = false;
    device_done(&ann);
    device_done(&bob);
    return 0;
}

/* What the watched call works on: set up beforehand, so that only the module's own memory is
 * seen. */
static struct {
    struct device *to;
    struct seal_in in;
    struct peer_sessions *state;
    const struct rng *rng;
    struct sealed sealed;
    struct bytes env;
    struct opened opened;
    wax_rc rc;
} work;

static void seal_job(void) { work.rc = session_seal(&work.in, work.state, work.rng, &work.sealed); }

static void open_job(void)
{
    work.rc = twin_open(&work.to->t, work.env, TALK_NOW, &work.opened, NULL);
}

static void watch(void (*f)(void))
{
    watching = true;
    on_own_stack(f);
    watching = false;
    assert_ok(work.rc);
    stack_leaks += search_stack();
}

/* Once on a copy to learn the keys that come out, once more the same way, watched. */
static void seal_watched(struct device *from, struct device *to, const struct payload *p)
{
    struct peer_sessions *copy = malloc(sizeof *copy);
    struct seeded seed = from->seed;
    struct seal_bundle bundle = {buf_view(&to->bundle)};
    struct sealed s = {0};

    assert_non_null(copy);
    work.in = (struct seal_in){
        .me = &from->t.me, .peer = &to->t.me, .payload = p, .bundle = &bundle, .now = TALK_NOW};
    assert_ok(session_com(&p->r32, p->content, &work.in.com));
    *copy = *state_of(from, to);
    add_state(copy);
    assert_ok(session_seal(&work.in, copy, &from->rng, &s));
    add_state(copy);
    sealed_done(&s);
    free(copy);
    from->seed = seed;
    work.state = state_of(from, to);
    work.rng = &from->rng;
    work.sealed = (struct sealed){0};
    watch(seal_job);
    twin_apply(&from->t, &to->t.me.dev, &work.sealed.delta);
}

static void open_watched(struct device *from, struct device *to)
{
    struct twin copy;
    struct opened o;

    twin_copy(&to->t, &copy);
    assert_ok(twin_open(&copy, work.env, TALK_NOW, &o, NULL));
    opened_done(&o);
    add_state(twin_state(&copy, &from->t.me.dev));
    twin_done(&copy);
    work.to = to;
    watch(open_job);
    watching = true;
    opened_done(&work.opened);
    watching = false;
    /* All letters here share one fanout id. */
    to->t.fanouts.n = 0;
}

static void pass_one_letter(struct device *from, struct device *to)
{
    struct payload p = {.r32 = {{9}}};
    struct buf content = {0}, env = {0};
    struct env_fanout part;

    n_secrets = n_fixed;
    content_text(&from->t.me.acct, &to->t.me.acct, TALK_NOW, CANARY, &content);
    p.content = buf_view(&content);
    seal_watched(from, to, &p);
    struct fanout_target target = {&to->t.me, buf_view(&work.sealed.hdr),
                                   buf_view(&work.sealed.body)};
    assert_ok(fanout_sign(&from->t.me, from->t.dsk, &work.in.fanout, &work.in.com, &target, 1,
                          &from->rng, &part));
    assert_ok(envelope_encode(target.hdr, target.body, &part, &env));
    watching = true;
    sealed_done(&work.sealed);
    watching = false;
    work.env = buf_view(&env);
    open_watched(from, to);
    buf_done(&content);
    buf_done(&env);
}

static void assert_clean(void)
{
    assert_int_equal(leaks, 0);
    assert_int_equal(stack_leaks, 0);
}

static void no_key_and_no_text_stays_in_freed_memory_or_on_the_stack(void **state)
{
    /* INIT, its second message, the first answer, a KEM step, and on. */
    pass_one_letter(&ann, &bob);
    assert_clean();
    pass_one_letter(&ann, &bob);
    assert_clean();
    for (unsigned i = 0; i < 4; i++) {
        pass_one_letter(&bob, &ann);
        assert_clean();
        pass_one_letter(&ann, &bob);
        assert_clean();
    }
    assert_true(freed > 50);
}

static void leave_text_behind(void)
{
    volatile char text[64];

    for (size_t i = 0; i < sizeof CANARY; i++)
        text[i] = CANARY[i];
    work.rc = text[0] == 'c' ? WAX_OK : WAX_E_INVAL;
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
    watch(leave_text_behind);
    assert_int_equal(stack_leaks, 1);
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
        T(no_key_and_no_text_stays_in_freed_memory_or_on_the_stack),
        T(the_search_finds_what_is_left_behind),
        T(a_state_that_ends_is_empty),
    };

    stack = malloc(STACK_SIZE);
    if (!stack || crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
