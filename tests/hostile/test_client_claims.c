/* Hostile clients that claim what is not theirs: other people's logins, mailboxes, acks and
 * messages. */
#include "siege.h"

#include <stdlib.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "../../bench/measure.h"
#include "base/mem.h"
#include "wire/proto.h"

enum { OTHER = FLOOD_USERS, USERS };

static int start(void **state) { return siege_start(state, USERS - FLOOD_USERS); }

static const struct user *user(const struct siege *s, size_t i) { return &s->site.users[i]; }

static int ack_as(const struct siege *s, size_t who, const char *device, const uint64_t *seqs,
                  size_t n, struct foe_answer *a)
{
    Wax__V1__AckRequest r = WAX__V1__ACK_REQUEST__INIT;
    struct buf body = {0};

    r.seqs = (uint64_t *)(uintptr_t)seqs;
    r.n_seqs = n;
    OK(proto_pack(&r.base, &body));
    (void)ask_as(s, user(s, who), device, "POST", "/v1/mailbox/ack", buf_view(&body), a);
    buf_done(&body);
    return a->status;
}

/* --- Logins --------------------------------------------------------------------------- */

static void another_devices_name_opens_nothing_of_its(void **state)
{
    struct siege *s = *state;
    static const char *const asks[][2] = {{"GET", "/v1/mailbox"},   {"POST", "/v1/mailbox/ack"},
                                          {"GET", "/v1/counter"},   {"PUT", "/v1/counter"},
                                          {"POST", "/v1/messages"}, {"PUT", "/v1/bundle"}};
    const char *victim = user(s, FLOOD_VICTIM)->device;
    struct foe_answer a = {0};

    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
        (void)ask_as(s, user(s, FLOOD_FOE), victim, asks[i][0], asks[i][1], BYTES(NULL, 0), &a);
        refused_with(&a, 401, "not-a-device");
        (void)ask_as(s, NULL, victim, asks[i][0], asks[i][1], BYTES(NULL, 0), &a);
        refused_with(&a, 401, "not-a-device");
    }
    (void)ask_as(s, user(s, FLOOD_FOE), "0", "GET", "/v1/counter", BYTES(NULL, 0), &a);
    refused_with(&a, 401, "not-a-device");
    buf_done(&a.body);
}

static void a_foe_who_fails_to_log_in_slows_only_himself_down(void **state)
{
    struct siege *s = *state;
    const struct user *foe = user(s, FLOOD_FOE), *victim = user(s, FLOOD_VICTIM);
    struct foe f;
    struct foe_answer a = {0};
    unsigned limited = 0;

    assert_true(foe_open(&s->site, foe, &f));
    for (int i = 0; i < 400; i++)
        limited += foe_ask(&f, "GET", "/v1/counter", victim->device, BYTES(NULL, 0), &a) == 429;
    foe_close(&f);
    assert_true(limited > 0);
    /* From the same address, with her own key. */
    assert_int_equal(ask_as(s, victim, victim->device, "GET", "/v1/counter", BYTES(NULL, 0), &a),
                     404);
    buf_done(&a.body);
}

/* The point of one, the scalar of the other. */
static EVP_PKEY *mixed_key(const struct user *point, const struct user *scalar)
{
    struct key32 d;
    OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    ec_scalar(scalar->keys.dtk, &d);
    BIGNUM *bn = BN_bin2bn(d.b, sizeof d.b, NULL);
    const struct point *p = ec_public(point->keys.dtk);
    assert_true(b && ctx && bn);
    assert_int_equal(
        OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0), 1);
    assert_int_equal(
        OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, p->b, sizeof p->b), 1);
    assert_int_equal(OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, bn), 1);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(b);
    BN_free(bn);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static void a_certificate_without_its_key_does_not_log_in(void **state)
{
    struct siege *s = *state;
    const struct user *victim = user(s, FLOOD_VICTIM);
    EVP_PKEY *key = mixed_key(victim, user(s, FLOOD_FOE));
    struct foe f;
    struct foe_answer a = {0};

    /* TLS 1.3's client is through before the server has judged the certificate. */
    (void)foe_tls(&s->site, &(struct foe_how){.as = victim, .key = key}, &f);
    OK(nghttp2_hd_inflate_new(&f.inflater));
    (void)foe_write(&f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    (void)foe_frame(&f, F_SETTINGS, 0, 0, NULL, 0);
    assert_int_equal(foe_ask(&f, "GET", "/v1/counter", victim->device, BYTES(NULL, 0), &a), 0);
    foe_close(&f);
    EVP_PKEY_free(key);
    buf_done(&a.body);
}

/* Moves what TLS has written to the socket, and into ret. */
static void forward(struct foe *f, BIO *out, struct buf *ret)
{
    char *p;
    long n = BIO_get_mem_data(out, &p);

    if (n > 0) {
        buf_add(ret, p, (size_t)n);
        assert_int_equal(write(f->fd, p, (size_t)n), n);
    }
    (void)BIO_reset(out);
}

/* The victim logs in and asks for its mailbox; ret: every byte that it sent. */
static void record_login(const struct siege *s, struct buf *ret)
{
    const struct user *victim = user(s, FLOOD_VICTIM);
    const char *const login[] = {"wax-device", victim->device, NULL};
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    char from[8192];
    struct foe f;

    foe_tls_begin(&s->site, &(struct foe_how){.as = victim, .in = in, .out = out}, &f);
    while (SSL_connect(f.ssl) != 1) {
        forward(&f, out, ret);
        ssize_t n = read(f.fd, from, sizeof from);
        assert_true(n > 0);
        assert_int_equal(BIO_write(in, from, (int)n), n);
    }
    assert_true(foe_write(&f, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24));
    assert_true(foe_frame(&f, F_SETTINGS, 0, 0, NULL, 0));
    assert_true(foe_headers(&f, 1, "GET", "/v1/counter", login, true));
    forward(&f, out, ret);
    assert_true(read(f.fd, from, sizeof from) > 0);
    foe_close(&f);
}

static void a_login_that_was_recorded_cannot_be_played_again(void **state)
{
    struct siege *s = *state;
    struct buf bytes = {0};
    uint8_t answer[8192];
    size_t n = 0;
    ssize_t got;

    record_login(s, &bytes);
    int fd = foe_tcp(&s->site);
    assert_true(fd >= 0);
    (void)!write(fd, bytes.p, bytes.n);
    while (n < sizeof answer && (got = read(fd, answer + n, sizeof answer - n)) > 0)
        n += (size_t)got;
    /* Its flight, an alert, the end: less than an answer and a half. */
    assert_true(n < 4096);
    (void)close(fd);
    buf_done(&bytes);
}

/* --- Acks ----------------------------------------------------------------------------- */

static void acks_of_other_peoples_messages_delete_nothing(void **state)
{
    struct siege *s = *state;
    const struct user *to[] = {user(s, FLOOD_VICTIM)};
    uint64_t all[4096], seqs[64];
    struct buf body = {0};
    struct foe_answer a = {0};

    request_make(user(s, OTHER), to, 1, &body);
    assert_int_equal(ask_as(s, user(s, OTHER), user(s, OTHER)->device, "POST", "/v1/messages",
                            buf_view(&body), &a),
                     202);
    size_t n = mailbox_of(s, FLOOD_VICTIM, seqs);
    assert_true(n >= 1);
    for (size_t i = 0; i < 4096; i++)
        all[i] = i;
    assert_int_equal(ack_as(s, FLOOD_FOE, user(s, FLOOD_FOE)->device, all, 4096, &a), 200);
    assert_int_equal(ack_as(s, FLOOD_FOE, to[0]->device, all, 4096, &a), 401);
    assert_int_equal(mailbox_of(s, FLOOD_VICTIM, NULL), n);
    /* What it never got, and more than a request may have. */
    all[0] = UINT64_MAX;
    assert_int_equal(ack_as(s, FLOOD_VICTIM, to[0]->device, all, 1, &a), 200);
    assert_int_equal(mailbox_of(s, FLOOD_VICTIM, NULL), n);
    assert_int_equal(ack_as(s, FLOOD_VICTIM, to[0]->device, seqs, n, &a), 200);
    assert_int_equal(mailbox_of(s, FLOOD_VICTIM, NULL), 0);
    buf_done(&body);
    buf_done(&a.body);
}

/* --- Messages ------------------------------------------------------------------------- */

/* One envelope under a request's labels that need not fit it. */
struct forged {
    const struct user *by, *from, *labelled, *to, *account;
    bool other_fanout;
    size_t copies;
};

static void post_forged(const struct siege *s, const struct forged *x, struct foe_answer *a)
{
    uint8_t fanout[16] = {1}, other[16] = {2};
    struct buf envelopes[2] = {{0}}, body = {0};
    struct dev_id devices[2] = {x->labelled->keys.dev, x->labelled->keys.dev};
    const struct user *accounts[] = {x->account, x->to};

    for (size_t i = 0; i < x->copies; i++)
        envelope_make(x->from, &x->to->keys.dev, x->other_fanout ? other : fanout, false,
                      &envelopes[i]);
    request_pack(accounts, 2, fanout, devices, envelopes, x->copies, &body);
    (void)ask_as(s, x->by, x->by->device, "POST", "/v1/messages", buf_view(&body), a);
    buf_done(&envelopes[0]);
    buf_done(&envelopes[1]);
    buf_done(&body);
}

static void messages_under_false_labels_reach_nobody(void **state)
{
    struct siege *s = *state;
    const struct user *foe = user(s, FLOOD_FOE), *victim = user(s, FLOOD_VICTIM),
                      *other = user(s, OTHER);
    const struct forged forged[] = {
        {foe, other, victim, victim, foe, false, 1}, /* in another's name */
        {foe, foe, other, victim, foe, false, 1},    /* for another than the label says */
        {foe, foe, victim, victim, foe, true, 1},    /* of another fan-out */
        {foe, foe, victim, victim, foe, false, 2},   /* twice for one device */
        {foe, foe, victim, victim, other, false, 1}, /* without his own account */
        {foe, foe, victim, victim, foe, false, 0},   /* nothing at all */
    };
    struct foe_answer a = {0};

    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        post_forged(s, &forged[i], &a);
        refused_with(&a, 400, "bad-request");
    }
    assert_int_equal(mailbox_of(s, FLOOD_VICTIM, NULL), 0);
    assert_int_equal(mailbox_of(s, OTHER, NULL), 0);
    buf_done(&a.body);
}

static void a_fan_out_over_the_limit_is_refused_whole(void **state)
{
    struct siege *s = *state;
    enum { N = 4097 };
    const struct user *foe = user(s, FLOOD_FOE), *accounts[] = {foe, user(s, FLOOD_VICTIM)};
    struct buf one = {0}, *envelopes = must_alloc(N * sizeof *envelopes), body = {0};
    struct dev_id *devices = must_alloc(N * sizeof *devices);
    uint8_t fanout[16] = {3};
    struct foe_answer a = {0};

    buf_zero(&one, 1); /* none of them is read */
    for (size_t i = 0; i < N; i++) {
        put_u32(devices[i].b, (uint32_t)i);
        envelopes[i] = one;
    }
    request_pack(accounts, 2, fanout, devices, envelopes, N, &body);
    (void)ask_as(s, foe, foe->device, "POST", "/v1/messages", buf_view(&body), &a);
    assert_true(a.status == 400 || a.status == 413);
    assert_int_equal(mailbox_of(s, FLOOD_VICTIM, NULL), 0);
    mem_free(envelopes);
    mem_free(devices);
    buf_done(&one);
    buf_done(&body);
    buf_done(&a.body);
}

static void lengths_that_lie_are_refused_without_room_for_them(void **state)
{
    struct siege *s = *state;
    static const char *const bodies[] = {
        "\x0a\xff\xff\xff\xff\x7f",                     /* a field of 32 GiB */
        "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",     /* of more than there is */
        "\x0a\x10short",                                /* of more than came */
        "\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",             /* groups in groups */
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", /* a number without end */
    };
    static const char *const paths[] = {"/v1/messages", "/v1/mailbox/ack",
                                        "/v1/directory/bench02@bench.example"};
    const struct user *foe = user(s, FLOOD_FOE);
    struct foe_answer a = {0};

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++) {
            (void)ask_as(s, foe, foe->device, "POST", paths[k], BYTES_STR(bodies[i]), &a);
            refused_with(&a, 400, "bad-request");
        }
    buf_done(&a.body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        UNDER_SIEGE(another_devices_name_opens_nothing_of_its),
        UNDER_SIEGE(a_certificate_without_its_key_does_not_log_in),
        UNDER_SIEGE(a_login_that_was_recorded_cannot_be_played_again),
        UNDER_SIEGE(acks_of_other_peoples_messages_delete_nothing),
        UNDER_SIEGE(messages_under_false_labels_reach_nobody),
        UNDER_SIEGE(a_fan_out_over_the_limit_is_refused_whole),
        UNDER_SIEGE(lengths_that_lie_are_refused_without_room_for_them),
        UNDER_SIEGE(a_foe_who_fails_to_log_in_slows_only_himself_down),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("hostile clients: claims", tests, start, siege_stop);
}
