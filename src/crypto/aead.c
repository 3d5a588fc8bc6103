#include <sodium.h>

#include "crypto/crypto.h"

_Static_assert(AEAD_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(AEAD_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(sizeof(struct key32) == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

bool ct_equal(const void *x, const void *y, size_t n) { return sodium_memcmp(x, y, n) == 0; }

/* Far below the library's own limit (where it would abort the program). */
#define AEAD_MAX ((size_t)1 << 38)

wax_rc aead_seal(const struct key32 *key, const uint8_t nonce[AEAD_NONCE], struct bytes ad,
                 struct bytes plain, uint8_t *out)
{
    if (plain.n > AEAD_MAX)
        return WAX_E_INVAL;
    if (crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, plain.p, plain.n, ad.p, ad.n, NULL,
                                                   nonce, key->b) != 0)
        return WAX_E_CRYPTO;
    return WAX_OK;
}

wax_rc aead_open(const struct key32 *key, const uint8_t nonce[AEAD_NONCE], struct bytes ad,
                 struct bytes sealed, uint8_t *out)
{
    if (sealed.n < AEAD_TAG)
        return WAX_R_MAC;
    if (sealed.n > AEAD_MAX)
        return WAX_E_INVAL;
    /* First without output (only the tag is checked): the library would zero out on a
     * wrong tag, and outputs stay untouched on failure. */
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(NULL, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n,
                                                   nonce, key->b) != 0)
        return WAX_R_MAC;
    if (sealed.n > AEAD_TAG &&
        crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed.p, sealed.n, ad.p, ad.n,
                                                   nonce, key->b) != 0)
        return WAX_E_CRYPTO;
    return WAX_OK;
}
