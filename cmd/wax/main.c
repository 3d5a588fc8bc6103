/* wax: the Waxwing client. A table of subcommands; each lies in a file of its own. */
#include "app.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "os/clock.h"
#include "os/process.h"

static const struct command {
    const char *name;
    int (*run)(struct app *a, int argc, char **argv);
    const char *usage, *help;
} commands[] = {
    {"register", run_register,
     "HANDLE [INVITATION|-] [--invitation-file FILE] [--server URL] [--ca FILE] [--invite CODE|-]\n"
     "       [--device-name NAME] [--protect none] [--recovery-file FILE|--no-recovery]",
     "make an account and its first device"},
    {"link", run_link,
     "HANDLE [INVITATION|-] [--invitation-file FILE] [--server URL] [--ca FILE]\n"
     "       [--device-name NAME] [--protect none] [--timeout S]",
     "make this home a new device of an account"},
    {"approve", run_approve, "[LINK-CODE|-]", "let a new device in, from one that is in"},
    {"devices", run_devices, "[HANDLE]", "list devices, own or a contact's"},
    {"revoke", run_revoke, "DEVICE-ID", "shut a device of this account out"},
    {"rename", run_rename, "NAME", "give this device another name"},
    {"send", run_send, "TO [TEXT|-] [--no-wait]", "send a message; prints its id"},
    {"receive", run_receive, "[--follow] [--timeout S] [--max N] [--peek] [--since SEQ]",
     "print what has arrived"},
    {"flush", run_flush, "[--timeout S]", "send what waits in the outbox"},
    {"outbox", run_outbox, "[--cancel ID]", "list what waits, or take one back"},
    {"list", run_list, "", "list conversations, newest first"},
    {"contacts", run_contacts, "", "list contacts"},
    {"history", run_history, "[WITH] [--limit N] [--before ID]", "show messages kept here"},
    {"verify", run_verify, "HANDLE [--confirm CODE|-]", "show or confirm a safety number"},
    {"accept-identity", run_accept_identity, "HANDLE --code CODE|-",
     "accept a contact who started over with new keys"},
    {"status", run_status, "", "who and where this device is"},
};
#define N_COMMANDS (sizeof commands / sizeof *commands)

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
    (void)sig;
    interrupted = 1;
}

bool app_interrupted(void) { return interrupted != 0; }

/* Without SA_RESTART: a blocked read of standard input ends. SIGPIPE becomes EPIPE, so that
 * a reader that went away is exit code 74. */
static void handle_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};

    (void)sigaction(SIGINT, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGPIPE, &ignore, NULL);
}

static int usage(FILE *out, int code)
{
    fputs("usage: wax [--home DIR] [--json] COMMAND …\n\n", out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(out, "  %-16s %s\n", commands[i].name, commands[i].help);
    fputs("\n  --home DIR         this device's folder (else $WAX_HOME, or waxwing in the XDG data "
          "folder)\n"
          "  --json             one JSON object a line\n"
          "  --allow-unlocked   go on although secret memory cannot be locked\n"
          "  --server-timeout S how long the server may take over one answer (40s)\n"
          "  -q, --quiet        no notes    -v, --verbose   more notes\n"
          "  -h, --help         of wax or a command    -V, --version\n\n"
          "`wax COMMAND --help` shows a command's arguments; man wax tells more.\n",
          out);
    return fflush(out) == 0 ? code : WAX_EX_IO;
}

/* Global options in front of the command; those behind it are read with the command's own. */
static int leading(struct app *a, int argc, char **argv)
{
    int c;

    opterr = 0;
    while ((c = getopt_long(argc, argv, "+hVqv", app_globals, NULL)) != -1) {
        switch (c) {
        case 'H':
            a->home = optarg;
            break;
        case 'j':
            a->json = true;
            break;
        case 'u':
            a->allow_unlocked = true;
            break;
        case 't':
            a->server_timeout = optarg;
            break;
        case 'q':
            a->quiet = true;
            break;
        case 'v':
            a->verbose = true;
            break;
        case 'h':
            return usage(stdout, WAX_EX_OK) == WAX_EX_OK ? APP_DONE : WAX_EX_IO;
        case 'V':
            printf("wax %s\n", wax_version());
            return fflush(stdout) == 0 ? APP_DONE : WAX_EX_IO;
        default:
            return app_fail(a, WAX_EX_USAGE, "usage",
                            "unknown or incomplete option %s; see wax --help", argv[optind - 1]);
        }
    }
    return WAX_EX_OK;
}

/* --json counts for errors about the command line itself, wherever it stands. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static int run(struct app *a, int argc, char **argv)
{
    int code = leading(a, argc, argv);

    if (code != WAX_EX_OK)
        return code;
    if (optind >= argc)
        return a->json ? app_fail(a, WAX_EX_USAGE, "usage", "no command given; see wax --help")
                       : usage(stderr, WAX_EX_USAGE);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[optind], commands[i].name) != 0)
            continue;
        a->command = commands[i].name;
        a->usage = commands[i].usage;
        a->help = commands[i].help;
        return commands[i].run(a, argc - optind, argv + optind);
    }
    return app_fail(a, WAX_EX_USAGE, "usage", "unknown command %s; see wax --help", argv[optind]);
}

int main(int argc, char **argv)
{
    struct app a = {.json = wants_json(argc, argv)};
    uint64_t start = os_mono_ms();
    int code;

    if (os_harden() != WAX_OK)
        return app_fail(&a, WAX_EX_FAULT, "harden",
                        "start: core dumps and debuggers cannot be kept out");
    handle_signals();
    code = run(&a, argc, argv);
    wax_close(a.w);
    if (a.verbose)
        app_note(&a, "wax: took %llu ms", (unsigned long long)(os_mono_ms() - start));
    return code == APP_DONE ? WAX_EX_OK : code;
}
