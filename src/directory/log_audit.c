#include "directory/log_audit.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "chain/manifest_check.h"
#include "directory/log_prove.h"
#include "directory/log_scratch.h"

#define FINDINGS_MAX 20

struct audit {
    struct log_audit *a;
    const struct store_log *log;
    struct log_state state;
    size_t findings;
    /* The log as it must be, made anew so far. */
    struct log_scratch nodes;
    struct map_tree map;
    struct feed_item *items; /* MAP_BATCH_MAX */
    struct hash32 peaks[64]; /* roots of its full subtrees, by level */
    uint64_t size, time, daily;
    struct hash32 root; /* of the log, in the end */
};

__attribute__((format(printf, 2, 3))) static void found(struct audit *x, const char *fmt, ...)
{
    char line[512];
    va_list ap;

    if (x->findings++ >= FINDINGS_MAX)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    buf_printf(&x->a->report, "%s\n", line);
}

typedef unsigned long long ull;

/* --- The manifests --- */

/* What the log must say of change n, from the manifest itself. Anything but WAX_OK and
 * WAX_E_NOTFOUND (there is no such change) ends the audit. */
static wax_rc item_of(struct audit *x, uint64_t n, struct feed_item *ret)
{
    struct store_change c;
    struct chain_link link;
    struct buf bytes = {0};
    struct hash32 hash;

    wax_rc rc = x->log->change(x->log->ctx, n, &c, &bytes);
    if (rc == WAX_OK)
        rc = chain_link_decode(buf_view(&bytes), &link);
    if (rc == WAX_OK)
        rc = manifest_hash(link.body, &hash);
    if (rc_is_refusal(rc)) {
        found(x, "manifest %u of %s (change %llu) cannot be read", c.seq, c.handle, (ull)n);
        rc = WAX_E_DAMAGED;
    }
    if (rc == WAX_OK &&
        (strcmp(link.manifest.handle, c.handle) != 0 || link.manifest.seq != c.seq ||
         !ID_EQ(&link.manifest.acct, &c.acct) || !ID_EQ(&hash, &c.hash)))
        found(x, "manifest %u of %s (change %llu) is not the one that is named beside it", c.seq,
              c.handle, (ull)n);
    if (rc == WAX_OK) {
        c.acct = link.manifest.acct;
        c.seq = link.manifest.seq;
        c.hash = hash;
        memcpy(c.handle, link.manifest.handle, strlen(link.manifest.handle) + 1);
        rc = log_item_of(&x->state.checkpoint.log, &c, ret);
    }
    buf_done(&bytes);
    return rc;
}

/* --- Entry by entry --- */

static wax_rc insert_changes(struct audit *x, uint64_t index, uint64_t map_size)
{
    struct map_store nodes = log_scratch_store(&x->nodes);
    uint64_t n = map_size - x->map.size;

    if (map_size < x->map.size || n > MAP_BATCH_MAX) {
        found(x, "entry %llu counts %llu changes after %llu", (ull)index, (ull)map_size,
              (ull)x->map.size);
        return WAX_E_DAMAGED;
    }
    for (uint64_t i = 0; i < n; i++) {
        wax_rc rc = item_of(x, x->map.size + i + 1, &x->items[i]);
        if (rc == WAX_E_NOTFOUND) {
            found(x, "entry %llu counts %llu changes, but there is no manifest of number %llu",
                  (ull)index, (ull)map_size, (ull)(x->map.size + i + 1));
            rc = WAX_E_DAMAGED;
        }
        if (rc != WAX_OK)
            return rc;
    }
    map_sort(x->items, (size_t)n);
    wax_rc rc = map_insert(&nodes, &x->map, x->items, (size_t)n, 0);
    if (rc == WAX_E_EXISTS || rc == WAX_E_INVAL) {
        found(x, "entry %llu has a version twice", (ull)index);
        rc = WAX_E_DAMAGED;
    }
    return rc;
}

static wax_rc add_leaf(struct audit *x, const struct log_slot *slot)
{
    struct log_store hashes = log_hash_store(x->log);
    struct hash32 h, stored;
    size_t level = 0;

    wax_rc rc = log_slot_leaf(slot, &h);
    if (rc == WAX_OK && hashes.get(hashes.ctx, 0, x->size, &stored) == WAX_OK &&
        !ID_EQ(&stored, &h))
        found(x, "entry %llu is not the one that went into the log", (ull)x->size);
    for (; rc == WAX_OK && x->size >> level & 1; level++)
        rc = log_node(&x->peaks[level], &h, &h);
    if (rc == WAX_OK)
        x->peaks[level] = h;
    x->size++;
    return rc;
}

static wax_rc check_entry(struct audit *x, uint64_t index)
{
    struct log_slot slot;

    wax_rc rc = log_slot_get(x->log, index, &slot);
    if (rc == WAX_E_DAMAGED)
        found(x, "entry %llu cannot be read", (ull)index);
    if (rc != WAX_OK)
        return rc;
    if (slot.entry.time < x->time)
        found(x, "entry %llu is older than the one before it", (ull)index);
    if (index == 0 || day_of(slot.entry.time) != day_of(x->time))
        x->daily = index;
    x->time = slot.entry.time;
    rc = insert_changes(x, index, slot.entry.map_size);
    if (rc == WAX_OK && !ID_EQ(&x->map.root.hash, &slot.entry.map_root)) {
        found(x, "entry %llu: its map is not that of the first %llu manifests", (ull)index,
              (ull)slot.entry.map_size);
        rc = WAX_E_DAMAGED;
    }
    return rc == WAX_OK ? add_leaf(x, &slot) : rc;
}

/* --- The whole --- */

static wax_rc root_of(const struct audit *x, struct hash32 *ret)
{
    bool any = false;
    wax_rc rc = WAX_OK;

    for (size_t level = 0; rc == WAX_OK && level < 64; level++) {
        if (!(x->size >> level & 1))
            continue;
        if (any)
            rc = log_node(&x->peaks[level], ret, ret);
        else
            *ret = x->peaks[level];
        any = true;
    }
    return rc;
}

static wax_rc check_checkpoint(struct audit *x)
{
    const struct checkpoint *c = &x->state.checkpoint;
    struct store_log_value v;
    struct log_id id;

    wax_rc rc = log_id_of(x->a->key, x->a->domain, &id);
    if (rc == WAX_OK)
        rc = root_of(x, &x->root);
    if (rc != WAX_OK)
        return rc;
    if (!ID_EQ(&x->state.key, x->a->key) || !ID_EQ(&c->log, &id))
        found(x, "the log is that of another log key or domain");
    if (!ID_EQ(&x->root, &c->root))
        found(x, "the checkpoint's root is not that of the %llu entries", (ull)c->size);
    if (c->time != x->time || c->daily != x->daily)
        found(x, "the checkpoint's time or daily entry is not that of the last entry");
    if (x->log->get(x->log->ctx, STORE_LOG_ENTRIES, c->size, &v) != WAX_E_NOTFOUND)
        found(x, "there is an entry %llu that the checkpoint does not count", (ull)c->size);
    rc = checkpoint_verify(c, &c->log, &x->state.key);
    if (rc == WAX_R_SIGNATURE) {
        found(x, "the checkpoint's signature does not verify");
        rc = WAX_OK;
    }
    return rc;
}

/* The records that opened the generations, and that the log goes on from what they name. */
static wax_rc check_generations(struct audit *x)
{
    struct log_store hashes = log_hash_store(x->log);
    struct log_keys keys = {.v = {x->state.key}, .n = 1};
    uint8_t record[GENERATION_RECORD];
    struct generation g;
    wax_rc rc = WAX_OK;

    for (uint32_t n = 1; rc == WAX_OK && n <= x->state.checkpoint.generation; n++) {
        struct hash32 root = {{0}};
        rc = log_generation_get(x->log, n, record, &g);
        if (rc == WAX_OK)
            rc = generation_check(BYTES_OF(record), &x->state.checkpoint.log, &keys, &g);
        if (rc == WAX_OK)
            rc = g.checkpoint.size < x->size ? log_root(&hashes, g.checkpoint.size, &root)
                                             : WAX_R_PROOF;
        if (rc == WAX_OK && !ID_EQ(&root, &g.checkpoint.root))
            rc = WAX_R_PROOF;
        if (rc != WAX_E_DAMAGED && !rc_is_refusal(rc))
            continue;
        found(x, "the record of generation %u does not hold", n);
        rc = WAX_OK;
    }
    return rc;
}

/* The stored map of an entry proves change n. */
static wax_rc check_proof(struct audit *x, const struct log_slot *slot, uint64_t n)
{
    struct map_ref root = log_slot_root(slot);
    struct map_store nodes = log_map_store(x->log);
    struct feed_item item;
    struct map_proof proof;
    struct buf record = {0};

    wax_rc rc = item_of(x, n, &item);
    if (rc == WAX_OK)
        rc = map_prove(&nodes, &root, &item.key, &proof);
    if (rc == WAX_OK)
        rc = proof.found ? map_proof_encode(&proof, &record) : WAX_R_PROOF;
    if (rc == WAX_OK)
        rc = map_check_inclusion(&root.hash, &item.key, &item.value, buf_view(&record));
    buf_done(&record);
    if (rc == WAX_E_DAMAGED || rc_is_refusal(rc)) {
        found(x, "the stored map of %llu changes does not prove change %llu",
              (ull)slot->entry.map_size, (ull)n);
        rc = WAX_OK;
    }
    return rc;
}

/* The stored log proves an entry. */
static wax_rc check_place(struct audit *x, const struct log_slot *slot, uint64_t index)
{
    struct log_store hashes = log_hash_store(x->log);
    struct log_head head = {x->size, x->root};
    struct log_path path;
    struct hash32 leaf;

    wax_rc rc = log_slot_leaf(slot, &leaf);
    if (rc == WAX_OK)
        rc = log_prove_inclusion(&hashes, index, x->size, &path);
    if (rc == WAX_OK)
        rc = log_check_inclusion(&head, index, &leaf, log_path_view(&path));
    if (rc == WAX_E_DAMAGED || rc == WAX_R_PROOF) {
        found(x, "the stored log does not prove entry %llu", (ull)index);
        rc = WAX_OK;
    }
    return rc;
}

/* What is stored of the trees: every entry in the log; every change in the newest map, and in
 * that of each day its last one. */
static wax_rc check_trees(struct audit *x)
{
    struct log_slot slot = {.root_id = 0}, before = slot;
    wax_rc rc = WAX_OK;

    for (uint64_t i = 0; rc == WAX_OK && i < x->size; i++, before = slot) {
        rc = log_slot_get(x->log, i, &slot);
        if (rc == WAX_OK)
            rc = check_place(x, &slot, i);
        bool daily = i == 0 || day_of(slot.entry.time) != day_of(before.entry.time);
        if (rc == WAX_OK && daily && slot.entry.map_size > 0)
            rc = check_proof(x, &slot, slot.entry.map_size);
    }
    for (uint64_t n = 1; rc == WAX_OK && n <= x->map.size; n++)
        rc = check_proof(x, &slot, n);
    return rc;
}

static wax_rc count_waiting(struct audit *x)
{
    struct store_change c;
    wax_rc rc;

    while ((rc = x->log->change(x->log->ctx, x->map.size + x->a->waiting + 1, &c, NULL)) == WAX_OK)
        x->a->waiting++;
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

static wax_rc audit(struct audit *x)
{
    wax_rc rc = log_state_get(x->log, &x->state);

    if (rc == WAX_E_NOTFOUND) {
        struct store_log_value v;
        if (x->log->get(x->log->ctx, STORE_LOG_ENTRIES, 0, &v) != WAX_E_NOTFOUND)
            found(x, "the log's checkpoint is not there");
        return count_waiting(x);
    }
    if (rc == WAX_E_DAMAGED)
        found(x, "the log's checkpoint cannot be read");
    for (uint64_t i = 0; rc == WAX_OK && i < x->state.checkpoint.size; i++)
        rc = check_entry(x, i);
    if (rc == WAX_OK)
        rc = check_checkpoint(x);
    if (rc == WAX_OK)
        rc = check_generations(x);
    if (rc == WAX_OK)
        rc = check_trees(x);
    return rc == WAX_OK ? count_waiting(x) : rc;
}

wax_rc log_audit_run(void *ctx, const struct store_log *log)
{
    struct audit x = {.a = ctx, .log = log, .map = MAP_TREE_EMPTY};

    buf_reset(&x.a->report);
    x.a->waiting = 0;
    x.items = mem_calloc(MAP_BATCH_MAX, sizeof *x.items);
    wax_rc rc = x.items ? audit(&x) : WAX_E_NOMEM;
    if (x.findings > FINDINGS_MAX)
        buf_printf(&x.a->report, "and %zu more findings\n", x.findings - FINDINGS_MAX);
    x.a->entries = x.size;
    x.a->changes = x.map.size;
    log_scratch_done(&x.nodes);
    mem_free(x.items);
    if ((rc == WAX_OK || rc == WAX_E_DAMAGED) && x.findings > 0)
        rc = WAX_E_DAMAGED;
    return rc == WAX_OK ? buf_rc(&x.a->report) : rc;
}
