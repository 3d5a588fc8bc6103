/* waxd init: makes the data folder. waxd.ini comes last: a folder without it is not made yet,
 * and init may be tried again. */
#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "crypto/cert.h"
#include "invitation.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"
#include "os/term.h"

#define FIRST_USES 5
#define FIRST_LIFE_MS 86400000ULL
#define CERT_DAYS 3640 /* the private CA holds for ten years */
#define NAMES_MAX (PUBLIC_MAX + 5)

struct names {
    const char *v[NAMES_MAX];
    char hosts[PUBLIC_MAX + 1][254];
    size_t n;
};

static void name_add(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->v[i], name) == 0)
            return;
    }
    names->v[names->n++] = name;
}

/* DOMAIN, each public host, a listening address of its own, and this machine's. */
static void names_of(const struct settings *s, struct names *ret)
{
    unsigned port;

    ret->n = 0;
    name_add(ret, s->server.domain);
    for (size_t i = 0; i < s->n_publics; i++) {
        if (endpoint_split(s->publics[i], 1, ret->hosts[i], &port) == WAX_OK)
            name_add(ret, ret->hosts[i]);
    }
    char *own = ret->hosts[PUBLIC_MAX];
    if (endpoint_split(s->listen, 0, own, &port) == WAX_OK && !host_is_any(own))
        name_add(ret, own);
    name_add(ret, "localhost");
    name_add(ret, "127.0.0.1");
    name_add(ret, "::1");
}

static int write_file(const struct app *a, const char *name, const struct buf *content,
                      unsigned flags)
{
    char path[PATH_SIZE];
    int code = app_path(a, name, path);

    if (code != 0)
        return code;
    wax_rc rc = buf_rc(content);
    if (rc == WAX_OK)
        rc = os_file_write(path, buf_view(content), flags);
    if (rc != WAX_OK)
        return app_fail(a, EX_CANTCREAT, "file", "write %s: %s", path, rc_text(rc));
    return 0;
}

static int write_key(const struct app *a, const char *name, const struct ec_key *key)
{
    struct buf pem = {0};
    wax_rc rc = cert_key_pem(key, &pem);
    int code = rc == WAX_OK ? write_file(a, name, &pem, OS_FILE_REPLACE)
                            : app_fail(a, EX_SOFTWARE, "key", "make a key: %s", rc_text(rc));

    buf_done(&pem);
    return code;
}

static int make_certificates(const struct app *a, const struct settings *s)
{
    struct ec_key *ca = NULL, *tls = NULL;
    struct buf ca_pem = {0}, tls_pem = {0};
    struct names names;
    uint64_t now = os_now_ms();
    int code = 0;

    names_of(s, &names);
    wax_rc rc = ec_generate(os_rng(), &ca);
    if (rc == WAX_OK)
        rc = ec_generate(os_rng(), &tls);
    if (rc == WAX_OK)
        rc = cert_ca(ca, s->server.domain, now, &ca_pem);
    if (rc == WAX_OK)
        rc = cert_server(ca, buf_view(&ca_pem), ec_public(tls), names.v, names.n, os_rng(), now,
                         CERT_DAYS, &tls_pem);
    if (rc != WAX_OK)
        code = app_fail(a, EX_SOFTWARE, "certificate", "make the certificates: %s", rc_text(rc));
    /* Clients that were invited look for the CA in the chain. */
    buf_bytes(&tls_pem, buf_view(&ca_pem));
    if (code == 0)
        code = write_key(a, "ca.key", ca);
    if (code == 0)
        code = write_key(a, "tls.key", tls);
    if (code == 0)
        code = write_file(a, "ca.pem", &ca_pem, OS_FILE_REPLACE);
    if (code == 0)
        code = write_file(a, "tls.pem", &tls_pem, OS_FILE_REPLACE);
    buf_done(&ca_pem);
    buf_done(&tls_pem);
    ec_free(ca);
    ec_free(tls);
    return code;
}

static int make_log_key(const struct app *a, struct buf *hex)
{
    struct ec_key *key = NULL;
    wax_rc rc = ec_generate(os_rng(), &key);
    int code = rc == WAX_OK ? write_key(a, "log.key", key)
                            : app_fail(a, EX_SOFTWARE, "key", "make a key: %s", rc_text(rc));

    if (code == 0)
        buf_hex(hex, BYTES_OF(ec_public(key)->b));
    ec_free(key);
    return code;
}

/* A port that is free now at the address listened on. */
static int free_port(const struct app *a, const char *host, unsigned *ret_port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *ai = NULL;
    struct sockaddr_storage got;
    socklen_t n = sizeof got;
    int fd = -1;

    *ret_port = 0;
    if (getaddrinfo(host, "0", &hints, &ai) == 0)
        fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
        getsockname(fd, (struct sockaddr *)&got, &n) == 0)
        *ret_port = ntohs(got.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&got)->sin6_port
                                                    : ((struct sockaddr_in *)&got)->sin_port);
    if (fd >= 0)
        (void)close(fd);
    if (ai)
        freeaddrinfo(ai);
    if (*ret_port == 0)
        return app_fail(a, EX_OSERR, "listen", "find a free port at %s: there is no such address",
                        host);
    return 0;
}

struct options {
    const char *domain, *listen, *registration;
    const char *publics[PUBLIC_MAX];
    size_t n_publics;
};

static int take_listen(const struct app *a, const char *listen, struct settings *s)
{
    char host[254];
    unsigned port;

    if (endpoint_split(listen, 0, host, &port) != WAX_OK)
        return app_fail(a, EX_USAGE, "usage", "init: --listen %s is no ADDR:PORT", listen);
    if (port == 0) {
        int code = free_port(a, host, &port);
        if (code != 0)
            return code;
    }
    (void)snprintf(s->listen, sizeof s->listen, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host,
                   port);
    return 0;
}

static int take_options(const struct app *a, const struct options *o, struct settings *s)
{
    char host[254];
    unsigned port;

    settings_default(s);
    if (!o->domain)
        return app_fail(a, EX_USAGE, "usage", "init: --domain is missing; usage: waxd init %s",
                        a->usage);
    for (size_t i = 0; o->domain[i] && i + 1 < sizeof s->server.domain; i++)
        s->server.domain[i] =
            (char)(o->domain[i] >= 'A' && o->domain[i] <= 'Z' ? o->domain[i] | 32 : o->domain[i]);
    if (strlen(o->domain) >= sizeof s->server.domain || !domain_valid(s->server.domain))
        return app_fail(a, EX_USAGE, "usage",
                        "init: --domain %s is no domain; write it as A-labels (xn--…)", o->domain);
    if (o->registration && strcmp(o->registration, "invite") != 0 &&
        strcmp(o->registration, "open") != 0)
        return app_fail(a, EX_USAGE, "usage", "init: --registration is `invite` or `open`");
    s->server.registration_open = o->registration && o->registration[0] == 'o';
    for (size_t i = 0; i < o->n_publics; i++) {
        if (endpoint_split(o->publics[i], 1, host, &port) != WAX_OK)
            return app_fail(a, EX_USAGE, "usage", "init: --public %s is no HOST:PORT",
                            o->publics[i]);
        (void)snprintf(s->publics[s->n_publics++], ENDPOINT_SIZE, "%s", o->publics[i]);
    }
    return take_listen(a, o->listen, s);
}

static int print_result(const struct app *a, const struct made_invitation *made,
                        const char *log_key)
{
    char ca[PATH_SIZE], *full;
    int code = app_path(a, "ca.pem", ca);

    if (code != 0)
        return code;
    full = realpath(ca, NULL);
    if (a->json) {
        json_t *j = json_pack("{s:s, s:s, s:s, s:s}", "type", "init", "url", made->server, "ca",
                              full ? full : ca, "log_key", log_key);
        char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
        printf("%s\n", line ? line : "");
        free(line);
        json_decref(j);
    } else {
        printf("url: %s\nca: %s\nlog-key: %s\n", made->server, full ? full : ca, log_key);
        if (os_term_is(1))
            printf("invitation: %s\n", made->line);
    }
    free(full);
    return app_flush(a);
}

/* Everything but the settings themselves. */
static int make_folder(const struct app *a, const struct settings *s, struct made_invitation *made,
                       struct buf *log_key)
{
    struct store *store = NULL;
    struct buf line = {0};
    wax_rc rc = os_mkdir(a->data);
    int code = 0;

    if (rc == WAX_OK && chmod(a->data, 0700) != 0) /* it may have been there */
        rc = os_rc(errno);
    if (rc != WAX_OK)
        return app_fail(a, EX_CANTCREAT, "folder", "make the folder %s: %s", a->data, rc_text(rc));
    if ((code = make_certificates(a, s)) != 0 || (code = make_log_key(a, log_key)) != 0 ||
        (code = app_store(a, true, &store)) != 0)
        return code;
    code = invitation_make(a, s, store, FIRST_USES, FIRST_LIFE_MS, made);
    store_close(store);
    if (code != 0)
        return code;
    buf_printf(&line, "%s\n", made->line);
    code = write_file(a, "invitation", &line, OS_FILE_REPLACE);
    buf_done(&line);
    return code;
}

static void warn_unresolved(const struct app *a, const struct settings *s)
{
    if (!host_resolves(s->server.domain))
        app_note(a,
                 "warning: %s does not resolve; clients reach this server only by what stands in "
                 "their invitation",
                 s->server.domain);
}

int run_init(struct app *a, int argc, char **argv)
{
    struct options o = {.listen = "[::]:8443"};
    const struct option_of own[] = {
        {.name = "domain", .value = &o.domain},
        {.name = "listen", .value = &o.listen},
        {.name = "registration", .value = &o.registration},
        {.name = "public", .values = o.publics, .max = PUBLIC_MAX, .n = &o.n_publics},
        {.name = NULL}};
    struct made_invitation made;
    struct settings s;
    struct buf log_key = {0}, ini = {0};
    char path[PATH_SIZE], **args;
    int code = app_args(a, argc, argv, own, 0, 0, &args);

    if (code != 0 || (code = app_path(a, "waxd.ini", path)) != 0)
        return code;
    if (os_exists(path))
        return app_fail(a, EX_CANTCREAT, "exists",
                        "make the folder %s: it is made already (waxd.ini is there); nothing was "
                        "changed",
                        a->data);
    if ((code = take_options(a, &o, &s)) != 0)
        return code;
    code = make_folder(a, &s, &made, &log_key);
    if (code == 0) {
        settings_write(&s, &ini);
        code = write_file(a, "waxd.ini", &ini, OS_FILE_NEW);
    }
    const char *hex = buf_cstr(&log_key);
    if (code == 0) {
        warn_unresolved(a, &s);
        code = print_result(a, &made, hex ? hex : "");
    }
    buf_done(&ini);
    buf_done(&log_key);
    return code;
}
