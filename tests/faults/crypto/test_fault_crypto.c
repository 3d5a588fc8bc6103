/* crypto: whichever call into the libraries fails, and whichever allocation, an error comes
 * back, the outputs are untouched, nothing leaks (under the address sanitizer), and the next
 * call works again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/mem.h"
#include "crypto/cert.h"
#include "crypto/crypto.h"
#include "crypto/kem.h"
#include "crypto/secheap.h"
#include "fault_openssl.h"

/* What the operations work on; made once, with no faults. */
static struct {
    struct ec_key *k, *other;
    struct sig sig;
    struct seed64 seed;
    uint8_t ek[KEM_EK_MAX], dk[KEM1024_DK], ct[KEM_CT_MAX], sealed[116];
    struct buf ca_pem, key_pem;
} in;

/* The outputs of the running operation: filled with 0xee before. */
static struct {
    struct hash32 h;
    struct key32 k;
    struct sig s;
    uint8_t bytes[4096], more[4096];
} out;
static struct ec_key *out_key;
static struct buf out_buf;

static wax_rc fill(void *ctx, uint8_t *p, size_t n)
{
    memset(p, 0x42, n);
    return WAX_OK;
}
static const struct rng rng = {fill, NULL};
static const struct key32 key = {{1, 2, 3}};
static const uint8_t iv[24] = {4, 5, 6}, text[100] = {7, 8, 9};
static const uint8_t long_key[100] = {1};

#define TEXT BYTES_OF(text)
#define KEY BYTES_OF(key.b)

static wax_rc op_hash(void) { return hash_label(&out.h, LABEL_MSG, PARTS(TEXT, TEXT)); }
static wax_rc op_prefixed(void) { return hash_prefixed(&out.h, 1, PARTS(TEXT)); }
static wax_rc op_hmac(void) { return hmac_label(&out.k, KEY, LABEL_CK, PARTS(TEXT)); }
static wax_rc op_hmac_long(void) { return hmac_raw(&out.k, BYTES_OF(long_key), PARTS(TEXT)); }
static wax_rc op_extract(void) { return hkdf_extract(&out.k, KEY, PARTS(TEXT)); }
static wax_rc op_expand(void)
{
    return hkdf_expand_label(KEY, LABEL_STEP, PARTS(TEXT), out.bytes, 100);
}
static wax_rc op_ctr(void) { return aes128_ctr(key.b, iv, text, out.bytes, sizeof text); }
static wax_rc op_seal(void) { return aead_seal(&key, iv, TEXT, TEXT, out.bytes); }
static wax_rc op_open(void) { return aead_open(&key, iv, TEXT, BYTES_OF(in.sealed), out.bytes); }
static wax_rc op_generate(void) { return ec_generate(&rng, &out_key); }
static wax_rc op_from_scalar(void) { return ec_from_scalar(&key, &out_key); }
static wax_rc op_point(void) { return ec_point_check(ec_public(in.k)); }
static wax_rc op_dh(void) { return ec_dh(in.k, ec_public(in.other), &out.k); }
static wax_rc op_sign(void) { return ec_sign(in.k, LABEL_MSG, PARTS(TEXT), &out.s); }
static wax_rc op_verify(void)
{
    return ec_verify(ec_public(in.k), LABEL_MSG, PARTS(TEXT), &in.sig);
}
static wax_rc op_keygen(void) { return kem_keygen(KEM_1024, &in.seed, out.bytes); }
static wax_rc op_expand_key(void) { return kem_expand(KEM_1024, &in.seed, out.bytes, out.more); }
static wax_rc op_encaps(void)
{
    return kem_encaps(KEM_1024, BYTES_OF(in.ek), &key, out.bytes, &out.k);
}
static wax_rc op_decaps(void) { return kem_decaps(KEM_1024, &in.seed, BYTES_OF(in.ct), &out.k); }
static wax_rc op_decaps_expanded(void)
{
    return kem_decaps_expanded(KEM_1024, BYTES_OF(in.dk), BYTES_OF(in.ct), &out.k);
}
static wax_rc op_login(void) { return cert_login(in.k, &out_buf); }
static wax_rc op_key_pem(void) { return cert_key_pem(in.k, &out_buf); }
static wax_rc op_key_load(void) { return cert_key_load(buf_view(&in.key_pem), &out_key); }
static wax_rc op_ca(void) { return cert_ca(in.k, "example.org", 1790000000000, &out_buf); }
static wax_rc op_server(void)
{
    static const char *const names[] = {"localhost", "::1"};

    return cert_server(in.k, buf_view(&in.ca_pem), ec_public(in.other), names, 2, &rng,
                       1790000000000, 90, &out_buf);
}
static wax_rc op_spki(void) { return cert_spki_hash(buf_view(&in.ca_pem), &out.h); }
static wax_rc op_point_spki(void) { return cert_point_spki_hash(ec_public(in.k), &out.h); }
static wax_rc op_secret(void)
{
    void *p = secret_alloc(10);

    secret_free(p, 10);
    return p ? WAX_OK : WAX_E_NOMEM;
}

static const struct operation {
    const char *name;
    wax_rc (*run)(void);
    bool recovers; /* a failure may also be made good: then the outputs are right */
} operations[] = {
    {"hash", op_hash},
    {"hash with prefix", op_prefixed},
    {"hmac", op_hmac},
    {"hmac with a long key", op_hmac_long},
    {"hkdf extract", op_extract},
    {"hkdf expand", op_expand},
    {"aes ctr", op_ctr, true},
    {"aead seal", op_seal},
    {"aead open", op_open},
    {"ec generate", op_generate},
    {"ec from scalar", op_from_scalar},
    {"point check", op_point},
    {"ecdh", op_dh},
    {"sign", op_sign},
    {"verify", op_verify},
    {"kem keygen", op_keygen},
    {"kem expand", op_expand_key},
    {"kem encaps", op_encaps},
    {"kem decaps", op_decaps},
    {"kem decaps of an expanded key", op_decaps_expanded},
    {"login certificate", op_login},
    {"key file", op_key_pem},
    {"key file back", op_key_load},
    {"ca certificate", op_ca},
    {"server certificate", op_server},
    {"pin of a certificate", op_spki},
    {"pin of a key", op_point_spki},
    {"secret memory", op_secret},
};

static bool untouched(void)
{
    const uint8_t *p = (const uint8_t *)&out;

    for (size_t i = 0; i < sizeof out; i++)
        if (p[i] != 0xee)
            return false;
    return out_key == NULL && out_buf.n == 0;
}

static void outputs_reset(void)
{
    memset(&out, 0xee, sizeof out);
    ec_free(out_key);
    out_key = NULL;
    buf_done(&out_buf);
}

static void *in_thread(void *arg)
{
    const struct operation *op = arg;

    return (void *)(intptr_t)op->run();
}

/* In a thread of its own, so that the making of its contexts is among what can fail. */
static wax_rc run_fresh(const struct operation *op)
{
    pthread_t thread;
    void *rc = NULL;

    assert_int_equal(pthread_create(&thread, NULL, in_thread, (void *)(uintptr_t)op), 0);
    assert_int_equal(pthread_join(thread, &rc), 0);
    return (wax_rc)(intptr_t)rc;
}

/* The number of faults tried. */
static unsigned fail_each_library_call(const struct operation *op)
{
    outputs_reset();
    fault_openssl_set(0);
    assert_int_equal(run_fresh(op), WAX_OK);
    unsigned n = fault_openssl_count();
    uint8_t good[sizeof out];
    memcpy(good, &out, sizeof out);
    for (unsigned k = 1; k <= n; k++) {
        outputs_reset();
        fault_openssl_set(k);
        wax_rc rc = run_fresh(op);
        fault_openssl_set(0);
        bool made_good = op->recovers && rc == WAX_OK && memcmp(good, &out, sizeof out) == 0;
        if (!made_good && (rc == WAX_OK || !untouched()))
            fail_msg("%s: call %u of %u: %s", op->name, k, n,
                     rc == WAX_OK ? "no error" : "outputs touched");
        assert_int_equal(run_fresh(op), WAX_OK);
    }
    outputs_reset();
    return n;
}

static unsigned allocations, fail_allocation;

static int count_allocation(size_t n) { return ++allocations == fail_allocation; }

static unsigned fail_each_allocation(const struct operation *op)
{
    outputs_reset();
    allocations = fail_allocation = 0;
    mem_set_fault(count_allocation);
    assert_int_equal(run_fresh(op), WAX_OK);
    unsigned n = allocations;
    for (unsigned k = 1; k <= n; k++) {
        outputs_reset();
        allocations = 0;
        fail_allocation = k;
        wax_rc rc = run_fresh(op);
        fail_allocation = 0;
        if (rc != WAX_E_NOMEM || !untouched())
            fail_msg("%s: allocation %u of %u: %d", op->name, k, n, rc);
    }
    mem_set_fault(NULL);
    outputs_reset();
    return n;
}

static void a_failing_library_call_is_an_error(void **state)
{
    (void)state;
    unsigned total = 0;

    for (enum kem_backend b = KEM_PQCLEAN; b <= KEM_OPENSSL; b++) {
        if (!kem_has(b))
            continue;
        assert_int_equal(kem_use(b), WAX_OK);
        for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
            total += fail_each_library_call(&operations[i]);
    }
    print_message("           %u faults\n", total);
    assert_true(total > 200);
}

static void a_failing_allocation_is_an_error(void **state)
{
    (void)state;
    unsigned total = 0;

    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        total += fail_each_allocation(&operations[i]);
    print_message("           %u faults\n", total);
    assert_true(total > 10);
}

static void initialisation_can_be_tried_again(void **state)
{
    (void)state;
    unsigned k = 0;
    wax_rc rc;

    assert_int_equal(hash_raw(&out.h, NULL, 0), WAX_E_CRYPTO); /* nothing works before */
    do {
        fault_openssl_set(++k);
        rc = crypto_init();
    } while (rc == WAX_E_CRYPTO);
    fault_openssl_set(0);
    assert_int_equal(rc, WAX_OK);
    assert_true(k > 5);
}

static void the_heap_can_be_tried_again(void **state)
{
    (void)state;
    fault_openssl_set(1);
    assert_int_equal(secheap_init(), WAX_E_NOMEM);
    fault_openssl_set(0);
    wax_rc rc = secheap_init();
    assert_true(rc == WAX_OK || rc == WAX_E_UNLOCKED);
}

static void make_inputs(void **state)
{
    (void)state;
    assert_int_equal(ec_from_scalar(&key, &in.k), WAX_OK);
    assert_int_equal(ec_generate(&rng, &in.other), WAX_OK);
    assert_int_equal(ec_sign(in.k, LABEL_MSG, PARTS(TEXT), &in.sig), WAX_OK);
    in.seed.b[0] = 1;
    assert_int_equal(kem_expand(KEM_1024, &in.seed, in.ek, in.dk), WAX_OK);
    assert_int_equal(kem_encaps(KEM_1024, BYTES_OF(in.ek), &key, in.ct, &out.k), WAX_OK);
    assert_int_equal(aead_seal(&key, iv, TEXT, TEXT, in.sealed), WAX_OK);
    assert_int_equal(cert_ca(in.k, "example.org", 1790000000000, &in.ca_pem), WAX_OK);
    assert_int_equal(cert_key_pem(in.k, &in.key_pem), WAX_OK);
}

static int drop_inputs(void **state)
{
    (void)state;
    ec_free(in.k);
    ec_free(in.other);
    buf_done(&in.ca_pem);
    buf_done(&in.key_pem);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(initialisation_can_be_tried_again),
        cmocka_unit_test(the_heap_can_be_tried_again),
        cmocka_unit_test(make_inputs),
        cmocka_unit_test(a_failing_library_call_is_an_error),
        cmocka_unit_test(a_failing_allocation_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, drop_inputs);
}
