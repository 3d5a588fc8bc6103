/* crypto: ML-KEM behind its checking wrapper. The back ends' arithmetic is held to the
 * vectors of others (tests/vectors/outside). */
#include "crypto_test.h"

#include "crypto/kem.h"

static const struct seed64 seed = {{1, 2, 3}};
static const struct key32 m = {{4, 5, 6}};

static void both_sides_get_the_same_secret(void **state)
{
    (void)state;
    for (enum kem_set set = KEM_768; set <= KEM_1024; set++) {
        uint8_t ek[KEM_EK_MAX], ct[KEM_CT_MAX];
        struct key32 x, y;
        assert_int_equal(kem_keygen(set, &seed, ek), WAX_OK);
        assert_int_equal(kem_ek_check(set, BYTES(ek, kem_ek_size(set))), WAX_OK);
        assert_int_equal(kem_encaps(set, BYTES(ek, kem_ek_size(set)), &m, ct, &x), WAX_OK);
        assert_int_equal(kem_decaps(set, &seed, BYTES(ct, kem_ct_size(set)), &y), WAX_OK);
        assert_memory_equal(x.b, y.b, 32);
        /* Implicit rejection: another secret and no error. */
        ct[0] ^= 1;
        assert_int_equal(kem_decaps(set, &seed, BYTES(ct, kem_ct_size(set)), &y), WAX_OK);
        assert_memory_not_equal(x.b, y.b, 32);
    }
}

static void wrong_lengths_and_large_coefficients_are_refused(void **state)
{
    (void)state;
    for (enum kem_set set = KEM_768; set <= KEM_1024; set++) {
        uint8_t ek[KEM_EK_MAX + 1] = {0}, ct[KEM_CT_MAX + 1] = {0};
        size_t n_ek = kem_ek_size(set), n_ct = kem_ct_size(set);
        struct key32 x = {{0}};
        assert_int_equal(kem_keygen(set, &seed, ek), WAX_OK);
        assert_int_equal(kem_encaps(set, BYTES(ek, n_ek - 1), &m, ct, &x), WAX_R_KEM);
        assert_int_equal(kem_encaps(set, BYTES(ek, n_ek + 1), &m, ct, &x), WAX_R_KEM);
        assert_int_equal(kem_encaps(set, BYTES(NULL, 0), &m, ct, &x), WAX_R_KEM);
        assert_int_equal(kem_decaps(set, &seed, BYTES(ct, n_ct - 1), &x), WAX_R_KEM);
        assert_int_equal(kem_decaps(set, &seed, BYTES(ct, n_ct + 1), &x), WAX_R_KEM);
        /* The last coefficient of the last polynomial: 3329, then 3328. */
        ek[n_ek - 33] = 0xd0;
        ek[n_ek - 34] = (uint8_t)((ek[n_ek - 34] & 0x0f) | 0x10);
        assert_int_equal(kem_ek_check(set, BYTES(ek, n_ek)), WAX_R_KEM);
        assert_int_equal(kem_encaps(set, BYTES(ek, n_ek), &m, ct, &x), WAX_R_KEM);
        assert_true(bytes_all_zero(ct, sizeof ct) && bytes_all_zero(x.b, 32));
        ek[n_ek - 34] &= 0x0f;
        assert_int_equal(kem_ek_check(set, BYTES(ek, n_ek)), WAX_OK);
    }
}

static void the_two_sets_have_their_own_sizes(void **state)
{
    (void)state;
    uint8_t ek[KEM_EK_MAX];

    assert_int_equal(kem_ek_size(KEM_768), 1184);
    assert_int_equal(kem_ct_size(KEM_768), 1088);
    assert_int_equal(kem_ek_size(KEM_1024), 1568);
    assert_int_equal(kem_ct_size(KEM_1024), 1568);
    assert_int_equal(kem_keygen(KEM_768, &seed, ek), WAX_OK);
    assert_int_equal(kem_ek_check(KEM_1024, BYTES(ek, 1184)), WAX_R_KEM);
}

static void an_expanded_key_must_hold_the_hash_of_its_public_key(void **state)
{
    (void)state;
    for (enum kem_set set = KEM_768; set <= KEM_1024; set++) {
        size_t n_dk = set == KEM_768 ? KEM768_DK : KEM1024_DK;
        uint8_t ek[KEM_EK_MAX], dk[KEM1024_DK], ct[KEM_CT_MAX];
        struct key32 x, y;
        assert_int_equal(kem_expand(set, &seed, ek, dk), WAX_OK);
        assert_int_equal(kem_encaps(set, BYTES(ek, kem_ek_size(set)), &m, ct, &x), WAX_OK);
        struct bytes c = BYTES(ct, kem_ct_size(set));
        assert_int_equal(kem_decaps_expanded(set, BYTES(dk, n_dk), c, &y), WAX_OK);
        assert_memory_equal(x.b, y.b, 32);
        dk[n_dk - 64] ^= 1;
        assert_int_equal(kem_decaps_expanded(set, BYTES(dk, n_dk), c, &y), WAX_R_KEM);
        dk[n_dk - 64] ^= 1;
        dk[n_dk - 65] ^= 1; /* ek itself */
        assert_int_equal(kem_decaps_expanded(set, BYTES(dk, n_dk), c, &y), WAX_R_KEM);
        assert_int_equal(kem_decaps_expanded(set, BYTES(dk, n_dk - 1), c, &y), WAX_R_KEM);
    }
}

static void a_back_end_that_is_not_there_cannot_be_chosen(void **state)
{
    (void)state;
    enum kem_backend now = kem_current();

    assert_true(kem_has(now));
    for (enum kem_backend b = KEM_PQCLEAN; b <= KEM_OPENSSL; b++)
        assert_int_equal(kem_use(b), kem_has(b) ? WAX_OK : WAX_E_INVAL);
    assert_int_equal(kem_use(now), WAX_OK);
    assert_int_equal(kem_current(), now);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides_get_the_same_secret),
        cmocka_unit_test(wrong_lengths_and_large_coefficients_are_refused),
        cmocka_unit_test(the_two_sets_have_their_own_sizes),
        cmocka_unit_test(an_expanded_key_must_hold_the_hash_of_its_public_key),
        cmocka_unit_test(a_back_end_that_is_not_there_cannot_be_chosen),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
