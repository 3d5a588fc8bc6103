#include "crypto/lib.h"

#include <limits.h>

static wax_rc run(EVP_CIPHER_CTX *c, const uint8_t key[16], const uint8_t iv[16], const uint8_t *in,
                  uint8_t *out, size_t n)
{
    const size_t chunk = 1u << 30; /* the library counts in int */

    if (EVP_EncryptInit_ex2(c, lib_algorithms()->aes128_ctr, key, iv, NULL) != 1)
        return WAX_E_CRYPTO;
    while (n > 0) {
        int got = 0, take = (int)(n < chunk ? n : chunk);
        if (EVP_EncryptUpdate(c, out, &got, in, take) != 1 || got != take)
            return WAX_E_CRYPTO;
        in += take;
        out += take;
        n -= (size_t)take;
    }
    return WAX_OK;
}

wax_rc aes128_ctr(const uint8_t key[16], const uint8_t iv[16], const uint8_t *in, uint8_t *out,
                  size_t n)
{
    static const uint8_t zero[16];
    struct thread_contexts *t = lib_thread();
    wax_rc rc;

    if (!t)
        return WAX_E_CRYPTO;
    if (!t->cipher)
        t->cipher = EVP_CIPHER_CTX_new();
    if (!t->cipher)
        return lib_failed();
    rc = run(t->cipher, key, iv, in, out, n);
    /* The schedule of an all-zero key overwrites ours. To free the context does so too, but
     * costs an allocation at the next call. */
    if (rc == WAX_OK && EVP_EncryptInit_ex2(t->cipher, NULL, zero, zero, NULL) == 1)
        return WAX_OK;
    EVP_CIPHER_CTX_free(t->cipher);
    t->cipher = NULL;
    (void)lib_failed();
    return rc;
}
