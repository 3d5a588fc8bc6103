#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

#define ROUND_NS 2000000.0
#define ROUNDS_MIN 9

void die(const char *what)
{
    fprintf(stderr, "bench: %s\n", what);
    exit(1);
}

void must(wax_rc rc, const char *what)
{
    if (rc == WAX_OK)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, rc_text(rc));
    exit(1);
}

void *must_alloc(size_t n)
{
    void *p = mem_alloc(n);

    if (!p)
        die("no memory");
    return p;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

uint64_t wall_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

uint64_t cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

void figure_print(const struct figure *f)
{
    printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"", f->name, f->value, f->unit);
    if (f->floor > 0)
        printf(",\"floor\":%.6g,\"ratio\":%.3f", f->floor, f->value / f->floor);
    if (f->at_most > 0)
        printf(",\"at_most\":%g", f->at_most);
    if (f->at_least > 0)
        printf(",\"at_least\":%g", f->at_least);
    printf("}\n");
    fflush(stdout);
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return (a > b) - (a < b);
}

double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_size);
    return v[n / 2];
}

struct side {
    void (*fn)(void *ctx, size_t step);
    size_t steps, times;
    double best[STEPS_MAX]; /* ns */
};

/* Processor time of `times` calls: who else runs on the machine does not count, but for the
 * caches. */
static double run(const struct side *s, void *ctx, size_t step, size_t times)
{
    uint64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);

    for (size_t i = 0; i < times; i++)
        s->fn(ctx, step);
    return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start);
}

static void side_init(struct side *s, void (*fn)(void *ctx, size_t step), size_t steps, void *ctx)
{
    *s = (struct side){.fn = fn, .steps = steps ? steps : 1, .times = 1};
    if (s->steps > STEPS_MAX)
        die("too many steps");
    for (size_t i = 0; i < s->steps; i++)
        s->best[i] = run(s, ctx, i, 1);
    if (s->steps == 1)
        s->times = (size_t)(ROUND_NS / (run(s, ctx, 0, 3) / 3 + 1)) + 1;
}

static void round_of(struct side *s, void *ctx)
{
    for (size_t i = 0; i < s->steps; i++)
        s->fn(ctx, i); /* the other one's data leaves the caches */
    for (size_t i = 0; i < s->steps; i++) {
        double t = run(s, ctx, i, s->times) / (double)s->times;
        if (t < s->best[i])
            s->best[i] = t;
    }
}

static double sum(const struct side *s)
{
    double all = 0;

    for (size_t i = 0; i < s->steps; i++)
        all += s->best[i];
    return all;
}

void measure(const struct work *w, unsigned ms, double *ret_floor, double *ret_value)
{
    struct side floor, subject;
    uint64_t end = wall_ns() + (uint64_t)ms * 1000000U;

    side_init(&floor, w->floor, w->floor_steps, w->ctx);
    side_init(&subject, w->subject, w->subject_steps, w->ctx);
    for (size_t n = 0; n < ROUNDS_MIN || wall_ns() < end; n++) {
        round_of(&floor, w->ctx);
        round_of(&subject, w->ctx);
    }
    *ret_floor = sum(&floor) / 1000;
    *ret_value = sum(&subject) / 1000;
}
