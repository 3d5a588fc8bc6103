/* init.json, ratchet.json (steps, continuity), chain.json: the key schedule, every value. */
#include "session/ratchet.h"
#include "session_load.h"

#define EXPECT(obj, key, value)                                                                    \
    do {                                                                                           \
        uint8_t want_[sizeof(value)];                                                              \
        vec_fixed(obj, key, want_, sizeof want_);                                                  \
        assert_memory_equal((const void *)&(value), want_, sizeof want_);                          \
    } while (0)

static struct ec_key *scalar_key(const json_t *obj, const char *key)
{
    struct key32 s;
    struct ec_key *k;

    vec_fixed(obj, key, s.b, sizeof s.b);
    assert_ok(ec_from_scalar(&s, &k));
    return k;
}

static void init_comes_out_the_same_on_both_sides(void **state)
{
    json_t *v = vec_load("wax1/init.json"), *secret = vec_get(v, "secret");
    struct party a = load_party(vec_get(v, "initiator")), b = load_party(vec_get(v, "responder"));
    struct ec_key *e = scalar_key(secret, "e_priv"), *spk = scalar_key(secret, "SPK_priv");
    struct buf record = {0};
    struct hash32 bundle_hash, t0, seen;
    struct key32 m, z1, z1b, z2, z2b;
    struct seed64 seed;
    uint8_t kpk[KEM1024_EK], ct[KEM1024_CT];
    struct sid sid;
    struct roots r;

    load_hex(v, "bundle", &record);
    assert_ok(hash_label(&bundle_hash, LABEL_BUNDLE, PARTS(BYTES(record.p, 1659))));
    EXPECT(v, "bundle_hash", bundle_hash);
    EXPECT(v, "E", *ec_public(e));
    vec_fixed(secret, "KPK_seed_d_z", seed.b, 64);
    vec_fixed(secret, "kem_m", m.b, 32);
    assert_ok(kem_keygen(KEM_1024, &seed, kpk));
    assert_memory_equal(kpk, record.p + 91, sizeof kpk);
    assert_ok(kem_encaps(KEM_1024, BYTES_OF(kpk), &m, ct, &z2));
    EXPECT(v, "ct", ct);
    assert_ok(kem_decaps(KEM_1024, &seed, BYTES_OF(ct), &z2b));
    EXPECT(v, "Z2", z2);
    EXPECT(v, "Z2", z2b);
    assert_ok(ec_dh(e, ec_public(spk), &z1));
    assert_ok(ec_dh(spk, ec_public(e), &z1b));
    EXPECT(v, "Z1", z1);
    EXPECT(v, "Z1", z1b);
    struct init_inputs in = {&a, &b, &bundle_hash, ec_public(spk), kpk, ec_public(e), ct};
    assert_ok(ratchet_t0(&in, &t0, &sid));
    EXPECT(v, "T0", t0);
    EXPECT(v, "SID", sid);
    assert_ok(ratchet_init(&t0, &z1, &z2, &r));
    EXPECT(v, "RK", r.rk);
    EXPECT(v, "CK", r.ck);
    EXPECT(v, "XK", r.xk);
    assert_ok(init_cache_key(ec_public(e), ct, &seen));
    EXPECT(v, "seen", seen);
    ec_free(e);
    ec_free(spk);
    buf_done(&record);
    json_decref(v);
}

static void check_step(const json_t *v)
{
    struct ec_key *e = scalar_key(v, "e_priv");
    struct hash32 t_prev;
    struct key32 rk_prev, z1, z2, m;
    struct point e_prev;
    uint8_t kp[KEM768_EK], ct[KEM768_CT];
    bool kem = vec_u64(v, "kem") == 1;
    struct roots r;

    vec_fixed(v, "T_prev", t_prev.b, 32);
    vec_fixed(v, "RK_prev", rk_prev.b, 32);
    vec_fixed(v, "E_peer", e_prev.b, 65);
    EXPECT(v, "E", *ec_public(e));
    assert_ok(ec_dh(e, &e_prev, &z1));
    EXPECT(v, "Z1", z1);
    if (kem) {
        vec_fixed(v, "KP_peer", kp, sizeof kp);
        vec_fixed(v, "kem_m", m.b, 32);
        assert_ok(kem_encaps(KEM_768, BYTES_OF(kp), &m, ct, &z2));
        EXPECT(v, "ct", ct);
        EXPECT(v, "Z2", z2);
    }
    if (vec_has(v, "kp_offer_seed")) {
        struct seed64 seed;
        uint8_t offer[KEM768_EK];
        vec_fixed(v, "kp_offer_seed", seed.b, 64);
        assert_ok(kem_keygen(KEM_768, &seed, offer));
        EXPECT(v, "KP_offer", offer);
    }
    struct step_inputs in = {.t_prev = &t_prev,
                             .rk_prev = &rk_prev,
                             .epoch = (uint32_t)vec_u64(v, "epoch"),
                             .e_prev = &e_prev,
                             .e = ec_public(e),
                             .z1 = &z1,
                             .kp = kem ? kp : NULL,
                             .ct = kem ? ct : NULL,
                             .z2 = kem ? &z2 : NULL};
    assert_ok(ratchet_step(&in, &r));
    EXPECT(v, "T", r.t);
    EXPECT(v, "RK", r.rk);
    EXPECT(v, "CK", r.ck);
    EXPECT(v, "XK", r.xk);
    ec_free(e);
}

static void every_ratchet_step_comes_out(void **state)
{
    json_t *v = vec_load("wax1/ratchet.json"), *step;
    size_t i;

    assert_int_equal(json_array_size(vec_get(v, "steps")), 4);
    json_array_foreach(vec_get(v, "steps"), i, step) check_step(step);
    json_decref(v);
}

static void continuity_mac_comes_out(void **state)
{
    json_t *v = vec_load("wax1/ratchet.json"), *c = vec_get(v, "continuity");
    struct key32 xk;
    struct sid sid;
    struct hash32 t0, mac;

    vec_fixed(c, "XK_old", xk.b, 32);
    vec_fixed(c, "SID_old", sid.b, 16);
    vec_fixed(c, "T0", t0.b, 32);
    assert_ok(continuity_mac(&xk, &sid, &t0, &mac));
    EXPECT(c, "MAC", mac);
    json_decref(v);
}

static void every_slot_gives_its_keys(void **state)
{
    json_t *v = vec_load("wax1/chain.json"), *s;
    size_t i;

    assert_int_equal(json_array_size(vec_get(v, "slots")), 8);
    json_array_foreach(vec_get(v, "slots"), i, s)
    {
        struct key32 ck, mk;
        struct fanout_id fanout;
        struct hash32 com;
        struct message_keys k;
        vec_fixed(s, "CK", ck.b, 32);
        assert_ok(chain_next(&ck, &mk));
        EXPECT(s, "mk", mk);
        EXPECT(s, "CK_next", ck);
        vec_fixed(s, "fanout_id", fanout.b, 16);
        vec_fixed(s, "com", com.b, 32);
        assert_ok(message_keys(&mk, &fanout, &com, &k));
        EXPECT(s, "k_enc", k.enc);
        EXPECT(s, "iv", k.iv);
        EXPECT(s, "k_mac", k.mac);
    }
    json_decref(v);
}

static void a_chain_runs_ten_thousand_steps(void **state)
{
    json_t *v = vec_load("wax1/chain.json"), *gap = vec_get(v, "gap");
    struct key32 ck, mk;

    vec_fixed(gap, "CK_0", ck.b, 32);
    for (unsigned i = 0; i < 10000; i++)
        assert_ok(chain_next(&ck, NULL));
    EXPECT(gap, "CK_10000", ck);
    assert_ok(chain_next(&ck, &mk));
    EXPECT(gap, "mk_10000", mk);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init_comes_out_the_same_on_both_sides),
        cmocka_unit_test(every_ratchet_step_comes_out),
        cmocka_unit_test(continuity_mac_comes_out),
        cmocka_unit_test(every_slot_gives_its_keys),
        cmocka_unit_test(a_chain_runs_ten_thousand_steps),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
