#include "server/known.h"

#include "base/mem.h"

#define SLOTS 2048 /* a power of two */

struct entry {
    struct directory_login login;
    struct point dtk;
    uint64_t until; /* 0: free */
};
struct known {
    uint64_t epoch;
    struct entry v[SLOTS];
};

wax_rc known_new(struct known **ret)
{
    struct known *k = mem_alloc(sizeof *k);

    if (!k)
        return WAX_E_NOMEM;
    *ret = k;
    return WAX_OK;
}

void known_free(struct known *k) { mem_free(k); }

static size_t slot_of(const struct dev_id *dev) { return get_u32(dev->b) & (SLOTS - 1); }

bool known_find(const struct known *k, const struct dev_id *dev, const struct point *dtk,
                uint64_t now, struct directory_login *ret)
{
    const struct entry *e = &k->v[slot_of(dev)];

    /* A clock that was set back must not make it live longer. */
    if (now >= e->until || e->until - now > KNOWN_LIFE_MS || !ID_EQ(&e->login.dev, dev) ||
        !ID_EQ(&e->dtk, dtk))
        return false;
    *ret = e->login;
    return true;
}

uint64_t known_epoch(const struct known *k) { return k->epoch; }

void known_put(struct known *k, const struct directory_login *login, const struct point *dtk,
               uint64_t epoch, uint64_t now)
{
    if (epoch == k->epoch)
        k->v[slot_of(&login->dev)] = (struct entry){*login, *dtk, now + KNOWN_LIFE_MS};
}

void known_remove(struct known *k, const struct dev_id *dev)
{
    struct entry *e = &k->v[slot_of(dev)];

    k->epoch++;
    if (ID_EQ(&e->login.dev, dev))
        e->until = 0;
}
