/* Linking, safety numbers and the rollback counter of the known answers (RECORDS 8-10). */
#include "account_vec.h"

#include "account/link.h"
#include "account/rollback.h"
#include "account/safety.h"

static void fixed_secret(const json_t *root, const char *key, void *out, size_t n)
{
    vec_fixed(vec_get(root, "secret_inputs"), key, out, n);
}

/* The plaintext of record k. */
static void plain_of(const json_t *root, size_t k, struct buf *out)
{
    vec_hex(json_array_get(vec_get(root, "records"), k - 1), "plain", out);
}

static void records_1_and_2(const json_t *root, struct link1 *l1, struct link2 *l2)
{
    struct buf plain = {0};

    plain_of(root, 1, &plain);
    assert_int_equal(link1_decode(buf_view(&plain), l1), WAX_OK);
    buf_reset(&plain);
    plain_of(root, 2, &plain);
    assert_int_equal(link2_decode(buf_view(&plain), l2), WAX_OK);
    buf_done(&plain);
}

static void each_record_seals_to_the_same_bytes_and_opens(void **state)
{
    json_t *root = vec_load("wax1/link.json"), *it;
    uint8_t secret[16];
    size_t i;

    (void)state;
    fixed_secret(root, "secret", secret, sizeof(secret));
    json_array_foreach(vec_get(root, "records"), i, it)
    {
        struct buf plain = {0}, sealed = {0}, made = {0}, opened = {0};
        uint8_t k = (uint8_t)vec_u64(it, "step");

        vec_hex(it, "plain", &plain);
        vec_hex(it, "sealed", &sealed);
        assert_int_equal(link_seal(secret, k, buf_view(&plain), &made), WAX_OK);
        assert_true(bytes_eq(buf_view(&made), buf_view(&sealed)));
        assert_int_equal(link_open(secret, k, buf_view(&sealed), &opened), WAX_OK);
        assert_true(bytes_eq(buf_view(&opened), buf_view(&plain)));
        buf_done(&plain);
        buf_done(&sealed);
        buf_done(&made);
        buf_done(&opened);
    }
    assert_int_equal(i, 6);
    json_decref(root);
}

static void each_bad_record_is_refused_and_gives_nothing(void **state)
{
    json_t *root = vec_load("wax1/link.json"), *it;
    uint8_t secret[16];
    size_t i;

    (void)state;
    fixed_secret(root, "secret", secret, sizeof(secret));
    json_array_foreach(vec_get(root, "negative"), i, it)
    {
        struct buf sealed = {0}, opened = {0};

        vec_hex(it, "sealed", &sealed);
        expect_class(vec_str(it, "name"),
                     link_open(secret, (uint8_t)vec_u64(it, "step"), buf_view(&sealed), &opened),
                     vec_class(it, "refused"));
        assert_int_equal(opened.n, 0);
        buf_done(&sealed);
        buf_done(&opened);
    }
    assert_int_equal(i, 4);
    json_decref(root);
}

static void the_link_code_and_rendezvous_id_follow_from_keys_and_secret(void **state)
{
    json_t *root = vec_load("wax1/link.json");
    struct link_code code, read;
    struct link1 l1;
    struct link2 l2;
    struct hash32 r_n;
    uint8_t want[LINK_CODE_SIZE], rid[LINK_RID], want_rid[LINK_RID];
    char text[LINK_CODE_TEXT + 1];

    (void)state;
    records_1_and_2(root, &l1, &l2);
    fixed_secret(root, "rN", r_n.b, sizeof(r_n.b));
    fixed_secret(root, "secret", code.secret, sizeof(code.secret));
    assert_int_equal(link_commitment(&l1.dsk, &l1.dtk, &r_n, &code.commitment), WAX_OK);
    vec_fixed(root, "link_code", want, sizeof(want));
    assert_memory_equal(code.commitment.b, want, 32);
    assert_memory_equal(code.secret, want + 32, 16);
    link_code_to_text(&code, text);
    assert_string_equal(text, vec_str(root, "link_code_text"));
    assert_int_equal(link_code_from_text(text, &read), WAX_OK);
    assert_memory_equal(&read, &code, sizeof(code));
    vec_fixed(root, "rendezvous_id", want_rid, sizeof(want_rid));
    assert_int_equal(link_rid(code.secret, rid), WAX_OK);
    assert_memory_equal(rid, want_rid, sizeof(rid));
    json_decref(root);
}

static void the_six_digits_tell_a_swapped_device_or_account(void **state)
{
    json_t *root = vec_load("wax1/link.json");
    struct link1 l1;
    struct link2 l2;
    struct hash32 r_n, commitment;
    struct link_code code;
    struct buf body = {0};
    char digits[LINK_DIGITS + 1];

    (void)state;
    records_1_and_2(root, &l1, &l2);
    fixed_secret(root, "rN", r_n.b, sizeof(r_n.b));
    assert_int_equal(link_digits(&l1.dsk, &l1.dtk, &l2, &r_n, digits), WAX_OK);
    assert_string_equal(digits, vec_str(root, "code"));
    assert_string_not_equal(digits, vec_str(root, "code_if_device_swapped"));
    assert_string_not_equal(digits, vec_str(root, "code_if_account_swapped"));

    /* Any other device than the one behind the link code is seen before the digits. */
    assert_int_equal(link_code_from_text(vec_str(root, "link_code_text"), &code), WAX_OK);
    assert_int_equal(link_commitment(&l1.dtk, &l1.dsk, &r_n, &commitment), WAX_OK);
    assert_false(ID_EQ(&commitment, &code.commitment));

    /* The attacker's account of the vectors is bob's, under the same handle. */
    json_t *ids = vec_load("wax1/ids.json");
    vec_fixed(json_array_get(vec_get(ids, "cases"), 1), "acct_id", l2.acct.b, sizeof(l2.acct.b));
    assert_int_equal(link_digits(&l1.dsk, &l1.dtk, &l2, &r_n, digits), WAX_OK);
    assert_string_equal(digits, vec_str(root, "code_if_account_swapped"));
    buf_done(&body);
    json_decref(ids);
    json_decref(root);
}

static void the_new_device_signs_only_the_manifest_that_was_agreed(void **state)
{
    json_t *root = vec_load("wax1/link.json"), *it;
    struct link1 l1;
    struct link2 l2;
    size_t i;

    (void)state;
    records_1_and_2(root, &l1, &l2);
    json_array_foreach(vec_get(root, "record_4"), i, it)
    {
        struct buf record = {0};
        struct manifest m;
        struct bytes body;
        struct sig sig;
        wax_rc rc;

        vec_hex(it, "record", &record);
        rc = manifest_decode(buf_view(&record), &m, &body, &sig);
        if (rc == WAX_OK)
            rc = link_check_4(&m, &l1, &l2);
        expect_class(vec_str(it, "name"), rc, vec_class(it, "result"));
        buf_done(&record);
    }
    assert_int_equal(i, 9);
    json_decref(root);
}

static void the_given_join_and_bundle_complete_the_chain(void **state)
{
    json_t *root = vec_load("wax1/link.json");
    struct buf old = {0}, record = {0}, five = {0}, made = {0};
    struct chain_link link;
    struct chain_prev head;
    struct join join;
    struct bytes raw, bundle;

    (void)state;
    vec_hex(root, "old_manifest_link", &old);
    assert_int_equal(chain_link_decode(buf_view(&old), &link), WAX_OK);
    assert_int_equal(chain_prev_of(&link, &head), WAX_OK);
    plain_of(root, 4, &record);
    plain_of(root, 5, &five);
    assert_int_equal(link5_decode(buf_view(&five), &join, &raw, &bundle), WAX_OK);
    assert_int_equal(update_link(&head, buf_view(&record), &join, 1, 1767225600000ULL, &made),
                     WAX_OK);
    buf_done(&old);
    buf_done(&record);
    buf_done(&five);
    buf_done(&made);
    json_decref(root);
}

static void half_of(const json_t *root, const char *who, char ret[SAFETY_HALF + 1])
{
    const json_t *it = vec_get(root, who);
    struct acct_id acct;

    vec_fixed(it, "acct_id", acct.b, sizeof(acct.b));
    assert_int_equal(safety_half(&acct, vec_str(it, "handle"), ret), WAX_OK);
    assert_string_equal(ret, vec_str(it, "digits"));
}

static void two_accounts_have_one_safety_number(void **state)
{
    json_t *root = vec_load("wax1/safety.json");
    char ann[SAFETY_HALF + 1], bob[SAFETY_HALF + 1], number[SAFETY_DIGITS + 1];

    (void)state;
    half_of(root, "ann", ann);
    half_of(root, "bob", bob);
    safety_number(ann, bob, number);
    assert_string_equal(number, vec_str(root, "number"));
    safety_number(bob, ann, number);
    assert_string_equal(number, vec_str(root, "number"));
    json_decref(root);
}

static void counter_keys(const json_t *root, struct key32 *k_roll, struct dev_id *dev)
{
    vec_fixed(vec_get(root, "secret"), "K_roll", k_roll->b, sizeof(k_roll->b));
    vec_fixed(root, "dev_id", dev->b, sizeof(dev->b));
}

static void counter_records_are_the_same_bytes(void **state)
{
    json_t *root = vec_load("wax1/rollback.json"), *it;
    struct key32 k_roll;
    struct dev_id dev;
    size_t i;

    (void)state;
    counter_keys(root, &k_roll, &dev);
    json_array_foreach(vec_get(root, "records"), i, it)
    {
        uint8_t want[COUNTER_SIZE], got[COUNTER_SIZE];

        vec_fixed(it, "record", want, sizeof(want));
        assert_int_equal(counter_make(&k_roll, &dev, vec_u64(it, "n"), got), WAX_OK);
        assert_memory_equal(got, want, sizeof(want));
    }
    assert_int_equal(i, 4);
    json_decref(root);
}

static enum rollback_verdict verdict_of(const char *name)
{
    if (strcmp(name, "go on") == 0)
        return ROLLBACK_GO_ON;
    if (strcmp(name, "drop all sessions and prekeys") == 0)
        return ROLLBACK_RESET;
    assert_string_equal(name, "server_refused");
    return ROLLBACK_SERVER_REFUSED;
}

static void a_device_does_the_right_thing_with_what_it_is_served(void **state)
{
    json_t *root = vec_load("wax1/rollback.json"), *it;
    struct key32 k_roll;
    struct dev_id dev;
    size_t i;

    (void)state;
    counter_keys(root, &k_roll, &dev);
    json_array_foreach(vec_get(root, "cases"), i, it)
    {
        struct buf served = {0};
        struct rollback_in in = {
            .k_roll = &k_roll, .dev = &dev, .own_n = vec_u64(it, "own_n"), .put_confirmed = true};
        enum rollback_verdict verdict;
        uint64_t next = 0;

        vec_hex(it, "served", &served);
        in.served = buf_view(&served);
        assert_int_equal(rollback_judge(&in, &verdict, &next), WAX_OK);
        assert_int_equal(verdict, verdict_of(vec_str(it, "result")));
        if (verdict == ROLLBACK_SERVER_REFUSED)
            assert_int_equal(next, 0);
        else
            assert_true(next > in.own_n && next > get_u64(served.p));
        buf_done(&served);
    }
    assert_int_equal(i, 6);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_seals_to_the_same_bytes_and_opens),
        cmocka_unit_test(each_bad_record_is_refused_and_gives_nothing),
        cmocka_unit_test(the_link_code_and_rendezvous_id_follow_from_keys_and_secret),
        cmocka_unit_test(the_six_digits_tell_a_swapped_device_or_account),
        cmocka_unit_test(the_new_device_signs_only_the_manifest_that_was_agreed),
        cmocka_unit_test(the_given_join_and_bundle_complete_the_chain),
        cmocka_unit_test(two_accounts_have_one_safety_number),
        cmocka_unit_test(counter_records_are_the_same_bytes),
        cmocka_unit_test(a_device_does_the_right_thing_with_what_it_is_served),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
