/* Login (PROTOCOL 9): the connection's key must be the DTK that the *current* manifest gives
 * the device named in the request. The store is asked, unless it was a moment ago
 * (server/known.h). */
#include <stdio.h>

#include "base/text.h"
#include "server/op.h"

static struct limit_rate failed_rate(const struct op *op)
{
    uint32_t rate = op->s->conf.login_per_min;

    return (struct limit_rate){rate ? rate / 10 + 1 : 0, 60000};
}

/* Tries are counted by the key that was tried, so that nobody who shares an address with others
 * can shut them out; a new key costs a new handshake. Only who shows none is known by address. */
static struct bytes tried_by(const struct op *op)
{
    return op->has_key ? BYTES_OF(op->key.b) : BYTES_STR(op->source);
}

bool login_blocked(struct op *op)
{
    uint64_t wait =
        limit_ask(op->s->limits, LIMIT_LOGIN, tried_by(op), failed_rate(op), op->s->now);

    if (wait == 0)
        return false;
    op_later(op, PROBLEM_RATE_LIMITED, "Too many logins like this have failed", wait);
    return true;
}

static void unknown(struct op *op, const char *why)
{
    if (op->route->login == LOGIN_OPTIONAL) {
        op->route->run(op);
        return;
    }
    (void)limit_take(op->s->limits, LIMIT_LOGIN, tried_by(op), failed_rate(op), op->s->now);
    op_problem(op, PROBLEM_NOT_A_DEVICE, why);
}

static void device_known(struct store_req *req)
{
    struct op *op = req->ctx;
    const struct store_device_get *d = &req->u.device;
    wax_rc rc = req->rc;

    op->busy = false;
    if (!op->r) {
        store_req_done(req);
        op_free(op);
        return;
    }
    bool suspended = d->suspended;
    if (rc == WAX_OK && ID_EQ(&d->dtk, &op->key)) {
        op->logged_in = true;
        op->login = (struct directory_login){.dev = d->dev, .acct = d->acct, .dsk = d->dsk};
        (void)snprintf(op->login.handle, sizeof op->login.handle, "%s", d->handle);
        if (!suspended)
            known_put(op->s->known, &op->login, &op->key, op->epoch, op->s->now);
    }
    store_req_done(req);
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        op_failed(op, rc, "");
    else if (!op->logged_in)
        unknown(op, "No current manifest lists this device with this login key");
    else if (suspended)
        op_problem(op, PROBLEM_SUSPENDED, "The operator has suspended this account");
    else
        op->route->run(op);
}

void login_begin(struct op *op, const char *device)
{
    struct dev_id dev;

    if (op->route->login == LOGIN_NONE) {
        op->route->run(op);
        return;
    }
    if (op->route->login == LOGIN_NEEDED && login_blocked(op))
        return;
    if (!op->has_key) {
        unknown(op, "The connection has no client certificate");
        return;
    }
    if (!device || hex_decode(device, strlen(device), dev.b, sizeof dev.b) != WAX_OK) {
        unknown(op, "The header wax-device is missing or is no device id");
        return;
    }
    if (known_find(op->s->known, &dev, &op->key, op->s->now, &op->login)) {
        op->logged_in = true;
        op->route->run(op);
        return;
    }
    op->epoch = known_epoch(op->s->known);
    op->req.u.device = (struct store_device_get){.dev = dev};
    op_submit(op, STORE_DEVICE, device_known);
}
