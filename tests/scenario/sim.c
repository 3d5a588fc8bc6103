/* scenario SEED | --seeds A..B [--steps N]: random conversations over a network, disk and server
 * that fail, from a seed; at the end everything heals and a ledger decides: each message that
 * its sender holds is in the history of every device concerned, once, in its sender's order,
 * and nothing was unreadable. Exit 0 only when it is clean. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "world.h"

#define ACCOUNTS 3
#define DEVICES 6
#define CHAINS (DEVICES * ACCOUNTS) /* a sender device in a conversation */
#define HEAL_ROUNDS 40

struct totals {
    uint64_t seeds, steps, faults, sent, lost, doubled, order, alerts, stuck;
};

static const char *const handles[ACCOUNTS] = {"ann@example.org", "bob@example.org",
                                              "carol@example.org"};

/* What went wrong is said with its seed, so that it can be run again. */
static void complain(const struct world *w, uint64_t *counter, const char *what,
                     const struct device *d, const char *text)
{
    (*counter)++;
    printf("seed %llu: %s at %s/%s: %s\n", (unsigned long long)w->seed, what, d->handle, d->name,
           text);
}

static void revive(struct device *d)
{
    for (int i = 0; i < 100; i++)
        if (device_start(d) == WAX_OK)
            return;
    fprintf(stderr, "%s/%s does not start any more\n", d->handle, d->name);
    abort();
}

/* After a failed operation: a crash restarts the device, a broken disk write too (the process dies
 * of it), anything else goes on. */
static void after(struct device *d, wax_rc rc)
{
    if (d->crashed || rc == WAX_E_IO || rc == WAX_E_CANCELLED)
        revive(d);
}

static void arm(struct world *w, struct device *d)
{
    if (world_chance(w, w->faults.crash_vault))
        vault_memory_fail(d->disk, 1 + (unsigned)(world_random(w) % 40), WAX_E_IO);
}

static void step(struct world *w, unsigned *counter)
{
    struct device *d = &w->devices[world_random(w) % DEVICES];
    char text[64];
    struct hash32 com;
    wax_rc rc = WAX_OK;

    arm(w, d);
    switch (world_random(w) % 8) {
    case 0:
    case 1:
    case 2: {
        size_t to = world_random(w) % ACCOUNTS;
        (void)snprintf(text, sizeof text, "%s/%s %u", d->handle, d->name, ++*counter);
        rc = device_send(d, handles[to], text, &com);
        break;
    }
    case 3:
    case 4:
        rc = client_flush(d->client, NULL, NULL);
        break;
    case 5:
    case 6:
        rc = device_receive(d);
        break;
    default:
        world_pass(w, world_random(w) % 3600000);
    }
    after(d, rc);
    vault_memory_fail(d->disk, 0, WAX_OK);
}

static void heal(struct world *w, struct totals *t)
{
    unsigned left = 0;

    w->faults = (struct faults){0};
    for (int round = 0; round < HEAL_ROUNDS; round++) {
        left = 0;
        world_pass(w, 61000);
        for (size_t i = 0; i < DEVICES; i++) {
            struct device *d = &w->devices[i];
            unsigned n = 0;
            revive(d);
            wax_rc rc = client_flush(d->client, NULL, NULL);
            wax_rc rc2 = device_receive(d);
            if (client_outbox_count(d->client, &n) != WAX_OK || rc != WAX_OK || rc2 != WAX_OK)
                n++;
            left += n;
        }
        if (left == 0 && round > 3)
            return;
    }
    t->stuck += left;
    printf("seed %llu: %u messages or devices are stuck\n", (unsigned long long)w->seed, left);
}

/* --- The ledger --- */

struct view {
    struct world *w;
    struct device *d;
    struct totals *t;
    struct {
        char sender[96];
        unsigned n;
    } last[CHAINS];
    struct buf texts; /* each with its NUL */
};

static bool read_one(void *ctx, uint64_t order, const struct item *it)
{
    struct view *v = ctx;
    char text[96];
    unsigned n;

    (void)order;
    if (it->type != ITEM_MESSAGE || it->text.n >= sizeof text)
        return true;
    memcpy(text, it->text.p, it->text.n);
    text[it->text.n] = 0;
    for (const char *p = (const char *)v->texts.p; p && p < (const char *)v->texts.p + v->texts.n;
         p += strlen(p) + 1)
        if (strcmp(p, text) == 0)
            complain(v->w, &v->t->doubled, "shown twice", v->d, text);
    buf_add(&v->texts, text, it->text.n + 1);
    char *space = strrchr(text, ' ');
    n = (unsigned)strtoul(space + 1, NULL, 10);
    *space = 0;
    (void)strncat(text, "→", sizeof text - strlen(text) - 1);
    (void)strncat(text, it->conversation, sizeof text - strlen(text) - 1);
    for (size_t i = 0; i < CHAINS; i++) {
        if (v->last[i].sender[0] && strcmp(v->last[i].sender, text) != 0)
            continue;
        if (v->last[i].n >= n)
            complain(v->w, &v->t->order, "out of order", v->d, text);
        (void)snprintf(v->last[i].sender, sizeof v->last[i].sender, "%s", text);
        v->last[i].n = n;
        break;
    }
    return true;
}

struct sent {
    struct world *w;
    struct device *from;
    struct totals *t;
};

static bool sent_one(void *ctx, uint64_t order, const struct item *it)
{
    struct sent *s = ctx;
    char text[96];

    (void)order;
    if (it->type != ITEM_MESSAGE || it->text.n >= sizeof text ||
        !ID_EQ(&it->device, client_dev(s->from->client)))
        return true;
    memcpy(text, it->text.p, it->text.n);
    text[it->text.n] = 0;
    s->t->sent++;
    for (size_t i = 0; i < DEVICES; i++) {
        struct device *d = &s->w->devices[i];
        bool concerned = strcmp(d->handle, it->to) == 0 || strcmp(d->handle, s->from->handle) == 0;
        if (concerned && device_count(d, text) == 0)
            complain(s->w, &s->t->lost, "missing", d, text);
    }
    return true;
}

static void check_alerts(struct world *w, struct device *d, struct totals *t)
{
    uint64_t seq = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        if (client_event_next(d->client, seq, (enum item_shown)(SHOWN_DONE + 1), &seq, &shown,
                              &it) != WAX_OK)
            return;
        if (it.type == ITEM_ALERT && strcmp(it.kind, "new_device") != 0)
            complain(w, &t->alerts, it.kind, d, it.klass);
        item_done(&it);
    }
}

static void ledger(struct world *w, struct totals *t)
{
    for (size_t i = 0; i < DEVICES; i++) {
        struct device *d = &w->devices[i];
        struct view v = {.w = w, .d = d, .t = t};
        struct sent s = {w, d, t};
        if (client_history_each(d->client, NULL, read_one, &v) != WAX_OK ||
            client_history_each(d->client, NULL, sent_one, &s) != WAX_OK)
            abort();
        buf_done(&v.texts);
        check_alerts(w, d, t);
    }
}

static void set_up(struct world *w)
{
    static const char *const names[2] = {"phone", "laptop"};

    for (size_t i = 0; i < DEVICES; i++)
        (void)world_device(w, handles[i / 2], names[i % 2]);
    for (size_t i = 0; i < DEVICES; i += 2)
        if (device_register(&w->devices[i]) != WAX_OK ||
            device_link(&w->devices[i], &w->devices[i + 1], false) != WAX_OK)
            abort();
}

static void run(uint64_t seed, unsigned steps, struct totals *t)
{
    struct world *w = mem_alloc(sizeof *w);
    unsigned counter = 0;

    if (!w)
        abort();
    world_init(w, seed);
    set_up(w);
    w->faults = (struct faults){.lose_request = 40,
                                .lose_reply = 60,
                                .repeat = 40,
                                .crash_request = 15,
                                .crash_vault = 60,
                                .server_crash = 10};
    for (unsigned i = 0; i < steps; i++)
        step(w, &counter);
    heal(w, t);
    ledger(w, t);
    t->seeds++;
    t->steps += w->steps;
    t->faults += w->n_faults;
    world_done(w);
    mem_free(w);
}

int main(int argc, char **argv)
{
    struct totals t = {0};
    uint64_t from = 1, to = 1, steps = 150;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc) {
            char *dots = strstr(argv[++i], "..");
            if (dots)
                *dots = 0;
            if (!dots || parse_u64(argv[i], &from) != WAX_OK || parse_u64(dots + 2, &to) != WAX_OK)
                return 64;
        } else if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc &&
                   parse_u64(argv[i + 1], &steps) == WAX_OK) {
            i++;
        } else if (parse_u64(argv[i], &from) == WAX_OK) {
            to = from;
        } else {
            fprintf(stderr, "usage: scenario SEED | --seeds A..B [--steps N]\n");
            return 64;
        }
    }
    for (uint64_t s = from; s <= to; s++)
        run(s, (unsigned)steps, &t);
    printf("seeds %llu, steps %llu, faults %llu, sent %llu, lost %llu, doubled %llu, out of order "
           "%llu, alerts %llu, stuck %llu\n",
           (unsigned long long)t.seeds, (unsigned long long)t.steps, (unsigned long long)t.faults,
           (unsigned long long)t.sent, (unsigned long long)t.lost, (unsigned long long)t.doubled,
           (unsigned long long)t.order, (unsigned long long)t.alerts, (unsigned long long)t.stuck);
    return t.lost || t.doubled || t.order || t.alerts || t.stuck ? 1 : 0;
}
