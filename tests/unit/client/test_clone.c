/* Two copies of one home, or an old one put back: those that it writes to tell it so. */
#include "stage.h"

#include <stdlib.h>

#include "client/repair.h"

#define HOURS(n) ((uint64_t)(n)*3600000)

/* An older copy of d's home is put back, and the server does not say so (4.6). */
static void put_back_unnoticed(struct device *d, struct vault_disk *copy)
{
    uint64_t counter;

    ok(meta_get_u64(d->vault, "counter.n", &counter));
    ok(device_restore(d, copy));
    ok(vault_begin(d->vault));
    ok(meta_put_u64(d->vault, "counter.n", counter));
    ok(vault_commit(d->vault));
}

static void a_peer_proves_to_an_old_copy_that_it_is_one(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    struct vault_disk *copy = vault_disk_copy(s.ann->disk);
    say(s.ann, BOB, "one");
    say(s.ann, BOB, "two");
    ok(device_receive(s.bob));
    put_back_unnoticed(s.ann, copy);
    say(s.ann, BOB, "in a slot used before");
    assert_int_equal(alerts(s.ann, "restored"), 0);
    ok(device_receive(s.bob));
    assert_int_equal(alerts(s.bob, "tampered"), 1);
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 1);
    ok(client_flush(s.bob->client, NULL, NULL));
    ok(device_receive(s.ann));
    assert_int_equal(alerts(s.ann, "restored"), 1);
    for (int hour = 0; hour < 4; hour++) {
        world_pass(&s.w, HOURS(1) + 1000);
        all_talk(&s);
    }
    assert_int_equal(alerts(s.ann, "restored"), 1);
    assert_int_equal(alerts(s.ann, "session_reset"), 0); /* Bob did not start over */
    assert_int_equal(device_count(s.bob, "in a slot used before"), 1);
    assert_int_equal(lines(s.bob, ITEM_UNREADABLE) + lines(s.ann, ITEM_UNREADABLE), 0);
    say(s.ann, BOB, "on");
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "on"), 1);
    stage_close(&s);
}

/* What Bob holds of Ann proves nothing against her as long as she is the newest copy. */
static void false_evidence_changes_nothing(void **state)
{
    struct stage s;
    struct buf envelope = {0};
    uint8_t key[VAULT_KEY_MAX];

    (void)state;
    stage_acquainted(&s, false);
    say(s.ann, BOB, "one");
    ok(device_receive(s.bob));
    struct peer_sessions *p = calloc(1, sizeof *p);
    assert_non_null(p);
    ok(peer_load(s.bob->client, client_dev(s.ann->client), p));
    struct sid sid = session_choose(p)->sid;
    ok(vault_get(s.bob->vault, VT_REPAIR,
                 repair_key(REPAIR_NEWEST, BYTES_OF(sid.b), BYTES(NULL, 0), key), &envelope));
    for (int i = 0; i < 2; i++) { /* as it is, and altered */
        Wax__V1__Content m = WAX__V1__CONTENT__INIT;
        Wax__V1__CloneEvidence e = WAX__V1__CLONE_EVIDENCE__INIT;
        e.second = (ProtobufCBinaryData){envelope.n, envelope.p};
        m.kind = WAX__V1__KIND__CLONE_EVIDENCE;
        m.clone = &e;
        ok(vault_begin(s.bob->vault));
        ok(device_box(s.bob->client, client_acct(s.ann->client), client_dev(s.ann->client), &m));
        ok(vault_commit(s.bob->vault));
        envelope.p[56] ^= 1; /* a ctr far beyond */
    }
    ok(client_flush(s.bob->client, NULL, NULL));
    ok(device_receive(s.ann));
    assert_int_equal(alerts(s.ann, "restored"), 0);
    peer_sessions_wipe(p);
    free(p);
    buf_done(&envelope);
    stage_close(&s);
}

/* The old copy's state is behind by a whole round: it cannot read the answer, begins anew, and gets
 * it again. */
static void an_old_copy_that_is_behind_begins_anew_and_reads_all(void **state)
{
    struct stage s;

    (void)state;
    stage_acquainted(&s, false);
    struct vault_disk *copy = vault_disk_copy(s.ann->disk);
    for (int i = 0; i < 3; i++) {
        say(s.ann, BOB, "ping");
        ok(device_receive(s.bob));
        say(s.bob, ANN, "pong");
        ok(device_receive(s.ann));
    }
    say(s.bob, ANN, "for the old one");
    put_back_unnoticed(s.ann, copy);
    ok(device_receive(s.ann));
    assert_int_equal(lines(s.ann, ITEM_UNREADABLE), 1);
    for (int hour = 0; hour < 4; hour++) {
        world_pass(&s.w, HOURS(1) + 1000);
        all_talk(&s);
    }
    assert_int_equal(device_count(s.ann, "for the old one"), 1);
    assert_int_equal(lines(s.ann, ITEM_UNREADABLE), 0);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_proves_to_an_old_copy_that_it_is_one),
        cmocka_unit_test(false_evidence_changes_nothing),
        cmocka_unit_test(an_old_copy_that_is_behind_begins_anew_and_reads_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
