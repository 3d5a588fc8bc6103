/* Requests to the server, and what their statuses mean. */
#include "client/internal.h"

#include <stdio.h>

void reply_done(struct transport_reply *r)
{
    buf_done(&r->body);
    *r = (struct transport_reply){0};
}

static wax_rc status_rc(const struct transport_reply *r)
{
    switch (r->status) {
    case 200:
    case 202:
        return WAX_OK;
    case 401:
    case 403:
        return WAX_E_DENIED;
    case 404:
        return WAX_E_NOTFOUND;
    case 409:
        return strcmp(r->problem, "handle-taken") == 0 ? WAX_E_EXISTS : WAX_E_CONFLICT;
    case 413:
        return WAX_E_TOOBIG;
    case 422:
        return WAX_E_INVAL;
    case 429:
    case 503:
        return WAX_E_NET;
    case 507:
        return WAX_E_FULL;
    default:
        return WAX_E_PROTO;
    }
}

static wax_rc clock_told(struct client *c, bool off, bool *ret_known)
{
    uint64_t told;
    wax_rc rc = meta_get_u64(c->env.vault, "clock.told", &told);

    *ret_known = rc == WAX_OK && off == (told != 0);
    return rc;
}

/* The person is told once of a clock that differs by more than an hour (PROTOCOL 0). Several
 * processes of this home may find that at the same moment: who comes second finds it told. */
static wax_rc note_clock(struct client *c)
{
    uint64_t ms = c->skew < 0 ? 0 - (uint64_t)c->skew : (uint64_t)c->skew;
    bool off = ms > SKEW_MS, known;
    wax_rc rc = clock_told(c, off, &known);

    if (rc != WAX_OK || known)
        return rc;
    rc = vault_begin(c->env.vault);
    if (rc != WAX_OK)
        return rc;
    rc = clock_told(c, off, &known);
    if (rc == WAX_OK && !known)
        rc = meta_put_u64(c->env.vault, "clock.told", off);
    if (rc == WAX_OK && !known && off) {
        char text[128];
        (void)snprintf(text, sizeof text,
                       "this device's clock and the server's differ by %llu minutes",
                       (unsigned long long)(ms / 60000));
        struct item a = alert_make(c, "clock_differs", WAX_OK, c->handle, &c->keys.dev, text);
        rc = event_put_item(c->env.vault, &a);
    }
    return vault_finish(c->env.vault, rc);
}

wax_rc client_call(struct client *c, const char *method, const char *path, struct bytes body,
                   struct transport_reply *reply)
{
    *reply = (struct transport_reply){0};
    wax_rc rc = c->env.net->request(c->env.net->ctx, method, path, body, reply);
    if (rc != WAX_OK)
        return rc;
    if (reply->server_time) {
        c->skew = (int64_t)(reply->server_time - now_own(c));
        c->has_skew = true;
        if (c->published && (rc = note_clock(c)) != WAX_OK)
            return rc;
    }
    if (reply->detail[0])
        client_say(c, "%s", reply->detail);
    return status_rc(reply);
}
