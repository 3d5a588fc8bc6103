/* What an INIT of an unknown SID does to the sessions held (PROTOCOL 4.5). */
#include "crypto/crypto.h"
#include "session/held.h"
#include "session/opening.h"
#include "session/ratchet.h"

/* The continuity keys of the session that the INIT names, if it is held or kept. */
static const struct xk_set *named_session(const struct peer_sessions *s, const struct sid *sid)
{
    const struct session *x = session_find(s, sid);

    if (x)
        return &x->xk;
    for (size_t i = 0; i < s->n_kept; i++)
        if (ID_EQ(&s->kept[i].sid, sid))
            return &s->kept[i].xk;
    return NULL;
}

/* Tries the XK of the newest epoch received and of the last two started. */
static wax_rc try_keys(const struct xk_set *xk, const struct payload *p, const struct hash32 *t0,
                       bool *ret_valid)
{
    const struct key32 *keys[3];
    size_t n = 0;
    bool valid = false;

    if (xk->has_received)
        keys[n++] = &xk->received;
    for (size_t i = 0; i < xk->n_started; i++)
        keys[n++] = &xk->started[i];
    for (size_t i = 0; i < n; i++) {
        struct hash32 mac;
        wax_rc rc = continuity_mac(keys[i], &p->cont_sid, t0, &mac);
        if (rc != WAX_OK)
            return rc;
        valid |= ct_equal(mac.b, p->cont_mac.b, sizeof mac.b);
    }
    *ret_valid = valid;
    return WAX_OK;
}

static wax_rc judge(const struct peer_sessions *s, const struct payload *p, const struct hash32 *t0,
                    enum start_verdict *ret)
{
    const struct xk_set *xk = named_session(s, &p->cont_sid);
    bool valid = false, established = false;
    wax_rc rc = xk ? try_keys(xk, p, t0, &valid) : WAX_OK;

    if (rc != WAX_OK)
        return rc;
    for (size_t i = 0; i < s->n_held; i++)
        established |= session_established(&s->held[i]);
    if (valid)
        *ret = START_SWITCH;
    else if (!established)
        *ret = START_QUIET;
    else
        *ret = xk ? START_RESET_ALERT : START_RESET;
    return WAX_OK;
}

wax_rc opening_start(struct opening *o, const struct payload *p, enum start_verdict *ret)
{
    struct peer_sessions *s = o->next;
    struct session *x = &s->held[o->at];
    wax_rc rc = judge(s, p, &x->t, ret);

    if (rc != WAX_OK)
        return rc;
    x->start = p->start;
    s->n_held++;
    o->delta.has_seen = true;
    o->delta.seen_bundle = o->env->hdr.bundle;
    o->delta.seen_key = o->seen_key;
    if (s->n_held > SESSIONS_HELD_MAX)
        held_erase(s, held_victim(s, s->n_held), &o->delta);
    return WAX_OK;
}
