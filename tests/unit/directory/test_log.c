/* The directory's log, told through the router: whatever is answered is proven, and holds
 * before a client that knows the log key alone. */
#include "watcher.h"

#define KEY 7

static struct rig g;
static struct person ann, bob;
static struct watcher eve; /* watches */

static int start(void **state)
{
    int rc = people_start(state);

    rig_start(&g, true);
    rig_keep_log(&g, KEY);
    person_make(&ann, "ann@example.org", true, 1);
    person_make(&bob, "bob@example.org", false, 2);
    watcher_start(&eve, ec_public(g.log_key), "example.org");
    return rc;
}

static int stop(void **state)
{
    (void)state;
    person_done(&ann);
    person_done(&bob);
    rig_stop(&g);
    return 0;
}

static ProtobufCMessage *reply_of(const struct answer *a, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *m = NULL;

    assert_int_equal(a->status, 200);
    assert_int_equal(proto_unpack(type, buf_view(&a->body), API_BODY_MAX, &m), WAX_OK);
    return m;
}

/* What `by` sees of p after `version`; what it is called after does not hold otherwise. */
static wax_rc look(struct watcher *by, const struct person *p, uint32_t version)
{
    const char *handle = p->head.manifest.handle;
    struct answer a = {.status = 0};
    char path[400], query[512];

    snprintf(path, sizeof path, "/v1/directory/%s", handle);
    watcher_path(by, path, version, query);
    rig_call(&g, NULL, "GET", query, BYTES(NULL, 0), &a);
    Wax__V1__DirectoryReply *d = (void *)reply_of(&a, &wax__v1__directory_reply__descriptor);
    assert_int_equal(d->n_versions, p->n_links - version ? p->n_links - version : 1);
    assert_int_equal(d->version, p->n_links);
    wax_rc rc = watcher_judge(by, handle, d);
    proto_free(&d->base);
    answer_done(&a);
    return rc;
}

static void change_name(struct person *p, const char *name)
{
    struct update_change c = {.rename_dev = &p->keys.dev, .rename_to = name};

    person_change(p, &c, NULL, g.now);
    rig_publish(&g, p, NULL, 0);
}

static void a_registration_is_answered_with_its_proof(void **state)
{
    struct buf body = {0};
    struct answer a = {.status = 0};

    (void)state;
    body_register(&body, buf_view(&ann.links[0]), BYTES_OF(ann.prekey.record), "");
    rig_call(&g, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
    Wax__V1__RegisterReply *r = (void *)reply_of(&a, &wax__v1__register_reply__descriptor);
    assert_int_equal(watcher_judge(&eve, "ann@example.org", r->directory), WAX_OK);
    assert_int_equal(eve.last.entry.map_size, 1);
    /* The day's entry came first, before anybody was there. */
    assert_int_equal(eve.view.checkpoint.size, 2);
    assert_int_equal(eve.view.checkpoint.daily, 0);
    assert_int_equal(eve.view.checkpoint.generation, 0);
    proto_free(&r->base);
    answer_done(&a);
    buf_done(&body);
}

static void every_answer_extends_what_the_client_knows(void **state)
{
    struct watcher none = eve, old;

    (void)state;
    rig_register(&g, &ann);
    assert_int_equal(look(&eve, &ann, 0), WAX_OK);
    old = eve;
    rig_register(&g, &bob);
    assert_int_equal(look(&eve, &bob, 0), WAX_OK);
    assert_int_equal(eve.view.checkpoint.size, 3);
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    assert_int_equal(look(&none, &ann, 0), WAX_OK);
    /* Consistency is from what the client says that it has, not from elsewhere. */
    old.view.checkpoint.size = 1;
    assert_int_equal(look(&old, &ann, 0), WAX_R_PROOF);
}

static void every_version_is_there_and_the_next_is_not(void **state)
{
    static const char *const names[] = {"one", "two", "three"};
    struct watcher late = eve;

    (void)state;
    rig_register(&g, &ann);
    rig_register(&g, &bob);
    for (uint32_t i = 0; i < 3; i++) {
        change_name(&ann, names[i]);
        assert_int_equal(look(&eve, &ann, i + 1), WAX_OK);
    }
    assert_int_equal(eve.last.entry.map_size, 5);
    assert_int_equal(look(&late, &ann, 0), WAX_OK);
    assert_int_equal(late.view.checkpoint.size, eve.view.checkpoint.size);
}

/* Between the commit of a manifest and that of its entry. */
static void nobody_is_shown_what_is_not_in_the_log(void **state)
{
    struct answer posted = {.status = 0}, seen = {.status = 0};
    struct buf body = {0};

    (void)state;
    rig_register(&g, &ann);
    struct update_change c = {.rename_dev = &ann.keys.dev, .rename_to = "new"};
    person_change(&ann, &c, NULL, g.now);
    body_update(&body, buf_view(&ann.links[1]), NULL, 0);
    g.hold = true;
    rig_call(&g, &ann.keys, "POST", "/v1/directory/ann@example.org", buf_view(&body), &posted);
    /* Login (remembered or not), the newest link, the update: until the manifest is stored. */
    for (int i = 0; i < 3; i++)
        (void)store_memory_pump(g.memory, 1);
    rig_call(&g, NULL, "GET", "/v1/directory/ann@example.org", BYTES(NULL, 0), &seen);
    while (!seen.ended) {
        assert_true(store_memory_pump(g.memory, 1));
    }
    Wax__V1__DirectoryReply *d = (void *)reply_of(&seen, &wax__v1__directory_reply__descriptor);
    assert_int_equal(watcher_judge(&eve, "ann@example.org", d), WAX_OK);
    proto_free(&d->base);
    rig_pump(&g);
    assert_true(posted.ended);
    assert_int_equal(posted.status, 200);
    g.hold = false;
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    answer_done(&posted);
    answer_done(&seen);
    buf_done(&body);
}

static void an_entry_an_hour_and_one_a_day_come_by_themselves(void **state)
{
    (void)state;
    rig_register(&g, &ann);
    assert_int_equal(look(&eve, &ann, 0), WAX_OK);
    uint64_t size = eve.view.checkpoint.size;
    rig_wait(&g, HOUR - 1000);
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    assert_int_equal(eve.view.checkpoint.size, size);
    rig_wait(&g, 2000);
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    assert_int_equal(eve.view.checkpoint.size, size + 1);
    assert_int_equal(eve.view.checkpoint.daily, 0);
    rig_wait(&g, 24 * HOUR);
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    const struct checkpoint *c = &eve.view.checkpoint;
    assert_int_equal(day_of(c->time), day_of(NOW) + 1);
    assert_true(c->daily > size && c->daily < c->size);
    assert_false(checkpoint_stale(c, g.now));
}

static void times_do_not_fall_when_the_clock_goes_back(void **state)
{
    (void)state;
    rig_register(&g, &ann);
    assert_int_equal(look(&eve, &ann, 0), WAX_OK);
    uint64_t time = eve.view.checkpoint.time, size = eve.view.checkpoint.size;
    g.now -= HOUR / 2;
    rig_register(&g, &bob);
    assert_int_equal(look(&eve, &bob, 0), WAX_OK);
    assert_int_equal(eve.view.checkpoint.time, time);
    assert_int_equal(eve.view.checkpoint.size, size + 1);
    assert_int_equal(eve.view.checkpoint.daily, 0);
    g.now -= 3 * DAY;
    rig_wait(&g, 1000);
    rig_wait(&g, HOUR); /* entries come nevertheless */
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    assert_int_equal(eve.view.checkpoint.size, size + 2);
    assert_int_equal(eve.view.checkpoint.time, time);
    rig_wait(&g, 4 * DAY); /* and go on with the time once it has caught up */
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    assert_true(eve.view.checkpoint.time > time);
    assert_int_equal(day_of(eve.view.checkpoint.time), day_of(g.now));
}

/* --- Daily --- */

static Wax__V1__DailyReply *ask_daily(struct watcher *w, const uint64_t *days, size_t n,
                                      const char *handle, uint32_t version)
{
    Wax__V1__DailyRequest r = WAX__V1__DAILY_REQUEST__INIT;
    Wax__V1__DailyQuery q[8], *list[8];
    struct buf body = {0};
    struct answer a = {.status = 0};

    for (size_t i = 0; i < n; i++) {
        wax__v1__daily_query__init(&q[i]);
        q[i].day = days[i];
        q[i].handle = (ProtobufCBinaryData){strlen(handle), (uint8_t *)(uintptr_t)handle};
        q[i].version = version;
        list[i] = &q[i];
    }
    r.generation = w->view.checkpoint.generation;
    r.checkpoint_size = w->view.has_checkpoint ? w->view.checkpoint.size : 0;
    r.queries = list;
    r.n_queries = n;
    assert_int_equal(proto_pack(&r.base, &body), WAX_OK);
    assert_int_equal(rig_status(&g, NULL, "POST", "/v1/directory/daily", buf_view(&body)), 401);
    rig_call(&g, &ann.keys, "POST", "/v1/directory/daily", buf_view(&body), &a);
    Wax__V1__DailyReply *d = (void *)reply_of(&a, &wax__v1__daily_reply__descriptor);
    answer_done(&a);
    buf_done(&body);
    return d;
}

static void each_day_shows_what_stood_at_its_first_entry(void **state)
{
    uint64_t first = day_of(NOW), index[4];
    uint64_t days[] = {first, first + 1, first + 2, first + 3, first + 40};

    (void)state;
    rig_register(&g, &ann);
    rig_wait(&g, DAY);
    change_name(&ann, "second"); /* after the entry of day one */
    rig_wait(&g, 2 * DAY);
    Wax__V1__DailyReply *r = ask_daily(&eve, days, 5, "ann@example.org", 1);
    assert_int_equal(watcher_judge_daily(&eve, r), WAX_OK);
    assert_int_equal(r->n_days, 4); /* the last day is not there yet */
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r->days[i]->day, first + i);
        assert_int_equal(r->days[i]->n_answers, 1);
    }
    /* Before she was there; version 1; version 2 is there since the third day. */
    assert_int_equal(r->days[0]->answers[0]->inclusion.len, 0);
    assert_int_equal(r->days[0]->answers[0]->opening.len, 0);
    assert_int_equal(
        watcher_judge_day(&eve, r->days[1], r->days[1]->answers[0], &ann, 1, &index[1]), WAX_OK);
    assert_int_equal(r->days[2]->answers[0]->absence_next.len, 0);
    assert_true(r->days[2]->answers[0]->inclusion.len > 0);
    proto_free(&r->base);
    r = ask_daily(&eve, days + 1, 3, "ann@example.org", 2);
    assert_int_equal(watcher_judge_daily(&eve, r), WAX_OK);
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(
            watcher_judge_day(&eve, r->days[i], r->days[i]->answers[0], &ann, 2, &index[i + 1]),
            WAX_OK);
    assert_true(index[1] < index[2] && index[2] < index[3]);
    assert_int_equal(index[3], eve.view.checkpoint.daily);
    proto_free(&r->base);
}

static void a_stranger_in_a_daily_question_is_absent(void **state)
{
    uint64_t day = day_of(NOW);

    (void)state;
    rig_register(&g, &ann);
    Wax__V1__DailyReply *r = ask_daily(&eve, &day, 1, "nobody@example.org", 3);
    assert_int_equal(watcher_judge_daily(&eve, r), WAX_OK);
    assert_int_equal(r->n_days, 1);
    const Wax__V1__DailyAnswer *a = r->days[0]->answers[0];
    assert_true(bytes_eq(PB_BYTES(a->handle), BYTES_STR("nobody@example.org")));
    assert_int_equal(a->version, 3);
    assert_int_equal(a->inclusion.len, 0);
    assert_true(a->absence_next.len > 0);
    proto_free(&r->base);
}

/* --- Trouble --- */

static void the_next_process_goes_on_with_the_log(void **state)
{
    (void)state;
    rig_register(&g, &ann);
    assert_int_equal(look(&eve, &ann, 0), WAX_OK);
    rig_restart(&g, KEY);
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    rig_register(&g, &bob);
    assert_int_equal(look(&eve, &bob, 0), WAX_OK);
    assert_int_equal(eve.view.checkpoint.size, 3);
    rig_wait(&g, DAY);
    rig_restart(&g, KEY);
    assert_int_equal(look(&eve, &ann, 1), WAX_OK);
    assert_int_equal(g.log_trouble, WAX_OK);
}

static void another_log_key_is_noticed_and_nothing_is_signed_with_it(void **state)
{
    struct buf body = {0};
    struct answer a = {.status = 0};

    (void)state;
    rig_register(&g, &ann);
    assert_int_equal(look(&eve, &ann, 0), WAX_OK);
    rig_restart(&g, KEY + 1);
    assert_int_equal(g.log_trouble, WAX_E_DENIED);
    assert_int_equal(look(&eve, &ann, 1), WAX_OK); /* what is there still holds */
    body_register(&body, buf_view(&bob.links[0]), BYTES_OF(bob.prekey.record), "");
    rig_call(&g, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
    assert_false(a.ended);
    rig_wait(&g, 11000);
    assert_true(a.ended);
    expect_problem(&a, 503, "overloaded");
    answer_done(&a);
    buf_done(&body);
    /* With the right key he is there at once: his manifest was stored. */
    rig_restart(&g, KEY);
    assert_int_equal(look(&eve, &bob, 0), WAX_OK);
}

static void a_store_that_fails_delays_the_entry(void **state)
{
    struct answer a = {.status = 0};
    struct buf body = {0};

    (void)state;
    rig_register(&g, &ann);
    g.hold = true;
    body_register(&body, buf_view(&bob.links[0]), BYTES_OF(bob.prekey.record), "");
    rig_call(&g, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
    assert_int_equal(store_memory_pump(g.memory, 1), 1); /* stored; its entry is under way */
    store_memory_crash(g.memory);
    g.hold = false;
    rig_restart(&g, KEY);
    assert_int_equal(look(&eve, &bob, 0), WAX_OK);
    a = (struct answer){.status = 0};
    g.fail = true;
    rig_call(&g, NULL, "GET", "/v1/directory/bob@example.org", BYTES(NULL, 0), &a);
    expect_problem(&a, 503, "overloaded");
    answer_done(&a);
    rig_wait(&g, HOUR + 1000);
    assert_int_equal(g.log_trouble, WAX_E_IO);
    g.fail = false;
    rig_wait(&g, 2000);
    uint64_t size = eve.view.checkpoint.size;
    assert_int_equal(look(&eve, &bob, 1), WAX_OK);
    assert_int_equal(eve.view.checkpoint.size, size + 1);
    buf_done(&body);
}

static void parameters_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    rig_register(&g, &ann);
    rig_expect(&g, NULL, "GET", "/v1/directory/ann@example.org?checkpoint=x", BYTES(NULL, 0), 400,
               "bad-request");
    rig_expect(&g, NULL, "GET", "/v1/directory/ann@example.org?generation=4294967296",
               BYTES(NULL, 0), 400, "bad-request");
    rig_expect(&g, &ann.keys, "POST", "/v1/directory/daily", BYTES_STR("\xff"), 400, "bad-request");
    /* A checkpoint that this log does not have: answered, but nothing can be proven. */
    eve.view.has_checkpoint = false;
    assert_int_equal(look(&eve, &ann, 0), WAX_OK);
    eve.view.checkpoint.size += 5;
    assert_int_equal(look(&eve, &ann, 0), WAX_R_PARSE); /* no proof at all */
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_registration_is_answered_with_its_proof),
        TEST(every_answer_extends_what_the_client_knows),
        TEST(every_version_is_there_and_the_next_is_not),
        TEST(nobody_is_shown_what_is_not_in_the_log),
        TEST(an_entry_an_hour_and_one_a_day_come_by_themselves),
        TEST(times_do_not_fall_when_the_clock_goes_back),
        TEST(each_day_shows_what_stood_at_its_first_entry),
        TEST(a_stranger_in_a_daily_question_is_absent),
        TEST(the_next_process_goes_on_with_the_log),
        TEST(another_log_key_is_noticed_and_nothing_is_signed_with_it),
        TEST(a_store_that_fails_delays_the_entry),
        TEST(parameters_that_are_no_numbers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
