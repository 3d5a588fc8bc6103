/* Devices that a sender does not know of (PROTOCOL 4.8 "Stale list"): the server should have told
 * him with its 409; where it did not, those who got the message do. */
#include "client/repair.h"

/* REPAIR_MISSED, sender's device 16 ‖ device left out 16 → told last 8 ‖ times 1. */
#define TOLD_ROW 9
#define TOLD_MAX 6U /* times; then the person knows, too */
/* REPAIR_MISSING, device that is not in our pin 16 → told at 8 ‖ acct_id 32 ‖ who told 16 ‖ seq
 * of his account's list 4. */
#define MISSING_ROW 60

/* --- Those who were reached --- */

static bool for_all_devices(const struct opened *o)
{
    int kind = o->content ? (int)o->content->kind : WAX__V1__KIND__KIND_NONE;

    return kind == WAX__V1__KIND__TEXT || kind == WAX__V1__KIND__SYNC;
}

static wax_rc tell(struct client *c, const struct opened *o, const struct dev_id *left_out)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;

    m.kind = WAX__V1__KIND__MISSED_DEVICE;
    m.missed_dev = (ProtobufCBinaryData){sizeof left_out->b, (uint8_t *)(uintptr_t)left_out->b};
    return device_box(c, &o->sender.acct, &o->sender.dev, &m);
}

/* Telling did not help: either he cannot ask the directory, or it hides this account's device. */
static wax_rc say_hidden(struct client *c, const char *from, const struct dev_id *left_out)
{
    struct item a = alert_make(c, "device_missed", WAX_OK, from, left_out,
                               "this contact still does not send to one of my devices, though it "
                               "was told; the server may be hiding that device");
    return event_put_alert(c, &a);
}

/* At once, and while it goes on after 1, 2, 4 … hours. *ret: this device need not be told of now.
 */
static wax_rc tell_once(struct client *c, const struct opened *o, const char *from,
                        const struct dev_id *left_out, bool *ret)
{
    uint8_t key[VAULT_KEY_MAX], row[TOLD_ROW];
    struct bytes k =
        repair_key(REPAIR_MISSED, BYTES_OF(o->sender.dev.b), BYTES_OF(left_out->b), key);
    struct buf b = {0};
    uint64_t now = now_own(c), last = 0;
    unsigned times = 0;
    bool may = false;
    wax_rc rc = vault_get(c->env.vault, VT_REPAIR, k, &b);

    if (rc == WAX_OK && b.n == TOLD_ROW) {
        last = get_u64(b.p);
        times = b.p[8];
    }
    buf_done(&b);
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    *ret = times && (times >= TOLD_MAX || (now >= last && now - last < ASK_MS << (times - 1)));
    if (*ret)
        return WAX_OK;
    rc = budget_take(c, BUDGET_MISSED, NULL, 1, MISSED_HOUR, &may);
    if (rc != WAX_OK || !may)
        return rc;
    put_u64(row, now);
    row[8] = (uint8_t)(times + 1);
    rc = vault_put(c->env.vault, VT_REPAIR, k, BYTES_OF(row));
    if (rc == WAX_OK && times && o->content->sent_at > last) /* not one that was sealed before */
        rc = say_hidden(c, from, left_out);
    return rc == WAX_OK ? tell(c, o, left_out) : rc;
}

/* A device of this account that was listed, as we know it, in a manifest beyond the sender's, and
 * before the server took the message. */
static wax_rc left_out(struct client *c, const struct opened *o, uint64_t frame_time,
                       const struct dev_id *dev, bool *ret)
{
    struct client_device_note note;
    wax_rc rc = client_device_note(c, dev, &note);

    *ret = rc == WAX_OK && note.seq > o->payload.your_seq && note.added_at < frame_time &&
           !ID_EQ(dev, &c->keys.dev) && !ID_EQ(dev, &o->sender.dev);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

wax_rc missed_note(struct client *c, const struct opened *o, const char *from, uint64_t frame_time)
{
    struct pin *own = mem_alloc(sizeof *own);
    wax_rc rc = own ? pin_load(c, &c->acct, own) : WAX_E_NOMEM;
    bool on = rc == WAX_OK && for_all_devices(o) && o->payload.your_seq > 0 &&
              o->payload.your_seq < own->head.manifest.seq;

    for (size_t i = 0; rc == WAX_OK && on && i < own->head.manifest.n_devices; i++) {
        bool is, known = true;
        rc = left_out(c, o, frame_time, &own->devs[i], &is);
        if (rc == WAX_OK && is)
            rc = tell_once(c, o, from, &own->devs[i], &known);
        on = known; /* one for each message that came */
    }
    mem_free(own);
    return rc;
}

/* --- The sender --- */

struct unaddressed {
    struct client *c;
    const struct acct_id *acct;
    uint64_t since;
    struct buf coms;
};

static bool sent_row(void *ctx, struct bytes key, struct bytes value)
{
    struct unaddressed *u = ctx;

    if (key.n == 32 && sent_accepted(value) > u->since)
        buf_bytes(&u->coms, key);
    return true;
}

static wax_rc repeat_one(struct client *c, const struct acct_id *acct, const struct hash32 *com,
                         const struct dev_id *dev, struct sent *s)
{
    bool queued;
    uint64_t now = now_early(c);
    wax_rc rc = sent_load(c, com, s);

    if (rc != WAX_OK)
        return rc;
    bool his = ID_EQ(&s->peer, acct) || ID_EQ(acct, &c->acct);
    if (!his || s->kind > OUTBOX_SYNC || sent_find(s, dev) || !sent_add(s, dev) ||
        (now > s->last && now - s->last > REPEAT_KEEP_MS))
        return WAX_OK;
    return repeat_queue(c, com, s, dev, acct, NULL, &queued);
}

/* What the server took since the device was listed and what was not sealed for it, it gets now. */
static wax_rc repeat_all(struct client *c, const struct acct_id *acct, const struct dev_id *dev)
{
    struct client_device_note note;
    struct unaddressed u = {.c = c, .acct = acct};
    struct sent *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? client_device_note(c, dev, &note) : WAX_E_NOMEM;

    if (rc == WAX_OK) {
        u.since = note.added_at;
        rc = vault_scan(c->env.vault, VT_SENT, BYTES(NULL, 0), BYTES(NULL, 0), false, sent_row, &u);
    }
    if (rc == WAX_OK)
        rc = buf_rc(&u.coms);
    for (size_t i = 0; rc == WAX_OK && i < u.coms.n; i += 32) {
        struct hash32 com;
        memcpy(com.b, u.coms.p + i, sizeof com.b);
        rc = repeat_one(c, acct, &com, dev, s);
    }
    buf_done(&u.coms);
    mem_free(s);
    return rc;
}

/* Not in the pin: the directory is asked outside of this transaction. */
static wax_rc ask_later(struct client *c, const struct opened *o, const struct dev_id *dev)
{
    uint8_t key[VAULT_KEY_MAX], row[MISSING_ROW];
    uint64_t n = 0;
    wax_rc rc = vault_count(c->env.vault, VT_REPAIR,
                            repair_key(REPAIR_MISSING, BYTES(NULL, 0), BYTES(NULL, 0), key), &n);

    if (rc != WAX_OK || n >= MISSING_MAX)
        return rc;
    put_u64(row, now_own(c));
    memcpy(row + 8, o->sender.acct.b, 32);
    memcpy(row + 40, o->sender.dev.b, 16);
    put_u32(row + 56, o->payload.my_seq);
    return vault_put(c->env.vault, VT_REPAIR,
                     repair_key(REPAIR_MISSING, BYTES_OF(dev->b), BYTES(NULL, 0), key),
                     BYTES_OF(row));
}

wax_rc missed_take(struct client *c, const struct opened *o)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    ProtobufCBinaryData named = o->content->missed_dev;
    struct dev_id dev;
    bool may = false;
    wax_rc rc = pin ? WAX_OK : WAX_E_NOMEM;

    if (rc == WAX_OK && named.len == sizeof dev.b)
        rc = budget_take(c, BUDGET_HEED, &o->sender.dev, 1, HEED_HOUR, &may);
    if (rc == WAX_OK && may) {
        memcpy(dev.b, named.data, sizeof dev.b);
        rc = pin_load(c, &o->sender.acct, pin);
        if (rc == WAX_OK && pin_find(pin, &dev) >= 0)
            rc = repeat_all(c, &o->sender.acct, &dev);
        else if (rc == WAX_OK && pin->head.manifest.seq < o->payload.my_seq)
            rc = ask_later(c, o, &dev); /* else: by his own word, it is listed no more */
    }
    mem_free(pin);
    return rc;
}

/* --- Asking the directory --- */

struct missing {
    struct dev_id dev, by;
    struct acct_id acct;
    uint32_t seq;
};

static bool missing_row(void *ctx, struct bytes key, struct bytes value)
{
    struct missing m;

    if (key.n != 17 || value.n != MISSING_ROW)
        return true;
    memcpy(m.dev.b, key.p + 1, 16);
    memcpy(m.acct.b, value.p + 8, 32);
    memcpy(m.by.b, value.p + 40, 16);
    m.seq = get_u32(value.p + 56);
    buf_add(ctx, &m, sizeof m);
    return true;
}

static wax_rc found_in_tx(struct client *c, const struct missing *m, struct pin *pin)
{
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = pin_load(c, &m->acct, pin);

    if (rc == WAX_OK && pin_find(pin, &m->dev) >= 0) {
        rc = repeat_all(c, &m->acct, &m->dev);
    } else if (rc == WAX_OK && pin->head.manifest.seq < m->seq) { /* else: removed since */
        struct item a =
            alert_make(c, "server_refused", WAX_R_CHAIN, pin->head.manifest.handle, &m->by,
                       "the directory does not show a device that this contact says there is; it "
                       "may be hidden from this device");
        rc = event_put_alert(c, &a);
    }
    if (rc == WAX_E_NOTFOUND) /* given up since */
        rc = WAX_OK;
    return rc == WAX_OK
               ? vault_del(c->env.vault, VT_REPAIR,
                           repair_key(REPAIR_MISSING, BYTES_OF(m->dev.b), BYTES(NULL, 0), key))
               : rc;
}

static wax_rc look(struct client *c, const struct missing *m, struct pin *pin)
{
    wax_rc rc = pin_load(c, &m->acct, pin);

    if (rc == WAX_OK && pin_find(pin, &m->dev) < 0) {
        directory_forget(c, &m->acct);
        rc = directory_fresh(c, &m->acct, pin->head.manifest.handle);
    }
    if (rc == WAX_E_NET || rc == WAX_E_TLS || rc == WAX_E_TIMEOUT || rc == WAX_E_PROTO)
        return WAX_OK; /* no answer: another time */
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND && rc != WAX_E_DENIED && !rc_is_refusal(rc))
        return rc;
    rc = vault_begin(c->env.vault);
    return rc == WAX_OK ? vault_finish(c->env.vault, found_in_tx(c, m, pin)) : rc;
}

wax_rc missed_look(struct client *c)
{
    struct buf all = {0};
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = vault_scan(c->env.vault, VT_REPAIR,
                           repair_key(REPAIR_MISSING, BYTES(NULL, 0), BYTES(NULL, 0), key),
                           BYTES(NULL, 0), false, missing_row, &all);

    if (rc == WAX_OK)
        rc = buf_rc(&all);
    struct pin *pin = rc == WAX_OK && all.n ? mem_alloc(sizeof *pin) : NULL;
    if (rc == WAX_OK && all.n && !pin)
        rc = WAX_E_NOMEM;
    for (size_t i = 0; rc == WAX_OK && i < all.n / sizeof(struct missing); i++)
        rc = look(c, (const struct missing *)(const void *)all.p + i, pin);
    mem_free(pin);
    buf_done(&all);
    return rc;
}
