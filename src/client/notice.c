/* What the server says became of messages: claims, taken once each and within bounds (PROTOCOL 4.8,
 * RECORDS 14). */
#include "client/repair.h"

static wax_rc mark_lost(struct client *c, uint64_t history, struct item *e)
{
    struct item it = {0};
    wax_rc rc = history_load(c->env.vault, history, &it);

    if (rc != WAX_OK)
        return rc;
    item_short(e->to, sizeof e->to, it.to);
    item_short(e->conversation, sizeof e->conversation, it.conversation);
    if (e->state == ITEM_EXPIRED_OUT) {
        it.state = ITEM_EXPIRED_OUT;
        rc = history_store(c->env.vault, history, &it);
    }
    item_done(&it);
    return rc;
}

wax_rc expiry_tell(struct client *c, const struct hash32 *com, const struct sent *s,
                   const struct dev_id *dev, uint32_t devices, bool again, const char *detail)
{
    struct item e = {.type = ITEM_EXPIRED,
                     .state = again ? ITEM_QUEUED : ITEM_EXPIRED_OUT,
                     .own = true,
                     .received_at = now_own(c),
                     .com = *com,
                     .count = devices};

    if (!s->history) /* not a message that people wrote */
        return WAX_OK;
    if (dev)
        e.device = *dev;
    item_short(e.detail, sizeof e.detail, detail);
    wax_rc rc = mark_lost(c, s->history, &e);
    return rc == WAX_OK ? event_put_item(c->env.vault, &e) : rc;
}

wax_rc expiry_ended(struct client *c, const struct outbox *o)
{
    struct sent *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? sent_load(c, &o->com, s) : WAX_E_NOMEM;
    struct sent_dev *d = rc == WAX_OK ? sent_find(s, &o->to) : NULL;

    if (d) {
        d->flags &= (uint8_t)~SENT_PENDING;
        rc = sent_store(c, &o->com, s);
        if (rc == WAX_OK && (d->flags & SENT_ENDED))
            rc = expiry_tell(c, &o->com, s, &o->to, 1, false,
                             "the device cannot be written to any more; it is not sent again");
    }
    mem_free(s);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

/* --- Notices at the sender --- */

static const char *why_told(const struct frame *f, bool again)
{
    switch (f->reason) {
    case NOTICE_REVOKED:
        return "the device was removed before it fetched the message";
    case NOTICE_FULL:
        return again ? "the device's mailbox was full; it is sent again"
                     : "the device's mailbox was full; it is not sent again";
    default:
        return again ? "the device did not fetch the message in time; it is sent again"
                     : "the device did not fetch the message in time; it is not sent again";
    }
}

/* Only the newest envelope of a message to a device counts, and once. */
static wax_rc take_notice(struct client *c, const struct frame *f, const struct hash32 *com,
                          struct sent *s)
{
    wax_rc rc = sent_load(c, com, s);
    struct sent_dev *d = rc == WAX_OK ? sent_find(s, &f->to) : NULL;

    if (rc != WAX_OK || !d || !ID_EQ(&d->fanout, &f->fanout) || (d->flags & SENT_ENDED)) {
        c->useless += USELESS_WRITE;
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    }
    bool again = (d->flags & SENT_PENDING) != 0;
    d->flags |= SENT_ENDED;
    if (!again && f->reason != NOTICE_REVOKED && s->kind <= OUTBOX_SYNC)
        rc = repeat_queue(c, com, s, &f->to, NULL, NULL, &again);
    if (rc == WAX_OK)
        rc = sent_store(c, com, s);
    return rc == WAX_OK ? expiry_tell(c, com, s, &f->to, 1, again, why_told(f, again)) : rc;
}

static wax_rc take_notice_in_tx(struct client *c, const struct frame *f)
{
    struct sent *s = mem_alloc(sizeof *s);
    struct buf b = {0};
    struct hash32 com;
    uint8_t key[32];
    wax_rc rc =
        s ? vault_get(c->env.vault, VT_FANOUT, fanout_key(&c->keys.dev, &f->fanout, key), &b)
          : WAX_E_NOMEM;

    if (rc == WAX_OK && b.n < 32)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        memcpy(com.b, b.p, 32);
        rc = take_notice(c, f, &com, s);
    }
    mem_free(s);
    buf_done(&b);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

/* --- The count at the recipient --- */

#define COUNTS_HOUR 24U /* told in an hour; what is over is added to the next one */

static wax_rc take_count_in_tx(struct client *c, uint32_t count)
{
    struct item e = {.type = ITEM_EXPIRED, .received_at = now_own(c)};
    uint64_t more, drained;
    bool may;
    wax_rc rc = meta_get_u64(c->env.vault, "expired.more", &more);

    if (rc == WAX_OK)
        rc = budget_take(c, BUDGET_COUNT, NULL, 1, COUNTS_HOUR, &may);
    if (rc != WAX_OK)
        return rc;
    more = more + count < UINT32_MAX ? more + count : UINT32_MAX;
    if (!may)
        c->useless += USELESS_WRITE;
    rc = meta_put_u64(c->env.vault, "expired.more", may ? 0 : more);
    if (rc == WAX_OK && may)
        rc = meta_get_u64(c->env.vault, "drained.server", &drained);
    if (rc == WAX_OK && may)
        rc = catchup_begin(c, drained);
    if (rc != WAX_OK || !may)
        return rc;
    e.count = (uint32_t)more;
    item_short(e.detail, sizeof e.detail,
               "messages waited longer than the server keeps them; they are asked for again");
    return event_put_item(c->env.vault, &e);
}

/* A notice about nothing of ours: not worth a transaction. */
static wax_rc about_something(struct client *c, const struct frame *f)
{
    struct buf b = {0};
    uint8_t key[32];
    wax_rc rc = vault_get(c->env.vault, VT_FANOUT, fanout_key(&c->keys.dev, &f->fanout, key), &b);

    buf_done(&b);
    return rc;
}

wax_rc server_word(struct client *c, const struct frame *f)
{
    struct vault *v = c->env.vault;
    uint64_t last;
    wax_rc rc = f->type == FRAME_NOTICE ? about_something(c, f) : WAX_OK;

    if (rc == WAX_E_NOTFOUND) {
        c->useless++;
        return WAX_OK;
    }
    if (rc == WAX_OK)
        rc = vault_begin(v);
    if (rc != WAX_OK)
        return rc;
    /* Notices have no id of their own: a frame seq taken once is not taken again. Mailbox seqs
     * rise, and notices come in that order. */
    rc = meta_get_u64(v, "notice.last", &last);
    if (rc == WAX_OK && f->seq <= last)
        c->useless++;
    if (rc == WAX_OK && f->seq > last) {
        rc = f->type == FRAME_NOTICE ? take_notice_in_tx(c, f) : take_count_in_tx(c, f->count);
        if (rc == WAX_OK)
            rc = meta_put_u64(v, "notice.last", f->seq);
    }
    return vault_finish(v, rc);
}

/* --- Notices that came and went while this device was away --- */

struct gap {
    uint64_t before, now; /* the server's clock: mailbox drained last, and now */
    struct buf coms;
};

static bool gap_row(void *ctx, struct bytes key, struct bytes value)
{
    struct gap *g = ctx;
    uint64_t accepted = sent_accepted(value);

    /* From a week to a fortnight after that a notice may have waited; the bounds are such that it
     * was surely seen. One that was seen just now has left its mark. */
    if (key.n == 32 && accepted && g->before < accepted + LIFE_MS &&
        g->now >= sent_first(value) + 2 * STALE_MS)
        buf_bytes(&g->coms, key);
    return true;
}

static wax_rc unknown_fate(struct client *c, const struct hash32 *com, struct sent *s)
{
    uint32_t n = 0;
    bool again = false, any = false;
    wax_rc rc = sent_load(c, com, s);

    if (rc != WAX_OK || s->kind > OUTBOX_SYNC)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    for (size_t i = 0; rc == WAX_OK && i < s->n; i++) {
        struct sent_dev *d = &s->devs[i];
        static const struct fanout_id none;
        if (ID_EQ(&d->fanout, &none) || (d->flags & (SENT_ENDED | SENT_PENDING)))
            continue;
        struct dev_id dev = d->dev;
        d->flags |= SENT_ENDED;
        n++;
        rc = repeat_queue(c, com, s, &dev, NULL, NULL, &again);
        any = any || again;
    }
    if (rc == WAX_OK && n)
        rc = sent_store(c, com, s);
    if (rc != WAX_OK || !n)
        return rc;
    return expiry_tell(c, com, s, NULL, n, any,
                       any ? "this device was away for so long that it cannot know whether the "
                             "message was fetched; it is sent again"
                           : "this device was away for so long that it cannot know whether the "
                             "message was fetched");
}

wax_rc notices_missed(struct client *c, uint64_t before, uint64_t now)
{
    struct gap g = {.before = before, .now = now};
    struct sent *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? WAX_OK : WAX_E_NOMEM;

    /* The server keeps a notice for as long as it kept the message: who looks in once in that time
     * misses none. */
    if (rc == WAX_OK && before && now >= before + LIFE_MS / 2)
        rc = vault_scan(c->env.vault, VT_SENT, BYTES(NULL, 0), BYTES(NULL, 0), false, gap_row, &g);
    if (rc == WAX_OK)
        rc = buf_rc(&g.coms);
    for (size_t i = 0; rc == WAX_OK && i < g.coms.n; i += 32) {
        struct hash32 com;
        memcpy(com.b, g.coms.p + i, 32);
        rc = unknown_fate(c, &com, s);
    }
    mem_free(s);
    buf_done(&g.coms);
    return rc;
}
