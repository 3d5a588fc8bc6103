/* waxd: the Waxwing server. A table of subcommands; each lies in a file of its own. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "crypto/crypto.h"
#include "os/process.h"

static const struct command {
    const char *name;
    int (*run)(struct app *a, int argc, char **argv);
    const char *usage, *help;
} commands[] = {
    {"init", run_init,
     "--domain DOMAIN [--listen ADDR:PORT] [--public HOST:PORT]...\n"
     "                 [--registration invite|open]",
     "Make the data folder: settings, store, keys, certificates, a first invitation"},
    {"run", run_run, "[--listen ADDR:PORT]", "Serve, in the foreground"},
    {"invite", run_invite, "[--uses N] [--expire 24h]", "Make an invitation"},
    {"invites", run_invites, "", "List the invitations that are still good"},
    {"uninvite", run_uninvite, "ID", "Withdraw an invitation"},
    {"check", run_check, "", "Check settings, certificates, the store and the log"},
    {"restored", run_restored, "",
     "Say that the folder was put back from a copy, before it is served"},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static int usage(FILE *out, int code)
{
    fputs("usage: waxd [--data DIR] [--json] COMMAND …\n\n", out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\n  --data DIR     the server's folder (else $WAXD_DATA, $STATE_DIRECTORY,\n"
          "                 /var/lib/waxwing)\n"
          "  --json         one JSON object a line\n"
          "  -q, --quiet    no notes    -v, --verbose   more notes\n"
          "  -h, --help     of waxd or a command    -V, --version\n\n"
          "`waxd COMMAND --help` shows a command's options; man waxd tells more.\n",
          out);
    return fflush(out) == 0 ? code : EX_IOERR;
}

/* Global options in front of the command; those behind it are read with the command's own. */
static int leading(struct app *a, int argc, char **argv)
{
    static const struct option longs[] = {{"data", required_argument, NULL, 'D'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {0}};
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "+hVqv", longs, NULL)) != -1) {
        switch (c) {
        case 'D':
            a->data = optarg;
            break;
        case 'j':
            a->json = true;
            break;
        case 'q':
            a->quiet = true;
            break;
        case 'v':
            a->verbose = true;
            break;
        case 'h':
            return usage(stdout, 0) == 0 ? APP_DONE : EX_IOERR;
        case 'V':
            printf("waxd %s\n", WAXD_VERSION);
            return fflush(stdout) == 0 ? APP_DONE : EX_IOERR;
        default:
            return app_fail(a, EX_USAGE, "usage",
                            "unknown or incomplete option %s; see waxd --help", argv[optind - 1]);
        }
    }
    return 0;
}

/* --json counts for errors about the command line itself, wherever it stands. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static int run(struct app *a, int argc, char **argv)
{
    int code = leading(a, argc, argv);

    if (code != 0)
        return code;
    if (optind >= argc)
        return a->json ? app_fail(a, EX_USAGE, "usage", "no command given; see waxd --help")
                       : usage(stderr, EX_USAGE);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[optind], commands[i].name) != 0)
            continue;
        a->command = commands[i].name;
        a->usage = commands[i].usage;
        a->help = commands[i].help;
        return commands[i].run(a, argc - optind, argv + optind);
    }
    return app_fail(a, EX_USAGE, "usage", "unknown command %s; see waxd --help", argv[optind]);
}

int main(int argc, char **argv)
{
    struct app a = {.json = wants_json(argc, argv)};
    struct sigaction ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGPIPE, &ignore, NULL);
    if (os_harden() != WAX_OK)
        return app_fail(&a, EX_SOFTWARE, "harden",
                        "start: core dumps and debuggers cannot be kept out");
    if (crypto_init() != WAX_OK)
        return app_fail(&a, EX_SOFTWARE, "crypto", "start: the crypto library does not work");
    int code = run(&a, argc, argv);
    return code == APP_DONE ? 0 : code;
}
