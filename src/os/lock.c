#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/mem.h"
#include "os/clock.h"
#include "os/file.h"

#define LOCK_POLL_MS 10

struct os_lock {
    int fd;
};

wax_rc os_lock_open(const char *path, struct os_lock **ret)
{
    struct os_lock *l = mem_alloc(sizeof *l);

    if (!l)
        return WAX_E_NOMEM;
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0) {
        int err = errno;
        mem_free(l);
        return os_rc(err);
    }
    *ret = l;
    return WAX_OK;
}

/* flock has no time-out of its own, and an alarm would be the process's business: so we ask
 * again every few milliseconds. */
wax_rc os_lock_try(struct os_lock *l, unsigned timeout_ms)
{
    uint64_t until = os_mono_ms() + timeout_ms;

    for (;;) {
        if (flock(l->fd, LOCK_EX | LOCK_NB) == 0)
            return WAX_OK;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return os_rc(errno);
        if (os_mono_ms() >= until)
            return WAX_E_BUSY;
        os_sleep_ms(LOCK_POLL_MS);
    }
}

void os_lock_unlock(struct os_lock *l) { (void)flock(l->fd, LOCK_UN); }

void os_lock_close(struct os_lock *l)
{
    if (!l)
        return;
    (void)close(l->fd);
    mem_free(l);
}
