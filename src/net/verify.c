#include "net/verify.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <openssl/x509v3.h>

#include "os/clock.h"

#define DATE_MAX 40

static int slot = -1;

static void make_slot(void) { slot = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL); }

static void write_date(char out[DATE_MAX], const struct tm *t)
{
    (void)snprintf(out, DATE_MAX, "%04d-%02d-%02d %02d:%02d UTC", t->tm_year + 1900, t->tm_mon + 1,
                   t->tm_mday, t->tm_hour, t->tm_min);
}

static void cert_date(char out[DATE_MAX], const ASN1_TIME *at)
{
    struct tm t;

    if (at && ASN1_TIME_to_tm(at, &t) == 1)
        write_date(out, &t);
    else
        (void)snprintf(out, DATE_MAX, "a date that cannot be read");
}

/* With our own clock beside the certificate's date: it may be the one that is wrong. */
static void say_date(struct net_verdict *v, const char *what, const ASN1_TIME *at)
{
    char date[DATE_MAX], today[DATE_MAX] = "";
    time_t now = (time_t)(os_now_ms() / 1000);
    struct tm t;

    cert_date(date, at);
    if (gmtime_r(&now, &t))
        write_date(today, &t);
    (void)snprintf(v->text, sizeof v->text, "it %s %s (by the clock here it is %s)", what, date,
                   today);
}

static void say_span(struct net_verdict *v, const char *what, const X509 *cert)
{
    char from[DATE_MAX], to[DATE_MAX];

    cert_date(from, cert ? X509_get0_notBefore(cert) : NULL);
    cert_date(to, cert ? X509_get0_notAfter(cert) : NULL);
    (void)snprintf(v->text, sizeof v->text, "%s (valid %s to %s)", what, from, to);
}

static void say(struct net_verdict *v, X509_STORE_CTX *store)
{
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);

    switch (v->error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        say_date(v, "has expired on", cert ? X509_get0_notAfter(cert) : NULL);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        say_date(v, "is not yet valid before", cert ? X509_get0_notBefore(cert) : NULL);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        say_span(v, "wrong name, it is for another server", X509_STORE_CTX_get0_cert(store));
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        say_span(v, "unknown issuer", X509_STORE_CTX_get0_cert(store));
        break;
    default:
        (void)snprintf(v->text, sizeof v->text, "%s", X509_verify_cert_error_string(v->error));
    }
}

/* Agrees with what OpenSSL found; only notes it. */
static int on_cert(int holds, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct net_verdict *v = ssl ? SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), slot) : NULL;

    if (!holds && v) {
        v->error = X509_STORE_CTX_get_error(store);
        say(v, store);
    }
    return holds;
}

wax_rc net_verify_watch(SSL_CTX *ctx, const char *host, struct net_verdict *verdict)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);

    (void)pthread_once(&once, make_slot);
    if (slot < 0 || SSL_CTX_set_ex_data(ctx, slot, verdict) != 1)
        return WAX_E_NOMEM;
    *verdict = (struct net_verdict){.error = X509_V_OK};
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1 &&
        X509_VERIFY_PARAM_set1_host(param, host, 0) != 1)
        return WAX_E_INVAL;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_cert);
    return WAX_OK;
}
