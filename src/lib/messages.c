/* Sending, the outbox, and what lies in the local store. */
#include "lib/internal.h"

#include <stdio.h>

#include "base/mem.h"

#define TEXT_MAX 65000

wax_rc flush_locked(struct wax *w, flush_fn fn, void *ctx)
{
    wax_rc rc = home_lock(w, w->outbox);

    if (rc != WAX_OK)
        return rc;
    rc = client_flush(w->client, fn, ctx);
    os_lock_unlock(w->outbox);
    return rc;
}

/* The recipient has to be pinned before anything is committed: an unknown one needs the server. */
static int know(struct wax *w, const char *handle, struct wax_error *err)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    char what[400];
    wax_rc rc = pin ? client_pin_by_handle(w->client, handle, pin) : WAX_E_NOMEM;
    bool changed = rc == WAX_OK && pin->identity_changed;

    mem_free(pin);
    if (rc == WAX_E_NOTFOUND)
        rc = client_lookup(w->client, handle);
    (void)snprintf(what, sizeof what, "look up %s", handle);
    if (rc == WAX_E_NOTFOUND)
        return fail(err, WAX_EX_NOUSER, "unknown-handle",
                    "%s: the server knows no such handle; check the spelling", what);
    if (changed)
        return fail(err, WAX_EX_REFUSED, "identity-changed",
                    "send to %s: the contact started over with new keys; compare the safety number "
                    "(wax verify %s), then run wax accept-identity",
                    handle, handle);
    return fail_rc(w, err, rc, what);
}

struct sending {
    const struct hash32 *com;
    struct wax_sent *ret;
    wax_rc why;
};

static void on_flushed(void *ctx, const struct flush_result *r)
{
    struct sending *s = ctx;

    if (!ID_EQ(&r->com, s->com))
        return;
    s->ret->accepted = r->accepted;
    s->ret->devices = r->devices;
    s->why = r->why;
}

static int check_text(const struct wax_send_options *o, struct wax_error *err)
{
    struct bytes text = BYTES(o->text, o->text_len);

    if (!o->text || o->text_len == 0)
        return fail(err, WAX_EX_DATA, "empty", "send a message: there is no text; give some");
    if (o->text_len > TEXT_MAX)
        return fail(err, WAX_EX_DATA, "too-large",
                    "send a message: it has %zu bytes, at most %d fit; send it in parts",
                    o->text_len, TEXT_MAX);
    if (!utf8_valid(text))
        return fail(err, WAX_EX_DATA, "not-utf8",
                    "send a message: it is no valid UTF-8; convert it first");
    if (memchr(text.p, 0, text.n))
        return fail(err, WAX_EX_DATA, "nul",
                    "send a message: it holds a NUL byte; only text can be sent");
    return WAX_EX_OK;
}

/* Why a message stays in the outbox, in the words of the exit code 75. */
static int queued(struct wax *w, struct wax_error *err, wax_rc rc, wax_rc why, const char *id)
{
    wax_rc cause = rc == WAX_E_FULL && why != WAX_OK ? why : rc;

    if (cause == WAX_E_NOSPC || cause == WAX_E_IO || cause == WAX_E_NOMEM)
        return fail_rc(w, err, cause, "send the message");
    /* What the directory served does not hold: the message waits, nothing is sealed to it. */
    if (rc_is_refusal(cause))
        return fail(err, WAX_EX_QUEUED, "tampered", "send message %s: %s; it stays in the outbox",
                    id,
                    client_detail(w->client)[0] ? client_detail(w->client)
                                                : "the recipient's keys do not hold");
    if (cause == WAX_E_DENIED)
        return fail(err, WAX_EX_REFUSED, "refused", "send message %s: %s; it stays in the outbox",
                    id,
                    client_detail(w->client)[0] ? client_detail(w->client)
                                                : "the recipient's identity or keys do not hold");
    const char *text =
        cause == WAX_E_FULL ? "the recipient's mailbox is full"
        : cause == WAX_E_DORMANT
            ? "none of the recipient's devices can be written to now (not seen for 30 "
              "days, or its keys do not hold)"
        : w->net_error[0] ? w->net_error
                          : rc_text(cause);
    return fail(
        err, WAX_EX_QUEUED,
        cause == WAX_E_FULL      ? "mailbox-full"
        : cause == WAX_E_DORMANT ? "dormant"
                                 : "queued",
        "send message %s: %s; it is in the outbox and goes out at the next chance (wax flush)", id,
        text);
}

/* A revoked device queues nothing: it will never send again. */
static int take_back(struct wax *w, const struct hash32 *com, struct wax_sent *ret,
                     struct wax_error *err)
{
    struct msg_id id;

    memcpy(id.b, com->b, sizeof id.b);
    wax_rc rc = client_outbox_cancel(w->client, &id);
    if (rc != WAX_OK)
        return fail_rc(w, err, rc, "take the message back");
    *ret = (struct wax_sent){0};
    return fail_rc(w, err, WAX_E_DENIED, "send the message");
}

int wax_send(wax *w, const struct wax_send_options *o, struct wax_sent *ret, struct wax_error *err)
{
    char to[HANDLE_MAX + 1];
    struct hash32 com;
    int code = home_account(w, err);

    if (code == WAX_EX_OK)
        code = check_text(o, err);
    if (code == WAX_EX_OK)
        code = handle_of(w, o->to, to, err);
    if (code == WAX_EX_OK && client_is_revoked(w->client))
        code = fail_rc(w, err, WAX_E_DENIED, "send a message");
    if (code == WAX_EX_OK)
        code = know(w, to, err);
    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = client_compose_text(w->client, to, BYTES(o->text, o->text_len), &com);
    if (rc != WAX_OK)
        return fail_rc(w, err, rc, "queue the message");
    *ret = (struct wax_sent){0};
    hex_of(com.b, 16, ret->id);
    if (o->no_wait)
        return WAX_EX_OK;
    struct sending s = {.com = &com, .ret = ret};
    rc = flush_locked(w, on_flushed, &s);
    if (ret->accepted)
        return WAX_EX_OK;
    if (rc == WAX_OK) { /* another process sent it meanwhile */
        ret->accepted = true;
        return WAX_EX_OK;
    }
    if (rc == WAX_E_DENIED && client_is_revoked(w->client))
        return take_back(w, &com, ret, err);
    return queued(w, err, rc, s.why, ret->id);
}

struct handing {
    struct wax *w;
    wax_event_fn fn;
    void *ctx;
    int stop;
    unsigned waiting;
};

static void on_sent(void *ctx, const struct flush_result *r)
{
    struct handing *h = ctx;
    struct wax_event e = {.type = WAX_EVENT_SENT, .to = r->to, .devices = r->devices};
    char id[33];

    hex_of(r->com.b, 16, id);
    e.id = id;
    e.state = r->accepted ? "accepted" : "queued";
    h->waiting += !r->accepted;
    if (r->accepted && !h->stop)
        h->stop = h->fn(h->ctx, &e);
}

int wax_flush(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    struct handing h = {.w = w, .fn = fn, .ctx = ctx};
    int code = home_account(w, err);
    unsigned left;

    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = flush_locked(w, on_sent, &h);
    if (h.stop)
        return fail(err, WAX_EX_IO, "output", "show what was sent: the output failed");
    if (rc == WAX_OK)
        return WAX_EX_OK;
    if (client_outbox_count(w->client, &left) == WAX_OK && left && rc != WAX_E_NOSPC &&
        rc != WAX_E_IO && rc != WAX_E_BUSY)
        return fail(err, WAX_EX_QUEUED, "queued",
                    "send what waits: %u in the outbox stay there: %s", left,
                    w->net_error[0] ? w->net_error : rc_text(rc));
    return fail_rc(w, err, rc, "send what waits");
}

static bool on_outbox(void *ctx, uint64_t order, const struct item *it)
{
    struct handing *h = ctx;
    struct wax_event e = {.type = WAX_EVENT_OUTBOX,
                          .to = it->to,
                          .sent_at = it->sent_at,
                          .state = "queued",
                          .detail = it->detail};
    char id[33];

    (void)order;
    hex_of(it->com.b, 16, id);
    e.id = id;
    e.conversation = it->conversation;
    h->stop = h->fn(h->ctx, &e);
    return h->stop == 0;
}

int wax_outbox(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    struct handing h = {.w = w, .fn = fn, .ctx = ctx};
    int code = home_account(w, err);

    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = client_outbox_each(w->client, on_outbox, &h);
    return h.stop ? fail(err, WAX_EX_IO, "output", "show the outbox: the output failed")
                  : fail_rc(w, err, rc, "show the outbox");
}

int wax_outbox_cancel(wax *w, const char *id, struct wax_error *err)
{
    struct msg_id m;
    int code = home_account(w, err);

    if (code != WAX_EX_OK)
        return code;
    if (hex_decode(id, strlen(id), m.b, sizeof m.b) != WAX_OK)
        return fail(err, WAX_EX_USAGE, "id", "\"%.64s\" is no message id; ids have 32 hex digits",
                    id);
    wax_rc rc = client_outbox_cancel(w->client, &m);
    if (rc == WAX_E_NOTFOUND)
        return fail(err, WAX_EX_NOINPUT, "not-found",
                    "cancel %s: no such message waits in the outbox; see wax outbox", id);
    if (rc == WAX_E_DENIED)
        return fail(err, WAX_EX_REFUSED, "sealed",
                    "cancel %s: it is on its way, a copy may have reached the server", id);
    return fail_rc(w, err, rc, "cancel the message");
}

/* --- History --- */

struct window {
    struct handing h;
    unsigned limit;
    bool has_before, over;
    struct msg_id before;
    struct buf orders; /* 8 bytes each */
};

static bool on_history(void *ctx, uint64_t order, const struct item *it)
{
    struct window *win = ctx;

    if (win->has_before && memcmp(it->com.b, win->before.b, 16) == 0) {
        win->over = true;
        return false;
    }
    buf_u64(&win->orders, order);
    return buf_rc(&win->orders) == WAX_OK;
}

static bool on_show(void *ctx, uint64_t order, const struct item *it)
{
    struct window *win = ctx;
    uint64_t first = win->orders.n ? get_u64(win->orders.p) : UINT64_MAX,
             last = win->orders.n ? get_u64(win->orders.p + win->orders.n - 8) : 0;
    uint64_t n = win->orders.n / 8;

    if (win->limit && n > win->limit)
        first = get_u64(win->orders.p + (n - win->limit) * 8);
    if (order >= first && order <= last)
        win->h.stop = event_item(win->h.w, it, 0, false, win->h.fn, win->h.ctx);
    return win->h.stop == 0 && order < last;
}

/* A conversation with nobody would be an empty answer to a slip. */
static int known_here(struct wax *w, const char *handle, struct wax_error *err)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? client_pin_by_handle(w->client, handle, pin) : WAX_E_NOMEM;

    mem_free(pin);
    if (rc == WAX_E_NOTFOUND)
        return fail(err, WAX_EX_NOUSER, "unknown-handle",
                    "show the history with %s: no such contact here; see wax contacts", handle);
    return fail_rc(w, err, rc, "show the history");
}

int wax_history(wax *w, const struct wax_history_options *o, wax_event_fn fn, void *ctx,
                struct wax_error *err)
{
    struct window win = {
        .h = {.w = w, .fn = fn, .ctx = ctx}, .limit = o->limit, .has_before = o->before != NULL};
    char with[HANDLE_MAX + 1];
    int code = home_account(w, err);

    if (code == WAX_EX_OK && o->with)
        code = handle_of(w, o->with, with, err);
    if (code == WAX_EX_OK && o->before &&
        hex_decode(o->before, strlen(o->before), win.before.b, 16) != WAX_OK)
        code = fail(err, WAX_EX_USAGE, "id", "\"%.64s\" is no message id; ids have 32 hex digits",
                    o->before);
    if (code == WAX_EX_OK && o->with)
        code = known_here(w, with, err);
    if (code != WAX_EX_OK)
        return code;
    const char *name = o->with ? with : NULL;
    wax_rc rc = client_history_each(w->client, name, on_history, &win);
    if (rc == WAX_OK)
        rc = buf_rc(&win.orders);
    if (rc == WAX_OK && o->before && !win.over)
        code = fail(err, WAX_EX_NOINPUT, "not-found",
                    "show the history before %s: there is no such message here", o->before);
    else if (rc == WAX_OK && win.orders.n)
        rc = client_history_each(w->client, name, on_show, &win);
    buf_done(&win.orders);
    if (code == WAX_EX_OK && win.h.stop)
        code = fail(err, WAX_EX_IO, "output", "show the history: the output failed");
    return code != WAX_EX_OK ? code : fail_rc(w, err, rc, "show the history");
}

/* --- Conversations and contacts --- */

struct conversation {
    char handle[HANDLE_MAX + 1];
    uint64_t newest;
    struct msg_id id;
};
struct conversations {
    struct buf list; /* of struct conversation */
};

static bool on_conversation(void *ctx, uint64_t order, const struct item *it)
{
    struct conversations *l = ctx;
    struct conversation *v = (void *)l->list.p;

    (void)order;
    for (size_t i = 0; i < l->list.n / sizeof *v; i++)
        if (strcmp(v[i].handle, it->conversation) == 0) {
            v[i].newest = it->received_at;
            memcpy(v[i].id.b, it->com.b, 16);
            return true;
        }
    struct conversation fresh = {.newest = it->received_at};
    item_short(fresh.handle, sizeof fresh.handle, it->conversation);
    memcpy(fresh.id.b, it->com.b, 16);
    buf_add(&l->list, &fresh, sizeof fresh);
    return buf_rc(&l->list) == WAX_OK;
}

static int list_one(struct wax *w, struct conversation *v, wax_event_fn fn, void *ctx, wax_rc *rc)
{
    struct wax_event e = {
        .type = WAX_EVENT_CONVERSATION, .conversation = v->handle, .received_at = v->newest};
    char id[33];

    hex_of(v->id.b, 16, id);
    e.id = id;
    *rc = client_unread(w->client, v->handle, &e.count);
    return *rc == WAX_OK ? fn(ctx, &e) : 0;
}

int wax_list(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    struct conversations l = {0};
    int code = home_account(w, err), stop = 0;

    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = client_history_each(w->client, NULL, on_conversation, &l);
    if (rc == WAX_OK)
        rc = buf_rc(&l.list);
    struct conversation *v = (void *)l.list.p;
    size_t n = l.list.n / sizeof *v;
    for (size_t done = 0; rc == WAX_OK && !stop && done < n; done++) { /* newest first */
        size_t best = done;
        for (size_t i = done + 1; i < n; i++)
            if (v[i].newest > v[best].newest)
                best = i;
        struct conversation x = v[best];
        v[best] = v[done];
        v[done] = x;
        stop = list_one(w, &v[done], fn, ctx, &rc);
    }
    buf_done(&l.list);
    return stop ? fail(err, WAX_EX_IO, "output", "list conversations: the output failed")
                : fail_rc(w, err, rc, "list conversations");
}

static bool on_contact(void *ctx, const struct pin *pin)
{
    struct handing *h = ctx;
    struct wax_event e = {.type = WAX_EVENT_CONTACT,
                          .handle = pin->head.manifest.handle,
                          .devices = pin->head.manifest.n_devices,
                          .verified = pin->verified,
                          .accepted = pin->accepted,
                          .identity_changed = pin->identity_changed};

    h->stop = h->fn(h->ctx, &e);
    return h->stop == 0;
}

int wax_contacts(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err)
{
    struct handing h = {.w = w, .fn = fn, .ctx = ctx};
    int code = home_account(w, err);

    if (code != WAX_EX_OK)
        return code;
    wax_rc rc = client_pins_each(w->client, on_contact, &h);
    return h.stop ? fail(err, WAX_EX_IO, "output", "list contacts: the output failed")
                  : fail_rc(w, err, rc, "list contacts");
}
