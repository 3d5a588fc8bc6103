/* An event in plain words. Everything that others wrote goes through wax_escape. */
#include "print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void escaped(struct buf *out, const char *s, size_t n, bool newlines)
{
    size_t cap = n * 12 + 1;
    char *clean = s ? malloc(cap) : NULL;

    if (clean) {
        (void)wax_escape(s, n, newlines, clean, cap);
        buf_str(out, clean);
    } else {
        buf_str(out, "?");
    }
    free(clean);
}

/* A text of several lines: what follows the first is indented, so that nobody's text can pass for a
 * line of ours. */
static void indented(struct buf *out, const char *s, size_t n)
{
    struct buf all = {0};

    escaped(&all, s, n, true);
    for (size_t i = 0; i < all.n; i++) {
        buf_u8(out, all.p[i]);
        if (all.p[i] == '\n')
            buf_str(out, "    ");
    }
    buf_done(&all);
}

static void name(struct buf *out, const char *s) { escaped(out, s, s ? strlen(s) : 0, false); }

static void when(struct buf *out, uint64_t ms)
{
    char text[32];
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    if (ms && localtime_r(&t, &tm) && strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm))
        buf_str(out, text);
}

static void message(struct buf *out, const struct wax_event *e, bool colour)
{
    when(out, e->sent_at);
    buf_str(out, colour ? "  \033[1m" : "  ");
    name(out, e->from);
    buf_str(out, colour ? "\033[0m" : "");
    if ((e->own || e->state) && e->to) {
        buf_str(out, " to ");
        name(out, e->to);
    }
    if (e->own)
        buf_str(out, " (from another device of yours)");
    if (e->handed_on)
        buf_str(out, " (handed on by another device of yours)");
    if (e->repeat)
        buf_str(out, " (perhaps shown before)");
    if (e->state && strcmp(e->state, "accepted") != 0)
        buf_printf(out, " [%s]", e->state);
    buf_str(out, ": ");
    if (e->state && strcmp(e->state, "unreadable") == 0)
        buf_str(out, "(this message cannot be read here; it is asked for again)");
    else if (e->unreadable_version)
        buf_str(out, "(this message needs a newer Waxwing)");
    else
        indented(out, e->text, e->text_len);
    buf_str(out, "\n");
}

static void alert(struct buf *out, const struct wax_event *e, bool colour)
{
    buf_str(out, colour ? "\033[1;31m" : "");
    buf_printf(out, "ALERT %s", e->kind ? e->kind : "");
    if (e->klass)
        buf_printf(out, " (%s)", e->klass);
    if (e->handle) {
        buf_str(out, ", ");
        name(out, e->handle);
    }
    if (e->device)
        buf_printf(out, ", device %.8s", e->device);
    buf_str(out, ": ");
    name(out, e->detail ? e->detail : "");
    buf_str(out, colour ? "\033[0m\n" : "\n");
}

static void device(struct buf *out, const struct wax_event *e)
{
    buf_printf(out, "%s  ", e->device ? e->device : "");
    name(out, e->name);
    if (e->added_at) {
        buf_str(out, "  added ");
        when(out, e->added_at);
    }
    if (e->added_by)
        buf_printf(out, " by %.8s", e->added_by);
    buf_str(out, e->this_device ? "  (this device)\n" : "\n");
}

static void link_step(struct buf *out, const struct wax_event *e, bool terminal)
{
    if (e->link_code) {
        buf_str(out,
                terminal ? "On a device that is in, run `wax approve` and enter, or scan:\n" : "");
        buf_printf(out, "%s\n", e->link_code);
        if (terminal)
            print_qr(out, e->link_code);
        return;
    }
    buf_printf(out, terminal ? "Enter these six digits there: %s\n" : "%s\n",
               e->code ? e->code : "");
}

/* How what others wrote is kept apart. */
static void box(struct buf *out, const char *state)
{
    buf_printf(out, "box:         %s%s\n", state,
               strcmp(state, "seccomp") == 0 ? " (this kernel has no Landlock)"
               : strcmp(state, "missing") == 0
                   ? " (its program does not start: nothing can be received)"
                   : "");
}

static void status(struct buf *out, const struct wax_event *e)
{
    buf_str(out, "account:     ");
    name(out, e->handle);
    buf_printf(out, "\ndevice:      %s\nserver:      ", e->device ? e->device : "");
    name(out, e->server);
    if (e->has_connected)
        buf_str(out, e->connected ? " (connected)"
                     : e->revoked ? " (takes this device no longer)"
                                  : " (not reached)");
    buf_printf(out, "\noutbox:      %u waiting\n", e->outbox);
    if (e->set_aside)
        buf_printf(out, "set aside:   %u that could not be read safely yet\n", e->set_aside);
    box(out, e->box ? e->box : "");
    buf_printf(out, "directory:   %s%s\n", e->directory ? e->directory : "",
               e->directory && strcmp(e->directory, "unverified") == 0
                   ? " (no transparency log yet: compare safety numbers, `wax verify`)"
                   : "");
    buf_printf(out, "protection:  %s\n", e->protection ? e->protection : "");
    if (e->invitation && *e->invitation) {
        buf_str(out, "invitation:  ");
        name(out, e->invitation);
        buf_str(out, "\n");
    }
    if (e->detail && *e->detail) {
        buf_str(out, "why:         ");
        name(out, e->detail);
        buf_str(out, "\n");
    }
    for (const char *p = e->damage; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
        buf_printf(out, "damaged:     %.*s\n", (int)strcspn(p, "\n"), p);
}

static void verify(struct buf *out, const struct wax_event *e, bool terminal)
{
    buf_str(out, "Safety number with ");
    name(out, e->handle);
    buf_printf(out, "%s\n", e->verified ? " (verified):" : " (not verified):");
    const char *p = e->number ? e->number : "";
    for (int group = 0; *p; group++) {
        size_t n = strcspn(p, " ");
        buf_printf(out, "%s%.*s%s", group % 4 == 0 ? "  " : " ", (int)n, p,
                   group % 4 == 3 ? "\n" : "");
        p += n + (p[n] == ' ');
    }
    if (e->identity_changed)
        buf_str(out, "The contact started over with new keys: this is the new number.\n");
    if (terminal && e->qr)
        print_qr(out, e->qr);
}

static void contact(struct buf *out, const struct wax_event *e)
{
    name(out, e->handle);
    buf_printf(out, "  %u device%s%s%s\n", e->devices, e->devices == 1 ? "" : "s",
               e->verified ? ", verified" : "",
               e->identity_changed ? ", IDENTITY CHANGED: see wax verify" : "");
}

static void expired(struct buf *out, const struct wax_event *e)
{
    if (e->id) {
        buf_printf(out, "Message %s to ", e->id);
        name(out, e->to);
        buf_printf(out, " expired on the server: %u device%s did not fetch it\n", e->devices,
                   e->devices == 1 ? "" : "s");
    } else {
        buf_printf(out, "%u message%s for this device expired on the server while it was away\n",
                   e->count, e->count == 1 ? "" : "s");
    }
}

static void conversation(struct buf *out, const struct wax_event *e)
{
    when(out, e->received_at);
    buf_str(out, "  ");
    name(out, e->conversation);
    if (e->count)
        buf_printf(out, "  %u new", e->count);
    buf_str(out, "\n");
}

static void outbox(struct buf *out, const struct wax_event *e)
{
    buf_printf(out, "%s  ", e->id ? e->id : "");
    when(out, e->sent_at);
    buf_str(out, "  to ");
    name(out, e->to);
    if (e->detail && *e->detail) {
        buf_str(out, ": ");
        name(out, e->detail);
    }
    buf_str(out, "\n");
}

/* A deed and what it was done to. */
static void done(struct buf *out, const char *what, const char *to, const char *device_id)
{
    buf_str(out, what);
    name(out, to);
    if (device_id)
        buf_printf(out, " (device %s)", device_id);
    buf_str(out, "\n");
}

void print_words(struct buf *out, const struct wax_event *e, bool terminal, bool colour)
{
    switch (e->type) {
    case WAX_EVENT_MESSAGE:
        message(out, e, colour);
        break;
    case WAX_EVENT_ALERT:
        alert(out, e, colour);
        break;
    case WAX_EVENT_DEVICE:
        device(out, e);
        break;
    case WAX_EVENT_LINK:
        link_step(out, e, terminal);
        break;
    case WAX_EVENT_APPROVE:
        done(out, "A new device asks to join: ", e->name, NULL);
        break;
    case WAX_EVENT_STATUS:
        status(out, e);
        break;
    case WAX_EVENT_SENT:
        buf_printf(out, "%s\n", e->id ? e->id : "");
        break;
    case WAX_EVENT_EXPIRED:
        expired(out, e);
        break;
    case WAX_EVENT_VERIFY:
        verify(out, e, terminal);
        break;
    case WAX_EVENT_CONTACT:
        contact(out, e);
        break;
    case WAX_EVENT_CONVERSATION:
        conversation(out, e);
        break;
    case WAX_EVENT_OUTBOX:
        outbox(out, e);
        break;
    case WAX_EVENT_REGISTERED:
        done(out, "Registered ", e->handle, e->device);
        break;
    case WAX_EVENT_LINKED:
        done(out, "Linked to ", e->handle, e->device);
        break;
    case WAX_EVENT_APPROVED:
        done(out, "Approved: a new device of ", e->handle, e->device);
        break;
    case WAX_EVENT_REVOKED:
        done(out, "Revoked ", e->name, e->device);
        break;
    case WAX_EVENT_RENAMED:
        done(out, "Renamed to ", e->name, e->device);
        break;
    }
}
