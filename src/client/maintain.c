/* What has outlived its rule goes (PROTOCOL 1 "Superseded", 4.3, 4.4, 4.5). */
#include "client/repair.h"

#include <stdlib.h>

/* Where in a table's values the time stands, and what stays all the same. */
struct sweep_rule {
    enum vault_table table;
    size_t time_at;
    uint64_t keep_ms;
    uint64_t keep_rows; /* of each session, however old they are */
    bool closed_only;   /* epochs: an open one stays */
    const char *prefix; /* of the keys; NULL: all */
    bool secret;        /* goes by the own clock alone: a server cannot keep it alive */
};

static const struct sweep_rule rules[] = {
    {VT_SKIPPED, 32, SKIPPED_KEEP_MS, 0, false, NULL, true},
    {VT_SLOT, 32, SLOTS_KEEP_MS, SLOTS_SESSION_MIN, false},
    {VT_OWN_SLOT, 32, SLOTS_KEEP_MS, SLOTS_SESSION_MIN, false},
    {VT_EPOCH, 37, SLOTS_KEEP_MS, 0, true},
    {VT_FANOUT, 32, FANOUTS_KEEP_MS, 0, false},
    {VT_REPAIR, 0, FANOUTS_KEEP_MS, 0, false, "b"}, /* budgets, and when a device was asked */
    {VT_REPAIR, 0, FANOUTS_KEEP_MS, 0, false, "a"},
    {VT_REPAIR, 0, FANOUTS_KEEP_MS, 0, false, "m"},
    {VT_REPAIR, 0, FANOUTS_KEEP_MS, 0, false, "l"},
    {VT_KEPT, 0, REPEAT_KEEP_MS, 0, false, NULL},
    {VT_META, 0, ALERT_QUIET_MS, 0, false, "alert."}, /* when alerts were last given */
    /* These have sweeps of their own; here only their time is looked at. */
    {VT_REPAIR, 0, UINT64_MAX, 0, false, "u"},
    {VT_ASIDE, 2, UINT64_MAX, 0, false, NULL},
};

/* A clock that was far ahead and was set back: what it dated would stay for years, keys too. It
 * counts as of now. */
#define AHEAD_MS DAY_MS

struct old {
    const struct sweep_rule *rule;
    uint64_t limit, ahead; /* rows of an earlier time go; of a later one than that: dated anew */
    struct buf keys;       /* lp each */
    struct buf future;
};

static bool old_row(void *ctx, struct bytes key, struct bytes value)
{
    struct old *o = ctx;

    if (value.n < o->rule->time_at + 8)
        return true;
    uint64_t at = get_u64(value.p + o->rule->time_at);
    if (at > o->ahead)
        buf_lp(&o->future, key);
    else if (at < o->limit && (!o->rule->closed_only || value.p[32]))
        buf_lp(&o->keys, key);
    return true;
}

static wax_rc date_row(struct client *c, const struct sweep_rule *rule, struct bytes key)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, rule->table, key, &b);

    if (rc == WAX_OK && b.n >= rule->time_at + 8) {
        put_u64(b.p + rule->time_at, rule->secret ? now_own(c) : now_late(c));
        rc = vault_put(c->env.vault, rule->table, key, buf_view(&b));
    }
    buf_done(&b);
    return rc;
}

/* Deletes one old row, unless its session has too few (4.3: the last 1,000 slots or 14 d,
 * whichever is longer). */
static wax_rc sweep_row(struct client *c, const struct sweep_rule *rule, struct bytes key)
{
    uint64_t n = UINT64_MAX;
    wax_rc rc = WAX_OK;

    if (rule->keep_rows && key.n > 16)
        rc = vault_count(c->env.vault, rule->table, BYTES(key.p, 16), &n);
    if (rc == WAX_OK && n > rule->keep_rows)
        rc = vault_del(c->env.vault, rule->table, key);
    return rc;
}

/* What repair needs is not forgotten by a clock that jumped ahead: the server's must say so, too.
 */
static wax_rc sweep(struct client *c, const struct sweep_rule *rule)
{
    uint64_t now = rule->secret ? now_own(c) : now_early(c),
             late = rule->secret ? now_own(c) : now_late(c);
    struct old o = {.rule = rule,
                    .limit = now > rule->keep_ms ? now - rule->keep_ms : 0,
                    .ahead = late < UINT64_MAX - AHEAD_MS ? late + AHEAD_MS : UINT64_MAX};
    struct bytes prefix = rule->prefix ? BYTES_STR(rule->prefix) : BYTES(NULL, 0);
    wax_rc rc = vault_scan(c->env.vault, rule->table, prefix, BYTES(NULL, 0), false, old_row, &o);

    if (rc == WAX_OK)
        rc = buf_rc(&o.keys) != WAX_OK ? o.keys.rc : buf_rc(&o.future);
    struct rd r = rd_init(buf_view(&o.keys)), f = rd_init(buf_view(&o.future));
    while (rc == WAX_OK && r.left)
        rc = sweep_row(c, rule, rd_lp(&r, UINT16_MAX));
    while (rc == WAX_OK && f.left)
        rc = date_row(c, rule, rd_lp(&f, UINT16_MAX));
    buf_done(&o.keys);
    buf_done(&o.future);
    return rc;
}

/* --- Slots: SLOTS_ALL_MAX of either table --- */

#define SLOT_ROW 32 /* time 8 ‖ key 24 */

static bool slot_row(void *ctx, struct bytes key, struct bytes value)
{
    if (key.n == SLOT_ROW - 8 && value.n >= 40) {
        buf_bytes(ctx, BYTES(value.p + 32, 8));
        buf_bytes(ctx, key);
    }
    return true;
}

static int by_time(const void *a, const void *b) { return memcmp(a, b, SLOT_ROW); }

/* The oldest of all go, whatever their session (4.3). */
static wax_rc cap_slots(struct client *c, enum vault_table table)
{
    struct buf rows = {0};
    uint64_t n;
    wax_rc rc = vault_count(c->env.vault, table, BYTES(NULL, 0), &n);

    if (rc != WAX_OK || n <= SLOTS_ALL_MAX)
        return rc;
    rc = vault_scan(c->env.vault, table, BYTES(NULL, 0), BYTES(NULL, 0), false, slot_row, &rows);
    if (rc == WAX_OK)
        rc = buf_rc(&rows);
    size_t have = rows.n / SLOT_ROW, over = have > SLOTS_ALL_MAX ? have - SLOTS_ALL_MAX : 0;
    if (rc == WAX_OK && over)
        qsort(rows.p, have, SLOT_ROW, by_time);
    for (size_t i = 0; rc == WAX_OK && i < over; i++)
        rc = vault_del(c->env.vault, table, BYTES(rows.p + i * SLOT_ROW + 8, SLOT_ROW - 8));
    buf_done(&rows);
    return rc;
}

static bool any_key(void *ctx, struct bytes key, struct bytes value)
{
    (void)value;
    buf_lp(ctx, key);
    return true;
}

/* Sessions that 4.5 says are over: only once the mailbox was drained after that, since what waits
 * there may still be sealed in them. */
static wax_rc tidy_peers(struct client *c)
{
    struct peer_sessions *s = mem_alloc(sizeof *s);
    struct buf keys = {0};
    uint64_t drained;
    wax_rc rc = meta_get_u64(c->env.vault, "drained.at", &drained);

    if (rc == WAX_OK)
        rc = s ? vault_scan(c->env.vault, VT_PEER, BYTES(NULL, 0), BYTES(NULL, 0), false, any_key,
                            &keys)
               : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = buf_rc(&keys);
    struct rd r = rd_init(buf_view(&keys));
    while (rc == WAX_OK && r.left) {
        struct session_delta d = {0};
        struct dev_id dev;
        struct bytes key = rd_lp(&r, 16);
        if (key.n != 16)
            rc = WAX_E_DAMAGED;
        else
            memcpy(dev.b, key.p, 16);
        if (rc == WAX_OK)
            rc = peer_load(c, &dev, s);
        bool changed = rc == WAX_OK && session_set_back(s, now_own(c));
        if (rc == WAX_OK && (session_tidy(s, drained, &d) || changed)) {
            rc = peer_store(c, s);
            if (rc == WAX_OK)
                rc = delta_apply(c, &dev, &d, NULL, now_own(c));
        }
        session_delta_done(&d);
    }
    if (s)
        peer_sessions_wipe(s);
    mem_free(s);
    buf_done(&keys);
    return rc;
}

/* Private halves of superseded bundles, with the INIT cache filed under them. */
static wax_rc drop_prekeys(struct client *c)
{
    struct buf keys = {0};
    uint64_t drained, judged;
    wax_rc rc = meta_get_u64(c->env.vault, "drained.at", &drained);

    if (rc == WAX_OK)
        rc = meta_get_u64(c->env.vault, "judged.at", &judged);
    if (rc == WAX_OK)
        rc = vault_scan(c->env.vault, VT_PREKEY, BYTES(NULL, 0), BYTES(NULL, 0), false, any_key,
                        &keys);
    if (rc == WAX_OK)
        rc = buf_rc(&keys);
    struct rd r = rd_init(buf_view(&keys));
    while (rc == WAX_OK && r.left) {
        struct prekey p = {0};
        struct buf b = {0};
        struct bytes key = rd_lp(&r, UINT16_MAX);
        rc = vault_get(c->env.vault, VT_PREKEY, key, &b);
        if (rc == WAX_OK)
            rc = row_rc(prekey_decode(buf_view(&b), &p));
        if (rc == WAX_OK && p.superseded_at > now_own(c) &&
            p.superseded_at - now_own(c) > AHEAD_MS) {
            p.superseded_at = now_own(c);
            rc = client_prekey_store(c, &p);
        }
        /* What waits unjudged, here or in another process, may be an INIT to it, and keeps it for
         * as long as anything may wait. */
        bool waits = c->n_waiting > 0 || judged < p.superseded_at + PREKEY_KEEP_MS;
        if (rc == WAX_OK && prekey_destroy_due(&p, now_own(c), drained, waits)) {
            rc = vault_del(c->env.vault, VT_PREKEY, key);
            if (rc == WAX_OK)
                rc = vault_del_prefix(c->env.vault, VT_SEEN, key);
        }
        prekey_done(&p);
        buf_done(&b);
    }
    buf_done(&keys);
    return rc;
}

/* A mailbox is empty when its device is first listed. */
static wax_rc drained_first(struct client *c, uint64_t *before)
{
    struct client_device_note note;
    wax_rc rc = *before ? WAX_E_NOTFOUND : client_device_note(c, &c->keys.dev, &note);

    if (rc == WAX_OK)
        *before = note.added_at;
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

/* When the mailbox was empty last, and when besides all of it was judged: a server that lets one
 * envelope wait for ever must not keep the old prekeys alive with it. */
static wax_rc note_drained(struct client *c)
{
    uint64_t before, now = now_server(c);
    wax_rc rc = meta_get_u64(c->env.vault, "drained.server", &before);

    if (rc == WAX_OK)
        rc = drained_first(c, &before);
    if (rc == WAX_OK)
        rc = notices_missed(c, before, now);
    if (rc == WAX_OK && before && now >= before + LIFE_MS)
        rc = catchup_begin(c, before);
    /* Also a lower one: a server whose clock was far ahead once must not hide every later absence.
     */
    if (rc == WAX_OK && now != before)
        rc = meta_put_u64(c->env.vault, "drained.server", now);
    if (rc == WAX_OK)
        rc = meta_put_u64(c->env.vault, "drained.at", now_own(c));
    return rc == WAX_OK && c->n_waiting == 0 ? meta_put_u64(c->env.vault, "judged.at", now_own(c))
                                             : rc;
}

static wax_rc maintain_in_tx(struct client *c, bool drained)
{
    wax_rc rc = drained ? note_drained(c) : WAX_OK;

    if (rc == WAX_OK)
        rc = drop_prekeys(c);
    if (rc == WAX_OK)
        rc = tidy_peers(c);
    for (size_t i = 0; rc == WAX_OK && i < sizeof rules / sizeof *rules; i++)
        rc = sweep(c, &rules[i]);
    if (rc == WAX_OK)
        rc = cap_slots(c, VT_SLOT);
    if (rc == WAX_OK)
        rc = cap_slots(c, VT_OWN_SLOT);
    return rc == WAX_OK ? sent_sweep(c) : rc;
}

/* Scanning all rows is not for every connection: once in six hours, and the time of a drained
 * mailbox is always noted. */
#define MAINTAIN_MS (6 * 3600000ULL)

wax_rc client_maintain(struct client *c, bool drained)
{
    struct vault *v = c->env.vault;
    uint64_t last;
    wax_rc rc = meta_get_u64(v, "maintained.at", &last);
    /* A time from the future is that of a clock set back since. */
    bool due = rc == WAX_OK && (now_own(c) >= last + MAINTAIN_MS || now_own(c) < last);

    if (rc != WAX_OK || (!due && !drained))
        return rc;
    rc = vault_begin(v);
    if (rc != WAX_OK)
        return rc;
    if (due)
        rc = maintain_in_tx(c, drained);
    else
        rc = note_drained(c);
    if (rc == WAX_OK && due)
        rc = meta_put_u64(v, "maintained.at", now_own(c));
    return vault_finish(v, rc);
}
