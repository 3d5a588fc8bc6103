/* Wycheproof: ML-KEM-768 and ML-KEM-1024, on every back end. */
#include "outside.h"

static enum kem_set set_of(const json_t *group)
{
    return strcmp(vec_str(group, "parameterSet"), "ML-KEM-768") == 0 ? KEM_768 : KEM_1024;
}

/* seed → ek, and K from c. */
static void one_decaps(const json_t *group, const json_t *test, void *ctx)
{
    enum kem_set set = set_of(group);
    struct buf seed = hex_of(test, "seed"), c = hex_of(test, "c");
    uint8_t ek[KEM_EK_MAX];
    struct seed64 s;
    struct key32 k;

    if (seed.n != sizeof s.b) { /* the type does not allow another length */
        assert_false(is_valid(test));
    } else {
        memcpy(s.b, seed.p, sizeof s.b);
        wax_rc rc = kem_decaps(set, &s, buf_view(&c), &k);
        assert_int_equal(rc, is_valid(test) ? WAX_OK : WAX_R_KEM);
        if (rc == WAX_OK) {
            struct buf want_k = hex_of(test, "K"), want_ek = hex_of(test, "ek");
            assert_memory_equal(k.b, want_k.p, want_k.n);
            assert_int_equal(kem_keygen(set, &s, ek), WAX_OK);
            assert_int_equal(want_ek.n, kem_ek_size(set));
            assert_memory_equal(ek, want_ek.p, want_ek.n);
            buf_done(&want_k);
            buf_done(&want_ek);
        }
    }
    buf_done(&seed);
    buf_done(&c);
}

static void one_encaps(const json_t *group, const json_t *test, void *ctx)
{
    enum kem_set set = set_of(group);
    size_t *refused = ctx;
    struct buf ek = hex_of(test, "ek");
    struct buf want_c = hex_of(test, "c"), want_k = hex_of(test, "K");
    uint8_t c[KEM_CT_MAX] = {0};
    struct key32 m, k = {{0}};
    wax_rc rc;

    vec_fixed(test, "m", m.b, sizeof m.b);
    rc = kem_encaps(set, buf_view(&ek), &m, c, &k);
    assert_int_equal(rc, is_valid(test) ? WAX_OK : WAX_R_KEM);
    assert_int_equal(kem_ek_check(set, buf_view(&ek)), rc);
    if (rc == WAX_OK) {
        assert_int_equal(want_c.n, kem_ct_size(set));
        assert_memory_equal(c, want_c.p, want_c.n);
        assert_memory_equal(k.b, want_k.p, sizeof k.b);
    } else {
        (*refused)++;
        assert_true(bytes_all_zero(c, sizeof c) && bytes_all_zero(k.b, sizeof k.b));
    }
    buf_done(&ek);
    buf_done(&want_c);
    buf_done(&want_k);
}

static void one_keygen(const json_t *group, const json_t *test, void *ctx)
{
    enum kem_set set = set_of(group);
    struct buf want_ek = hex_of(test, "ek"), want_dk = hex_of(test, "dk");
    uint8_t ek[KEM_EK_MAX], dk[KEM1024_DK];
    struct seed64 s;

    assert_true(is_valid(test));
    vec_fixed(test, "seed", s.b, sizeof s.b);
    assert_int_equal(kem_expand(set, &s, ek, dk), WAX_OK);
    assert_int_equal(want_ek.n, kem_ek_size(set));
    assert_int_equal(want_dk.n, dk_size(set));
    assert_memory_equal(ek, want_ek.p, want_ek.n);
    assert_memory_equal(dk, want_dk.p, want_dk.n);
    buf_done(&want_ek);
    buf_done(&want_dk);
}

static void one_expanded(const json_t *group, const json_t *test, void *ctx)
{
    enum kem_set set = set_of(group);
    struct buf dk = hex_of(test, "dk"), c = hex_of(test, "c");
    struct key32 k;
    wax_rc rc = kem_decaps_expanded(set, buf_view(&dk), buf_view(&c), &k);

    assert_int_equal(rc, is_valid(test) ? WAX_OK : WAX_R_KEM);
    if (rc == WAX_OK) {
        struct buf want = hex_of(test, "K");
        assert_memory_equal(k.b, want.p, sizeof k.b);
        buf_done(&want);
    }
    buf_done(&dk);
    buf_done(&c);
}

static void decaps_both(void)
{
    assert_int_equal(wycheproof_each("wycheproof/mlkem_768_test.json", one_decaps, NULL), 193);
    assert_int_equal(wycheproof_each("wycheproof/mlkem_1024_test.json", one_decaps, NULL), 193);
}

static void decapsulation_agrees(void **state)
{
    (void)state;
    each_backend(decaps_both);
}

static void encaps_both(void)
{
    size_t refused = 0;

    assert_int_equal(wycheproof_each("wycheproof/mlkem_768_encaps_test.json", one_encaps, &refused),
                     265);
    assert_int_equal(
        wycheproof_each("wycheproof/mlkem_1024_encaps_test.json", one_encaps, &refused), 269);
    assert_true(refused >= 112 + 116);
}

static void encapsulation_agrees_and_bad_keys_are_refused(void **state)
{
    (void)state;
    each_backend(encaps_both);
}

static void keygen_both(void)
{
    assert_int_equal(
        wycheproof_each("wycheproof/mlkem_768_keygen_seed_test.json", one_keygen, NULL), 100);
    assert_int_equal(
        wycheproof_each("wycheproof/mlkem_1024_keygen_seed_test.json", one_keygen, NULL), 100);
}

static void key_generation_agrees(void **state)
{
    (void)state;
    each_backend(keygen_both);
}

static void expanded_both(void)
{
    assert_int_equal(
        wycheproof_each("wycheproof/mlkem_768_semi_expanded_decaps_test.json", one_expanded, NULL),
        9);
    assert_int_equal(
        wycheproof_each("wycheproof/mlkem_1024_semi_expanded_decaps_test.json", one_expanded, NULL),
        9);
}

static void expanded_keys_with_a_wrong_hash_are_refused(void **state)
{
    (void)state;
    each_backend(expanded_both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decapsulation_agrees),
        cmocka_unit_test(encapsulation_agrees_and_bad_keys_are_refused),
        cmocka_unit_test(key_generation_agrees),
        cmocka_unit_test(expanded_keys_with_a_wrong_hash_are_refused),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
