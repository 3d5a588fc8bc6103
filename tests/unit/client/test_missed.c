/* A server that hides a device: those who got the message tell its sender (PROTOCOL 4.8). */
#include "stage.h"

#include <stdlib.h>

#include "client/repair.h"

#define HOURS(n) ((uint64_t)(n)*3600000)

/* Ann's way to a server that hides what bob's account is by now: it serves his old list, and takes
 * what was made for that. */
struct hiding {
    struct transport real;
    struct acct_id bob;
    struct buf old; /* the directory's answer about him, from before */
    uint32_t now;   /* seq of his list */
    bool on;
};

static void repack(const ProtobufCMessage *m, struct buf *out)
{
    buf_done(out);
    *out = (struct buf){0};
    ok(proto_pack(m, out));
}

static wax_rc hidden_send(struct hiding *h, const char *method, const char *path, struct bytes body,
                          struct transport_reply *reply)
{
    ProtobufCMessage *m = NULL;
    struct buf changed = {0};

    ok(proto_unpack(&wax__v1__send_request__descriptor, body, API_BODY_MAX, &m));
    Wax__V1__SendRequest *q = (void *)m;
    for (size_t i = 0; i < q->n_accounts; i++)
        if (memcmp(q->accounts[i]->acct_id.data, h->bob.b, 32) == 0)
            q->accounts[i]->seq = h->now;
    repack(m, &changed);
    wax_rc rc = h->real.request(h->real.ctx, method, path, buf_view(&changed), reply);
    buf_done(&changed);
    proto_free(m);
    return rc;
}

static wax_rc hiding_request(void *ctx, const char *method, const char *path, struct bytes body,
                             struct transport_reply *reply)
{
    struct hiding *h = ctx;

    if (h->on && strcmp(path, "/v1/messages") == 0)
        return hidden_send(h, method, path, body, reply);
    wax_rc rc = h->real.request(h->real.ctx, method, path, body, reply);
    if (rc == WAX_OK && h->on && strncmp(path, "/v1/directory/bob", 17) == 0) {
        buf_reset(&reply->body);
        buf_bytes(&reply->body, buf_view(&h->old));
    }
    return rc;
}

/* Ann knows bob's phone; he links a desk, and her server hides it. */
static struct device *bob_links_a_desk_unseen(struct stage *s, struct hiding *h)
{
    stage_acquainted(s, false);
    *h = (struct hiding){.real = s->ann->transport, .bob = *client_acct(s->bob->client)};
    assert_int_equal(world_request(&s->w, s->ann, "GET", "/v1/directory/" BOB "?version=1",
                                   BYTES(NULL, 0), &h->old),
                     200);
    s->bob2 = world_device(&s->w, BOB, "desk");
    ok(device_link(s->bob, s->bob2, false));
    ok(device_receive(s->bob));
    ok(device_receive(s->bob2));
    h->now = 2;
    h->on = true;
    s->ann->transport = (struct transport){hiding_request, h};
    ok(device_start(s->ann)); /* she looks him up once in a process */
    return s->bob2;
}

static void seen_through(struct stage *s, struct hiding *h)
{
    buf_done(&h->old);
    stage_close(s);
}

static void a_device_that_the_server_hides_is_told_of_and_gets_what_it_missed(void **state)
{
    struct stage s;
    struct hiding h;

    (void)state;
    struct device *desk = bob_links_a_desk_unseen(&s, &h);
    world_pass(&s.w, 1000);
    say(s.ann, BOB, "who is there");
    ok(device_receive(s.bob));
    ok(device_receive(desk));
    assert_int_equal(device_count(s.bob, "who is there"), 1);
    assert_int_equal(device_count(desk, "who is there"), 0);
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1);
    h.on = false; /* the server does not hide it from a direct question any more */
    ok(client_flush(s.bob->client, NULL, NULL));
    ok(device_receive(s.ann));
    assert_int_equal(alerts(s.ann, "new_device"), 1);
    assert_int_equal(alerts(s.ann, "server_refused"), 0);
    ok(client_flush(s.ann->client, NULL, NULL));
    ok(device_receive(desk));
    assert_int_equal(device_count(desk, "who is there"), 1);
    assert_int_equal(alerts(s.bob, "device_missed"), 0);
    /* It is over: nothing more is told, and nothing comes twice. */
    say(s.ann, BOB, "now all of you");
    all_talk(&s);
    assert_int_equal(device_count(desk, "now all of you"), 1);
    assert_int_equal(device_count(desk, "who is there"), 1);
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 0);
    seen_through(&s, &h);
}

static void where_it_stays_hidden_both_people_are_told(void **state)
{
    struct stage s;
    struct hiding h;

    (void)state;
    struct device *desk = bob_links_a_desk_unseen(&s, &h);
    for (int i = 0; i < 3; i++) {
        world_pass(&s.w, HOURS(3));
        say(s.ann, BOB, "still you alone");
        ok(device_receive(s.bob));
        assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1);
        ok(client_flush(s.bob->client, NULL, NULL));
        ok(device_receive(s.ann));
    }
    assert_true(alerts(s.ann, "server_refused") >= 1);
    assert_true(alerts(s.bob, "device_missed") >= 1);
    assert_int_equal(device_count(desk, "still you alone"), 0);
    seen_through(&s, &h);
}

static void a_sender_is_told_once_however_much_he_writes(void **state)
{
    struct stage s;
    struct hiding h;

    (void)state;
    (void)bob_links_a_desk_unseen(&s, &h);
    world_pass(&s.w, 1000);
    for (int i = 0; i < 5; i++)
        say(s.ann, BOB, "on and on");
    ok(device_receive(s.bob));
    assert_int_equal(queued(s.bob, OUTBOX_DEVICE), 1);
    seen_through(&s, &h);
}

/* As a contact could write it. */
static void claim(struct device *d, struct device *whom, const struct dev_id *dev)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;

    m.kind = WAX__V1__KIND__MISSED_DEVICE;
    m.missed_dev = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)dev->b};
    ok(vault_begin(d->vault));
    ok(device_box(d->client, client_acct(whom->client), client_dev(whom->client), &m));
    ok(vault_commit(d->vault));
    ok(client_flush(d->client, NULL, NULL));
}

static void a_contact_that_makes_devices_up_costs_little_and_gets_nothing(void **state)
{
    struct stage s;
    struct dev_id dev = {{1, 2, 3}};

    (void)state;
    stage_acquainted(&s, false);
    say(s.ann, BOB, "for bob only");
    stage_tap(&s, s.ann);
    ok(device_receive(s.ann));
    unsigned before = s.wire.calls;
    for (uint8_t i = 0; i < 40; i++) {
        dev.b[5] = i;
        claim(s.bob, s.ann, &dev);
    }
    ok(device_receive(s.ann));
    /* By bob's own list there is no such device: nobody is asked. */
    assert_true(s.wire.calls - before < 12);
    assert_int_equal(alerts(s.ann, "server_refused"), 0);
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 0);
    /* His phone got it: claiming otherwise brings it no second time. */
    claim(s.bob, s.ann, client_dev(s.bob->client));
    world_pass(&s.w, HOURS(2));
    claim(s.bob, s.ann, client_dev(s.bob->client));
    ok(device_receive(s.ann));
    assert_int_equal(queued(s.ann, OUTBOX_REPEAT), 0);
    stage_untap(&s, s.ann);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_device_that_the_server_hides_is_told_of_and_gets_what_it_missed),
        cmocka_unit_test(where_it_stays_hidden_both_people_are_told),
        cmocka_unit_test(a_sender_is_told_once_however_much_he_writes),
        cmocka_unit_test(a_contact_that_makes_devices_up_costs_little_and_gets_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
