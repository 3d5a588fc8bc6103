/* prefix-tree.json: log_id, keys, values, roots, inclusion and both kinds of absence. */
#include "tree_vec.h"

#include "tree/map.h"

static void read_leaf(const json_t *it, struct feed_item *ret)
{
    vec_fixed(it, "key", ret->key.b, sizeof ret->key.b);
    vec_fixed(it, "value", ret->value.b, sizeof ret->value.b);
}

static struct hash32 root_of(const json_t *obj, const char *key)
{
    struct hash32 h;

    vec_fixed(obj, key, h.b, sizeof h.b);
    return h;
}

/* The tree of the file, in one batch or leaf by leaf. */
static struct map_tree build(const json_t *root, struct map_twin *twin, bool at_once)
{
    struct map_store store = map_twin_store(twin);
    struct map_tree tree = MAP_TREE_EMPTY;
    struct feed_item items[64];
    json_t *it;
    size_t i;

    json_array_foreach(vec_get(root, "leaves"), i, it)
    {
        assert_true(i < 64);
        read_leaf(it, &items[i]);
        if (!at_once)
            assert_ok(map_insert(&store, &tree, &items[i], 1, 0));
    }
    if (at_once) {
        map_sort(items, i);
        assert_ok(map_insert(&store, &tree, items, i, 0));
    }
    assert_int_equal(tree.size, i);
    return tree;
}

static void log_id_keys_and_values_follow_from_their_inputs(void **state)
{
    json_t *root = vec_load("wax1/prefix-tree.json"), *it;
    struct point key;
    struct log_id id, want_id;
    size_t i;

    (void)state;
    vec_fixed(root, "log_key", key.b, sizeof key.b);
    vec_fixed(root, "log_id", want_id.b, sizeof want_id.b);
    assert_ok(log_id_of(&key, vec_str(root, "domain"), &id));
    assert_true(ID_EQ(&id, &want_id));
    json_array_foreach(vec_get(root, "leaves"), i, it)
    {
        struct map_claim c = {.seq = (uint32_t)vec_u64(it, "seq")};
        struct feed_item want, got;
        read_leaf(it, &want);
        vec_fixed(it, "acct", c.acct.b, sizeof c.acct.b);
        vec_fixed(it, "mh", c.manifest.b, sizeof c.manifest.b);
        vec_fixed(it, "opening", c.opening.b, sizeof c.opening.b);
        assert_ok(
            map_key_of(&id, vec_str(it, "handle"), (uint32_t)vec_u64(it, "version"), &got.key));
        assert_ok(map_value_of(&c, &got.value));
        assert_true(ID_EQ(&got.key, &want.key));
        assert_true(ID_EQ(&got.value, &want.value));
    }
    assert_int_equal(i, 17);
    json_array_foreach(vec_get(root, "absent"), i, it)
    {
        struct map_key got, want;
        vec_fixed(it, "key", want.b, sizeof want.b);
        assert_ok(map_key_of(&id, vec_str(it, "handle"), (uint32_t)vec_u64(it, "version"), &got));
        assert_true(ID_EQ(&got, &want));
    }
    assert_int_equal(i, 15);
    json_decref(root);
}

static void the_tree_has_the_roots_of_the_file(void **state)
{
    json_t *root = vec_load("wax1/prefix-tree.json");
    struct hash32 empty = root_of(root, "empty_root"), one = root_of(root, "one_leaf_root"),
                  all = root_of(root, "root");
    struct map_tree tree = MAP_TREE_EMPTY;
    struct feed_item first;

    (void)state;
    assert_true(ID_EQ(&tree.root.hash, &empty));
    for (int at_once = 0; at_once < 2; at_once++) {
        struct map_twin twin = {0};
        tree = build(root, &twin, at_once);
        assert_true(ID_EQ(&tree.root.hash, &all));
        map_twin_done(&twin);
    }
    struct map_twin twin = {0};
    struct map_store store = map_twin_store(&twin);
    tree = MAP_TREE_EMPTY;
    read_leaf(json_array_get(vec_get(root, "leaves"), 0), &first);
    assert_ok(map_insert(&store, &tree, &first, 1, 0));
    assert_true(ID_EQ(&tree.root.hash, &one));
    map_twin_done(&twin);
    json_decref(root);
}

static void proofs_are_the_same_bytes_and_hold(void **state)
{
    json_t *root = vec_load("wax1/prefix-tree.json"), *it;
    struct map_twin twin = {0};
    struct map_store store = map_twin_store(&twin);
    struct map_tree tree = build(root, &twin, true);
    struct map_proof proof;
    size_t i, holes = 0;

    (void)state;
    json_array_foreach(vec_get(root, "leaves"), i, it)
    {
        struct buf want = hex_of(it, "inclusion"), got = {0};
        struct feed_item leaf;
        read_leaf(it, &leaf);
        assert_ok(map_check_inclusion(&tree.root.hash, &leaf.key, &leaf.value, buf_view(&want)));
        assert_ok(map_prove(&store, &tree.root, &leaf.key, &proof));
        assert_true(proof.found && ID_EQ(&proof.value, &leaf.value));
        assert_ok(map_proof_encode(&proof, &got));
        assert_view(&got, &want);
        expect_class("absence of it", map_check_absence(&tree.root.hash, &leaf.key, buf_view(&got)),
                     WAX_R_PARSE);
        buf_done(&want);
        buf_done(&got);
    }
    json_array_foreach(vec_get(root, "absent"), i, it)
    {
        struct buf want = hex_of(it, "absence"), got = {0};
        struct map_key key;
        vec_fixed(it, "key", key.b, sizeof key.b);
        assert_ok(map_check_absence(&tree.root.hash, &key, buf_view(&want)));
        assert_ok(map_prove(&store, &tree.root, &key, &proof));
        assert_false(proof.found);
        holes += proof.kind == ABSENCE_HOLE;
        assert_ok(map_proof_encode(&proof, &got));
        assert_view(&got, &want);
        buf_done(&want);
        buf_done(&got);
    }
    assert_true(holes > 0 && holes < i);
    map_twin_done(&twin);
    json_decref(root);
}

static void each_bad_proof_is_refused_by_its_class(void **state)
{
    json_t *root = vec_load("wax1/prefix-tree.json"), *it;
    size_t i;

    (void)state;
    json_array_foreach(vec_get(root, "negative"), i, it)
    {
        struct buf proof = hex_of(it, "proof");
        struct hash32 r = root_of(it, "root");
        struct feed_item leaf;
        vec_fixed(it, "key", leaf.key.b, sizeof leaf.key.b);
        wax_rc rc;
        if (strcmp(vec_str(it, "what"), "inclusion") == 0) {
            vec_fixed(it, "value", leaf.value.b, sizeof leaf.value.b);
            rc = map_check_inclusion(&r, &leaf.key, &leaf.value, buf_view(&proof));
        } else {
            assert_string_equal(vec_str(it, "what"), "absence");
            rc = map_check_absence(&r, &leaf.key, buf_view(&proof));
        }
        expect_class(vec_str(it, "name"), rc, vec_class(it, "refused"));
        buf_done(&proof);
    }
    assert_int_equal(i, 12);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_id_keys_and_values_follow_from_their_inputs),
        cmocka_unit_test(the_tree_has_the_roots_of_the_file),
        cmocka_unit_test(proofs_are_the_same_bytes_and_hold),
        cmocka_unit_test(each_bad_proof_is_refused_by_its_class),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
