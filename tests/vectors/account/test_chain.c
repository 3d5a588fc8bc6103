/* Labels, ids, manifests and bundles of the known answers (RECORDS 1, 3, 4). */
#include "account_vec.h"

#include "account/keys.h"
#include "account/recovery.h"
#include "chain/bundle_check.h"
#include "chain/manifest_check.h"
#include "crypto/kem.h"

static void the_table_of_labels_is_the_one_of_the_protocol(void **state)
{
    json_t *root = vec_load("wax1/labels.json"), *it;
    struct buf all = {0};
    struct hash32 want, got;
    size_t i;

    (void)state;
    json_array_foreach(vec_get(root, "labels"), i, it)
    {
        uint8_t bytes[LABEL_SIZE];

        vec_fixed(it, "bytes", bytes, sizeof(bytes));
        assert_true(i < LABEL_COUNT);
        assert_memory_equal(label_bytes((enum label)i).p, bytes, sizeof(bytes));
        buf_add(&all, bytes, sizeof(bytes));
    }
    assert_int_equal(i, LABEL_COUNT);
    vec_fixed(root, "sha256_of_all", want.b, sizeof(want.b));
    assert_int_equal(hash_raw(&got, PARTS(buf_view(&all))), WAX_OK);
    assert_memory_equal(got.b, want.b, sizeof(want.b));
    buf_done(&all);
    json_decref(root);
}

static void keys_and_genesis_bodies_give_their_ids(void **state)
{
    json_t *root = vec_load("wax1/ids.json"), *it;
    size_t i;

    (void)state;
    json_array_foreach(vec_get(root, "cases"), i, it)
    {
        struct point dsk, dtk;
        struct dev_id dev, want_dev;
        struct acct_id acct, want_acct;
        struct hash32 hash, want_hash;
        struct buf body = {0};

        vec_fixed(it, "DSK", dsk.b, sizeof(dsk.b));
        vec_fixed(it, "DTK", dtk.b, sizeof(dtk.b));
        ec_free(vec_key(it, "DSK_priv", &dsk));
        ec_free(vec_key(it, "DTK_priv", &dtk));
        vec_fixed(it, "dev_id", want_dev.b, sizeof(want_dev.b));
        vec_fixed(it, "acct_id", want_acct.b, sizeof(want_acct.b));
        vec_fixed(it, "manifest_hash", want_hash.b, sizeof(want_hash.b));
        vec_hex(it, "genesis_body", &body);
        assert_int_equal(dev_id_of(&dsk, &dev), WAX_OK);
        assert_true(ID_EQ(&dev, &want_dev));
        assert_int_equal(acct_id_of(buf_view(&body), &acct), WAX_OK);
        assert_true(ID_EQ(&acct, &want_acct));
        assert_int_equal(manifest_hash(buf_view(&body), &hash), WAX_OK);
        assert_true(ID_EQ(&hash, &want_hash));
        buf_done(&body);
    }
    assert_int_equal(i, 2);
    json_decref(root);
}

static void the_entropy_of_recovery_words_gives_the_key(void **state)
{
    json_t *root = vec_load("wax1/ids.json"), *r = vec_get(root, "recovery");
    uint8_t entropy[RECOVERY_ENTROPY], back[RECOVERY_ENTROPY];
    struct key32 want, got;
    struct point pub;
    struct ec_key *key = NULL;
    struct buf words = {0};

    (void)state;
    vec_fixed(r, "entropy", entropy, sizeof(entropy));
    vec_fixed(r, "priv", want.b, sizeof(want.b));
    vec_fixed(r, "pub", pub.b, sizeof(pub.b));
    assert_int_equal(recovery_key(entropy, &key), WAX_OK);
    ec_scalar(key, &got);
    assert_memory_equal(got.b, want.b, sizeof(want.b));
    assert_memory_equal(ec_public(key)->b, pub.b, sizeof(pub.b));
    assert_int_equal(recovery_words(entropy, &words), WAX_OK);
    assert_int_equal(recovery_parse(buf_view(&words), back, NULL), WAX_OK);
    assert_memory_equal(back, entropy, sizeof(entropy));
    ec_free(key);
    buf_done(&words);
    json_decref(root);
}

static void the_manifest_chain_holds_link_by_link(void **state)
{
    json_t *root = vec_load("wax1/manifest.json"), *it;
    struct chain_prev prev, next;
    size_t i;

    (void)state;
    json_array_foreach(vec_get(root, "chain"), i, it)
    {
        struct buf bytes = {0};
        struct chain_link link;
        struct hash32 want;

        vec_hex(it, "chain_link", &bytes);
        assert_int_equal(chain_link_decode(buf_view(&bytes), &link), WAX_OK);
        expect_class(vec_str(it, "what"),
                     chain_check(&link, i == 0 ? NULL : &prev, vec_u64(it, "now")), WAX_OK);
        assert_int_equal(chain_prev_of(&link, &next), WAX_OK);
        prev = next;
        vec_fixed(it, "manifest_hash", want.b, sizeof(want.b));
        assert_true(ID_EQ(&prev.hash, &want));
        assert_int_equal(prev.manifest.seq, vec_u64(it, "seq"));
        buf_done(&bytes);
    }
    assert_int_equal(i, 4);
    json_decref(root);
}

static wax_rc judge_link(const json_t *it)
{
    struct buf prev_bytes = {0}, bytes = {0};
    struct chain_link link;
    struct chain_prev prev;
    bool genesis = !vec_has(it, "prev_link");
    wax_rc rc;

    if (!genesis) {
        vec_hex(it, "prev_link", &prev_bytes);
        assert_int_equal(chain_link_decode(buf_view(&prev_bytes), &link), WAX_OK);
        assert_int_equal(chain_prev_of(&link, &prev), WAX_OK);
    }
    vec_hex(it, "chain_link", &bytes);
    rc = chain_link_decode(buf_view(&bytes), &link);
    if (rc == WAX_OK)
        rc = chain_check(&link, genesis ? NULL : &prev, vec_u64(it, "now"));
    buf_done(&prev_bytes);
    buf_done(&bytes);
    return rc;
}

static void each_bad_manifest_is_refused_by_its_class(void **state)
{
    json_t *root = vec_load("wax1/manifest.json"), *it;
    size_t i;

    (void)state;
    json_array_foreach(vec_get(root, "negative"), i, it)
        expect_class(vec_str(it, "name"), judge_link(it), vec_class(it, "refused"));
    assert_int_equal(i, 30);
    json_decref(root);
}

/* Gives its 32 and 64 bytes, then no more: SPK scalar and KPK seed as prekey_make draws them. */
struct script {
    uint8_t b[96];
    size_t at;
};

static wax_rc script_fill(void *ctx, uint8_t *out, size_t n)
{
    struct script *s = ctx;

    if (n > sizeof(s->b) - s->at)
        return WAX_E_RANDOM;
    memcpy(out, s->b + s->at, n);
    s->at += n;
    return WAX_OK;
}

static void seeds_and_times_give_the_bundle_and_its_id(void **state)
{
    json_t *root = vec_load("wax1/bundle.json"), *secret = vec_get(root, "secret");
    struct device_keys keys = {0};
    struct prekey p = {0};
    struct script script = {0};
    struct rng rng = {script_fill, &script};
    struct bundle given;
    struct buf body = {0}, record = {0};
    struct hash32 hash, want;
    struct bundle_id id, want_id;

    (void)state;
    keys.dsk = vec_key(secret, "DSK", NULL);
    vec_fixed(root, "dev_id", keys.dev.b, sizeof(keys.dev.b));
    vec_fixed(secret, "SPK", script.b, 32);
    vec_fixed(secret, "KPK_seed_d_z", script.b + 32, 64);
    assert_int_equal(prekey_make(&keys, &rng, vec_u64(root, "not_before"), 0, &p), WAX_OK);
    vec_hex(root, "body", &body);
    assert_int_equal(body.n, BUNDLE_BODY);
    assert_memory_equal(p.record, body.p, BUNDLE_BODY);
    vec_fixed(root, "hash", want.b, sizeof(want.b));
    vec_fixed(root, "id", want_id.b, sizeof(want_id.b));
    assert_true(ID_EQ(&p.hash, &want));
    assert_true(ID_EQ(&p.id, &want_id));

    vec_hex(root, "record", &record);
    assert_int_equal(bundle_decode(buf_view(&record), &given), WAX_OK);
    assert_int_equal(bundle_hash(buf_view(&record), &hash), WAX_OK);
    id = bundle_id_of(&hash);
    assert_true(ID_EQ(&hash, &want) && ID_EQ(&id, &want_id));
    assert_int_equal(bundle_check(buf_view(&record), &given, &keys.dev, ec_public(keys.dsk),
                                  vec_u64(root, "not_before"), 0),
                     WAX_OK);
    prekey_done(&p);
    device_keys_done(&keys);
    buf_done(&body);
    buf_done(&record);
    json_decref(root);
}

static wax_rc judge_bundle(const json_t *it, const struct dev_id *dev, const struct point *dsk)
{
    struct buf record = {0};
    struct bundle b;
    uint64_t now = vec_u64(it, "now");
    wax_rc rc;

    vec_hex(it, "bundle", &record);
    rc = bundle_decode(buf_view(&record), &b);
    if (rc == WAX_OK)
        rc = bundle_check(buf_view(&record), &b, dev, dsk, now, vec_u64(it, "pin_not_before"));
    if (rc == WAX_OK && !bundle_usable_for_sealing(&b, now))
        rc = WAX_R_DATES;
    buf_done(&record);
    return rc;
}

static void each_bad_bundle_is_refused_by_its_class(void **state)
{
    json_t *root = vec_load("wax1/bundle.json"), *it;
    struct dev_id dev;
    struct point dsk;
    size_t i;

    (void)state;
    vec_fixed(root, "dev_id", dev.b, sizeof(dev.b));
    vec_fixed(root, "DSK", dsk.b, sizeof(dsk.b));
    json_array_foreach(vec_get(root, "negative"), i, it)
        expect_class(vec_str(it, "name"), judge_bundle(it, &dev, &dsk), vec_class(it, "refused"));
    assert_int_equal(i, 15);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_labels_is_the_one_of_the_protocol),
        cmocka_unit_test(keys_and_genesis_bodies_give_their_ids),
        cmocka_unit_test(the_entropy_of_recovery_words_gives_the_key),
        cmocka_unit_test(the_manifest_chain_holds_link_by_link),
        cmocka_unit_test(each_bad_manifest_is_refused_by_its_class),
        cmocka_unit_test(seeds_and_times_give_the_bundle_and_its_id),
        cmocka_unit_test(each_bad_bundle_is_refused_by_its_class),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
