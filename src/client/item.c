#include "client/item.h"

#include <stdio.h>

#include "wire/envelope.h"

#define ITEM_VERSION 1

void item_done(struct item *it) { buf_done(&it->text); }

static void put_short(struct buf *out, const char *s) { buf_lp(out, BYTES_STR(s)); }

wax_rc item_encode(const struct item *it, struct buf *out)
{
    buf_u8(out, ITEM_VERSION);
    buf_u8(out, it->type);
    buf_u8(out, it->state);
    buf_u8(out, (uint8_t)(it->own | it->needs_newer << 1 | it->handed_on << 2));
    buf_u64(out, it->sent_at);
    buf_u64(out, it->received_at);
    buf_bytes(out, BYTES_OF(it->com.b));
    buf_bytes(out, BYTES_OF(it->sender.b));
    buf_bytes(out, BYTES_OF(it->device.b));
    buf_u32(out, it->count);
    put_short(out, it->conversation);
    put_short(out, it->from);
    put_short(out, it->to);
    put_short(out, it->kind);
    put_short(out, it->klass);
    put_short(out, it->detail);
    buf_u32(out, (uint32_t)it->text.n);
    buf_bytes(out, buf_view(&it->text));
    return buf_rc(out);
}

static void get_short(struct rd *r, char *field, size_t cap)
{
    struct bytes x = rd_lp(r, cap - 1);

    rd_refuse_if(r, x.n && memchr(x.p, 0, x.n));
    if (x.n)
        memcpy(field, x.p, x.n);
    field[x.n] = 0;
}

wax_rc item_decode(struct bytes in, struct item *ret)
{
    struct item it = {0};
    struct rd r = rd_init(in);

    rd_refuse_if(&r, rd_u8(&r) != ITEM_VERSION);
    it.type = rd_u8(&r);
    it.state = rd_u8(&r);
    uint8_t flags = rd_u8(&r);
    it.own = flags & 1;
    it.needs_newer = flags >> 1 & 1;
    it.handed_on = flags >> 2 & 1;
    rd_refuse_if(&r, it.type < ITEM_MESSAGE || it.type > ITEM_EXPIRED ||
                         it.state > ITEM_UNREADABLE || flags > 7);
    it.sent_at = rd_u64(&r);
    it.received_at = rd_u64(&r);
    rd_copy(&r, it.com.b, sizeof it.com.b);
    rd_copy(&r, it.sender.b, sizeof it.sender.b);
    rd_copy(&r, it.device.b, sizeof it.device.b);
    it.count = rd_u32(&r);
    get_short(&r, it.conversation, sizeof it.conversation);
    get_short(&r, it.from, sizeof it.from);
    get_short(&r, it.to, sizeof it.to);
    get_short(&r, it.kind, sizeof it.kind);
    get_short(&r, it.klass, sizeof it.klass);
    get_short(&r, it.detail, sizeof it.detail);
    uint32_t n = rd_u32(&r);
    rd_refuse_if(&r, n > CONTENT_MAX);
    struct bytes text = rd_take(&r, n);
    if (rd_end(&r) != WAX_OK)
        return WAX_E_DAMAGED;
    buf_bytes(&it.text, text);
    if (buf_rc(&it.text) != WAX_OK) {
        wax_rc rc = it.text.rc;
        item_done(&it);
        return rc;
    }
    *ret = it;
    return WAX_OK;
}

void item_short(char *field, size_t cap, const char *text)
{
    size_t n = strlen(text);

    if (n >= cap) {
        n = cap - 1;
        while (n && ((uint8_t)text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(field, text, n);
    field[n] = 0;
}
