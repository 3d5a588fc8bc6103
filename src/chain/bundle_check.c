#include "chain/bundle_check.h"

#include "chain/manifest_check.h"
#include "crypto/crypto.h"
#include "crypto/kem.h"

_Static_assert(KEM1024_EK == sizeof(((struct bundle *)NULL)->kpk), "KPK is an ML-KEM-1024 key");

static uint64_t add_sat(uint64_t x, uint64_t y) { return x > UINT64_MAX - y ? UINT64_MAX : x + y; }

wax_rc bundle_hash(struct bytes record, struct hash32 *ret)
{
    if (record.n != BUNDLE_RECORD && record.n != BUNDLE_BODY)
        return WAX_E_INVAL;
    return hash_label(ret, LABEL_BUNDLE, PARTS(BYTES(record.p, BUNDLE_BODY)));
}

struct bundle_id bundle_id_of(const struct hash32 *hash)
{
    struct bundle_id id;

    memcpy(id.b, hash->b, sizeof(id.b));
    return id;
}

wax_rc bundle_check(struct bytes record, const struct bundle *b, const struct dev_id *dev,
                    const struct point *dsk, uint64_t now, uint64_t pin_not_before)
{
    wax_rc rc;

    if (record.n != BUNDLE_RECORD)
        return WAX_E_INVAL;
    if (!ID_EQ(&b->dev, dev))
        return WAX_R_CHAIN;
    rc = ec_verify(dsk, LABEL_PREKEY, PARTS(BYTES(record.p, BUNDLE_BODY)), &b->sig);
    if (rc == WAX_OK)
        rc = ec_point_check(&b->spk);
    if (rc == WAX_OK)
        rc = kem_ek_check(KEM_1024, BYTES_OF(b->kpk));
    if (rc == WAX_OK && (b->not_before > add_sat(now, SKEW_MS) || b->not_before < pin_not_before))
        rc = WAX_R_DATES;
    return rc;
}

uint64_t bundle_not_after(const struct bundle *b) { return add_sat(b->not_before, BUNDLE_LIFE_MS); }

bool bundle_usable_for_sealing(const struct bundle *b, uint64_t now)
{
    return now <= bundle_not_after(b);
}
