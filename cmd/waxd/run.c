/* waxd run: joins store, router and network on one loop, in the foreground. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <jansson.h>

#include "app.h"
#include "base/log.h"
#include "directory/directory.h"
#include "net/loop.h"
#include "net/server.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "os/random.h"
#include "store/sqlite.h"

/* Heartbeats, sweeps and polls are never later than that. */
#define TICK_MAX_MS 1000
#define TICK_MIN_MS 5

struct daemon {
    const struct app *a;
    struct settings settings;
    struct os_lock *lock;
    struct net_loop *loop;
    struct store *store;
    struct ec_key *log_key;
    struct server *server;
    struct net_server *net;
    struct net_timer *timer;
    struct http_handler front; /* the router's, with the time told before each request */
    bool stopping;
    int code; /* why it stopped by itself */
};

/* --- Logging: one line each to stderr, with the level that journald understands --- */

static void log_line(void *ctx, enum log_level level, const char *line)
{
    static const int priority[] = {3, 4, 6, 7};
    bool journal = *(bool *)ctx;

    if (journal)
        fprintf(stderr, "<%d>%s\n", priority[level], line);
    else
        fprintf(stderr, "waxd: %s\n", line);
}

static void log_start(const struct app *a)
{
    static bool journal;

    journal = getenv("JOURNAL_STREAM") != NULL;
    log_set(log_line, &journal,
            a->verbose ? LOG_LEVEL_DEBUG
            : a->quiet ? LOG_LEVEL_WARN
                       : LOG_LEVEL_INFO);
}

/* --- Time --- */

static void tick(void *ctx)
{
    struct daemon *d = ctx;
    uint64_t now = os_now_ms();

    server_tick(d->server, now);
    uint64_t next = server_next_wake(d->server);
    uint64_t wait = next > now ? next - now : 0;
    if (wait > TICK_MAX_MS)
        wait = TICK_MAX_MS;
    if (wait < TICK_MIN_MS)
        wait = TICK_MIN_MS;
    d->timer = net_loop_timer(d->loop, (unsigned)wait, tick, d);
    if (!d->timer) { /* without it nothing would expire or beat again */
        log_error("out of memory; stopping");
        net_loop_stop(d->loop);
    }
}

static void on_request(void *ctx, const struct http_request *req, struct http_responder *r)
{
    struct daemon *d = ctx;
    const struct http_handler *h = server_handler(d->server);

    server_tick(d->server, os_now_ms());
    h->request(h->ctx, req, r);
}

static void on_drained(void *ctx, struct http_responder *r)
{
    const struct http_handler *h = server_handler(((struct daemon *)ctx)->server);

    h->drained(h->ctx, r);
}

static void on_gone(void *ctx, struct http_responder *r)
{
    const struct http_handler *h = server_handler(((struct daemon *)ctx)->server);

    h->gone(h->ctx, r);
}

static void on_revoked(void *ctx, const struct point *dtk)
{
    net_server_close_key(((struct daemon *)ctx)->net, dtk);
}

/* Without new entries nothing can be registered or published; what is there is still served. */
static void on_log_trouble(void *ctx, wax_rc rc, const char *what)
{
    struct daemon *d = ctx;

    if (rc != WAX_E_DENIED) {
        log_error("%s: %s; trying again", what, rc_text(rc));
        return;
    }
    log_error("%s: put the log.key back that belongs to this folder; stopping", what);
    d->code = EX_CONFIG;
    net_loop_stop(d->loop);
}

/* From the store's thread. A batch that cannot be told would leave its senders without an
 * answer for ever; they repeat with the same ids against the next process. */
static void post(void *ctx, void (*fn)(void *arg), void *arg)
{
    if (net_loop_post(((struct daemon *)ctx)->loop, fn, arg) != WAX_OK) {
        log_error("out of memory; giving up");
        abort();
    }
}

/* --- Signals --- */

static void stopped(void *ctx) { net_loop_stop(((struct daemon *)ctx)->loop); }

static void on_stop(void *ctx)
{
    struct daemon *d = ctx;

    if (d->stopping)
        return;
    d->stopping = true;
    log_info("stopping");
    os_sd_notify("STOPPING=1");
    server_drain(d->server);
    net_server_drain(d->net, stopped, d);
}

static void on_reload(void *ctx)
{
    struct daemon *d = ctx;
    struct settings s;
    char err[256] = "", path[PATH_SIZE];
    struct buf error = {0};

    if (d->stopping || app_path(d->a, "waxd.ini", path) != 0)
        return;
    os_sd_notify("RELOADING=1");
    wax_rc rc = settings_load(path, &s, &error);
    const char *why = error.n ? buf_cstr(&error) : NULL;
    if (rc != WAX_OK) {
        log_error("reading %s again: %s; the old settings stay", path, why ? why : rc_text(rc));
    } else if (strcmp(s.server.domain, d->settings.server.domain) != 0) {
        log_error("reading %s again: the domain cannot change; the old settings stay", path);
    } else {
        server_reconfigure(d->server, &s.server);
        log_info("settings read again");
    }
    buf_done(&error);
    if (net_server_reload(d->net, err, sizeof err) != WAX_OK)
        log_error("reading the certificate again: %s; the old one stays", err);
    os_sd_notify("READY=1");
}

/* --- Up and down --- */

static int open_store(struct daemon *d)
{
    char path[PATH_SIZE];
    struct buf error = {0};
    int code = app_path(d->a, "waxd.db", path);

    if (code != 0)
        return code;
    struct store_sqlite_conf conf = {.path = path, .post = post, .post_ctx = d};
    wax_rc rc = store_sqlite_open(&conf, &d->store, &error);
    if (rc != WAX_OK) {
        const char *why = error.n ? buf_cstr(&error) : NULL;
        code = app_fail(d->a, app_code(rc), "store", "open %s: %s", path, why ? why : rc_text(rc));
    }
    buf_done(&error);
    return code;
}

static int keep_log(struct daemon *d)
{
    wax_rc rc = app_log_key(d->a, &d->log_key);

    if (rc != WAX_OK)
        return app_fail(d->a, EX_CONFIG, "log-key", "read the log key %s/log.key: %s", d->a->data,
                        rc_text(rc));
    struct directory_log log = {
        .key = d->log_key, .rng = *os_rng(), .trouble = on_log_trouble, .ctx = d};
    server_keep_log(d->server, &log);
    return 0;
}

static int start_net(struct daemon *d, const char *listen)
{
    char cert[PATH_SIZE], key[PATH_SIZE], err[256] = "";
    int code = app_path(d->a, d->settings.certificate, cert);

    if (code == 0)
        code = app_path(d->a, d->settings.key, key);
    if (code != 0)
        return code;
    struct net_server_conf conf = {.listen = listen,
                                   .cert_file = cert,
                                   .key_file = key,
                                   .max_connections = d->settings.max_connections};
    wax_rc rc = net_server_new(d->loop, &conf, &d->front, &d->net, err, sizeof err);
    if (rc == WAX_E_NET)
        return app_fail(d->a, EX_OSERR, "listen",
                        "listen at %s: %s; see `listen` in waxd.ini, or give --listen", listen,
                        err);
    if (rc != WAX_OK)
        return app_fail(d->a, EX_CONFIG, "certificate",
                        "serve at %s: %s; see `certificate` and `key` in waxd.ini", listen,
                        *err ? err : rc_text(rc));
    return 0;
}

static int start(struct daemon *d, const char *listen)
{
    int code = app_lock(d->a, &d->lock);

    if (code != 0)
        return code;
    wax_rc rc = net_loop_new(&d->loop);
    if (rc == WAX_OK && (code = open_store(d)) != 0)
        return code;
    if (rc == WAX_OK)
        rc = server_new(&d->settings.server, d->store, &d->server);
    if (rc == WAX_OK)
        rc = net_loop_signal(d->loop, SIGTERM, on_stop, d);
    if (rc == WAX_OK)
        rc = net_loop_signal(d->loop, SIGINT, on_stop, d);
    if (rc == WAX_OK)
        rc = net_loop_signal(d->loop, SIGHUP, on_reload, d);
    if (rc != WAX_OK)
        return app_fail(d->a, EX_OSERR, "start", "start: %s", rc_text(rc));
    d->front = (struct http_handler){d, on_request, on_drained, on_gone};
    server_set_revoked(d->server, on_revoked, d);
    code = keep_log(d);
    return code == 0 ? start_net(d, listen) : code;
}

static void stop(struct daemon *d)
{
    net_timer_cancel(d->timer);
    net_server_free(d->net);
    store_close(d->store); /* what was accepted is committed; nobody hears of it any more */
    server_free(d->server);
    ec_free(d->log_key);
    net_loop_free(d->loop);
    os_lock_close(d->lock);
}

static int say_ready(struct daemon *d)
{
    const char *address = net_server_address(d->net);

    if (d->a->json) {
        char url[320];
        (void)snprintf(url, sizeof url, "https://%s", address);
        json_t *j = json_pack("{s:s, s:s}", "type", "ready", "url", url);
        char *line = j ? json_dumps(j, JSON_COMPACT) : NULL;
        printf("%s\n", line ? line : "");
        free(line);
        json_decref(j);
    } else {
        printf("ready https://%s\n", address);
    }
    int code = app_flush(d->a);
    os_sd_notify("READY=1");
    log_info("serving %s at %s", d->settings.server.domain, address);
    return code;
}

/* Each connection is a descriptor; as many as the system lets us have. */
static void raise_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) != 0 || r.rlim_cur == r.rlim_max)
        return;
    r.rlim_cur = r.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &r); /* with fewer, the network says so when they run out */
}

int run_run(struct app *a, int argc, char **argv)
{
    const char *listen = NULL;
    const struct option_of own[] = {{.name = "listen", .value = &listen}, {.name = NULL}};
    struct daemon d = {.a = a};
    char host[254], **args;
    unsigned port;
    int code = app_args(a, argc, argv, own, 0, 0, &args);

    if (code != 0)
        return code;
    if (listen && endpoint_split(listen, 0, host, &port) != WAX_OK)
        return app_fail(a, EX_USAGE, "usage", "run: --listen %s is no ADDR:PORT", listen);
    if ((code = app_settings(a, &d.settings)) != 0)
        return code;
    log_start(a);
    raise_descriptors();
    code = start(&d, listen ? listen : d.settings.listen);
    if (code == 0)
        code = say_ready(&d);
    if (code == 0) {
        tick(&d);
        wax_rc rc = net_loop_run(d.loop);
        if (rc != WAX_OK)
            code = app_fail(a, EX_OSERR, "loop", "serve: %s", rc_text(rc));
        else if (!d.stopping)
            code = d.code ? d.code : EX_OSERR; /* said already */
    }
    stop(&d);
    return code;
}
