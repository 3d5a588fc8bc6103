/* wax register, link: this home becomes a device */
#include "app.h"

#include <string.h>

#include "os/file.h"

struct words {
    struct app *a;
    const char *file; /* NULL: the terminal */
    bool said;        /* our own error was said already */
};

static int to_file(struct words *w, const char *words)
{
    struct buf text = {0};

    buf_printf(&text, "%s\n", words);
    wax_rc rc = buf_rc(&text);
    if (rc == WAX_OK)
        rc = os_file_write(w->file, buf_view(&text), OS_FILE_NEW);
    buf_done(&text);
    if (rc == WAX_OK)
        return 0;
    w->said = true;
    (void)app_fail(w->a, WAX_EX_CANTCREATE, "recovery-file",
                   "register: write the recovery words to %s: %s; nothing was published", w->file,
                   rc == WAX_E_EXISTS ? "it is there already and is never overwritten"
                                      : rc_text(rc));
    return -1;
}

static int to_terminal(const char *words)
{
    struct buf text = {0}, answer = {0};

    buf_str(&text, "\nThese twelve words are the only way back when all your devices are lost.\n"
                   "Write them on paper; they are not shown again. (The command that uses them,\n"
                   "`wax recover`, comes with a later version.)\n\n");
    for (int i = 0; *words; i++) {
        size_t n = strcspn(words, " ");
        buf_printf(&text, "  %2d. %.*s\n", i + 1, (int)n, words);
        words += n + (words[n] == ' ');
    }
    wax_rc rc = buf_rc(&text);
    if (rc == WAX_OK)
        rc = os_term_write(buf_view(&text));
    if (rc == WAX_OK)
        rc = app_ask("\nPress Enter when they are written down. ", &answer);
    buf_done(&text);
    buf_done(&answer);
    return rc == WAX_OK ? 0 : -1;
}

static int on_words(void *ctx, const char *words)
{
    struct words *w = ctx;

    return w->file ? to_file(w, words) : to_terminal(words);
}

/* Where the words go is settled before anything is made. */
static int check_recovery(struct app *a, const char *file, bool none)
{
    if (file && none)
        return app_fail(a, WAX_EX_USAGE, "usage",
                        "register: --recovery-file and --no-recovery exclude each other");
    if (file && os_exists(file))
        return app_fail(a, WAX_EX_CANTCREATE, "recovery-file",
                        "register: %s is there already and is never overwritten; name another file",
                        file);
    if (!file && !none && !os_term_there())
        return app_fail(a, WAX_EX_USAGE, "recovery",
                        "register: there is no terminal to show the recovery words on; give "
                        "--recovery-file FILE or --no-recovery");
    return WAX_EX_OK;
}

static int check_protect(struct app *a, const char *protect)
{
    if (!protect || strcmp(protect, "none") == 0)
        return WAX_EX_OK;
    return app_fail(a, WAX_EX_USAGE, "usage", "%s: unknown --protect %s; so far there is none",
                    a->command, protect);
}

/* What register and link share: where the server is. */
struct place {
    const char *invitation, *file, *protect;
    struct buf invitation_line, invite_line;
};

static int settle(struct app *a, struct place *p, const struct args *in)
{
    p->invitation = in->n > 1 ? in->v[1] : NULL;
    if (p->invitation && p->file)
        return app_fail(a, WAX_EX_USAGE, "usage",
                        "%s: INVITATION and --invitation-file exclude each other", a->command);
    int code = check_protect(a, p->protect);
    if (code == WAX_EX_OK && p->file) {
        code = input_file(a, "invitation", p->file, &p->invitation_line);
        p->invitation = code == WAX_EX_OK ? buf_cstr(&p->invitation_line) : NULL;
    } else if (code == WAX_EX_OK) {
        code = input_value(a, "invitation", &p->invitation, &p->invitation_line);
    }
    if (code == WAX_EX_OK && p->invitation)
        p->invitation = input_unlabelled(p->invitation, "invitation");
    return code;
}

static void place_done(struct place *p)
{
    buf_done(&p->invitation_line);
    buf_done(&p->invite_line);
}

int run_register(struct app *a, int argc, char **argv)
{
    struct words words = {.a = a};
    struct place p = {0};
    struct wax_register_options o = {.words = on_words, .ctx = &words};
    struct wax_error err = {0};
    struct args in;
    bool none = false;
    const struct option_of own[] = {
        {"invitation-file", &p.file, NULL, "FILE", "the file that has the invitation"},
        {"server", &o.server, NULL, "URL",
         "the server, https://HOST:PORT (default: the invitation's)"},
        {"ca", &o.ca_file, NULL, "FILE",
         "PEM of the CA to trust (default: the invitation's, or the system's)"},
        {"invite", &o.invite, NULL, "CODE|-", "admission code (default: the invitation's)"},
        {"device-name", &o.device_name, NULL, "NAME", "name of this device (default: the host's)"},
        {"protect", &p.protect, NULL, "none",
         "protection of the local store; so far there is none"},
        {"recovery-file", &words.file, NULL, "FILE",
         "write the twelve recovery words there, into a new file"},
        {"no-recovery", NULL, &none, NULL, "make no recovery words"},
        {0}};
    int code = app_args(a, argc, argv, own, 1, 2, &in);

    if (code == WAX_EX_OK)
        code = settle(a, &p, &in);
    if (code == WAX_EX_OK)
        code = input_value(a, "admission code", &o.invite, &p.invite_line);
    if (code == WAX_EX_OK)
        code = check_recovery(a, words.file, none);
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code == WAX_EX_OK) {
        o.handle = in.v[0];
        o.invitation = p.invitation;
        o.recovery = !none;
        code = wax_register(a->w, &o, print_event, a, &err);
        if (!words.said)
            (void)app_result(a, code, &err);
    }
    place_done(&p);
    return code;
}

int run_link(struct app *a, int argc, char **argv)
{
    struct place p = {0};
    struct wax_link_options o = {0};
    struct wax_error err = {0};
    struct args in;
    const char *timeout = NULL;
    const struct option_of own[] = {
        {"invitation-file", &p.file, NULL, "FILE", "the file that has the invitation"},
        {"server", &o.server, NULL, "URL",
         "the server, https://HOST:PORT (default: the invitation's)"},
        {"ca", &o.ca_file, NULL, "FILE",
         "PEM of the CA to trust (default: the invitation's, or the system's)"},
        {"device-name", &o.device_name, NULL, "NAME", "name of this device (default: the host's)"},
        {"protect", &p.protect, NULL, "none",
         "protection of the local store; so far there is none"},
        {"timeout", &timeout, NULL, "S", "wait so long at most: 30, 30s, 5m"},
        {0}};
    uint64_t ms = 0;
    int code = app_args(a, argc, argv, own, 1, 2, &in);

    if (code == WAX_EX_OK && timeout)
        code = input_duration(a, "timeout", timeout, &ms);
    if (code == WAX_EX_OK)
        code = settle(a, &p, &in);
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code == WAX_EX_OK) {
        o.handle = in.v[0];
        o.invitation = p.invitation;
        o.timeout_s = timeout && ms < 1000 ? 1 : (unsigned)(ms / 1000);
        code = app_result(a, wax_link(a->w, &o, print_event, a, &err), &err);
    }
    place_done(&p);
    return code;
}
