/* Repeating own messages (PROTOCOL 4.8): only those of the last 14 d, only to a device that the
 * fan-out addressed or that was listed when the server took it, the same content and r32 in a fresh
 * envelope, three times at most. */
#include "client/repair.h"

wax_rc repeat_queue(struct client *c, const struct hash32 *com, struct sent *s,
                    const struct dev_id *to, const struct acct_id *to_acct, const struct sid *in,
                    bool *ret)
{
    struct outbox o = {.kind = OUTBOX_REPEAT, .to = *to, .com = *com};
    struct sent_dev *d = sent_find(s, to);
    uint64_t order;
    bool may;
    wax_rc rc = WAX_OK;

    *ret = false;
    if (!d || d->repeats >= REPEATS_MAX || (d->flags & SENT_PENDING))
        return WAX_OK;
    if (to_acct)
        o.peer = *to_acct;
    else
        rc = client_device_acct(c, to, &o.peer);
    if (rc == WAX_OK)
        rc = budget_take(c, BUDGET_REPEAT, to, 1, REPEATS_HOUR, &may);
    if (rc != WAX_OK || !may)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc; /* of an account given up */
    if (in) {
        o.has_sid = true;
        o.sid = *in;
    }
    rc = sent_content(c, com, &o.r32, &o.content);
    if (rc == WAX_OK)
        rc = outbox_put(c, &o, &order);
    outbox_done(&o);
    if (rc != WAX_OK)
        return rc;
    d->repeats++;
    d->flags |= SENT_PENDING;
    *ret = true;
    return sent_store(c, com, s);
}

/* 4.8: a message that we sent in a newer session than the one the request came in cannot be read
 * there: that session is for reading only from now on. */
static wax_rc step_back(struct client *c, const struct opened *o, const struct sid *sealed_in)
{
    struct peer_sessions *p = mem_alloc(sizeof *p);
    wax_rc rc = p ? peer_load(c, &o->sender.dev, p) : WAX_E_NOMEM;
    const struct session *named = rc == WAX_OK ? session_find(p, sealed_in) : NULL,
                         *came = rc == WAX_OK ? session_find(p, &o->slot.sid) : NULL;

    if (named && came && named != came && named->start > came->start && !named->reading_only) {
        (void)session_mark_reading_only(p, sealed_in);
        rc = peer_store(c, p);
    }
    if (p)
        peer_sessions_wipe(p);
    mem_free(p);
    return rc;
}

static wax_rc answer_one(struct client *c, const struct opened *o, const struct hash32 *com,
                         struct sent *s)
{
    bool queued;
    wax_rc rc = sent_load(c, com, s);

    if (rc == WAX_E_NOTFOUND) /* not ours, or too old; of somebody else's an own device may ask */
        return ID_EQ(&c->acct, &o->sender.acct) ? handing_answer(c, o, com) : WAX_OK;
    if (rc != WAX_OK)
        return rc;
    if (!ID_EQ(&s->peer, &o->sender.acct) && !ID_EQ(&c->acct, &o->sender.acct))
        return WAX_OK; /* of another conversation */
    const struct sent_dev *d = sent_find(s, &o->sender.dev);
    uint64_t now = now_early(c);
    if (!d || (now > s->last && now - s->last > REPEAT_KEEP_MS))
        return WAX_OK;
    struct sid sealed_in = d->sid;
    rc = repeat_queue(c, com, s, &o->sender.dev, &o->sender.acct, &o->slot.sid, &queued);
    return rc == WAX_OK ? step_back(c, o, &sealed_in) : rc;
}

struct since {
    uint64_t since;
    struct buf coms;
};

static bool since_row(void *ctx, struct bytes key, struct bytes value)
{
    struct since *s = ctx;

    if (key.n == 32 && sent_accepted(value) >= s->since)
        buf_bytes(&s->coms, key);
    return true;
}

/* What came since then (5.4): of others it is handed on, of this device it is repeated. */
static wax_rc answer_since(struct client *c, const struct opened *o, uint64_t since, struct sent *s)
{
    struct since x = {.since = since};
    wax_rc rc =
        vault_scan(c->env.vault, VT_SENT, BYTES(NULL, 0), BYTES(NULL, 0), false, since_row, &x);

    if (rc == WAX_OK)
        rc = buf_rc(&x.coms);
    for (size_t i = 0; rc == WAX_OK && i < x.coms.n; i += 32) {
        struct hash32 com;
        memcpy(com.b, x.coms.p + i, sizeof com.b);
        rc = sent_load(c, &com, s);
        if (rc == WAX_OK && s->kind <= OUTBOX_SYNC)
            rc = answer_one(c, o, &com, s);
    }
    buf_done(&x.coms);
    return rc == WAX_OK ? handing_since(c, o, since) : rc;
}

wax_rc repeat_answer(struct client *c, const struct opened *o)
{
    const Wax__V1__RepeatRequest *q = o->content->repeat;
    struct sent *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? WAX_OK : WAX_E_NOMEM;

    for (size_t i = 0; rc == WAX_OK && q && i < q->n_coms && i < ASK_COMS_MAX; i++) {
        struct hash32 com;
        if (q->coms[i].len != sizeof com.b)
            continue;
        memcpy(com.b, q->coms[i].data, sizeof com.b);
        rc = answer_one(c, o, &com, s);
    }
    if (rc == WAX_OK && q && q->since && ID_EQ(&o->sender.acct, &c->acct))
        rc = answer_since(c, o, q->since, s);
    mem_free(s);
    return rc;
}
