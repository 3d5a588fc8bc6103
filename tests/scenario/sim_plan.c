/* What a seed draws: who there is, what troubles them, and on what. */
#include "sim.h"

#include <string.h>

#define HOUR 3600000ULL

static const char *const names[TROUBLES] = {"plain",     "clocks",  "devices", "old copy",
                                            "away",      "network", "full",    "store",
                                            "partition", "clone",   "memory",  "disk"};

const char *sim_troubles(const struct sim *s, char out[160])
{
    size_t n = 0;

    out[0] = 0;
    for (int t = 0; t < TROUBLES; t++)
        if (s->plan.troubles >> t & 1)
            n += (size_t)snprintf(out + n, 160 - n, "%s%s", n ? ", " : "", names[t]);
    return out;
}

void sim_handle(unsigned account, char out[64])
{
    static const char *const people[SIM_ACCOUNTS] = {"ann",  "bob",  "carol", "dora", "emil",
                                                     "fred", "gina", "hugo",  "ida",  "jan",
                                                     "kim",  "lou",  "mia",   "nils", "olga"};

    (void)snprintf(out, 64, "%s@example.org", people[account]);
}

/* The draw has a generator of its own: what is drawn for the world begins with the seed. */
static uint64_t next(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

void sim_draw(struct sim *s, uint64_t seed, unsigned acts, struct plan *ret)
{
    uint64_t x = seed ^ 0x77617877696e67ULL;
    struct plan p = {.troubles = 1U << seed % TROUBLES};
    bool big = next(&x) % 24 == 0;
    unsigned left = big ? SIM_START_DEVICES : 8;

    (void)s;
    for (int t = 1; t < TROUBLES; t++)
        if (next(&x) % 8 == 0 && t != DISK)
            p.troubles |= 1U << t;
    if (p.troubles & 1U << PLAIN)
        p.troubles = 1U << PLAIN;
    p.accounts = big ? SIM_ACCOUNTS : 2 + (unsigned)(next(&x) % 3);
    for (unsigned a = 0; a < p.accounts; a++) {
        unsigned most = left - (p.accounts - a - 1);
        p.devices[a] = 1 + (unsigned)(next(&x) % 3);
        if (big)
            p.devices[a] = 2 + (unsigned)(next(&x) % 3);
        if (p.devices[a] > most)
            p.devices[a] = most;
        left -= p.devices[a];
    }
    p.acts = acts * (big ? 3 : 1);
    p.rhythm = (p.troubles & 1U << AWAY) ? 20 * HOUR : next(&x) % 2 ? HOUR : HOUR / 30;
    p.world.fronts = next(&x) % 2 ? 1 : 1 + (unsigned)(next(&x) % WORLD_FRONTS);
    if (p.troubles & 1U << DISK) {
        unsigned which = (unsigned)(next(&x) % 3);
        p.world.sql_store = which != 0;
        p.world.sql_vaults = which != 1;
    }
    *ret = p;
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
    if (sim_has(s, NETWORK)) {
        f->late = 60;
        f->redeliver = 300;
        f->slow = 100;
    }
    if (sim_has(s, STORE))
        f->crash_between = 60;
}

/* Half of them within the hour of which nobody is told, the others up to 25 h. */
static uint64_t some_skew(struct world *w)
{
    uint64_t off = 60000 * (1 + world_below(w, world_below(w, 2) ? 58 : 1500));

    return world_below(w, 2) ? off : 0 - off;
}

static void set_up_account(struct sim *s, unsigned a)
{
    static const char *const kinds[] = {"phone", "laptop", "desk", "tablet"};
    struct world *w = &s->w;
    struct device *first = NULL;
    char handle[64];

    sim_handle(a, handle);
    for (unsigned k = 0; k < s->plan.devices[a]; k++) {
        size_t i = w->n_devices;
        struct device *d = world_device(w, handle, kinds[k]);
        s->life[i] = (struct life){.s = s, .i = i, .account = a, .active = true};
        if (sim_has(s, CLOCKS) && k) {
            d->skew = some_skew(w);
            s->life[i].jumped = true;
        }
        MUST(k ? device_link(first, d, false) : device_register(d));
        first = first ? first : d;
    }
    if (sim_has(s, CLOCKS)) {
        first->skew = some_skew(w);
        s->life[first - w->devices].jumped = true;
    }
}

void sim_set_up(struct sim *s)
{
    for (unsigned a = 0; a < s->plan.accounts; a++)
        set_up_account(s, a);
    if (sim_has(s, FULL)) {
        s->w.conf.mailbox_max_count = 4 + (uint32_t)world_below(&s->w, 12);
        for (unsigned k = 0; k < s->w.n_fronts; k++)
            server_reconfigure(s->w.fronts[k].server, &s->w.conf);
    }
    set_faults(s);
}
