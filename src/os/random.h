/* Real randomness, from the kernel. */
#ifndef OS_RANDOM_H
#define OS_RANDOM_H

#include "base/rng.h"

/* Static, never NULL; usable from every thread. */
const struct rng *os_rng(void);

#endif
