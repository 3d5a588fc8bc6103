#include "siege.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>

#include "../../bench/measure.h"
#include "os/clock.h"
#include "wire/records.h"

#define MORE_KIB_MAX ((size_t)64 * 1024)
#define P99_MAX_US 3000000.0

static size_t count_fds(const struct site *s)
{
    char path[64];
    size_t n = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)s->pid);
    DIR *d = opendir(path);
    if (!d) /* not ours to see (waxd is not dumpable): no more than the rest is looked at */
        return 0;
    while (readdir(d))
        n++;
    (void)closedir(d);
    return n;
}

int siege_start(void **state, size_t more)
{
    static struct siege s;

    (void)signal(SIGPIPE, SIG_IGN);
    OK(crypto_init());
    site_start(&s.site, WAXD_PROGRAM, "/tmp", FLOOD_USERS + more, flood_settings);
    s.neighbour = neighbour_start(&s.site, HONEST_SENDER, HONEST_READER);
    s.began = os_mono_ms();
    while (neighbour_count(s.neighbour) == 0)
        os_sleep_ms(5);
    *state = &s;
    return 0;
}

int siege_stop(void **state)
{
    struct siege *s = *state;

    print_message("%zu honest messages went over meanwhile\n", neighbour_count(s->neighbour));
    neighbour_stop(s->neighbour);
    site_stop(&s->site);
    return 0;
}

int siege_on(void **state)
{
    struct siege *s = *state;

    s->fds = count_fds(&s->site);
    s->kib = site_memory(&s->site);
    s->sent = neighbour_count(s->neighbour);
    neighbour_take(s->neighbour, NULL);
    return 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static bool in_time(struct siege *s)
{
    struct buf us = {0};

    neighbour_take(s->neighbour, &us);
    OK(buf_rc(&us));
    size_t n = us.n / sizeof(double);
    double *v = (void *)us.p;
    qsort(v, n, sizeof *v, by_size);
    double p99 = v[(n - 1) * 99 / 100];
    buf_done(&us);
    if (p99 > P99_MAX_US)
        print_error("p99 of the neighbours: %.0f us\n", p99);
    return p99 <= P99_MAX_US;
}

int siege_over(void **state)
{
    struct siege *s = *state;
    size_t seen = neighbour_count(s->neighbour), fds, kib;
    uint64_t end = os_mono_ms() + 5000;

    while (neighbour_count(s->neighbour) < seen + 2) /* which ends the program when they do not */
        os_sleep_ms(2);
    while ((fds = count_fds(&s->site)) > s->fds && os_mono_ms() < end)
        os_sleep_ms(10);
    kib = site_memory(&s->site);
    if (fds > s->fds)
        print_error("descriptors: %zu, %zu before\n", fds, s->fds);
    if (kib > s->kib + MORE_KIB_MAX)
        print_error("memory: %zu KiB, %zu before\n", kib, s->kib);
    return fds <= s->fds && kib <= s->kib + MORE_KIB_MAX && in_time(s) ? 0 : -1;
}

void newcomer_is_served(const struct siege *s)
{
    struct h2_loop *l = site_loop(&s->site);
    struct h2_conn *c = site_connect(&s->site, l, HONEST_SENDER);
    struct h2_call call = {.method = "GET", .path = "/v1/counter"};
    uint64_t end = os_mono_ms() + 10000;

    h2_submit(c, &call);
    h2_flush(c);
    while (!call.status && os_mono_ms() < end)
        h2_poll(l, 100);
    assert_int_equal(call.status, 404); /* no counter stored yet */
    h2_free(l);
}

struct looking {
    struct buf in;
    uint64_t seqs[64];
    size_t n;
    bool drained;
};

static void on_frames(struct h2_call *c, struct bytes piece)
{
    struct looking *x = c->ctx;
    struct bytes left;
    struct buf rest = {0};
    struct frame f;

    buf_bytes(&x->in, piece);
    left = buf_view(&x->in);
    while (frame_next(&left, &f) == WAX_OK) {
        x->drained |= f.type == FRAME_DRAINED;
        if (f.type == FRAME_ENVELOPE && x->n < 64)
            x->seqs[x->n++] = f.seq;
    }
    buf_bytes(&rest, left);
    buf_done(&x->in);
    x->in = rest;
}

size_t mailbox_of(const struct siege *s, size_t who, uint64_t seqs[64])
{
    struct h2_loop *l = site_loop(&s->site);
    struct h2_conn *c = site_connect(&s->site, l, who);
    struct looking x = {.n = 0};
    struct h2_call call = {
        .method = "GET", .path = "/v1/mailbox", .on_bytes = on_frames, .ctx = &x};
    uint64_t end = os_mono_ms() + 10000;

    h2_submit(c, &call);
    h2_flush(c);
    while (!x.drained && os_mono_ms() < end)
        h2_poll(l, 100);
    assert_true(x.drained);
    h2_free(l);
    buf_done(&x.in);
    if (seqs)
        memcpy(seqs, x.seqs, sizeof x.seqs);
    return x.n;
}

int ask_as(const struct siege *s, const struct user *u, const char *device, const char *method,
           const char *path, struct bytes body, struct foe_answer *ret)
{
    struct foe f;

    assert_true(foe_open(&s->site, u, &f));
    (void)foe_ask(&f, method, path, device, body, ret);
    foe_close(&f);
    return ret->status;
}

void refused_with(const struct foe_answer *a, int status, const char *problem)
{
    if (a->status != status || strcmp(a->problem, problem) != 0)
        fail_msg("answered %d \"%s\", not %d \"%s\"", a->status, a->problem, status, problem);
}
