#include "base/text.h"

#include <stdio.h>

/* One code point; returns its length, or 0 when the bytes at p are not valid UTF-8. */
static size_t utf8_next(const uint8_t *p, size_t left, uint32_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;

    if (n == 0 || n > left)
        return 0;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (n > 1 && c < least[n])
        return 0;
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return n;
}

bool utf8_valid(struct bytes x)
{
    uint32_t c;

    for (size_t i = 0; i < x.n;) {
        size_t n = utf8_next(x.p + i, x.n - i, &c);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool name_valid(struct bytes x)
{
    uint32_t c;

    for (size_t i = 0; i < x.n;) {
        size_t n = utf8_next(x.p + i, x.n - i, &c);
        if (n == 0 || c < 0x20 || (c >= 0x7f && c <= 0x9f))
            return false;
        i += n;
    }
    return true;
}

static bool is_alnum(uint8_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

static bool local_valid(const uint8_t *p, size_t n)
{
    if (n < 1 || n > 63 || !is_alnum(p[0]))
        return false;
    for (size_t i = 1; i < n; i++)
        if (!is_alnum(p[i]) && p[i] != '.' && p[i] != '_' && p[i] != '-')
            return false;
    return true;
}

static bool domain_valid(const uint8_t *p, size_t n)
{
    if (n < 1 || n > 253)
        return false;
    for (size_t start = 0; start <= n;) {
        size_t end = start;
        while (end < n && p[end] != '.')
            end++;
        size_t len = end - start;
        if (len < 1 || len > 63 || !is_alnum(p[start]) || !is_alnum(p[end - 1]))
            return false;
        for (size_t i = start; i < end; i++)
            if (!is_alnum(p[i]) && p[i] != '-')
                return false;
        start = end + 1;
    }
    return true;
}

bool handle_valid(struct bytes x)
{
    const uint8_t *at = x.n ? memchr(x.p, '@', x.n) : NULL;

    if (!at || x.n > HANDLE_MAX)
        return false;
    size_t local = (size_t)(at - x.p);
    return local_valid(x.p, local) && domain_valid(at + 1, x.n - local - 1);
}

wax_rc handle_fold(const char *in, char out[318])
{
    char folded[HANDLE_MAX + 1];
    size_t n = strlen(in);

    if (n > HANDLE_MAX)
        return WAX_E_INVAL;
    for (size_t i = 0; i < n; i++)
        folded[i] = (char)(in[i] >= 'A' && in[i] <= 'Z' ? in[i] + 32 : in[i]);
    folded[n] = 0;
    if (!handle_valid(BYTES(folded, n)))
        return WAX_E_INVAL;
    memcpy(out, folded, n + 1);
    return WAX_OK;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

wax_rc hex_decode(const char *s, size_t len, uint8_t *out, size_t n)
{
    if (len != 2 * n)
        return WAX_R_PARSE;
    for (size_t i = 0; i < len; i++)
        if (hex_digit(s[i]) < 0)
            return WAX_R_PARSE;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(hex_digit(s[2 * i]) << 4 | hex_digit(s[2 * i + 1]));
    return WAX_OK;
}

static const char b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void base64url_encode(struct buf *b, struct bytes x)
{
    uint32_t acc = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < x.n; i++) {
        acc = acc << 8 | x.p[i];
        for (bits += 8; bits >= 6; bits -= 6)
            buf_u8(b, (uint8_t)b64[acc >> (bits - 6) & 63]);
    }
    if (bits)
        buf_u8(b, (uint8_t)b64[acc << (6 - bits) & 63]);
}

wax_rc base64url_decode(const char *s, size_t len, uint8_t *out, size_t n)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t at = 0;

    if (len != (n * 4 + 2) / 3)
        return WAX_R_PARSE;
    for (size_t i = 0; i < len; i++) {
        const char *d = s[i] ? strchr(b64, s[i]) : NULL;
        if (!d)
            return WAX_R_PARSE;
        acc = acc << 6 | (uint32_t)(d - b64);
        bits += 6;
        if (bits >= 8 && at < n) {
            bits -= 8;
            out[at++] = (uint8_t)(acc >> bits);
        }
    }
    return acc & ((1U << bits) - 1) ? WAX_R_PARSE : WAX_OK;
}

wax_rc parse_u64(const char *s, uint64_t *ret)
{
    uint64_t v = 0;

    if (!*s)
        return WAX_E_INVAL;
    for (; *s; s++) {
        if (*s < '0' || *s > '9')
            return WAX_E_INVAL;
        unsigned d = (unsigned)(*s - '0');
        if (v > (UINT64_MAX - d) / 10)
            return WAX_E_INVAL;
        v = v * 10 + d;
    }
    *ret = v;
    return WAX_OK;
}

/* Digits, then at most one unit letter of `units`; factor[i] belongs to units[i]. */
static wax_rc parse_unit(const char *s, const char *units, const uint64_t *factor, bool bare,
                         uint64_t *ret)
{
    char digits[21];
    size_t n = strspn(s, "0123456789");
    uint64_t v, f = 1;

    if (n == 0 || n >= sizeof digits)
        return WAX_E_INVAL;
    memcpy(digits, s, n);
    digits[n] = 0;
    if (parse_u64(digits, &v) != WAX_OK)
        return WAX_E_INVAL;
    if (s[n]) {
        const char *u = strchr(units, s[n]);
        if (!u || s[n + 1])
            return WAX_E_INVAL;
        f = factor[u - units];
    } else if (!bare) {
        return WAX_E_INVAL;
    }
    if (v > UINT64_MAX / f)
        return WAX_E_INVAL;
    *ret = v * f;
    return WAX_OK;
}

wax_rc parse_duration(const char *s, uint64_t *ret_ms)
{
    static const uint64_t factor[] = {1000, 60000, 3600000, 86400000};
    return parse_unit(s, "smhd", factor, false, ret_ms);
}

wax_rc parse_size(const char *s, uint64_t *ret)
{
    static const uint64_t factor[] = {1 << 10, 1 << 20, 1 << 30};
    return parse_unit(s, "KMG", factor, true, ret);
}

/* Days since 1970 → civil date (proleptic Gregorian); after H. Hinnant's algorithm. */
void format_time(uint64_t ms, char out[32])
{
    uint64_t s = ms / 1000 % 86400, days = ms / 86400000;
    if (days > 2932896) /* 9999-12-31: later times are shown as that day */
        days = 2932896;
    uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
    uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    unsigned day = (unsigned)(doy - (153 * mp + 2) / 5 + 1) % 100;
    unsigned month = (unsigned)(mp < 10 ? mp + 3 : mp - 9) % 100;
    unsigned year = (unsigned)(yoe + era * 400 + (month <= 2));

    (void)snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", year % 10000, month, day,
                   (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
                   (unsigned)(ms % 1000));
}

/* Characters that move the cursor, reorder text or break lines. */
static bool code_point_odd(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff ||
           (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff);
}

void text_escape(struct buf *out, struct bytes x, bool keep_newlines)
{
    for (size_t i = 0; i < x.n;) {
        uint32_t c;
        size_t n = utf8_next(x.p + i, x.n - i, &c);
        if (n == 0) {
            buf_printf(out, "\\x%02x", x.p[i]);
            i++;
            continue;
        }
        if ((keep_newlines && (c == '\n' || c == '\t')) || !code_point_odd(c))
            buf_add(out, x.p + i, n);
        else if (c < 0x100)
            buf_printf(out, "\\x%02x", c);
        else
            buf_printf(out, "\\u{%x}", c);
        i += n;
    }
}
