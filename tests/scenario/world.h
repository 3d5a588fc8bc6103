/* A world in one thread and virtual time: the real client core and the real router, over vaults
 * and a store that are the memory twins or the SQLite engines on a simulated disk, joined by a
 * network that a seed makes lose, delay, repeat and break. Nothing here is a model: only clock,
 * network, disk and randomness are simulated.
 *
 * Stories call the device_… functions one after the other. A simulation (sim.c) starts them as
 * tasks: each request is then a point where other tasks run. */
#ifndef SCENARIO_WORLD_H
#define SCENARIO_WORLD_H

#include "client/client.h"
#include "co.h"
#include "engine.h"
#include "server/server.h"
#include "vault/engines.h"

#define WORLD_DEVICES 640
#define WORLD_START 1767225600000ULL
#define WORLD_FRONTS 3
#define WORLD_TASKS 128

struct world;
struct device;

/* What happens to a home at one of its next writes or commits. */
enum home_fault {
    HOME_WELL,
    HOME_DIES_BEFORE, /* the process ends, nothing of the step is done */
    HOME_DIES_AFTER,  /* the commit is durable, the process ends before it goes on */
    HOME_NO_SPACE,    /* the step fails, the process goes on */
    HOME_IO,          /* the same, with another error */
};

/* The vault as a client sees it: it may fail, and it is gone once the process is. */
struct home {
    struct vault base;
    struct vault *real;
    struct device *d;
    enum home_fault fault;
    unsigned after; /* writes and commits until it strikes, from 1 */
};

struct device {
    struct world *w;
    char handle[64], name[32];
    struct vault_disk *disk; /* the memory twin's, or */
    struct disk *sql;        /* that of an SQLite vault */
    struct home home;
    struct vault *vault;   /* NULL: closed */
    struct client *client; /* NULL: no account yet, or down after a crash */
    struct client_env env;
    struct transport transport;
    bool used, revoked, crashed;
    bool whole;         /* its last mailbox stream was not cut */
    bool busy;          /* a task works in it */
    struct point login; /* DTK as the carrier sees it */
    bool has_login;
    char dev_hex[33];
    struct buf taken;   /* the mailbox stream it took last */
    uint64_t skew;      /* its clock is that much ahead, mod 2^64 */
    uint64_t cut_until; /* the network between it and the servers is down */
    unsigned front;     /* the one it is connected to */
    uint64_t linger;    /* how long a mailbox stream stays open, ms */
    struct wall_clock clock;
};

struct faults { /* of a thousand */
    unsigned lose_request, lose_reply, repeat, crash_request, crash_vault, server_crash;
    unsigned late;          /* a request comes (again) after later ones */
    unsigned redeliver;     /* frames taken already come again */
    unsigned crash_between; /* a server dies between two steps of its store */
    unsigned slow;          /* a request or answer is under way for up to a minute */
};

#define WORLD_LATE 4
struct late {
    struct device *from; /* NULL: none */
    char method[8], path[512];
    struct buf body;
};

/* One server process: router, directory and mailbox rules. */
struct front {
    struct world *w;
    struct server *server;
    struct door *door; /* its way to the store */
    unsigned life;     /* counts its restarts */
};

struct task {
    struct co *co; /* NULL: free */
    uint64_t wake;
    struct device *d; /* NULL: of nobody */
};

struct world {
    uint64_t seed, now;
    uint64_t rng_state[4];
    struct rng rng;
    struct engine *engine;
    struct front fronts[WORLD_FRONTS];
    unsigned n_fronts;
    bool sweep_failed; /* the server's last one: it tries again after a minute */
    struct server_conf conf;
    struct device *devices; /* WORLD_DEVICES */
    size_t n_devices;
    struct faults faults;
    uint64_t steps, n_faults;
    struct task tasks[WORLD_TASKS];
    struct task *current; /* the task that runs */
    struct late late[WORLD_LATE];
    bool sql_vaults; /* homes made from now on are SQLite vaults */
    /* Sees each request to the store when it was carried out (NULL: nobody). */
    void (*watch)(void *ctx, const struct store_req *req);
    /* Sees each request body that reaches a server. */
    void (*wire)(void *ctx, const char *path, struct bytes body);
    void *watch_ctx;
};

struct world_plan {
    unsigned fronts; /* 0: one */
    bool sql_store, sql_vaults;
};

void world_init(struct world *w, uint64_t seed);
void world_init_as(struct world *w, uint64_t seed, const struct world_plan *plan);
void world_done(struct world *w);
uint64_t world_random(struct world *w); /* 64 bits from the seed */
uint64_t world_below(struct world *w, uint64_t n);
bool world_chance(struct world *w, unsigned of_thousand); /* counted as a fault when it strikes */
/* Lets ms pass; the servers' clocks tick along, at least once an hour, and each minute while they
 * have to try again. */
void world_pass(struct world *w, uint64_t ms);
/* All server processes die and come back: what the store had not committed is gone. */
void world_server_crash(struct world *w);
/* The same with the power: of what was written and not synced, any sectors may be gone. */
void world_power_cut(struct world *w);
/* One of them dies: of what it had asked of the store, the rest after some point is not done. */
void world_front_crash(struct world *w, unsigned k);

/* --- Tasks --- */

/* Runs fn(arg) as a task, from `wait` ms from now on. */
void world_spawn(struct world *w, struct device *d, uint64_t wait, void (*fn)(void *arg),
                 void *arg);
/* Goes on with the task whose time comes first. False: there is none. */
bool world_step(struct world *w);
/* In a task: others run for ms. Outside: ms pass. */
void world_sleep(struct world *w, uint64_t ms);

/* --- Devices --- */

/* A device with an empty disk, not yet of any account. */
struct device *world_device(struct world *w, const char *handle, const char *name);
/* Opens vault and client anew, as after a crash. WAX_E_NOTFOUND: no account there. */
wax_rc device_start(struct device *d);
void device_stop(struct device *d);
/* The process ends now: nothing it does from here on has an effect. */
void device_kill(struct device *d);
void device_know_login(struct device *d); /* what the carrier shows of it */
/* A copy of its disk (of a home that is not in use); put back or freed by these two. */
struct copy {
    struct vault_disk *disk;
    struct disk *sql;
};
struct copy device_copy(struct device *d);
void copy_free(struct copy *c);
/* The copy in the place of the disk, which is gone. The device starts again. */
wax_rc device_put_back(struct device *d, struct copy *c);
wax_rc device_restore(struct device *d, struct vault_disk *copy);
wax_rc device_register(struct device *d);
/* Links `fresh` to the account of `old`, who types the digits (wrong ones when mistype). */
wax_rc device_link(struct device *old, struct device *fresh, bool mistype);
/* The same as two tasks of a simulation: then done(ctx, rc) is called, from the last of them. */
void device_link_begin(struct device *old, struct device *fresh, bool mistype,
                       void (*done)(void *ctx, struct device *old, struct device *fresh, wax_rc rc),
                       void *ctx);
/* Connects, flushes nothing, takes in what waits, acks. */
wax_rc device_receive(struct device *d);
wax_rc device_send(struct device *d, const char *to, const char *text, struct hash32 *ret);
/* How often a text stands in the history of d. */
unsigned device_count(struct device *d, const char *text);

/* One raw request as a hostile or curious client would make it. */
int world_request(struct world *w, struct device *as, const char *method, const char *path,
                  struct bytes body, struct buf *ret_body);

/* --- Shared by the world's files --- */

#define MUST(x)                                                                                    \
    do {                                                                                           \
        wax_rc must_rc = (x);                                                                      \
        if (must_rc != WAX_OK)                                                                     \
            world_broken(__FILE__, __LINE__, #x, must_rc);                                         \
    } while (0)
_Noreturn void world_broken(const char *file, int line, const char *what, wax_rc rc);

struct fake { /* one answer, as the carrier gathers it */
    struct http_responder r;
    int status;
    bool started, ended;
    char type[64];
    unsigned front, life; /* of the server that was asked */
    struct buf body;
};
void net_ask(struct world *w, struct device *as, unsigned front, const char *method,
             const char *path, struct bytes body, struct fake *f);
/* The request is over: whoever still waits for its answer is gone. */
void net_over(struct world *w, struct fake *f);
void net_late(struct world *w);
wax_rc net_request(void *ctx, const char *method, const char *path, struct bytes body,
                   struct transport_reply *reply);
bool net_cut(const struct device *d);
/* The front that it talks to next. */
unsigned net_front(struct device *d);
/* Lets the servers look at the clock and the store do all that is asked of it. */
void net_tick(struct world *w);

/* The vault door: real is owned from here on. */
struct vault *home_open(struct device *d, struct vault *real);
/* Allocations of the product may fail (armed by world_fail_alloc) while it runs, not those of the
 * harness: each way in and out tells. Returns what was before. */
bool world_product(bool runs);
/* The n-th allocation of the product from now fails (0: off). */
void world_fail_alloc(unsigned nth);

#endif
