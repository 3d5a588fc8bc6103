/* fanout-1, -3, -20.json: one fan-out sealed byte for byte, its tree and signature, and each
 * device's opening of it. */
#include "session/ratchet.h"
#include "session_load.h"

static struct party sender_of(const json_t *v, struct ec_key **ret_key)
{
    json_t *s = vec_get(v, "sender");
    struct key32 scalar;

    vec_fixed(vec_get(s, "secret"), "DSK", scalar.b, 32);
    assert_ok(ec_from_scalar(&scalar, ret_key));
    return load_party(s);
}

static void seal_recipient(const json_t *v, const json_t *r, const struct party *me,
                           struct sealed *ret)
{
    struct party to = load_party(r);
    struct twin t = {.me = *me};
    struct seeded seed;
    struct rng rng = seeded_rng(&seed, 1);
    struct seal_in in = {.me = me, .peer = &to, .now = NOW};
    struct buf b = {0}, p = {0};
    struct hash32 slot_hash;

    load_flat_session(&t, &to.dev, vec_get(r, "sender_state"));
    vec_fixed(v, "fanout_id", in.fanout.b, 16);
    vec_fixed(v, "com", in.com.b, 32);
    assert_ok(session_seal_p(&in, load_hex(r, "P", &p), twin_state(&t, &to.dev), &rng, ret));
    assert_true(bytes_eq(buf_view(&ret->hdr), load_hex(r, "hdr", &b)));
    assert_true(bytes_eq(buf_view(&ret->body), load_hex(r, "body", &b)));
    vec_fixed(r, "slot_hash", slot_hash.b, 32);
    assert_memory_equal(ret->delta.slot_hash.b, slot_hash.b, 32);
    assert_true(ret->delta.has_slot && ret->delta.slot_own && !ret->started);
    /* Randomness serves steps and INITs only. */
    assert_int_equal(seed.counter, 0);
    buf_done(&b);
    buf_done(&p);
    twin_done(&t);
}

static void check_tree(const json_t *v, const struct party *me, const struct party *to,
                       const struct sealed *sealed, size_t n)
{
    uint8_t depth = (uint8_t)vec_u64(v, "depth");
    size_t leaves = (size_t)1 << depth, i;
    struct hash32 *nodes = calloc(2 * leaves, sizeof *nodes), want, com;
    struct fanout_id id;
    struct sig sig;
    uint8_t statement[FANOUT_STATEMENT], want_statement[FANOUT_STATEMENT];
    json_t *leaf;

    assert_non_null(nodes);
    assert_int_equal(fanout_depth(n), depth);
    assert_int_equal(json_array_size(vec_get(v, "leaves")), leaves);
    json_array_foreach(vec_get(v, "leaves"), i, leaf)
    {
        struct buf b = {0};
        vec_hex_value(leaf, &b);
        assert_int_equal(b.n, 32);
        memcpy(nodes[leaves + i].b, b.p, 32);
        buf_done(&b);
        if (i >= n)
            continue;
        assert_ok(fanout_leaf((uint16_t)i, &to[i], buf_view(&sealed[i].hdr),
                              buf_view(&sealed[i].body), &want));
        assert_memory_equal(want.b, nodes[leaves + i].b, 32);
    }
    assert_ok(fanout_tree(nodes, depth));
    vec_fixed(v, "root", want.b, 32);
    assert_memory_equal(nodes[1].b, want.b, 32);
    vec_fixed(v, "fanout_id", id.b, 16);
    vec_fixed(v, "com", com.b, 32);
    fanout_statement(me, &id, &com, depth, &want, statement);
    vec_fixed(v, "statement", want_statement, sizeof want_statement);
    assert_memory_equal(statement, want_statement, sizeof statement);
    vec_fixed(v, "sig", sig.b, 64);
    assert_ok(fanout_statement_verify(me, &id, &com, depth, &want, &sig));
    free(nodes);
}

/* The vector's own envelope: fan-out part built from its tree. */
static void check_envelope(const json_t *r, const struct sealed *s)
{
    struct buf b = {0}, made = {0};
    struct envelope env;

    load_hex(r, "envelope", &b);
    assert_ok(envelope_decode(buf_view(&b), &env));
    assert_int_equal(env.fanout.index, vec_u64(r, "index"));
    assert_ok(envelope_encode(buf_view(&s->hdr), buf_view(&s->body), &env.fanout, &made));
    assert_true(bytes_eq(buf_view(&made), buf_view(&b)));
    buf_done(&b);
    buf_done(&made);
}

static void load_recipient(const json_t *r, const struct party *sender, struct twin *t)
{
    load_device(t, r);
    TWIN_PUSH(&t->known, *sender);
    if (vec_has(r, "receiver_state"))
        load_flat_session(t, &sender->dev, vec_get(r, "receiver_state"));
}

static void check_opened(const json_t *v, const json_t *r, struct twin *t,
                         const struct party *sender, const struct opened *o)
{
    json_t *result = vec_get(r, "result"), *after = vec_get(result, "recv_after");
    const struct session *x = session_find(twin_state(t, &sender->dev), &o->slot.sid);
    struct buf b = {0};
    uint8_t want[32];

    assert_true(bytes_eq(o->payload.content, load_hex(result, "content", &b)));
    assert_true(bytes_eq(buf_view(&o->plain), load_hex(r, "P", &b)));
    assert_int_equal(o->start, vec_bool(result, "new_session") ? START_QUIET : START_NONE);
    vec_fixed(v, "com", want, 32);
    assert_memory_equal(o->com.b, want, 32);
    vec_fixed(v, "root", want, 32);
    assert_memory_equal(o->root.b, want, 32);
    vec_fixed(r, "slot_hash", want, 32);
    assert_memory_equal(o->delta.slot_hash.b, want, 32);
    assert_non_null(x);
    assert_int_equal(x->recv.epoch, vec_u64(after, "epoch"));
    assert_int_equal(x->recv.next, vec_u64(after, "next"));
    vec_fixed(after, "CK", want, 32);
    assert_memory_equal(x->recv.ck.b, want, 32);
    assert_false(x->send.has_priv || x->send.has_offer);
    buf_done(&b);
}

/* The vector's envelope, and the same message under a tree of our own making. */
static void open_both(const json_t *v, const json_t *r, const struct party *sender,
                      const struct sealed *s, const struct env_fanout *own)
{
    for (unsigned round = 0; round < 2; round++) {
        struct twin t;
        struct opened o;
        struct buf env = {0};
        load_recipient(r, sender, &t);
        if (round == 0)
            load_hex(r, "envelope", &env);
        else
            assert_ok(envelope_encode(buf_view(&s->hdr), buf_view(&s->body), own, &env));
        assert_ok(twin_open(&t, buf_view(&env), NOW, &o, NULL));
        if (round == 0)
            check_opened(v, r, &t, sender, &o);
        opened_done(&o);
        buf_done(&env);
        twin_done(&t);
    }
}

static void run_fanout(const char *file, size_t n)
{
    json_t *v = vec_load(file), *rs = vec_get(v, "recipients"), *r;
    struct ec_key *key;
    struct party me = sender_of(v, &key), to[20];
    struct sealed sealed[20] = {0};
    struct fanout_target targets[20];
    struct env_fanout parts[20];
    struct seeded seed;
    struct rng rng = seeded_rng(&seed, n);
    struct fanout_id id;
    struct hash32 com, r32, want;
    struct buf content = {0};
    size_t i;

    assert_int_equal(json_array_size(rs), n);
    vec_fixed(v, "fanout_id", id.b, 16);
    vec_fixed(v, "com", com.b, 32);
    vec_fixed(v, "r32", r32.b, 32);
    assert_ok(session_com(&r32, load_hex(v, "content", &content), &want));
    assert_memory_equal(com.b, want.b, 32);
    json_array_foreach(rs, i, r)
    {
        to[i] = load_party(r);
        seal_recipient(v, r, &me, &sealed[i]);
        check_envelope(r, &sealed[i]);
        targets[i] =
            (struct fanout_target){&to[i], buf_view(&sealed[i].hdr), buf_view(&sealed[i].body)};
    }
    check_tree(v, &me, to, sealed, n);
    assert_ok(fanout_sign(&me, key, &id, &com, targets, n, &rng, parts));
    json_array_foreach(rs, i, r)
    {
        open_both(v, r, &me, &sealed[i], &parts[i]);
        sealed_done(&sealed[i]);
    }
    buf_done(&content);
    ec_free(key);
    json_decref(v);
}

static void one_device_gets_an_init(void **state) { run_fanout("wax1/fanout-1.json", 1); }
static void three_devices_get_three_kinds(void **state) { run_fanout("wax1/fanout-3.json", 3); }
static void twenty_devices_under_one_signature(void **state)
{
    run_fanout("wax1/fanout-20.json", 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_device_gets_an_init),
        cmocka_unit_test(three_devices_get_three_kinds),
        cmocka_unit_test(twenty_devices_under_one_signature),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
