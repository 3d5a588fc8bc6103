/* The small state as one row of the vault: version byte, then the fields; the large ones
 * (KEM keys and ciphertexts) only where they are there. */
#include "base/mem.h"
#include "session/state.h"

#define VERSION 1

enum flag {
    F_INITIATOR = 1 << 0,
    F_READING_ONLY = 1 << 1,
    F_OFFER_DUE = 1 << 2,
    F_SEND = 1 << 3,
    F_SEND_PRIV = 1 << 4,
    F_SEND_OFFER = 1 << 5,
    F_RECV = 1 << 6,
    F_RECV_KP = 1 << 7,
};

#define ADD(out, x) buf_add(out, (x).b, sizeof(x).b)
#define TAKE(r, x) rd_copy(r, (x).b, sizeof(x).b)

/* --- Writing --- */

static void write_xk(const struct xk_set *x, struct buf *out)
{
    buf_u8(out, (uint8_t)(x->n_started << 1 | x->has_received));
    if (x->has_received)
        ADD(out, x->received);
    for (size_t i = 0; i < x->n_started; i++)
        ADD(out, x->started[i]);
}

static void write_send(const struct send_chain *c, struct buf *out)
{
    buf_u32(out, c->epoch);
    buf_u32(out, c->ctr);
    buf_u32(out, c->pcl);
    ADD(out, c->ck);
    ADD(out, c->e);
    if (c->has_priv)
        ADD(out, c->e_priv);
    if (c->has_offer) {
        ADD(out, c->kp_seed);
        buf_add(out, c->kp, sizeof c->kp);
    }
    buf_u16(out, c->ct_len);
    buf_add(out, c->ct, c->ct_len);
    if (c->epoch == 0) {
        ADD(out, c->bundle);
        ADD(out, c->cont_sid);
        ADD(out, c->cont_mac);
    }
}

static void write_recv(const struct recv_chain *c, struct buf *out)
{
    buf_u32(out, c->epoch);
    buf_u32(out, c->next);
    ADD(out, c->ck);
    ADD(out, c->e);
    if (c->has_kp)
        buf_add(out, c->kp, sizeof c->kp);
}

static uint8_t session_flags(const struct session *x)
{
    return (uint8_t)((x->initiator ? F_INITIATOR : 0) | (x->reading_only ? F_READING_ONLY : 0) |
                     (x->offer_due ? F_OFFER_DUE : 0) | (x->send.on ? F_SEND : 0) |
                     (x->send.has_priv ? F_SEND_PRIV : 0) | (x->send.has_offer ? F_SEND_OFFER : 0) |
                     (x->recv.on ? F_RECV : 0) | (x->recv.has_kp ? F_RECV_KP : 0));
}

static void write_session(const struct session *x, struct buf *out)
{
    ADD(out, x->sid);
    buf_u8(out, session_flags(x));
    buf_u64(out, x->start);
    ADD(out, x->t);
    ADD(out, x->rk);
    write_xk(&x->xk, out);
    buf_u64(out, x->came_at);
    buf_u64(out, x->established_at);
    buf_u64(out, x->used_at);
    buf_u64(out, x->kem_at);
    buf_u32(out, x->since_kem);
    if (x->send.on)
        write_send(&x->send, out);
    if (x->recv.on)
        write_recv(&x->recv, out);
}

wax_rc peer_sessions_encode(const struct peer_sessions *s, struct buf *out)
{
    buf_u8(out, VERSION);
    ADD(out, s->peer);
    buf_u8(out, s->renew);
    buf_u64(out, s->renewed_at);
    buf_u8(out, s->n_held);
    for (size_t i = 0; i < s->n_held; i++)
        write_session(&s->held[i], out);
    buf_u8(out, s->n_kept);
    for (size_t i = 0; i < s->n_kept; i++) {
        ADD(out, s->kept[i].sid);
        buf_u64(out, s->kept[i].start);
        write_xk(&s->kept[i].xk, out);
    }
    return buf_rc(out);
}

/* --- Reading --- */

static bool rd_bool(struct rd *r)
{
    uint8_t v = rd_u8(r);

    rd_refuse_if(r, v > 1);
    return v == 1;
}

static uint8_t rd_max(struct rd *r, uint8_t max)
{
    uint8_t v = rd_u8(r);

    rd_refuse_if(r, v > max);
    return v > max ? 0 : v;
}

static void read_xk(struct rd *r, struct xk_set *x)
{
    uint8_t v = rd_max(r, 2 << 1 | 1);

    x->has_received = v & 1;
    x->n_started = v >> 1;
    if (x->has_received)
        TAKE(r, x->received);
    for (size_t i = 0; i < x->n_started; i++)
        TAKE(r, x->started[i]);
}

static void read_send(struct rd *r, uint8_t flags, struct send_chain *c)
{
    c->on = true;
    c->has_priv = flags & F_SEND_PRIV;
    c->has_offer = flags & F_SEND_OFFER;
    c->epoch = rd_u32(r);
    c->ctr = rd_u32(r);
    c->pcl = rd_u32(r);
    TAKE(r, c->ck);
    TAKE(r, c->e);
    if (c->has_priv)
        TAKE(r, c->e_priv);
    if (c->has_offer) {
        TAKE(r, c->kp_seed);
        rd_copy(r, c->kp, sizeof c->kp);
    }
    c->ct_len = rd_u16(r);
    bool fits = c->ct_len == (c->epoch == 0 ? KEM1024_CT_SIZE : KEM768_CT_SIZE) ||
                (c->ct_len == 0 && c->epoch != 0);
    rd_refuse_if(r, !fits);
    c->ct_len = fits ? c->ct_len : 0;
    rd_copy(r, c->ct, c->ct_len);
    if (c->epoch == 0) {
        TAKE(r, c->bundle);
        TAKE(r, c->cont_sid);
        TAKE(r, c->cont_mac);
    }
    rd_refuse_if(r, c->e.b[0] != 4);
}

static void read_recv(struct rd *r, uint8_t flags, struct recv_chain *c)
{
    c->on = true;
    c->has_kp = flags & F_RECV_KP;
    c->epoch = rd_u32(r);
    c->next = rd_u32(r);
    TAKE(r, c->ck);
    TAKE(r, c->e);
    if (c->has_kp)
        rd_copy(r, c->kp, sizeof c->kp);
    rd_refuse_if(r, c->e.b[0] != 4);
}

/* Epochs of the two chains: the initiator's even, the responder's odd, never further apart
 * than one step. */
static bool epochs_fit(const struct session *x)
{
    uint32_t own = x->initiator ? 0 : 1;

    if (x->send.on && x->send.epoch % 2 != own)
        return false;
    if (x->recv.on && x->recv.epoch % 2 == own)
        return false;
    if (!x->send.on)
        return !x->initiator && x->recv.on && x->recv.epoch == 0;
    if (!x->recv.on)
        return x->initiator && x->send.epoch == 0;
    uint32_t hi = x->send.epoch > x->recv.epoch ? x->send.epoch : x->recv.epoch;
    uint32_t lo = x->send.epoch > x->recv.epoch ? x->recv.epoch : x->send.epoch;
    return hi - lo == 1;
}

static void read_session(struct rd *r, struct session *x)
{
    TAKE(r, x->sid);
    uint8_t flags = rd_u8(r);
    x->initiator = flags & F_INITIATOR;
    x->reading_only = flags & F_READING_ONLY;
    x->offer_due = flags & F_OFFER_DUE;
    x->start = rd_u64(r);
    TAKE(r, x->t);
    TAKE(r, x->rk);
    read_xk(r, &x->xk);
    x->came_at = rd_u64(r);
    x->established_at = rd_u64(r);
    x->used_at = rd_u64(r);
    x->kem_at = rd_u64(r);
    x->since_kem = rd_u32(r);
    if (flags & F_SEND)
        read_send(r, flags, &x->send);
    if (flags & F_RECV)
        read_recv(r, flags, &x->recv);
    rd_refuse_if(r, !(flags & F_SEND) && (flags & (F_SEND_PRIV | F_SEND_OFFER)));
    rd_refuse_if(r, !(flags & F_RECV) && (flags & F_RECV_KP));
    rd_refuse_if(r, x->start == 0 || x->start > SESSION_START_MAX || !epochs_fit(x));
}

static void read_row(struct rd *r, struct peer_sessions *s)
{
    TAKE(r, s->peer);
    s->renew = rd_bool(r);
    s->renewed_at = rd_u64(r);
    s->n_held = rd_max(r, SESSIONS_HELD_MAX);
    for (size_t i = 0; i < s->n_held; i++)
        read_session(r, &s->held[i]);
    s->n_kept = rd_max(r, SESSIONS_KEPT_MAX);
    for (size_t i = 0; i < s->n_kept; i++) {
        TAKE(r, s->kept[i].sid);
        s->kept[i].start = rd_u64(r);
        read_xk(r, &s->kept[i].xk);
    }
}

wax_rc peer_sessions_decode(struct bytes in, struct peer_sessions *ret)
{
    struct rd r = rd_init(in);

    if (in.n > 0 && in.p[0] != VERSION)
        return WAX_E_VERSION;
    struct peer_sessions *s = mem_alloc(sizeof *s);
    if (!s)
        return WAX_E_NOMEM;
    (void)rd_u8(&r);
    read_row(&r, s);
    wax_rc rc = rd_end(&r) == WAX_OK ? WAX_OK : WAX_E_DAMAGED;
    if (rc == WAX_OK)
        *ret = *s;
    mem_free_wiped(s, sizeof *s);
    return rc;
}
