#include "harness.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static wax_rc open_memory(const char *dir, struct store **ret)
{
    (void)dir;
    return store_memory_new(ret);
}

static wax_rc run_memory(struct store *s, struct store_req *req)
{
    store_submit(s, req);
    assert_int_equal(store_memory_pump(s, 0), 1);
    return req->rc;
}

static wax_rc open_sqlite(const char *dir, struct store **ret)
{
    char path[128];
    struct buf error = {0};

    snprintf(path, sizeof path, "%s/waxd.db", dir);
    wax_rc rc =
        store_sqlite_open(&(struct store_sqlite_conf){.path = path, .create = true}, ret, &error);
    if (rc != WAX_OK)
        print_message("%s\n", buf_cstr(&error));
    buf_done(&error);
    return rc;
}

const struct engine engine_memory = {"memory", open_memory, run_memory};
const struct engine engine_sqlite = {"sqlite", open_sqlite, store_run};
const struct engine engines[] = {
    {"memory", open_memory, run_memory},
    {"sqlite", open_sqlite, store_run},
};
const size_t n_engines = sizeof engines / sizeof engines[0];

void folder_remove(const char *dir)
{
    DIR *d = opendir(dir);
    char path[512];

    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    if (d)
        closedir(d);
    (void)rmdir(dir);
}

struct world *world_new(const struct engine *e)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    *w = (struct world){.engine = e,
                        .now = 1000 * DAY,
                        .from = "ann@x",
                        .max_count = 10000,
                        .max_bytes = 256U << 20};
    snprintf(w->dir, sizeof w->dir, "/tmp/wax-store-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(e->open(w->dir, &w->store), WAX_OK);
    return w;
}

void world_free(struct world *w)
{
    store_close(w->store);
    folder_remove(w->dir);
    free(w);
}

void world_reopen(struct world *w)
{
    store_close(w->store);
    w->store = NULL;
    assert_int_equal(w->engine->open(w->dir, &w->store), WAX_OK);
}

int world_setup(void **state)
{
    *state = world_new(*state);
    return 0;
}

int world_teardown(void **state)
{
    struct world *w = *state;
    struct store_req check = {.op = STORE_CHECK};

    /* Whatever the story was, its counters add up in the end. */
    wax_rc rc = w->store ? w->engine->run(w->store, &check) : WAX_OK;
    if (rc != WAX_OK)
        print_message("%s", buf_cstr(&check.u.check.report));
    store_req_done(&check);
    world_free(w);
    return rc == WAX_OK ? 0 : -1;
}

struct dev_id dev(int n)
{
    struct dev_id d = {{0}};

    put_u32(d.b, (uint32_t)n * 2654435761U);
    put_u32(d.b + 12, (uint32_t)n);
    return d;
}

static struct point point(int n, uint8_t kind)
{
    struct point p = {{4}};

    p.b[1] = kind;
    put_u32(p.b + 61, (uint32_t)n);
    return p;
}

struct store_device device(int n)
{
    return (struct store_device){dev(n), point(n, 1), point(n, 2)};
}

struct acct_id account_id(const char *name)
{
    struct acct_id a = {{0}};

    memcpy(a.b, name, strlen(name));
    return a;
}

struct fanout_id fanout(uint64_t n)
{
    struct fanout_id f = {{0}};

    put_u64(f.b, n * 0x9e3779b97f4a7c15U);
    put_u64(f.b + 8, n);
    return f;
}

struct bundle_id bundle_id(int device_n, int generation)
{
    struct bundle_id b = {{0}};

    put_u32(b.b, (uint32_t)device_n);
    put_u32(b.b + 12, (uint32_t)generation);
    return b;
}

wax_rc run(struct world *w, struct store_req *req)
{
    req->now = w->now;
    return w->engine->run(w->store, req);
}

void submit_all(struct world *w, struct store_req *reqs, size_t n)
{
    wax_rc last = WAX_OK;

    for (size_t i = 0; i < n; i++) {
        if (i + 1 < n || w->engine->run != store_run)
            store_submit(w->store, &reqs[i]);
    }
    /* Requests of one handle complete in their order. */
    if (w->engine->run == store_run)
        last = store_run(w->store, &reqs[n - 1]);
    else
        assert_int_equal(store_memory_pump(w->store, 0), n);
    assert_true(last == WAX_OK || last == reqs[n - 1].rc);
}

void run_all(struct world *w, struct store_req *reqs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        reqs[i].now = w->now;
    submit_all(w, reqs, n);
}

static struct store_bundle bundle(int n, int generation, char record[64])
{
    snprintf(record, 64, "bundle %d of device %d", generation, n);
    return (struct store_bundle){dev(n), bundle_id(n, generation), (uint64_t)generation * 1000,
                                 BYTES_STR(record)};
}

wax_rc reg(struct world *w, const char *name, int n, const char *token)
{
    char handle[64], link[64], record[64];
    struct store_device d = device(n);

    snprintf(handle, sizeof handle, "%s@x", name);
    snprintf(link, sizeof link, "%s link 1", name);
    struct store_req req = {.op = STORE_REGISTER};
    req.u.reg.manifest = (struct store_manifest){.handle = handle,
                                                 .acct = account_id(name),
                                                 .seq = 1,
                                                 .hash = {{1}},
                                                 .opening = {{'o'}},
                                                 .chain_link = BYTES_STR(link),
                                                 .devices = &d,
                                                 .n_devices = 1};
    req.u.reg.bundle = bundle(n, 1, record);
    req.u.reg.need_invite = token != NULL;
    if (token)
        memcpy(req.u.reg.invite.b, token, strlen(token));
    return run(w, &req);
}

wax_rc publish(struct world *w, struct store_req *req, const char *name, uint32_t seq,
               const int *devices)
{
    char handle[64], link[64], records[STORE_DEVICES_MAX][64];
    struct store_device d[STORE_DEVICES_MAX];
    struct store_bundle b[STORE_DEVICES_MAX];
    size_t n = 0, n_bundles = 0;

    snprintf(handle, sizeof handle, "%s@x", name);
    snprintf(link, sizeof link, "%s link %u", name, seq);
    for (; devices[n]; n++) {
        d[n] = device(devices[n]);
        if (devices[n] >= 100 * (int)seq) {
            b[n_bundles] = bundle(devices[n], 1, records[n_bundles]);
            n_bundles++;
        }
    }
    *req = (struct store_req){.op = STORE_UPDATE};
    req->u.update.manifest = (struct store_manifest){.handle = handle,
                                                     .acct = account_id(name),
                                                     .seq = seq,
                                                     .hash = {{(uint8_t)seq}},
                                                     .opening = {{'o'}},
                                                     .chain_link = BYTES_STR(link),
                                                     .devices = d,
                                                     .n_devices = n};
    req->u.update.bundles = b;
    req->u.update.n_bundles = n_bundles;
    wax_rc rc = run(w, req);
    req->u.update.manifest = (struct store_manifest){0};
    req->u.update.bundles = NULL;
    return rc;
}

wax_rc put_bundle(struct world *w, int n, int generation)
{
    char record[64];
    struct store_req req = {.op = STORE_BUNDLE};

    req.u.bundle.bundle = bundle(n, generation, record);
    return run(w, &req);
}

static struct store_req send_req(struct world *w, int from, uint64_t f, struct store_envelope *e)
{
    struct store_req req = {.op = STORE_SEND};

    req.u.send = (struct store_send){.from = dev(from),
                                     .from_handle = w->from,
                                     .fanout = fanout(f),
                                     .envelopes = e,
                                     .n_envelopes = 1,
                                     .max_count = w->max_count,
                                     .max_bytes = w->max_bytes};
    return req;
}

enum store_result send(struct world *w, int from, int to, uint64_t f, const char *text)
{
    struct store_envelope e = {.to = dev(to), .envelope = BYTES_STR(text)};
    struct store_req req = send_req(w, from, f, &e);

    assert_int_equal(run(w, &req), WAX_OK);
    store_req_done(&req);
    return e.result;
}

wax_rc send_init(struct world *w, struct store_req *req, int from, int to, uint64_t f,
                 int generation)
{
    struct store_envelope e = {.to = dev(to),
                               .envelope = BYTES_STR("init"),
                               .init = true,
                               .bundle = bundle_id(to, generation)};
    *req = send_req(w, from, f, &e);
    wax_rc rc = run(w, req);
    req->u.send.envelopes = NULL;
    return rc;
}

wax_rc fetch(struct world *w, struct store_req *req, int n, uint64_t after)
{
    *req = (struct store_req){.op = STORE_FETCH};
    req->u.fetch.dev = dev(n);
    req->u.fetch.after = after;
    req->u.fetch.max_bytes = 1U << 30;
    return run(w, req);
}

size_t waiting(struct world *w, int n)
{
    struct store_req req;

    assert_int_equal(fetch(w, &req, n, 0), WAX_OK);
    size_t rows = req.u.fetch.n_rows;
    store_req_done(&req);
    return rows;
}

void ack(struct world *w, int n, uint64_t seq)
{
    struct store_req req = {.op = STORE_ACK};

    req.u.ack = (struct store_ack){dev(n), &seq, 1};
    assert_int_equal(run(w, &req), WAX_OK);
}

void sweep(struct world *w, struct store_req *req, uint64_t life)
{
    *req = (struct store_req){.op = STORE_SWEEP};
    req->u.sweep.message_life = life;
    assert_int_equal(run(w, req), WAX_OK);
}

void assert_envelope(const struct store_req *req, size_t k, const char *from, const char *text)
{
    assert_true(k < req->u.fetch.n_rows);
    const struct store_row *r = &req->u.fetch.rows[k];
    struct rd in = rd_init(buf_view(&r->rest));
    struct bytes hint = rd_lp(&in, 317);

    assert_int_equal(r->type, 1);
    assert_false(in.bad);
    assert_true(bytes_eq(hint, BYTES_STR(from)));
    assert_true(bytes_eq(BYTES(in.p, in.left), BYTES_STR(text)));
}

void assert_notice(const struct store_req *req, size_t k, uint64_t f, int to, uint64_t accepted_at,
                   int reason)
{
    assert_true(k < req->u.fetch.n_rows);
    const struct store_row *r = &req->u.fetch.rows[k];
    struct fanout_id id = fanout(f);
    struct dev_id d = dev(to);

    assert_int_equal(r->type, 2);
    assert_int_equal(r->rest.n, 41);
    assert_memory_equal(r->rest.p, id.b, 16);
    assert_memory_equal(r->rest.p + 16, d.b, 16);
    assert_int_equal(get_u64(r->rest.p + 32), accepted_at);
    assert_int_equal(r->rest.p[40], reason);
}

void assert_expired(const struct store_req *req, size_t k, uint32_t count)
{
    assert_true(k < req->u.fetch.n_rows);
    assert_int_equal(req->u.fetch.rows[k].type, 4);
    assert_int_equal(req->u.fetch.rows[k].rest.n, 4);
    assert_int_equal(get_u32(req->u.fetch.rows[k].rest.p), count);
}

bool has_dev(const struct buf_list *l, int n)
{
    struct dev_id d = dev(n);

    for (size_t i = 0; i < l->n; i++) {
        if (bytes_eq(buf_view(&l->v[i]), BYTES_OF(d.b)))
            return true;
    }
    return false;
}
