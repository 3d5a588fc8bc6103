#include "neighbour.h"

#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "measure.h"
#include "os/clock.h"
#include "request.h"
#include "wire/proto.h"
#include "wire/records.h"

#define PACE_MS 5
#define LATE_MS 10000
#define ACKS 32

struct neighbour {
    const struct site *site;
    size_t from, to;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the three below */
    struct buf us;
    size_t total;
    bool stop;
    struct buf in;
    uint64_t acks[ACKS];
    size_t n_acks;
    bool arrived, drained, answered;
    int status;
};

static void on_frames(struct h2_call *c, struct bytes piece)
{
    struct neighbour *nb = c->ctx;
    struct bytes left;
    struct buf rest = {0};
    struct frame f;

    buf_bytes(&nb->in, piece);
    left = buf_view(&nb->in);
    while (frame_next(&left, &f) == WAX_OK) {
        nb->drained |= f.type == FRAME_DRAINED;
        if (f.type != FRAME_ENVELOPE)
            continue;
        nb->arrived = true;
        if (nb->n_acks < ACKS)
            nb->acks[nb->n_acks++] = f.seq;
    }
    buf_bytes(&rest, left);
    buf_done(&nb->in);
    nb->in = rest;
}

static void on_answer(struct h2_call *c)
{
    struct neighbour *nb = c->ctx;

    nb->answered = true;
    nb->status = c->status;
}

static void wait_for(struct h2_loop *l, const bool *a, const bool *b)
{
    uint64_t end = os_mono_ms() + LATE_MS;

    while (!*a || !*b) {
        if (os_mono_ms() > end)
            die("an honest message or answer is 10 s late");
        h2_poll(l, 1000);
    }
}

static void call(struct neighbour *nb, struct h2_conn *conn, struct h2_call *c)
{
    nb->answered = false;
    c->done = on_answer;
    c->ctx = nb;
    h2_submit(conn, c);
    h2_flush(conn);
}

static void went_well(const struct neighbour *nb, int wanted)
{
    if (nb->status == wanted)
        return;
    fprintf(stderr, "status %d\n", nb->status);
    die("an honest request was refused");
}

static void ack(struct neighbour *nb, struct h2_loop *l, struct h2_conn *conn)
{
    struct buf body = {0};
    Wax__V1__AckRequest r = WAX__V1__ACK_REQUEST__INIT;
    struct h2_call c = {.method = "POST", .path = "/v1/mailbox/ack"};

    r.n_seqs = nb->n_acks;
    r.seqs = nb->acks;
    must(proto_pack(&r.base, &body), "ack");
    c.body = buf_view(&body);
    call(nb, conn, &c);
    wait_for(l, &nb->answered, &nb->answered);
    went_well(nb, 200);
    nb->n_acks = 0;
    buf_done(&body);
}

/* One message; its time in µs. */
static double message(struct neighbour *nb, struct h2_loop *l, struct h2_conn *sender)
{
    const struct user *to[] = {&nb->site->users[nb->to]};
    struct buf body = {0};
    struct h2_call post = {.method = "POST", .path = "/v1/messages"};

    request_make(&nb->site->users[nb->from], to, 1, &body);
    post.body = buf_view(&body);
    nb->arrived = false;
    uint64_t began = wall_ns();
    call(nb, sender, &post);
    wait_for(l, &nb->answered, &nb->arrived);
    double us = (double)(wall_ns() - began) / 1000;
    went_well(nb, 202);
    buf_done(&body);
    return us;
}

static bool note(struct neighbour *nb, double us)
{
    (void)pthread_mutex_lock(&nb->lock);
    buf_add(&nb->us, &us, sizeof us);
    nb->total++;
    bool stop = nb->stop;
    (void)pthread_mutex_unlock(&nb->lock);
    return stop;
}

static void *live(void *ctx)
{
    struct neighbour *nb = ctx;
    struct h2_loop *l = site_loop(nb->site);
    struct h2_conn *sender = site_connect(nb->site, l, nb->from);
    struct h2_conn *reader = site_connect(nb->site, l, nb->to);
    struct h2_call stream = {
        .method = "GET", .path = "/v1/mailbox", .on_bytes = on_frames, .ctx = nb};
    bool stop = false;

    h2_submit(reader, &stream);
    h2_flush(reader);
    wait_for(l, &nb->drained, &nb->drained);
    while (!stop) {
        stop = note(nb, message(nb, l, sender));
        if (nb->n_acks == ACKS)
            ack(nb, l, reader);
        for (uint64_t end = os_mono_ms() + PACE_MS; os_mono_ms() < end;)
            h2_poll(l, 1);
    }
    h2_free(l);
    return NULL;
}

struct neighbour *neighbour_start(const struct site *s, size_t sender, size_t reader)
{
    struct neighbour *nb = must_alloc(sizeof *nb);

    nb->site = s;
    nb->from = sender;
    nb->to = reader;
    if (pthread_mutex_init(&nb->lock, NULL) != 0 ||
        pthread_create(&nb->thread, NULL, live, nb) != 0)
        die("no thread");
    return nb;
}

void neighbour_take(struct neighbour *nb, struct buf *to)
{
    (void)pthread_mutex_lock(&nb->lock);
    if (to)
        buf_bytes(to, buf_view(&nb->us));
    must(buf_rc(&nb->us), "samples");
    buf_reset(&nb->us);
    (void)pthread_mutex_unlock(&nb->lock);
}

size_t neighbour_count(struct neighbour *nb)
{
    (void)pthread_mutex_lock(&nb->lock);
    size_t n = nb->total;
    (void)pthread_mutex_unlock(&nb->lock);
    return n;
}

void neighbour_stop(struct neighbour *nb)
{
    (void)pthread_mutex_lock(&nb->lock);
    nb->stop = true;
    (void)pthread_mutex_unlock(&nb->lock);
    if (pthread_join(nb->thread, NULL) != 0)
        die("no thread");
    (void)pthread_mutex_destroy(&nb->lock);
    buf_done(&nb->us);
    buf_done(&nb->in);
    mem_free(nb);
}
