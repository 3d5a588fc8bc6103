#include "account/pin.h"

#include "base/mem.h"
#include "crypto/crypto.h"

/* --- The pin itself ----------------------------------------------------------------------- */

int pin_find(const struct pin *p, const struct dev_id *dev)
{
    for (int i = 0; i < p->head.manifest.n_devices; i++)
        if (ID_EQ(&p->devs[i], dev))
            return i;
    return -1;
}

bool pin_sealable(const struct pin *p, uint64_t now)
{
    return pin_known(p) && manifest_sealable(&p->head.manifest, now);
}

bool pin_readable(const struct pin *p, uint64_t now)
{
    return pin_known(p) && manifest_readable(&p->head.manifest, now);
}

void pin_set_verified(struct pin *pin, const struct dev_id *by, uint64_t at)
{
    static const struct dev_id none;

    pin->verified = by != NULL;
    pin->verified_by = by != NULL ? *by : none;
    pin->verified_at = by != NULL ? at : 0;
}

void pin_accept_identity(struct pin *pin, const struct pin *other)
{
    bool accepted = pin->accepted;

    if (other != NULL) {
        *pin = *other;
        pin->accepted = accepted;
    }
    pin->identity_changed = false;
    pin_set_verified(pin, NULL, 0);
}

wax_rc pin_bundle(struct pin *pin, size_t i, struct bytes record, uint64_t now, struct bundle *ret)
{
    struct bundle b;
    wax_rc rc;

    if (i >= pin->head.manifest.n_devices)
        return WAX_E_INVAL;
    rc = bundle_decode(record, &b);
    if (rc == WAX_OK)
        rc = bundle_check(record, &b, &pin->devs[i], &pin->head.manifest.devices[i].dsk, now,
                          pin->bundle_not_before[i]);
    if (rc == WAX_OK) {
        pin->bundle_not_before[i] = b.not_before;
        *ret = b;
    }
    return rc;
}

/* --- Vault form --------------------------------------------------------------------------- */

#define FORM_VERSION 1
#define FLAG_ACCEPTED 1
#define FLAG_VERIFIED 2
#define FLAG_IDENTITY 4

wax_rc pin_encode(const struct pin *p, struct buf *out)
{
    uint8_t flags =
        (uint8_t)((p->accepted ? FLAG_ACCEPTED : 0) | (p->verified ? FLAG_VERIFIED : 0) |
                  (p->identity_changed ? FLAG_IDENTITY : 0));

    if (!pin_known(p))
        return WAX_E_INVAL;
    buf_u8(out, FORM_VERSION);
    buf_u8(out, flags);
    buf_u32(out, p->version);
    buf_add(out, p->verified_by.b, sizeof(p->verified_by.b));
    buf_u64(out, p->verified_at);
    buf_lp(out, BYTES(p->record, p->record_n));
    for (size_t i = 0; i < p->head.manifest.n_devices; i++)
        buf_u64(out, p->bundle_not_before[i]);
    return buf_rc(out);
}

/* What follows from the record: manifest, hash, ids. */
static wax_rc derive(struct pin *p)
{
    struct bytes body;
    struct sig sig;
    wax_rc rc = manifest_decode(BYTES(p->record, p->record_n), &p->head.manifest, &body, &sig);

    if (rc == WAX_OK)
        rc = manifest_hash(body, &p->head.hash);
    for (size_t i = 0; rc == WAX_OK && i < p->head.manifest.n_devices; i++)
        rc = dev_id_of(&p->head.manifest.devices[i].dsk, &p->devs[i]);
    return rc;
}

wax_rc pin_decode(struct bytes in, struct pin *ret)
{
    struct rd r = rd_init(in);
    struct pin *p = mem_alloc(sizeof(*p));
    struct bytes record;
    uint8_t flags;
    wax_rc rc;

    if (p == NULL)
        return WAX_E_NOMEM;
    rd_refuse_if(&r, rd_u8(&r) != FORM_VERSION);
    flags = rd_u8(&r);
    rd_refuse_if(&r, flags > (FLAG_ACCEPTED | FLAG_VERIFIED | FLAG_IDENTITY));
    p->accepted = (flags & FLAG_ACCEPTED) != 0;
    p->verified = (flags & FLAG_VERIFIED) != 0;
    p->identity_changed = (flags & FLAG_IDENTITY) != 0;
    p->version = rd_u32(&r);
    rd_copy(&r, p->verified_by.b, sizeof(p->verified_by.b));
    p->verified_at = rd_u64(&r);
    record = rd_lp(&r, MANIFEST_RECORD_MAX);
    p->record_n = (uint16_t)record.n;
    if (record.n > 0)
        memcpy(p->record, record.p, record.n);
    rc = r.bad ? WAX_R_PARSE : derive(p);
    if (rc == WAX_OK) {
        for (size_t i = 0; i < p->head.manifest.n_devices; i++)
            p->bundle_not_before[i] = rd_u64(&r);
        rc = rd_end(&r);
    }
    if (rc == WAX_OK)
        *ret = *p;
    mem_free(p);
    return rc_is_refusal(rc) ? WAX_R_PARSE : rc;
}
