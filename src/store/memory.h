/* The memory twin: the reference for the rules, and the store of the scenarios. */
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/store.h"

wax_rc store_memory_new(struct store **ret) WAX_MUST;
/* Runs up to `max` submitted requests (0: all), oldest first, and calls their `done`.
 * Returns how many. */
size_t store_memory_pump(struct store *s, size_t max);
/* A crash: what was not pumped is dropped without `done` (the requests' memory belongs to
 * their submitters, who crashed too). Committed data stays. */
void store_memory_crash(struct store *s);

#endif
