/* ratchet.json, messages: both sides of one conversation over five epochs, sealed byte for
 * byte and opened as delivered, the lost one late and over a step. */
#include "session_load.h"
#include "wire/manifest.h"

#define N_MESSAGES 8
#define LATE_AFTER 4 /* README: the lost one arrives after n = 4 */

struct play {
    json_t *v, *init;
    struct twin side[2]; /* A, B */
    struct buf plain[N_MESSAGES];
    struct sealed sealed;
};

static void script_hex(struct scripted *s, const json_t *obj, const char *key)
{
    if (vec_has(obj, key))
        vec_hex(obj, key, &s->bytes);
}

/* What the sender of message n draws, in the order in which it is drawn: e, m, offer. */
static void script_for(const struct play *p, size_t epoch, size_t ctr, struct scripted *s)
{
    json_t *secret = vec_get(p->init, "secret");

    if (ctr)
        return;
    if (epoch == 0) {
        script_hex(s, secret, "e_priv");
        script_hex(s, secret, "kem_m");
        return;
    }
    json_t *step = json_array_get(vec_get(p->v, "steps"), epoch - 1);
    script_hex(s, step, "e_priv");
    script_hex(s, step, "kem_m");
    script_hex(s, step, "kp_offer_seed");
}

static void begin(struct play *p)
{
    json_t *b = vec_get(p->init, "responder");
    struct twin_prekey key = {0};
    struct buf record = {0};
    struct bundle bundle;

    for (unsigned i = 0; i < 2; i++)
        p->side[i] = (struct twin){0};
    p->side[0].me = load_party(vec_get(p->init, "initiator"));
    p->side[1].me = load_party(b);
    TWIN_PUSH(&p->side[0].known, p->side[1].me);
    TWIN_PUSH(&p->side[1].known, p->side[0].me);
    assert_ok(bundle_decode(load_hex(p->init, "bundle", &record), &bundle));
    key.key.spk = bundle.spk;
    memcpy(key.key.kpk, bundle.kpk, sizeof bundle.kpk);
    vec_fixed(p->init, "bundle_hash", key.key.bundle_hash.b, 32);
    memcpy(key.id.b, key.key.bundle_hash.b, 16);
    vec_fixed(vec_get(p->init, "secret"), "SPK_priv", key.key.spk_priv.b, 32);
    vec_fixed(vec_get(p->init, "secret"), "KPK_seed_d_z", key.key.kpk_seed.b, 64);
    TWIN_PUSH(&p->side[1].prekeys, key);
    buf_done(&record);
}

static void end(struct play *p)
{
    twin_done(&p->side[0]);
    twin_done(&p->side[1]);
}

/* Seals message n with the vector's randomness; P is the one opened before, or as good as. */
static void seal_message(struct play *p, size_t n, const struct envelope *env, bool compare)
{
    json_t *m = json_array_get(vec_get(p->v, "messages"), n);
    unsigned from = strcmp(vec_str(m, "from"), "A") == 0 ? 0 : 1;
    struct twin *t = &p->side[from];
    struct scripted script = {0};
    struct rng rng = scripted_rng(&script);
    struct buf record = {0};
    struct seal_bundle bundle;
    uint8_t blank[1024] = {0};
    struct seal_in in = {.me = &t->me, .peer = &p->side[1 - from].me, .now = NOW};

    bundle.body = (struct bytes){load_hex(p->init, "bundle", &record).p, BUNDLE_BODY};
    in.bundle = &bundle;
    in.fanout = env->fanout.id;
    in.com = env->fanout.com;
    script_for(p, env->hdr.epoch, env->hdr.ctr, &script);
    struct peer_sessions *state = twin_state(t, &in.peer->dev);
    /* The vector offers in epoch 2 without 50 messages: as after a change of devices. */
    if (env->hdr.epoch == 2)
        session_mark_offer_due(state);
    struct bytes plain = p->plain[n].n ? buf_view(&p->plain[n]) : BYTES_OF(blank);
    assert_ok(session_seal_p(&in, plain, state, &rng, &p->sealed));
    assert_int_equal(script.at, script.bytes.n);
    twin_apply(t, &in.peer->dev, &p->sealed.delta);
    assert_true(bytes_eq(buf_view(&p->sealed.hdr), env->raw_hdr));
    if (compare)
        assert_true(bytes_eq(buf_view(&p->sealed.body), env->body));
    buf_done(&script.bytes);
    buf_done(&record);
}

static void deliver(struct play *p, size_t n, struct bytes raw)
{
    json_t *m = json_array_get(vec_get(p->v, "messages"), n);
    struct twin *to = &p->side[strcmp(vec_str(m, "from"), "A") == 0 ? 1 : 0];
    struct buf content = {0};
    struct opened o;

    assert_ok(twin_open(to, raw, NOW, &o, NULL));
    assert_true(bytes_eq(o.payload.content, load_hex(m, "content", &content)));
    assert_false(o.echo_ahead);
    buf_reset(&p->plain[n]);
    buf_bytes(&p->plain[n], buf_view(&o.plain));
    opened_done(&o);
    buf_done(&content);
}

static void run(struct play *p, bool compare)
{
    json_t *ms = vec_get(p->v, "messages"), *m;
    struct buf raw[N_MESSAGES] = {0};
    size_t n, late = N_MESSAGES;

    begin(p);
    json_array_foreach(ms, n, m)
    {
        struct envelope env;
        assert_true(n < N_MESSAGES);
        assert_ok(envelope_decode(load_hex(m, "envelope", &raw[n]), &env));
        seal_message(p, n, &env, compare);
        if (vec_bool(m, "lost"))
            late = n;
        else
            deliver(p, n, buf_view(&raw[n]));
        if (n == LATE_AFTER) {
            assert_true(late < n);
            deliver(p, late, buf_view(&raw[late]));
        }
    }
    assert_int_equal(n, N_MESSAGES);
    for (size_t i = 0; i < N_MESSAGES; i++)
        buf_done(&raw[i]);
}

static void the_conversation_is_sealed_and_opened_as_it_was(void **state)
{
    struct play p = {.v = vec_load("wax1/ratchet.json"), .init = vec_load("wax1/init.json")};

    /* First round: learn each P. Second: seal them, byte for byte. */
    run(&p, false);
    end(&p);
    run(&p, true);
    for (unsigned i = 0; i < 2; i++) {
        const struct session *x = &twin_state(&p.side[i], &p.side[1 - i].me.dev)->held[0];
        assert_true(session_established(x));
        assert_int_equal(p.side[i].skipped.n, 0);
        /* Secrets of answered epochs are gone. */
        assert_int_equal(x->send.has_priv, i == 0);
    }
    end(&p);
    sealed_done(&p.sealed);
    for (size_t i = 0; i < N_MESSAGES; i++)
        buf_done(&p.plain[i]);
    json_decref(p.v);
    json_decref(p.init);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_conversation_is_sealed_and_opened_as_it_was),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
