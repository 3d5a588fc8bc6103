#include "crypto/cert.h"

#include <arpa/inet.h>
#include <ctype.h>

#include <openssl/x509v3.h>

#include "base/mem.h"
#include "crypto/ec.h"
#include "crypto/pem.h"

#define PEM_CERT "CERTIFICATE"
#define PEM_KEY "PRIVATE KEY"
#define LOGIN_MAX 1024 /* PROTOCOL 9 */
#define HOUR_S 3600
#define DAY_S 86400

static bool set_serial(X509 *x, const uint8_t *p, size_t n)
{
    BIGNUM *bn = BN_bin2bn(p, (int)n, NULL);
    bool ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;

    BN_free(bn);
    return ok;
}

/* A version 3 certificate for a bare public key. */
static X509 *begin(const struct point *pub, const uint8_t *serial, size_t n_serial)
{
    X509 *x = X509_new();
    EVP_PKEY *pkey = NULL;
    bool ok = x && ec_import_point(pub, &pkey) == WAX_OK && X509_set_version(x, 2) == 1 &&
              set_serial(x, serial, n_serial) && X509_set_pubkey(x, pkey) == 1;

    EVP_PKEY_free(pkey);
    if (ok)
        return x;
    X509_free(x);
    return NULL;
}

static bool set_times(X509 *x, time_t from, time_t to)
{
    return ASN1_TIME_set(X509_getm_notBefore(x), from) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(x), to) != NULL;
}

static bool add_name(X509_NAME *name, const char *cn)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)cn, -1, -1, 0) == 1;
}

/* An extension in the library's own words; value is a literal of ours, never input. */
static bool add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX c;
    X509_EXTENSION *e;
    bool ok;

    X509V3_set_ctx(&c, issuer, x, NULL, NULL, 0);
    e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
    ok = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return ok;
}

/* Signs and appends the PEM; frees x. */
static wax_rc finish(X509 *x, const struct ec_key *signer, size_t max, struct buf *pem)
{
    uint8_t *der = NULL;
    int n = -1;
    wax_rc rc;

    if (X509_sign(x, ec_pkey(signer), lib_algorithms()->sha256) > 0)
        n = i2d_X509(x, &der);
    X509_free(x);
    if (n <= 0)
        return lib_failed();
    if ((size_t)n > max) {
        OPENSSL_free(der);
        return WAX_E_TOOBIG;
    }
    struct buf made = {0};
    pem_write(&made, PEM_CERT, BYTES(der, (size_t)n));
    OPENSSL_free(der);
    rc = buf_rc(&made);
    if (rc == WAX_OK) {
        buf_bytes(pem, buf_view(&made));
        rc = buf_rc(pem);
    }
    buf_done(&made);
    return rc;
}

wax_rc cert_login(const struct ec_key *dtk, struct buf *cert_pem)
{
    static const uint8_t one[] = {1};
    X509 *x = begin(ec_public(dtk), one, sizeof one);

    /* Subject and issuer stay empty. */
    if (!x || ASN1_TIME_set_string_X509(X509_getm_notBefore(x), "19700101000000Z") != 1 ||
        ASN1_TIME_set_string_X509(X509_getm_notAfter(x), "99991231235959Z") != 1) {
        X509_free(x);
        return lib_failed();
    }
    return finish(x, dtk, LOGIN_MAX, cert_pem);
}

wax_rc cert_key_pem(const struct ec_key *k, struct buf *key_pem)
{
    uint8_t der[PKCS8_SIZE];
    struct buf made = {0};
    wax_rc rc;

    pkcs8_write(der, k);
    pem_write(&made, PEM_KEY, BYTES_OF(der));
    mem_wipe(der, sizeof der);
    rc = buf_rc(&made);
    if (rc == WAX_OK) {
        buf_bytes(key_pem, buf_view(&made));
        rc = buf_rc(key_pem);
    }
    buf_done(&made);
    return rc;
}

wax_rc cert_key_load(struct bytes pem, struct ec_key **ret)
{
    struct buf der = {0};
    wax_rc rc = pem_read(pem, PEM_KEY, &der);

    if (rc == WAX_OK)
        rc = pkcs8_read(buf_view(&der), ret);
    buf_done(&der);
    return rc;
}

wax_rc cert_ca(const struct ec_key *ca, const char *domain, uint64_t now, struct buf *pem)
{
    static const uint8_t one[] = {1};
    struct buf cn = {0};
    time_t from = (time_t)(now / 1000) - HOUR_S;
    X509 *x = NULL;
    wax_rc rc;

    buf_printf(&cn, "Waxwing CA for %s", domain);
    rc = buf_rc(&cn);
    if (rc != WAX_OK)
        goto out;
    /* X.520 holds a common name to 64 characters; a longer domain is cut. */
    if (cn.n > 64)
        cn.n = 64;
    const char *text = buf_cstr(&cn);
    if (!text) {
        rc = buf_rc(&cn);
        goto out;
    }
    x = begin(ec_public(ca), one, sizeof one);
    if (!x || !set_times(x, from, from + (time_t)3652 * DAY_S) ||
        !add_name(X509_get_subject_name(x), text) ||
        X509_set_issuer_name(x, X509_get_subject_name(x)) != 1 ||
        !add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_ext(x, x, NID_key_usage, "critical,keyCertSign") ||
        !add_ext(x, x, NID_subject_key_identifier, "hash")) {
        rc = lib_failed();
        goto out;
    }
    rc = finish(x, ca, PEM_MAX, pem);
    x = NULL;
out:
    X509_free(x);
    buf_done(&cn);
    return rc;
}

/* Letters, digits, '-', '_' and '*' between single dots. */
static bool dns_name_valid(const char *s)
{
    size_t n = strlen(s);

    if (n == 0 || n > 253 || s[0] == '.' || s[n - 1] == '.' || strstr(s, ".."))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("-_*.", s[i]))
            return false;
    return true;
}

/* The name as an alternative name; NULL: the library failed. name is valid. */
static GENERAL_NAME *general_name(const char *name)
{
    uint8_t ip[16];
    const void *p = name;
    int n = (int)strlen(name), type = GEN_DNS, asn1 = V_ASN1_IA5STRING;
    int family = strchr(name, ':') ? AF_INET6 : AF_INET;
    GENERAL_NAME *g = GENERAL_NAME_new();

    if (inet_pton(family, name, ip) == 1) {
        p = ip;
        n = family == AF_INET ? 4 : 16;
        type = GEN_IPADD;
        asn1 = V_ASN1_OCTET_STRING;
    }
    ASN1_STRING *s = g ? ASN1_STRING_type_new(asn1) : NULL;
    if (!s || ASN1_STRING_set(s, p, n) != 1) {
        ASN1_STRING_free(s);
        GENERAL_NAME_free(g);
        return NULL;
    }
    GENERAL_NAME_set0_value(g, type, s);
    return g;
}

static bool name_valid_here(const char *name)
{
    uint8_t ip[16];

    return dns_name_valid(name) || inet_pton(AF_INET6, name, ip) == 1;
}

static bool add_names(X509 *x, const char *const *names, size_t n_names)
{
    GENERAL_NAMES *list = GENERAL_NAMES_new();
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < n_names; i++) {
        GENERAL_NAME *g = general_name(names[i]);
        ok = g && sk_GENERAL_NAME_push(list, g) > 0;
        if (!ok)
            GENERAL_NAME_free(g);
    }
    ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, 0) == 1;
    GENERAL_NAMES_free(list);
    return ok;
}

/* The first certificate of the text, to be freed by X509_free. */
static wax_rc load(struct bytes pem, X509 **ret)
{
    struct buf der = {0};
    X509 *x = NULL;
    wax_rc rc = pem_read(pem, PEM_CERT, &der);

    if (rc == WAX_OK) {
        const uint8_t *p = der.p;
        x = d2i_X509(NULL, &p, (long)der.n);
        if (!x || p != der.p + der.n) {
            (void)lib_failed();
            rc = WAX_R_PARSE;
        }
    }
    buf_done(&der);
    if (rc != WAX_OK) {
        X509_free(x);
        return rc;
    }
    *ret = x;
    return WAX_OK;
}

wax_rc cert_server(const struct ec_key *ca, struct bytes ca_pem, const struct point *server_key,
                   const char *const *names, size_t n_names, const struct rng *rng, uint64_t now,
                   unsigned days, struct buf *pem)
{
    uint8_t serial[16];
    time_t from = (time_t)(now / 1000) - HOUR_S;
    X509 *issuer = NULL, *x = NULL;
    wax_rc rc;

    if (n_names == 0)
        return WAX_E_INVAL;
    for (size_t i = 0; i < n_names; i++)
        if (!name_valid_here(names[i]))
            return WAX_E_INVAL;
    rc = ec_point_check(server_key);
    if (rc == WAX_OK)
        rc = rng_fill(rng, serial, sizeof serial);
    if (rc == WAX_OK)
        rc = load(ca_pem, &issuer);
    if (rc != WAX_OK)
        return rc;
    if (X509_check_private_key(issuer, ec_pkey(ca)) != 1) {
        (void)lib_failed();
        rc = WAX_E_INVAL;
        goto out;
    }
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and always 16 bytes */
    x = begin(server_key, serial, sizeof serial);
    if (!x || !set_times(x, from, from + (time_t)days * DAY_S) ||
        !add_name(X509_get_subject_name(x), "Waxwing server") ||
        X509_set_issuer_name(x, X509_get_subject_name(issuer)) != 1 ||
        !add_ext(x, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_ext(x, issuer, NID_key_usage, "critical,digitalSignature") ||
        !add_ext(x, issuer, NID_ext_key_usage, "serverAuth") ||
        !add_ext(x, issuer, NID_subject_key_identifier, "hash") ||
        !add_ext(x, issuer, NID_authority_key_identifier, "keyid:always") ||
        !add_names(x, names, n_names)) {
        rc = lib_failed();
        goto out;
    }
    rc = finish(x, ca, PEM_MAX, pem);
    x = NULL;
out:
    X509_free(x);
    X509_free(issuer);
    return rc;
}

wax_rc cert_spki_hash(struct bytes pem, struct hash32 *ret)
{
    X509 *x = NULL;
    uint8_t *der = NULL;
    wax_rc rc = load(pem, &x);

    if (rc != WAX_OK)
        return rc;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    X509_free(x);
    if (n <= 0)
        return lib_failed();
    rc = hash_raw(ret, PARTS(BYTES(der, (size_t)n)));
    OPENSSL_free(der);
    return rc;
}

wax_rc cert_point_spki_hash(const struct point *pub, struct hash32 *ret)
{
    uint8_t der[SPKI_SIZE];

    spki_write(der, pub);
    return hash_raw(ret, PARTS(BYTES_OF(der)));
}
