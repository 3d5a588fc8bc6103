/* crypto: the secret heap. The order of the tests matters: the heap is made once. */
#include "crypto_test.h"

#include <openssl/crypto.h>

#include "crypto/secheap.h"

static void without_a_heap_secrets_are_ordinary_memory(void **state)
{
    (void)state;
    uint8_t *p = secret_alloc(100);

    assert_non_null(p);
    assert_true(bytes_all_zero(p, 100));
    assert_int_equal(CRYPTO_secure_allocated(p), 0);
    secret_free(p, 100);
    secret_free(NULL, 0);
}

static void secrets_and_private_keys_live_in_the_heap(void **state)
{
    (void)state;
    wax_rc rc = secheap_init();

    assert_true(rc == WAX_OK || rc == WAX_E_UNLOCKED);
    assert_int_equal(secheap_init(), rc);
    size_t before = CRYPTO_secure_used();
    uint8_t *p = secret_alloc(100);
    assert_non_null(p);
    assert_int_equal(CRYPTO_secure_allocated(p), 1);
    assert_true(bytes_all_zero(p, 100));
    memset(p, 0xaa, 100);
    secret_free(p, 100);
    struct ec_key *k = key_from(1);
    assert_int_equal(CRYPTO_secure_allocated(k), 1);
    ec_free(k);
    assert_int_equal(CRYPTO_secure_used(), before);
}

static void freed_secrets_are_wiped(void **state)
{
    (void)state;
    uint8_t *p = secret_alloc(128);

    assert_non_null(p);
    memset(p, 0xaa, 128);
    secret_free(p, 128);
    uint8_t *again = secret_alloc(128);
    assert_non_null(again);
    assert_true(bytes_all_zero(again, 128));
    secret_free(again, 128);
}

static void a_full_heap_is_an_error_and_no_fallback(void **state)
{
    (void)state;
    void *blocks[64];
    size_t n = 0;
    struct ec_key *k = NULL;
    struct key32 scalar = {{1}};

    while (n < 64 && (blocks[n] = secret_alloc(64 * 1024)))
        n++;
    assert_in_range(n, 10, 16);
    void *small[20000];
    size_t m = 0;
    while (m < 20000 && (small[m] = secret_alloc(32)))
        m++;
    assert_true(m < 20000);
    assert_int_equal(ec_from_scalar(&scalar, &k), WAX_E_NOMEM);
    assert_null(k);
    while (m > 0)
        secret_free(small[--m], 32);
    while (n > 0)
        secret_free(blocks[--n], 64 * 1024);
    assert_int_equal(ec_from_scalar(&scalar, &k), WAX_OK);
    ec_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_heap_secrets_are_ordinary_memory),
        cmocka_unit_test(secrets_and_private_keys_live_in_the_heap),
        cmocka_unit_test(freed_secrets_are_wiped),
        cmocka_unit_test(a_full_heap_is_an_error_and_no_fallback),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
