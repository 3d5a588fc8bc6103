#include "pair.h"

#include "base/mem.h"
#include "measure.h"
#include "os/random.h"

void peer_make(struct peer *p)
{
    struct bundle b = {.not_before = 1};
    struct ec_key *spk;
    struct hash32 h;

    *p = (struct peer){0};
    must(ec_generate(os_rng(), &p->dsk), "keys");
    p->me.dsk = *ec_public(p->dsk);
    must(hash_label(&h, LABEL_DEV, PARTS(BYTES_OF(p->me.dsk.b))), "keys");
    memcpy(p->me.dev.b, h.b, sizeof p->me.dev.b);
    must(rng_fill(os_rng(), p->me.acct.b, sizeof p->me.acct.b), "keys");
    must(ec_generate(os_rng(), &spk), "prekey");
    p->prekey.spk = *ec_public(spk);
    ec_scalar(spk, &p->prekey.spk_priv);
    ec_free(spk);
    must(rng_fill(os_rng(), p->prekey.kpk_seed.b, sizeof p->prekey.kpk_seed.b), "prekey");
    must(kem_keygen(KEM_1024, &p->prekey.kpk_seed, p->prekey.kpk), "prekey");
    b.dev = p->me.dev;
    b.spk = p->prekey.spk;
    memcpy(b.kpk, p->prekey.kpk, sizeof b.kpk);
    bundle_encode_body(&b, &p->bundle);
    must(buf_rc(&p->bundle), "prekey");
    must(hash_label(&p->prekey.bundle_hash, LABEL_BUNDLE, PARTS(buf_view(&p->bundle))), "prekey");
    memcpy(p->bundle_id.b, p->prekey.bundle_hash.b, sizeof p->bundle_id.b);
}

void peer_done(struct peer *p)
{
    ec_free(p->dsk);
    buf_done(&p->bundle);
    mem_wipe(p, sizeof *p);
}

void end_make(struct end *e, const struct peer *me, const struct peer *other)
{
    e->me = me;
    e->other = other;
    e->n_epochs = 0;
    peer_sessions_init(&e->state, &other->me.dev);
}

/* --- Rows ---------------------------------------------------------------------------- */

static wax_rc row_sender(void *ctx, const struct dev_id *dev, struct party *ret)
{
    const struct end *e = ctx;

    if (!ID_EQ(dev, &e->other->me.dev))
        return WAX_E_NOTFOUND;
    *ret = e->other->me;
    return WAX_OK;
}

static wax_rc row_owner(void *ctx, const struct sid *sid, struct dev_id *ret)
{
    return WAX_E_NOTFOUND;
}

static wax_rc row_skipped(void *ctx, const struct slot *slot, struct key32 *ret)
{
    return WAX_E_NOTFOUND;
}

static wax_rc row_slot(void *ctx, const struct slot *slot, struct hash32 *ret)
{
    return WAX_E_NOTFOUND;
}

static wax_rc row_epoch(void *ctx, const struct sid *sid, uint32_t epoch, struct epoch_row *ret)
{
    const struct end *e = ctx;

    for (size_t i = 0; i < e->n_epochs; i++)
        if (e->epochs[i].epoch == epoch && ID_EQ(&e->epochs[i].sid, sid)) {
            *ret = e->epochs[i];
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

static wax_rc row_seen(void *ctx, const struct bundle_id *bundle, const struct hash32 *key)
{
    return WAX_E_NOTFOUND;
}

static wax_rc row_seen_count(void *ctx, const struct dev_id *sender, const struct bundle_id *bundle,
                             size_t *ret)
{
    *ret = 0;
    return WAX_OK;
}

static wax_rc row_fanout(void *ctx, const struct dev_id *sender, const struct fanout_id *id,
                         struct hash32 *ret_com)
{
    return WAX_E_NOTFOUND;
}

static wax_rc row_skipped_count(void *ctx, const struct dev_id *peer, size_t *ret_peer,
                                size_t *ret_all)
{
    *ret_peer = *ret_all = 0;
    return WAX_OK;
}

static wax_rc row_prekey(void *ctx, const struct bundle_id *id, struct own_prekey *ret)
{
    const struct end *e = ctx;

    if (!ID_EQ(id, &e->me->bundle_id))
        return WAX_E_NOTFOUND;
    *ret = e->me->prekey;
    return WAX_OK;
}

static void commit(struct end *e, const struct session_delta *d)
{
    const size_t room = sizeof e->epochs / sizeof e->epochs[0];

    for (size_t i = 0; i < d->n_epochs; i++) {
        size_t at = 0;
        while (at < e->n_epochs && !(e->epochs[at].epoch == d->epochs[i].epoch &&
                                     ID_EQ(&e->epochs[at].sid, &d->epochs[i].sid)))
            at++;
        if (at == room) { /* older epochs are not asked for again */
            memmove(e->epochs, e->epochs + 1, (room - 1) * sizeof e->epochs[0]);
            at = --e->n_epochs;
        }
        e->epochs[at] = d->epochs[i];
        if (at == e->n_epochs)
            e->n_epochs++;
    }
}

/* --- Messages ------------------------------------------------------------------------ */

static void content_make(const struct peer *a, const struct peer *b, size_t size, struct buf *out)
{
    bool swap = memcmp(a->me.acct.b, b->me.acct.b, sizeof a->me.acct.b) > 0;
    uint64_t at = NOW_MS;
    size_t text;

    buf_add(out, "\x08\x01\x12\x40", 4); /* kind TEXT; conversation, 64 bytes */
    buf_add(out, (swap ? b : a)->me.acct.b, 32);
    buf_add(out, (swap ? a : b)->me.acct.b, 32);
    buf_u8(out, 0x18); /* sent_at */
    for (; at >= 0x80; at >>= 7)
        buf_u8(out, (uint8_t)(at | 0x80));
    buf_u8(out, (uint8_t)at);
    buf_u8(out, 0x3a); /* text, with a length of one or two bytes */
    text = size - out->n - 1;
    if (text >= 0x80) {
        text--;
        buf_u8(out, (uint8_t)(text | 0x80));
        text >>= 7;
    }
    buf_u8(out, (uint8_t)text);
    while (out->rc == WAX_OK && out->n < size)
        buf_u8(out, 'x');
}

void message_make(struct message *m, const struct peer *from, const struct peer *to, size_t size)
{
    *m = (struct message){0};
    must(rng_fill(os_rng(), m->p.r32.b, sizeof m->p.r32.b), "message");
    must(rng_fill(os_rng(), m->fanout.b, sizeof m->fanout.b), "message");
    content_make(from, to, size, &m->content);
    must(buf_rc(&m->content), "message");
    m->p.content = buf_view(&m->content);
    must(session_com(&m->p.r32, m->p.content, &m->com), "message");
}

void message_done(struct message *m) { buf_done(&m->content); }

void end_seal(struct end *e, const struct message *m, struct sealed *s)
{
    struct seal_bundle bundle = {buf_view(&e->other->bundle)};
    struct seal_in in = {.me = &e->me->me,
                         .peer = &e->other->me,
                         .fanout = m->fanout,
                         .com = m->com,
                         .payload = &m->p,
                         .bundle = &bundle,
                         .now = NOW_MS};

    must(session_seal(&in, &e->state, os_rng(), s), "seal");
}

void end_sign(struct end *e, const struct message *m, const struct sealed *s, struct buf *env)
{
    struct fanout_target target = {&e->other->me, buf_view(&s->hdr), buf_view(&s->body)};
    struct env_fanout part;

    buf_reset(env);
    must(fanout_sign(&e->me->me, e->me->dsk, &m->fanout, &m->com, &target, 1, os_rng(), &part),
         "sign");
    must(envelope_encode(target.hdr, target.body, &part, env), "encode");
}

void end_open(struct end *e, struct bytes env)
{
    struct session_rows rows = {
        .ctx = e,
        .find_sender = row_sender,
        .sid_owner = row_owner,
        .skipped_key = row_skipped,
        .slot_hash = row_slot,
        .epoch = row_epoch,
        .seen = row_seen,
        .seen_count = row_seen_count,
        .fanout = row_fanout,
        .skipped_count = row_skipped_count,
        .prekey = row_prekey,
    };
    struct opened o;

    must(session_open(&e->me->me, &e->state, &rows, env, NOW_MS, &o, NULL), "open");
    commit(e, &o.delta);
    opened_done(&o);
}

void say(struct end *from, struct end *to, const struct message *m, size_t *ret_size)
{
    struct sealed s = {0};
    struct buf env = {0};

    end_seal(from, m, &s);
    end_sign(from, m, &s, &env);
    end_open(to, buf_view(&env));
    if (ret_size)
        *ret_size = env.n;
    sealed_done(&s);
    buf_done(&env);
}
