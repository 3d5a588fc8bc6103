/* Prekeys: the second half of account/keys.h. */
#include "account/keys.h"

#include "base/mem.h"
#include "crypto/kem.h"

#define FORM_VERSION 1

void prekey_done(struct prekey *p)
{
    ec_free(p->spk);
    mem_wipe(p, sizeof(*p));
}

/* Signs the body and keeps the record. */
static wax_rc sign_bundle(const struct ec_key *dsk, struct bundle *b, uint8_t record[BUNDLE_RECORD])
{
    struct buf body = {0};
    wax_rc rc;

    bundle_encode_body(b, &body);
    rc = buf_rc(&body);
    if (rc == WAX_OK && body.n != BUNDLE_BODY)
        rc = WAX_E_INVAL;
    if (rc == WAX_OK)
        rc = ec_sign(dsk, LABEL_PREKEY, PARTS(buf_view(&body)), &b->sig);
    if (rc == WAX_OK) {
        memcpy(record, body.p, BUNDLE_BODY);
        memcpy(record + BUNDLE_BODY, b->sig.b, sizeof(b->sig.b));
    }
    buf_done(&body);
    return rc;
}

wax_rc prekey_make(const struct device_keys *k, const struct rng *rng, uint64_t now, uint64_t after,
                   struct prekey *ret)
{
    struct prekey p = {0};
    struct bundle b = {.dev = k->dev};
    wax_rc rc;

    if (after == UINT64_MAX)
        return WAX_E_INVAL;
    b.not_before = now > after ? now : after + 1;
    p.not_before = b.not_before;
    rc = ec_generate(rng, &p.spk);
    if (rc == WAX_OK)
        rc = rng_fill(rng, p.kpk_seed.b, sizeof(p.kpk_seed.b));
    if (rc == WAX_OK)
        rc = kem_keygen(KEM_1024, &p.kpk_seed, b.kpk);
    if (rc == WAX_OK) {
        b.spk = *ec_public(p.spk);
        rc = sign_bundle(k->dsk, &b, p.record);
    }
    if (rc == WAX_OK)
        rc = bundle_hash(BYTES_OF(p.record), &p.hash);
    if (rc == WAX_OK) {
        p.id = bundle_id_of(&p.hash);
        *ret = p;
        mem_wipe(&p, sizeof(p));
    } else {
        prekey_done(&p);
    }
    return rc;
}

wax_rc prekey_encode(const struct prekey *p, struct buf *out)
{
    struct key32 scalar;

    if (p->spk == NULL)
        return WAX_E_INVAL;
    ec_scalar(p->spk, &scalar);
    buf_u8(out, FORM_VERSION);
    buf_add(out, scalar.b, sizeof(scalar.b));
    mem_wipe(&scalar, sizeof(scalar));
    buf_add(out, p->kpk_seed.b, sizeof(p->kpk_seed.b));
    buf_u64(out, p->superseded_at);
    buf_add(out, p->record, sizeof(p->record));
    return buf_rc(out);
}

/* Record → hash, id and times; the private key must be that of the SPK in it. */
static wax_rc settle(struct prekey *p, const struct key32 *scalar)
{
    struct bundle b;
    wax_rc rc = bundle_decode(BYTES_OF(p->record), &b);

    if (rc_is_refusal(rc))
        rc = WAX_R_PARSE;
    if (rc == WAX_OK)
        rc = ec_from_scalar(scalar, &p->spk);
    if (rc == WAX_E_INVAL || (rc == WAX_OK && !ID_EQ(ec_public(p->spk), &b.spk)))
        rc = WAX_R_PARSE;
    if (rc == WAX_OK)
        rc = bundle_hash(BYTES_OF(p->record), &p->hash);
    if (rc == WAX_OK) {
        p->id = bundle_id_of(&p->hash);
        p->not_before = b.not_before;
    }
    return rc;
}

wax_rc prekey_decode(struct bytes in, struct prekey *ret)
{
    struct rd r = rd_init(in);
    struct prekey p = {0};
    struct key32 scalar;
    wax_rc rc;

    rd_refuse_if(&r, rd_u8(&r) != FORM_VERSION);
    rd_copy(&r, scalar.b, sizeof(scalar.b));
    rd_copy(&r, p.kpk_seed.b, sizeof(p.kpk_seed.b));
    p.superseded_at = rd_u64(&r);
    rd_copy(&r, p.record, sizeof(p.record));
    rc = rd_end(&r);
    if (rc == WAX_OK)
        rc = settle(&p, &scalar);
    mem_wipe(&scalar, sizeof(scalar));
    if (rc == WAX_OK) {
        *ret = p;
        mem_wipe(&p, sizeof(p));
    } else {
        prekey_done(&p);
    }
    return rc;
}

bool prekey_rotation_due(const struct prekey *p, uint64_t now)
{
    return now >= p->not_before && now - p->not_before >= PREKEY_ROTATE_MS;
}

bool prekey_destroy_due(const struct prekey *p, uint64_t now, uint64_t last_drained,
                        bool parked_init)
{
    uint64_t due;

    if (p->superseded_at == 0 || p->superseded_at > UINT64_MAX - PREKEY_KEEP_MS - PREKEY_PARKED_MS)
        return false;
    due = p->superseded_at + PREKEY_KEEP_MS;
    /* Nothing stays parked for longer than 7 d (4.2): a server that keeps an INIT unjudged must
     * not keep the private half alive with it. */
    if (parked_init && now < due + PREKEY_PARKED_MS)
        return false;
    return now >= due && last_drained >= due;
}
