/* The ledger of a healed run: each message that its sender holds is in the history of every device
 * concerned, once, in its sender's order, and nothing was unreadable. Concerned is a device of
 * either side that was listed when the server took the message. What PROTOCOL lets go missing is
 * excused by its own rule, and by nothing else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define CHAINS (SIM_DEVICES * ACCOUNTS) /* a sender device in a conversation */

struct view {
    struct sim *s;
    struct device *d;
    struct {
        char sender[160];
        unsigned n;
    } last[CHAINS];
    bool mixed;       /* an old copy was put back somewhere: what it sends again comes late */
    struct buf texts; /* each with its NUL */
};

static void note_order(struct view *v, const char *sender, unsigned n)
{
    for (size_t i = 0; i < CHAINS; i++) {
        if (v->last[i].sender[0] && strcmp(v->last[i].sender, sender) != 0)
            continue;
        if (v->last[i].n >= n && !v->mixed)
            sim_complain(v->s, &v->s->t->order, "out of order", v->d, sender);
        (void)snprintf(v->last[i].sender, sizeof v->last[i].sender, "%s", sender);
        v->last[i].n = n;
        break;
    }
}

static bool read_one(void *ctx, uint64_t order, const struct item *it)
{
    struct view *v = ctx;
    char text[96], sender[160];

    (void)order;
    if (it->type != ITEM_MESSAGE || it->text.n >= sizeof text || it->state == ITEM_UNREADABLE)
        return true;
    memcpy(text, it->text.p, it->text.n);
    text[it->text.n] = 0;
    for (const char *p = (const char *)v->texts.p; p && p < (const char *)v->texts.p + v->texts.n;
         p += strlen(p) + 1)
        if (strcmp(p, text) == 0)
            sim_complain(v->s, &v->s->t->doubled, "shown twice", v->d, text);
    buf_add(&v->texts, text, it->text.n + 1);
    char *space = strrchr(text, ' ');
    unsigned n = (unsigned)strtoul(space + 1, NULL, 10);
    *space = 0;
    (void)snprintf(sender, sizeof sender, "%s→%.60s", text, it->conversation);
    note_order(v, sender, n);
    return true;
}

/* --- What may be missing --- */

/* The sender was told that this device did not fetch it (PROTOCOL 4.8). */
static bool told_expired(struct device *from, const struct hash32 *com, const struct dev_id *to)
{
    uint64_t seq = 0;
    bool found = false;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(from->client, seq, (enum item_shown)(SHOWN_DONE + 1), &seq, &shown,
                              &it) != WAX_OK)
            return found;
        found = found ||
                (it.type == ITEM_EXPIRED && it.own && ID_EQ(&it.com, com) && ID_EQ(&it.device, to));
        item_done(&it);
    }
}

#define WEEK (7ULL * 86400000)

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

static bool excused(struct sim *s, size_t from, size_t to, const struct item *it)
{
    const struct life *l = &s->life[to];
    const struct letter *a = sim_letter(s, &it->com);

    if (!l->active || !s->life[from].active) /* the queue of a removed device is purged, what a
                                                removed one sent is refused (4.2, 5.2) */
        return true;
    if (!a) /* notes to oneself of an account with one device, or never taken */
        return it->state != ITEM_ACCEPTED;
    if (l->listed && a->first < l->listed) /* not on the list then */
        return true;
    if (l->gone_before && a->first <= l->gone_before) /* not in the copy, or it would be here */
        return true;
    if (s->profile != EXPIRY)
        return false;
    return told_expired(&s->w.devices[from], &it->com, client_dev(s->w.devices[to].client)) ||
           away(&s->life[from], a->first + WEEK, a->first + 2 * WEEK) ||
           away(&s->life[from], a->last + WEEK, a->last + 2 * WEEK);
}

struct sent {
    struct sim *s;
    size_t from;
};

static bool sent_one(void *ctx, uint64_t order, const struct item *it)
{
    struct sent *x = ctx;
    struct sim *s = x->s;
    struct device *from = &s->w.devices[x->from];
    char text[96];

    (void)order;
    if (it->type != ITEM_MESSAGE || it->text.n >= sizeof text ||
        !ID_EQ(&it->device, client_dev(from->client)))
        return true;
    memcpy(text, it->text.p, it->text.n);
    text[it->text.n] = 0;
    s->t->sent++;
    for (size_t i = 0; i < s->w.n_devices; i++) {
        struct device *d = &s->w.devices[i];
        const struct letter *a = sim_letter(s, &it->com);
        bool concerned = strcmp(d->handle, it->to) == 0 || strcmp(d->handle, from->handle) == 0;
        if (!concerned || !d->client)
            continue;
        bool has = device_count(d, text) > 0;
        if (!has && excused(s, x->from, i, it))
            s->t->excused++;
        else if (!has)
            sim_complain(s, &s->t->lost, "missing", d, text);
        else if (i != x->from && s->life[i].link_begun && a && a->last < s->life[i].link_begun)
            sim_complain(s, &s->t->doubled, "older than the device", d, text);
    }
    return true;
}

/* --- Alerts --- */

static bool of_restored(const struct sim *s, const struct device *d, const struct item *it)
{
    for (size_t i = 0; i < s->w.n_devices; i++)
        if (s->life[i].gone_before &&
            (&s->w.devices[i] == d || ID_EQ(client_dev(s->w.devices[i].client), &it->device)))
            return true;
    return false;
}

static bool of_removed(const struct sim *s, const struct item *it)
{
    for (size_t i = 0; i < s->w.n_devices; i++)
        if (s->w.devices[i].revoked && s->w.devices[i].client &&
            ID_EQ(client_dev(s->w.devices[i].client), &it->device))
            return true;
    return false;
}

static bool expected(const struct sim *s, const struct device *d, const struct item *it)
{
    if (strcmp(it->kind, "new_device") == 0)
        return true;
    switch (s->profile) {
    case CLOCKS:
        return strcmp(it->kind, "clock_differs") == 0;
    case DEVICES_:
        return strcmp(it->kind, "device_revoked") == 0 ||
               (strcmp(it->kind, "undecryptable") == 0 && of_removed(s, it));
    case OLD_COPY:
        return (strcmp(it->kind, "restored") == 0 || strcmp(it->kind, "session_reset") == 0 ||
                strcmp(it->kind, "undecryptable") == 0) &&
               of_restored(s, d, it);
    case EXPIRY: /* An envelope that waited in the outbox until its session was erased (4.5) is
                    listed, and its text is judged like any other. An INIT from before the sessions
                    of today, sent again after the server forgot it (8 d), shows a reset, or after
                    the receiver forgot its fanout id too (14 d), a replay. */
        return strcmp(it->klass, "replay") == 0 ||
               (strcmp(it->kind, "undecryptable") == 0 && strcmp(it->klass, "no_key") == 0) ||
               strcmp(it->kind, "session_reset") == 0;
    default:
        return false;
    }
}

static void check_alerts(struct sim *s, struct device *d)
{
    uint64_t seq = 0, ahead = d->skew >> 63 ? 0 - d->skew : d->skew;
    unsigned clocks = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, (enum item_shown)(SHOWN_DONE + 1), &seq, &shown,
                              &it) != WAX_OK)
            break;
        clocks += it.type == ITEM_ALERT && strcmp(it.kind, "clock_differs") == 0;
        if (it.type == ITEM_ALERT && !expected(s, d, &it))
            sim_complain(s, &s->t->alerts, it.kind, d, it.klass);
        item_done(&it);
    }
    if (clocks != (ahead > 3600000 ? 1 : 0)) /* once, and above an hour only (PROTOCOL 0) */
        sim_complain(s, &s->t->alerts, "clock told a wrong number of times", d, "");
}

static bool any_old_copy(const struct sim *s)
{
    bool any = false;

    for (size_t i = 0; i < s->w.n_devices; i++)
        any |= s->life[i].gone_before != 0;
    return any;
}

void ledger_check(struct sim *s)
{
    for (size_t i = 0; i < s->w.n_devices; i++) {
        struct device *d = &s->w.devices[i];
        struct view v = {.s = s, .d = d, .mixed = any_old_copy(s)};
        struct sent x = {s, i};
        if (!d->client)
            continue;
        if (client_history_each(d->client, NULL, read_one, &v) != WAX_OK ||
            client_history_each(d->client, NULL, sent_one, &x) != WAX_OK)
            abort();
        buf_done(&v.texts);
        check_alerts(s, d);
    }
}
