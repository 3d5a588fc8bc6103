#include "watcher.h"

#include "wire/manifest.h"

void watcher_start(struct watcher *w, const struct point *log_key, const char *domain)
{
    memset(w, 0, sizeof *w);
    w->view.keys.v[0] = *log_key;
    w->view.keys.n = 1;
    assert_int_equal(log_id_of(log_key, domain, &w->view.log), WAX_OK);
}

void watcher_path(const struct watcher *w, const char *path, uint32_t version, char out[512])
{
    const struct checkpoint *c = &w->view.checkpoint;
    bool has = w->view.has_checkpoint;

    snprintf(out, 512, "%s?version=%u&generation=%u&checkpoint=%llu", path, version,
             has ? c->generation : 0, has ? (unsigned long long)c->size : 0ULL);
}

static struct map_claim claim_of(struct bytes link, struct bytes opening)
{
    struct chain_link l;
    struct map_claim c;

    assert_int_equal(chain_link_decode(link, &l), WAX_OK);
    c.acct = l.manifest.acct;
    c.seq = l.manifest.seq;
    assert_int_equal(manifest_hash(l.body, &c.manifest), WAX_OK);
    memset(&c.opening, 0, sizeof c.opening);
    if (opening.n == sizeof c.opening)
        memcpy(c.opening.b, opening.p, opening.n);
    return c;
}

wax_rc watcher_judge(struct watcher *w, const char *handle, const Wax__V1__DirectoryReply *r)
{
    static struct lookup_version versions[64];
    struct bytes generations[8], consistency[8];
    struct lookup_answer a = {.versions = versions};

    assert_true(r->n_versions <= 64);
    for (size_t i = 0; i < r->n_versions; i++) {
        const Wax__V1__VersionProof *v = r->versions[i];
        versions[i] = (struct lookup_version){
            v->version, claim_of(PB_BYTES(v->chain_link), PB_BYTES(v->opening)),
            PB_BYTES(v->inclusion)};
    }
    a.n_versions = r->n_versions;
    a.version = r->version;
    a.advance.checkpoint = PB_BYTES(r->checkpoint_record);
    a.advance.consistency = PB_BYTES(r->consistency);
    assert_true(r->n_generations <= 8);
    assert_int_equal(r->n_generations, r->n_generation_consistency);
    for (size_t i = 0; i < r->n_generations; i++) {
        generations[i] = PB_BYTES(r->generations[i]);
        consistency[i] = PB_BYTES(r->generation_consistency[i]);
    }
    a.advance.generations = generations;
    a.advance.generation_consistency = consistency;
    a.advance.n_generations = r->n_generations;
    a.last_index = r->last_index;
    a.last_entry = PB_BYTES(r->last_entry);
    a.last_inclusion = PB_BYTES(r->last_inclusion);
    a.absence_next = PB_BYTES(r->absence_next);
    wax_rc rc = lookup_judge(&w->view, handle, &a, &w->last);
    if (rc == WAX_OK)
        w->view = w->last.log.view;
    return rc;
}

wax_rc watcher_judge_daily(struct watcher *w, const Wax__V1__DailyReply *r)
{
    struct log_advance in = {.checkpoint = PB_BYTES(r->checkpoint_record),
                             .consistency = PB_BYTES(r->consistency)};
    static struct log_advanced out;

    wax_rc rc = log_advance_judge(&w->view, &in, &out);
    if (rc == WAX_OK)
        w->view = out.view;
    return rc;
}

wax_rc watcher_judge_day(const struct watcher *w, const Wax__V1__DailyDay *day,
                         const Wax__V1__DailyAnswer *a, const struct person *p, uint32_t version,
                         uint64_t *ret_index)
{
    const char *handle = p->head.manifest.handle;
    struct map_claim claim = claim_of(buf_view(&p->links[version - 1]), PB_BYTES(a->opening));
    struct log_entry entry;

    wax_rc rc = daily_check(PB_BYTES(day->daily_proof), day->day, &w->view.checkpoint, NULL, 0,
                            &entry, ret_index);
    if (rc == WAX_OK)
        rc = version_check(&entry.map_root, &w->view.log, handle, version, &claim,
                           PB_BYTES(a->inclusion));
    if (rc == WAX_OK)
        rc = version_absent(&entry.map_root, &w->view.log, handle, version + 1,
                            PB_BYTES(a->absence_next));
    return rc;
}
