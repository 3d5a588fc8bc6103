#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/crypto.h"
#include "disk.h"

void world_broken(const char *file, int line, const char *what, wax_rc rc)
{
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, rc_text(rc));
    abort();
}

/* --- Randomness: xoshiro256** by D. Blackman and S. Vigna, from the seed --- */

static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

uint64_t world_random(struct world *w)
{
    uint64_t *s = w->rng_state, r = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return r;
}

uint64_t world_below(struct world *w, uint64_t n) { return world_random(w) % n; }

bool world_chance(struct world *w, unsigned of_thousand)
{
    bool yes = of_thousand && world_random(w) % 1000 < of_thousand;

    w->n_faults += yes;
    return yes;
}

static wax_rc fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint8_t b[8];
        put_u64(b, world_random(ctx));
        for (size_t k = 0; k < 8 && i < n; k++)
            out[i++] = b[k];
    }
    return WAX_OK;
}

/* --- Servers --- */

static void front_open(struct front *f)
{
    struct world *w = f->w;
    bool was = world_product(false); /* a process that cannot even start is no story */

    f->door = door_new(w->engine);
    MUST(server_new(&w->conf, door_store(f->door), &f->server));
    server_tick(f->server, w->now);
    (void)world_product(was);
}

static void front_close(struct front *f)
{
    server_free(f->server);
    door_free(f->door);
    f->life++;
}

void world_front_crash(struct world *w, unsigned k)
{
    struct front *f = &w->fronts[k];

    door_crash(f->door, (unsigned)world_below(w, 4));
    if (engine_dead(w->engine)) {
        world_power_cut(w);
        return;
    }
    front_close(f);
    front_open(f);
}

static void all_crash(struct world *w, bool power)
{
    for (unsigned k = 0; k < w->n_fronts; k++) {
        door_crash(w->fronts[k].door, 0);
        front_close(&w->fronts[k]);
    }
    engine_crash(w->engine, power);
    for (unsigned k = 0; k < w->n_fronts; k++)
        front_open(&w->fronts[k]);
}

void world_server_crash(struct world *w) { all_crash(w, false); }
void world_power_cut(struct world *w) { all_crash(w, true); }

/* --- Time --- */

void world_pass(struct world *w, uint64_t ms)
{
    do {
        uint64_t most = w->sweep_failed ? 60000 : 3600000, part = ms < most ? ms : most;
        w->now += part;
        ms -= part;
        w->sweep_failed = false;
        net_tick(w);
    } while (ms);
}

void world_spawn(struct world *w, struct device *d, uint64_t wait, void (*fn)(void *arg), void *arg)
{
    for (size_t i = 0; i < WORLD_TASKS; i++)
        if (!w->tasks[i].co) {
            w->tasks[i] = (struct task){co_new(fn, arg), w->now + wait, d};
            return;
        }
    abort();
}

bool world_step(struct world *w)
{
    struct task *t = NULL;

    for (size_t i = 0; i < WORLD_TASKS; i++)
        if (w->tasks[i].co && (!t || w->tasks[i].wake < t->wake))
            t = &w->tasks[i];
    if (!t)
        return false;
    if (t->wake > w->now)
        world_pass(w, t->wake - w->now);
    w->current = t;
    bool on = co_resume(t->co);
    w->current = NULL;
    if (!on) {
        co_free(t->co);
        t->co = NULL;
    }
    return true;
}

void world_sleep(struct world *w, uint64_t ms)
{
    if (!w->current) {
        w->now += ms;
        return;
    }
    bool was = world_product(false);
    w->current->wake = w->now + ms;
    co_yield ();
    (void)world_product(was);
}

/* --- The world --- */

void world_init_as(struct world *w, uint64_t seed, const struct world_plan *plan)
{
    *w = (struct world){.seed = seed, .now = WORLD_START};
    uint64_t x = seed;
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = (x += 0x9e3779b97f4a7c15ULL);
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        w->rng_state[i] = z ^ z >> 31;
    }
    w->rng = (struct rng){fill, w};
    w->devices = calloc(WORLD_DEVICES, sizeof *w->devices);
    if (!w->devices)
        abort();
    w->sql_vaults = plan->sql_vaults;
    if (plan->sql_store || plan->sql_vaults)
        disk_seed(seed);
    MUST(crypto_init());
    server_conf_default(&w->conf, "example.org");
    w->conf.registration_open = true;
    w->conf.login_per_min = w->conf.lookup_per_min = w->conf.send_per_min =
        w->conf.register_per_hour = w->conf.link_per_min = 0;
    w->engine = engine_new(w, plan->sql_store ? ENGINE_SQLITE : ENGINE_MEMORY);
    w->n_fronts = plan->fronts ? plan->fronts : 1;
    for (unsigned k = 0; k < w->n_fronts; k++) {
        w->fronts[k].w = w;
        front_open(&w->fronts[k]);
    }
}

void world_init(struct world *w, uint64_t seed) { world_init_as(w, seed, &(struct world_plan){0}); }

void world_done(struct world *w)
{
    for (size_t i = 0; i < w->n_devices; i++) {
        struct device *d = &w->devices[i];
        device_stop(d);
        copy_free(&(struct copy){d->disk, d->sql});
        buf_done(&d->taken);
    }
    for (size_t i = 0; i < WORLD_LATE; i++)
        buf_done(&w->late[i].body);
    for (unsigned k = 0; k < w->n_fronts; k++) {
        door_crash(w->fronts[k].door, 0);
        front_close(&w->fronts[k]);
    }
    engine_free(w->engine);
    free(w->devices);
}
