#include "session/advance.h"

#include "base/mem.h"
#include "crypto/crypto.h"
#include "session/held.h"
#include "session/ratchet.h"

/* --- INIT ---------------------------------------------------------------------------- */

struct bundle_view {
    struct hash32 hash;
    struct point spk;
    const uint8_t *kpk;
};

static wax_rc read_bundle(const struct seal_in *in, struct bundle_view *ret)
{
    struct bytes body = in->bundle->body;

    if (body.n != BUNDLE_BODY || body.p[0] != 1 || body.p[1] != 1 ||
        memcmp(body.p + 2, in->peer->dev.b, sizeof in->peer->dev.b) != 0)
        return WAX_E_INVAL;
    memcpy(ret->spk.b, body.p + 26, sizeof ret->spk.b);
    ret->kpk = body.p + 91;
    return hash_label(&ret->hash, LABEL_BUNDLE, &body, 1);
}

/* The XK by which a peer that holds the session knows us: of the newest epoch received in
 * it, else XK_0, the only one started in a session that was never answered. */
static const struct key32 *old_key(const struct xk_set *x)
{
    if (x->has_received)
        return &x->received;
    return x->n_started ? &x->started[x->n_started - 1] : NULL;
}

struct old_session {
    const struct sid *sid;
    const struct xk_set *xk;
    uint64_t start;
    bool established;
};

static void take_older(struct old_session *best, const struct sid *sid, uint64_t start,
                       const struct xk_set *xk)
{
    bool established = xk->has_received && xk->n_started > 0;

    /* Only received, never answered: it proves nothing that its sender would miss (4.5). */
    if (xk->n_started == 0)
        return;
    if (best->sid) {
        if (established != best->established) {
            if (!established)
                return;
        } else if (start != best->start ? start < best->start
                                        : memcmp(sid->b, best->sid->b, sizeof sid->b) > 0) {
            return;
        }
    }
    *best = (struct old_session){sid, xk, start, established};
}

/* SID_old: the newest established session held or kept, else the newest we started. */
static wax_rc write_continuity(const struct peer_sessions *state, const struct hash32 *t0,
                               struct send_chain *send)
{
    struct old_session best = {0};

    for (size_t i = 0; i < state->n_held; i++)
        take_older(&best, &state->held[i].sid, state->held[i].start, &state->held[i].xk);
    for (size_t i = 0; i < state->n_kept; i++)
        take_older(&best, &state->kept[i].sid, state->kept[i].start, &state->kept[i].xk);
    if (!best.sid)
        return WAX_OK;
    send->cont_sid = *best.sid;
    return continuity_mac(old_key(best.xk), best.sid, t0, &send->cont_mac);
}

/* e, Z1, ct, Z2 and what follows from them. */
static wax_rc make_init(const struct seal_in *in, const struct bundle_view *b,
                        const struct rng *rng, struct session *x)
{
    struct ec_key *e = NULL;
    struct key32 m = {0}, z1 = {0}, z2 = {0};
    struct roots roots = {0};
    wax_rc rc = ec_generate(rng, &e);

    if (rc == WAX_OK)
        rc = ec_dh(e, &b->spk, &z1);
    if (rc == WAX_OK)
        rc = rng_fill(rng, m.b, sizeof m.b);
    if (rc == WAX_OK)
        rc = kem_encaps(KEM_1024, BYTES(b->kpk, KEM1024_EK), &m, x->send.ct, &z2);
    if (rc != WAX_OK)
        goto out;
    x->send.e = *ec_public(e);
    ec_scalar(e, &x->send.e_priv);
    struct init_inputs inputs = {
        .initiator = in->me,
        .responder = in->peer,
        .bundle_hash = &b->hash,
        .spk = &b->spk,
        .kpk = b->kpk,
        .e = &x->send.e,
        .ct = x->send.ct,
    };
    rc = ratchet_t0(&inputs, &x->t, &x->sid);
    if (rc == WAX_OK)
        rc = ratchet_init(&x->t, &z1, &z2, &roots);
    if (rc != WAX_OK)
        goto out;
    x->rk = roots.rk;
    x->send.ck = roots.ck;
    xk_started(&x->xk, &roots.xk);
out:
    ec_free(e);
    mem_wipe(&m, sizeof m);
    mem_wipe(&z1, sizeof z1);
    mem_wipe(&z2, sizeof z2);
    roots_wipe(&roots);
    return rc;
}

wax_rc advance_init(const struct seal_in *in, struct peer_sessions *state, const struct rng *rng,
                    struct session_delta *delta, size_t *ret_i)
{
    struct bundle_view b;
    size_t at = state->n_held;
    struct session *x = &state->held[at];
    wax_rc rc = in->bundle ? read_bundle(in, &b) : WAX_E_NOTFOUND;

    if (rc != WAX_OK)
        return rc;
    mem_wipe(x, sizeof *x);
    x->initiator = true;
    x->start = session_own_start(state, in->now);
    x->came_at = x->used_at = x->kem_at = in->now;
    x->send.on = x->send.has_priv = true;
    x->send.ct_len = KEM1024_CT;
    memcpy(x->send.bundle.b, b.hash.b, sizeof x->send.bundle.b);
    rc = make_init(in, &b, rng, x);
    if (rc == WAX_OK)
        rc = write_continuity(state, &x->t, &x->send);
    if (rc != WAX_OK)
        return rc;
    state->n_held++;
    state->renew = false;
    if (state->n_held > SESSIONS_HELD_MAX) {
        size_t victim = held_victim(state, at);
        held_erase(state, victim, delta);
        at -= victim < at;
    }
    *ret_i = at;
    return WAX_OK;
}

/* --- Step ---------------------------------------------------------------------------- */

bool advance_due(const struct session *x)
{
    return x->recv.on && (!x->send.on || x->recv.epoch > x->send.epoch);
}

/* PROTOCOL 2, "Offers": judged when the epoch starts, after its own KEM secret. */
static bool offer_due(const struct session *x, uint32_t epoch, uint64_t now)
{
    return epoch == 1 || x->offer_due || x->since_kem >= SESSION_OFFER_MESSAGES ||
           (now > x->kem_at && now - x->kem_at >= SESSION_OFFER_MS);
}

static wax_rc make_offer(struct session *x, const struct rng *rng)
{
    wax_rc rc = rng_fill(rng, x->send.kp_seed.b, sizeof x->send.kp_seed.b);

    if (rc == WAX_OK)
        rc = kem_keygen(KEM_768, &x->send.kp_seed, x->send.kp);
    x->send.has_offer = rc == WAX_OK;
    x->offer_due = false;
    return rc;
}

/* Answers the peer's offer, which is mandatory: ct and Z2. */
static wax_rc answer_offer(struct session *x, const struct rng *rng, struct key32 *ret_z2)
{
    struct key32 m = {0};
    wax_rc rc = rng_fill(rng, m.b, sizeof m.b);

    if (rc == WAX_OK)
        rc = kem_encaps(KEM_768, BYTES(x->recv.kp, KEM768_EK), &m, x->send.ct, ret_z2);
    mem_wipe(&m, sizeof m);
    return rc;
}

static void enter_epoch(struct session *x, uint32_t epoch, bool kem, const struct roots *roots,
                        uint64_t now)
{
    x->t = roots->t;
    x->rk = roots->rk;
    x->send.ck = roots->ck;
    xk_started(&x->xk, &roots->xk);
    x->send.pcl = epoch <= 1 ? 0 : x->send.ctr;
    x->send.on = x->send.has_priv = true;
    x->send.epoch = epoch;
    x->send.ctr = 0;
    x->send.ct_len = kem ? KEM768_CT : 0;
    x->send.has_offer = false;
    mem_wipe(&x->send.kp_seed, sizeof x->send.kp_seed);
    mem_wipe(&x->send.cont_mac, sizeof x->send.cont_mac);
    mem_wipe(&x->send.cont_sid, sizeof x->send.cont_sid);
    mem_wipe(x->recv.kp, sizeof x->recv.kp);
    x->recv.has_kp = false;
    if (kem) {
        x->kem_at = now;
        x->since_kem = 0;
    }
}

wax_rc advance_step(struct session *x, uint64_t now, const struct rng *rng)
{
    struct ec_key *e = NULL;
    struct key32 z1 = {0}, z2 = {0};
    struct roots roots = {0};
    uint32_t epoch = x->recv.epoch + 1;
    bool kem = x->recv.has_kp;
    wax_rc rc = epoch == 0 ? WAX_E_FULL : ec_generate(rng, &e);

    if (rc == WAX_OK)
        rc = ec_dh(e, &x->recv.e, &z1);
    if (rc == WAX_OK && kem)
        rc = answer_offer(x, rng, &z2);
    if (rc != WAX_OK)
        goto out;
    x->send.e = *ec_public(e);
    ec_scalar(e, &x->send.e_priv);
    struct step_inputs in = {
        .t_prev = &x->t,
        .rk_prev = &x->rk,
        .epoch = epoch,
        .e_prev = &x->recv.e,
        .e = &x->send.e,
        .z1 = &z1,
        .kp = kem ? x->recv.kp : NULL,
        .ct = kem ? x->send.ct : NULL,
        .z2 = kem ? &z2 : NULL,
    };
    rc = ratchet_step(&in, &roots);
    if (rc != WAX_OK)
        goto out;
    enter_epoch(x, epoch, kem, &roots, now);
    if (offer_due(x, epoch, now))
        rc = make_offer(x, rng);
out:
    ec_free(e);
    mem_wipe(&z1, sizeof z1);
    mem_wipe(&z2, sizeof z2);
    roots_wipe(&roots);
    return rc;
}
