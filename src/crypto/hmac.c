/* HMAC (RFC 2104) over the thread's digest context, and HKDF (RFC 5869) over that: the
 * library's own MAC and KDF objects cost several times as much per call. */
#include "crypto/lib.h"

#include "base/mem.h"

/* HMAC(key, head ‖ parts). out may overlap the inputs. */
static wax_rc hmac(uint8_t out[32], struct bytes key, const struct bytes *head, size_t n_head,
                   const struct bytes *parts, size_t n)
{
    uint8_t pad[SHA256_BLOCK] = {0}, inner[32];
    struct bytes first[3] = {BYTES_OF(pad)};
    wax_rc rc = WAX_OK;

    if (key.n > sizeof pad)
        rc = lib_sha256(pad, &key, 1, NULL, 0);
    else if (key.n != 0)
        memcpy(pad, key.p, key.n);
    if (rc != WAX_OK)
        goto out;
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36;
    for (size_t i = 0; i < n_head; i++)
        first[1 + i] = head[i];
    rc = lib_sha256(inner, first, 1 + n_head, parts, n);
    if (rc != WAX_OK)
        goto out;
    for (size_t i = 0; i < sizeof pad; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    first[1] = BYTES_OF(inner);
    rc = lib_sha256(out, first, 2, NULL, 0);
out:
    mem_wipe(pad, sizeof pad);
    mem_wipe(inner, sizeof inner);
    return rc;
}

wax_rc hmac_label(struct key32 *ret, struct bytes key, enum label l, const struct bytes *parts,
                  size_t n)
{
    struct bytes head = label_bytes(l);

    return hmac(ret->b, key, &head, 1, parts, n);
}

wax_rc hmac_raw(struct key32 *ret, struct bytes key, const struct bytes *parts, size_t n)
{
    return hmac(ret->b, key, NULL, 0, parts, n);
}

wax_rc hkdf_extract(struct key32 *ret, struct bytes salt, const struct bytes *ikm, size_t n)
{
    return hmac(ret->b, salt, NULL, 0, ikm, n);
}

#define HKDF_MAX (255 * 32)

/* Expand(prk, head ‖ info, len): T(i) = HMAC(prk, T(i−1) ‖ head ‖ info ‖ i). */
static wax_rc expand(struct bytes prk, const struct bytes *head, const struct bytes *info, size_t n,
                     uint8_t *out, size_t len)
{
    uint8_t okm[HKDF_MAX + 1]; /* + 1: len 0 and the counter need no special case */
    struct bytes first[2] = {{NULL, 0}, head ? *head : (struct bytes){NULL, 0}};
    struct bytes rest[8];
    uint8_t counter = 0;
    size_t done = 0;
    wax_rc rc = WAX_OK;

    if (len > HKDF_MAX || n > sizeof rest / sizeof rest[0] - 1)
        return WAX_E_INVAL;
    for (size_t i = 0; i < n; i++)
        rest[i] = info[i];
    rest[n] = BYTES(&counter, 1);
    while (done < len) {
        counter++;
        rc = hmac(okm + done, prk, first, 2, rest, n + 1);
        if (rc != WAX_OK)
            break;
        first[0] = BYTES(okm + done, 32);
        done += 32;
    }
    if (rc == WAX_OK && len != 0)
        memcpy(out, okm, len);
    mem_wipe(okm, done);
    return rc;
}

wax_rc hkdf_expand_label(struct bytes prk, enum label l, const struct bytes *info, size_t n,
                         uint8_t *out, size_t len)
{
    struct bytes head = label_bytes(l);

    return expand(prk, &head, info, n, out, len);
}

wax_rc hkdf_expand_raw(struct bytes prk, struct bytes info, uint8_t *out, size_t len)
{
    return expand(prk, NULL, &info, 1, out, len);
}
