#include "directory/reply.h"

#include "base/mem.h"

/* Readers cap the lists they take; who knows less asks again from what he got. */
#define REPLY_VERSIONS_MAX 4096
#define REPLY_LINKS_BYTES ((size_t)12 * 1024 * 1024)

static ProtobufCBinaryData pb_of(const struct buf *b) { return (ProtobufCBinaryData){b->n, b->p}; }

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
static size_t links_that_fit(const struct store_lookup *l)
{
    size_t total = 0, n = 0;

    while (n < l->links.n && n < REPLY_VERSIONS_MAX) {
        total += l->links.v[n].n;
        if (n > 0 && total > REPLY_LINKS_BYTES)
            break;
        n++;
    }
    return n;
}

wax_rc reply_pack(const struct store_lookup *l, enum reply_kind kind, struct buf *out)
{
    Wax__V1__DirectoryReply dir = WAX__V1__DIRECTORY_REPLY__INIT;
    size_t n = links_that_fit(l), nb = l->bundles.n;
    Wax__V1__VersionProof *proofs = mem_calloc(n + 1, sizeof *proofs);
    Wax__V1__VersionProof **versions = mem_calloc(n + 1, sizeof *versions);
    ProtobufCBinaryData *bundles = mem_calloc(nb + 1, sizeof *bundles);
    wax_rc rc = WAX_E_NOMEM;

    if (!proofs || !versions || !bundles)
        goto out;
    for (size_t i = 0; i < n; i++) {
        wax__v1__version_proof__init(&proofs[i]);
        /* One account a handle until the log exists: its versions are the manifests. */
        proofs[i].version = l->first + (uint32_t)i;
        proofs[i].chain_link = pb_of(&l->links.v[i]);
        versions[i] = &proofs[i];
    }
    for (size_t i = 0; i < nb; i++)
        bundles[i] = pb_of(&l->bundles.v[i]);
    dir.version = l->seq;
    dir.versions = versions;
    dir.n_versions = n;
    dir.bundle_records = bundles;
    dir.n_bundle_records = nb;
    rc = pack_kind(&dir, kind, out);
out:
    mem_free(bundles);
    mem_free(versions);
    mem_free(proofs);
    return rc;
}
