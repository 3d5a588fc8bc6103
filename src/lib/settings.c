/* Which server, which trust: from invitation, --server, --ca, or the handle's domain. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/cert.h"
#include "lib/internal.h"
#include "net/chain.h"
#include "wire/invitation.h"

#define CA_MAX 65536

static int take_invitation(const char *text, struct invitation *in, struct wax_error *err)
{
    struct bytes head;
    struct hash32 h;
    struct buf right = {0};
    char check[9];
    wax_rc rc = invitation_parse(text, in, &head, check);

    if (rc == WAX_OK)
        rc = hash_raw(&h, PARTS(head));
    if (rc == WAX_OK) {
        buf_hex(&right, BYTES(h.b, 4));
        rc = buf_rc(&right) == WAX_OK && memcmp(right.p, check, 8) == 0 ? WAX_OK : WAX_R_PARSE;
    }
    buf_done(&right);
    if (rc == WAX_R_PARSE)
        return fail(err, WAX_EX_DATA, "invitation",
                    "read the invitation: it is incomplete or mistyped; copy the whole line that "
                    "begins with wax:");
    return fail_rc(NULL, err, rc, "read the invitation");
}

/* HOST and PORT of w->server; false when it has more than that, or no such form. */
static bool take_place(const char *server, struct invitation *ret)
{
    const char *host = server + strlen("https://"), *end, *port = NULL;
    bool bracket = *host == '[';

    host += bracket;
    end = host + strcspn(host, bracket ? "]" : ":/");
    size_t n = (size_t)(end - host);
    end += bracket && *end;
    if (*end == ':')
        port = ++end;
    end += strspn(end, "0123456789");
    unsigned long value = port ? strtoul(port, NULL, 10) : 443;
    if (n == 0 || n >= sizeof ret->host || value < 1 || value > 65535 ||
        (*end && strcmp(end, "/") != 0))
        return false;
    memcpy(ret->host, host, n);
    ret->host[n] = 0;
    ret->port = (uint16_t)value;
    return true;
}

/* The invitation without T, for `wax status` and for linking further devices: what counted, options
 * included. Left out where no invitation can say it. */
static int line_without_token(const struct invitation *in, struct buf *line, struct wax_error *err)
{
    struct invitation bare = *in;
    struct hash32 h;

    bare.token[0] = 0;
    wax_rc rc = invitation_head(&bare, line);
    if (rc == WAX_E_INVAL) {
        buf_reset(line);
        return WAX_EX_OK;
    }
    if (rc == WAX_OK)
        rc = hash_raw(&h, PARTS(buf_view(line)));
    if (rc == WAX_OK)
        invitation_check(&h, line);
    return fail_rc(NULL, err, rc == WAX_OK ? buf_rc(line) : rc, "read the invitation");
}

static int read_ca(struct wax *w, const char *file, struct wax_error *err)
{
    wax_rc rc = os_file_read(file, CA_MAX, &w->ca);

    if (rc != WAX_OK)
        return fail(err, rc == WAX_E_NOTFOUND ? WAX_EX_NOINPUT : WAX_EX_IO, "ca-file",
                    "read the CA file %s: %s; check the path", file, rc_text(rc));
    return WAX_EX_OK;
}

/* One PEM certificate off the front of *in. */
static bool next_pem(struct bytes *in, struct bytes *ret)
{
    static const char end[] = "-----END CERTIFICATE-----";
    const uint8_t *p = in->n ? memmem(in->p, in->n, end, sizeof end - 1) : NULL;

    if (!p)
        return false;
    size_t n = (size_t)(p - in->p) + sizeof end - 1;
    *ret = BYTES(in->p, n);
    *in = BYTES(in->p + n, in->n - n);
    return true;
}

/* The first CA of the file that the server's chain has, too: what K can name. */
static wax_rc name_ca(struct wax *w, struct invitation *ret)
{
    struct buf chain = {0}, why = {0};
    struct bytes ours = buf_view(&w->ca), one, other;
    wax_rc rc = net_fetch_chain(w->server, &chain, &why);

    while (rc == WAX_OK && !ret->has_ca && next_pem(&ours, &one)) {
        struct bytes rest = buf_view(&chain);
        struct hash32 h, k;
        if (cert_spki_hash(one, &k) != WAX_OK)
            continue;
        while (!ret->has_ca && next_pem(&rest, &other))
            if (cert_spki_hash(other, &h) == WAX_OK && ID_EQ(&h, &k)) {
                ret->ca = k;
                ret->has_ca = true;
            }
    }
    buf_done(&chain);
    buf_done(&why);
    return rc == WAX_E_NOMEM ? rc
                             : WAX_OK; /* a server that is away is told of by what comes next */
}

/* The server sends its chain with the CA: the one whose key has the hash told is kept, and is
 * from then on the only trust anchor (docs/CLI "Invitation"). */
static int fetch_ca(struct wax *w, const struct hash32 *k, struct wax_error *err)
{
    struct buf chain = {0}, why = {0};
    struct bytes rest, one;
    wax_rc rc = net_fetch_chain(w->server, &chain, &why);

    if (rc != WAX_OK) {
        const char *text = why.n ? buf_cstr(&why) : rc_text(rc);
        (void)snprintf(w->net_error, sizeof w->net_error, "%s", text ? text : "");
    }
    for (rest = buf_view(&chain); rc == WAX_OK && next_pem(&rest, &one);) {
        struct hash32 h;
        if (cert_spki_hash(one, &h) == WAX_OK && ID_EQ(&h, k)) {
            buf_bytes(&w->ca, one);
            buf_str(&w->ca, "\n");
            rc = buf_rc(&w->ca);
            break;
        }
    }
    buf_done(&chain);
    buf_done(&why);
    if (rc == WAX_OK && !w->ca.n)
        return fail(err, WAX_EX_AWAY, "certificate",
                    "reach %s: its certificate does not come from the CA that the invitation "
                    "names; nothing was sent; ask who invited you",
                    w->server);
    return fail_rc(w, err, rc, "reach the server");
}

static int line_of(struct wax *w, const struct invitation *told, const char *domain, bool own_ca,
                   struct buf *line, struct wax_error *err)
{
    struct invitation in = *told;
    wax_rc rc = WAX_OK;

    if (!take_place(w->server, &in))
        return WAX_EX_OK;
    (void)snprintf(in.domain, sizeof in.domain, "%s", domain);
    if (own_ca) {
        in.has_ca = false;
        rc = name_ca(w, &in);
    }
    if (rc != WAX_OK)
        return fail_rc(w, err, rc, "reach the server");
    return own_ca && !in.has_ca ? WAX_EX_OK : line_without_token(&in, line, err);
}

int conn_settings(struct wax *w, const char *handle, const char *invitation, const char *server,
                  const char *ca_file, char admission[128], struct buf *line, struct wax_error *err)
{
    struct invitation in = {0};
    const char *domain = strchr(handle, '@') + 1;
    int code = invitation ? take_invitation(invitation, &in, err) : WAX_EX_OK;

    admission[0] = 0;
    buf_reset(&w->ca);
    if (code != WAX_EX_OK)
        return code;
    if (invitation && strcmp(in.domain, domain) != 0)
        return fail(err, WAX_EX_NOHOST, "foreign-domain",
                    "use the invitation for %s: it is for handles that end in @%s", handle,
                    in.domain);
    if (server && strncmp(server, "https://", 8) != 0)
        return fail(err, WAX_EX_USAGE, "server",
                    "use the server %.128s: its address has to begin with https://", server);
    if (server)
        (void)snprintf(w->server, sizeof w->server, "%s", server);
    else if (invitation)
        (void)snprintf(w->server, sizeof w->server,
                       strchr(in.host, ':') ? "https://[%s]:%u" : "https://%s:%u", in.host,
                       in.port);
    else
        (void)snprintf(w->server, sizeof w->server, "https://%s", domain);
    if (ca_file)
        code = read_ca(w, ca_file, err);
    else if (invitation && in.has_ca)
        code = fetch_ca(w, &in.ca, err);
    if (code == WAX_EX_OK && invitation)
        (void)snprintf(admission, 128, "%s", in.token);
    return code == WAX_EX_OK ? line_of(w, &in, domain, ca_file != NULL, line, err) : code;
}
