/* What senders can put into a message, friendly or not. */
#include "stage.h"

#include <stdlib.h>

static void send_content(struct device *d, Wax__V1__Content *m, const struct acct_id *peer,
                         const struct hash32 *r32)
{
    struct outbox o = {.kind = OUTBOX_TEXT, .peer = *peer};
    uint8_t conv[64];
    uint64_t order;

    conversation_of(client_acct(d->client), peer, conv);
    m->conversation = (ProtobufCBinaryData){sizeof conv, conv};
    m->sent_at = d->w->now;
    if (!m->min_version)
        m->min_version = 1;
    ok(proto_pack(&m->base, &o.content));
    ok(vault_begin(d->vault));
    ok(outbox_add(d->client, &o, &order));
    if (r32) { /* the same message once more */
        o.r32 = *r32;
        ok(session_com(&o.r32, buf_view(&o.content), &o.com));
        ok(outbox_store(d->client, order, &o));
    }
    ok(vault_commit(d->vault));
    outbox_done(&o);
    ok(client_flush(d->client, NULL, NULL));
}

static void both_know_each_other(struct stage *s, bool linked)
{
    stage_open(s, linked);
    say(s->ann, BOB, "hello");
    all_receive(s);
    say(s->bob, ANN, "hi");
    all_receive(s);
}

static bool any_row(void *ctx, struct bytes key, struct bytes value)
{
    (void)key;
    (void)value;
    *(unsigned *)ctx += 1;
    return true;
}

static unsigned wants(struct device *d)
{
    unsigned n = 0;

    ok(vault_scan(d->vault, VT_META, BYTES_STR("want."), BYTES(NULL, 0), false, any_row, &n));
    return n;
}

static void a_strangers_sync_changes_nothing(void **state)
{
    struct stage s;
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__Sync sync = WAX__V1__SYNC__INIT;
    Wax__V1__Pin pin = WAX__V1__PIN__INIT, *list[] = {&pin};
    uint8_t id[32] = {9};

    (void)state;
    both_know_each_other(&s, true);
    unsigned before = wants(s.bob), shown = events(s.bob, ITEM_MESSAGE);
    pin.acct_id = pin.hash = (ProtobufCBinaryData){32, id};
    pin.handle = (ProtobufCBinaryData){15, (uint8_t *)"cyd@example.org"};
    pin.seq = 1;
    pin.accepted = true;
    sync.n_pins = 1;
    sync.pins = list;
    m.kind = WAX__V1__KIND__SYNC;
    m.sync = &sync;
    send_content(s.ann, &m, client_acct(s.bob->client), NULL);
    all_receive(&s);
    assert_int_equal(wants(s.bob), before);
    assert_int_equal(events(s.bob, ITEM_MESSAGE), shown);
    assert_int_equal(wants(s.ann2), 0); /* for an account's own devices it is no sync either */
    stage_close(&s);
}

static bool newer_only(void *ctx, uint64_t order, const struct item *it)
{
    (void)order;
    *(unsigned *)ctx += it->needs_newer && it->text.n == 0;
    return true;
}

static void what_needs_a_newer_version_is_kept_and_shown_as_such(void **state)
{
    struct stage s;
    unsigned n = 0;

    (void)state;
    both_know_each_other(&s, false);
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    m.kind = WAX__V1__KIND__TEXT;
    m.min_version = 9;
    m.text = (ProtobufCBinaryData){3, (uint8_t *)"new"};
    send_content(s.ann, &m, client_acct(s.bob->client), NULL);
    all_receive(&s);
    ok(client_history_each(s.bob->client, ANN, newer_only, &n));
    assert_int_equal(n, 1);
    assert_int_equal(device_count(s.bob, "new"), 0);
    stage_close(&s);
}

static void one_message_sent_twice_is_shown_once(void **state)
{
    struct stage s;
    struct hash32 r32 = {{4}};

    (void)state;
    both_know_each_other(&s, false);
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    m.kind = WAX__V1__KIND__TEXT;
    m.text = (ProtobufCBinaryData){5, (uint8_t *)"twice"};
    uint64_t at = s.w.now;
    for (int i = 0; i < 2; i++) {
        s.w.now = at + (uint64_t)i; /* sent_at is part of it */
        m.sent_at = at;
        struct outbox o = {.kind = OUTBOX_TEXT, .peer = *client_acct(s.bob->client)};
        uint8_t conv[64];
        uint64_t order;
        conversation_of(client_acct(s.ann->client), &o.peer, conv);
        m.conversation = (ProtobufCBinaryData){sizeof conv, conv};
        m.min_version = 1;
        ok(proto_pack(&m.base, &o.content));
        ok(vault_begin(s.ann->vault));
        ok(outbox_add(s.ann->client, &o, &order));
        o.r32 = r32;
        ok(session_com(&o.r32, buf_view(&o.content), &o.com));
        ok(outbox_store(s.ann->client, order, &o));
        ok(vault_commit(s.ann->vault));
        outbox_done(&o);
        ok(client_flush(s.ann->client, NULL, NULL));
        all_receive(&s);
    }
    assert_int_equal(device_count(s.bob, "twice"), 1);
    assert_int_equal(events(s.bob, ITEM_MESSAGE), 2); /* that one, and the hello */
    stage_close(&s);
}

/* Takes the syncs out of d's outbox: as if they were lost on the way. */
static void lose_syncs(struct device *d)
{
    struct buf orders = {0};
    uint8_t key[8];

    ok(outbox_orders(d->client, &orders));
    ok(vault_begin(d->vault));
    for (size_t i = 0; i < orders.n; i += 8) {
        struct outbox o = {0};
        uint64_t order = get_u64(orders.p + i);
        ok(outbox_load(d->client, order, &o));
        if (o.kind == OUTBOX_SYNC)
            ok(vault_del(d->vault, VT_OUTBOX, order_key(order, key)));
        outbox_done(&o);
    }
    ok(vault_commit(d->vault));
    buf_done(&orders);
}

static bool texts(void *ctx, uint64_t order, const struct item *it)
{
    (void)order;
    buf_bytes(ctx, buf_view(&it->text));
    return true;
}

static void own_messages_to_somebody_unknown_wait_and_come_in_order(void **state)
{
    struct stage s;
    struct hash32 com;
    struct buf all = {0};

    (void)state;
    stage_open(&s, true);
    ok(device_send(s.ann, BOB, "a", &com));
    lose_syncs(s.ann);
    ok(client_flush(s.ann->client, NULL, NULL));
    say(s.ann, BOB, "b");
    ok(device_receive(s.ann2));
    assert_int_equal(device_count(s.ann2, "a") + device_count(s.ann2, "b"), 0);
    /* The sync comes after all, and with it what waited. */
    struct pin *bob = pinned(s.ann, BOB);
    ok(vault_begin(s.ann->vault));
    ok(sync_queue(s.ann->client, (const struct pin *const[]){bob}, 1));
    ok(vault_commit(s.ann->vault));
    free(bob);
    say(s.ann, BOB, "c");
    ok(device_receive(s.ann2));
    ok(device_receive(s.ann2));
    ok(client_history_each(s.ann2->client, BOB, texts, &all));
    assert_true(bytes_eq(buf_view(&all), BYTES_STR("abc")));
    buf_done(&all);
    stage_close(&s);
}

static void a_sibling_that_knows_another_account_bars_sending_until_accepted(void **state)
{
    struct stage s;
    struct hash32 com;
    char digits[61];

    (void)state;
    both_know_each_other(&s, true);
    struct pin *bob = pinned(s.ann, BOB);
    struct pin *own = pinned(s.ann, ANN);
    /* The sync names bob's handle, but the account is another one. */
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__Sync sync = WAX__V1__SYNC__INIT;
    Wax__V1__Pin pin = WAX__V1__PIN__INIT, *list[] = {&pin};
    uint8_t id[32] = {9};
    pin.acct_id = pin.hash = (ProtobufCBinaryData){32, id};
    pin.handle = (ProtobufCBinaryData){15, (uint8_t *)BOB};
    pin.seq = 1;
    sync.n_pins = 1;
    sync.pins = list;
    m.kind = WAX__V1__KIND__SYNC;
    m.sync = &sync;
    send_content(s.ann, &m, client_acct(s.ann->client), NULL);
    ok(device_receive(s.ann2));
    assert_int_equal(alerts(s.ann2, "identity_changed"), 1);
    assert_int_equal(device_send(s.ann2, BOB, "no", &com), WAX_E_DENIED);
    ok(client_safety(s.ann2->client, BOB, true, digits));
    ok(client_accept_identity(s.ann2->client, BOB, digits));
    say(s.ann2, BOB, "yes");
    all_receive(&s);
    assert_int_equal(device_count(s.bob, "yes"), 1);
    free(bob);
    free(own);
    stage_close(&s);
}

static void a_notice_told_twice_is_shown_once(void **state)
{
    struct stage s;
    struct hash32 com;
    struct buf rows = {0};
    struct frame f = {.type = FRAME_NOTICE, .seq = 77, .reason = NOTICE_FULL};
    bool ack = false;

    (void)state;
    both_know_each_other(&s, false);
    ok(device_send(s.ann, BOB, "full", &com));
    stage_tap(&s, s.ann);
    s.wire.die_after = 2; /* looked up, sealed and posted */
    assert_int_equal(client_flush(s.ann->client, NULL, NULL), WAX_E_CANCELLED);
    stage_untap(&s, s.ann);
    ok(outbox_orders(s.ann->client, &rows));
    struct outbox o = {0};
    if (rows.n) {
        ok(outbox_load(s.ann->client, get_u64(rows.p), &o));
        f.fanout = o.fanout;
    }
    assert_true(o.has_fanout);
    outbox_done(&o);
    buf_done(&rows);
    f.to = *client_dev(s.bob->client);
    for (int i = 0; i < 2; i++) {
        ok(client_frame(s.ann->client, &f, &ack));
        assert_true(ack);
    }
    assert_int_equal(events(s.ann, ITEM_EXPIRED), 1);
    memset(f.fanout.b, 0, sizeof f.fanout.b); /* of a message that was never sent */
    f.seq++;
    ok(client_frame(s.ann->client, &f, &ack));
    assert_int_equal(events(s.ann, ITEM_EXPIRED), 1);
    stage_close(&s);
}

static void each_message_that_cannot_be_read_is_listed_once(void **state)
{
    struct stage s;
    struct buf stream = {0};
    struct frame f;
    bool ack = false;

    (void)state;
    both_know_each_other(&s, false);
    ok(vault_begin(s.bob->vault)); /* bob lost what opens them */
    ok(peer_drop(s.bob->client, client_dev(s.ann->client)));
    ok(vault_commit(s.bob->vault));
    say(s.ann, BOB, "one");
    say(s.ann, BOB, "two");
    assert_int_equal(
        world_request(&s.w, s.bob, "GET", CLIENT_MAILBOX_PATH, BYTES(NULL, 0), &stream), 0);
    for (int time = 0; time < 2; time++) { /* the acks are lost: both come again */
        struct bytes in = buf_view(&stream);
        while (frame_next(&in, &f) == WAX_OK)
            ok(client_frame(s.bob->client, &f, &ack));
        assert_int_equal(alerts(s.bob, "undecryptable"), 2);
    }
    buf_done(&stream);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_strangers_sync_changes_nothing),
        cmocka_unit_test(what_needs_a_newer_version_is_kept_and_shown_as_such),
        cmocka_unit_test(one_message_sent_twice_is_shown_once),
        cmocka_unit_test(own_messages_to_somebody_unknown_wait_and_come_in_order),
        cmocka_unit_test(a_sibling_that_knows_another_account_bars_sending_until_accepted),
        cmocka_unit_test(a_notice_told_twice_is_shown_once),
        cmocka_unit_test(each_message_that_cannot_be_read_is_listed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
