#include "evil.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/cert.h"
#include "crypto/crypto.h"
#include "net/server.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"
#include "server/server.h"
#include "story.h"
#include "store/memory.h"

#define ENDLESS_PIECE ((size_t)64 * 1024)
#define ENDLESS_HIGH ((size_t)1024 * 1024)

struct relay {
    struct http_responder mine; /* must be first: what the router has */
    struct http_responder *real;
    struct evil_in *in;
    struct relay *next;
    struct ask q;
    struct answer a;
    struct buf partial; /* of a stream: not a whole frame yet */
    bool stream, answered;
};

struct evil_in {
    struct evil *e;
    pthread_t thread;
    pthread_mutex_t lock;
    struct net_loop *loop;
    struct store *store;
    struct server *server;
    struct net_server *net;
    struct http_handler front;
    struct relay *relays;
    const struct ways *ways;
    unsigned long requests;
};

/* The router's clock and the listener's: both ask os_now_ms, which this program has wrapped. */
int64_t evil_clock_off;
uint64_t __real_os_now_ms(void);
uint64_t __wrap_os_now_ms(void);
uint64_t __wrap_os_now_ms(void) { return __real_os_now_ms() + (uint64_t)evil_clock_off; }

/* --- Answers --- */

void answer_body(struct answer *a, int status, struct bytes body)
{
    a->status = status;
    (void)snprintf(a->type, sizeof a->type, "%s", HTTP_MEDIA_TYPE);
    buf_reset(&a->body);
    buf_bytes(&a->body, body);
}

void answer_problem(struct answer *a, int status, const char *name, const char *detail)
{
    a->status = status;
    (void)snprintf(a->type, sizeof a->type, "%s", HTTP_PROBLEM_TYPE);
    buf_reset(&a->body);
    buf_printf(&a->body, "{\"type\":\"urn:waxwing:%s\",\"status\":%d,\"detail\":\"%s\"}", name,
               status, detail);
}

bool asks(const struct ask *q, const char *method, const char *path_begins)
{
    return strcmp(q->method, method) == 0 &&
           strncmp(q->path, path_begins, strlen(path_begins)) == 0;
}

void frame_out(uint8_t type, uint64_t seq, uint64_t time, struct bytes rest, struct buf *out)
{
    if (frame_encode(type, seq, time, rest, out) != WAX_OK)
        abort();
}

/* --- Relays --- */

static void relay_free(struct relay *r)
{
    struct relay **at = &r->in->relays;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    buf_done(&r->q.body);
    buf_done(&r->a.body);
    buf_done(&r->partial);
    mem_free(r);
}

static void pour(struct relay *r)
{
    static const uint8_t zeros[ENDLESS_PIECE];

    while (r->real->ops->pending(r->real) < ENDLESS_HIGH)
        r->real->ops->write(r->real, BYTES(zeros, sizeof zeros));
}

static void deliver(struct relay *r)
{
    r->answered = true;
    if (r->a.never)
        return; /* until the client goes */
    r->real->ops->start(r->real, r->a.status, r->a.type[0] ? r->a.type : NULL, r->a.retry_after);
    if (r->a.body.n)
        r->real->ops->write(r->real, buf_view(&r->a.body));
    if (r->a.endless) {
        pour(r);
        return;
    }
    r->real->ops->end(r->real);
    relay_free(r);
}

static void op_start(struct http_responder *m, int status, const char *type, unsigned retry_after)
{
    struct relay *r = (struct relay *)m;

    r->a.status = status;
    r->a.retry_after = retry_after;
    (void)snprintf(r->a.type, sizeof r->a.type, "%s", type ? type : "");
    r->stream = strcmp(r->a.type, HTTP_STREAM_TYPE) == 0;
    if (r->stream)
        r->real->ops->start(r->real, status, type, retry_after);
}

static void pass_frames(struct relay *r)
{
    struct evil_in *in = r->in;
    struct bytes left = buf_view(&r->partial);
    struct buf out = {0}, rest = {0};
    struct frame f;

    while (left.n) {
        struct bytes before = left;
        if (frame_next(&left, &f) != WAX_OK)
            break;
        struct bytes raw = {before.p, before.n - left.n};
        if (in->ways && in->ways->frame)
            in->ways->frame(in->e, &r->q, &f, raw, &out);
        else
            buf_bytes(&out, raw);
    }
    buf_bytes(&rest, left);
    buf_done(&r->partial);
    r->partial = rest;
    if (out.n)
        r->real->ops->write(r->real, buf_view(&out));
    buf_done(&out);
}

static void op_write(struct http_responder *m, struct bytes piece)
{
    struct relay *r = (struct relay *)m;

    buf_bytes(r->stream ? &r->partial : &r->a.body, piece);
    if (r->stream)
        pass_frames(r);
}

static size_t op_pending(struct http_responder *m)
{
    struct relay *r = (struct relay *)m;
    return r->stream ? r->real->ops->pending(r->real) : 0;
}

static void op_end(struct http_responder *m)
{
    struct relay *r = (struct relay *)m;
    const struct ways *w = r->in->ways;

    if (r->stream) {
        r->real->ops->end(r->real);
        relay_free(r);
        return;
    }
    if (w && w->after)
        w->after(r->in->e, &r->q, &r->a);
    deliver(r);
}

static const struct http_responder_ops relay_ops = {op_start, op_write, op_pending, op_end};

/* --- Between the listener and the router --- */

static void pump(struct evil_in *in)
{
    while (store_memory_pump(in->store, 0))
        ;
}

static void on_request(void *ctx, const struct http_request *req, struct http_responder *real)
{
    struct evil_in *in = ctx;
    const struct http_handler *h = server_handler(in->server);
    struct relay *r = mem_alloc(sizeof *r);

    (void)pthread_mutex_lock(&in->lock);
    in->requests++;
    *r = (struct relay){.mine.ops = &relay_ops, .real = real, .in = in, .next = in->relays};
    in->relays = r;
    (void)snprintf(r->q.method, sizeof r->q.method, "%s", req->method);
    (void)snprintf(r->q.path, sizeof r->q.path, "%s", req->path);
    (void)snprintf(r->q.device, sizeof r->q.device, "%s", req->device ? req->device : "");
    buf_bytes(&r->q.body, req->body);
    server_tick(in->server, os_now_ms());
    if (in->ways && in->ways->instead && in->ways->instead(in->e, &r->q, &r->a)) {
        deliver(r);
    } else {
        h->request(h->ctx, req, &r->mine);
        pump(in);
    }
    (void)pthread_mutex_unlock(&in->lock);
}

static struct relay *relay_of(struct evil_in *in, const struct http_responder *real)
{
    struct relay *r = in->relays;

    while (r && r->real != real)
        r = r->next;
    return r;
}

static void on_drained(void *ctx, struct http_responder *real)
{
    struct evil_in *in = ctx;
    const struct http_handler *h = server_handler(in->server);
    struct relay *r = relay_of(in, real);

    (void)pthread_mutex_lock(&in->lock);
    if (r && r->answered && r->a.endless)
        pour(r);
    else if (r && r->stream)
        h->drained(h->ctx, &r->mine);
    pump(in);
    (void)pthread_mutex_unlock(&in->lock);
}

static void on_gone(void *ctx, struct http_responder *real)
{
    struct evil_in *in = ctx;
    const struct http_handler *h = server_handler(in->server);
    struct relay *r = relay_of(in, real);

    (void)pthread_mutex_lock(&in->lock);
    if (r && !r->answered)
        h->gone(h->ctx, &r->mine);
    if (r)
        relay_free(r);
    (void)pthread_mutex_unlock(&in->lock);
}

static void on_revoked(void *ctx, const struct point *dtk)
{
    net_server_close_key(((struct evil_in *)ctx)->net, dtk);
}

static void tick(void *ctx)
{
    struct evil_in *in = ctx;

    (void)pthread_mutex_lock(&in->lock);
    server_tick(in->server, os_now_ms());
    pump(in);
    (void)pthread_mutex_unlock(&in->lock);
    if (!net_loop_timer(in->loop, 20, tick, in))
        abort();
}

/* --- Up and down --- */

static void write_file(const char *path, const struct buf *b)
{
    OK(os_file_write(path, buf_view(b), OS_FILE_NEW));
}

void certificates(const char *dir, const char *prefix, char ca_file[96], char cert_file[96],
                  char key_file[96])
{
    static const char *const names[] = {"127.0.0.1", "localhost"};
    struct ec_key *ca, *key;
    struct buf ca_pem = {0}, cert_pem = {0}, key_pem = {0};

    OK(ec_generate(os_rng(), &ca));
    OK(ec_generate(os_rng(), &key));
    OK(cert_ca(ca, "example.org", os_now_ms(), &ca_pem));
    OK(cert_server(ca, buf_view(&ca_pem), ec_public(key), names, 2, os_rng(), os_now_ms(), 30,
                   &cert_pem));
    buf_bytes(&cert_pem, buf_view(&ca_pem));
    OK(cert_key_pem(key, &key_pem));
    (void)snprintf(ca_file, 96, "%s/%sca.pem", dir, prefix);
    (void)snprintf(cert_file, 96, "%s/%stls.pem", dir, prefix);
    (void)snprintf(key_file, 96, "%s/%stls.key", dir, prefix);
    write_file(ca_file, &ca_pem);
    write_file(cert_file, &cert_pem);
    write_file(key_file, &key_pem);
    buf_done(&ca_pem);
    buf_done(&cert_pem);
    buf_done(&key_pem);
    ec_free(ca);
    ec_free(key);
}

static void *run(void *ctx)
{
    if (net_loop_run(((struct evil_in *)ctx)->loop) != WAX_OK)
        abort();
    return NULL;
}

void evil_start(struct evil *e)
{
    struct evil_in *in = mem_alloc(sizeof *in);
    struct server_conf conf;
    char err[256] = "";

    OK(crypto_init());
    *e = (struct evil){.in = in};
    in->e = e;
    (void)snprintf(e->dir, sizeof e->dir, "/tmp/wax-evil.XXXXXX");
    assert_non_null(mkdtemp(e->dir));
    certificates(e->dir, "", e->ca_file, e->cert_file, e->key_file);
    assert_int_equal(pthread_mutex_init(&in->lock, NULL), 0);
    OK(net_loop_new(&in->loop));
    OK(store_memory_new(&in->store));
    server_conf_default(&conf, "example.org");
    conf.registration_open = true;
    conf.register_per_hour = 0;
    conf.heartbeat_ms = 300;
    OK(server_new(&conf, in->store, &in->server));
    in->front = (struct http_handler){in, on_request, on_drained, on_gone};
    server_set_revoked(in->server, on_revoked, in);
    struct net_server_conf net = {
        .listen = "127.0.0.1:0", .cert_file = e->cert_file, .key_file = e->key_file};
    if (net_server_new(in->loop, &net, &in->front, &in->net, err, sizeof err) != WAX_OK)
        fail_msg("%s", err);
    e->port = net_server_port(in->net);
    tick(in);
    assert_int_equal(pthread_create(&in->thread, NULL, run, in), 0);
}

void evil_stop(struct evil *e)
{
    struct evil_in *in = e->in;

    net_loop_stop(in->loop);
    assert_int_equal(pthread_join(in->thread, NULL), 0);
    net_server_free(in->net);
    store_close(in->store);
    server_free(in->server);
    net_loop_free(in->loop);
    while (in->relays)
        relay_free(in->relays);
    (void)pthread_mutex_destroy(&in->lock);
    buf_done(&e->kept);
    buf_done(&e->kept2);
    mem_free(in);
}

void evil_set(struct evil *e, const struct ways *ways)
{
    (void)pthread_mutex_lock(&e->in->lock);
    e->in->ways = ways;
    if (ways) {
        buf_reset(&e->kept);
        buf_reset(&e->kept2);
        e->n = e->counted = 0;
        e->number = 0;
        e->text[0] = 0;
    }
    (void)pthread_mutex_unlock(&e->in->lock);
}

unsigned long evil_requests(struct evil *e)
{
    (void)pthread_mutex_lock(&e->in->lock);
    unsigned long n = e->in->requests;
    e->in->requests = 0;
    (void)pthread_mutex_unlock(&e->in->lock);
    return n;
}
