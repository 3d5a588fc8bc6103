/* What the chain refuses (RECORDS 3), told by forgers who sign what they like. The known
 * answers hold one case of most; here are the edges and the rest. */
#include "people.h"

static void expect_forged(const struct person *p, const struct manifest *m,
                          const struct ec_key *signer, const struct device_keys *const *joiners,
                          size_t n, uint64_t now, wax_rc want)
{
    struct buf link = {0};

    forge(m, signer, joiners, n, &link);
    assert_int_equal(judge_after(p, buf_view(&link), now), want);
    buf_done(&link);
}

static void an_honest_successor_is_taken(void **state)
{
    struct person ann;
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", true, 1);
    m = successor_of(&ann, NOW);
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_OK);
    person_done(&ann);
}

static void issued_may_lie_one_hour_ahead_and_not_a_millisecond_more(void **state)
{
    struct person ann;
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", false, 2);
    m = successor_of(&ann, NOW + HOUR);
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_OK);
    m.issued++;
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_R_DATES);
    m.issued = NOW; /* equal to the previous is fine, below it is not */
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_OK);
    m.issued = NOW - 1;
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_R_CHAIN);
    m.issued = UINT64_MAX;
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, UINT64_MAX - 1, WAX_OK);
    person_done(&ann);
}

static void expiry_never_stops_the_chain(void **state)
{
    struct person ann;
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", false, 3);
    m = successor_of(&ann, NOW);
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW + 400 * DAY, WAX_OK);
    person_done(&ann);
}

static void a_manifest_is_sealed_to_for_30_days_and_read_for_8_more(void **state)
{
    struct manifest m = {.issued = NOW};

    (void)state;
    assert_int_equal(manifest_not_after(&m), NOW + 30 * DAY);
    assert_true(manifest_sealable(&m, NOW + 30 * DAY));
    assert_false(manifest_sealable(&m, NOW + 30 * DAY + 1));
    assert_true(manifest_readable(&m, NOW + 38 * DAY));
    assert_false(manifest_readable(&m, NOW + 38 * DAY + 1));
    assert_false(manifest_resign_due(&m, NOW + 15 * DAY));
    assert_true(manifest_resign_due(&m, NOW + 15 * DAY + 1));
    m.issued = UINT64_MAX - 5;
    assert_int_equal(manifest_not_after(&m), UINT64_MAX);
    assert_true(manifest_readable(&m, UINT64_MAX));
}

static void a_kept_device_keeps_its_login_key(void **state)
{
    struct person ann;
    struct device_keys other;
    struct rng rng = people_rng(40);
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", false, 4);
    assert_int_equal(device_keys_make(&rng, &other), WAX_OK);
    m = successor_of(&ann, NOW);
    m.devices[0].dtk = *ec_public(other.dtk);
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_R_CHAIN);
    m = successor_of(&ann, NOW);
    m.devices[0].suite = 2;
    strcpy(m.devices[0].name, "old phone");
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_OK);
    device_keys_done(&other);
    person_done(&ann);
}

static void kept_devices_keep_their_order(void **state)
{
    struct person ann;
    struct device_keys laptop, tablet;
    struct manifest m;
    struct manifest_device first;

    (void)state;
    person_make(&ann, "ann@example.org", false, 5);
    person_add_device(&ann, "laptop", &laptop, 50);
    person_add_device(&ann, "tablet", &tablet, 51);
    m = successor_of(&ann, NOW);
    first = m.devices[1];
    m.devices[1] = m.devices[2];
    m.devices[2] = first;
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_R_CHAIN);
    /* Dropping the one in the middle is fine. */
    m = successor_of(&ann, NOW);
    m.devices[1] = m.devices[2];
    m.n_devices = 2;
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_OK);
    device_keys_done(&laptop);
    device_keys_done(&tablet);
    person_done(&ann);
}

static void every_new_device_joins_in_order_and_nobody_else(void **state)
{
    struct person ann;
    struct device_keys a, b;
    struct rng rng = people_rng(60);
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", false, 6);
    assert_int_equal(device_keys_make(&rng, &a), WAX_OK);
    assert_int_equal(device_keys_make(&rng, &b), WAX_OK);
    m = successor_of(&ann, NOW);
    assert_int_equal(device_keys_entry(&a, "laptop", &m.devices[1]), WAX_OK);
    assert_int_equal(device_keys_entry(&b, "tablet", &m.devices[2]), WAX_OK);
    m.n_devices = 3;
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&a, &b}, 2, NOW, WAX_OK);
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&b, &a}, 2, NOW,
                  WAX_R_CHAIN);
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&a}, 1, NOW, WAX_R_CHAIN);
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&a, &b, &ann.keys}, 3, NOW,
                  WAX_R_CHAIN);
    m = successor_of(&ann, NOW);
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&ann.keys}, 1, NOW,
                  WAX_R_CHAIN);
    device_keys_done(&a);
    device_keys_done(&b);
    person_done(&ann);
}

static void nobody_lists_keys_that_he_does_not_hold(void **state)
{
    struct person ann, bob;
    struct device_keys thief;
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", false, 7);
    person_make(&bob, "bob@example.org", false, 70);
    /* Bob's keys in ann's manifest, the join signed by a login key of ann's choice. */
    m = successor_of(&ann, NOW);
    assert_int_equal(device_keys_entry(&bob.keys, "bob's", &m.devices[1]), WAX_OK);
    m.n_devices = 2;
    thief = bob.keys;
    thief.dtk = ann.keys.dtk;
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&thief}, 1, NOW,
                  WAX_R_SIGNATURE);
    thief = bob.keys;
    thief.dsk = ann.keys.dsk;
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&thief}, 1, NOW,
                  WAX_R_SIGNATURE);
    person_done(&ann);
    person_done(&bob);
}

static void no_key_has_two_places(void **state)
{
    struct person ann;
    struct device_keys a;
    struct rng rng = people_rng(80);
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", true, 8);
    assert_int_equal(device_keys_make(&rng, &a), WAX_OK);
    m = successor_of(&ann, NOW);
    assert_int_equal(device_keys_entry(&a, "laptop", &m.devices[1]), WAX_OK);
    m.n_devices = 2;
    m.devices[1].dtk = m.devices[0].dtk;
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&a}, 1, NOW, WAX_R_CHAIN);
    m.devices[1].dtk = *ec_public(ann.recovery);
    expect_forged(&ann, &m, ann.keys.dsk, (const struct device_keys *[]){&a}, 1, NOW, WAX_R_CHAIN);
    device_keys_done(&a);
    person_done(&ann);
}

static void the_recovery_key_changes_only_by_the_old_one(void **state)
{
    struct person ann;
    struct ec_key *fresh = NULL;
    struct rng rng = people_rng(90);
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", true, 9);
    assert_int_equal(ec_generate(&rng, &fresh), WAX_OK);
    m = successor_of(&ann, NOW);
    m.recovery = *ec_public(fresh);
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_R_CHAIN);
    m.signer_kind = SIGNER_RECOVERY;
    memset(m.signer.b, 0, sizeof(m.signer.b));
    expect_forged(&ann, &m, fresh, NULL, 0, NOW, WAX_R_SIGNATURE);
    expect_forged(&ann, &m, ann.recovery, NULL, 0, NOW, WAX_OK);
    m.has_recovery = false;
    memset(m.recovery.b, 0, sizeof(m.recovery.b));
    expect_forged(&ann, &m, ann.recovery, NULL, 0, NOW, WAX_OK);
    ec_free(fresh);
    person_done(&ann);
}

static void a_genesis_is_one_device_signed_by_itself(void **state)
{
    struct person ann, bob;
    struct chain_link link;
    struct buf forged = {0};
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", false, 10);
    person_make(&bob, "bob@example.org", false, 100);
    assert_int_equal(chain_link_decode(buf_view(&ann.links[0]), &link), WAX_OK);
    assert_int_equal(chain_check(&link, NULL, NOW), WAX_OK);
    assert_int_equal(chain_check(&link, NULL, NOW - HOUR), WAX_OK);
    assert_int_equal(chain_check(&link, NULL, NOW - HOUR - 1), WAX_R_DATES);
    assert_int_equal(chain_check(&link, &bob.head, NOW), WAX_R_CHAIN);
    /* A later one is no beginning. */
    person_change(&ann, &(struct update_change){0}, NULL, NOW);
    assert_int_equal(chain_link_decode(buf_view(&ann.links[1]), &link), WAX_OK);
    assert_int_equal(chain_check(&link, NULL, NOW), WAX_R_CHAIN);
    /* Bob's genesis with ann's handle is another account id. */
    assert_int_equal(chain_link_decode(buf_view(&bob.links[0]), &link), WAX_OK);
    m = link.manifest;
    strcpy(m.handle, "ann@example.org");
    forge(&m, bob.keys.dsk, (const struct device_keys *[]){&bob.keys}, 1, &forged);
    assert_int_equal(chain_link_decode(buf_view(&forged), &link), WAX_OK);
    assert_int_equal(chain_check(&link, NULL, NOW), WAX_R_CHAIN);
    buf_done(&forged);
    person_done(&ann);
    person_done(&bob);
}

static void the_last_seq_has_no_successor(void **state)
{
    struct person ann;
    struct manifest m;

    (void)state;
    person_make(&ann, "ann@example.org", false, 11);
    ann.head.manifest.seq = UINT32_MAX;
    m = successor_of(&ann, NOW);
    m.seq = 1;
    expect_forged(&ann, &m, ann.keys.dsk, NULL, 0, NOW, WAX_R_CHAIN);
    person_done(&ann);
}

static void a_bundle_is_checked_against_its_device_and_time(void **state)
{
    struct person ann;
    struct bundle b;
    struct bytes record;
    const struct point *dsk;

    (void)state;
    person_make(&ann, "ann@example.org", false, 12);
    record = BYTES_OF(ann.prekey.record);
    dsk = ec_public(ann.keys.dsk);
    assert_int_equal(bundle_decode(record, &b), WAX_OK);
    assert_int_equal(bundle_check(record, &b, &ann.keys.dev, dsk, NOW - HOUR, NOW), WAX_OK);
    assert_int_equal(bundle_check(record, &b, &ann.keys.dev, dsk, NOW - HOUR - 1, 0), WAX_R_DATES);
    assert_int_equal(bundle_check(record, &b, &ann.keys.dev, dsk, NOW, NOW + 1), WAX_R_DATES);
    assert_int_equal(bundle_check(record, &b, &ann.keys.dev, ec_public(ann.keys.dtk), NOW, 0),
                     WAX_R_SIGNATURE);
    assert_int_equal(bundle_check(BYTES(record.p, 5), &b, &ann.keys.dev, dsk, NOW, 0), WAX_E_INVAL);
    assert_true(bundle_usable_for_sealing(&b, NOW + 30 * DAY));
    assert_false(bundle_usable_for_sealing(&b, NOW + 30 * DAY + 1));
    person_done(&ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_successor_is_taken),
        cmocka_unit_test(issued_may_lie_one_hour_ahead_and_not_a_millisecond_more),
        cmocka_unit_test(expiry_never_stops_the_chain),
        cmocka_unit_test(a_manifest_is_sealed_to_for_30_days_and_read_for_8_more),
        cmocka_unit_test(a_kept_device_keeps_its_login_key),
        cmocka_unit_test(kept_devices_keep_their_order),
        cmocka_unit_test(every_new_device_joins_in_order_and_nobody_else),
        cmocka_unit_test(nobody_lists_keys_that_he_does_not_hold),
        cmocka_unit_test(no_key_has_two_places),
        cmocka_unit_test(the_recovery_key_changes_only_by_the_old_one),
        cmocka_unit_test(a_genesis_is_one_device_signed_by_itself),
        cmocka_unit_test(the_last_seq_has_no_successor),
        cmocka_unit_test(a_bundle_is_checked_against_its_device_and_time),
    };

    return cmocka_run_group_tests(tests, people_start, NULL);
}
