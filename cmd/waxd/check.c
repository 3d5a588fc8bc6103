/* waxd check: settings, certificates, keys, the store, the directory's log. Each finding is one
 * line. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "directory/log_audit.h"
#include "net/certfile.h"
#include "os/clock.h"
#include "store/sqlite.h"

static void finding(const struct app *a, const char *what, const char *text, size_t n)
{
    if (a->json) {
        json_t *j =
            json_pack("{s:s, s:s, s:s%}", "type", "finding", "part", what, "detail", text, n);
        char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
        printf("%s\n", line ? line : "{\"type\":\"finding\"}");
        free(line);
        json_decref(j);
    } else {
        printf("%s: %.*s\n", what, (int)n, text);
    }
}

/* One finding a line. */
static void findings(const struct app *a, const char *what, const struct buf *report)
{
    const char *p = (const char *)report->p;
    size_t left = report->n;

    while (left) {
        const char *nl = memchr(p, '\n', left);
        size_t n = nl ? (size_t)(nl - p) : left;
        if (n)
            finding(a, what, p, n);
        p += n + (nl != NULL);
        left -= n + (nl != NULL);
    }
}

static int check_certificate(const struct app *a, const struct settings *s)
{
    char cert[PATH_SIZE], key[PATH_SIZE], hosts[PUBLIC_MAX][254];
    const char *names[PUBLIC_MAX] = {s->server.domain};
    struct buf report = {0};
    size_t n = 0;
    unsigned port;
    int code = app_path(a, s->certificate, cert);

    if (code == 0)
        code = app_path(a, s->key, key);
    if (code != 0)
        return code;
    /* Who is reached under --public names alone needs no certificate for the domain. */
    for (size_t i = 0; i < s->n_publics; i++) {
        if (endpoint_split(s->publics[i], 1, hosts[i], &port) == WAX_OK)
            names[n++] = hosts[i];
    }
    if (n == 0)
        n = 1;
    wax_rc rc = net_cert_check(cert, key, names, n, os_now_ms(), &report);
    findings(a, "certificate", &report);
    buf_done(&report);
    return rc == WAX_OK ? 0 : EX_CONFIG;
}

static int check_log_key(const struct app *a)
{
    char text[PATH_SIZE + 128];
    struct ec_key *key = NULL;
    wax_rc rc = app_log_key(a, &key);

    ec_free(key);
    if (rc == WAX_OK)
        return 0;
    (void)snprintf(text, sizeof text, "%s/log.key cannot be used: %s", a->data, rc_text(rc));
    finding(a, "log-key", text, strlen(text));
    return EX_CONFIG;
}

/* The report of one part of the store, or why there is none. */
static int judged(const struct app *a, const char *what, wax_rc rc, const struct buf *report)
{
    findings(a, what, report);
    if (rc != WAX_OK && report->n == 0)
        finding(a, what, rc_text(rc), strlen(rc_text(rc)));
    return rc == WAX_OK ? 0 : rc == WAX_E_DAMAGED ? EX_DATAERR : app_code(rc);
}

static int check_tables(const struct app *a, struct store *store)
{
    struct store_req req = {.op = STORE_CHECK, .now = os_now_ms()};
    wax_rc rc = store_run(store, &req);
    int code = judged(a, "store", rc, &req.u.check.report);

    store_req_done(&req);
    return code;
}

/* The whole log, made anew from the manifests. Without its key that cannot be said: its own
 * finding. */
static int check_log(const struct app *a, const struct settings *s, struct store *store)
{
    struct store_req req = {.op = STORE_LOG_READ, .now = os_now_ms()};
    struct log_audit audit = {.domain = s->server.domain};
    struct ec_key *key = NULL;

    if (app_log_key(a, &key) != WAX_OK)
        return 0;
    audit.key = ec_public(key);
    req.u.log = (struct store_log_run){log_audit_run, &audit};
    wax_rc rc = store_run(store, &req);
    int code = judged(a, "log", rc, &audit.report);
    if (code == 0 && a->verbose && !a->json)
        printf("log: %llu entries, %llu changes, %llu not yet in it\n",
               (unsigned long long)audit.entries, (unsigned long long)audit.changes,
               (unsigned long long)audit.waiting);
    buf_done(&audit.report);
    ec_free(key);
    return code;
}

static int check_store(const struct app *a, const struct settings *s)
{
    struct store *store = NULL;
    int code = app_store(a, false, &store);

    if (code != 0)
        return code;
    code = check_tables(a, store);
    int log = check_log(a, s, store);
    store_close(store);
    return code ? code : log;
}

int run_check(struct app *a, int argc, char **argv)
{
    struct settings s;
    char **args;
    int code = app_args(a, argc, argv, NULL, 0, 0, &args);

    if (code == 0)
        code = app_settings(a, &s);
    if (code != 0)
        return code;
    int parts[] = {check_certificate(a, &s), check_log_key(a), check_store(a, &s)};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i] == EX_DATAERR || (parts[i] != 0 && code == 0))
            code = parts[i]; /* damaged data weighs most */
    }
    if (code == 0 && !a->json && !a->quiet)
        puts("settings, certificate, keys, store and log are in order");
    int flushed = app_flush(a);
    return code ? code : flushed;
}
