#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/server_in.h"
#include "os/clock.h"

/* Who waits here for longer than he has patience costs a place, and the next one, too: more than
 * can be served in time had better try again later. */
#define BACKLOG 1024
/* New connections between two rounds of everything else: a crowd that comes does not keep those
 * waiting who are in already. */
#define ACCEPT_TURN 16
#define ACCEPT_PAUSE_MS 200
/* Handshakes are waited for so long before one may make room: without a whole ClientHello, and
 * with it (its sender may be far away); looked at that often. */
#define HELLO_GRACE_MS 1000
#define HANDSHAKE_GRACE_MS 3000
#define HANDSHAKE_PAUSE_MS 20

void net_source_text(const struct sockaddr *sa, char out[NET_SOURCE_MAX])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)sa;
    struct in6_addr net;
    char text[INET6_ADDRSTRLEN] = "?";

    if (sa->sa_family == AF_INET) {
        (void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        (void)snprintf(out, NET_SOURCE_MAX, "%s", text);
    } else if (sa->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        (void)inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof text);
        (void)snprintf(out, NET_SOURCE_MAX, "%s", text);
    } else if (sa->sa_family == AF_INET6) {
        net = v6->sin6_addr;
        memset(net.s6_addr + 8, 0, 8); /* one customer has a whole /64 */
        (void)inet_ntop(AF_INET6, &net, text, sizeof text);
        (void)snprintf(out, NET_SOURCE_MAX, "%s/64", text);
    } else {
        (void)snprintf(out, NET_SOURCE_MAX, "?");
    }
}

static void rest(struct net_server *s, unsigned ms);

static bool hello_came(const struct net_conn *c)
{
    OSSL_HANDSHAKE_STATE at = SSL_get_state(bufferevent_openssl_get_ssl(c->bev));
    return at != TLS_ST_BEFORE && at != TLS_ST_SR_CLNT_HELLO;
}

/* Closes the oldest connection that has shown no HTTP/2 yet, of those that had their time. */
static bool make_room(struct net_server *s)
{
    uint64_t now = os_mono_ms();

    for (struct list *l = s->unsettled.next; l != &s->unsettled; l = l->next) {
        struct net_conn *c = LIST_OF(l, struct net_conn, unsettled);
        if (now - c->since < HELLO_GRACE_MS)
            return false;
        if (now - c->since < HANDSHAKE_GRACE_MS && hello_came(c))
            continue;
        c->dead = true;
        net_conn_free(c);
        return true;
    }
    return false;
}

static void accept_again(void *ctx)
{
    struct net_server *s = ctx;

    s->accept_again = NULL;
    s->accepted = 0;
    if (s->n_unsettled >= s->conf.max_handshakes && !make_room(s))
        rest(s, HANDSHAKE_PAUSE_MS);
    else if (s->listener)
        (void)evconnlistener_enable(s->listener);
}

/* Who connects waits in the system's queue meanwhile. */
static void rest(struct net_server *s, unsigned ms)
{
    if (s->accept_again || !s->listener)
        return;
    s->accept_again = net_loop_timer(s->loop, ms, accept_again, s);
    if (s->accept_again)
        (void)evconnlistener_disable(s->listener);
}

/* Who hung up while he waited is not worth a handshake. */
static bool is_there(evutil_socket_t fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) == 0;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *peer, int n,
                      void *ctx)
{
    struct net_server *s = ctx;
    int on = 1, unacked_ms = 90000;

    (void)l;
    (void)n;
    if (!is_there(fd)) {
        (void)close(fd);
        return;
    }
    if (s->n_conns >= s->conf.max_connections && !make_room(s)) {
        log_warn("connection refused: %u are open", s->n_conns);
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    /* A peer that vanished with our bytes under way. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof unacked_ms);
    net_conn_open(s, fd, peer);
    if (s->n_unsettled >= s->conf.max_handshakes && !make_room(s))
        rest(s, HANDSHAKE_PAUSE_MS);
    else if (++s->accepted >= ACCEPT_TURN)
        rest(s, 0);
}

/* Out of descriptors: the listener would spin, so it rests a little. */
static void on_accept_error(struct evconnlistener *l, void *ctx)
{
    (void)l;
    log_warn("cannot accept: %s", strerror(errno));
    rest(ctx, ACCEPT_PAUSE_MS);
}

/* "HOST:PORT", "[V6]:PORT" into two strings. */
static bool split_address(const char *text, char host[256], char port[8])
{
    const char *colon = strrchr(text, ':');
    size_t n = colon ? (size_t)(colon - text) : 0;

    if (!colon || !colon[1] || strlen(colon + 1) > 5 ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        text++;
        n -= 2;
    } else if (memchr(text, ':', n)) {
        return false;
    }
    if (n >= 256)
        return false;
    memcpy(host, text, n);
    host[n] = 0;
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

static int bound_socket(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1, off = 0, err;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (ai->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    err = errno;
    (void)close(fd);
    errno = err;
    return -1;
}

static int open_socket(const char *host, const char *port, char *err, size_t err_size)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *all = NULL;
    int fd = -1, gai = getaddrinfo(*host ? host : "::", port, &hints, &all);

    if (gai != 0) {
        if (err_size)
            (void)snprintf(err, err_size, "cannot listen on %s:%s: %s", host, port,
                           gai_strerror(gai));
        return -1;
    }
    for (const struct addrinfo *ai = all; ai && fd < 0; ai = ai->ai_next)
        fd = bound_socket(ai);
    freeaddrinfo(all);
    /* A machine without IPv6: "everywhere" is then IPv4's. */
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
        (!*host || strcmp(host, "::") == 0))
        return open_socket("0.0.0.0", port, err, err_size);
    if (fd < 0 && err_size)
        (void)snprintf(err, err_size, "cannot listen on %s:%s: %s", host, port, strerror(errno));
    return fd;
}

static void note_address(struct net_server *s, int fd)
{
    struct sockaddr_storage ss = {0};
    socklen_t n = sizeof ss;
    char host[INET6_ADDRSTRLEN] = "?", port[8] = "0";

    (void)getsockname(fd, (struct sockaddr *)&ss, &n);
    (void)getnameinfo((struct sockaddr *)&ss, n, host, sizeof host, port, sizeof port,
                      NI_NUMERICHOST | NI_NUMERICSERV);
    s->port = ss.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)(void *)&ss)->sin6_port)
                                       : ntohs(((struct sockaddr_in *)(void *)&ss)->sin_port);
    (void)snprintf(s->address, sizeof s->address, ss.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s",
                   host, port);
}

wax_rc net_listen(struct net_server *s, char *err, size_t err_size)
{
    char host[256], port[8];
    int fd;

    if (!split_address(s->listen, host, port)) {
        if (err_size)
            (void)snprintf(err, err_size, "\"%s\" is no ADDR:PORT", s->listen);
        return WAX_E_INVAL;
    }
    fd = open_socket(host, port, err, err_size);
    if (fd < 0)
        return WAX_E_NET;
    s->listener = evconnlistener_new(s->base, on_accept, s,
                                     LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!s->listener) {
        (void)close(fd);
        return WAX_E_NOMEM;
    }
    evconnlistener_set_error_cb(s->listener, on_accept_error);
    note_address(s, fd);
    return WAX_OK;
}

void net_listen_stop(struct net_server *s)
{
    net_timer_cancel(s->accept_again);
    s->accept_again = NULL;
    if (s->listener)
        evconnlistener_free(s->listener);
    s->listener = NULL;
}
