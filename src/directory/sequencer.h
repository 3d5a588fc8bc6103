/* Inside src/directory only: when the next log entry is made, and who waits for it.
 *
 * The first change starts an entry at once; what comes while that one is written goes into the
 * next. So nobody waits longer than two commits, and the more there is to do, the larger the
 * entries. Without changes there is one an hour, and one as soon as a UTC day begins. */
#ifndef DIRECTORY_SEQUENCER_H
#define DIRECTORY_SEQUENCER_H

#include "base/list.h"
#include "directory/directory.h"
#include "directory/log_batch.h"

#define SEQUENCER_IDLE_MS 3600000ULL
#define SEQUENCER_RETRY_MS 1000ULL
#define SEQUENCER_WAIT_MS 10000ULL

struct sequencer {
    bool on;
    struct directory_log conf;
    struct store *store;
    const char *domain;
    /* What waits is told through this: logged, or not within SEQUENCER_WAIT_MS. */
    struct list waiting;
    struct log_batch batch;
    struct store_req req;
    bool busy;             /* a batch is at the store */
    bool again;            /* there is work for another one */
    bool known;            /* the four below are */
    uint64_t logged, time; /* as in log_batch */
    uint64_t made_at;      /* server's clock when the last entry was made */
    uint64_t retry_at;     /* after a failure; 0: none */
    bool failing;          /* told once */
    uint64_t now;
};

/* Embedded by who waits; he takes himself out when he goes away. */
struct sequencer_wait {
    struct list node;
    uint64_t change, until;
    void (*over)(struct sequencer_wait *w, wax_rc rc);
};

void sequencer_init(struct sequencer *s, struct store *store, const char *domain);
void sequencer_start(struct sequencer *s, const struct directory_log *conf);
/* There is a new change. */
void sequencer_kick(struct sequencer *s, uint64_t now);
/* `over` is called once: WAX_OK when the change is in the log, else WAX_E_TIMEOUT. */
void sequencer_await(struct sequencer *s, struct sequencer_wait *w, uint64_t now);
void sequencer_tick(struct sequencer *s, uint64_t now);
uint64_t sequencer_next_wake(const struct sequencer *s);

#endif
