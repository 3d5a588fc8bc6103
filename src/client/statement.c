#include "client/statement.h"

#include "base/mem.h"
#include "wire/envelope.h"

void statement_done(struct statement *s)
{
    buf_done(&s->content);
    mem_wipe(s, sizeof *s);
}

wax_rc statement_of(const struct opened *o, struct statement *ret)
{
    struct statement s = {.sender = o->sender,
                          .fanout = o->fanout.id,
                          .depth = o->fanout.depth,
                          .root = o->root,
                          .r32 = o->payload.r32,
                          .sig = o->fanout.sig};

    buf_bytes(&s.content, o->payload.content);
    wax_rc rc = buf_rc(&s.content);
    if (rc == WAX_OK)
        *ret = s;
    else
        statement_done(&s);
    return rc;
}

void statement_write(const struct statement *s, struct buf *out)
{
    buf_bytes(out, BYTES_OF(s->sender.acct.b));
    buf_bytes(out, BYTES_OF(s->sender.dev.b));
    buf_bytes(out, BYTES_OF(s->sender.dsk.b));
    buf_bytes(out, BYTES_OF(s->fanout.b));
    buf_u8(out, s->depth);
    buf_bytes(out, BYTES_OF(s->root.b));
    buf_bytes(out, BYTES_OF(s->sig.b));
    buf_bytes(out, BYTES_OF(s->r32.b));
    buf_bytes(out, buf_view(&s->content));
}

wax_rc statement_read(struct rd *r, struct statement *ret)
{
    struct statement s = {0};

    rd_copy(r, s.sender.acct.b, sizeof s.sender.acct.b);
    rd_copy(r, s.sender.dev.b, sizeof s.sender.dev.b);
    rd_copy(r, s.sender.dsk.b, sizeof s.sender.dsk.b);
    rd_copy(r, s.fanout.b, sizeof s.fanout.b);
    s.depth = rd_u8(r);
    rd_copy(r, s.root.b, sizeof s.root.b);
    rd_copy(r, s.sig.b, sizeof s.sig.b);
    rd_copy(r, s.r32.b, sizeof s.r32.b);
    struct bytes content = rd_take(r, r->left);
    rd_refuse_if(r, content.n < 1 || content.n > CONTENT_MAX || s.depth > TREE_DEPTH_MAX);
    if (rd_end(r) != WAX_OK)
        return WAX_E_DAMAGED;
    buf_bytes(&s.content, content);
    wax_rc rc = buf_rc(&s.content);
    if (rc == WAX_OK)
        *ret = s;
    else
        statement_done(&s);
    return rc;
}
