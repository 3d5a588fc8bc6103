/* An event as a line of JSON: exactly the fields of docs/CLI "Events". */
#include "print.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Text of others may be no UTF-8 in spite of all checks; then it is shown escaped. */
static void put_text(json_t *j, const char *key, const char *s, size_t n)
{
    json_t *v = json_stringn(s, n);

    if (!v) {
        size_t cap = n * 8 + 1;
        char *clean = malloc(cap);
        if (clean) {
            (void)wax_escape(s, n, true, clean, cap);
            v = json_string(clean);
        }
        free(clean);
    }
    (void)json_object_set_new(j, key, v ? v : json_null());
}

static void put(json_t *j, const char *key, const char *s)
{
    if (s)
        put_text(j, key, s, strlen(s));
}

static void put_time(json_t *j, const char *key, uint64_t ms)
{
    char text[40], whole[24];
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    if (!ms || !gmtime_r(&t, &tm))
        return;
    (void)strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, sizeof text, "%s.%03uZ", whole, (unsigned)(ms % 1000));
    put(j, key, text);
}

static void put_int(json_t *j, const char *key, uint64_t v)
{
    (void)json_object_set_new(j, key, json_integer((json_int_t)v));
}

static void put_bool(json_t *j, const char *key, bool v)
{
    (void)json_object_set_new(j, key, json_boolean(v));
}

/* Flags that are only there when they hold. */
static void put_true(json_t *j, const char *key, bool v)
{
    if (v)
        put_bool(j, key, true);
}

static void message(json_t *j, const struct wax_event *e)
{
    put(j, "id", e->id);
    put(j, "conversation", e->conversation);
    put(j, "from", e->from);
    put(j, "from_device", e->from_device);
    put(j, "to", e->to);
    put_time(j, "sent_at", e->sent_at);
    put_time(j, "received_at", e->received_at);
    if (e->text)
        put_text(j, "text", e->text, e->text_len);
    put(j, "state", e->state);
    put_true(j, "own", e->own);
    put_true(j, "repeat", e->repeat);
    put_true(j, "needs_newer", e->unreadable_version);
    put_true(j, "handed_on", e->handed_on);
}

static void device(json_t *j, const struct wax_event *e)
{
    put(j, "handle", e->handle);
    put(j, "device", e->device);
    put(j, "name", e->name);
    put(j, "fingerprint", e->fingerprint);
    put_time(j, "added_at", e->added_at);
    put(j, "added_by", e->added_by);
    put_bool(j, "this", e->this_device);
}

static void status(json_t *j, const struct wax_event *e)
{
    put(j, "handle", e->handle);
    put(j, "device", e->device);
    put(j, "name", e->name);
    put(j, "server", e->server);
    if (e->has_connected)
        put_bool(j, "connected", e->connected);
    put_true(j, "revoked", e->revoked);
    put_int(j, "outbox", e->outbox);
    put_int(j, "set_aside", e->set_aside);
    put(j, "box", e->box);
    put(j, "directory", e->directory);
    put(j, "protection", e->protection);
    put(j, "invitation", e->invitation);
    put(j, "detail", e->detail);
    put(j, "damage", e->damage);
}

static void sent_or_expired(json_t *j, const struct wax_event *e)
{
    put(j, "id", e->id);
    put(j, "to", e->to);
    if (e->type == WAX_EVENT_SENT || e->id)
        put_int(j, "devices", e->devices);
    else
        put_int(j, "count", e->count);
    put(j, "state", e->state);
    put(j, "device", e->device);
    put(j, "detail", e->detail);
    put_true(j, "repeat", e->repeat);
}

static void alert(json_t *j, const struct wax_event *e)
{
    put(j, "kind", e->kind);
    put(j, "class", e->klass);
    put(j, "id", e->id);
    put(j, "handle", e->handle);
    put(j, "device", e->device);
    put(j, "detail", e->detail);
    put_true(j, "repeat", e->repeat);
}

static void trust(json_t *j, const struct wax_event *e)
{
    put(j, "handle", e->handle);
    put(j, "number", e->number);
    put(j, "qr", e->qr);
    if (e->type == WAX_EVENT_CONTACT)
        put_int(j, "devices", e->devices);
    put_bool(j, "verified", e->verified);
    if (e->type == WAX_EVENT_CONTACT)
        put_bool(j, "accepted", e->accepted);
    put_bool(j, "identity_changed", e->identity_changed);
}

static void other(json_t *j, const struct wax_event *e)
{
    put(j, "id", e->id);
    put(j, "conversation", e->conversation);
    put(j, "handle", e->handle);
    put(j, "device", e->device);
    put(j, "name", e->name);
    put(j, "to", e->to);
    put(j, "state", e->state);
    put(j, "link_code", e->link_code);
    put(j, "code", e->code);
    if (e->type == WAX_EVENT_CONVERSATION)
        put_int(j, "unread", e->count);
    put_time(j, "sent_at", e->sent_at);
    put_time(j, "received_at", e->received_at);
    if (e->detail && *e->detail)
        put(j, "detail", e->detail);
}

static void fill(json_t *j, const struct wax_event *e)
{
    put(j, "type", wax_event_name(e->type));
    if (e->seq)
        put_int(j, "seq", e->seq);
    switch (e->type) {
    case WAX_EVENT_MESSAGE:
        message(j, e);
        break;
    case WAX_EVENT_DEVICE:
        device(j, e);
        break;
    case WAX_EVENT_STATUS:
        status(j, e);
        break;
    case WAX_EVENT_SENT:
    case WAX_EVENT_EXPIRED:
        sent_or_expired(j, e);
        break;
    case WAX_EVENT_ALERT:
        alert(j, e);
        break;
    case WAX_EVENT_VERIFY:
    case WAX_EVENT_CONTACT:
        trust(j, e);
        break;
    default:
        other(j, e);
    }
}

/* What would act on a terminal that a line is shown on: escaped, as JSON allows, so that the
 * parsed text is the same and the raw line is harmless. C0 and quotes are escaped by jansson. */
static bool harmless(unsigned long c)
{
    return c >= 0xa0 && c != 0x61c && c != 0xfeff && !(c >= 0x200b && c <= 0x200f) &&
           !(c >= 0x2028 && c <= 0x202e) && !(c >= 0x2060 && c <= 0x206f) && c < 0xe0000;
}

static void escape_rest(struct buf *out, const char *line)
{
    const unsigned char *p = (const unsigned char *)line;

    while (*p) {
        unsigned len = *p < 0x80 ? 1 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : 4;
        unsigned long c = len == 1 ? *p : *p & (0xffU >> (len + 1));
        for (unsigned i = 1; i < len; i++)
            c = c << 6 | (p[i] & 0x3f);
        if (c == 0x7f || (len > 1 && !harmless(c))) {
            if (c > 0xffff)
                buf_printf(out, "\\u%04lx\\u%04lx", 0xd800 + ((c - 0x10000) >> 10),
                           0xdc00 + ((c - 0x10000) & 0x3ff));
            else
                buf_printf(out, "\\u%04lx", c);
        } else {
            buf_add(out, p, len);
        }
        p += len;
    }
}

wax_rc print_json(struct buf *out, const struct wax_event *e)
{
    json_t *j = json_object();

    if (!j)
        return WAX_E_NOMEM;
    fill(j, e);
    char *line = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (!line)
        return WAX_E_NOMEM;
    escape_rest(out, line);
    free(line);
    return buf_rc(out);
}
