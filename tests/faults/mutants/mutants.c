/* Single-change mutants of valid envelopes (RECORDS 5): none is accepted, and the receiver's
 * whole state is byte for byte as before; the envelope itself then still opens.
 *
 * Two devices talk, in turns drawn from a seed, late and out of order, so that the valid ones
 * are of every kind: first messages, answers, those with an ML-KEM key or ciphertext, in order,
 * from skipped keys, for sessions started anew. Each is mutated just before it is delivered, in
 * two ways: as it lies on the wire, where the signature over the tree must catch it, and with
 * hdr, body or com changed before an honest signature, so that the layers below are reached. */
#include "mutate.h"
#include "session_talk.h"

#include "wire/envelope.h"

#define SHORT_COUNT 20000U
#define EACH 12 /* mutants of one envelope and layer */
#define LETTERS 160
#define IN_FLIGHT 8

static uint64_t wanted = SHORT_COUNT, first_seed = 1;

enum kind { K_INIT, K_PLAIN, K_KP, K_CT, K_BOTH, K_LATE, K_COUNT_ };
static const char *const kind_names[K_COUNT_] = {"INIT",        "MSG",           "MSG with a key",
                                                 "MSG with ct", "MSG with both", "late MSG"};

static struct {
    uint64_t wire, resigned, turned, envelopes;
    uint64_t by_kind[K_COUNT_], by_mutation[MUTATE_COUNT_], by_class[64];
} tally;

struct flight {
    struct letter l;
    bool to_b;
};

struct scene {
    struct draw d;
    struct device a, b;
    struct flight air[IN_FLIGHT];
    size_t n_air;
    uint64_t now;
    bool restless;         /* sessions are started anew now and then */
    uint32_t newest[2][2]; /* to a, to b: epoch, ctr of the newest delivered */
    struct buf before, after, mutant, part;
};

/* --- One mutant --- */

static void refused(struct scene *s, struct device *to, struct bytes mutant, enum kind kind)
{
    struct opened o;
    wax_rc rc = twin_open(&to->t, mutant, s->now, &o, NULL);

    if (rc == WAX_OK) {
        opened_done(&o);
        fail_msg("a mutant was accepted (%s)", kind_names[kind]);
    }
    assert_true(rc_is_refusal(rc));
    buf_reset(&s->after);
    twin_dump(&to->t, &s->after);
    if (!bytes_eq(buf_view(&s->after), buf_view(&s->before)))
        fail_msg("a refused mutant changed the state (%s, %s)", kind_names[kind], rc_refusal(rc));
    size_t class = (size_t)(-100 - rc);
    if (class < sizeof tally.by_class / sizeof tally.by_class[0])
        tally.by_class[class]++;
    tally.by_kind[kind]++;
}

static void on_the_wire(struct scene *s, struct device *to, const struct letter *l, enum kind kind)
{
    for (int i = 0; i < EACH; i++) {
        enum mutation how = (enum mutation)draw_below(&s->d, MUTATE_COUNT_);
        buf_reset(&s->mutant);
        mutate(&s->d, how, buf_view(&l->env), &s->mutant);
        if (bytes_eq(buf_view(&s->mutant), buf_view(&l->env)))
            continue; /* a piece that repeats itself at the end */
        refused(s, to, buf_view(&s->mutant), kind);
        tally.by_mutation[how]++;
        tally.wire++;
    }
    buf_reset(&s->mutant);
    buf_bytes(&s->mutant, buf_view(&l->env));
    assert_ok(buf_rc(&s->mutant));
    signature_turn(s->mutant.p + s->mutant.n - 64);
    refused(s, to, buf_view(&s->mutant), kind);
    tally.turned++;
}

/* hdr ‖ u32 |body| ‖ body ‖ fan-out part, whatever hdr and body are. */
static void assemble(struct scene *s, const struct envelope *env, struct bytes hdr,
                     struct bytes body, const struct env_fanout *f)
{
    size_t fixed = env->raw_hdr.n + 4 + env->body.n;

    buf_reset(&s->mutant);
    assert_ok(envelope_encode(env->raw_hdr, env->body, f, &s->mutant));
    buf_reset(&s->after);
    buf_bytes(&s->after, hdr);
    buf_u32(&s->after, (uint32_t)body.n);
    buf_bytes(&s->after, body);
    buf_add(&s->after, s->mutant.p + fixed, s->mutant.n - fixed);
    buf_reset(&s->mutant);
    buf_bytes(&s->mutant, buf_view(&s->after));
    assert_ok(buf_rc(&s->mutant));
}

/* The sender's own key signs what was changed. */
static void signed_again(struct scene *s, struct device *from, struct device *to,
                         const struct letter *l, enum kind kind)
{
    struct envelope env;
    struct env_fanout part;

    assert_ok(envelope_decode(buf_view(&l->env), &env));
    for (int i = 0; i < EACH; i++) {
        enum mutation how = (enum mutation)draw_below(&s->d, MUTATE_COUNT_);
        struct bytes hdr = env.raw_hdr, body = env.body;
        struct hash32 com = l->com;
        size_t what = draw_below(&s->d, 8);
        buf_reset(&s->part);
        if (what == 0) {
            com.b[draw_below(&s->d, 32)] ^= (uint8_t)(1U << draw_below(&s->d, 8));
        } else {
            mutate(&s->d, how, what < 5 ? hdr : body, &s->part);
            assert_ok(buf_rc(&s->part));
            if (bytes_eq(buf_view(&s->part), what < 5 ? hdr : body))
                continue;
            *(what < 5 ? &hdr : &body) = buf_view(&s->part);
        }
        struct fanout_target target = {&to->t.me, hdr, body};
        assert_ok(
            fanout_sign(&from->t.me, from->t.dsk, &l->fanout, &com, &target, 1, &from->rng, &part));
        assemble(s, &env, hdr, body, &part);
        refused(s, to, buf_view(&s->mutant), kind);
        tally.by_mutation[how]++;
        tally.resigned++;
    }
}

/* --- The talk --- */

/* Signs the letter again in a tree with other leaves, so that it has a path. */
static void widen(struct scene *s, struct device *from, struct device *to, struct letter *l)
{
    struct envelope env;
    struct env_fanout parts[5];
    struct fanout_target targets[5];
    size_t n = 1 + draw_below(&s->d, 5);
    struct buf wide = {0};

    assert_ok(envelope_decode(buf_view(&l->env), &env));
    for (size_t i = 0; i < n; i++)
        targets[i] = (struct fanout_target){i ? &from->t.me : &to->t.me, env.raw_hdr, env.body};
    assert_ok(
        fanout_sign(&from->t.me, from->t.dsk, &l->fanout, &l->com, targets, n, &from->rng, parts));
    assert_ok(envelope_encode(env.raw_hdr, env.body, &parts[0], &wide));
    buf_done(&l->env);
    l->env = wide;
}

static enum kind kind_of(struct scene *s, const struct flight *f)
{
    struct envelope env;
    const uint32_t *newest = s->newest[f->to_b];

    assert_ok(envelope_decode(buf_view(&f->l.env), &env));
    if (env.hdr.type == ENV_INIT)
        return K_INIT;
    if (env.hdr.epoch < newest[0] || (env.hdr.epoch == newest[0] && env.hdr.ctr < newest[1]))
        return K_LATE;
    return (env.hdr.flags & ENV_FLAG_KP)   ? (env.hdr.flags & ENV_FLAG_CT) ? K_BOTH : K_KP
           : (env.hdr.flags & ENV_FLAG_CT) ? K_CT
                                           : K_PLAIN;
}

static void write_one(struct scene *s, size_t no)
{
    struct flight *f = &s->air[s->n_air++];
    struct letter_how how = {.force_init = s->restless && draw_below(&s->d, 25) == 0};
    char text[24];

    f->to_b = draw_below(&s->d, 2) == 0;
    struct device *from = f->to_b ? &s->a : &s->b, *to = f->to_b ? &s->b : &s->a;
    snprintf(text, sizeof text, "no. %zu", no);
    assert_ok(letter_seal(from, to, text, s->now, &how, &f->l));
    widen(s, from, to, &f->l);
}

/* The envelope itself opens all the same; unless its session went, too many being begun anew. */
static void open_whole(struct scene *s, struct device *to, const struct letter *l)
{
    struct opened o;
    wax_rc rc = letter_open(to, l, s->now, &o);

    if ((rc == WAX_R_NO_KEY || rc == WAX_R_REPLAY) && s->restless)
        return;
    assert_ok(rc);
    opened_done(&o);
    tally.envelopes++;
}

static void deliver_one(struct scene *s)
{
    size_t i = draw_below(&s->d, s->n_air);
    struct flight f = s->air[i];
    struct device *from = f.to_b ? &s->a : &s->b, *to = f.to_b ? &s->b : &s->a;
    struct envelope env;
    enum kind kind = kind_of(s, &f);

    s->air[i] = s->air[--s->n_air];
    /* A session begun by both sides may be gone before its letter comes. */
    (void)state_of(to, from);
    buf_reset(&s->before);
    twin_dump(&to->t, &s->before);
    on_the_wire(s, to, &f.l, kind);
    signed_again(s, from, to, &f.l, kind);
    open_whole(s, to, &f.l);
    assert_ok(envelope_decode(buf_view(&f.l.env), &env));
    if (kind != K_LATE && env.hdr.type == ENV_MSG) {
        s->newest[f.to_b][0] = env.hdr.epoch;
        s->newest[f.to_b][1] = env.hdr.ctr;
    }
    letter_done(&f.l);
}

static uint64_t made(void) { return tally.wire + tally.resigned + tally.turned; }

static void one_scene(uint64_t seed)
{
    struct scene s = {
        .d = {seed * 0x9e3779b97f4a7c15ULL + 1}, .now = TALK_NOW, .restless = seed % 2};

    device_new(&s.a, seed * 2);
    device_new(&s.b, seed * 2 + 1);
    devices_meet(&s.a, &s.b);
    for (size_t no = 0; no < LETTERS && made() < wanted; no++) {
        s.now += 1 + draw_below(&s.d, 4 * HOUR_MS);
        if (s.n_air == 0 && draw_below(&s.d, 12) == 0)
            s.now += 8 * DAY_MS;         /* both sides' ML-KEM exchanges are due */
        if (draw_below(&s.d, 12) == 0) { /* a device came or went: an offer may meet the other's */
            session_mark_offer_due(state_of(&s.a, &s.b));
            session_mark_offer_due(state_of(&s.b, &s.a));
        }
        write_one(&s, no);
        while (s.n_air == IN_FLIGHT || (s.n_air && draw_below(&s.d, 3) && made() < wanted))
            deliver_one(&s);
    }
    while (s.n_air)
        letter_done(&s.air[--s.n_air].l);
    device_done(&s.a);
    device_done(&s.b);
    buf_done(&s.before);
    buf_done(&s.after);
    buf_done(&s.mutant);
    buf_done(&s.part);
}

static void no_mutant_of_a_valid_envelope_is_accepted_or_leaves_a_trace(void **state)
{
    (void)state;
    assert_ok(crypto_init());
    for (uint64_t seed = first_seed; made() < wanted; seed++)
        one_scene(seed);
    printf("%llu mutants of %llu envelopes: %llu on the wire, %llu signed again, %llu with the "
           "signature written otherwise; 0 accepted, state as before each time\n",
           (unsigned long long)made(), (unsigned long long)tally.envelopes,
           (unsigned long long)tally.wire, (unsigned long long)tally.resigned,
           (unsigned long long)tally.turned);
    for (int i = 0; i < K_COUNT_; i++) {
        printf("  of %s: %llu\n", kind_names[i], (unsigned long long)tally.by_kind[i]);
        assert_true(wanted < SHORT_COUNT || tally.by_kind[i] > 0);
    }
    for (int i = 0; i < MUTATE_COUNT_; i++)
        printf("  by %s: %llu\n", mutation_names[i], (unsigned long long)tally.by_mutation[i]);
    for (size_t i = 0; i < sizeof tally.by_class / sizeof tally.by_class[0]; i++)
        if (tally.by_class[i])
            printf("  refused as %s: %llu\n", rc_refusal(-100 - (wax_rc)i),
                   (unsigned long long)tally.by_class[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_mutant_of_a_valid_envelope_is_accepted_or_leaves_a_trace),
    };

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--count") == 0)
            wanted = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            first_seed = strtoull(argv[i + 1], NULL, 10);
        else
            return 64;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
