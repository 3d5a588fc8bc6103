#include "settings.h"

#include <arpa/inet.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "os/file.h"

#define INI_SIZE_MAX 65536

void settings_default(struct settings *s)
{
    *s = (struct settings){.listen = "[::]:8443",
                           .certificate = "tls.pem",
                           .key = "tls.key",
                           .max_connections = 10000};
    server_conf_default(&s->server, "");
}

/* --- Hosts --- */

wax_rc endpoint_split(const char *s, unsigned port_min, char host[254], unsigned *ret_port)
{
    const char *colon = strrchr(s, ':'), *begin = s, *end = colon;
    uint64_t port;

    if (!colon || parse_u64(colon + 1, &port) != WAX_OK || port < port_min || port > 65535)
        return WAX_E_INVAL;
    if (*s == '[') {
        begin++;
        end--;
        if (end < begin || *end != ']')
            return WAX_E_INVAL;
    }
    size_t n = (size_t)(end - begin);
    if (n == 0 || n > 253 || strcspn(begin, " \t/[]@\"'") < n)
        return WAX_E_INVAL;
    memcpy(host, begin, n);
    host[n] = 0;
    *ret_port = (unsigned)port;
    return WAX_OK;
}

bool host_is_any(const char *host)
{
    return strcmp(host, "::") == 0 || strcmp(host, "0.0.0.0") == 0;
}

bool host_is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

bool domain_valid(const char *domain)
{
    char handle[320];
    int n = snprintf(handle, sizeof handle, "a@%s", domain);

    return n > 0 && (size_t)n < sizeof handle && handle_valid(BYTES_STR(handle));
}

/* --- The table of settings --- */

enum kind {
    TEXT,
    DOMAIN,
    LISTEN,
    PUBLIC,
    REGISTRATION,
    COUNT32,
    COUNT_U,
    BYTES64,
    DURATION,
    SIZE_T
};

static const struct setting {
    const char *name;
    enum kind kind;
    size_t at, size; /* in struct settings */
    uint64_t min, max;
    const char *comment;
} table[] = {
#define AT(member) offsetof(struct settings, member), sizeof(((struct settings *)0)->member)
    {"domain", DOMAIN, AT(server.domain), 0, 0,
     "The part of handles behind the @. It is never changed: it is in every account."},
    {"listen", LISTEN, AT(listen), 0, 0,
     "Where clients connect: ADDR:PORT. [::] takes IPv4 and IPv6 on all addresses."},
    {"public", PUBLIC, AT(publics), 0, 0,
     "Under which HOST:PORT clients reach it from outside; the first one stands in invitations.\n"
     "# May stand several times. Without it: the domain, if it resolves, else the address above."},
    {"certificate", TEXT, AT(certificate), 0, 0,
     "TLS certificate chain and key (PEM), read again on SIGHUP. Relative paths start in this\n"
     "# folder. A certificate of your own replaces the private CA made by `waxd init`."},
    {"key", TEXT, AT(key), 0, 0, NULL},
    {"registration", REGISTRATION, AT(server.registration_open), 0, 0,
     "Who may register: `invite` (needs an invitation) or `open`."},
    {"message_life", DURATION, AT(server.message_life_ms), 1000, 366ULL * 86400000,
     "How long a message waits for a device that stays away; then sender and recipient are told."},
    {"mailbox_max_messages", COUNT32, AT(server.mailbox_max_count), 1, 10000000,
     "What one device's mailbox holds at most."},
    {"mailbox_max_bytes", BYTES64, AT(server.mailbox_max_bytes), 262144, UINT64_MAX >> 1, NULL},
    {"heartbeat", DURATION, AT(server.heartbeat_ms), 100, 60000,
     "How often an idle mailbox stream says that it lives; clients give up after 75 s."},
    {"link_life", DURATION, AT(server.link_life_ms), 1000, 86400000,
     "How long linking a new device may take, and how many may do it at once."},
    {"link_max", COUNT32, AT(server.link_max), 1, 1000000, NULL},
    {"login_per_minute", COUNT32, AT(server.login_per_min), 0, 1000000000,
     "Rates; 0 = no limit. Login, look-up and send count per account; registering and linking\n"
     "# per source address. Who is not logged in has a fraction of it."},
    {"lookup_per_minute", COUNT32, AT(server.lookup_per_min), 0, 1000000000, NULL},
    {"send_per_minute", COUNT32, AT(server.send_per_min), 0, 1000000000, NULL},
    {"register_per_hour", COUNT32, AT(server.register_per_hour), 0, 1000000000, NULL},
    {"link_per_minute", COUNT32, AT(server.link_per_min), 0, 1000000000, NULL},
    {"max_fanout", SIZE_T, AT(server.max_fanout), 1, 4096,
     "How many devices one request may send to."},
    {"max_connections", COUNT_U, AT(max_connections), 1, 1000000,
     "Connections at once; more are closed."},
};
#define N_SETTINGS (sizeof table / sizeof table[0])

struct loading {
    struct settings s;
    struct buf *error;
};

static const char *set_number(const struct setting *t, void *at, const char *value)
{
    uint64_t v;
    wax_rc rc = t->kind == DURATION  ? parse_duration(value, &v)
                : t->kind == BYTES64 ? parse_size(value, &v)
                                     : parse_u64(value, &v);

    if (rc != WAX_OK)
        return t->kind == DURATION  ? "a duration looks like 30s, 15m, 24h or 7d"
               : t->kind == BYTES64 ? "a size looks like 256M"
                                    : "it has to be a whole number";
    if (v < t->min || v > t->max)
        return "it is out of its range";
    if (t->kind == COUNT32)
        *(uint32_t *)at = (uint32_t)v;
    else if (t->kind == COUNT_U)
        *(unsigned *)at = (unsigned)v;
    else if (t->kind == SIZE_T)
        *(size_t *)at = (size_t)v;
    else
        *(uint64_t *)at = v;
    return NULL;
}

static const char *set_text(const struct setting *t, void *at, const char *value)
{
    if (!*value || strlen(value) >= t->size)
        return "it is empty or too long";
    memcpy(at, value, strlen(value) + 1);
    return NULL;
}

static const char *add_public(struct settings *s, const char *value)
{
    char host[254];
    unsigned port;

    if (endpoint_split(value, 1, host, &port) != WAX_OK || strlen(value) >= ENDPOINT_SIZE)
        return "it has to be HOST:PORT";
    if (s->n_publics == PUBLIC_MAX)
        return "there are too many";
    memcpy(s->publics[s->n_publics++], value, strlen(value) + 1);
    return NULL;
}

/* NULL, or why not. */
static const char *set(struct settings *s, const struct setting *t, const char *value)
{
    void *at = (char *)s + t->at;
    char host[254];
    unsigned port;

    switch (t->kind) {
    case DOMAIN:
        return domain_valid(value) ? set_text(t, at, value) : "it is no domain in lower case";
    case LISTEN:
        return endpoint_split(value, 0, host, &port) == WAX_OK ? set_text(t, at, value)
                                                               : "it has to be ADDR:PORT";
    case PUBLIC:
        return add_public(s, value);
    case TEXT:
        return set_text(t, at, value);
    case REGISTRATION:
        if (strcmp(value, "invite") != 0 && strcmp(value, "open") != 0)
            return "it has to be `invite` or `open`";
        *(bool *)at = value[0] == 'o';
        return NULL;
    default:
        return set_number(t, at, value);
    }
}

/* inih's callback; 0 stops with an error in this line. */
static int take(void *ctx, const char *section, const char *name, const char *value)
{
    struct loading *l = ctx;
    const char *why = "there is no such setting";

    (void)section;
    for (size_t i = 0; i < N_SETTINGS; i++) {
        if (strcmp(table[i].name, name) == 0)
            why = set(&l->s, &table[i], value);
    }
    if (why && l->error->n == 0)
        buf_printf(l->error, "%s = %s: %s", name, value, why);
    return !why;
}

wax_rc settings_load(const char *path, struct settings *ret, struct buf *error)
{
    struct loading l = {.error = error};
    struct buf file = {0};

    settings_default(&l.s);
    buf_reset(error);
    wax_rc rc = os_file_read(path, INI_SIZE_MAX, &file);
    if (rc != WAX_OK)
        return rc;
    const char *text = buf_cstr(&file);
    int line = text ? ini_parse_string(text, take, &l) : -2;
    if (line == 0 && !l.s.server.domain[0]) {
        buf_str(error, "the setting `domain` is missing");
        rc = WAX_R_PARSE;
    } else if (line > 0) {
        if (error->n == 0)
            buf_str(error, "it is no `name = value`");
        buf_printf(error, " (line %d)", line);
        rc = WAX_R_PARSE;
    } else if (line < 0) {
        rc = WAX_E_NOMEM;
    }
    buf_done(&file);
    if (rc == WAX_OK)
        *ret = l.s;
    return rc;
}

/* --- Writing --- */

static void write_duration(struct buf *out, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        char unit;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (ms % units[i].ms == 0 || i == 3) {
            buf_printf(out, "%llu%c", (unsigned long long)(ms / units[i].ms), units[i].unit);
            return;
        }
    }
}

static void write_value(struct buf *out, const struct setting *t, const void *at)
{
    switch (t->kind) {
    case REGISTRATION:
        buf_str(out, *(const bool *)at ? "open" : "invite");
        return;
    case COUNT32:
        buf_printf(out, "%u", *(const uint32_t *)at);
        return;
    case COUNT_U:
        buf_printf(out, "%u", *(const unsigned *)at);
        return;
    case SIZE_T:
        buf_printf(out, "%zu", *(const size_t *)at);
        return;
    case BYTES64: {
        uint64_t v = *(const uint64_t *)at;
        bool whole = v % 1048576 == 0;
        buf_printf(out, "%llu%s", (unsigned long long)(whole ? v / 1048576 : v), whole ? "M" : "");
        return;
    }
    case DURATION:
        write_duration(out, *(const uint64_t *)at);
        return;
    default:
        buf_str(out, at);
    }
}

void settings_write(const struct settings *s, struct buf *out)
{
    buf_str(out, "# Settings of waxd, the Waxwing server. `waxd check` says whether they hold;\n"
                 "# most are read again on SIGHUP (not: domain, listen, max_connections).\n"
                 "# Durations: 30s 15m 24h 7d. Sizes: 256M.\n");
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const struct setting *t = &table[i];
        if (t->comment)
            buf_printf(out, "\n# %s\n", t->comment);
        if (t->kind == PUBLIC) {
            for (size_t k = 0; k < s->n_publics; k++)
                buf_printf(out, "public = %s\n", s->publics[k]);
            if (s->n_publics == 0)
                buf_printf(out, "#public = chat.%s:8443\n", s->server.domain);
            continue;
        }
        buf_printf(out, "%s = ", t->name);
        write_value(out, t, (const char *)s + t->at);
        buf_str(out, "\n");
    }
}
