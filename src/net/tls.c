#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "net/server_in.h"

#define CLIENT_CERT_MAX 1024 /* DER, PROTOCOL 9 */

static const unsigned char alpn_h2[] = {2, 'h', '2'};

/* h2 or nothing: a client that speaks only HTTP/1.1 is refused in the handshake. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_n,
                       const unsigned char *in, unsigned in_n, void *ctx)
{
    unsigned char *chosen;

    (void)ssl;
    (void)ctx;
    if (SSL_select_next_proto(&chosen, out_n, alpn_h2, sizeof alpn_h2, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* The uncompressed point of a P-256 key; false for any other key. */
static bool p256_point(EVP_PKEY *key, struct point *ret)
{
    char group[32] = {0};
    size_t n = 0;

    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC)
        return false;
    if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                       NULL) != 1 ||
        strcmp(group, "prime256v1") != 0)
        return false;
    /* The encoding asked for may be the certificate's compressed one: ask for coordinates
     * in the form that PROTOCOL writes. */
    if (EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                       "uncompressed") != 1 ||
        EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, ret->b,
                                        sizeof ret->b, &n) != 1)
        return false;
    return n == sizeof ret->b && ret->b[0] == 4;
}

/* Stands in for the chain check: the key is the login, who made the certificate and for
 * how long does not matter. That the peer holds the key is TLS's proof, not ours. */
static int accept_client(X509_STORE_CTX *store, void *ctx)
{
    X509 *cert = X509_STORE_CTX_get0_cert(store);
    struct point p;
    int size;

    (void)ctx;
    if (!cert || (size = i2d_X509(cert, NULL)) <= 0 || size > CLIENT_CERT_MAX ||
        !p256_point(X509_get0_pubkey(cert), &p)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
        return 0;
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

bool net_tls_is_h2(const SSL *ssl)
{
    const unsigned char *name = NULL;
    unsigned n = 0;

    SSL_get0_alpn_selected(ssl, &name, &n);
    return n == 2 && memcmp(name, "h2", 2) == 0;
}

bool net_tls_client_key(const SSL *ssl, struct point *ret)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);

    return cert && p256_point(X509_get0_pubkey(cert), ret);
}

static void explain(char *err, size_t err_size, const char *what, const char *file)
{
    unsigned long e = ERR_peek_last_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;

    if (err_size)
        (void)snprintf(err, err_size, "%s%s%s: %s", what, file ? " " : "", file ? file : "",
                       reason ? reason : "refused");
    ERR_clear_error();
}

static bool set_rules(SSL_CTX *ctx)
{
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1)
        return false;
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    /* The hybrid group exists from OpenSSL 3.5 on. */
    if (SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256") != 1) {
        ERR_clear_error();
        if (SSL_CTX_set1_groups_list(ctx, "X25519:P-256") != 1)
            return false;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_max_cert_list(ctx, 4 * CLIENT_CERT_MAX);
    SSL_CTX_set_cert_verify_callback(ctx, accept_client, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    return true;
}

wax_rc net_tls_server(const char *cert_file, const char *key_file, SSL_CTX **ret, char *err,
                      size_t err_size)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    ERR_clear_error();
    if (!ctx)
        return WAX_E_NOMEM;
    if (!set_rules(ctx))
        explain(err, err_size, "the TLS library refuses our rules", NULL);
    else if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        explain(err, err_size, "cannot use the certificate", cert_file);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1)
        explain(err, err_size, "cannot use the key", key_file);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        explain(err, err_size, "the key is not the certificate's:", key_file);
    else {
        *ret = ctx;
        return WAX_OK;
    }
    SSL_CTX_free(ctx);
    return WAX_E_TLS;
}
