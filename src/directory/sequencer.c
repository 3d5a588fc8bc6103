#include "directory/sequencer.h"

void sequencer_init(struct sequencer *s, struct store *store, const char *domain)
{
    *s = (struct sequencer){.store = store, .domain = domain};
    list_init(&s->waiting);
}

void sequencer_start(struct sequencer *s, const struct directory_log *conf)
{
    s->conf = *conf;
    s->on = true;
    s->again = true; /* what an earlier process left, and the day's entry */
}

static void batch_done(struct store_req *req);

static void start_batch(struct sequencer *s, bool due)
{
    s->again = false;
    s->busy = true;
    s->retry_at = 0;
    s->batch =
        (struct log_batch){.key = s->conf.key, .domain = s->domain, .now = s->now, .due = due};
    s->req = (struct store_req){.op = STORE_LOG_WRITE, .now = s->now, .done = batch_done, .ctx = s};
    s->req.u.log = (struct store_log_run){log_batch_run, &s->batch};
    store_submit(s->store, &s->req);
}

/* Those that this number lets go. They may come back while others are told. */
static void tell_waiting(struct sequencer *s)
{
    struct list *next;

    for (struct list *l = s->waiting.next; l != &s->waiting; l = next) {
        struct sequencer_wait *w = LIST_OF(l, struct sequencer_wait, node);
        next = l->next;
        if (w->change > s->logged)
            continue;
        list_del(&w->node);
        w->over(w, WAX_OK);
    }
}

static void trouble(struct sequencer *s, wax_rc rc)
{
    s->retry_at = s->now + SEQUENCER_RETRY_MS;
    s->again = true;
    if (s->conf.trouble && !s->failing)
        s->conf.trouble(s->conf.ctx, rc,
                        rc == WAX_E_DENIED ? "the log in the store was signed with another log key"
                                           : "the next entry of the log cannot be made");
    s->failing = true;
}

static void batch_done(struct store_req *req)
{
    struct sequencer *s = req->ctx;
    wax_rc rc = req->rc;

    store_req_done(req);
    s->busy = false;
    if (rc != WAX_OK) {
        trouble(s, rc);
        return;
    }
    if (!s->known) /* the last process's entry was made at its time, as far as we can tell */
        s->made_at = s->batch.time < s->now ? s->batch.time : s->now;
    if (s->batch.made)
        s->made_at = s->batch.now;
    s->known = true;
    s->failing = false;
    s->logged = s->batch.logged;
    s->time = s->batch.time;
    if (s->batch.more || s->again)
        start_batch(s, false);
    tell_waiting(s);
}

void sequencer_kick(struct sequencer *s, uint64_t now)
{
    s->now = now;
    if (!s->on)
        return;
    if (s->busy || s->retry_at)
        s->again = true;
    else
        start_batch(s, false);
}

void sequencer_await(struct sequencer *s, struct sequencer_wait *w, uint64_t now)
{
    w->until = now + SEQUENCER_WAIT_MS;
    list_add(&s->waiting, &w->node);
    sequencer_kick(s, now);
}

static void give_up(struct sequencer *s)
{
    struct list *next;

    for (struct list *l = s->waiting.next; l != &s->waiting; l = next) {
        struct sequencer_wait *w = LIST_OF(l, struct sequencer_wait, node);
        next = l->next;
        if (s->now < w->until && w->until - s->now <= SEQUENCER_WAIT_MS)
            continue;
        list_del(&w->node);
        w->over(w, WAX_E_TIMEOUT);
    }
}

/* The clock may have gone back: then the hour begins anew, and a failure is tried again. */
static bool clock_reached(uint64_t at, uint64_t most, uint64_t now)
{
    return now >= at || at - now > most;
}

void sequencer_tick(struct sequencer *s, uint64_t now)
{
    s->now = now;
    if (!s->on)
        return;
    give_up(s);
    if (s->busy || (s->retry_at && !clock_reached(s->retry_at, SEQUENCER_RETRY_MS, now)))
        return;
    if (s->made_at > now)
        s->made_at = now;
    bool due = s->known && now - s->made_at >= SEQUENCER_IDLE_MS;
    if (s->again || due || !s->known || (now > s->time && day_of(now) != day_of(s->time)))
        start_batch(s, due);
}

uint64_t sequencer_next_wake(const struct sequencer *s)
{
    uint64_t at = UINT64_MAX;

    if (!s->on)
        return at;
    if (!s->busy) {
        at = s->made_at + SEQUENCER_IDLE_MS;
        uint64_t day = (day_of(s->time) + 1) * DAY_MS;
        if (day < at && day > s->now)
            at = day;
        if (s->again || !s->known)
            at = s->retry_at ? s->retry_at : s->now;
    }
    for (const struct list *l = s->waiting.next; l != &s->waiting; l = l->next) {
        const struct sequencer_wait *w = LIST_OF(l, struct sequencer_wait, node);
        if (w->until < at)
            at = w->until;
    }
    return at;
}
