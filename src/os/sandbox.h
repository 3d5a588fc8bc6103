/* What a process gives up for good, before it touches what strangers sent: files and TCP
 * (Landlock), system calls (seccomp). Linked only into programs that confine themselves; no
 * library does this to its caller. */
#ifndef OS_SANDBOX_H
#define OS_SANDBOX_H

#include "base/result.h"

#include <stddef.h>

/* A file or a folder with all below it. What is not there is left out. */
struct os_path {
    const char *path;
    bool write; /* also make, change, rename and remove files and folders in it */
};

/* From now on this thread, and every thread and process that it starts, opens nothing but what
 * paths name, runs nothing, and as far as the kernel knows of it makes and takes no TCP connection,
 * and reaches no process outside by signals. Open descriptors stay what they are. *ret_abi: the
 * version of Landlock that holds; 0: this kernel (or a filter around us) has none, and nothing
 * changed. WAX_E_IO: it has it, and it did not take. Sets no_new_privs. */
wax_rc os_landlock(const struct os_path *paths, size_t n, int *ret_abi) WAX_MUST;

/* The system calls that stay, for all threads of this process.
 * BOX: reading and writing descriptor 0, memory, ending. Everything else kills the process.
 * SERVER: what waxd needs once it listens: descriptors, files, memory, threads, time, signals to
 * itself, and datagrams to the service manager. What only an intruder would do (run a program,
 * trace, mount, load code, open, bind or connect a network socket, change users) kills the process;
 * the rest fails with ENOSYS, as on an older kernel.
 * WAX_E_NOTFOUND: this kernel has no filters, or forbids more of them. */
enum os_calls { OS_CALLS_BOX, OS_CALLS_SERVER };
wax_rc os_seccomp(enum os_calls which) WAX_MUST;

/* Limits of a process that computes and nothing else: no descriptors beside those it has, no
 * files, no processes, no core; `memory` bytes of address space, `seconds` of processor time. Not
 * dumpable. */
wax_rc os_limit(size_t memory, unsigned seconds) WAX_MUST;

#endif
