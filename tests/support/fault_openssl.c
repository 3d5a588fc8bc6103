#include "fault_openssl.h"

#include <stdbool.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <sodium.h>

static unsigned fail_at, calls;

void fault_openssl_set(unsigned k)
{
    fail_at = k;
    calls = 0;
}

unsigned fault_openssl_count(void) { return calls; }

static bool fault_here(void) { return ++calls == fail_at; }

#define WRAP(type, name, failure, params, args)                                                    \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params { return fault_here() ? (failure) : __real_##name args; }

/* clang-format off */
WRAP(int, ASN1_STRING_set, 0, (ASN1_STRING *s, const void *p, int n), (s, p, n))
WRAP(ASN1_STRING *, ASN1_STRING_type_new, NULL, (int t), (t))
WRAP(ASN1_TIME *, ASN1_TIME_set, NULL, (ASN1_TIME *s, time_t t), (s, t))
WRAP(int, ASN1_TIME_set_string_X509, 0, (ASN1_TIME *s, const char *t), (s, t))
WRAP(BIGNUM *, BN_bin2bn, NULL, (const unsigned char *p, int n, BIGNUM *r), (p, n, r))
WRAP(BIGNUM *, BN_secure_new, NULL, (void), ())
WRAP(ASN1_INTEGER *, BN_to_ASN1_INTEGER, NULL, (const BIGNUM *b, ASN1_INTEGER *a), (b, a))
WRAP(int, CRYPTO_secure_malloc_init, 0, (size_t n, size_t m), (n, m))
WRAP(void *, CRYPTO_secure_zalloc, NULL, (size_t n, const char *f, int l), (n, f, l))
WRAP(EC_GROUP *, EC_GROUP_new_by_curve_name, NULL, (int nid), (nid))
WRAP(int, EC_POINT_mul, 0, (const EC_GROUP *g, EC_POINT *r, const BIGNUM *n, const EC_POINT *q, const BIGNUM *m, BN_CTX *c), (g, r, n, q, m, c))
WRAP(EC_POINT *, EC_POINT_new, NULL, (const EC_GROUP *g), (g))
WRAP(size_t, EC_POINT_point2oct, 0, (const EC_GROUP *g, const EC_POINT *p, point_conversion_form_t f, unsigned char *b, size_t n, BN_CTX *c), (g, p, f, b, n, c))
WRAP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, NULL, (void), ())
WRAP(EVP_CIPHER *, EVP_CIPHER_fetch, NULL, (OSSL_LIB_CTX *l, const char *a, const char *p), (l, a, p))
WRAP(int, EVP_Digest, 0, (const void *d, size_t n, unsigned char *md, unsigned *s, const EVP_MD *t, ENGINE *e), (d, n, md, s, t, e))
WRAP(int, EVP_DigestFinal_ex, 0, (EVP_MD_CTX *c, unsigned char *md, unsigned *s), (c, md, s))
WRAP(int, EVP_DigestInit_ex2, 0, (EVP_MD_CTX *c, const EVP_MD *t, const OSSL_PARAM *p), (c, t, p))
WRAP(int, EVP_DigestUpdate, 0, (EVP_MD_CTX *c, const void *d, size_t n), (c, d, n))
WRAP(int, EVP_EncryptInit_ex2, 0, (EVP_CIPHER_CTX *c, const EVP_CIPHER *t, const unsigned char *k, const unsigned char *i, const OSSL_PARAM *p), (c, t, k, i, p))
WRAP(int, EVP_EncryptUpdate, 0, (EVP_CIPHER_CTX *c, unsigned char *o, int *ol, const unsigned char *i, int n), (c, o, ol, i, n))
WRAP(EVP_KEYMGMT *, EVP_KEYMGMT_fetch, NULL, (OSSL_LIB_CTX *l, const char *a, const char *p), (l, a, p))
WRAP(EVP_MD_CTX *, EVP_MD_CTX_new, NULL, (void), ())
WRAP(EVP_MD *, EVP_MD_fetch, NULL, (OSSL_LIB_CTX *l, const char *a, const char *p), (l, a, p))
WRAP(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name, NULL, (OSSL_LIB_CTX *l, const char *n, const char *p), (l, n, p))
WRAP(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_pkey, NULL, (OSSL_LIB_CTX *l, EVP_PKEY *k, const char *p), (l, k, p))
WRAP(int, EVP_PKEY_copy_parameters, 0, (EVP_PKEY *t, const EVP_PKEY *f), (t, f))
WRAP(int, EVP_PKEY_decapsulate, 0, (EVP_PKEY_CTX *c, unsigned char *s, size_t *sl, const unsigned char *w, size_t wl), (c, s, sl, w, wl))
WRAP(int, EVP_PKEY_decapsulate_init, 0, (EVP_PKEY_CTX *c, const OSSL_PARAM p[]), (c, p))
WRAP(int, EVP_PKEY_derive, 0, (EVP_PKEY_CTX *c, unsigned char *k, size_t *n), (c, k, n))
WRAP(int, EVP_PKEY_derive_init, 0, (EVP_PKEY_CTX *c), (c))
WRAP(int, EVP_PKEY_derive_set_peer_ex, 0, (EVP_PKEY_CTX *c, EVP_PKEY *p, int v), (c, p, v))
WRAP(int, EVP_PKEY_encapsulate, 0, (EVP_PKEY_CTX *c, unsigned char *w, size_t *wl, unsigned char *s, size_t *sl), (c, w, wl, s, sl))
WRAP(int, EVP_PKEY_encapsulate_init, 0, (EVP_PKEY_CTX *c, const OSSL_PARAM p[]), (c, p))
WRAP(int, EVP_PKEY_fromdata, 0, (EVP_PKEY_CTX *c, EVP_PKEY **k, int s, OSSL_PARAM p[]), (c, k, s, p))
WRAP(int, EVP_PKEY_fromdata_init, 0, (EVP_PKEY_CTX *c), (c))
WRAP(int, EVP_PKEY_get_octet_string_param, 0, (const EVP_PKEY *k, const char *n, unsigned char *b, size_t m, size_t *o), (k, n, b, m, o))
WRAP(EVP_PKEY *, EVP_PKEY_new, NULL, (void), ())
WRAP(int, EVP_PKEY_set1_encoded_public_key, 0, (EVP_PKEY *k, const unsigned char *p, size_t n), (k, p, n))
WRAP(int, EVP_PKEY_sign, 0, (EVP_PKEY_CTX *c, unsigned char *s, size_t *n, const unsigned char *t, size_t m), (c, s, n, t, m))
WRAP(int, EVP_PKEY_sign_init, 0, (EVP_PKEY_CTX *c), (c))
WRAP(int, EVP_PKEY_verify, -1, (EVP_PKEY_CTX *c, const unsigned char *s, size_t n, const unsigned char *t, size_t m), (c, s, n, t, m))
WRAP(int, EVP_PKEY_verify_init, 0, (EVP_PKEY_CTX *c), (c))
WRAP(GENERAL_NAMES *, GENERAL_NAMES_new, NULL, (void), ())
WRAP(GENERAL_NAME *, GENERAL_NAME_new, NULL, (void), ())
WRAP(int, OPENSSL_sk_push, 0, (OPENSSL_STACK *s, const void *p), (s, p))
WRAP(X509_EXTENSION *, X509V3_EXT_conf_nid, NULL, (LHASH_OF(CONF_VALUE) *l, X509V3_CTX *c, int n, const char *v), (l, c, n, v))
WRAP(int, X509_NAME_add_entry_by_NID, 0, (X509_NAME *x, int nid, int t, const unsigned char *p, int n, int loc, int set), (x, nid, t, p, n, loc, set))
WRAP(int, X509_add1_ext_i2d, 0, (X509 *x, int nid, void *v, int crit, unsigned long f), (x, nid, v, crit, f))
WRAP(int, X509_add_ext, 0, (X509 *x, X509_EXTENSION *e, int loc), (x, e, loc))
WRAP(int, X509_check_private_key, 0, (const X509 *x, const EVP_PKEY *k), (x, k))
WRAP(X509 *, X509_new, NULL, (void), ())
WRAP(int, X509_set_issuer_name, 0, (X509 *x, const X509_NAME *n), (x, n))
WRAP(int, X509_set_pubkey, 0, (X509 *x, EVP_PKEY *k), (x, k))
WRAP(int, X509_set_version, 0, (X509 *x, long v), (x, v))
WRAP(int, X509_sign, 0, (X509 *x, EVP_PKEY *k, const EVP_MD *md), (x, k, md))
WRAP(int, crypto_aead_xchacha20poly1305_ietf_decrypt, -1, (unsigned char *m, unsigned long long *ml, unsigned char *ns, const unsigned char *c, unsigned long long cl, const unsigned char *a, unsigned long long al, const unsigned char *n, const unsigned char *k), (m, ml, ns, c, cl, a, al, n, k))
WRAP(int, crypto_aead_xchacha20poly1305_ietf_encrypt, -1, (unsigned char *c, unsigned long long *cl, const unsigned char *m, unsigned long long ml, const unsigned char *a, unsigned long long al, const unsigned char *ns, const unsigned char *n, const unsigned char *k), (c, cl, m, ml, a, al, ns, n, k))
WRAP(X509 *, d2i_X509, NULL, (X509 **x, const unsigned char **p, long n), (x, p, n))
WRAP(int, i2d_X509, -1, (const X509 *x, unsigned char **p), (x, p))
WRAP(int, i2d_X509_PUBKEY, -1, (const X509_PUBKEY *x, unsigned char **p), (x, p))
WRAP(int, sodium_init, -1, (void), ())
/* clang-format on */
