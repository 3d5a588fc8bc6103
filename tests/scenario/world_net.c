/* The servers behind a wire that loses, delays, repeats and breaks. */
#include <jansson.h>
#include <stdio.h>

#include "world.h"

#define TIMEOUT_MS 30000

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
    bool was = world_product(false);

    buf_bytes(&((struct fake *)(void *)r)->body, piece);
    (void)world_product(was);
}
static size_t fake_pending(struct http_responder *r)
{
    (void)r;
    return 0;
}
static void fake_end(struct http_responder *r) { ((struct fake *)(void *)r)->ended = true; }
static const struct http_responder_ops fake_ops = {fake_start, fake_write, fake_pending, fake_end};

void net_tick(struct world *w)
{
    for (unsigned k = 0; k < w->n_fronts; k++)
        for (int i = 0; i < 64; i++) { /* a sweep may have more to do */
            server_tick(w->fronts[k].server, w->now);
            if (door_pump(w->fronts[k].door, 0) == 0)
                break;
            if (engine_dead(w->engine)) {
                world_power_cut(w);
                return;
            }
        }
}

/* The server works at what waits for the store, until the answer is complete or waits for others;
 * it may die in between, and other requests may come. */
static void work(struct world *w, struct fake *f)
{
    struct front *front = &w->fronts[f->front];

    while (f->life == front->life && door_pump(front->door, 1) > 0) {
        if (engine_dead(w->engine)) {
            world_power_cut(w);
            break;
        }
        if (world_chance(w, w->faults.crash_between)) {
            if (world_below(w, 2))
                world_front_crash(w, f->front);
            else
                world_server_crash(w);
            break;
        }
        if (w->current && !f->ended && world_below(w, 8) == 0)
            world_sleep(w, world_below(w, 5));
    }
}

void net_ask(struct world *w, struct device *as, unsigned k, const char *method, const char *path,
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
    *f = (struct fake){.r = {&fake_ops}, .front = k, .life = w->fronts[k].life};
    if (w->wire)
        w->wire(w->watch_ctx, p, body);
    server_tick(w->fronts[k].server, w->now);
    const struct http_handler *h = server_handler(w->fronts[k].server);
    bool was = world_product(true);
    h->request(h->ctx, &req, &f->r);
    work(w, f);
    (void)world_product(was);
}

static bool server_gone(const struct world *w, const struct fake *f)
{
    return f->life != w->fronts[f->front].life;
}

void net_over(struct world *w, struct fake *f)
{
    if (f->ended || server_gone(w, f))
        return;
    const struct http_handler *h = server_handler(w->fronts[f->front].server);
    h->gone(h->ctx, &f->r);
}

/* --- Requests that come late: after the client gave them up or had its answer --- */

static void late_keep(struct world *w, struct device *d, const char *method, const char *path,
                      struct bytes body)
{
    struct late *l = &w->late[world_below(w, WORLD_LATE)];

    buf_done(&l->body);
    l->from = d;
    (void)snprintf(l->method, sizeof l->method, "%s", method);
    (void)snprintf(l->path, sizeof l->path, "%s", path);
    buf_bytes(&l->body, body);
    MUST(buf_rc(&l->body));
}

void net_late(struct world *w)
{
    struct late l = w->late[world_below(w, WORLD_LATE)];
    struct fake f;

    if (!l.from || !world_chance(w, w->faults.late ? 300 : 0))
        return;
    for (size_t i = 0; i < WORLD_LATE; i++)
        if (w->late[i].body.p == l.body.p)
            w->late[i] = (struct late){0};
    net_ask(w, l.from, (unsigned)world_below(w, w->n_fronts), l.method, l.path, buf_view(&l.body),
            &f);
    net_over(w, &f);
    buf_done(&f.body);
    buf_done(&l.body);
}

/* --- A device's requests --- */

bool net_cut(const struct device *d) { return d->w->now < d->cut_until; }

unsigned net_front(struct device *d)
{
    if (d->w->n_fronts > 1 && world_below(d->w, 10) == 0)
        d->front = (unsigned)world_below(d->w, d->w->n_fronts);
    return d->front;
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

static void under_way(struct world *w)
{
    world_sleep(w, 1 + world_below(w, world_chance(w, w->faults.slow) ? 60000 : 25));
}

/* Somebody else's turn, and time: the other one has yet to post, the poll is long. */
static void wait_answer(struct world *w, struct fake *f)
{
    for (int i = 0; !f->ended && !server_gone(w, f) && i < 30; i++) {
        world_sleep(w, 1000);
        net_tick(w);
    }
}

static wax_rc exchange(struct device *d, const char *method, const char *path, struct bytes body,
                       struct transport_reply *reply)
{
    struct world *w = d->w;
    struct fake f = {0};

    under_way(w);
    if (world_chance(w, w->faults.server_crash))
        world_front_crash(w, (unsigned)world_below(w, w->n_fronts));
    net_late(w);
    if (world_chance(w, w->faults.late))
        late_keep(w, d, method, path, body);
    if (net_cut(d) || world_chance(w, w->faults.lose_request)) {
        world_sleep(w, world_below(w, TIMEOUT_MS));
        return WAX_E_NET;
    }
    net_ask(w, d, net_front(d), method, path, body, &f);
    if (f.ended && world_chance(w, w->faults.repeat)) {
        buf_done(&f.body);
        net_ask(w, d, net_front(d), method, path, body, &f);
    }
    wait_answer(w, &f);
    net_over(w, &f);
    under_way(w);
    if (!f.ended || net_cut(d) || world_chance(w, w->faults.lose_reply)) {
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

wax_rc net_request(void *ctx, const char *method, const char *path, struct bytes body,
                   struct transport_reply *reply)
{
    struct device *d = ctx;
    struct world *w = d->w;

    w->steps++;
    if (world_chance(w, w->faults.crash_request))
        device_kill(d);
    if (d->crashed)
        return WAX_E_CANCELLED;
    bool was = world_product(false);
    wax_rc rc = exchange(d, method, path, body, reply);
    (void)world_product(was);
    if (d->crashed) { /* killed meanwhile */
        buf_done(&reply->body);
        *reply = (struct transport_reply){0};
        return WAX_E_CANCELLED;
    }
    return rc;
}

int world_request(struct world *w, struct device *as, const char *method, const char *path,
                  struct bytes body, struct buf *ret_body)
{
    struct fake f;

    net_ask(w, as, 0, method, path, body, &f);
    for (int i = 0; !f.ended && i < 4; i++)
        world_pass(w, 26000); /* a long poll runs out */
    net_over(w, &f);
    if (ret_body)
        buf_bytes(ret_body, buf_view(&f.body));
    buf_done(&f.body);
    return f.ended ? f.status : 0;
}
