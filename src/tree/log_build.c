#include "tree/log.h"

wax_rc log_append(const struct log_store *s, uint64_t size, const struct hash32 *leaf)
{
    struct hash32 h = *leaf, left;
    uint64_t at = size;

    wax_rc rc = s->put(s->ctx, 0, at, &h);
    for (uint8_t level = 0; rc == WAX_OK && at & 1; level++) {
        rc = s->get(s->ctx, level, at - 1, &left);
        if (rc == WAX_OK)
            rc = log_node(&left, &h, &h);
        at >>= 1;
        if (rc == WAX_OK)
            rc = s->put(s->ctx, level + 1, at, &h);
    }
    return rc;
}

/* The hash over the n ≥ 1 leaves from `start` on, a multiple of the largest power of two in
 * n: so the full subtrees of that run are nodes. From the right, where they are small. */
static wax_rc run_root(const struct log_store *s, uint64_t start, uint64_t n, struct hash32 *ret)
{
    struct hash32 h = {{0}}, left;
    uint64_t end = start + n;
    bool any = false;
    wax_rc rc = WAX_OK;

    for (uint8_t level = 0; rc == WAX_OK && end != start; level++) {
        if (!(n >> level & 1))
            continue;
        end -= (uint64_t)1 << level;
        rc = s->get(s->ctx, level, end >> level, &left);
        if (rc == WAX_OK && any)
            rc = log_node(&left, &h, &h);
        else
            h = left;
        any = true;
    }
    if (rc == WAX_OK)
        *ret = h;
    return rc;
}

wax_rc log_root(const struct log_store *s, uint64_t size, struct hash32 *ret)
{
    return size == 0 ? log_empty_root(ret) : run_root(s, 0, size, ret);
}

/* Runs of leaves met on the way down, each a sibling. */
struct siblings {
    struct {
        uint64_t start, n;
    } v[LOG_PATH_MAX];
    size_t n;
};

static void note(struct siblings *s, uint64_t start, uint64_t n)
{
    s->v[s->n].start = start;
    s->v[s->n++].n = n;
}

/* The largest power of two below n ≥ 2. */
static uint64_t half_of(uint64_t n) { return (uint64_t)1 << (63 - __builtin_clzll(n - 1)); }

/* Appends their hashes, the last one met first. */
static wax_rc climb(const struct log_store *s, const struct siblings *met, struct log_path *path)
{
    for (size_t i = met->n; i > 0; i--) {
        if (path->n == LOG_PATH_MAX)
            return WAX_E_FULL;
        wax_rc rc = run_root(s, met->v[i - 1].start, met->v[i - 1].n, &path->v[path->n]);
        if (rc != WAX_OK)
            return rc;
        path->n++;
    }
    return WAX_OK;
}

wax_rc log_prove_inclusion(const struct log_store *s, uint64_t index, uint64_t size,
                           struct log_path *ret)
{
    struct siblings met = {.n = 0};
    struct log_path path = {.n = 0};
    uint64_t start = 0, n = size;

    if (index >= size)
        return WAX_E_INVAL;
    while (n > 1) {
        uint64_t k = half_of(n);
        if (index - start < k) {
            note(&met, start + k, n - k);
            n = k;
        } else {
            note(&met, start, k);
            start += k;
            n -= k;
        }
    }
    wax_rc rc = climb(s, &met, &path);
    if (rc == WAX_OK)
        *ret = path;
    return rc;
}

wax_rc log_prove_consistency(const struct log_store *s, uint64_t from, uint64_t to,
                             struct log_path *ret)
{
    struct siblings met = {.n = 0};
    struct log_path path = {.n = 0};
    uint64_t start = 0, n = to, m = from;
    wax_rc rc = WAX_OK;

    if (from > to)
        return WAX_E_INVAL;
    while (m != 0 && m != n) { /* SUBPROOF of RFC 6962 2.1.2, from the top */
        uint64_t k = half_of(n);
        if (m <= k) {
            note(&met, start + k, n - k);
            n = k;
        } else {
            note(&met, start, k);
            start += k;
            m -= k;
            n -= k;
        }
    }
    if (start != 0) { /* else the earlier log is that subtree, and its root is known */
        rc = run_root(s, start, n, &path.v[0]);
        path.n = 1;
    }
    if (rc == WAX_OK && m != 0)
        rc = climb(s, &met, &path);
    if (rc == WAX_OK)
        *ret = path;
    return rc;
}
