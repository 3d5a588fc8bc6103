#include "os/child.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/clock.h"

/* All signals as a fresh process has them: a library's caller may block or ignore some. */
static int plain_signals(posix_spawnattr_t *a)
{
    sigset_t none, all;
    int rc = sigemptyset(&none) | sigfillset(&all);

    if (rc == 0)
        rc = posix_spawnattr_setsigmask(a, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(a, &all);
    if (rc == 0)
        rc = posix_spawnattr_setflags(a, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                             POSIX_SPAWN_SETSID);
    return rc;
}

static int spawn(const char *path, int end, pid_t *ret)
{
    char *const argv[] = {(char[]){"waxwing-box"}, NULL}, *const env[] = {NULL};
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t a;
    int rc = posix_spawn_file_actions_init(&fa);

    if (rc != 0)
        return rc;
    rc = posix_spawnattr_init(&a);
    if (rc == 0) {
        rc = plain_signals(&a);
        if (rc == 0)
            rc = posix_spawn_file_actions_adddup2(&fa, end, 0);
        if (rc == 0)
            rc = posix_spawn_file_actions_addclosefrom_np(&fa, 1);
        if (rc == 0)
            rc = posix_spawn_file_actions_addchdir_np(&fa, "/");
        if (rc == 0)
            rc = posix_spawn(ret, path, &fa, &a, argv, env);
        (void)posix_spawnattr_destroy(&a);
    }
    (void)posix_spawn_file_actions_destroy(&fa);
    return rc;
}

wax_rc os_child_start(const char *path, struct os_child *ret)
{
    int ends[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return WAX_E_IO;
    int rc = spawn(path, ends[1], &pid);
    (void)close(ends[1]);
    if (rc != 0) {
        (void)close(ends[0]);
        return rc == ENOENT || rc == EACCES || rc == ENOTDIR ? WAX_E_NOTFOUND : WAX_E_IO;
    }
    *ret = (struct os_child){.fd = ends[0], .pid = pid};
    return WAX_OK;
}

void os_child_stop(struct os_child *c)
{
    if (c->fd < 0)
        return;
    (void)close(c->fd);
    /* While it is not waited for, its number is nobody else's. */
    if (waitpid(c->pid, NULL, WNOHANG) == 0) {
        (void)kill(c->pid, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    *c = OS_CHILD_NONE;
}

bool os_child_alive(const struct os_child *c)
{
    uint8_t byte;

    if (c->fd < 0)
        return false;
    ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    /* It speaks when asked only: a word that nobody asked for is no good sign either. */
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
}

/* Looks once more when the time is over: what is there already counts, however long this process
 * was stopped. */
static wax_rc wait_for(int fd, short events, uint64_t end)
{
    for (;;) {
        uint64_t now = os_mono_ms();
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, now < end ? (int)(end - now) : 0);
        if (n > 0)
            return WAX_OK;
        if (n < 0 && errno != EINTR)
            return WAX_E_IO;
        if (n == 0 && now >= end)
            return WAX_E_TIMEOUT;
    }
}

wax_rc os_child_send(struct os_child *c, struct bytes x, uint64_t end)
{
    while (x.n) {
        wax_rc rc = wait_for(c->fd, POLLOUT, end);
        if (rc != WAX_OK)
            return rc;
        ssize_t n = send(c->fd, x.p, x.n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return WAX_E_CRASHED;
        if (n > 0)
            x = (struct bytes){x.p + n, x.n - (size_t)n};
    }
    return WAX_OK;
}

wax_rc os_child_recv(struct os_child *c, void *out, size_t n, uint64_t end)
{
    uint8_t *p = out;

    while (n) {
        wax_rc rc = wait_for(c->fd, POLLIN, end);
        if (rc != WAX_OK)
            return rc;
        ssize_t got = recv(c->fd, p, n, MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
            return WAX_E_CRASHED;
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
    return WAX_OK;
}

wax_rc os_folder_of(const void *address, char *out, size_t cap)
{
    Dl_info info;
    char path[PATH_MAX];

    if (!dladdr(address, &info) || !info.dli_fname || !realpath(info.dli_fname, path))
        return WAX_E_NOTFOUND;
    char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) + 1 > cap)
        return WAX_E_NOTFOUND;
    *slash = 0;
    memcpy(out, path, (size_t)(slash - path) + 1);
    return WAX_OK;
}
