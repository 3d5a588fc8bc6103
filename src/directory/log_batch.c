#include "directory/log_batch.h"

#include "base/mem.h"

/* The log as the batch found it, and what it makes of it. */
struct work {
    struct log_state state;
    struct map_tree map;
    uint64_t size, time; /* entries; time of the last one */
    uint64_t least_time; /* of the next one */
    bool first;          /* there is none */
};

static wax_rc open_log(const struct log_batch *b, const struct store_log *log, struct work *w)
{
    struct log_slot last;

    *w = (struct work){.map = MAP_TREE_EMPTY};
    wax_rc rc = log_state_get(log, &w->state);
    w->first = rc == WAX_E_NOTFOUND;
    if (w->first) {
        w->state.key = *ec_public(b->key);
        return log_id_of(&w->state.key, b->domain, &w->state.checkpoint.log);
    }
    if (rc == WAX_OK && !ID_EQ(&w->state.key, ec_public(b->key)))
        rc = WAX_E_DENIED;
    if (rc != WAX_OK)
        return rc;
    w->size = w->state.checkpoint.size;
    rc = log_slot_get(log, w->size - 1, &last);
    if (rc != WAX_OK)
        return rc;
    w->time = w->least_time = last.entry.time;
    w->map = (struct map_tree){log_slot_root(&last), last.entry.map_size, w->state.map_next};
    return WAX_OK;
}

/* The changes after those in the map, as many as fit. */
static wax_rc take_changes(const struct store_log *log, const struct work *w,
                           struct feed_item *items, size_t *ret_n, bool *ret_more)
{
    struct store_change c;
    size_t n = 0;
    wax_rc rc;

    while ((rc = log->change(log->ctx, w->map.size + n + 1, &c, NULL)) == WAX_OK) {
        if (n == LOG_BATCH_CHANGES)
            break;
        rc = log_item_of(&w->state.checkpoint.log, &c, &items[n]);
        if (rc != WAX_OK)
            return rc;
        n++;
    }
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    *ret_n = n;
    *ret_more = rc == WAX_OK;
    return WAX_OK;
}

static wax_rc insert(const struct store_log *log, struct work *w, struct feed_item *items, size_t n)
{
    struct map_store nodes = log_map_store(log);

    map_sort(items, n);
    wax_rc rc = map_insert(&nodes, &w->map, items, n, w->state.keep_below);
    return rc == WAX_E_EXISTS ? WAX_E_DAMAGED : rc; /* a key of the map comes once */
}

/* Checkpoints of the old generation may have been seen that this store does not know. So that no
 * honest one of them contradicts the new generation's, the time goes on, by 1 ms at least
 * (PROTOCOL 8.4). */
static wax_rc next_generation(const struct store_log *log, const struct ec_key *key, struct work *w)
{
    struct generation g;

    if (w->first) /* nothing was ever signed with this store */
        return WAX_OK;
    wax_rc rc = generation_sign(key, &w->state.checkpoint, &g);
    if (rc == WAX_OK)
        rc = log_generation_put(log, &g);
    if (rc == WAX_OK) {
        w->state.checkpoint.generation = g.number;
        w->least_time = w->time + 1;
    }
    return rc;
}

static wax_rc append(const struct store_log *log, struct work *w, uint64_t now)
{
    struct log_store hashes = log_hash_store(log);
    uint64_t time = now > w->least_time ? now : w->least_time;
    struct log_slot slot = {{time, w->map.root.hash, w->map.size}, w->map.root.id};
    struct checkpoint *c = &w->state.checkpoint;
    struct hash32 leaf;

    if (w->first || day_of(time) != day_of(w->time)) { /* the day's first: its map is kept */
        c->daily = w->size;
        w->state.keep_below = w->map.next;
    }
    w->state.map_next = w->map.next;
    wax_rc rc = log_slot_leaf(&slot, &leaf);
    if (rc == WAX_OK)
        rc = log_slot_put(log, w->size, &slot);
    if (rc == WAX_OK)
        rc = log_append(&hashes, w->size, &leaf);
    w->time = c->time = time;
    c->size = ++w->size;
    return rc == WAX_OK ? log_root(&hashes, c->size, &c->root) : rc;
}

wax_rc log_batch_run(void *ctx, const struct store_log *log)
{
    struct log_batch *b = ctx;
    struct feed_item *items = mem_calloc(LOG_BATCH_CHANGES, sizeof *items);
    struct work w;
    size_t n = 0;
    bool more = false, wanted = false;

    wax_rc rc = items ? open_log(b, log, &w) : WAX_E_NOMEM;
    if (rc == WAX_OK)
        rc = take_changes(log, &w, items, &n, &more);
    if (rc == WAX_OK)
        wanted = n > 0 || b->due || b->restored || w.first ||
                 (b->now > w.time && day_of(b->now) != day_of(w.time));
    if (rc == WAX_OK && wanted) {
        rc = insert(log, &w, items, n);
        if (rc == WAX_OK && b->restored)
            rc = next_generation(log, b->key, &w);
        if (rc == WAX_OK)
            rc = append(log, &w, b->now);
        if (rc == WAX_OK)
            rc = checkpoint_sign(b->key, &w.state.checkpoint);
        if (rc == WAX_OK)
            rc = log_state_put(log, &w.state);
    }
    mem_free(items);
    if (rc != WAX_OK)
        return rc;
    b->made = wanted;
    b->more = more;
    b->logged = w.map.size;
    b->time = w.time;
    b->generation = w.state.checkpoint.generation;
    return WAX_OK;
}
