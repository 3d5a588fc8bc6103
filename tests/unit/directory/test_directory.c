/* The directory's rules, told through the router: who gets in, what is published, what is
 * refused. */
#include "rig.h"

static struct rig g;
static struct person ann, bob;

static int start(void **state)
{
    rig_start(&g, true);
    person_make(&ann, "ann@example.org", true, 1);
    person_make(&bob, "bob@example.org", false, 2);
    return people_start(state);
}

static int stop(void **state)
{
    (void)state;
    person_done(&ann);
    person_done(&bob);
    rig_stop(&g);
    return 0;
}

static Wax__V1__DirectoryReply *directory_of(const struct answer *a)
{
    ProtobufCMessage *m = NULL;

    assert_int_equal(
        proto_unpack(&wax__v1__directory_reply__descriptor, buf_view(&a->body), API_BODY_MAX, &m),
        WAX_OK);
    return (Wax__V1__DirectoryReply *)(void *)m;
}

static void check_newest(const struct person *p, const Wax__V1__DirectoryReply *d)
{
    assert_int_equal(d->version, p->head.manifest.seq);
    assert_true(d->n_versions > 0);
    assert_true(bytes_eq(PB_BYTES(d->versions[d->n_versions - 1]->chain_link),
                         buf_view(&p->links[p->n_links - 1])));
    assert_int_equal(d->checkpoint_record.len, 0);
}

/* What a look-up by that person shows. */
static void look(const struct person *by, const char *path, const struct person *of, size_t links)
{
    struct answer a = {.status = 0};

    rig_call(&g, &by->keys, "GET", path, BYTES(NULL, 0), &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.type, HTTP_MEDIA_TYPE);
    Wax__V1__DirectoryReply *d = directory_of(&a);
    check_newest(of, d);
    assert_int_equal(d->n_versions, links);
    assert_int_equal(d->n_bundle_records, of->head.manifest.n_devices);
    proto_free(&d->base);
    answer_done(&a);
}

static int post(const struct person *by, const char *path, const struct buf *link,
                const struct prekey *bundles, size_t n)
{
    struct buf body = {0};

    body_update(&body, buf_view(link), bundles, n);
    int status = rig_status(&g, by ? &by->keys : NULL, "POST", path, buf_view(&body));
    buf_done(&body);
    return status;
}

static void an_account_is_made_and_found_by_its_handle(void **state)
{
    (void)state;
    rig_register(&g, &ann);
    rig_register(&g, &ann); /* the same record again */
    look(&ann, "/v1/directory/ann@example.org", &ann, 1);
    look(&ann, "/v1/directory/ann%40example.org?version=0&generation=3", &ann, 1);
    rig_expect(&g, &ann.keys, "GET", "/v1/directory/nobody@example.org", BYTES(NULL, 0), 404,
               "unknown-handle");
    rig_expect(&g, &ann.keys, "GET", "/v1/directory/ann@elsewhere.org", BYTES(NULL, 0), 404,
               "unknown-handle");
    rig_expect(&g, &ann.keys, "GET", "/v1/directory/Ann@example.org", BYTES(NULL, 0), 422,
               "handle-invalid");
    rig_expect(&g, &ann.keys, "GET", "/v1/directory/ann%4", BYTES(NULL, 0), 400, "bad-request");
    rig_expect(&g, &ann.keys, "GET", "/v1/directory/ann@example.org?version=x", BYTES(NULL, 0), 400,
               "bad-request");
}

static void a_handle_is_given_once_and_only_in_our_domain(void **state)
{
    struct person other, foreign;
    struct buf body = {0};

    (void)state;
    rig_register(&g, &ann);
    person_make(&other, "ann@example.org", false, 3);
    body_register(&body, buf_view(&other.links[0]), BYTES_OF(other.prekey.record), "");
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 409, "handle-taken");
    buf_reset(&body);
    person_make(&foreign, "eve@elsewhere.org", false, 4);
    body_register(&body, buf_view(&foreign.links[0]), BYTES_OF(foreign.prekey.record), "");
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 422, "handle-invalid");
    buf_done(&body);
    person_done(&other);
    person_done(&foreign);
}

static void an_invitation_admits_as_often_as_it_says(void **state)
{
    char token[32];
    struct buf body = {0};

    (void)state;
    g.conf.registration_open = false;
    server_reconfigure(g.server, &g.conf);
    rig_invite(&g, 1, g.now + HOUR, token);
    body_register(&body, buf_view(&ann.links[0]), BYTES_OF(ann.prekey.record), "");
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 403, "invite-invalid");
    buf_reset(&body);
    body_register(&body, buf_view(&ann.links[0]), BYTES_OF(ann.prekey.record), token);
    assert_int_equal(rig_status(&g, NULL, "POST", "/v1/accounts", buf_view(&body)), 200);
    assert_int_equal(rig_status(&g, NULL, "POST", "/v1/accounts", buf_view(&body)), 200);
    buf_reset(&body);
    body_register(&body, buf_view(&bob.links[0]), BYTES_OF(bob.prekey.record), token);
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 403, "invite-invalid");
    rig_invite(&g, 2, g.now + 1000, token);
    g.now += 2000;
    buf_reset(&body);
    body_register(&body, buf_view(&bob.links[0]), BYTES_OF(bob.prekey.record), token);
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 403, "invite-invalid");
    buf_done(&body);
}

static void what_does_not_verify_is_not_published(void **state)
{
    struct buf body = {0}, link = {0};
    uint8_t bundle[BUNDLE_RECORD];

    (void)state;
    buf_bytes(&link, buf_view(&ann.links[0]));
    link.p[link.n - 1] ^= 1; /* the join's signature by DTK */
    body_register(&body, buf_view(&link), BYTES_OF(ann.prekey.record), "");
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 400, "bad-request");
    buf_reset(&body);
    memcpy(bundle, ann.prekey.record, sizeof bundle);
    bundle[20] ^= 1;
    body_register(&body, buf_view(&ann.links[0]), BYTES_OF(bundle), "");
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 400, "bad-request");
    buf_reset(&body);
    body_register(&body, buf_view(&ann.links[0]), BYTES_OF(bob.prekey.record), "");
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 400, "bad-request");
    rig_expect(&g, NULL, "POST", "/v1/accounts", BYTES_STR("nonsense"), 400, "bad-request");
    g.now -= 2 * HOUR; /* then the manifest is from the future */
    buf_reset(&body);
    body_register(&body, buf_view(&ann.links[0]), BYTES_OF(ann.prekey.record), "");
    rig_expect(&g, NULL, "POST", "/v1/accounts", buf_view(&body), 400, "bad-request");
    g.now += 2 * HOUR;
    rig_register(&g, &ann);
    buf_done(&body);
    buf_done(&link);
}

static void the_next_manifest_is_published_by_the_account_alone(void **state)
{
    struct device_keys laptop;

    (void)state;
    rig_register(&g, &ann);
    rig_register(&g, &bob);
    rig_add_device(&g, &ann, "laptop", &laptop, 5);
    look(&bob, "/v1/directory/ann@example.org", &ann, 2);
    look(&bob, "/v1/directory/ann@example.org?version=1", &ann, 1);
    look(&bob, "/v1/directory/ann@example.org?version=2", &ann, 1);
    assert_int_equal(rig_status(&g, &laptop, "GET", "/v1/counter", BYTES(NULL, 0)), 404);
    rig_publish(&g, &ann, NULL, 0); /* the same bytes again */

    struct update_change change = {.rename_dev = &laptop.dev, .rename_to = "old laptop"};
    person_change(&ann, &change, NULL, NOW);
    const struct buf *link = &ann.links[ann.n_links - 1];
    assert_int_equal(post(NULL, "/v1/directory/ann@example.org", link, NULL, 0), 401);
    assert_int_equal(post(&bob, "/v1/directory/ann@example.org", link, NULL, 0), 401);
    assert_int_equal(post(&ann, "/v1/directory/bob@example.org", link, NULL, 0), 422);
    assert_int_equal(post(&ann, "/v1/directory/ann@example.org", link, &ann.prekey, 1), 400);
    assert_int_equal(post(&ann, "/v1/directory/ann@example.org", link, NULL, 0), 200);
    device_keys_done(&laptop);
}

static void two_manifests_of_one_seq_meet_and_the_later_is_shown_the_other(void **state)
{
    struct device_keys laptop;
    struct answer a = {.status = 0};
    struct buf mine = {0}, body = {0};

    (void)state;
    rig_register(&g, &ann);
    rig_add_device(&g, &ann, "laptop", &laptop, 5);
    struct update_change one = {.rename_dev = &laptop.dev, .rename_to = "one"};
    struct update_change two = {.rename_dev = &laptop.dev, .rename_to = "two"};
    struct update_signer signer = update_signer_device(&laptop);
    assert_int_equal(update_make(&ann.head, &signer, &one, NULL, NOW, &mine), WAX_OK);
    person_change(&ann, &two, NULL, NOW);
    rig_publish(&g, &ann, NULL, 0);

    body_update(&body, buf_view(&mine), NULL, 0);
    rig_call(&g, &laptop, "POST", "/v1/directory/ann@example.org", buf_view(&body), &a);
    assert_int_equal(a.status, 409);
    assert_string_equal(a.type, HTTP_MEDIA_TYPE);
    Wax__V1__DirectoryReply *d = directory_of(&a);
    check_newest(&ann, d);
    assert_int_equal(d->n_versions, 1);
    proto_free(&d->base);
    answer_done(&a);
    buf_done(&mine);
    buf_done(&body);
    device_keys_done(&laptop);
}

static void a_chain_that_breaks_is_refused(void **state)
{
    struct manifest m;
    struct buf link = {0};

    (void)state;
    rig_register(&g, &ann);
    m = successor_of(&ann, NOW);
    m.prev.b[0] ^= 1;
    forge(&m, ann.keys.dsk, NULL, 0, &link);
    assert_int_equal(post(&ann, "/v1/directory/ann@example.org", &link, NULL, 0), 400);
    buf_reset(&link);
    m = successor_of(&ann, NOW);
    forge(&m, bob.keys.dsk, NULL, 0, &link);
    assert_int_equal(post(&ann, "/v1/directory/ann@example.org", &link, NULL, 0), 400);
    buf_reset(&link);
    m = successor_of(&ann, NOW);
    m.seq++;
    forge(&m, ann.keys.dsk, NULL, 0, &link);
    assert_int_equal(post(&ann, "/v1/directory/ann@example.org", &link, NULL, 0), 409);
    look(&ann, "/v1/directory/ann@example.org", &ann, 1);
    buf_done(&link);
}

static void the_recovery_key_gets_in_without_any_device(void **state)
{
    struct rng rng = people_rng(9);
    struct device_keys fresh;
    struct prekey first;
    struct manifest_device entry;
    struct answer a = {.status = 0};
    struct buf body = {0};

    (void)state;
    rig_register(&g, &ann);
    assert_int_equal(device_keys_make(&rng, &fresh), WAX_OK);
    assert_int_equal(prekey_make(&fresh, &rng, NOW, 0, &first), WAX_OK);
    assert_int_equal(device_keys_entry(&fresh, "new phone", &entry), WAX_OK);
    struct update_change change = {.revoke_all = true, .add = &entry, .n_add = 1};
    struct update_signer signer = update_signer_recovery(ann.recovery);
    person_change_as(&ann, &signer, &change, &fresh, NOW);
    assert_int_equal(rig_status(&g, &fresh, "GET", "/v1/directory/ann@example.org", BYTES(NULL, 0)),
                     200);
    body_update(&body, buf_view(&ann.links[ann.n_links - 1]), &first, 1);
    rig_call(&g, &fresh, "POST", "/v1/directory/ann@example.org", buf_view(&body), &a);
    assert_int_equal(a.status, 200);
    answer_done(&a);
    assert_int_equal(g.n_revoked, 1);
    assert_true(ID_EQ(&g.revoked[0], ec_public(ann.keys.dtk)));
    rig_expect(&g, &ann.keys, "GET", "/v1/counter", BYTES(NULL, 0), 401, "not-a-device");
    assert_int_equal(rig_status(&g, &fresh, "GET", "/v1/counter", BYTES(NULL, 0)), 404);
    buf_done(&body);
    prekey_done(&first);
    device_keys_done(&fresh);
}

static int put_bundle(const struct person *as, const struct prekey *p)
{
    struct buf body = {0};

    body_bundle(&body, BYTES_OF(p->record));
    int status = rig_status(&g, &as->keys, "PUT", "/v1/bundle", buf_view(&body));
    buf_done(&body);
    return status;
}

static void a_bundle_follows_the_older_one_never_the_newer(void **state)
{
    struct rng rng = people_rng(10);
    struct prekey next, later;

    (void)state;
    rig_register(&g, &ann);
    rig_register(&g, &bob);
    assert_int_equal(prekey_make(&ann.keys, &rng, NOW + 1000, 0, &next), WAX_OK);
    assert_int_equal(prekey_make(&ann.keys, &rng, NOW + 2 * HOUR, 0, &later), WAX_OK);
    assert_int_equal(put_bundle(&ann, &next), 200);
    assert_int_equal(put_bundle(&ann, &next), 200);
    assert_int_equal(put_bundle(&ann, &ann.prekey), 409);
    assert_int_equal(put_bundle(&bob, &next), 400);
    assert_int_equal(put_bundle(&ann, &later), 400); /* over an hour ahead */
    rig_expect(&g, &ann.keys, "PUT", "/v1/bundle", BYTES_STR("x"), 400, "bad-request");
    prekey_done(&next);
    prekey_done(&later);
}

static void a_key_in_use_elsewhere_is_refused(void **state)
{
    struct manifest_device entry;
    struct buf link = {0}, body = {0};

    (void)state;
    rig_register(&g, &ann);
    rig_register(&g, &bob);
    assert_int_equal(device_keys_entry(&bob.keys, "bob's own", &entry), WAX_OK);
    struct update_change change = {.add = &entry, .n_add = 1};
    struct update_signer signer = update_signer_device(&ann.keys);
    assert_int_equal(update_make(&ann.head, &signer, &change, &bob.keys, NOW, &link), WAX_OK);
    body_update(&body, buf_view(&link), NULL, 0);
    rig_expect(&g, &ann.keys, "POST", "/v1/directory/ann@example.org", buf_view(&body), 400,
               "bad-request");
    buf_done(&link);
    buf_done(&body);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(an_account_is_made_and_found_by_its_handle),
        STORY(a_handle_is_given_once_and_only_in_our_domain),
        STORY(an_invitation_admits_as_often_as_it_says),
        STORY(what_does_not_verify_is_not_published),
        STORY(the_next_manifest_is_published_by_the_account_alone),
        STORY(two_manifests_of_one_seq_meet_and_the_later_is_shown_the_other),
        STORY(a_chain_that_breaks_is_refused),
        STORY(the_recovery_key_gets_in_without_any_device),
        STORY(a_bundle_follows_the_older_one_never_the_newer),
        STORY(a_key_in_use_elsewhere_is_refused),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
