/* Evidence of a clone (PROTOCOL 4.3, 4.6 b): what collides on a slot goes back to the device that
 * it names, which judges whether its own state is an older one. */
#include "client/repair.h"
#include "session/evidence.h"

/* REPAIR_NEWEST, sid 16 → the newest accepted envelope of a session, whole: the slot hashes
 * that 4.3 keeps tell of a clash, but only an envelope proves it to the other side. */
#define NEWEST_MAX 73728U /* a text of any length; larger ones are not kept */

static struct bytes newest_key(const struct sid *sid, uint8_t out[VAULT_KEY_MAX])
{
    return repair_key(REPAIR_NEWEST, BYTES_OF(sid->b), BYTES(NULL, 0), out);
}

wax_rc clone_keep(struct client *c, const struct opened *o, const struct peer_sessions *s,
                  struct bytes envelope)
{
    const struct session *x = session_find(s, &o->slot.sid);
    uint8_t key[VAULT_KEY_MAX];

    if (!x || !x->recv.on || o->slot.epoch != x->recv.epoch || o->slot.ctr + 1 != x->recv.next ||
        envelope.n > NEWEST_MAX)
        return WAX_OK;
    return vault_put(c->env.vault, VT_REPAIR, newest_key(&o->slot.sid, key), envelope);
}

wax_rc clone_forget(struct vault *v, const struct sid *sid)
{
    uint8_t key[VAULT_KEY_MAX];

    return vault_del(v, VT_REPAIR, newest_key(sid, key));
}

wax_rc clone_return(struct client *c, const struct env_hdr *hdr, struct bytes envelope)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__CloneEvidence e = WAX__V1__CLONE_EVIDENCE__INIT;
    struct buf first = {0};
    struct acct_id acct;
    uint8_t key[VAULT_KEY_MAX];
    bool may;
    wax_rc rc = budget_take(c, BUDGET_EVIDENCE, &hdr->from, 1, 1, &may);

    if (rc != WAX_OK || !may)
        return rc;
    rc = client_device_acct(c, &hdr->from, &acct);
    if (rc == WAX_OK)
        rc = vault_get(c->env.vault, VT_REPAIR, newest_key(&hdr->sid, key), &first);
    if (rc == WAX_E_NOTFOUND)
        rc = WAX_OK;
    if (rc == WAX_OK) {
        m.kind = WAX__V1__KIND__CLONE_EVIDENCE;
        m.clone = &e;
        e.first = (ProtobufCBinaryData){first.n, first.p};
        if (first.n + envelope.n < CONTENT_MAX - 256)
            e.second = (ProtobufCBinaryData){envelope.n, (uint8_t *)(uintptr_t)envelope.p};
        if (e.first.len || e.second.len)
            rc = device_box(c, &acct, &hdr->from, &m);
    }
    buf_done(&first);
    return rc;
}

static wax_rc judge(struct client *c, const struct opened *o, struct peer_sessions *s,
                    struct bytes envelope, bool *ret)
{
    struct rows_ctx ctx = {.c = c, .state = s};
    struct session_rows rows = rows_of(&ctx);
    struct party me = client_self(c);

    if (!envelope.n || *ret)
        return WAX_OK;
    return session_rollback_evidence(&me, &o->sender, s, &rows, envelope, ret);
}

wax_rc clone_judge(struct client *c, const struct opened *o, bool *ret_older)
{
    const Wax__V1__CloneEvidence *e = o->content->clone;
    struct peer_sessions *s = mem_alloc(sizeof *s);
    bool proved = false;
    wax_rc rc = s ? peer_load(c, &o->sender.dev, s) : WAX_E_NOMEM;

    if (rc == WAX_OK && e)
        rc = judge(c, o, s, PB_BYTES(e->first), &proved);
    if (rc == WAX_OK && e)
        rc = judge(c, o, s, PB_BYTES(e->second), &proved);
    if (s)
        peer_sessions_wipe(s);
    mem_free(s);
    if (rc != WAX_OK || !proved)
        return rc;
    *ret_older = true;
    c->logged_in = false; /* the next thing that goes out makes new prekeys first */
    return client_reset(c);
}
