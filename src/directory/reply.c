#include "directory/reply.h"

#include "base/mem.h"

#define REPLY_VERSIONS_MAX 4096

static ProtobufCBinaryData pb(struct bytes x)
{
    return (ProtobufCBinaryData){x.n, (uint8_t *)(uintptr_t)x.p}; /* packing only reads */
}

static ProtobufCBinaryData pb_of(const struct buf *b) { return pb(buf_view(b)); }

static wax_rc pack_kind(Wax__V1__DirectoryReply *dir, enum reply_kind kind, struct buf *out)
{
    if (kind == REPLY_REGISTER) {
        Wax__V1__RegisterReply r = WAX__V1__REGISTER_REPLY__INIT;
        r.directory = dir;
        return proto_pack(&r.base, out);
    }
    if (kind == REPLY_UPDATE) {
        Wax__V1__UpdateReply r = WAX__V1__UPDATE_REPLY__INIT;
        r.directory = dir;
        return proto_pack(&r.base, out);
    }
    return proto_pack(&dir->base, out);
}

/* How many links go into one reply. */
static size_t links_that_fit(const struct store_lookup *l, const struct log_proofs *p)
{
    size_t total = 0, n = 0;

    if (p->there)
        return p->inclusions.n < REPLY_VERSIONS_MAX ? p->inclusions.n : REPLY_VERSIONS_MAX;
    while (n < l->links.n && n < REPLY_VERSIONS_MAX) {
        total += l->links.v[n].n;
        if (n > 0 && total > REPLY_LINKS_BYTES)
            break;
        n++;
    }
    return n;
}

static void set_proofs(Wax__V1__DirectoryReply *dir, const struct log_proofs *p)
{
    dir->checkpoint_record = pb(BYTES_OF(p->checkpoint));
    dir->consistency = pb_of(&p->consistency);
    dir->last_index = p->last_index;
    dir->last_entry = pb(BYTES_OF(p->last_entry));
    dir->last_inclusion = pb_of(&p->last_inclusion);
    dir->absence_next = pb_of(&p->absence_next);
}

static void set_version(Wax__V1__VersionProof *v, const struct store_lookup *l,
                        const struct log_proofs *p, size_t i)
{
    wax__v1__version_proof__init(v);
    /* One account a handle: its versions are the manifests. */
    v->version = l->first + (uint32_t)i;
    v->chain_link = pb_of(&l->links.v[i]);
    if (!p->there)
        return;
    v->opening =
        pb(BYTES(l->openings.p + i * sizeof(struct map_opening), sizeof(struct map_opening)));
    v->inclusion = pb_of(&p->inclusions.v[i]);
}

static void list_of(const struct buf_list *l, ProtobufCBinaryData *v)
{
    for (size_t i = 0; i < l->n; i++)
        v[i] = pb_of(&l->v[i]);
}

wax_rc reply_pack(const struct store_lookup *l, const struct log_proofs *p, enum reply_kind kind,
                  struct buf *out)
{
    Wax__V1__DirectoryReply dir = WAX__V1__DIRECTORY_REPLY__INIT;
    size_t n = links_that_fit(l, p), nb = l->bundles.n;
    Wax__V1__VersionProof *proofs = mem_calloc(n + 1, sizeof *proofs);
    Wax__V1__VersionProof **versions = mem_calloc(n + 1, sizeof *versions);
    ProtobufCBinaryData *bundles = mem_calloc(nb + 1, sizeof *bundles);
    ProtobufCBinaryData *generations = mem_calloc(2 * p->generations.n + 1, sizeof *generations);
    wax_rc rc = WAX_E_NOMEM;

    if (!proofs || !versions || !bundles || !generations)
        goto out;
    for (size_t i = 0; i < n; i++) {
        set_version(&proofs[i], l, p, i);
        versions[i] = &proofs[i];
    }
    list_of(&l->bundles, bundles);
    list_of(&p->generations, generations);
    list_of(&p->generation_consistency, generations + p->generations.n);
    dir.version = l->seq;
    dir.versions = versions;
    dir.n_versions = n;
    dir.bundle_records = bundles;
    dir.n_bundle_records = nb;
    if (p->there)
        set_proofs(&dir, p);
    dir.generations = generations;
    dir.n_generations = p->generations.n;
    dir.generation_consistency = generations + p->generations.n;
    dir.n_generation_consistency = p->generation_consistency.n;
    rc = pack_kind(&dir, kind, out);
out:
    mem_free(generations);
    mem_free(bundles);
    mem_free(versions);
    mem_free(proofs);
    return rc;
}
