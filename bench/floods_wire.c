/* Floods of connections and frames. */
#include "floods.h"

#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"
#include "os/clock.h"

#define CALM 11 /* ENHANCE_YOUR_CALM */
#define HOLD_MS 200

/* --- Connections ---------------------------------------------------------------------- */

bool flood_half_open_tcp(const struct site *s)
{
    enum { N = 1000 };
    static int fds[N];
    size_t n = 0;

    for (size_t i = 0; i < N; i++) {
        fds[n] = foe_tcp(s);
        n += fds[n] >= 0;
    }
    os_sleep_ms(HOLD_MS);
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
    return n > 0;
}

/* A handshake whose client sends its first flight and then nothing. */
static int begin_tls(const struct site *s)
{
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    struct foe f;
    char *hello;

    foe_tls_begin(s, &(struct foe_how){.in = in, .out = out}, &f);
    (void)SSL_connect(f.ssl);
    long n = BIO_get_mem_data(out, &hello);
    if (n <= 0)
        die("no ClientHello");
    if (f.fd >= 0)
        (void)!write(f.fd, hello, (size_t)n);
    int fd = f.fd;
    f.fd = -1;
    foe_close(&f);
    return fd;
}

bool flood_half_open_tls(const struct site *s)
{
    enum { N = 300 };
    int fds[N];

    for (size_t i = 0; i < N; i++)
        fds[i] = begin_tls(s);
    os_sleep_ms(HOLD_MS);
    for (size_t i = 0; i < N; i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    return true;
}

bool flood_half_open_h2(const struct site *s)
{
    enum { N = 100 };
    struct foe f[N];
    bool good = true;

    for (size_t i = 0; i < N; i++)
        good &= foe_tls(s, &(struct foe_how){.as = &s->users[FLOOD_FOE]}, &f[i]);
    os_sleep_ms(HOLD_MS);
    for (size_t i = 0; i < N; i++)
        foe_close(&f[i]);
    return good;
}

bool flood_reconnects(const struct site *s)
{
    const struct user *u = &s->users[FLOOD_FOE];
    struct foe_answer a = {0};
    bool good = true;

    for (size_t i = 0; i < 100; i++) {
        struct foe f;
        good &= foe_open(s, u, &f);
        if (good && i % 10 == 0)
            good = foe_ask(&f, "GET", "/v1/counter", u->device, BYTES(NULL, 0), &a) == 404;
        if (i % 2)
            foe_abort(&f);
        else
            foe_close(&f);
    }
    buf_done(&a.body);
    return good;
}

/* --- Frames --------------------------------------------------------------------------- */

/* The same frame for as long as somebody takes it, at most 20,000 times; true: it was cut off for
 * it, and said so. */
static bool frames(const struct site *s, uint8_t type, uint8_t flags, uint32_t stream,
                   const void *p, size_t n)
{
    struct foe f;
    bool good = foe_open(s, NULL, &f);

    if (good && stream)
        good = foe_headers(&f, stream, "POST", "/v1/accounts", NULL, false);
    for (size_t i = 0; good && i < 20000; i++)
        if (!foe_frame(&f, type, flags, stream, p, n))
            break;
    good = good && foe_goaway(&f) == CALM;
    foe_close(&f);
    return good;
}

bool flood_pings(const struct site *s) { return frames(s, F_PING, 0, 0, "waxwings", 8); }

bool flood_settings_frames(const struct site *s)
{
    static const uint8_t window[] = {0, 4, 0, 0, 255, 255};

    return frames(s, F_SETTINGS, 0, 0, window, sizeof window);
}

bool flood_empty_data(const struct site *s) { return frames(s, F_DATA, 0, 1, NULL, 0); }

bool flood_window_dribble(const struct site *s) { return frames(s, F_WINDOW, 0, 1, "\0\0\0\1", 4); }

bool flood_resets(const struct site *s)
{
    struct foe f;
    bool good = foe_open(s, &s->users[FLOOD_FOE], &f);

    for (uint32_t i = 0; good && i < 5000; i++)
        if (!foe_headers(&f, 2 * i + 1, "GET", "/v1/mailbox", NULL, true) ||
            !foe_frame(&f, F_RESET, 0, 2 * i + 1, "\0\0\0\x8", 4))
            break;
    good = good && foe_goaway(&f) == CALM;
    foe_close(&f);
    return good;
}

bool flood_more_headers(const struct site *s)
{
    struct foe f;
    struct buf block = {0}, piece = {0};
    bool good = foe_open(s, NULL, &f);

    foe_header(&block, ":method", "GET");
    foe_header(&block, ":scheme", "https");
    foe_header(&block, ":path", "/v1/mailbox");
    foe_header(&piece, "x-more", "and more");
    good = good && foe_frame(&f, F_HEADERS, 1, 1, block.p, block.n);
    for (size_t i = 0; good && i < 20000; i++)
        if (!foe_frame(&f, F_MORE, 0, 1, piece.p, i % 2 ? piece.n : 0))
            break;
    good = good && foe_goaway(&f) != UINT32_MAX;
    foe_close(&f);
    buf_done(&block);
    buf_done(&piece);
    return good;
}

bool flood_header_bombs(const struct site *s)
{
    char large[3900];
    struct buf block = {0};
    struct foe f;
    bool good = foe_open(s, NULL, &f);

    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    foe_header(&block, ":method", "GET");
    foe_header(&block, ":scheme", "https");
    foe_header(&block, ":path", "/v1/mailbox");
    size_t at = block.n;
    foe_header(&block, "x-bomb", large);
    block.p[at] = 0x40; /* goes into the table … */
    for (size_t i = 0; i < 12000; i++)
        buf_u8(&block, 0xbe); /* … and comes from it */
    must(buf_rc(&block), "headers");
    good = good && foe_frame(&f, F_HEADERS, 5, 1, block.p, block.n);
    int status = good ? foe_status(&f, 1) : -1;
    foe_close(&f);
    buf_done(&block);
    return status == 431 || status == 0;
}
