/* Wycheproof: ECDSA and ECDH on P-256. */
#include "outside.h"

static void group_key(const json_t *group, struct point *ret)
{
    vec_fixed(vec_get(group, "publicKey"), "uncompressed", ret->b, sizeof ret->b);
}

static void one_ecdsa(const json_t *group, const json_t *test, bool der)
{
    struct buf msg = hex_of(test, "msg"), sig = hex_of(test, "sig");
    struct point pub;
    wax_rc want = is_valid(test) ? WAX_OK : WAX_R_SIGNATURE;

    group_key(group, &pub);
    assert_int_equal(ec_verify_raw(&pub, buf_view(&msg), buf_view(&sig), der), want);
    buf_done(&msg);
    buf_done(&sig);
}

static void one_p1363(const json_t *group, const json_t *test, void *ctx)
{
    size_t *valid = ctx;

    one_ecdsa(group, test, false);
    *valid += is_valid(test);
}

static void one_der(const json_t *group, const json_t *test, void *ctx)
{
    one_ecdsa(group, test, true);
}

static void raw_signatures_agree_with_wycheproof(void **state)
{
    (void)state;
    size_t valid = 0;

    assert_int_equal(
        wycheproof_each("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json", one_p1363, &valid),
        262);
    assert_int_equal(valid, 173);
}

static void der_signatures_agree_with_wycheproof(void **state)
{
    (void)state;
    assert_int_equal(wycheproof_each("wycheproof/ecdsa_secp256r1_sha256_test.json", one_der, NULL),
                     484);
}

/* The private key is a big-endian integer, possibly short or with leading zeros. */
static struct ec_key *private_of(const json_t *test)
{
    struct buf priv = hex_of(test, "private");
    struct key32 scalar = {0};
    struct ec_key *k = NULL;
    size_t skip = priv.n > 32 ? priv.n - 32 : 0;

    assert_true(bytes_all_zero(priv.p, skip));
    memcpy(scalar.b + 32 - (priv.n - skip), priv.p + skip, priv.n - skip);
    assert_int_equal(ec_from_scalar(&scalar, &k), WAX_OK);
    buf_done(&priv);
    return k;
}

struct ecdh_counts {
    size_t accepted, off_curve, not_65_bytes, compressed;
};

static void one_ecdh(const json_t *group, const json_t *test, void *ctx)
{
    struct ecdh_counts *counts = ctx;
    struct buf pub = hex_of(test, "public"), shared = hex_of(test, "shared");
    struct ec_key *k = private_of(test);
    struct key32 x = {{0}};
    struct point p;

    /* On our wire a point has 65 bytes; that the length is another is the codec's refusal. */
    if (pub.n != sizeof p.b) {
        assert_false(is_valid(test));
        if (strcmp(vec_str(test, "result"), "acceptable") == 0)
            counts->compressed++; /* refused by our stricter rule */
        else
            counts->not_65_bytes++;
    } else {
        memcpy(p.b, pub.p, sizeof p.b);
        wax_rc rc = ec_dh(k, &p, &x);
        assert_int_equal(rc, is_valid(test) ? WAX_OK : WAX_R_POINT);
        assert_int_equal(ec_point_check(&p), rc);
        if (rc == WAX_OK) {
            assert_int_equal(shared.n, 32);
            assert_memory_equal(x.b, shared.p, 32);
            counts->accepted++;
        } else {
            assert_true(bytes_all_zero(x.b, sizeof x.b));
            counts->off_curve++;
        }
    }
    ec_free(k);
    buf_done(&pub);
    buf_done(&shared);
}

static void exchanges_agree_with_wycheproof(void **state)
{
    (void)state;
    struct ecdh_counts counts = {0};

    assert_int_equal(
        wycheproof_each("wycheproof/ecdh_secp256r1_ecpoint_test.json", one_ecdh, &counts), 355);
    assert_int_equal(counts.accepted, 330);
    assert_int_equal(counts.compressed, 1);
    assert_int_equal(counts.off_curve + counts.not_65_bytes, 24);
    assert_true(counts.off_curve > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_signatures_agree_with_wycheproof),
        cmocka_unit_test(der_signatures_agree_with_wycheproof),
        cmocka_unit_test(exchanges_agree_with_wycheproof),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
