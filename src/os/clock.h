/* The real clocks. Pure code gets its time passed in; only programs, lib and net ask here. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970 UTC; may jump when somebody sets the clock. */
uint64_t os_now_ms(void);
/* Milliseconds of a clock that never jumps, for waiting and time-outs. */
uint64_t os_mono_ms(void);
/* Sleeps about that long. */
void os_sleep_ms(unsigned ms);

#endif
