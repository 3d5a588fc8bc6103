#include "chain/manifest_check.h"

#include "crypto/crypto.h"

#define BODY_ACCT_OFF 1
#define BODY_AFTER_ACCT 33
/* ver … recovery key, lp(handle) with no byte in it, device count (RECORDS 3). */
#define BODY_FIXED 163
#define KEYS_MAX (2 * MANIFEST_DEVICES_MAX + 1)

wax_rc manifest_hash(struct bytes body, struct hash32 *ret)
{
    return hash_label(ret, LABEL_MHASH, &body, 1);
}

wax_rc acct_id_of(struct bytes genesis_body, struct acct_id *ret)
{
    static const uint8_t zero[sizeof(struct acct_id)];
    struct hash32 h;
    wax_rc rc;

    if (genesis_body.n < BODY_FIXED)
        return WAX_R_PARSE;
    rc = hash_label(
        &h, LABEL_ACCT,
        PARTS(BYTES(genesis_body.p, BODY_ACCT_OFF), BYTES_OF(zero),
              BYTES(genesis_body.p + BODY_AFTER_ACCT, genesis_body.n - BODY_AFTER_ACCT)));
    if (rc == WAX_OK)
        memcpy(ret->b, h.b, sizeof(ret->b));
    return rc;
}

wax_rc dev_id_of(const struct point *dsk, struct dev_id *ret)
{
    struct hash32 h;
    wax_rc rc = hash_label(&h, LABEL_DEV, PARTS(BYTES_OF(dsk->b)));

    if (rc == WAX_OK)
        memcpy(ret->b, h.b, sizeof(ret->b));
    return rc;
}

wax_rc manifest_find(const struct manifest *m, const struct dev_id *dev, int *ret)
{
    struct dev_id id;
    int found = -1;

    for (int i = 0; found < 0 && i < m->n_devices; i++) {
        wax_rc rc = dev_id_of(&m->devices[i].dsk, &id);

        if (rc != WAX_OK)
            return rc;
        if (ID_EQ(&id, dev))
            found = i;
    }
    *ret = found;
    return WAX_OK;
}

int manifest_find_dsk(const struct manifest *m, const struct point *dsk)
{
    for (int i = 0; i < m->n_devices; i++)
        if (ID_EQ(&m->devices[i].dsk, dsk))
            return i;
    return -1;
}

bool handle_matches(const struct manifest *m, const char *handle)
{
    return strcmp(m->handle, handle) == 0;
}

static uint64_t add_sat(uint64_t x, uint64_t y) { return x > UINT64_MAX - y ? UINT64_MAX : x + y; }

uint64_t manifest_not_after(const struct manifest *m)
{
    return add_sat(m->issued, MANIFEST_LIFE_MS);
}

bool manifest_sealable(const struct manifest *m, uint64_t now)
{
    return now <= manifest_not_after(m);
}

bool manifest_readable(const struct manifest *m, uint64_t now)
{
    return now <= add_sat(manifest_not_after(m), MANIFEST_READ_GRACE_MS);
}

bool manifest_resign_due(const struct manifest *m, uint64_t now)
{
    return add_sat(now, MANIFEST_RESIGN_MS) > manifest_not_after(m);
}

wax_rc chain_prev_of(const struct chain_link *link, struct chain_prev *ret)
{
    struct hash32 h;
    wax_rc rc = manifest_hash(link->body, &h);

    if (rc == WAX_OK) {
        ret->manifest = link->manifest;
        ret->hash = h;
    }
    return rc;
}

static wax_rc check_points(const struct manifest *m)
{
    wax_rc rc = m->has_recovery ? ec_point_check(&m->recovery) : WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < m->n_devices; i++) {
        rc = ec_point_check(&m->devices[i].dsk);
        if (rc == WAX_OK)
            rc = ec_point_check(&m->devices[i].dtk);
    }
    return rc;
}

/* DSK, DTK and recovery key together: no key has two purposes or two places. */
bool manifest_keys_distinct(const struct manifest *m)
{
    const struct point *keys[KEYS_MAX];
    size_t n = 0;

    for (size_t i = 0; i < m->n_devices; i++) {
        keys[n++] = &m->devices[i].dsk;
        keys[n++] = &m->devices[i].dtk;
    }
    if (m->has_recovery)
        keys[n++] = &m->recovery;
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            if (ID_EQ(keys[i], keys[j]))
                return false;
    return true;
}

static wax_rc check_genesis(const struct chain_link *link)
{
    const struct manifest *m = &link->manifest;
    struct acct_id acct;
    int signer;
    wax_rc rc;

    if (m->seq != 1 || m->signer_kind != SIGNER_DEVICE || m->n_devices != 1 ||
        !bytes_all_zero(m->prev.b, sizeof(m->prev.b)))
        return WAX_R_CHAIN;
    rc = manifest_find(m, &m->signer, &signer);
    if (rc == WAX_OK && signer != 0)
        rc = WAX_R_CHAIN;
    if (rc == WAX_OK)
        rc = acct_id_of(link->body, &acct);
    if (rc == WAX_OK && !ID_EQ(&acct, &m->acct))
        rc = WAX_R_CHAIN;
    return rc;
}

static bool same_recovery(const struct manifest *x, const struct manifest *y)
{
    return x->has_recovery == y->has_recovery &&
           (!x->has_recovery || ID_EQ(&x->recovery, &y->recovery));
}

/* Kept devices first, in their old order and with their old DTK; then the new ones. Gives
 * the index of the first new one. */
static wax_rc check_order(const struct manifest *m, const struct manifest *prev, size_t *ret_new)
{
    size_t n_kept = 0;
    int last = -1;

    for (size_t i = 0; i < m->n_devices; i++) {
        int at = manifest_find_dsk(prev, &m->devices[i].dsk);

        if (at < 0)
            continue;
        if (at <= last || n_kept != i || !ID_EQ(&m->devices[i].dtk, &prev->devices[at].dtk))
            return WAX_R_CHAIN;
        last = at;
        n_kept++;
    }
    *ret_new = n_kept;
    return WAX_OK;
}

/* The signer's key, as the previous manifest gives it. */
static wax_rc signer_of(const struct manifest *m, const struct manifest *prev,
                        const struct point **ret)
{
    int i;
    wax_rc rc;

    if (m->signer_kind == SIGNER_RECOVERY) {
        if (!prev->has_recovery)
            return WAX_R_CHAIN;
        *ret = &prev->recovery;
        return WAX_OK;
    }
    rc = manifest_find(prev, &m->signer, &i);
    if (rc == WAX_OK && i < 0)
        rc = WAX_R_CHAIN;
    if (rc == WAX_OK)
        *ret = &prev->devices[i].dsk;
    return rc;
}

static wax_rc check_successor(const struct manifest *m, const struct chain_prev *prev,
                              const struct point **ret_signer, size_t *ret_new)
{
    const struct manifest *p = &prev->manifest;
    wax_rc rc;

    if (p->seq == UINT32_MAX || m->seq != p->seq + 1 || !ID_EQ(&m->prev, &prev->hash) ||
        !ID_EQ(&m->acct, &p->acct) || m->issued < p->issued)
        return WAX_R_CHAIN;
    if (m->signer_kind == SIGNER_DEVICE && !same_recovery(m, p))
        return WAX_R_CHAIN;
    rc = signer_of(m, p, ret_signer);
    if (rc == WAX_OK)
        rc = check_order(m, p, ret_new);
    return rc;
}

static wax_rc check_join(const struct join *j, const struct manifest_device *d,
                         const struct hash32 *hash)
{
    struct dev_id id;
    wax_rc rc = dev_id_of(&d->dsk, &id);

    if (rc == WAX_OK && !ID_EQ(&id, &j->dev))
        rc = WAX_R_CHAIN;
    if (rc == WAX_OK)
        rc = ec_verify(&d->dsk, LABEL_JOIN, PARTS(BYTES_OF(hash->b)), &j->by_dsk);
    if (rc == WAX_OK)
        rc = ec_verify(&d->dtk, LABEL_JOIN, PARTS(BYTES_OF(hash->b)), &j->by_dtk);
    return rc;
}

static wax_rc check_joins(const struct chain_link *link, size_t first_new)
{
    const struct manifest *m = &link->manifest;
    struct hash32 hash;
    wax_rc rc;

    if (link->n_joins != m->n_devices - first_new)
        return WAX_R_CHAIN;
    rc = manifest_hash(link->body, &hash);
    for (size_t i = 0; rc == WAX_OK && i < link->n_joins; i++)
        rc = check_join(&link->joins[i], &m->devices[first_new + i], &hash);
    return rc;
}

wax_rc chain_check(const struct chain_link *link, const struct chain_prev *prev, uint64_t now)
{
    const struct manifest *m = &link->manifest;
    const struct point *signer = &m->devices[0].dsk;
    size_t first_new = 0;
    wax_rc rc = check_points(m);

    if (rc == WAX_OK && !manifest_keys_distinct(m))
        rc = WAX_R_CHAIN;
    if (rc == WAX_OK)
        rc = prev == NULL ? check_genesis(link) : check_successor(m, prev, &signer, &first_new);
    if (rc == WAX_OK && m->issued > add_sat(now, SKEW_MS))
        rc = WAX_R_DATES;
    if (rc == WAX_OK)
        rc = ec_verify(signer, LABEL_MANIFEST, PARTS(link->body), &link->sig);
    if (rc == WAX_OK)
        rc = check_joins(link, first_new);
    return rc;
}
