#include "world.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/random.h"

#define OK(call) assert_int_equal((call), WAX_OK)
#define HIGH ((size_t)256 * 1024)

struct held {
    struct world *w;
    struct http_responder *r;
    uint64_t left;
    bool counting;
    struct held *next;
};

static void answer(struct http_responder *r, int status, struct bytes body)
{
    r->ops->start(r, status, HTTP_MEDIA_TYPE, 0);
    r->ops->write(r, body);
    r->ops->end(r);
}

static struct held *hold(struct world *w, struct http_responder *r)
{
    struct held *h = calloc(1, sizeof *h);

    h->w = w;
    h->r = r;
    h->next = w->first_held;
    w->first_held = h;
    return h;
}

static struct held *let_go(struct world *w, struct http_responder *r)
{
    struct held **at = (struct held **)&w->first_held, *h;

    while (*at && (*at)->r != r)
        at = &(*at)->next;
    h = *at;
    if (h)
        *at = h->next;
    return h;
}

static void answer_later(void *ctx)
{
    struct held *h = ctx;
    struct http_responder *r = h->r;

    free(let_go(h->w, r));
    answer(r, 200, BYTES_STR("later"));
}

static void count_on(struct held *h)
{
    static const uint8_t piece[10000] = {7};
    struct world *w = h->w;
    struct http_responder *r = h->r;

    while (h->left > 0 && r->ops->pending(r) < HIGH) {
        size_t n = h->left < sizeof piece ? (size_t)h->left : sizeof piece;
        r->ops->write(r, BYTES(piece, n));
        h->left -= n;
        if (r->ops->pending(r) > w->most_pending)
            w->most_pending = r->ops->pending(r);
    }
    if (h->left > 0)
        return;
    free(let_go(w, r));
    r->ops->end(r);
    w->done++;
}

static void note(struct world *w, const struct http_request *q)
{
    (void)pthread_mutex_lock(&w->lock);
    w->seen.has_key = q->has_client_key;
    w->seen.key = q->client_key;
    (void)snprintf(w->seen.device, sizeof w->seen.device, "%s", q->device ? q->device : "-");
    (void)snprintf(w->seen.source, sizeof w->seen.source, "%s", q->source);
    (void)snprintf(w->seen.query, sizeof w->seen.query, "%s", q->query);
    (void)snprintf(w->seen.method, sizeof w->seen.method, "%s", q->method);
    (void)snprintf(w->seen.path, sizeof w->seen.path, "%s", q->path);
    (void)pthread_mutex_unlock(&w->lock);
    w->requests++;
}

static void on_request(void *ctx, const struct http_request *q, struct http_responder *r)
{
    struct world *w = ctx;
    struct held *h;

    note(w, q);
    if (strcmp(q->path, "/echo") == 0) {
        answer(r, 200, q->body);
    } else if (strcmp(q->path, "/empty") == 0) {
        r->ops->start(r, 204, NULL, 0);
        r->ops->end(r);
    } else if (strcmp(q->path, "/fail") == 0) {
        r->ops->start(r, 503, HTTP_PROBLEM_TYPE, 7);
        r->ops->write(r, BYTES_STR("{\"type\":\"urn:waxwing:overloaded\"}"));
        r->ops->end(r);
    } else if (strcmp(q->path, "/later") == 0) {
        h = hold(w, r);
        (void)net_loop_timer(w->loop, 50, answer_later, h);
    } else if (strcmp(q->path, "/hold") == 0) {
        (void)hold(w, r);
        r->ops->start(r, 200, HTTP_STREAM_TYPE, 0);
        r->ops->write(r, BYTES_STR("hello"));
    } else if (strcmp(q->path, "/mute") == 0) {
        (void)hold(w, r);
    } else if (strcmp(q->path, "/count") == 0) {
        h = hold(w, r);
        h->left = strtoull(q->query, NULL, 10);
        h->counting = true;
        r->ops->start(r, 200, HTTP_STREAM_TYPE, 0);
        count_on(h);
    } else {
        r->ops->start(r, 404, NULL, 0);
        r->ops->end(r);
    }
}

static void on_drained(void *ctx, struct http_responder *r)
{
    struct world *w = ctx;

    w->drained++;
    for (struct held *h = w->first_held; h; h = h->next)
        if (h->r == r && h->counting) {
            count_on(h);
            return;
        }
}

static void on_gone(void *ctx, struct http_responder *r)
{
    struct world *w = ctx;
    struct held *h = let_go(w, r);

    assert_non_null(h); /* never for an answer that was ended */
    free(h);
    w->gone++;
}

static void put(struct world *w, char *path, size_t n, const char *name, const struct buf *b)
{
    (void)snprintf(path, n, "%s/%s", w->dir, name);
    OK(os_file_write(path, buf_view(b), OS_FILE_REPLACE));
}

void world_make(struct world *w)
{
    struct ec_key *other;

    *w = (struct world){.handler = {w, on_request, on_drained, on_gone}};
    (void)pthread_mutex_init(&w->lock, NULL);
    OK(crypto_init());
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/wax-net-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    OK(ec_generate(os_rng(), &w->ca_key));
    OK(ec_generate(os_rng(), &other));
    OK(ec_generate(os_rng(), &w->login));
    OK(cert_ca(w->ca_key, "example.org", os_now_ms(), &w->ca));
    OK(cert_ca(other, "example.org", os_now_ms(), &w->other_ca));
    OK(cert_login(w->login, &w->login_cert));
    OK(cert_key_pem(w->login, &w->login_key));
    ec_free(other);
    put(w, w->ca_file, sizeof w->ca_file, "ca.pem", &w->ca);
    put(w, w->login_cert_file, sizeof w->login_cert_file, "login.pem", &w->login_cert);
    put(w, w->login_key_file, sizeof w->login_key_file, "login.key", &w->login_key);
    world_certify(w, (const char *const[]){"localhost", "127.0.0.1"}, 2, 0, 30);
}

void world_certify(struct world *w, const char *const *names, size_t n, unsigned age_days,
                   unsigned days)
{
    struct ec_key *key;
    struct buf pem = {0};
    uint64_t from = os_now_ms() - (uint64_t)age_days * 86400000;

    OK(ec_generate(os_rng(), &key));
    OK(cert_server(w->ca_key, buf_view(&w->ca), ec_public(key), names, n, os_rng(), from, days,
                   &pem));
    put(w, w->cert_file, sizeof w->cert_file, "tls.pem", &pem);
    buf_done(&pem);
    OK(cert_key_pem(key, &pem));
    put(w, w->key_file, sizeof w->key_file, "tls.key", &pem);
    buf_done(&pem);
    ec_free(key);
}

static void *run(void *ctx)
{
    struct world *w = ctx;

    return (void *)(intptr_t)net_loop_run(w->loop);
}

void world_start(struct world *w, const struct net_server_conf *given)
{
    struct net_server_conf conf = given ? *given : (struct net_server_conf){0};
    char err[256];

    conf.listen = "127.0.0.1:0";
    conf.cert_file = w->cert_file;
    conf.key_file = w->key_file;
    w->requests = w->gone = w->drained = w->done = 0;
    w->most_pending = 0;
    OK(net_loop_new(&w->loop));
    if (net_server_new(w->loop, &conf, &w->handler, &w->server, err, sizeof err) != WAX_OK)
        fail_msg("%s", err);
    (void)snprintf(w->url, sizeof w->url, "https://127.0.0.1:%u", net_server_port(w->server));
    w->running = true;
    assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
}

struct errand {
    struct world *w;
    void (*fn)(struct world *w);
    atomic_uint done;
};

static void do_errand(void *ctx)
{
    struct errand *e = ctx;

    e->fn(e->w);
    e->done = 1;
}

void world_do(struct world *w, void (*fn)(struct world *w))
{
    struct errand e = {.w = w, .fn = fn};

    OK(net_loop_post(w->loop, do_errand, &e));
    assert_true(world_wait(&e.done, 1));
}

void world_stop(struct world *w)
{
    if (!w->running)
        return;
    w->running = false;
    net_loop_stop(w->loop);
    assert_int_equal(pthread_join(w->thread, NULL), 0);
    net_server_free(w->server);
    net_loop_free(w->loop);
    assert_null(w->first_held); /* each was told gone */
}

void world_end(struct world *w)
{
    char *const files[] = {w->cert_file, w->key_file, w->ca_file, w->login_cert_file,
                           w->login_key_file};

    world_stop(w);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        (void)unlink(files[i]);
    (void)rmdir(w->dir);
    ec_free(w->ca_key);
    ec_free(w->login);
    buf_done(&w->ca);
    buf_done(&w->other_ca);
    buf_done(&w->login_cert);
    buf_done(&w->login_key);
    (void)pthread_mutex_destroy(&w->lock);
}

struct net_client *world_client(struct world *w, bool logged_in)
{
    struct net_client_conf conf = {.url = w->url, .ca_pem = buf_view(&w->ca)};
    struct net_client *c;

    if (logged_in) {
        conf.cert_pem = buf_view(&w->login_cert);
        conf.key_pem = buf_view(&w->login_key);
        conf.device = "00112233445566778899aabbccddeeff";
    }
    OK(net_client_new(&conf, &c));
    return c;
}

bool world_wait(atomic_uint *counter, unsigned n)
{
    uint64_t until = os_mono_ms() + 5000;

    while (*counter < n && os_mono_ms() < until)
        os_sleep_ms(5);
    return *counter >= n;
}
