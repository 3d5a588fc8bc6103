#include "tree/map_build.h"

static void take_leaf(const struct map_node *node, const struct map_key *key, struct map_proof *p)
{
    p->found = ID_EQ(&node->key, key);
    if (p->found) {
        p->value = node->value;
        return;
    }
    p->kind = ABSENCE_OTHER;
    p->other = node->key;
    p->other_value = node->value;
}

static void turn(struct hash32 *v, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct hash32 h = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = h;
    }
}

wax_rc map_prove(const struct map_store *s, const struct map_ref *root, const struct map_key *key,
                 struct map_proof *ret)
{
    struct map_proof p = {.kind = ABSENCE_HOLE};
    struct map_ref at = *root;
    struct map_node node;

    while (at.id != 0) {
        wax_rc rc = s->get(s->ctx, at.id, &node);
        if (rc != WAX_OK)
            return rc;
        if (node.leaf) {
            take_leaf(&node, key, &p);
            break;
        }
        if (p.n == MAP_DEPTH_MAX)
            return WAX_E_DAMAGED;
        unsigned side = map_bit(key, p.n);
        p.path[p.n++] = node.child[!side].hash;
        at = node.child[side];
    }
    turn(p.path, p.n);
    *ret = p;
    return WAX_OK;
}

wax_rc map_proof_encode(const struct map_proof *p, struct buf *out)
{
    struct map_absence a = {p->kind, {p->path, p->n}, p->other, p->other_value};

    return p->found ? map_inclusion_encode(a.path, out) : map_absence_encode(&a, out);
}

size_t map_node_encode(const struct map_node *n, uint8_t out[MAP_NODE_MAX])
{
    uint8_t *at = out + 1;

    out[0] = n->leaf;
    if (n->leaf) {
        memcpy(at, n->key.b, sizeof n->key.b);
        memcpy(at + 32, n->value.b, sizeof n->value.b);
        return 1 + 64;
    }
    for (int i = 0; i < 2; i++, at += 40) {
        put_u64(at, n->child[i].id);
        memcpy(at + 8, n->child[i].hash.b, sizeof n->child[i].hash.b);
    }
    return MAP_NODE_MAX;
}

static void read_child(struct rd *r, struct map_ref *ret)
{
    ret->id = rd_u64(r);
    rd_copy(r, ret->hash.b, sizeof ret->hash.b);
    rd_refuse_if(r, (ret->id == 0) != bytes_all_zero(ret->hash.b, sizeof ret->hash.b));
}

wax_rc map_node_decode(struct bytes in, struct map_node *ret)
{
    struct rd r = rd_init(in);
    struct map_node n = {0};

    uint8_t kind = rd_u8(&r);
    rd_refuse_if(&r, kind > 1);
    n.leaf = kind;
    if (n.leaf) {
        rd_copy(&r, n.key.b, sizeof n.key.b);
        rd_copy(&r, n.value.b, sizeof n.value.b);
    } else {
        read_child(&r, &n.child[0]);
        read_child(&r, &n.child[1]);
        rd_refuse_if(&r, n.child[0].id == 0 && n.child[1].id == 0);
    }
    if (rd_end(&r) != WAX_OK)
        return WAX_E_DAMAGED;
    *ret = n;
    return WAX_OK;
}
