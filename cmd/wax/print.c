/* Standard output: one write a line, so that a line is there whole or the call fails. */
#include "print.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int write_all(const uint8_t *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(STDOUT_FILENO, p, n);
        if (w < 0 && errno == EINTR && !app_interrupted())
            continue;
        if (w < 0 && errno == EAGAIN) { /* somebody made the pipe non-blocking */
            struct pollfd f = {.fd = STDOUT_FILENO, .events = POLLOUT};
            if (poll(&f, 1, -1) >= 0 || errno == EINTR)
                continue;
        }
        if (w <= 0)
            return -1;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

int print_line(const char *line)
{
    struct buf out = {0};

    buf_str(&out, line);
    buf_u8(&out, '\n');
    int rc = buf_rc(&out) == WAX_OK ? write_all(out.p, out.n) : -1;
    buf_done(&out);
    return rc;
}

int print_event(void *ctx, const struct wax_event *e)
{
    const struct app *a = ctx;
    struct buf out = {0};
    wax_rc rc = WAX_OK;

    if (a->json) {
        rc = print_json(&out, e);
        buf_u8(&out, '\n');
    } else {
        print_words(&out, e, os_term_is(STDOUT_FILENO), os_term_colour(STDOUT_FILENO));
    }
    if (rc == WAX_OK)
        rc = buf_rc(&out);
    int bad = rc == WAX_OK ? write_all(out.p, out.n) : -1;
    buf_done(&out);
    return bad;
}
