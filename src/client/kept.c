/* Messages of others, kept with their sender's signed statement for as long as another own device
 * may ask for them (PROTOCOL 5.4). */
#include "client/repair.h"

#include <stdlib.h>

#include "session/fanout.h"
#include "wire/envelope.h"

/* A row: received 8 (own clock) ‖ accepted 8 (the server's) ‖ acct 32 ‖ dev 16 ‖ DSK 65 ‖ fanout id
 * 16 ‖ depth 1 ‖ root 32 ‖ sig 64 ‖ r32 32 ‖ content. */

void kept_done(struct kept *k) { buf_done(&k->content); }

wax_rc kept_put(struct client *c, const struct opened *o, uint64_t frame_time)
{
    struct buf b = {0};

    buf_u64(&b, now_own(c));
    buf_u64(&b, frame_time);
    buf_bytes(&b, BYTES_OF(o->sender.acct.b));
    buf_bytes(&b, BYTES_OF(o->sender.dev.b));
    buf_bytes(&b, BYTES_OF(o->sender.dsk.b));
    buf_bytes(&b, BYTES_OF(o->fanout.id.b));
    buf_u8(&b, o->fanout.depth);
    buf_bytes(&b, BYTES_OF(o->root.b));
    buf_bytes(&b, BYTES_OF(o->fanout.sig.b));
    buf_bytes(&b, BYTES_OF(o->payload.r32.b));
    buf_bytes(&b, o->payload.content);
    wax_rc rc = buf_rc(&b);
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_KEPT, BYTES_OF(o->com.b), buf_view(&b));
    buf_done(&b);
    return rc;
}

static wax_rc row_read(struct bytes in, struct kept *ret)
{
    struct kept k = {0};
    struct rd r = rd_init(in);

    (void)rd_u64(&r);
    k.accepted = rd_u64(&r);
    rd_copy(&r, k.sender.acct.b, sizeof k.sender.acct.b);
    rd_copy(&r, k.sender.dev.b, sizeof k.sender.dev.b);
    rd_copy(&r, k.sender.dsk.b, sizeof k.sender.dsk.b);
    rd_copy(&r, k.fanout.b, sizeof k.fanout.b);
    k.depth = rd_u8(&r);
    rd_copy(&r, k.root.b, sizeof k.root.b);
    rd_copy(&r, k.sig.b, sizeof k.sig.b);
    rd_copy(&r, k.r32.b, sizeof k.r32.b);
    struct bytes content = rd_take(&r, r.left);
    if (rd_end(&r) != WAX_OK || content.n < 1 || content.n > CONTENT_MAX)
        return WAX_E_DAMAGED;
    buf_bytes(&k.content, content);
    wax_rc rc = buf_rc(&k.content);
    if (rc == WAX_OK)
        *ret = k;
    else
        kept_done(&k);
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
