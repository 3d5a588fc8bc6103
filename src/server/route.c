/* The table of routes (ARCHITECTURE.md, "Server interface"). */
#include "server/op.h"
#include "wire/proto.h"

#define KIB ((size_t)1024)

static const struct route routes[] = {
    {"POST", "/v1/accounts", LOGIN_NONE, 16 * KIB, run_register},
    {"GET", "/v1/directory/*", LOGIN_OPTIONAL, 0, run_lookup},
    {"POST", "/v1/directory/daily", LOGIN_NEEDED, 128 * KIB, run_daily},
    {"POST", "/v1/directory/*", LOGIN_OPTIONAL, 64 * KIB, run_update},
    {"PUT", "/v1/bundle", LOGIN_NEEDED, 4 * KIB, run_bundle},
    {"POST", "/v1/messages", LOGIN_NEEDED, API_BODY_MAX, run_send},
    {"GET", "/v1/mailbox", LOGIN_NEEDED, 0, run_mailbox},
    {"POST", "/v1/mailbox/ack", LOGIN_NEEDED, 64 * KIB, run_ack},
    {"GET", "/v1/counter", LOGIN_NEEDED, 0, run_counter_get},
    {"PUT", "/v1/counter", LOGIN_NEEDED, 4 * KIB, run_counter_put},
    {"POST", "/v1/link/*", LOGIN_NONE, 16 * KIB, run_link_post},
    {"GET", "/v1/link/*", LOGIN_NONE, 0, run_link_get},
};

/* NULL: another path; else what '*' stood for, "" without one. */
static const char *path_match(const char *pattern, const char *path)
{
    size_t n = strcspn(pattern, "*");

    if (!pattern[n])
        return strcmp(pattern, path) == 0 ? "" : NULL;
    if (strncmp(pattern, path, n) != 0 || !path[n] || strchr(path + n, '/'))
        return NULL;
    return path + n;
}

const struct route *route_find(const char *method, const char *path, const char **ret_segment,
                               struct buf *ret_allowed)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        const char *segment = path_match(routes[i].path, path);
        if (!segment)
            continue;
        if (strcmp(routes[i].method, method) == 0) {
            *ret_segment = segment;
            return &routes[i];
        }
        buf_printf(ret_allowed, "%s%s", ret_allowed->n ? ", " : "", routes[i].method);
    }
    return NULL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

wax_rc percent_decode(const char *in, char *out, size_t size)
{
    size_t n = 0;

    for (; *in; in++, n++) {
        int c = (unsigned char)*in;
        if (n + 1 >= size)
            return WAX_E_TOOBIG;
        if (c == '%') {
            int hi = hex_digit(in[1]), lo = hi < 0 ? -1 : hex_digit(in[2]);
            if (hi < 0 || lo < 0 || (hi == 0 && lo == 0))
                return WAX_E_INVAL;
            c = hi << 4 | lo;
            in += 2;
        }
        out[n] = (char)c;
    }
    out[n] = 0;
    return WAX_OK;
}
