/* A server that lies: what it says is refused or waits, is said, and does no lasting harm. */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>

static void set_body(struct transport_reply *r, const ProtobufCMessage *m)
{
    buf_done(&r->body);
    r->body = (struct buf){0};
    ok(proto_pack(m, &r->body));
}

static bool is_lookup(const char *method, const char *path, const char *handle)
{
    char want[200];

    (void)snprintf(want, sizeof want, "/v1/directory/%s?", handle);
    return strcmp(method, "GET") == 0 && strncmp(path, want, strlen(want)) == 0;
}
static bool is_send(const char *path) { return strcmp(path, "/v1/messages") == 0; }

/* Ann has written to bob's two devices and got an answer; then her wire is tapped. */
static void talking(struct stage *s)
{
    stage_open(s, true);
    say(s->ann, BOB, "hello");
    all_receive(s);
    say(s->bob, ANN, "hi");
    all_receive(s);
    stage_tap(s, s->ann);
}

/* What a new process of ann's makes of it: the message waits; with an honest server it goes out,
 * once. */
static void waits_then_goes_out(struct stage *s, wax_rc flushed)
{
    struct hash32 com;

    ok(device_start(s->ann));
    ok(device_send(s->ann, BOB, "patience", &com));
    assert_int_equal(client_flush(s->ann->client, NULL, NULL), flushed);
    assert_int_equal(waiting(s->ann), 1);
    assert_true(s->wire.calls < 60);
    stage_untap(s, s->ann);
    ok(device_start(s->ann));
    ok(client_flush(s->ann->client, NULL, NULL));
    assert_int_equal(waiting(s->ann), 0);
    all_receive(s);
    assert_int_equal(device_count(s->bob, "patience"), 1);
    assert_int_equal(device_count(s->bob2, "patience"), 1);
    assert_int_equal(device_count(s->ann2, "patience"), 1);
}

static void swap_bundles(struct wire *w, const char *method, const char *path,
                         struct transport_reply *r)
{
    ProtobufCMessage *m = NULL;

    (void)w;
    if (!is_lookup(method, path, BOB))
        return;
    ok(proto_unpack(&wax__v1__directory_reply__descriptor, buf_view(&r->body), API_BODY_MAX, &m));
    Wax__V1__DirectoryReply *d = (void *)m;
    assert_int_equal(d->n_bundle_records, 2);
    ProtobufCBinaryData first = d->bundle_records[0];
    d->bundle_records[0] = d->bundle_records[1];
    d->bundle_records[1] = first;
    set_body(r, m);
    proto_free(m);
}

static void bundles_of_other_devices_are_not_sealed_to(void **state)
{
    struct stage s;

    (void)state;
    talking(&s);
    s.wire.change = swap_bundles;
    waits_then_goes_out(&s, WAX_E_FULL);
    assert_int_equal(alerts(s.ann, "tampered"), 2); /* one for each device */
    stage_close(&s);
}

/* Replays an answer that was right once. */
static void replay(struct wire *w, const char *method, const char *path, struct transport_reply *r)
{
    const struct buf *old = w->ctx;

    if (!is_lookup(method, path, BOB))
        return;
    buf_done(&r->body);
    r->body = (struct buf){0};
    buf_bytes(&r->body, buf_view(old));
    r->status = 200;
}

static void an_older_device_list_is_refused(void **state)
{
    struct stage s;
    struct buf old = {0};

    (void)state;
    stage_open(&s, false);
    assert_int_equal(
        world_request(&s.w, s.ann, "GET", "/v1/directory/" BOB "?version=0", BYTES(NULL, 0), &old),
        200);
    s.ann2 = world_device(&s.w, ANN, "laptop");
    s.bob2 = world_device(&s.w, BOB, "desk");
    ok(device_link(s.bob, s.bob2, false));
    ok(device_link(s.ann, s.ann2, false));
    say(s.ann, BOB, "hello");
    stage_tap(&s, s.ann);
    s.wire.change = replay;
    s.wire.ctx = &old;
    waits_then_goes_out(&s, WAX_E_FULL);
    assert_int_equal(alerts(s.ann, "server_refused"), 1);
    struct pin *bob = pinned(s.ann, BOB);
    assert_int_equal(bob->head.manifest.seq, 2);
    free(bob);
    buf_done(&old);
    stage_close(&s);
}

/* A whole account of another server, made for the same handle. */
static void foreign_account(const char *handle, struct buf *ret)
{
    struct world *w = calloc(1, sizeof *w);
    char path[200];

    assert_non_null(w);
    world_init(w, 99);
    struct device *x = world_device(w, handle, "impostor");
    ok(device_register(x));
    ok(device_link(x, world_device(w, handle, "second"), false)); /* as many versions as here */
    (void)snprintf(path, sizeof path, "/v1/directory/%s?version=0", handle);
    assert_int_equal(world_request(w, x, "GET", path, BYTES(NULL, 0), ret), 200);
    world_done(w);
    free(w);
}

static void another_account_under_a_handle_waits_for_acceptance(void **state)
{
    struct stage s;
    struct buf other = {0};
    struct hash32 com;
    char old_digits[61], digits[61];

    (void)state;
    foreign_account(BOB, &other);
    talking(&s);
    ok(client_safety(s.ann->client, BOB, true, old_digits));
    ok(device_send(s.ann, BOB, "for the old one", &com));
    s.wire.change = replay;
    s.wire.ctx = &other;
    ok(device_start(s.ann));
    for (int i = 0; i < 3; i++)
        assert_int_equal(client_lookup(s.ann->client, BOB), WAX_E_DENIED);
    assert_int_equal(alerts(s.ann, "identity_changed"), 1);
    assert_int_equal(client_flush(s.ann->client, NULL, NULL), WAX_E_FULL);
    assert_int_equal(device_send(s.ann, BOB, "no", &com), WAX_E_DENIED);
    ok(client_safety(s.ann->client, BOB, true, digits));
    assert_string_not_equal(old_digits, digits);
    digits[0] = digits[0] == '0' ? '1' : '0';
    assert_int_equal(client_accept_identity(s.ann->client, BOB, digits), WAX_R_CONTENT);
    ok(client_safety(s.ann->client, BOB, true, digits));
    ok(client_accept_identity(s.ann->client, BOB, digits));
    /* What was written to the account given up is not sent to the new one, and not kept quiet. */
    assert_int_equal(events(s.ann, ITEM_EXPIRED), 1);
    unsigned left = 1;
    ok(client_outbox_count(s.ann->client, &left));
    assert_int_equal(left, 0);
    stage_untap(&s, s.ann);
    buf_done(&other);
    stage_close(&s);
}

static void replay_own(struct wire *w, const char *method, const char *path,
                       struct transport_reply *r)
{
    if (is_lookup(method, path, ANN))
        replay(w, method, "/v1/directory/" BOB "?", r);
}

static void our_own_account_is_never_replaced(void **state)
{
    struct stage s;
    struct buf other = {0};

    (void)state;
    foreign_account(ANN, &other);
    talking(&s);
    s.wire.change = replay_own;
    s.wire.ctx = &other;
    ok(device_start(s.ann));
    assert_true(rc_is_refusal(client_login(s.ann->client)));
    assert_int_equal(alerts(s.ann, "directory_equivocation"), 1);
    stage_untap(&s, s.ann);
    ok(device_start(s.ann));
    say(s.ann, ANN, "a note");
    all_receive(&s);
    assert_int_equal(device_count(s.ann2, "a note"), 1);
    buf_done(&other);
    stage_close(&s);
}

enum lie { NO_RESULTS, ONE_LEFT_OUT, ONE_TWICE, A_STRANGER, NONE_THERE };

static void lie_about_results(struct wire *w, const char *method, const char *path,
                              struct transport_reply *r)
{
    const enum lie *lie = w->ctx;
    ProtobufCMessage *m = NULL;
    uint8_t stranger[16] = {1};

    (void)method;
    if (!is_send(path) || r->status != 202)
        return;
    ok(proto_unpack(&wax__v1__send_reply__descriptor, buf_view(&r->body), API_BODY_MAX, &m));
    Wax__V1__SendReply *x = (void *)m;
    assert_int_equal(x->n_results, 3);
    Wax__V1__DeviceResult *last = x->results[2];
    ProtobufCBinaryData dev = last->dev_id;
    size_t n = x->n_results;
    if (*lie == NO_RESULTS)
        x->n_results = 0;
    else if (*lie == ONE_LEFT_OUT)
        x->n_results = 2;
    else if (*lie == ONE_TWICE)
        last->dev_id = x->results[0]->dev_id;
    else if (*lie == A_STRANGER)
        last->dev_id = (ProtobufCBinaryData){16, stranger};
    for (size_t i = 0; *lie == NONE_THERE && i < n; i++)
        x->results[i]->result = WAX__V1__DEVICE_RESULT__R__NO_DEVICE;
    set_body(r, m);
    x->n_results = n;
    last->dev_id = dev;
    proto_free(m);
}

static void results_that_do_not_fit_finish_nothing(void **state)
{
    (void)state;
    for (enum lie lie = NO_RESULTS; lie <= NONE_THERE; lie++) {
        struct stage s;
        talking(&s);
        s.wire.change = lie_about_results;
        s.wire.ctx = &lie;
        waits_then_goes_out(&s, lie == NONE_THERE ? WAX_E_FULL : WAX_E_PROTO);
        stage_close(&s);
    }
}

/* 409 to every message: the bundle that the client has anyway is called newer. */
static void claim_newer(struct wire *w, const char *method, const char *path,
                        struct transport_reply *r)
{
    static uint8_t kept[BUNDLE_RECORD];
    ProtobufCMessage *m = NULL;

    (void)w;
    if (is_lookup(method, path, BOB)) {
        ok(proto_unpack(&wax__v1__directory_reply__descriptor, buf_view(&r->body), API_BODY_MAX,
                        &m));
        memcpy(kept, ((Wax__V1__DirectoryReply *)(void *)m)->bundle_records[0].data, sizeof kept);
        proto_free(m);
    } else if (is_send(path)) {
        Wax__V1__SendConflict c = WAX__V1__SEND_CONFLICT__INIT;
        ProtobufCBinaryData record = {sizeof kept, kept};
        c.n_newer_bundles = 1;
        c.newer_bundles = &record;
        r->status = 409;
        set_body(r, &c.base);
    }
}

static void claim_stale(struct wire *w, const char *method, const char *path,
                        struct transport_reply *r)
{
    Wax__V1__SendConflict c = WAX__V1__SEND_CONFLICT__INIT;
    Wax__V1__StaleAccount a = WAX__V1__STALE_ACCOUNT__INIT, *list[] = {&a};
    const struct acct_id *acct = w->ctx;

    (void)method;
    if (!is_send(path))
        return;
    a.acct_id = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)acct->b};
    c.n_stale = 1;
    c.stale = list;
    r->status = 409;
    set_body(r, &c.base);
}

static void endless_conflicts_end(void **state)
{
    struct stage s;

    (void)state;
    talking(&s);
    s.wire.change = claim_newer;
    waits_then_goes_out(&s, WAX_E_FULL);
    stage_close(&s);
    talking(&s);
    s.wire.change = claim_stale;
    s.wire.ctx = client_acct(s.bob->client);
    waits_then_goes_out(&s, WAX_E_FULL);
    stage_close(&s);
}

static void short_id(struct wire *w, const char *method, const char *path,
                     struct transport_reply *r)
{
    Wax__V1__SendConflict c = WAX__V1__SEND_CONFLICT__INIT;
    Wax__V1__StaleAccount a = WAX__V1__STALE_ACCOUNT__INIT, *list[] = {&a};
    uint8_t id[3] = {1, 2, 3};

    (void)w;
    (void)method;
    if (!is_send(path))
        return;
    a.acct_id = (ProtobufCBinaryData){sizeof id, id};
    c.n_stale = 1;
    c.stale = list;
    r->status = 409;
    set_body(r, &c.base);
}

static void a_short_id_is_not_read_past_its_end(void **state)
{
    struct stage s;

    (void)state;
    talking(&s);
    s.wire.change = short_id;
    waits_then_goes_out(&s, WAX_E_PROTO);
    stage_close(&s);
}

static void not_found(struct wire *w, const char *method, const char *path,
                      struct transport_reply *r)
{
    (void)w;
    if (is_lookup(method, path, BOB)) {
        r->status = 404;
        buf_reset(&r->body);
    }
}

static void a_contact_that_the_server_denies_keeps_its_message(void **state)
{
    struct stage s;

    (void)state;
    talking(&s);
    s.wire.change = not_found;
    waits_then_goes_out(&s, WAX_E_FULL);
    stage_close(&s);
}

/* At the n-th reply, ctx says which: garbage, nothing, or an error. */
struct rubbish {
    unsigned at, kind;
};

static void rubbish(struct wire *w, const char *method, const char *path, struct transport_reply *r)
{
    const struct rubbish *x = w->ctx;

    (void)method;
    (void)path;
    if (w->calls != x->at)
        return;
    if (x->kind < 2)
        buf_reset(&r->body);
    if (x->kind == 1)
        buf_str(&r->body, "\xff\xff\xff\xff not a message");
    if (x->kind == 2)
        r->status = 500;
    if (x->kind == 3)
        r->status = 409;
}

static void one_bad_answer_anywhere_does_no_lasting_harm(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        bool more = true;
        for (unsigned at = 1; more; at++) {
            struct stage s;
            struct hash32 com;
            struct rubbish x = {at, kind};
            talking(&s);
            s.wire.change = rubbish;
            s.wire.ctx = &x;
            ok(device_start(s.ann));
            ok(device_send(s.ann, BOB, "through", &com));
            wax_rc rc = client_flush(s.ann->client, NULL, NULL); /* may fail or not notice */
            more = s.wire.calls >= at;
            assert_true(more || rc == WAX_OK);
            stage_untap(&s, s.ann);
            ok(device_start(s.ann));
            ok(client_flush(s.ann->client, NULL, NULL));
            assert_int_equal(waiting(s.ann), 0);
            all_receive(&s);
            assert_int_equal(device_count(s.bob, "through"), 1);
            assert_int_equal(device_count(s.ann2, "through"), 1);
            stage_close(&s);
            assert_true(at < 40);
        }
    }
}

/* The server takes the manifest and says 500. */
static void took_it_but_says_500(struct wire *w, const char *method, const char *path,
                                 struct transport_reply *r)
{
    (void)w;
    if (strcmp(method, "POST") == 0 && strcmp(path, "/v1/directory/" ANN) == 0) {
        r->status = 500;
        buf_reset(&r->body);
    }
}

static void two_manifests_of_one_number_are_never_posted(void **state)
{
    struct stage s;

    (void)state;
    talking(&s);
    ok(client_login(s.ann->client));
    s.wire.change = took_it_but_says_500;
    assert_int_equal(client_rename(s.ann->client, "first name"), WAX_E_PROTO);
    s.wire.change = NULL;
    /* The same process goes on: the first one's end is found out before the second is signed. */
    ok(client_rename(s.ann->client, "second name"));
    struct pin *own = pinned(s.ann, ANN);
    assert_string_equal(own->head.manifest.devices[0].name, "second name");
    assert_int_equal(own->head.manifest.seq, 4);
    free(own);
    ok(client_lookup(s.bob->client, ANN));
    assert_int_equal(alerts(s.bob, "directory_equivocation") + alerts(s.bob, "tampered"), 0);
    stage_untap(&s, s.ann);
    stage_close(&s);
}

/* Ann's clock jumps to 2038, and no answer tells her before the bundle is made. */
static void clock_jumps(struct wire *w, const char *method, const char *path,
                        struct transport_reply *r)
{
    struct device *d = w->real.ctx;

    if (strcmp(method, "PUT") == 0 && strcmp(path, "/v1/counter") == 0)
        d->skew = 12ULL * 365 * 86400000;
    if (strcmp(path, "/v1/bundle") == 0)
        w->change = NULL;
    else if (d->skew)
        r->server_time = 0;
}

static void a_bundle_that_a_clock_dated_2038_is_not_offered_for_ever(void **state)
{
    struct stage s;

    (void)state;
    talking(&s);
    world_pass(&s.w, 49 * 3600000ULL); /* a new one is due */
    s.wire.change = clock_jumps;
    ok(device_start(s.ann));
    (void)!client_login(s.ann->client);
    assert_null(s.wire.change);
    s.ann->skew = 0;
    for (int i = 0; i < 3; i++) {
        ok(device_start(s.ann));
        ok(client_login(s.ann->client));
    }
    say(s.ann, BOB, "the clock is right again");
    all_receive(&s);
    assert_int_equal(device_count(s.bob, "the clock is right again"), 1);
    /* The new one is dated today. */
    struct pin *own = pinned(s.ann, ANN);
    assert_true(own->bundle_not_before[0] >= s.w.now - 3600000 &&
                own->bundle_not_before[0] <= s.w.now);
    free(own);
    stage_untap(&s, s.ann);
    stage_close(&s);
}

static void a_device_list_that_a_clock_dated_2038_is_not_offered_for_ever(void **state)
{
    struct stage s;

    (void)state;
    talking(&s);
    ok(client_login(s.ann->client));
    s.ann->skew = 12ULL * 365 * 86400000;
    assert_int_equal(client_rename(s.ann->client, "later"), WAX_E_INVAL);
    s.ann->skew = 0;
    ok(device_start(s.ann));
    ok(client_rename(s.ann->client, "now"));
    struct pin *own = pinned(s.ann, ANN);
    assert_string_equal(own->head.manifest.devices[0].name, "now");
    free(own);
    stage_untap(&s, s.ann);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bundles_of_other_devices_are_not_sealed_to),
        cmocka_unit_test(an_older_device_list_is_refused),
        cmocka_unit_test(another_account_under_a_handle_waits_for_acceptance),
        cmocka_unit_test(our_own_account_is_never_replaced),
        cmocka_unit_test(results_that_do_not_fit_finish_nothing),
        cmocka_unit_test(endless_conflicts_end),
        cmocka_unit_test(a_short_id_is_not_read_past_its_end),
        cmocka_unit_test(a_contact_that_the_server_denies_keeps_its_message),
        cmocka_unit_test(one_bad_answer_anywhere_does_no_lasting_harm),
        cmocka_unit_test(two_manifests_of_one_number_are_never_posted),
        cmocka_unit_test(a_bundle_that_a_clock_dated_2038_is_not_offered_for_ever),
        cmocka_unit_test(a_device_list_that_a_clock_dated_2038_is_not_offered_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
