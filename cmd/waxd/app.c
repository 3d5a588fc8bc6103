#include "app.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/cert.h"
#include "os/file.h"
#include "os/process.h"
#include "store/sqlite.h"

/* --- Errors --- */

int app_fail(const struct app *a, int code, const char *reason, const char *fmt, ...)
{
    char detail[1200];
    struct buf clean = {0};
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    text_escape(&clean, BYTES_STR(detail), false);
    const char *text = buf_cstr(&clean);
    if (a->json) {
        json_t *j = json_pack("{s:s, s:i, s:s, s:s}", "type", "error", "code", code, "reason",
                              reason, "detail", text ? text : "");
        char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
        fprintf(stderr, "%s\n", line ? line : "{\"type\":\"error\"}");
        free(line);
        json_decref(j);
    } else {
        fprintf(stderr, "waxd: %s\n", text ? text : reason);
    }
    buf_done(&clean);
    return code;
}

void app_note(const struct app *a, const char *fmt, ...)
{
    va_list ap;

    if (a->quiet || a->json)
        return;
    va_start(ap, fmt);
    fputs("waxd: ", stderr);
    (void)vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

int app_flush(const struct app *a)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    return app_fail(a, EX_IOERR, "output", "write the result: %s", strerror(errno));
}

int app_code(wax_rc rc)
{
    switch (rc) {
    case WAX_OK:
        return 0;
    case WAX_E_NOTFOUND:
        return EX_NOINPUT;
    case WAX_E_EXISTS:
        return EX_CANTCREAT;
    case WAX_E_BUSY:
        return EX_OSERR;
    case WAX_E_DAMAGED:
        return EX_DATAERR;
    case WAX_E_VERSION:
        return EX_CONFIG;
    case WAX_E_DENIED:
        return EX_NOPERM;
    case WAX_E_NOMEM:
    case WAX_E_CRYPTO:
    case WAX_E_RANDOM:
        return EX_SOFTWARE;
    default:
        return EX_IOERR;
    }
}

/* --- The command line --- */

enum { OPT_OWN = 256 }; /* own options are numbered from here */
#define OWN_MAX 8

static int help(const struct app *a)
{
    printf("usage: waxd %s %s\n\n%s. Global options: --data DIR, --json, -q, -v; see man waxd.\n",
           a->command, a->usage, a->help);
    return fflush(stdout) == 0 ? APP_DONE : EX_IOERR;
}

static size_t long_options(const struct option_of *own, struct option out[OWN_MAX + 8])
{
    static const struct option global[] = {
        {"data", required_argument, NULL, 'D'}, {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},       {"version", no_argument, NULL, 'V'},
        {"quiet", no_argument, NULL, 'q'},      {"verbose", no_argument, NULL, 'v'}};
    size_t n = sizeof global / sizeof *global, i;

    memcpy(out, global, sizeof global);
    for (i = 0; own && own[i].name && i < OWN_MAX; i++)
        out[n + i] = (struct option){own[i].name, required_argument, NULL, (int)(OPT_OWN + i)};
    out[n + i] = (struct option){0};
    return i;
}

static int take_own(const struct app *a, const struct option_of *o)
{
    if (o->value) {
        *o->value = optarg;
        return 0;
    }
    if (*o->n >= o->max)
        return app_fail(a, EX_USAGE, "usage", "%s: --%s stands too often", a->command, o->name);
    o->values[(*o->n)++] = optarg;
    return 0;
}

static int take(struct app *a, const struct option_of *own, size_t n_own, int c)
{
    if (c >= OPT_OWN && (size_t)(c - OPT_OWN) < n_own)
        return take_own(a, &own[c - OPT_OWN]);
    switch (c) {
    case 'D':
        a->data = optarg;
        return 0;
    case 'j':
        a->json = true;
        return 0;
    case 'q':
        a->quiet = true;
        return 0;
    case 'v':
        a->verbose = true;
        return 0;
    case 'h':
        return help(a);
    default:
        printf("waxd %s\n", WAXD_VERSION);
        return fflush(stdout) == 0 ? APP_DONE : EX_IOERR;
    }
}

static const char *data_default(void)
{
    const char *s = getenv("WAXD_DATA");

    if (!s || !*s)
        s = getenv("STATE_DIRECTORY");
    return s && *s ? s : "/var/lib/waxwing";
}

int app_args(struct app *a, int argc, char **argv, const struct option_of *own, int min, int max,
             char ***ret_args)
{
    struct option longs[OWN_MAX + 8];
    size_t n_own = long_options(own, longs);
    int c;

    optind = 0; /* begin again: main has read the options in front of the command */
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":hVqv", longs, NULL)) != -1) {
        if (c == ':' || c == '?')
            return app_fail(a, EX_USAGE, "usage", "%s: %s %s; see waxd %s --help", a->command,
                            c == ':' ? "there is no value for" : "unknown or ambiguous option",
                            argv[optind - 1], a->command);
        int code = take(a, own, n_own, c);
        if (code != 0)
            return code;
    }
    int n = argc - optind;
    if (n < min || n > max)
        return app_fail(a, EX_USAGE, "usage", "%s: too %s arguments; see waxd %s --help",
                        a->command, n < min ? "few" : "many", a->command);
    *ret_args = argv + optind;
    if (!a->data)
        a->data = data_default();
    wax_rc rc = os_act_as_owner(a->data);
    if (rc == WAX_OK)
        rc = os_harden();
    if (rc != WAX_OK)
        return app_fail(a, EX_NOPERM, "owner", "act as the owner of %s: %s", a->data, rc_text(rc));
    return 0;
}

/* --- The data folder --- */

int app_path(const struct app *a, const char *name, char out[PATH_SIZE])
{
    int n = name[0] == '/' ? snprintf(out, PATH_SIZE, "%s", name)
                           : snprintf(out, PATH_SIZE, "%s/%s", a->data, name);

    if (n > 0 && n < PATH_SIZE)
        return 0;
    return app_fail(a, EX_USAGE, "path", "use the folder %.64s…: its name is too long", a->data);
}

int app_settings(const struct app *a, struct settings *ret)
{
    char path[PATH_SIZE];
    struct buf error = {0};
    int code = app_path(a, "waxd.ini", path);

    if (code != 0)
        return code;
    wax_rc rc = settings_load(path, ret, &error);
    const char *why = error.n ? buf_cstr(&error) : NULL;
    if (rc == WAX_E_NOTFOUND)
        code = app_fail(a, EX_CONFIG, "not-initialised",
                        "read %s: it is not there; make the folder with `waxd init --domain "
                        "DOMAIN`, or name another with --data",
                        path);
    else if (rc == WAX_R_PARSE)
        code =
            app_fail(a, EX_CONFIG, "settings", "read %s: %s; mend that line", path, why ? why : "");
    else if (rc != WAX_OK)
        code = app_fail(a, EX_CONFIG, "settings", "read %s: %s", path, rc_text(rc));
    buf_done(&error);
    return code;
}

int app_lock(const struct app *a, struct os_lock **ret)
{
    struct os_lock *lock = NULL;
    char path[PATH_SIZE];
    int code = app_path(a, "lock", path);

    if (code != 0)
        return code;
    wax_rc rc = os_lock_open(path, &lock);
    if (rc == WAX_OK)
        rc = os_lock_try(lock, 0);
    if (rc == WAX_OK) {
        *ret = lock;
        return 0;
    }
    os_lock_close(lock);
    if (rc == WAX_E_BUSY)
        return app_fail(a, EX_OSERR, "busy",
                        "serve from %s: another waxd serves from this folder; stop it first",
                        a->data);
    return app_fail(a, app_code(rc), "lock", "lock %s: %s", path, rc_text(rc));
}

#define PEM_FILE_MAX 65536

wax_rc app_log_key(const struct app *a, struct ec_key **ret)
{
    char path[PATH_SIZE];
    struct buf pem = {0};

    if (app_path(a, "log.key", path) != 0)
        return WAX_E_INVAL;
    wax_rc rc = os_file_read(path, PEM_FILE_MAX, &pem);
    if (rc == WAX_OK)
        rc = cert_key_load(buf_view(&pem), ret);
    buf_done(&pem);
    return rc;
}

int app_store(const struct app *a, bool create, struct store **ret)
{
    char path[PATH_SIZE];
    struct buf error = {0};
    int code = app_path(a, "waxd.db", path);

    if (code != 0)
        return code;
    struct store_sqlite_conf conf = {.path = path, .create = create};
    wax_rc rc = store_sqlite_open(&conf, ret, &error);
    if (rc != WAX_OK) {
        const char *why = error.n ? buf_cstr(&error) : NULL;
        code = app_fail(a, app_code(rc), "store", "open %s: %s", path, why ? why : rc_text(rc));
    }
    buf_done(&error);
    return code;
}
