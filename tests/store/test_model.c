/* The memory twin is the model: the same seeded sequence of requests gives the same
 * outputs from SQLite, whatever the requests are and however they are batched. */
#include "harness.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum { REQUESTS = 20000, GROUP_MAX = 64, PEOPLE = 8, DEVICES = 400 };

/* What the test itself remembers, to make requests that often succeed. */
struct person {
    uint32_t seq; /* 0: not registered */
    int devices[6];
    size_t n;
};

/* One request with all it points to, so that it can be given to both engines. */
struct job {
    struct store_req req;
    uint32_t who; /* of a manifest, and what he is if it is taken */
    struct person next;
    char handle[32], link[64], records[4][64], body[4][200];
    struct store_device devices[6];
    struct store_bundle bundles[4];
    struct store_envelope envelopes[4];
    struct store_acct_seq accounts[3];
    uint64_t seqs[8];
    uint8_t sealed[64];
};

struct maker {
    uint64_t seed, now;
    struct person people[PEOPLE];
    int generation[DEVICES];
};

static uint32_t draw(struct maker *m, uint32_t below)
{
    m->seed = m->seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(m->seed >> 33) % below;
}

/* Mostly one that is in use. */
static int a_device(struct maker *m)
{
    const struct person *p = &m->people[draw(m, PEOPLE)];

    return p->n && draw(m, 8) ? p->devices[draw(m, (uint32_t)p->n)] : 1 + (int)draw(m, DEVICES - 1);
}

static void name_of(struct job *j, uint32_t p)
{
    snprintf(j->handle, sizeof j->handle, "p%u@x", p);
}

static struct acct_id acct_of(uint32_t p)
{
    char name[16];

    snprintf(name, sizeof name, "p%u", p);
    return account_id(name);
}

static struct store_bundle make_bundle(char record[64], int n, int generation)
{
    snprintf(record, 64, "bundle %d of %d", generation, n);
    return (struct store_bundle){dev(n), bundle_id(n, generation), (uint64_t)generation * 100,
                                 BYTES_STR(record)};
}

static void make_register(struct maker *m, struct job *j)
{
    uint32_t p = draw(m, PEOPLE);
    int n = 1 + (int)draw(m, DEVICES - 1);

    name_of(j, p);
    snprintf(j->link, sizeof j->link, "p%u 1 %d", p, n);
    j->devices[0] = device(n);
    j->req.op = STORE_REGISTER;
    j->req.u.reg.manifest = (struct store_manifest){.handle = j->handle,
                                                    .acct = acct_of(p),
                                                    .seq = 1,
                                                    .chain_link = BYTES_STR(j->link),
                                                    .devices = j->devices,
                                                    .n_devices = 1};
    j->req.u.reg.bundle = make_bundle(j->records[0], n, 1);
    j->req.u.reg.need_invite = draw(m, 3) == 0;
    j->req.u.reg.invite.b[0] = (uint8_t)draw(m, 6);
    j->who = p;
    j->next = (struct person){1, {n}, 1};
}

static void make_update(struct maker *m, struct job *j)
{
    uint32_t p = draw(m, PEOPLE);
    const struct person *who = &m->people[p];
    struct person next = {.seq = who->seq + (draw(m, 8) != 0)};
    size_t n_bundles = 0;

    for (size_t i = 0; i < who->n; i++) {
        if (draw(m, 5))
            next.devices[next.n++] = who->devices[i];
    }
    size_t kept = next.n;
    if (next.n < 5 && (next.n == 0 || draw(m, 2)))
        next.devices[next.n++] = 1 + (int)draw(m, DEVICES - 1);
    name_of(j, p);
    snprintf(j->link, sizeof j->link, "p%u %u %d", p, next.seq, next.devices[next.n - 1]);
    for (size_t i = 0; i < next.n; i++) {
        j->devices[i] = device(next.devices[i]);
        if (i >= kept && draw(m, 4)) {
            j->bundles[n_bundles] = make_bundle(j->records[n_bundles], next.devices[i], 1);
            n_bundles++;
        }
    }
    j->req.op = STORE_UPDATE;
    j->req.u.update.manifest = (struct store_manifest){.handle = j->handle,
                                                       .acct = acct_of(p),
                                                       .seq = next.seq,
                                                       .chain_link = BYTES_STR(j->link),
                                                       .devices = j->devices,
                                                       .n_devices = next.n};
    j->req.u.update.bundles = j->bundles;
    j->req.u.update.n_bundles = n_bundles;
    j->who = p;
    j->next = next;
}

static void make_send(struct maker *m, struct job *j)
{
    struct store_send *s = &j->req.u.send;

    j->req.op = STORE_SEND;
    *s = (struct store_send){.from = dev(a_device(m)),
                             .from_handle = j->handle,
                             .fanout = fanout(draw(m, 4000)),
                             .accounts = j->accounts,
                             .n_accounts = draw(m, 3),
                             .envelopes = j->envelopes,
                             .n_envelopes = 1 + draw(m, 4),
                             .max_count = 12,
                             .max_bytes = 1500};
    name_of(j, draw(m, PEOPLE));
    for (size_t i = 0; i < s->n_accounts; i++) {
        uint32_t p = draw(m, PEOPLE);
        uint32_t seq = m->people[p].seq;
        j->accounts[i] = (struct store_acct_seq){acct_of(p), draw(m, 5) ? seq : seq / 2};
    }
    for (size_t i = 0; i < s->n_envelopes; i++) {
        int n = a_device(m);
        size_t size = draw(m, sizeof j->body[0]);
        memset(j->body[i], (int)draw(m, 256), size);
        j->envelopes[i] =
            (struct store_envelope){.to = dev(n), .envelope = BYTES(j->body[i], size)};
        if (draw(m, 6) == 0) {
            int g = m->generation[n] + 1 - (int)draw(m, 3);
            j->envelopes[i].init = true;
            j->envelopes[i].bundle = bundle_id(n, g < 1 ? 1 : g);
        }
    }
}

static void make_small(struct maker *m, struct job *j)
{
    int n = a_device(m);

    switch (draw(m, 6)) {
    case 0:
        j->req.op = STORE_BUNDLE;
        m->generation[n] += (int)draw(m, 2);
        j->req.u.bundle.bundle = make_bundle(j->records[0], n, m->generation[n] + 1);
        return;
    case 1:
        j->req.op = draw(m, 2) ? STORE_COUNTER_PUT : STORE_COUNTER_GET;
        j->req.u.counter.dev = dev(n);
        j->req.u.counter.n = 40;
        put_u64(j->req.u.counter.record, draw(m, 50));
        return;
    case 2:
        j->req.op = draw(m, 3) ? STORE_INVITE_LIST : STORE_INVITE_REMOVE;
        j->req.u.invites.invite.id[0] = (uint8_t)draw(m, 6);
        return;
    case 3:
        j->req.op = STORE_INVITE_ADD;
        j->req.u.invites.invite = (struct store_invite){
            {(uint8_t)draw(m, 6)}, {{(uint8_t)draw(m, 6)}}, draw(m, 4), m->now + draw(m, 2 * DAY)};
        return;
    default:
        j->req.op = draw(m, 3) ? STORE_LINK_POST : STORE_LINK_GET;
        j->sealed[0] = (uint8_t)(1 + draw(m, 4));
        j->sealed[1] = (uint8_t)draw(m, 256);
        j->req.u.link = (struct store_link){.rid = {(uint8_t)draw(m, 6)},
                                            .sealed = BYTES_OF(j->sealed),
                                            .life_ms = 20 * HOUR,
                                            .max = 3};
    }
}

static void make_read(struct maker *m, struct job *j)
{
    int n = a_device(m);

    switch (draw(m, 4)) {
    case 0:
        j->req.op = STORE_LOOKUP;
        name_of(j, draw(m, PEOPLE));
        if (draw(m, 2))
            j->req.u.lookup.handle = j->handle;
        else
            j->req.u.lookup.acct = acct_of(draw(m, PEOPLE));
        j->req.u.lookup.after = draw(m, 6);
        return;
    case 1:
        j->req.op = STORE_DEVICE;
        j->req.u.device.dev = dev(n);
        return;
    default:
        j->req.op = STORE_FETCH;
        j->req.u.fetch = (struct store_fetch){
            .dev = dev(n), .after = draw(m, 2) ? 0 : draw(m, 60), .max_bytes = draw(m, 2000)};
    }
}

static void make_ack(struct maker *m, struct job *j)
{
    j->req.op = STORE_ACK;
    for (size_t i = 0; i < 8; i++)
        j->seqs[i] = draw(m, 80);
    j->req.u.ack = (struct store_ack){dev(a_device(m)), j->seqs, draw(m, 9)};
}

static void make(struct maker *m, struct job *j)
{
    uint32_t k = draw(m, 100);

    memset(j, 0, sizeof *j);
    m->now += draw(m, 10) ? draw(m, 60000) : draw(m, (uint32_t)(2 * HOUR));
    if (k < 5)
        make_register(m, j);
    else if (k < 9)
        make_update(m, j);
    else if (k < 50)
        make_send(m, j);
    else if (k < 65)
        make_small(m, j);
    else if (k < 83)
        make_read(m, j);
    else if (k < 95)
        make_ack(m, j);
    else {
        j->req.op = STORE_SWEEP;
        j->req.u.sweep.message_life = draw(m, 3) ? DAY : WEEK;
    }
    j->req.now = m->now;
}

/* --- what came back, as bytes --- */
static void put_list(struct buf *b, const struct buf_list *l)
{
    buf_u32(b, (uint32_t)l->n);
    for (size_t i = 0; i < l->n; i++)
        buf_lp(b, buf_view(&l->v[i]));
}

static int by_bytes(const void *x, const void *y)
{
    return memcmp(((const struct buf *)x)->p, ((const struct buf *)y)->p, 16);
}

/* Whom to wake is a set. */
static void put_set(struct buf *b, struct buf_list *l)
{
    if (l->n)
        qsort(l->v, l->n, sizeof *l->v, by_bytes);
    put_list(b, l);
}

static void put_lookup(struct buf *b, const struct store_lookup *l)
{
    buf_add(b, l->acct.b, sizeof l->acct.b);
    buf_str(b, l->handle_out);
    buf_u32(b, l->seq);
    buf_u32(b, l->first);
    put_list(b, &l->links);
    put_list(b, &l->bundles);
    buf_lp(b, buf_view(&l->newest_link));
}

static void put_fetch(struct buf *b, const struct store_fetch *f)
{
    buf_u64(b, f->last_seq);
    for (size_t i = 0; i < f->n_rows; i++) {
        buf_u64(b, f->rows[i].seq);
        buf_u64(b, f->rows[i].time);
        buf_u8(b, f->rows[i].type);
        buf_lp(b, buf_view(&f->rows[i].rest));
    }
}

static void put_send(struct buf *b, const struct store_send *s, wax_rc rc)
{
    buf_u32(b, (uint32_t)s->n_stale);
    for (size_t i = 0; i < s->n_stale; i++) {
        buf_add(b, s->stale[i].acct.b, 32);
        buf_u32(b, s->stale[i].seq);
    }
    put_list(b, &s->newer_bundles);
    for (size_t i = 0; rc == WAX_OK && i < s->n_envelopes; i++)
        buf_u8(b, (uint8_t)s->envelopes[i].result);
}

static void put_invites(struct buf *b, const struct store_invites *l)
{
    for (size_t i = 0; i < l->n; i++) {
        buf_add(b, l->list[i].id, 8);
        buf_add(b, l->list[i].token_hash.b, 32);
        buf_u32(b, l->list[i].uses_left);
        buf_u64(b, l->list[i].expires);
    }
}

static void result(struct buf *b, struct store_req *r)
{
    buf_u8(b, (uint8_t)r->op);
    buf_u8(b, (uint8_t)-r->rc);
    switch (r->op) {
    case STORE_UPDATE:
        for (size_t i = 0; i < r->u.update.n_removed; i++)
            buf_add(b, r->u.update.removed[i].b, 16);
        put_set(b, &r->u.update.notified);
        break;
    case STORE_LOOKUP:
        put_lookup(b, &r->u.lookup);
        break;
    case STORE_DEVICE:
        buf_add(b, r->u.device.acct.b, 32);
        buf_str(b, r->u.device.handle);
        buf_add(b, r->u.device.dsk.b, 65);
        break;
    case STORE_COUNTER_GET:
        buf_u8(b, (uint8_t)r->u.counter.n);
        buf_add(b, r->u.counter.record, r->u.counter.n);
        break;
    case STORE_SEND:
        put_send(b, &r->u.send, r->rc);
        break;
    case STORE_FETCH:
        put_fetch(b, &r->u.fetch);
        break;
    case STORE_SWEEP:
        buf_u32(b, (uint32_t)r->u.sweep.expired);
        buf_u8(b, r->u.sweep.more);
        put_set(b, &r->u.sweep.notified);
        break;
    case STORE_INVITE_LIST:
        put_invites(b, &r->u.invites);
        break;
    case STORE_LINK_GET:
        put_list(b, &r->u.link.records);
        break;
    default:
        break;
    }
    assert_int_equal(buf_rc(b), WAX_OK);
}

static void run_group(struct world *w, struct job *jobs, size_t n, struct buf *out)
{
    static struct store_req reqs[GROUP_MAX];

    for (size_t i = 0; i < n; i++) {
        reqs[i] = jobs[i].req;
        for (size_t k = 0; k < 4; k++)
            jobs[i].envelopes[k].result = 0;
    }
    submit_all(w, reqs, n);
    for (size_t i = 0; i < n; i++) {
        result(&out[i], &reqs[i]);
        store_req_done(&reqs[i]);
    }
}

static void both_engines_answer_alike(void **state)
{
    struct world *m = world_new(&engine_memory), *s = world_new(&engine_sqlite);
    static struct job jobs[GROUP_MAX];
    struct maker mk = {.seed = *(const uint64_t *)*state, .now = 1000 * DAY};
    size_t seen[STORE_CHECK + 1][32] = {{0}};

    for (size_t at = 0; at < REQUESTS;) {
        size_t n = 1 + draw(&mk, GROUP_MAX);
        struct buf want[GROUP_MAX] = {{0}}, got[GROUP_MAX] = {{0}};
        for (size_t i = 0; i < n; i++)
            make(&mk, &jobs[i]);
        run_group(m, jobs, n, want);
        run_group(s, jobs, n, got);
        for (size_t i = 0; i < n; i++) {
            if (!bytes_eq(buf_view(&want[i]), buf_view(&got[i])))
                fail_msg("request %zu (op %d): memory %d, sqlite %d", at + i, jobs[i].req.op,
                         -want[i].p[1], -got[i].p[1]);
            seen[want[i].p[0]][want[i].p[1]]++;
            if (jobs[i].next.n && want[i].p[1] == 0)
                mk.people[jobs[i].who] = jobs[i].next;
            buf_done(&want[i]);
            buf_done(&got[i]);
        }
        at += n;
        if (draw(&mk, 100) == 0)
            world_reopen(s);
    }
    print_message("updates %zu, sends %zu, conflicts %zu, fetches %zu, acks %zu\n",
                  seen[STORE_UPDATE][0], seen[STORE_SEND][0], seen[STORE_SEND][-WAX_E_CONFLICT],
                  seen[STORE_FETCH][0], seen[STORE_ACK][0]);
    /* The sequence did go everywhere. */
    assert_true(seen[STORE_REGISTER][0] && seen[STORE_REGISTER][-WAX_E_EXISTS]);
    assert_true(seen[STORE_UPDATE][0] && seen[STORE_UPDATE][-WAX_E_CONFLICT]);
    assert_true(seen[STORE_SEND][0] && seen[STORE_SEND][-WAX_E_CONFLICT]);
    assert_true(seen[STORE_UPDATE][-WAX_E_EXISTS] && seen[STORE_REGISTER][-WAX_E_DENIED]);
    assert_true(seen[STORE_BUNDLE][0] > 50 && seen[STORE_COUNTER_PUT][-WAX_E_CONFLICT]);
    assert_true(seen[STORE_LINK_POST][0] && seen[STORE_LINK_POST][-WAX_E_FULL]);
    assert_true(seen[STORE_FETCH][0] > 500 && seen[STORE_ACK][0] > 500);
    world_free(m);
    world_free(s);
}

static size_t allocations_left;

static int fail_when_none_is_left(size_t n)
{
    (void)n;
    return allocations_left == 0 || --allocations_left == 0;
}

/* Runs the request with its first, second, ... allocation failing, until none does. */
static size_t run_short_of_memory(struct world *w, struct job *j, struct store_req *req)
{
    for (size_t k = 1;; k++) {
        *req = j->req;
        for (size_t i = 0; i < 4; i++)
            j->envelopes[i].result = 0;
        allocations_left = k;
        mem_set_fault(fail_when_none_is_left);
        wax_rc rc = w->engine->run(w->store, req);
        mem_set_fault(NULL);
        if (rc != WAX_E_NOMEM) {
            assert_true(allocations_left > 0);
            return k;
        }
        store_req_done(req);
    }
}

static void what_runs_out_of_memory_was_not_done(void **state)
{
    struct world *reference = world_new(&engine_memory), *w = world_new(*state);
    struct maker mk = {.seed = 7, .now = 1000 * DAY};
    static struct job j;
    size_t failures = 0;

    for (size_t at = 0; at < 1200; at++) {
        struct buf want = {0}, got = {0};
        struct store_req req;
        make(&mk, &j);
        run_group(reference, &j, 1, &want);
        failures += run_short_of_memory(w, &j, &req) - 1;
        result(&got, &req);
        store_req_done(&req);
        if (!bytes_eq(buf_view(&want), buf_view(&got)))
            fail_msg("request %zu (op %d): reference %d, here %d", at, j.req.op, -want.p[1],
                     -got.p[1]);
        if (j.next.n && want.p[1] == 0)
            mk.people[j.who] = j.next;
        buf_done(&want);
        buf_done(&got);
    }
    print_message("%zu allocations failed\n", failures);
    assert_true(failures > 500);
    world_free(reference);
    world_free(w);
}

int main(void)
{
    static uint64_t seeds[] = {1, 20261125};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(both_engines_answer_alike, &seeds[0]),
        cmocka_unit_test_prestate(both_engines_answer_alike, &seeds[1]),
        cmocka_unit_test_prestate(what_runs_out_of_memory_was_not_done,
                                  (void *)(uintptr_t)&engine_memory),
        cmocka_unit_test_prestate(what_runs_out_of_memory_was_not_done,
                                  (void *)(uintptr_t)&engine_sqlite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
