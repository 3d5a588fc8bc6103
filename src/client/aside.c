/* Contents that the box could not take apart: it died of them, or took too long (ARCHITECTURE
 * "The box"). Session state and dedup of such a message are committed and its envelope is acked
 * like any other's, so that it holds up nobody; its content waits here and is tried again after
 * 1, 2, 4 … minutes, at most a day apart.
 *
 * VT_ASIDE: dev_id 16 ‖ order 8 → attempts u16 ‖ first u64 ‖ next u64, the times in ms. Small
 * rows, so that looking for what is due reads no contents.
 * VT_ASIDE_CONTENT: order 8 → struct aside. */
#include "client/aside.h"

#include "client/internal.h"
#include "wire/content_record.h"

#define ASIDE_KEY 24
#define ASIDE_ROW 18
#define FIRST_WAIT_MS 60000ULL
#define LONGEST_WAIT_MS 86400000ULL
/* After that many days a message that no box could read is told as lost. */
#define KEEP_MS (30 * LONGEST_WAIT_MS)
/* A stranger decides how many there are, and how long each try takes. */
#define ALL_MAX 1024
#define DEVICE_MAX 64
#define TRIES_AT_ONCE 8

/* --- The row with the content --- */

void aside_done(struct aside *a)
{
    statement_done(&a->told);
    mem_wipe(a, sizeof *a);
}

wax_rc aside_encode(const struct aside *a, struct buf *out)
{
    buf_bytes(out, BYTES_OF(a->slot.sid.b));
    buf_u32(out, a->slot.epoch);
    buf_u32(out, a->slot.ctr);
    buf_bytes(out, BYTES_OF(a->com.b));
    buf_u64(out, a->frame_time);
    buf_u8(out, a->handed);
    statement_write(&a->told, out);
    return buf_rc(out);
}

wax_rc aside_decode(struct bytes in, struct aside *ret)
{
    struct rd r = rd_init(in);
    struct aside a = {0};

    rd_copy(&r, a.slot.sid.b, sizeof a.slot.sid.b);
    a.slot.epoch = rd_u32(&r);
    a.slot.ctr = rd_u32(&r);
    rd_copy(&r, a.com.b, sizeof a.com.b);
    a.frame_time = rd_u64(&r);
    uint8_t handed = rd_u8(&r);
    rd_refuse_if(&r, handed > 1);
    a.handed = handed == 1;
    wax_rc rc = statement_read(&r, &a.told);
    if (rc == WAX_OK)
        *ret = a;
    return rc;
}

/* --- Taking apart --- */

wax_rc aside_content(struct client *c, struct bytes content, Wax__V1__Content **ret)
{
    const struct decoder *d = c->env.decoder;
    struct buf record = {0};

    if (!d)
        return content_unpack(content, ret);
    wax_rc rc = d->content(d->ctx, content, &record);
    if (rc == WAX_OK) {
        rc = content_record_decode(buf_view(&record), ret);
        if (rc_is_refusal(rc)) /* no box in its right mind writes that */
            rc = WAX_E_CRASHED;
    }
    buf_done(&record);
    if (rc == WAX_E_CRASHED) {
        *ret = NULL;
        rc = WAX_OK;
    }
    return rc;
}

/* --- Setting aside --- */

static struct bytes aside_key(const struct dev_id *dev, uint64_t order, uint8_t out[ASIDE_KEY])
{
    memcpy(out, dev->b, 16);
    put_u64(out + 16, order);
    return BYTES(out, ASIDE_KEY);
}

static wax_rc row_put(struct client *c, struct bytes key, unsigned attempts, uint64_t first)
{
    uint64_t wait = FIRST_WAIT_MS;
    uint8_t row[ASIDE_ROW];

    for (unsigned i = 1; i < attempts && wait < LONGEST_WAIT_MS; i++)
        wait *= 2;
    put_u16(row, (uint16_t)attempts);
    put_u64(row + 2, first);
    put_u64(row + 10, now_own(c) + (wait < LONGEST_WAIT_MS ? wait : LONGEST_WAIT_MS));
    return vault_put(c->env.vault, VT_ASIDE, key, BYTES_OF(row));
}

static wax_rc content_put(struct client *c, const struct opened *o, uint64_t frame_time,
                          bool handed, uint64_t order)
{
    struct aside a = {.slot = o->slot, .com = o->com, .frame_time = frame_time, .handed = handed};
    struct buf row = {0};
    uint8_t key[8];
    wax_rc rc = statement_of(o, &a.told);

    if (rc == WAX_OK)
        rc = aside_encode(&a, &row);
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_ASIDE_CONTENT, order_key(order, key), buf_view(&row));
    buf_done(&row);
    aside_done(&a);
    return rc;
}

static wax_rc say(struct client *c, const char *kind, wax_rc klass, const char *from,
                  const struct dev_id *dev, const char *detail)
{
    struct item a = alert_make(c, kind, klass, from, dev, detail);

    return event_put_alert(c, &a);
}

static wax_rc give_up(struct client *c, const char *from, const struct dev_id *dev)
{
    struct item a = alert_make(c, "given_up", WAX_OK, from, dev,
                               "a message of this device could not be read safely and is lost");

    return event_put_item(c->env.vault, &a);
}

wax_rc aside_put(struct client *c, const struct opened *o, const char *from, uint64_t frame_time,
                 bool handed)
{
    uint64_t all = 0, own = 0, order;
    uint8_t key[ASIDE_KEY];
    wax_rc rc = vault_count(c->env.vault, VT_ASIDE, BYTES(NULL, 0), &all);

    if (rc == WAX_OK)
        rc = vault_count(c->env.vault, VT_ASIDE, BYTES_OF(o->sender.dev.b), &own);
    if (rc == WAX_OK && (all >= ALL_MAX || own >= DEVICE_MAX))
        return give_up(c, from, &o->sender.dev);
    if (rc == WAX_OK)
        rc = meta_next(c->env.vault, "seq.aside", &order);
    if (rc == WAX_OK)
        rc = content_put(c, o, frame_time, handed, order);
    if (rc == WAX_OK)
        rc = row_put(c, aside_key(&o->sender.dev, order, key), 1, now_own(c));
    if (rc == WAX_OK)
        rc = say(c, "set_aside", WAX_OK, from, &o->sender.dev,
                 "a message of this device could not be read safely; it is kept and tried again");
    return rc;
}

/* --- Trying again --- */

static wax_rc drop(struct client *c, struct bytes key)
{
    wax_rc rc = vault_del(c->env.vault, VT_ASIDE, key);

    return rc == WAX_OK ? vault_del(c->env.vault, VT_ASIDE_CONTENT, BYTES(key.p + 16, 8)) : rc;
}

/* What session_open_known had told, as far as what a content does needs it. */
static wax_rc take(struct client *c, const struct aside *a, Wax__V1__Content *content,
                   const char *from)
{
    struct party me = client_self(c);
    const struct statement *t = &a->told;
    struct opened o = {
        .sender = t->sender,
        .slot = a->slot,
        .content = content,
        .com = a->com,
        .root = t->root,
        .payload = {.r32 = t->r32, .content = buf_view(&t->content)},
        .fanout = {.id = t->fanout, .com = a->com, .depth = t->depth, .sig = t->sig}};
    wax_rc rc = session_conversation(&me, &o.sender, content, &o.conversation, &o.with);

    if (rc == WAX_OK && a->handed)
        return content_handed(c, &o, from, a->frame_time);
    return rc == WAX_OK ? content_take(c, &o, from, a->frame_time) : rc;
}

static wax_rc content_get(struct client *c, struct bytes key, struct aside *ret)
{
    struct buf row = {0};
    wax_rc rc = vault_get(c->env.vault, VT_ASIDE_CONTENT, BYTES(key.p + 16, 8), &row);

    if (rc == WAX_OK)
        rc = aside_decode(buf_view(&row), ret);
    buf_done(&row);
    return rc == WAX_E_NOTFOUND ? WAX_E_DAMAGED : rc;
}

/* One that is due, in the caller's transaction. The account may be gone by now (replaced after a
 * changed identity): then its message is nobody's. */
static wax_rc try_again(struct client *c, struct bytes key, unsigned attempts, uint64_t first)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    Wax__V1__Content *content = NULL;
    struct aside a = {0};
    wax_rc rc = pin ? content_get(c, key, &a) : WAX_E_NOMEM, refusal = WAX_OK;
    const char *from = pin ? pin->head.manifest.handle : "";

    if (rc == WAX_OK)
        rc = pin_load(c, &a.told.sender.acct, pin);
    if (rc == WAX_OK)
        rc = aside_content(c, buf_view(&a.told.content), &content);
    if (rc == WAX_OK && content)
        rc = take(c, &a, content, from);
    if (rc_is_refusal(rc) || rc == WAX_E_NOTFOUND) {
        refusal = rc == WAX_E_NOTFOUND ? WAX_R_UNKNOWN_SENDER : rc;
        rc = say(c, "tampered", refusal, from, &a.told.sender.dev,
                 "a message was altered or forged on its way and is not shown");
    }
    if (rc == WAX_OK && (content || refusal != WAX_OK)) {
        rc = drop(c, key);
    } else if (rc == WAX_OK && now_own(c) >= first + KEEP_MS) {
        rc = give_up(c, from, &a.told.sender.dev);
        if (rc == WAX_OK)
            rc = drop(c, key);
    } else if (rc == WAX_OK) {
        rc = row_put(c, key, attempts + 1, first);
    }
    content_free(content);
    aside_done(&a);
    mem_free(pin);
    return rc;
}

struct due {
    uint64_t now;
    uint8_t keys[TRIES_AT_ONCE][ASIDE_KEY];
    size_t n;
};

/* A clock that was set back must not put it off by more than a day. */
static bool is_due(struct bytes row, uint64_t now)
{
    return row.n == ASIDE_ROW &&
           (get_u64(row.p + 10) <= now || get_u64(row.p + 10) > now + LONGEST_WAIT_MS);
}

static bool due_row(void *ctx, struct bytes key, struct bytes row)
{
    struct due *d = ctx;

    if (key.n == ASIDE_KEY && is_due(row, d->now))
        memcpy(d->keys[d->n++], key.p, ASIDE_KEY);
    return d->n < TRIES_AT_ONCE;
}

/* Another process of this home may have been faster. A row that does not open any more is told as
 * lost: it must not end every receiving from now on. */
static wax_rc one_in_tx(struct client *c, struct bytes key)
{
    struct buf row = {0};
    struct dev_id dev;
    wax_rc rc = vault_get(c->env.vault, VT_ASIDE, key, &row);

    if (rc == WAX_OK && is_due(buf_view(&row), now_own(c)))
        rc = try_again(c, key, get_u16(row.p), get_u64(row.p + 2));
    if (rc == WAX_E_DAMAGED) {
        memcpy(dev.b, key.p, sizeof dev.b);
        rc = give_up(c, "", &dev);
        if (rc == WAX_OK)
            rc = drop(c, key);
    }
    buf_done(&row);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

wax_rc client_aside_retry(struct client *c)
{
    struct due d = {.now = now_own(c)};
    uint64_t n = 0;
    wax_rc rc = vault_count(c->env.vault, VT_ASIDE, BYTES(NULL, 0), &n);

    if (rc == WAX_OK && n)
        rc = vault_scan(c->env.vault, VT_ASIDE, BYTES(NULL, 0), BYTES(NULL, 0), false, due_row, &d);
    for (size_t i = 0; rc == WAX_OK && i < d.n; i++) {
        rc = vault_begin(c->env.vault);
        if (rc == WAX_OK)
            rc = vault_finish(c->env.vault, one_in_tx(c, BYTES_OF(d.keys[i])));
    }
    return rc;
}

wax_rc client_aside_count(struct client *c, unsigned *ret)
{
    uint64_t n = 0;
    wax_rc rc = vault_count(c->env.vault, VT_ASIDE, BYTES(NULL, 0), &n);

    if (rc == WAX_OK)
        *ret = (unsigned)n;
    return rc;
}
