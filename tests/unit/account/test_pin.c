/* Pins, and what a directory reply amounts to (PROTOCOL 1 "One head", "Handle"). */
#include "people.h"

#include "account/pin.h"

#define ANN "ann@example.org"

/* ann's links from..n_links-1 (by index) as a reply whose versions are their seqs. */
static wax_rc look_up(struct pin *pin, const struct person *p, size_t from, const char *handle,
                      struct pin_change *c, struct pin *other)
{
    struct pin_link links[LINKS_MAX];
    size_t n = 0;

    for (size_t i = from; i < p->n_links; i++)
        links[n++] = (struct pin_link){(uint32_t)i + 1, buf_view(&p->links[i])};
    return pin_update(pin, handle, links, n, (uint32_t)p->n_links, NOW, c, other);
}

static void pin_new(struct pin *pin, const struct person *p)
{
    struct pin_change c;

    memset(pin, 0, sizeof(*pin));
    assert_int_equal(look_up(pin, p, 0, p->head.manifest.handle, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_NEW);
}

/* The reply is refused with that class and nothing moved. */
static void expect_refused(const struct pin *pin, const struct pin_link *links, size_t n,
                           uint32_t newest, wax_rc want)
{
    struct pin copy = *pin, other = {0}, no_other = {0};
    struct pin_change c = {.outcome = PIN_FORK, .new_seq = 77};

    assert_int_equal(pin_update(&copy, ANN, links, n, newest, NOW, &c, &other), want);
    assert_memory_equal(&copy, pin, sizeof(copy));
    assert_memory_equal(&other, &no_other, sizeof(other));
    assert_int_equal(c.new_seq, 77);
}

static void an_unknown_account_is_pinned_from_its_genesis(void **state)
{
    struct person ann;
    struct device_keys laptop;
    struct pin pin = {0};
    struct pin_change c;

    (void)state;
    person_make(&ann, ANN, false, 1);
    person_add_device(&ann, "laptop", &laptop, 10);
    assert_false(pin_known(&pin));
    assert_int_equal(look_up(&pin, &ann, 0, ANN, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_NEW);
    assert_int_equal(c.n_added, 2);
    assert_int_equal(c.n_removed, 0);
    assert_int_equal(pin.version, 2);
    assert_true(ID_EQ(&pin.head.hash, &ann.head.hash));
    assert_int_equal(pin_find(&pin, &laptop.dev), 1);
    assert_false(pin.accepted || pin.verified || pin.identity_changed);
    /* The same again is no change; neither is only the newest. */
    assert_int_equal(look_up(&pin, &ann, 0, ANN, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_SAME);
    assert_int_equal(look_up(&pin, &ann, 1, ANN, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_SAME);
    device_keys_done(&laptop);
    person_done(&ann);
}

static void a_newer_manifest_names_who_came_and_went(void **state)
{
    struct person ann;
    struct device_keys laptop, tablet;
    struct pin pin;
    struct pin_change c;

    (void)state;
    person_make(&ann, ANN, false, 2);
    person_add_device(&ann, "laptop", &laptop, 20);
    pin_new(&pin, &ann);
    pin.accepted = true;
    pin_set_verified(&pin, &ann.keys.dev, NOW);
    pin.bundle_not_before[0] = 5;
    pin.bundle_not_before[1] = 6;
    person_add_device(&ann, "tablet", &tablet, 21);
    person_change(&ann, &(struct update_change){.revoke = &laptop.dev, .n_revoke = 1}, NULL, NOW);
    assert_int_equal(look_up(&pin, &ann, 2, ANN, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_CHANGED);
    assert_int_equal(c.old_seq, 2);
    assert_int_equal(c.new_seq, 4);
    assert_int_equal(c.n_added, 1);
    assert_string_equal(c.added[0].name, "tablet");
    assert_int_equal(c.n_removed, 1);
    assert_string_equal(c.removed[0].name, "laptop");
    assert_true(pin.accepted && pin.verified);
    assert_int_equal(pin.bundle_not_before[0], 5);
    assert_int_equal(pin.bundle_not_before[1], 0);
    device_keys_done(&laptop);
    device_keys_done(&tablet);
    person_done(&ann);
}

static void a_gap_a_wrong_order_or_an_empty_reply_is_refused(void **state)
{
    struct person ann;
    struct pin pin, unknown = {0};
    struct pin_link l[4];

    (void)state;
    person_make(&ann, ANN, false, 3);
    pin_new(&pin, &ann);
    for (int i = 0; i < 3; i++)
        person_change(&ann, &(struct update_change){0}, NULL, NOW + (uint64_t)i);
    for (uint32_t i = 0; i < 4; i++)
        l[i] = (struct pin_link){i + 1, buf_view(&ann.links[i])};
    expect_refused(&pin, l, 0, 4, WAX_E_PROTO);
    expect_refused(&pin, l + 1, 2, 4, WAX_E_PROTO);     /* the newest is missing */
    expect_refused(&pin, l + 2, 2, 4, WAX_E_PROTO);     /* version 2 is missing */
    expect_refused(&unknown, l + 1, 3, 4, WAX_E_PROTO); /* no genesis */
    expect_refused(&pin, (struct pin_link[]){l[2], l[1]}, 2, 3, WAX_E_PROTO);
    expect_refused(&pin, l + 1, 3, 0, WAX_E_PROTO); /* versions, but no newest */
    /* Without versions (sync, 409) the chain itself tells. */
    for (uint32_t i = 0; i < 4; i++)
        l[i].version = 0;
    expect_refused(&pin, l + 2, 2, 0, WAX_R_CHAIN);
    expect_refused(&pin, (struct pin_link[]){l[1], l[1]}, 2, 0, WAX_R_CHAIN);
    expect_refused(&unknown, l + 1, 3, 0, WAX_R_CHAIN);
    person_done(&ann);
}

/* Her own publish, and the 409 of a stale list, bring a manifest without its version. */
static void a_manifest_without_its_version_is_the_next_one(void **state)
{
    struct person ann;
    struct pin pin, other = {0};
    struct pin_change change;
    struct pin_link l[3];

    (void)state;
    person_make(&ann, ANN, false, 3);
    pin_new(&pin, &ann);
    for (int i = 0; i < 2; i++)
        person_change(&ann, &(struct update_change){0}, NULL, NOW + (uint64_t)i);
    for (uint32_t i = 0; i < 3; i++)
        l[i] = (struct pin_link){i + 1, buf_view(&ann.links[i])};
    l[1].version = 0;
    assert_int_equal(pin_update(&pin, ANN, l + 1, 1, 0, NOW, &change, &other), WAX_OK);
    assert_int_equal(pin.version, 2);
    /* So what the directory tells from there on leaves no gap. */
    assert_int_equal(pin_update(&pin, ANN, l + 2, 1, 3, NOW, &change, &other), WAX_OK);
    assert_int_equal(pin.version, 3);
    assert_int_equal(pin.head.manifest.seq, 3);
    person_done(&ann);
}

static void one_bad_link_refuses_the_whole_reply(void **state)
{
    struct person ann;
    struct device_keys thief;
    struct rng rng = people_rng(40);
    struct pin pin;
    struct manifest m;
    struct buf forged = {0};

    (void)state;
    person_make(&ann, ANN, false, 4);
    pin_new(&pin, &ann);
    person_change(&ann, &(struct update_change){0}, NULL, NOW);
    assert_int_equal(device_keys_make(&rng, &thief), WAX_OK);
    m = successor_of(&ann, NOW);
    assert_int_equal(device_keys_entry(&thief, "phone", &m.devices[1]), WAX_OK);
    m.n_devices = 2;
    forge(&m, thief.dsk, (const struct device_keys *[]){&thief}, 1, &forged);
    struct pin_link l[] = {{2, buf_view(&ann.links[1])}, {3, buf_view(&forged)}};
    expect_refused(&pin, l, 2, 3, WAX_R_SIGNATURE);
    l[1].link.n--;
    expect_refused(&pin, l, 2, 3, WAX_R_PARSE);
    device_keys_done(&thief);
    buf_done(&forged);
    person_done(&ann);
}

static void another_handle_than_the_one_looked_up_is_refused(void **state)
{
    struct person ann;
    struct pin pin, unknown = {0};
    struct pin_change c;
    struct pin_link l;

    (void)state;
    person_make(&ann, "anna@example.org", false, 5);
    l = (struct pin_link){1, buf_view(&ann.links[0])};
    expect_refused(&unknown, &l, 1, 1, WAX_R_CHAIN);
    /* A handle changes by a manifest: then the old name finds nothing, the new one does. */
    person_change(&ann, &(struct update_change){.handle = ANN}, NULL, NOW);
    memset(&pin, 0, sizeof(pin));
    assert_int_equal(look_up(&pin, &ann, 0, "anna@example.org", &c, NULL), WAX_R_CHAIN);
    assert_int_equal(look_up(&pin, &ann, 0, ANN, &c, NULL), WAX_OK);
    person_done(&ann);
}

static void a_lower_seq_is_told_and_leaves_the_pin(void **state)
{
    struct person ann;
    struct pin pin, before;
    struct pin_change c;
    struct pin_link l;

    (void)state;
    person_make(&ann, ANN, false, 6);
    person_change(&ann, &(struct update_change){0}, NULL, NOW);
    pin_new(&pin, &ann);
    before = pin;
    l = (struct pin_link){1, buf_view(&ann.links[0])};
    assert_int_equal(pin_update(&pin, ANN, &l, 1, 1, NOW, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_LOWER);
    assert_int_equal(c.old_seq, 2);
    assert_int_equal(c.new_seq, 1);
    assert_memory_equal(&pin, &before, sizeof(pin));
    l.version = 0;
    assert_int_equal(pin_update(&pin, ANN, &l, 1, 0, NOW, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_LOWER);
    person_done(&ann);
}

static void two_manifests_of_one_seq_are_evidence(void **state)
{
    struct person ann, twin;
    struct device_keys laptop;
    struct pin pin, before;
    struct pin_change c;
    struct manifest m;
    struct buf fork = {0};
    struct pin_link l;

    (void)state;
    person_make(&ann, ANN, false, 7);
    person_make(&twin, ANN, false, 7);
    person_add_device(&ann, "laptop", &laptop, 70);
    pin_new(&pin, &ann);
    before = pin;
    m = successor_of(&twin, NOW + 1);
    forge(&m, twin.keys.dsk, NULL, 0, &fork);
    l = (struct pin_link){2, buf_view(&fork)};
    assert_int_equal(pin_update(&pin, ANN, &l, 1, 2, NOW, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_FORK);
    assert_true(bytes_eq(c.fork_link, buf_view(&fork)));
    assert_memory_equal(&pin, &before, sizeof(pin));
    /* Bytes that nobody signed prove nothing. */
    fork.p[fork.n - 2] ^= 1;
    expect_refused(&pin, &l, 1, 2, WAX_R_SIGNATURE);
    buf_done(&fork);
    device_keys_done(&laptop);
    person_done(&ann);
    person_done(&twin);
}

static void a_recovery_clears_verified_until_it_is_accepted(void **state)
{
    struct person ann;
    struct device_keys fresh;
    struct rng rng = people_rng(80);
    struct manifest_device entry;
    struct update_signer signer;
    struct pin pin;
    struct pin_change c;

    (void)state;
    person_make(&ann, ANN, true, 8);
    pin_new(&pin, &ann);
    pin.accepted = true;
    pin_set_verified(&pin, &ann.keys.dev, NOW);
    assert_int_equal(device_keys_make(&rng, &fresh), WAX_OK);
    assert_int_equal(device_keys_entry(&fresh, "new", &entry), WAX_OK);
    signer = update_signer_recovery(ann.recovery);
    person_change_as(&ann, &signer,
                     &(struct update_change){.revoke_all = true, .add = &entry, .n_add = 1}, &fresh,
                     NOW);
    signer = update_signer_device(&fresh);
    person_change_as(&ann, &signer, &(struct update_change){0}, NULL, NOW);
    assert_int_equal(look_up(&pin, &ann, 1, ANN, &c, NULL), WAX_OK);
    assert_int_equal(c.outcome, PIN_IDENTITY_CHANGED);
    assert_int_equal(c.n_added, 1);
    assert_int_equal(c.n_removed, 1);
    assert_true(pin.identity_changed && pin.accepted && !pin.verified);
    assert_int_equal(pin.head.manifest.seq, 3);
    pin_accept_identity(&pin, NULL);
    assert_false(pin.identity_changed || pin.verified);
    /* Who meets the account only now sees no change. */
    pin_new(&pin, &ann);
    assert_false(pin.identity_changed);
    device_keys_done(&fresh);
    person_done(&ann);
}

static void another_account_under_the_handle_waits_for_the_user(void **state)
{
    struct person ann, mallory;
    struct pin pin, other;
    struct pin_change c;

    (void)state;
    person_make(&ann, ANN, false, 9);
    person_make(&mallory, ANN, false, 90);
    person_change(&mallory, &(struct update_change){0}, NULL, NOW);
    pin_new(&pin, &ann);
    pin.accepted = true;
    pin_set_verified(&pin, &ann.keys.dev, NOW);
    /* The directory's versions go on: 2 and 3 are the other account's. */
    struct pin_link l[] = {{2, buf_view(&mallory.links[0])}, {3, buf_view(&mallory.links[1])}};
    assert_int_equal(pin_update(&pin, ANN, l, 2, 3, NOW, &c, &other), WAX_OK);
    assert_int_equal(c.outcome, PIN_OTHER_ACCOUNT);
    assert_true(ID_EQ(&pin.head.manifest.acct, &ann.head.manifest.acct));
    assert_int_equal(pin.version, 1);
    assert_true(pin.identity_changed && !pin.verified);
    assert_true(ID_EQ(&other.head.hash, &mallory.head.hash));
    assert_int_equal(other.version, 3);
    /* Its second manifest alone is no account. */
    expect_refused(&pin, &(struct pin_link){2, buf_view(&mallory.links[1])}, 1, 2, WAX_R_CHAIN);
    pin_accept_identity(&pin, &other);
    assert_true(ID_EQ(&pin.head.manifest.acct, &mallory.head.manifest.acct));
    assert_true(pin.accepted && !pin.verified && !pin.identity_changed);
    person_done(&ann);
    person_done(&mallory);
}

static void a_pin_survives_the_vault(void **state)
{
    struct person ann;
    struct device_keys laptop;
    struct pin pin, back = {0}, unknown = {0};
    struct buf form = {0};

    (void)state;
    person_make(&ann, ANN, true, 10);
    person_add_device(&ann, "laptop", &laptop, 100);
    pin_new(&pin, &ann);
    pin.accepted = pin.identity_changed = true;
    pin.bundle_not_before[1] = NOW;
    pin_set_verified(&pin, &laptop.dev, NOW + 3);
    assert_int_equal(pin_encode(&unknown, &form), WAX_E_INVAL);
    assert_int_equal(pin_encode(&pin, &form), WAX_OK);
    assert_int_equal(pin_decode(buf_view(&form), &back), WAX_OK);
    assert_memory_equal(&pin.head.hash, &back.head.hash, sizeof(back.head.hash));
    assert_memory_equal(pin.record, back.record, sizeof(pin.record));
    assert_memory_equal(pin.devs, back.devs, sizeof(pin.devs));
    assert_memory_equal(pin.bundle_not_before, back.bundle_not_before,
                        sizeof(pin.bundle_not_before));
    assert_true(back.accepted && back.identity_changed && back.verified);
    assert_true(ID_EQ(&back.verified_by, &laptop.dev));
    assert_int_equal(back.verified_at, NOW + 3);
    assert_int_equal(back.version, 2);
    for (size_t n = 0; n < form.n; n++)
        assert_int_equal(pin_decode(BYTES(form.p, n), &back), WAX_R_PARSE);
    form.p[1] = 8;
    assert_int_equal(pin_decode(buf_view(&form), &back), WAX_R_PARSE);
    buf_done(&form);
    device_keys_done(&laptop);
    person_done(&ann);
}

static void a_bundle_older_than_one_seen_is_refused(void **state)
{
    struct person ann;
    struct pin pin;
    struct prekey newer;
    struct rng rng = people_rng(110);
    struct bundle b;

    (void)state;
    person_make(&ann, ANN, false, 11);
    pin_new(&pin, &ann);
    assert_int_equal(prekey_make(&ann.keys, &rng, NOW, NOW, &newer), WAX_OK);
    assert_int_equal(pin_bundle(&pin, 0, BYTES_OF(ann.prekey.record), NOW, &b), WAX_OK);
    assert_int_equal(pin_bundle(&pin, 0, BYTES_OF(newer.record), NOW, &b), WAX_OK);
    assert_int_equal(pin.bundle_not_before[0], NOW + 1);
    assert_int_equal(pin_bundle(&pin, 0, BYTES_OF(ann.prekey.record), NOW, &b), WAX_R_DATES);
    assert_int_equal(pin_bundle(&pin, 0, BYTES_OF(newer.record), NOW, &b), WAX_OK);
    assert_int_equal(pin_bundle(&pin, 1, BYTES_OF(newer.record), NOW, &b), WAX_E_INVAL);
    newer.record[200] ^= 1;
    assert_int_equal(pin_bundle(&pin, 0, BYTES_OF(newer.record), NOW, &b), WAX_R_SIGNATURE);
    assert_int_equal(pin.bundle_not_before[0], NOW + 1);
    assert_true(pin_sealable(&pin, NOW + 30 * DAY) && !pin_sealable(&pin, NOW + 30 * DAY + 1));
    assert_true(pin_readable(&pin, NOW + 38 * DAY) && !pin_readable(&pin, NOW + 38 * DAY + 1));
    prekey_done(&newer);
    person_done(&ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_account_is_pinned_from_its_genesis),
        cmocka_unit_test(a_newer_manifest_names_who_came_and_went),
        cmocka_unit_test(a_gap_a_wrong_order_or_an_empty_reply_is_refused),
        cmocka_unit_test(a_manifest_without_its_version_is_the_next_one),
        cmocka_unit_test(one_bad_link_refuses_the_whole_reply),
        cmocka_unit_test(another_handle_than_the_one_looked_up_is_refused),
        cmocka_unit_test(a_lower_seq_is_told_and_leaves_the_pin),
        cmocka_unit_test(two_manifests_of_one_seq_are_evidence),
        cmocka_unit_test(a_recovery_clears_verified_until_it_is_accepted),
        cmocka_unit_test(another_account_under_the_handle_waits_for_the_user),
        cmocka_unit_test(a_pin_survives_the_vault),
        cmocka_unit_test(a_bundle_older_than_one_seen_is_refused),
    };

    return cmocka_run_group_tests(tests, people_start, NULL);
}
