#include "os/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/mem.h"

static wax_rc fill(void *ctx, uint8_t *out, size_t n)
{
    size_t done = 0;

    (void)ctx;
    while (done < n) {
        ssize_t got = getrandom(out + done, n - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            mem_wipe(out, n);
            return WAX_E_RANDOM;
        }
        done += (size_t)got;
    }
    return WAX_OK;
}

const struct rng *os_rng(void)
{
    static const struct rng real = {fill, NULL};

    return &real;
}
