/* Making manifests: add, revoke, rename, recover, re-sign (PROTOCOL 1, 5.2). */
#include "people.h"

static wax_rc try_change(const struct person *p, const struct update_change *change,
                         const struct device_keys *joiner)
{
    struct update_signer signer = update_signer_device(&p->keys);
    struct buf link = {0};
    wax_rc rc = update_make(&p->head, &signer, change, joiner, NOW, &link);

    assert_true((rc == WAX_OK) == (link.n > 0));
    buf_done(&link);
    return rc;
}

static void a_registration_is_a_genesis_with_its_first_bundle(void **state)
{
    struct person ann;
    struct bundle b;

    (void)state;
    person_make(&ann, "ann@example.org", true, 1);
    assert_int_equal(ann.head.manifest.seq, 1);
    assert_string_equal(ann.head.manifest.handle, "ann@example.org");
    assert_true(ann.head.manifest.has_recovery);
    assert_int_equal(bundle_decode(BYTES_OF(ann.prekey.record), &b), WAX_OK);
    assert_int_equal(b.not_before, NOW);
    person_done(&ann);
}

static void a_registration_with_a_bad_handle_or_name_gives_nothing(void **state)
{
    struct person ann;
    struct rng rng = people_rng(20);
    struct buf link = {0};
    struct prekey p = {0};
    struct genesis_in in = {
        .keys = &ann.keys, .handle = "Ann@example.org", .name = "phone", .now = NOW};
    char long_name[NAME_DEVICE_MAX + 2];

    (void)state;
    person_make(&ann, "ann@example.org", false, 2);
    assert_int_equal(genesis_make(&in, &rng, &link, &p), WAX_E_INVAL);
    in.handle = "ann@example.org";
    in.name = "";
    assert_int_equal(genesis_make(&in, &rng, &link, &p), WAX_E_INVAL);
    in.name = "bell\a";
    assert_int_equal(genesis_make(&in, &rng, &link, &p), WAX_E_INVAL);
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[NAME_DEVICE_MAX + 1] = '\0';
    in.name = long_name;
    assert_int_equal(genesis_make(&in, &rng, &link, &p), WAX_E_INVAL);
    assert_int_equal(link.n, 0);
    assert_null(p.spk);
    person_done(&ann);
}

static void a_resign_changes_only_the_date_and_never_goes_back(void **state)
{
    struct person ann;
    struct manifest before;

    (void)state;
    person_make(&ann, "ann@example.org", false, 3);
    person_change(&ann, &(struct update_change){0}, NULL, NOW + DAY);
    before = ann.head.manifest;
    assert_int_equal(before.issued, NOW + DAY);
    /* The clock was set back: issued stays where it was. */
    person_change(&ann, &(struct update_change){0}, NULL, NOW);
    assert_int_equal(ann.head.manifest.issued, NOW + DAY);
    assert_memory_equal(ann.head.manifest.devices, before.devices, sizeof(before.devices));
    person_done(&ann);
}

static void several_devices_are_revoked_in_one_manifest(void **state)
{
    struct person ann;
    struct device_keys dev[4];
    struct dev_id gone[3];

    (void)state;
    person_make(&ann, "ann@example.org", false, 4);
    for (unsigned i = 0; i < 4; i++)
        person_add_device(&ann, "extra", &dev[i], 40 + i);
    gone[0] = dev[2].dev;
    gone[1] = dev[0].dev;
    gone[2] = dev[3].dev;
    person_change(&ann, &(struct update_change){.revoke = gone, .n_revoke = 3}, NULL, NOW);
    assert_int_equal(ann.head.manifest.n_devices, 2);
    assert_int_equal(manifest_find_dsk(&ann.head.manifest, ec_public(ann.keys.dsk)), 0);
    assert_int_equal(manifest_find_dsk(&ann.head.manifest, ec_public(dev[1].dsk)), 1);
    /* One of them once more is not there; none is not an account. */
    assert_int_equal(try_change(&ann, &(struct update_change){.revoke = gone, .n_revoke = 1}, NULL),
                     WAX_E_NOTFOUND);
    assert_int_equal(try_change(&ann, &(struct update_change){.revoke_all = true}, NULL),
                     WAX_E_INVAL);
    for (unsigned i = 0; i < 4; i++)
        device_keys_done(&dev[i]);
    person_done(&ann);
}

static void one_device_may_remove_all_others_and_a_removed_one_signs_no_more(void **state)
{
    struct person ann;
    struct device_keys laptop;
    struct update_signer signer;
    struct buf link = {0};

    (void)state;
    person_make(&ann, "ann@example.org", false, 5);
    person_add_device(&ann, "laptop", &laptop, 50);
    signer = update_signer_device(&laptop);
    person_change_as(&ann, &signer, &(struct update_change){.revoke = &ann.keys.dev, .n_revoke = 1},
                     NULL, NOW);
    assert_int_equal(ann.head.manifest.n_devices, 1);
    assert_int_equal(try_change(&ann, &(struct update_change){0}, NULL), WAX_E_DENIED);
    /* Nor does the laptop under the phone's id. */
    signer.dev = ann.keys.dev;
    assert_int_equal(update_make(&ann.head, &signer, &(struct update_change){0}, NULL, NOW, &link),
                     WAX_E_DENIED);
    signer.dev = laptop.dev;
    signer.key = ann.keys.dsk;
    assert_int_equal(update_make(&ann.head, &signer, &(struct update_change){0}, NULL, NOW, &link),
                     WAX_E_DENIED);
    device_keys_done(&laptop);
    person_done(&ann);
}

static void twenty_devices_are_the_most(void **state)
{
    struct person ann;
    struct device_keys dev[MANIFEST_DEVICES_MAX];
    struct manifest_device entry;
    struct rng rng = people_rng(61);

    (void)state;
    person_make(&ann, "ann@example.org", false, 6);
    for (unsigned i = 1; i < MANIFEST_DEVICES_MAX; i++)
        person_add_device(&ann, "one more", &dev[i], 600 + i);
    assert_int_equal(ann.head.manifest.n_devices, MANIFEST_DEVICES_MAX);
    assert_int_equal(device_keys_make(&rng, &dev[0]), WAX_OK);
    assert_int_equal(device_keys_entry(&dev[0], "too much", &entry), WAX_OK);
    assert_int_equal(try_change(&ann, &(struct update_change){.add = &entry, .n_add = 1}, &dev[0]),
                     WAX_E_FULL);
    /* One out, one in, in one manifest. */
    person_change(
        &ann,
        &(struct update_change){.revoke = &dev[7].dev, .n_revoke = 1, .add = &entry, .n_add = 1},
        &dev[0], NOW);
    assert_int_equal(ann.head.manifest.n_devices, MANIFEST_DEVICES_MAX);
    for (unsigned i = 0; i < MANIFEST_DEVICES_MAX; i++)
        device_keys_done(&dev[i]);
    person_done(&ann);
}

static void a_device_is_renamed_and_nothing_else(void **state)
{
    struct person ann;
    struct update_change change = {.rename_dev = &ann.keys.dev, .rename_to = "téléphone"};
    static const struct dev_id nobody;

    (void)state;
    person_make(&ann, "ann@example.org", false, 7);
    person_change(&ann, &change, NULL, NOW);
    assert_string_equal(ann.head.manifest.devices[0].name, "téléphone");
    change.rename_to = "";
    assert_int_equal(try_change(&ann, &change, NULL), WAX_E_INVAL);
    change.rename_to = "new";
    change.rename_dev = &nobody;
    assert_int_equal(try_change(&ann, &change, NULL), WAX_E_NOTFOUND);
    person_done(&ann);
}

static void a_handle_changes_by_a_manifest(void **state)
{
    struct person ann;

    (void)state;
    person_make(&ann, "ann@example.org", false, 8);
    person_change(&ann, &(struct update_change){.handle = "anna@example.org"}, NULL, NOW);
    assert_true(handle_matches(&ann.head.manifest, "anna@example.org"));
    assert_int_equal(try_change(&ann, &(struct update_change){.handle = "ANN@example.org"}, NULL),
                     WAX_E_INVAL);
    person_done(&ann);
}

static void a_key_in_use_is_not_added_again(void **state)
{
    struct person ann;
    struct device_keys laptop;
    struct manifest_device entry;
    struct update_change change = {.add = &entry, .n_add = 1};

    (void)state;
    person_make(&ann, "ann@example.org", false, 9);
    person_add_device(&ann, "laptop", &laptop, 90);
    entry = ann.head.manifest.devices[1];
    assert_int_equal(try_change(&ann, &change, &laptop), WAX_E_EXISTS);
    /* Not even while it is being revoked: it would count as kept, out of order. */
    change.revoke = &laptop.dev;
    change.n_revoke = 1;
    assert_int_equal(try_change(&ann, &change, &laptop), WAX_E_EXISTS);
    entry.dsk.b[64] ^= 1;
    assert_int_equal(try_change(&ann, &change, &laptop), WAX_R_POINT);
    assert_int_equal(try_change(&ann, &change, NULL), WAX_E_INVAL);
    device_keys_done(&laptop);
    person_done(&ann);
}

static void the_words_replace_all_devices(void **state)
{
    struct person ann;
    struct device_keys laptop, fresh;
    struct rng rng = people_rng(101);
    struct manifest_device entry;
    struct update_signer signer;
    struct ec_key *new_recovery = NULL;
    struct update_change change = {
        .revoke_all = true, .add = &entry, .n_add = 1, .set_recovery = true};

    (void)state;
    person_make(&ann, "ann@example.org", true, 10);
    person_add_device(&ann, "laptop", &laptop, 100);
    assert_int_equal(device_keys_make(&rng, &fresh), WAX_OK);
    assert_int_equal(ec_generate(&rng, &new_recovery), WAX_OK);
    assert_int_equal(device_keys_entry(&fresh, "new phone", &entry), WAX_OK);
    change.recovery = ec_public(new_recovery);
    assert_int_equal(try_change(&ann, &change, &fresh), WAX_E_INVAL);
    signer = update_signer_recovery(new_recovery);
    struct buf link = {0};
    assert_int_equal(update_make(&ann.head, &signer, &change, &fresh, NOW, &link), WAX_E_DENIED);
    signer = update_signer_recovery(ann.recovery);
    person_change_as(&ann, &signer, &change, &fresh, NOW);
    assert_int_equal(ann.head.manifest.n_devices, 1);
    assert_string_equal(ann.head.manifest.devices[0].name, "new phone");
    assert_true(ID_EQ(&ann.head.manifest.recovery, ec_public(new_recovery)));
    assert_int_equal(try_change(&ann, &(struct update_change){0}, NULL), WAX_E_DENIED);
    ec_free(new_recovery);
    device_keys_done(&laptop);
    device_keys_done(&fresh);
    person_done(&ann);
}

static void without_a_recovery_key_there_is_no_recovery(void **state)
{
    struct person ann;
    struct update_signer signer;
    struct buf link = {0};

    (void)state;
    person_make(&ann, "ann@example.org", false, 11);
    signer = update_signer_recovery(ann.keys.dsk);
    assert_int_equal(update_make(&ann.head, &signer, &(struct update_change){0}, NULL, NOW, &link),
                     WAX_E_DENIED);
    person_done(&ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_is_a_genesis_with_its_first_bundle),
        cmocka_unit_test(a_registration_with_a_bad_handle_or_name_gives_nothing),
        cmocka_unit_test(a_resign_changes_only_the_date_and_never_goes_back),
        cmocka_unit_test(several_devices_are_revoked_in_one_manifest),
        cmocka_unit_test(one_device_may_remove_all_others_and_a_removed_one_signs_no_more),
        cmocka_unit_test(twenty_devices_are_the_most),
        cmocka_unit_test(a_device_is_renamed_and_nothing_else),
        cmocka_unit_test(a_handle_changes_by_a_manifest),
        cmocka_unit_test(a_key_in_use_is_not_added_again),
        cmocka_unit_test(the_words_replace_all_devices),
        cmocka_unit_test(without_a_recovery_key_there_is_no_recovery),
    };

    return cmocka_run_group_tests(tests, people_start, NULL);
}
