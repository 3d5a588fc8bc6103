#include "session/open.h"

#include "base/mem.h"
#include "crypto/crypto.h"
#include "session/held.h"
#include "session/opening.h"
#include "session/ratchet.h"

void opened_done(struct opened *o)
{
    buf_done(&o->plain);
    content_free(o->content);
    session_delta_done(&o->delta);
    mem_wipe(o, sizeof *o);
}

static void opening_done(struct opening *o)
{
    session_delta_done(&o->delta);
    if (o->next)
        mem_free_wiped(o->next, sizeof *o->next);
    mem_wipe(o, sizeof *o);
}

/* --- Body ---------------------------------------------------------------------------- */

static wax_rc decrypt(const struct opening *o, struct buf *plain)
{
    const struct envelope *env = o->env;
    struct bytes c = {env->body.p, env->body.n - TAG_SIZE};
    struct message_keys k = {0};
    struct key32 tag;
    wax_rc rc = message_keys(&o->mk, &env->fanout.id, &env->fanout.com, &k);

    if (rc == WAX_OK)
        rc = message_tag(&k, env->raw_hdr, o->sender, o->me, c, &tag);
    if (rc == WAX_OK && !ct_equal(tag.b, c.p + c.n, TAG_SIZE))
        rc = WAX_R_MAC;
    if (rc == WAX_OK) {
        uint8_t *p = buf_extend(plain, c.n);
        rc = p ? aes128_ctr(k.enc, k.iv, c.p, p, c.n) : buf_rc(plain);
    }
    mem_wipe(&k, sizeof k);
    return rc;
}

/* P and content: `payload`, `content`, `conversation`. */
static wax_rc read_plain(const struct opening *o, struct opened *ret)
{
    const struct session *x = &o->next->held[o->at];
    bool init = o->env->hdr.type == ENV_INIT;
    wax_rc rc = payload_decode(buf_view(&ret->plain), init, &ret->payload);

    if (rc != WAX_OK)
        return rc;
    if (init && o->source != KEY_INIT && ret->payload.start != x->start)
        return WAX_R_PAYLOAD;
    rc = session_com(&ret->payload.r32, ret->payload.content, &ret->com);
    if (rc == WAX_OK && !ID_EQ(&ret->com, &o->env->fanout.com))
        rc = WAX_R_CONTENT;
    if (rc == WAX_OK)
        rc = o->rows->content ? o->rows->content(o->rows->ctx, ret->payload.content, &ret->content)
                              : content_unpack(ret->payload.content, &ret->content);
    if (rc != WAX_OK)
        return rc;
    if (!ret->content) { /* com holds, so the sender wrote just that */
        ret->conversation = CONV_LATER;
        return WAX_OK;
    }
    return session_conversation(o->me, o->sender, ret->content, &ret->conversation, &ret->with);
}

/* --- Commit -------------------------------------------------------------------------- */

/* 4.4: at most 10,000 skipped keys of a peer device, 50,000 in all, oldest go first. */
static wax_rc cap_skipped(struct opening *o)
{
    struct session_delta *d = &o->delta;
    size_t peer = 0, all = 0;

    if (d->n_skipped == 0)
        return WAX_OK;
    wax_rc rc = o->rows->skipped_count(o->rows->ctx, &o->sender->dev, &peer, &all);
    if (rc != WAX_OK)
        return rc;
    size_t over =
        peer + d->n_skipped > SKIPPED_DEVICE_MAX ? peer + d->n_skipped - SKIPPED_DEVICE_MAX : 0;
    d->evict_peer = over < peer ? over : peer;
    over -= d->evict_peer;
    if (over) {
        /* The new ones alone are too many: the oldest of them are not even written. The
         * block keeps its length, so that its end is wiped with it. */
        memmove(d->skipped, d->skipped + over, (d->n_skipped - over) * sizeof *d->skipped);
        mem_wipe(d->skipped + d->n_skipped - over, over * sizeof *d->skipped);
        d->n_skipped -= over;
    }
    size_t total = all - d->evict_peer + d->n_skipped;
    d->evict_largest = total > SKIPPED_ALL_MAX ? total - SKIPPED_ALL_MAX : 0;
    return WAX_OK;
}

static void fill_delta(struct opening *o)
{
    struct session_delta *d = &o->delta;

    d->has_slot = true;
    d->slot = (struct slot){o->env->hdr.sid, o->env->hdr.epoch, o->env->hdr.ctr};
    d->slot_hash = o->slot_hash;
    d->has_fanout = true;
    d->fanout = o->env->fanout.id;
    d->com = o->env->fanout.com;
}

/* A peer that saw more of us than we know to have sent: our state is an older one (4.5). */
static bool echo_ahead(const struct opening *o, const struct payload *p)
{
    const struct send_chain *c = &o->next->held[o->at].send;

    if (o->env->hdr.type != ENV_MSG || (p->echo_epoch == 0 && p->echo_count == 0))
        return false;
    if (!c->on)
        return true;
    return p->echo_epoch > c->epoch || (p->echo_epoch == c->epoch && p->echo_count > c->ctr);
}

static wax_rc settle(struct opening *o, struct opened *ret)
{
    const struct session *sending;
    wax_rc rc = cap_skipped(o);

    if (rc != WAX_OK)
        return rc;
    fill_delta(o);
    ret->echo_ahead = echo_ahead(o, &ret->payload);
    session_count(&o->next->held[o->at], o->now);
    if (o->source == KEY_INIT)
        rc = opening_start(o, &ret->payload, &ret->start);
    if (rc != WAX_OK)
        return rc;
    sending = session_choose(o->next);
    ret->has_sending = sending != NULL;
    if (sending)
        ret->sending = sending->sid;
    ret->slot = o->delta.slot;
    ret->sender = *o->sender;
    ret->fanout = o->env->fanout;
    return WAX_OK;
}

static wax_rc open_copy(struct opening *o, struct opened *ret)
{
    wax_rc rc = opening_admit(o);

    if (rc == WAX_OK)
        rc = opening_keys(o);
    if (rc == WAX_OK)
        rc = decrypt(o, &ret->plain);
    if (rc == WAX_OK)
        rc = read_plain(o, ret);
    if (rc == WAX_OK)
        rc = settle(o, ret);
    return rc;
}

wax_rc session_open_known(const struct party *me, const struct party *sender,
                          const struct hash32 *root, struct peer_sessions *state,
                          const struct session_rows *rows, const struct envelope *env, uint64_t now,
                          struct opened *ret, struct open_why *why)
{
    struct opening o = {.me = me, .sender = sender, .rows = rows, .env = env, .now = now};
    struct opened got = {.root = *root};
    wax_rc rc = ID_EQ(&state->peer, &sender->dev) ? WAX_OK : WAX_E_INVAL;

    if (rc == WAX_OK) {
        o.next = mem_alloc(sizeof *o.next);
        rc = o.next ? WAX_OK : WAX_E_NOMEM;
    }
    if (rc == WAX_OK) {
        *o.next = *state;
        rc = open_copy(&o, &got);
    }
    if (why)
        *why = o.why;
    if (rc == WAX_OK) {
        *state = *o.next;
        got.delta = o.delta;
        o.delta = (struct session_delta){0};
        *ret = got;
        mem_wipe(&got, sizeof got); /* moved, not freed */
    } else {
        opened_done(&got);
    }
    opening_done(&o);
    return rc;
}

wax_rc session_open(const struct party *me, struct peer_sessions *state,
                    const struct session_rows *rows, struct bytes in, uint64_t now,
                    struct opened *ret, struct open_why *why)
{
    struct envelope env;
    struct party sender;
    struct hash32 root;
    wax_rc rc = session_judge(me, rows, in, &env, &sender, &root);

    if (why)
        *why = (struct open_why){0};
    if (rc == WAX_OK)
        rc = session_open_known(me, &sender, &root, state, rows, &env, now, ret, why);
    return rc;
}
