/* The router: a parsed request in, an answer out; authentication, limits, problem
 * documents. No sockets, no clock, no randomness, no code that could open a message.
 *
 *   carrier (net, or the scenario harness) → server_handler() → directory / mailbox rules
 *   → store → answer through the http_responder.
 *
 * One server object belongs to one loop thread and one store handle. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/http.h"
#include "store/store.h"

struct server_conf {
    char domain[254];
    bool registration_open;     /* else an invitation is needed */
    uint64_t message_life_ms;   /* 7 d */
    uint32_t mailbox_max_count; /* 10,000 */
    uint64_t mailbox_max_bytes; /* 256 MiB */
    uint64_t heartbeat_ms;      /* 30,000 */
    uint64_t link_life_ms;      /* 300,000 */
    uint32_t link_max;          /* rendezvous at once: 1,000 */
    /* Token buckets; 0 = no limit. Burst: one minute's worth, of register one hour's. Login
     * (mailbox, counter, bundle), lookup and send count per account; register and link per
     * source. Who is unknown has a tenth of login for tries that fail, per login key (without
     * one: per source), and per source a fiftieth of lookup. */
    uint32_t login_per_min;     /* 1,200 */
    uint32_t lookup_per_min;    /* 3,000 */
    uint32_t send_per_min;      /* 3,000 */
    uint32_t register_per_hour; /* 100 */
    uint32_t link_per_min;      /* 120 */
    size_t max_fanout;          /* 4,096 */
};
/* The defaults above. */
void server_conf_default(struct server_conf *c, const char *domain);

struct server;
/* The store outlives the server, or has finished (or dropped in a crash) all its requests. */
wax_rc server_new(const struct server_conf *conf, struct store *store,
                  struct server **ret) WAX_MUST;
void server_free(struct server *s);
/* Keeps the directory's log (directory/directory.h); before the first request. */
struct directory_log;
void server_keep_log(struct server *s, const struct directory_log *log);
/* Takes new settings (SIGHUP). */
void server_reconfigure(struct server *s, const struct server_conf *conf);

/* What the carrier calls. The handler lives as long as the server. */
const struct http_handler *server_handler(struct server *s);

/* Time comes in: call before handing over requests and whenever server_next_wake is due.
 * Sends heartbeats, runs the expiry sweep (every min(60 s, message_life / 3)), makes the
 * log's entries of the hour and the day, answers link polls that have waited 25 s. */
void server_tick(struct server *s, uint64_t now_ms);
/* When server_tick wants to be called next (ms, absolute); UINT64_MAX: never. */
uint64_t server_next_wake(const struct server *s);

/* Tells that a device's manifest entry is gone: the carrier closes its connections. */
void server_set_revoked(struct server *s, void (*fn)(void *ctx, const struct point *dtk),
                        void *ctx);
/* Ends all streams with what is sent so far (SIGTERM); new requests get `overloaded`. */
void server_drain(struct server *s);
/* Requests that wait for the store, and open streams. */
void server_load(const struct server *s, size_t *ret_requests, size_t *ret_streams);

#endif
