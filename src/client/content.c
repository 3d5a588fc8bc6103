/* What an accepted message does, by its kind (proto/content.proto). Everything here runs in the
 * transaction that takes the message in. */
#include "client/repair.h"

static struct bytes message_key(const struct hash32 *com, const struct acct_id *sender,
                                uint8_t out[64])
{
    memcpy(out, com->b, 32);
    memcpy(out + 32, sender->b, 32);
    return BYTES(out, 64);
}

wax_rc message_find(struct client *c, const struct hash32 *com, const struct acct_id *sender,
                    uint64_t *ret_order)
{
    struct buf b = {0};
    uint8_t key[64];
    wax_rc rc = vault_get(c->env.vault, VT_MESSAGE, message_key(com, sender, key), &b);

    if (rc == WAX_OK && b.n != 8)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK)
        *ret_order = get_u64(b.p);
    buf_done(&b);
    return rc;
}

wax_rc message_file(struct client *c, const struct hash32 *com, const struct acct_id *sender,
                    uint64_t order)
{
    uint8_t key[64], value[8];

    return vault_put(c->env.vault, VT_MESSAGE, message_key(com, sender, key),
                     order_key(order, value));
}

wax_rc message_unfile(struct client *c, const struct hash32 *com, const struct acct_id *sender)
{
    uint8_t key[64];

    return vault_del(c->env.vault, VT_MESSAGE, message_key(com, sender, key));
}

/* It was listed as unreadable (4.8): its line becomes the message. */
static wax_rc show_again(struct client *c, const struct item *it, uint64_t order)
{
    struct item was = {0};
    wax_rc rc = history_load(c->env.vault, order, &was);
    bool unreadable = rc == WAX_OK && was.state == ITEM_UNREADABLE;
    struct dev_id dev = was.device;

    item_done(&was);
    if (!unreadable)
        return rc;
    rc = history_store(c->env.vault, order, it);
    if (rc == WAX_OK)
        rc = unread_forget(c, &dev, &it->com);
    return rc == WAX_OK ? event_put_history(c->env.vault, order) : rc;
}

/* A message becomes a history row and an event; once by (com, sender account). */
static wax_rc show(struct client *c, const struct item *it)
{
    uint64_t order;
    wax_rc rc = message_find(c, &it->com, &it->sender, &order);

    if (rc == WAX_OK)
        return show_again(c, it, order);
    if (rc != WAX_E_NOTFOUND)
        return rc;
    rc = meta_next(c->env.vault, "seq.history", &order);
    if (rc == WAX_OK)
        rc = history_store(c->env.vault, order, it);
    if (rc == WAX_OK)
        rc = message_file(c, &it->com, &it->sender, order);
    return rc == WAX_OK ? event_put_history(c->env.vault, order) : rc;
}

/* VT_PARKED: acct_id 32 ‖ item. Its state and dedup are committed; only display waits for the
 * account to be known (4.2, 5.4). */
static wax_rc park(struct client *c, const struct acct_id *with, const struct item *it)
{
    struct buf b = {0};
    uint8_t key[8];
    uint64_t order;
    wax_rc rc = meta_next(c->env.vault, "seq.parked", &order);

    buf_bytes(&b, BYTES_OF(with->b));
    if (rc == WAX_OK)
        rc = item_encode(it, &b);
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_PARKED, order_key(order, key), buf_view(&b));
    buf_done(&b);
    return rc;
}

static void set_conversation(struct item *it, const char *own, const char *peer)
{
    item_short(it->conversation, sizeof it->conversation, peer);
    item_short(it->to, sizeof it->to, it->own ? peer : own);
}

/* --- Releasing what waited --- */

struct rows {
    struct buf keys, values; /* lp each */
};

static bool collect(void *ctx, struct bytes key, struct bytes value)
{
    struct rows *r = ctx;

    buf_lp(&r->keys, key);
    buf_u32(&r->values, (uint32_t)value.n);
    buf_bytes(&r->values, value);
    return true;
}

static wax_rc rows_of_table(struct client *c, enum vault_table t, struct bytes prefix,
                            struct rows *ret)
{
    wax_rc rc = vault_scan(c->env.vault, t, prefix, BYTES(NULL, 0), false, collect, ret);

    if (rc == WAX_OK)
        rc = buf_rc(&ret->keys) != WAX_OK ? ret->keys.rc : buf_rc(&ret->values);
    return rc;
}

static void rows_done(struct rows *r)
{
    buf_done(&r->keys);
    buf_done(&r->values);
}

/* Shows one parked message if its account is known now. */
static wax_rc unpark(struct client *c, struct bytes key, struct bytes value,
                     const struct acct_id *only)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    struct item it = {0};
    struct acct_id with;
    wax_rc rc = !pin ? WAX_E_NOMEM : value.n < 32 ? WAX_E_DAMAGED : WAX_OK;

    if (rc == WAX_OK) {
        memcpy(with.b, value.p, 32);
        rc = only && !ID_EQ(&with, only) ? WAX_E_NOTFOUND : pin_load(c, &with, pin);
    }
    if (rc == WAX_OK)
        rc = item_decode((struct bytes){value.p + 32, value.n - 32}, &it);
    if (rc == WAX_OK) {
        set_conversation(&it, c->handle, pin->head.manifest.handle);
        rc = show(c, &it);
        if (rc == WAX_OK)
            rc = vault_del(c->env.vault, VT_PARKED, key);
    }
    item_done(&it);
    mem_free(pin);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

/* Shows what was parked, of one account or (only NULL) of all known ones, oldest first. In a
 * transaction. */
static wax_rc release(struct client *c, const struct acct_id *only)
{
    struct rows rows = {0};
    wax_rc rc = rows_of_table(c, VT_PARKED, BYTES(NULL, 0), &rows);
    struct rd k = rd_init(buf_view(&rows.keys)), v = rd_init(buf_view(&rows.values));

    while (rc == WAX_OK && k.left) {
        struct bytes key = rd_lp(&k, UINT16_MAX);
        uint32_t n = rd_u32(&v);
        rc = unpark(c, key, rd_take(&v, n), only);
    }
    rows_done(&rows);
    return rc;
}

static wax_rc take_message(struct client *c, const struct opened *o, const char *from,
                           bool readable, bool handed)
{
    struct item it = {.type = ITEM_MESSAGE,
                      .state = ITEM_IN,
                      .needs_newer = !readable,
                      .handed_on = handed,
                      .sent_at = o->content->sent_at,
                      .received_at = now_own(c),
                      .com = o->com,
                      .sender = o->sender.acct,
                      .device = o->sender.dev};
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? WAX_OK : WAX_E_NOMEM;

    it.own = ID_EQ(&o->sender.acct, &c->acct);
    if (ID_EQ(&o->sender.dev, &c->keys.dev)) /* handed back to an older copy of this home */
        it.state = ITEM_ACCEPTED;
    item_short(it.from, sizeof it.from, from);
    if (rc == WAX_OK && readable) {
        buf_bytes(&it.text, PB_BYTES(o->content->text));
        rc = buf_rc(&it.text);
    }
    if (rc == WAX_OK && o->conversation == CONV_OWN) {
        rc = pin_load(c, &o->with, pin);
        if (rc == WAX_OK) {
            rc = release(c, &o->with); /* earlier ones first */
            set_conversation(&it, c->handle, pin->head.manifest.handle);
            if (rc == WAX_OK)
                rc = show(c, &it);
        } else if (rc == WAX_E_NOTFOUND) {
            rc = park(c, &o->with, &it);
            if (rc == WAX_OK)
                rc = unread_forget(c, &it.device, &it.com);
        }
    } else if (rc == WAX_OK) {
        set_conversation(&it, c->handle, from);
        rc = show(c, &it);
    }
    item_done(&it);
    mem_free(pin);
    return rc;
}

/* --- Syncs of own devices (5.4) --- */

/* "want." ‖ hex acct_id → flags ‖ seq ‖ hash ‖ handle: an account that a sibling pinned. It is
 * looked up outside of this transaction and held against what the sibling told. */
static wax_rc want(struct client *c, const Wax__V1__Pin *p, bool keep)
{
    struct buf name = {0}, value = {0}, there = {0};
    wax_rc rc = WAX_OK;

    if (p->acct_id.len != 32 || p->hash.len != 32 || !handle_valid(PB_BYTES(p->handle)) ||
        memcmp(p->acct_id.data, c->acct.b, 32) == 0)
        return WAX_OK;
    buf_str(&name, "want.");
    buf_hex(&name, PB_BYTES(p->acct_id));
    buf_u8(&value, (uint8_t)(p->accepted ? 1 : 0));
    buf_u32(&value, p->seq);
    buf_bytes(&value, PB_BYTES(p->hash));
    buf_bytes(&value, PB_BYTES(p->acct_id));
    buf_bytes(&value, PB_BYTES(p->handle));
    rc = buf_rc(&name) != WAX_OK ? name.rc : buf_rc(&value);
    if (rc == WAX_OK && keep)
        keep = (rc = vault_get(c->env.vault, VT_META, buf_view(&name), &there)) == WAX_OK;
    if (rc == WAX_E_NOTFOUND)
        rc = WAX_OK;
    if (rc == WAX_OK && !keep)
        rc = vault_put(c->env.vault, VT_META, buf_view(&name), buf_view(&value));
    buf_done(&name);
    buf_done(&value);
    buf_done(&there);
    return rc;
}

wax_rc content_want(struct client *c, const struct pin *pin)
{
    Wax__V1__Pin p = WAX__V1__PIN__INIT;
    const struct manifest *m = &pin->head.manifest;

    p.acct_id = (ProtobufCBinaryData){sizeof m->acct.b, (uint8_t *)(uintptr_t)m->acct.b};
    p.hash = (ProtobufCBinaryData){sizeof pin->head.hash.b, (uint8_t *)(uintptr_t)pin->head.hash.b};
    p.handle = (ProtobufCBinaryData){strlen(m->handle), (uint8_t *)(uintptr_t)m->handle};
    p.seq = m->seq;
    directory_forget(c, &m->acct);
    return want(c, &p, true);
}

static wax_rc take_sync(struct client *c, const struct opened *o)
{
    const Wax__V1__Sync *s = o->content->sync;
    wax_rc rc = WAX_OK;

    if (!s || !ID_EQ(&o->sender.acct, &c->acct))
        return WAX_OK; /* only own devices may raise pins */
    for (size_t i = 0; rc == WAX_OK && i < s->n_pins; i++)
        rc = want(c, s->pins[i], false);
    return rc;
}

/* Kinds that people do not see. */
static wax_rc take_silent(struct client *c, const struct opened *o)
{
    switch ((int)o->content->kind) {
    case WAX__V1__KIND__SYNC:
        return take_sync(c, o);
    case WAX__V1__KIND__REPEAT_REQUEST:
        return repeat_answer(c, o);
    case WAX__V1__KIND__HANDED_ON:
        return handing_take(c, o);
    case WAX__V1__KIND__MISSED_DEVICE:
        return missed_take(c, o);
    default: /* nothing lost when this version does not act on it */
        return WAX_OK;
    }
}

static bool is_silent(int kind)
{
    switch (kind) {
    case WAX__V1__KIND__SYNC:
    case WAX__V1__KIND__RECEIPT:
    case WAX__V1__KIND__TYPING:
    case WAX__V1__KIND__CONTROL:
    case WAX__V1__KIND__REPEAT_REQUEST:
    case WAX__V1__KIND__MISSED_DEVICE:
    case WAX__V1__KIND__CLONE_EVIDENCE:
    case WAX__V1__KIND__HANDED_ON:
        return true;
    default:
        return false;
    }
}

/* For people. Kinds of later versions are kept, and shown as "needs a newer version". */
static wax_rc take_seen(struct client *c, const struct opened *o, const char *from,
                        uint64_t accepted, bool handed)
{
    bool readable = o->content->min_version <= 1 && (int)o->content->kind == WAX__V1__KIND__TEXT &&
                    o->conversation != CONV_GROUP;
    wax_rc rc = take_message(c, o, from, readable, handed);

    return rc == WAX_OK ? kept_put(c, o, accepted) : rc;
}

static bool for_nobody(const struct opened *o)
{
    return o->content->min_version <= 1 && is_silent((int)o->content->kind);
}

wax_rc content_handed(struct client *c, const struct opened *o, const char *from, uint64_t accepted)
{
    return for_nobody(o) ? WAX_OK : take_seen(c, o, from, accepted, true);
}

wax_rc content_take(struct client *c, const struct opened *o, const char *from, uint64_t frame_time)
{
    if (!for_nobody(o))
        return take_seen(c, o, from, frame_time, false);
    wax_rc rc = unread_resolve(c, &o->com, &o->sender.acct);
    /* Its com stays known: a server that sends it once more when its keys and the dedup are gone
     * does not make news of it. */
    if (rc == WAX_OK)
        rc = message_file(c, &o->com, &o->sender.acct, NO_LINE);
    return rc == WAX_OK ? take_silent(c, o) : rc;
}

/* The handle shows another account here than at the sibling, or none: nothing is sent to that one
 * before it is accepted (5.4: a change of acct_id needs local acceptance). */
static wax_rc wanted_other(struct client *c, const char *handle, struct pin *pin)
{
    wax_rc rc = pin_load_handle(c, handle, pin);

    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    if (pin->identity_changed || ID_EQ(&pin->head.manifest.acct, &c->acct))
        return WAX_OK; /* said already, or no contact */
    pin->identity_changed = true;
    pin_set_verified(pin, NULL, 0);
    rc = pin_store(c, pin);
    struct item a = alert_make(c, "identity_changed", WAX_OK, handle, NULL,
                               "my other device knows this contact by another account; compare the "
                               "safety number, then accept-identity");
    return rc == WAX_OK ? event_put_alert(c, &a) : rc;
}

static wax_rc wanted_apply(struct client *c, struct bytes key, const struct acct_id *acct,
                           const char *handle, uint32_t seq, const struct hash32 *hash,
                           bool accepted)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? pin_load(c, acct, pin) : WAX_E_NOMEM;

    if (rc == WAX_E_NOTFOUND) {
        rc = wanted_other(c, handle, pin);
    } else if (rc == WAX_OK && pin->head.manifest.seq < seq) {
        struct item a =
            alert_make(c, "server_refused", WAX_R_CHAIN, pin->head.manifest.handle, NULL,
                       "the directory shows this device an older device list than my other device");
        rc = event_put_alert(c, &a);
    } else if (rc == WAX_OK && pin->head.manifest.seq == seq &&
               memcmp(pin->head.hash.b, hash->b, 32) != 0) {
        struct item a = alert_make(
            c, "directory_equivocation", WAX_R_EQUIVOCATION, pin->head.manifest.handle, NULL,
            "the directory shows this device another device list than my other device");
        rc = event_put_alert(c, &a);
    } else if (rc == WAX_OK && accepted && !pin->accepted) {
        pin->accepted = true;
        rc = pin_store(c, pin);
    }
    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_META, key);
    mem_free(pin);
    return rc;
}

/* What is pinned may be older than what the sibling tells: then it is asked for again. */
static wax_rc wanted_look(struct client *c, const struct acct_id *acct, const char *handle,
                          uint32_t seq)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? pin_load(c, acct, pin) : WAX_E_NOMEM;

    if (rc == WAX_OK && pin->head.manifest.seq < seq)
        directory_forget(c, acct);
    mem_free(pin);
    return rc == WAX_OK || rc == WAX_E_NOTFOUND ? directory_fresh(c, acct, handle) : rc;
}

/* WAX_E_WAIT: the directory gave no answer; next time. */
static wax_rc wanted(struct client *c, struct bytes key, struct bytes value)
{
    struct rd r = rd_init(value);
    struct acct_id acct;
    struct hash32 hash;
    char handle[HANDLE_MAX + 1] = "";
    bool accepted = rd_u8(&r) == 1;
    uint32_t seq = rd_u32(&r);

    rd_copy(&r, hash.b, 32);
    rd_copy(&r, acct.b, 32);
    struct bytes h = rd_take(&r, r.left);
    if (rd_end(&r) != WAX_OK || h.n > HANDLE_MAX)
        return WAX_E_DAMAGED;
    memcpy(handle, h.p, h.n);
    wax_rc rc = wanted_look(c, &acct, handle, seq);
    if (rc == WAX_E_NET || rc == WAX_E_TLS || rc == WAX_E_TIMEOUT || rc == WAX_E_PROTO)
        return WAX_E_WAIT;
    if (rc == WAX_OK || rc == WAX_E_NOTFOUND || rc == WAX_E_DENIED || rc_is_refusal(rc)) {
        rc = vault_begin(c->env.vault);
        if (rc == WAX_OK)
            rc = vault_finish(c->env.vault,
                              wanted_apply(c, key, &acct, handle, seq, &hash, accepted));
    }
    return rc;
}

wax_rc content_release(struct client *c)
{
    struct rows rows = {0};
    uint64_t parked = 0;
    wax_rc rc = rows_of_table(c, VT_META, BYTES_STR("want."), &rows);
    struct rd k = rd_init(buf_view(&rows.keys)), v = rd_init(buf_view(&rows.values));

    while (rc == WAX_OK && k.left) {
        struct bytes key = rd_lp(&k, UINT16_MAX);
        uint32_t n = rd_u32(&v);
        rc = wanted(c, key, rd_take(&v, n));
    }
    rows_done(&rows);
    if (rc == WAX_E_WAIT)
        rc = WAX_OK;
    if (rc == WAX_OK)
        rc = vault_count(c->env.vault, VT_PARKED, BYTES(NULL, 0), &parked);
    if (rc != WAX_OK || !parked)
        return rc;
    rc = vault_begin(c->env.vault);
    return rc == WAX_OK ? vault_finish(c->env.vault, release(c, NULL)) : rc;
}
