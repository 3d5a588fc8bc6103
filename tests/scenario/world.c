#include "world.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/crypto.h"
#include "store/memory.h"
#include "wire/envelope.h"
#include "wire/proto.h"

#define MUST(x)                                                                                    \
    do {                                                                                           \
        wax_rc must_rc = (x);                                                                      \
        if (must_rc != WAX_OK) {                                                                   \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, rc_text(must_rc));          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* --- Randomness: xoshiro256** by D. Blackman and S. Vigna, from the seed --- */

static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

uint64_t world_random(struct world *w)
{
    uint64_t *s = w->rng_state, r = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return r;
}

bool world_chance(struct world *w, unsigned of_thousand)
{
    bool yes = of_thousand && world_random(w) % 1000 < of_thousand;

    w->n_faults += yes;
    return yes;
}

static wax_rc fill(void *ctx, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(world_random(ctx) >> 32);
    return WAX_OK;
}

static uint64_t device_now(void *ctx)
{
    struct device *d = ctx;

    return d->w->now + d->skew;
}

/* --- The server behind a wire that breaks --- */

struct fake {
    struct http_responder r;
    int status;
    bool started, ended;
    char type[64];
    unsigned life; /* of the server that was asked */
    struct buf body;
};

static void fake_start(struct http_responder *r, int status, const char *type, unsigned later)
{
    struct fake *f = (struct fake *)(void *)r;

    (void)later;
    f->status = status;
    f->started = true;
    (void)snprintf(f->type, sizeof f->type, "%s", type ? type : "");
}

static void fake_write(struct http_responder *r, struct bytes piece)
{
    buf_bytes(&((struct fake *)(void *)r)->body, piece);
}
static size_t fake_pending(struct http_responder *r)
{
    (void)r;
    return 0;
}
static void fake_end(struct http_responder *r) { ((struct fake *)(void *)r)->ended = true; }
static const struct http_responder_ops fake_ops = {fake_start, fake_write, fake_pending, fake_end};

/* Which content the server has taken, and when: the ledger's side of the story. */
static void tell_accepted(struct world *w, struct bytes body)
{
    ProtobufCMessage *m = NULL;
    struct envelope *env = mem_alloc(sizeof *env);

    if (!env || proto_unpack(&wax__v1__send_request__descriptor, body, API_BODY_MAX, &m) != WAX_OK)
        abort();
    const Wax__V1__SendRequest *r = (const void *)m;
    if (r->n_envelopes && envelope_decode(PB_BYTES(r->envelopes[0]->envelope), env) == WAX_OK)
        w->accepted(w->accepted_ctx, &env->fanout.com);
    proto_free(m);
    mem_free(env);
}

static void ask(struct world *w, struct device *as, const char *method, const char *path,
                struct bytes body, struct fake *f)
{
    char p[512];
    const char *query = strchr(path, '?');
    struct http_request req = {.method = method,
                               .path = p,
                               .query = query ? query + 1 : "",
                               .body = body,
                               .source = "192.0.2.1"};

    (void)snprintf(p, sizeof p, "%.*s", query ? (int)(query - path) : (int)strlen(path), path);
    if (as && as->has_login) {
        req.has_client_key = true;
        req.client_key = as->login;
        req.device = as->dev_hex;
    }
    *f = (struct fake){.r = {&fake_ops}};
    server_tick(w->server, w->now);
    const struct http_handler *h = server_handler(w->server);
    f->life = w->server_life;
    h->request(h->ctx, &req, &f->r);
    while (store_memory_pump(w->store, 1) > 0)
        if (world_chance(w, w->faults.crash_between)) {
            world_server_crash(w);
            break;
        }
    if (f->ended && f->status == 202 && w->accepted && strcmp(path, "/v1/messages") == 0)
        tell_accepted(w, body);
}

/* The request is over: whoever still waits for its answer is gone, unless the server is another one
 * by now. */
static void ask_over(struct world *w, struct fake *f)
{
    if (f->ended || f->life != w->server_life)
        return;
    const struct http_handler *h = server_handler(w->server);
    h->gone(h->ctx, &f->r);
}

/* --- Requests that come late: after the client gave them up or had its answer --- */

static void late_keep(struct world *w, struct device *d, const char *method, const char *path,
                      struct bytes body)
{
    struct late *l = &w->late[world_random(w) % WORLD_LATE];

    buf_done(&l->body);
    l->from = d;
    (void)snprintf(l->method, sizeof l->method, "%s", method);
    (void)snprintf(l->path, sizeof l->path, "%s", path);
    buf_bytes(&l->body, body);
    MUST(buf_rc(&l->body));
}

static void late_arrive(struct world *w)
{
    struct late *l = &w->late[world_random(w) % WORLD_LATE];
    struct fake f;

    if (!l->from || !world_chance(w, w->faults.late ? 300 : 0))
        return;
    ask(w, l->from, l->method, l->path, buf_view(&l->body), &f);
    ask_over(w, &f);
    buf_done(&f.body);
    buf_reset(&l->body);
    l->from = NULL;
}

int world_request(struct world *w, struct device *as, const char *method, const char *path,
                  struct bytes body, struct buf *ret_body)
{
    struct fake f;

    ask(w, as, method, path, body, &f);
    for (int i = 0; !f.ended && i < 4; i++)
        world_pass(w, 26000); /* a long poll runs out */
    ask_over(w, &f);
    if (ret_body)
        buf_bytes(ret_body, buf_view(&f.body));
    buf_done(&f.body);
    return f.ended ? f.status : 0;
}

static void take_problem(const struct fake *f, struct transport_reply *reply)
{
    json_t *j = json_loadb((const char *)f->body.p, f->body.n, 0, NULL);
    const char *type = json_string_value(json_object_get(j, "type")),
               *detail = json_string_value(json_object_get(j, "detail"));

    (void)snprintf(reply->problem, sizeof reply->problem, "%s",
                   type && strncmp(type, "urn:waxwing:", 12) == 0 ? type + 12 : "");
    (void)snprintf(reply->detail, sizeof reply->detail, "%s", detail ? detail : "");
    json_decref(j);
}

static wax_rc device_request(void *ctx, const char *method, const char *path, struct bytes body,
                             struct transport_reply *reply)
{
    struct device *d = ctx;
    struct world *w = d->w;
    struct fake f = {0};

    w->steps++;
    turn_pass(w);
    if (d->crashed || world_chance(w, w->faults.crash_request)) {
        d->crashed = true;
        return WAX_E_CANCELLED;
    }
    w->now += 1 + world_random(w) % 50;
    if (world_chance(w, w->faults.server_crash))
        world_server_crash(w);
    late_arrive(w);
    if (world_chance(w, w->faults.late))
        late_keep(w, d, method, path, body);
    if (world_chance(w, w->faults.lose_request))
        return WAX_E_NET;
    ask(w, d, method, path, body, &f);
    if (f.ended && world_chance(w, w->faults.repeat)) {
        buf_done(&f.body);
        ask(w, d, method, path, body, &f);
    }
    for (int i = 0; !f.ended && f.life == w->server_life && i < 30;
         i++) { /* a long poll: the other one's turn, and time */
        turn_pass(w);
        world_pass(w, 1000);
    }
    ask_over(w, &f);
    if (!f.ended || world_chance(w, w->faults.lose_reply)) {
        buf_done(&f.body);
        return WAX_E_NET;
    }
    reply->status = f.status;
    reply->server_time = w->now;
    if (strcmp(f.type, HTTP_PROBLEM_TYPE) == 0)
        take_problem(&f, reply);
    reply->body = f.body;
    return WAX_OK;
}

void world_pass(struct world *w, uint64_t ms)
{
    w->now += ms;
    for (int i = 0; i < 64; i++) { /* a sweep may have more to do */
        server_tick(w->server, w->now);
        if (store_memory_pump(w->store, 0) == 0)
            break;
    }
}

void world_server_crash(struct world *w)
{
    store_memory_crash(w->store);
    server_free(w->server);
    w->server = NULL;
    w->server_life++;
    MUST(server_new(&w->conf, w->store, &w->server));
    server_tick(w->server, w->now);
}

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .now = WORLD_START};
    uint64_t x = seed;
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = (x += 0x9e3779b97f4a7c15ULL);
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        w->rng_state[i] = z ^ z >> 31;
    }
    w->rng = (struct rng){fill, w};
    MUST(crypto_init());
    server_conf_default(&w->conf, "example.org");
    w->conf.registration_open = true;
    w->conf.login_per_min = w->conf.lookup_per_min = w->conf.send_per_min =
        w->conf.register_per_hour = w->conf.link_per_min = 0;
    MUST(store_memory_new(&w->store));
    MUST(server_new(&w->conf, w->store, &w->server));
    server_tick(w->server, w->now);
}

void world_done(struct world *w)
{
    for (size_t i = 0; i < w->n_devices; i++) {
        device_stop(&w->devices[i]);
        vault_disk_free(w->devices[i].disk);
        buf_done(&w->devices[i].taken);
    }
    for (size_t i = 0; i < WORLD_LATE; i++)
        buf_done(&w->late[i].body);
    server_free(w->server);
    store_close(w->store);
}

/* --- Devices --- */

struct device *world_device(struct world *w, const char *handle, const char *name)
{
    if (w->n_devices == WORLD_DEVICES)
        abort();
    struct device *d = &w->devices[w->n_devices++];

    *d = (struct device){.w = w, .used = true};
    (void)snprintf(d->handle, sizeof d->handle, "%s", handle);
    (void)snprintf(d->name, sizeof d->name, "%s", name);
    d->disk = vault_disk_new();
    d->clock = (struct wall_clock){device_now, d};
    d->transport = (struct transport){device_request, d};
    MUST(vault_memory_open(d->disk, &d->vault));
    d->env = (struct client_env){
        .vault = d->vault, .rng = &w->rng, .clock = &d->clock, .net = &d->transport};
    return d;
}

void device_know_login(struct device *d)
{
    static const char digits[] = "0123456789abcdef";
    const struct dev_id *dev = client_dev(d->client);

    d->login = *ec_public(client_login_key(d->client));
    for (size_t i = 0; i < 16; i++) {
        d->dev_hex[2 * i] = digits[dev->b[i] >> 4];
        d->dev_hex[2 * i + 1] = digits[dev->b[i] & 15];
    }
    d->dev_hex[32] = 0;
    d->has_login = true;
}

void device_stop(struct device *d)
{
    client_close(d->client);
    d->client = NULL;
    vault_close(d->vault);
    d->vault = NULL;
}

wax_rc device_start(struct device *d)
{
    device_stop(d);
    vault_memory_fail(d->disk, 0, WAX_OK);
    d->crashed = false;
    MUST(vault_memory_open(d->disk, &d->vault));
    d->env.vault = d->vault;
    wax_rc rc = client_open(&d->env, &d->client);
    if (rc == WAX_OK)
        device_know_login(d);
    return rc;
}

wax_rc device_register(struct device *d)
{
    struct client_register o = {.handle = d->handle, .device_name = d->name, .admission = ""};
    wax_rc rc = client_register_prepare(&d->env, &o, &d->client);

    if (rc != WAX_OK)
        return rc;
    device_know_login(d);
    rc = client_register_publish(d->client, "");
    return rc == WAX_OK ? client_login(d->client) : rc;
}

/* --- Sending and receiving --- */

wax_rc device_send(struct device *d, const char *to, const char *text, struct hash32 *ret)
{
    struct pin *pin = mem_alloc(16384 + CHAIN_LINK_MAX);
    wax_rc rc = client_pin_by_handle(d->client, to, pin);

    mem_free(pin);
    if (rc == WAX_E_NOTFOUND)
        rc = client_lookup(d->client, to);
    return rc == WAX_OK ? client_compose_text(d->client, to, BYTES_STR(text), ret) : rc;
}

static wax_rc take_stream(struct device *d, struct bytes in, struct buf *acks)
{
    wax_rc rc = WAX_OK;

    while (rc == WAX_OK) {
        struct frame *f = mem_alloc(sizeof *f);
        bool ack = false;
        rc = frame_next(&in, f);
        if (rc == WAX_OK) {
            d->w->steps++;
            if (d->crashed || world_chance(d->w, d->w->faults.crash_request)) {
                d->crashed = true;
                rc = WAX_E_CANCELLED;
            } else {
                rc = client_frame(d->client, f, &ack);
            }
        }
        if (rc == WAX_OK && ack)
            buf_u64(acks, f->seq);
        mem_free(f);
    }
    return rc == WAX_E_WAIT ? WAX_OK : rc;
}

static wax_rc send_acks(struct device *d, struct buf *acks)
{
    size_t n = acks->n / 8;
    uint64_t *seqs = mem_calloc(n + 1, sizeof *seqs);

    for (size_t i = 0; i < n; i++)
        seqs[i] = get_u64(acks->p + 8 * i);
    wax_rc rc = client_ack(d->client, seqs, n);
    mem_free(seqs);
    buf_reset(acks);
    return rc;
}

wax_rc device_receive(struct device *d)
{
    struct fake f;
    struct buf acks = {0};
    wax_rc rc = client_login(d->client);

    if (rc != WAX_OK)
        return rc;
    if (world_chance(d->w, d->w->faults.lose_request))
        return WAX_E_NET;
    late_arrive(d->w);
    ask(d->w, d, "GET", CLIENT_MAILBOX_PATH, BYTES(NULL, 0), &f);
    size_t n = f.body.n;
    if (world_chance(d->w, d->w->faults.lose_reply) && n) /* the stream is cut at any byte */
        n = world_random(d->w) % n;
    d->whole = n == f.body.n;
    ask_over(d->w, &f);
    rc = f.status == 200 ? WAX_OK : f.status == 401 ? WAX_E_DENIED : WAX_E_NET;
    if (rc == WAX_OK && world_chance(d->w, d->w->faults.redeliver))
        rc = take_stream(d, buf_view(&d->taken), &acks); /* what it had before, once more */
    if (rc == WAX_OK)
        rc = take_stream(d, BYTES(f.body.p, n), &acks);
    if (rc == WAX_OK) {
        buf_reset(&d->taken);
        buf_bytes(&d->taken, BYTES(f.body.p, n));
    }
    buf_done(&f.body);
    if (rc == WAX_OK)
        rc = client_retry_waiting(d->client, &acks);
    if (rc == WAX_OK)
        rc = send_acks(d, &acks);
    if (rc == WAX_OK)
        rc = client_maintain(d->client, true);
    buf_done(&acks);
    return rc;
}

struct counting {
    const char *text;
    unsigned n;
};

static bool count_one(void *ctx, uint64_t order, const struct item *it)
{
    struct counting *c = ctx;

    (void)order;
    c->n += it->type == ITEM_MESSAGE && it->text.n == strlen(c->text) &&
            memcmp(it->text.p, c->text, it->text.n) == 0;
    return true;
}

unsigned device_count(struct device *d, const char *text)
{
    struct counting c = {.text = text};

    MUST(client_history_each(d->client, NULL, count_one, &c));
    return c.n;
}

wax_rc device_restore(struct device *d, struct vault_disk *copy)
{
    device_stop(d);
    vault_disk_free(d->disk);
    d->disk = copy;
    return device_start(d);
}
