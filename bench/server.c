/* Speed of waxd, a process of its own, over TLS and HTTP/2, beside bare SQLite on the same
 * disk. JSON lines (measure.h). bench-server WAXD FOLDER [NAME] */
#include <stdio.h>
#include <stdlib.h>

#include "bare.h"
#include "base/mem.h"
#include "measure.h"
#include "os/random.h"
#include "site.h"
#include "wire/envelope.h"
#include "wire/proto.h"
#include "wire/records.h"

#define USERS 32
#define FANOUT 3 /* devices a message goes to */
#define CONTENT_SIZE 1024
#define IN_FLIGHT 8 /* requests of one connection at once */
#define ROUNDS 7
#define ROUND_NS 700000000ULL

struct bench {
    struct site site;
    struct bare *bare;
    const char *only;
};

static bool wanted(const struct bench *b, const char *name)
{
    return !b->only || strcmp(b->only, name) == 0;
}

/* --- Messages ------------------------------------------------------------------------- */

/* A MSG as it looks in the middle of a conversation; the server reads its layout only. */
static void make_envelope(const struct user *from, const struct user *to, const uint8_t fanout[16],
                          struct buf *out)
{
    size_t n = payload_pad(P_FIXED + CONTENT_SIZE) + TAG_SIZE;
    struct env_hdr h = {.type = ENV_MSG, .from = from->keys.dev, .to = to->keys.dev, .epoch = 4};
    struct env_fanout f = {.depth = 2};
    struct buf hdr = {0};
    uint8_t *body = must_alloc(n);

    must(rng_fill(os_rng(), h.sid.b, sizeof h.sid.b), "envelope");
    must(rng_fill(os_rng(), body, n), "envelope");
    h.e = *ec_public(from->keys.dsk);
    memcpy(f.id.b, fanout, sizeof f.id.b);
    must(env_hdr_encode(&h, &hdr), "envelope");
    must(envelope_encode(buf_view(&hdr), BYTES(body, n), &f, out), "envelope");
    buf_done(&hdr);
    mem_free(body);
}

/* The request of a sender, again and again with another fanout id. */
struct template
{
    struct buf body;
    size_t at[FANOUT + 1]; /* where the fanout id stands */
};

static void make_template(const struct site *s, size_t from, size_t devices, struct template *t)
{
    uint8_t fanout[16];
    struct buf envelopes[FANOUT] = {{0}};
    Wax__V1__AccountSeq accounts[FANOUT + 1], *account_at[FANOUT + 1];
    Wax__V1__DeviceEnvelope to[FANOUT], *to_at[FANOUT];
    Wax__V1__SendRequest r = WAX__V1__SEND_REQUEST__INIT;

    must(rng_fill(os_rng(), fanout, sizeof fanout), "request");
    for (size_t i = 0; i <= devices; i++) {
        struct user *u = &s->users[(from + i) % s->n_users];
        wax__v1__account_seq__init(&accounts[i]);
        accounts[i].acct_id = (ProtobufCBinaryData){sizeof u->acct.b, u->acct.b};
        accounts[i].seq = 1;
        account_at[i] = &accounts[i];
        if (i == 0)
            continue;
        make_envelope(&s->users[from], u, fanout, &envelopes[i - 1]);
        wax__v1__device_envelope__init(&to[i - 1]);
        to[i - 1].dev_id = (ProtobufCBinaryData){sizeof u->keys.dev.b, u->keys.dev.b};
        to[i - 1].envelope = (ProtobufCBinaryData){envelopes[i - 1].n, envelopes[i - 1].p};
        to_at[i - 1] = &to[i - 1];
    }
    r.fanout_id = (ProtobufCBinaryData){sizeof fanout, fanout};
    r.accounts = account_at;
    r.n_accounts = devices + 1;
    r.envelopes = to_at;
    r.n_envelopes = devices;
    must(proto_pack(&r.base, &t->body), "request");
    const uint8_t *p = t->body.p, *end = t->body.p + t->body.n;
    for (size_t i = 0; i <= devices; i++) {
        p = memmem(p, (size_t)(end - p), fanout, sizeof fanout);
        if (!p)
            die("no fanout id in the request");
        t->at[i] = (size_t)(p++ - t->body.p);
    }
    for (size_t i = 0; i < devices; i++)
        buf_done(&envelopes[i]);
}

/* --- Durable accept ------------------------------------------------------------------- */

struct load {
    const struct site *site;
    struct h2_loop *loop;
    size_t n_calls, running;
    struct sending *calls;
    bool stopping;
    size_t accepted;
};
/* One of a connection's requests in progress, and the next one when it is answered. */
struct sending {
    struct load *load;
    struct h2_conn *conn;
    struct h2_call call;
    struct template t;
};

static void send_next(struct sending *x)
{
    uint8_t fanout[16];

    must(rng_fill(os_rng(), fanout, sizeof fanout), "request");
    for (size_t i = 0; i <= FANOUT; i++)
        memcpy(x->t.body.p + x->t.at[i], fanout, sizeof fanout);
    x->load->running++;
    h2_submit(x->conn, &x->call);
}

static void answered(struct h2_call *call)
{
    struct sending *x = call->ctx;

    if (call->status != 202) {
        fprintf(stderr, "bench: status %d\n", call->status);
        die("a message was not accepted");
    }
    x->load->accepted++;
    x->load->running--;
    if (!x->load->stopping)
        send_next(x);
}

static void load_make(struct load *l, const struct site *s, size_t conns)
{
    *l = (struct load){.site = s,
                       .loop = site_loop(s),
                       .n_calls = conns * IN_FLIGHT,
                       .calls = must_alloc(conns * IN_FLIGHT * sizeof *l->calls)};
    for (size_t i = 0; i < conns; i++) {
        struct h2_conn *c = site_connect(s, l->loop, i % s->n_users);
        for (size_t k = 0; k < IN_FLIGHT; k++) {
            struct sending *x = &l->calls[i * IN_FLIGHT + k];
            x->load = l;
            x->conn = c;
            make_template(s, i % s->n_users, FANOUT, &x->t);
            x->call = (struct h2_call){.method = "POST",
                                       .path = "/v1/messages",
                                       .body = buf_view(&x->t.body),
                                       .done = answered,
                                       .ctx = x};
        }
    }
}

static void load_done(struct load *l)
{
    for (size_t i = 0; i < l->n_calls; i++)
        buf_done(&l->calls[i].t.body);
    h2_free(l->loop);
    mem_free(l->calls);
}

/* Messages accepted a second in one round; the first tenth is to get going. */
static double load_round(struct load *l)
{
    uint64_t start = wall_ns(), from = 0, end = start + ROUND_NS;
    size_t before = 0, after;

    l->stopping = false;
    for (size_t i = 0; i < l->n_calls; i++)
        send_next(&l->calls[i]);
    for (size_t i = 0; i < l->n_calls; i += IN_FLIGHT)
        h2_flush(l->calls[i].conn);
    while (wall_ns() < end) {
        h2_poll(l->loop, 100);
        if (!from && wall_ns() > start + ROUND_NS / 10) {
            from = wall_ns();
            before = l->accepted;
        }
    }
    after = l->accepted;
    end = wall_ns();
    l->stopping = true;
    while (l->running > 0)
        h2_poll(l->loop, 100);
    return (double)(after - before) * 1e9 / (double)(end - from);
}

static double bare_round(struct bare *b, size_t batch, struct bytes envelope)
{
    uint64_t start = wall_ns();
    size_t n = 0;

    while (wall_ns() < start + ROUND_NS) {
        bare_commit(b, batch, FANOUT, USERS, envelope);
        n += batch;
    }
    return (double)n * 1e9 / (double)(wall_ns() - start);
}

static void accept_figure(struct bench *b, const char *name, size_t conns)
{
    double served[ROUNDS], bare[ROUNDS];
    uint8_t fanout[16] = {0};
    struct buf envelope = {0};
    struct load load;

    if (!wanted(b, name))
        return;
    make_envelope(&b->site.users[0], &b->site.users[1], fanout, &envelope);
    load_make(&load, &b->site, conns);
    for (size_t i = 0; i < ROUNDS; i++) {
        served[i] = load_round(&load);
        bare[i] = bare_round(b->bare, load.n_calls, buf_view(&envelope));
    }
    load_done(&load);
    buf_done(&envelope);
    figure_print(&(struct figure){.name = name,
                                  .unit = "messages/s",
                                  .value = median(served, ROUNDS),
                                  .floor = median(bare, ROUNDS),
                                  .at_least = 0.5});
}

/* --- Mailbox streams ------------------------------------------------------------------ */

struct stream {
    struct h2_call call;
    struct h2_conn *conn;
    struct buf rest; /* the beginning of a frame */
    size_t envelopes;
    bool drained;
};

static void take_frames(struct h2_call *call, struct bytes piece)
{
    struct stream *s = call->ctx;
    struct frame *f = must_alloc(sizeof *f);

    buf_bytes(&s->rest, piece);
    must(buf_rc(&s->rest), "frames");
    struct bytes in = buf_view(&s->rest);
    while (frame_next(&in, f) == WAX_OK) {
        s->envelopes += f->type == FRAME_ENVELOPE;
        s->drained = s->drained || f->type == FRAME_DRAINED;
    }
    memmove(s->rest.p, in.p, in.n);
    s->rest.n = in.n;
    mem_free(f);
}

static void stream_ended(struct h2_call *call) { die("a mailbox stream ended"); }

/* after: NULL: everything that waits. */
static void stream_open(struct stream *s, struct h2_conn *conn, const char *path)
{
    *s = (struct stream){
        .conn = conn,
        .call = {.method = "GET", .path = path, .on_bytes = take_frames, .done = stream_ended}};
    s->call.ctx = s;
    h2_submit(conn, &s->call);
    h2_flush(conn);
}

/* The connection is gone by now. */
static void stream_done(struct stream *s) { buf_done(&s->rest); }

/* Everything that one mailbox holds, once; beside it, a read of as many rows. */
static void drain_figure(struct bench *b)
{
    double served[ROUNDS], bare[ROUNDS];

    if (!wanted(b, "drain"))
        return;
    for (size_t i = 0; i < ROUNDS; i++) {
        struct h2_loop *l = site_loop(&b->site);
        struct stream s;
        uint64_t start = wall_ns();
        stream_open(&s, site_connect(&b->site, l, 1), "/v1/mailbox");
        while (!s.drained)
            h2_poll(l, 1000);
        served[i] = (double)s.envelopes * 1e9 / (double)(wall_ns() - start);
        s.call.done = NULL;
        h2_free(l);
        stream_done(&s);
        start = wall_ns();
        size_t n = bare_read(b->bare, 1);
        bare[i] = (double)n * 1e9 / (double)(wall_ns() - start);
    }
    figure_print(&(struct figure){.name = "drain",
                                  .unit = "messages/s",
                                  .value = median(served, ROUNDS),
                                  .floor = median(bare, ROUNDS)});
}

/* --- A recipient who is online -------------------------------------------------------- */

#define PINGS 300

static void posted(struct h2_call *call)
{
    if (call->status != 202)
        die("a message was not accepted");
    *(bool *)call->ctx = true;
}

/* One message for one device at a time, from POST to its frame; beside it, one commit of such
 * a row. */
static void online_figure(struct bench *b)
{
    static double latency[PINGS], bare[PINGS];
    struct h2_loop *l = site_loop(&b->site);
    struct h2_conn *sender = site_connect(&b->site, l, 0);
    struct stream s;
    struct template t = {{0}};
    uint8_t fanout[16];
    struct buf envelope = {0};

    if (!wanted(b, "online_p50")) {
        h2_free(l);
        return;
    }
    make_template(&b->site, 0, 1, &t);
    make_envelope(&b->site.users[0], &b->site.users[1], fanout, &envelope);
    stream_open(&s, site_connect(&b->site, l, 1), "/v1/mailbox?after=9000000000000");
    while (!s.drained)
        h2_poll(l, 1000);
    for (size_t i = 0; i < PINGS; i++) {
        bool done = false;
        size_t before = s.envelopes;
        struct h2_call call = {.method = "POST",
                               .path = "/v1/messages",
                               .body = buf_view(&t.body),
                               .done = posted,
                               .ctx = &done};
        must(rng_fill(os_rng(), fanout, sizeof fanout), "request");
        memcpy(t.body.p + t.at[0], fanout, sizeof fanout);
        memcpy(t.body.p + t.at[1], fanout, sizeof fanout);
        uint64_t start = wall_ns();
        h2_submit(sender, &call);
        h2_flush(sender);
        while (s.envelopes == before)
            h2_poll(l, 1000);
        latency[i] = (double)(wall_ns() - start) / 1000;
        while (!done)
            h2_poll(l, 1000);
        start = wall_ns();
        bare_commit(b->bare, 1, 1, USERS, buf_view(&envelope));
        bare[i] = (double)(wall_ns() - start) / 1000;
    }
    s.call.done = NULL;
    h2_free(l);
    stream_done(&s);
    buf_done(&t.body);
    buf_done(&envelope);
    figure_print(&(struct figure){.name = "online_p50",
                                  .unit = "us",
                                  .value = median(latency, PINGS),
                                  .floor = median(bare, PINGS)});
}

#define IDLE 400

/* Connections that wait for messages, some of each device. */
static void idle_figure(struct bench *b)
{
    struct h2_loop *l = site_loop(&b->site);
    struct stream *s = must_alloc(IDLE * sizeof *s);

    if (!wanted(b, "idle_connection")) {
        h2_free(l);
        mem_free(s);
        return;
    }
    size_t before = site_memory(&b->site);
    for (size_t i = 0; i < IDLE; i++) {
        stream_open(&s[i], site_connect(&b->site, l, i % USERS), "/v1/mailbox?after=9000000000000");
        while (!s[i].drained)
            h2_poll(l, 1000);
    }
    figure_print(&(struct figure){.name = "idle_connection",
                                  .unit = "KiB",
                                  .value = (double)(site_memory(&b->site) - before) / IDLE});
    for (size_t i = 0; i < IDLE; i++)
        s[i].call.done = NULL;
    h2_free(l);
    for (size_t i = 0; i < IDLE; i++)
        stream_done(&s[i]);
    mem_free(s);
}

int main(int argc, char **argv)
{
    struct bench b = {.only = argc > 3 ? argv[3] : NULL};
    char path[320];

    if (argc < 3)
        die("usage: bench-server WAXD FOLDER [NAME]");
    must(crypto_init(), "crypto");
    site_start(&b.site, argv[1], argv[2], USERS, NULL);
    (void)snprintf(path, sizeof path, "%s/bare.db", b.site.dir);
    b.bare = bare_open(path);
    idle_figure(&b);
    accept_figure(&b, "accept_durable_8", 8);
    accept_figure(&b, "accept_durable_32", 32);
    drain_figure(&b);
    online_figure(&b);
    bare_close(b.bare);
    site_stop(&b.site);
    return 0;
}
