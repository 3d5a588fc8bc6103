/* Composing: content, r32 and com are fixed and durable before anything is sealed (4.1). */
#include "client/internal.h"

void conversation_of(const struct acct_id *a, const struct acct_id *b, uint8_t out[64])
{
    bool swap = memcmp(a->b, b->b, 32) > 0;

    memcpy(out, (swap ? b : a)->b, 32);
    memcpy(out + 32, (swap ? a : b)->b, 32);
}

static wax_rc text_content(struct client *c, const struct acct_id *peer, struct bytes text,
                           uint64_t at, struct buf *out)
{
    uint8_t conv[64];
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;

    conversation_of(&c->acct, peer, conv);
    m.kind = WAX__V1__KIND__TEXT;
    m.conversation = (ProtobufCBinaryData){sizeof conv, conv};
    m.sent_at = at;
    m.min_version = 1;
    m.text = (ProtobufCBinaryData){text.n, (uint8_t *)(uintptr_t)text.p};
    return proto_pack(&m.base, out);
}

static wax_rc compose_in_tx(struct client *c, const struct pin *pin, struct bytes text,
                            struct hash32 *ret)
{
    struct outbox o = {.kind = OUTBOX_TEXT, .peer = pin->head.manifest.acct};
    struct item it = {.type = ITEM_MESSAGE,
                      .state = ITEM_QUEUED,
                      .own = true,
                      .sender = c->acct,
                      .device = c->keys.dev};
    struct vault *v = c->env.vault;
    uint64_t order;

    it.sent_at = it.received_at = now_own(c);
    item_short(it.conversation, sizeof it.conversation, pin->head.manifest.handle);
    item_short(it.from, sizeof it.from, c->handle);
    item_short(it.to, sizeof it.to, pin->head.manifest.handle);
    buf_bytes(&it.text, text);
    wax_rc rc = buf_rc(&it.text);
    if (rc == WAX_OK)
        rc = text_content(c, &o.peer, text, it.sent_at, &o.content);
    if (rc == WAX_OK && o.content.n > CONTENT_MAX)
        rc = WAX_E_TOOBIG;
    if (rc == WAX_OK)
        rc = meta_next(v, "seq.history", &o.history);
    if (rc == WAX_OK)
        rc = outbox_add(c, &o, &order);
    it.com = o.com;
    if (rc == WAX_OK)
        rc = history_store(v, o.history, &it);
    if (rc == WAX_OK)
        rc = message_file(c, &o.com, &c->acct, o.history);
    if (rc == WAX_OK)
        *ret = o.com;
    item_done(&it);
    outbox_done(&o);
    return rc;
}

wax_rc client_compose_text(struct client *c, const char *to, struct bytes text, struct hash32 *ret)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    struct vault *v = c->env.vault;
    wax_rc rc = pin ? vault_begin(v) : WAX_E_NOMEM;

    if (rc == WAX_OK) {
        rc = pin_load_handle(c, to, pin);
        if (rc == WAX_OK && pin->identity_changed)
            rc = WAX_E_DENIED;
        if (rc == WAX_OK && !pin->accepted) { /* writing to somebody accepts him (4.2) */
            pin->accepted = true;
            rc = pin_store(c, pin);
        }
        if (rc == WAX_OK)
            rc = compose_in_tx(c, pin, text, ret);
        rc = vault_finish(v, rc);
    }
    mem_free(pin);
    return rc;
}

/* --- Syncs to own devices (5.4) --- */

#define SYNC_PINS_MAX 64

static void sync_pin(const struct pin *p, Wax__V1__Pin *m)
{
    wax__v1__pin__init(m);
    m->acct_id = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)p->head.manifest.acct.b};
    m->handle = (ProtobufCBinaryData){strlen(p->head.manifest.handle),
                                      (uint8_t *)(uintptr_t)p->head.manifest.handle};
    m->seq = p->head.manifest.seq;
    m->hash = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)p->head.hash.b};
    m->verified = p->verified;
    if (p->verified)
        m->verified_by_dev = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)p->verified_by.b};
    m->accepted = p->accepted;
}

/* Builds the content; the pins' chains are not sent along: the sibling asks the directory for
 * the handle itself and holds the answer against the pin told here. */
static wax_rc sync_content(struct client *c, const struct pin *const *pins, size_t n,
                           struct buf *out)
{
    Wax__V1__Pin m[SYNC_PINS_MAX], *list[SYNC_PINS_MAX];
    Wax__V1__Sync sync = WAX__V1__SYNC__INIT;
    Wax__V1__Content content = WAX__V1__CONTENT__INIT;
    uint8_t conv[64];

    for (size_t i = 0; i < n; i++) {
        sync_pin(pins[i], &m[i]);
        list[i] = &m[i];
    }
    sync.n_pins = n;
    sync.pins = list;
    conversation_of(&c->acct, &c->acct, conv);
    content.kind = WAX__V1__KIND__SYNC;
    content.conversation = (ProtobufCBinaryData){sizeof conv, conv};
    content.sent_at = now_own(c);
    content.min_version = 1;
    content.sync = &sync;
    return proto_pack(&content.base, out);
}

wax_rc sync_queue(struct client *c, const struct pin *const *pins, size_t n)
{
    struct pin *own = mem_alloc(sizeof *own);
    wax_rc rc = own ? pin_load(c, &c->acct, own) : WAX_E_NOMEM;
    bool alone = rc != WAX_OK || own->head.manifest.n_devices < 2;

    mem_free(own);
    if (rc == WAX_E_NOTFOUND)
        return WAX_OK;
    if (rc != WAX_OK || alone)
        return rc;
    for (size_t at = 0; rc == WAX_OK && at < n; at += SYNC_PINS_MAX) {
        struct outbox o = {.kind = OUTBOX_SYNC, .peer = c->acct};
        uint64_t order;
        size_t some = n - at < SYNC_PINS_MAX ? n - at : SYNC_PINS_MAX;
        rc = sync_content(c, pins + at, some, &o.content);
        if (rc == WAX_OK)
            rc = outbox_add(c, &o, &order);
        outbox_done(&o);
    }
    return rc;
}
