#include "tree_twin.h"

#include <stdlib.h>

static void *grown(void *v, size_t *cap, size_t want, size_t size)
{
    size_t old = *cap;

    if (want < old)
        return v;
    while (*cap <= want)
        *cap = *cap ? 2 * *cap : 64;
    v = realloc(v, *cap * size);
    if (!v)
        abort();
    memset((char *)v + old * size, 0, (*cap - old) * size);
    return v;
}

static bool fails(struct map_twin *t) { return ++t->calls == t->fail_at; }

static wax_rc map_get(void *ctx, uint64_t id, struct map_node *ret)
{
    struct map_twin *t = ctx;

    t->gets++;
    if (fails(t))
        return WAX_E_IO;
    if (id >= t->cap || !t->v[id].there)
        return WAX_E_DAMAGED;
    *ret = t->v[id].node;
    return WAX_OK;
}

static wax_rc map_put(void *ctx, uint64_t id, const struct map_node *node)
{
    struct map_twin *t = ctx;

    t->puts++;
    if (fails(t))
        return WAX_E_IO;
    t->v = grown(t->v, &t->cap, id, sizeof *t->v);
    t->live += !t->v[id].there;
    t->v[id] = (struct map_slot){true, *node};
    return WAX_OK;
}

static wax_rc map_drop(void *ctx, uint64_t id)
{
    struct map_twin *t = ctx;

    t->drops++;
    if (fails(t))
        return WAX_E_IO;
    if (id < t->cap && t->v[id].there) {
        t->v[id].there = false;
        t->live--;
    }
    return WAX_OK;
}

struct map_store map_twin_store(struct map_twin *t)
{
    return (struct map_store){t, map_get, map_put, map_drop};
}

void map_twin_done(struct map_twin *t)
{
    free(t->v);
    *t = (struct map_twin){0};
}

static wax_rc log_get(void *ctx, uint8_t level, uint64_t index, struct hash32 *ret)
{
    struct log_twin *t = ctx;

    t->gets++;
    if (level > 64 || index >= t->level[level].n)
        return WAX_E_DAMAGED;
    *ret = t->level[level].v[index];
    return WAX_OK;
}

static wax_rc log_put(void *ctx, uint8_t level, uint64_t index, const struct hash32 *hash)
{
    struct log_twin *t = ctx;

    t->puts++;
    if (level > 64 || index > t->level[level].n)
        return WAX_E_DAMAGED; /* a full subtree before its left neighbour */
    t->level[level].v = grown(t->level[level].v, &t->level[level].cap, index, sizeof *hash);
    t->level[level].v[index] = *hash;
    if (index == t->level[level].n)
        t->level[level].n++;
    return WAX_OK;
}

struct log_store log_twin_store(struct log_twin *t)
{
    return (struct log_store){t, log_get, log_put};
}

void log_twin_done(struct log_twin *t)
{
    for (size_t i = 0; i <= 64; i++)
        free(t->level[i].v);
    *t = (struct log_twin){0};
}
