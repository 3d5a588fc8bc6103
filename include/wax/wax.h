/* libwax: a Waxwing client as a library. `wax`, the program, is built on these functions
 * alone.
 *
 *   struct wax_error err;
 *   wax *w = NULL;
 *   if (wax_open(&(struct wax_options){.home = "/home/ann/.local/share/waxwing"}, &w, &err))
 *       … err.detail says what was tried, why it failed and what to do …
 *   struct wax_sent sent;
 *   wax_send(w, &(struct wax_send_options){.to = "bob@example.org", .text = "hi", .text_len = 2},
 *            &sent, &err);
 *   wax_close(w);
 *
 * Conventions. Functions return 0 or a positive exit code of sysexits(3) as docs/CLI lists
 * them (75: queued, …); then *err is filled. All strings are UTF-8, all times ms since 1970
 * UTC. Pointers inside an event live until the callback returns. A `wax` belongs to one
 * thread at a time; several processes may have one home open, each waits at most 30 s for
 * another's step (71 after that). Text that others wrote is handed over as it came: it may
 * hold control characters; wax_escape makes it fit for a terminal.
 *
 * What others wrote is parsed by a helper program, libexec/waxwing/waxwing-box beside the folder
 * that libwax was loaded from (docs/ARCHITECTURE, "The box"): a child process of the caller's, from
 * the first message that is taken in until wax_close. Without it, or where the kernel refuses it a
 * seccomp filter, nothing is taken in (78, "no-box"); nothing is ever parsed in the caller's
 * process instead. */
#ifndef WAX_WAX_H
#define WAX_WAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WAX_API __attribute__((visibility("default")))

/* Exit codes (sysexits). */
enum {
    WAX_EX_OK = 0,
    WAX_EX_USAGE = 64,   /* a call or option that makes no sense */
    WAX_EX_DATA = 65,    /* data that fails a check: tampered, wrong code, too large */
    WAX_EX_NOINPUT = 66, /* no such file, message or device */
    WAX_EX_NOUSER = 67,  /* unknown handle */
    WAX_EX_NOHOST = 68,  /* foreign domain */
    WAX_EX_AWAY = 69,    /* server away, nothing queued */
    WAX_EX_FAULT = 70,   /* a fault of ours */
    WAX_EX_BUSY = 71,    /* home busy, nothing queued */
    WAX_EX_CANTCREATE = 73,
    WAX_EX_IO = 74,
    WAX_EX_QUEUED = 75, /* in the outbox; goes out at the next chance */
    WAX_EX_PROTOCOL = 76,
    WAX_EX_REFUSED = 77, /* revoked, suspended, identity not accepted, invitation invalid */
    WAX_EX_CONFIG = 78,  /* bad settings, no account here yet, a needed answer or the box missing */
};

/* Why a call failed. `reason` is stable, for programs ("identity-changed"); `detail` is one
 * line for people: what was tried, why it failed, what to do. */
struct wax_error {
    int code;
    char reason[48];
    char detail[512];
};

typedef struct wax wax;

struct wax_options {
    const char *home;    /* NULL: $WAX_HOME, $XDG_DATA_HOME/waxwing, ~/.local/share/waxwing */
    bool allow_unlocked; /* go on although secret memory cannot be locked */
    /* Asked about four times a second while waiting; true stops the call (exit code 69 or
     * what is true by then). NULL: never. */
    bool (*cancelled)(void *ctx);
    /* Told once when another process has held the home for a second. NULL: silent. */
    void (*waiting)(void *ctx);
    /* Told by a wax_receive that follows: once when the server is away (why: one line, to be
     * shown escaped), and once when it is back (why: NULL). NULL: silent. */
    void (*server)(void *ctx, bool away, const char *why);
    void *ctx;
    /* How long the server may take over one whole answer, and over the next frame of the mailbox
     * stream. 0: 40 s and 75 s. Whatever it does in that time, the call ends with 69 then. */
    unsigned server_timeout_ms;
};

/* Opens a home; it need not exist yet (then only wax_register and wax_link work, others give
 * 78). Hardens the process (no core dumps, locked secret heap). */
WAX_API int wax_open(const struct wax_options *options, wax **ret, struct wax_error *err);
WAX_API void wax_close(wax *w); /* NULL is fine */

/* --- Events ------------------------------------------------------------------------- */

enum wax_event_type {
    WAX_EVENT_REGISTERED = 1,
    WAX_EVENT_LINKED,
    WAX_EVENT_APPROVED,
    WAX_EVENT_LINK,    /* link_code, or code (six digits), during wax_link */
    WAX_EVENT_APPROVE, /* name of the device that asks, during wax_approve */
    WAX_EVENT_DEVICE,
    WAX_EVENT_STATUS,
    WAX_EVENT_MESSAGE,
    WAX_EVENT_SENT,
    WAX_EVENT_EXPIRED,
    WAX_EVENT_ALERT,
    WAX_EVENT_VERIFY,
    WAX_EVENT_CONTACT,
    WAX_EVENT_CONVERSATION, /* one line of wax_list */
    WAX_EVENT_OUTBOX,       /* one queued message of wax_outbox */
    WAX_EVENT_REVOKED,
    WAX_EVENT_RENAMED,
};

/* The name of a type as `--json` writes it ("message"); static. */
WAX_API const char *wax_event_name(enum wax_event_type type);

/* One event. Strings are NULL and numbers 0 where the type has no such field (docs/CLI). Ids,
 * devices and fingerprints are lower-case hex. */
struct wax_event {
    enum wax_event_type type;
    uint64_t seq;             /* rising, of received events; 0: none */
    const char *id;           /* message id, 32 hex digits */
    const char *conversation; /* the peer's handle */
    const char *from, *from_device, *to;
    uint64_t sent_at, received_at;
    const char *text; /* text_len bytes, NUL behind; may hold NULs inside */
    size_t text_len;
    bool own;                /* sent from another device of this account */
    bool repeat;             /* may have been handed over before */
    bool unreadable_version; /* needs a newer Waxwing; text is NULL */
    const char *handle, *device, *name, *fingerprint, *added_by;
    uint64_t added_at;
    bool this_device;
    bool handed_on;           /* message: by another own device, after this one was away */
    const char *state;        /* sent: "accepted" or "queued"; outbox: why it waits */
    unsigned devices;         /* sent: ciphertexts; expired: devices concerned */
    unsigned count;           /* expired at the recipient; conversation: unread */
    const char *kind, *klass; /* alert */
    const char *detail;
    const char *server, *directory, *protection, *invitation; /* status */
    bool connected, has_connected, revoked;
    unsigned outbox;
    unsigned set_aside; /* status: messages that could not be read safely yet */
    const char *box;    /* status: "landlock", "seccomp" or "missing" (docs/CLI) */
    uint64_t counter_n;
    const char *link_code, *code;
    const char *number; /* verify: 60 digits in twelve groups */
    const char *qr;     /* verify: text of the QR form */
    bool verified, accepted, identity_changed;
    const char *damage;        /* status: what of the store is damaged, a line each; NULL: nothing */
};

/* Takes one event. 0 goes on; anything else stops the call, which then returns 74. */
typedef int (*wax_event_fn)(void *ctx, const struct wax_event *event);

/* --- Accounts and devices ------------------------------------------------------------ */

struct wax_register_options {
    const char *handle;
    const char *invitation;  /* `wax:…`, or NULL */
    const char *server;      /* https://HOST:PORT; overrides the invitation's. NULL: none */
    const char *ca_file;     /* PEM; overrides. NULL: none */
    const char *invite;      /* admission code; overrides. NULL: none */
    const char *device_name; /* NULL: the host's name */
    bool recovery;           /* make a recovery key */
    /* Called with the twelve words before the account is published; non-zero cancels it.
     * The words are wiped after the call. Must be set when recovery is. */
    int (*words)(void *ctx, const char *words);
    void *ctx;
};
/* Makes the account and its first device: event REGISTERED. 73 when the home has one. */
WAX_API int wax_register(wax *w, const struct wax_register_options *o, wax_event_fn fn, void *ctx,
                         struct wax_error *err);

struct wax_link_options {
    const char *handle, *invitation, *server, *ca_file, *device_name; /* as above */
    unsigned timeout_s;                                               /* 0: 300 */
};
/* Makes this home a new device of an existing account: LINK with link_code, LINK with code,
 * LINKED. 69 when time runs out, 65 when what the other side sends does not hold. */
WAX_API int wax_link(wax *w, const struct wax_link_options *o, wax_event_fn fn, void *ctx,
                     struct wax_error *err);

struct wax_approve_options {
    const char *link_code; /* 64 characters, spaces and `waxlink:` allowed */
    /* Asked for the six digits that the new device shows, after event APPROVE: fills
     * digits[7] and returns 0, or non-zero to cancel. */
    int (*digits)(void *ctx, const char *name, char digits[7]);
    void *ctx;
    unsigned timeout_s; /* 0: 300 */
};
/* Signs a new device in: event APPROVE, then APPROVED. 65 for wrong digits or a link code that does
 * not hold (one try, then a new link code); 69 when nobody waits under it or time runs out. */
WAX_API int wax_approve(wax *w, const struct wax_approve_options *o, wax_event_fn fn, void *ctx,
                        struct wax_error *err);

/* DEVICE events: own (handle NULL) or a contact's. */
WAX_API int wax_devices(wax *w, const char *handle, wax_event_fn fn, void *ctx,
                        struct wax_error *err);
/* device: hex id or an unambiguous prefix of ≥ 4 digits. This device may revoke itself last
 * (the only one left cannot: 64). */
WAX_API int wax_revoke(wax *w, const char *device, wax_event_fn fn, void *ctx,
                       struct wax_error *err);
/* This device's name. */
WAX_API int wax_rename(wax *w, const char *name, wax_event_fn fn, void *ctx, struct wax_error *err);

/* --- Messages ------------------------------------------------------------------------- */

struct wax_send_options {
    const char *to; /* handle */
    const char *text;
    size_t text_len; /* 1 … 65,000 bytes of UTF-8 without NUL */
    bool no_wait;    /* only commit it: state "queued", returns 0 */
};
struct wax_sent {
    char id[33];
    bool accepted; /* else queued */
    unsigned devices;
};
/* 0: accepted by the server (or queued with no_wait); 75: queued, id is valid. */
WAX_API int wax_send(wax *w, const struct wax_send_options *o, struct wax_sent *ret,
                     struct wax_error *err);

struct wax_receive_options {
    bool follow; /* until cancelled */
    bool has_timeout;
    uint64_t timeout_ms; /* waits that long for a first event */
    unsigned max;        /* 0: all */
    bool peek;           /* events stay new */
    bool has_since;
    uint64_t since; /* also events already shown, with a higher seq, as a `repeat` */
};
/* Hands over what has arrived, oldest first: MESSAGE, EXPIRED, ALERT. An event counts as
 * shown when fn returned 0; one interrupted comes again with `repeat`. 69 when the server is
 * away (after what is local was handed over). Flushes the outbox too. */
WAX_API int wax_receive(wax *w, const struct wax_receive_options *o, wax_event_fn fn, void *ctx,
                        struct wax_error *err);

/* Sends what waits: SENT for each that went out. 0: nothing waits any more; 75 else. */
WAX_API int wax_flush(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err);
/* OUTBOX events. */
WAX_API int wax_outbox(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err);
/* Takes a message back that no device has yet; 66 when there is none, 77 when it is on its way. */
WAX_API int wax_outbox_cancel(wax *w, const char *id, struct wax_error *err);

struct wax_history_options {
    const char *with;   /* handle, or NULL: all */
    unsigned limit;     /* 0: all; else the newest that many */
    const char *before; /* message id, or NULL */
};
/* MESSAGE events in order of arrival here. */
WAX_API int wax_history(wax *w, const struct wax_history_options *o, wax_event_fn fn, void *ctx,
                        struct wax_error *err);
/* CONVERSATION events, newest first. */
WAX_API int wax_list(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err);
/* CONTACT events. */
WAX_API int wax_contacts(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err);

/* --- Trust ------------------------------------------------------------------------------ */

/* VERIFY. confirm: the 60 digits (spaces ignored) mark it verified, others: 65. NULL: show. */
WAX_API int wax_verify(wax *w, const char *handle, const char *confirm, wax_event_fn fn, void *ctx,
                       struct wax_error *err);
/* Takes a changed identity for good; code = the new safety number's digits, others: 65. */
WAX_API int wax_accept_identity(wax *w, const char *handle, const char *code,
                                struct wax_error *err);
/* STATUS. */
WAX_API int wax_status(wax *w, wax_event_fn fn, void *ctx, struct wax_error *err);

/* Writes text made fit for a terminal to out (cap bytes, NUL behind, cut where it does not
 * fit): control characters, bidirectional overrides and invalid bytes become visible.
 * Returns the length it would have. */
WAX_API size_t wax_escape(const char *text, size_t len, bool keep_newlines, char *out, size_t cap);

/* "0.1.0"; static. */
WAX_API const char *wax_version(void);

#ifdef __cplusplus
}
#endif
#endif
