#include "os/term.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "os/file.h"

#define LINE_CAP 4096
#define CTRL_C 3

bool os_term_is(int fd) { return isatty(fd) == 1; }

bool os_term_colour(int fd)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return os_term_is(fd) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

unsigned os_term_columns(int fd)
{
    struct winsize w = {0};

    return ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static int open_tty(void) { return open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC); }

bool os_term_there(void)
{
    int fd = open_tty();

    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

static wax_rc write_tty(int fd, struct bytes x)
{
    while (x.n > 0) {
        ssize_t n = write(fd, x.p, x.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_rc(errno);
        x.p += n;
        x.n -= (size_t)n;
    }
    return WAX_OK;
}

wax_rc os_term_write(struct bytes text)
{
    int fd = open_tty();
    wax_rc rc;

    if (fd < 0)
        return WAX_E_NOTFOUND;
    rc = write_tty(fd, text);
    (void)close(fd);
    return rc;
}

static wax_rc read_line(int fd, struct buf *out)
{
    for (;;) {
        char c;
        ssize_t n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return os_rc(errno);
        if (n == 0)
            return out->n > 0 ? buf_rc(out) : WAX_E_CANCELLED;
        if (c == '\n')
            return buf_rc(out);
        if (c == CTRL_C)
            return WAX_E_CANCELLED;
        if (out->n >= LINE_CAP)
            return WAX_E_TOOBIG;
        buf_u8(out, (uint8_t)c);
    }
}

static wax_rc ask_on(int fd, const char *prompt, bool hidden, struct buf *out)
{
    struct termios old, quiet;
    wax_rc rc;

    if (hidden) {
        if (tcgetattr(fd, &old) != 0)
            return os_rc(errno);
        quiet = old;
        /* Ctrl-C comes as a character that ends the line: killed by its signal, we would
         * leave the terminal without echo. */
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ISIG);
        quiet.c_lflag |= ECHONL;
        quiet.c_cc[VEOL] = CTRL_C;
        /* Before the prompt: what is typed as soon as it shows must not be seen. */
        if (tcsetattr(fd, TCSADRAIN, &quiet) != 0)
            return os_rc(errno);
    }
    rc = write_tty(fd, BYTES_STR(prompt));
    if (!rc)
        rc = read_line(fd, out);
    if (hidden)
        (void)tcsetattr(fd, TCSADRAIN, &old);
    return rc;
}

wax_rc os_term_ask(const char *prompt, bool hidden, struct buf *ret)
{
    struct buf line = {0};
    int fd = open_tty();
    wax_rc rc;

    if (fd < 0)
        return WAX_E_NOTFOUND;
    rc = ask_on(fd, prompt, hidden, &line);
    (void)close(fd);
    if (rc) {
        buf_done(&line);
        return rc;
    }
    buf_done(ret);
    *ret = line;
    return WAX_OK;
}
