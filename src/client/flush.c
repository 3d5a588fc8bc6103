/* The outbox on its way out, oldest first: a later message to a device waits for the earlier
 * one's reply (PROTOCOL 4.1). */
#include "client/deliver.h"

#define ROUNDS 8 /* 409s taken in for one message before it waits for the next flush */

static wax_rc note_why(struct client *c, uint64_t order, wax_rc why)
{
    struct outbox o = {0};
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    rc = outbox_load(c, order, &o);
    if (rc == WAX_OK && o.why != (uint8_t)-why) {
        o.why = why <= -100 ? (uint8_t)-WAX_E_DENIED : (uint8_t)-why;
        rc = outbox_store(c, order, &o);
    }
    outbox_done(&o);
    rc = vault_finish(c->env.vault, rc);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

static wax_rc deliver_round(struct delivery *d, bool *again, bool *finished)
{
    struct client *c = d->c;
    wax_rc rc = delivery_load(d);

    if (rc != WAX_OK)
        return rc;
    rc = directory_fresh(c, &d->peer.head.manifest.acct, d->peer.head.manifest.handle);
    if (rc == WAX_OK)
        rc = directory_fresh(c, &c->acct, c->handle);
    if (rc == WAX_E_NOTFOUND) { /* the server denies a handle that is pinned: the message waits */
        client_say(c, "the server knows no %s any more", d->peer.head.manifest.handle);
        return WAX_E_DENIED;
    }
    if (rc == WAX_OK) { /* pins and bundles may be newer now */
        delivery_done(d);
        rc = delivery_load(d);
    }
    if (rc == WAX_OK)
        rc = delivery_seal(d);
    if (rc == WAX_E_CONFLICT) { /* another process sealed it first: take its rows */
        *again = true;
        return WAX_OK;
    }
    return rc == WAX_OK ? delivery_post(d, again, finished) : rc;
}

static wax_rc deliver(struct client *c, uint64_t order, struct flush_result *r)
{
    struct delivery *d = mem_alloc(sizeof *d);
    bool again = true, finished = false;
    wax_rc rc = d ? WAX_OK : WAX_E_NOMEM;

    for (int round = 0; rc == WAX_OK && again && !finished; round++) {
        *d = (struct delivery){.c = c, .order = order};
        again = false;
        rc = round < ROUNDS ? deliver_round(d, &again, &finished) : WAX_E_CONFLICT;
        r->com = d->box.com;
        item_short(r->to, sizeof r->to, d->peer.head.manifest.handle);
        r->devices = (unsigned)(d->box.done.n / 16);
        delivery_done(d);
    }
    mem_free(d);
    if (rc == WAX_E_NOTFOUND) /* gone meanwhile: finished or cancelled by another process */
        return WAX_OK;
    r->accepted = rc == WAX_OK;
    r->why = rc;
    if (rc != WAX_OK) {
        wax_rc rc2 = note_why(c, order, rc);
        if (rc2 != WAX_OK)
            return rc2;
    }
    return rc;
}

/* Failures that concern one message only; all others end the flush. */
static bool goes_on(wax_rc rc)
{
    return rc == WAX_E_FULL || rc == WAX_E_DORMANT || rc == WAX_E_DENIED || rc == WAX_E_TOOBIG ||
           rc == WAX_E_CONFLICT || rc_is_refusal(rc);
}

/* What people wrote goes first: repair must not take the room in a mailbox from it. */
static wax_rc one(struct client *c, uint64_t order, bool silent, flush_fn fn, void *ctx)
{
    struct outbox o = {0};
    struct flush_result r = {0};
    wax_rc rc = outbox_load(c, order, &o);
    bool told = rc == WAX_OK && o.kind == OUTBOX_TEXT;
    bool other = rc == WAX_OK && outbox_one_device(&o) != silent;

    outbox_done(&o);
    if (rc == WAX_E_NOTFOUND || other)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    if (rc == WAX_OK)
        rc = deliver(c, order, &r);
    if (told && fn)
        fn(ctx, &r);
    return rc;
}

wax_rc client_flush(struct client *c, flush_fn fn, void *ctx)
{
    struct buf orders = {0};
    wax_rc rc = client_aside_retry(c), worst = WAX_OK;

    if (rc == WAX_OK || rc == WAX_E_HELPER) /* sending needs no box */
        rc = client_ensure_login(c);
    if (rc == WAX_OK)
        rc = outbox_orders(c, &orders);
    for (int silent = 0; silent < 2; silent++)
        for (size_t i = 0; rc == WAX_OK && i + 8 <= orders.n; i += 8) {
            rc = one(c, get_u64(orders.p + i), silent, fn, ctx);
            if (rc != WAX_OK && goes_on(rc)) { /* nobody waits for what is silent */
                worst = silent ? worst : WAX_E_FULL;
                rc = WAX_OK;
            }
        }
    buf_done(&orders);
    return rc != WAX_OK ? rc : worst;
}
