#include "account/safety.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

#define GROUP 5
#define GROUP_BYTES 5
#define GROUPS_HALF (SAFETY_HALF / GROUP)
#define QR_FIELDS 9

static uint32_t group_of(const uint8_t *p)
{
    uint64_t v = 0;

    for (size_t i = 0; i < GROUP_BYTES; i++)
        v = v << 8 | p[i];
    return (uint32_t)(v % 100000);
}

wax_rc safety_half(const struct acct_id *acct, const char *handle, char ret[SAFETY_HALF + 1])
{
    size_t n = strlen(handle);
    uint8_t len[2];
    struct hash32 h, next;
    char digits[SAFETY_HALF + 1];
    wax_rc rc;

    if (n > HANDLE_MAX)
        return WAX_E_INVAL;
    put_u16(len, (uint16_t)n);
    rc = hash_label(&h, LABEL_SAFETY, PARTS(BYTES_OF(acct->b), BYTES_OF(len), BYTES(handle, n)));
    for (int i = 1; rc == WAX_OK && i <= SAFETY_ROUNDS; i++) {
        rc = hash_label(&next, LABEL_SAFETY,
                        PARTS(BYTES_OF(h.b), BYTES_OF(acct->b), BYTES_OF(len), BYTES(handle, n)));
        if (rc == WAX_OK)
            h = next;
    }
    if (rc != WAX_OK)
        return rc;
    for (size_t i = 0; i < GROUPS_HALF; i++)
        snprintf(digits + i * GROUP, GROUP + 1, "%05" PRIu32, group_of(h.b + i * GROUP_BYTES));
    memcpy(ret, digits, sizeof(digits));
    return WAX_OK;
}

void safety_number(const char a[SAFETY_HALF + 1], const char b[SAFETY_HALF + 1],
                   char ret[SAFETY_DIGITS + 1])
{
    bool a_first = strcmp(a, b) <= 0;
    char out[SAFETY_DIGITS + 1];

    memcpy(out, a_first ? a : b, SAFETY_HALF);
    memcpy(out + SAFETY_HALF, a_first ? b : a, SAFETY_HALF);
    out[SAFETY_DIGITS] = '\0';
    memcpy(ret, out, sizeof(out));
}

void safety_grouped(const char digits[SAFETY_DIGITS + 1], char ret[72])
{
    size_t n = 0;

    for (size_t i = 0; i < SAFETY_DIGITS; i++) {
        if (i > 0 && i % GROUP == 0)
            ret[n++] = ' ';
        ret[n++] = digits[i];
    }
    ret[n] = '\0';
}

bool safety_equal(const char digits[SAFETY_DIGITS + 1], const char *typed)
{
    size_t n = 0;

    for (; *typed != '\0'; typed++) {
        if (strchr(" -\t\r\n", *typed) != NULL)
            continue;
        if (n >= SAFETY_DIGITS || *typed != digits[n])
            return false;
        n++;
    }
    return n == SAFETY_DIGITS;
}

wax_rc safety_qr(const char digits[SAFETY_DIGITS + 1], const struct safety_view *v, struct buf *out)
{
    buf_printf(out, "WAX1:%s:%" PRIu32 ":", digits, v->my_seq);
    buf_hex(out, BYTES_OF(v->my_hash.b));
    buf_printf(out, ":%" PRIu32 ":", v->your_seq);
    buf_hex(out, BYTES_OF(v->your_hash.b));
    buf_printf(out, ":%" PRIu32 ":%" PRIu64 ":", v->generation, v->size);
    buf_hex(out, BYTES_OF(v->root.b));
    return buf_rc(out);
}

/* --- reading one --- */

struct field {
    const char *p;
    size_t n;
};

/* Splits at colons into exactly QR_FIELDS parts. */
static bool split(const char *s, struct field f[QR_FIELDS])
{
    size_t n = 0;

    for (;;) {
        size_t len = strcspn(s, ":");

        if (n == QR_FIELDS)
            return false;
        f[n++] = (struct field){s, len};
        if (s[len] == '\0')
            return n == QR_FIELDS;
        s += len + 1;
    }
}

/* Decimal without leading zeros. */
static bool read_number(struct field f, uint64_t max, uint64_t *ret)
{
    char text[24];

    if (f.n < 1 || f.n >= sizeof(text) || (f.n > 1 && f.p[0] == '0'))
        return false;
    memcpy(text, f.p, f.n);
    text[f.n] = '\0';
    return parse_u64(text, ret) == WAX_OK && *ret <= max;
}

static bool read_hash(struct field f, struct hash32 *ret)
{
    for (size_t i = 0; i < f.n; i++)
        if (f.p[i] >= 'A' && f.p[i] <= 'F')
            return false;
    return hex_decode(f.p, f.n, ret->b, sizeof(ret->b)) == WAX_OK;
}

static bool read_view(const struct field f[QR_FIELDS], struct safety_view *v)
{
    uint64_t my_seq, your_seq, generation;

    if (f[0].n != 4 || memcmp(f[0].p, "WAX1", 4) != 0 || f[1].n != SAFETY_DIGITS)
        return false;
    for (size_t i = 0; i < SAFETY_DIGITS; i++)
        if (f[1].p[i] < '0' || f[1].p[i] > '9')
            return false;
    if (!read_number(f[2], UINT32_MAX, &my_seq) || !read_hash(f[3], &v->my_hash) ||
        !read_number(f[4], UINT32_MAX, &your_seq) || !read_hash(f[5], &v->your_hash) ||
        !read_number(f[6], UINT32_MAX, &generation) || !read_number(f[7], UINT64_MAX, &v->size) ||
        !read_hash(f[8], &v->root))
        return false;
    v->my_seq = (uint32_t)my_seq;
    v->your_seq = (uint32_t)your_seq;
    v->generation = (uint32_t)generation;
    return true;
}

wax_rc safety_qr_judge(const char *scanned, const char digits[SAFETY_DIGITS + 1],
                       const struct safety_view *mine, enum safety_match *ret,
                       struct safety_view *ret_theirs)
{
    struct field f[QR_FIELDS];
    struct safety_view v;

    if (!split(scanned, f) || !read_view(f, &v))
        return WAX_R_PARSE;
    if (memcmp(f[1].p, digits, SAFETY_DIGITS) != 0)
        *ret = SAFETY_OTHER_DIGITS;
    else if ((v.my_seq == mine->your_seq && !ID_EQ(&v.my_hash, &mine->your_hash)) ||
             (v.your_seq == mine->my_seq && !ID_EQ(&v.your_hash, &mine->my_hash)))
        *ret = SAFETY_OTHER_MANIFEST;
    else if (v.my_seq != mine->your_seq || v.your_seq != mine->my_seq)
        *ret = SAFETY_OLDER;
    else
        *ret = SAFETY_SAME;
    *ret_theirs = v;
    return WAX_OK;
}
