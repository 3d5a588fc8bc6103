/* A process that ends at every step of what it does: it is started again and goes on; nothing is
 * lost and nothing comes twice. */
#include "stage.h"

#include <stdlib.h>

/* Where the process ends: at the k-th write or commit, before or after the k-th request. */
enum where { AT_VAULT, BEFORE_REQUEST, AFTER_REQUEST, WHERES };

static void arm(struct stage *s, struct device *d, enum where where, unsigned k)
{
    stage_tap(s, d);
    if (where == AT_VAULT)
        vault_memory_fail(d->disk, k, WAX_E_IO);
    s->wire.die_before = where == BEFORE_REQUEST ? k : 0;
    s->wire.die_after = where == AFTER_REQUEST ? k : 0;
}

/* How many worlds a sweep has seen (it must have got further than the first steps), and how many
 * runs with a fault of the vault just worked, one after the other. */
static unsigned worlds, passed;

/* Whether the k-th step came at all: while it does, there is a next one to try. A fault of the
 * vault that was never reached is told by runs that just work: three, since one may have been made
 * good. */
static bool was_hit(const struct stage *s, enum where where, wax_rc rc)
{
    passed = rc == WAX_OK ? passed + 1 : 0;
    return where == AT_VAULT ? passed < 3 : s->wire.dead;
}

static void again(struct stage *s, struct device *d)
{
    stage_untap(s, d);
    ok(device_start(d));
}

#define SWEEP(s, linked, where, k, hit)                                                            \
    for (int where = 0; where < WHERES; where++)                                                   \
        for (unsigned k = 1, hit = 1; hit && (assert_true(k < 400), 1);                            \
             stage_close(&(s)), k++, worlds++)                                                     \
            for (int once = (stage_open(&(s), linked), 1); once; once = 0)

static int count_anew(void **state)
{
    (void)state;
    worlds = passed = 0;
    return 0;
}

static int went_far(void **state)
{
    (void)state;
    print_message("%u endings\n", worlds);
    return worlds > 20 ? 0 : -1;
}

static void a_registration_is_finished(void **state)
{
    struct stage s;

    (void)state;
    SWEEP(s, false, where, k, hit)
    {
        struct device *x = world_device(&s.w, "cyd@example.org", "phone");
        arm(&s, x, (enum where)where, k);
        wax_rc rc = device_register(x);
        hit = was_hit(&s, (enum where)where, rc);
        stage_untap(&s, x);
        rc = device_start(x);
        if (rc == WAX_E_NOTFOUND || !client_is_published(x->client)) {
            client_close(x->client);
            x->client = NULL;
            ok(device_register(x));
        } else {
            ok(client_login(x->client));
        }
        say(x, BOB, "here I am");
        say(s.ann, "cyd@example.org", "welcome");
        ok(device_receive(s.bob));
        ok(device_receive(x));
        assert_int_equal(device_count(s.bob, "here I am"), 1);
        assert_int_equal(device_count(x, "welcome"), 1);
    }
}

static void a_message_is_sent_once(void **state)
{
    struct stage s;

    (void)state;
    SWEEP(s, true, where, k, hit)
    {
        struct hash32 com;
        arm(&s, s.ann, (enum where)where, k);
        wax_rc rc = device_send(s.ann, BOB, "only once", &com);
        if (rc == WAX_OK)
            rc = client_flush(s.ann->client, NULL, NULL);
        hit = was_hit(&s, (enum where)where, rc);
        again(&s, s.ann);
        if (device_count(s.ann, "only once") == 0)
            ok(device_send(s.ann, BOB, "only once", &com));
        ok(client_flush(s.ann->client, NULL, NULL));
        assert_int_equal(waiting(s.ann), 0);
        all_receive(&s);
        assert_int_equal(device_count(s.ann, "only once"), 1);
        assert_int_equal(device_count(s.ann2, "only once"), 1);
        assert_int_equal(device_count(s.bob, "only once"), 1);
        assert_int_equal(device_count(s.bob2, "only once"), 1);
        assert_int_equal(alerts(s.bob, "tampered") + alerts(s.bob, "undecryptable"), 0);
    }
}

static void a_message_is_taken_in_once(void **state)
{
    struct stage s;

    (void)state;
    SWEEP(s, false, where, k, hit)
    {
        say(s.ann, BOB, "one");
        say(s.ann, BOB, "two");
        arm(&s, s.bob, (enum where)where, k);
        wax_rc rc = device_receive(s.bob);
        hit = was_hit(&s, (enum where)where, rc);
        again(&s, s.bob);
        ok(device_receive(s.bob));
        assert_int_equal(device_count(s.bob, "one"), 1);
        assert_int_equal(device_count(s.bob, "two"), 1);
        assert_int_equal(events(s.bob, ITEM_MESSAGE), 2);
        assert_int_equal(alerts(s.bob, "tampered") + alerts(s.bob, "undecryptable"), 0);
        say(s.bob, ANN, "back");
        ok(device_receive(s.ann));
        assert_int_equal(device_count(s.ann, "back"), 1);
    }
}

static void a_removal_is_finished(void **state)
{
    struct stage s;

    (void)state;
    SWEEP(s, true, where, k, hit)
    {
        struct dev_id gone = *client_dev(s.bob2->client);
        uint64_t due = 1;
        arm(&s, s.bob, (enum where)where, k);
        wax_rc rc = client_revoke(s.bob->client, &gone);
        hit = was_hit(&s, (enum where)where, rc);
        again(&s, s.bob);
        ok(client_login(s.bob->client));
        struct pin *own = pinned(s.bob, BOB);
        if (pin_find(own, &gone) >= 0)
            ok(client_revoke(s.bob->client, &gone));
        free(own);
        own = pinned(s.bob, BOB);
        assert_true(pin_find(own, &gone) < 0);
        assert_int_equal(own->head.manifest.seq, 3); /* one change, not two */
        free(own);
        ok(meta_get_u64(s.bob->vault, "prekey.due", &due));
        assert_int_equal(due, 0); /* its prekeys are new */
        say(s.ann, BOB, "among us");
        ok(device_receive(s.bob));
        assert_int_equal(device_count(s.bob, "among us"), 1);
        assert_int_equal(device_receive(s.bob2), WAX_E_DENIED);
        assert_int_equal(alerts(s.ann, "directory_equivocation") + alerts(s.ann, "tampered"), 0);
    }
}

/* After a link that one side did not see the end of. */
static void link_up(struct stage *s)
{
    if (!s->ann2->client) {
        wax_rc rc = client_link_resume(&s->ann2->env, &s->ann2->client);
        if (rc == WAX_OK)
            ok(device_start(s->ann2));
        else if (rc == WAX_E_NOTFOUND)
            ok(device_link(s->ann, s->ann2, false));
        else
            ok(rc);
    }
    ok(client_flush(s->ann->client, NULL, NULL));
    say(s->bob, ANN, "to both");
    say(s->ann, BOB, "from one");
    all_receive(s);
    assert_int_equal(device_count(s->ann, "to both"), 1);
    assert_int_equal(device_count(s->ann2, "to both"), 1);
    assert_int_equal(device_count(s->bob, "from one"), 1);
    assert_int_equal(device_count(s->ann2, "from one"), 1); /* it was told who bob is */
}

static void link_sweep(bool old_side)
{
    struct stage s;

    SWEEP(s, false, where, k, hit)
    {
        say(s.ann, BOB, "before");
        s.ann2 = world_device(&s.w, ANN, "laptop");
        struct device *d = old_side ? s.ann : s.ann2;
        arm(&s, d, (enum where)where, k);
        wax_rc rc = device_link(s.ann, s.ann2, false);
        hit = was_hit(&s, (enum where)where, rc);
        stage_untap(&s, d);
        ok(device_start(s.ann));
        wax_rc up = device_start(s.ann2);
        if (up != WAX_OK || !client_is_published(s.ann2->client)) {
            client_close(s.ann2->client);
            s.ann2->client = NULL;
        }
        link_up(&s);
    }
}

static void a_link_is_finished_by_the_old_device(void **state)
{
    (void)state;
    link_sweep(true);
}

static void a_link_is_finished_by_the_new_device(void **state)
{
    (void)state;
    link_sweep(false);
}

/* PROTOCOL 4.8: whoever ends at whatever step of asking, answering or taking in, the message that
 * could not be read is there in the end, once. */
static void repeat_sweep(int who)
{
    struct stage s;

    SWEEP(s, false, where, k, hit)
    {
        say(s.ann, BOB, "hello");
        ok(device_receive(s.bob));
        say(s.bob, ANN, "hi");
        ok(device_receive(s.ann));
        lose_sessions(s.bob, s.ann);
        say(s.ann, BOB, "once more");
        struct device *turns[] = {s.bob, s.ann, s.bob};
        wax_rc rc = WAX_OK;
        for (int turn = 0; turn < 3; turn++) {
            struct device *d = turns[turn];
            if (turn == who)
                arm(&s, d, (enum where)where, k);
            rc = device_receive(d);
            if (rc == WAX_OK)
                rc = client_flush(d->client, NULL, NULL);
            if (turn != who)
                continue;
            hit = was_hit(&s, (enum where)where, rc);
            again(&s, d);
            ok(device_receive(d));
            ok(client_flush(d->client, NULL, NULL));
        }
        for (int i = 0; i < 3; i++) { /* an hour later what was lost is asked for again */
            world_pass(&s.w, 3700000);
            all_talk(&s);
        }
        assert_int_equal(device_count(s.bob, "once more"), 1);
        assert_int_equal(lines(s.bob, ITEM_UNREADABLE), 0);
        assert_int_equal(alerts(s.bob, "undecryptable"), 1);
        assert_int_equal(alerts(s.bob, "tampered") + alerts(s.ann, "tampered"), 0);
        assert_int_equal(alerts(s.ann, "undecryptable"), 0);
    }
}

/* PROTOCOL 4.3, 4.6 b: an old copy that the server is silent about learns it from its peer, whoever
 * ends at whatever step. */
static void evidence_sweep(bool at_the_old_copy)
{
    struct stage s;

    SWEEP(s, false, where, k, hit)
    {
        uint64_t counter;
        say(s.ann, BOB, "hello");
        ok(device_receive(s.bob));
        say(s.bob, ANN, "hi");
        ok(device_receive(s.ann));
        struct vault_disk *copy = vault_disk_copy(s.ann->disk);
        say(s.ann, BOB, "one");
        ok(device_receive(s.bob));
        ok(meta_get_u64(s.ann->vault, "counter.n", &counter));
        ok(device_restore(s.ann, copy));
        ok(vault_begin(s.ann->vault));
        ok(meta_put_u64(s.ann->vault, "counter.n", counter));
        ok(vault_commit(s.ann->vault));
        say(s.ann, BOB, "once more");
        struct device *turns[] = {s.bob, s.ann};
        for (int turn = 0; turn < 2; turn++) {
            struct device *d = turns[turn];
            if (turn == at_the_old_copy)
                arm(&s, d, (enum where)where, k);
            wax_rc rc = device_receive(d);
            if (rc == WAX_OK)
                rc = client_flush(d->client, NULL, NULL);
            if (turn != at_the_old_copy)
                continue;
            hit = was_hit(&s, (enum where)where, rc);
            again(&s, d);
        }
        for (int i = 0; i < 4; i++) {
            world_pass(&s.w, 3700000);
            all_talk(&s);
        }
        assert_int_equal(alerts(s.ann, "restored"), 1);
        assert_int_equal(device_count(s.bob, "once more"), 1);
        assert_int_equal(lines(s.ann, ITEM_UNREADABLE) + lines(s.bob, ITEM_UNREADABLE), 0);
    }
}

static void evidence_is_returned(void **state)
{
    (void)state;
    evidence_sweep(false);
}

static void evidence_is_judged(void **state)
{
    (void)state;
    evidence_sweep(true);
}

static void a_request_is_made_once(void **state)
{
    (void)state;
    repeat_sweep(0);
}

static void a_request_is_answered_once(void **state)
{
    (void)state;
    repeat_sweep(1);
}

static void a_repeat_is_taken_in_once(void **state)
{
    (void)state;
    repeat_sweep(2);
}

/* PROTOCOL 4.6: the sealed copy goes with the sessions, the message does not, and since it keeps
 * its fanout id the server knows it again. */
static void an_old_copy_with_a_sealed_message_sends_it_once(void **state)
{
    struct stage s;
    struct hash32 com;

    (void)state;
    stage_open(&s, false);
    say(s.ann, BOB, "hello");
    all_receive(&s);
    ok(device_send(s.ann, BOB, "pending", &com));
    stage_tap(&s, s.ann);
    s.wire.die_before = 2; /* looked up and sealed, not posted */
    assert_int_equal(client_flush(s.ann->client, NULL, NULL), WAX_E_CANCELLED);
    struct vault_disk *copy = vault_disk_copy(s.ann->disk);
    again(&s, s.ann);
    ok(client_flush(s.ann->client, NULL, NULL));
    say(s.ann, BOB, "more");
    device_stop(s.ann);
    vault_disk_free(s.ann->disk);
    s.ann->disk = copy;
    ok(device_start(s.ann));
    assert_int_equal(waiting(s.ann), 1);
    assert_int_equal(client_outbox_cancel(s.ann->client, (const struct msg_id *)com.b),
                     WAX_E_DENIED); /* sealed: a copy may be out */
    ok(client_flush(s.ann->client, NULL, NULL));
    assert_int_equal(alerts(s.ann, "restored"), 1);
    assert_int_equal(waiting(s.ann), 0);
    say(s.ann, BOB, "anew");
    ok(device_receive(s.bob));
    assert_int_equal(device_count(s.bob, "pending"), 1);
    assert_int_equal(device_count(s.bob, "more"), 1);
    assert_int_equal(device_count(s.bob, "anew"), 1);
    say(s.bob, ANN, "heard");
    ok(device_receive(s.ann));
    assert_int_equal(device_count(s.ann, "heard"), 1);
    stage_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_registration_is_finished, count_anew, went_far),
        cmocka_unit_test_setup_teardown(a_message_is_sent_once, count_anew, went_far),
        cmocka_unit_test(an_old_copy_with_a_sealed_message_sends_it_once),
        cmocka_unit_test_setup_teardown(a_message_is_taken_in_once, count_anew, went_far),
        cmocka_unit_test_setup_teardown(a_request_is_made_once, count_anew, went_far),
        cmocka_unit_test_setup_teardown(a_request_is_answered_once, count_anew, went_far),
        cmocka_unit_test_setup_teardown(a_repeat_is_taken_in_once, count_anew, went_far),
        cmocka_unit_test_setup_teardown(evidence_is_returned, count_anew, went_far),
        cmocka_unit_test_setup_teardown(evidence_is_judged, count_anew, went_far),
        cmocka_unit_test_setup_teardown(a_removal_is_finished, count_anew, went_far),
        cmocka_unit_test_setup_teardown(a_link_is_finished_by_the_old_device, count_anew, went_far),
        cmocka_unit_test_setup_teardown(a_link_is_finished_by_the_new_device, count_anew, went_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
