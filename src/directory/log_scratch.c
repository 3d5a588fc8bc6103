#include "directory/log_scratch.h"

#include "base/mem.h"

struct scratch_node {
    struct scratch_node *next;
    uint64_t id;
    uint8_t n, b[MAP_NODE_MAX];
};

/* Ids rise by one, so their low bits spread them evenly. */
static struct scratch_node **place_of(const struct log_scratch *s, uint64_t id)
{
    struct scratch_node **at = &s->buckets[id & (s->n_buckets - 1)];

    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static wax_rc grow(struct log_scratch *s)
{
    struct log_scratch w = {.n = s->n, .n_buckets = s->n_buckets ? 2 * s->n_buckets : 1024};

    if (s->n < s->n_buckets)
        return WAX_OK;
    w.buckets = mem_calloc(w.n_buckets, sizeof(void *));
    if (!w.buckets)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < s->n_buckets; i++) {
        for (struct scratch_node *x = s->buckets[i], *next; x; x = next) {
            struct scratch_node **at = &w.buckets[x->id & (w.n_buckets - 1)];
            next = x->next;
            x->next = *at;
            *at = x;
        }
    }
    mem_free(s->buckets);
    *s = w;
    return WAX_OK;
}

static wax_rc get(void *ctx, uint64_t id, struct map_node *ret)
{
    const struct log_scratch *s = ctx;
    const struct scratch_node *x = s->n_buckets ? *place_of(s, id) : NULL;

    return x ? map_node_decode(BYTES(x->b, x->n), ret) : WAX_E_DAMAGED;
}

static wax_rc put(void *ctx, uint64_t id, const struct map_node *node)
{
    struct log_scratch *s = ctx;
    wax_rc rc = grow(s);

    if (rc != WAX_OK)
        return rc;
    struct scratch_node **at = place_of(s, id), *x = *at;
    if (!x) {
        x = mem_alloc(sizeof *x);
        if (!x)
            return WAX_E_NOMEM;
        x->id = id;
        *at = x;
        s->n++;
    }
    x->n = (uint8_t)map_node_encode(node, x->b);
    return WAX_OK;
}

static wax_rc drop(void *ctx, uint64_t id)
{
    struct log_scratch *s = ctx;
    struct scratch_node **at = s->n_buckets ? place_of(s, id) : NULL, *x = at ? *at : NULL;

    if (x) {
        *at = x->next;
        mem_free(x);
        s->n--;
    }
    return WAX_OK;
}

struct map_store log_scratch_store(struct log_scratch *s)
{
    return (struct map_store){s, get, put, drop};
}

void log_scratch_done(struct log_scratch *s)
{
    for (size_t i = 0; i < s->n_buckets; i++) {
        for (struct scratch_node *x = s->buckets[i], *next; x; x = next) {
            next = x->next;
            mem_free(x);
        }
    }
    mem_free(s->buckets);
    *s = (struct log_scratch){0};
}
