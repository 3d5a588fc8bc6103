#include "directory/log_book.h"

#define STATE_KEY 0 /* of STORE_LOG_STATE; the record of generation n has the key n */
#define STATE_SIZE (65 + 8 + 8 + CHECKPOINT_RECORD)
#define SLOT_SIZE (LOG_ENTRY_SIZE + 8)
#define HASH_INDEX_BITS 54 /* below six bits of level */

/* What is not there although it must be. */
static wax_rc missing(wax_rc rc) { return rc == WAX_E_NOTFOUND ? WAX_E_DAMAGED : rc; }

wax_rc log_state_get(const struct store_log *log, struct log_state *ret)
{
    struct store_log_value v;
    struct log_state s;

    wax_rc rc = log->get(log->ctx, STORE_LOG_STATE, STATE_KEY, &v);
    if (rc != WAX_OK)
        return rc;
    if (v.n != STATE_SIZE)
        return WAX_E_DAMAGED;
    memcpy(s.key.b, v.b, sizeof s.key.b);
    s.map_next = get_u64(v.b + 65);
    s.keep_below = get_u64(v.b + 73);
    if (checkpoint_decode(BYTES(v.b + 81, CHECKPOINT_RECORD), &s.checkpoint) != WAX_OK)
        return WAX_E_DAMAGED;
    *ret = s;
    return WAX_OK;
}

wax_rc log_state_put(const struct store_log *log, const struct log_state *s)
{
    uint8_t v[STATE_SIZE];

    memcpy(v, s->key.b, sizeof s->key.b);
    put_u64(v + 65, s->map_next);
    put_u64(v + 73, s->keep_below);
    checkpoint_encode(&s->checkpoint, v + 81);
    return log->put(log->ctx, STORE_LOG_STATE, STATE_KEY, BYTES_OF(v));
}

wax_rc log_generation_get(const struct store_log *log, uint32_t number,
                          uint8_t out[GENERATION_RECORD], struct generation *ret)
{
    struct store_log_value v;
    struct generation g;

    wax_rc rc = missing(log->get(log->ctx, STORE_LOG_STATE, number, &v));
    if (rc != WAX_OK)
        return rc;
    if (generation_decode(BYTES(v.b, v.n), &g) != WAX_OK || g.number != number)
        return WAX_E_DAMAGED;
    memcpy(out, v.b, GENERATION_RECORD);
    *ret = g;
    return WAX_OK;
}

wax_rc log_generation_put(const struct store_log *log, const struct generation *g)
{
    uint8_t record[GENERATION_RECORD];

    generation_encode(g, record);
    return log->put(log->ctx, STORE_LOG_STATE, g->number, BYTES_OF(record));
}

wax_rc log_slot_get(const struct store_log *log, uint64_t index, struct log_slot *ret)
{
    struct store_log_value v;
    struct log_slot s;

    wax_rc rc = missing(log->get(log->ctx, STORE_LOG_ENTRIES, index, &v));
    if (rc != WAX_OK)
        return rc;
    if (v.n != SLOT_SIZE || log_entry_decode(BYTES(v.b, LOG_ENTRY_SIZE), &s.entry) != WAX_OK)
        return WAX_E_DAMAGED;
    s.root_id = get_u64(v.b + LOG_ENTRY_SIZE);
    *ret = s;
    return WAX_OK;
}

wax_rc log_slot_put(const struct store_log *log, uint64_t index, const struct log_slot *s)
{
    uint8_t v[SLOT_SIZE];

    log_entry_encode(&s->entry, v);
    put_u64(v + LOG_ENTRY_SIZE, s->root_id);
    return log->put(log->ctx, STORE_LOG_ENTRIES, index, BYTES_OF(v));
}

wax_rc log_slot_leaf(const struct log_slot *s, struct hash32 *ret)
{
    uint8_t entry[LOG_ENTRY_SIZE];

    log_entry_encode(&s->entry, entry);
    return log_leaf(BYTES_OF(entry), ret);
}

/* --- The trees --- */

static wax_rc node_get(void *ctx, uint64_t id, struct map_node *ret)
{
    const struct store_log *log = ctx;
    struct store_log_value v;

    wax_rc rc = missing(log->get(log->ctx, STORE_LOG_NODES, id, &v));
    return rc == WAX_OK ? map_node_decode(BYTES(v.b, v.n), ret) : rc;
}

static wax_rc node_put(void *ctx, uint64_t id, const struct map_node *node)
{
    const struct store_log *log = ctx;
    uint8_t v[MAP_NODE_MAX];
    size_t n = map_node_encode(node, v);

    return log->put(log->ctx, STORE_LOG_NODES, id, BYTES(v, n));
}

static wax_rc node_drop(void *ctx, uint64_t id)
{
    const struct store_log *log = ctx;

    return log->drop(log->ctx, STORE_LOG_NODES, id);
}

struct map_store log_map_store(const struct store_log *log)
{
    return (struct map_store){(void *)(uintptr_t)log, node_get, node_put, node_drop};
}

static wax_rc hash_key(uint8_t level, uint64_t index, uint64_t *ret)
{
    if (level >= 64 || index >> HASH_INDEX_BITS)
        return WAX_E_FULL;
    *ret = (uint64_t)level << HASH_INDEX_BITS | index;
    return WAX_OK;
}

static wax_rc hash_get(void *ctx, uint8_t level, uint64_t index, struct hash32 *ret)
{
    const struct store_log *log = ctx;
    struct store_log_value v = {.n = 0};
    uint64_t key = 0;

    wax_rc rc = hash_key(level, index, &key);
    if (rc == WAX_OK)
        rc = missing(log->get(log->ctx, STORE_LOG_HASHES, key, &v));
    if (rc == WAX_OK && v.n != sizeof ret->b)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK)
        memcpy(ret->b, v.b, sizeof ret->b);
    return rc;
}

static wax_rc hash_put(void *ctx, uint8_t level, uint64_t index, const struct hash32 *hash)
{
    const struct store_log *log = ctx;
    uint64_t key = 0;

    wax_rc rc = hash_key(level, index, &key);
    return rc == WAX_OK ? log->put(log->ctx, STORE_LOG_HASHES, key, BYTES_OF(hash->b)) : rc;
}

struct log_store log_hash_store(const struct store_log *log)
{
    return (struct log_store){(void *)(uintptr_t)log, hash_get, hash_put};
}

wax_rc log_item_of(const struct log_id *id, const struct store_change *c, struct feed_item *ret)
{
    struct map_claim claim = {c->acct, c->seq, c->hash, c->opening};
    struct feed_item item;

    wax_rc rc = map_key_of(id, c->handle, c->seq, &item.key);
    if (rc == WAX_OK)
        rc = map_value_of(&claim, &item.value);
    if (rc == WAX_OK)
        *ret = item;
    return rc;
}
