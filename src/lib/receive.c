/* The mailbox stream, and handing events over (ARCHITECTURE "Print and ack"). */
#include <stdio.h>

#include "base/backoff.h"
#include "base/mem.h"
#include "lib/internal.h"
#include "os/clock.h"
#include "os/random.h"
#include "wire/records.h"

#define ACK_BATCH 256
#define ACK_LAZY_MS 200      /* an ack may wait that long for company */
#define STREAM_DEAD_MS 75000 /* RECORDS 14 */
/* So many frames of a connection that brought nothing are twice what a mailbox holds: the server
 * makes them up, and is not listened to for ever. */
#define USELESS_MAX 20000
#define RETRY_MS 30000 /* what waits unjudged is looked at again */
/* A stream is begun anew that often: rotation of prekeys, re-signing and the erasing of what has
 * outlived its rule hang on connecting, and a server must not put them off by never hanging up. */
#define STREAM_LIFE_MS (6 * 3600000ULL)
/* A stream that lasted so long was a success; one that ends at once, again and again, is
 * tried for ever more slowly. */
#define STREAM_GOOD_MS 5000

/* Reasons to stop a stream that are no errors. */
enum stop { STOP_NONE, STOP_DRAINED, STOP_ENOUGH, STOP_OUTPUT, STOP_TIMEOUT, STOP_CANCELLED };

struct receiving {
    struct wax *w;
    const struct wax_receive_options *o;
    wax_event_fn fn;
    void *ctx;
    uint64_t last;    /* seq of the newest event handed over in this call */
    unsigned n;       /* how many */
    struct buf bytes; /* of the stream, not yet whole frames */
    struct buf acks;  /* seqs, 8 bytes each */
    uint64_t ack_since, started, retried, connected;
    uint64_t moved;      /* when the stream last made headway: see is_silent */
    bool drained, dirty; /* dirty: taken something in since the vault was scrubbed */
    uint64_t useless;    /* client_useless when the stream began */
    struct backoff backoff;
    bool away; /* told that the server is */
    bool hurt; /* messages stay at the server: rows that they need cannot be read */
    enum stop stop;
};

/* --- Handing over --- */

/* Marks tried, hands over, marks shown; what was tried or shown before comes again as a repeat. */
static wax_rc hand_one(struct receiving *r, uint64_t seq, enum item_shown shown,
                       const struct item *it)
{
    struct client *c = r->w->client;
    bool again = shown != SHOWN_NEW;
    wax_rc rc = WAX_OK;

    if (!r->o->peek && shown == SHOWN_NEW)
        rc = client_event_mark(c, seq, SHOWN_TRIED);
    if (rc != WAX_OK)
        return rc;
    if (event_item(r->w, it, seq, again, r->fn, r->ctx) != 0) {
        r->stop = STOP_OUTPUT;
        return WAX_OK;
    }
    r->last = seq;
    r->n++;
    if (!r->o->peek && shown != SHOWN_DONE)
        rc = client_event_mark(c, seq, SHOWN_DONE);
    if (r->o->max && r->n >= r->o->max)
        r->stop = STOP_ENOUGH;
    return rc;
}

static wax_rc hand_over(struct receiving *r)
{
    enum item_shown below = r->o->has_since ? (enum item_shown)(SHOWN_DONE + 1) : SHOWN_DONE;
    wax_rc rc = WAX_OK;

    while (rc == WAX_OK && r->stop == STOP_NONE) {
        struct item it = {0};
        enum item_shown shown;
        uint64_t seq;
        rc = client_event_next(r->w->client, r->last, below, &seq, &shown, &it);
        if (rc == WAX_E_NOTFOUND)
            return WAX_OK;
        if (rc == WAX_OK)
            rc = hand_one(r, seq, shown, &it);
        item_done(&it);
    }
    return rc;
}

/* --- The stream --- */

static unsigned silence_ms(const struct wax *w)
{
    return w->options.server_timeout_ms ? w->options.server_timeout_ms : STREAM_DEAD_MS;
}

static wax_rc send_acks(struct receiving *r)
{
    size_t n = r->acks.n / 8;
    uint64_t *seqs = n ? mem_calloc(n, sizeof *seqs) : NULL;

    if (!n)
        return WAX_OK;
    if (!seqs)
        return WAX_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        seqs[i] = get_u64(r->acks.p + 8 * i);
    wax_rc rc = client_ack(r->w->client, seqs, n);
    mem_free(seqs);
    if (rc == WAX_OK)
        buf_reset(&r->acks);
    return rc;
}

static wax_rc add_ack(struct receiving *r, uint64_t seq)
{
    if (!r->acks.n)
        r->ack_since = os_mono_ms();
    buf_u64(&r->acks, seq);
    return buf_rc(&r->acks) == WAX_OK && r->acks.n >= 8 * ACK_BATCH ? send_acks(r)
                                                                    : buf_rc(&r->acks);
}

static wax_rc retry_waiting(struct receiving *r)
{
    struct buf seqs = {0};
    wax_rc rc = client_retry_waiting(r->w->client, &seqs);

    for (size_t i = 0; rc == WAX_OK && i < seqs.n; i += 8)
        rc = add_ack(r, get_u64(seqs.p + i));
    buf_done(&seqs);
    r->retried = os_mono_ms();
    return rc;
}

/* Each is told once, and only what was away comes back. */
static void tell_away(struct receiving *r, wax_rc rc)
{
    const struct wax *w = r->w;
    const char *said = client_detail(w->client);

    if (r->away || !r->o->follow)
        return;
    r->away = true;
    if (w->options.server)
        w->options.server(w->options.ctx, true,
                          w->net_error[0] ? w->net_error
                          : said[0]       ? said
                                          : rc_text(rc));
}

static void tell_back(struct receiving *r)
{
    const struct wax_options *o = &r->w->options;

    if (r->away && o->server)
        o->server(o->ctx, false, NULL);
    r->away = false;
}

static bool worth_retrying(wax_rc rc)
{
    return rc == WAX_E_NET || rc == WAX_E_TLS || rc == WAX_E_TIMEOUT || rc == WAX_E_PROTO;
}

/* Sends what waits, and what repair has queued by now; some may wait on. */
static wax_rc send_waiting(struct receiving *r)
{
    bool any = false;
    wax_rc rc = client_refresh(r->w->client);

    if (rc == WAX_OK)
        rc = client_outbox_waits(r->w->client, &any);
    if (rc == WAX_OK && any)
        rc = flush_locked(r->w, NULL, NULL);
    return rc == WAX_E_FULL || rc == WAX_E_BUSY || rc == WAX_E_PROTO ? WAX_OK : rc;
}

/* What waits for a damaged row: again, once those that can be spared are out of the way. */
static wax_rc retry_damaged(struct receiving *r)
{
    struct buf report = {0};

    if (!client_met_damage(r->w->client))
        return WAX_OK;
    home_mend(r->w, &report);
    buf_done(&report);
    wax_rc rc = retry_waiting(r);
    r->hurt = client_met_damage(r->w->client);
    return rc;
}

/* The stored part is over. */
static wax_rc on_drained(struct receiving *r)
{
    wax_rc rc = retry_waiting(r);

    if (rc == WAX_OK)
        rc = retry_damaged(r);
    if (rc == WAX_OK)
        rc = send_acks(r);
    if (rc == WAX_OK)
        rc = client_maintain(r->w->client, true);
    if (rc == WAX_OK)
        rc = hand_over(r);
    if (rc == WAX_OK) { /* what has arrived has arrived, whether repair gets through or not */
        rc = send_waiting(r);
        rc = worth_retrying(rc) ? WAX_OK : rc;
    }
    r->drained = true;
    if (rc == WAX_OK)
        tell_back(r);
    if (rc == WAX_OK && r->stop == STOP_NONE && !r->o->follow && (!r->o->has_timeout || r->n))
        r->stop = STOP_DRAINED;
    return rc;
}

/* Single bytes keep a connection alive and heartbeats a stream, but only whole frames are headway,
 * and until the stored part is through only frames of it: else a server could hold a `receive`
 * that waits for its end for as long as it likes. */
static bool is_silent(const struct receiving *r)
{
    return os_mono_ms() - r->moved >= silence_ms(r->w);
}

static wax_rc take_frame(struct receiving *r, const struct frame *f)
{
    bool ack;
    wax_rc rc = client_frame(r->w->client, f, &ack);

    r->dirty = true;
    if (r->drained || f->type != FRAME_HEARTBEAT)
        r->moved = os_mono_ms();
    if (rc == WAX_OK && ack)
        rc = add_ack(r, f->seq);
    if (rc == WAX_OK && client_useless(r->w->client) - r->useless > USELESS_MAX)
        rc = client_flooded(r->w->client);
    if (rc == WAX_OK && f->type == FRAME_DRAINED)
        rc = r->drained ? WAX_E_PROTO : on_drained(r); /* once (PROTOCOL 12.4) */
    if (rc == WAX_OK && r->stop == STOP_NONE)
        rc = hand_over(r);
    return rc;
}

/* Stopping for a reason of ours is told to the HTTP client as a cancellation. */
static wax_rc stopped(const struct receiving *r, wax_rc rc)
{
    return rc == WAX_OK && r->stop != STOP_NONE ? WAX_E_CANCELLED : rc;
}

/* --timeout waits for a first event: with it, and what came along, all is done. */
static void stop_after_first(struct receiving *r)
{
    if (r->drained && r->n && r->o->has_timeout && !r->o->follow && r->stop == STOP_NONE)
        r->stop = STOP_DRAINED;
}

static wax_rc on_bytes(void *ctx, struct bytes piece)
{
    struct receiving *r = ctx;
    wax_rc rc = WAX_OK;
    size_t used = 0;

    buf_bytes(&r->bytes, piece);
    rc = buf_rc(&r->bytes);
    while (rc == WAX_OK && r->stop == STOP_NONE) {
        struct bytes left = {r->bytes.p + used, r->bytes.n - used};
        struct frame *f = mem_alloc(sizeof *f);
        size_t before = left.n;
        rc = f ? frame_next(&left, f) : WAX_E_NOMEM;
        if (rc == WAX_OK) {
            rc = take_frame(r, f);
            used += before - left.n;
        }
        mem_free(f);
    }
    if (rc == WAX_E_WAIT) { /* the next frame is not whole yet */
        struct buf rest = {0};
        buf_add(&rest, r->bytes.p + used, r->bytes.n - used);
        rc = buf_rc(&rest);
        buf_done(&r->bytes);
        r->bytes = rest;
    } else if (rc == WAX_R_PARSE) {
        rc = WAX_E_PROTO;
    }
    if (rc == WAX_OK)
        stop_after_first(r);
    return stopped(r, rc);
}

static bool time_is_up(const struct receiving *r)
{
    return r->o->has_timeout && !r->n && os_mono_ms() - r->started >= r->o->timeout_ms;
}

static wax_rc on_idle(void *ctx)
{
    struct receiving *r = ctx;
    struct wax *w = r->w;
    uint64_t began = os_mono_ms();
    wax_rc rc = is_silent(r) ? WAX_E_TIMEOUT : WAX_OK;

    if (w->options.cancelled && w->options.cancelled(w->options.ctx))
        r->stop = STOP_CANCELLED;
    else if (time_is_up(r) && r->drained)
        r->stop = STOP_TIMEOUT;
    if (rc == WAX_OK && r->acks.n && os_mono_ms() - r->ack_since >= ACK_LAZY_MS)
        rc = send_acks(r);
    if (rc == WAX_OK && r->drained && os_mono_ms() - r->retried >= RETRY_MS) {
        rc = retry_waiting(r);
        if (rc == WAX_OK)
            rc = send_waiting(r);
    }
    if (rc == WAX_OK && r->dirty && !r->acks.n) { /* deleted keys leave the log too */
        rc = vault_sqlite_scrub(w->vault);
        r->dirty = rc == WAX_E_BUSY;
        rc = rc == WAX_E_BUSY ? WAX_OK : rc;
    }
    if (rc == WAX_OK && r->drained) /* other processes may have taken something in */
        rc = hand_over(r);
    if (rc == WAX_OK)
        stop_after_first(r);
    if (rc == WAX_OK && r->stop == STOP_NONE && os_mono_ms() - r->connected >= STREAM_LIFE_MS)
        rc = WAX_E_NET;
    r->moved += os_mono_ms() - began; /* what we do here is not the server's silence */
    return stopped(r, rc);
}

static wax_rc stream_once(struct receiving *r)
{
    struct net_client *net = NULL;
    struct net_stream_calls calls = {.on_bytes = on_bytes, .on_idle = on_idle, .ctx = r};
    int status = 0;
    struct buf body = {0};
    wax_rc rc = conn_another(r->w, &net);

    buf_reset(&r->bytes);
    r->drained = false;
    r->connected = r->moved = os_mono_ms();
    r->useless = client_useless(r->w->client);
    if (rc == WAX_OK)
        rc = net_client_stream(net, CLIENT_MAILBOX_PATH, &calls, silence_ms(r->w), &status, &body);
    if (net && rc != WAX_OK && r->stop == STOP_NONE && net_client_error(net)[0])
        item_short(r->w->net_error, sizeof r->w->net_error, net_client_error(net));
    if (net && (status == 429 || status == 503))
        r->w->retry_after = net_client_retry_after(net);
    net_client_free(net);
    buf_done(&body);
    if (r->stop != STOP_NONE) {
        wax_rc rc2 = send_acks(r); /* what is committed may go, whatever stopped us */
        return rc == WAX_E_CANCELLED || rc == WAX_OK ? (rc2 == WAX_E_NET ? WAX_OK : rc2) : rc;
    }
    if (rc == WAX_OK && status == 401)
        return WAX_E_DENIED;
    if (rc == WAX_OK && status != 200)
        return status == 503 || status == 429 ? WAX_E_NET : WAX_E_PROTO;
    return rc == WAX_OK ? WAX_E_NET : rc; /* the server ended it */
}

static wax_rc connect_once(struct receiving *r)
{
    r->w->retry_after = 0;
    r->drained = false;
    wax_rc rc = client_login(r->w->client);

    if (rc == WAX_OK)
        rc = flush_locked(r->w, NULL, NULL);
    /* Some wait on, or their answers make no sense: that is no reason not to receive. */
    if (rc == WAX_E_FULL || rc == WAX_E_BUSY || rc == WAX_E_PROTO)
        rc = WAX_OK;
    return rc == WAX_OK ? stream_once(r) : rc;
}

/* Waits between connections (PROTOCOL 12.1), so that a restart of the server is not followed
 * by everybody at once. */
static wax_rc wait_again(struct receiving *r)
{
    uint64_t drawn;
    wax_rc rc = rng_fill(os_rng(), &drawn, sizeof drawn);

    if (rc != WAX_OK)
        return rc;
    if (r->drained && os_mono_ms() - r->connected >= STREAM_GOOD_MS)
        backoff_reset(&r->backoff);
    uint64_t end = os_mono_ms() + backoff_next(&r->backoff, drawn, r->w->retry_after);
    for (uint64_t now; r->stop == STOP_NONE && (now = os_mono_ms()) < end;) {
        if (r->w->options.cancelled && r->w->options.cancelled(r->w->options.ctx))
            r->stop = STOP_CANCELLED;
        else if (time_is_up(r))
            r->stop = STOP_TIMEOUT;
        os_sleep_ms(end - now < 100 ? end - now : 100);
    }
    return WAX_OK;
}

/* Connects again and again, for as long as that is wanted. */
static wax_rc keep_receiving(struct receiving *r)
{
    wax_rc rc;

    do {
        rc = connect_once(r);
        bool again = worth_retrying(rc) && (r->o->follow || (r->o->has_timeout && !r->n));
        if (r->stop != STOP_NONE || !again)
            return rc;
        if (!r->drained)
            tell_away(r, rc);
        wax_rc waited = wait_again(r);
        if (waited != WAX_OK)
            return waited;
    } while (r->stop == STOP_NONE);
    return r->stop == STOP_TIMEOUT ? rc : WAX_OK;
}

int wax_receive(wax *w, const struct wax_receive_options *o, wax_event_fn fn, void *ctx,
                struct wax_error *err)
{
    struct receiving r = {
        .w = w, .o = o, .fn = fn, .ctx = ctx, .last = o->has_since ? o->since : 0};
    int code = home_account(w, err);

    if (code != WAX_EX_OK)
        return code;
    r.started = os_mono_ms();
    wax_rc rc = hand_over(&r);
    bool quick = !o->follow && o->max && r.stop == STOP_ENOUGH;
    if (rc == WAX_OK && r.stop == STOP_NONE && !quick)
        rc = keep_receiving(&r);
    buf_done(&r.bytes);
    buf_done(&r.acks);
    if (r.stop == STOP_OUTPUT)
        return fail(
            err, WAX_EX_IO, "output",
            "hand over what arrived: the output failed; it comes again with the next receive");
    if (r.hurt && (rc == WAX_OK || rc == WAX_E_CANCELLED))
        rc = WAX_E_DAMAGED;
    else if (r.stop != STOP_NONE && (rc == WAX_OK || rc == WAX_E_CANCELLED))
        return WAX_EX_OK;
    return fail_rc(w, err, rc, "receive");
}
