#include "directory/log_prove.h"

#define GENERATIONS_MAX 64

void log_proofs_done(struct log_proofs *p)
{
    buf_done(&p->consistency);
    buf_done(&p->last_inclusion);
    buf_list_done(&p->inclusions);
    buf_done(&p->absence_next);
    buf_list_done(&p->generations);
    buf_list_done(&p->generation_consistency);
    p->there = false;
}

static wax_rc prove_from(const struct store_log *log, uint64_t from, uint64_t to, struct buf *out)
{
    struct log_store hashes = log_hash_store(log);
    struct log_path path;

    wax_rc rc = log_prove_consistency(&hashes, from, to, &path);
    return rc == WAX_OK ? log_proof_encode(log_path_view(&path), out) : rc;
}

wax_rc log_prove_known(const struct store_log *log, const struct checkpoint *c,
                       const struct directory_known *known, struct buf *out)
{
    uint8_t record[GENERATION_RECORD];
    struct generation g;
    uint64_t most = c->size;

    if (known->size == 0 || known->generation > c->generation)
        return WAX_OK;
    if (known->generation < c->generation) { /* what came after the restored copy is lost */
        wax_rc rc = log_generation_get(log, known->generation + 1, record, &g);
        if (rc != WAX_OK)
            return rc;
        most = g.checkpoint.size;
    }
    return known->size <= most ? prove_from(log, known->size, c->size, out) : WAX_OK;
}

/* The records between the asker's generation and this one (≤ 64 in an answer, RECORDS 15). */
static wax_rc prove_generations(const struct store_log *log, const struct checkpoint *c,
                                const struct directory_known *known, struct log_proofs *p)
{
    uint8_t record[GENERATION_RECORD];
    struct generation g;
    wax_rc rc = WAX_OK;

    if (known->size == 0 || known->generation >= c->generation ||
        c->generation - known->generation > GENERATIONS_MAX)
        return WAX_OK;
    for (uint32_t n = known->generation + 1; rc == WAX_OK && n <= c->generation; n++) {
        rc = log_generation_get(log, n, record, &g);
        struct buf *out = rc == WAX_OK ? buf_list_add(&p->generations) : NULL;
        struct buf *proof = out ? buf_list_add(&p->generation_consistency) : NULL;
        if (rc == WAX_OK && !proof)
            rc = WAX_E_NOMEM;
        if (rc != WAX_OK)
            break;
        buf_bytes(out, BYTES_OF(record));
        rc = buf_rc(out);
        if (rc == WAX_OK)
            rc = prove_from(log, g.checkpoint.size, c->size, proof);
    }
    return rc;
}

wax_rc log_prove_version(const struct store_log *log, const struct log_id *id,
                         const struct map_ref *root, const char *handle, uint32_t version,
                         bool *ret_found, struct buf *out)
{
    struct map_store nodes = log_map_store(log);
    struct map_proof proof;
    struct map_key key;

    wax_rc rc = map_key_of(id, handle, version, &key);
    if (rc == WAX_OK)
        rc = map_prove(&nodes, root, &key, &proof);
    if (rc == WAX_OK)
        rc = map_proof_encode(&proof, out);
    if (rc == WAX_OK)
        *ret_found = proof.found;
    return rc;
}

wax_rc log_prove_index(const struct store_log *log, uint64_t index, uint64_t size, struct buf *out)
{
    struct log_store hashes = log_hash_store(log);
    struct log_path path;

    wax_rc rc = log_prove_inclusion(&hashes, index, size, &path);
    return rc == WAX_OK ? log_proof_encode(log_path_view(&path), out) : rc;
}

static wax_rc prove_versions(const struct store_log *log, const struct store_lookup *l,
                             const struct log_id *id, const struct map_ref *root, size_t max_bytes,
                             struct log_proofs *p)
{
    size_t total = 0;
    bool found = false;
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < l->links.n; i++) {
        struct buf *proof = buf_list_add(&p->inclusions);
        if (!proof)
            return WAX_E_NOMEM;
        rc = log_prove_version(log, id, root, l->handle_out, l->first + (uint32_t)i, &found, proof);
        if (rc == WAX_OK && !found)
            rc = WAX_E_DAMAGED;
        total += l->links.v[i].n + proof->n;
        if (rc == WAX_OK && total > max_bytes && i > 0) {
            buf_done(proof);
            p->inclusions.n--;
            break;
        }
    }
    if (rc == WAX_OK)
        rc = log_prove_version(log, id, root, l->handle_out, l->seq + 1, &found, &p->absence_next);
    return rc == WAX_OK && found ? WAX_E_DAMAGED : rc;
}

wax_rc log_prove_lookup(const struct store_log *log, const struct store_lookup *l,
                        const struct directory_known *known, size_t max_bytes,
                        struct log_proofs *ret)
{
    struct log_state s;
    struct log_slot last;

    wax_rc rc = log_state_get(log, &s);
    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_E_WAIT : rc;
    const struct checkpoint *c = &s.checkpoint;
    ret->last_index = c->size - 1;
    rc = log_slot_get(log, ret->last_index, &last);
    if (rc == WAX_OK && l->change > last.entry.map_size)
        rc = WAX_E_WAIT;
    if (rc != WAX_OK)
        return rc;
    struct map_ref root = log_slot_root(&last);
    checkpoint_encode(c, ret->checkpoint);
    log_entry_encode(&last.entry, ret->last_entry);
    rc = log_prove_known(log, c, known, &ret->consistency);
    if (rc == WAX_OK)
        rc = prove_generations(log, c, known, ret);
    if (rc == WAX_OK)
        rc = log_prove_index(log, ret->last_index, c->size, &ret->last_inclusion);
    if (rc == WAX_OK)
        rc = prove_versions(log, l, &c->log, &root, max_bytes, ret);
    ret->there = rc == WAX_OK;
    return rc;
}
