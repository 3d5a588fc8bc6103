/* Four devices, two people, in virtual time: the promises of PROTOCOL.md as stories. */
#include <stdio.h>

#include "account/pin.h"
#include "story.h"

static void each_message_reaches_the_three_other_devices_once(void **state)
{
    struct four *f = *state;
    struct device *all[] = {f->ann1, f->ann2, f->bob1, f->bob2};
    char text[64];

    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 4; i++) {
            (void)snprintf(text, sizeof text, "round %d from %d", round, i);
            story_send(all[i], i < 2 ? "bob@example.org" : "ann@example.org", text);
            for (int k = 0; k < 4; k++)
                story_ok(device_receive(all[k]));
        }
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 4; i++) {
            (void)snprintf(text, sizeof text, "round %d from %d", round, i);
            for (int k = 0; k < 4; k++)
                if (device_count(all[k], text) != 1)
                    fail_msg("device %d has \"%s\" %u times", k, text, device_count(all[k], text));
        }
}

static void wrong_digits_link_nothing(void **state)
{
    struct four *f = *state;
    struct device *x = world_device(&f->w, "ann@example.org", "stranger");
    struct pin *pin = calloc(1, sizeof *pin);

    assert_int_equal(device_link(f->ann1, x, true), WAX_E_DENIED);
    assert_null(x->client);
    story_ok(client_pin_by_handle(f->ann1->client, "ann@example.org", pin));
    assert_int_equal(pin->head.manifest.n_devices, 2);
    free(pin);
}

static void a_revoked_device_is_shut_out_and_told_of(void **state)
{
    struct four *f = *state;
    struct dev_id gone = *client_dev(f->bob2->client);

    story_send(f->ann1, "bob@example.org", "before");
    story_ok(client_revoke(f->bob1->client, &gone));
    assert_int_equal(device_receive(f->bob2), WAX_E_DENIED);
    story_send(f->ann1, "bob@example.org", "after");
    story_ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "after"), 1);
    assert_int_not_equal(story_alerts(f->ann1, "device_revoked"), 0);
    assert_int_equal(device_count(f->bob2, "after"), 0);
}

static void a_device_linked_later_gets_what_comes_later(void **state)
{
    struct four *f = *state;
    struct device *tablet = world_device(&f->w, "bob@example.org", "tablet");

    story_send(f->ann1, "bob@example.org", "early");
    story_ok(device_link(f->bob1, tablet, false));
    story_send(f->ann1, "bob@example.org", "late");
    story_ok(device_receive(tablet));
    assert_int_equal(device_count(tablet, "early"), 0);
    assert_int_equal(device_count(tablet, "late"), 1);
    assert_int_not_equal(story_alerts(f->ann1, "new_device"), 0);
}

static void what_nobody_fetches_expires_and_both_ends_are_told(void **state)
{
    struct four *f = *state;
    bool told = false, count = false;
    uint64_t seq = 0;

    story_send(f->ann1, "bob@example.org", "stale");
    for (int i = 0; i < 8; i++)
        world_pass(&f->w, 86400000);
    story_ok(device_receive(f->ann1));
    story_ok(device_receive(f->bob2));
    assert_int_equal(device_count(f->bob2, "stale"), 0);
    for (struct device *d = f->ann1;; d = f->bob2) {
        for (seq = 0;;) {
            struct item it = {0};
            enum item_shown shown;
            if (client_event_next(d->client, seq, SHOWN_DONE + 1, &seq, &shown, &it) != WAX_OK)
                break;
            told = told || (d == f->ann1 && it.type == ITEM_EXPIRED && it.own &&
                            strcmp(it.to, "bob@example.org") == 0);
            count = count || (d == f->bob2 && it.type == ITEM_EXPIRED && !it.own && it.count == 1);
            item_done(&it);
        }
        if (d == f->bob2)
            break;
    }
    assert_true(told);
    assert_true(count);
}

static void an_old_copy_put_back_is_noticed_and_heals(void **state)
{
    struct four *f = *state;
    struct vault_disk *copy = vault_disk_copy(f->bob1->disk);

    for (int i = 0; i < 5; i++) {
        story_send(f->ann1, "bob@example.org", "to and");
        story_ok(device_receive(f->bob1));
        story_send(f->bob1, "ann@example.org", "fro");
        story_ok(device_receive(f->ann1));
    }
    device_stop(f->bob1);
    vault_disk_free(f->bob1->disk);
    f->bob1->disk = copy;
    story_ok(device_start(f->bob1));
    story_send(f->bob1, "ann@example.org", "from the old copy");
    assert_int_not_equal(story_alerts(f->bob1, "restored"), 0);
    story_ok(device_receive(f->ann1));
    assert_int_equal(device_count(f->ann1, "from the old copy"), 1);
    story_send(f->ann1, "bob@example.org", "to the old copy");
    story_ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "to the old copy"), 1);
}

static void both_start_at_once_and_end_in_one_session(void **state)
{
    struct four *f = *state;
    struct hash32 a, b;

    story_ok(device_send(f->ann1, "bob@example.org", "crossing a", &a));
    story_ok(device_send(f->bob1, "ann@example.org", "crossing b", &b));
    story_ok(client_flush(f->ann1->client, NULL, NULL));
    story_ok(client_flush(f->bob1->client, NULL, NULL));
    story_ok(device_receive(f->ann1));
    story_ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "crossing a"), 1);
    assert_int_equal(device_count(f->ann1, "crossing b"), 1);
    for (int i = 0; i < 4; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "then %d", i);
        story_send(i % 2 ? f->bob1 : f->ann1, i % 2 ? "ann@example.org" : "bob@example.org", text);
        story_ok(device_receive(i % 2 ? f->ann1 : f->bob1));
        assert_int_equal(device_count(i % 2 ? f->ann1 : f->bob1, text), 1);
    }
    assert_int_equal(story_alerts(f->ann1, "session_reset"), 0);
    assert_int_equal(story_alerts(f->bob1, "session_reset"), 0);
}

static void prekeys_rotate_and_old_invitations_to_talk_still_open(void **state)
{
    struct four *f = *state;
    struct device *carol = world_device(&f->w, "carol@example.org", "phone");

    story_ok(device_register(carol));
    story_send(carol, "bob@example.org", "sealed to the first bundle");
    world_pass(&f->w, 3 * 86400000ULL);
    story_ok(client_login(f->bob1->client)); /* publishes the next bundle before it reads */
    story_ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "sealed to the first bundle"), 1);
    story_ok(device_receive(f->bob2));
    assert_int_equal(device_count(f->bob2, "sealed to the first bundle"), 1);
}

static void a_month_passes_and_manifests_are_signed_again(void **state)
{
    struct four *f = *state;

    for (int day = 0; day < 45; day++) {
        world_pass(&f->w, 86400000);
        story_ok(device_receive(f->ann1));
        story_ok(device_receive(f->bob1));
    }
    story_send(f->ann1, "bob@example.org", "still here");
    story_ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "still here"), 1);
}

static void a_clock_two_hours_ahead_registers_all_the_same(void **state)
{
    struct four *f = *state;
    struct device *dora = world_device(&f->w, "dora@example.org", "phone");

    dora->skew = 2 * 3600000;
    story_ok(device_register(dora));
    story_send(f->ann1, "dora@example.org", "you are early");
    story_ok(device_receive(dora));
    assert_int_equal(device_count(dora, "you are early"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(each_message_reaches_the_three_other_devices_once),
        STORY(wrong_digits_link_nothing),
        STORY(a_revoked_device_is_shut_out_and_told_of),
        STORY(a_device_linked_later_gets_what_comes_later),
        STORY(what_nobody_fetches_expires_and_both_ends_are_told),
        STORY(an_old_copy_put_back_is_noticed_and_heals),
        STORY(both_start_at_once_and_end_in_one_session),
        STORY(prekeys_rotate_and_old_invitations_to_talk_still_open),
        STORY(a_month_passes_and_manifests_are_signed_again),
        STORY(a_clock_two_hours_ahead_registers_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
