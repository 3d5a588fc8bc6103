/* POST /v1/messages: what is accepted is stored for every device, what is refused for none. */
#include "rig.h"

static struct rig g;
static struct person ann, bob;
static struct device_keys laptop; /* bob's second */
static struct fan fan;
static struct answer a;

static int start(void **state)
{
    (void)state;
    rig_start(&g, true);
    person_make(&ann, "ann@example.org", true, 1);
    person_make(&bob, "bob@example.org", false, 2);
    rig_register(&g, &ann);
    rig_register(&g, &bob);
    rig_add_device(&g, &bob, "laptop", &laptop, 3);
    fan_start(&fan, 1);
    fan_account(&fan, &ann);
    fan_account(&fan, &bob);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    answer_done(&a);
    fan_done(&fan);
    device_keys_done(&laptop);
    person_done(&ann);
    person_done(&bob);
    rig_stop(&g);
    return 0;
}

static void check_results(const struct answer *got, const int *want, size_t n)
{
    Wax__V1__SendReply *r = fan_reply(got);

    assert_int_equal(r->n_results, n);
    assert_int_equal(r->accepted_at, g.now);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(r->results[i]->result, want[i]);
    proto_free(&r->base);
}

static Wax__V1__SendConflict *conflict_of(const struct answer *got)
{
    ProtobufCMessage *m = NULL;

    assert_int_equal(got->status, 409);
    assert_string_equal(got->type, HTTP_MEDIA_TYPE);
    assert_int_equal(
        proto_unpack(&wax__v1__send_conflict__descriptor, buf_view(&got->body), API_BODY_MAX, &m),
        WAX_OK);
    return (Wax__V1__SendConflict *)(void *)m;
}

static void refuse(const char *name, int status)
{
    fan_post(&g, &fan, &ann.keys, &a);
    expect_problem(&a, status, name);
}

/* How many frames of stored envelopes a device finds. */
static size_t waiting(const struct device_keys *k)
{
    struct answer s = {.status = 0};
    struct frame f;
    size_t at = 0, n = 0;

    rig_call(&g, k, "GET", "/v1/mailbox?after=0", BYTES(NULL, 0), &s);
    assert_int_equal(s.status, 200);
    while (next_frame(&s, &at, &f))
        n += f.type == FRAME_ENVELOPE;
    rig_hang_up(&g, &s);
    answer_done(&s);
    return n;
}

static void a_fan_out_reaches_every_device_once(void **state)
{
    (void)state;
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan_add(&fan, &ann.keys, &laptop.dev);
    fan_post(&g, &fan, &ann.keys, &a);
    check_results(&a, (const int[]){1, 1}, 2);
    answer_done(&a);
    fan_post(&g, &fan, &ann.keys, &a); /* the reply was lost: again */
    check_results(&a, (const int[]){2, 2}, 2);
    assert_int_equal(waiting(&bob.keys), 1);
    assert_int_equal(waiting(&laptop), 1);
    assert_int_equal(waiting(&ann.keys), 0);
}

static void a_device_that_is_unknown_is_named_and_the_others_get_theirs(void **state)
{
    struct dev_id nobody = {{9}};

    (void)state;
    fan_add(&fan, &ann.keys, &nobody);
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan_post(&g, &fan, &ann.keys, &a);
    check_results(&a, (const int[]){4, 1}, 2);
}

static void an_envelope_must_be_what_the_request_says(void **state)
{
    (void)state;
    fan_add(&fan, &bob.keys, &bob.keys.dev); /* not from the one who is logged in */
    refuse("bad-request", 400);
    answer_done(&a);
    fan_done(&fan);

    fan_add(&fan, &ann.keys, &laptop.dev);
    fan.to[0] = bob.keys.dev; /* to another device than the entry's */
    refuse("bad-request", 400);
    answer_done(&a);
    fan_done(&fan);

    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan.id.b[1] = 1; /* of another fan-out */
    refuse("bad-request", 400);
    answer_done(&a);
    fan_done(&fan);

    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    refuse("bad-request", 400);
    answer_done(&a);
    fan_done(&fan);

    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan.envelopes[0].n--;
    refuse("bad-request", 400);
    answer_done(&a);
    fan_done(&fan);
    refuse("bad-request", 400); /* none at all */
    assert_int_equal(waiting(&bob.keys), 0);
}

static void the_senders_own_account_must_be_named(void **state)
{
    (void)state;
    fan.n_accounts = 0;
    fan_account(&fan, &bob);
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    refuse("bad-request", 400);
}

static void too_many_envelopes_are_too_large(void **state)
{
    (void)state;
    g.conf.max_fanout = 1;
    server_reconfigure(g.server, &g.conf);
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan_add(&fan, &ann.keys, &laptop.dev);
    refuse("too-large", 413);
}

static void a_stale_device_list_stores_nothing_and_shows_the_newer(void **state)
{
    struct device_keys third;

    (void)state;
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    rig_add_device(&g, &bob, "tablet", &third, 4);
    fan.accounts[1].seq = 1; /* two manifests behind */
    fan_post(&g, &fan, &ann.keys, &a);
    Wax__V1__SendConflict *c = conflict_of(&a);
    assert_int_equal(c->n_stale, 1);
    assert_int_equal(c->n_newer_bundles, 0);
    assert_true(bytes_eq(PB_BYTES(c->stale[0]->handle), BYTES_STR("bob@example.org")));
    assert_true(bytes_eq(PB_BYTES(c->stale[0]->acct_id), BYTES_OF(bob.head.manifest.acct.b)));
    assert_int_equal(c->stale[0]->n_chain_links, 2);
    for (size_t i = 0; i < 2; i++)
        assert_true(bytes_eq(PB_BYTES(c->stale[0]->chain_links[i]), buf_view(&bob.links[i + 1])));
    proto_free(&c->base);
    assert_int_equal(waiting(&bob.keys), 0);
    device_keys_done(&third);
}

static void an_init_to_an_old_bundle_gets_the_new_one(void **state)
{
    struct rng rng = people_rng(20);
    struct prekey next;
    struct buf body = {0};

    (void)state;
    assert_int_equal(prekey_make(&bob.keys, &rng, NOW + 1000, 0, &next), WAX_OK);
    body_bundle(&body, BYTES_OF(next.record));
    assert_int_equal(rig_status(&g, &bob.keys, "PUT", "/v1/bundle", buf_view(&body)), 200);

    struct parcel p = {ann.keys.dev, bob.keys.dev, fan.id, &bob.prekey.id};
    parcel_pack(&p, &fan.envelopes[0]);
    fan.to[0] = bob.keys.dev;
    fan.n = 1;
    fan_post(&g, &fan, &ann.keys, &a); /* within a day it is still fine */
    check_results(&a, (const int[]){1}, 1);
    answer_done(&a);

    g.now += STORE_BUNDLE_GRACE_MS + 1000;
    fan_post(&g, &fan, &ann.keys, &a); /* a repetition is never asked to seal anew */
    check_results(&a, (const int[]){2}, 1);
    answer_done(&a);
    fan_done(&fan);

    fan.id.b[1] = 7;
    p.fanout = fan.id;
    parcel_pack(&p, &fan.envelopes[0]);
    fan.n = 1;
    fan_post(&g, &fan, &ann.keys, &a);
    Wax__V1__SendConflict *c = conflict_of(&a);
    assert_int_equal(c->n_stale, 0);
    assert_int_equal(c->n_newer_bundles, 1);
    assert_true(bytes_eq(PB_BYTES(c->newer_bundles[0]), BYTES_OF(next.record)));
    proto_free(&c->base);
    assert_int_equal(waiting(&bob.keys), 1);
    buf_done(&body);
    prekey_done(&next);
}

static void a_full_mailbox_is_named_and_leaves_no_trace(void **state)
{
    (void)state;
    g.conf.mailbox_max_count = 1;
    server_reconfigure(g.server, &g.conf);
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan_post(&g, &fan, &ann.keys, &a);
    check_results(&a, (const int[]){1}, 1);
    answer_done(&a);
    fan_done(&fan);

    fan.id.b[1] = 2;
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan_add(&fan, &ann.keys, &laptop.dev);
    fan_post(&g, &fan, &ann.keys, &a);
    check_results(&a, (const int[]){3, 1}, 2);
    answer_done(&a);
    fan_done(&fan);

    fan.id.b[1] = 3;
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    fan_add(&fan, &ann.keys, &laptop.dev);
    refuse("mailbox-full", 507);
    assert_int_equal(waiting(&bob.keys), 1);
    assert_int_equal(waiting(&laptop), 1);
}

static void nothing_is_accepted_before_it_is_committed(void **state)
{
    (void)state;
    fan_add(&fan, &ann.keys, &bob.keys.dev);
    g.now += 2000; /* the login is asked of the store again */
    g.hold = true;
    fan_post(&g, &fan, &ann.keys, &a);
    store_memory_pump(g.memory, 1); /* the login */
    assert_false(a.started);
    g.hold = false;
    rig_pump(&g);
    assert_int_equal(a.status, 202);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest stories[] = {
        STORY(a_fan_out_reaches_every_device_once),
        STORY(a_device_that_is_unknown_is_named_and_the_others_get_theirs),
        STORY(an_envelope_must_be_what_the_request_says),
        STORY(the_senders_own_account_must_be_named),
        STORY(too_many_envelopes_are_too_large),
        STORY(a_stale_device_list_stores_nothing_and_shows_the_newer),
        STORY(an_init_to_an_old_bundle_gets_the_new_one),
        STORY(a_full_mailbox_is_named_and_leaves_no_trace),
        STORY(nothing_is_accepted_before_it_is_committed),
    };

    if (crypto_init() != WAX_OK)
        return 1;
    return cmocka_run_group_tests(stories, NULL, NULL);
}
