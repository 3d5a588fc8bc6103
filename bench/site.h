/* A real waxd with accounts, for the server's figures. Failures end the program (and the
 * server with it). */
#ifndef BENCH_SITE_H
#define BENCH_SITE_H

#include <sys/types.h>

#include "account/keys.h"
#include "h2.h"

struct user { /* an account with one device */
    struct device_keys keys;
    struct acct_id acct;
    char device[33], handle[64];
    struct buf cert, key; /* PEM */
};

struct site {
    char dir[256]; /* the server's data, and the bare database */
    pid_t pid;
    unsigned port;
    struct user *users;
    size_t n_users;
};

/* Makes a folder of its own in `where`, starts the program waxd there and registers n accounts.
 * settings: lines for waxd.ini; NULL: no limits of rate. */
void site_start(struct site *s, const char *waxd, const char *where, size_t n,
                const char *settings);
/* SIGTERM, and the folder goes. */
void site_stop(struct site *s);
/* A new connection, logged in. */
struct h2_conn *site_connect(const struct site *s, struct h2_loop *l, size_t user);
struct h2_loop *site_loop(const struct site *s);
/* KiB of memory that the server's process has in use. */
size_t site_memory(const struct site *s);

#endif
