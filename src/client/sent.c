/* Own messages that went out: kept as long as a repeat may be asked for (PROTOCOL 4.8). Content and
 * r32 lie in a row of their own, which is written once. */
#include "client/repair.h"

#include "wire/envelope.h"

#define SENT_VERSION 1
#define SENT_SLACK_MS DAY_MS /* a notice may come that much later than the rule ends */

static struct bytes content_key(const struct hash32 *com, uint8_t out[33])
{
    memcpy(out, com->b, 32);
    out[32] = 1;
    return BYTES(out, 33);
}

wax_rc sent_store(struct client *c, const struct hash32 *com, const struct sent *s)
{
    struct buf b = {0};

    buf_u8(&b, SENT_VERSION);
    buf_u64(&b, s->last);
    buf_u8(&b, s->kind);
    buf_bytes(&b, BYTES_OF(s->peer.b));
    buf_u64(&b, s->sealed);
    buf_u64(&b, s->accepted);
    buf_u64(&b, s->history);
    buf_u32(&b, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct sent_dev *d = &s->devs[i];
        buf_bytes(&b, BYTES_OF(d->dev.b));
        buf_bytes(&b, BYTES_OF(d->sid.b));
        buf_bytes(&b, BYTES_OF(d->fanout.b));
        buf_u8(&b, d->repeats);
        buf_u8(&b, d->flags);
    }
    wax_rc rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_SENT, BYTES_OF(com->b), buf_view(&b));
    buf_done(&b);
    return rc;
}

static wax_rc read_row(struct bytes in, struct sent *s)
{
    struct rd r = rd_init(in);

    rd_refuse_if(&r, rd_u8(&r) != SENT_VERSION);
    s->last = rd_u64(&r);
    s->kind = rd_u8(&r);
    rd_copy(&r, s->peer.b, sizeof s->peer.b);
    s->sealed = rd_u64(&r);
    s->accepted = rd_u64(&r);
    s->history = rd_u64(&r);
    s->n = rd_u32(&r);
    if (s->n > SENT_DEVICES_MAX)
        return WAX_E_DAMAGED;
    for (size_t i = 0; i < s->n; i++) {
        struct sent_dev *d = &s->devs[i];
        rd_copy(&r, d->dev.b, sizeof d->dev.b);
        rd_copy(&r, d->sid.b, sizeof d->sid.b);
        rd_copy(&r, d->fanout.b, sizeof d->fanout.b);
        d->repeats = rd_u8(&r);
        d->flags = rd_u8(&r);
    }
    return rd_end(&r) == WAX_OK ? WAX_OK : WAX_E_DAMAGED;
}

wax_rc sent_load(struct client *c, const struct hash32 *com, struct sent *ret)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_SENT, BYTES_OF(com->b), &b);

    if (rc == WAX_OK)
        rc = read_row(buf_view(&b), ret);
    buf_done(&b);
    return rc;
}

wax_rc sent_content(struct client *c, const struct hash32 *com, struct hash32 *ret_r32,
                    struct buf *content)
{
    struct buf b = {0};
    uint8_t key[33];
    wax_rc rc = vault_get(c->env.vault, VT_SENT, content_key(com, key), &b);

    if (rc == WAX_OK && b.n < 32)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        memcpy(ret_r32->b, b.p, 32);
        buf_add(content, b.p + 32, b.n - 32);
        rc = buf_rc(content);
    }
    buf_done(&b);
    return rc;
}

struct sent_dev *sent_find(struct sent *s, const struct dev_id *dev)
{
    for (size_t i = 0; i < s->n; i++)
        if (ID_EQ(&s->devs[i].dev, dev))
            return &s->devs[i];
    return NULL;
}

struct sent_dev *sent_add(struct sent *s, const struct dev_id *dev)
{
    struct sent_dev *d = sent_find(s, dev);

    if (d || s->n == SENT_DEVICES_MAX)
        return d;
    d = &s->devs[s->n++];
    *d = (struct sent_dev){.dev = *dev};
    return d;
}

/* The row of a message that goes out for the first time. */
static wax_rc begin(struct client *c, const struct outbox *o, struct sent *ret)
{
    struct buf b = {0};
    uint8_t key[33];

    *ret = (struct sent){.kind = o->kind,
                         .peer = o->peer,
                         .sealed = now_early(c),
                         .last = now_late(c),
                         .history = o->history};
    buf_bytes(&b, BYTES_OF(o->r32.b));
    buf_bytes(&b, buf_view(&o->content));
    wax_rc rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_SENT, content_key(&o->com, key), buf_view(&b));
    buf_done(&b);
    return rc;
}

static wax_rc load_or_begin(struct client *c, const struct outbox *o, struct sent *s)
{
    wax_rc rc = sent_load(c, &o->com, s);

    return rc == WAX_E_NOTFOUND ? begin(c, o, s) : rc;
}

wax_rc sent_sealed(struct client *c, const struct outbox *o, const struct dev_id *dev,
                   const struct sid *sid)
{
    struct sent *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? load_or_begin(c, o, s) : WAX_E_NOMEM;
    struct sent_dev *d = rc == WAX_OK ? sent_add(s, dev) : NULL;

    if (d) {
        d->sid = *sid;
        d->fanout = o->fanout;
        d->flags &= (uint8_t)~SENT_ENDED;
        s->sealed = now_early(c);
    }
    if (rc == WAX_OK)
        rc = sent_store(c, &o->com, s);
    mem_free(s);
    return rc;
}

wax_rc sent_finished(struct client *c, const struct outbox *o, const struct dev_id *listed,
                     size_t n, uint64_t accepted)
{
    struct sent *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? load_or_begin(c, o, s) : WAX_E_NOMEM;

    for (size_t i = 0; rc == WAX_OK && i < n; i++)
        (void)sent_add(s, &listed[i]);
    if (rc == WAX_OK && outbox_one_device(o)) {
        struct sent_dev *d = sent_find(s, &o->to);
        if (d)
            d->flags &= (uint8_t)~SENT_PENDING;
    }
    if (rc == WAX_OK && o->done.n) { /* some device's envelope is at the server now */
        s->last = now_late(c);
        s->accepted = accepted ? accepted : s->accepted;
    }
    if (rc == WAX_OK)
        rc = sent_store(c, &o->com, s);
    mem_free(s);
    return rc;
}

/* Version ‖ last ‖ kind ‖ peer ‖ sealed ‖ accepted … */
#define AT_LAST 1
#define AT_SEALED 42
#define AT_ACCEPTED 50

uint64_t sent_accepted(struct bytes row)
{
    return row.n >= AT_ACCEPTED + 8 ? get_u64(row.p + AT_ACCEPTED) : 0;
}

uint64_t sent_first(struct bytes row)
{
    uint64_t accepted = sent_accepted(row), sealed = accepted ? get_u64(row.p + AT_SEALED) : 0;

    return sealed < accepted ? sealed : accepted;
}

#define SENT_KEEP_MOST_MS (60 * DAY_MS)

struct old {
    uint64_t limit, most, drained, now;
    struct buf coms;
    struct buf future; /* dated by a clock that was set back since */
};

static bool old_row(void *ctx, struct bytes key, struct bytes value)
{
    struct old *o = ctx;

    if (key.n != 32 || value.n < AT_ACCEPTED + 8)
        return true;
    uint64_t last = get_u64(value.p + AT_LAST), accepted = sent_accepted(value);
    /* A notice about it may still wait at the server. */
    bool known = accepted && o->drained >= accepted + LIFE_MS;
    if (last > o->now && last - o->now > DAY_MS)
        buf_bytes(&o->future, key);
    else if (last < o->most || (last < o->limit && known))
        buf_bytes(&o->coms, key);
    return true;
}

static wax_rc date_row(struct client *c, struct bytes key)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_SENT, key, &b);

    if (rc == WAX_OK && b.n >= AT_LAST + 8) {
        put_u64(b.p + AT_LAST, now_own(c));
        rc = vault_put(c->env.vault, VT_SENT, key, buf_view(&b));
    }
    buf_done(&b);
    return rc;
}

wax_rc sent_sweep(struct client *c)
{
    uint64_t now = now_early(c), keep = REPEAT_KEEP_MS + SENT_SLACK_MS;
    struct old o = {.limit = now > keep ? now - keep : 0,
                    .most = now > SENT_KEEP_MOST_MS ? now - SENT_KEEP_MOST_MS : 0,
                    .now = now};
    struct vault *v = c->env.vault;
    wax_rc rc = meta_get_u64(v, "drained.server", &o.drained);

    if (rc == WAX_OK)
        rc = vault_scan(v, VT_SENT, BYTES(NULL, 0), BYTES(NULL, 0), false, old_row, &o);
    if (rc == WAX_OK)
        rc = buf_rc(&o.coms) != WAX_OK ? o.coms.rc : buf_rc(&o.future);
    for (size_t i = 0; rc == WAX_OK && i < o.coms.n; i += 32)
        rc = vault_del_prefix(v, VT_SENT, BYTES(o.coms.p + i, 32));
    for (size_t i = 0; rc == WAX_OK && i < o.future.n; i += 32)
        rc = date_row(c, BYTES(o.future.p + i, 32));
    buf_done(&o.coms);
    buf_done(&o.future);
    return rc;
}
