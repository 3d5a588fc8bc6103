#include "crypto/pem.h"

#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
#define LINE 48 /* bytes a line: 64 digits */

static void write_line(struct buf *out, struct bytes x)
{
    char line[LINE / 3 * 4 + 1];
    size_t n = 0;

    for (size_t i = 0; i < x.n; i += 3) {
        size_t left = x.n - i;
        uint32_t v = (uint32_t)x.p[i] << 16;
        if (left > 1)
            v |= (uint32_t)x.p[i + 1] << 8;
        if (left > 2)
            v |= x.p[i + 2];
        line[n++] = alphabet[v >> 18];
        line[n++] = alphabet[v >> 12 & 63];
        line[n++] = '=';
        line[n++] = '=';
        if (left > 1)
            line[n - 2] = alphabet[v >> 6 & 63];
        if (left > 2)
            line[n - 1] = alphabet[v & 63];
    }
    line[n++] = '\n';
    buf_add(out, line, n);
    mem_wipe(line, sizeof line);
}

void pem_write(struct buf *out, const char *what, struct bytes der)
{
    buf_printf(out, "-----BEGIN %s-----\n", what);
    for (size_t i = 0; i < der.n; i += LINE)
        write_line(out, BYTES(der.p + i, der.n - i < LINE ? der.n - i : LINE));
    buf_printf(out, "-----END %s-----\n", what);
}

/* −1: no digit. */
static int digit(uint8_t c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

/* Base64 with its padding; line ends and blanks between digits are skipped. */
static wax_rc decode(struct bytes text, struct buf *der)
{
    uint32_t v = 0;
    size_t digits = 0, pads = 0, start = der->n;

    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '\n' || c == '\r' || c == ' ' || c == '\t')
            continue;
        int d = digit(c);
        if (c == '=' ? ++pads > 2 || digits % 4 < 2 : d < 0 || pads != 0)
            return WAX_R_PARSE;
        v = v << 6 | (uint32_t)(d < 0 ? 0 : d);
        if (++digits % 4 != 0)
            continue;
        buf_u8(der, (uint8_t)(v >> 16));
        if (pads < 2)
            buf_u8(der, (uint8_t)(v >> 8));
        if (pads < 1)
            buf_u8(der, (uint8_t)v);
        if (pads != 0 && (v & (pads == 2 ? 0xffff : 0xff)) != 0)
            return WAX_R_PARSE;
        v = 0;
        if (der->n - start > PEM_MAX)
            return WAX_R_PARSE;
    }
    return digits % 4 == 0 && digits != 0 ? buf_rc(der) : WAX_R_PARSE;
}

wax_rc pem_read(struct bytes text, const char *what, struct buf *der)
{
    struct buf begin = {0}, end = {0}, made = {0};
    const uint8_t *from, *to;
    wax_rc rc;

    buf_printf(&begin, "-----BEGIN %s-----", what);
    buf_printf(&end, "-----END %s-----", what);
    rc = buf_rc(&begin) != WAX_OK ? buf_rc(&begin) : buf_rc(&end);
    if (rc != WAX_OK)
        goto out;
    rc = WAX_R_PARSE;
    from = text.n ? memmem(text.p, text.n, begin.p, begin.n) : NULL;
    if (!from)
        goto out;
    from += begin.n;
    to = memmem(from, text.n - (size_t)(from - text.p), end.p, end.n);
    if (!to)
        goto out;
    rc = decode(BYTES(from, (size_t)(to - from)), &made);
    if (rc != WAX_OK)
        goto out;
    buf_bytes(der, buf_view(&made));
    rc = buf_rc(der);
out:
    buf_done(&begin);
    buf_done(&end);
    buf_done(&made);
    return rc;
}

/* SEQUENCE { SEQUENCE { id-ecPublicKey, prime256v1 }, BIT STRING (point) } */
static const uint8_t spki_head[SPKI_SIZE - 65] = {
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
};

void spki_write(uint8_t out[SPKI_SIZE], const struct point *pub)
{
    memcpy(out, spki_head, sizeof spki_head);
    memcpy(out + sizeof spki_head, pub->b, sizeof pub->b);
}

/* SEQUENCE { 0, SEQUENCE { id-ecPublicKey, prime256v1 }, OCTET STRING { SEQUENCE { 1,
 * OCTET STRING (scalar), [1] BIT STRING (point) } } } */
static const uint8_t pkcs8_head[] = {
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
};
static const uint8_t pkcs8_mid[] = {0xa1, 0x44, 0x03, 0x42, 0x00};
_Static_assert(sizeof pkcs8_head + 32 + sizeof pkcs8_mid + 65 == PKCS8_SIZE, "PKCS#8 frame");

void pkcs8_write(uint8_t out[PKCS8_SIZE], const struct ec_key *k)
{
    struct key32 scalar;

    ec_scalar(k, &scalar);
    memcpy(out, pkcs8_head, sizeof pkcs8_head);
    memcpy(out + sizeof pkcs8_head, scalar.b, sizeof scalar.b);
    memcpy(out + sizeof pkcs8_head + 32, pkcs8_mid, sizeof pkcs8_mid);
    memcpy(out + PKCS8_SIZE - 65, ec_public(k)->b, 65);
    mem_wipe(&scalar, sizeof scalar);
}

wax_rc pkcs8_read(struct bytes der, struct ec_key **ret)
{
    struct key32 scalar;
    struct ec_key *k = NULL;
    wax_rc rc;

    if (der.n != PKCS8_SIZE || memcmp(der.p, pkcs8_head, sizeof pkcs8_head) != 0 ||
        memcmp(der.p + sizeof pkcs8_head + 32, pkcs8_mid, sizeof pkcs8_mid) != 0)
        return WAX_R_PARSE;
    memcpy(scalar.b, der.p + sizeof pkcs8_head, sizeof scalar.b);
    rc = ec_from_scalar(&scalar, &k);
    mem_wipe(&scalar, sizeof scalar);
    if (rc == WAX_E_INVAL)
        return WAX_R_PARSE;
    if (rc != WAX_OK)
        return rc;
    if (memcmp(ec_public(k)->b, der.p + PKCS8_SIZE - 65, 65) != 0) {
        ec_free(k);
        return WAX_R_PARSE;
    }
    *ret = k;
    return WAX_OK;
}
