/* Conversations as the vault holds them. */
#include "client/internal.h"

struct each {
    struct client *c;
    const char *with;
    client_item_fn fn;
    void *ctx;
    wax_rc rc;
};

static bool history_row(void *ctx, struct bytes key, struct bytes value)
{
    struct each *e = ctx;
    struct item it = {0};

    e->rc = key.n == 8 ? item_decode(value, &it) : WAX_E_DAMAGED;
    if (e->rc != WAX_OK)
        return false;
    bool go_on = true;
    if (!e->with || strcmp(e->with, it.conversation) == 0)
        go_on = e->fn(e->ctx, get_u64(key.p), &it);
    item_done(&it);
    return go_on;
}

wax_rc client_history_each(struct client *c, const char *with, client_item_fn fn, void *ctx)
{
    struct each e = {.c = c, .with = with, .fn = fn, .ctx = ctx};
    wax_rc rc = vault_scan(c->env.vault, VT_HISTORY, BYTES(NULL, 0), BYTES(NULL, 0), false,
                           history_row, &e);

    return rc != WAX_OK ? rc : e.rc;
}

wax_rc client_unread(struct client *c, const char *with, unsigned *ret)
{
    unsigned n = 0;
    uint64_t seq = 0;

    for (;;) {
        struct item it = {0};
        enum item_shown shown;
        wax_rc rc = client_event_next(c, seq, SHOWN_DONE, &seq, &shown, &it);
        if (rc == WAX_E_NOTFOUND)
            break;
        if (rc != WAX_OK)
            return rc;
        n += it.type == ITEM_MESSAGE && strcmp(it.conversation, with) == 0;
        item_done(&it);
    }
    *ret = n;
    return WAX_OK;
}
