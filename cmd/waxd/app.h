/* waxd's subcommands: options, the data folder, output and errors in the way all have them. */
#ifndef WAXD_APP_H
#define WAXD_APP_H

#include <sysexits.h>

#include "crypto/crypto.h"
#include "settings.h"
#include "store/store.h"

struct app {
    const char *command, *usage, *help;
    const char *data; /* --data, else from the environment; set by app_args */
    bool json, quiet, verbose;
};

/* A command is over although nothing went wrong (--help); main turns it into 0. */
#define APP_DONE (-1)

/* One option of a command. value: takes one, may come again when values is set. */
struct option_of {
    const char *name;
    const char **value;
    const char **values; /* up to max of them, *n counts */
    size_t max, *n;
};

/* Reads options (global ones too) and checks that the number of arguments lies in min…max.
 * 0, APP_DONE or 64 with the error said. Then the process acts as the data folder's owner. */
int app_args(struct app *a, int argc, char **argv, const struct option_of *own, int min, int max,
             char ***ret_args);

/* Says what was tried, why it failed and what to do; gives code back. */
int app_fail(const struct app *a, int code, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* A note on stderr, not with --json or -q. */
void app_note(const struct app *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Flushes standard output: 0, or 74 with the error said. */
int app_flush(const struct app *a);
/* The exit code that belongs to a result. */
int app_code(wax_rc rc);

/* DIR/name; false (said) when that is too long. */
#define PATH_SIZE 1024
int app_path(const struct app *a, const char *name, char out[PATH_SIZE]);
/* Loads DIR/waxd.ini; 0, or 66, 78 … with the error said. */
int app_settings(const struct app *a, struct settings *ret);
/* Takes DIR/lock, so that nobody else serves from the folder; os_lock_close gives it back. */
struct os_lock;
int app_lock(const struct app *a, struct os_lock **ret);
/* Loads DIR/log.key, which ec_free frees; WAX_R_PARSE: it is no key of ours. */
wax_rc app_log_key(const struct app *a, struct ec_key **ret) WAX_MUST;
/* Opens DIR/waxd.db for one command; 0 or a code with the error said. */
int app_store(const struct app *a, bool create, struct store **ret);

int run_init(struct app *a, int argc, char **argv);
int run_run(struct app *a, int argc, char **argv);
int run_invite(struct app *a, int argc, char **argv);
int run_invites(struct app *a, int argc, char **argv);
int run_uninvite(struct app *a, int argc, char **argv);
int run_check(struct app *a, int argc, char **argv);
int run_restored(struct app *a, int argc, char **argv);

#endif
