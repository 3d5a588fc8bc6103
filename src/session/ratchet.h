/* The key schedule (PROTOCOL 2, RECORDS 7) as functions of their inputs: what opening and
 * sealing are made of, and what the known answers check. No state, no randomness. */
#ifndef SESSION_RATCHET_H
#define SESSION_RATCHET_H

#include "crypto/crypto.h"
#include "crypto/kem.h"
#include "session/party.h"

/* RK ‖ CK ‖ XK of an epoch, and the transcript it hangs on. Secret: roots_wipe. */
struct roots {
    struct key32 rk, ck, xk;
    struct hash32 t;
};
void roots_wipe(struct roots *r);

struct init_inputs {
    const struct party *initiator, *responder;
    const struct hash32 *bundle_hash;
    const struct point *spk;
    const uint8_t *kpk; /* 1,568 */
    const struct point *e;
    const uint8_t *ct; /* 1,568 */
};
/* T_0 and SID. */
wax_rc ratchet_t0(const struct init_inputs *in, struct hash32 *ret_t0,
                  struct sid *ret_sid) WAX_MUST;
/* RK_0 ‖ CK_0 ‖ XK_0 from T_0 and both secrets. */
wax_rc ratchet_init(const struct hash32 *t0, const struct key32 *z1, const struct key32 *z2,
                    struct roots *ret) WAX_MUST;

struct step_inputs {
    const struct hash32 *t_prev;
    const struct key32 *rk_prev;
    uint32_t epoch;
    const struct point *e_prev, *e; /* E_{n−1}, E_n */
    const struct key32 *z1;
    const uint8_t *kp, *ct; /* 1,184 and 1,088; both NULL: kem = 0 */
    const struct key32 *z2; /* NULL with them */
};
wax_rc ratchet_step(const struct step_inputs *in, struct roots *ret) WAX_MUST;

/* mk = HMAC(CK, "WAX1-mk"), then CK ← HMAC(CK, "WAX1-ck"). mk may be NULL. */
wax_rc chain_next(struct key32 *ck, struct key32 *mk) WAX_MUST;

struct message_keys { /* secret: mem_wipe */
    uint8_t enc[16], iv[16], mac[32];
};
wax_rc message_keys(const struct key32 *mk, const struct fanout_id *fanout,
                    const struct hash32 *com, struct message_keys *ret) WAX_MUST;
/* tag = HMAC(k_mac, "WAX1-tag" ‖ u32 |hdr| ‖ hdr ‖ ctx ‖ C); ctx = from, then to. */
wax_rc message_tag(const struct message_keys *k, struct bytes hdr, const struct party *from,
                   const struct party *to, struct bytes c, struct key32 *ret) WAX_MUST;
/* HMAC(XK_old, "WAX1-cont" ‖ SID_old ‖ T_0). */
wax_rc continuity_mac(const struct key32 *xk, const struct sid *sid_old, const struct hash32 *t0,
                      struct hash32 *ret) WAX_MUST;
/* H("WAX1-seen" ‖ E ‖ ct). */
wax_rc init_cache_key(const struct point *e, const uint8_t *ct, struct hash32 *ret) WAX_MUST;

#endif
