#include "wire/invitation.h"

#include "base/text.h"

static bool plain(const char *s, const char *extra)
{
    for (; *s; s++) {
        bool alnum =
            (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9');
        if (!alnum && !strchr(extra, *s))
            return false;
    }
    return true;
}

static void put_hash(struct buf *out, bool has, const struct hash32 *h)
{
    buf_str(out, "/");
    if (has)
        base64url_encode(out, BYTES_OF(h->b));
    else
        buf_str(out, "-");
}

wax_rc invitation_head(const struct invitation *in, struct buf *out)
{
    if (!in->host[0] || !in->port || !in->domain[0] || !plain(in->host, ".:-") ||
        !plain(in->domain, ".-") || !plain(in->token, "_-") || strcmp(in->token, "-") == 0)
        return WAX_E_INVAL;
    buf_printf(out, "wax:%s:%u/%s", in->host, in->port, in->domain);
    put_hash(out, in->has_ca, &in->ca);
    put_hash(out, in->has_log, &in->log);
    buf_printf(out, "/%s", in->token[0] ? in->token : "-");
    return buf_rc(out);
}

void invitation_check(const struct hash32 *head_hash, struct buf *out)
{
    buf_str(out, "/");
    buf_hex(out, BYTES(head_hash->b, 4));
}

/* The text up to the next slash (or the end), as a string of at most cap − 1. */
static bool field(const char **s, char *out, size_t cap)
{
    size_t n = strcspn(*s, "/");

    if (n == 0 || n >= cap)
        return false;
    memcpy(out, *s, n);
    out[n] = 0;
    *s += n + ((*s)[n] == '/');
    return true;
}

static bool host_port(char *in, struct invitation *ret)
{
    char *colon = strrchr(in, ':');
    uint64_t port;

    if (!colon || colon == in || (size_t)(colon - in) >= sizeof ret->host ||
        parse_u64(colon + 1, &port) != WAX_OK || port < 1 || port > 65535)
        return false;
    *colon = 0;
    memcpy(ret->host, in, strlen(in) + 1);
    ret->port = (uint16_t)port;
    return plain(ret->host, ".:-");
}

static bool hash_field(const char **s, bool *has, struct hash32 *ret)
{
    char text[64];

    if (!field(s, text, sizeof text))
        return false;
    *has = strcmp(text, "-") != 0;
    return !*has || base64url_decode(text, strlen(text), ret->b, sizeof ret->b) == WAX_OK;
}

static bool check_digits(const char *s)
{
    return strlen(s) == 8 && strspn(s, "0123456789abcdef") == 8;
}

wax_rc invitation_parse(const char *s, struct invitation *ret, struct bytes *ret_head,
                        char check[9])
{
    struct invitation in = {0};
    const char *start = s;
    char first[300];

    if (strlen(s) > INVITATION_MAX || strncmp(s, "wax:", 4) != 0)
        return WAX_R_PARSE;
    s += 4;
    if (!field(&s, first, sizeof first) || !host_port(first, &in) ||
        !field(&s, in.domain, sizeof in.domain) || !plain(in.domain, ".-") ||
        !hash_field(&s, &in.has_ca, &in.ca) || !hash_field(&s, &in.has_log, &in.log) ||
        !field(&s, in.token, sizeof in.token) || !plain(in.token, "_-") || !check_digits(s))
        return WAX_R_PARSE;
    if (strcmp(in.token, "-") == 0)
        in.token[0] = 0;
    *ret = in;
    *ret_head = BYTES(start, (size_t)(s - start) - 1);
    memcpy(check, s, 9);
    return WAX_OK;
}
