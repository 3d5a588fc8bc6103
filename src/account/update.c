#include "account/update.h"

#include "base/mem.h"
#include "base/text.h"

struct update_signer update_signer_device(const struct device_keys *k)
{
    return (struct update_signer){.kind = SIGNER_DEVICE, .key = k->dsk, .dev = k->dev};
}

struct update_signer update_signer_recovery(const struct ec_key *recovery)
{
    return (struct update_signer){.kind = SIGNER_RECOVERY, .key = recovery};
}

/* The server and all contacts would refuse it; tell the caller before anything is signed. */
static wax_rc check_signer(const struct manifest *prev, const struct update_signer *s)
{
    const struct point *named = &prev->recovery;
    int at;

    if (s->kind == SIGNER_DEVICE) {
        wax_rc rc = manifest_find(prev, &s->dev, &at);

        if (rc != WAX_OK)
            return rc;
        if (at < 0)
            return WAX_E_DENIED;
        named = &prev->devices[at].dsk;
    } else if (!prev->has_recovery) {
        return WAX_E_DENIED;
    }
    return ID_EQ(named, ec_public(s->key)) ? WAX_OK : WAX_E_DENIED;
}

static void drop_device(struct manifest *m, int at)
{
    for (int i = at; i + 1 < m->n_devices; i++)
        m->devices[i] = m->devices[i + 1];
    m->n_devices--;
    memset(&m->devices[m->n_devices], 0, sizeof(m->devices[0]));
}

static wax_rc drop_devices(struct manifest *m, const struct update_change *c)
{
    if (c->revoke_all) {
        memset(m->devices, 0, sizeof(m->devices));
        m->n_devices = 0;
        return WAX_OK;
    }
    for (size_t i = 0; i < c->n_revoke; i++) {
        int at;
        wax_rc rc = manifest_find(m, &c->revoke[i], &at);

        if (rc == WAX_OK && at < 0)
            rc = WAX_E_NOTFOUND;
        if (rc != WAX_OK)
            return rc;
        drop_device(m, at);
    }
    return WAX_OK;
}

static wax_rc rename_device(struct manifest *m, const struct update_change *c)
{
    size_t n;
    int at;
    wax_rc rc;

    if (c->rename_dev == NULL)
        return WAX_OK;
    n = strlen(c->rename_to);
    if (n < 1 || n > NAME_DEVICE_MAX || !name_valid(BYTES(c->rename_to, n)))
        return WAX_E_INVAL;
    rc = manifest_find(m, c->rename_dev, &at);
    if (rc == WAX_OK && at < 0)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK) {
        memset(m->devices[at].name, 0, sizeof(m->devices[at].name));
        memcpy(m->devices[at].name, c->rename_to, n);
    }
    return rc;
}

static wax_rc add_devices(struct manifest *m, const struct manifest *prev,
                          const struct update_change *c)
{
    if (c->n_add > (size_t)MANIFEST_DEVICES_MAX - m->n_devices)
        return WAX_E_FULL;
    for (size_t i = 0; i < c->n_add; i++) {
        const struct manifest_device *d = &c->add[i];
        wax_rc rc = ec_point_check(&d->dsk);

        if (rc == WAX_OK)
            rc = ec_point_check(&d->dtk);
        if (rc != WAX_OK)
            return rc;
        /* Also one that is being revoked right now: it would count as kept. */
        if (manifest_find_dsk(prev, &d->dsk) >= 0)
            return WAX_E_EXISTS;
        m->devices[m->n_devices++] = *d;
    }
    if (m->n_devices == 0)
        return WAX_E_INVAL;
    return manifest_keys_distinct(m) ? WAX_OK : WAX_E_EXISTS;
}

static wax_rc set_rest(struct manifest *m, const struct update_signer *s,
                       const struct update_change *c)
{
    if (c->handle != NULL) {
        size_t n = strlen(c->handle);

        if (!handle_valid(BYTES(c->handle, n)))
            return WAX_E_INVAL;
        memset(m->handle, 0, sizeof(m->handle));
        memcpy(m->handle, c->handle, n);
    }
    if (c->set_recovery) {
        if (s->kind != SIGNER_RECOVERY)
            return WAX_E_INVAL;
        m->has_recovery = c->recovery != NULL;
        memset(&m->recovery, 0, sizeof(m->recovery));
        if (m->has_recovery)
            m->recovery = *c->recovery;
    }
    return WAX_OK;
}

/* The successor's body as a struct. */
static wax_rc successor(const struct chain_prev *prev, const struct update_signer *s,
                        const struct update_change *c, uint64_t now, struct manifest *m)
{
    wax_rc rc;

    *m = prev->manifest;
    if (m->seq == UINT32_MAX)
        return WAX_E_FULL;
    m->seq++;
    m->prev = prev->hash;
    if (now > m->issued)
        m->issued = now;
    m->signer_kind = s->kind;
    memset(&m->signer, 0, sizeof(m->signer));
    if (s->kind == SIGNER_DEVICE)
        m->signer = s->dev;
    rc = drop_devices(m, c);
    if (rc == WAX_OK)
        rc = rename_device(m, c);
    if (rc == WAX_OK)
        rc = set_rest(m, s, c);
    if (rc == WAX_OK)
        rc = add_devices(m, &prev->manifest, c);
    return rc;
}

wax_rc update_record(const struct chain_prev *prev, const struct update_signer *signer,
                     const struct update_change *change, uint64_t now, struct buf *record)
{
    struct manifest m;
    struct buf body = {0};
    struct sig sig;
    wax_rc rc = check_signer(&prev->manifest, signer);

    if (rc == WAX_OK)
        rc = successor(prev, signer, change, now, &m);
    if (rc == WAX_OK)
        rc = manifest_encode_body(&m, &body);
    if (rc == WAX_OK)
        rc = ec_sign(signer->key, LABEL_MANIFEST, PARTS(buf_view(&body)), &sig);
    if (rc == WAX_OK) {
        buf_add(&body, sig.b, sizeof(sig.b));
        rc = buf_rc(&body);
    }
    if (rc == WAX_OK) {
        buf_bytes(record, buf_view(&body));
        rc = buf_rc(record);
    }
    buf_done(&body);
    return rc;
}

wax_rc update_link(const struct chain_prev *prev, struct bytes record, const struct join *joins,
                   size_t n_joins, uint64_t now, struct buf *link)
{
    struct chain_link made;
    struct buf bytes = {0};
    /* A clock that was set back must not stop its owner: issued is never below the previous,
     * and how far ahead that is, the server judges. */
    uint64_t at = now > prev->manifest.issued ? now : prev->manifest.issued;
    wax_rc rc = chain_link_encode(record, joins, n_joins, &bytes);

    if (rc == WAX_OK)
        rc = chain_link_decode(buf_view(&bytes), &made);
    if (rc == WAX_OK)
        rc = chain_check(&made, prev, at);
    if (rc == WAX_OK) {
        buf_bytes(link, buf_view(&bytes));
        rc = buf_rc(link);
    }
    buf_done(&bytes);
    return rc;
}

wax_rc update_make(const struct chain_prev *prev, const struct update_signer *signer,
                   const struct update_change *change, const struct device_keys *joiner,
                   uint64_t now, struct buf *link)
{
    struct buf record = {0};
    struct hash32 hash;
    struct join join;
    size_t n_joins = joiner != NULL ? 1 : 0;
    wax_rc rc;

    if (change->n_add != n_joins)
        return WAX_E_INVAL;
    rc = update_record(prev, signer, change, now, &record);
    if (rc == WAX_OK && joiner != NULL) {
        rc = manifest_hash(BYTES(record.p, record.n - sizeof(struct sig)), &hash);
        if (rc == WAX_OK)
            rc = device_keys_join(joiner, &hash, &join);
    }
    if (rc == WAX_OK)
        rc = update_link(prev, buf_view(&record), &join, n_joins, now, link);
    buf_done(&record);
    return rc;
}
