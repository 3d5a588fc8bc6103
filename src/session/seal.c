#include "session/seal.h"

#include "base/mem.h"
#include "crypto/crypto.h"
#include "session/advance.h"
#include "session/held.h"
#include "session/open.h"
#include "session/ratchet.h"

void sealed_reset(struct sealed *x)
{
    struct buf hdr = x->hdr, body = x->body;

    buf_reset(&hdr);
    buf_reset(&body);
    session_delta_done(&x->delta);
    *x = (struct sealed){.hdr = hdr, .body = body};
}

void sealed_done(struct sealed *x)
{
    buf_done(&x->hdr);
    buf_done(&x->body);
    session_delta_done(&x->delta);
    *x = (struct sealed){0};
}

static wax_rc write_hdr(const struct seal_in *in, const struct session *x, struct buf *out)
{
    const struct send_chain *c = &x->send;
    struct env_hdr h = {
        .type = c->epoch == 0 ? ENV_INIT : ENV_MSG,
        .flags = (uint8_t)((c->has_offer ? ENV_FLAG_KP : 0) | (c->ct_len ? ENV_FLAG_CT : 0)),
        .sid = x->sid,
        .from = in->me->dev,
        .to = in->peer->dev,
        .epoch = c->epoch,
        .ctr = c->ctr,
        .pcl = c->pcl,
        .e = c->e,
        .ct = {c->ct, c->ct_len},
    };

    if (c->epoch == 0)
        h.bundle = c->bundle;
    if (c->has_offer)
        h.kp = BYTES_OF(c->kp);
    return env_hdr_encode(&h, out);
}

/* P, with the fields that only the session knows. */
static wax_rc write_payload(const struct seal_in *in, const struct session *x, struct buf *out)
{
    struct payload p = *in->payload;
    bool init = x->send.epoch == 0;

    p.start = init ? x->start : 0;
    p.echo_epoch = !init && x->recv.on ? x->recv.epoch : 0;
    p.echo_count = !init && x->recv.on ? x->recv.next : 0;
    p.cont_sid = init ? x->send.cont_sid : (struct sid){0};
    p.cont_mac = init ? x->send.cont_mac : (struct hash32){0};
    return payload_encode(&p, init, out);
}

/* Encrypts out's P in place and appends the tag. */
static wax_rc seal_body(const struct seal_in *in, const struct key32 *mk, struct bytes hdr,
                        struct buf *body)
{
    struct message_keys k = {0};
    struct key32 tag;
    wax_rc rc = message_keys(mk, &in->fanout, &in->com, &k);

    if (rc == WAX_OK)
        rc = aes128_ctr(k.enc, k.iv, body->p, body->p, body->n);
    if (rc == WAX_OK)
        rc = message_tag(&k, hdr, in->me, in->peer, buf_view(body), &tag);
    mem_wipe(&k, sizeof k);
    if (rc != WAX_OK)
        return rc;
    buf_add(body, tag.b, sizeof tag.b);
    return buf_rc(body);
}

/* Seals in x's next slot; x itself is not moved on: its next chain key comes out. */
static wax_rc seal_slot(const struct seal_in *in, const struct session *x, const struct bytes *p,
                        struct sealed *ret, struct key32 *ret_ck)
{
    struct key32 ck = x->send.ck, mk = {0};
    struct session_delta *d = &ret->delta;
    wax_rc rc = x->send.ctr == UINT32_MAX ? WAX_E_FULL : write_hdr(in, x, &ret->hdr);

    if (rc == WAX_OK && !p)
        rc = write_payload(in, x, &ret->body);
    if (rc == WAX_OK && p) {
        buf_bytes(&ret->body, *p);
        rc = payload_size_valid(p->n) ? buf_rc(&ret->body) : WAX_E_INVAL;
    }
    if (rc == WAX_OK)
        rc = chain_next(&ck, &mk);
    if (rc == WAX_OK)
        rc = seal_body(in, &mk, buf_view(&ret->hdr), &ret->body);
    if (rc == WAX_OK)
        rc = session_slot_hash(buf_view(&ret->hdr), buf_view(&ret->body), &d->slot_hash);
    if (rc == WAX_OK) {
        *ret_ck = ck;
        ret->slot = (struct slot){x->sid, x->send.epoch, x->send.ctr};
        d->has_slot = d->slot_own = true;
        d->slot = ret->slot;
    }
    mem_wipe(&ck, sizeof ck);
    mem_wipe(&mk, sizeof mk);
    return rc;
}

/* The held session to seal in, n_held: an INIT has to be made. */
static wax_rc pick(const struct seal_in *in, const struct peer_sessions *state, size_t *ret)
{
    const struct session *x;

    *ret = state->n_held;
    if (in->in_session) {
        *ret = held_index(state, in->in_session);
        return *ret < state->n_held ? WAX_OK : WAX_E_NOTFOUND;
    }
    x = in->force_init ? NULL : session_sending(state, in->now);
    if (x)
        *ret = (size_t)(x - state->held);
    return WAX_OK;
}

static wax_rc seal_in_place(const struct seal_in *in, struct session *x, const struct bytes *p,
                            struct sealed *ret)
{
    struct key32 ck = {0};
    wax_rc rc = seal_slot(in, x, p, ret, &ck);

    if (rc == WAX_OK) {
        x->send.ck = ck;
        x->send.ctr++;
        session_count(x, in->now);
    }
    mem_wipe(&ck, sizeof ck);
    return rc;
}

/* The rare path, in which more than a chain moves: on a copy. */
static wax_rc seal_on_copy(const struct seal_in *in, size_t i, const struct bytes *p,
                           struct peer_sessions *state, const struct rng *rng, struct sealed *ret)
{
    struct peer_sessions *next = mem_alloc(sizeof *next);
    bool init = i == state->n_held;
    wax_rc rc = WAX_OK;

    if (!next)
        return WAX_E_NOMEM;
    *next = *state;
    rc = init ? advance_init(in, next, rng, &ret->delta, &i)
              : advance_step(&next->held[i], in->now, rng);
    if (rc == WAX_OK)
        rc = seal_in_place(in, &next->held[i], p, ret);
    if (rc == WAX_OK) {
        ret->started = init;
        *state = *next;
    }
    mem_free_wiped(next, sizeof *next);
    return rc;
}

static wax_rc seal(const struct seal_in *in, const struct bytes *p, struct peer_sessions *state,
                   const struct rng *rng, struct sealed *ret)
{
    size_t i;
    wax_rc rc = pick(in, state, &i);

    sealed_reset(ret);
    if (rc != WAX_OK)
        return rc;
    if (!ID_EQ(&state->peer, &in->peer->dev))
        return WAX_E_INVAL;
    if (i == state->n_held || advance_due(&state->held[i]))
        rc = seal_on_copy(in, i, p, state, rng, ret);
    else
        rc = seal_in_place(in, &state->held[i], p, ret);
    if (rc != WAX_OK)
        sealed_reset(ret);
    return rc;
}

wax_rc session_seal(const struct seal_in *in, struct peer_sessions *state, const struct rng *rng,
                    struct sealed *ret)
{
    return seal(in, NULL, state, rng, ret);
}

wax_rc session_seal_p(const struct seal_in *in, struct bytes p, struct peer_sessions *state,
                      const struct rng *rng, struct sealed *ret)
{
    return seal(in, &p, state, rng, ret);
}
