/* Whatever stops the server - kill -9 between any two steps, a full disk - what was
 * answered is there, and nothing is there by half. */
#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 40, WINDOW = 16, NUMBERS = 200000, PER_ROUND = 4000 };

/* What the child writes to its pipe: a send is answered, an ack is about to be submitted,
 * an ack is answered. Less than PIPE_BUF: never torn. */
struct line {
    char what;
    uint64_t n;
};

/* --- the child --- */
struct slot {
    struct store_req req;
    struct store_envelope e[3];
    char text[32];
    uint64_t n;
    bool busy;
};
static struct slot slots[WINDOW];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int pipe_out;

static void tell(char what, uint64_t n)
{
    struct line l = {.what = what, .n = n};

    if (write(pipe_out, &l, sizeof l) != (ssize_t)sizeof l)
        _exit(3);
}

static void slot_done(struct store_req *req)
{
    struct slot *s = req->ctx;

    if (req->rc != WAX_OK)
        _exit(4);
    tell(req->op == STORE_SEND ? 'S' : 'A', s->n);
    pthread_mutex_lock(&mutex);
    s->busy = false;
    pthread_cond_signal(&cond);
    pthread_mutex_unlock(&mutex);
}

static struct slot *free_slot(void)
{
    pthread_mutex_lock(&mutex);
    for (;;) {
        for (size_t i = 0; i < WINDOW; i++) {
            if (!slots[i].busy) {
                slots[i].busy = true;
                pthread_mutex_unlock(&mutex);
                return &slots[i];
            }
        }
        pthread_cond_wait(&cond, &mutex);
    }
}

static void submit_send(struct world *w, uint64_t n)
{
    struct slot *s = free_slot();

    s->n = n;
    snprintf(s->text, sizeof s->text, "%llu", (unsigned long long)n);
    for (int i = 0; i < 3; i++)
        s->e[i] = (struct store_envelope){.to = dev(2 + i), .envelope = BYTES_STR(s->text)};
    s->req = (struct store_req){.op = STORE_SEND, .now = w->now + n, .done = slot_done, .ctx = s};
    s->req.u.send = (struct store_send){.from = dev(1),
                                        .from_handle = "ann@x",
                                        .fanout = fanout(n),
                                        .envelopes = s->e,
                                        .n_envelopes = 3,
                                        .max_count = NUMBERS,
                                        .max_bytes = 1U << 30};
    store_submit(w->store, &s->req);
}

static void submit_ack(struct world *w, uint64_t seq)
{
    struct slot *s = free_slot();

    s->n = seq;
    s->req = (struct store_req){.op = STORE_ACK, .now = w->now, .done = slot_done, .ctx = s};
    s->req.u.ack = (struct store_ack){dev(2), &s->n, 1};
    tell('a', seq);
    store_submit(w->store, &s->req);
}

static void child(struct world *w, uint64_t first, uint64_t first_ack)
{
    if (w->engine->open(w->dir, &w->store) != WAX_OK)
        _exit(2);
    for (uint64_t k = 0; k < PER_ROUND; k++) {
        submit_send(w, first + k);
        if (k % 7 == 3)
            submit_ack(w, first_ack++);
    }
    for (;;)
        pause();
}

/* --- the parent --- */
static bool answered[NUMBERS], ack_begun[NUMBERS], ack_answered[NUMBERS];

static void kill_it_some_time(struct world *w, unsigned round, uint64_t first, uint64_t first_ack)
{
    int fds[2];
    struct line l;

    assert_int_equal(pipe(fds), 0);
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        pipe_out = fds[1];
        child(w, first, first_ack);
    }
    close(fds[1]);
    /* From the first answer on: 0 to 39 ms, some of them before anything is answered. */
    if (round % 8)
        assert_int_equal(read(fds[0], &l, sizeof l), sizeof l);
    else
        l.what = 0;
    struct timespec t = {0, (long)(round * 7919 % 40) * 1000000L};
    nanosleep(&t, NULL);
    assert_int_equal(kill(pid, SIGKILL), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    do {
        if (l.what)
            assert_true(l.n < NUMBERS);
        if (l.what == 'S')
            answered[l.n] = true;
        if (l.what == 'a')
            ack_begun[l.n] = true;
        if (l.what == 'A')
            ack_answered[l.n] = true;
    } while (read(fds[0], &l, sizeof l) == (ssize_t)sizeof l);
    close(fds[0]);
}

/* The numbers in a mailbox, in their order; *ret_last: its last seq. */
static void read_mailbox(struct world *w, int n, bool *there, bool *seqs, uint64_t *ret_last)
{
    struct store_req req;
    uint64_t before = 0;

    assert_int_equal(fetch(w, &req, n, 0), WAX_OK);
    for (size_t i = 0; i < req.u.fetch.n_rows; i++) {
        struct buf *rest = &req.u.fetch.rows[i].rest;
        uint64_t k = strtoull(buf_cstr(rest) + 7, NULL, 10);
        assert_true(k > before && k < NUMBERS); /* the order they were submitted in */
        before = k;
        there[k] = true;
        seqs[req.u.fetch.rows[i].seq] = true;
    }
    *ret_last = req.u.fetch.last_seq;
    store_req_done(&req);
}

static uint64_t verify(struct world *w)
{
    static bool there[3][NUMBERS], seqs[3][NUMBERS];
    struct store_req check = {.op = STORE_CHECK};
    uint64_t last[3] = {0};
    size_t n = 0, acked = 0;

    memset(there, 0, sizeof there);
    memset(seqs, 0, sizeof seqs);
    assert_int_equal(w->engine->open(w->dir, &w->store), WAX_OK);
    assert_int_equal(run(w, &check), WAX_OK);
    for (int i = 0; i < 3; i++)
        read_mailbox(w, 2 + i, there[i], seqs[i], &last[i]);
    assert_int_equal(last[0], last[1]);
    assert_int_equal(last[1], last[2]);
    for (uint64_t k = 0; k < NUMBERS; k++) {
        assert_int_equal(there[1][k], there[2][k]); /* no partial fan-out */
        assert_true(!there[0][k] || there[1][k]);
        assert_true(!answered[k] || there[1][k]); /* answered: it is there */
        n += there[1][k];
        acked += there[1][k] && !there[0][k];
    }
    assert_int_equal(n, last[1]); /* nobody acks there: the seqs have no gap */
    for (uint64_t s = 1; s <= last[0]; s++) {
        assert_true(seqs[0][s] || ack_begun[s]); /* only an ack deletes */
        assert_true(!ack_answered[s] || !seqs[0][s]);
        acked -= !seqs[0][s];
    }
    assert_int_equal(acked, 0);
    store_close(w->store);
    w->store = NULL;
    return last[1];
}

static void a_kill_loses_nothing_that_was_answered(void **state)
{
    struct world *w = *state;
    uint64_t stored = 0, next_ack = 1;

    for (int i = 1; i <= 4; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        assert_int_equal(reg(w, name, i, NULL), WAX_OK);
    }
    store_close(w->store);
    w->store = NULL;
    for (unsigned round = 0; round < ROUNDS; round++) {
        kill_it_some_time(w, round, 1 + round * PER_ROUND, next_ack);
        stored = verify(w);
        while (ack_begun[next_ack])
            next_ack++;
    }
    print_message("%llu sends stored, %llu acks begun in %d lives\n", (unsigned long long)stored,
                  (unsigned long long)next_ack - 1, ROUNDS);
    assert_true(stored > ROUNDS);
    assert_int_equal(w->engine->open(w->dir, &w->store), WAX_OK);
}

/* --- a full disk. Runs in a child; the exit status is the line that failed, mod 255. --- */
#define MUST(cond)                                                                                 \
    do {                                                                                           \
        if (!(cond))                                                                               \
            _exit(__LINE__ % 255 + 1);                                                             \
    } while (0)

/* Three envelopes of 8 KiB each. */
static wax_rc big_send(struct world *w, uint64_t f)
{
    static uint8_t body[8192];
    struct store_envelope e[3];
    struct store_req req = {.op = STORE_SEND};

    for (int i = 0; i < 3; i++)
        e[i] = (struct store_envelope){.to = dev(1 + i), .envelope = BYTES_OF(body)};
    req.u.send = (struct store_send){.from = dev(1),
                                     .fanout = fanout(f),
                                     .envelopes = e,
                                     .n_envelopes = 3,
                                     .max_count = 100000,
                                     .max_bytes = 1U << 30};
    wax_rc rc = run(w, &req);
    MUST(rc != WAX_OK || e[2].result == STORE_RES_STORED);
    store_req_done(&req);
    return rc;
}

static size_t rows(struct world *w, int n)
{
    struct store_req req;

    MUST(fetch(w, &req, n, 0) == WAX_OK);
    size_t count = req.u.fetch.n_rows;
    store_req_done(&req);
    return count;
}

static void fill_and_recover(struct world *w, void (*make_room)(struct world *w))
{
    struct store_req check = {.op = STORE_CHECK};
    uint64_t f = 0;
    wax_rc rc = WAX_OK;
    size_t refused = 0;

    MUST(w->engine->open(w->dir, &w->store) == WAX_OK);
    for (int i = 1; i <= 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        MUST(reg(w, name, i, NULL) == WAX_OK);
    }
    while (f < 2000 && (rc = big_send(w, f)) == WAX_OK)
        f++;
    MUST(rc == WAX_E_NOSPC && f > 0);
    /* Reading goes on; nothing is there by half; a repeat is refused alike. */
    for (; refused < 5; refused++)
        MUST(big_send(w, f) == WAX_E_NOSPC);
    for (int i = 1; i <= 3; i++)
        MUST(rows(w, i) == f);
    make_room(w);
    MUST(big_send(w, f) == WAX_OK);
    MUST(big_send(w, f + 1) == WAX_OK);
    for (int i = 1; i <= 3; i++)
        MUST(rows(w, i) == f + 2);
    MUST(run(w, &check) == WAX_OK);
    store_close(w->store);
    MUST(w->engine->open(w->dir, &w->store) == WAX_OK);
    MUST(rows(w, 3) == f + 2);
    store_close(w->store);
    _exit(0);
}

static void raise_limit(struct world *w)
{
    struct rlimit l;

    (void)w;
    MUST(getrlimit(RLIMIT_FSIZE, &l) == 0);
    l.rlim_cur = l.rlim_max;
    MUST(setrlimit(RLIMIT_FSIZE, &l) == 0);
}

static void limited_files(struct world *w)
{
    struct rlimit l;

    MUST(getrlimit(RLIMIT_FSIZE, &l) == 0);
    l.rlim_cur = 900000;
    MUST(setrlimit(RLIMIT_FSIZE, &l) == 0);
    MUST(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    fill_and_recover(w, raise_limit);
}

#define SKIPPED 77
static void remove_ballast(struct world *w)
{
    char path[128];

    snprintf(path, sizeof path, "%s/ballast", w->dir);
    MUST(unlink(path) == 0);
}

/* A file system of 2 MB, seen by the child alone, one of them taken by ballast. */
static void small_disk(struct world *w)
{
    char path[128], zero[4096] = {0};

    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", w->dir, "tmpfs", 0, "size=2m") != 0)
        _exit(SKIPPED);
    snprintf(path, sizeof path, "%s/ballast", w->dir);
    FILE *ballast = fopen(path, "wb");
    MUST(ballast);
    for (int i = 0; i < 256; i++)
        MUST(fwrite(zero, 1, sizeof zero, ballast) == sizeof zero);
    MUST(fclose(ballast) == 0);
    fill_and_recover(w, remove_ballast);
}

static void in_child(void (*story)(struct world *w))
{
    struct world w = {.engine = &engine_sqlite, .now = 1000 * DAY, .from = "ann@x"};
    int status;

    snprintf(w.dir, sizeof w.dir, "/tmp/wax-store-XXXXXX");
    assert_non_null(mkdtemp(w.dir));
    fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        story(&w);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    folder_remove(w.dir);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == SKIPPED) {
        print_message("no file system of its own to be had: skipped\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_file_size_limit_refuses_and_recovers(void **state)
{
    (void)state;
    in_child(limited_files);
}

static void a_full_disk_refuses_and_recovers(void **state)
{
    (void)state;
    in_child(small_disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"a_kill_loses_nothing_that_was_answered", a_kill_loses_nothing_that_was_answered,
         world_setup, world_teardown, (void *)(uintptr_t)&engine_sqlite},
        cmocka_unit_test(a_file_size_limit_refuses_and_recovers),
        cmocka_unit_test(a_full_disk_refuses_and_recovers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
