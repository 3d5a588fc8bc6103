/* Messages that cannot be read here: listed with sender and time, and asked for until they come
 * (PROTOCOL 4.8). */
#include "client/repair.h"

/* A row: time 8 ‖ fanout id 16 ‖ history order 8 ‖ times asked 1 ‖ asked last 8. */
#define ROW 41
#define KEY 49 /* kind ‖ dev ‖ com */

struct unread {
    uint64_t time, order, asked_at;
    struct fanout_id fanout;
    uint8_t asks;
};

static wax_rc row_put(struct client *c, struct bytes key, const struct unread *u)
{
    uint8_t b[ROW];

    put_u64(b, u->time);
    memcpy(b + 8, u->fanout.b, 16);
    put_u64(b + 24, u->order);
    b[32] = u->asks;
    put_u64(b + 33, u->asked_at);
    return vault_put(c->env.vault, VT_REPAIR, key, BYTES_OF(b));
}

static bool row_read(struct bytes value, struct unread *u)
{
    if (value.n != ROW)
        return false;
    u->time = get_u64(value.p);
    memcpy(u->fanout.b, value.p + 8, 16);
    u->order = get_u64(value.p + 24);
    u->asks = value.p[32];
    u->asked_at = get_u64(value.p + 33);
    return true;
}

/* The line in the history: sender and time, no text yet. */
static wax_rc line_put(struct client *c, const struct env_hdr *hdr, const struct hash32 *com,
                       const struct acct_id *acct, uint64_t at, uint64_t *ret_order)
{
    struct item it = {.type = ITEM_MESSAGE,
                      .state = ITEM_UNREADABLE,
                      .sent_at = at,
                      .received_at = at,
                      .com = *com,
                      .sender = *acct,
                      .device = hdr->from};
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? pin_load(c, acct, pin) : WAX_E_NOMEM;

    it.own = ID_EQ(acct, &c->acct);
    if (rc == WAX_OK) {
        item_short(it.from, sizeof it.from, pin->head.manifest.handle);
        item_short(it.conversation, sizeof it.conversation, pin->head.manifest.handle);
        item_short(it.to, sizeof it.to, c->handle);
        rc = meta_next(c->env.vault, "seq.history", ret_order);
    }
    if (rc == WAX_OK)
        rc = history_store(c->env.vault, *ret_order, &it);
    if (rc == WAX_OK)
        rc = message_file(c, com, acct, *ret_order);
    mem_free(pin);
    return rc;
}

/* The device with the most rows, and its oldest one. */
struct holder {
    uint8_t dev[16], oldest[KEY], worst[KEY];
    uint64_t n, oldest_at, most;
};

static bool holder_row(void *ctx, struct bytes key, struct bytes value)
{
    struct holder *h = ctx;
    struct unread u;

    if (key.n != KEY || !row_read(value, &u))
        return true;
    if (memcmp(h->dev, key.p + 1, sizeof h->dev) != 0)
        h->n = 0;
    memcpy(h->dev, key.p + 1, sizeof h->dev);
    if (h->n++ == 0 || u.time < h->oldest_at) {
        h->oldest_at = u.time;
        memcpy(h->oldest, key.p, KEY);
    }
    if (h->n >= h->most) {
        h->most = h->n;
        memcpy(h->worst, h->oldest, KEY);
    }
    return true;
}

/* Nobody said it again, or nobody is asked any more: that is said, and its line stays. */
static wax_rc give_up(struct client *c, struct bytes key, const char *detail)
{
    struct dev_id dev;
    struct hash32 com;
    struct acct_id acct;
    struct pin *pin = mem_alloc(sizeof *pin);

    memcpy(dev.b, key.p + 1, sizeof dev.b);
    memcpy(com.b, key.p + 17, sizeof com.b);
    wax_rc rc = pin ? client_device_acct(c, &dev, &acct) : WAX_E_NOMEM;
    if (rc == WAX_OK)
        rc = pin_load(c, &acct, pin);
    const char *handle = rc == WAX_OK ? pin->head.manifest.handle : "";
    if (rc == WAX_OK || rc == WAX_E_NOTFOUND) {
        struct item a = alert_make(c, "undecryptable", WAX_OK, handle, &dev, detail);
        a.com = com;
        rc = event_put_item(c->env.vault, &a);
    }
    mem_free(pin);
    return rc == WAX_OK ? vault_del(c->env.vault, VT_REPAIR, key) : rc;
}

/* Whoever fills the list must not keep others out of it: the device with the most rows loses its
 * oldest, as long as the one that asks has fewer. */
static wax_rc make_room(struct client *c, uint64_t of_dev, bool *ret)
{
    struct holder h = {0};
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = vault_scan(c->env.vault, VT_REPAIR,
                           repair_key(REPAIR_UNREAD, BYTES(NULL, 0), BYTES(NULL, 0), key),
                           BYTES(NULL, 0), false, holder_row, &h);

    *ret = rc == WAX_OK && h.most > of_dev + 1;
    if (*ret)
        rc = give_up(c, BYTES(h.worst, KEY),
                     "too many messages cannot be read; this one is not asked for any more");
    return rc;
}

static wax_rc room(struct client *c, const struct dev_id *dev, bool *ret)
{
    uint8_t key[VAULT_KEY_MAX];
    uint64_t of_dev, all = 0;
    wax_rc rc =
        vault_count(c->env.vault, VT_REPAIR,
                    repair_key(REPAIR_UNREAD, BYTES_OF(dev->b), BYTES(NULL, 0), key), &of_dev);

    if (rc == WAX_OK)
        rc = vault_count(c->env.vault, VT_REPAIR,
                         repair_key(REPAIR_UNREAD, BYTES(NULL, 0), BYTES(NULL, 0), key), &all);
    *ret = rc == WAX_OK && of_dev < UNREAD_DEVICE_MAX;
    return *ret && all >= UNREAD_ALL_MAX ? make_room(c, of_dev, ret) : rc;
}

wax_rc unread_note(struct client *c, const struct env_hdr *hdr, const struct env_fanout *fanout,
                   const struct item *alert)
{
    struct unread u = {.time = now_own(c), .fanout = fanout->id};
    struct acct_id acct;
    uint8_t key[VAULT_KEY_MAX];
    bool fits;
    wax_rc rc = client_device_acct(c, &hdr->from, &acct);

    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND && alert ? event_put_alert(c, alert) : rc;
    rc = message_find(c, &fanout->com, &acct, &u.order);
    if (rc != WAX_E_NOTFOUND) /* it is here already, or it is listed already */
        return rc;
    rc = room(c, &hdr->from, &fits);
    if (rc != WAX_OK)
        return rc;
    if (!fits)
        return alert ? event_put_alert(c, alert) : WAX_OK;
    rc = line_put(c, hdr, &fanout->com, &acct, u.time, &u.order);
    if (rc == WAX_OK)
        rc = row_put(
            c, repair_key(REPAIR_UNREAD, BYTES_OF(hdr->from.b), BYTES_OF(fanout->com.b), key), &u);
    if (rc == WAX_OK && alert) {
        struct item a = *alert;
        item_short(a.detail, sizeof a.detail,
                   "a message of this device cannot be read here; it is asked to send it again");
        rc = event_put_item(c->env.vault, &a);
    }
    return rc == WAX_OK ? repair_at(c, u.time) : rc;
}

wax_rc unread_forget(struct client *c, const struct dev_id *dev, const struct hash32 *com)
{
    uint8_t key[VAULT_KEY_MAX];

    return vault_del(c->env.vault, VT_REPAIR,
                     repair_key(REPAIR_UNREAD, BYTES_OF(dev->b), BYTES_OF(com->b), key));
}

wax_rc unread_resolve(struct client *c, const struct hash32 *com, const struct acct_id *sender)
{
    struct item it = {0};
    uint64_t order;
    uint8_t key[8];
    wax_rc rc = message_find(c, com, sender, &order);

    if (rc == WAX_OK)
        rc = history_load(c->env.vault, order, &it);
    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    if (it.state == ITEM_UNREADABLE) {
        rc = vault_del(c->env.vault, VT_HISTORY, order_key(order, key));
        if (rc == WAX_OK)
            rc = message_unfile(c, com, sender);
        if (rc == WAX_OK)
            rc = unread_forget(c, &it.device, com);
    }
    item_done(&it);
    return rc;
}

/* --- Asking --- */

struct asking {
    struct client *c;
    uint64_t now, next; /* when there is something to do again */
    struct buf due;     /* keys, KEY bytes each, by device */
    struct buf over;    /* keys of those given up */
    uint32_t most;      /* requests in this hour, before this one */
};

/* At once, then after 1, 2, 4 … hours. */
static uint64_t ask_due(const struct unread *u)
{
    return u->asks ? u->asked_at + (ASK_MS << (u->asks - 1)) : u->time;
}

static bool ask_row(void *ctx, struct bytes key, struct bytes value)
{
    struct asking *a = ctx;
    struct unread u;

    if (key.n != KEY || !row_read(value, &u))
        return true;
    uint64_t due = u.asks < ASKS_MAX ? ask_due(&u) : 0;
    if (a->now > u.time && a->now - u.time > REPEAT_KEEP_MS)
        buf_bytes(&a->over, key);
    else if (u.asks >= ASKS_MAX)
        due = u.time + REPEAT_KEEP_MS + 1;
    else if (due <= a->now || u.time > a->now)
        buf_bytes(&a->due, key);
    if (due > a->now && due < a->next)
        a->next = due;
    return true;
}

/* Whether a request may go to that device now; charged when it may. */
static wax_rc may_ask(struct client *c, const struct dev_id *dev, struct asking *a, bool *ret)
{
    uint8_t key[VAULT_KEY_MAX], time[8];
    struct bytes k = repair_key(REPAIR_ASKED, BYTES_OF(dev->b), BYTES(NULL, 0), key);
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_REPAIR, k, &b);
    uint64_t last = rc == WAX_OK && b.n == 8 ? get_u64(b.p) : 0;

    buf_done(&b);
    *ret = false;
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    if (last && a->now >= last && a->now - last < ASK_MS) {
        a->next = last + ASK_MS < a->next ? last + ASK_MS : a->next;
        return WAX_OK;
    }
    rc = budget_take(c, BUDGET_ASK, NULL, 1, a->most, ret);
    if (rc != WAX_OK || !*ret) {
        a->next = a->now + ASK_MS < a->next ? a->now + ASK_MS : a->next;
        return rc;
    }
    put_u64(time, a->now);
    return vault_put(c->env.vault, VT_REPAIR, k, BYTES_OF(time));
}

wax_rc ask_allowed(struct client *c, const struct dev_id *dev, bool *ret)
{
    struct asking a = {.now = now_own(c), .next = UINT64_MAX, .most = ASK_HOUR};

    return may_ask(c, dev, &a, ret);
}

static wax_rc mark_asked(struct client *c, struct bytes key, struct asking *a, uint8_t *ret_asks)
{
    struct unread u;
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_REPAIR, key, &b);

    if (rc == WAX_OK && !row_read(buf_view(&b), &u))
        rc = WAX_E_DAMAGED;
    buf_done(&b);
    if (rc != WAX_OK)
        return rc;
    *ret_asks = ++u.asks;
    u.asked_at = a->now;
    uint64_t due = u.asks < ASKS_MAX ? ask_due(&u) : u.time + REPEAT_KEEP_MS + 1;
    a->next = due < a->next ? due : a->next;
    return row_put(c, key, &u);
}

/* The device itself did not answer, or is not listed any more: an own device may have them (5.4).
 */
static wax_rc ask_siblings(struct client *c, const Wax__V1__Content *m, struct asking *a)
{
    struct dev_id devs[MANIFEST_DEVICES_MAX];
    size_t n = 0;
    wax_rc rc = siblings(c, devs, &n);

    for (size_t i = 0; rc == WAX_OK && i < n; i++) {
        bool may;
        rc = may_ask(c, &devs[i], a, &may);
        if (rc == WAX_OK && may)
            rc = device_box(c, &c->acct, &devs[i], m);
    }
    return rc;
}

/* One request for n messages of a device, whose keys lie one after the other. */
static wax_rc ask_device(struct client *c, const uint8_t *keys, size_t n, struct asking *a)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__RepeatRequest q = WAX__V1__REPEAT_REQUEST__INIT;
    ProtobufCBinaryData coms[ASK_COMS_MAX];
    struct dev_id dev;
    struct party peer;
    bool may = true, late = false;

    memcpy(dev.b, keys + 1, sizeof dev.b);
    wax_rc rc = client_find_device(c, &dev, &peer);
    bool gone = rc == WAX_E_NOTFOUND;
    if (rc == WAX_OK)
        rc = may_ask(c, &dev, a, &may);
    if ((rc != WAX_OK && !gone) || !may)
        return rc;
    rc = WAX_OK;
    n = n < ASK_COMS_MAX ? n : ASK_COMS_MAX;
    for (size_t i = 0; rc == WAX_OK && i < n; i++) {
        uint8_t asks = 0;
        coms[i] = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)keys + i * KEY + 17};
        rc = mark_asked(c, BYTES(keys + i * KEY, KEY), a, &asks);
        late = late || asks > 1;
    }
    q.n_coms = n;
    q.coms = coms;
    m.kind = WAX__V1__KIND__REPEAT_REQUEST;
    m.repeat = &q;
    if (rc == WAX_OK && !gone)
        rc = device_box(c, &peer.acct, &dev, &m);
    return rc == WAX_OK && (gone || late) ? ask_siblings(c, &m, a) : rc;
}

/* Of an own device or an accepted contact. */
static wax_rc is_accepted(struct client *c, const uint8_t *key, bool *ret)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    struct acct_id acct;
    struct dev_id dev;

    memcpy(dev.b, key + 1, sizeof dev.b);
    wax_rc rc = pin ? client_device_acct(c, &dev, &acct) : WAX_E_NOMEM;
    if (rc == WAX_OK)
        rc = pin_load(c, &acct, pin);
    *ret = rc == WAX_OK && (pin->accepted || ID_EQ(&acct, &c->acct));
    mem_free(pin);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

/* Accepted contacts first; strangers, of whom there are as many as somebody likes, never use up
 * the hour. */
static wax_rc ask_all(struct client *c, struct asking *a, bool accepted)
{
    wax_rc rc = WAX_OK;

    a->most = accepted ? ASK_HOUR : ASK_HOUR / 2;
    for (size_t at = 0, n; rc == WAX_OK && at < a->due.n; at += n * KEY) {
        const uint8_t *first = a->due.p + at;
        bool known;
        for (n = 1; at + n * KEY < a->due.n && memcmp(first, first + n * KEY, 17) == 0;)
            n++;
        rc = is_accepted(c, first, &known);
        if (rc == WAX_OK && known == accepted)
            rc = ask_device(c, first, n, a);
    }
    return rc;
}

wax_rc unread_ask(struct client *c)
{
    struct asking a = {.c = c, .now = now_own(c), .next = UINT64_MAX};
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = vault_scan(c->env.vault, VT_REPAIR,
                           repair_key(REPAIR_UNREAD, BYTES(NULL, 0), BYTES(NULL, 0), key),
                           BYTES(NULL, 0), false, ask_row, &a);

    if (rc == WAX_OK)
        rc = buf_rc(&a.due) != WAX_OK ? a.due.rc : buf_rc(&a.over);
    for (size_t at = 0; rc == WAX_OK && at < a.over.n; at += KEY)
        rc = give_up(c, BYTES(a.over.p + at, KEY),
                     "a message that could not be read was not sent again in two weeks; it is "
                     "lost");
    for (int strangers = 0; rc == WAX_OK && strangers < 2; strangers++)
        rc = ask_all(c, &a, !strangers);
    buf_done(&a.due);
    buf_done(&a.over);
    return rc == WAX_OK && a.next != UINT64_MAX ? repair_at(c, a.next) : rc;
}
