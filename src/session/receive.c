#include "base/mem.h"
#include "crypto/crypto.h"
#include "session/held.h"
#include "session/opening.h"
#include "session/ratchet.h"

/* Puts the keys of `from` … `to`−1 of an epoch among the new skipped ones; ck moves on. The
 * caller made room for them (reserve_skipped). */
static wax_rc skip_keys(struct opening *o, uint32_t epoch, uint32_t from, uint32_t to,
                        struct key32 *ck)
{
    for (uint32_t ctr = from; ctr < to; ctr++) {
        struct skipped_row *row = &o->delta.skipped[o->delta.n_skipped];
        wax_rc rc = chain_next(ck, &row->mk);
        if (rc != WAX_OK)
            return rc;
        row->slot = (struct slot){o->env->hdr.sid, epoch, ctr};
        o->delta.n_skipped++;
    }
    return WAX_OK;
}

static wax_rc reserve_skipped(struct opening *o, size_t n)
{
    if (n == 0)
        return WAX_OK;
    o->delta.skipped = mem_calloc(n, sizeof *o->delta.skipped);
    return o->delta.skipped ? WAX_OK : WAX_E_NOMEM;
}

/* Derives up to the message's own key in the epoch being received. */
static wax_rc run_chain(struct opening *o, struct recv_chain *c)
{
    uint32_t ctr = o->env->hdr.ctr;
    wax_rc rc = skip_keys(o, c->epoch, c->next, ctr, &c->ck);

    if (rc == WAX_OK)
        rc = chain_next(&c->ck, &o->mk);
    if (rc == WAX_OK)
        c->next = ctr + 1;
    return rc;
}

static void add_epoch_row(struct opening *o, const struct epoch_row *row)
{
    o->delta.epochs[o->delta.n_epochs++] = *row;
}

static void begin_epoch(struct opening *o, struct session *x, const struct roots *roots)
{
    const struct env_hdr *h = &o->env->hdr;
    struct epoch_row row = {.sid = h->sid, .epoch = h->epoch, .constants = o->constants};

    x->t = roots->t;
    x->rk = roots->rk;
    xk_received(&x->xk, &roots->xk);
    x->recv.on = true;
    x->reading_only = false; /* the peer has it: both choose alike again (4.5) */
    x->recv.epoch = h->epoch;
    x->recv.next = 0;
    x->recv.ck = roots->ck;
    x->recv.e = h->e;
    x->recv.has_kp = h->kp.n != 0;
    if (x->recv.has_kp)
        memcpy(x->recv.kp, h->kp.p, sizeof x->recv.kp);
    add_epoch_row(o, &row);
}

/* --- Step ---------------------------------------------------------------------------- */

/* The peer's previous epoch ends at pcl: what is missing of it is derived, its CK goes. */
static wax_rc close_epoch(struct opening *o, struct session *x)
{
    struct epoch_row row;
    wax_rc rc;

    if (!x->recv.on)
        return WAX_OK;
    rc = o->rows->epoch(o->rows->ctx, &x->sid, x->recv.epoch, &row);
    if (rc == WAX_E_NOTFOUND)
        return WAX_E_DAMAGED; /* a received epoch has its row */
    if (rc == WAX_OK)
        rc = skip_keys(o, x->recv.epoch, x->recv.next, o->env->hdr.pcl, &x->recv.ck);
    if (rc != WAX_OK)
        return rc;
    row.closed = true;
    row.limit = o->env->hdr.pcl;
    add_epoch_row(o, &row);
    return WAX_OK;
}

/* Z1 with its curve check, the check of a KP that came along, Z2. */
static wax_rc step_secrets(const struct opening *o, const struct session *x, struct key32 *z1,
                           struct key32 *z2)
{
    const struct env_hdr *h = &o->env->hdr;
    struct ec_key *e = NULL;
    wax_rc rc = ec_from_scalar(&x->send.e_priv, &e);

    if (rc == WAX_OK)
        rc = ec_dh(e, &h->e, z1);
    if (rc == WAX_OK && h->kp.n)
        rc = kem_ek_check(KEM_768, h->kp);
    if (rc == WAX_OK && h->ct.n)
        rc = kem_decaps(KEM_768, &x->send.kp_seed, h->ct, z2);
    ec_free(e);
    return rc;
}

/* What answered is erased (PROTOCOL 2): e and the KP's private half. */
static void forget_answered(struct send_chain *c)
{
    c->has_priv = c->has_offer = false;
    mem_wipe(&c->e_priv, sizeof c->e_priv);
    mem_wipe(&c->kp_seed, sizeof c->kp_seed);
}

static wax_rc receive_step(struct opening *o, struct session *x)
{
    const struct env_hdr *h = &o->env->hdr;
    struct key32 z1 = {0}, z2 = {0};
    struct roots roots = {0};
    bool kem = h->ct.n != 0;
    wax_rc rc = step_secrets(o, x, &z1, &z2);

    if (rc != WAX_OK)
        goto out;
    struct step_inputs in = {
        .t_prev = &x->t,
        .rk_prev = &x->rk,
        .epoch = h->epoch,
        .e_prev = &x->send.e,
        .e = &h->e,
        .z1 = &z1,
        .kp = kem ? x->send.kp : NULL,
        .ct = kem ? h->ct.p : NULL,
        .z2 = kem ? &z2 : NULL,
    };
    rc = ratchet_step(&in, &roots);
    if (rc == WAX_OK)
        rc = reserve_skipped(o, (size_t)h->ctr + (x->recv.on ? h->pcl - x->recv.next : 0));
    if (rc == WAX_OK)
        rc = close_epoch(o, x);
    if (rc != WAX_OK)
        goto out;
    begin_epoch(o, x, &roots);
    forget_answered(&x->send);
    if (kem) {
        x->kem_at = o->now;
        x->since_kem = 0;
    }
    rc = run_chain(o, &x->recv);
out:
    mem_wipe(&z1, sizeof z1);
    mem_wipe(&z2, sizeof z2);
    roots_wipe(&roots);
    return rc;
}

/* --- INIT ---------------------------------------------------------------------------- */

static wax_rc init_secrets(const struct opening *o, struct key32 *z1, struct key32 *z2)
{
    struct ec_key *spk = NULL;
    wax_rc rc = ec_from_scalar(&o->prekey.spk_priv, &spk);

    if (rc == WAX_OK)
        rc = ec_dh(spk, &o->env->hdr.e, z1);
    if (rc == WAX_OK)
        rc = kem_decaps(KEM_1024, &o->prekey.kpk_seed, o->env->hdr.ct, z2);
    ec_free(spk);
    return rc;
}

static wax_rc receive_init(struct opening *o, struct session *x)
{
    const struct env_hdr *h = &o->env->hdr;
    struct key32 z1 = {0}, z2 = {0};
    struct roots roots = {0};
    struct hash32 t0;
    struct init_inputs in = {
        .initiator = o->sender,
        .responder = o->me,
        .bundle_hash = &o->prekey.bundle_hash,
        .spk = &o->prekey.spk,
        .kpk = o->prekey.kpk,
        .e = &h->e,
        .ct = h->ct.p,
    };
    wax_rc rc = init_secrets(o, &z1, &z2);

    mem_wipe(x, sizeof *x);
    if (rc == WAX_OK)
        rc = ratchet_t0(&in, &t0, &x->sid);
    if (rc == WAX_OK && !ID_EQ(&x->sid, &h->sid))
        rc = WAX_R_MAC;
    if (rc == WAX_OK)
        rc = ratchet_init(&t0, &z1, &z2, &roots);
    if (rc == WAX_OK)
        rc = reserve_skipped(o, h->ctr);
    if (rc != WAX_OK)
        goto out;
    begin_epoch(o, x, &roots);
    x->came_at = x->kem_at = o->now;
    rc = run_chain(o, &x->recv);
out:
    mem_wipe(&z1, sizeof z1);
    mem_wipe(&z2, sizeof z2);
    roots_wipe(&roots);
    return rc;
}

/* --- Which --------------------------------------------------------------------------- */

wax_rc opening_keys(struct opening *o)
{
    struct session *x = &o->next->held[o->at];
    const struct env_hdr *h = &o->env->hdr;
    wax_rc rc;

    switch (o->source) {
    case KEY_SKIPPED:
        o->delta.key_used = true;
        o->delta.used = (struct slot){h->sid, h->epoch, h->ctr};
        return WAX_OK;
    case KEY_CURRENT:
        rc = reserve_skipped(o, h->ctr - x->recv.next);
        return rc == WAX_OK ? run_chain(o, &x->recv) : rc;
    case KEY_NEW_EPOCH:
        return receive_step(o, x);
    case KEY_INIT:
        return receive_init(o, x);
    }
    return WAX_E_INVAL;
}
