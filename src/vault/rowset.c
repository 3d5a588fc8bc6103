/* A treap with path copying. A node's priority is a hash of its key, so the shape depends
 * on the keys alone and a run under a seed does the same allocations each time. */
#include "vault/rowset.h"

#include "base/mem.h"

struct row {
    unsigned refs;
    size_t nkey, nvalue;
    uint8_t data[]; /* key, then value */
};

struct rowset {
    unsigned refs;
    uint32_t prio;
    size_t size;
    struct row *row;
    struct rowset *l, *r;
};

static struct bytes row_key(const struct row *w) { return BYTES(w->data, w->nkey); }
static struct bytes row_value(const struct row *w) { return BYTES(w->data + w->nkey, w->nvalue); }

static void row_drop(struct row *w)
{
    if (--w->refs == 0)
        mem_free_wiped(w, sizeof *w + w->nkey + w->nvalue);
}

static struct row *row_new(struct bytes key, struct bytes value)
{
    struct row *w = mem_alloc(sizeof *w + key.n + value.n);

    if (!w)
        return NULL;
    w->refs = 1;
    w->nkey = key.n;
    w->nvalue = value.n;
    if (key.n)
        memcpy(w->data, key.p, key.n);
    if (value.n)
        memcpy(w->data + key.n, value.p, value.n);
    return w;
}

static int key_cmp(struct bytes x, struct bytes y)
{
    size_t n = x.n < y.n ? x.n : y.n;
    int c = n ? memcmp(x.p, y.p, n) : 0;

    return c ? c : (x.n > y.n) - (x.n < y.n);
}

/* FNV-1a, then a finalizer, since the keys are often counters. */
static uint32_t key_prio(struct bytes key)
{
    uint32_t h = 2166136261u;

    for (size_t i = 0; i < key.n; i++)
        h = (h ^ key.p[i]) * 16777619u;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

struct rowset *rowset_keep(struct rowset *s)
{
    if (s)
        s->refs++;
    return s;
}

void rowset_drop(struct rowset *s)
{
    if (!s || --s->refs)
        return;
    row_drop(s->row);
    rowset_drop(s->l);
    rowset_drop(s->r);
    mem_free(s);
}

size_t rowset_size(const struct rowset *s) { return s ? s->size : 0; }

static void count(struct rowset *s) { s->size = 1 + rowset_size(s->l) + rowset_size(s->r); }

/* A node of its own with these parts; takes over l and r, also when it fails. */
static struct rowset *node(struct row *w, uint32_t prio, struct rowset *l, struct rowset *r)
{
    struct rowset *s = mem_alloc(sizeof *s);

    if (!s) {
        rowset_drop(l);
        rowset_drop(r);
        return NULL;
    }
    *s = (struct rowset){.refs = 1, .prio = prio, .row = w, .l = l, .r = r};
    w->refs++;
    count(s);
    return s;
}

/* Moves the fresh left (right) child above its fresh parent. */
static struct rowset *rotate(struct rowset *s, bool left_up)
{
    struct rowset *up = left_up ? s->l : s->r;

    if (left_up) {
        s->l = up->r;
        up->r = s;
    } else {
        s->r = up->l;
        up->l = s;
    }
    count(s);
    count(up);
    return up;
}

/* A version of s with the row; s stays as it is. NULL: no memory. The root it gives is
 * fresh, so it may be rotated. */
static struct rowset *inserted(struct rowset *s, struct row *w)
{
    if (!s)
        return node(w, key_prio(row_key(w)), NULL, NULL);
    int c = key_cmp(row_key(w), row_key(s->row));
    if (c == 0)
        return node(w, s->prio, rowset_keep(s->l), rowset_keep(s->r));
    struct rowset *child = inserted(c < 0 ? s->l : s->r, w);
    if (!child)
        return NULL;
    bool up = child->prio > s->prio;
    struct rowset *n = c < 0 ? node(s->row, s->prio, child, rowset_keep(s->r))
                             : node(s->row, s->prio, rowset_keep(s->l), child);
    return n && up ? rotate(n, c < 0) : n;
}

/* All rows of l lie before those of r. On failure *ok is cleared. */
static struct rowset *joined(struct rowset *l, struct rowset *r, bool *ok)
{
    if (!l || !r)
        return rowset_keep(l ? l : r);
    bool left = l->prio > r->prio;
    struct rowset *mid = left ? joined(l->r, r, ok) : joined(l, r->l, ok);
    if (!*ok)
        return NULL;
    struct rowset *n = left ? node(l->row, l->prio, rowset_keep(l->l), mid)
                            : node(r->row, r->prio, mid, rowset_keep(r->r));
    *ok = n != NULL;
    return n;
}

/* A version of s without the key, which is there. */
static struct rowset *removed(struct rowset *s, struct bytes key, bool *ok)
{
    int c = key_cmp(key, row_key(s->row));

    if (c == 0)
        return joined(s->l, s->r, ok);
    struct rowset *child = removed(c < 0 ? s->l : s->r, key, ok);
    if (!*ok)
        return NULL;
    struct rowset *n = c < 0 ? node(s->row, s->prio, child, rowset_keep(s->r))
                             : node(s->row, s->prio, rowset_keep(s->l), child);
    *ok = n != NULL;
    return n;
}

bool rowset_get(const struct rowset *s, struct bytes key, struct bytes *ret)
{
    while (s) {
        int c = key_cmp(key, row_key(s->row));
        if (c == 0) {
            *ret = row_value(s->row);
            return true;
        }
        s = c < 0 ? s->l : s->r;
    }
    return false;
}

wax_rc rowset_put(struct rowset **s, struct bytes key, struct bytes value)
{
    struct row *w = row_new(key, value);

    if (!w)
        return WAX_E_NOMEM;
    struct rowset *n = inserted(*s, w);
    row_drop(w);
    if (!n)
        return WAX_E_NOMEM;
    rowset_drop(*s);
    *s = n;
    return WAX_OK;
}

wax_rc rowset_del(struct rowset **s, struct bytes key)
{
    struct bytes old;
    bool ok = true;

    if (!rowset_get(*s, key, &old))
        return WAX_OK;
    struct rowset *n = removed(*s, key, &ok);
    if (!ok)
        return WAX_E_NOMEM;
    rowset_drop(*s);
    *s = n;
    return WAX_OK;
}

size_t rowset_rank(const struct rowset *s, struct bytes key)
{
    size_t before = 0;

    while (s) {
        if (key_cmp(row_key(s->row), key) < 0) {
            before += rowset_size(s->l) + 1;
            s = s->r;
        } else {
            s = s->l;
        }
    }
    return before;
}

size_t rowset_rank_end(const struct rowset *s, struct bytes prefix)
{
    size_t before = 0;

    while (s) {
        struct bytes head = row_key(s->row);
        if (head.n > prefix.n)
            head.n = prefix.n;
        if (key_cmp(head, prefix) <= 0) {
            before += rowset_size(s->l) + 1;
            s = s->r;
        } else {
            s = s->l;
        }
    }
    return before;
}

void rowset_at(const struct rowset *s, size_t i, struct bytes *key, struct bytes *value)
{
    while (i != rowset_size(s->l)) {
        if (i < rowset_size(s->l)) {
            s = s->l;
        } else {
            i -= rowset_size(s->l) + 1;
            s = s->r;
        }
    }
    *key = row_key(s->row);
    *value = row_value(s->row);
}
