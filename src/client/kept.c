/* Messages of others, kept with their sender's signed statement for as long as another own device
 * may ask for them (PROTOCOL 5.4). */
#include "client/repair.h"

#include <stdlib.h>

/* A row: received 8 (own clock) ‖ accepted 8 (the server's) ‖ statement. */

void kept_done(struct kept *k) { statement_done(&k->told); }

wax_rc kept_put(struct client *c, const struct opened *o, uint64_t frame_time)
{
    struct buf b = {0};
    struct statement told;
    wax_rc rc = statement_of(o, &told);

    if (rc != WAX_OK)
        return rc;
    buf_u64(&b, now_own(c));
    buf_u64(&b, frame_time);
    statement_write(&told, &b);
    rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_KEPT, BYTES_OF(o->com.b), buf_view(&b));
    buf_done(&b);
    statement_done(&told);
    return rc;
}

static wax_rc row_read(struct bytes in, struct kept *ret)
{
    struct kept k = {0};
    struct rd r = rd_init(in);

    (void)rd_u64(&r);
    k.accepted = rd_u64(&r);
    wax_rc rc = statement_read(&r, &k.told);
    if (rc == WAX_OK)
        *ret = k;
    return rc;
}

wax_rc kept_load(struct client *c, const struct hash32 *com, struct kept *ret)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_KEPT, BYTES_OF(com->b), &b);

    if (rc == WAX_OK)
        rc = row_read(buf_view(&b), ret);
    buf_done(&b);
    return rc;
}

struct since {
    uint64_t since;
    struct buf rows; /* accepted 8 ‖ com 32 */
};

static bool since_row(void *ctx, struct bytes key, struct bytes value)
{
    struct since *s = ctx;

    if (key.n == 32 && value.n > 16 && get_u64(value.p + 8) >= s->since) {
        buf_bytes(&s->rows, BYTES(value.p + 8, 8));
        buf_bytes(&s->rows, key);
    }
    return true;
}

static int by_time(const void *a, const void *b) { return memcmp(a, b, 40); }

wax_rc kept_since(struct client *c, uint64_t since, struct buf *ret)
{
    struct since s = {.since = since};
    wax_rc rc =
        vault_scan(c->env.vault, VT_KEPT, BYTES(NULL, 0), BYTES(NULL, 0), false, since_row, &s);

    if (rc == WAX_OK)
        rc = buf_rc(&s.rows);
    if (rc == WAX_OK && s.rows.n)
        qsort(s.rows.p, s.rows.n / 40, 40, by_time);
    for (size_t i = 0; rc == WAX_OK && i < s.rows.n; i += 40)
        buf_add(ret, s.rows.p + i + 8, 32);
    buf_done(&s.rows);
    return rc == WAX_OK ? buf_rc(ret) : rc;
}
