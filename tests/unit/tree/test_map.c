/* The prefix tree against a model that computes everything anew from all leaves, over random
 * histories: roots, proofs under every root that is kept, and what the store holds. */
#include "tree_test.h"

#define KEYS 600
#define ROOTS 16

/* --- The model ------------------------------------------------------------------------ */

/* Sorted leaves; the subtree of those from … at `depth`. */
static struct hash32 model_root(const struct feed_item *v, size_t n, size_t depth)
{
    struct hash32 h = {{0}};
    size_t left = 0;

    if (n == 0)
        return h;
    if (n == 1) {
        assert_ok(map_leaf(&v->key, &v->value, &h));
        return h;
    }
    while (left < n && !map_bit(&v[left].key, depth))
        left++;
    struct hash32 l = model_root(v, left, depth + 1), r = model_root(v + left, n - left, depth + 1);
    assert_ok(map_inner(&l, &r, &h));
    return h;
}

static void model_prove(const struct feed_item *v, size_t n, const struct map_key *key,
                        struct map_proof *p)
{
    struct hash32 down[MAP_DEPTH_MAX];

    *p = (struct map_proof){.kind = ABSENCE_HOLE};
    while (n > 1) {
        size_t left = 0;
        while (left < n && !map_bit(&v[left].key, p->n))
            left++;
        bool right = map_bit(key, p->n);
        down[p->n] =
            right ? model_root(v, left, p->n + 1) : model_root(v + left, n - left, p->n + 1);
        p->n++;
        if (right)
            v += left;
        n = right ? n - left : left;
    }
    for (size_t i = 0; i < p->n; i++)
        p->path[i] = down[p->n - 1 - i];
    if (n == 1 && ID_EQ(&v->key, key)) {
        p->found = true;
        p->value = v->value;
    } else if (n == 1) {
        p->kind = ABSENCE_OTHER;
        p->other = v->key;
        p->other_value = v->value;
    }
}

/* --- A history ------------------------------------------------------------------------ */

struct kept {
    struct map_ref root;
    size_t n; /* of the leaves in order of insertion, the first n */
};
struct history {
    uint64_t seed;
    struct map_twin twin;
    struct map_store store;
    struct map_tree tree;
    struct feed_item items[KEYS]; /* in order of insertion */
    size_t n;
    struct kept kept[ROOTS];
    size_t n_kept;
    uint64_t keep_below;
};

static void begin(struct history *h, uint64_t seed)
{
    *h = (struct history){.seed = seed * 0x9e3779b97f4a7c15ULL + 1, .tree = MAP_TREE_EMPTY};
    h->store = map_twin_store(&h->twin);
}

/* A random key; often one that shares a long beginning with another. */
static void draw_key(struct history *h, size_t n, struct map_key *ret)
{
    draw_bytes(&h->seed, ret->b, sizeof ret->b);
    if (n == 0 || below(&h->seed, 3) > 0)
        return;
    size_t bits = below(&h->seed, 1 + below(&h->seed, 100));
    memcpy(ret->b, h->items[below(&h->seed, n)].key.b, bits / 8);
}

static bool known(const struct history *h, size_t n, const struct map_key *key)
{
    for (size_t i = 0; i < n; i++)
        if (ID_EQ(&h->items[i].key, key))
            return true;
    return false;
}

static void insert_batch(struct history *h, size_t n)
{
    struct feed_item *batch = &h->items[h->n];

    assert_true(h->n + n <= KEYS);
    for (size_t i = 0; i < n; i++) {
        do
            draw_key(h, h->n + i, &batch[i].key);
        while (known(h, h->n + i, &batch[i].key));
        draw_bytes(&h->seed, batch[i].value.b, sizeof batch[i].value.b);
    }
    map_sort(batch, n);
    assert_ok(map_insert(&h->store, &h->tree, batch, n, h->keep_below));
    h->n += n;
}

/* As a daily entry would. */
static void keep(struct history *h)
{
    assert_true(h->n_kept < ROOTS);
    h->kept[h->n_kept++] = (struct kept){h->tree.root, h->n};
    h->keep_below = h->tree.next;
}

static void sorted(const struct history *h, size_t n, struct feed_item *ret)
{
    memcpy(ret, h->items, n * sizeof *ret);
    map_sort(ret, n);
}

static void same_proof(const struct map_proof *got, const struct map_proof *want)
{
    struct buf a = {0}, b = {0};

    assert_int_equal(got->found, want->found);
    assert_ok(map_proof_encode(got, &a));
    assert_ok(map_proof_encode(want, &b));
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, b.n);
    buf_done(&a);
    buf_done(&b);
}

static wax_rc check(const struct hash32 *root, const struct map_key *key, const struct map_proof *p)
{
    struct buf record = {0};

    assert_ok(map_proof_encode(p, &record));
    wax_rc rc = p->found ? map_check_inclusion(root, key, &p->value, buf_view(&record))
                         : map_check_absence(root, key, buf_view(&record));
    buf_done(&record);
    return rc;
}

/* What a root says of keys in it, of keys that came later, and of others. */
static void ask(struct history *h, const struct map_ref *root, size_t n, size_t questions)
{
    static struct feed_item v[KEYS];
    struct map_proof got, want;

    sorted(h, n, v);
    struct hash32 r = model_root(v, n, 0);
    assert_true(ID_EQ(&r, &root->hash));
    for (size_t i = 0; i < questions; i++) {
        struct map_key key;
        if (h->n > 0 && i % 2 == 0)
            key = h->items[below(&h->seed, h->n)].key;
        else
            draw_key(h, h->n, &key);
        model_prove(v, n, &key, &want);
        assert_int_equal(want.found, known(h, n, &key));
        assert_ok(map_prove(&h->store, root, &key, &got));
        same_proof(&got, &want);
        assert_ok(check(&root->hash, &key, &got));
    }
}

/* Marks what a root reaches; gives how many were not marked before. */
static size_t mark(const struct map_twin *t, uint64_t id, bool *marks)
{
    if (id == 0 || marks[id])
        return 0;
    assert_true(id < t->cap && t->v[id].there);
    marks[id] = true;
    const struct map_node *n = &t->v[id].node;
    return n->leaf ? 1 : 1 + mark(t, n->child[0].id, marks) + mark(t, n->child[1].id, marks);
}

static size_t reachable(const struct history *h)
{
    bool *marks = calloc(h->twin.cap + 1, 1);

    assert_non_null(marks);
    size_t n = mark(&h->twin, h->tree.root.id, marks);
    for (size_t i = 0; i < h->n_kept; i++)
        n += mark(&h->twin, h->kept[i].root.id, marks);
    free(marks);
    return n;
}

static void random_histories_are_the_models(void **state)
{
    static struct history h;

    for (uint64_t seed = 1; seed <= 3; seed++) {
        begin(&h, seed);
        while (h.n < 200) {
            insert_batch(&h, 1 + below(&h.seed, h.n / 4 + 8));
            ask(&h, &h.tree.root, h.n, 8);
            if (below(&h.seed, 3) == 0 && h.n_kept < ROOTS)
                keep(&h);
            for (size_t i = 0; i < h.n_kept; i++)
                ask(&h, &h.kept[i].root, h.kept[i].n, 1);
            assert_int_equal(h.tree.size, h.n);
            /* Nothing is lost, and nothing lies there for no root. */
            assert_int_equal(h.twin.live, reachable(&h));
        }
        map_twin_done(&h.twin);
    }
}

static void the_order_of_insertion_leaves_no_trace_in_the_root(void **state)
{
    static struct history h;
    struct map_twin twin = {0};
    struct map_store store = map_twin_store(&twin);
    struct map_tree tree = MAP_TREE_EMPTY;

    begin(&h, 77);
    insert_batch(&h, 64);
    for (size_t i = 64; i > 0; i--)
        assert_ok(map_insert(&store, &tree, &h.items[i - 1], 1, 0));
    assert_true(ID_EQ(&tree.root.hash, &h.tree.root.hash));
    assert_int_equal(twin.live, h.twin.live);
    map_twin_done(&twin);
    map_twin_done(&h.twin);
}

static void a_key_that_is_there_is_refused_and_nothing_changes(void **state)
{
    static struct history h;
    struct feed_item batch[3];

    begin(&h, 8);
    insert_batch(&h, 40);
    for (size_t i = 0; i < 40; i++) {
        struct map_tree before = h.tree;
        size_t live = h.twin.live;
        draw_key(&h, 0, &batch[0].key);
        draw_key(&h, 0, &batch[1].key);
        batch[2] = h.items[i];
        batch[2].value.b[0] ^= 1; /* another value */
        map_sort(batch, 3);
        assert_rc(map_insert(&h.store, &h.tree, batch, 3, 0), WAX_E_EXISTS);
        assert_memory_equal(&h.tree, &before, sizeof before);
        ask(&h, &h.tree.root, h.n, 4);
        assert_true(h.twin.live >= live);
    }
    insert_batch(&h, 40); /* over what the refused ones left */
    ask(&h, &h.tree.root, h.n, 20);
    map_twin_done(&h.twin);
}

static void a_batch_out_of_order_or_with_a_key_twice_is_refused(void **state)
{
    struct map_twin twin = {0};
    struct map_store store = map_twin_store(&twin);
    struct map_tree tree = MAP_TREE_EMPTY;
    struct feed_item v[2] = {{.key = {{2}}}, {.key = {{1}}}};

    assert_rc(map_insert(&store, &tree, v, 2, 0), WAX_E_INVAL);
    v[1].key = v[0].key;
    assert_rc(map_insert(&store, &tree, v, 2, 0), WAX_E_INVAL);
    assert_rc(map_insert(&store, &tree, v, MAP_BATCH_MAX + 1, 0), WAX_E_INVAL);
    assert_ok(map_insert(&store, &tree, v, 0, 0));
    assert_int_equal(twin.puts, 0);
    assert_int_equal(tree.root.id, 0);
    map_twin_done(&twin);
}

static void a_store_that_fails_at_any_call_leaves_the_old_tree(void **state)
{
    static struct history h;
    static struct feed_item batch[20];

    begin(&h, 9);
    insert_batch(&h, 60);
    for (size_t i = 0; i < 20; i++)
        draw_bytes(&h.seed, (uint8_t *)&batch[i], sizeof batch[i]);
    map_sort(batch, 20);
    for (size_t k = 1;; k++) {
        struct map_tree before = h.tree;
        size_t drops = h.twin.drops;
        h.twin.calls = 0;
        h.twin.fail_at = k;
        wax_rc rc = map_insert(&h.store, &h.tree, batch, 20, 0);
        h.twin.fail_at = 0;
        if (h.twin.drops > drops)
            break; /* all was written: from here on a failure is the transaction's to undo */
        assert_rc(rc, WAX_E_IO);
        assert_memory_equal(&h.tree, &before, sizeof before);
        ask(&h, &h.tree.root, h.n, 2);
        assert_true(k < 1000);
    }
    map_twin_done(&h.twin);
}

static void keys_that_part_at_the_last_bit_lie_255_deep(void **state)
{
    struct map_twin twin = {0};
    struct map_store store = map_twin_store(&twin);
    struct map_tree tree = MAP_TREE_EMPTY;
    struct feed_item v[2] = {{.value = {{1}}}, {.value = {{2}}}};
    struct map_proof p;
    struct map_key other = {{0}};

    v[1].key.b[31] = 1;
    assert_ok(map_insert(&store, &tree, v, 1, 0));
    assert_ok(map_insert(&store, &tree, v + 1, 1, 0));
    for (int i = 0; i < 2; i++) {
        assert_ok(map_prove(&store, &tree.root, &v[i].key, &p));
        assert_true(p.found);
        assert_int_equal(p.n, 256);
        assert_ok(check(&tree.root.hash, &v[i].key, &p));
    }
    other.b[31] = 2;
    assert_ok(map_prove(&store, &tree.root, &other, &p));
    assert_false(p.found);
    assert_int_equal(p.n, 255);
    assert_ok(check(&tree.root.hash, &other, &p));
    map_twin_done(&twin);
}

static void a_store_that_goes_in_a_circle_is_damaged(void **state)
{
    struct map_twin twin = {0};
    struct map_store store = map_twin_store(&twin);
    struct map_tree tree = {.root = {1, {{1}}}, .next = 2};
    struct map_node circle = {.child = {{1, {{1}}}, {1, {{1}}}}};
    struct feed_item item = {.key = {{3}}};
    struct map_proof p;

    assert_ok(store.put(store.ctx, 1, &circle));
    assert_rc(map_prove(&store, &tree.root, &item.key, &p), WAX_E_DAMAGED);
    assert_rc(map_insert(&store, &tree, &item, 1, 0), WAX_E_DAMAGED);
    map_twin_done(&twin);
}

static wax_rc check_record(const struct hash32 *root, const struct feed_item *i, bool found,
                           struct bytes record)
{
    struct bytes copy = heap_copy(record);
    wax_rc rc = found ? map_check_inclusion(root, &i->key, &i->value, copy)
                      : map_check_absence(root, &i->key, copy);

    free((void *)copy.p);
    return rc;
}

static void a_proof_with_any_byte_changed_is_refused(void **state)
{
    static struct history h;
    struct map_proof p;
    size_t kinds[3] = {0};

    begin(&h, 10);
    insert_batch(&h, 100);
    for (int k = 0; k < 40; k++) {
        struct feed_item i = h.items[below(&h.seed, h.n)];
        struct buf record = {0};
        if (k % 2)
            draw_key(&h, h.n, &i.key);
        assert_ok(map_prove(&h.store, &h.tree.root, &i.key, &p));
        kinds[p.found ? 2 : (size_t)p.kind]++;
        assert_ok(map_proof_encode(&p, &record));
        assert_ok(check_record(&h.tree.root.hash, &i, p.found, buf_view(&record)));
        for (size_t at = 0; at <= record.n; at++) {
            size_t cut = at == record.n;
            if (!cut)
                record.p[at] ^= (uint8_t)(1 << at % 8);
            wax_rc rc = check_record(&h.tree.root.hash, &i, p.found,
                                     (struct bytes){record.p, record.n - cut});
            assert_true(rc == WAX_R_PARSE || rc == WAX_R_PROOF);
            if (!cut)
                record.p[at] ^= (uint8_t)(1 << at % 8);
        }
        /* Nor is it one for the other answer, nor under another root. */
        struct hash32 other = h.tree.root.hash;
        other.b[31] ^= 1;
        assert_rc(check_record(&other, &i, p.found, buf_view(&record)), WAX_R_PROOF);
        buf_done(&record);
    }
    assert_true(kinds[0] > 0 && kinds[1] > 0 && kinds[2] > 0);
    map_twin_done(&h.twin);
}

static void an_insertion_writes_the_path_and_no_more(void **state)
{
    static struct history h;
    struct map_proof p;

    begin(&h, 11);
    insert_batch(&h, 200);
    for (int i = 0; i < 50; i++) {
        struct feed_item one;
        draw_bytes(&h.seed, (uint8_t *)&one, sizeof one);
        h.twin.puts = h.twin.gets = 0;
        assert_ok(map_insert(&h.store, &h.tree, &one, 1, UINT64_MAX));
        size_t puts = h.twin.puts, gets = h.twin.gets;
        assert_ok(map_prove(&h.store, &h.tree.root, &one.key, &p));
        assert_int_equal(puts, p.n + 1);
        assert_true(gets <= p.n + 1);
    }
    map_twin_done(&h.twin);
}

static void nodes_are_stored_and_read_back(void **state)
{
    static struct history h;
    uint8_t out[MAP_NODE_MAX], again[MAP_NODE_MAX];
    struct map_node back;

    begin(&h, 12);
    insert_batch(&h, 50);
    for (uint64_t id = 1; id < h.tree.next; id++) {
        if (!h.twin.v[id].there)
            continue;
        size_t n = map_node_encode(&h.twin.v[id].node, out);
        assert_ok(map_node_decode(BYTES(out, n), &back));
        assert_int_equal(map_node_encode(&back, again), n);
        assert_memory_equal(again, out, n);
        assert_rc(map_node_decode(BYTES(out, n - 1), &back), WAX_E_DAMAGED);
    }
    memset(out, 0, sizeof out); /* an inner node with nothing below it */
    assert_rc(map_node_decode(BYTES_OF(out), &back), WAX_E_DAMAGED);
    out[1] = 1; /* an id without a hash */
    assert_rc(map_node_decode(BYTES_OF(out), &back), WAX_E_DAMAGED);
    map_twin_done(&h.twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_are_the_models),
        cmocka_unit_test(the_order_of_insertion_leaves_no_trace_in_the_root),
        cmocka_unit_test(a_key_that_is_there_is_refused_and_nothing_changes),
        cmocka_unit_test(a_batch_out_of_order_or_with_a_key_twice_is_refused),
        cmocka_unit_test(a_store_that_fails_at_any_call_leaves_the_old_tree),
        cmocka_unit_test(keys_that_part_at_the_last_bit_lie_255_deep),
        cmocka_unit_test(a_store_that_goes_in_a_circle_is_damaged),
        cmocka_unit_test(a_proof_with_any_byte_changed_is_refused),
        cmocka_unit_test(an_insertion_writes_the_path_and_no_more),
        cmocka_unit_test(nodes_are_stored_and_read_back),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
