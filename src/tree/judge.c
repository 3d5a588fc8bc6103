#include "tree/judge.h"

#include "tree/log.h"

static struct log_head head_of(const struct checkpoint *c)
{
    return (struct log_head){c->size, c->root};
}

static wax_rc extends(const struct checkpoint *earlier, const struct checkpoint *later,
                      struct bytes consistency)
{
    struct log_head a = head_of(earlier), b = head_of(later);

    return log_check_extends(&a, &b, consistency);
}

wax_rc version_check(const struct hash32 *map_root, const struct log_id *log, const char *handle,
                     uint32_t version, const struct map_claim *claim, struct bytes inclusion)
{
    struct map_key key;
    struct map_value value;

    wax_rc rc = map_key_of(log, handle, version, &key);
    if (rc == WAX_OK)
        rc = map_value_of(claim, &value);
    return rc == WAX_OK ? map_check_inclusion(map_root, &key, &value, inclusion) : rc;
}

wax_rc version_absent(const struct hash32 *map_root, const struct log_id *log, const char *handle,
                      uint32_t version, struct bytes absence)
{
    struct map_key key;

    wax_rc rc = map_key_of(log, handle, version, &key);
    return rc == WAX_OK ? map_check_absence(map_root, &key, absence) : rc;
}

/* --- Daily entries --- */

static wax_rc included(const struct checkpoint *c, uint64_t index, const struct log_entry *e,
                       struct hashes path)
{
    struct log_head log = head_of(c);
    uint8_t bytes[LOG_ENTRY_SIZE];
    struct hash32 leaf;

    log_entry_encode(e, bytes);
    wax_rc rc = log_leaf(BYTES_OF(bytes), &leaf);
    return rc == WAX_OK ? log_check_inclusion(&log, index, &leaf, path) : rc;
}

static bool index_agrees(uint64_t index, uint64_t day, uint32_t generation,
                         const struct checkpoint *c)
{
    return c->generation != generation || day_of(c->time) != day || c->daily == index;
}

wax_rc daily_check(struct bytes proof, uint64_t day, const struct checkpoint *under,
                   const struct checkpoint *held, size_t n, struct log_entry *ret,
                   uint64_t *ret_index)
{
    struct daily_proof p;

    wax_rc rc = daily_proof_decode(proof, &p);
    if (rc != WAX_OK)
        return rc;
    if (day_of(p.entry.time) != day || (p.index > 0 && day_of(p.before.time) >= day))
        return WAX_R_PROOF;
    if (!index_agrees(p.index, day, under->generation, under))
        return WAX_R_PROOF;
    for (size_t i = 0; i < n; i++)
        if (!index_agrees(p.index, day, under->generation, &held[i]))
            return WAX_R_PROOF;
    rc = included(under, p.index, &p.entry, p.path);
    if (rc == WAX_OK && p.index > 0)
        rc = included(under, p.index - 1, &p.before, p.before_path);
    if (rc != WAX_OK)
        return rc;
    *ret = p.entry;
    *ret_index = p.index;
    return WAX_OK;
}

/* --- A new generation --- */

wax_rc restore_judge(const struct generation *g, const struct checkpoint *now,
                     struct bytes consistency_named, const struct checkpoint *own,
                     struct bytes consistency_own, enum restore_verdict *ret)
{
    const struct checkpoint *named = &g->checkpoint;
    enum restore_verdict verdict = RESTORE_EXTENDS;

    if (now->generation < g->number || (own && own->generation != named->generation))
        return WAX_R_CHAIN;
    if (checkpoints_contradict(named, now) ||
        (own && (checkpoints_contradict(own, now) || checkpoints_contradict(own, named))))
        return WAX_R_EQUIVOCATION;
    wax_rc rc = extends(named, now, consistency_named);
    if (own && own->size > named->size)
        verdict = RESTORE_LARGER;
    else if (rc == WAX_OK && own)
        rc = extends(own, now, consistency_own);
    if (rc == WAX_OK)
        *ret = verdict;
    return rc;
}

/* --- A checkpoint that comes with an answer --- */

static wax_rc take_rotations(const struct log_advance *in, const struct checkpoint *own,
                             struct log_view *view)
{
    for (size_t i = 0; i < in->n_rotations; i++) {
        struct checkpoint c;
        wax_rc rc = log_keys_rotate(&view->keys, &view->log, in->rotations[i], &c);
        if (rc != WAX_OK)
            return rc;
        if (own && checkpoints_contradict(own, &c))
            return WAX_R_EQUIVOCATION;
    }
    return WAX_OK;
}

/* From the client's generation to that of the answer, a record a step. */
static wax_rc take_generations(const struct log_advance *in, const struct checkpoint *own,
                               struct log_advanced *out)
{
    struct generation g;
    uint32_t at = own->generation;

    for (size_t i = 0; i < in->n_generations; i++, at++) {
        enum restore_verdict verdict;
        wax_rc rc = generation_check(in->generations[i], &out->view.log, &out->view.keys, &g);
        if (rc == WAX_OK && g.checkpoint.generation != at)
            rc = WAX_R_CHAIN;
        if (rc == WAX_OK)
            rc = restore_judge(&g, &out->view.checkpoint, in->generation_consistency[i],
                               i == 0 ? own : NULL, in->consistency, &verdict);
        if (rc != WAX_OK)
            return rc;
        if (i == 0) {
            out->restore = verdict;
            out->named_size = g.checkpoint.size;
            out->own_size = own->size;
        }
    }
    return at == out->view.checkpoint.generation ? WAX_OK : WAX_R_CHAIN;
}

/* What the new checkpoint is to the client's own one. */
static wax_rc take_checkpoint(const struct log_advance *in, const struct checkpoint *own,
                              struct log_advanced *out)
{
    const struct checkpoint *now = &out->view.checkpoint;

    if (!own) {
        struct log_head head = head_of(now);
        return log_check_extends(NULL, &head, in->consistency);
    }
    if (checkpoints_contradict(own, now))
        return WAX_R_EQUIVOCATION;
    if (own->generation != now->generation)
        return take_generations(in, own, out);
    return in->n_generations == 0 ? extends(own, now, in->consistency) : WAX_R_CHAIN;
}

wax_rc log_advance_judge(const struct log_view *view, const struct log_advance *in,
                         struct log_advanced *ret)
{
    struct log_advanced out = {.view = *view, .restore = RESTORE_NONE};
    const struct checkpoint *own = view->has_checkpoint ? &view->checkpoint : NULL;

    if (view->keys.n == 0)
        return WAX_E_INVAL;
    wax_rc rc = take_rotations(in, own, &out.view);
    if (rc == WAX_OK)
        rc = checkpoint_check(in->checkpoint, &view->log, &out.view.keys.v[out.view.keys.n - 1],
                              &out.view.checkpoint);
    out.view.has_checkpoint = true;
    if (rc == WAX_OK)
        rc = take_checkpoint(in, own, &out);
    if (rc == WAX_OK)
        *ret = out;
    return rc;
}

/* --- A look-up --- */

/* The daily entry of the checkpoint's day exists and times never decrease: so the last entry
 * is of that day, and it was there when the checkpoint was signed. */
static wax_rc take_entry(const struct lookup_answer *in, const struct checkpoint *c,
                         struct log_entry *ret)
{
    struct log_head log = head_of(c);

    wax_rc rc = log_entry_decode(in->last_entry, ret);
    if (rc == WAX_OK && in->last_index != c->size - 1)
        rc = WAX_R_PROOF;
    if (rc == WAX_OK)
        rc = log_check_entry(&log, in->last_index, ret, in->last_inclusion);
    if (rc == WAX_OK && (ret->time > c->time || day_of(ret->time) != day_of(c->time)))
        rc = WAX_R_PROOF;
    return rc;
}

static wax_rc take_versions(const struct lookup_answer *in, const struct log_id *log,
                            const char *handle, const struct hash32 *root)
{
    if (in->n_versions == 0 || in->version == UINT32_MAX || in->version < in->n_versions)
        return WAX_R_PROOF;
    for (size_t i = 0; i < in->n_versions; i++) {
        const struct lookup_version *v = &in->versions[i];
        if (v->version != in->version - (in->n_versions - 1 - i))
            return WAX_R_PROOF;
        wax_rc rc = version_check(root, log, handle, v->version, &v->claim, v->inclusion);
        if (rc != WAX_OK)
            return rc;
    }
    return version_absent(root, log, handle, in->version + 1, in->absence_next);
}

wax_rc lookup_judge(const struct log_view *view, const char *handle, const struct lookup_answer *in,
                    struct lookup_result *ret)
{
    struct log_advanced log;
    struct log_entry entry;

    wax_rc rc = log_advance_judge(view, &in->advance, &log);
    if (rc == WAX_OK)
        rc = take_entry(in, &log.view.checkpoint, &entry);
    if (rc == WAX_OK)
        rc = take_versions(in, &view->log, handle, &entry.map_root);
    if (rc == WAX_OK)
        *ret = (struct lookup_result){log, entry};
    return rc;
}
