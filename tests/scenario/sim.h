/* What the steps of a random run (sim.c, sim_events.c) and its ledger (ledger.c) share. */
#ifndef SCENARIO_SIM_H
#define SCENARIO_SIM_H

#include "world.h"

#define ACCOUNTS 3
#define DEVICES 6      /* at the start */
#define SIM_DEVICES 12 /* at most, with those linked later */

/* Which kinds of trouble a seed brings: seed % PROFILES. */
enum profile {
    PLAIN,    /* lost, repeated, broken off, crashed: nothing may be missing */
    CLOCKS,   /* clocks that differ by minutes to a day */
    DEVICES_, /* devices come and go */
    OLD_COPY, /* an old copy of a home is put back */
    EXPIRY,   /* hours to more than a week pass */
    NETWORK,  /* requests arrive late, frames again */
    FULL,     /* mailboxes of a few rows */
    STORE,    /* the server dies between two steps of its store */
    PROFILES
};

struct totals {
    uint64_t seeds, steps, faults, sent, lost, doubled, order, alerts, stuck, excused;
};

/* What the ledger knows of a device beside the world. */
struct life {
    bool active;                  /* takes part */
    bool maybe_revoked;           /* somebody tried; its next connection tells */
    uint64_t link_begun, listed;  /* listed: surely on the list from then on; 0: from the start */
    uint64_t copied, gone_before; /* old copy: of what was accepted in between, it may lack any */
    struct vault_disk *copy;
    struct buf connects; /* when it took its mailbox, 8 bytes each */
};

struct letter {
    struct hash32 com;
    uint64_t first, last; /* when the server took it, first and last */
};

struct sim {
    struct world w;
    struct totals *t;
    enum profile profile;
    unsigned counter;
    struct life life[SIM_DEVICES];
    struct buf letters; /* of struct letter */
    uint64_t jumped;    /* ms let pass in jumps */
};

/* What went wrong is said with its seed and profile, so that it can be run again. */
void sim_complain(const struct sim *s, uint64_t *counter, const char *what, const struct device *d,
                  const char *text);
/* Starts a device again, as after a crash; a device that was revoked by then retires (false). */
bool sim_revive(struct sim *s, size_t i);
/* After a failed operation: a crash restarts the device, a broken disk write too (the process dies
 * of it), anything else goes on. */
void sim_after(struct sim *s, size_t i, wax_rc rc);
void sim_send(struct sim *s, size_t i, const char *to);
/* An event of the seed's profile; PLAIN has none. */
void sim_event(struct sim *s);
/* Every device, its outbox and its mailbox, without faults. Returns how much is left. */
unsigned sim_round(struct sim *s);
struct letter *sim_letter(struct sim *s, const struct hash32 *com);

void ledger_check(struct sim *s);

extern const char *const sim_handles[ACCOUNTS];

#endif
