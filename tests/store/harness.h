/* Storage stories: the engines, a store in a folder of its own, and short ways to say
 * requests. Devices are small numbers; device n has keys made from n. */
#ifndef TEST_STORE_HARNESS_H
#define TEST_STORE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/memory.h"
#include "store/sqlite.h"

#define HOUR 3600000ULL
#define DAY (24 * HOUR)
#define WEEK (7 * DAY)

struct engine {
    const char *name;
    wax_rc (*open)(const char *dir, struct store **ret);
    wax_rc (*run)(struct store *s, struct store_req *req);
};
extern const struct engine engines[];
extern const size_t n_engines;
extern const struct engine engine_memory, engine_sqlite;

struct world {
    const struct engine *engine;
    char dir[64];
    struct store *store;
    uint64_t now;
    char from[32]; /* the hint of the next sends */
    uint32_t max_count;
    uint64_t max_bytes;
};

struct story {
    const char *name;
    void (*tell)(void **state);
};
#define STORY(fn)                                                                                  \
    {                                                                                              \
#fn, fn                                                                                    \
    }
extern const struct story stories_accounts[], stories_mail[], stories_sweep[], stories_misc[],
    stories_log[];

/* cmocka fixtures; the initial state is an engine. */
int world_setup(void **state);
int world_teardown(void **state);
struct world *world_new(const struct engine *e);
void world_free(struct world *w);
void world_reopen(struct world *w);
void folder_remove(const char *dir);

struct dev_id dev(int n);
struct store_device device(int n);
struct acct_id account_id(const char *name);
struct fanout_id fanout(uint64_t n);
struct bundle_id bundle_id(int device, int generation);

wax_rc run(struct world *w, struct store_req *req);
/* Submits all of them at once and waits until all are done; run_all at the world's time. */
void submit_all(struct world *w, struct store_req *reqs, size_t n);
void run_all(struct world *w, struct store_req *reqs, size_t n);
/* name@x with device n and its bundle of generation 1; token may be NULL. */
wax_rc reg(struct world *w, const char *name, int n, const char *token);
/* Manifest `seq` of name with these devices (ends with 0); those from 100·seq up are taken
 * as new and bring bundles. Outputs stay in req. */
wax_rc publish(struct world *w, struct store_req *req, const char *name, uint32_t seq,
               const int *devices);
/* A bundle of the device, not_before = generation · 1000. */
wax_rc put_bundle(struct world *w, int device, int generation);
/* One envelope with this text, no INIT. */
enum store_result send(struct world *w, int from, int to, uint64_t f, const char *text);
/* An INIT to that bundle; the request's own rc. Outputs stay in req. */
wax_rc send_init(struct world *w, struct store_req *req, int from, int to, uint64_t f,
                 int generation);
wax_rc fetch(struct world *w, struct store_req *req, int device, uint64_t after);
/* How many rows wait. */
size_t waiting(struct world *w, int device);
void ack(struct world *w, int device, uint64_t seq);
/* Sweeps once; outputs stay in req. */
void sweep(struct world *w, struct store_req *req, uint64_t life);
/* The k-th row of a fetch is an envelope from ann@x (or w->from) with this text. */
void assert_envelope(const struct store_req *req, size_t k, const char *from, const char *text);
void assert_notice(const struct store_req *req, size_t k, uint64_t f, int to, uint64_t accepted_at,
                   int reason);
void assert_expired(const struct store_req *req, size_t k, uint32_t count);
bool has_dev(const struct buf_list *l, int n);

#endif
