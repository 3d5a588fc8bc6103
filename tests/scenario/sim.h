/* What the files of the simulator share: the plan that a seed draws, the lives of its devices, and
 * the ledger that decides. */
#ifndef SCENARIO_SIM_H
#define SCENARIO_SIM_H

#include <stdio.h>

#include "world.h"

#define SIM_ACCOUNTS 15
#define SIM_DEVICES 60 /* at most, with those linked later and clones */
#define SIM_START_DEVICES 40

/* Kinds of trouble beside the usual ones (lost, repeated, broken off, crashed). A seed has the one
 * of seed % TROUBLES for sure, and draws others. */
enum trouble {
    PLAIN,
    CLOCKS,    /* clocks that are wrong, and jump */
    DEVICES,   /* devices come and go */
    OLD_COPY,  /* an old copy of a home is put back */
    AWAY,      /* hours to nine days pass */
    NETWORK,   /* requests and answers take up to a minute, come late, frames again */
    FULL,      /* mailboxes of a few rows */
    STORE,     /* servers die between two steps of their store */
    PARTITION, /* devices without a network for a while */
    CLONE,     /* a home is copied, and both run */
    MEMORY,    /* allocations fail */
    DISK,      /* SQLite on a disk that dies, is full, and loses what was not synced */
    TROUBLES
};

struct plan {
    uint32_t troubles; /* 1 << enum trouble */
    unsigned accounts, devices[SIM_ACCOUNTS];
    unsigned acts;   /* of all devices together */
    uint64_t rhythm; /* ms between two acts of a device: up to that */
    struct world_plan world;
};

struct totals {
    uint64_t seeds, real, failed, steps, faults, sent, delivered, lost, doubled, order, alerts,
        stuck, keys, store, replay, excused, expired, unreadable;
};

/* What the ledger knows of a device beside the world. */
struct life {
    struct sim *s;
    size_t i;
    unsigned account;
    bool active;                  /* takes part */
    bool maybe_revoked;           /* somebody tried; its next connection tells */
    bool clone;                   /* runs on a copied identity */
    bool was_rolled;              /* an old copy or a clone of it ran */
    uint64_t link_begun, listed;  /* listed: surely on the list from then on; 0: from the start */
    uint64_t removed;             /* when the server took it off the list */
    uint64_t copied, gone_before; /* of what was accepted in between it may lack any */
    struct copy copy;
    struct buf connects; /* when it took its mailbox, 8 bytes each */
    struct buf rows;     /* of struct row: what the store holds for it */
    bool jumped;         /* its clock was wrong by more than an hour at some time */
    bool far;            /* by more than a day */
};

/* One envelope's content for one device, as the store took it; repeats are further letters. */
struct letter {
    struct hash32 com;
    struct dev_id from, to;
    uint64_t first, last;
    unsigned times; /* stored under so many fanout ids */
    bool repeat;    /* the first of them was not the message's own: a repeat (4.8) */
};

struct sim {
    struct world w;
    struct totals *t;
    struct plan plan;
    unsigned counter, acts_left;
    bool stop;
    struct life life[SIM_DEVICES];
    struct buf letters; /* of struct letter */
    struct ledger_map *letter_at;
    uint64_t audited, stopped_at;
    unsigned shown; /* complaints printed */
};

static inline bool sim_has(const struct sim *s, enum trouble t)
{
    return s->plan.troubles >> t & 1;
}

/* sim_plan.c */
void sim_draw(struct sim *s, uint64_t seed, unsigned acts, struct plan *ret);
void sim_set_up(struct sim *s);
void sim_handle(unsigned account, char out[64]);
const char *sim_troubles(const struct sim *s, char out[160]);

/* sim_life.c: starts the tasks of all devices, and the one of fate. */
void sim_begin(struct sim *s);
void sim_begin_life(struct sim *s, size_t i);
/* Starts a device again, as after a crash. */
void sim_revive(struct sim *s, size_t i);
/* After an operation: a crash restarts the device, a broken disk too (the process dies of it),
 * anything else goes on. */
void sim_after(struct sim *s, size_t i, wax_rc rc);
wax_rc sim_receive(struct sim *s, size_t i);
void sim_send(struct sim *s, size_t i, const char *to, bool flush);

/* sim_fate.c */
void sim_fate(void *arg);
void sim_revoke(struct sim *s, size_t i);
void sim_fates_end(struct sim *s); /* clones end, clocks are set right */

/* ledger.c, ledger_wire.c */
void ledger_begin(struct sim *s);
void ledger_end(struct sim *s);
/* Looks into the store: nothing lives too long, nothing went too early. */
void ledger_audit(struct sim *s);
void ledger_check(struct sim *s);
struct letter *ledger_letter(struct sim *s, const struct hash32 *com, const struct dev_id *to);
int ledger_device(const struct sim *s, const struct dev_id *dev); /* −1: none of ours */
/* What went wrong is said with its seed, so that it can be run again. */
void ledger_complain(struct sim *s, uint64_t *counter, const char *what, const struct device *d,
                     const char *text);

/* A map of 64-bit hashes. */
struct ledger_map;
struct ledger_map *ledger_map_new(void);
void ledger_map_free(struct ledger_map *m);
uint64_t ledger_hash(uint64_t start, const void *p, size_t n);
/* The place of key's value, 0 at first; until the next call. */
uint64_t *ledger_map_at(struct ledger_map *m, uint64_t key);
/* Whether key has this value (not 0), or none so far: then it is kept. */
bool ledger_map_same(struct ledger_map *m, uint64_t key, uint64_t value);

#endif
