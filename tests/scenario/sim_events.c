/* Events of a seed's profile beside the usual faults: devices come and go, an old copy is put
 * back, days pass. */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JUMPS_MAX (24ULL * 86400000) /* a manifest not signed again lives 30 d */

static size_t pick(struct sim *s)
{
    for (;;) {
        size_t i = world_random(&s->w) % s->w.n_devices;
        if (s->life[i].active)
            return i;
    }
}

static unsigned active_of(const struct sim *s, const char *handle)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->w.n_devices; i++)
        n += s->life[i].active && strcmp(s->w.devices[i].handle, handle) == 0;
    return n;
}

/* --- Devices come and go --- */

static void link_one(struct sim *s)
{
    struct world *w = &s->w;
    size_t i = pick(s), k = w->n_devices;
    struct device *old = &w->devices[i];
    struct faults faults = w->faults;
    char name[16];

    if (k == SIM_DEVICES || active_of(s, old->handle) > 3)
        return;
    (void)snprintf(name, sizeof name, "tablet%zu", k);
    struct device *fresh = world_device(w, old->handle, name);
    s->life[k].link_begun = w->now;
    w->faults.crash_request = 0; /* both in one process here; test_stories has the late deaths */
    wax_rc rc = device_link(old, fresh, world_chance(w, 100));
    w->faults = (struct faults){0};
    /* As the person would: the old one connects again and so ends what it began, then the new one
     * asks what became of it. */
    wax_rc rc2 = client_login(old->client);
    if (rc != WAX_OK && !fresh->client) {
        rc = client_link_resume(&fresh->env, &fresh->client);
        if (rc == WAX_OK)
            device_know_login(fresh);
    }
    w->faults = faults;
    sim_after(s, i, rc2);
    s->life[k].active = fresh->client != NULL;
    s->life[k].listed = w->now;
}

static void revoke_one(struct sim *s)
{
    size_t i = pick(s), k = pick(s);
    struct device *d = &s->w.devices[i], *other = &s->w.devices[k];

    if (i == k || strcmp(d->handle, other->handle) != 0 || active_of(s, d->handle) < 3)
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

/* --- An old copy --- */

/* The person writes from the old copy, and everybody reads it: from then on all is as before. */
static void settle(struct sim *s, size_t i)
{
    struct faults faults = s->w.faults;

    s->w.faults = (struct faults){0};
    for (size_t k = 0; k < ACCOUNTS; k++)
        sim_send(s, i, sim_handles[k]);
    for (int k = 0; k < 3; k++)
        (void)sim_round(s);
    s->life[i].gone_before = s->w.now;
    s->w.faults = faults;
}

static void copy_or_put_back(struct sim *s)
{
    size_t i = pick(s);
    struct life *l = &s->life[i];

    if (l->gone_before)
        return;
    if (!l->copy) {
        /* Of a home that is not in use: the next process raises the counter (4.6). */
        (void)sim_revive(s, i);
        l->copy = vault_disk_copy(s->w.devices[i].disk);
        l->copied = s->w.now;
        return;
    }
    struct vault_disk *copy = l->copy;
    l->copy = NULL;
    if (device_restore(&s->w.devices[i], copy) != WAX_OK)
        abort();
    settle(s, i);
}

/* --- Days pass --- */

static void jump(struct sim *s)
{
    static const uint64_t most[] = {12, 48, 96, 220}; /* h */
    uint64_t ms = world_random(&s->w) % (most[world_random(&s->w) % 4] * 3600000);

    if (s->jumped + ms > JUMPS_MAX)
        return;
    s->jumped += ms;
    for (uint64_t left = ms; left; left -= left < 3600000 ? left : 3600000)
        world_pass(&s->w, left < 3600000 ? left : 3600000);
}

void sim_event(struct sim *s)
{
    switch (s->profile) {
    case DEVICES_:
        if (world_chance(&s->w, 40))
            link_one(s);
        if (world_chance(&s->w, 60))
            revoke_one(s);
        break;
    case OLD_COPY:
        if (world_chance(&s->w, 50))
            copy_or_put_back(s);
        break;
    case EXPIRY:
        if (world_chance(&s->w, 60))
            jump(s);
        break;
    default:
        break;
    }
}
