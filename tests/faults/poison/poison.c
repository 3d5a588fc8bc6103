/* Runs one operation of src/crypto with its secrets marked as undefined memory: under
 * valgrind each branch and each address that depends on them is then an error. Usage:
 * "poison OPERATION". Without valgrind it refuses, since it would pass for nothing.
 *
 * "branch" and "index" are the counter-checks: they use a secret in a forbidden way and
 * must be reported.
 *
 * Not claimed here: exchanges and signatures (libcrypto's big numbers branch on blinded
 * values and on rejected nonces, which valgrind cannot tell from leaks), ML-KEM by OpenSSL
 * (the same for its own sampling; it is tested by its makers). */
#include <stdio.h>
#include <stdlib.h>

#include <valgrind/memcheck.h>

#include "crypto/crypto.h"
#include "crypto/kem.h"

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "poison: %s\n", what);
    exit(3);
}

static void check(wax_rc rc)
{
    if (rc != WAX_OK)
        die(rc_text(rc));
}

static void poison(void *p, size_t n) { (void)VALGRIND_MAKE_MEM_UNDEFINED(p, n); }

/* The result must carry the poison, or the secret was never followed to it. */
static void poisoned(void *p)
{
    uint8_t bits[32] = {0};

    if (VALGRIND_GET_VBITS(p, bits, sizeof bits) != 1 || bytes_all_zero(bits, sizeof bits))
        die("the secret did not reach the result");
    (void)VALGRIND_MAKE_MEM_DEFINED(p, sizeof bits);
}

static void run_decaps(enum kem_set set)
{
    struct seed64 seed = {{1, 2, 3}};
    struct key32 m = {{4}}, ss;
    uint8_t ek[KEM_EK_MAX], ct[KEM_CT_MAX];

    check(kem_keygen(set, &seed, ek));
    check(kem_encaps(set, BYTES(ek, kem_ek_size(set)), &m, ct, &ss));
    for (int wrong = 0; wrong < 2; wrong++) { /* accepted, then implicitly rejected */
        ct[0] ^= (uint8_t)wrong;
        poison(&seed, sizeof seed);
        check(kem_decaps(set, &seed, BYTES(ct, kem_ct_size(set)), &ss));
        poisoned(&ss);
        (void)VALGRIND_MAKE_MEM_DEFINED(&seed, sizeof seed);
    }
}

static void kem768_decaps(void) { run_decaps(KEM_768); }
static void kem1024_decaps(void) { run_decaps(KEM_1024); }

/* The key itself is public and checked by branches: only the message is poisoned. */
static void run_encaps(enum kem_set set)
{
    struct seed64 seed = {{1, 2, 3}};
    struct key32 m = {{4}}, ss;
    uint8_t ek[KEM_EK_MAX], ct[KEM_CT_MAX];

    check(kem_keygen(set, &seed, ek));
    poison(&m, sizeof m);
    check(kem_encaps(set, BYTES(ek, kem_ek_size(set)), &m, ct, &ss));
    poisoned(&ss);
}

static void kem768_encaps(void) { run_encaps(KEM_768); }
static void kem1024_encaps(void) { run_encaps(KEM_1024); }

static void op_ct_equal(void)
{
    uint8_t x[32] = {1}, y[32] = {1};

    poison(x, sizeof x);
    poison(y, sizeof y);
    bool same = ct_equal(x, y, sizeof x);
    /* Whether they are equal is no secret. */
    (void)VALGRIND_MAKE_MEM_DEFINED(&same, sizeof same);
    if (!same)
        die("unequal");
}

static void hmac(void)
{
    struct key32 key = {{1}}, out;
    uint8_t text[100] = {2}, longkey[100] = {3};

    poison(&key, sizeof key);
    check(hmac_label(&out, BYTES_OF(key.b), LABEL_CK, NULL, 0));
    poisoned(&out);
    poison(text, sizeof text);
    check(hmac_raw(&out, BYTES_OF(key.b), PARTS(BYTES_OF(text))));
    poisoned(&out);
    poison(longkey, sizeof longkey);
    check(hmac_raw(&out, BYTES_OF(longkey), PARTS(BYTES_OF(text))));
    poisoned(&out);
}

static void hkdf(void)
{
    struct key32 ikm = {{1}}, salt = {{2}}, prk;
    uint8_t okm[96];

    poison(&ikm, sizeof ikm);
    poison(&salt, sizeof salt);
    check(hkdf_extract(&prk, BYTES_OF(salt.b), PARTS(BYTES_OF(ikm.b))));
    check(
        hkdf_expand_label(BYTES_OF(prk.b), LABEL_STEP, PARTS(BYTES_STR("info")), okm, sizeof okm));
    poisoned(okm + 64);
}

static void hash(void)
{
    uint8_t text[200] = {1};
    struct hash32 h;

    poison(text, sizeof text);
    check(hash_label(&h, LABEL_MSG, PARTS(BYTES_OF(text))));
    poisoned(&h);
}

static void ctr(void)
{
    uint8_t key[16] = {1}, iv[16] = {2}, text[100] = {3};

    /* Not the IV: libcrypto asks whether the low 32 bits of the counter will wrap, which is
     * a branch on it that says next to nothing. */
    poison(key, sizeof key);
    poison(text, sizeof text);
    check(aes128_ctr(key, iv, text, text, sizeof text));
    poisoned(text + 68);
}

static void aead(void)
{
    struct key32 key = {{1}};
    uint8_t nonce[AEAD_NONCE] = {2}, text[100] = {3}, sealed[100 + AEAD_TAG];

    poison(&key, sizeof key);
    poison(text, sizeof text);
    check(aead_seal(&key, nonce, BYTES_STR("ad"), BYTES_OF(text), sealed));
    poisoned(sealed + 68);
}

/* Counter-checks. volatile: the compiler must not turn them into something harmless. */
static volatile unsigned sink;

static void branch(void)
{
    struct key32 key = {{1}}, out;

    poison(&key, sizeof key);
    check(hmac_label(&out, BYTES_OF(key.b), LABEL_CK, NULL, 0));
    if (out.b[0] & 1)
        sink = 1;
}

static void index_by_secret(void)
{
    static const uint8_t table[256] = {7};
    uint8_t key[1] = {1};

    poison(key, sizeof key);
    sink = ((const volatile uint8_t *)table)[key[0]];
}

static const struct operation {
    const char *name;
    void (*run)(void);
} operations[] = {
    {"kem768-decaps", kem768_decaps},
    {"kem1024-decaps", kem1024_decaps},
    {"kem768-encaps", kem768_encaps},
    {"kem1024-encaps", kem1024_encaps},
    {"ct-equal", op_ct_equal},
    {"hmac", hmac},
    {"hkdf", hkdf},
    {"hash", hash},
    {"ctr", ctr},
    {"aead", aead},
    {"branch", branch},
    {"index", index_by_secret},
};

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: poison OPERATION");
    if (!RUNNING_ON_VALGRIND)
        die("not under valgrind");
    check(crypto_init());
    if (strncmp(argv[1], "kem", 3) == 0)
        check(kem_use(KEM_PQCLEAN));
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].name, argv[1]) == 0) {
            operations[i].run();
            printf("poison: %s done\n", argv[1]);
            return 0;
        }
    die("no such operation");
}
