/* scenario SEED | --seeds A..B [--part I/N] | --file FILE [--acts N] [--crypto mixed|fast|real]
 * [--keep FILE] [--twice]: conversations over a network, disks, clocks and servers that fail, from
 * a seed; at the end everything heals and a ledger decides (ledger.c). Seeds that fail are added to
 * the file kept. Exit 0 only when it is clean. */
#include "sim.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "account/pin.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto_fast.h"

#define HEAL_ROUNDS 60

/* --- Healing --- */

static void say_stuck(struct sim *s, struct device *d, unsigned n, wax_rc flush, wax_rc receive)
{
    char text[400];

    (void)snprintf(text, sizeof text, "%u wait; sending: %s, receiving: %s; %.200s", n,
                   rc_text(flush), rc_text(receive), client_detail(d->client));
    ledger_complain(s, &s->t->stuck, "stuck", d, text);
}

/* Every device, its outbox and its mailbox, without faults. Returns how much is left; the last
 * round says it. */
static unsigned heal_round(struct sim *s, uint64_t pass, bool last)
{
    unsigned left = 0;

    world_pass(&s->w, pass);
    for (size_t i = 0; i < s->w.n_devices; i++) {
        struct device *d = &s->w.devices[i];
        unsigned n = 0;
        if (!s->life[i].active)
            continue;
        sim_revive(s, i);
        wax_rc rc = client_flush(d->client, NULL, NULL), rc2 = sim_receive(s, i);
        sim_after(s, i, rc2);
        if (!s->life[i].active)
            continue;
        if (client_outbox_count(d->client, &n) != WAX_OK || rc != WAX_OK || rc2 != WAX_OK)
            n++;
        if (n && last)
            say_stuck(s, d, n, rc, rc2);
        left += n;
    }
    ledger_audit(s);
    return left;
}

static bool in_use(const struct sim *s, const struct dev_id *dev)
{
    for (size_t i = 0; i < s->w.n_devices; i++)
        if (s->life[i].active && s->w.devices[i].client &&
            ID_EQ(client_dev(s->w.devices[i].client), dev))
            return true;
    return false;
}

/* A device that is listed and never came to life, since its link broke off: nobody empties its
 * mailbox, and its person shuts it out. */
static void shut_out_the_unborn(struct sim *s, struct device *d)
{
    struct pin *own = calloc(1, sizeof *own);

    if (!own)
        abort();
    if (client_login(d->client) == WAX_OK &&
        client_pin_by_handle(d->client, d->handle, own) == WAX_OK)
        for (size_t i = 0; i < own->head.manifest.n_devices; i++)
            if (!in_use(s, &own->devs[i]) && client_revoke(d->client, &own->devs[i]) != WAX_OK)
                break;
    free(own);
}

static void heal(struct sim *s)
{
    unsigned left = 0, quiet = 0;

    s->w.faults = (struct faults){0};
    world_fail_alloc(0);
    engine_disk_dies(s->w.engine, 0);
    engine_disk_full(s->w.engine, 0);
    sim_fates_end(s);
    for (size_t i = 0; i < s->w.n_devices; i++)
        if (s->life[i].active) {
            sim_revive(s, i);
            shut_out_the_unborn(s, &s->w.devices[i]);
        }
    for (int round = 0; round < HEAL_ROUNDS; round++) {
        left = heal_round(s, round < 20 ? 61000 : 3600000, round == HEAL_ROUNDS - 1);
        quiet = left ? 0 : quiet + 1;
        if (quiet > 3) /* what went out in one round is taken in by the next */
            return;
    }
}

/* --- A seed --- */

static void live(struct sim *s)
{
    bool hurried = false;

    sim_begin(s);
    while (world_step(&s->w)) {
        if (!s->stop || hurried)
            continue;
        hurried = true; /* who waits for his next act need not */
        for (size_t i = 0; i < WORLD_TASKS; i++)
            if (s->w.tasks[i].co && s->w.tasks[i].wake > s->w.now + 60000)
                s->w.tasks[i].wake = s->w.now + 60000;
    }
}

/* Runs a seed. Returns a hash of how it went. */
static uint64_t run(uint64_t seed, unsigned acts, struct totals *t)
{
    struct sim *s = calloc(1, sizeof *s);

    if (!s)
        abort();
    s->t = t;
    sim_draw(s, seed, acts, &s->plan);
    world_init_as(&s->w, seed, &s->plan.world);
    ledger_begin(s);
    sim_set_up(s);
    s->acts_left = s->plan.acts;
    live(s);
    heal(s);
    ledger_check(s);
    t->seeds++;
    t->steps += s->w.steps;
    t->faults += s->w.n_faults;
    uint64_t course = ledger_hash(s->w.steps, s->w.rng_state, sizeof s->w.rng_state);
    for (size_t i = 0; i < SIM_DEVICES; i++) {
        copy_free(&s->life[i].copy);
        buf_done(&s->life[i].connects);
        buf_done(&s->life[i].rows);
    }
    world_done(&s->w);
    ledger_end(s);
    mem_set_fault(NULL);
    free(s);
    return course;
}

static uint64_t wrong(const struct totals *t)
{
    return t->lost + t->doubled + t->order + t->alerts + t->stuck + t->keys + t->store + t->replay;
}

struct options {
    uint64_t from, to, acts, part, parts;
    const char *file, *keep;
    bool twice;
    enum { MIXED, FAST, REAL } crypto;
};

/* Mixed: the real crypto for each tenth round of all troubles. */
static bool is_real(const struct options *o, uint64_t seed)
{
    return o->crypto == REAL || (o->crypto == MIXED && seed / TROUBLES % 10 == 0);
}

static void keep(const struct options *o, uint64_t seed, unsigned acts)
{
    FILE *f = fopen(o->keep, "a+");
    char line[256];
    bool there = false;

    if (f) {
        rewind(f);
        while (fgets(line, sizeof line, f))
            there |= strtoull(line, NULL, 10) == seed && line[0] >= '1' && line[0] <= '9';
    }
    if (!f || (!there && fprintf(f, "%llu %u\n", (unsigned long long)seed, acts) < 0) ||
        fclose(f) != 0)
        fprintf(stderr, "%s cannot be written\n", o->keep);
}

static void run_kept(const struct options *o, uint64_t seed, unsigned acts, struct totals *t)
{
    uint64_t before = wrong(t);
    bool real = is_real(o, seed);

    crypto_fast(!real);
    t->real += real;
    uint64_t course = run(seed, acts, t);
    if (o->twice && run(seed, acts, t) != course) {
        printf("seed %llu: went another way the second time\n", (unsigned long long)seed);
        t->replay++;
    }
    t->failed += wrong(t) != before;
    if (wrong(t) != before && o->keep)
        keep(o, seed, acts);
    if (t->seeds % 100 == 0)
        fprintf(stderr, "%llu seeds, %llu failed\n", (unsigned long long)t->seeds,
                (unsigned long long)t->failed);
}

/* One seed a line, maybe its number of acts, then a comment. */
static bool run_file(const struct options *o, struct totals *t)
{
    char line[256];
    FILE *f = fopen(o->file, "r");

    if (!f)
        return false;
    while (fgets(line, sizeof line, f))
        if (line[0] >= '0' && line[0] <= '9') {
            char *rest;
            uint64_t seed = strtoull(line, &rest, 10);
            unsigned own = (unsigned)strtoul(rest, NULL, 10);
            run_kept(o, seed, own ? own : (unsigned)o->acts, t);
        }
    bool good = !ferror(f);
    return fclose(f) == 0 && good;
}

static void report(const struct totals *t, double took)
{
    printf("seeds %llu (%llu with the real crypto), steps %llu, faults %llu, sent %llu, delivered "
           "%llu, expired %llu, "
           "unreadable %llu, excused %llu, steps/s %.0f\n",
           (unsigned long long)t->seeds, (unsigned long long)t->real, (unsigned long long)t->steps,
           (unsigned long long)t->faults, (unsigned long long)t->sent,
           (unsigned long long)t->delivered, (unsigned long long)t->expired,
           (unsigned long long)t->unreadable, (unsigned long long)t->excused,
           took > 0 ? (double)t->steps / took : 0);
    printf("failed %llu: lost %llu, doubled %llu, out of order %llu, alerts %llu, stuck %llu, keys "
           "%llu, store %llu, replay %llu\n",
           (unsigned long long)t->failed, (unsigned long long)t->lost,
           (unsigned long long)t->doubled, (unsigned long long)t->order,
           (unsigned long long)t->alerts, (unsigned long long)t->stuck, (unsigned long long)t->keys,
           (unsigned long long)t->store, (unsigned long long)t->replay);
}

static bool numbers(const char *text, char mark, uint64_t *a, uint64_t *b)
{
    char copy[64];

    (void)snprintf(copy, sizeof copy, "%s", text);
    char *at = strchr(copy, mark);
    if (!at)
        return false;
    *at = 0;
    return parse_u64(copy, a) == WAX_OK && parse_u64(at + (mark == '.' ? 2 : 1), b) == WAX_OK;
}

static bool crypto_named(const char *v, struct options *o)
{
    static const char *const names[] = {"mixed", "fast", "real"};

    for (int i = 0; i < 3; i++)
        if (strcmp(v, names[i]) == 0) {
            o->crypto = i == 0 ? MIXED : i == 1 ? FAST : REAL;
            return true;
        }
    return false;
}

static bool options(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        const char *v = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--seeds") == 0 && numbers(v, '.', &o->from, &o->to))
            i++;
        else if (strcmp(argv[i], "--part") == 0 && numbers(v, '/', &o->part, &o->parts))
            i++;
        else if (strcmp(argv[i], "--acts") == 0 && parse_u64(v, &o->acts) == WAX_OK)
            i++;
        else if (strcmp(argv[i], "--file") == 0 && *v)
            o->file = argv[++i];
        else if (strcmp(argv[i], "--keep") == 0 && *v)
            o->keep = argv[++i];
        else if (strcmp(argv[i], "--twice") == 0)
            o->twice = true;
        else if (strcmp(argv[i], "--crypto") == 0 && crypto_named(v, o))
            i++;
        else if (parse_u64(argv[i], &o->from) == WAX_OK)
            o->to = o->from;
        else
            return false;
    }
    return o->parts > 0;
}

int main(int argc, char **argv)
{
    struct options o = {.from = 1, .to = 1, .acts = 150, .parts = 1};
    struct totals t = {0};

    if (!options(argc, argv, &o)) {
        fprintf(stderr, "usage: scenario SEED | --seeds A..B [--part I/N] | --file FILE "
                        "[--acts N] [--crypto mixed|fast|real] [--keep FILE] [--twice]\n");
        return 64;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    clock_t began = clock();
    if (o.file && !run_file(&o, &t)) {
        fprintf(stderr, "%s cannot be read\n", o.file);
        return 66;
    }
    for (uint64_t s = o.from; !o.file && s <= o.to; s++)
        if (s % o.parts == o.part)
            run_kept(&o, s, (unsigned)o.acts, &t);
    report(&t, (double)(clock() - began) / CLOCKS_PER_SEC);
    return wrong(&t) ? 1 : 0;
}
