/* Crowds before one server.
 *
 *   crowd half PORT N          N connections that never finish a handshake: half of them silent,
 *                              half with a beginning of TLS; opened again when they are closed.
 *                              "open N" when they are there; ends with its standard input, and
 *                              says how many were opened.
 *   crowd readers PORT CA N    registers slow@example.org ("registered"), waits for a line, opens
 *                              N mailbox streams and reads none of them ("reading"), ends with its
 *                              standard input.
 *   crowd herd PORT CA MS N    registers N accounts ("registered"), has each log in and hold a
 *                              mailbox stream as `wax receive --follow` does, over two connections,
 *                              and come back by base/backoff.h when the server goes. Each time
 *                              that all are back, and MS later:
 *                              "back N p50 p99 max" (ms since the first handshake of all),
 *                              "failed F" (tries since then), "logins L" (handshakes done in the
 *                              fullest second), "after A" (tries in the MS), "away T"
 *                              (tries while the server was away), "tries A B C ..." (by second
 *                              since the first handshake).
 *   crowd probe PORT CA 1      one account that asks for its counter twenty times a second; for
 *                              each line of input "asked N p50 p99 max" (ms) since the last one. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "account/genesis.h"
#include "account/rollback.h"
#include "base/backoff.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crowd_conn.h"
#include "crypto/cert.h"
#include "crypto/lib.h"
#include "crypto/secheap.h"
#include "os/clock.h"
#include "os/random.h"
#include "wire/proto.h"

#define AT_ONCE 64          /* registrations */
#define STREAM_GOOD_MS 5000 /* as lib/receive.c, PROTOCOL 12.1 */
#define SECONDS 120         /* of an outage that are looked at */
#define PROBE_MS 50
#define PROBES 100000

enum phase { AWAY, COUNTER, RAISE, LOOK_UP, STREAM, BACK };

struct member {
    struct crowd_conn *first, *second;
    X509 *cert;
    EVP_PKEY *key;
    struct key32 k_roll;
    struct dev_id dev;
    char device[33], path[96];
    struct buf request; /* of the registration */
    uint64_t n;         /* rollback counter */
    enum phase phase;
    struct backoff backoff;
    uint64_t due, back_at; /* ms; due 0: nothing is planned */
    unsigned retry_after;
    struct buf frames;
};

static struct crowd w;
static struct member *members;
static uint64_t quiet_ms;
static size_t n_members, n_back, n_registered, n_registering;
/* The present outage: when the first got through again and all were back; what was tried and
 * done in each second from then on. */
static struct {
    uint64_t through_at, all_back_at;
    size_t failed, away, after, lost;
    size_t tries[SECONDS], logins[SECONDS];
} o;

static void must(wax_rc rc, const char *what)
{
    if (rc != WAX_OK)
        crowd_die(what);
}

/* --- Accounts -------------------------------------------------------------------------- */

static void take_pem(struct member *m, struct device_keys *keys)
{
    struct buf cert = {0}, key = {0};

    must(cert_login(keys->dtk, &cert), "certificate");
    must(cert_key_pem(keys->dtk, &key), "certificate");
    BIO *a = BIO_new_mem_buf(cert.p, (int)cert.n), *b = BIO_new_mem_buf(key.p, (int)key.n);
    m->cert = PEM_read_bio_X509(a, NULL, NULL, NULL);
    m->key = PEM_read_bio_PrivateKey(b, NULL, NULL, NULL);
    if (!m->cert || !m->key)
        crowd_die("certificate");
    BIO_free(a);
    BIO_free(b);
    buf_done(&cert);
    buf_done(&key);
}

static void make(struct member *m, const char *handle)
{
    struct device_keys keys;
    struct prekey prekey;
    struct buf link = {0}, hex = {0};
    Wax__V1__RegisterRequest r = WAX__V1__REGISTER_REQUEST__INIT;

    must(device_keys_make(os_rng(), &keys), "device");
    struct genesis_in in = {.keys = &keys, .handle = handle, .name = "crowd", .now = os_now_ms()};
    must(genesis_make(&in, os_rng(), &link, &prekey), "genesis");
    buf_hex(&hex, BYTES_OF(keys.dev.b));
    memcpy(m->device, hex.p, 32);
    (void)snprintf(m->path, sizeof m->path, "/v1/directory/%s?version=0", handle);
    m->k_roll = keys.k_roll;
    m->dev = keys.dev;
    take_pem(m, &keys);
    r.chain_link = (ProtobufCBinaryData){link.n, link.p};
    r.bundle_record = (ProtobufCBinaryData){sizeof prekey.record, prekey.record};
    must(proto_pack(&r.base, &m->request), "request");
    prekey_done(&prekey);
    device_keys_done(&keys);
    buf_done(&link);
    buf_done(&hex);
}

static void on_register_up(struct crowd_conn *c, void *ctx)
{
    struct member *m = ctx;
    crowd_request(c, "POST", "/v1/accounts", m->device, buf_view(&m->request));
}

static void on_registered(struct crowd_conn *c, void *ctx, int status, unsigned retry_after,
                          struct bytes piece, bool over)
{
    struct member *m = ctx;

    if (!over)
        return;
    if (status != 200)
        crowd_die("the server refuses to register");
    buf_done(&m->request);
    n_registered++;
    n_registering--;
    crowd_close(c);
}

static void on_register_down(struct crowd_conn *c, void *ctx)
{
    crowd_die("registering broke off");
}

static void register_all(const char *only)
{
    static const struct crowd_calls calls = {on_register_up, on_registered, on_register_down};
    size_t next = 0;

    while (n_registered < n_members) {
        while (next < n_members && n_registering < AT_ONCE) {
            char handle[64];
            struct member *m = &members[next];
            if (only)
                (void)snprintf(handle, sizeof handle, "%s", only);
            else
                (void)snprintf(handle, sizeof handle, "crowd%zu@example.org", next);
            make(m, handle);
            (void)crowd_open(&w, m->cert, m->key, 0, &calls, m);
            n_registering++;
            next++;
        }
        crowd_poll(&w, 100);
    }
    printf("registered %zu\n", n_registered);
    (void)fflush(stdout);
}

/* --- The herd -------------------------------------------------------------------------- */

static void on_up(struct crowd_conn *c, void *ctx);
static void on_answer(struct crowd_conn *c, void *ctx, int status, unsigned retry_after,
                      struct bytes piece, bool over);
static void on_down(struct crowd_conn *c, void *ctx);
static const struct crowd_calls herd_calls = {on_up, on_answer, on_down};

/* What failed is tried again later, as wax does. */
static void retire(struct member *m)
{
    uint64_t drawn;

    must(rng_fill(os_rng(), &drawn, sizeof drawn), "randomness");
    crowd_close(m->first);
    crowd_close(m->second);
    m->first = m->second = NULL;
    if (m->phase == BACK) {
        n_back--;
        o.lost++;
        if (w.now - m->back_at >= STREAM_GOOD_MS)
            backoff_reset(&m->backoff);
    } else if (o.through_at) {
        o.failed++;
    }
    m->phase = AWAY;
    m->due = w.now + backoff_next(&m->backoff, drawn, m->retry_after);
    m->retry_after = 0;
    buf_reset(&m->frames);
}

static size_t second(void)
{
    size_t s = (size_t)((w.now - o.through_at) / 1000);
    return s < SECONDS ? s : SECONDS - 1;
}

static void come(struct member *m)
{
    if (!o.through_at)
        o.away++;
    else if (o.all_back_at)
        o.after++;
    else
        o.tries[second()]++;
    m->due = 0;
    m->phase = COUNTER;
    m->first = crowd_open(&w, m->cert, m->key, 0, &herd_calls, m);
}

static void on_down(struct crowd_conn *c, void *ctx)
{
    struct member *m = ctx;

    if (m->first == c)
        m->first = NULL;
    if (m->second == c)
        m->second = NULL;
    retire(m);
}

static void on_up(struct crowd_conn *c, void *ctx)
{
    struct member *m = ctx;

    if (!o.through_at)
        o.through_at = w.now;
    o.logins[second()]++;
    if (c == m->first)
        crowd_request(c, "GET", "/v1/counter", m->device, BYTES(NULL, 0));
    else
        crowd_request(c, "GET", "/v1/mailbox", m->device, BYTES(NULL, 0));
}

static void on_stream(struct member *m, struct bytes piece)
{
    static struct frame f;

    buf_bytes(&m->frames, piece);
    struct bytes left = buf_view(&m->frames);
    while (frame_next(&left, &f) == WAX_OK)
        if (f.type == FRAME_DRAINED && m->phase != BACK) {
            m->phase = BACK;
            m->back_at = w.now;
            n_back++;
        }
    if (m->phase == BACK)
        buf_reset(&m->frames); /* heartbeats; nobody writes to the herd */
}

static void on_answer(struct crowd_conn *c, void *ctx, int status, unsigned retry_after,
                      struct bytes piece, bool over)
{
    struct member *m = ctx;
    uint8_t record[COUNTER_SIZE];

    if (c == m->second && status == 200 && !over) {
        on_stream(m, piece);
        return;
    }
    if (!over)
        return;
    m->retry_after = retry_after;
    if (m->phase == COUNTER && (status == 200 || status == 404)) {
        m->phase = RAISE;
        must(counter_make(&m->k_roll, &m->dev, ++m->n, record), "counter");
        crowd_request(c, "PUT", "/v1/counter", m->device, BYTES_OF(record));
    } else if (m->phase == RAISE && status == 200) {
        m->phase = LOOK_UP;
        crowd_request(c, "GET", m->path, m->device, BYTES(NULL, 0));
    } else if (m->phase == LOOK_UP && status == 200) {
        m->phase = STREAM;
        m->second = crowd_open(&w, m->cert, m->key, 0, &herd_calls, m);
    } else {
        retire(m);
    }
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* "p50 p99 max" of n times. */
static void print_times(uint64_t *ms, size_t n)
{
    if (n == 0)
        crowd_die("nothing was measured");
    qsort(ms, n, sizeof *ms, by_number);
    printf("%llu %llu %llu\n", (unsigned long long)ms[n / 2],
           (unsigned long long)ms[(n * 99 - 1) / 100], (unsigned long long)ms[n - 1]);
}

static void tell(void)
{
    uint64_t *ms = mem_calloc(n_members, sizeof *ms);
    size_t most = 0, last = 0;

    if (!ms)
        crowd_die("no memory");
    for (size_t i = 0; i < n_members; i++)
        ms[i] = members[i].back_at - o.through_at;
    for (size_t i = 0; i < SECONDS; i++) {
        most = o.logins[i] > most ? o.logins[i] : most;
        last = o.tries[i] > 0 ? i : last;
    }
    printf("failed %zu\nlogins %zu\nafter %zu\naway %zu\ntries", o.failed, most, o.after, o.away);
    for (size_t i = 0; i <= last; i++)
        printf(" %zu", o.tries[i]);
    printf("\nback %zu ", n_members);
    print_times(ms, n_members);
    (void)fflush(stdout);
    mem_free(ms);
}

/* Waits for an outage to begin, for all to be back, and quiet_ms more. */
static void look(void)
{
    static bool outage = true;

    if (!outage && o.lost > 0) {
        outage = true;
        memset(&o, 0, sizeof o);
    }
    if (outage && n_back == n_members && !o.all_back_at) {
        o.all_back_at = w.now;
        o.lost = 0;
    }
    if (outage && o.all_back_at && w.now - o.all_back_at >= quiet_ms) {
        tell();
        outage = false;
    }
}

static bool input_ended(void)
{
    struct pollfd f = {.fd = 0, .events = POLLIN};
    char c;
    return poll(&f, 1, 0) > 0 && read(0, &c, 1) <= 0;
}

static void herd(void)
{
    register_all(NULL);
    for (size_t i = 0; i < n_members; i++) {
        uint64_t drawn;
        must(rng_fill(os_rng(), &drawn, sizeof drawn), "randomness");
        members[i].due = os_mono_ms() + drawn % 1000 + 1;
    }
    while (!input_ended()) {
        crowd_poll(&w, 10);
        for (size_t i = 0; i < n_members; i++)
            if (members[i].due && members[i].due <= w.now)
                come(&members[i]);
        look();
    }
}

/* --- Somebody who is in, while the herd comes ----------------------------------------- */

static uint64_t asked[PROBES], asked_at;
static size_t n_asked;
static bool asking;

static void on_probe_up(struct crowd_conn *c, void *ctx) { asked_at = 1; }

static void on_probe_answer(struct crowd_conn *c, void *ctx, int status, unsigned retry_after,
                            struct bytes piece, bool over)
{
    if (!over)
        return;
    if (status != 200 && status != 404)
        crowd_die("the probe is refused");
    if (n_asked < PROBES)
        asked[n_asked++] = os_mono_ms() - asked_at;
    asking = false;
}

static void on_probe_down(struct crowd_conn *c, void *ctx)
{
    *(struct crowd_conn **)ctx = NULL;
    asked_at = 0;
    asking = false;
}

/* Connects again at once when the server went. */
static void probe(void)
{
    static const struct crowd_calls calls = {on_probe_up, on_probe_answer, on_probe_down};
    struct crowd_conn *c = NULL;
    struct pollfd f = {.fd = 0, .events = POLLIN};
    int line;

    register_all("probe@example.org");
    for (;;) {
        if (!c)
            c = crowd_open(&w, members[0].cert, members[0].key, 0, &calls, &c);
        crowd_poll(&w, 10);
        if (c && asked_at && !asking && os_mono_ms() - asked_at >= PROBE_MS) {
            asking = true;
            asked_at = os_mono_ms();
            crowd_request(c, "GET", "/v1/counter", members[0].device, BYTES(NULL, 0));
        }
        if (poll(&f, 1, 0) <= 0)
            continue;
        while ((line = getchar()) != EOF && line != '\n') {
        }
        if (line == EOF)
            return;
        printf("asked %zu ", n_asked);
        print_times(asked, n_asked);
        (void)fflush(stdout);
        n_asked = 0;
    }
}

/* --- Readers that do not read ---------------------------------------------------------- */

static void on_reader_up(struct crowd_conn *c, void *ctx)
{
    crowd_request(c, "GET", "/v1/mailbox", members[0].device, BYTES(NULL, 0));
}

static void on_reader_bytes(struct crowd_conn *c, void *ctx, int status, unsigned retry_after,
                            struct bytes piece, bool over)
{
    if (over || status != 200)
        crowd_die("a stream is refused");
    crowd_deafen(c);
    n_back++;
}

static void on_reader_down(struct crowd_conn *c, void *ctx) { n_back--; }

static void readers(size_t n)
{
    static const struct crowd_calls calls = {on_reader_up, on_reader_bytes, on_reader_down};
    bool told = false;

    n_members = 1;
    register_all("slow@example.org");
    if (getchar() == EOF)
        return;
    for (size_t i = 0; i < n; i++)
        (void)crowd_open(&w, members[0].cert, members[0].key, 4096, &calls, NULL);
    while (!input_ended()) {
        crowd_poll(&w, 50);
        if (!told && n_back == n) {
            printf("reading %zu\n", n_back);
            (void)fflush(stdout);
            told = true;
        }
    }
}

/* --- Half-open connections ------------------------------------------------------------- */

static int half_open(unsigned port, bool hello)
{
    /* The head of a ClientHello of 512 bytes, and nothing of it. */
    static const uint8_t begin[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0)
        crowd_die("cannot connect");
    if (hello && write(fd, begin, sizeof begin) != (ssize_t)sizeof begin)
        crowd_die("cannot write");
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void half(unsigned port, size_t n)
{
    int *fds = mem_calloc(n, sizeof *fds);
    size_t opened = n;
    char c;

    if (!fds)
        crowd_die("no memory");
    for (size_t i = 0; i < n; i++)
        fds[i] = half_open(port, i % 2);
    printf("open %zu\n", n);
    (void)fflush(stdout);
    while (!input_ended()) {
        for (size_t i = 0; i < n && !input_ended(); i++) {
            ssize_t got = read(fds[i], &c, 1);
            if (got > 0 || (got < 0 && errno == EAGAIN))
                continue;
            (void)close(fds[i]);
            fds[i] = half_open(port, i % 2);
            opened++;
        }
        os_sleep_ms(20);
    }
    printf("opened %zu\n", opened);
    mem_free(fds);
}

int main(int argc, char **argv)
{
    struct rlimit r;
    size_t n = argc > 3 ? strtoul(argv[argc - 1], NULL, 10) : 0;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (n == 0)
        return 64;
    unsigned port = (unsigned)strtoul(argv[2], NULL, 10);
    if (argc == 4 && strcmp(argv[1], "half") == 0) {
        half(port, n);
        return 0;
    }
    if (argc == 6)
        quiet_ms = strtoul(argv[4], NULL, 10);
    else if (argc != 5)
        return 64;
    must(secheap_init(), "locked memory");
    must(crypto_init(), "crypto");
    crowd_start(&w, port, argv[3]);
    n_members = n;
    members = mem_calloc(n, sizeof *members);
    if (!members)
        crowd_die("no memory");
    if (strcmp(argv[1], "herd") == 0)
        herd();
    else if (strcmp(argv[1], "probe") == 0)
        probe();
    else if (strcmp(argv[1], "readers") == 0)
        readers(n);
    else
        return 64;
    return 0;
}
