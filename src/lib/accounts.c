/* Accounts and devices. */
#include <stdio.h>
#include <unistd.h>

#include "account/recovery.h"
#include "base/mem.h"
#include "lib/internal.h"
#include "os/clock.h"
#include "os/random.h"

static int hand(wax_event_fn fn, void *ctx, const struct wax_event *e, struct wax_error *err)
{
    return fn(ctx, e) == 0 ? WAX_EX_OK
                           : fail(err, WAX_EX_IO, "output", "show the result: the output failed");
}

static int event_self(struct wax *w, enum wax_event_type type, wax_event_fn fn, void *ctx,
                      struct wax_error *err)
{
    struct wax_event e = {.type = type, .handle = client_handle(w->client)};
    char device[33];

    hex_of(client_dev(w->client)->b, 16, device);
    e.device = device;
    return hand(fn, ctx, &e, err);
}

/* The name given, else the host's, cut to what a manifest takes. */
static int device_name(const char *given, char out[NAME_DEVICE_MAX + 1], struct wax_error *err)
{
    char host[256] = "device";

    if (!given && gethostname(host, sizeof host) != 0)
        (void)snprintf(host, sizeof host, "device");
    host[sizeof host - 1] = 0;
    const char *name = given ? given : host[0] ? host : "device";
    if (given && (!*given || strlen(given) > NAME_DEVICE_MAX || !name_valid(BYTES_STR(given))))
        return fail(
            err, WAX_EX_USAGE, "device-name",
            "use that device name: it needs 1 to %d bytes of text without control characters",
            NAME_DEVICE_MAX);
    item_short(out, NAME_DEVICE_MAX + 1, name);
    if (!name_valid(BYTES_STR(out)))
        (void)snprintf(out, NAME_DEVICE_MAX + 1, "device");
    return WAX_EX_OK;
}

/* --- Registration --- */

static int show_words(const struct wax_register_options *o, const uint8_t entropy[RECOVERY_ENTROPY],
                      struct wax_error *err)
{
    struct buf words = {0};
    wax_rc rc = recovery_words(entropy, &words);
    const char *s = rc == WAX_OK ? buf_cstr(&words) : NULL;
    int code = WAX_EX_OK;

    if (!s)
        code = fail_rc(NULL, err, rc == WAX_OK ? WAX_E_NOMEM : rc, "make the recovery words");
    else if (o->words(o->ctx, s) != 0)
        code = fail(err, WAX_EX_CANTCREATE, "recovery-words",
                    "register: the recovery words could not be kept; nothing was published");
    buf_done(&words);
    return code;
}

static int publish(struct wax *w, const char *admission, const char *line, struct wax_error *err)
{
    wax_rc rc = conn_open(w, client_login_key(w->client), client_dev(w->client));
    char what[400];

    (void)snprintf(what, sizeof what, "register %s", client_handle(w->client));
    if (rc == WAX_OK)
        rc = conn_save(w, line);
    if (rc == WAX_OK)
        rc = client_register_publish(w->client, admission);
    if (rc == WAX_E_EXISTS)
        return fail(err, WAX_EX_REFUSED, "handle-taken", "%s: the handle is taken; choose another",
                    what);
    if (rc == WAX_E_DENIED)
        return fail(err, WAX_EX_REFUSED, "invite-invalid", "%s: %s", what,
                    client_detail(w->client)[0]
                        ? client_detail(w->client)
                        : "the invitation is unknown, used up or expired; ask for a new one");
    if (rc == WAX_E_INVAL)
        return fail(err, WAX_EX_USAGE, "handle-invalid", "%s: the server refuses it (%s)", what,
                    client_detail(w->client));
    return fail_rc(w, err, rc, what);
}

static int prepare(struct wax *w, const struct wax_register_options *o, const char *handle,
                   struct wax_error *err)
{
    uint8_t entropy[RECOVERY_ENTROPY] = {0};
    char name[NAME_DEVICE_MAX + 1];
    struct client_env env = home_env(w);
    struct client_register r = {.handle = handle, .device_name = name};
    int code = device_name(o->device_name, name, err);
    struct client *begun = NULL;

    if (code != WAX_EX_OK)
        return code;
    /* A registration whose end is not known goes on with the same keys; its words were shown. */
    wax_rc rc = client_open(&env, &begun);
    if (rc == WAX_E_NOTFOUND)
        rc = home_no_account(w);
    if (rc == WAX_OK) {
        bool other = client_is_published(begun) || strcmp(client_handle(begun), handle) != 0;
        client_close(begun);
        if (other)
            return fail(
                err, WAX_EX_CANTCREATE, "account-exists",
                "register %s: the home %s already has an account; choose another by --home DIR",
                handle, w->home);
    } else if (rc == WAX_E_NOTFOUND && o->recovery) {
        rc = rng_fill(os_rng(), entropy, sizeof entropy);
        code = rc == WAX_OK ? show_words(o, entropy, err) : fail_rc(w, err, rc, "register");
        r.entropy = entropy;
    } else if (rc != WAX_E_NOTFOUND) {
        code = fail_rc(w, err, rc, "register");
    }
    if (code == WAX_EX_OK) {
        rc = conn_open(w, NULL, NULL); /* the server's time dates the account */
        if (rc == WAX_OK)
            rc = client_register_prepare(&env, &r, &w->client);
        code = fail_rc(w, err, rc, "register");
    }
    mem_wipe(entropy, sizeof entropy);
    return code;
}

int wax_register(wax *w, const struct wax_register_options *o, wax_event_fn fn, void *ctx,
                 struct wax_error *err)
{
    char handle[HANDLE_MAX + 1], admission[128];
    struct buf line = {0};
    int code = handle_of(w, o->handle, handle, err);

    if (code == WAX_EX_OK)
        code =
            conn_settings(w, handle, o->invitation, o->server, o->ca_file, admission, &line, err);
    if (code == WAX_EX_OK && o->invite)
        (void)snprintf(admission, sizeof admission, "%s", o->invite);
    if (code == WAX_EX_OK)
        code = home_open(w, true, err);
    if (code == WAX_EX_OK)
        code = prepare(w, o, handle, err);
    const char *text = code == WAX_EX_OK ? buf_cstr(&line) : NULL;
    if (code == WAX_EX_OK)
        code = publish(w, admission, text ? text : "", err);
    if (code == WAX_EX_OK) {
        wax_rc rc = client_login(w->client);
        code = fail_rc(w, err, rc, "log in for the first time");
    }
    buf_done(&line);
    return code == WAX_EX_OK ? event_self(w, WAX_EVENT_REGISTERED, fn, ctx, err) : code;
}

/* --- Linking --- */

struct link_ui {
    struct wax *w;
    wax_event_fn fn;
    void *ctx;
    int (*digits)(void *ctx, const char *name, char digits[7]);
    void *digits_ctx;
    bool output_failed;
    bool asked;          /* the digits */
    enum link_end ended; /* by the other device */
};

static void ui_link_code(void *ctx, const char text[65])
{
    struct link_ui *ui = ctx;
    char code[80];
    struct wax_event e = {.type = WAX_EVENT_LINK, .link_code = code};

    (void)snprintf(code, sizeof code, "waxlink:%s", text);
    ui->output_failed = ui->output_failed || ui->fn(ui->ctx, &e) != 0;
}

static void ui_six_digits(void *ctx, const char digits[7], const char *handle)
{
    struct link_ui *ui = ctx;
    struct wax_event e = {.type = WAX_EVENT_LINK, .code = digits, .handle = handle};

    ui->output_failed = ui->output_failed || ui->fn(ui->ctx, &e) != 0;
}

static int ui_ask(void *ctx, const char *name, char digits[7])
{
    struct link_ui *ui = ctx;
    struct wax_event e = {.type = WAX_EVENT_APPROVE, .name = name};

    if (ui->fn(ui->ctx, &e) != 0) {
        ui->output_failed = true;
        return -1;
    }
    ui->asked = true;
    return ui->digits(ui->digits_ctx, name, digits);
}

static bool ui_pause(void *ctx, unsigned ms)
{
    struct link_ui *ui = ctx;

    for (unsigned slept = 0; slept < ms; slept += 100) {
        if (ui->w->options.cancelled && ui->w->options.cancelled(ui->w->options.ctx))
            return false;
        os_sleep_ms(100);
    }
    return !ui->output_failed;
}

static void ui_ended(void *ctx, enum link_end why)
{
    struct link_ui *ui = ctx;

    ui->ended = why;
}

static struct client_link_ui link_calls(struct link_ui *ui)
{
    return (struct client_link_ui){.link_code = ui_link_code,
                                   .six_digits = ui_six_digits,
                                   .ask_digits = ui_ask,
                                   .pause = ui_pause,
                                   .ended = ui_ended,
                                   .ctx = ui};
}

static uint64_t deadline(unsigned timeout_s)
{
    return os_now_ms() + (timeout_s ? timeout_s : 300) * 1000ULL;
}

/* The other device ended it. */
static int link_ended(struct wax_error *err, enum link_end why, const char *what)
{
    if (why == LINK_END_DIGITS)
        return fail(err, WAX_EX_DATA, "wrong-code",
                    "%s: other digits were entered on the other device than are shown here; begin "
                    "again with a new link code",
                    what);
    if (why == LINK_END_ACCOUNT)
        return fail(err, WAX_EX_DATA, "other-account",
                    "%s: it asks to join another account than this one; check the handle there, "
                    "and begin again with a new link code",
                    what);
    return fail(err, WAX_EX_REFUSED, "link-ended",
                "%s: the other device broke it off; begin again with a new link code", what);
}

static int link_failed(struct link_ui *ui, struct wax_error *err, wax_rc rc, const char *what)
{
    struct wax *w = ui->w;

    if (rc != WAX_OK && ui->ended != LINK_END_NONE)
        return link_ended(err, ui->ended, what);
    if (rc == WAX_E_CANCELLED && ui->output_failed)
        return fail(err, WAX_EX_IO, "output", "%s: the output failed", what);
    if (rc == WAX_E_TIMEOUT && !w->net_error[0])
        return fail(err, WAX_EX_AWAY, "timeout",
                    "%s: the other device did not answer in time; begin again with a new link code",
                    what);
    if (rc == WAX_E_EXISTS)
        return fail(err, WAX_EX_DATA, "link-code-used",
                    "%s: this link code was tried before; begin again with a new one", what);
    if (rc == WAX_E_NOTFOUND)
        return fail(err, WAX_EX_AWAY, "link-gone",
                    "%s: nobody waits under this link code; it is mistyped or has run out: begin "
                    "again with a new one",
                    what);
    if (rc == WAX_E_CONFLICT)
        return fail(err, WAX_EX_REFUSED, "conflict",
                    "%s: the account changed at the same moment; begin again with a new link code",
                    what);
    return fail_rc(w, err, rc, what);
}

/* How `wax link` ended. */
static int joined(struct link_ui *ui, struct wax_error *err, wax_rc rc, const char *handle)
{
    if (rc == WAX_E_NOTFOUND)
        return fail(err, WAX_EX_NOUSER, "unknown-handle",
                    "link this device to %s: the server knows no such handle; check the spelling",
                    handle);
    if (rc == WAX_E_DENIED && !ui->w->client)
        return fail(err, WAX_EX_DATA, "other-account",
                    "link this device to %s: a device of another account answered; begin again "
                    "with a new link code",
                    handle);
    return link_failed(ui, err, rc, "link this device");
}

int wax_link(wax *w, const struct wax_link_options *o, wax_event_fn fn, void *ctx,
             struct wax_error *err)
{
    char handle[HANDLE_MAX + 1], admission[128], name[NAME_DEVICE_MAX + 1];
    struct buf line = {0};
    struct link_ui ui = {.w = w, .fn = fn, .ctx = ctx};
    struct client_link_ui calls = link_calls(&ui);
    int code = handle_of(w, o->handle, handle, err);

    if (code == WAX_EX_OK)
        code = device_name(o->device_name, name, err);
    if (code == WAX_EX_OK)
        code =
            conn_settings(w, handle, o->invitation, o->server, o->ca_file, admission, &line, err);
    if (code == WAX_EX_OK)
        code = home_open(w, true, err);
    if (code != WAX_EX_OK)
        goto out;
    struct client_env env = home_env(w);
    wax_rc rc = conn_open(w, NULL, NULL);
    if (rc == WAX_OK)
        rc = client_link_resume(&env, &w->client); /* of a process that died late */
    if (rc == WAX_E_NOTFOUND)
        rc = home_no_account(w);
    if (rc == WAX_E_EXISTS) {
        code =
            fail(err, WAX_EX_CANTCREATE, "account-exists",
                 "link: the home %s already has an account; choose another by --home DIR", w->home);
        goto out;
    }
    const char *text = buf_cstr(&line);
    if (rc == WAX_E_NOTFOUND) {
        rc = conn_save(w, text ? text : ""); /* before there is an account that needs it */
        if (rc == WAX_OK)
            rc = client_link_new(&env, handle, name, &calls, deadline(o->timeout_s), &w->client);
    } else if (rc == WAX_OK) {
        rc = conn_save(w, text ? text : "");
    }
    if (rc == WAX_OK)
        rc = conn_open(w, client_login_key(w->client), client_dev(w->client));
    if (rc == WAX_OK)
        rc = client_login(w->client);
    code = joined(&ui, err, rc, handle);
out:
    buf_done(&line);
    return code == WAX_EX_OK ? event_self(w, WAX_EVENT_LINKED, fn, ctx, err) : code;
}

int wax_approve(wax *w, const struct wax_approve_options *o, wax_event_fn fn, void *ctx,
                struct wax_error *err)
{
    struct link_ui ui = {.w = w, .fn = fn, .ctx = ctx, .digits = o->digits, .digits_ctx = o->ctx};
    struct client_link_ui calls = link_calls(&ui);
    struct dev_id dev;
    char hex[33];
    int code = home_account(w, err);

    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = client_link_approve(w->client, o->link_code, &calls, deadline(o->timeout_s), &dev);
    if (rc == WAX_R_PARSE)
        return fail(
            err, WAX_EX_DATA, "link-code",
            "approve the device: the link code is incomplete or mistyped; it has 64 characters");
    if (rc == WAX_E_FULL)
        return fail(err, WAX_EX_REFUSED, "too-many-devices",
                    "approve the device: the account has 20 devices already; revoke one first");
    if (rc == WAX_E_DENIED && ui.asked && !client_is_revoked(w->client))
        return fail(err, WAX_EX_DATA, "wrong-code",
                    "approve the device: these are not the digits that it shows; begin again with "
                    "a new link code");
    if (rc != WAX_OK)
        return link_failed(&ui, err, rc, "approve the device");
    hex_of(dev.b, 16, hex);
    struct wax_event e = {
        .type = WAX_EVENT_APPROVED, .handle = client_handle(w->client), .device = hex};
    /* The new device hears of our contacts now, not with the next command. */
    rc = flush_locked(w, NULL, NULL);
    code = hand(fn, ctx, &e, err);
    return code != WAX_EX_OK || rc == WAX_OK || rc == WAX_E_FULL || rc == WAX_E_NET
               ? code
               : fail_rc(w, err, rc, "tell the new device of the contacts");
}
