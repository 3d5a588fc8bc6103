#include "session/ratchet.h"

#include "base/mem.h"

/* Versions and suite of everything here, as T_0 takes them. */
static const uint8_t ver_suite[2] = {1, 1};
static const uint8_t zeros32[32];

/* ctx(A→B) as six parts, so that no 226 bytes are copied for each message. */
#define CTX(from, to)                                                                              \
    BYTES_OF((from)->acct.b), BYTES_OF((from)->dev.b), BYTES_OF((from)->dsk.b),                    \
        BYTES_OF((to)->acct.b), BYTES_OF((to)->dev.b), BYTES_OF((to)->dsk.b)

void roots_wipe(struct roots *r) { mem_wipe(r, sizeof *r); }

wax_rc ratchet_t0(const struct init_inputs *in, struct hash32 *ret_t0, struct sid *ret_sid)
{
    struct hash32 t0, sid;
    wax_rc rc = hash_label(&t0, LABEL_T0,
                           PARTS(BYTES_OF(ver_suite), CTX(in->initiator, in->responder),
                                 BYTES_OF(in->bundle_hash->b), BYTES_OF(in->spk->b),
                                 BYTES(in->kpk, KEM1024_EK), BYTES_OF(in->e->b),
                                 BYTES(in->ct, KEM1024_CT)));

    if (rc == WAX_OK)
        rc = hash_label(&sid, LABEL_SID, PARTS(BYTES_OF(t0.b)));
    if (rc != WAX_OK)
        return rc;
    *ret_t0 = t0;
    memcpy(ret_sid->b, sid.b, sizeof ret_sid->b);
    return WAX_OK;
}

/* Expand(Extract(salt, Z1 ‖ Z2), label ‖ info…, 96), cut into RK, CK, XK. */
static wax_rc derive_roots(struct bytes salt, const struct key32 *z1, const struct key32 *z2,
                           enum label label, const struct bytes *info, size_t n_info,
                           const struct hash32 *t, struct roots *ret)
{
    struct key32 prk = {0};
    uint8_t okm[96] = {0};
    struct bytes ikm[2] = {BYTES_OF(z1->b), {NULL, 0}};

    if (z2)
        ikm[1] = BYTES_OF(z2->b);
    wax_rc rc = hkdf_extract(&prk, salt, ikm, z2 ? 2 : 1);
    if (rc == WAX_OK)
        rc = hkdf_expand_label(BYTES_OF(prk.b), label, info, n_info, okm, sizeof okm);
    if (rc == WAX_OK) {
        memcpy(ret->rk.b, okm, 32);
        memcpy(ret->ck.b, okm + 32, 32);
        memcpy(ret->xk.b, okm + 64, 32);
        ret->t = *t;
    }
    mem_wipe(&prk, sizeof prk);
    mem_wipe(okm, sizeof okm);
    return rc;
}

wax_rc ratchet_init(const struct hash32 *t0, const struct key32 *z1, const struct key32 *z2,
                    struct roots *ret)
{
    struct bytes info = BYTES_OF(t0->b);

    return derive_roots(BYTES_OF(zeros32), z1, z2, LABEL_INIT, &info, 1, t0, ret);
}

wax_rc ratchet_step(const struct step_inputs *in, struct roots *ret)
{
    uint8_t n[4], kem = in->kp ? 1 : 0;
    struct hash32 t;
    struct bytes parts[] = {
        BYTES_OF(in->t_prev->b),  BYTES_OF(n),        {&kem, 1},
        BYTES_OF(in->e_prev->b),  BYTES_OF(in->e->b), BYTES(in->kp, KEM768_EK),
        BYTES(in->ct, KEM768_CT),
    };

    if (!in->kp != !in->ct || !in->kp != !in->z2)
        return WAX_E_INVAL;
    put_u32(n, in->epoch);
    wax_rc rc = hash_label(&t, LABEL_T, parts, kem ? 7 : 5);
    if (rc != WAX_OK)
        return rc;
    struct bytes info[2] = {{&kem, 1}, BYTES_OF(t.b)};
    return derive_roots(BYTES_OF(in->rk_prev->b), in->z1, in->z2, LABEL_STEP, info, 2, &t, ret);
}

wax_rc chain_next(struct key32 *ck, struct key32 *mk)
{
    struct key32 m = {0}, next = {0};
    wax_rc rc = WAX_OK;

    if (mk)
        rc = hmac_label(&m, BYTES_OF(ck->b), LABEL_MK, NULL, 0);
    if (rc == WAX_OK)
        rc = hmac_label(&next, BYTES_OF(ck->b), LABEL_CK, NULL, 0);
    if (rc == WAX_OK) {
        if (mk)
            *mk = m;
        *ck = next;
    }
    mem_wipe(&m, sizeof m);
    mem_wipe(&next, sizeof next);
    return rc;
}

wax_rc message_keys(const struct key32 *mk, const struct fanout_id *fanout,
                    const struct hash32 *com, struct message_keys *ret)
{
    uint8_t okm[64] = {0};
    wax_rc rc = hkdf_expand_label(BYTES_OF(mk->b), LABEL_MSG,
                                  PARTS(BYTES_OF(fanout->b), BYTES_OF(com->b)), okm, sizeof okm);

    if (rc == WAX_OK) {
        memcpy(ret->enc, okm, 16);
        memcpy(ret->iv, okm + 16, 16);
        memcpy(ret->mac, okm + 32, 32);
    }
    mem_wipe(okm, sizeof okm);
    return rc;
}

wax_rc message_tag(const struct message_keys *k, struct bytes hdr, const struct party *from,
                   const struct party *to, struct bytes c, struct key32 *ret)
{
    uint8_t len[4];

    put_u32(len, (uint32_t)hdr.n);
    return hmac_label(ret, BYTES_OF(k->mac), LABEL_TAG,
                      PARTS(BYTES_OF(len), hdr, CTX(from, to), c));
}

wax_rc continuity_mac(const struct key32 *xk, const struct sid *sid_old, const struct hash32 *t0,
                      struct hash32 *ret)
{
    struct key32 mac;
    wax_rc rc =
        hmac_label(&mac, BYTES_OF(xk->b), LABEL_CONT, PARTS(BYTES_OF(sid_old->b), BYTES_OF(t0->b)));

    if (rc == WAX_OK)
        memcpy(ret->b, mac.b, sizeof ret->b);
    return rc;
}

wax_rc init_cache_key(const struct point *e, const uint8_t *ct, struct hash32 *ret)
{
    return hash_label(ret, LABEL_SEEN, PARTS(BYTES_OF(e->b), BYTES(ct, KEM1024_CT)));
}
