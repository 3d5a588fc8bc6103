/* The ledger of a healed run: each message that its sender holds is in the history of every device
 * concerned, once, in its sender's order. Concerned is a device of either side that was listed
 * when the server took the message. What PROTOCOL lets go missing is excused by its own rule, and
 * by nothing else. */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define WEEK (7ULL * 86400000)
#define SHOWN_MAX 12

void ledger_complain(struct sim *s, uint64_t *counter, const char *what, const struct device *d,
                     const char *text)
{
    char troubles[160];

    (*counter)++;
    if (s->shown++ < SHOWN_MAX)
        printf("seed %llu (%s): %s%s%s%s%s: %s\n", (unsigned long long)s->w.seed,
               sim_troubles(s, troubles), what, d ? " at " : "", d ? d->handle : "", d ? "/" : "",
               d ? d->name : "", text);
}

/* --- Once, and in order --- */

struct view {
    struct sim *s;
    struct device *d;
    struct ledger_map *texts, *last;
};

/* A message that went out again comes later than its place. */
static bool repeated(struct sim *s, const struct device *d, const struct item *it)
{
    const struct letter *l = ledger_letter(s, &it->com, client_dev(d->client));

    return l && (l->times > 1 || l->repeat);
}

static void note_order(struct view *v, const struct item *it, const char *sender, unsigned n)
{
    int from = ledger_device(v->s, &it->device);
    uint64_t key = ledger_hash(ledger_hash(0, sender, strlen(sender)), it->conversation,
                               strlen(it->conversation));

    if (from >= 0 && v->s->life[from].was_rolled) /* what an older copy sends again comes late */
        return;
    if (repeated(v->s, v->d, it) || it->handed_on) /* 5.4: of another own device, later */
        return;
    uint64_t *last = ledger_map_at(v->last, key);
    if (*last > n)
        ledger_complain(v->s, &v->s->t->order, "out of order", v->d, sender);
    else
        *last = n;
}

static bool read_one(void *ctx, uint64_t order, const struct item *it)
{
    struct view *v = ctx;
    char text[128];

    (void)order;
    if (it->type != ITEM_MESSAGE || it->text.n >= sizeof text || it->state == ITEM_UNREADABLE)
        return true;
    memcpy(text, it->text.p, it->text.n);
    text[it->text.n] = 0;
    uint64_t id = ledger_hash(0, text, it->text.n);
    if (!ledger_map_same(v->texts, id, order + 1))
        ledger_complain(v->s, &v->s->t->doubled, "shown twice", v->d, text);
    char *space = strrchr(text, ' ');
    if (!space)
        return true;
    unsigned n = (unsigned)strtoul(space + 1, NULL, 10);
    *space = 0;
    note_order(v, it, text, n);
    return true;
}

/* --- What may be missing --- */

struct find {
    const struct hash32 *com;
    const struct dev_id *to, *from;
    unsigned n;
};

/* Looks through all events of d. */
static void each_event(struct device *d, bool (*fn)(void *ctx, const struct item *it), void *ctx)
{
    uint64_t seq = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, (enum item_shown)(SHOWN_DONE + 1), &seq, &shown,
                              &it) != WAX_OK)
            return;
        bool on = fn(ctx, &it);
        item_done(&it);
        if (!on)
            return;
    }
}

static bool is_expiry_of(void *ctx, const struct item *it)
{
    struct find *f = ctx;

    f->n +=
        it->type == ITEM_EXPIRED && it->own && ID_EQ(&it->com, f->com) && ID_EQ(&it->device, f->to);
    return true;
}
static bool is_expiry_here(void *ctx, const struct item *it)
{
    ((struct find *)ctx)->n += it->type == ITEM_EXPIRED && !it->own ? it->count : 0;
    return true;
}
static bool is_unreadable(void *ctx, const struct item *it)
{
    struct find *f = ctx;

    f->n += it->type == ITEM_ALERT && strcmp(it->kind, "undecryptable") == 0 &&
            ID_EQ(&it->device, f->from);
    return true;
}

/* Whether a device took nothing from its mailbox in that time: notices wait a week there. */
static bool away(const struct life *l, uint64_t since, uint64_t until)
{
    for (size_t i = 0; i + 8 <= l->connects.n; i += 8) {
        uint64_t at = get_u64(l->connects.p + i);
        if (at >= since && at < until)
            return false;
    }
    return true;
}

/* Expired, with both ends told (PROTOCOL 4.8); the sender may have been away for the notice's
 * life, too. */
static bool told_expired(struct sim *s, size_t from, size_t to, const struct letter *a)
{
    struct find mine = {.com = &a->com, .to = &a->to}, theirs = {0};

    each_event(&s->w.devices[from], is_expiry_of, &mine);
    each_event(&s->w.devices[to], is_expiry_here, &theirs);
    if (theirs.n == 0 && s->life[to].gone_before == 0)
        return false;
    return mine.n > 0 || away(&s->life[from], a->first + WEEK, a->first + 2 * WEEK) ||
           away(&s->life[from], a->last + WEEK, a->last + 2 * WEEK);
}

static bool listed_unreadable(struct sim *s, size_t from, size_t to)
{
    struct find f = {.from = client_dev(s->w.devices[from].client)};

    each_event(&s->w.devices[to], is_unreadable, &f);
    return f.n > 0;
}

/* What counts as excused, and by which rule:
 * - either device is removed: the queue of a removed device is purged, its sessions are dropped and
 *   what it sent is refused and listed (4.2, 5.2);
 * - never stored for this device: it was not on the list when the server took the message (2: a
 *   fan-out goes to the devices listed; 5.4: nothing older than a device's listing is handed on),
 * or the message is not accepted and still waits, visibly, in the outbox; for a sender whose clock
 * is far ahead, the device was dormant, which is told at the sender and to the siblings (4.1);
 * - the sync that names the recipient of an own message was skipped likewise (5.4);
 * - the home was put back to a copy from before: what it had read since is in its siblings' hands,
 *   and an account with one device has nobody to ask (4.6);
 * - expired, with both ends told (4.8);
 * - listed as unreadable, and asked for (4.8). */
static bool excused(struct sim *s, size_t from, size_t to, const struct item *it)
{
    const struct life *l = &s->life[to];
    const struct letter *a = ledger_letter(s, &it->com, client_dev(s->w.devices[to].client));

    if (!l->active || !s->life[from].active) /* the queue of a removed device is purged, what a
                                                removed one sent is refused (4.2, 5.2) */
        return true;
    if (!a && s->life[from].far) /* by its clock, that one was dormant: skipped (4.1) */
        return true;
    if (!a) /* not on the list when it was sent, or never taken */
        return it->state != ITEM_ACCEPTED || (l->listed && it->sent_at < l->listed + WEEK);
    if (s->life[from].far && s->life[from].account == l->account)
        return true; /* so was the sync that names the recipient: its display waits (5.4) */
    if (l->gone_before && a->first <= l->gone_before) /* not in the copy, or it would be here */
        return true;
    if (told_expired(s, from, to, a)) {
        s->t->expired++;
        return true;
    }
    if (listed_unreadable(s, from, to)) {
        s->t->unreadable++;
        return true;
    }
    return false;
}

/* What is known of a message that is not there. */
static void missing(struct sim *s, size_t from, size_t to, const struct letter *a,
                    const struct item *it, const char *text)
{
    char line[300];
    struct life *x = &s->life[from], *y = &s->life[to];

    (void)snprintf(line, sizeof line,
                   "%s, written at %.2f h (state %u), stored at %.2f h (%u times); sender %s%s%s, "
                   "receiver listed at %.2f h %s%s%s; end %.2f h",
                   text, (double)(it->sent_at - WORLD_START) / 3.6e6, it->state,
                   a ? (double)(a->first - WORLD_START) / 3.6e6 : -1, a ? a->times : 0,
                   x->far ? "far " : "", x->was_rolled ? "rolled " : "",
                   x->removed ? "removed " : "",
                   y->listed ? (double)(y->listed - WORLD_START) / 3.6e6 : 0, y->far ? "far " : "",
                   y->was_rolled ? "rolled " : "", y->removed ? "removed " : "",
                   (double)(s->w.now - WORLD_START) / 3.6e6);
    ledger_complain(s, &s->t->lost, "missing", &s->w.devices[to], line);
}

struct sent {
    struct sim *s;
    size_t from;
};

static void sent_to(struct sim *s, size_t from, size_t i, const struct item *it, const char *text)
{
    struct device *d = &s->w.devices[i];
    const struct letter *a = ledger_letter(s, &it->com, client_dev(d->client));
    bool has = device_count(d, text) > 0;

    if (has && i != from)
        s->t->delivered++;
    if (!has && excused(s, from, i, it))
        s->t->excused++;
    else if (!has)
        missing(s, from, i, a, it, text);
    else if (i != from && s->life[i].link_begun && a && a->last < s->life[i].link_begun)
        ledger_complain(s, &s->t->doubled, "older than the device", d, text);
}

static bool sent_one(void *ctx, uint64_t order, const struct item *it)
{
    struct sent *x = ctx;
    struct sim *s = x->s;
    struct device *from = &s->w.devices[x->from];
    char text[128];

    (void)order;
    if (it->type != ITEM_MESSAGE || it->text.n >= sizeof text ||
        !ID_EQ(&it->device, client_dev(from->client)) || it->handed_on)
        return true;
    memcpy(text, it->text.p, it->text.n);
    text[it->text.n] = 0;
    s->t->sent++;
    for (size_t i = 0; i < s->w.n_devices; i++) {
        struct device *d = &s->w.devices[i];
        bool concerned = strcmp(d->handle, it->to) == 0 || strcmp(d->handle, from->handle) == 0;
        if (concerned && d->client && !s->life[i].clone)
            sent_to(s, x->from, i, it, text);
    }
    return true;
}

/* --- Alerts --- */

static bool any_rolled(const struct sim *s)
{
    bool any = false;

    for (size_t i = 0; i < s->w.n_devices; i++)
        any |= s->life[i].was_rolled;
    return any;
}

static bool any_far(const struct sim *s)
{
    bool any = false;

    for (size_t i = 0; i < s->w.n_devices; i++)
        any |= s->life[i].far;
    return any;
}

static bool expected(struct sim *s, const struct device *d, const struct item *it)
{
    int from = ledger_device(s, &it->device);
    bool unreadable = strcmp(it->kind, "undecryptable") == 0,
         reset = strcmp(it->kind, "session_reset") == 0;

    if (strcmp(it->kind, "new_device") == 0)
        return true;
    if (sim_has(s, CLOCKS) && strcmp(it->kind, "clock_differs") == 0)
        return true;
    /* By its clock it was written after the sender was told of the new device. */
    if (sim_has(s, CLOCKS) && strcmp(it->kind, "device_missed") == 0)
        return true;
    if (sim_has(s, DEVICES) && (strcmp(it->kind, "device_revoked") == 0 ||
                                (unreadable && from >= 0 && s->w.devices[from].revoked)))
        return true;
    if (any_rolled(s) && (strcmp(it->kind, "restored") == 0 || reset || unreadable ||
                          strcmp(it->klass, "replay") == 0 || strcmp(it->klass, "clone") == 0))
        return true;
    /* An envelope that waited in the outbox until its session was erased (4.5) is listed, and its
     * text is judged like any other. An INIT from before the sessions of today, sent again after
     * the server forgot it (8 d), shows a reset, or after the receiver forgot its fanout id too
     * (14 d), a replay. A clock that is wrong by days makes a device forget as early. */
    if ((sim_has(s, AWAY) || any_far(s)) && (strcmp(it->klass, "replay") == 0 || reset ||
                                             (unreadable && strcmp(it->klass, "no_key") == 0)))
        return true;
    /* By its clock, the sender's manifest is over for more than 8 d (PROTOCOL 1). */
    return s->life[d - s->w.devices].far && unreadable && strcmp(it->klass, "unknown_sender") == 0;
}

struct alerts {
    struct sim *s;
    struct device *d;
    unsigned clocks;
};

static bool see_alert(void *ctx, const struct item *it)
{
    struct alerts *a = ctx;

    if (it->type != ITEM_ALERT)
        return true;
    a->clocks += strcmp(it->kind, "clock_differs") == 0;
    if (!expected(a->s, a->d, it)) {
        char text[64];
        (void)snprintf(text, sizeof text, "%s from %.20s", it->klass, it->from);
        ledger_complain(a->s, &a->s->t->alerts, it->kind, a->d, text);
    }
    return true;
}

static void check_alerts(struct sim *s, size_t i)
{
    struct device *d = &s->w.devices[i];
    struct alerts a = {s, d, 0};
    uint64_t ahead = d->skew >> 63 ? 0 - d->skew : d->skew;

    each_event(d, see_alert, &a);
    if (s->life[i].far || s->life[i].was_rolled)
        return; /* its clock jumped: told each time that it began to be wrong, or only once */
    if (!s->life[i].jumped && a.clocks)
        ledger_complain(s, &s->t->alerts, "clock told though it was right", d, "");
    if (ahead > 3600000 && a.clocks == 0)
        ledger_complain(s, &s->t->alerts, "clock not told", d, "");
}

void ledger_check(struct sim *s)
{
    for (size_t i = 0; i < s->w.n_devices; i++) {
        struct device *d = &s->w.devices[i];
        struct view v = {.s = s, .d = d};
        struct sent x = {s, i};
        if (!d->client || s->life[i].clone)
            continue;
        v.texts = ledger_map_new();
        v.last = ledger_map_new();
        MUST(client_history_each(d->client, NULL, read_one, &v));
        MUST(client_history_each(d->client, NULL, sent_one, &x));
        ledger_map_free(v.texts);
        ledger_map_free(v.last);
        check_alerts(s, i);
    }
}
