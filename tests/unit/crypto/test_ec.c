/* crypto: P-256 keys, exchanges and signatures. */
#include "crypto_test.h"

static const uint8_t order[32] = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
};
#define G_HEX                                                                                      \
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"                           \
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"

/* s ← n − s. */
static void mirror(uint8_t s[32])
{
    int borrow = 0;

    for (int i = 31; i >= 0; i--) {
        int d = order[i] - s[i] - borrow;
        borrow = d < 0;
        s[i] = (uint8_t)(d + 256 * borrow);
    }
}

static void scalar_one_gives_the_base_point(void **state)
{
    (void)state;
    struct key32 one = {{0}}, out;
    struct point g;
    struct ec_key *k = NULL;

    one.b[31] = 1;
    unhex(G_HEX, g.b, sizeof g.b);
    assert_int_equal(ec_from_scalar(&one, &k), WAX_OK);
    assert_memory_equal(ec_public(k)->b, g.b, sizeof g.b);
    ec_scalar(k, &out);
    assert_memory_equal(out.b, one.b, 32);
    ec_free(k);
    ec_free(NULL);
}

static void scalars_outside_the_group_are_refused(void **state)
{
    (void)state;
    struct key32 s = {{0}};
    struct ec_key *k = NULL;

    assert_int_equal(ec_from_scalar(&s, &k), WAX_E_INVAL);
    memcpy(s.b, order, 32);
    assert_int_equal(ec_from_scalar(&s, &k), WAX_E_INVAL);
    memset(s.b, 0xff, 32);
    assert_int_equal(ec_from_scalar(&s, &k), WAX_E_INVAL);
    assert_null(k);
    memcpy(s.b, order, 32);
    s.b[31]--;
    assert_int_equal(ec_from_scalar(&s, &k), WAX_OK);
    ec_free(k);
}

/* First draw all ff, second all zero, then a good one. */
static wax_rc two_bad_draws(void *ctx, uint8_t *out, size_t n)
{
    unsigned *draws = ctx;

    assert_int_equal(n, 32);
    memset(out, *draws == 0 ? 0xff : *draws == 1 ? 0 : 5, n);
    ++*draws;
    return WAX_OK;
}

static void a_key_is_a_function_of_the_bytes_drawn(void **state)
{
    (void)state;
    unsigned draws = 0;
    struct ec_key *x = NULL, *y = NULL;
    struct key32 scalar;

    assert_int_equal(ec_generate(&(struct rng){two_bad_draws, &draws}, &x), WAX_OK);
    assert_int_equal(draws, 3);
    memset(scalar.b, 5, 32);
    assert_int_equal(ec_from_scalar(&scalar, &y), WAX_OK);
    assert_memory_equal(ec_public(x)->b, ec_public(y)->b, 65);
    ec_free(x);
    ec_free(y);
}

static wax_rc no_bytes(void *ctx, uint8_t *out, size_t n) { return WAX_E_RANDOM; }

static void without_randomness_there_is_no_key(void **state)
{
    (void)state;
    struct ec_key *k = NULL;

    assert_int_equal(ec_generate(&(struct rng){no_bytes, NULL}, &k), WAX_E_RANDOM);
    assert_null(k);
}

static void both_sides_of_an_exchange_agree(void **state)
{
    (void)state;
    struct ec_key *a = key_from(1), *b = key_from(77);
    struct key32 x, y;

    assert_int_equal(ec_dh(a, ec_public(b), &x), WAX_OK);
    assert_int_equal(ec_dh(b, ec_public(a), &y), WAX_OK);
    assert_memory_equal(x.b, y.b, 32);
    ec_free(a);
    ec_free(b);
}

static void points_off_the_curve_are_refused_everywhere(void **state)
{
    (void)state;
    struct ec_key *k = key_from(1);
    struct point good = *ec_public(k), bad[6];
    struct key32 x = {{0}};
    struct sig s;

    assert_int_equal(ec_sign(k, LABEL_MSG, NULL, 0, &s), WAX_OK);
    for (size_t i = 0; i < 6; i++)
        bad[i] = good;
    bad[0].b[64] ^= 1;
    bad[1].b[0] = 2;
    bad[2].b[0] = 0;
    bad[3].b[0] = 6; /* hybrid form */
    memset(bad[4].b + 1, 0, 64);
    memset(bad[5].b + 1, 0xff, 64);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(ec_point_check(&bad[i]), WAX_R_POINT);
        assert_int_equal(ec_dh(k, &bad[i], &x), WAX_R_POINT);
        assert_int_equal(ec_verify(&bad[i], LABEL_MSG, NULL, 0, &s), WAX_R_SIGNATURE);
    }
    assert_true(bytes_all_zero(x.b, 32));
    assert_int_equal(ec_point_check(&good), WAX_OK);
    ec_free(k);
}

/* Enough signatures that r or s start with a zero byte now and then. */
static void signatures_are_low_and_verify(void **state)
{
    (void)state;
    static const uint8_t half[4] = {0x7f, 0xff, 0xff, 0xff};
    struct ec_key *k = key_from(1), *other = key_from(2);
    struct sig s;

    for (uint32_t i = 0; i < 1500; i++) {
        assert_int_equal(ec_sign(k, LABEL_MSG, PARTS(BYTES(&i, sizeof i)), &s), WAX_OK);
        assert_true(memcmp(s.b + 32, half, 4) <= 0);
        assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, PARTS(BYTES(&i, sizeof i)), &s),
                         WAX_OK);
    }
    assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, NULL, 0, &s), WAX_R_SIGNATURE);
    assert_int_equal(ec_verify(ec_public(other), LABEL_MSG, NULL, 0, &s), WAX_R_SIGNATURE);
    ec_free(k);
    ec_free(other);
}

static void a_label_cannot_stand_for_another(void **state)
{
    (void)state;
    struct ec_key *k = key_from(1);
    struct bytes text = BYTES_STR("text");
    struct sig s;

    assert_int_equal(ec_sign(k, LABEL_MANIFEST, &text, 1, &s), WAX_OK);
    assert_int_equal(ec_verify(ec_public(k), LABEL_MANIFEST, &text, 1, &s), WAX_OK);
    assert_int_equal(ec_verify(ec_public(k), LABEL_BUNDLE, &text, 1, &s), WAX_R_SIGNATURE);
    ec_free(k);
}

static void the_high_twin_of_a_signature_is_refused(void **state)
{
    (void)state;
    struct ec_key *k = key_from(1);
    struct bytes text = BYTES_STR("text");
    uint8_t msg[LABEL_SIZE + 4];
    struct sig s;

    assert_int_equal(ec_sign(k, LABEL_MSG, &text, 1, &s), WAX_OK);
    mirror(s.b + 32);
    assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, &text, 1, &s), WAX_R_SIGNATURE);
    /* It is valid as ECDSA: only our rule refuses it. */
    memcpy(msg, label_bytes(LABEL_MSG).p, LABEL_SIZE);
    memcpy(msg + LABEL_SIZE, "text", 4);
    assert_int_equal(ec_verify_raw(ec_public(k), BYTES_OF(msg), BYTES_OF(s.b), false), WAX_OK);
    mirror(s.b + 32);
    assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, &text, 1, &s), WAX_OK);
    ec_free(k);
}

static void r_and_s_out_of_range_are_refused(void **state)
{
    (void)state;
    struct ec_key *k = key_from(1);
    struct sig good, s;

    assert_int_equal(ec_sign(k, LABEL_MSG, NULL, 0, &good), WAX_OK);
    for (size_t at = 0; at < 64; at += 32) {
        s = good;
        memset(s.b + at, 0, 32);
        assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, NULL, 0, &s), WAX_R_SIGNATURE);
        memcpy(s.b + at, order, 32);
        assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, NULL, 0, &s), WAX_R_SIGNATURE);
        memset(s.b + at, 0xff, 32);
        assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, NULL, 0, &s), WAX_R_SIGNATURE);
    }
    for (size_t i = 0; i < 64; i++) {
        s = good;
        s.b[i] ^= 1;
        assert_int_equal(ec_verify(ec_public(k), LABEL_MSG, NULL, 0, &s), WAX_R_SIGNATURE);
    }
    ec_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_one_gives_the_base_point),
        cmocka_unit_test(scalars_outside_the_group_are_refused),
        cmocka_unit_test(a_key_is_a_function_of_the_bytes_drawn),
        cmocka_unit_test(without_randomness_there_is_no_key),
        cmocka_unit_test(both_sides_of_an_exchange_agree),
        cmocka_unit_test(points_off_the_curve_are_refused_everywhere),
        cmocka_unit_test(signatures_are_low_and_verify),
        cmocka_unit_test(a_label_cannot_stand_for_another),
        cmocka_unit_test(the_high_twin_of_a_signature_is_refused),
        cmocka_unit_test(r_and_s_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
