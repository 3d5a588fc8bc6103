/* scenario SEED | --seeds A..B | --file FILE [--steps N]: random conversations over a network, disk
 * and server that fail, from a seed; at the end everything heals and a ledger decides (ledger.c).
 * What kinds of trouble there are beside the usual ones is the seed's profile, seed % PROFILES.
 * Exit 0 only when it is clean. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define HEAL_ROUNDS 40

const char *const sim_handles[ACCOUNTS] = {"ann@example.org", "bob@example.org",
                                           "carol@example.org"};
static const char *const profiles[PROFILES] = {"plain",  "clocks",  "devices", "old copy",
                                               "expiry", "network", "full",    "store"};

void sim_complain(const struct sim *s, uint64_t *counter, const char *what, const struct device *d,
                  const char *text)
{
    (*counter)++;
    printf("seed %llu (%s): %s at %s/%s: %s\n", (unsigned long long)s->w.seed, profiles[s->profile],
           what, d->handle, d->name, text);
}

bool sim_revive(struct sim *s, size_t i)
{
    struct device *d = &s->w.devices[i];

    for (int k = 0; k < 100; k++)
        if (device_start(d) == WAX_OK)
            return true;
    fprintf(stderr, "seed %llu: %s/%s does not start any more\n", (unsigned long long)s->w.seed,
            d->handle, d->name);
    abort();
}

void sim_after(struct sim *s, size_t i, wax_rc rc)
{
    struct device *d = &s->w.devices[i];

    if (rc == WAX_E_DENIED && s->life[i].maybe_revoked) {
        s->life[i].active = false;
        d->revoked = true;
    }
    if (d->crashed || rc == WAX_E_IO || rc == WAX_E_CANCELLED)
        (void)sim_revive(s, i);
}

void sim_send(struct sim *s, size_t i, const char *to)
{
    struct device *d = &s->w.devices[i];
    char text[96];
    struct hash32 com;

    (void)snprintf(text, sizeof text, "%s/%s %u", d->handle, d->name, ++s->counter);
    sim_after(s, i, device_send(d, to, text, &com));
}

static wax_rc sim_receive(struct sim *s, size_t i)
{
    wax_rc rc = device_receive(&s->w.devices[i]);

    if (rc == WAX_OK && s->w.devices[i].whole)
        buf_u64(&s->life[i].connects, s->w.now);
    return rc;
}

struct letter *sim_letter(struct sim *s, const struct hash32 *com)
{
    struct letter *l = (void *)s->letters.p;

    for (size_t i = 0; i < s->letters.n / sizeof *l; i++)
        if (ID_EQ(&l[i].com, com))
            return &l[i];
    return NULL;
}

static void accepted(void *ctx, const struct hash32 *com)
{
    struct sim *s = ctx;
    struct letter fresh = {.com = *com, .first = s->w.now, .last = s->w.now};
    struct letter *l = sim_letter(s, com);

    if (l)
        l->last = s->w.now;
    else
        buf_add(&s->letters, &fresh, sizeof fresh);
}

static void step(struct sim *s)
{
    struct world *w = &s->w;
    size_t i = world_random(w) % w->n_devices;
    struct device *d = &w->devices[i];
    wax_rc rc = WAX_OK;

    if (!s->life[i].active)
        return;
    if (world_chance(w, w->faults.crash_vault))
        vault_memory_fail(d->disk, 1 + (unsigned)(world_random(w) % 40), WAX_E_IO);
    switch (world_random(w) % 8) {
    case 0:
    case 1:
    case 2:
        sim_send(s, i, sim_handles[world_random(w) % ACCOUNTS]);
        break;
    case 3:
    case 4:
        rc = client_flush(d->client, NULL, NULL);
        break;
    case 5:
    case 6:
        rc = sim_receive(s, i);
        break;
    default:
        world_pass(w, world_random(w) % 3600000);
    }
    sim_after(s, i, rc);
    vault_memory_fail(d->disk, 0, WAX_OK);
    if (s->profile != PLAIN)
        sim_event(s);
}

unsigned sim_round(struct sim *s)
{
    unsigned left = 0;

    world_pass(&s->w, 61000);
    for (size_t i = 0; i < s->w.n_devices; i++) {
        struct device *d = &s->w.devices[i];
        unsigned n = 0;
        if (!s->life[i].active || !sim_revive(s, i))
            continue;
        wax_rc rc = client_flush(d->client, NULL, NULL), rc2 = sim_receive(s, i);
        sim_after(s, i, rc2);
        if (!s->life[i].active)
            continue;
        if (client_outbox_count(d->client, &n) != WAX_OK || rc != WAX_OK || rc2 != WAX_OK)
            n++;
        left += n;
    }
    return left;
}

static void heal(struct sim *s)
{
    unsigned left = 0, quiet = 0;

    s->w.faults = (struct faults){0};
    for (int round = 0; round < HEAL_ROUNDS; round++) {
        left = sim_round(s);
        quiet = left ? 0 : quiet + 1;
        if (quiet > 3) /* what went out in one round is taken in by the next */
            return;
    }
    s->t->stuck += left;
    printf("seed %llu (%s): %u messages or devices are stuck\n", (unsigned long long)s->w.seed,
           profiles[s->profile], left);
}

/* Half of them within the hour of which nobody is told, the others up to 25 h. */
static uint64_t some_skew(struct world *w)
{
    uint64_t off = 60000 * (1 + world_random(w) % (world_chance(w, 500) ? 58 : 1500));

    return world_chance(w, 500) ? off : 0 - off;
}

static void set_up(struct sim *s)
{
    static const char *const names[2] = {"phone", "laptop"};
    struct world *w = &s->w;

    for (size_t i = 0; i < DEVICES; i++) {
        (void)world_device(w, sim_handles[i / 2], names[i % 2]);
        s->life[i].active = true;
    }
    for (size_t i = 0; i < DEVICES; i += 2) {
        wax_rc rc = device_register(&w->devices[i]);
        if (s->profile == CLOCKS)
            for (size_t k = i; k < i + 2; k++)
                w->devices[k].skew = some_skew(w);
        if (rc == WAX_OK)
            rc = device_link(&w->devices[i], &w->devices[i + 1], false);
        if (rc != WAX_OK) {
            fprintf(stderr, "seed %llu: set-up of %s: %s\n", (unsigned long long)w->seed,
                    w->devices[i].handle, rc_text(rc));
            abort();
        }
    }
}

static void set_faults(struct sim *s)
{
    struct faults *f = &s->w.faults;

    *f = (struct faults){.lose_request = 40,
                         .lose_reply = 60,
                         .repeat = 40,
                         .crash_request = 15,
                         .crash_vault = 60,
                         .server_crash = 10};
    if (s->profile == NETWORK) {
        f->late = 60;
        f->redeliver = 300;
    }
    if (s->profile == STORE)
        f->crash_between = 60;
    s->w.accepted = accepted;
    s->w.accepted_ctx = s;
}

static void run(uint64_t seed, unsigned steps, struct totals *t)
{
    struct sim *s = mem_alloc(sizeof *s);

    if (!s)
        abort();
    world_init(&s->w, seed);
    s->t = t;
    s->profile = (enum profile)(seed % PROFILES);
    set_up(s);
    if (s->profile == FULL) {
        s->w.conf.mailbox_max_count = 4 + (uint32_t)(world_random(&s->w) % 12);
        server_reconfigure(s->w.server, &s->w.conf);
    }
    set_faults(s);
    for (unsigned i = 0; i < steps; i++)
        step(s);
    heal(s);
    ledger_check(s);
    t->seeds++;
    t->steps += s->w.steps;
    t->faults += s->w.n_faults;
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        vault_disk_free(s->life[i].copy);
        buf_done(&s->life[i].connects);
    }
    buf_done(&s->letters);
    world_done(&s->w);
    mem_free(s);
}

/* One seed a line, maybe its number of steps, then a comment. */
static bool run_file(const char *path, unsigned steps, struct totals *t)
{
    char line[256];
    FILE *f = fopen(path, "r");

    if (!f)
        return false;
    while (fgets(line, sizeof line, f))
        if (line[0] >= '0' && line[0] <= '9') {
            char *rest;
            uint64_t seed = strtoull(line, &rest, 10);
            unsigned own = (unsigned)strtoul(rest, NULL, 10);
            run(seed, own ? own : steps, t);
        }
    bool good = !ferror(f);
    return fclose(f) == 0 && good;
}

int main(int argc, char **argv)
{
    struct totals t = {0};
    uint64_t from = 1, to = 1, steps = 150;
    const char *file = NULL;

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
        } else if (strcmp(argv[i], "--file") == 0 && i + 1 < argc) {
            file = argv[++i];
        } else if (parse_u64(argv[i], &from) == WAX_OK) {
            to = from;
        } else {
            fprintf(stderr, "usage: scenario SEED | --seeds A..B | --file FILE [--steps N]\n");
            return 64;
        }
    }
    if (file && !run_file(file, (unsigned)steps, &t)) {
        fprintf(stderr, "%s cannot be read\n", file);
        return 66;
    }
    for (uint64_t s = from; !file && s <= to; s++)
        run(s, (unsigned)steps, &t);
    printf("seeds %llu, steps %llu, faults %llu, sent %llu, lost %llu, doubled %llu, out of order "
           "%llu, alerts %llu, stuck %llu\n",
           (unsigned long long)t.seeds, (unsigned long long)t.steps, (unsigned long long)t.faults,
           (unsigned long long)t.sent, (unsigned long long)t.lost, (unsigned long long)t.doubled,
           (unsigned long long)t.order, (unsigned long long)t.alerts, (unsigned long long)t.stuck);
    return t.lost || t.doubled || t.order || t.alerts || t.stuck ? 1 : 0;
}
