#include "crypto/secheap.h"

#include <pthread.h>

#include <openssl/crypto.h>

#include "base/mem.h"

#define SECHEAP_SIZE ((size_t)1 << 20)
#define SECHEAP_MIN 32 /* smallest block: a scalar */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static wax_rc state; /* what the first initialisation gave */

wax_rc secheap_init(void)
{
    wax_rc rc;

    if (pthread_mutex_lock(&lock) != 0)
        return WAX_E_NOMEM;
    if (!CRYPTO_secure_malloc_initialized()) {
        switch (CRYPTO_secure_malloc_init(SECHEAP_SIZE, SECHEAP_MIN)) {
        case 1:
            state = WAX_OK;
            break;
        case 2: /* there, but mlock or its guard pages failed */
            state = WAX_E_UNLOCKED;
            break;
        default:
            state = WAX_E_NOMEM;
        }
    }
    rc = state;
    pthread_mutex_unlock(&lock);
    return rc;
}

void *secret_alloc(size_t n) { return OPENSSL_secure_zalloc(n ? n : 1); }

void secret_free(void *p, size_t n)
{
    if (!p)
        return;
    /* The heap wipes by its own block size; n is ours, for memory outside of it. */
    mem_wipe(p, n);
    OPENSSL_secure_free(p);
}
