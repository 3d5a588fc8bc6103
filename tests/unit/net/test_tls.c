/* net: what the server accepts in the handshake, and what it never does. */
#include "raw.h"

#include <openssl/core_names.h>
#include <stdio.h>
#include <unistd.h>

#include "os/clock.h"
#include "os/file.h"

#define OK(call) assert_int_equal((call), WAX_OK)

static struct world w;

static int set_up(void **state)
{
    (void)state;
    world_make(&w);
    world_start(&w, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_end(&w);
    return 0;
}

static void only_h2_is_spoken(void **state)
{
    (void)state;
    struct raw r;

    assert_true(raw_open(&w, NULL, &r));
    raw_close(&r);
    assert_false(raw_open(&w, &(struct raw_conf){.alpn = "http/1.1"}, &r));
    raw_close(&r);
    /* Without ALPN the handshake goes through and the connection ends. */
    (void)raw_open(&w, &(struct raw_conf){.alpn = ""}, &r);
    assert_true(raw_is_closed(&r));
    raw_close(&r);
}

static void tls_below_1_3_is_refused(void **state)
{
    (void)state;
    struct raw r;

    assert_false(raw_open(&w, &(struct raw_conf){.max_version = TLS1_2_VERSION}, &r));
    raw_close(&r);
}

static void there_is_nothing_to_resume(void **state)
{
    (void)state;
    struct raw r;
    uint8_t head[16];

    assert_true(raw_open(&w, NULL, &r));
    assert_true(raw_hello(&r));
    assert_true(raw_await(&r, 4, head)); /* tickets would have come before it */
    assert_int_equal(SSL_SESSION_is_resumable(SSL_get0_session(r.ssl)), 0);
    assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get0_session(r.ssl)), 0);
    raw_close(&r);
}

/* Logs in with such a certificate; true when a request is answered. */
static bool login_with(enum raw_key kind, size_t padding, struct point *key)
{
    struct raw_conf conf = {0};
    struct raw r;
    uint8_t head[16];
    bool answered;
    size_t n = 0;

    raw_certify(kind, padding, &conf.cert, &conf.key);
    if (key) {
        assert_int_equal(EVP_PKEY_set_utf8_string_param(
                             conf.key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed"),
                         1);
        assert_int_equal(EVP_PKEY_get_octet_string_param(conf.key,
                                                         OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, key->b,
                                                         sizeof key->b, &n),
                         1);
    }
    /* In TLS 1.3 the client learns of a refused certificate when it reads. */
    answered = raw_open(&w, &conf, &r) && raw_hello(&r) && raw_request(&r, 1, false) &&
               raw_await(&r, 1, head);
    raw_close(&r);
    X509_free(conf.cert);
    EVP_PKEY_free(conf.key);
    return answered;
}

static void any_p256_certificate_logs_in_by_its_key(void **state)
{
    (void)state;
    struct point key = {{0}};

    assert_true(login_with(RAW_P256, 0, &key));
    assert_true(w.seen.has_key);
    assert_memory_equal(w.seen.key.b, key.b, 65);
    assert_true(login_with(RAW_P256_COMPRESSED, 600, &key));
    assert_true(w.seen.has_key);
    assert_memory_equal(w.seen.key.b, key.b, 65);
}

static void other_keys_and_large_certificates_are_refused(void **state)
{
    (void)state;
    unsigned before = w.requests;

    assert_false(login_with(RAW_P384, 0, NULL));
    assert_false(login_with(RAW_RSA, 0, NULL));
    assert_false(login_with(RAW_ED25519, 0, NULL));
    assert_false(login_with(RAW_P256, 1024, NULL));
    assert_int_equal(w.requests, before);
}

static wax_rc reloaded;
static char reload_said[256];

static void reload(struct world *x)
{
    reloaded = net_server_reload(x->server, reload_said, sizeof reload_said);
}

/* The serial of the certificate that the server shows. */
static void serial(char out[64])
{
    struct raw r;
    X509 *cert;
    BIGNUM *n;
    char *hex;

    assert_true(raw_open(&w, NULL, &r));
    cert = SSL_get0_peer_certificate(r.ssl);
    n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    hex = BN_bn2hex(n);
    (void)snprintf(out, 64, "%s", hex);
    OPENSSL_free(hex);
    BN_free(n);
    raw_close(&r);
}

static void a_new_certificate_is_taken_while_serving(void **state)
{
    (void)state;
    struct net_client *c = world_client(&w, true);
    struct net_reply r = {0};
    char before[64], after[64];

    serial(before);
    OK(net_client_request(c, "GET", "/echo", (struct bytes){0}, 5000, &r));
    world_certify(&w, (const char *const[]){"localhost", "127.0.0.1"}, 2, 0, 30);
    world_do(&w, reload);
    OK(reloaded);
    serial(after);
    assert_string_not_equal(before, after);
    OK(net_client_request(c, "GET", "/echo", (struct bytes){0}, 5000, &r));
    net_reply_done(&r);
    net_client_free(c);
}

static void a_damaged_certificate_is_not_taken_and_the_old_one_stays(void **state)
{
    (void)state;
    char before[64], after[64];

    serial(before);
    OK(os_file_write(w.cert_file, BYTES_STR("no certificate"), OS_FILE_REPLACE));
    world_do(&w, reload);
    assert_int_equal(reloaded, WAX_E_TLS);
    assert_non_null(strstr(reload_said, w.cert_file));
    serial(after);
    assert_string_equal(before, after);
}

static void a_server_without_a_usable_certificate_does_not_start(void **state)
{
    (void)state;
    struct net_server_conf conf = {
        .listen = "127.0.0.1:0", .cert_file = w.cert_file, .key_file = w.login_key_file};
    struct net_server *s;
    struct net_loop *l;
    char err[256];

    OK(net_loop_new(&l));
    assert_int_equal(net_server_new(l, &conf, &w.handler, &s, err, sizeof err), WAX_E_TLS);
    assert_non_null(strstr(err, "key"));
    conf.key_file = w.key_file;
    conf.listen = "here";
    assert_int_equal(net_server_new(l, &conf, &w.handler, &s, err, sizeof err), WAX_E_INVAL);
    conf.listen = net_server_address(w.server); /* taken */
    assert_int_equal(net_server_new(l, &conf, &w.handler, &s, err, sizeof err), WAX_E_NET);
    assert_non_null(strstr(err, conf.listen));
    conf.listen = "[::]:0";
    OK(net_server_new(l, &conf, &w.handler, &s, err, sizeof err));
    assert_true(net_server_port(s) > 0);
    net_server_free(s);
    net_loop_free(l);
}

static void the_curl_program_can_log_in(void **state)
{
    (void)state;
    char command[1024], line[128] = "";
    FILE *p;

    if (system("command -v curl >/dev/null 2>&1") != 0)
        skip();
    (void)snprintf(command, sizeof command,
                   "curl -sS --http2 --cacert %s --cert %s --key %s -d hello "
                   "-w ' %%{http_version} %%{http_code}' https://localhost:%u/echo",
                   w.ca_file, w.login_cert_file, w.login_key_file, net_server_port(w.server));
    p = popen(command, "r");
    assert_non_null(p);
    (void)!fgets(line, sizeof line, p);
    assert_int_equal(pclose(p), 0);
    assert_string_equal(line, "hello 2 200");
    assert_true(w.seen.has_key);
    assert_memory_equal(w.seen.key.b, ec_public(w.login)->b, 65);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(only_h2_is_spoken),
        TEST(tls_below_1_3_is_refused),
        TEST(there_is_nothing_to_resume),
        TEST(any_p256_certificate_logs_in_by_its_key),
        TEST(other_keys_and_large_certificates_are_refused),
        TEST(a_new_certificate_is_taken_while_serving),
        TEST(a_damaged_certificate_is_not_taken_and_the_old_one_stays),
        TEST(a_server_without_a_usable_certificate_does_not_start),
        TEST(the_curl_program_can_log_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
