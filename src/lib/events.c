/* Items of the client core as events of the public header. */
#include "lib/internal.h"

#include <stdio.h>

#include "base/text.h"

static const char *const names[] = {
    [WAX_EVENT_REGISTERED] = "registered",
    [WAX_EVENT_LINKED] = "linked",
    [WAX_EVENT_APPROVED] = "approved",
    [WAX_EVENT_LINK] = "link",
    [WAX_EVENT_APPROVE] = "approve",
    [WAX_EVENT_DEVICE] = "device",
    [WAX_EVENT_STATUS] = "status",
    [WAX_EVENT_MESSAGE] = "message",
    [WAX_EVENT_SENT] = "sent",
    [WAX_EVENT_EXPIRED] = "expired",
    [WAX_EVENT_ALERT] = "alert",
    [WAX_EVENT_VERIFY] = "verify",
    [WAX_EVENT_CONTACT] = "contact",
    [WAX_EVENT_CONVERSATION] = "conversation",
    [WAX_EVENT_OUTBOX] = "outbox",
    [WAX_EVENT_REVOKED] = "revoked",
    [WAX_EVENT_RENAMED] = "renamed",
};

const char *wax_event_name(enum wax_event_type type)
{
    size_t i = (size_t)type;
    return i < sizeof names / sizeof *names && names[i] ? names[i] : "unknown";
}

const char *wax_version(void) { return "0.1.0"; }

size_t wax_escape(const char *text, size_t len, bool keep_newlines, char *out, size_t cap)
{
    struct buf b = {0};

    text_escape(&b, BYTES(text, len), keep_newlines);
    size_t n = b.n;
    if (cap) {
        size_t fit = n < cap ? n : cap - 1;
        while (fit < n && fit && (b.p[fit] & 0xc0) == 0x80)
            fit--;
        if (fit)
            memcpy(out, b.p, fit);
        out[fit] = 0;
    }
    buf_done(&b);
    return n;
}

void hex_of(const uint8_t *p, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = 0;
}

static const char *or_null(const char *s) { return s[0] ? s : NULL; }

static void fill_message(struct wax_event *e, const struct item *it, const struct dev_id *self,
                         struct buf *text)
{
    e->type = WAX_EVENT_MESSAGE;
    e->unreadable_version = it->needs_newer;
    e->handed_on = it->handed_on;
    buf_bytes(text, buf_view(&it->text));
    bool has_text = !it->needs_newer && it->state != ITEM_UNREADABLE;
    e->text = has_text ? buf_cstr(text) : NULL;
    e->text_len = has_text ? it->text.n : 0;
    /* `own` marks what another device of this account wrote (docs/CLI). */
    e->own = it->own && !ID_EQ(&it->device, self);
    switch ((enum item_state)it->state) {
    case ITEM_QUEUED:
        e->state = "queued";
        break;
    case ITEM_ACCEPTED:
        e->state = "accepted";
        break;
    case ITEM_EXPIRED_OUT:
        e->state = "expired";
        break;
    case ITEM_CANCELLED:
        e->state = "cancelled";
        break;
    case ITEM_UNREADABLE:
        e->state = "unreadable";
        break;
    case ITEM_IN:
        break;
    }
}

int event_item(struct wax *w, const struct item *it, uint64_t seq, bool repeat, wax_event_fn fn,
               void *ctx)
{
    struct wax_event e = {
        .seq = seq, .repeat = repeat, .sent_at = it->sent_at, .received_at = it->received_at};
    char id[33], device[33];
    struct buf text = {0};

    hex_of(it->com.b, 16, id);
    hex_of(it->device.b, 16, device);
    e.conversation = or_null(it->conversation);
    e.to = or_null(it->to);
    if (it->type == ITEM_MESSAGE) {
        e.id = id;
        e.from = or_null(it->from);
        e.from_device = device;
        fill_message(&e, it, client_dev(w->client), &text);
    } else if (it->type == ITEM_EXPIRED) {
        e.type = WAX_EVENT_EXPIRED;
        e.id = it->own ? id : NULL;
        e.device = it->own && !bytes_all_zero(it->device.b, 16) ? device : NULL;
        e.state = !it->own ? NULL : it->state == ITEM_QUEUED ? "queued" : "expired";
        e.devices = it->own ? it->count : 0;
        e.count = it->own ? 0 : it->count;
        e.detail = or_null(it->detail);
    } else {
        e.type = WAX_EVENT_ALERT;
        e.id = bytes_all_zero(it->com.b, 32) ? NULL : id;
        e.kind = it->kind;
        e.klass = or_null(it->klass);
        e.handle = or_null(it->from);
        e.device = bytes_all_zero(it->device.b, 16) ? NULL : device;
        e.detail = or_null(it->detail);
        e.conversation = NULL;
    }
    bool no_text = it->needs_newer || it->state == ITEM_UNREADABLE;
    int rc = it->type == ITEM_MESSAGE && !no_text && !e.text ? -1 : fn(ctx, &e);
    buf_done(&text);
    return rc;
}

int handle_of(struct wax *w, const char *in, char out[HANDLE_MAX + 1], struct wax_error *err)
{
    if (!in || handle_fold(in, out) != WAX_OK)
        return fail(err, WAX_EX_USAGE, "handle",
                    "\"%.64s\" is no handle; it looks like ann@example.org", in ? in : "");
    const char *domain = strchr(out, '@'),
               *own = w->client ? strchr(client_handle(w->client), '@') : domain;
    if (strcmp(domain, own) != 0)
        return fail(err, WAX_EX_NOHOST, "foreign-domain",
                    "reach %s: this server only knows handles that end in %s", out, own);
    return WAX_EX_OK;
}
