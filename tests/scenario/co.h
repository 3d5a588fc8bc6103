/* Coroutines: many devices act at once in one thread, and a seed alone decides who is next. */
#ifndef SCENARIO_CO_H
#define SCENARIO_CO_H

#include <stdbool.h>

struct co;
/* Runs fn(arg) from the first co_resume on. Aborts for want of memory. */
struct co *co_new(void (*fn)(void *arg), void *arg);
/* Goes on with it until it yields (true) or has ended (false; then only co_free is left). From
 * outside of all coroutines only. */
bool co_resume(struct co *c);
/* Only of one that has ended or never began: a function in the middle holds memory. NULL is fine.
 */
void co_free(struct co *c);
/* From inside: back to whoever resumed. */
void co_yield (void);
bool co_inside(void);

#endif
