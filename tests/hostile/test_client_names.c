/* Hostile clients in the directory: other people's handles, manifests and keys; and a device that
 * was revoked. */
#include "siege.h"

#include "../../bench/measure.h"
#include "account/genesis.h"
#include "account/update.h"
#include "base/mem.h"
#include "crypto/cert.h"
#include "os/clock.h"
#include "os/random.h"
#include "wire/proto.h"

enum { TWICE = FLOOD_USERS, USERS }; /* TWICE: gets a second device, and loses it */

static int start(void **state) { return siege_start(state, USERS - FLOOD_USERS); }

static const struct user *user(const struct siege *s, size_t i) { return &s->site.users[i]; }

/* The newest link of an account, and its first bundle, as the directory has them. */
static void look_up(const struct siege *s, size_t who, struct chain_prev *prev, struct buf *link,
                    struct buf *bundle)
{
    char path[128];
    struct foe_answer a = {0};
    struct chain_link decoded;
    ProtobufCMessage *m = NULL;

    (void)snprintf(path, sizeof path, "/v1/directory/%s", user(s, who)->handle);
    assert_int_equal(ask_as(s, user(s, who), user(s, who)->device, "GET", path, BYTES(NULL, 0), &a),
                     200);
    OK(proto_unpack(&wax__v1__directory_reply__descriptor, buf_view(&a.body), 1 << 20, &m));
    const Wax__V1__DirectoryReply *r = (const void *)m;
    assert_true(r->n_versions >= 1 && r->n_bundle_records >= 1);
    buf_bytes(link, PB_BYTES(r->versions[r->n_versions - 1]->chain_link));
    buf_bytes(bundle, PB_BYTES(r->bundle_records[0]));
    OK(chain_link_decode(buf_view(link), &decoded));
    OK(chain_prev_of(&decoded, prev));
    proto_free(m);
    buf_done(&a.body);
}

static int post_update(const struct siege *s, size_t by, size_t whose, struct bytes link,
                       const struct prekey *bundle, struct foe_answer *a)
{
    Wax__V1__UpdateRequest r = WAX__V1__UPDATE_REQUEST__INIT;
    ProtobufCBinaryData b = {0};
    struct buf body = {0};
    char path[128];

    r.chain_link = (ProtobufCBinaryData){link.n, (uint8_t *)(uintptr_t)link.p};
    if (bundle) {
        b = (ProtobufCBinaryData){sizeof bundle->record, (uint8_t *)(uintptr_t)bundle->record};
        r.bundle_records = &b;
        r.n_bundle_records = 1;
    }
    OK(proto_pack(&r.base, &body));
    (void)snprintf(path, sizeof path, "/v1/directory/%s", user(s, whose)->handle);
    (void)ask_as(s, user(s, by), user(s, by)->device, "POST", path, buf_view(&body), a);
    buf_done(&body);
    return a->status;
}

static void another_accounts_manifest_cannot_be_published(void **state)
{
    struct siege *s = *state;
    struct chain_prev *prev = must_alloc(sizeof *prev), *own = must_alloc(sizeof *own);
    struct buf link = {0}, bundle = {0}, next = {0}, mine = {0};
    struct update_change same = {0};
    struct update_signer victim = update_signer_device(&user(s, FLOOD_VICTIM)->keys),
                         foe = update_signer_device(&user(s, FLOOD_FOE)->keys);
    struct foe_answer a = {0};

    look_up(s, FLOOD_VICTIM, prev, &link, &bundle);
    OK(update_make(prev, &victim, &same, NULL, os_now_ms(), &next));
    /* A good one, brought by another account; its own, under another's handle; with a changed
     * byte, by its owner. */
    assert_int_equal(post_update(s, FLOOD_FOE, FLOOD_VICTIM, buf_view(&next), NULL, &a), 401);
    buf_reset(&link);
    buf_reset(&bundle);
    look_up(s, FLOOD_FOE, own, &link, &bundle);
    OK(update_make(own, &foe, &same, NULL, os_now_ms(), &mine));
    assert_int_equal(post_update(s, FLOOD_FOE, FLOOD_VICTIM, buf_view(&mine), NULL, &a), 422);
    for (size_t at = 0; at < next.n; at += 7) {
        next.p[at] ^= 1;
        (void)post_update(s, FLOOD_VICTIM, FLOOD_VICTIM, buf_view(&next), NULL, &a);
        if (a.status < 400 || a.status > 422)
            fail_msg("byte %zu: %d", at, a.status);
        next.p[at] ^= 1;
    }
    buf_reset(&link);
    buf_reset(&bundle);
    look_up(s, FLOOD_VICTIM, prev, &link, &bundle);
    assert_int_equal(prev->manifest.seq, 1);
    mem_free(prev);
    mem_free(own);
    buf_done(&link);
    buf_done(&bundle);
    buf_done(&next);
    buf_done(&mine);
    buf_done(&a.body);
}

static void another_devices_bundle_cannot_be_put(void **state)
{
    struct siege *s = *state;
    struct chain_prev *prev = must_alloc(sizeof *prev);
    struct buf link = {0}, bundle = {0}, body = {0}, again = {0};
    Wax__V1__BundleRequest r = WAX__V1__BUNDLE_REQUEST__INIT;
    const struct user *foe = user(s, FLOOD_FOE);
    struct foe_answer a = {0};

    look_up(s, FLOOD_VICTIM, prev, &link, &bundle);
    r.bundle_record = (ProtobufCBinaryData){bundle.n, bundle.p};
    OK(proto_pack(&r.base, &body));
    (void)ask_as(s, foe, foe->device, "PUT", "/v1/bundle", buf_view(&body), &a);
    refused_with(&a, 400, "bad-request");
    /* There is no stock of keys that look-ups could use up: it is the same one each time. */
    for (int i = 0; i < 50; i++) {
        buf_reset(&link);
        buf_reset(&again);
        look_up(s, FLOOD_VICTIM, prev, &link, &again);
        assert_true(bytes_eq(buf_view(&again), buf_view(&bundle)));
    }
    mem_free(prev);
    buf_done(&link);
    buf_done(&bundle);
    buf_done(&again);
    buf_done(&body);
    buf_done(&a.body);
}

/* The request to register that handle with those keys. */
static void body_register(const struct device_keys *keys, const char *handle, struct buf *out)
{
    struct genesis_in in = {.keys = keys, .handle = handle, .name = "x", .now = os_now_ms()};
    Wax__V1__RegisterRequest r = WAX__V1__REGISTER_REQUEST__INIT;
    struct buf link = {0};
    struct prekey prekey = {0};

    OK(genesis_make(&in, os_rng(), &link, &prekey));
    r.chain_link = (ProtobufCBinaryData){link.n, link.p};
    r.bundle_record = (ProtobufCBinaryData){sizeof prekey.record, prekey.record};
    buf_reset(out);
    OK(proto_pack(&r.base, out));
    buf_done(&link);
    prekey_done(&prekey);
}

static void a_handle_or_a_key_that_is_taken_stays_its_owners(void **state)
{
    struct siege *s = *state;
    struct device_keys keys = {0};
    struct buf body = {0};
    struct foe_answer a = {0};

    OK(device_keys_make(os_rng(), &keys));
    body_register(&keys, user(s, FLOOD_VICTIM)->handle, &body);
    (void)ask_as(s, NULL, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
    refused_with(&a, 409, "handle-taken");
    body_register(&user(s, FLOOD_FOE)->keys, "another@bench.example", &body);
    (void)ask_as(s, NULL, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
    refused_with(&a, 400, "bad-request");
    body_register(&keys, "foe@elsewhere.example", &body);
    (void)ask_as(s, NULL, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
    refused_with(&a, 422, "handle-invalid");
    device_keys_done(&keys);
    buf_done(&body);
    buf_done(&a.body);
}

static void of_many_who_want_one_handle_at_once_one_gets_it(void **state)
{
    struct siege *s = *state;
    enum { N = 16 };
    struct buf body = {0};
    struct foe f;
    int statuses[N];
    unsigned got = 0, taken = 0;

    assert_true(foe_open(&s->site, NULL, &f));
    for (uint32_t i = 0; i < N; i++) {
        struct device_keys keys = {0};
        OK(device_keys_make(os_rng(), &keys));
        body_register(&keys, "wanted@bench.example", &body);
        assert_true(foe_headers(&f, 2 * i + 1, "POST", "/v1/accounts", NULL, false) &&
                    foe_frame(&f, F_DATA, 1, 2 * i + 1, body.p, body.n));
        device_keys_done(&keys);
    }
    assert_true(foe_statuses(&f, N, statuses));
    for (size_t i = 0; i < N; i++) {
        got += statuses[i] == 200;
        taken += statuses[i] == 409;
    }
    assert_int_equal(got, 1);
    assert_int_equal(taken, N - 1);
    foe_close(&f);
    buf_done(&body);
}

/* The account's first device adds another one, whose login and keys are in *ret. */
static void add_device(const struct siege *s, size_t whose, struct user *ret)
{
    struct chain_prev *prev = must_alloc(sizeof *prev);
    struct buf link = {0}, bundle = {0}, next = {0}, hex = {0};
    struct manifest_device entry;
    struct prekey prekey = {0};
    struct update_signer signer = update_signer_device(&user(s, whose)->keys);
    struct update_change change = {.add = &entry, .n_add = 1};
    struct foe_answer a = {0};

    OK(device_keys_make(os_rng(), &ret->keys));
    buf_hex(&hex, BYTES_OF(ret->keys.dev.b));
    memcpy(ret->device, hex.p, 32);
    ret->acct = user(s, whose)->acct;
    OK(cert_login(ret->keys.dtk, &ret->cert));
    OK(cert_key_pem(ret->keys.dtk, &ret->key));
    look_up(s, whose, prev, &link, &bundle);
    OK(device_keys_entry(&ret->keys, "second", &entry));
    OK(prekey_make(&ret->keys, os_rng(), os_now_ms(), 0, &prekey));
    OK(update_make(prev, &signer, &change, &ret->keys, os_now_ms(), &next));
    assert_int_equal(post_update(s, whose, whose, buf_view(&next), &prekey, &a), 200);
    prekey_done(&prekey);
    mem_free(prev);
    buf_done(&link);
    buf_done(&bundle);
    buf_done(&next);
    buf_done(&hex);
    buf_done(&a.body);
}

static void a_revoked_device_is_cut_off_at_once_and_stays_out(void **state)
{
    struct siege *s = *state;
    struct user second = {0};
    struct chain_prev *prev = must_alloc(sizeof *prev);
    struct buf link = {0}, bundle = {0}, next = {0}, body = {0};
    struct update_signer signer = update_signer_device(&user(s, TWICE)->keys);
    struct update_change change = {.revoke = &second.keys.dev, .n_revoke = 1};
    const struct user *to[] = {user(s, FLOOD_VICTIM)};
    struct foe f;
    struct foe_answer a = {0};

    add_device(s, TWICE, &second);
    /* It holds a stream, and is revoked. */
    const char *const login[] = {"wax-device", second.device, NULL};
    assert_true(foe_open(&s->site, &second, &f));
    assert_true(foe_headers(&f, 1, "GET", "/v1/mailbox", login, true));
    assert_int_equal(foe_status(&f, 1), 200);
    look_up(s, TWICE, prev, &link, &bundle);
    OK(update_make(prev, &signer, &change, NULL, os_now_ms(), &next));
    assert_int_equal(post_update(s, TWICE, TWICE, buf_view(&next), NULL, &a), 200);
    assert_true(foe_is_closed(&f));
    foe_close(&f);

    (void)ask_as(s, &second, second.device, "GET", "/v1/mailbox", BYTES(NULL, 0), &a);
    refused_with(&a, 401, "not-a-device");
    request_make(&second, to, 1, &body);
    (void)ask_as(s, &second, second.device, "POST", "/v1/messages", buf_view(&body), &a);
    refused_with(&a, 401, "not-a-device");
    /* It was a good signer once: a manifest that brings it back is none of the account's. */
    signer = update_signer_device(&second.keys);
    buf_reset(&next);
    assert_int_equal(
        update_make(prev, &signer, &(struct update_change){0}, NULL, os_now_ms(), &next), WAX_OK);
    (void)post_update(s, TWICE, TWICE, buf_view(&next), NULL, &a);
    assert_true(a.status == 409 || a.status == 400);
    assert_int_equal(mailbox_of(s, FLOOD_VICTIM, NULL), 0);
    device_keys_done(&second.keys);
    buf_done(&second.cert);
    buf_done(&second.key);
    mem_free(prev);
    buf_done(&link);
    buf_done(&bundle);
    buf_done(&next);
    buf_done(&body);
    buf_done(&a.body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        UNDER_SIEGE(another_accounts_manifest_cannot_be_published),
        UNDER_SIEGE(another_devices_bundle_cannot_be_put),
        UNDER_SIEGE(a_handle_or_a_key_that_is_taken_stays_its_owners),
        UNDER_SIEGE(of_many_who_want_one_handle_at_once_one_gets_it),
        UNDER_SIEGE(a_revoked_device_is_cut_off_at_once_and_stays_out),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("hostile clients: names", tests, start, siege_stop);
}
