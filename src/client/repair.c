/* What repair has to do and when: timers are rows of the vault, looked at whenever the client runs,
 * and survive its end (PROTOCOL 4.7, 4.8). */
#include "client/repair.h"

struct bytes repair_key(enum repair_row kind, struct bytes a, struct bytes b,
                        uint8_t out[VAULT_KEY_MAX])
{
    out[0] = (uint8_t)kind;
    if (a.n)
        memcpy(out + 1, a.p, a.n);
    if (b.n)
        memcpy(out + 1 + a.n, b.p, b.n);
    return BYTES(out, 1 + a.n + b.n);
}

wax_rc budget_take(struct client *c, enum budget what, const struct dev_id *dev, uint32_t n,
                   uint32_t most, bool *ret)
{
    static const struct dev_id all;
    uint8_t w = (uint8_t)what, key[VAULT_KEY_MAX], row[12];
    struct bytes k = repair_key(REPAIR_BUDGET, BYTES(&w, 1), BYTES_OF((dev ? dev : &all)->b), key);
    struct buf b = {0};
    uint64_t now = now_own(c), begun = now;
    uint32_t used = 0;
    wax_rc rc = vault_get(c->env.vault, VT_REPAIR, k, &b);

    if (rc == WAX_OK && b.n == sizeof row) {
        begun = get_u64(b.p);
        used = get_u32(b.p + 8);
        if (now < begun || now - begun >= HOUR_MS) {
            begun = now;
            used = 0;
        }
    }
    buf_done(&b);
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    *ret = used < most && n <= most - used;
    if (!*ret)
        return WAX_OK;
    put_u64(row, begun);
    put_u32(row + 8, used + n);
    return vault_put(c->env.vault, VT_REPAIR, k, BYTES_OF(row));
}

wax_rc device_box(struct client *c, const struct acct_id *peer, const struct dev_id *to,
                  const Wax__V1__Content *content)
{
    struct outbox o = {.kind = OUTBOX_DEVICE, .peer = *peer, .to = *to};
    Wax__V1__Content m = *content;
    uint8_t conv[64];
    uint64_t order;

    conversation_of(&c->acct, peer, conv);
    m.conversation = (ProtobufCBinaryData){sizeof conv, conv};
    m.sent_at = now_own(c);
    m.min_version = 1;
    wax_rc rc = proto_pack(&m.base, &o.content);
    if (rc == WAX_OK && o.content.n > CONTENT_MAX)
        rc = WAX_E_TOOBIG;
    if (rc == WAX_OK)
        rc = outbox_add(c, &o, &order);
    outbox_done(&o);
    return rc;
}

/* "repair.next": the earliest time at which something is due; 0: nothing. */
wax_rc repair_at(struct client *c, uint64_t at)
{
    uint64_t next;
    wax_rc rc = meta_get_u64(c->env.vault, "repair.next", &next);

    at = at ? at : 1;
    return rc == WAX_OK && (next == 0 || at < next) ? meta_put_u64(c->env.vault, "repair.next", at)
                                                    : rc;
}

static wax_rc tick_in_tx(struct client *c)
{
    wax_rc rc = meta_put_u64(c->env.vault, "repair.next", 0);

    if (rc == WAX_OK)
        rc = unread_ask(c);
    if (rc == WAX_OK)
        rc = heal_tick(c);
    return rc == WAX_OK ? catchup_tick(c) : rc;
}

/* A time far ahead is that of a clock set back since. */
#define FAR_MS (15 * DAY_MS)

wax_rc repair_tick(struct client *c)
{
    uint64_t next, now = now_own(c);
    wax_rc rc = meta_get_u64(c->env.vault, "repair.next", &next);

    if (rc != WAX_OK || next == 0 || (next > now && next - now < FAR_MS))
        return rc;
    rc = vault_begin(c->env.vault);
    return rc == WAX_OK ? vault_finish(c->env.vault, tick_in_tx(c)) : rc;
}
