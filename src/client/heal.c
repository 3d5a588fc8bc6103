/* Traffic that goes one way only is healed by a control message (PROTOCOL 4.7): an answer without
 * content, so that both sides get new keys. */
#include "client/repair.h"

#define TRIGGER_MESSAGES 25U
#define BETWEEN_MS DAY_MS

/* REPAIR_HEAL, dev 16 → received since we sent 4 ‖ due 8 (0: not) ‖ last control 8. */
struct heal {
    uint32_t received;
    uint64_t due, last;
};
#define ROW 20

static struct bytes heal_key(const struct dev_id *dev, uint8_t out[VAULT_KEY_MAX])
{
    return repair_key(REPAIR_HEAL, BYTES_OF(dev->b), BYTES(NULL, 0), out);
}

static void read_row(struct bytes v, struct heal *h)
{
    if (v.n == ROW)
        *h = (struct heal){get_u32(v.p), get_u64(v.p + 4), get_u64(v.p + 12)};
}

static wax_rc heal_load(struct client *c, const struct dev_id *dev, struct heal *ret)
{
    struct buf b = {0};
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = vault_get(c->env.vault, VT_REPAIR, heal_key(dev, key), &b);

    *ret = (struct heal){0};
    if (rc == WAX_OK)
        read_row(buf_view(&b), ret);
    buf_done(&b);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

static wax_rc heal_store(struct client *c, const struct dev_id *dev, const struct heal *h)
{
    uint8_t key[VAULT_KEY_MAX], b[ROW];

    put_u32(b, h->received);
    put_u64(b + 4, h->due);
    put_u64(b + 12, h->last);
    return vault_put(c->env.vault, VT_REPAIR, heal_key(dev, key), BYTES_OF(b));
}

/* A random 1-60 minutes after `at`, and not within a day of the last one. */
static wax_rc set_due(struct client *c, struct heal *h, uint64_t at)
{
    uint64_t more;
    wax_rc rc = rng_below(c->env.rng, 59 * 60000 + 1, &more);

    if (rc != WAX_OK)
        return rc;
    at += 60000 + more;
    if (h->last && h->last <= now_own(c) && at < h->last + BETWEEN_MS)
        at = h->last + BETWEEN_MS;
    if (!h->due || at < h->due)
        h->due = at;
    return repair_at(c, h->due);
}

wax_rc heal_received(struct client *c, const struct opened *o, const struct pin *pin)
{
    struct heal h;
    bool control = o->content && o->content->min_version <= 1 &&
                   (int)o->content->kind == WAX__V1__KIND__CONTROL;

    /* A control message never triggers one. */
    if (control || (!pin->accepted && !ID_EQ(&o->sender.acct, &c->acct)))
        return WAX_OK;
    wax_rc rc = heal_load(c, &o->sender.dev, &h);
    if (rc != WAX_OK)
        return rc;
    if (h.received < UINT32_MAX)
        h.received++;
    if (o->start != START_NONE || h.received == TRIGGER_MESSAGES)
        rc = set_due(c, &h, now_own(c));
    else if (h.received == 1 || !h.due)
        rc = set_due(c, &h, now_own(c) + DAY_MS);
    return rc == WAX_OK ? heal_store(c, &o->sender.dev, &h) : rc;
}

wax_rc heal_sent(struct client *c, const struct dev_id *dev)
{
    struct heal h;
    wax_rc rc = heal_load(c, dev, &h);

    if (rc != WAX_OK || (!h.received && !h.due))
        return rc;
    h.received = 0;
    h.due = 0;
    return heal_store(c, dev, &h);
}

wax_rc heal_forget(struct client *c, const struct dev_id *dev)
{
    uint8_t key[VAULT_KEY_MAX];

    return vault_del(c->env.vault, VT_REPAIR, heal_key(dev, key));
}

struct due {
    uint64_t now, next;
    struct buf devs;
};

static bool due_row(void *ctx, struct bytes key, struct bytes value)
{
    struct due *d = ctx;
    struct heal h = {0};

    read_row(value, &h);
    if (key.n != 17 || !h.due)
        return true;
    if (h.due <= d->now || h.due - d->now > 3 * DAY_MS) /* that is of a clock set back since */
        buf_add(&d->devs, key.p + 1, 16);
    else if (h.due < d->next)
        d->next = h.due;
    return true;
}

static wax_rc control_one(struct client *c, const struct dev_id *dev)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    struct heal h;
    struct party peer;
    wax_rc rc = heal_load(c, dev, &h);

    if (rc != WAX_OK)
        return rc;
    h = (struct heal){.last = now_own(c)};
    rc = heal_store(c, dev, &h);
    if (rc == WAX_OK)
        rc = client_find_device(c, dev, &peer);
    m.kind = WAX__V1__KIND__CONTROL;
    if (rc == WAX_OK)
        rc = device_box(c, &peer.acct, dev, &m);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc; /* not listed any more */
}

wax_rc heal_tick(struct client *c)
{
    struct due d = {.now = now_own(c), .next = UINT64_MAX};
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = vault_scan(c->env.vault, VT_REPAIR,
                           repair_key(REPAIR_HEAL, BYTES(NULL, 0), BYTES(NULL, 0), key),
                           BYTES(NULL, 0), false, due_row, &d);

    if (rc == WAX_OK)
        rc = buf_rc(&d.devs);
    for (size_t i = 0; rc == WAX_OK && i < d.devs.n; i += 16) {
        struct dev_id dev;
        memcpy(dev.b, d.devs.p + i, 16);
        rc = control_one(c, &dev);
    }
    buf_done(&d.devs);
    return rc == WAX_OK && d.next != UINT64_MAX ? repair_at(c, d.next) : rc;
}
