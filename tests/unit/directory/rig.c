#include "rig.h"

#include <jansson.h>

#include "base/text.h"
#include "crypto/crypto.h"
#include "store/sqlite.h"

/* --- the store in front of the memory twin --- */

static struct rig *rig_of(struct store *s) { return (struct rig *)(void *)s; }

static void front_submit(struct store *s, struct store_req *req)
{
    struct rig *g = rig_of(s);

    if (!g->fail && !g->sqlite) {
        store_submit(g->memory, req);
        return;
    }
    if (!g->fail) {
        req->next = NULL;
        *g->queue_end = req;
        g->queue_end = &req->next;
        return;
    }
    req->next = g->failed;
    g->failed = req;
}

static void front_close(struct store *s) { (void)s; }

static const struct store_ops front_ops = {front_submit, front_close};

static bool pump_sqlite(struct rig *g)
{
    struct store_req *req = g->queue;

    if (!req)
        return false;
    g->queue = req->next;
    if (!g->queue)
        g->queue_end = &g->queue;
    void (*done)(struct store_req *) = req->done;
    void *ctx = req->ctx;
    req->rc = store_run(g->sqlite, req);
    req->ctx = ctx;
    req->done = done;
    done(req);
    return true;
}

void rig_pump(struct rig *g)
{
    do {
        while (pump_sqlite(g))
            ;
        while (g->failed) {
            struct store_req *req = g->failed;
            g->failed = req->next;
            req->rc = WAX_E_IO;
            req->done(req);
        }
    } while (store_memory_pump(g->memory, 0) || g->failed || g->queue);
}

/* --- the carrier --- */

static struct answer *answer_of(struct http_responder *r) { return (struct answer *)(void *)r; }

static void on_start(struct http_responder *r, int status, const char *type, unsigned retry)
{
    struct answer *a = answer_of(r);

    assert_false(a->started);
    a->started = true;
    a->status = status;
    a->retry_after = retry;
    snprintf(a->type, sizeof a->type, "%s", type ? type : "");
}

static void on_write(struct http_responder *r, struct bytes piece)
{
    struct answer *a = answer_of(r);

    assert_true(a->started && !a->ended);
    assert_string_not_equal(a->type, "");
    buf_bytes(&a->body, piece);
    assert_int_equal(buf_rc(&a->body), WAX_OK);
}

static size_t on_pending(struct http_responder *r) { return answer_of(r)->pending; }

static void on_end(struct http_responder *r)
{
    struct answer *a = answer_of(r);

    assert_true(a->started && !a->ended);
    a->ended = true;
}

static const struct http_responder_ops carrier = {on_start, on_write, on_pending, on_end};

void answer_done(struct answer *a)
{
    buf_done(&a->body);
    *a = (struct answer){.status = 0};
}

/* --- the rig --- */

static void on_revoked(void *ctx, const struct point *dtk)
{
    struct rig *g = ctx;

    assert_true(g->n_revoked < 8);
    g->revoked[g->n_revoked++] = *dtk;
}

void rig_start(struct rig *g, bool open)
{
    memset(g, 0, sizeof *g);
    g->front.ops = &front_ops;
    g->queue_end = &g->queue;
    g->now = NOW;
    server_conf_default(&g->conf, "example.org");
    g->conf.registration_open = open;
    assert_int_equal(store_memory_new(&g->memory), WAX_OK);
    assert_int_equal(server_new(&g->conf, &g->front, &g->server), WAX_OK);
    server_set_revoked(g->server, on_revoked, g);
    server_tick(g->server, g->now);
    rig_pump(g);
}

void rig_stop(struct rig *g)
{
    size_t requests, streams;

    rig_pump(g);
    server_load(g->server, &requests, &streams);
    assert_int_equal(requests, 0);
    server_free(g->server);
    store_close(g->memory);
    ec_free(g->log_key);
}

static void on_log_trouble(void *ctx, wax_rc rc, const char *what)
{
    assert_true(strlen(what) > 0);
    ((struct rig *)ctx)->log_trouble = rc;
}

void rig_keep_log(struct rig *g, uint8_t key)
{
    struct key32 scalar = {{0}};

    scalar.b[31] = key;
    ec_free(g->log_key);
    g->log_key = NULL;
    assert_int_equal(ec_from_scalar(&scalar, &g->log_key), WAX_OK);
    struct directory_log log = {
        .key = g->log_key, .rng = people_rng(key), .trouble = on_log_trouble, .ctx = g};
    server_keep_log(g->server, &log);
    server_tick(g->server, g->now);
    rig_pump(g);
}

void rig_restart(struct rig *g, uint8_t log_key)
{
    store_memory_crash(g->memory);
    g->failed = g->queue = NULL;
    g->queue_end = &g->queue;
    server_free(g->server);
    assert_int_equal(server_new(&g->conf, &g->front, &g->server), WAX_OK);
    server_set_revoked(g->server, on_revoked, g);
    if (log_key)
        rig_keep_log(g, log_key);
    server_tick(g->server, g->now);
    rig_pump(g);
}

void rig_wait(struct rig *g, uint64_t ms)
{
    uint64_t until = g->now + ms;

    for (;;) {
        uint64_t next = server_next_wake(g->server);
        g->now = next > until ? until : next > g->now ? next : g->now + 1;
        server_tick(g->server, g->now);
        rig_pump(g);
        if (g->now >= until)
            return;
    }
}

static void ignore(struct store_req *req) { *(bool *)req->ctx = true; }

void rig_invite(struct rig *g, uint32_t uses, uint64_t expires, char token[32])
{
    uint8_t raw[16] = {(uint8_t)uses, 7, 7};
    struct buf text = {0};
    bool done = false;
    struct store_req req = {.op = STORE_INVITE_ADD, .now = g->now, .done = ignore, .ctx = &done};

    req.u.invites.invite = (struct store_invite){.uses_left = uses, .expires = expires};
    req.u.invites.invite.id[0] = (uint8_t)uses;
    assert_int_equal(hash_raw(&req.u.invites.invite.token_hash, PARTS(BYTES_OF(raw))), WAX_OK);
    store_submit(g->memory, &req);
    rig_pump(g);
    assert_true(done);
    assert_int_equal(req.rc, WAX_OK);
    base64url_encode(&text, BYTES_OF(raw));
    snprintf(token, 32, "%s", buf_cstr(&text));
    buf_done(&text);
}

void rig_ask(struct rig *g, const struct who *who, const char *method, const char *path,
             struct bytes body, struct answer *a)
{
    const char *q = strchr(path, '?');
    char bare[512];
    struct http_request req = {.method = method, .query = q ? q + 1 : "", .device = who->device};

    snprintf(bare, sizeof bare, "%.*s", q ? (int)(q - path) : (int)strlen(path), path);
    req.path = bare;
    req.body = body;
    req.source = who->source ? who->source : "192.0.2.1";
    if (who->key) {
        req.has_client_key = true;
        req.client_key = *who->key;
    }
    assert_null(a->body.p);
    *a = (struct answer){.r = {&carrier}};
    const struct http_handler *h = server_handler(g->server);
    server_tick(g->server, g->now);
    h->request(h->ctx, &req, &a->r);
    if (!g->hold)
        rig_pump(g);
}

static void device_text(const struct device_keys *k, char out[33])
{
    struct buf hex = {0};

    buf_hex(&hex, BYTES_OF(k->dev.b));
    snprintf(out, 33, "%s", buf_cstr(&hex));
    buf_done(&hex);
}

void rig_call(struct rig *g, const struct device_keys *as, const char *method, const char *path,
              struct bytes body, struct answer *a)
{
    char device[33];
    struct who who = {0};

    if (as) {
        device_text(as, device);
        who.key = ec_public(as->dtk);
        who.device = device;
    }
    rig_ask(g, &who, method, path, body, a);
}

static void check_form(const struct answer *a)
{
    if (a->status < 400 || strcmp(a->type, HTTP_PROBLEM_TYPE) != 0)
        return;
    json_t *doc = json_loadb((const char *)a->body.p, a->body.n, 0, NULL);
    assert_non_null(doc);
    assert_int_equal(json_integer_value(json_object_get(doc, "status")), a->status);
    assert_true(json_is_string(json_object_get(doc, "title")));
    json_decref(doc);
}

int rig_status(struct rig *g, const struct device_keys *as, const char *method, const char *path,
               struct bytes body)
{
    struct answer a = {.status = 0};

    rig_call(g, as, method, path, body, &a);
    assert_true(a.ended);
    check_form(&a);
    int status = a.status;
    answer_done(&a);
    return status;
}

void expect_problem(const struct answer *a, int status, const char *name)
{
    char type[64];

    check_form(a);
    assert_int_equal(a->status, status);
    assert_string_equal(a->type, HTTP_PROBLEM_TYPE);
    json_t *doc = json_loadb((const char *)a->body.p, a->body.n, 0, NULL);
    snprintf(type, sizeof type, "urn:waxwing:%s", name);
    assert_string_equal(json_string_value(json_object_get(doc, "type")), type);
    json_decref(doc);
}

void rig_expect(struct rig *g, const struct device_keys *as, const char *method, const char *path,
                struct bytes body, int status, const char *name)
{
    struct answer a = {.status = 0};

    rig_call(g, as, method, path, body, &a);
    assert_true(a.ended);
    expect_problem(&a, status, name);
    answer_done(&a);
}

void rig_hang_up(struct rig *g, struct answer *a)
{
    const struct http_handler *h = server_handler(g->server);

    h->gone(h->ctx, &a->r);
}

/* --- bodies --- */

static ProtobufCBinaryData pb(struct bytes x)
{
    return (ProtobufCBinaryData){x.n, (uint8_t *)(uintptr_t)x.p};
}

void body_register(struct buf *out, struct bytes link, struct bytes bundle, const char *token)
{
    Wax__V1__RegisterRequest m = WAX__V1__REGISTER_REQUEST__INIT;

    m.chain_link = pb(link);
    m.bundle_record = pb(bundle);
    m.admission = pb(BYTES_STR(token));
    assert_int_equal(proto_pack(&m.base, out), WAX_OK);
}

void body_update(struct buf *out, struct bytes link, const struct prekey *bundles, size_t n)
{
    Wax__V1__UpdateRequest m = WAX__V1__UPDATE_REQUEST__INIT;
    ProtobufCBinaryData v[MANIFEST_DEVICES_MAX];

    for (size_t i = 0; i < n; i++)
        v[i] = pb(BYTES_OF(bundles[i].record));
    m.chain_link = pb(link);
    m.bundle_records = v;
    m.n_bundle_records = n;
    assert_int_equal(proto_pack(&m.base, out), WAX_OK);
}

void body_bundle(struct buf *out, struct bytes record)
{
    Wax__V1__BundleRequest m = WAX__V1__BUNDLE_REQUEST__INIT;

    m.bundle_record = pb(record);
    assert_int_equal(proto_pack(&m.base, out), WAX_OK);
}

void rig_register(struct rig *g, struct person *p)
{
    struct buf body = {0};

    body_register(&body, buf_view(&p->links[0]), BYTES_OF(p->prekey.record), "");
    assert_int_equal(rig_status(g, &p->keys, "POST", "/v1/accounts", buf_view(&body)), 200);
    buf_done(&body);
}

void rig_publish(struct rig *g, struct person *p, const struct prekey *bundles, size_t n)
{
    struct buf body = {0};
    char path[400];

    snprintf(path, sizeof path, "/v1/directory/%s", p->head.manifest.handle);
    body_update(&body, buf_view(&p->links[p->n_links - 1]), bundles, n);
    assert_int_equal(rig_status(g, &p->keys, "POST", path, buf_view(&body)), 200);
    buf_done(&body);
}

void rig_add_device(struct rig *g, struct person *p, const char *name, struct device_keys *ret,
                    uint64_t seed)
{
    struct rng rng = people_rng(seed + 1000);
    struct prekey first;

    person_add_device(p, name, ret, seed);
    assert_int_equal(prekey_make(ret, &rng, NOW, 0, &first), WAX_OK);
    rig_publish(g, p, &first, 1);
    prekey_done(&first);
}

/* --- fan-outs --- */

void parcel_pack(const struct parcel *p, struct buf *out)
{
    static const uint8_t ct[KEM1024_CT_SIZE];
    uint8_t body[BODY_MIN] = {1};
    struct env_hdr h = {.type = ENV_MSG, .from = p->from, .to = p->to, .epoch = 1};
    struct env_fanout f = {.id = p->fanout};
    struct buf hdr = {0};

    h.e.b[0] = 4;
    if (p->init) {
        h.type = ENV_INIT;
        h.epoch = 0;
        h.flags = ENV_FLAG_CT;
        h.bundle = *p->init;
        h.ct = BYTES_OF(ct);
    }
    assert_int_equal(env_hdr_encode(&h, &hdr), WAX_OK);
    assert_int_equal(envelope_encode(buf_view(&hdr), BYTES_OF(body), &f, out), WAX_OK);
    buf_done(&hdr);
}

void fan_start(struct fan *f, uint8_t id)
{
    memset(f, 0, sizeof *f);
    f->id.b[0] = id;
}

void fan_account(struct fan *f, const struct person *p)
{
    f->accounts[f->n_accounts++] =
        (struct store_acct_seq){p->head.manifest.acct, p->head.manifest.seq};
}

void fan_add(struct fan *f, const struct device_keys *from, const struct dev_id *to)
{
    parcel_pack(&(struct parcel){from->dev, *to, f->id, NULL}, &f->envelopes[f->n]);
    f->to[f->n++] = *to;
}

void fan_pack(const struct fan *f, struct buf *out)
{
    Wax__V1__SendRequest m = WAX__V1__SEND_REQUEST__INIT;
    Wax__V1__AccountSeq acct[8], *pa[8];
    Wax__V1__DeviceEnvelope env[32], *pe[32];

    for (size_t i = 0; i < f->n_accounts; i++) {
        wax__v1__account_seq__init(&acct[i]);
        acct[i].acct_id = pb(BYTES_OF(f->accounts[i].acct.b));
        acct[i].seq = f->accounts[i].seq;
        pa[i] = &acct[i];
    }
    for (size_t i = 0; i < f->n; i++) {
        wax__v1__device_envelope__init(&env[i]);
        env[i].dev_id = pb(BYTES_OF(f->to[i].b));
        env[i].envelope = pb(buf_view(&f->envelopes[i]));
        pe[i] = &env[i];
    }
    m.fanout_id = pb(BYTES_OF(f->id.b));
    m.accounts = pa;
    m.n_accounts = f->n_accounts;
    m.envelopes = pe;
    m.n_envelopes = f->n;
    assert_int_equal(proto_pack(&m.base, out), WAX_OK);
}

void fan_done(struct fan *f)
{
    for (size_t i = 0; i < f->n; i++)
        buf_done(&f->envelopes[i]);
    f->n = 0;
}

int fan_post(struct rig *g, struct fan *f, const struct device_keys *from, struct answer *a)
{
    struct buf body = {0};

    fan_pack(f, &body);
    rig_call(g, from, "POST", "/v1/messages", buf_view(&body), a);
    buf_done(&body);
    return a->status;
}

Wax__V1__SendReply *fan_reply(const struct answer *a)
{
    ProtobufCMessage *m = NULL;

    assert_int_equal(a->status, 202);
    assert_int_equal(
        proto_unpack(&wax__v1__send_reply__descriptor, buf_view(&a->body), API_BODY_MAX, &m),
        WAX_OK);
    return (Wax__V1__SendReply *)(void *)m;
}

bool next_frame(struct answer *a, size_t *at, struct frame *ret)
{
    struct bytes in = {a->body.p + *at, a->body.n - *at};
    size_t before = in.n;

    if (before == 0)
        return false;
    wax_rc rc = frame_next(&in, ret);
    if (rc == WAX_E_WAIT)
        return false;
    assert_int_equal(rc, WAX_OK);
    *at += before - in.n;
    return true;
}
