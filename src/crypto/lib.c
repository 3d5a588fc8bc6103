#include "crypto/lib.h"

#include <pthread.h>
#include <stdatomic.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <sodium.h>

static struct algorithms algorithms;
static atomic_bool ready;
static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t cleanup;
static bool cleanup_made;
static __thread struct thread_contexts contexts;
static __thread bool registered;

const struct algorithms *lib_algorithms(void) { return &algorithms; }

wax_rc lib_failed(void)
{
    ERR_clear_error();
    return WAX_E_CRYPTO;
}

static void thread_ends(void *p)
{
    struct thread_contexts *t = p;

    EVP_MD_CTX_free(t->md);
    EVP_CIPHER_CTX_free(t->cipher);
    *t = (struct thread_contexts){0};
    registered = false;
}

struct thread_contexts *lib_thread(void)
{
    if (registered)
        return &contexts;
    if (!atomic_load_explicit(&ready, memory_order_acquire))
        return NULL;
    if (pthread_setspecific(cleanup, &contexts) != 0)
        return NULL;
    registered = true;
    return &contexts;
}

static void drop(struct algorithms *a)
{
    EVP_MD_free(a->sha256);
    EVP_MD_free(a->sha3_256);
    EVP_CIPHER_free(a->aes128_ctr);
    EC_GROUP_free(a->p256);
    EVP_PKEY_free(a->p256_key);
}

static EVP_PKEY *p256_parameters(void)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *pkey = NULL;
    char group[] = "prime256v1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_end(),
    };

    if (!c || EVP_PKEY_fromdata_init(c) != 1 ||
        EVP_PKEY_fromdata(c, &pkey, EVP_PKEY_KEY_PARAMETERS, params) != 1) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(c);
    return pkey;
}

static wax_rc fetch(struct algorithms *ret)
{
    struct algorithms a = {
        .sha256 = EVP_MD_fetch(NULL, "SHA256", NULL),
        .sha3_256 = EVP_MD_fetch(NULL, "SHA3-256", NULL),
        .aes128_ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL),
        .p256 = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1),
        .p256_key = p256_parameters(),
    };

    if (!a.sha256 || !a.sha3_256 || !a.aes128_ctr || !a.p256 || !a.p256_key) {
        drop(&a);
        return lib_failed();
    }
    *ret = a;
    return WAX_OK;
}

wax_rc crypto_init(void)
{
    wax_rc rc = WAX_OK;

    /* A lock and not pthread_once: an init that failed may be tried again. */
    if (pthread_mutex_lock(&init_lock) != 0)
        return WAX_E_CRYPTO;
    if (atomic_load_explicit(&ready, memory_order_relaxed))
        goto out;
    if (sodium_init() < 0) {
        rc = WAX_E_CRYPTO;
        goto out;
    }
    if (!cleanup_made && pthread_key_create(&cleanup, thread_ends) != 0) {
        rc = WAX_E_CRYPTO;
        goto out;
    }
    cleanup_made = true;
    rc = fetch(&algorithms);
    if (rc == WAX_OK)
        atomic_store_explicit(&ready, true, memory_order_release);
out:
    pthread_mutex_unlock(&init_lock);
    return rc;
}
