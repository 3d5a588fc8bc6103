/* A program of ours that runs beside this process and is spoken to over one socket, with a
 * deadline for every word. */
#ifndef OS_CHILD_H
#define OS_CHILD_H

#include "base/bytes.h"
#include "base/result.h"

struct os_child {
    int fd; /* our end; −1: none runs */
    int pid;
};
#define OS_CHILD_NONE ((struct os_child){.fd = -1})

/* Runs the program at an absolute path with nothing of ours: no arguments, no environment, no
 * descriptors but its end of the socket as 0, a session and a folder (/) of its own, so that the
 * terminal's signals pass it by. WAX_E_NOTFOUND: it is not there; WAX_E_IO. */
wax_rc os_child_start(const char *path, struct os_child *ret) WAX_MUST;
/* Kills it and waits for its end; then none runs. */
void os_child_stop(struct os_child *c);
/* Whether it still holds its end of the socket. */
bool os_child_alive(const struct os_child *c);
/* All of the bytes, until `end` (os_mono_ms). WAX_E_CRASHED: it is gone; WAX_E_TIMEOUT. */
wax_rc os_child_send(struct os_child *c, struct bytes x, uint64_t end) WAX_MUST;
wax_rc os_child_recv(struct os_child *c, void *out, size_t n, uint64_t end) WAX_MUST;

/* The folder of the loaded program or library that holds the address, absolute and without
 * links; cap bytes. WAX_E_NOTFOUND. */
wax_rc os_folder_of(const void *address, char *out, size_t cap) WAX_MUST;

#endif
