/* A link that breaks: cutproxy PORT CONTROL STATE hands every byte of its connections on to
 * 127.0.0.1:PORT and back, and prints its own port. At each new connection it reads CONTROL,
 *
 *   SERIAL up N … | SERIAL down N … | SERIAL none
 *
 * and when SERIAL has changed it begins to count anew: after N bytes upwards (to the server),
 * over all connections since, or downwards, it breaks all connections by a reset. Bytes up to
 * the N-th still arrive. Then the next N counts, up to four; after the last it hands on as
 * before. After each change STATE holds
 *
 *   SERIAL UP DOWN CUTS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS 64
#define LIMITS 4

struct pair {
    int client, server; /* -1: free */
};

static struct pair pairs[PAIRS];
static unsigned long serial, up, down, cuts;
static unsigned long limits[LIMITS], since; /* of the limit that counts now: bytes so far */
static int n_limits, at_limit;
static enum { NONE, UP, DOWN } mode;
static const char *control, *state;
static unsigned port;

static struct sockaddr_in loopback(unsigned p)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)p),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Replaced as a whole, so that a reader sees all of it or the one before. */
static void tell(void)
{
    char next[4096], text[128];
    int n = snprintf(text, sizeof text, "%lu %lu %lu %lu\n", serial, up, down, cuts);

    (void)snprintf(next, sizeof next, "%s.next", state);
    int fd = open(next, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, (size_t)n) != n || close(fd) != 0 || rename(next, state) != 0)
        exit(74);
}

static void look(void)
{
    char how[8] = "none";
    unsigned long s = 0, n[LIMITS] = {0};
    FILE *f = fopen(control, "r");

    if (!f)
        return;
    int got = fscanf(f, "%lu %7s %lu %lu %lu %lu", &s, how, &n[0], &n[1], &n[2], &n[3]);
    (void)fclose(f);
    if (got < 2 || s == serial)
        return;
    serial = s;
    mode = got == 2 ? NONE : strcmp(how, "up") == 0 ? UP : DOWN;
    n_limits = got - 2;
    memcpy(limits, n, sizeof limits);
    up = down = cuts = since = 0;
    at_limit = 0;
    tell();
}

static void end(struct pair *p, bool reset)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};

    if (p->client < 0)
        return;
    if (reset) {
        (void)setsockopt(p->client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        (void)setsockopt(p->server, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    }
    (void)close(p->client);
    (void)close(p->server);
    *p = (struct pair){-1, -1};
}

static bool write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
        if (w <= 0)
            return false;
        p += w;
        n -= (size_t)w;
    }
    return true;
}

static void cut_all(void)
{
    /* What was handed on last shall arrive before the reset overtakes it. */
    (void)usleep(2000);
    since = 0;
    cuts++;
    if (++at_limit >= n_limits)
        mode = NONE;
    for (int i = 0; i < PAIRS; i++)
        end(&pairs[i], true);
}

static void hand_on(struct pair *p, bool upwards)
{
    char piece[16384];
    size_t room = sizeof piece;
    unsigned long *sum = upwards ? &up : &down;
    bool counts = mode == (upwards ? UP : DOWN);

    if (counts && limits[at_limit] - since < room)
        room = limits[at_limit] - since;
    ssize_t n = room ? read(upwards ? p->client : p->server, piece, room) : 0;
    if (n > 0) {
        *sum += (unsigned long)n;
        since += counts ? (unsigned long)n : 0;
        if (!write_all(upwards ? p->server : p->client, piece, (size_t)n))
            n = 0;
    }
    if (counts && since >= limits[at_limit])
        cut_all();
    else if (n <= 0)
        end(p, false);
    tell();
}

static void take(int listener)
{
    struct sockaddr_in to = loopback(port);
    int client = accept(listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);

    if (client < 0 || server < 0)
        exit(74);
    look();
    for (int i = 0; i < PAIRS; i++)
        if (pairs[i].client < 0 && connect(server, (struct sockaddr *)&to, sizeof to) == 0) {
            pairs[i] = (struct pair){client, server};
            if (mode != NONE && limits[at_limit] == 0)
                cut_all();
            return;
        }
    (void)close(client); /* full, or the server is away */
    (void)close(server);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = loopback(0);
    struct pollfd f[2 * PAIRS + 1];
    socklen_t len = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    if (argc != 4)
        return 64;
    port = (unsigned)atoi(argv[1]);
    control = argv[2];
    state = argv[3];
    if (s < 0 || bind(s, (struct sockaddr *)&at, sizeof at) != 0 || listen(s, 64) != 0 ||
        getsockname(s, (struct sockaddr *)&at, &len) != 0)
        return 74;
    for (int i = 0; i < PAIRS; i++)
        pairs[i] = (struct pair){-1, -1};
    printf("%u\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    for (;;) {
        for (int i = 0; i < PAIRS; i++) {
            f[2 * i] = (struct pollfd){.fd = pairs[i].client, .events = POLLIN};
            f[2 * i + 1] = (struct pollfd){.fd = pairs[i].server, .events = POLLIN};
        }
        f[2 * PAIRS] = (struct pollfd){.fd = s, .events = POLLIN};
        if (poll(f, 2 * PAIRS + 1, -1) < 0 && errno != EINTR)
            return 74;
        for (int i = 0; i < 2 * PAIRS; i++)
            if (f[i].revents && pairs[i / 2].client >= 0)
                hand_on(&pairs[i / 2], i % 2 == 0);
        if (f[2 * PAIRS].revents)
            take(s);
    }
}
