#include "session/fanout.h"
#include "session/open.h"

wax_rc session_judge(const struct party *me, const struct session_rows *rows, struct bytes in,
                     struct envelope *ret_env, struct party *ret_sender, struct hash32 *ret_root)
{
    struct envelope env;
    struct party sender;
    struct hash32 root;
    wax_rc rc = envelope_decode(in, &env);

    if (rc != WAX_OK)
        return rc;
    if (!ID_EQ(&env.hdr.to, &me->dev))
        return WAX_R_WRONG_DEVICE;
    rc = rows->find_sender(rows->ctx, &env.hdr.from, &sender);
    if (rc == WAX_E_NOTFOUND)
        return WAX_R_UNKNOWN_SENDER;
    if (rc == WAX_OK)
        rc = fanout_verify(&sender, me, &env, &root);
    if (rc != WAX_OK)
        return rc;
    *ret_env = env;
    *ret_sender = sender;
    *ret_root = root;
    return WAX_OK;
}

wax_rc session_com(const struct hash32 *r32, struct bytes content, struct hash32 *ret)
{
    return hash_label(ret, LABEL_CONTENT, PARTS(BYTES_OF(r32->b), content));
}

wax_rc session_slot_hash(struct bytes hdr, struct bytes body, struct hash32 *ret)
{
    return hash_label(ret, LABEL_SLOT, PARTS(hdr, body));
}

wax_rc session_epoch_hash(struct bytes hdr, struct hash32 *ret)
{
    /* Bytes 56-59 are the ctr, the one field that changes within an epoch. */
    return hash_label(ret, LABEL_EPOCH, PARTS(BYTES(hdr.p, 56), BYTES(hdr.p + 60, hdr.n - 60)));
}

/* The two accounts of a conversation that is none of a group (4.2). */
static wax_rc judge_pair(const struct party *me, const struct party *sender, const uint8_t *pair,
                         enum conversation_kind *ret_kind, struct acct_id *ret_with)
{
    const uint8_t *low = pair, *high = pair + sizeof me->acct.b;
    int order = memcmp(low, high, sizeof me->acct.b);
    bool own = ID_EQ(&me->acct, &sender->acct);

    if (order > 0)
        return WAX_R_CONVERSATION;
    bool low_me = memcmp(low, me->acct.b, sizeof me->acct.b) == 0;
    bool high_me = memcmp(high, me->acct.b, sizeof me->acct.b) == 0;
    if (order == 0) {
        if (!own || !low_me)
            return WAX_R_CONVERSATION;
        *ret_kind = CONV_NOTES;
        return WAX_OK;
    }
    if (!low_me && !high_me)
        return WAX_R_CONVERSATION;
    const uint8_t *other = low_me ? high : low;
    if (!own && memcmp(other, sender->acct.b, sizeof sender->acct.b) != 0)
        return WAX_R_CONVERSATION;
    *ret_kind = own ? CONV_OWN : CONV_DIRECT;
    memcpy(ret_with->b, other, sizeof ret_with->b);
    return WAX_OK;
}

wax_rc session_conversation(const struct party *me, const struct party *sender,
                            const Wax__V1__Content *content, enum conversation_kind *ret_kind,
                            struct acct_id *ret_with)
{
    struct bytes conv = PB_BYTES(content->conversation);

    if (conv.n == 2 * sizeof me->acct.b && !content->group)
        return judge_pair(me, sender, conv.p, ret_kind, ret_with);
    /* Whether a group message may do without its (gid, n, hash), and whether the sender is a
     * member, is judged where groups are known. */
    if (conv.n == 32 && (!content->group || bytes_eq(conv, PB_BYTES(content->group->gid)))) {
        *ret_kind = CONV_GROUP;
        return WAX_OK;
    }
    return WAX_R_CONVERSATION;
}
