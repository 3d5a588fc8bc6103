#include "invitation.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/cert.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"
#include "store/sqlite.h"
#include "wire/invitation.h"

#define PEM_FILE_MAX 65536

bool host_resolves(const char *name)
{
    static const char *const never[] = {".test", ".example", ".invalid"};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    size_t n = strlen(name);

    for (size_t i = 0; i < 3; i++) { /* RFC 6761: nobody needs to be asked */
        size_t k = strlen(never[i]);
        if (strcmp(name, never[i] + 1) == 0 || (n > k && strcmp(name + n - k, never[i]) == 0))
            return false;
    }
    (void)setenv("RES_OPTIONS", "timeout:1 attempts:1", 0);
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

void host_url(const char *host, unsigned port, char out[320])
{
    (void)snprintf(out, 320, strchr(host, ':') ? "https://[%s]:%u" : "https://%s:%u", host, port);
}

void invitation_host(const struct settings *s, char host[254], unsigned *ret_port)
{
    if (s->n_publics && endpoint_split(s->publics[0], 1, host, ret_port) == WAX_OK)
        return;
    if (endpoint_split(s->listen, 0, host, ret_port) != WAX_OK)
        *ret_port = 8443;
    if (host_is_loopback(host)) {
        if (strcmp(host, "localhost") == 0)
            (void)snprintf(host, 254, "127.0.0.1");
        return;
    }
    if (host_resolves(s->server.domain))
        (void)snprintf(host, 254, "%s", s->server.domain);
    else if (host_is_any(host))
        (void)snprintf(host, 254, "127.0.0.1");
}

/* K: of the private CA, unless the operator has a certificate of his own. */
static int fill_ca(const struct app *a, const struct settings *s, struct invitation *in)
{
    char path[PATH_SIZE];
    struct buf pem = {0};
    int code = app_path(a, "ca.pem", path);

    if (code != 0 || strcmp(s->certificate, "tls.pem") != 0 || !os_exists(path))
        return code;
    wax_rc rc = os_file_read(path, PEM_FILE_MAX, &pem);
    if (rc == WAX_OK)
        rc = cert_spki_hash(buf_view(&pem), &in->ca);
    buf_done(&pem);
    if (rc != WAX_OK)
        return app_fail(a, EX_CONFIG, "ca", "read the CA certificate %s: %s", path, rc_text(rc));
    in->has_ca = true;
    return 0;
}

static int fill_log(const struct app *a, struct invitation *in)
{
    struct ec_key *key = NULL;
    wax_rc rc = app_log_key(a, &key);

    if (rc == WAX_OK)
        rc = cert_point_spki_hash(ec_public(key), &in->log);
    ec_free(key);
    if (rc != WAX_OK)
        return app_fail(a, EX_CONFIG, "log-key", "read the log key %s/log.key: %s", a->data,
                        rc_text(rc));
    in->has_log = true;
    return 0;
}

static wax_rc compose(const struct invitation *in, char line[1024])
{
    struct buf text = {0};
    struct hash32 h;
    wax_rc rc = invitation_head(in, &text);

    if (rc == WAX_OK)
        rc = hash_raw(&h, PARTS(buf_view(&text)));
    if (rc == WAX_OK) {
        invitation_check(&h, &text);
        rc = buf_rc(&text);
    }
    if (rc == WAX_OK)
        (void)snprintf(line, 1024, "%.*s", (int)text.n, (const char *)text.p);
    buf_done(&text);
    return rc;
}

/* A fresh token as text, and its row. */
static wax_rc admit(struct store *store, uint32_t uses, uint64_t life_ms,
                    struct made_invitation *made)
{
    struct store_req req = {.op = STORE_INVITE_ADD, .now = os_now_ms()};
    struct store_invite *row = &req.u.invites.invite;
    struct buf text = {0};
    uint8_t token[TOKEN_BYTES];
    wax_rc rc = rng_fill(os_rng(), token, sizeof token);

    if (rc == WAX_OK)
        rc = rng_fill(os_rng(), row->id, sizeof row->id);
    if (rc == WAX_OK)
        rc = hash_raw(&row->token_hash, PARTS(BYTES_OF(token)));
    row->uses_left = uses;
    row->expires = req.now + life_ms;
    if (rc == WAX_OK)
        rc = store_run(store, &req);
    if (rc == WAX_OK) {
        base64url_encode(&text, BYTES_OF(token));
        (void)snprintf(made->token, sizeof made->token, "%.*s", (int)text.n, (char *)text.p);
        buf_reset(&text);
        buf_hex(&text, BYTES_OF(row->id));
        (void)snprintf(made->id, sizeof made->id, "%.*s", (int)text.n, (char *)text.p);
        made->expires = row->expires;
        rc = buf_rc(&text);
    }
    buf_done(&text);
    return rc;
}

int invitation_make(const struct app *a, const struct settings *s, struct store *store,
                    uint32_t uses, uint64_t life_ms, struct made_invitation *ret)
{
    struct invitation in = {.port = 0};
    struct made_invitation made;
    unsigned port;
    int code;

    memset(&made, 0, sizeof made);
    if ((code = fill_ca(a, s, &in)) != 0 || (code = fill_log(a, &in)) != 0)
        return code;
    invitation_host(s, in.host, &port);
    in.port = (uint16_t)port;
    host_url(in.host, port, made.server);
    (void)snprintf(in.domain, sizeof in.domain, "%s", s->server.domain);
    wax_rc rc = admit(store, uses, life_ms, &made);
    if (rc == WAX_OK) {
        (void)snprintf(in.token, sizeof in.token, "%s", made.token);
        rc = compose(&in, made.line);
    }
    if (rc != WAX_OK)
        return app_fail(a, app_code(rc), "invitation", "make the invitation: %s", rc_text(rc));
    *ret = made;
    return 0;
}
