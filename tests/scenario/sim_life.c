/* The lives of the devices: each is a task that waits a while and does something, until the seed
 * has had its share. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#include "disk.h"

void sim_revive(struct sim *s, size_t i)
{
    struct device *d = &s->w.devices[i];
    wax_rc rc = WAX_OK;

    for (int k = 0; k < 100; k++)
        if ((rc = device_start(d)) == WAX_OK)
            return;
    fprintf(stderr, "seed %llu: %s/%s does not start any more: %s\n", (unsigned long long)s->w.seed,
            d->handle, d->name, rc_text(rc));
    abort();
}

void sim_after(struct sim *s, size_t i, wax_rc rc)
{
    struct device *d = &s->w.devices[i];

    if (rc == WAX_E_DENIED && s->life[i].maybe_revoked) {
        s->life[i].active = false;
        d->revoked = true;
    }
    if (d->crashed || rc == WAX_E_IO || rc == WAX_E_CANCELLED || (d->sql && disk_dead(d->sql)))
        sim_revive(s, i);
}

void sim_send(struct sim *s, size_t i, const char *to, bool flush)
{
    struct device *d = &s->w.devices[i];
    char text[128];
    struct hash32 com;

    (void)snprintf(text, sizeof text, "%s/%s %u", d->handle, d->name, ++s->counter);
    wax_rc rc = device_send(d, to, text, &com);
    if (rc == WAX_OK && flush)
        rc = client_flush(d->client, NULL, NULL);
    sim_after(s, i, rc);
}

wax_rc sim_receive(struct sim *s, size_t i)
{
    struct device *d = &s->w.devices[i];

    d->whole = false;
    wax_rc rc = device_receive(d);
    if (rc == WAX_OK && d->whole)
        buf_u64(&s->life[i].connects, s->w.now);
    return rc;
}

/* One of the things that may happen to a home during the next act. */
static void arm(struct sim *s, struct device *d)
{
    static const enum home_fault kinds[] = {HOME_DIES_BEFORE, HOME_DIES_AFTER, HOME_IO,
                                            HOME_NO_SPACE};

    if (!world_chance(&s->w, s->w.faults.crash_vault))
        return;
    if (d->sql && world_below(&s->w, 2)) {
        if (world_below(&s->w, 3) == 0)
            disk_full(d->sql, 1 + (unsigned)world_below(&s->w, 8));
        else
            disk_dies(d->sql, 1 + (unsigned)world_below(&s->w, 200));
        return;
    }
    d->home.fault = kinds[world_below(&s->w, 4)];
    d->home.after = 1 + (unsigned)world_below(&s->w, 40);
}

static void disarm(struct device *d)
{
    d->home.after = 0;
    d->home.fault = HOME_WELL;
    if (d->sql && !disk_dead(d->sql)) {
        disk_dies(d->sql, 0);
        disk_full(d->sql, 0);
    }
}

static wax_rc take_part(struct sim *s, size_t i)
{
    struct device *d = &s->w.devices[i];
    char to[64];

    switch (world_below(&s->w, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        sim_handle((unsigned)world_below(&s->w, s->plan.accounts), to);
        sim_send(s, i, to, world_below(&s->w, 4) != 0);
        return WAX_OK;
    case 6:
    case 7:
        return client_flush(d->client, NULL, NULL);
    case 8:
        d->linger = 60000 * (1 + world_below(&s->w, 10));
        wax_rc rc = sim_receive(s, i);
        d->linger = 0;
        return rc;
    case 9:
        if (sim_has(s, DEVICES))
            sim_revoke(s, i);
        return WAX_OK;
    case 10: /* a new process */
        sim_revive(s, i);
        return WAX_OK;
    default:
        return sim_receive(s, i);
    }
}

static void act(struct sim *s, size_t i)
{
    struct device *d = &s->w.devices[i];

    d->busy = true;
    arm(s, d);
    if (sim_has(s, MEMORY) && world_below(&s->w, 4) == 0)
        world_fail_alloc(1 + (unsigned)world_below(&s->w, 400));
    (void)world_product(true);
    wax_rc rc = take_part(s, i);
    (void)world_product(false);
    sim_after(s, i, rc);
    disarm(d);
    d->busy = false;
}

static uint64_t pause_of(struct sim *s)
{
    static const uint64_t away[] = {12, 48, 96, 220}; /* h */
    uint64_t ms = world_below(&s->w, 3) ? world_below(&s->w, s->plan.rhythm / 4 + 1)
                                        : world_below(&s->w, s->plan.rhythm);

    if (sim_has(s, AWAY) && world_below(&s->w, 12) == 0)
        ms = world_below(&s->w, away[world_below(&s->w, 4)] * 3600000);
    return ms;
}

static void live(void *arg)
{
    struct life *l = arg;
    struct sim *s = l->s;
    struct device *d = &s->w.devices[l->i];

    while (!s->stop && l->active) {
        world_sleep(&s->w, pause_of(s));
        if (s->stop || !l->active || d->busy)
            continue;
        if (s->acts_left == 0 || --s->acts_left == 0) {
            s->stop = true;
            break;
        }
        act(s, l->i);
    }
}

void sim_begin_life(struct sim *s, size_t i) { world_spawn(&s->w, NULL, 0, live, &s->life[i]); }

void sim_begin(struct sim *s)
{
    for (size_t i = 0; i < s->w.n_devices; i++)
        sim_begin_life(s, i);
    world_spawn(&s->w, NULL, 0, sim_fate, s);
}
