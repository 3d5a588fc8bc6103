#include "raw.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int raw_tcp(const struct world *w)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)net_server_port(w->server))};
    struct timeval limit = {.tv_sec = 5};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)signal(SIGPIPE, SIG_IGN);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

bool raw_open(const struct world *w, const struct raw_conf *conf, struct raw *ret)
{
    static const struct raw_conf usual = {0};
    const char *alpn;
    unsigned char wire[32];

    if (!conf)
        conf = &usual;
    alpn = conf->alpn ? conf->alpn : "h2";
    ret->fd = raw_tcp(w);
    ret->ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ret->ctx);
    if (conf->max_version)
        assert_int_equal(SSL_CTX_set_max_proto_version(ret->ctx, conf->max_version), 1);
    if (conf->cert) {
        assert_int_equal(SSL_CTX_use_certificate(ret->ctx, conf->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(ret->ctx, conf->key), 1);
    }
    ret->ssl = SSL_new(ret->ctx);
    assert_non_null(ret->ssl);
    if (*alpn) {
        wire[0] = (unsigned char)strlen(alpn);
        memcpy(wire + 1, alpn, wire[0]);
        assert_int_equal(SSL_set_alpn_protos(ret->ssl, wire, wire[0] + 1u), 0);
    }
    assert_int_equal(SSL_set_fd(ret->ssl, ret->fd), 1);
    return SSL_connect(ret->ssl) == 1;
}

void raw_close(struct raw *r)
{
    SSL_free(r->ssl);
    SSL_CTX_free(r->ctx);
    (void)close(r->fd);
}

bool raw_hello(struct raw *r)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    return SSL_write(r->ssl, preface, sizeof preface - 1) == (int)sizeof preface - 1 &&
           raw_frame(r, 4, 0, 0, NULL, 0);
}

bool raw_frame(struct raw *r, uint8_t type, uint8_t flags, uint32_t stream, const void *p, size_t n)
{
    uint8_t f[9 + 64] = {0, 0, (uint8_t)n, type, flags};

    assert_true(n <= 64);
    put_u32(f + 5, stream);
    if (n)
        memcpy(f + 9, p, n);
    return SSL_write(r->ssl, f, (int)(9 + n)) == (int)(9 + n);
}

bool raw_request(struct raw *r, uint32_t stream, bool body)
{
    /* HPACK: method, scheme https, path /, authority "a". */
    const uint8_t h[] = {body ? 0x83 : 0x82, 0x87, 0x84, 0x01, 0x01, 'a'};

    return raw_frame(r, 1, body ? 4 : 5, stream, h, sizeof h);
}

static bool read_exactly(struct raw *r, uint8_t *p, size_t n)
{
    while (n > 0) {
        int got = SSL_read(r->ssl, p, (int)n);
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

bool raw_await(struct raw *r, uint8_t type, uint8_t head[16])
{
    for (;;) {
        uint8_t f[9], payload[65536];
        size_t n;
        if (!read_exactly(r, f, 9))
            return false;
        n = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];
        if (n > sizeof payload || !read_exactly(r, payload, n))
            return false;
        if (f[3] == type) {
            memset(head, 0, 16);
            memcpy(head, payload, n < 16 ? n : 16);
            return true;
        }
    }
}

bool raw_is_closed(struct raw *r)
{
    uint8_t b[4096];
    int n;

    while ((n = SSL_read(r->ssl, b, sizeof b)) > 0)
        continue;
    /* A time-out of the socket's is the one end that is not the server's. */
    return SSL_get_error(r->ssl, n) != SSL_ERROR_WANT_READ;
}

static EVP_PKEY *make_key(enum raw_key kind)
{
    EVP_PKEY *k = kind == RAW_RSA       ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                  : kind == RAW_ED25519 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                  : kind == RAW_P384    ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384")
                                        : EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    assert_non_null(k);
    if (kind == RAW_P256_COMPRESSED)
        assert_int_equal(EVP_PKEY_set_utf8_string_param(
                             k, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "compressed"),
                         1);
    return k;
}

void raw_certify(enum raw_key kind, size_t padding, X509 **cert, EVP_PKEY **key)
{
    ASN1_OCTET_STRING *fill = ASN1_OCTET_STRING_new();
    X509_EXTENSION *ext;
    X509 *x = X509_new();
    uint8_t zeros[2048] = {0};

    *key = make_key(kind);
    assert_true(x && fill && padding <= sizeof zeros);
    (void)X509_set_version(x, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -100000); /* long over: it does not matter */
    (void)X509_gmtime_adj(X509_getm_notAfter(x), -50000);
    assert_int_equal(X509_set_pubkey(x, *key), 1);
    if (padding) {
        assert_int_equal(ASN1_OCTET_STRING_set(fill, zeros, (int)padding), 1);
        ext = X509_EXTENSION_create_by_NID(NULL, NID_netscape_comment, 0, fill);
        assert_non_null(ext);
        assert_int_equal(X509_add_ext(x, ext, -1), 1);
        X509_EXTENSION_free(ext);
    }
    ASN1_OCTET_STRING_free(fill);
    assert_true(X509_sign(x, *key, kind == RAW_ED25519 ? NULL : EVP_sha256()) > 0);
    *cert = x;
}
