/* What the files of libwax share. */
#ifndef LIB_INTERNAL_H
#define LIB_INTERNAL_H

#include <limits.h>

#include "account/pin.h"
#include "box/box.h"
#include "client/client.h"
#include "net/client.h"
#include "os/file.h"
#include "vault/engines.h"
#include "wax/wax.h"

struct wax {
    char home[PATH_MAX - 64];
    struct wax_options options;
    struct os_lock *lock;   /* HOME/lock: login, changes of the own manifest */
    struct os_lock *outbox; /* HOME/outbox.lock: one process sends at a time, so in order */
    struct vault *vault;    /* NULL: no home yet */
    struct client *client;  /* NULL: no account yet */
    struct net_client *net; /* requests */
    struct transport transport;
    struct box *box; /* what strangers wrote is taken apart there */
    struct decoder decoder;
    struct wall_clock clock;
    char server[512];
    struct buf ca; /* PEM; empty: system roots */
    char net_error[512];
    bool contacted;       /* the server answered in this call */
    unsigned retry_after; /* seconds that the last refusal (429, 503) asked to wait; 0: none */
};

/* --- error.c --- */
/* Fills err (may be NULL) and returns code. */
int fail(struct wax_error *err, int code, const char *reason, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* The same from a result code: `what` was tried ("register ann@example.org"). 0 for WAX_OK. */
int fail_rc(struct wax *w, struct wax_error *err, wax_rc rc, const char *what);

/* --- box.c --- */
/* Finds the helper's place; starts nothing. WAX_E_HELPER: it has none. */
wax_rc lib_box_open(struct wax *w) WAX_MUST;
/* How it is confined, as `wax status` says it: "landlock" (and seccomp), "seccomp" alone,
 * "missing". Starts it. */
const char *lib_box_state(struct wax *w);

/* --- home.c --- */
struct client_env home_env(struct wax *w);
/* Opens the vault; makes the home when create. */
int home_open(struct wax *w, bool create, struct wax_error *err);
/* Loads account and server settings: 78 when there is no (published) account. */
int home_account(struct wax *w, struct wax_error *err);
/* Takes one of the two locks, saying so after a second; WAX_E_BUSY after 30. */
wax_rc home_lock(struct wax *w, struct os_lock *l);

/* What client_open's WAX_E_NOTFOUND means in an existing vault: there is no account only when all
 * of the vault can be read; else WAX_E_DAMAGED, so that a damaged home never gets a second
 * identity. */
wax_rc home_no_account(struct wax *w) WAX_MUST;
/* Looks the store over after damage was met: what can be spared is set aside, and an alert tells of
 * it. report gets a line for each kind of damage; empty: the store is whole. */
void home_mend(struct wax *w, struct buf *report);

/* --- conn.c --- */
/* Makes w->net for the server in w->server with the login key of `dev` (NULL: none yet). */
wax_rc conn_open(struct wax *w, const struct ec_key *dtk, const struct dev_id *dev);
/* Another connection like w->net, for the mailbox stream. Freed by net_client_free. */
wax_rc conn_another(struct wax *w, struct net_client **ret);
void conn_close(struct wax *w);
/* Stores server, CA and invitation line in the vault, in one transaction. */
wax_rc conn_save(struct wax *w, const char *invitation);
wax_rc conn_load(struct wax *w);
/* Settings of a registration or link: invitation, server and ca_file, later ones overriding.
 * admission (64 bytes or more) gets the token T or "". line: the invitation without T. */
int conn_settings(struct wax *w, const char *handle, const char *invitation, const char *server,
                  const char *ca_file, char admission[128], struct buf *line,
                  struct wax_error *err);

/* --- events.c --- */
struct event_text { /* storage that an event's strings point into */
    char id[33], device[33];
    char text[1];
};
void hex_of(const uint8_t *p, size_t n, char *out);
/* Hands an item over as MESSAGE, EXPIRED or ALERT. */
int event_item(struct wax *w, const struct item *it, uint64_t seq, bool repeat, wax_event_fn fn,
               void *ctx);
/* A handle as the user gave it → folded; 64, or 68 when its domain is another than ours. */
int handle_of(struct wax *w, const char *in, char out[HANDLE_MAX + 1], struct wax_error *err);

/* --- messages.c --- */
/* Sends what waits under the outbox lock. */
wax_rc flush_locked(struct wax *w, flush_fn fn, void *ctx);

#endif
