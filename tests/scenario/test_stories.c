/* Four devices, two people, in virtual time: the promises of PROTOCOL.md as stories. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "account/pin.h"
#include "world.h"

struct four {
    struct world w;
    struct device *ann1, *ann2, *bob1, *bob2;
};

static void ok(wax_rc rc) { assert_int_equal(rc, WAX_OK); }

static int four_devices(void **state)
{
    struct four *f = calloc(1, sizeof *f);

    world_init(&f->w, 7);
    f->ann1 = world_device(&f->w, "ann@example.org", "phone");
    f->ann2 = world_device(&f->w, "ann@example.org", "laptop");
    f->bob1 = world_device(&f->w, "bob@example.org", "phone");
    f->bob2 = world_device(&f->w, "bob@example.org", "desk");
    ok(device_register(f->ann1));
    ok(device_register(f->bob1));
    ok(device_link(f->ann1, f->ann2, false));
    ok(device_link(f->bob1, f->bob2, false));
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct four *f = *state;

    world_done(&f->w);
    free(f);
    return 0;
}

static void send_text(struct device *d, const char *to, const char *text)
{
    struct hash32 com;

    ok(device_send(d, to, text, &com));
    ok(client_flush(d->client, NULL, NULL));
}

static void each_message_reaches_the_three_other_devices_once(void **state)
{
    struct four *f = *state;
    struct device *all[] = {f->ann1, f->ann2, f->bob1, f->bob2};
    char text[64];

    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 4; i++) {
            (void)snprintf(text, sizeof text, "round %d from %d", round, i);
            send_text(all[i], i < 2 ? "bob@example.org" : "ann@example.org", text);
            for (int k = 0; k < 4; k++)
                ok(device_receive(all[k]));
        }
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 4; i++) {
            (void)snprintf(text, sizeof text, "round %d from %d", round, i);
            for (int k = 0; k < 4; k++)
                if (device_count(all[k], text) != 1)
                    fail_msg("device %d has \"%s\" %u times", k, text, device_count(all[k], text));
        }
}

static bool alert_of(void *ctx, const char *kind)
{
    struct device *d = ctx;
    uint64_t seq = 0;
    bool found = false;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, SHOWN_DONE + 1, &seq, &shown, &it) != WAX_OK)
            return found;
        found = found || (it.type == ITEM_ALERT && strcmp(it.kind, kind) == 0);
        item_done(&it);
    }
}

static void wrong_digits_link_nothing(void **state)
{
    struct four *f = *state;
    struct device *x = world_device(&f->w, "ann@example.org", "stranger");
    struct pin *pin = calloc(1, sizeof *pin);

    assert_int_equal(device_link(f->ann1, x, true), WAX_E_DENIED);
    assert_null(x->client);
    ok(client_pin_by_handle(f->ann1->client, "ann@example.org", pin));
    assert_int_equal(pin->head.manifest.n_devices, 2);
    free(pin);
}

static void a_revoked_device_is_shut_out_and_told_of(void **state)
{
    struct four *f = *state;
    struct dev_id gone = *client_dev(f->bob2->client);

    send_text(f->ann1, "bob@example.org", "before");
    ok(client_revoke(f->bob1->client, &gone));
    assert_int_equal(device_receive(f->bob2), WAX_E_DENIED);
    send_text(f->ann1, "bob@example.org", "after");
    ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "after"), 1);
    assert_true(alert_of(f->ann1, "device_revoked"));
    assert_int_equal(device_count(f->bob2, "after"), 0);
}

static void a_device_linked_later_gets_what_comes_later(void **state)
{
    struct four *f = *state;
    struct device *tablet = world_device(&f->w, "bob@example.org", "tablet");

    send_text(f->ann1, "bob@example.org", "early");
    ok(device_link(f->bob1, tablet, false));
    send_text(f->ann1, "bob@example.org", "late");
    ok(device_receive(tablet));
    assert_int_equal(device_count(tablet, "early"), 0);
    assert_int_equal(device_count(tablet, "late"), 1);
    assert_true(alert_of(f->ann1, "new_device"));
}

static void what_nobody_fetches_expires_and_both_ends_are_told(void **state)
{
    struct four *f = *state;
    bool told = false, count = false;
    uint64_t seq = 0;

    send_text(f->ann1, "bob@example.org", "stale");
    for (int i = 0; i < 8; i++)
        world_pass(&f->w, 86400000);
    ok(device_receive(f->ann1));
    ok(device_receive(f->bob2));
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
        send_text(f->ann1, "bob@example.org", "to and");
        ok(device_receive(f->bob1));
        send_text(f->bob1, "ann@example.org", "fro");
        ok(device_receive(f->ann1));
    }
    device_stop(f->bob1);
    vault_disk_free(f->bob1->disk);
    f->bob1->disk = copy;
    ok(device_start(f->bob1));
    send_text(f->bob1, "ann@example.org", "from the old copy");
    assert_true(alert_of(f->bob1, "restored"));
    ok(device_receive(f->ann1));
    assert_int_equal(device_count(f->ann1, "from the old copy"), 1);
    send_text(f->ann1, "bob@example.org", "to the old copy");
    ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "to the old copy"), 1);
}

static void both_start_at_once_and_end_in_one_session(void **state)
{
    struct four *f = *state;
    struct hash32 a, b;

    ok(device_send(f->ann1, "bob@example.org", "crossing a", &a));
    ok(device_send(f->bob1, "ann@example.org", "crossing b", &b));
    ok(client_flush(f->ann1->client, NULL, NULL));
    ok(client_flush(f->bob1->client, NULL, NULL));
    ok(device_receive(f->ann1));
    ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "crossing a"), 1);
    assert_int_equal(device_count(f->ann1, "crossing b"), 1);
    for (int i = 0; i < 4; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "then %d", i);
        send_text(i % 2 ? f->bob1 : f->ann1, i % 2 ? "ann@example.org" : "bob@example.org", text);
        ok(device_receive(i % 2 ? f->ann1 : f->bob1));
        assert_int_equal(device_count(i % 2 ? f->ann1 : f->bob1, text), 1);
    }
    assert_false(alert_of(f->ann1, "session_reset"));
    assert_false(alert_of(f->bob1, "session_reset"));
}

static void prekeys_rotate_and_old_invitations_to_talk_still_open(void **state)
{
    struct four *f = *state;
    struct device *carol = world_device(&f->w, "carol@example.org", "phone");

    ok(device_register(carol));
    send_text(carol, "bob@example.org", "sealed to the first bundle");
    world_pass(&f->w, 3 * 86400000ULL);
    ok(client_login(f->bob1->client)); /* publishes the next bundle before it reads */
    ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "sealed to the first bundle"), 1);
    ok(device_receive(f->bob2));
    assert_int_equal(device_count(f->bob2, "sealed to the first bundle"), 1);
}

static void a_month_passes_and_manifests_are_signed_again(void **state)
{
    struct four *f = *state;

    for (int day = 0; day < 45; day++) {
        world_pass(&f->w, 86400000);
        ok(device_receive(f->ann1));
        ok(device_receive(f->bob1));
    }
    send_text(f->ann1, "bob@example.org", "still here");
    ok(device_receive(f->bob1));
    assert_int_equal(device_count(f->bob1, "still here"), 1);
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, four_devices, end)

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
