#include "tree/map_build.h"

#include <stdlib.h>

#include "base/mem.h"

struct batch {
    const struct map_store *store;
    uint64_t next, keep_below;
    uint64_t *drops;
    size_t n_drops, cap;
};

struct run {
    const struct feed_item *v;
    size_t n;
};

/* A leaf that was there and moves down. */
struct moved {
    struct map_ref ref;
    struct map_key key;
};

/* Those with bit `depth` 0 come first: how many. */
static size_t left_of(struct run items, size_t depth)
{
    size_t low = 0, high = items.n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (map_bit(&items.v[mid].key, depth))
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static wax_rc put_leaf(struct batch *b, const struct feed_item *item, struct map_ref *ret)
{
    struct map_node node = {.leaf = true, .key = item->key, .value = item->value};
    struct map_ref ref = {.id = b->next};

    wax_rc rc = map_leaf(&item->key, &item->value, &ref.hash);
    if (rc == WAX_OK)
        rc = b->store->put(b->store->ctx, ref.id, &node);
    if (rc != WAX_OK)
        return rc;
    b->next++;
    *ret = ref;
    return WAX_OK;
}

static wax_rc put_inner(struct batch *b, const struct map_node *node, struct map_ref *ret)
{
    struct map_ref ref = {.id = b->next};

    wax_rc rc = map_inner(&node->child[0].hash, &node->child[1].hash, &ref.hash);
    if (rc == WAX_OK)
        rc = b->store->put(b->store->ctx, ref.id, node);
    if (rc != WAX_OK)
        return rc;
    b->next++;
    *ret = ref;
    return WAX_OK;
}

/* A subtree of new keys alone, and of a leaf that was there (or NULL). All keys are distinct,
 * so they part at a depth below 256. */
static wax_rc grow(struct batch *b, size_t depth, struct run items, const struct moved *old,
                   struct map_ref *ret)
{
    struct map_node node = {.leaf = false};

    if (items.n == 0) {
        *ret = old ? old->ref : (struct map_ref){0};
        return WAX_OK;
    }
    if (items.n == 1 && !old)
        return put_leaf(b, items.v, ret);
    if (depth >= MAP_DEPTH_MAX)
        return WAX_E_INVAL;
    size_t left = left_of(items, depth);
    unsigned side = old ? map_bit(&old->key, depth) : 0;
    wax_rc rc =
        grow(b, depth + 1, (struct run){items.v, left}, side == 0 ? old : NULL, &node.child[0]);
    if (rc == WAX_OK)
        rc = grow(b, depth + 1, (struct run){items.v + left, items.n - left},
                  side == 1 ? old : NULL, &node.child[1]);
    return rc == WAX_OK ? put_inner(b, &node, ret) : rc;
}

static wax_rc give_up(struct batch *b, uint64_t id)
{
    if (id < b->keep_below)
        return WAX_OK;
    if (b->n_drops == b->cap) {
        size_t cap = b->cap ? 2 * b->cap : 256;
        uint64_t *v = mem_calloc(cap, sizeof *v);
        if (!v)
            return WAX_E_NOMEM;
        if (b->n_drops)
            memcpy(v, b->drops, b->n_drops * sizeof *v);
        mem_free(b->drops);
        b->drops = v;
        b->cap = cap;
    }
    b->drops[b->n_drops++] = id;
    return WAX_OK;
}

static wax_rc beside_leaf(struct batch *b, size_t depth, struct run items,
                          const struct map_ref *ref, const struct map_key *key, struct map_ref *ret)
{
    struct moved old = {*ref, *key};

    for (size_t i = 0; i < items.n; i++)
        if (ID_EQ(&items.v[i].key, key))
            return WAX_E_EXISTS;
    return grow(b, depth, items, &old, ret);
}

static wax_rc insert(struct batch *b, const struct map_ref *ref, size_t depth, struct run items,
                     struct map_ref *ret)
{
    struct map_node node;
    const uint64_t id = ref->id; /* ref and ret may be the same child */

    if (items.n == 0) {
        *ret = *ref;
        return WAX_OK;
    }
    if (id == 0)
        return grow(b, depth, items, NULL, ret);
    wax_rc rc = b->store->get(b->store->ctx, id, &node);
    if (rc != WAX_OK)
        return rc;
    if (node.leaf)
        return beside_leaf(b, depth, items, ref, &node.key, ret);
    if (depth >= MAP_DEPTH_MAX)
        return WAX_E_DAMAGED; /* deeper than keys are long: the store goes in a circle */
    size_t left = left_of(items, depth);
    rc = insert(b, &node.child[0], depth + 1, (struct run){items.v, left}, &node.child[0]);
    if (rc == WAX_OK)
        rc = insert(b, &node.child[1], depth + 1, (struct run){items.v + left, items.n - left},
                    &node.child[1]);
    if (rc == WAX_OK)
        rc = put_inner(b, &node, ret);
    return rc == WAX_OK ? give_up(b, id) : rc;
}

wax_rc map_insert(const struct map_store *s, struct map_tree *tree, const struct feed_item *items,
                  size_t n, uint64_t keep_below)
{
    struct batch b = {.store = s, .next = tree->next, .keep_below = keep_below};
    struct map_ref root = {0};

    if (n > MAP_BATCH_MAX || tree->next == 0)
        return WAX_E_INVAL;
    for (size_t i = 1; i < n; i++)
        if (memcmp(items[i - 1].key.b, items[i].key.b, sizeof items->key.b) >= 0)
            return WAX_E_INVAL;
    wax_rc rc = insert(&b, &tree->root, 0, (struct run){items, n}, &root);
    for (size_t i = 0; rc == WAX_OK && i < b.n_drops; i++)
        rc = s->drop(s->ctx, b.drops[i]);
    if (rc == WAX_OK)
        *tree = (struct map_tree){root, tree->size + n, b.next};
    mem_free(b.drops);
    return rc;
}

static int by_key(const void *x, const void *y)
{
    const struct feed_item *a = x, *b = y;

    return memcmp(a->key.b, b->key.b, sizeof a->key.b);
}

void map_sort(struct feed_item *items, size_t n)
{
    if (n > 1)
        qsort(items, n, sizeof *items, by_key);
}
