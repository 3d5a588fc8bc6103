/* A wire tap for tests: takes TCP connections on 127.0.0.1, hands every byte on to PORT, and
 * writes all that passes, in both directions, to FILE. Prints its own port. Needs no rights,
 * unlike a packet capture. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w <= 0)
            return -1;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

/* One piece from a to b and into the log; 0 at the end. */
static int hand_on(int a, int b, int log)
{
    char piece[16384];
    ssize_t n = read(a, piece, sizeof piece);

    if (n <= 0)
        return 0;
    return write_all(log, piece, (size_t)n) == 0 && write_all(b, piece, (size_t)n) == 0;
}

static void connection(int client, unsigned port, int log)
{
    struct sockaddr_in to = loopback(port);
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct pollfd f[2] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};

    if (server < 0 || connect(server, (struct sockaddr *)&to, sizeof to) != 0)
        _exit(1);
    while (poll(f, 2, -1) > 0) {
        if (f[0].revents && !hand_on(client, server, log))
            break;
        if (f[1].revents && !hand_on(server, client, log))
            break;
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = loopback(0);
    socklen_t len = sizeof at;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    if (argc != 3)
        return 64;
    int log = open(argv[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (s < 0 || log < 0 || bind(s, (struct sockaddr *)&at, sizeof at) != 0 || listen(s, 64) != 0 ||
        getsockname(s, (struct sockaddr *)&at, &len) != 0)
        return 74;
    (void)signal(SIGCHLD, SIG_IGN);
    (void)signal(SIGPIPE, SIG_IGN);
    printf("%u\n", ntohs(at.sin_port));
    (void)fflush(stdout);
    for (;;) {
        int c = accept(s, NULL, NULL);
        if (c < 0)
            return 74;
        if (fork() == 0)
            connection(c, (unsigned)atoi(argv[1]), log);
        (void)close(c);
    }
}
