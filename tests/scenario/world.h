/* A small world in one process and virtual time: the real client core and the real router over
 * memory vaults and the memory store, joined by a network that a seed makes lose, repeat and
 * break. Nothing here is a model: only clock, network, disk and randomness are simulated. */
#ifndef SCENARIO_WORLD_H
#define SCENARIO_WORLD_H

#include "client/client.h"
#include "server/server.h"
#include "vault/engines.h"

#define WORLD_DEVICES 64
#define WORLD_START 1767225600000ULL

struct world;

struct device {
    struct world *w;
    char handle[64], name[32];
    struct vault_disk *disk;
    struct vault *vault;
    struct client *client; /* NULL: no account yet, or down after a crash */
    struct client_env env;
    struct transport transport;
    bool used, revoked, crashed;
    bool whole;              /* its last mailbox stream was not cut */
    struct point login; /* DTK as the carrier sees it */
    bool has_login;
    char dev_hex[33];
    struct buf taken; /* the mailbox stream it took last */
    uint64_t skew;    /* its clock is that much ahead, mod 2^64 */
    struct wall_clock clock;
};

struct faults { /* of a thousand */
    unsigned lose_request, lose_reply, repeat, crash_request, crash_vault, server_crash;
    unsigned late;          /* a request comes (again) after later ones */
    unsigned redeliver;     /* frames taken already come again */
    unsigned crash_between; /* the server dies between two steps of its store */
};

#define WORLD_LATE 4
struct late {
    struct device *from; /* NULL: none */
    char method[8], path[512];
    struct buf body;
};

struct world {
    uint64_t seed, now;
    uint64_t rng_state[4];
    struct rng rng;
    struct store *store;
    struct server *server;
    struct server_conf conf;
    struct device devices[WORLD_DEVICES];
    size_t n_devices;
    struct faults faults;
    uint64_t steps, n_faults;
    /* Two devices that talk at the same time (linking) take turns at every request. */
    struct turns *turns;
    struct late late[WORLD_LATE];
    unsigned server_life; /* counts its restarts */
    /* Hears of each content that the server has taken (NULL: nobody). */
    void (*accepted)(void *ctx, const struct hash32 *com);
    void *accepted_ctx;
};

void world_init(struct world *w, uint64_t seed);
/* The turn of the other one of two that link. */
void turn_pass(struct world *w);
void world_done(struct world *w);
uint64_t world_random(struct world *w); /* 64 bits from the seed */
bool world_chance(struct world *w, unsigned of_thousand);
/* Lets ms pass; the server's clock ticks along. */
void world_pass(struct world *w, uint64_t ms);
/* The server process dies and comes back: what its store had not committed is gone. */
void world_server_crash(struct world *w);

/* A device with an empty disk, not yet of any account. */
struct device *world_device(struct world *w, const char *handle, const char *name);
/* Opens vault and client anew, as after a crash. WAX_E_NOTFOUND: no account there. */
wax_rc device_start(struct device *d);
void device_stop(struct device *d);
void device_know_login(struct device *d); /* what the carrier shows of it */
/* Another disk in its place; the old one is gone. The device starts again. */
wax_rc device_restore(struct device *d, struct vault_disk *copy);
wax_rc device_register(struct device *d);
/* Links `fresh` to the account of `old`, who types the digits (wrong ones when mistype). */
wax_rc device_link(struct device *old, struct device *fresh, bool mistype);
/* Connects, flushes nothing, takes in what waits, acks. */
wax_rc device_receive(struct device *d);
wax_rc device_send(struct device *d, const char *to, const char *text, struct hash32 *ret);
/* How often a text stands in the history of d. */
unsigned device_count(struct device *d, const char *text);

/* One raw request as a hostile or curious client would make it. */
int world_request(struct world *w, struct device *as, const char *method, const char *path,
                  struct bytes body, struct buf *ret_body);

#endif
