/* The connection to the server: transport of the client core over the HTTPS client. */
#include "lib/internal.h"

#include <jansson.h>
#include <stdio.h>

#include "base/mem.h"
#include "crypto/cert.h"

#define ANSWER_MS 40000
#define LINK_POLL_MS 25000 /* a GET of a rendezvous may be held back that long (PROTOCOL 12.4) */

static bool conn_cancelled(void *ctx)
{
    struct wax *w = ctx;
    return w->options.cancelled && w->options.cancelled(w->options.ctx);
}

static wax_rc make(struct wax *w, const struct ec_key *dtk, const struct dev_id *dev,
                   struct net_client **ret)
{
    struct buf cert = {0}, key = {0}, hex = {0};
    wax_rc rc = dtk ? cert_login(dtk, &cert) : WAX_OK;

    if (rc == WAX_OK && dtk)
        rc = cert_key_pem(dtk, &key);
    if (rc == WAX_OK && dev)
        buf_hex(&hex, BYTES_OF(dev->b));
    if (rc == WAX_OK) {
        struct net_client_conf conf = {
            .url = w->server,
            .ca_pem = buf_view(&w->ca),
            .cert_pem = buf_view(&cert),
            .key_pem = buf_view(&key),
            .device = dev ? buf_cstr(&hex) : NULL,
            .user_agent = "wax/0.1",
            .cancelled = conn_cancelled,
            .cancel_ctx = w,
        };
        rc = dev && !conf.device ? WAX_E_NOMEM : net_client_new(&conf, ret);
    }
    buf_done(&cert);
    buf_done(&key);
    buf_done(&hex);
    return rc;
}

static void take_problem(const struct buf *body, struct transport_reply *reply)
{
    static const char prefix[] = "urn:waxwing:";
    json_t *j = json_loadb((const char *)body->p, body->n, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(j, "type"));
    const char *detail = json_string_value(json_object_get(j, "detail"));

    if (type && strncmp(type, prefix, sizeof prefix - 1) == 0)
        item_short(reply->problem, sizeof reply->problem, type + sizeof prefix - 1);
    if (detail) { /* the server's words may hold anything: made fit for a terminal here */
        struct buf b = {0};
        text_escape(&b, BYTES_STR(detail), false);
        const char *s = buf_cstr(&b);
        item_short(reply->detail, sizeof reply->detail, s ? s : "");
        buf_done(&b);
    }
    json_decref(j);
}

static unsigned answer_ms(const struct wax *w, const char *method, const char *path)
{
    unsigned ms = w->options.server_timeout_ms;
    bool poll = strcmp(method, "GET") == 0 && strncmp(path, "/v1/link/", 9) == 0;

    if (ms == 0)
        return ANSWER_MS;
    return poll ? ms + LINK_POLL_MS : ms;
}

static wax_rc conn_request(void *ctx, const char *method, const char *path, struct bytes body,
                           struct transport_reply *reply)
{
    struct wax *w = ctx;
    struct net_reply r = {0};

    if (!w->net)
        return WAX_E_NET;
    wax_rc rc = net_client_request(w->net, method, path, body, answer_ms(w, method, path), &r);
    if (rc == WAX_OK) {
        w->contacted = true;
        w->net_error[0] = 0;
        reply->status = r.status;
        reply->retry_after = r.retry_after;
        if (r.status == 429 || r.status == 503)
            w->retry_after = r.retry_after;
        reply->server_time = r.date_ms;
        reply->body = r.body;
        r.body = (struct buf){0};
        if (strncmp(r.content_type, "application/problem+json", 24) == 0)
            take_problem(&reply->body, reply);
    } else {
        item_short(w->net_error, sizeof w->net_error, net_client_error(w->net));
    }
    net_reply_done(&r);
    return rc;
}

wax_rc conn_open(struct wax *w, const struct ec_key *dtk, const struct dev_id *dev)
{
    conn_close(w);
    w->transport = (struct transport){.request = conn_request, .ctx = w};
    return make(w, dtk, dev, &w->net);
}

wax_rc conn_another(struct wax *w, struct net_client **ret)
{
    return make(w, client_login_key(w->client), client_dev(w->client), ret);
}

void conn_close(struct wax *w)
{
    net_client_free(w->net);
    w->net = NULL;
}

wax_rc conn_save(struct wax *w, const char *invitation)
{
    wax_rc rc = vault_begin(w->vault);

    if (rc != WAX_OK)
        return rc;
    rc = client_meta_put(w->vault, "lib.server", BYTES_STR(w->server));
    if (rc == WAX_OK)
        rc = client_meta_put(w->vault, "lib.ca", buf_view(&w->ca));
    if (rc == WAX_OK)
        rc = client_meta_put(w->vault, "lib.invitation", BYTES_STR(invitation));
    if (rc == WAX_OK)
        return vault_commit(w->vault);
    vault_rollback(w->vault);
    return rc;
}

wax_rc conn_load(struct wax *w)
{
    struct buf b = {0};
    wax_rc rc = client_meta_get(w->vault, "lib.server", &b);

    if (rc == WAX_OK && b.n >= sizeof w->server)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        memcpy(w->server, b.p, b.n);
        w->server[b.n] = 0;
        buf_reset(&w->ca);
        rc = client_meta_get(w->vault, "lib.ca", &w->ca);
    }
    buf_done(&b);
    return rc;
}
