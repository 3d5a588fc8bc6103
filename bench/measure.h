/* Times a piece of work beside its floor: the least that must be done for it. Both run in
 * turn, in many short rounds, so that whatever else the machine does falls on both. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

/* Ends the program with a line on stderr. */
_Noreturn void die(const char *what);
void must(wax_rc rc, const char *what);
void *must_alloc(size_t n);

uint64_t wall_ns(void); /* monotonic */
uint64_t cpu_ns(void);  /* processor time of this thread */

/* A figure of which less is better, with the most that it may be of its floor. */
struct figure {
    const char *name, *unit;
    double value, floor;
    double at_most, at_least; /* wanted of value / floor; 0: no such bound */
};
/* One line of JSON on stdout. Without a floor (0): value alone. */
void figure_print(const struct figure *f);

/* What is timed. A long piece of work is cut into steps, done in order, so that each of them
 * finds its quiet moment: a sum of them is the whole. */
struct work {
    void (*floor)(void *ctx, size_t step);
    void (*subject)(void *ctx, size_t step);
    void *ctx;
    size_t floor_steps, subject_steps; /* 0 stands for 1; at most STEPS_MAX */
};
#define STEPS_MAX 32
/* Processor time of all of it, in µs: of rounds of at least 2 ms, alternating, for about `ms`
 * together, the quickest of each step: the one that others on the machine disturbed least
 * (they take the caches, not only the processor). */
void measure(const struct work *w, unsigned ms, double *ret_floor, double *ret_value);

/* The median; sorts v. */
double median(double *v, size_t n);

#endif
