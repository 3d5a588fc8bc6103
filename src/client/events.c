/* Event rows: what `receive` has to hand over. A row is a state byte, then either the item
 * itself or, for a message, the order of its history row (so that texts lie there once). */
#include "client/internal.h"

#include <stdio.h>

enum { ROW_ITEM = 0, ROW_HISTORY = 1 };

static wax_rc row_put(struct vault *v, uint8_t what, struct bytes rest)
{
    struct buf b = {0};
    uint8_t key[8];
    uint64_t seq;
    wax_rc rc = meta_next(v, "seq.event", &seq);

    if (rc != WAX_OK)
        return rc;
    buf_u8(&b, SHOWN_NEW);
    buf_u8(&b, what);
    buf_bytes(&b, rest);
    rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = vault_put(v, VT_EVENT, order_key(seq, key), buf_view(&b));
    buf_done(&b);
    return rc;
}

wax_rc event_put_item(struct vault *v, const struct item *it)
{
    struct buf b = {0};
    wax_rc rc = item_encode(it, &b);

    if (rc == WAX_OK)
        rc = row_put(v, ROW_ITEM, buf_view(&b));
    buf_done(&b);
    return rc;
}

wax_rc event_put_history(struct vault *v, uint64_t order)
{
    uint8_t b[8];

    return row_put(v, ROW_HISTORY, order_key(order, b));
}

wax_rc history_load(struct vault *v, uint64_t order, struct item *ret)
{
    struct buf b = {0};
    uint8_t key[8];
    wax_rc rc = vault_get(v, VT_HISTORY, order_key(order, key), &b);

    if (rc == WAX_OK)
        rc = item_decode(buf_view(&b), ret);
    buf_done(&b);
    return rc;
}

wax_rc history_store(struct vault *v, uint64_t order, const struct item *it)
{
    struct buf b = {0};
    uint8_t key[8];
    wax_rc rc = item_encode(it, &b);

    if (rc == WAX_OK)
        rc = vault_put(v, VT_HISTORY, order_key(order, key), buf_view(&b));
    buf_done(&b);
    return rc;
}

struct seek {
    enum item_shown below;
    bool found;
    uint64_t seq;
    struct buf value;
};

static bool seek_row(void *ctx, struct bytes key, struct bytes value)
{
    struct seek *s = ctx;

    if (key.n != 8 || value.n < 2 || value.p[0] >= s->below)
        return true;
    s->found = true;
    s->seq = get_u64(key.p);
    buf_bytes(&s->value, value);
    return false;
}

/* A message that was set aside before it was shown is shown as lost, not passed over. */
static wax_rc shown_history(struct client *c, uint64_t order, struct item *ret)
{
    wax_rc rc = history_load(c->env.vault, order, ret);

    if (rc != WAX_E_NOTFOUND)
        return rc;
    *ret =
        alert_make(c, "store_damaged", WAX_OK, "", NULL,
                   "a message that was not shown yet is lost: its row of the history is damaged");
    return WAX_OK;
}

wax_rc client_event_next(struct client *c, uint64_t after, enum item_shown shown_below,
                         uint64_t *ret_seq, enum item_shown *ret_shown, struct item *ret)
{
    struct seek s = {.below = shown_below};
    struct vault *v = c->env.vault;
    uint8_t key[8];
    uint64_t low;
    /* All up to "events.low" are shown: a long past costs no look-up. */
    wax_rc rc = meta_get_u64(v, "events.low", &low);

    if (rc == WAX_OK && shown_below <= SHOWN_DONE && low > after)
        after = low;
    if (rc == WAX_OK)
        rc = vault_scan(v, VT_EVENT, BYTES(NULL, 0), order_key(after, key), false, seek_row, &s);

    if (rc == WAX_OK && !s.found)
        rc = WAX_E_NOTFOUND;
    if (rc == WAX_OK)
        rc = buf_rc(&s.value);
    if (rc == WAX_OK) {
        struct bytes rest = {s.value.p + 2, s.value.n - 2};
        if (s.value.p[1] == ROW_ITEM)
            rc = item_decode(rest, ret);
        else
            rc = rest.n == 8 ? shown_history(c, get_u64(rest.p), ret) : WAX_E_DAMAGED;
    }
    if (rc == WAX_OK) {
        *ret_seq = s.seq;
        *ret_shown = (enum item_shown)s.value.p[0];
    }
    buf_done(&s.value);
    return rc;
}

static wax_rc raise_low(struct vault *v, uint64_t seq)
{
    uint64_t low;
    wax_rc rc = meta_get_u64(v, "events.low", &low);

    return rc == WAX_OK && seq == low + 1 ? meta_put_u64(v, "events.low", seq) : rc;
}

wax_rc client_event_mark(struct client *c, uint64_t seq, enum item_shown shown)
{
    struct vault *v = c->env.vault;
    struct buf b = {0};
    uint8_t key[8];
    wax_rc rc = vault_begin(v);

    if (rc != WAX_OK)
        return rc;
    rc = vault_get(v, VT_EVENT, order_key(seq, key), &b);
    if (rc == WAX_OK && b.n < 2)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        b.p[0] = (uint8_t)shown;
        rc = vault_put(v, VT_EVENT, order_key(seq, key), buf_view(&b));
    }
    buf_done(&b);
    if (rc == WAX_OK && shown == SHOWN_DONE)
        rc = raise_low(v, seq);
    return vault_finish(v, rc);
}

/* Devices that nobody knows are told of one by one, up to so many until the rows are swept. */
#define UNKNOWN_SENDERS_MAX 64

/* One alert per (kind, class, handle, device) and hour (PROTOCOL 4.2): the last time lies in a row
 * of its own. */
wax_rc event_put_alert(struct client *c, const struct item *alert)
{
    char name[VAULT_KEY_MAX];
    struct buf who = {0};
    struct hash32 handle;
    uint64_t last;
    wax_rc rc = hash_raw(&handle, PARTS(BYTES_STR(alert->from)));

    if (rc != WAX_OK)
        return rc;
    buf_hex(&who, BYTES_OF(alert->device.b));
    buf_hex(&who, BYTES(handle.b, 8));
    const char *hex = buf_cstr(&who);
    if (!hex) {
        buf_done(&who);
        return WAX_E_NOMEM;
    }
    (void)snprintf(name, sizeof name, "alert.%s.%s.%s", alert->kind, alert->klass, hex);
    buf_done(&who);
    rc = meta_get_u64(c->env.vault, name, &last);
    if (rc != WAX_OK)
        return rc;
    /* A row from the future is that of a clock set back since, and keeps nothing quiet. */
    if (last && alert->klass[0] && alert->received_at >= last &&
        alert->received_at - last < ALERT_QUIET_MS)
        return WAX_OK;
    if (!last && strcmp(alert->klass, "unknown_sender") == 0) {
        uint64_t n; /* the server can make up as many senders as it likes */
        rc = vault_count(c->env.vault, VT_META, BYTES_STR("alert.undecryptable.unknown_sender."),
                         &n);
        if (rc != WAX_OK || n >= UNKNOWN_SENDERS_MAX)
            return rc;
    }
    rc = meta_put_u64(c->env.vault, name, alert->received_at);
    return rc == WAX_OK ? event_put_item(c->env.vault, alert) : rc;
}

struct item alert_make(const struct client *c, const char *kind, wax_rc klass, const char *handle,
                       const struct dev_id *dev, const char *detail)
{
    struct item a = {.type = ITEM_ALERT, .received_at = now_own(c)};
    const char *name = rc_refusal(klass);

    item_short(a.kind, sizeof a.kind, kind);
    item_short(a.klass, sizeof a.klass, name ? name : "");
    item_short(a.from, sizeof a.from, handle);
    item_short(a.conversation, sizeof a.conversation, handle);
    item_short(a.detail, sizeof a.detail, detail);
    if (dev)
        a.device = *dev;
    return a;
}

wax_rc client_tell_damage(struct client *c, const struct buf *report)
{
    struct buf told = {0}, text = {0};
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    rc = client_meta_get(c->env.vault, "damage.told", &told);
    if ((rc != WAX_OK && rc != WAX_E_NOTFOUND) ||
        (rc == WAX_OK && bytes_eq(buf_view(&told), buf_view(report))))
        goto out;
    for (size_t i = 0; i + 1 < report->n; i++) { /* lines become one */
        if (report->p[i] == '\n')
            buf_str(&text, "; ");
        else
            buf_u8(&text, report->p[i]);
    }
    const char *line = buf_cstr(&text);
    struct item a = alert_make(c, "store_damaged", WAX_OK, "", NULL, line ? line : "");
    rc = line ? client_meta_put(c->env.vault, "damage.told", buf_view(report)) : WAX_E_NOMEM;
    if (rc == WAX_OK)
        rc = event_put_alert(c, &a);
out:
    buf_done(&told);
    buf_done(&text);
    return vault_finish(c->env.vault, rc);
}
