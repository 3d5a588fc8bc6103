/* Safety numbers, changed identities, status. */
#include <stdio.h>

#include "account/safety.h"
#include "base/mem.h"
#include "lib/internal.h"

static int known(struct wax *w, const char *handle, struct pin *pin, struct wax_error *err)
{
    wax_rc rc = client_pin_by_handle(w->client, handle, pin);

    if (rc == WAX_E_NOTFOUND) {
        rc = client_lookup(w->client, handle);
        if (rc == WAX_E_NOTFOUND)
            return fail(err, WAX_EX_NOUSER, "unknown-handle",
                        "verify %s: the server knows no such handle", handle);
        if (rc == WAX_OK)
            rc = client_pin_by_handle(w->client, handle, pin);
    }
    return fail_rc(w, err, rc, "look the contact up");
}

static wax_rc qr_text(struct wax *w, const struct pin *pin, const char *digits, struct buf *out)
{
    struct pin *own = mem_alloc(sizeof *own);
    struct safety_view v = {.your_seq = pin->head.manifest.seq, .your_hash = pin->head.hash};
    wax_rc rc = own ? client_pin_by_acct(w->client, client_acct(w->client), own) : WAX_E_NOMEM;

    if (rc == WAX_OK) {
        v.my_seq = own->head.manifest.seq;
        v.my_hash = own->head.hash;
        rc = safety_qr(digits, &v, out);
    }
    mem_free(own);
    return rc;
}

static int show(struct wax *w, const struct pin *pin, const char *digits, wax_event_fn fn,
                void *ctx, struct wax_error *err)
{
    char grouped[72];
    struct buf qr = {0};
    wax_rc rc = qr_text(w, pin, digits, &qr);
    struct wax_event e = {.type = WAX_EVENT_VERIFY,
                          .handle = pin->head.manifest.handle,
                          .number = grouped,
                          .verified = pin->verified,
                          .identity_changed = pin->identity_changed};

    safety_grouped(digits, grouped);
    e.qr = rc == WAX_OK ? buf_cstr(&qr) : NULL;
    int code = rc != WAX_OK ? fail_rc(w, err, rc, "show the safety number") : WAX_EX_OK;
    if (code == WAX_EX_OK && fn(ctx, &e) != 0)
        code = fail(err, WAX_EX_IO, "output", "show the safety number: the output failed");
    buf_done(&qr);
    return code;
}

int wax_verify(wax *w, const char *handle, const char *confirm, wax_event_fn fn, void *ctx,
               struct wax_error *err)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    char of[HANDLE_MAX + 1], digits[61];
    int code = pin ? home_account(w, err) : fail_rc(w, err, WAX_E_NOMEM, "verify");

    if (code == WAX_EX_OK)
        code = handle_of(w, handle, of, err);
    if (code == WAX_EX_OK)
        code = known(w, of, pin, err);
    if (code == WAX_EX_OK)
        code = fail_rc(w, err, client_safety(w->client, of, true, digits),
                       "compute the safety number");
    if (code == WAX_EX_OK && confirm && !safety_equal(digits, confirm))
        code = fail(err, WAX_EX_DATA, "wrong-code",
                    "verify %s: these are not the digits of this contact; if you copied them "
                    "rightly, somebody else stands between you",
                    of);
    if (code == WAX_EX_OK && confirm && pin->identity_changed)
        code = fail(
            err, WAX_EX_REFUSED, "identity-changed",
            "verify %s: the contact started over with new keys; run wax accept-identity first", of);
    if (code == WAX_EX_OK && confirm) {
        code = fail_rc(w, err, client_set_verified(w->client, of), "mark the contact verified");
        pin->verified = code == WAX_EX_OK;
    }
    if (code == WAX_EX_OK)
        code = show(w, pin, digits, fn, ctx, err);
    mem_free(pin);
    return code;
}

int wax_accept_identity(wax *w, const char *handle, const char *code_digits, struct wax_error *err)
{
    char of[HANDLE_MAX + 1];
    int code = home_account(w, err);

    if (code == WAX_EX_OK)
        code = handle_of(w, handle, of, err);
    if (code == WAX_EX_OK && !code_digits)
        code = fail(err, WAX_EX_USAGE, "code",
                    "accept the identity of %s: give the new safety number by --code", of);
    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = client_accept_identity(w->client, of, code_digits);
    if (rc == WAX_E_NOTFOUND)
        return fail(err, WAX_EX_NOUSER, "unknown-handle",
                    "accept the identity of %s: no such contact here", of);
    if (rc == WAX_E_INVAL)
        return fail(err, WAX_EX_NOINPUT, "not-changed",
                    "accept the identity of %s: it has not changed", of);
    if (rc == WAX_R_CONTENT)
        return fail(err, WAX_EX_DATA, "wrong-code",
                    "accept the identity of %s: this is not its new safety number; see wax verify "
                    "%s, and compare with the person",
                    of, of);
    return fail_rc(w, err, rc, "accept the identity");
}

int wax_status(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    struct wax_event e = {.type = WAX_EVENT_STATUS,
                          .directory = "unverified",
                          .protection = "none",
                          .has_connected = true};
    struct buf line = {0}, damage = {0};
    char device[33];
    int code = home_account(w, err);

    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = client_login(w->client);
    e.connected = rc == WAX_OK;
    e.revoked = client_is_revoked(w->client);
    if (!e.connected)
        e.detail = w->net_error[0] ? w->net_error : client_detail(w->client);
    hex_of(client_dev(w->client)->b, 16, device);
    e.handle = client_handle(w->client);
    e.device = device;
    e.server = w->server;
    e.box = lib_box_state(w);
    rc = client_outbox_count(w->client, &e.outbox);
    if (rc == WAX_OK)
        rc = client_aside_count(w->client, &e.set_aside);
    if (rc == WAX_OK)
        rc = client_meta_get(w->vault, "lib.invitation", &line);
    if (rc == WAX_E_NOTFOUND)
        rc = WAX_OK;
    e.invitation = line.n ? buf_cstr(&line) : NULL;
    home_mend(w, &damage);
    e.damage = damage.n ? buf_cstr(&damage) : NULL;
    if (rc == WAX_OK && fn(ctx, &e) != 0)
        code = fail(err, WAX_EX_IO, "output", "show the status: the output failed");
    buf_done(&line);
    buf_done(&damage);
    return code != WAX_EX_OK ? code : fail_rc(w, err, rc, "show the status");
}
