/* crypto: hashes, MACs, key derivation, counter mode and sealed values. */
#include "crypto_test.h"

#include <pthread.h>

static void label_and_prefix_come_before_the_parts(void **state)
{
    (void)state;
    struct hash32 want, got;
    const uint8_t two = 2;

    unhex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", want.b, 32);
    assert_int_equal(hash_raw(&got, PARTS(BYTES_STR("a"), BYTES(NULL, 0), BYTES_STR("bc"))),
                     WAX_OK);
    assert_memory_equal(got.b, want.b, 32);
    assert_int_equal(hash_raw(&want, PARTS(label_bytes(LABEL_MSG), BYTES_STR("abc"))), WAX_OK);
    assert_int_equal(hash_label(&got, LABEL_MSG, PARTS(BYTES_STR("ab"), BYTES_STR("c"))), WAX_OK);
    assert_memory_equal(got.b, want.b, 32);
    assert_int_equal(hash_raw(&want, PARTS(BYTES(&two, 1), BYTES_STR("abc"))), WAX_OK);
    assert_int_equal(hash_prefixed(&got, 2, PARTS(BYTES_STR("abc"))), WAX_OK);
    assert_memory_equal(got.b, want.b, 32);
    unhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", want.b, 32);
    assert_int_equal(hash_raw(&got, NULL, 0), WAX_OK);
    assert_memory_equal(got.b, want.b, 32);
}

static void a_chain_key_may_be_stepped_in_place(void **state)
{
    (void)state;
    struct key32 k = {{7}}, want;

    assert_int_equal(hmac_label(&want, BYTES_OF(k.b), LABEL_CK, NULL, 0), WAX_OK);
    assert_int_equal(hmac_label(&k, BYTES_OF(k.b), LABEL_CK, NULL, 0), WAX_OK);
    assert_memory_equal(k.b, want.b, 32);
    assert_int_equal(hmac_raw(&want, BYTES_OF(k.b), PARTS(label_bytes(LABEL_MK), BYTES_OF(k.b))),
                     WAX_OK);
    assert_int_equal(hmac_label(&k, BYTES_OF(k.b), LABEL_MK, PARTS(BYTES_OF(k.b))), WAX_OK);
    assert_memory_equal(k.b, want.b, 32);
}

static void expand_with_label_puts_it_before_the_info(void **state)
{
    (void)state;
    struct key32 prk = {{3}};
    uint8_t info[LABEL_SIZE + 3], got[100], want[100];

    memcpy(info, label_bytes(LABEL_STEP).p, LABEL_SIZE);
    memcpy(info + LABEL_SIZE, "xyz", 3);
    assert_int_equal(hkdf_expand_raw(BYTES_OF(prk.b), BYTES_OF(info), want, sizeof want), WAX_OK);
    assert_int_equal(hkdf_expand_label(BYTES_OF(prk.b), LABEL_STEP,
                                       PARTS(BYTES_STR("x"), BYTES_STR("yz")), got, sizeof got),
                     WAX_OK);
    assert_memory_equal(got, want, sizeof got);
    /* A shorter output is a prefix; nothing behind it is written. */
    memset(got, 0xee, sizeof got);
    assert_int_equal(hkdf_expand_label(BYTES_OF(prk.b), LABEL_STEP,
                                       PARTS(BYTES_STR("x"), BYTES_STR("yz")), got, 33),
                     WAX_OK);
    assert_memory_equal(got, want, 33);
    assert_int_equal(got[33], 0xee);
}

static void expand_keeps_to_its_limit(void **state)
{
    (void)state;
    static uint8_t out[8161];
    struct key32 prk = {{3}};

    assert_int_equal(hkdf_expand_raw(BYTES_OF(prk.b), BYTES(NULL, 0), out, 8161), WAX_E_INVAL);
    assert_true(bytes_all_zero(out, sizeof out));
    assert_int_equal(hkdf_expand_raw(BYTES_OF(prk.b), BYTES(NULL, 0), out, 8160), WAX_OK);
    assert_int_equal(out[8160], 0);
    assert_int_equal(hkdf_expand_raw(BYTES_OF(prk.b), BYTES(NULL, 0), NULL, 0), WAX_OK);
}

static void ct_equal_sees_every_byte(void **state)
{
    (void)state;
    uint8_t x[33] = {0}, y[33] = {0};

    assert_true(ct_equal(x, y, sizeof x));
    assert_true(ct_equal(x, y, 0));
    for (size_t i = 0; i < sizeof x; i++) {
        y[i] = 0x80;
        assert_false(ct_equal(x, y, sizeof x));
        y[i] = 0;
    }
}

/* SP 800-38A F.5.1. */
static void counter_mode_gives_the_nist_example_in_place_and_in_pieces(void **state)
{
    (void)state;
    uint8_t key[16], iv[16], text[64], cipher[64], out[64];

    unhex("2b7e151628aed2a6abf7158809cf4f3c", key, 16);
    unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", iv, 16);
    unhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
          "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
          text, 64);
    unhex("874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
          "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee",
          cipher, 64);
    for (size_t n = 0; n <= sizeof text; n++) {
        memset(out, 0, sizeof out);
        assert_int_equal(aes128_ctr(key, iv, text, out, n), WAX_OK);
        assert_true(bytes_eq(BYTES(out, n), BYTES(cipher, n)));
        assert_true(bytes_all_zero(out + n, sizeof out - n));
    }
    assert_int_equal(aes128_ctr(key, iv, out, out, sizeof out), WAX_OK);
    assert_memory_equal(out, text, sizeof out);
}

static void the_counter_runs_over_all_128_bits(void **state)
{
    (void)state;
    uint8_t key[16] = {1}, max[16], zero[16] = {0}, in[32] = {0}, wrapped[32], next[16];

    memset(max, 0xff, sizeof max);
    assert_int_equal(aes128_ctr(key, max, in, wrapped, sizeof wrapped), WAX_OK);
    assert_int_equal(aes128_ctr(key, zero, in, next, sizeof next), WAX_OK);
    assert_memory_equal(wrapped + 16, next, sizeof next);
}

/* draft-irtf-cfrg-xchacha-03, A.3.1. */
static void sealed_values_give_the_draft_example(void **state)
{
    (void)state;
    static const char plain[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
                                "only one tip for the future, sunscreen would be it.";
    struct bytes text = BYTES(plain, sizeof plain - 1);
    uint8_t nonce[24], ad[12], sealed[114 + 16], want[114 + 16], opened[114];
    struct key32 key;

    for (size_t i = 0; i < sizeof key.b; i++)
        key.b[i] = (uint8_t)(0x80 + i);
    for (size_t i = 0; i < sizeof nonce; i++)
        nonce[i] = (uint8_t)(0x40 + i);
    unhex("50515253c0c1c2c3c4c5c6c7", ad, sizeof ad);
    unhex("bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f"
          "4eda7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f"
          "76b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49",
          want, sizeof want);
    assert_int_equal(text.n, sizeof opened);
    assert_int_equal(aead_seal(&key, nonce, BYTES_OF(ad), text, sealed), WAX_OK);
    assert_memory_equal(sealed, want, sizeof want);
    assert_int_equal(aead_open(&key, nonce, BYTES_OF(ad), BYTES_OF(sealed), opened), WAX_OK);
    assert_memory_equal(opened, plain, sizeof opened);
}

static void a_changed_sealed_value_does_not_open_and_writes_nothing(void **state)
{
    (void)state;
    struct key32 key = {{1}};
    uint8_t nonce[24] = {2}, ad[4] = {3}, text[20] = {4}, sealed[36], out[20];

    assert_int_equal(aead_seal(&key, nonce, BYTES_OF(ad), BYTES_OF(text), sealed), WAX_OK);
    memset(out, 0xee, sizeof out);
    for (size_t i = 0; i < sizeof sealed; i++) {
        sealed[i] ^= 1;
        assert_int_equal(aead_open(&key, nonce, BYTES_OF(ad), BYTES_OF(sealed), out), WAX_R_MAC);
        sealed[i] ^= 1;
    }
    assert_int_equal(aead_open(&key, nonce, BYTES(ad, 3), BYTES_OF(sealed), out), WAX_R_MAC);
    assert_int_equal(aead_open(&key, nonce, BYTES_OF(ad), BYTES(sealed, 35), out), WAX_R_MAC);
    assert_int_equal(aead_open(&key, nonce, BYTES_OF(ad), BYTES(sealed, 15), out), WAX_R_MAC);
    for (size_t i = 0; i < sizeof out; i++)
        assert_int_equal(out[i], 0xee);
    assert_int_equal(aead_open(&key, nonce, BYTES_OF(ad), BYTES_OF(sealed), out), WAX_OK);
    assert_memory_equal(out, text, sizeof out);
}

static void an_empty_value_can_be_sealed(void **state)
{
    (void)state;
    struct key32 key = {{1}};
    uint8_t nonce[24] = {2}, sealed[16];

    assert_int_equal(aead_seal(&key, nonce, BYTES(NULL, 0), BYTES(NULL, 0), sealed), WAX_OK);
    assert_int_equal(aead_open(&key, nonce, BYTES(NULL, 0), BYTES_OF(sealed), NULL), WAX_OK);
    sealed[0] ^= 1;
    assert_int_equal(aead_open(&key, nonce, BYTES(NULL, 0), BYTES_OF(sealed), NULL), WAX_R_MAC);
}

/* A long chain, so that threads overlap; NULL when the result is the one expected. */
static void *chain(void *arg)
{
    struct key32 *k = arg;

    for (int i = 0; i < 20000; i++)
        if (hmac_label(k, BYTES_OF(k->b), LABEL_CK, NULL, 0) != WAX_OK)
            return arg;
    return NULL;
}

static void threads_do_not_share_contexts(void **state)
{
    (void)state;
    struct key32 keys[4] = {{{9}}, {{9}}, {{9}}, {{9}}}, want = {{9}};
    pthread_t threads[4];

    assert_null(chain(&want));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, chain, &keys[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
        assert_memory_equal(keys[i].b, want.b, 32);
    }
}

static void crypto_init_may_be_called_again(void **state)
{
    (void)state;
    assert_int_equal(crypto_init(), WAX_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crypto_init_may_be_called_again),
        cmocka_unit_test(label_and_prefix_come_before_the_parts),
        cmocka_unit_test(a_chain_key_may_be_stepped_in_place),
        cmocka_unit_test(expand_with_label_puts_it_before_the_info),
        cmocka_unit_test(expand_keeps_to_its_limit),
        cmocka_unit_test(ct_equal_sees_every_byte),
        cmocka_unit_test(counter_mode_gives_the_nist_example_in_place_and_in_pieces),
        cmocka_unit_test(the_counter_runs_over_all_128_bits),
        cmocka_unit_test(sealed_values_give_the_draft_example),
        cmocka_unit_test(a_changed_sealed_value_does_not_open_and_writes_nothing),
        cmocka_unit_test(an_empty_value_can_be_sealed),
        cmocka_unit_test(threads_do_not_share_contexts),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
