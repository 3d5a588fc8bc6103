/* ML-KEM by OpenSSL ≥ 3.5. Algorithms and parameters go by their names, so that this
 * compiles with the headers of 3.0; whether the library at run time has them is asked once. */
#include <pthread.h>

#include "crypto/kem_backend.h"
#include "crypto/lib.h"

#define PARAM_SEED "seed" /* d ‖ z */
#define PARAM_IKME "ikme" /* m */
#define PARAM_PUB "pub"
#define PARAM_PRIV "priv"

static const char *const names[] = {[KEM_768] = "ML-KEM-768", [KEM_1024] = "ML-KEM-1024"};

static pthread_once_t asked = PTHREAD_ONCE_INIT;
static bool found;

static void ask(void)
{
    EVP_KEYMGMT *small = EVP_KEYMGMT_fetch(NULL, names[KEM_768], NULL);
    EVP_KEYMGMT *large = EVP_KEYMGMT_fetch(NULL, names[KEM_1024], NULL);

    found = small && large;
    EVP_KEYMGMT_free(small);
    EVP_KEYMGMT_free(large);
    (void)lib_failed(); /* "not found" is an answer and no error */
}

static bool present(void) { return pthread_once(&asked, ask) == 0 && found; }

/* A key from one octet string; NULL on failure. */
static EVP_PKEY *import(enum kem_set set, int selection, const char *param, const uint8_t *p,
                        size_t n)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, names[set], NULL);
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(param, (uint8_t *)(uintptr_t)p, n),
        OSSL_PARAM_construct_end(),
    };

    if (!c || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &pkey, selection, params) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(c);
    return pkey;
}

static bool export_to(EVP_PKEY *pkey, const char *param, uint8_t *out, size_t n)
{
    size_t got = 0;

    return EVP_PKEY_get_octet_string_param(pkey, param, out, n, &got) == 1 && got == n;
}

static wax_rc expand(enum kem_set set, const struct seed64 *seed, uint8_t *ek, uint8_t *dk)
{
    EVP_PKEY *pkey = import(set, EVP_PKEY_KEYPAIR, PARAM_SEED, seed->b, sizeof seed->b);
    bool ok = pkey && export_to(pkey, PARAM_PUB, ek, kem_ek_size(set)) &&
              (!dk || export_to(pkey, PARAM_PRIV, dk, kem_dk_size(set)));

    EVP_PKEY_free(pkey);
    return ok ? WAX_OK : lib_failed();
}

static wax_rc encaps(enum kem_set set, const uint8_t *ek, const struct key32 *m, uint8_t *ct,
                     struct key32 *ss)
{
    EVP_PKEY *pkey = import(set, EVP_PKEY_PUBLIC_KEY, PARAM_PUB, ek, kem_ek_size(set));
    EVP_PKEY_CTX *c = pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    size_t n_ct = kem_ct_size(set), n_ss = sizeof ss->b;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(PARAM_IKME, (uint8_t *)(uintptr_t)m->b, sizeof m->b),
        OSSL_PARAM_construct_end(),
    };
    bool ok = c && EVP_PKEY_encapsulate_init(c, params) == 1 &&
              EVP_PKEY_encapsulate(c, ct, &n_ct, ss->b, &n_ss) == 1 && n_ct == kem_ct_size(set) &&
              n_ss == sizeof ss->b;

    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(pkey);
    return ok ? WAX_OK : lib_failed();
}

/* Frees pkey (NULL: the import failed). */
static wax_rc decaps_with(enum kem_set set, EVP_PKEY *pkey, const uint8_t *ct, struct key32 *ss)
{
    EVP_PKEY_CTX *c = pkey ? EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL) : NULL;
    size_t n_ss = sizeof ss->b;
    bool ok = c && EVP_PKEY_decapsulate_init(c, NULL) == 1 &&
              EVP_PKEY_decapsulate(c, ss->b, &n_ss, ct, kem_ct_size(set)) == 1 &&
              n_ss == sizeof ss->b;

    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(pkey);
    return ok ? WAX_OK : lib_failed();
}

static wax_rc decaps(enum kem_set set, const struct seed64 *seed, const uint8_t *ct,
                     struct key32 *ss)
{
    return decaps_with(set, import(set, EVP_PKEY_KEYPAIR, PARAM_SEED, seed->b, sizeof seed->b), ct,
                       ss);
}

static wax_rc decaps_expanded(enum kem_set set, const uint8_t *dk, const uint8_t *ct,
                              struct key32 *ss)
{
    return decaps_with(set, import(set, EVP_PKEY_KEYPAIR, PARAM_PRIV, dk, kem_dk_size(set)), ct,
                       ss);
}

const struct kem_ops kem_ops_openssl = {
    .present = present,
    .expand = expand,
    .encaps = encaps,
    .decaps = decaps,
    .decaps_expanded = decaps_expanded,
};
