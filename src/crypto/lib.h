/* Inside src/crypto only: the algorithms fetched once per process and the contexts kept
 * once per thread. */
#ifndef CRYPTO_LIB_H
#define CRYPTO_LIB_H

#include <openssl/ec.h>
#include <openssl/evp.h>

#include "crypto/crypto.h"

/* Set by crypto_init, never changed afterwards. All NULL before. */
struct algorithms {
    EVP_MD *sha256;
    EVP_MD *sha3_256;
    EVP_CIPHER *aes128_ctr;
    EC_GROUP *p256;
    EVP_PKEY *p256_key; /* parameters only */
};
const struct algorithms *lib_algorithms(void);

/* The thread's contexts. Members are NULL until first used; freed when the thread ends.
 * No key stays in them between two operations. */
struct thread_contexts {
    EVP_MD_CTX *md;
    bool md_ready; /* md is initialised and has taken no input */
    EVP_CIPHER_CTX *cipher;
};
/* NULL when the thread's clean-up cannot be registered. */
struct thread_contexts *lib_thread(void);

/* A library call failed for reasons of its own: empties the library's error queue, so
 * that nobody (TLS reads the same queue) takes this failure for his. */
wax_rc lib_failed(void);

#define SHA256_BLOCK 64
/* SHA-256 of head ‖ parts. WAX_E_CRYPTO. */
wax_rc lib_sha256(uint8_t out[32], const struct bytes *head, size_t n_head,
                  const struct bytes *parts, size_t n) WAX_MUST;

#endif
