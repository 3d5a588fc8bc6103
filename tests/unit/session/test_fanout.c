/* One signature for many devices: every target's part verifies, for nobody else and nothing
 * else; more than 4,096 devices get several trees. */
#include "session_talk.h"

struct many {
    struct party me, *to;
    struct ec_key *key;
    struct fanout_target *targets;
    struct env_fanout *parts;
    uint8_t (*body)[BODY_MIN];
    uint8_t hdr[HDR_MSG];
    size_t n;
};

static struct seeded seed;

static void many_new(struct many *m, size_t n, const struct rng *rng)
{
    *m = (struct many){.n = n};
    m->to = calloc(n, sizeof *m->to);
    m->targets = calloc(n, sizeof *m->targets);
    m->parts = calloc(n, sizeof *m->parts);
    m->body = calloc(n, sizeof *m->body);
    assert_ok(ec_generate(rng, &m->key));
    m->me.dsk = *ec_public(m->key);
    for (size_t i = 0; i < n; i++) {
        put_u32(m->to[i].acct.b, (uint32_t)i);
        put_u32(m->body[i], (uint32_t)i);
        m->targets[i] = (struct fanout_target){&m->to[i], BYTES_OF(m->hdr), BYTES_OF(m->body[i])};
    }
}

static void many_done(struct many *m)
{
    ec_free(m->key);
    free(m->to);
    free(m->targets);
    free(m->parts);
    free(m->body);
}

static struct envelope part_of(const struct many *m, size_t i)
{
    return (struct envelope){
        .raw_hdr = m->targets[i].hdr, .body = m->targets[i].body, .fanout = m->parts[i]};
}

static void sign(struct many *m, const struct rng *rng)
{
    struct fanout_id id = {{7}};
    struct hash32 com = {{8}};

    assert_ok(fanout_sign(&m->me, m->key, &id, &com, m->targets, m->n, rng, m->parts));
}

static void every_device_verifies_its_own_part(void **state)
{
    struct rng rng = seeded_rng(&seed, 21);

    for (size_t n = 1; n <= 33; n++) {
        struct many m;
        struct hash32 root, first = {{0}};
        many_new(&m, n, &rng);
        sign(&m, &rng);
        for (size_t i = 0; i < n; i++) {
            struct envelope env = part_of(&m, i);
            assert_int_equal(env.fanout.depth, fanout_depth(n));
            assert_ok(fanout_verify(&m.me, &m.to[i], &env, &root));
            if (i == 0)
                first = root;
            assert_memory_equal(root.b, first.b, 32);
            for (size_t j = 0; j < i; j++)
                assert_int_not_equal(m.parts[j].index, env.fanout.index);
        }
        many_done(&m);
    }
}

static void no_other_device_place_or_byte_verifies(void **state)
{
    struct rng rng = seeded_rng(&seed, 22);
    struct many m;

    many_new(&m, 5, &rng);
    sign(&m, &rng);
    struct envelope env = part_of(&m, 2);
    assert_rc(fanout_verify(&m.me, &m.to[3], &env, NULL), WAX_R_SIGNATURE);
    assert_rc(fanout_verify(&m.to[2], &m.to[2], &env, NULL), WAX_R_SIGNATURE);
    env.fanout.index ^= 1;
    assert_rc(fanout_verify(&m.me, &m.to[2], &env, NULL), WAX_R_SIGNATURE);
    env = part_of(&m, 2);
    env.fanout.depth--;
    assert_rc(fanout_verify(&m.me, &m.to[2], &env, NULL), WAX_R_SIGNATURE);
    env = part_of(&m, 2);
    env.fanout.path[1].b[0] ^= 1;
    assert_rc(fanout_verify(&m.me, &m.to[2], &env, NULL), WAX_R_SIGNATURE);
    env = part_of(&m, 2);
    env.fanout.com.b[0] ^= 1;
    assert_rc(fanout_verify(&m.me, &m.to[2], &env, NULL), WAX_R_SIGNATURE);
    env = part_of(&m, 2);
    m.body[2][1000] ^= 1;
    assert_rc(fanout_verify(&m.me, &m.to[2], &env, NULL), WAX_R_SIGNATURE);
    many_done(&m);
}

static void the_order_is_drawn_anew_each_time(void **state)
{
    struct rng rng = seeded_rng(&seed, 23);
    struct many m;
    uint16_t before[64];
    size_t same = 0;

    many_new(&m, 64, &rng);
    sign(&m, &rng);
    for (size_t i = 0; i < m.n; i++)
        before[i] = m.parts[i].index;
    sign(&m, &rng);
    for (size_t i = 0; i < m.n; i++)
        same += before[i] == m.parts[i].index;
    assert_true(same < 16);
    many_done(&m);
}

static void more_than_4096_devices_get_several_trees(void **state)
{
    struct rng rng = seeded_rng(&seed, 24);
    struct many m;
    struct hash32 root[2];

    many_new(&m, 4096 + 3, &rng);
    sign(&m, &rng);
    for (size_t i = 0; i < m.n; i += i < 4095 ? 455 : 1) {
        struct envelope env = part_of(&m, i);
        assert_ok(fanout_verify(&m.me, &m.to[i], &env, &root[i >= 4096]));
        assert_int_equal(env.fanout.depth, i < 4096 ? 12 : 2);
    }
    assert_memory_not_equal(root[0].b, root[1].b, 32);
    many_done(&m);
}

static void nobody_is_no_fan_out(void **state)
{
    struct rng rng = seeded_rng(&seed, 25);
    struct many m;
    struct fanout_id id = {{7}};
    struct hash32 com = {{8}};

    many_new(&m, 1, &rng);
    assert_rc(fanout_sign(&m.me, m.key, &id, &com, m.targets, 0, &rng, m.parts), WAX_E_INVAL);
    many_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_device_verifies_its_own_part),
        cmocka_unit_test(no_other_device_place_or_byte_verifies),
        cmocka_unit_test(the_order_is_drawn_anew_each_time),
        cmocka_unit_test(more_than_4096_devices_get_several_trees),
        cmocka_unit_test(nobody_is_no_fan_out),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
