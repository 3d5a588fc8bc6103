#include "engine.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "disk.h"
#include "store/memory.h"
#include "store/sqlite.h"
#include "world.h"

struct engine {
    struct world *w;
    enum engine_kind kind;
    struct store *store;
    struct disk *disk; /* SQLite's */
};

static void open_sqlite(struct engine *e)
{
    struct buf error = {0};
    struct store_sqlite_conf conf = {.path = disk_path(e->disk), .create = true};
    wax_rc rc = store_sqlite_open(&conf, &e->store, &error);

    if (rc != WAX_OK)
        fprintf(stderr, "seed %llu: the store does not open: %s\n", (unsigned long long)e->w->seed,
                buf_cstr(&error) ? buf_cstr(&error) : "");
    MUST(rc);
    buf_done(&error);
}

static uint64_t draw(void *ctx) { return world_random(ctx); }

struct engine *engine_new(struct world *w, enum engine_kind kind)
{
    struct engine *e = calloc(1, sizeof *e);

    if (!e)
        abort();
    e->w = w;
    e->kind = kind;
    if (kind == ENGINE_MEMORY) {
        MUST(store_memory_new(&e->store));
    } else {
        e->disk = disk_new(draw, w);
        open_sqlite(e);
    }
    return e;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    store_close(e->store);
    disk_free(e->disk);
    free(e);
}

void engine_run(struct engine *e, struct store_req *req)
{
    void (*done)(struct store_req *) = req->done;
    void *ctx = req->ctx;

    req->done = NULL;
    if (e->kind == ENGINE_MEMORY) {
        store_submit(e->store, req);
        (void)store_memory_pump(e->store, 0);
    } else {
        req->rc = store_run(e->store, req);
    }
    req->done = done;
    req->ctx = ctx;
    e->w->sweep_failed |= req->op == STORE_SWEEP && req->rc != WAX_OK;
    if (e->w->watch) {
        bool was = world_product(false);
        e->w->watch(e->w->watch_ctx, req);
        (void)world_product(was);
    }
}

bool engine_dead(const struct engine *e) { return e->disk && disk_dead(e->disk); }

/* What the writer thread of SQLite does after an answer is over once it has answered again. */
static void settle(struct engine *e)
{
    struct store_req req = {.op = STORE_LOOKUP, .now = e->w->now};

    req.u.lookup.handle = "nobody@nowhere";
    (void)!store_run(e->store, &req);
    store_req_done(&req);
}

void engine_crash(struct engine *e, bool power)
{
    if (e->kind == ENGINE_MEMORY)
        return;
    settle(e);
    disk_stop(e->disk);
    store_close(e->store);
    disk_restart(e->disk, power);
    open_sqlite(e);
}

void engine_disk_dies(struct engine *e, unsigned nth)
{
    if (e->disk)
        disk_dies(e->disk, nth);
}

void engine_disk_full(struct engine *e, unsigned n)
{
    if (e->disk)
        disk_full(e->disk, n);
}

/* --- Doors --- */

struct door {
    struct store store;
    struct engine *e;
    struct store_req *first, **last;
};

static void submit(struct store *s, struct store_req *req)
{
    struct door *d = (struct door *)s;

    req->next = NULL;
    *d->last = req;
    d->last = &req->next;
}

static void no_close(struct store *s) { (void)s; }

static const struct store_ops door_ops = {submit, no_close};

struct door *door_new(struct engine *e)
{
    struct door *d = calloc(1, sizeof *d);

    if (!d)
        abort();
    d->store.ops = &door_ops;
    d->e = e;
    d->last = &d->first;
    return d;
}

struct store *door_store(struct door *d) { return &d->store; }

static struct store_req *take(struct door *d)
{
    struct store_req *r = d->first;

    if (!r)
        return NULL;
    d->first = r->next;
    if (!d->first)
        d->last = &d->first;
    r->next = NULL;
    return r;
}

unsigned door_pump(struct door *d, unsigned max)
{
    unsigned n = 0;

    while (d->first && (max == 0 || n < max)) {
        struct store_req *r = take(d);
        engine_run(d->e, r);
        n++;
        if (engine_dead(d->e)) { /* nobody hears of it: the process goes down with its disk */
            store_req_done(r);
            d->first = NULL;
            d->last = &d->first;
            return n;
        }
        if (r->done)
            r->done(r);
    }
    return n;
}

void door_crash(struct door *d, unsigned n)
{
    struct store_req *r;

    while (n-- > 0 && (r = take(d))) {
        engine_run(d->e, r);
        store_req_done(r);
    }
    d->first = NULL;
    d->last = &d->first;
}

void door_free(struct door *d) { free(d); }
