/* The outbox's rows: a message keeps its content, r32, com and fanout id through every retry
 * (PROTOCOL 4.1). */
#include "client/internal.h"

#include "session/open.h"
#include "wire/envelope.h"

#define OUTBOX_VERSION 2
#define OUTBOX_DEVICES_MAX 4096

void outbox_done(struct outbox *o)
{
    buf_done(&o->done);
    buf_done(&o->content);
}

wax_rc outbox_encode(const struct outbox *o, struct buf *out)
{
    buf_u8(out, OUTBOX_VERSION);
    buf_u8(out, o->kind);
    buf_u8(out, (uint8_t)(o->has_fanout | o->has_sid << 1));
    buf_u8(out, o->why);
    buf_bytes(out, BYTES_OF(o->to.b));
    buf_bytes(out, BYTES_OF(o->sid.b));
    buf_bytes(out, BYTES_OF(o->peer.b));
    buf_bytes(out, BYTES_OF(o->r32.b));
    buf_bytes(out, BYTES_OF(o->com.b));
    buf_bytes(out, BYTES_OF(o->fanout.b));
    buf_u64(out, o->created);
    buf_u64(out, o->history);
    buf_u32(out, (uint32_t)o->done.n);
    buf_bytes(out, buf_view(&o->done));
    buf_u32(out, (uint32_t)o->content.n);
    buf_bytes(out, buf_view(&o->content));
    return buf_rc(out);
}

wax_rc outbox_decode(struct bytes in, struct outbox *ret)
{
    struct outbox o = {0};
    struct rd r = rd_init(in);

    rd_refuse_if(&r, rd_u8(&r) != OUTBOX_VERSION);
    o.kind = rd_u8(&r);
    uint8_t has = rd_u8(&r);
    o.has_fanout = has & 1;
    o.has_sid = has >> 1 & 1;
    o.why = rd_u8(&r);
    rd_refuse_if(&r, o.kind < OUTBOX_TEXT || o.kind > OUTBOX_REPEAT || has > 3);
    rd_copy(&r, o.to.b, sizeof o.to.b);
    rd_copy(&r, o.sid.b, sizeof o.sid.b);
    rd_copy(&r, o.peer.b, sizeof o.peer.b);
    rd_copy(&r, o.r32.b, sizeof o.r32.b);
    rd_copy(&r, o.com.b, sizeof o.com.b);
    rd_copy(&r, o.fanout.b, sizeof o.fanout.b);
    o.created = rd_u64(&r);
    o.history = rd_u64(&r);
    uint32_t n_done = rd_u32(&r);
    rd_refuse_if(&r, n_done % 16 || n_done > 16 * OUTBOX_DEVICES_MAX);
    struct bytes done = rd_take(&r, n_done);
    uint32_t n = rd_u32(&r);
    rd_refuse_if(&r, n > CONTENT_MAX);
    struct bytes content = rd_take(&r, n);
    if (rd_end(&r) != WAX_OK)
        return WAX_E_DAMAGED;
    buf_bytes(&o.done, done);
    buf_bytes(&o.content, content);
    wax_rc rc = buf_rc(&o.done) != WAX_OK ? o.done.rc : buf_rc(&o.content);
    if (rc == WAX_OK)
        *ret = o;
    else
        outbox_done(&o);
    return rc;
}

wax_rc outbox_load(struct client *c, uint64_t order, struct outbox *ret)
{
    struct buf b = {0};
    uint8_t key[8];
    wax_rc rc = vault_get(c->env.vault, VT_OUTBOX, order_key(order, key), &b);

    if (rc == WAX_OK)
        rc = outbox_decode(buf_view(&b), ret);
    buf_done(&b);
    return rc;
}

wax_rc outbox_store(struct client *c, uint64_t order, const struct outbox *o)
{
    struct buf b = {0};
    uint8_t key[8];
    wax_rc rc = outbox_encode(o, &b);

    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_OUTBOX, order_key(order, key), buf_view(&b));
    buf_done(&b);
    return rc;
}

wax_rc outbox_put(struct client *c, struct outbox *o, uint64_t *ret_order)
{
    wax_rc rc = meta_next(c->env.vault, "seq.outbox", ret_order);

    o->created = now_own(c);
    return rc == WAX_OK ? outbox_store(c, *ret_order, o) : rc;
}

wax_rc outbox_add(struct client *c, struct outbox *o, uint64_t *ret_order)
{
    wax_rc rc = rng_fill(c->env.rng, o->r32.b, sizeof o->r32.b);

    if (rc == WAX_OK)
        rc = session_com(&o->r32, buf_view(&o->content), &o->com);
    return rc == WAX_OK ? outbox_put(c, o, ret_order) : rc;
}

bool outbox_has(const struct outbox *o, const struct dev_id *dev)
{
    for (size_t i = 0; i < o->done.n; i += 16)
        if (memcmp(o->done.p + i, dev->b, 16) == 0)
            return true;
    return false;
}

static bool order_row(void *ctx, struct bytes key, struct bytes value)
{
    (void)value;
    if (key.n == 8)
        buf_bytes(ctx, key);
    return true;
}

wax_rc outbox_orders(struct client *c, struct buf *ret)
{
    wax_rc rc =
        vault_scan(c->env.vault, VT_OUTBOX, BYTES(NULL, 0), BYTES(NULL, 0), false, order_row, ret);

    return rc != WAX_OK ? rc : buf_rc(ret);
}

struct bytes sealed_key(uint64_t order, const struct dev_id *dev, uint8_t out[24])
{
    put_u64(out, order);
    memcpy(out + 8, dev->b, 16);
    return BYTES(out, 24);
}

/* --- What people see of it --- */

struct outbox_each {
    struct client *c;
    client_item_fn fn;
    void *ctx;
    unsigned count;
    const struct msg_id *find;
    uint64_t found;
    wax_rc rc;
};

static bool each_row(void *ctx, struct bytes key, struct bytes value)
{
    struct outbox_each *e = ctx;
    struct outbox o = {0};
    bool go_on = true;

    e->rc = key.n == 8 ? outbox_decode(value, &o) : WAX_E_DAMAGED;
    if (e->rc != WAX_OK)
        return false;
    if (o.kind == OUTBOX_TEXT) {
        e->count++;
        if (e->find && memcmp(o.com.b, e->find->b, 16) == 0)
            e->found = get_u64(key.p);
        struct item it = {0};
        if (e->fn && (e->rc = history_load(e->c->env.vault, o.history, &it)) == WAX_OK) {
            item_short(it.detail, sizeof it.detail,
                       o.why ? rc_text((wax_rc)-o.why) : "waits for the server");
            go_on = e->fn(e->ctx, get_u64(key.p), &it);
            item_done(&it);
        }
    }
    outbox_done(&o);
    return go_on && e->rc == WAX_OK && !e->found;
}

static wax_rc each(struct client *c, struct outbox_each *e)
{
    wax_rc rc =
        vault_scan(c->env.vault, VT_OUTBOX, BYTES(NULL, 0), BYTES(NULL, 0), false, each_row, e);

    return rc != WAX_OK ? rc : e->rc;
}

wax_rc client_outbox_each(struct client *c, client_item_fn fn, void *ctx)
{
    struct outbox_each e = {.c = c, .fn = fn, .ctx = ctx};

    return each(c, &e);
}

wax_rc client_outbox_count(struct client *c, unsigned *ret)
{
    struct outbox_each e = {.c = c};
    wax_rc rc = each(c, &e);

    if (rc == WAX_OK)
        *ret = e.count;
    return rc;
}

static bool first_row(void *ctx, struct bytes key, struct bytes value)
{
    (void)key;
    (void)value;
    *(bool *)ctx = true;
    return false;
}

wax_rc client_outbox_waits(struct client *c, bool *ret)
{
    bool any = false;
    wax_rc rc =
        vault_scan(c->env.vault, VT_OUTBOX, BYTES(NULL, 0), BYTES(NULL, 0), false, first_row, &any);

    if (rc == WAX_OK)
        *ret = any;
    return rc;
}

static wax_rc cancel_in_tx(struct client *c, uint64_t order)
{
    struct outbox o = {0};
    struct item it = {0};
    uint8_t key[8];
    wax_rc rc = outbox_load(c, order, &o);

    if (rc == WAX_OK && o.has_fanout)
        rc = WAX_E_DENIED; /* sealed: a copy may be at the server */
    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_OUTBOX, order_key(order, key));
    if (rc == WAX_OK && o.history)
        rc = history_load(c->env.vault, o.history, &it);
    if (rc == WAX_OK && o.history) {
        it.state = ITEM_CANCELLED;
        rc = history_store(c->env.vault, o.history, &it);
    }
    item_done(&it);
    outbox_done(&o);
    return rc;
}

wax_rc client_outbox_cancel(struct client *c, const struct msg_id *id)
{
    struct outbox_each e = {.c = c, .find = id};
    wax_rc rc = each(c, &e);

    if (rc == WAX_OK && !e.found)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK)
        rc = vault_begin(c->env.vault);
    if (rc != WAX_OK)
        return rc;
    return vault_finish(c->env.vault, cancel_in_tx(c, e.found));
}

/* --- A recipient that is no more --- */

static wax_rc orphan(struct client *c, uint64_t order, const struct outbox *o)
{
    struct item it = {0}, e = {.type = ITEM_EXPIRED, .own = true, .count = 1};
    struct vault *v = c->env.vault;
    uint8_t key[8];
    wax_rc rc = vault_del(v, VT_OUTBOX, order_key(order, key));

    if (rc == WAX_OK)
        rc = vault_del_prefix(v, VT_SEALED, order_key(order, key));
    if (rc == WAX_OK && o->history)
        rc = history_load(v, o->history, &it);
    if (rc == WAX_OK && o->history) {
        it.state = ITEM_EXPIRED_OUT;
        e.com = o->com;
        e.received_at = now_own(c);
        item_short(e.to, sizeof e.to, it.to);
        item_short(e.conversation, sizeof e.conversation, it.conversation);
        item_short(e.detail, sizeof e.detail,
                   "it waited for an account that this contact has given up; send it again");
        rc = history_store(v, o->history, &it);
        if (rc == WAX_OK)
            rc = event_put_item(v, &e);
    }
    item_done(&it);
    return rc;
}

wax_rc outbox_orphan(struct client *c, const struct acct_id *gone)
{
    struct buf orders = {0};
    wax_rc rc = outbox_orders(c, &orders);

    for (size_t i = 0; rc == WAX_OK && i + 8 <= orders.n; i += 8) {
        struct outbox o = {0};
        uint64_t order = get_u64(orders.p + i);
        rc = outbox_load(c, order, &o);
        if (rc == WAX_OK && ID_EQ(&o.peer, gone))
            rc = orphan(c, order, &o);
        outbox_done(&o);
    }
    buf_done(&orders);
    return rc;
}
