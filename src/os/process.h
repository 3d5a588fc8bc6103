/* What a process says about itself and others, and what it gives up. */
#ifndef OS_PROCESS_H
#define OS_PROCESS_H

#include "base/result.h"

#include <stdint.h>

/* No core dumps, no debugger of the same user, no /proc/self/mem (RULES). Call it first
 * thing, and again after os_act_as_owner. */
wax_rc os_harden(void) WAX_MUST;

uint32_t os_pid(void);
/* When a process started, in clock ticks since boot; 0 when there is no such process. The
 * pair (pid, start) names a process for good, a pid alone is reused. */
uint64_t os_process_start(uint32_t pid);
/* Whether that very process lives. */
bool os_process_alive(uint32_t pid, uint64_t start);

/* Run as root on somebody's folder: become its owner for good (CLI.md, waxd). Does nothing
 * when we are not root, when root owns it, or when it is not there. */
wax_rc os_act_as_owner(const char *dir) WAX_MUST;

/* Tells the service manager, e.g. "READY=1"; does nothing where there is none. */
void os_sd_notify(const char *state);

#endif
