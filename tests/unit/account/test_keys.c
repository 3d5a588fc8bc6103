/* Keys and prekeys in the vault, the rollback counter, safety numbers (PROTOCOL 1, 4.6, 5.3). */
#include "people.h"

#include "account/rollback.h"
#include "account/safety.h"

static void device_keys_survive_the_vault(void **state)
{
    struct rng rng = people_rng(1);
    struct device_keys k, back;
    struct buf form = {0};

    (void)state;
    assert_int_equal(device_keys_make(&rng, &k), WAX_OK);
    assert_false(ID_EQ(ec_public(k.dsk), ec_public(k.dtk)));
    assert_int_equal(device_keys_encode(&k, &form), WAX_OK);
    assert_int_equal(form.n, 97);
    assert_int_equal(device_keys_decode(buf_view(&form), &back), WAX_OK);
    assert_true(ID_EQ(ec_public(k.dsk), ec_public(back.dsk)));
    assert_true(ID_EQ(ec_public(k.dtk), ec_public(back.dtk)));
    assert_memory_equal(k.k_roll.b, back.k_roll.b, sizeof(k.k_roll.b));
    assert_true(ID_EQ(&k.dev, &back.dev));
    device_keys_done(&k);
    device_keys_done(&back);
    buf_done(&form);
}

static void damaged_device_keys_are_refused(void **state)
{
    struct rng rng = people_rng(2);
    struct device_keys k, back = {0};
    struct buf form = {0}, bad = {0};

    (void)state;
    assert_int_equal(device_keys_make(&rng, &k), WAX_OK);
    assert_int_equal(device_keys_encode(&k, &form), WAX_OK);
    for (size_t n = 0; n < form.n; n++)
        assert_int_equal(device_keys_decode(BYTES(form.p, n), &back), WAX_R_PARSE);
    buf_bytes(&bad, buf_view(&form));
    buf_u8(&bad, 0);
    assert_int_equal(device_keys_decode(buf_view(&bad), &back), WAX_R_PARSE);
    buf_reset(&bad);
    buf_bytes(&bad, buf_view(&form));
    bad.p[0] = 2;
    assert_int_equal(device_keys_decode(buf_view(&bad), &back), WAX_R_PARSE);
    bad.p[0] = 1;
    memset(bad.p + 1, 0, 32); /* a scalar of zero */
    assert_int_equal(device_keys_decode(buf_view(&bad), &back), WAX_R_PARSE);
    memcpy(bad.p + 1, bad.p + 33, 32); /* DSK = DTK */
    assert_int_equal(device_keys_decode(buf_view(&bad), &back), WAX_R_PARSE);
    assert_null(back.dsk);
    device_keys_done(&k);
    buf_done(&form);
    buf_done(&bad);
}

static wax_rc no_bytes(void *ctx, uint8_t *out, size_t n)
{
    (void)ctx;
    (void)out;
    (void)n;
    return WAX_E_RANDOM;
}

static void without_randomness_there_are_no_keys(void **state)
{
    struct rng broken = {no_bytes, NULL}, rng = people_rng(3);
    struct device_keys k = {0}, good;
    struct prekey p = {0};

    (void)state;
    assert_int_equal(device_keys_make(&broken, &k), WAX_E_RANDOM);
    assert_null(k.dsk);
    assert_int_equal(device_keys_make(&rng, &good), WAX_OK);
    assert_int_equal(prekey_make(&good, &broken, NOW, 0, &p), WAX_E_RANDOM);
    assert_null(p.spk);
    device_keys_done(&good);
}

static void a_prekey_survives_the_vault_with_its_bundle(void **state)
{
    struct person ann;
    struct prekey back;
    struct buf form = {0};

    (void)state;
    person_make(&ann, "ann@example.org", false, 4);
    ann.prekey.superseded_at = NOW + 5;
    assert_int_equal(prekey_encode(&ann.prekey, &form), WAX_OK);
    assert_int_equal(prekey_decode(buf_view(&form), &back), WAX_OK);
    assert_true(ID_EQ(&back.hash, &ann.prekey.hash) && ID_EQ(&back.id, &ann.prekey.id));
    assert_int_equal(back.superseded_at, NOW + 5);
    assert_int_equal(back.not_before, NOW);
    assert_memory_equal(back.record, ann.prekey.record, sizeof(back.record));
    assert_memory_equal(back.kpk_seed.b, ann.prekey.kpk_seed.b, sizeof(back.kpk_seed.b));
    prekey_done(&back);
    assert_null(back.spk);
    assert_int_equal(prekey_encode(&back, &form), WAX_E_INVAL);
    form.p[1] ^= 1; /* not the key of this SPK any more */
    assert_int_equal(prekey_decode(buf_view(&form), &back), WAX_R_PARSE);
    form.p[1] ^= 1;
    assert_int_equal(prekey_decode(BYTES(form.p, form.n - 1), &back), WAX_R_PARSE);
    buf_done(&form);
    person_done(&ann);
}

static void bundles_rise_even_when_the_clock_goes_back(void **state)
{
    struct person ann;
    struct rng rng = people_rng(50);
    struct prekey p;

    (void)state;
    person_make(&ann, "ann@example.org", false, 5);
    assert_int_equal(prekey_make(&ann.keys, &rng, NOW - DAY, NOW, &p), WAX_OK);
    assert_int_equal(p.not_before, NOW + 1);
    prekey_done(&p);
    assert_int_equal(prekey_make(&ann.keys, &rng, NOW + DAY, NOW, &p), WAX_OK);
    assert_int_equal(p.not_before, NOW + DAY);
    prekey_done(&p);
    person_done(&ann);
}

static void a_prekey_goes_nine_days_after_its_successor_and_one_drain_later(void **state)
{
    struct prekey p = {.not_before = NOW};
    uint64_t due = NOW + 2 * DAY + 9 * DAY;

    (void)state;
    assert_false(prekey_rotation_due(&p, NOW + 2 * DAY - 1));
    assert_true(prekey_rotation_due(&p, NOW + 2 * DAY));
    assert_false(prekey_rotation_due(&p, NOW - DAY));
    assert_false(prekey_destroy_due(&p, NOW + 100 * DAY, NOW + 100 * DAY, false));
    p.superseded_at = NOW + 2 * DAY;
    assert_false(prekey_destroy_due(&p, due - 1, due - 1, false));
    assert_false(prekey_destroy_due(&p, due + DAY, due - 1, false));
    assert_false(prekey_destroy_due(&p, due + DAY, due, true));
    assert_false(prekey_destroy_due(&p, due + 7 * DAY - 1, due, true));
    assert_true(prekey_destroy_due(&p, due + 7 * DAY, due, true));
    assert_true(prekey_destroy_due(&p, due + DAY, due, false));
}

static void the_first_login_finds_no_counter_and_goes_on(void **state)
{
    struct key32 k_roll = {{1}};
    struct dev_id dev = {{2}};
    struct rollback_in in = {.k_roll = &k_roll, .dev = &dev};
    enum rollback_verdict verdict;
    uint64_t next;

    (void)state;
    assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_OK);
    assert_int_equal(verdict, ROLLBACK_GO_ON);
    assert_int_equal(next, 1);
    /* Raised, but the PUT was lost: still nothing to miss. */
    in.own_n = 1;
    assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_OK);
    assert_int_equal(verdict, ROLLBACK_GO_ON);
    assert_int_equal(next, 2);
    in.put_confirmed = true;
    assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_OK);
    assert_int_equal(verdict, ROLLBACK_SERVER_REFUSED);
}

static void only_a_counter_of_our_own_resets(void **state)
{
    struct key32 k_roll = {{1}}, other = {{3}};
    struct dev_id dev = {{2}};
    uint8_t served[COUNTER_SIZE];
    struct rollback_in in = {.k_roll = &k_roll,
                             .dev = &dev,
                             .own_n = 5,
                             .put_confirmed = true,
                             .served = BYTES_OF(served)};
    enum rollback_verdict verdict;
    uint64_t next;

    (void)state;
    assert_int_equal(counter_make(&k_roll, &dev, 9, served), WAX_OK);
    assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_OK);
    assert_int_equal(verdict, ROLLBACK_RESET);
    assert_int_equal(next, 10);
    in.served.n--;
    assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_OK);
    assert_int_equal(verdict, ROLLBACK_SERVER_REFUSED);
    in.served.n++;
    in.k_roll = &other;
    assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_OK);
    assert_int_equal(verdict, ROLLBACK_SERVER_REFUSED);
    in.k_roll = &k_roll;
    assert_int_equal(counter_make(&k_roll, &dev, UINT64_MAX, served), WAX_OK);
    assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_E_FULL);
}

static const char digits[] = "536744620949347268780929667685854270993743089847365078884805";

static void a_safety_number_is_shown_in_groups_and_typed_as_it_comes(void **state)
{
    char grouped[72];

    (void)state;
    safety_grouped(digits, grouped);
    assert_string_equal(grouped, "53674 46209 49347 26878 09296 67685 "
                                 "85427 09937 43089 84736 50788 84805");
    assert_true(safety_equal(digits, grouped));
    assert_true(safety_equal(digits, digits));
    grouped[70] = '4';
    assert_false(safety_equal(digits, grouped));
    assert_false(safety_equal(digits, ""));
    assert_false(safety_equal(digits, "53674"));
    assert_false(
        safety_equal(digits, "536744620949347268780929667685854270993743089847365078884805 1"));
}

static void both_sides_of_a_qr_code_agree_or_say_why_not(void **state)
{
    struct safety_view ann = {
        .my_seq = 3, .your_seq = 7, .my_hash = {{1}}, .your_hash = {{2}}, .size = 10};
    struct safety_view bob = {
        .my_seq = 7, .your_seq = 3, .my_hash = {{2}}, .your_hash = {{1}}, .size = 12};
    struct safety_view seen;
    enum safety_match match;
    struct buf qr = {0};
    char other[SAFETY_DIGITS + 1];

    (void)state;
    assert_int_equal(safety_qr(digits, &bob, &qr), WAX_OK);
    assert_int_equal(safety_qr_judge(buf_cstr(&qr), digits, &ann, &match, &seen), WAX_OK);
    assert_int_equal(match, SAFETY_SAME);
    assert_int_equal(seen.size, 12);
    ann.your_seq = 6;
    assert_int_equal(safety_qr_judge(buf_cstr(&qr), digits, &ann, &match, &seen), WAX_OK);
    assert_int_equal(match, SAFETY_OLDER);
    ann.your_seq = 7;
    ann.your_hash.b[31] = 1;
    assert_int_equal(safety_qr_judge(buf_cstr(&qr), digits, &ann, &match, &seen), WAX_OK);
    assert_int_equal(match, SAFETY_OTHER_MANIFEST);
    memcpy(other, digits, sizeof(other));
    other[0] = '6';
    assert_int_equal(safety_qr_judge(buf_cstr(&qr), other, &ann, &match, &seen), WAX_OK);
    assert_int_equal(match, SAFETY_OTHER_DIGITS);
    buf_done(&qr);
}

static void anything_else_is_no_qr_code(void **state)
{
    struct safety_view v = {.my_seq = 3, .your_seq = 7}, seen;
    enum safety_match match;
    struct buf qr = {0}, bad = {0};

    (void)state;
    assert_int_equal(safety_qr(digits, &v, &qr), WAX_OK);
    for (size_t n = 0; n < qr.n; n++) {
        buf_reset(&bad);
        buf_add(&bad, qr.p, n);
        assert_int_equal(safety_qr_judge(buf_cstr(&bad), digits, &v, &match, &seen), WAX_R_PARSE);
    }
    static const char *const cases[] = {"", "WAX1", "::::::::", "WAX1:1:2:3:4:5:6:7:8"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(safety_qr_judge(cases[i], digits, &v, &match, &seen), WAX_R_PARSE);
    buf_reset(&bad);
    buf_bytes(&bad, buf_view(&qr));
    buf_str(&bad, ":1");
    assert_int_equal(safety_qr_judge(buf_cstr(&bad), digits, &v, &match, &seen), WAX_R_PARSE);
    buf_done(&qr);
    buf_done(&bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_keys_survive_the_vault),
        cmocka_unit_test(damaged_device_keys_are_refused),
        cmocka_unit_test(without_randomness_there_are_no_keys),
        cmocka_unit_test(a_prekey_survives_the_vault_with_its_bundle),
        cmocka_unit_test(bundles_rise_even_when_the_clock_goes_back),
        cmocka_unit_test(a_prekey_goes_nine_days_after_its_successor_and_one_drain_later),
        cmocka_unit_test(the_first_login_finds_no_counter_and_goes_on),
        cmocka_unit_test(only_a_counter_of_our_own_resets),
        cmocka_unit_test(a_safety_number_is_shown_in_groups_and_typed_as_it_comes),
        cmocka_unit_test(both_sides_of_a_qr_code_agree_or_say_why_not),
        cmocka_unit_test(anything_else_is_no_qr_code),
    };

    return cmocka_run_group_tests(tests, people_start, NULL);
}
