/* Own devices help each other out (PROTOCOL 5.4): one that was away for longer than the server
 * keeps messages asks the others for what came meanwhile; they hand it on with its sender's signed
 * statement, which the asking device verifies itself. */
#include "client/repair.h"

#include "client/aside.h"
#include "session/fanout.h"
#include "wire/envelope.h"

/* REPAIR_CATCHUP, dev 16 → since 8 ‖ back 8 (the server's clock) ‖ asked 8 (own clock) ‖ got 4 ‖
 * times asked 1 ‖ answered 1. */
struct catchup {
    uint64_t since; /* what came until then is here */
    uint64_t back;  /* but for something of an account not known yet, from then on; 0: nothing */
    uint64_t asked; /* or answered last; 0: not yet */
    uint32_t got;   /* what it told that came after since */
    uint8_t asks;
    bool answered; /* at all: the newest known here always comes once more */
};
#define ROW 30
#define CATCHUPS_MAX 12U
#define CATCHUP_AGAIN_MS (2 * DAY_MS) /* no answer at all */
#define SLACK_MS HOUR_MS

static struct bytes row_key(const struct dev_id *dev, uint8_t out[VAULT_KEY_MAX])
{
    return repair_key(REPAIR_CATCHUP, BYTES_OF(dev->b), BYTES(NULL, 0), out);
}

static bool row_read(struct bytes v, struct catchup *u)
{
    if (v.n != ROW)
        return false;
    *u = (struct catchup){.since = get_u64(v.p),
                          .back = get_u64(v.p + 8),
                          .asked = get_u64(v.p + 16),
                          .got = get_u32(v.p + 24),
                          .asks = v.p[28],
                          .answered = v.p[29] != 0};
    return true;
}

static wax_rc row_put(struct client *c, const struct dev_id *dev, const struct catchup *u)
{
    uint8_t key[VAULT_KEY_MAX], b[ROW];

    put_u64(b, u->since);
    put_u64(b + 8, u->back);
    put_u64(b + 16, u->asked);
    put_u32(b + 24, u->got);
    b[28] = u->asks;
    b[29] = u->answered;
    return vault_put(c->env.vault, VT_REPAIR, row_key(dev, key), BYTES_OF(b));
}

static wax_rc row_load(struct client *c, const struct dev_id *dev, struct catchup *ret)
{
    struct buf b = {0};
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = vault_get(c->env.vault, VT_REPAIR, row_key(dev, key), &b);

    if (rc == WAX_OK && !row_read(buf_view(&b), ret))
        rc = WAX_E_DAMAGED;
    buf_done(&b);
    return rc;
}

/* --- Asking --- */

wax_rc siblings(struct client *c, struct dev_id out[MANIFEST_DEVICES_MAX], size_t *ret)
{
    struct pin *own = mem_alloc(sizeof *own);
    size_t n = 0;
    wax_rc rc = own ? pin_load(c, &c->acct, own) : WAX_E_NOMEM;

    for (size_t i = 0; rc == WAX_OK && i < own->head.manifest.n_devices; i++)
        if (!ID_EQ(&own->devs[i], &c->keys.dev))
            out[n++] = own->devs[i];
    mem_free(own);
    *ret = n;
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

wax_rc catchup_begin(struct client *c, uint64_t drained)
{
    struct dev_id devs[MANIFEST_DEVICES_MAX];
    size_t n = 0;
    uint64_t now = now_server(c), oldest = now > REPEAT_KEEP_MS ? now - REPEAT_KEEP_MS : 0;
    uint64_t since = drained > oldest + SLACK_MS ? drained - SLACK_MS : oldest;
    wax_rc rc = siblings(c, devs, &n);

    for (size_t i = 0; rc == WAX_OK && i < n; i++) {
        struct catchup u = {.since = since}, was;
        rc = row_load(c, &devs[i], &was);
        /* What is still missing of an earlier absence stays asked for. */
        if (rc == WAX_OK && was.since < since)
            u.since = was.since;
        if (rc == WAX_OK)
            u.back = was.back;
        if (rc == WAX_OK && was.asked && now_own(c) >= was.asked &&
            now_own(c) - was.asked < ASK_MS) { /* it was asked just now */
            u = was;
            if (since < was.since && (!was.back || since < was.back))
                u.back = since ? since : 1;
        }
        if (rc == WAX_OK || rc == WAX_E_NOTFOUND)
            rc = row_put(c, &devs[i], &u);
    }
    return rc == WAX_OK && n ? repair_at(c, now_own(c)) : rc;
}

struct due {
    uint64_t now, next;
    struct buf devs, over, broken_off;
};

static bool due_row(void *ctx, struct bytes key, struct bytes value)
{
    struct due *d = ctx;
    struct catchup u;

    if (key.n != 17 || !row_read(value, &u))
        return true;
    /* A sibling stops at its own bound without a word: it is over when nothing new comes. */
    bool more = u.back || u.got;
    uint64_t at = !u.asked ? d->now : u.asked + (more || u.answered ? ASK_MS : CATCHUP_AGAIN_MS);
    bool due = at <= d->now || u.asked > d->now;
    if (due && (u.asks >= CATCHUPS_MAX || (u.answered && !more)))
        buf_add(more ? &d->broken_off : &d->over, key.p + 1, 16);
    else if (due)
        buf_add(&d->devs, key.p + 1, 16);
    else if (at < d->next)
        d->next = at;
    return true;
}

static wax_rc ask_one(struct client *c, const struct dev_id *dev, struct due *d)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__RepeatRequest q = WAX__V1__REPEAT_REQUEST__INIT;
    struct catchup u;
    bool may;
    wax_rc rc = ask_allowed(c, dev, &may);

    if (rc != WAX_OK || !may) {
        d->next = d->now + ASK_MS < d->next ? d->now + ASK_MS : d->next;
        return rc;
    }
    rc = row_load(c, dev, &u);
    if (rc != WAX_OK)
        return rc;
    /* First what was not told yet, then what could not be taken before. */
    bool back = u.back && u.back < u.since && u.got < HAND_MAX;
    q.since = back ? u.back : u.since;
    m.kind = WAX__V1__KIND__REPEAT_REQUEST;
    m.repeat = &q;
    u = (struct catchup){.since = q.since,
                         .back = back || u.got < HAND_MAX ? 0 : u.back,
                         .asked = d->now,
                         .asks = (uint8_t)(u.asks + 1)};
    d->next = d->now + ASK_MS < d->next ? d->now + ASK_MS : d->next;
    rc = row_put(c, dev, &u);
    return rc == WAX_OK ? device_box(c, &c->acct, dev, &m) : rc;
}

/* Twelve requests did not bring it all: that is said. */
static wax_rc told_broken_off(struct client *c, const struct dev_id *dev)
{
    struct item a = alert_make(c, "undecryptable", WAX_OK, c->handle, dev,
                               "another device of yours read messages that this one missed and "
                               "could not get from it; they are there only");

    return event_put_item(c->env.vault, &a);
}

static wax_rc end_one(struct client *c, const struct dev_id *dev, bool whole)
{
    uint8_t key[VAULT_KEY_MAX];
    wax_rc rc = whole ? WAX_OK : told_broken_off(c, dev);

    return rc == WAX_OK ? vault_del(c->env.vault, VT_REPAIR, row_key(dev, key)) : rc;
}

wax_rc catchup_tick(struct client *c)
{
    struct due d = {.now = now_own(c), .next = UINT64_MAX};
    uint8_t key[VAULT_KEY_MAX];
    struct dev_id dev;
    wax_rc rc = vault_scan(c->env.vault, VT_REPAIR,
                           repair_key(REPAIR_CATCHUP, BYTES(NULL, 0), BYTES(NULL, 0), key),
                           BYTES(NULL, 0), false, due_row, &d);

    if (rc == WAX_OK)
        rc = buf_rc(&d.devs) != WAX_OK   ? d.devs.rc
             : buf_rc(&d.over) != WAX_OK ? d.over.rc
                                         : buf_rc(&d.broken_off);
    for (size_t i = 0; rc == WAX_OK && i < d.over.n; i += 16) {
        memcpy(dev.b, d.over.p + i, 16);
        rc = end_one(c, &dev, true);
    }
    for (size_t i = 0; rc == WAX_OK && i < d.broken_off.n; i += 16) {
        memcpy(dev.b, d.broken_off.p + i, 16);
        rc = end_one(c, &dev, false);
    }
    for (size_t i = 0; rc == WAX_OK && i < d.devs.n; i += 16) {
        memcpy(dev.b, d.devs.p + i, 16);
        rc = ask_one(c, &dev, &d);
    }
    buf_done(&d.devs);
    buf_done(&d.over);
    buf_done(&d.broken_off);
    return rc == WAX_OK && d.next != UINT64_MAX ? repair_at(c, d.next) : rc;
}

/* --- Handing on --- */

/* When the asking device joined: what is older is history, which is not handed on by itself. */
static wax_rc joined(struct client *c, const struct dev_id *dev, uint64_t *ret)
{
    struct client_device_note note;
    wax_rc rc = client_device_note(c, dev, &note);

    *ret = rc == WAX_OK ? note.added_at : UINT64_MAX;
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

static wax_rc hand_one(struct client *c, const struct opened *o, const struct hash32 *com,
                       uint64_t not_before, bool *ret_more)
{
    Wax__V1__Content m = WAX__V1__CONTENT__INIT;
    Wax__V1__HandedOn h = WAX__V1__HANDED_ON__INIT;
    struct kept k = {0};
    bool may = false;
    wax_rc rc = kept_load(c, com, &k);

    *ret_more = true;
    if (rc != WAX_OK || k.accepted < not_before) {
        kept_done(&k);
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    }
    rc = budget_take(c, BUDGET_HAND, &o->sender.dev, 1, HAND_MAX, &may);
    *ret_more = may;
#define PB(x) ((ProtobufCBinaryData){sizeof(x).b, (uint8_t *)(uintptr_t)(x).b})
    h.r32 = PB(k.told.r32);
    h.content = (ProtobufCBinaryData){k.told.content.n, k.told.content.p};
    h.com = (ProtobufCBinaryData){sizeof com->b, (uint8_t *)(uintptr_t)com->b};
    h.fanout_id = PB(k.told.fanout);
    h.sender_acct = PB(k.told.sender.acct);
    h.sender_dev = PB(k.told.sender.dev);
    h.sender_dsk = PB(k.told.sender.dsk);
    h.depth = k.told.depth;
    h.root = PB(k.told.root);
    h.sig = PB(k.told.sig);
#undef PB
    h.suite = 1;
    h.received_at = k.accepted;
    m.kind = WAX__V1__KIND__HANDED_ON;
    m.handed_on = &h;
    if (rc == WAX_OK && may)
        rc = device_box(c, &c->acct, &o->sender.dev, &m);
    kept_done(&k);
    return rc == WAX_E_TOOBIG ? WAX_OK : rc; /* no room for what goes with it */
}

wax_rc handing_answer(struct client *c, const struct opened *o, const struct hash32 *com)
{
    uint64_t from;
    bool more;
    wax_rc rc = joined(c, &o->sender.dev, &from);

    return rc == WAX_OK ? hand_one(c, o, com, from, &more) : rc;
}

wax_rc handing_since(struct client *c, const struct opened *o, uint64_t since)
{
    struct buf coms = {0};
    uint64_t from, now = now_server(c);
    bool more = true;
    wax_rc rc = joined(c, &o->sender.dev, &from);

    since = since > from ? since : from;
    if (now > REPEAT_KEEP_MS + SLACK_MS && since < now - REPEAT_KEEP_MS - SLACK_MS)
        since = now - REPEAT_KEEP_MS - SLACK_MS;
    if (rc == WAX_OK)
        rc = kept_since(c, since, &coms);
    for (size_t i = 0; rc == WAX_OK && more && i < coms.n; i += 32) {
        struct hash32 com;
        memcpy(com.b, coms.p + i, sizeof com.b);
        rc = hand_one(c, o, &com, since, &more);
    }
    buf_done(&coms);
    return rc;
}

/* --- Taking what was handed on --- */

static wax_rc note_got(struct client *c, const struct dev_id *from, uint64_t accepted, bool stuck)
{
    struct catchup u;
    wax_rc rc = row_load(c, from, &u);

    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    bool sane = accepted && accepted <= now_late(c);
    u.answered = true;
    if (stuck && sane && (!u.back || accepted < u.back))
        u.back = accepted;
    if (sane && accepted > u.since) {
        u.got = u.got < UINT32_MAX ? u.got + 1 : u.got;
        u.since = accepted;
    }
    if (u.asked) /* the hour of its bound began no later than this */
        u.asked = now_own(c);
    rc = row_put(c, from, &u);
    return rc == WAX_OK && u.asked ? repair_at(c, u.asked + ASK_MS) : rc;
}

/* The device that the message names, as our pin of its account has it. WAX_E_NOTFOUND: no such
 * account or device; a refusal: it is another one. */
static wax_rc signer(struct client *c, const Wax__V1__HandedOn *h, struct party *ret)
{
    struct dev_id dev;

    memcpy(dev.b, h->sender_dev.data, sizeof dev.b);
    wax_rc rc = client_find_device(c, &dev, ret);
    if (rc == WAX_OK && (memcmp(ret->acct.b, h->sender_acct.data, sizeof ret->acct.b) != 0 ||
                         memcmp(ret->dsk.b, h->sender_dsk.data, sizeof ret->dsk.b) != 0))
        rc = WAX_R_UNKNOWN_SENDER;
    return rc;
}

/* Its statement, and that no other content goes by that fanout id here (3: own devices compare). */
static wax_rc verify(struct client *c, const Wax__V1__HandedOn *h, struct opened *o)
{
    struct sig sig;
    struct hash32 com;
    struct buf known = {0};
    uint8_t key[32];

    if (h->suite != 1 || h->depth > TREE_DEPTH_MAX)
        return WAX_R_PARSE;
    memcpy(o->payload.r32.b, h->r32.data, 32);
    memcpy(o->com.b, h->com.data, 32);
    memcpy(o->fanout.id.b, h->fanout_id.data, 16);
    memcpy(o->root.b, h->root.data, 32);
    memcpy(sig.b, h->sig.data, sizeof sig.b);
    o->fanout.com = o->com;
    o->fanout.depth = (uint8_t)h->depth;
    o->fanout.sig = sig;
    o->payload.content = PB_BYTES(h->content);
    wax_rc rc = session_com(&o->payload.r32, o->payload.content, &com);
    if (rc == WAX_OK && !ID_EQ(&com, &o->com))
        rc = WAX_R_CONTENT;
    if (rc == WAX_OK)
        rc = fanout_statement_verify(&o->sender, &o->fanout.id, &o->com, o->fanout.depth, &o->root,
                                     &o->fanout.sig);
    if (rc != WAX_OK)
        return rc;
    rc = vault_get(c->env.vault, VT_FANOUT, fanout_key(&o->sender.dev, &o->fanout.id, key), &known);
    if (rc == WAX_OK && (known.n < 32 || memcmp(known.p, o->com.b, 32) != 0))
        rc = WAX_R_CLONE;
    buf_done(&known);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

static wax_rc take(struct client *c, struct opened *o, uint64_t accepted)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    struct party me = client_self(c);
    uint64_t order;
    wax_rc rc = pin ? pin_load(c, &o->sender.acct, pin) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = aside_content(c, o->payload.content, &o->content);
    const char *from = rc == WAX_OK ? pin->head.manifest.handle : "";
    if (rc == WAX_OK && !o->content) {
        rc = message_find(c, &o->com, &o->sender.acct, &order);
        rc = rc == WAX_E_NOTFOUND ? aside_put(c, o, from, accepted, true) : rc;
    } else if (rc == WAX_OK) {
        rc = session_conversation(&me, &o->sender, o->content, &o->conversation, &o->with);
        if (rc == WAX_OK)
            rc = content_handed(c, o, from, accepted);
    }
    content_free(o->content);
    o->content = NULL;
    mem_free(pin);
    return rc;
}

/* A device that is not listed in our pin. It may come yet: then it is asked for again in an hour,
 * and where its account is pinned the directory is asked before. One that was listed once and is
 * not any more can prove nothing. */
static wax_rc not_listed(struct client *c, const struct opened *by, const Wax__V1__HandedOn *h)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    struct acct_id acct, told;
    struct dev_id dev;
    bool retired = false;

    memcpy(dev.b, h->sender_dev.data, sizeof dev.b);
    memcpy(told.b, h->sender_acct.data, sizeof told.b);
    wax_rc rc = pin ? client_device_acct(c, &dev, &acct) : WAX_E_NOMEM;
    if (rc == WAX_OK) {
        rc = pin_load(c, &acct, pin);
        retired = rc == WAX_OK && pin_find(pin, &dev) < 0;
    } else if (rc == WAX_E_NOTFOUND) {
        rc = pin_load(c, &told, pin);
        rc = rc == WAX_OK ? content_want(c, pin) : rc;
    }
    if (rc == WAX_OK && retired) {
        struct item a =
            alert_make(c, "undecryptable", WAX_R_UNKNOWN_SENDER, pin->head.manifest.handle, &dev,
                       "another device of yours handed on a message of a device that is "
                       "not listed any more; it cannot be verified here");
        rc = event_put_alert(c, &a);
    }
    mem_free(pin);
    if (rc != WAX_OK && rc != WAX_E_NOTFOUND)
        return rc;
    return note_got(c, &by->sender.dev, h->received_at, !retired);
}

wax_rc handing_take(struct client *c, const struct opened *by)
{
    const Wax__V1__HandedOn *h = by->content->handed_on;
    struct opened *o = mem_alloc(sizeof *o);
    wax_rc rc = o ? WAX_OK : WAX_E_NOMEM;

    if (rc == WAX_OK && h && ID_EQ(&by->sender.acct, &c->acct)) {
        rc = signer(c, h, &o->sender);
        if (rc == WAX_E_NOTFOUND) {
            rc = not_listed(c, by, h);
            goto out;
        }
        if (rc == WAX_OK)
            rc = verify(c, h, o);
        if (rc == WAX_OK)
            rc = take(c, o, h->received_at);
        if (rc == WAX_OK)
            rc = note_got(c, &by->sender.dev, h->received_at, false);
        if (rc_is_refusal(rc)) {
            struct item a = alert_make(c, "tampered", rc, c->handle, &by->sender.dev,
                                       "another device of yours handed on a message that does not "
                                       "hold; it is not shown");
            rc = event_put_alert(c, &a);
        }
    }
out:
    mem_free(o);
    return rc;
}
