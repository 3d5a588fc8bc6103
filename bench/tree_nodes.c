#include "tree_nodes.h"

#include "base/mem.h"
#include "measure.h"

/* --- Prefix tree ---------------------------------------------------------------------- */

#define CHUNK 65536
#define CHUNKS_MAX 4096

struct slot {
    uint8_t n, bytes[MAP_NODE_MAX];
};
struct map_nodes {
    struct slot *slots[CHUNKS_MAX];
    uint32_t *where[CHUNKS_MAX]; /* by id: slot + 1; 0: none */
    uint32_t *unused;            /* slots given up */
    size_t n_unused, cap_unused, n_slots, live;
    uint64_t bytes, puts;
};

struct map_nodes *map_nodes_open(void) { return must_alloc(sizeof(struct map_nodes)); }

void map_nodes_close(struct map_nodes *m)
{
    for (size_t i = 0; i < CHUNKS_MAX; i++) {
        mem_free(m->slots[i]);
        mem_free(m->where[i]);
    }
    mem_free(m->unused);
    mem_free(m);
}

static uint32_t *where(struct map_nodes *m, uint64_t id)
{
    if (id / CHUNK >= CHUNKS_MAX)
        die("too many nodes");
    uint32_t **chunk = &m->where[id / CHUNK];
    if (!*chunk)
        *chunk = must_alloc(CHUNK * sizeof **chunk);
    return &(*chunk)[id % CHUNK];
}

static struct slot *slot_at(struct map_nodes *m, uint32_t number)
{
    return &m->slots[number / CHUNK][number % CHUNK];
}

static uint32_t new_slot(struct map_nodes *m)
{
    if (m->n_unused > 0)
        return m->unused[--m->n_unused];
    size_t n = m->n_slots++;
    if (n / CHUNK >= CHUNKS_MAX)
        die("too many nodes");
    if (!m->slots[n / CHUNK])
        m->slots[n / CHUNK] = must_alloc(CHUNK * sizeof(struct slot));
    return (uint32_t)n;
}

static wax_rc map_get(void *ctx, uint64_t id, struct map_node *ret)
{
    struct map_nodes *m = ctx;
    uint32_t at = *where(m, id);

    if (at == 0)
        return WAX_E_DAMAGED;
    const struct slot *s = slot_at(m, at - 1);
    return map_node_decode(BYTES(s->bytes, s->n), ret);
}

static wax_rc map_put(void *ctx, uint64_t id, const struct map_node *node)
{
    struct map_nodes *m = ctx;
    uint32_t *at = where(m, id), number = new_slot(m);
    struct slot *s = slot_at(m, number);

    s->n = (uint8_t)map_node_encode(node, s->bytes);
    *at = number + 1;
    m->live++;
    m->puts++;
    m->bytes += s->n + sizeof id;
    return WAX_OK;
}

static wax_rc map_drop(void *ctx, uint64_t id)
{
    struct map_nodes *m = ctx;
    uint32_t *at = where(m, id);

    if (m->n_unused == m->cap_unused) {
        size_t cap = m->cap_unused ? 2 * m->cap_unused : CHUNK;
        uint32_t *v = must_alloc(cap * sizeof *v);
        if (m->n_unused)
            memcpy(v, m->unused, m->n_unused * sizeof *v);
        mem_free(m->unused);
        m->unused = v;
        m->cap_unused = cap;
    }
    m->unused[m->n_unused++] = *at - 1;
    m->bytes -= slot_at(m, *at - 1)->n + sizeof id;
    *at = 0;
    m->live--;
    return WAX_OK;
}

struct map_store map_nodes_store(struct map_nodes *m)
{
    return (struct map_store){m, map_get, map_put, map_drop};
}

size_t map_nodes_live(const struct map_nodes *m) { return m->live; }

uint64_t map_nodes_bytes(const struct map_nodes *m) { return m->bytes; }

uint64_t map_nodes_puts(const struct map_nodes *m) { return m->puts; }

/* --- Log ------------------------------------------------------------------------------ */

#define LEVELS 32
#define LEAVES_MAX 131072U

struct log_nodes {
    struct hash32 *level[LEVELS];
    uint64_t puts;
};

struct log_nodes *log_nodes_open(void)
{
    struct log_nodes *l = must_alloc(sizeof *l);

    for (size_t i = 0; i < LEVELS; i++)
        l->level[i] = must_alloc(((LEAVES_MAX >> i) + 1) * sizeof *l->level[i]);
    return l;
}

void log_nodes_close(struct log_nodes *l)
{
    for (size_t i = 0; i < LEVELS; i++)
        mem_free(l->level[i]);
    mem_free(l);
}

static wax_rc log_get(void *ctx, uint8_t level, uint64_t index, struct hash32 *ret)
{
    const struct log_nodes *l = ctx;

    if (level >= LEVELS || index > LEAVES_MAX >> level)
        return WAX_E_DAMAGED;
    *ret = l->level[level][index];
    return WAX_OK;
}

static wax_rc log_put(void *ctx, uint8_t level, uint64_t index, const struct hash32 *hash)
{
    struct log_nodes *l = ctx;

    if (level >= LEVELS || index > LEAVES_MAX >> level)
        return WAX_E_FULL;
    l->level[level][index] = *hash;
    l->puts++;
    return WAX_OK;
}

struct log_store log_nodes_store(struct log_nodes *l)
{
    return (struct log_store){l, log_get, log_put};
}

uint64_t log_nodes_puts(const struct log_nodes *l) { return l->puts; }
