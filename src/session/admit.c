#include "crypto/crypto.h"
#include "session/held.h"
#include "session/opening.h"
#include "session/ratchet.h"

static wax_rc check_fanout(struct opening *o)
{
    struct hash32 com;
    wax_rc rc = o->rows->fanout(o->rows->ctx, &o->sender->dev, &o->env->fanout.id, &com);

    if (rc == WAX_E_NOTFOUND)
        return WAX_OK;
    if (rc != WAX_OK)
        return rc;
    o->why.fanout_known = true;
    if (ID_EQ(&com, &o->env->fanout.com))
        return WAX_R_DUPLICATE;
    o->why.clone = CLONE_FANOUT;
    return WAX_R_CLONE;
}

/* A session of that SID is held with somebody else's device: no key for this sender. */
static wax_rc check_owner(struct opening *o)
{
    struct dev_id owner;
    wax_rc rc = o->rows->sid_owner(o->rows->ctx, &o->env->hdr.sid, &owner);

    if (rc == WAX_E_NOTFOUND || (rc == WAX_OK && ID_EQ(&owner, &o->sender->dev)))
        return WAX_OK;
    if (rc != WAX_OK)
        return rc;
    rc = check_fanout(o);
    return rc == WAX_OK || rc_is_refusal(rc) ? WAX_R_NO_KEY : rc;
}

static bool peers_epoch(const struct session *x, uint32_t epoch)
{
    return epoch % 2 == (x->initiator ? 1 : 0);
}

static wax_rc check_slot(struct opening *o, const struct session *x)
{
    const struct env_hdr *h = &o->env->hdr;
    struct slot slot = {h->sid, h->epoch, h->ctr};
    struct hash32 known;

    if (!peers_epoch(x, h->epoch))
        return WAX_OK;
    wax_rc rc = o->rows->slot_hash(o->rows->ctx, &slot, &known);
    if (rc == WAX_E_NOTFOUND)
        return WAX_OK;
    if (rc != WAX_OK)
        return rc;
    if (ID_EQ(&known, &o->slot_hash))
        return WAX_R_DUPLICATE;
    o->why.clone = CLONE_SLOT;
    return WAX_R_CLONE;
}

/* --- An unknown SID ------------------------------------------------------------------ */

static wax_rc admit_init(struct opening *o)
{
    const struct env_hdr *h = &o->env->hdr;
    size_t count = 0;
    wax_rc rc;

    o->at = o->next->n_held;
    o->source = KEY_INIT;
    if (h->type != ENV_INIT)
        return WAX_R_NO_KEY;
    rc = init_cache_key(&h->e, h->ct.p, &o->seen_key);
    if (rc != WAX_OK)
        return rc;
    rc = o->rows->seen(o->rows->ctx, &h->bundle, &o->seen_key);
    if (rc != WAX_E_NOTFOUND)
        return rc == WAX_OK ? WAX_R_REPLAY : rc;
    rc = o->rows->prekey(o->rows->ctx, &h->bundle, &o->prekey);
    if (rc == WAX_OK)
        rc = o->rows->seen_count(o->rows->ctx, &o->sender->dev, &h->bundle, &count);
    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_R_NO_KEY : rc;
    /* 4.3: never evict; a sender with so many INITs to one bundle gets no further one. */
    if (count >= SEEN_MAX)
        return WAX_R_NO_KEY;
    return h->ctr > SKIPPED_JUMP_MAX ? WAX_R_GAP : WAX_OK;
}

/* --- A session held ------------------------------------------------------------------ */

/* An epoch not received yet: the only one accepted is our sending epoch + 1. */
static wax_rc admit_new_epoch(struct opening *o, const struct session *x)
{
    const struct env_hdr *h = &o->env->hdr;

    o->source = KEY_NEW_EPOCH;
    o->why.ahead = h->epoch > (x->send.on ? x->send.epoch : 0) + 1U && peers_epoch(x, h->epoch);
    if (!x->send.on || h->epoch == 0 || h->epoch - 1 != x->send.epoch || !x->send.has_priv)
        return WAX_R_RULE;
    if ((h->ct.n != 0) != x->send.has_offer)
        return WAX_R_RULE;
    if (x->recv.on && h->pcl < x->recv.next)
        return WAX_R_RULE;
    if (h->ctr > SKIPPED_JUMP_MAX || (x->recv.on && h->pcl - x->recv.next > SKIPPED_JUMP_MAX))
        return WAX_R_GAP;
    return WAX_OK;
}

static wax_rc admit_known_epoch(struct opening *o, const struct session *x,
                                const struct epoch_row *row)
{
    const struct env_hdr *h = &o->env->hdr;
    struct slot slot = {h->sid, h->epoch, h->ctr};

    if (!ID_EQ(&row->constants, &o->constants)) {
        o->why.clone = CLONE_EPOCH;
        return WAX_R_CLONE;
    }
    if (row->closed && h->ctr >= row->limit)
        return WAX_R_RULE;
    if (!row->closed && h->epoch == x->recv.epoch && h->ctr >= x->recv.next) {
        o->source = KEY_CURRENT;
        return h->ctr - x->recv.next > SKIPPED_JUMP_MAX ? WAX_R_GAP : WAX_OK;
    }
    o->source = KEY_SKIPPED;
    wax_rc rc = o->rows->skipped_key(o->rows->ctx, &slot, &o->mk);
    return rc == WAX_E_NOTFOUND ? WAX_R_REPLAY : rc;
}

static wax_rc admit_held(struct opening *o)
{
    const struct session *x = &o->next->held[o->at];
    const struct env_hdr *h = &o->env->hdr;
    struct epoch_row row;
    wax_rc rc = WAX_E_NOTFOUND;

    if (peers_epoch(x, h->epoch))
        rc = o->rows->epoch(o->rows->ctx, &h->sid, h->epoch, &row);
    if (rc == WAX_E_NOTFOUND)
        return admit_new_epoch(o, x);
    return rc == WAX_OK ? admit_known_epoch(o, x, &row) : rc;
}

/* A message of a session that is not held here (any more): each side may have only one that the
 * other lacks, and neither would ever read the other. A session just begun by us, and not answered
 * yet, says all that a further one would. */
static bool no_common_session(const struct opening *o)
{
    const struct session *sending = session_choose(o->next);

    return o->env->hdr.type == ENV_MSG && !(sending && sending->initiator && !sending->recv.on);
}

wax_rc opening_admit(struct opening *o)
{
    wax_rc rc = session_slot_hash(o->env->raw_hdr, o->env->body, &o->slot_hash);

    if (rc == WAX_OK)
        rc = session_epoch_hash(o->env->raw_hdr, &o->constants);
    if (rc != WAX_OK)
        return rc;
    o->at = held_index(o->next, &o->env->hdr.sid);
    bool held = o->at < o->next->n_held;
    rc = held ? check_slot(o, &o->next->held[o->at]) : check_owner(o);
    if (rc == WAX_OK)
        rc = check_fanout(o);
    if (rc == WAX_OK)
        rc = held ? admit_held(o) : admit_init(o);
    o->why.ahead = o->why.ahead && rc == WAX_R_RULE;
    o->why.renew =
        rc == WAX_R_GAP || o->why.ahead || (rc == WAX_R_NO_KEY && !held && no_common_session(o));
    return rc;
}
