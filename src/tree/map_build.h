/* Keeping the prefix tree (PROTOCOL 8.2): a persistent one, whose old roots go on to give
 * proofs. What is written is never changed: an insertion writes the nodes of the path anew
 * and leaves the old ones, which an old root still needs, or gives them up.
 *
 * Pure: where nodes lie is the caller's. Memory: a batch of n keys needs 64 bytes a key plus
 * 8 for each node given up (n · depth; depth about 1.4 + log2 of the tree's size), and a
 * stack of 256 frames at most. */
#ifndef TREE_MAP_BUILD_H
#define TREE_MAP_BUILD_H

#include "tree/map.h"

/* A node and its hash. id 0 with a hash of zeros: nothing there. */
struct map_ref {
    uint64_t id;
    struct hash32 hash;
};
struct map_node {
    bool leaf;
    struct map_key key; /* of a leaf */
    struct map_value value;
    struct map_ref child[2]; /* of an inner node; not both absent */
};

/* Where nodes lie. Ids are given here, rising by one from 1. A put of an id that is there
 * replaces it (left over by a batch that failed). get of one never put, or dropped: any
 * error, by rights WAX_E_DAMAGED. drop of one that is not there is fine. */
struct map_store {
    void *ctx;
    wax_rc (*get)(void *ctx, uint64_t id, struct map_node *ret);
    wax_rc (*put)(void *ctx, uint64_t id, const struct map_node *node);
    wax_rc (*drop)(void *ctx, uint64_t id);
};

/* The tree as it stands, and what is kept of it: root.id, root.hash and size belong to a log
 * entry, next to the store as a whole. */
struct map_tree {
    struct map_ref root;
    uint64_t size; /* leaves */
    uint64_t next; /* id of the next node */
};
/* The empty tree. */
#define MAP_TREE_EMPTY ((struct map_tree){.next = 1})

#define MAP_BATCH_MAX 16384

/* Inserts n ≤ MAP_BATCH_MAX keys, strictly ascending (else WAX_E_INVAL). WAX_E_EXISTS when one
 * of them is there already: no key ever changes. One write for each new leaf and each inner
 * node on the way to it, nodes that several keys share once.
 *
 * keep_below: `next` as it was when the newest root that must go on to give proofs (the
 * daily entry's) was made. Nodes that this batch replaces and that are no older are in no
 * such root and are dropped, at the end. 0 keeps none but the new root; UINT64_MAX all.
 *
 * On failure *tree is as it was. Nodes may have been put, from tree->next on; none was
 * dropped unless a drop itself failed: then the caller undoes his transaction. */
wax_rc map_insert(const struct map_store *s, struct map_tree *tree, const struct feed_item *items,
                  size_t n, uint64_t keep_below) WAX_MUST;
/* Sorts a batch for it; what comes from the feed is in order of insertion. */
void map_sort(struct feed_item *items, size_t n);

/* What a root says about a key. 8 KiB. */
struct map_proof {
    bool found;
    struct map_value value; /* found */
    enum absence_kind kind; /* not found */
    struct map_key other;   /* not found, kind OTHER */
    struct map_value other_value;
    size_t n;
    struct hash32 path[MAP_DEPTH_MAX]; /* deepest first */
};
/* Under any root that is kept. As many reads as the key lies deep. */
wax_rc map_prove(const struct map_store *s, const struct map_ref *root, const struct map_key *key,
                 struct map_proof *ret) WAX_MUST;
/* The record: map inclusion or map absence, whichever it is. */
wax_rc map_proof_encode(const struct map_proof *p, struct buf *out) WAX_MUST;

/* A node as it may be stored: kind 1 ‖ (leaf: key 32 ‖ value 32; inner: twice id 8 ‖ hash 32).
 * Decoding refuses what no insertion writes with WAX_E_DAMAGED. */
#define MAP_NODE_MAX 81
size_t map_node_encode(const struct map_node *n, uint8_t out[MAP_NODE_MAX]);
wax_rc map_node_decode(struct bytes in, struct map_node *ret) WAX_MUST;

#endif
