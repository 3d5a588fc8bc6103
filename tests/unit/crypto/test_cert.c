/* crypto: certificates, read back with the library that TLS uses. */
#include "crypto_test.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"

#define NOW 1790000000000u /* ms */
#define HOUR 3600
#define DAY 86400

static X509 *read_cert(const struct buf *pem)
{
    BIO *in = BIO_new_mem_buf(pem->p, (int)pem->n);
    X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);

    assert_non_null(x);
    BIO_free(in);
    return x;
}

static void assert_time(const ASN1_TIME *t, const char *want)
{
    struct tm tm;
    char text[32];

    assert_int_equal(ASN1_TIME_to_tm(t, &tm), 1);
    assert_true(strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm) > 0);
    assert_string_equal(text, want);
}

static void login_certificate_is_as_the_protocol_says(void **state)
{
    (void)state;
    struct ec_key *dtk = key_from(1);
    struct buf pem = {0};

    assert_int_equal(cert_login(dtk, &pem), WAX_OK);
    X509 *x = read_cert(&pem);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
    assert_int_equal(X509_NAME_entry_count(X509_get_issuer_name(x)), 0);
    assert_int_equal(ASN1_INTEGER_get(X509_get_serialNumber(x)), 1);
    assert_time(X509_get0_notBefore(x), "1970-01-01T00:00:00");
    assert_time(X509_get0_notAfter(x), "9999-12-31T23:59:59");
    assert_int_equal(X509_verify(x, X509_get0_pubkey(x)), 1);
    assert_true(i2d_X509(x, NULL) <= 1024);

    struct point p;
    size_t n = 0;
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(X509_get0_pubkey(x), "pub", p.b, sizeof p.b, &n), 1);
    assert_int_equal(n, 65);
    assert_memory_equal(p.b, ec_public(dtk)->b, 65);
    X509_free(x);
    buf_done(&pem);
    ec_free(dtk);
}

static void the_library_reads_our_private_key_and_so_do_we(void **state)
{
    (void)state;
    struct ec_key *k = key_from(9), *back = NULL;
    struct buf pem = {0};
    struct key32 x, y;

    assert_int_equal(cert_key_pem(k, &pem), WAX_OK);
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *theirs = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    assert_non_null(theirs);
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, theirs, NULL);
    assert_int_equal(EVP_PKEY_check(c), 1);
    assert_int_equal(cert_key_load(buf_view(&pem), &back), WAX_OK);
    ec_scalar(k, &x);
    ec_scalar(back, &y);
    assert_memory_equal(x.b, y.b, 32);
    EVP_PKEY_CTX_free(c);
    EVP_PKEY_free(theirs);
    BIO_free(in);
    ec_free(k);
    ec_free(back);
    buf_done(&pem);
}

static void a_damaged_key_file_is_refused(void **state)
{
    (void)state;
    struct ec_key *k = key_from(9), *back = NULL;
    struct buf pem = {0};
    size_t refused = 0;

    assert_int_equal(cert_key_pem(k, &pem), WAX_OK);
    for (size_t i = 0; i + 1 < pem.n; i++) { /* the last byte is the line end */
        uint8_t was = pem.p[i];
        pem.p[i] = was == 'Q' ? 'R' : 'Q';
        wax_rc rc = cert_key_load(buf_view(&pem), &back);
        assert_int_equal(rc, WAX_R_PARSE);
        refused += rc == WAX_R_PARSE;
        pem.p[i] = was;
        rc = cert_key_load(BYTES(pem.p, i), &back);
        assert_int_equal(rc, WAX_R_PARSE);
    }
    assert_true(refused > 200);
    assert_null(back);
    assert_int_equal(cert_key_load(BYTES_STR(""), &back), WAX_R_PARSE);
    ec_free(k);
    buf_done(&pem);
}

/* 1 when the server certificate chains to the CA for that name at that time. */
static int chain_holds(X509 *ca, X509 *x, const char *dns, const char *ip, time_t when)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *c = X509_STORE_CTX_new();

    assert_int_equal(X509_STORE_add_cert(store, ca), 1);
    assert_int_equal(X509_STORE_CTX_init(c, store, x, NULL), 1);
    X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(c);
    X509_VERIFY_PARAM_set_time(p, when);
    X509_VERIFY_PARAM_set_flags(p, X509_V_FLAG_X509_STRICT);
    assert_int_equal(X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_SERVER), 1);
    if (dns)
        assert_int_equal(X509_VERIFY_PARAM_set1_host(p, dns, 0), 1);
    if (ip)
        assert_int_equal(X509_VERIFY_PARAM_set1_ip_asc(p, ip), 1);
    int ok = X509_verify_cert(c) == 1;
    X509_STORE_CTX_free(c);
    X509_STORE_free(store);
    return ok;
}

static const char *const names[] = {"chat.example.org", "localhost", "127.0.0.1", "::1"};

static void a_server_certificate_chains_to_its_ca(void **state)
{
    (void)state;
    struct ec_key *ca = key_from(1), *server = key_from(2);
    struct counting draws = {0xf0, 0};
    struct rng rng = {counting_fill, &draws};
    struct buf ca_pem = {0}, pem = {0};
    time_t now = NOW / 1000;

    assert_int_equal(cert_ca(ca, "example.org", NOW, &ca_pem), WAX_OK);
    assert_int_equal(
        cert_server(ca, buf_view(&ca_pem), ec_public(server), names, 4, &rng, NOW, 90, &pem),
        WAX_OK);
    X509 *root = read_cert(&ca_pem), *leaf = read_cert(&pem);
    assert_true(chain_holds(root, leaf, "chat.example.org", NULL, now));
    assert_true(chain_holds(root, leaf, "localhost", NULL, now));
    assert_true(chain_holds(root, leaf, NULL, "127.0.0.1", now));
    assert_true(chain_holds(root, leaf, NULL, "::1", now));
    assert_false(chain_holds(root, leaf, "evil.example.org", NULL, now));
    assert_false(chain_holds(root, leaf, NULL, "127.0.0.2", now));
    assert_true(chain_holds(root, leaf, NULL, NULL, now - HOUR + 1));
    assert_false(chain_holds(root, leaf, NULL, NULL, now - HOUR - 1));
    assert_true(chain_holds(root, leaf, NULL, NULL, now + 90 * DAY - HOUR - 1));
    assert_false(chain_holds(root, leaf, NULL, NULL, now + 90 * DAY - HOUR + 1));
    assert_int_equal(X509_get_extension_flags(root) & EXFLAG_CA, EXFLAG_CA);
    assert_int_equal(X509_get_pathlen(root), 0);
    assert_int_equal(X509_get_key_usage(root), KU_KEY_CERT_SIGN);
    X509_free(root);
    X509_free(leaf);
    buf_done(&pem);
    buf_done(&ca_pem);
    ec_free(ca);
    ec_free(server);
}

static void names_that_are_no_names_and_the_wrong_ca_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "a,DNS:evil.org", "a b", ".a", "a.", "a..b", "\xc3\xbc.org", "1::2::3", "a\nb",
    };
    struct ec_key *ca = key_from(1), *other = key_from(3);
    struct counting draws = {0, 0};
    struct rng rng = {counting_fill, &draws};
    struct buf ca_pem = {0}, pem = {0};
    struct point off = {{4}};

    assert_int_equal(cert_ca(ca, "example.org", NOW, &ca_pem), WAX_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(
            cert_server(ca, buf_view(&ca_pem), ec_public(other), &bad[i], 1, &rng, NOW, 90, &pem),
            WAX_E_INVAL);
    assert_int_equal(
        cert_server(ca, buf_view(&ca_pem), ec_public(other), names, 0, &rng, NOW, 90, &pem),
        WAX_E_INVAL);
    assert_int_equal(
        cert_server(other, buf_view(&ca_pem), ec_public(other), names, 4, &rng, NOW, 90, &pem),
        WAX_E_INVAL);
    assert_int_equal(cert_server(ca, buf_view(&ca_pem), &off, names, 4, &rng, NOW, 90, &pem),
                     WAX_R_POINT);
    assert_int_equal(
        cert_server(ca, BYTES_STR("none"), ec_public(other), names, 4, &rng, NOW, 90, &pem),
        WAX_R_PARSE);
    assert_int_equal(pem.n, 0);
    buf_done(&ca_pem);
    ec_free(ca);
    ec_free(other);
}

static void a_long_domain_is_cut_in_the_common_name(void **state)
{
    (void)state;
    static const char domain[] = "a-label-that-is-quite-long.another-label-that-is-quite-long.org";
    struct ec_key *ca = key_from(1);
    struct buf pem = {0};

    assert_int_equal(cert_ca(ca, domain, NOW, &pem), WAX_OK);
    X509_free(read_cert(&pem));
    buf_done(&pem);
    ec_free(ca);
}

static void the_pin_is_the_hash_of_the_public_key_info(void **state)
{
    (void)state;
    struct ec_key *k = key_from(1);
    struct buf pem = {0};
    struct hash32 by_cert, by_point, want;
    uint8_t der[128], *p = der;

    assert_int_equal(cert_ca(k, "example.org", NOW, &pem), WAX_OK);
    assert_int_equal(cert_spki_hash(buf_view(&pem), &by_cert), WAX_OK);
    assert_int_equal(cert_point_spki_hash(ec_public(k), &by_point), WAX_OK);
    X509 *x = read_cert(&pem);
    int n = i2d_PUBKEY(X509_get0_pubkey(x), &p);
    assert_int_equal(n, 91);
    assert_int_equal(hash_raw(&want, PARTS(BYTES(der, 91))), WAX_OK);
    assert_memory_equal(by_cert.b, want.b, 32);
    assert_memory_equal(by_point.b, want.b, 32);
    assert_int_equal(cert_spki_hash(BYTES(pem.p, pem.n / 2), &want), WAX_R_PARSE);
    pem.p[40] ^= 4;
    assert_int_equal(cert_spki_hash(buf_view(&pem), &want), WAX_R_PARSE);
    X509_free(x);
    buf_done(&pem);
    ec_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login_certificate_is_as_the_protocol_says),
        cmocka_unit_test(the_library_reads_our_private_key_and_so_do_we),
        cmocka_unit_test(a_damaged_key_file_is_refused),
        cmocka_unit_test(a_server_certificate_chains_to_its_ca),
        cmocka_unit_test(names_that_are_no_names_and_the_wrong_ca_are_refused),
        cmocka_unit_test(a_long_domain_is_cut_in_the_common_name),
        cmocka_unit_test(the_pin_is_the_hash_of_the_public_key_info),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
