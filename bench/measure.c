#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

#define ROUND_NS 2000000.0
#define ROUNDS_MIN 9
#define ROUNDS_MAX 2000

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

double quantile(double *v, size_t n, double part)
{
    qsort(v, n, sizeof *v, by_size);
    return v[(size_t)((double)(n - 1) * part)];
}

double median(double *v, size_t n) { return quantile(v, n, 0.5); }

/* Processor time of `times` calls: who else runs on the machine does not count, but for the
 * caches. */
static double run(void (*fn)(void *ctx), void *ctx, size_t times)
{
    uint64_t start;

    fn(ctx); /* the other one's data leaves the caches */
    start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (size_t i = 0; i < times; i++)
        fn(ctx);
    return (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start);
}

static size_t times_for(void (*fn)(void *ctx), void *ctx)
{
    double once;

    once = run(fn, ctx, 3) / 3;
    return once >= ROUND_NS ? 1 : (size_t)(ROUND_NS / (once + 1)) + 1;
}

void measure(const struct work *w, unsigned ms, double *ret_floor, double *ret_value)
{
    static double floors[ROUNDS_MAX], values[ROUNDS_MAX];
    size_t n_floor = times_for(w->floor, w->ctx), n_value = times_for(w->subject, w->ctx);
    uint64_t end = wall_ns() + (uint64_t)ms * 1000000U;
    size_t n = 0;

    while (n < ROUNDS_MIN || (n < ROUNDS_MAX && wall_ns() < end)) {
        floors[n] = run(w->floor, w->ctx, n_floor) / (double)n_floor;
        values[n] = run(w->subject, w->ctx, n_value) / (double)n_value;
        n++;
    }
    *ret_floor = quantile(floors, n, 0) / 1000;
    *ret_value = quantile(values, n, 0) / 1000;
}
