/* What the subcommands of wax share: global options, the home, input, output, errors. */
#ifndef WAX_APP_H
#define WAX_APP_H

#include <getopt.h>
#include <stdint.h>

#include <wax/wax.h>

#include "os/term.h"

/* The options that every command takes, in front of it or behind it; ends with an empty one. */
#define APP_GLOBALS 8
extern const struct option app_globals[APP_GLOBALS + 1];

struct app {
    const char *home; /* --home, or NULL */
    bool json, quiet, verbose, allow_unlocked;
    const char *command;        /* name of the subcommand, for messages */
    const char *usage;          /* its arguments, for --help */
    const char *help;           /* its help line */
    wax *w;                     /* open after app_open */
    const char *server_timeout; /* --server-timeout, or NULL */
    uint64_t deadline;          /* os_mono_ms() at which waiting calls are cancelled; 0: never */
};

/* One option of a subcommand: exactly one of value and flag is set. */
struct option_of {
    const char *name;
    const char **value;
    bool *flag;
    const char *arg;  /* what --help calls the value; NULL with a flag */
    const char *help; /* for --help: one line */
};

/* What is left of the command line behind the options. */
struct args {
    int n;
    char **v;
};

/* A subcommand is over without an error (help was shown). */
#define APP_DONE (-1)

/* Parses global options and those in `own` (ends with an empty name), anywhere on the line,
 * and leaves min … max arguments. 0, APP_DONE, or 64 when said. */
int app_args(struct app *a, int argc, char **argv, const struct option_of *own, int min, int max,
             struct args *ret);
/* Opens the home into a->w; on failure the error is said. */
int app_open(struct app *a);
/* Says an error (docs/CLI "Exit codes") on standard error; returns code. */
int app_fail(const struct app *a, int code, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Says what libwax told, if code is no success; returns code. */
int app_result(const struct app *a, int code, const struct wax_error *err);
/* A line for people on standard error, unless --quiet or --json. */
void app_note(const struct app *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* SIGINT or SIGTERM came. */
bool app_interrupted(void);
/* Asks on the terminal with SIGINT at its default, so that a prompt can be left. */
wax_rc app_ask(const char *prompt, struct buf *ret);

/* --- input.c --- */

/* A value that may be `-`: then the next line of standard input, without its newline, in
 * *line (which *value points into afterwards). NULL and other values stay. Says errors. */
int input_value(struct app *a, const char *what, const char **value, struct buf *line);
/* A line of a file: the one that begins with `WHAT: `, as waxd prints it, without that; else the
 * first. 66 when it is not there. Says errors. */
int input_file(struct app *a, const char *what, const char *path, struct buf *line);
/* text behind a leading `WHAT: `, or text. */
const char *input_unlabelled(const char *text, const char *what);
/* The rest of standard input, one final newline dropped; stops reading behind cap bytes. */
int input_all(struct app *a, size_t cap, struct buf *ret);
/* Decimal number into *ret; says errors (64). */
int input_number(struct app *a, const char *option, const char *text, uint64_t max, uint64_t *ret);
/* `30`, `30s`, `5m`, `24h`, `7d` as ms; says errors (64). */
int input_duration(struct app *a, const char *option, const char *text, uint64_t *ret);

/* --- print.c --- */

/* Renders an event on standard output, as JSON or for people; ctx is the app. Non-zero when
 * the line could not be written whole. */
int print_event(void *ctx, const struct wax_event *e);
/* One line for people or scripts, with its newline added. Non-zero as above. */
int print_line(const char *line);

/* --- the subcommands --- */

int run_register(struct app *a, int argc, char **argv);
int run_link(struct app *a, int argc, char **argv);
int run_approve(struct app *a, int argc, char **argv);
int run_devices(struct app *a, int argc, char **argv);
int run_revoke(struct app *a, int argc, char **argv);
int run_rename(struct app *a, int argc, char **argv);
int run_send(struct app *a, int argc, char **argv);
int run_receive(struct app *a, int argc, char **argv);
int run_flush(struct app *a, int argc, char **argv);
int run_outbox(struct app *a, int argc, char **argv);
int run_list(struct app *a, int argc, char **argv);
int run_contacts(struct app *a, int argc, char **argv);
int run_history(struct app *a, int argc, char **argv);
int run_verify(struct app *a, int argc, char **argv);
int run_accept_identity(struct app *a, int argc, char **argv);
int run_status(struct app *a, int argc, char **argv);

#endif
