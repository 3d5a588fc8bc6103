#include "server/limit.h"

#include "base/mem.h"

#define SLOTS 8192 /* a power of two */
#define PROBE 8

/* The whole state of a bucket is one time, in µs: when it would be full again (the generic
 * cell rate algorithm). A token moves it on by period / rate; it may lie one period ahead. */
struct slot {
    uint64_t key; /* 64-bit hash of kind and key; 0: free */
    uint64_t full_at;
};
struct limits {
    struct slot v[SLOTS];
};

wax_rc limits_new(struct limits **ret)
{
    struct limits *l = mem_alloc(sizeof *l);

    if (!l)
        return WAX_E_NOMEM;
    *ret = l;
    return WAX_OK;
}

void limits_free(struct limits *l) { mem_free(l); }

static uint64_t key_hash(enum limit_kind kind, struct bytes key)
{
    uint64_t h = 14695981039346656037ULL ^ (uint64_t)kind;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ key.p[i]) * 1099511628211ULL;
    h ^= h >> 32;
    return h ? h : 1;
}

static struct slot *find(struct limits *l, uint64_t key)
{
    struct slot *best = NULL;

    for (size_t i = 0; i < PROBE; i++) {
        struct slot *s = &l->v[(key + i) & (SLOTS - 1)];
        if (s->key == key)
            return s;
        if (!best || s->full_at < best->full_at)
            best = s;
    }
    *best = (struct slot){key, 0};
    return best;
}

static uint64_t bucket(struct limits *l, enum limit_kind kind, struct bytes key,
                       struct limit_rate r, uint64_t now, bool take)
{
    if (r.rate == 0)
        return 0;
    struct slot *s = find(l, key_hash(kind, key));
    uint64_t now_us = now * 1000, period = r.period_ms * 1000;
    uint64_t from = s->full_at > now_us ? s->full_at : now_us;
    /* A clock that was set back, or settings that shrank the period. */
    if (from > now_us + period)
        from = now_us;
    uint64_t next = from + period / r.rate;
    if (next > now_us + period)
        return (next - now_us - period + 999) / 1000;
    if (take)
        s->full_at = next;
    return 0;
}

uint64_t limit_take(struct limits *l, enum limit_kind kind, struct bytes key, struct limit_rate r,
                    uint64_t now)
{
    return bucket(l, kind, key, r, now, true);
}

uint64_t limit_ask(struct limits *l, enum limit_kind kind, struct bytes key, struct limit_rate r,
                   uint64_t now)
{
    return bucket(l, kind, key, r, now, false);
}
