#include "crypto/lib.h"

#include "base/mem.h"

/* The thread's digest context, initialised. Each digest leaves it initialised for the
 * next one, which at the same time overwrites the state: the chaining value of an HMAC
 * is as secret as its output. */
static EVP_MD_CTX *md_take(struct thread_contexts *t)
{
    if (t->md_ready)
        return t->md;
    if (!t->md)
        t->md = EVP_MD_CTX_new();
    if (!t->md || EVP_DigestInit_ex2(t->md, lib_algorithms()->sha256, NULL) != 1)
        return NULL;
    t->md_ready = true;
    return t->md;
}

static bool md_add(EVP_MD_CTX *md, const struct bytes *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (parts[i].n != 0 && EVP_DigestUpdate(md, parts[i].p, parts[i].n) != 1)
            return false;
    return true;
}

wax_rc lib_sha256(uint8_t out[32], const struct bytes *head, size_t n_head,
                  const struct bytes *parts, size_t n)
{
    struct thread_contexts *t = lib_thread();
    uint8_t digest[32];
    EVP_MD_CTX *md = t ? md_take(t) : NULL;
    wax_rc rc = WAX_E_CRYPTO;

    if (!md)
        return lib_failed();
    t->md_ready = false;
    if (!md_add(md, head, n_head) || !md_add(md, parts, n) ||
        EVP_DigestFinal_ex(md, digest, NULL) != 1 || EVP_DigestInit_ex2(md, NULL, NULL) != 1)
        goto out;
    t->md_ready = true;
    memcpy(out, digest, sizeof digest);
    rc = WAX_OK;
out:
    mem_wipe(digest, sizeof digest);
    if (rc != WAX_OK) {
        /* The library wipes the state when it frees it. */
        EVP_MD_CTX_free(md);
        t->md = NULL;
        return lib_failed();
    }
    return rc;
}

wax_rc hash_label(struct hash32 *ret, enum label l, const struct bytes *parts, size_t n)
{
    struct bytes head = label_bytes(l);

    return lib_sha256(ret->b, &head, 1, parts, n);
}

wax_rc hash_prefixed(struct hash32 *ret, uint8_t prefix, const struct bytes *parts, size_t n)
{
    struct bytes head = BYTES(&prefix, 1);

    return lib_sha256(ret->b, &head, 1, parts, n);
}

wax_rc hash_raw(struct hash32 *ret, const struct bytes *parts, size_t n)
{
    return lib_sha256(ret->b, NULL, 0, parts, n);
}
