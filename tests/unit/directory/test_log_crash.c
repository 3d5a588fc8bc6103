/* The directory's log after whatever happened: the process dies between any two steps, the disk
 * at any write, with or without power. What was answered is in the log, and all of it verifies:
 * before the audit of `waxd check`, and before a client. And the audit says what is wrong. */
#include "watcher.h"

#include "directory/log_audit.h"
#include "directory/log_batch.h"
#include "directory/log_book.h"
#include "disk.h"
#include "store/sqlite.h"

#define KEY 7
#define DOMAIN "example.org"

static struct rig g;
static struct person ann, bob;
static struct watcher eve;

static int start(void **state)
{
    int rc = people_start(state);

    rig_start(&g, true);
    rig_keep_log(&g, KEY);
    person_make(&ann, "ann@example.org", true, 1);
    person_make(&bob, "bob@example.org", false, 2);
    watcher_start(&eve, ec_public(g.log_key), DOMAIN);
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

static void put_done(struct store_req *req) { *(bool *)req->ctx = true; }

static wax_rc run_job(struct store *s, enum store_op op,
                      wax_rc (*job)(void *ctx, const struct store_log *log), void *ctx)
{
    bool done = false;
    struct store_req req = {.op = op, .done = put_done, .ctx = &done};

    req.u.log = (struct store_log_run){job, ctx};
    store_submit(s, &req);
    while (store_memory_pump(s, 1) && !done)
        ;
    assert_true(done);
    return req.rc;
}

/* Says what the audit says; the text of its findings in `report`. */
static wax_rc audit(struct log_audit *a)
{
    *a = (struct log_audit){.key = ec_public(g.log_key), .domain = DOMAIN};
    return run_job(g.memory, STORE_LOG_READ, log_audit_run, a);
}

static void assert_sound(uint64_t changes)
{
    struct log_audit a;
    wax_rc rc = audit(&a);

    if (rc != WAX_OK)
        print_message("%s", buf_cstr(&a.report));
    assert_int_equal(rc, WAX_OK);
    assert_int_equal(a.changes, changes);
    assert_int_equal(a.waiting, 0);
    buf_done(&a.report);
}

static void assert_seen(const struct person *p)
{
    struct answer a = {.status = 0};
    ProtobufCMessage *m = NULL;
    char path[400], query[512];

    snprintf(path, sizeof path, "/v1/directory/%s", p->head.manifest.handle);
    watcher_path(&eve, path, 0, query);
    rig_call(&g, NULL, "GET", query, BYTES(NULL, 0), &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(
        proto_unpack(&wax__v1__directory_reply__descriptor, buf_view(&a.body), API_BODY_MAX, &m),
        WAX_OK);
    const Wax__V1__DirectoryReply *d = (const void *)m;
    assert_int_equal(d->version, p->n_links);
    assert_int_equal(watcher_judge(&eve, p->head.manifest.handle, d), WAX_OK);
    proto_free(m);
    answer_done(&a);
}

/* A history of three days. */
static void live(void)
{
    rig_register(&g, &ann);
    rig_wait(&g, DAY);
    rig_register(&g, &bob);
    for (int i = 0; i < 3; i++) {
        struct update_change c = {.rename_dev = &ann.keys.dev, .rename_to = i ? "a" : "b"};
        person_change(&ann, &c, NULL, g.now);
        rig_publish(&g, &ann, NULL, 0);
        rig_wait(&g, DAY / 2);
    }
}

static void an_honest_history_passes(void **state)
{
    struct log_audit a;

    (void)state;
    assert_int_equal(audit(&a), WAX_OK);
    assert_int_equal(a.entries, 1);
    live();
    assert_sound(5);
    rig_restart(&g, KEY);
    rig_wait(&g, DAY);
    assert_sound(5);
}

/* --- The process dies after k steps of the store --- */

static void the_process_may_die_between_any_two_steps(void **state)
{
    struct buf body = {0};
    bool answered = false;

    (void)state;
    live();
    body_register(&body, buf_view(&bob.links[0]), BYTES_OF(bob.prekey.record), "");
    for (unsigned k = 0; !answered; k++) {
        struct person p;
        struct answer a = {.status = 0};
        char handle[32];
        snprintf(handle, sizeof handle, "p%u@example.org", k);
        person_make(&p, handle, false, 100 + k);
        buf_reset(&body);
        body_register(&body, buf_view(&p.links[0]), BYTES_OF(p.prekey.record), "");
        g.hold = true;
        rig_call(&g, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
        for (unsigned i = 0; i < k; i++)
            (void)store_memory_pump(g.memory, 1);
        answered = a.ended;
        g.hold = false;
        rig_restart(&g, KEY);
        if (k > 0) { /* his manifest was stored: so it is in the log, whatever came then */
            assert_seen(&p);
        } else {
            rig_register(&g, &p);
        }
        assert_sound(5 + k + 1);
        answer_done(&a);
        person_done(&p);
        assert_true(k < 20);
    }
    buf_done(&body);
}

/* --- The disk dies at its k-th write --- */

static uint64_t seed;
static uint64_t draw(void *ctx)
{
    (void)ctx;
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 2685821657736338717ULL;
}

static struct disk *disk;

static void open_database(void)
{
    struct buf error = {0};
    struct store_sqlite_conf conf = {.path = disk_path(disk), .create = true};

    assert_int_equal(store_sqlite_open(&conf, &g.sqlite, &error), WAX_OK);
    buf_done(&error);
}

static int start_on_disk(void **state)
{
    int rc = people_start(state);

    seed = 20260101;
    disk_seed(seed);
    disk = disk_new(draw, NULL);
    memset(&g, 0, sizeof g);
    open_database();
    struct store *sqlite = g.sqlite;
    rig_start(&g, true);
    g.sqlite = sqlite;
    rig_keep_log(&g, KEY);
    watcher_start(&eve, ec_public(g.log_key), DOMAIN);
    return rc;
}

static int stop_on_disk(void **state)
{
    (void)state;
    rig_stop(&g);
    store_close(g.sqlite);
    disk_free(disk);
    return 0;
}

static void assert_sound_on_disk(uint64_t changes)
{
    struct log_audit a = {.key = ec_public(g.log_key), .domain = DOMAIN};
    struct store_req req = {.op = STORE_LOG_READ};

    req.u.log = (struct store_log_run){log_audit_run, &a};
    wax_rc rc = store_run(g.sqlite, &req);
    if (rc != WAX_OK)
        print_message("%s", buf_cstr(&a.report));
    assert_int_equal(rc, WAX_OK);
    assert_int_equal(a.changes, changes);
    assert_int_equal(a.waiting, 0);
    buf_done(&a.report);
}

static void the_disk_may_die_at_any_write(void **state)
{
    bool unharmed = false;

    (void)state;
    for (unsigned k = 1; !unharmed; k++) {
        struct person p;
        struct answer a = {.status = 0};
        struct buf body = {0};
        char handle[32];
        snprintf(handle, sizeof handle, "p%u@example.org", k);
        person_make(&p, handle, false, 100 + k);
        body_register(&body, buf_view(&p.links[0]), BYTES_OF(p.prekey.record), "");
        disk_dies(disk, k);
        rig_call(&g, NULL, "POST", "/v1/accounts", buf_view(&body), &a);
        unharmed = !disk_dead(disk);
        bool answered = a.ended && a.status == 200;
        assert_true(answered || !unharmed);
        disk_dies(disk, 0);
        store_close(g.sqlite);
        disk_restart(disk, k % 2);
        open_database();
        rig_restart(&g, KEY);
        if (answered)
            assert_seen(&p);
        else
            rig_register(&g, &p);
        assert_sound_on_disk(k);
        assert_seen(&p);
        answer_done(&a);
        buf_done(&body);
        person_done(&p);
        assert_true(k < 100);
    }
    print_message("the disk died %llu times\n", (unsigned long long)disk_count.died);
    assert_true(disk_count.died > 5);
}

/* --- Put back from a copy --- */

static uint32_t restore(void)
{
    struct log_batch b = {.key = g.log_key, .domain = DOMAIN, .now = g.now, .restored = true};

    assert_int_equal(run_job(g.memory, STORE_LOG_WRITE, log_batch_run, &b), WAX_OK);
    rig_restart(&g, KEY);
    return b.generation;
}

static void a_restored_copy_goes_on_in_a_new_generation(void **state)
{
    (void)state;
    live();
    assert_seen(&ann);
    struct watcher away = eve;
    uint64_t before = eve.view.checkpoint.size;
    assert_int_equal(restore(), 1);
    assert_seen(&ann);
    assert_int_equal(eve.last.log.restore, RESTORE_EXTENDS);
    assert_int_equal(eve.view.checkpoint.generation, 1);
    assert_int_equal(eve.view.checkpoint.size, before + 1);
    assert_int_equal(restore(), 2); /* also for who missed the first one */
    assert_seen(&bob);
    struct watcher knows_more = eve;
    eve = away;
    assert_seen(&ann);
    assert_int_equal(eve.last.log.restore, RESTORE_EXTENDS);
    assert_int_equal(eve.view.checkpoint.generation, 2);
    assert_sound(5);

    /* Who saw entries that the copy does not have is told how many. */
    eve = knows_more;
    eve.view.checkpoint.size += 5;
    assert_int_equal(checkpoint_sign(g.log_key, &eve.view.checkpoint), WAX_OK);
    assert_int_equal(restore(), 3);
    assert_seen(&ann);
    assert_int_equal(eve.last.log.restore, RESTORE_LARGER);
    assert_int_equal(eve.last.log.own_size, before + 7);
    assert_int_equal(eve.last.log.named_size, before + 2);
}

static void without_a_new_generation_a_restored_copy_is_a_lie(void **state)
{
    (void)state;
    live();
    assert_seen(&ann);
    eve.view.checkpoint.size += 5; /* she saw more before the copy was put back */
    assert_int_equal(checkpoint_sign(g.log_key, &eve.view.checkpoint), WAX_OK);
    struct answer a = {.status = 0};
    ProtobufCMessage *m = NULL;
    char query[512];
    watcher_path(&eve, "/v1/directory/ann@example.org", 0, query);
    rig_call(&g, NULL, "GET", query, BYTES(NULL, 0), &a);
    assert_int_equal(
        proto_unpack(&wax__v1__directory_reply__descriptor, buf_view(&a.body), API_BODY_MAX, &m),
        WAX_OK);
    assert_int_equal(watcher_judge(&eve, "ann@example.org", (const void *)m), WAX_R_PARSE);
    proto_free(m);
    answer_done(&a);
}

/* --- What the audit finds --- */

struct tamper {
    enum store_log_table t;
    uint64_t key;
    size_t at; /* which byte is changed; SIZE_MAX: the value is dropped */
};

static wax_rc tamper(void *ctx, const struct store_log *log)
{
    const struct tamper *x = ctx;
    struct store_log_value v;

    if (x->at == SIZE_MAX)
        return log->drop(log->ctx, x->t, x->key);
    wax_rc rc = log->get(log->ctx, x->t, x->key, &v);
    if (rc != WAX_OK)
        return rc;
    v.b[x->at] ^= 1;
    return log->put(log->ctx, x->t, x->key, BYTES(v.b, v.n));
}

static wax_rc root_id(void *ctx, const struct store_log *log)
{
    struct log_state s;
    struct log_slot slot;

    wax_rc rc = log_state_get(log, &s);
    if (rc == WAX_OK)
        rc = log_slot_get(log, s.checkpoint.size - 1, &slot);
    if (rc == WAX_OK)
        *(uint64_t *)ctx = slot.root_id;
    return rc;
}

static void each_change_of_what_is_stored_is_told(void **state)
{
    uint64_t root = 0;

    (void)state;
    live();
    assert_int_equal(run_job(g.memory, STORE_LOG_READ, root_id, &root), WAX_OK);
    const struct {
        struct tamper x;
        const char *says;
    } cases[] = {
        {{STORE_LOG_ENTRIES, 2, 7}, "entry 2 is not the one"}, /* its time */
        {{STORE_LOG_ENTRIES, 2, 9}, "entry 2: its map"},
        {{STORE_LOG_ENTRIES, 2, 47}, "entry 2 counts"},
        {{STORE_LOG_HASHES, 1, 5}, "the stored log does not prove entry"},
        {{STORE_LOG_NODES, root, 20}, "does not prove change"},
        {{STORE_LOG_STATE, 0, 3}, "another log key"},
        {{STORE_LOG_STATE, 0, 81 + 50}, "the checkpoint's root"},
        {{STORE_LOG_STATE, 0, 81 + 83}, "time or daily entry"},
        {{STORE_LOG_STATE, 0, 81 + 100}, "signature does not verify"},
        /* Dropped, one after the other, from below. */
        {{STORE_LOG_STATE, 0, SIZE_MAX}, "checkpoint is not there"},
        {{STORE_LOG_ENTRIES, 3, SIZE_MAX}, "entry 3 cannot be read"},
        {{STORE_LOG_HASHES, 1ULL << 54, SIZE_MAX}, "the stored log does not prove entry"},
        {{STORE_LOG_NODES, root, SIZE_MAX}, "does not prove change"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tamper x = cases[i].x;
        struct log_audit a;
        if (x.at == SIZE_MAX)
            continue;
        assert_int_equal(run_job(g.memory, STORE_LOG_WRITE, tamper, &x), WAX_OK);
        assert_int_equal(audit(&a), WAX_E_DAMAGED);
        if (!strstr(buf_cstr(&a.report), cases[i].says))
            fail_msg("case %zu: not \"%s\" but\n%s", i, cases[i].says, buf_cstr(&a.report));
        buf_done(&a.report);
        assert_int_equal(run_job(g.memory, STORE_LOG_WRITE, tamper, &x), WAX_OK); /* back */
        assert_sound(5);
    }
    for (size_t i = sizeof cases / sizeof cases[0]; i-- > 0;) { /* these stay */
        struct tamper x = cases[i].x;
        struct log_audit a;
        if (x.at != SIZE_MAX)
            continue;
        assert_int_equal(run_job(g.memory, STORE_LOG_WRITE, tamper, &x), WAX_OK);
        assert_int_equal(audit(&a), WAX_E_DAMAGED);
        assert_non_null(strstr(buf_cstr(&a.report), cases[i].says));
        buf_done(&a.report);
    }
}

/* The store as it is, but for one manifest. */
struct swapped {
    const struct store_log *real;
    uint64_t n;
    struct log_audit a;
};

static wax_rc swapped_get(void *ctx, enum store_log_table t, uint64_t key,
                          struct store_log_value *ret)
{
    const struct store_log *real = ((struct swapped *)ctx)->real;

    return real->get(real->ctx, t, key, ret);
}

static wax_rc swapped_change(void *ctx, uint64_t n, struct store_change *ret, struct buf *link)
{
    const struct swapped *s = ctx;
    size_t before = link ? link->n : 0;
    wax_rc rc = s->real->change(s->real->ctx, n, ret, link);

    if (rc == WAX_OK && n == s->n && link)
        link->p[before + 4 + 76] ^= 1; /* the low byte of its time */
    return rc;
}

static wax_rc audit_swapped(void *ctx, const struct store_log *log)
{
    struct swapped *s = ctx;
    struct store_log front = {s, swapped_get, log->put, log->drop, swapped_change, log->version};

    s->real = log;
    return log_audit_run(&s->a, &front);
}

static void a_manifest_that_is_not_the_logged_one_is_told(void **state)
{
    struct swapped s = {.n = 4, .a = {.key = ec_public(g.log_key), .domain = DOMAIN}};

    (void)state;
    live();
    assert_int_equal(run_job(g.memory, STORE_LOG_READ, audit_swapped, &s), WAX_E_DAMAGED);
    assert_non_null(strstr(buf_cstr(&s.a.report), "(change 4) is not the one"));
    assert_non_null(strstr(buf_cstr(&s.a.report), "its map is not that of the first"));
    buf_done(&s.a.report);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(an_honest_history_passes),
        TEST(the_process_may_die_between_any_two_steps),
        cmocka_unit_test_setup_teardown(the_disk_may_die_at_any_write, start_on_disk, stop_on_disk),
        TEST(a_restored_copy_goes_on_in_a_new_generation),
        TEST(without_a_new_generation_a_restored_copy_is_a_lie),
        TEST(each_change_of_what_is_stored_is_told),
        TEST(a_manifest_that_is_not_the_logged_one_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
