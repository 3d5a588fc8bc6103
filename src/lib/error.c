/* Result codes as exit codes, stable reasons and a line for people. */
#include "lib/internal.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct wax_error *err, int code, const char *reason, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return code;
    *err = (struct wax_error){.code = code};
    (void)snprintf(err->reason, sizeof err->reason, "%s", reason);
    va_start(ap, fmt);
    (void)vsnprintf(err->detail, sizeof err->detail, fmt, ap);
    va_end(ap);
    return code;
}

static const struct {
    wax_rc rc;
    int code;
    const char *reason, *why, *todo;
} table[] = {
    {WAX_E_NOMEM, WAX_EX_FAULT, "no-memory", "out of memory", "free some and try again"},
    {WAX_E_CRYPTO, WAX_EX_FAULT, "crypto", "the crypto library failed", "try again"},
    {WAX_E_RANDOM, WAX_EX_FAULT, "random", "the system gave no random bytes", "try again"},
    {WAX_E_IO, WAX_EX_IO, "io", "reading or writing the home failed", "check the disk"},
    {WAX_E_NOSPC, WAX_EX_IO, "disk-full", "the disk is full", "free some space; nothing is lost"},
    {WAX_E_NOTFOUND, WAX_EX_NOINPUT, "not-found", "there is no such thing", "check the name"},
    {WAX_E_EXISTS, WAX_EX_REFUSED, "exists", "it is taken already", "choose another"},
    {WAX_E_CONFLICT, WAX_EX_REFUSED, "conflict",
     "another device changed the account at the same time", "try again"},
    {WAX_E_FULL, WAX_EX_QUEUED, "waits", "a recipient cannot take it now",
     "it stays in the outbox"},
    {WAX_E_BUSY, WAX_EX_BUSY, "home-busy",
     "another process has been using this home for 30 seconds", "try again"},
    {WAX_E_NET, WAX_EX_AWAY, "server-away", "the server cannot be reached", "try again later"},
    {WAX_E_TIMEOUT, WAX_EX_AWAY, "timeout", "there was no answer in time", "try again"},
    {WAX_E_TLS, WAX_EX_AWAY, "certificate", "the server's certificate does not hold",
     "nothing was sent; ask who runs it"},
    {WAX_E_PROTO, WAX_EX_PROTOCOL, "protocol", "the server's answer makes no sense",
     "check that it is a Waxwing server"},
    {WAX_E_DENIED, WAX_EX_REFUSED, "refused", "it was refused",
     "ask on another device of the account, or who runs the server"},
    {WAX_E_DAMAGED, WAX_EX_DATA, "home-damaged", "the home's store is damaged",
     "the files are kept; restore a backup"},
    {WAX_E_VERSION, WAX_EX_CONFIG, "home-newer", "the home was written by a newer Waxwing",
     "update this program"},
    {WAX_E_TOOBIG, WAX_EX_DATA, "too-large", "it is too large", "make it smaller"},
    {WAX_E_DORMANT, WAX_EX_QUEUED, "dormant",
     "the recipient's devices have not been seen for 30 days", "it stays in the outbox"},
    {WAX_E_UNLOCKED, WAX_EX_CONFIG, "memory-unlocked", "secret memory cannot be locked",
     "raise `ulimit -l`, or give --allow-unlocked"},
    {WAX_E_CANCELLED, WAX_EX_AWAY, "cancelled", "it was stopped", "run it again"},
    {WAX_E_INVAL, WAX_EX_USAGE, "invalid", "it makes no sense", "see --help"},
    {WAX_E_HELPER, WAX_EX_CONFIG, "no-box",
     "the program that takes apart what others wrote cannot be started",
     "nothing was taken in; install Waxwing whole, where seccomp filters are allowed"},
};

/* Names what is damaged. Where that could be set aside, trying again is enough. */
static int fail_damaged(struct wax *w, struct wax_error *err, const char *what)
{
    struct buf report = {0}, line = {0};

    home_mend(w, &report);
    for (size_t i = 0; i + 1 < report.n; i++) { /* without the last newline */
        if (report.p[i] == '\n')
            buf_str(&line, "; ");
        else
            buf_u8(&line, report.p[i]);
    }
    const char *text = line.n ? buf_cstr(&line) : NULL;
    int code =
        fail(err, WAX_EX_DATA, "home-damaged",
             "%s: the home's store is damaged (%s); all files are kept; what was set aside is no "
             "longer in the way, so try again; else restore a backup or link this device anew",
             what, text ? text : "not found again");
    buf_done(&report);
    buf_done(&line);
    return code;
}

int fail_rc(struct wax *w, struct wax_error *err, wax_rc rc, const char *what)
{
    const char *said = w && w->client ? client_detail(w->client) : "";

    if (rc == WAX_OK)
        return WAX_EX_OK;
    if (rc == WAX_E_DENIED && w && w->client && client_is_revoked(w->client))
        return fail(err, WAX_EX_REFUSED, "revoked",
                    "%s: this device was revoked, it can neither send nor receive; what it holds "
                    "can still be read; to come back, link a new home (wax --home DIR link %s)",
                    what, client_handle(w->client));
    if (rc == WAX_E_DAMAGED && w && w->vault)
        return fail_damaged(w, err, what);
    if (rc_is_refusal(rc))
        return fail(err, WAX_EX_DATA, rc_refusal(rc),
                    "%s: what came does not hold (%s)%s%s; nothing of it is used", what,
                    rc_refusal(rc), said[0] ? ": " : "", said);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (table[i].rc != rc)
            continue;
        const char *why = table[i].why;
        char missing[256];
        if (rc == WAX_E_HELPER && w && w->box) {
            (void)snprintf(missing, sizeof missing,
                           "%s cannot be started, or cannot confine itself", box_path(w->box));
            why = missing;
            said = "";
        }
        if ((rc == WAX_E_NET || rc == WAX_E_TLS || rc == WAX_E_TIMEOUT) && w && w->net_error[0])
            why = w->net_error;
        else if (said[0] && rc != WAX_E_BUSY && rc != WAX_E_NOMEM)
            why = said;
        int n = (int)strlen(why);
        while (n > 0 && why[n - 1] == '.') /* a sentence of the server's becomes part of ours */
            n--;
        return fail(err, table[i].code, table[i].reason, "%s: %.*s; %s", what, n, why,
                    table[i].todo);
    }
    return fail(err, WAX_EX_FAULT, "fault", "%s: %s", what, rc_text(rc));
}
