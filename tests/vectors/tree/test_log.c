/* log.json: entries over three days, the feed that makes their maps, all roots, inclusion and
 * consistency proofs, daily proofs. */
#include "tree_vec.h"

#include "tree/judge.h"

#define ENTRIES 9

struct log {
    struct log_twin twin;
    struct log_store store;
    struct log_entry entry[ENTRIES];
    struct hash32 root[ENTRIES + 1];
};

static struct hash32 hash_at(const json_t *array, size_t i)
{
    struct buf b = {0};
    struct hash32 h;

    vec_hex_value(json_array_get(array, i), &b);
    assert_int_equal(b.n, sizeof h.b);
    memcpy(h.b, b.p, sizeof h.b);
    buf_done(&b);
    return h;
}

/* Appends the entries of the file. */
static void make_log(const json_t *root, struct log *l)
{
    const json_t *entries = vec_get(root, "entries");

    l->store = log_twin_store(&l->twin);
    assert_int_equal(json_array_size(entries), ENTRIES);
    for (size_t i = 0; i < ENTRIES; i++) {
        struct hash32 leaf, want = hash_at(vec_get(root, "leaf_hashes"), i);
        uint8_t again[LOG_ENTRY_SIZE];
        struct buf b = {0};
        vec_hex_value(json_array_get(entries, i), &b);
        assert_ok(log_entry_decode(buf_view(&b), &l->entry[i]));
        log_entry_encode(&l->entry[i], again);
        assert_memory_equal(again, b.p, sizeof again);
        assert_ok(log_leaf(buf_view(&b), &leaf));
        assert_true(ID_EQ(&leaf, &want));
        assert_ok(log_append(&l->store, i, &leaf));
        buf_done(&b);
    }
    for (size_t i = 0; i <= ENTRIES; i++)
        l->root[i] = hash_at(vec_get(root, "roots"), i);
}

static struct log_head head(const struct log *l, uint64_t size)
{
    return (struct log_head){size, l->root[size]};
}

static void the_log_has_the_root_of_the_file_at_every_size(void **state)
{
    json_t *root = vec_load("wax1/log.json");
    struct log l = {0};

    (void)state;
    make_log(root, &l);
    for (size_t i = 0; i <= ENTRIES; i++) {
        struct hash32 got;
        assert_ok(log_root(&l.store, i, &got));
        assert_true(ID_EQ(&got, &l.root[i]));
    }
    log_twin_done(&l.twin);
    json_decref(root);
}

static void the_feed_gives_the_map_root_of_every_entry(void **state)
{
    json_t *root = vec_load("wax1/log.json"), *it;
    struct map_twin twin = {0};
    struct map_store store = map_twin_store(&twin);
    struct map_tree tree = MAP_TREE_EMPTY;
    struct log l = {0};
    size_t i;

    (void)state;
    make_log(root, &l);
    json_array_foreach(vec_get(root, "feed"), i, it)
    {
        struct feed_item items[16];
        struct buf b = {0};
        vec_hex_value(it, &b);
        size_t n = b.n / FEED_ITEM_SIZE;
        assert_true(n <= 16 && b.n % FEED_ITEM_SIZE == 0);
        for (size_t k = 0; k < n; k++) {
            uint8_t again[FEED_ITEM_SIZE];
            const struct bytes item = {b.p + k * FEED_ITEM_SIZE, FEED_ITEM_SIZE};
            assert_ok(feed_item_decode(item, &items[k]));
            feed_item_encode(&items[k], again);
            assert_memory_equal(again, item.p, sizeof again);
        }
        map_sort(items, n);
        assert_ok(map_insert(&store, &tree, items, n, 0));
        assert_true(ID_EQ(&tree.root.hash, &l.entry[i].map_root));
        assert_int_equal(tree.size, l.entry[i].map_size);
        buf_done(&b);
    }
    assert_int_equal(i, ENTRIES);
    map_twin_done(&twin);
    log_twin_done(&l.twin);
    json_decref(root);
}

static void inclusion_proofs_are_the_same_bytes_and_hold(void **state)
{
    json_t *root = vec_load("wax1/log.json"), *it;
    struct log l = {0};
    size_t i;

    (void)state;
    make_log(root, &l);
    json_array_foreach(vec_get(root, "inclusion"), i, it)
    {
        struct buf want = hex_of(it, "proof"), got = {0};
        uint64_t index = vec_u64(it, "index"), size = vec_u64(it, "size");
        struct log_head h = head(&l, size);
        struct log_path path;
        assert_ok(log_check_entry(&h, index, &l.entry[index], buf_view(&want)));
        assert_ok(log_prove_inclusion(&l.store, index, size, &path));
        assert_ok(log_proof_encode(log_path_view(&path), &got));
        assert_view(&got, &want);
        buf_done(&want);
        buf_done(&got);
    }
    assert_int_equal(i, ENTRIES * (ENTRIES + 1) / 2);
    log_twin_done(&l.twin);
    json_decref(root);
}

static void consistency_proofs_are_the_same_bytes_and_hold(void **state)
{
    json_t *root = vec_load("wax1/log.json"), *it;
    struct log l = {0};
    size_t i;

    (void)state;
    make_log(root, &l);
    json_array_foreach(vec_get(root, "consistency"), i, it)
    {
        struct buf want = hex_of(it, "proof"), got = {0};
        uint64_t from = vec_u64(it, "from"), to = vec_u64(it, "to");
        struct log_head a = head(&l, from), b = head(&l, to);
        struct log_path path;
        assert_ok(log_check_extends(&a, &b, buf_view(&want)));
        assert_ok(log_prove_consistency(&l.store, from, to, &path));
        assert_ok(log_proof_encode(log_path_view(&path), &got));
        assert_view(&got, &want);
        buf_done(&want);
        buf_done(&got);
    }
    assert_int_equal(i, (ENTRIES + 1) * (ENTRIES + 2) / 2);
    log_twin_done(&l.twin);
    json_decref(root);
}

/* Of a record that names no time, so that no checkpoint's daily index is asked for. */
static struct checkpoint at(uint64_t size, const struct hash32 *r)
{
    return (struct checkpoint){.size = size, .root = *r};
}

static void daily_proofs_are_the_same_bytes_and_hold(void **state)
{
    json_t *root = vec_load("wax1/log.json"), *it;
    struct log l = {0};
    size_t i;

    (void)state;
    make_log(root, &l);
    json_array_foreach(vec_get(root, "daily"), i, it)
    {
        struct buf want = hex_of(it, "proof"), got = {0};
        struct checkpoint under = at(ENTRIES, &l.root[ENTRIES]);
        struct log_entry entry;
        struct log_path path, before;
        uint64_t index, day = vec_u64(it, "day"), want_index = vec_u64(it, "index");

        assert_ok(daily_check(buf_view(&want), day, &under, NULL, 0, &entry, &index));
        assert_int_equal(index, want_index);
        assert_int_equal(entry.time, l.entry[index].time);
        struct daily_proof p = {.index = index, .entry = l.entry[index]};
        assert_ok(log_prove_inclusion(&l.store, index, ENTRIES, &path));
        p.path = log_path_view(&path);
        if (index > 0) {
            p.before = l.entry[index - 1];
            assert_ok(log_prove_inclusion(&l.store, index - 1, ENTRIES, &before));
            p.before_path = log_path_view(&before);
        }
        assert_ok(daily_proof_encode(&p, &got));
        assert_view(&got, &want);

        /* A checkpoint of that day which names another index does not go with it. */
        struct checkpoint held = {.size = 5, .time = day * DAY_MS + 7, .daily = index + 1};
        expect_class("held", daily_check(buf_view(&want), day, &under, &held, 1, &entry, &index),
                     WAX_R_PROOF);
        held.daily = want_index;
        assert_ok(daily_check(buf_view(&want), day, &under, &held, 1, &entry, &index));
        buf_done(&want);
        buf_done(&got);
    }
    assert_int_equal(i, 3);
    log_twin_done(&l.twin);
    json_decref(root);
}

static wax_rc judge_negative(const json_t *it, const char *what, struct bytes proof)
{
    struct log_head a = {0}, b = {0};
    struct log_entry entry;
    struct hashes path;
    struct hash32 leaf;
    uint64_t index;

    if (strcmp(what, "consistency") == 0) {
        a.size = vec_u64(it, "from");
        b.size = vec_u64(it, "to");
        vec_fixed(it, "root_from", a.root.b, sizeof a.root.b);
        vec_fixed(it, "root_to", b.root.b, sizeof b.root.b);
        return log_check_extends(&a, &b, proof);
    }
    a.size = vec_u64(it, "size");
    vec_fixed(it, "root", a.root.b, sizeof a.root.b);
    if (strcmp(what, "daily") == 0) {
        struct checkpoint under = at(a.size, &a.root);
        return daily_check(proof, vec_u64(it, "day"), &under, NULL, 0, &entry, &index);
    }
    assert_string_equal(what, "inclusion");
    vec_fixed(it, "leaf", leaf.b, sizeof leaf.b);
    wax_rc rc = log_proof_decode(proof, &path);
    return rc == WAX_OK ? log_check_inclusion(&a, vec_u64(it, "index"), &leaf, path) : rc;
}

static void each_bad_proof_is_refused_by_its_class(void **state)
{
    json_t *root = vec_load("wax1/log.json"), *it;
    size_t i;

    (void)state;
    json_array_foreach(vec_get(root, "negative"), i, it)
    {
        struct buf proof = hex_of(it, "proof");
        wax_rc rc = judge_negative(it, vec_str(it, "what"), buf_view(&proof));
        expect_class(vec_str(it, "name"), rc, vec_class(it, "refused"));
        buf_done(&proof);
    }
    assert_int_equal(i, 10);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_log_has_the_root_of_the_file_at_every_size),
        cmocka_unit_test(the_feed_gives_the_map_root_of_every_entry),
        cmocka_unit_test(inclusion_proofs_are_the_same_bytes_and_hold),
        cmocka_unit_test(consistency_proofs_are_the_same_bytes_and_hold),
        cmocka_unit_test(daily_proofs_are_the_same_bytes_and_hold),
        cmocka_unit_test(each_bad_proof_is_refused_by_its_class),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
