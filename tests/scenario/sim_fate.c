/* What befalls the devices from outside, at any step of what they do: processes end, the network
 * goes, clocks jump, devices are linked and revoked, old copies come back, homes are cloned. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define HOUR 3600000ULL

static size_t pick(struct sim *s)
{
    for (;;) {
        size_t i = world_below(&s->w, s->w.n_devices);
        if (s->life[i].active)
            return i;
    }
}

static unsigned active_of(const struct sim *s, unsigned account)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->w.n_devices; i++)
        n += s->life[i].active && !s->life[i].clone && s->life[i].account == account;
    return n;
}

/* --- Devices come and go --- */

static void linked(void *ctx, struct device *old, struct device *fresh, wax_rc rc)
{
    struct sim *s = ctx;
    size_t i = (size_t)(old - s->w.devices), k = (size_t)(fresh - s->w.devices);

    /* As the person would: the old one connects again and so ends what it began, then the new one
     * asks what became of it. */
    for (int t = 0; t < 20 && rc != WAX_OK && !fresh->client; t++) {
        if (old->crashed)
            sim_revive(s, i);
        wax_rc rc2 = client_login(old->client);
        if (rc2 == WAX_OK)
            rc = client_link_resume(&fresh->env, &fresh->client);
        if (rc2 == WAX_E_DENIED || rc == WAX_E_NOTFOUND)
            break;
        world_sleep(&s->w, 60000);
    }
    if (fresh->client) {
        device_know_login(fresh);
        s->life[k].active = true;
        s->life[k].listed = s->w.now;
        sim_begin_life(s, k);
    }
    sim_after(s, i, WAX_OK);
    old->busy = fresh->busy = false;
}

static void link_one(struct sim *s)
{
    struct world *w = &s->w;
    size_t i = pick(s), k = w->n_devices;
    struct device *old = &w->devices[i];
    char name[16];

    if (k == SIM_DEVICES || old->busy || s->life[i].clone || s->life[i].was_rolled ||
        active_of(s, s->life[i].account) > 3)
        return;
    if (old->crashed)
        sim_revive(s, i);
    (void)snprintf(name, sizeof name, "tablet%zu", k);
    struct device *fresh = world_device(w, old->handle, name);
    s->life[k] = (struct life){.s = s, .i = k, .account = s->life[i].account, .link_begun = w->now};
    old->busy = fresh->busy = true;
    device_link_begin(old, fresh, world_below(w, 10) == 0, linked, s);
}

void sim_revoke(struct sim *s, size_t i)
{
    size_t k = pick(s);
    struct device *d = &s->w.devices[i], *other = &s->w.devices[k];

    if (i == k || s->life[i].account != s->life[k].account || s->life[i].clone ||
        s->life[k].clone || active_of(s, s->life[i].account) < 3 || !other->client)
        return;
    s->life[k].maybe_revoked = true;
    struct dev_id dev = *client_dev(other->client);
    wax_rc rc = client_revoke(d->client, &dev);
    if (rc == WAX_OK) {
        s->life[k].active = false;
        other->revoked = true;
    }
    sim_after(s, i, rc);
}

/* --- Old copies and clones --- */

static void copy_or_put_back(struct sim *s)
{
    size_t i = pick(s);
    struct life *l = &s->life[i];
    struct device *d = &s->w.devices[i];

    if (l->gone_before || l->clone || l->was_rolled || d->busy)
        return;
    if (!l->copied) {
        /* Of a home that is not in use: the next process raises the counter (4.6). */
        device_stop(d);
        l->copy = device_copy(d);
        l->copied = s->w.now;
        sim_revive(s, i);
        return;
    }
    if (device_put_back(d, &l->copy) != WAX_OK)
        abort();
    l->gone_before = s->w.now;
    l->was_rolled = true;
}

static void clone_one(struct sim *s)
{
    struct world *w = &s->w;
    size_t i = pick(s), k = w->n_devices;
    struct device *d = &w->devices[i];

    if (k == SIM_DEVICES || s->life[i].clone || s->life[i].was_rolled || s->life[i].copied ||
        d->busy)
        return;
    struct device *c = world_device(w, d->handle, "clone");
    device_stop(d);
    struct copy copy = device_copy(d);
    sim_revive(s, i);
    if (device_put_back(c, &copy) != WAX_OK)
        abort();
    s->life[i].was_rolled = true;
    s->life[i].copied = w->now;
    s->life[k] = (struct life){.s = s,
                               .i = k,
                               .account = s->life[i].account,
                               .active = true,
                               .clone = true,
                               .was_rolled = true,
                               .copied = w->now};
    sim_begin_life(s, k);
}

/* A clone ends for good; what reached it and not the other one is gone. */
static void clone_ends(struct sim *s, size_t k)
{
    s->life[k].active = false;
    for (size_t i = 0; i < s->w.n_devices; i++)
        if (s->life[i].was_rolled && !s->life[i].clone && s->life[i].account == s->life[k].account)
            s->life[i].gone_before = s->w.now;
}

/* --- Clocks --- */

static void clock_jumps(struct sim *s)
{
    static const uint64_t by[] = {HOUR, 25 * HOUR, 192 * HOUR};
    size_t i = pick(s);
    struct device *d = &s->w.devices[i];
    uint64_t how = world_below(&s->w, 8);

    if (how < 3)
        d->skew = by[how];
    else if (how < 6)
        d->skew = 0 - by[how - 3];
    else if (how == 6)
        d->skew = 2147483648000ULL - 30000 - s->w.now; /* 2038 begins in half a minute */
    else
        d->skew = 0;
    s->life[i].jumped = true;
    if (how != 7 && how != 0 && how != 3)
        s->life[i].far = true;
    s->w.n_faults++;
}

/* --- Fate --- */

static void strike(struct sim *s)
{
    struct world *w = &s->w;
    size_t i = pick(s);

    if (world_below(w, 6) == 0 && w->devices[i].busy && !s->life[i].link_begun) {
        device_kill(&w->devices[i]);
        w->n_faults++;
    }
    if (world_below(w, 12) == 0) {
        world_front_crash(w, (unsigned)world_below(w, w->n_fronts));
        w->n_faults++;
    }
    if (sim_has(s, DISK) && world_below(w, 4) == 0) {
        if (world_below(w, 3) == 0)
            engine_disk_full(w->engine, 1 + (unsigned)world_below(w, 6));
        else
            engine_disk_dies(w->engine, 1 + (unsigned)world_below(w, 100));
    }
    if (sim_has(s, PARTITION) && world_below(w, 3) == 0) {
        w->devices[i].cut_until = w->now + world_below(w, s->plan.rhythm * 4);
        w->n_faults++;
    }
    if (sim_has(s, DEVICES) && world_below(w, 4) == 0)
        link_one(s);
    if (sim_has(s, OLD_COPY) && world_below(w, 3) == 0)
        copy_or_put_back(s);
    if (sim_has(s, CLONE) && world_below(w, 5) == 0)
        clone_one(s);
    if (sim_has(s, CLONE) && s->life[i].clone && world_below(w, 5) == 0)
        clone_ends(s, i);
    if (sim_has(s, CLOCKS) && world_below(w, 5) == 0)
        clock_jumps(s);
}

void sim_fate(void *arg)
{
    struct sim *s = arg;

    while (!s->stop) {
        world_sleep(&s->w, world_below(&s->w, s->plan.rhythm / 2));
        if (s->stop)
            break;
        strike(s);
        ledger_audit(s);
    }
}

void sim_fates_end(struct sim *s)
{
    for (size_t i = 0; i < s->w.n_devices; i++) {
        struct device *d = &s->w.devices[i];
        d->cut_until = 0;
        if (s->life[i].active && s->life[i].clone)
            clone_ends(s, i);
        if (s->life[i].far)
            d->skew = 0;
    }
}
