#include "account/genesis.h"

#include "base/mem.h"
#include "base/text.h"
#include "chain/manifest_check.h"

static wax_rc fill(const struct genesis_in *in, struct manifest *m)
{
    size_t n = strlen(in->handle);

    if (!handle_valid(BYTES(in->handle, n)))
        return WAX_E_INVAL;
    m->seq = 1;
    m->issued = in->now;
    m->signer_kind = SIGNER_DEVICE;
    m->signer = in->keys->dev;
    m->has_recovery = in->recovery != NULL;
    if (m->has_recovery)
        m->recovery = *in->recovery;
    memcpy(m->handle, in->handle, n);
    m->n_devices = 1;
    return device_keys_entry(in->keys, in->name, &m->devices[0]);
}

/* Encodes twice: the account id is the hash of the body with that id zero. */
static wax_rc make_record(struct manifest *m, const struct ec_key *dsk, struct buf *record)
{
    struct sig sig;
    wax_rc rc = manifest_encode_body(m, record);

    if (rc == WAX_OK)
        rc = acct_id_of(buf_view(record), &m->acct);
    if (rc == WAX_OK) {
        buf_reset(record);
        rc = manifest_encode_body(m, record);
    }
    if (rc == WAX_OK)
        rc = ec_sign(dsk, LABEL_MANIFEST, PARTS(buf_view(record)), &sig);
    if (rc == WAX_OK) {
        buf_add(record, sig.b, sizeof(sig.b));
        rc = buf_rc(record);
    }
    return rc;
}

/* Joins the first device and checks the whole as everybody will. */
static wax_rc make_link(const struct genesis_in *in, struct bytes record, struct buf *out)
{
    struct chain_link link;
    struct hash32 hash;
    struct join join;
    wax_rc rc = manifest_hash(BYTES(record.p, record.n - sizeof(struct sig)), &hash);

    if (rc == WAX_OK)
        rc = device_keys_join(in->keys, &hash, &join);
    if (rc == WAX_OK)
        rc = chain_link_encode(record, &join, 1, out);
    if (rc == WAX_OK)
        rc = chain_link_decode(buf_view(out), &link);
    if (rc == WAX_OK)
        rc = chain_check(&link, NULL, in->now);
    return rc;
}

wax_rc genesis_make(const struct genesis_in *in, const struct rng *rng, struct buf *link,
                    struct prekey *ret_prekey)
{
    struct manifest m = {0};
    struct prekey p = {0};
    struct buf record = {0}, made = {0};
    wax_rc rc = fill(in, &m);

    if (rc == WAX_OK)
        rc = make_record(&m, in->keys->dsk, &record);
    if (rc == WAX_OK)
        rc = make_link(in, buf_view(&record), &made);
    if (rc == WAX_OK)
        rc = prekey_make(in->keys, rng, in->now, 0, &p);
    if (rc == WAX_OK) {
        buf_bytes(link, buf_view(&made));
        rc = buf_rc(link);
    }
    if (rc == WAX_OK) {
        *ret_prekey = p;
        mem_wipe(&p, sizeof(p));
    } else {
        prekey_done(&p);
    }
    buf_done(&record);
    buf_done(&made);
    return rc;
}
