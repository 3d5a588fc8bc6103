/* Options, the home, and errors, in the way every subcommand has them. */
#include "app.h"

#include <jansson.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"

/* --- Errors --- */

static void say(const struct app *a, int code, const char *reason, const char *detail)
{
    char clean[2400];

    (void)wax_escape(detail, strlen(detail), false, clean, sizeof clean);
    if (!a->json) {
        fprintf(stderr, "wax: %s\n", clean);
        return;
    }
    json_t *j = json_pack("{s:s, s:i, s:s, s:s}", "type", "error", "code", code, "reason", reason,
                          "detail", clean);
    char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
    fprintf(stderr, "%s\n", line ? line : "{\"type\":\"error\"}");
    free(line);
    json_decref(j);
}

int app_fail(const struct app *a, int code, const char *reason, const char *fmt, ...)
{
    char detail[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    say(a, code, reason, detail);
    return code;
}

int app_result(const struct app *a, int code, const struct wax_error *err)
{
    if (code != WAX_EX_OK)
        say(a, code, err->reason, err->detail);
    return code;
}

void app_note(const struct app *a, const char *fmt, ...)
{
    char text[600], clean[2400];
    va_list ap;

    if (a->quiet || a->json)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)wax_escape(text, strlen(text), false, clean, sizeof clean);
    fprintf(stderr, "%s\n", clean);
}

/* --- The command line --- */

enum { OPT_OWN = 256 }; /* own options are numbered from here */
#define OWN_MAX 12

static int help(const struct app *a, const struct option_of *own, size_t n_own)
{
    printf("usage: wax %s %s\n\n%s\n", a->command, a->usage, a->help);
    for (size_t i = 0; i < n_own; i++) {
        char left[40];
        (void)snprintf(left, sizeof left, "--%s%s%s", own[i].name, own[i].arg ? " " : "",
                       own[i].arg ? own[i].arg : "");
        printf("%s  %-22s %s\n", i ? "" : "\n", left, own[i].help);
    }
    fputs("\nEverywhere: --home DIR, --json, --allow-unlocked, -q, -v, -h, -V; see man wax.\n",
          stdout);
    return fflush(stdout) == 0 ? APP_DONE : WAX_EX_IO;
}

const struct option app_globals[APP_GLOBALS + 1] = {
    {"home", required_argument, NULL, 'H'},
    {"json", no_argument, NULL, 'j'},
    {"allow-unlocked", no_argument, NULL, 'u'},
    {"help", no_argument, NULL, 'h'},
    {"server-timeout", required_argument, NULL, 't'},
    {"version", no_argument, NULL, 'V'},
    {"quiet", no_argument, NULL, 'q'},
    {"verbose", no_argument, NULL, 'v'},
    {0}};

static size_t long_options(const struct option_of *own,
                           struct option out[OWN_MAX + APP_GLOBALS + 1])
{
    size_t n = APP_GLOBALS, i;

    memcpy(out, app_globals, APP_GLOBALS * sizeof *out);
    for (i = 0; own && own[i].name && i < OWN_MAX; i++)
        out[n + i] = (struct option){own[i].name, own[i].value ? required_argument : no_argument,
                                     NULL, (int)(OPT_OWN + i)};
    out[n + i] = (struct option){0};
    return i;
}

static int take(struct app *a, const struct option_of *own, size_t n_own, int c)
{
    size_t i = c >= OPT_OWN ? (size_t)(c - OPT_OWN) : n_own;

    if (i < n_own && own[i].value)
        *own[i].value = optarg;
    else if (i < n_own)
        *own[i].flag = true;
    else if (c == 'H')
        a->home = optarg;
    else if (c == 'j')
        a->json = true;
    else if (c == 'u')
        a->allow_unlocked = true;
    else if (c == 't')
        a->server_timeout = optarg;
    else if (c == 'q')
        a->quiet = true;
    else if (c == 'v')
        a->verbose = true;
    else if (c == 'h')
        return help(a, own, n_own);
    else if (c == 'V') {
        printf("wax %s\n", wax_version());
        return fflush(stdout) == 0 ? APP_DONE : WAX_EX_IO;
    }
    return WAX_EX_OK;
}

int app_args(struct app *a, int argc, char **argv, const struct option_of *own, int min, int max,
             struct args *ret)
{
    struct option longs[OWN_MAX + APP_GLOBALS + 1];
    size_t n_own = long_options(own, longs);
    int c;

    optind = 0; /* begin again: main has read the global options in front of the command */
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":hVqv", longs, NULL)) != -1) {
        if (c == ':')
            return app_fail(a, WAX_EX_USAGE, "usage", "%s: the option %s needs a value", a->command,
                            argv[optind - 1]);
        if (c == '?')
            return app_fail(a, WAX_EX_USAGE, "usage", "%s: unknown option %s; see wax %s --help",
                            a->command, argv[optind - 1], a->command);
        int code = take(a, own, n_own, c);
        if (code != WAX_EX_OK)
            return code;
    }
    int n = argc - optind;
    if (n < min || n > max)
        return app_fail(a, WAX_EX_USAGE, "usage", "%s: too %s arguments; see wax %s --help",
                        a->command, n < min ? "few" : "many", a->command);
    *ret = (struct args){n, argv + optind};
    return WAX_EX_OK;
}

/* --- The home --- */

static bool on_cancelled(void *ctx)
{
    const struct app *a = ctx;

    return app_interrupted() || (a->deadline && os_mono_ms() >= a->deadline);
}

static void on_waiting(void *ctx)
{
    app_note(ctx, "wax: waiting for another process that uses this home");
}

/* The server went away, or came back, while `receive --follow` goes on by itself. */
static void on_server(void *ctx, bool away, const char *why)
{
    const struct app *a = ctx;
    char clean[2400] = "";

    if (why)
        (void)wax_escape(why, strlen(why), false, clean, sizeof clean);
    if (a->quiet)
        return;
    if (!a->json) {
        if (away)
            fprintf(stderr, "wax: the server is away (%s); trying again until it is back\n", clean);
        else
            fprintf(stderr, "wax: the server is back\n");
        return;
    }
    json_t *j = json_pack("{s:s, s:s}", "type", "server", "state", away ? "away" : "back");
    if (j && away)
        (void)json_object_set_new(j, "detail", json_string(clean));
    char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
    fprintf(stderr, "%s\n", line ? line : "{\"type\":\"server\"}");
    free(line);
    json_decref(j);
}

int app_open(struct app *a)
{
    struct wax_options o = {.home = a->home,
                            .allow_unlocked = a->allow_unlocked,
                            .cancelled = on_cancelled,
                            .waiting = on_waiting,
                            .server = on_server,
                            .ctx = a};
    struct wax_error err = {0};
    uint64_t ms = 0;

    if (a->server_timeout) {
        int code = input_duration(a, "server-timeout", a->server_timeout, &ms);
        if (code != WAX_EX_OK)
            return code;
        if (ms < 1000 || ms > 3600000)
            return app_fail(a, WAX_EX_USAGE, "usage",
                            "%s: --server-timeout %s is not between 1s and 1h", a->command,
                            a->server_timeout);
    }
    o.server_timeout_ms = (unsigned)ms;
    return app_result(a, wax_open(&o, &a->w, &err), &err);
}

wax_rc app_ask(const char *prompt, struct buf *ret)
{
    struct sigaction usual = {.sa_handler = SIG_DFL}, old;

    (void)sigaction(SIGINT, &usual, &old);
    wax_rc rc = os_term_ask(prompt, false, ret);
    (void)sigaction(SIGINT, &old, NULL);
    return rc;
}
