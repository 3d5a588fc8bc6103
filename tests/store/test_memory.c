/* What only the memory twin offers: stepping, and crashing between steps. */
#include "harness.h"

static size_t answered;

static void count(struct store_req *req)
{
    assert_int_equal(req->rc, WAX_OK);
    answered++;
}

static void submit_sends(struct world *w, struct store_req *req, struct store_envelope *e, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        e[i] = (struct store_envelope){.to = dev(2), .envelope = BYTES_STR("text")};
        req[i] = (struct store_req){.op = STORE_SEND, .now = w->now, .done = count};
        req[i].u.send = (struct store_send){.from = dev(1),
                                            .fanout = fanout(i),
                                            .envelopes = &e[i],
                                            .n_envelopes = 1,
                                            .max_count = 100,
                                            .max_bytes = 10000};
        store_submit(w->store, &req[i]);
    }
}

static void nothing_happens_until_it_is_pumped(void **state)
{
    struct world *w = *state;
    struct store_req req[5];
    struct store_envelope e[5];

    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    answered = 0;
    submit_sends(w, req, e, 5);
    assert_int_equal(answered, 0);
    assert_int_equal(store_memory_pump(w->store, 2), 2);
    assert_int_equal(answered, 2);
    assert_int_equal(e[1].result, STORE_RES_STORED);
    assert_int_equal(e[2].result, 0);
    assert_int_equal(store_memory_pump(w->store, 0), 3);
    assert_int_equal(store_memory_pump(w->store, 0), 0);
    assert_int_equal(answered, 5);
    assert_int_equal(waiting(w, 2), 5);
}

static void a_crash_drops_what_was_not_pumped(void **state)
{
    struct world *w = *state;
    struct store_req req[5];
    struct store_envelope e[5];

    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    answered = 0;
    submit_sends(w, req, e, 5);
    assert_int_equal(store_memory_pump(w->store, 3), 3);
    store_memory_crash(w->store);
    assert_int_equal(store_memory_pump(w->store, 0), 0);
    assert_int_equal(answered, 3);
    assert_int_equal(waiting(w, 2), 3);
    /* The submitters come back and say it all again. */
    submit_sends(w, req, e, 5);
    assert_int_equal(store_memory_pump(w->store, 0), 5);
    assert_int_equal(e[2].result, STORE_RES_ALREADY);
    assert_int_equal(e[3].result, STORE_RES_STORED);
    assert_int_equal(waiting(w, 2), 5);
}

static struct store_req second;

static void submit_another(struct store_req *req) { store_submit(req->ctx, &second); }

static void done_may_submit_more(void **state)
{
    struct world *w = *state;
    struct store_req first = {.op = STORE_INVITE_LIST, .done = submit_another, .ctx = w->store};

    answered = 0;
    second = (struct store_req){.op = STORE_CHECK, .done = count};
    store_submit(w->store, &first);
    assert_int_equal(store_memory_pump(w->store, 0), 2);
    assert_int_equal(answered, 1);
    store_req_done(&first);
}

static void closing_finishes_what_was_submitted(void **state)
{
    struct world *w = *state;
    struct store_req req[3];
    struct store_envelope e[3];

    assert_int_equal(reg(w, "bob", 2, NULL), WAX_OK);
    answered = 0;
    submit_sends(w, req, e, 3);
    store_close(w->store);
    w->store = NULL;
    assert_int_equal(answered, 3);
}

int main(void)
{
#define TEST(fn)                                                                                   \
    {                                                                                              \
#fn, fn, world_setup, world_teardown, (void *)(uintptr_t)&engine_memory                    \
    }
    const struct CMUnitTest tests[] = {
        TEST(nothing_happens_until_it_is_pumped),
        TEST(a_crash_drops_what_was_not_pumped),
        TEST(done_may_submit_more),
        TEST(closing_finishes_what_was_submitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
