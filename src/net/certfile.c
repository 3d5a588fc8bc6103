#include "net/certfile.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "net/server_in.h"

#define SOON_S (30 * 86400)

static bool is_address(const char *name)
{
    unsigned char raw[16];

    return inet_pton(AF_INET, name, raw) == 1 || inet_pton(AF_INET6, name, raw) == 1;
}

static wax_rc check_dates(X509 *cert, const char *which, const char *file, time_t now,
                          struct buf *report)
{
    time_t soon = now + SOON_S;

    if (X509_cmp_time(X509_get0_notBefore(cert), &now) > 0) {
        buf_printf(report, "%s: %s is not valid yet\n", file, which);
        return WAX_E_TLS;
    }
    if (X509_cmp_time(X509_get0_notAfter(cert), &now) < 0) {
        buf_printf(report, "%s: %s has expired\n", file, which);
        return WAX_E_TLS;
    }
    if (X509_cmp_time(X509_get0_notAfter(cert), &soon) < 0)
        buf_printf(report, "%s: %s expires within 30 days\n", file, which);
    return WAX_OK;
}

static wax_rc check_names(X509 *cert, const char *file, const char *const *names, size_t n,
                          struct buf *report)
{
    wax_rc rc = WAX_OK;

    for (size_t i = 0; i < n; i++) {
        int ok = is_address(names[i]) ? X509_check_ip_asc(cert, names[i], 0)
                                      : X509_check_host(cert, names[i], 0, 0, NULL);
        if (ok == 1)
            continue;
        buf_printf(report, "%s: the certificate is not for %s\n", file, names[i]);
        rc = WAX_E_TLS;
    }
    return rc;
}

wax_rc net_cert_check(const char *cert_file, const char *key_file, const char *const *names,
                      size_t n_names, uint64_t now, struct buf *report)
{
    SSL_CTX *ctx = NULL;
    STACK_OF(X509) *chain = NULL;
    char err[256] = "";
    time_t at = (time_t)(now / 1000);
    wax_rc rc = net_tls_server(cert_file, key_file, &ctx, err, sizeof err);

    if (rc != WAX_OK) {
        buf_printf(report, "%s\n", *err ? err : rc_text(rc));
        return rc;
    }
    X509 *leaf = SSL_CTX_get0_certificate(ctx);
    rc = check_dates(leaf, "the certificate", cert_file, at, report);
    wax_rc named = check_names(leaf, cert_file, names, n_names, report);
    if (rc == WAX_OK)
        rc = named;
    if (SSL_CTX_get0_chain_certs(ctx, &chain) != 1)
        chain = NULL;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        wax_rc one =
            check_dates(sk_X509_value(chain, i), "a CA of the chain", cert_file, at, report);
        if (rc == WAX_OK)
            rc = one;
    }
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return rc == WAX_OK ? buf_rc(report) : rc;
}
