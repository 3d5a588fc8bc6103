#include "session/evidence.h"

#include "session/fanout.h"
#include "session/open.h"

bool rollback_proved(const struct rollback_facts *f)
{
    if (!f->session_held || !f->signature_valid)
        return false;
    if (!f->has_next || f->epoch > f->next_epoch ||
        (f->epoch == f->next_epoch && f->ctr >= f->next_ctr))
        return true;
    return f->has_kept && !ID_EQ(&f->kept, &f->returned);
}

wax_rc session_rollback_evidence(const struct party *me, const struct party *peer,
                                 const struct peer_sessions *state, const struct session_rows *rows,
                                 struct bytes envelope, bool *ret)
{
    struct envelope env;
    struct rollback_facts f = {0};
    wax_rc rc = envelope_decode(envelope, &env);

    if (rc != WAX_OK || !ID_EQ(&env.hdr.from, &me->dev) || !ID_EQ(&env.hdr.to, &peer->dev)) {
        *ret = false;
        return WAX_OK;
    }
    const struct session *x = session_find(state, &env.hdr.sid);
    rc = fanout_verify(me, peer, &env, NULL);
    if (rc != WAX_OK && rc != WAX_R_SIGNATURE)
        return rc;
    f.signature_valid = rc == WAX_OK;
    f.session_held = x != NULL;
    f.epoch = env.hdr.epoch;
    f.ctr = env.hdr.ctr;
    if (x && x->send.on) {
        /* Between this and the first slot of a step not yet made no slot of ours lies, so
         * the rule may count from here. */
        f.has_next = true;
        f.next_epoch = x->send.epoch;
        f.next_ctr = x->send.ctr;
    }
    struct slot slot = {.sid = env.hdr.sid, .epoch = f.epoch, .ctr = f.ctr};
    rc = rows->slot_hash(rows->ctx, &slot, &f.kept);
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    f.has_kept = rc == WAX_OK;
    rc = session_slot_hash(env.raw_hdr, env.body, &f.returned);
    if (rc == WAX_OK)
        *ret = rollback_proved(&f);
    return rc;
}

wax_rc sender_verdict(uint64_t frame_time, const struct sender_lookup *l, size_t n)
{
    wax_rc rc = WAX_E_WAIT;

    for (size_t i = 0; i < n; i++) {
        if (l[i].has_device)
            return WAX_OK;
        if (l[i].begun >= frame_time && l[i].begun - frame_time >= SENDER_LOOKUP_MS)
            rc = WAX_R_UNKNOWN_SENDER;
    }
    return rc;
}
