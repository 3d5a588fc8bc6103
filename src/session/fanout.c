#include "session/fanout.h"

#include "base/mem.h"

static const uint8_t suite1 = 1;

uint8_t fanout_depth(size_t n)
{
    uint8_t depth = 0;

    while (((size_t)1 << depth) < n)
        depth++;
    return depth;
}

wax_rc fanout_leaf(uint16_t index, const struct party *to, struct bytes hdr, struct bytes body,
                   struct hash32 *ret)
{
    uint8_t j[2], hdr_len[4], body_len[4];

    put_u16(j, index);
    put_u32(hdr_len, (uint32_t)hdr.n);
    put_u32(body_len, (uint32_t)body.n);
    return hash_prefixed(ret, 0,
                         PARTS(label_bytes(LABEL_LEAF), BYTES_OF(j), BYTES_OF(to->acct.b),
                               BYTES_OF(to->dsk.b), BYTES_OF(hdr_len), hdr, BYTES_OF(body_len),
                               body));
}

wax_rc fanout_tree(struct hash32 *nodes, uint8_t depth)
{
    for (size_t i = ((size_t)1 << depth) - 1; i >= 1; i--) {
        wax_rc rc = hash_prefixed(&nodes[i], 1,
                                  PARTS(BYTES_OF(nodes[2 * i].b), BYTES_OF(nodes[2 * i + 1].b)));
        if (rc != WAX_OK)
            return rc;
    }
    return WAX_OK;
}

wax_rc fanout_root(const struct hash32 *leaf, const struct env_fanout *f, struct hash32 *ret)
{
    struct hash32 h = *leaf;

    for (unsigned k = 0; k < f->depth; k++) {
        bool right = f->index >> k & 1;
        const struct hash32 *l = right ? &f->path[k] : &h;
        const struct hash32 *r = right ? &h : &f->path[k];
        struct hash32 up;
        wax_rc rc = hash_prefixed(&up, 1, PARTS(BYTES_OF(l->b), BYTES_OF(r->b)));
        if (rc != WAX_OK)
            return rc;
        h = up;
    }
    *ret = h;
    return WAX_OK;
}

/* --- The statement ------------------------------------------------------------------- */

/* The signed fields behind the label (RECORDS 5), as parts. */
#define STATEMENT(sender, id, com, depth, root)                                                    \
    PARTS(BYTES(&suite1, 1), BYTES_OF((sender)->acct.b), BYTES_OF((sender)->dev.b),                \
          BYTES_OF((sender)->dsk.b), BYTES_OF((id)->b), BYTES_OF((com)->b), BYTES(&(depth), 1),    \
          BYTES_OF((root)->b))

void fanout_statement(const struct party *sender, const struct fanout_id *id,
                      const struct hash32 *com, uint8_t depth, const struct hash32 *root,
                      uint8_t out[FANOUT_STATEMENT])
{
    const struct bytes parts[] = {
        label_bytes(LABEL_FANOUT), BYTES(&suite1, 1),       BYTES_OF(sender->acct.b),
        BYTES_OF(sender->dev.b),   BYTES_OF(sender->dsk.b), BYTES_OF(id->b),
        BYTES_OF(com->b),          BYTES(&depth, 1),        BYTES_OF(root->b),
    };
    size_t at = 0;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        memcpy(out + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
}

wax_rc fanout_statement_verify(const struct party *sender, const struct fanout_id *id,
                               const struct hash32 *com, uint8_t depth, const struct hash32 *root,
                               const struct sig *sig)
{
    if (depth > TREE_DEPTH_MAX)
        return WAX_R_SIGNATURE;
    return ec_verify(&sender->dsk, LABEL_FANOUT, STATEMENT(sender, id, com, depth, root), sig);
}

wax_rc fanout_verify(const struct party *sender, const struct party *to, const struct envelope *env,
                     struct hash32 *ret_root)
{
    struct hash32 leaf, root;
    wax_rc rc = fanout_leaf(env->fanout.index, to, env->raw_hdr, env->body, &leaf);

    if (rc == WAX_OK)
        rc = fanout_root(&leaf, &env->fanout, &root);
    if (rc == WAX_OK)
        rc = fanout_statement_verify(sender, &env->fanout.id, &env->fanout.com, env->fanout.depth,
                                     &root, &env->fanout.sig);
    if (rc == WAX_OK && ret_root)
        *ret_root = root;
    return rc;
}

/* --- Building ------------------------------------------------------------------------ */

/* A permutation of 0 … n−1 (Fisher-Yates). One draw of 64 bits a step, reduced: the bias,
 * below 2^-51, tells nothing, and one call draws for all. */
static wax_rc shuffle(const struct rng *rng, uint16_t *order, uint64_t *draws, size_t n)
{
    wax_rc rc = rng_fill(rng, draws, n * sizeof *draws);

    if (rc != WAX_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        order[i] = (uint16_t)i;
    for (size_t i = n - 1; i > 0; i--) {
        size_t j = draws[i] % (i + 1);
        uint16_t x = order[i];
        order[i] = order[j];
        order[j] = x;
    }
    return WAX_OK;
}

static void write_part(const struct hash32 *nodes, uint8_t depth, uint16_t index,
                       const struct env_fanout *common, struct env_fanout *ret)
{
    size_t at = ((size_t)1 << depth) + index;

    ret->id = common->id;
    ret->com = common->com;
    ret->depth = depth;
    ret->index = index;
    ret->sig = common->sig;
    for (unsigned k = 0; k < depth; k++, at >>= 1)
        ret->path[k] = nodes[at ^ 1];
    for (unsigned k = depth; k < TREE_DEPTH_MAX; k++)
        ret->path[k] = (struct hash32){0};
}

struct tree_work { /* one tree's memory, used again for the next */
    struct hash32 *nodes;
    uint16_t *order;
    uint64_t *draws;
};

/* A hash is a chain of dependent steps: while it runs, the next target's bytes can come from
 * far memory. */
static void fetch_ahead(const struct fanout_target *t)
{
    __builtin_prefetch(t->to);
    __builtin_prefetch(t->hdr.p);
    for (size_t i = 0; i < t->body.n && i < 512; i += 64)
        __builtin_prefetch(t->body.p + i);
}

static wax_rc sign_tree(const struct party *me, const struct ec_key *key, struct env_fanout common,
                        const struct fanout_target *targets, size_t n, const struct rng *rng,
                        struct tree_work *w, struct env_fanout *ret)
{
    size_t leaves = (size_t)1 << common.depth;
    wax_rc rc = shuffle(rng, w->order, w->draws, n);

    if (rc == WAX_OK && leaves > n)
        rc = rng_fill(rng, w->nodes + leaves + n, (leaves - n) * sizeof *w->nodes);
    for (size_t i = 0; rc == WAX_OK && i < n; i++) {
        if (i + 1 < n)
            fetch_ahead(&targets[i + 1]);
        rc = fanout_leaf(w->order[i], targets[i].to, targets[i].hdr, targets[i].body,
                         &w->nodes[leaves + w->order[i]]);
    }
    if (rc == WAX_OK)
        rc = fanout_tree(w->nodes, common.depth);
    if (rc == WAX_OK)
        rc = ec_sign(key, LABEL_FANOUT,
                     STATEMENT(me, &common.id, &common.com, common.depth, &w->nodes[1]),
                     &common.sig);
    for (size_t i = 0; rc == WAX_OK && i < n; i++)
        write_part(w->nodes, common.depth, w->order[i], &common, &ret[i]);
    return rc;
}

wax_rc fanout_sign(const struct party *me, const struct ec_key *key, const struct fanout_id *id,
                   const struct hash32 *com, const struct fanout_target *targets, size_t n,
                   const struct rng *rng, struct env_fanout *ret)
{
    size_t most = n < FANOUT_LEAVES_MAX ? n : FANOUT_LEAVES_MAX;
    struct tree_work w = {0};
    struct env_fanout *made = NULL;
    wax_rc rc = n ? WAX_OK : WAX_E_INVAL;

    if (rc != WAX_OK)
        return rc;
    w.nodes = mem_calloc((size_t)2 << fanout_depth(most), sizeof *w.nodes);
    w.order = mem_calloc(most, sizeof *w.order);
    w.draws = mem_calloc(most, sizeof *w.draws);
    /* More than one tree: built aside, so that ret is untouched when a later one fails. */
    if (n > most)
        made = mem_calloc(n, sizeof *made);
    if (!w.nodes || !w.order || !w.draws || (n > most && !made))
        rc = WAX_E_NOMEM;
    for (size_t at = 0; rc == WAX_OK && at < n; at += most) {
        size_t part = n - at < most ? n - at : most;
        struct env_fanout common = {.id = *id, .com = *com, .depth = fanout_depth(part)};
        rc = sign_tree(me, key, common, targets + at, part, rng, &w, (made ? made : ret) + at);
    }
    if (rc == WAX_OK && made)
        memcpy(ret, made, n * sizeof *made);
    mem_free(w.nodes);
    mem_free(w.order);
    mem_free(w.draws);
    mem_free(made);
    return rc;
}
