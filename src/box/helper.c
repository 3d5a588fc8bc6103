/* PREFIX/libexec/waxwing/waxwing-box: takes apart what strangers wrote, for libwax. It is run by
 * libwax alone, with a socket as descriptor 0 and nothing else; it confines itself before it
 * reads. Killed at once when it, or whoever took it over by what it read, tries anything but
 * computing. */
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "box/talk.h"
#include "os/sandbox.h"

/* A content needs 4 times its size and 512 KiB to be parsed (wire/proto.c), and its record. */
#define MEMORY ((size_t)64 << 20)
#define SECONDS 120
#define EXIT_CONFINE 70

static bool read_all(void *out, size_t n)
{
    uint8_t *p = out;

    while (n) {
        ssize_t got = read(0, p, n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

static bool write_all(struct bytes x)
{
    while (x.n) {
        ssize_t put = write(0, x.p, x.n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        x = (struct bytes){x.p + put, x.n - (size_t)put};
    }
    return true;
}

static wax_rc confine(int *ret_landlock)
{
    /* libwax closes them, too; a caller's thread may have opened one meanwhile. */
    (void)syscall(SYS_close_range, 1U, ~0U, 0U);
    mem_free(mem_alloc(1)); /* the allocator asks for chance with its first block */
    wax_rc rc = os_landlock(NULL, 0, ret_landlock);
    if (rc == WAX_OK)
        rc = os_limit(MEMORY, SECONDS);
    return rc == WAX_OK ? os_seccomp(OS_CALLS_BOX) : rc;
}

static wax_rc take_apart(uint8_t kind, struct bytes x, struct buf *out)
{
    Wax__V1__Content *c = NULL;
    wax_rc rc = kind == BOX_CONTENT ? content_unpack(x, &c) : WAX_E_INVAL;

    if (rc == WAX_OK)
        rc = content_record_encode(c, out);
    content_free(c);
    return rc;
}

/* One question; false: no more of them, or none that makes sense. */
static bool serve(void)
{
    uint8_t head[BOX_HEAD], reply[BOX_HEAD] = {BOX_TAKEN};
    struct buf in = {0}, out = {0};
    bool ok = read_all(head, sizeof head);
    uint32_t n = ok ? get_u32(head + 1) : 0;
    uint8_t *at = ok && n <= CONTENT_MAX ? buf_extend(&in, n) : NULL;

    ok = at && read_all(at, n);
    if (ok) {
        wax_rc rc = take_apart(head[0], buf_view(&in), &out);
        ok = rc == WAX_OK || rc == WAX_R_PARSE;
        if (rc == WAX_R_PARSE)
            reply[0] = BOX_REFUSED;
        put_u32(reply + 1, (uint32_t)out.n);
    }
    ok = ok && write_all(BYTES_OF(reply)) && write_all(buf_view(&out));
    buf_done(&in);
    buf_done(&out);
    return ok;
}

int main(void)
{
    uint8_t hello[BOX_HELLO_SIZE] = BOX_HELLO;
    int landlock = 0;

    if (confine(&landlock) != WAX_OK)
        return EXIT_CONFINE;
    hello[4] = (uint8_t)landlock;
    bool on = write_all(BYTES_OF(hello));
    while (on)
        on = serve();
    _exit(0);
}
