/* Wycheproof: HMAC, HKDF, and AES-128-CTR as it stands inside GCM. */
#include "outside.h"

static void one_hmac(const json_t *group, const json_t *test, void *ctx)
{
    size_t n = vec_u64(group, "tagSize") / 8;
    struct buf key = hex_of(test, "key"), msg = hex_of(test, "msg"), tag = hex_of(test, "tag");
    struct key32 mac;

    assert_int_equal(hmac_raw(&mac, buf_view(&key), PARTS(buf_view(&msg))), WAX_OK);
    assert_true(n <= sizeof mac.b);
    assert_int_equal(tag.n == n && ct_equal(mac.b, tag.p, n), is_valid(test));
    buf_done(&key);
    buf_done(&msg);
    buf_done(&tag);
}

static void hmac_agrees_with_wycheproof(void **state)
{
    (void)state;
    assert_int_equal(wycheproof_each("wycheproof/hmac_sha256_test.json", one_hmac, NULL), 174);
}

static void one_hkdf(const json_t *group, const json_t *test, void *ctx)
{
    struct buf ikm = hex_of(test, "ikm"), salt = hex_of(test, "salt");
    struct buf info = hex_of(test, "info"), okm = hex_of(test, "okm");
    size_t size = vec_u64(test, "size");
    uint8_t out[255 * 32] = {0};
    struct key32 prk;
    wax_rc rc;

    assert_int_equal(hkdf_extract(&prk, buf_view(&salt), PARTS(buf_view(&ikm))), WAX_OK);
    rc = hkdf_expand_raw(BYTES_OF(prk.b), buf_view(&info), out, size);
    if (is_valid(test)) {
        assert_int_equal(rc, WAX_OK);
        assert_int_equal(okm.n, size);
        assert_memory_equal(out, okm.p, size);
    } else {
        assert_int_equal(rc, WAX_E_INVAL);
        assert_true(bytes_all_zero(out, sizeof out));
    }
    buf_done(&ikm);
    buf_done(&salt);
    buf_done(&info);
    buf_done(&okm);
}

static void hkdf_agrees_with_wycheproof(void **state)
{
    (void)state;
    assert_int_equal(wycheproof_each("wycheproof/hkdf_sha256_test.json", one_hkdf, NULL), 86);
}

/* With a 96-bit IV the text of GCM is CTR that starts at IV ‖ 00000002 (SP 800-38D 7.1);
 * whether the tag holds is GCM's matter, so only cases said to be valid are used. */
static void one_gcm(const json_t *group, const json_t *test, void *ctx)
{
    size_t *used = ctx;

    if (vec_u64(group, "keySize") != 128 || vec_u64(group, "ivSize") != 96 || !is_valid(test))
        return;
    struct buf key = hex_of(test, "key"), block = hex_of(test, "iv");
    struct buf msg = hex_of(test, "msg"), ct = hex_of(test, "ct");
    buf_u32(&block, 2);
    assert_int_equal(key.n, 16);
    assert_int_equal(block.n, 16);
    assert_int_equal(msg.n, ct.n);
    assert_int_equal(aes128_ctr(key.p, block.p, msg.p, msg.p, msg.n), WAX_OK);
    if (ct.n != 0)
        assert_memory_equal(msg.p, ct.p, ct.n);
    (*used)++;
    buf_done(&key);
    buf_done(&block);
    buf_done(&msg);
    buf_done(&ct);
}

static void ctr_agrees_with_the_text_of_wycheproofs_gcm(void **state)
{
    (void)state;
    size_t used = 0;

    assert_int_equal(wycheproof_each("wycheproof/aes_gcm_test.json", one_gcm, &used), 316);
    assert_int_equal(used, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hmac_agrees_with_wycheproof),
        cmocka_unit_test(hkdf_agrees_with_wycheproof),
        cmocka_unit_test(ctr_agrees_with_the_text_of_wycheproofs_gcm),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
