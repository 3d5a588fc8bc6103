/* Stories of the directory's log: numbered changes, numbered values, functions that run inside
 * a transaction. */
#include "harness.h"

#include <stdio.h>

struct script {
    const char *put;   /* this text … */
    uint64_t at;       /* … at that number of STORE_LOG_NODES; 0: nothing */
    uint64_t drop;     /* 0: nothing */
    wax_rc result;     /* then this */
    wax_rc put_result; /* out */
    int calls;
};

static wax_rc play(void *ctx, const struct store_log *log)
{
    struct script *s = ctx;

    s->calls++;
    if (s->at) {
        s->put_result = log->put(log->ctx, STORE_LOG_NODES, s->at, BYTES_STR(s->put));
        if (s->put_result != WAX_OK)
            return s->put_result;
    }
    if (s->drop) {
        wax_rc rc = log->drop(log->ctx, STORE_LOG_NODES, s->drop);
        if (rc != WAX_OK)
            return rc;
    }
    return s->result;
}

static wax_rc run_script(struct world *w, enum store_op op, struct script *s)
{
    struct store_req req = {.op = op};

    req.u.log = (struct store_log_run){play, s};
    return run(w, &req);
}

struct look {
    enum store_log_table t;
    uint64_t key;
    struct store_log_value value;
};

static wax_rc look(void *ctx, const struct store_log *log)
{
    struct look *l = ctx;

    return log->get(log->ctx, l->t, l->key, &l->value);
}

static wax_rc value_at(struct world *w, enum store_log_table t, uint64_t key, const char *text)
{
    struct look l = {.t = t, .key = key};
    struct store_req req = {.op = STORE_LOG_READ};

    req.u.log = (struct store_log_run){look, &l};
    wax_rc rc = run(w, &req);
    if (rc == WAX_OK)
        assert_true(bytes_eq(BYTES(l.value.b, l.value.n), BYTES_STR(text)));
    return rc;
}

static void a_value_is_kept_by_its_number(void **state)
{
    struct world *w = *state;

    assert_int_equal(value_at(w, STORE_LOG_NODES, 7, ""), WAX_E_NOTFOUND);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &(struct script){"seven", 7}), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 7, "seven"), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_HASHES, 7, ""), WAX_E_NOTFOUND);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &(struct script){"sieben", 7}), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 7, "sieben"), WAX_OK);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &(struct script){.drop = 7}), WAX_OK);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &(struct script){.drop = 7}), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 7, ""), WAX_E_NOTFOUND);
}

static void numbers_and_values_have_their_bounds(void **state)
{
    static char long_text[STORE_LOG_VALUE_MAX + 2];
    struct world *w = *state;
    struct script high = {"x", STORE_LOG_KEY_MAX}, too_high = {"x", STORE_LOG_KEY_MAX + 1};
    struct script empty = {"", 1}, longest = {long_text + 1, 1}, too_long = {long_text, 1};

    memset(long_text, 'l', sizeof long_text - 1);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &high), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_NODES, STORE_LOG_KEY_MAX, "x"), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_HASHES, STORE_LOG_KEY_MAX, ""), WAX_E_NOTFOUND);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &too_high), WAX_E_INVAL);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &empty), WAX_E_INVAL);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &longest), WAX_OK);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &too_long), WAX_E_INVAL);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 1, long_text + 1), WAX_OK);
}

static void a_job_that_fails_leaves_nothing_behind(void **state)
{
    struct world *w = *state;
    struct script fails = {"changed", 1, .drop = 2, .result = WAX_E_CRYPTO};

    assert_int_equal(run_script(w, STORE_LOG_WRITE, &(struct script){"one", 1}), WAX_OK);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &(struct script){"two", 2}), WAX_OK);
    assert_int_equal(run_script(w, STORE_LOG_WRITE, &fails), WAX_E_CRYPTO);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 1, "one"), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 2, "two"), WAX_OK);
}

static void a_job_that_fails_takes_nobody_with_it(void **state)
{
    struct world *w = *state;
    struct script s[3] = {{"a", 1}, {"b", 2, .result = WAX_E_NOMEM}, {"c", 3}};
    struct store_req reqs[3] = {
        {.op = STORE_LOG_WRITE}, {.op = STORE_LOG_WRITE}, {.op = STORE_LOG_WRITE}};

    for (int i = 0; i < 3; i++)
        reqs[i].u.log = (struct store_log_run){play, &s[i]};
    run_all(w, reqs, 3);
    assert_int_equal(reqs[0].rc, WAX_OK);
    assert_int_equal(reqs[1].rc, WAX_E_NOMEM);
    assert_int_equal(reqs[2].rc, WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 1, "a"), WAX_OK);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 2, ""), WAX_E_NOTFOUND);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 3, "c"), WAX_OK);
}

static void who_only_reads_cannot_write(void **state)
{
    struct world *w = *state;
    struct script s = {"x", 1};

    assert_int_equal(run_script(w, STORE_LOG_READ, &s), WAX_E_INVAL);
    assert_int_equal(s.put_result, WAX_E_INVAL);
    assert_int_equal(value_at(w, STORE_LOG_NODES, 1, ""), WAX_E_NOTFOUND);
    struct store_req none = {.op = STORE_LOG_READ};
    assert_int_equal(run(w, &none), WAX_E_INVAL);
}

struct changes {
    struct store_change v[8];
    struct buf links;
    size_t n;
};

static wax_rc read_changes(void *ctx, const struct store_log *log)
{
    struct changes *c = ctx;
    wax_rc rc;

    for (c->n = 0; (rc = log->change(log->ctx, c->n + 1, &c->v[c->n], &c->links)) == WAX_OK; c->n++)
        assert_true(c->n < 7);
    for (uint32_t seq = 1; seq <= 2; seq++) {
        struct store_change x;
        assert_int_equal(log->version(log->ctx, "ann@x", seq, &x), WAX_OK);
        assert_string_equal(x.handle, "ann@x");
        assert_int_equal(x.seq, seq);
        assert_int_equal(x.hash.b[0], seq);
    }
    assert_int_equal(log->version(log->ctx, "ann@x", 0, &c->v[7]), WAX_E_NOTFOUND);
    assert_int_equal(log->version(log->ctx, "ann@x", 3, &c->v[7]), WAX_E_NOTFOUND);
    assert_int_equal(log->version(log->ctx, "cat@x", 1, &c->v[7]), WAX_E_NOTFOUND);
    assert_int_equal(log->change(log->ctx, 0, &c->v[7], NULL), WAX_E_NOTFOUND);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

static void every_manifest_is_the_next_change(void **state)
{
    static const char *const handles[] = {"ann@x", "bob@x", "ann@x"};
    struct world *w = *state;
    struct changes c = {.n = 0};
    struct store_req req = {.op = STORE_LOG_READ}, up;
    struct acct_id bob = account_id("bob");

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    assert_int_equal(reg(w, "cat", 2, NULL), WAX_E_CONFLICT); /* leaves no gap */
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK); /* nor do the same bytes count twice */
    assert_int_equal(publish(w, &up, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&up);
    req.u.log = (struct store_log_run){read_changes, &c};
    assert_int_equal(run(w, &req), WAX_OK);
    assert_int_equal(c.n, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(c.v[i].handle, handles[i]);
        assert_int_equal(c.v[i].seq, i < 2 ? 1 : 2);
        assert_int_equal(c.v[i].hash.b[0], c.v[i].seq);
        assert_int_equal(c.v[i].opening.b[0], 'o');
    }
    assert_memory_equal(c.v[1].acct.b, bob.b, sizeof bob.b);
    assert_true(bytes_eq(buf_view(&c.links), BYTES_STR("ann link 1bob link 1ann link 2")));
    buf_done(&c.links);
}

/* What a look-up's function saw. */
struct seen {
    uint64_t change;
    size_t n_links, n_bundles;
    wax_rc result;
};

static wax_rc see(void *ctx, const struct store_log *log, const struct store_lookup *l)
{
    struct seen *s = ctx;
    struct store_change c;

    s->change = l->change;
    s->n_links = l->links.n;
    s->n_bundles = l->bundles.n;
    assert_string_equal(l->handle_out, "ann@x");
    assert_int_equal(log->change(log->ctx, l->change, &c, NULL), WAX_OK);
    assert_int_equal(c.seq, l->seq);
    return s->result;
}

static void a_lookup_is_proven_in_its_own_transaction(void **state)
{
    struct world *w = *state;
    struct seen s = {.result = WAX_OK};
    struct store_req req = {.op = STORE_LOOKUP}, up;

    assert_int_equal(reg(w, "ann", 1, NULL), WAX_OK);
    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    assert_int_equal(publish(w, &up, "ann", 2, (int[]){1, 200, 0}), WAX_OK);
    store_req_done(&up);
    req.u.lookup = (struct store_lookup){.handle = "ann@x", .prove = see, .prove_ctx = &s};
    assert_int_equal(run(w, &req), WAX_OK);
    assert_int_equal(s.change, 3);
    assert_int_equal(req.u.lookup.change, 3);
    assert_int_equal(s.n_links, 2);
    assert_int_equal(s.n_bundles, 2);
    assert_int_equal(req.u.lookup.openings.n, 32);
    assert_int_equal(req.u.lookup.openings.p[16], 'o');
    store_req_done(&req);
    s.result = WAX_E_WAIT;
    assert_int_equal(run(w, &req), WAX_E_WAIT);
    assert_int_equal(req.u.lookup.links.n, 0);
    req.u.lookup.handle = "nobody@x";
    s.change = 0;
    assert_int_equal(run(w, &req), WAX_E_NOTFOUND);
    assert_int_equal(s.change, 0);
}

const struct story stories_log[] = {
    STORY(a_value_is_kept_by_its_number),
    STORY(numbers_and_values_have_their_bounds),
    STORY(a_job_that_fails_leaves_nothing_behind),
    STORY(a_job_that_fails_takes_nobody_with_it),
    STORY(who_only_reads_cannot_write),
    STORY(every_manifest_is_the_next_change),
    STORY(a_lookup_is_proven_in_its_own_transaction),
    {NULL, NULL},
};
