#include "net/server.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/server_in.h"
#include "os/clock.h"

#define SWEEP_MAX_MS 5000
#define SWEEP_MIN_MS 20
/* Between the notice and the final GOAWAY: what was under way arrives. */
#define DRAIN_NOTICE_MS 100

static void or_default(unsigned *v, unsigned d)
{
    if (*v == 0)
        *v = d;
}

static void set_defaults(struct net_server_conf *c)
{
    or_default(&c->max_connections, 10000);
    or_default(&c->handshake_ms, 10000);
    or_default(&c->max_handshakes, 1024);
    or_default(&c->idle_ms, 600000);
    or_default(&c->request_ms, 300000);
    or_default(&c->ping_ms, 60000);
    or_default(&c->pong_ms, 30000);
    or_default(&c->drain_ms, 10000);
    if (c->body_memory == 0)
        c->body_memory = (size_t)256 * 1024 * 1024;
}

static unsigned min_of(unsigned a, unsigned b) { return a < b ? a : b; }

/* Time-outs are kept by one walk over all connections instead of a timer each: often enough
 * that each is at most a quarter late. */
static unsigned sweep_ms(const struct net_server *s)
{
    const struct net_server_conf *c = &s->conf;
    unsigned ms = min_of(min_of(c->handshake_ms, c->idle_ms), min_of(c->ping_ms, c->pong_ms));

    if (s->draining)
        return SWEEP_MIN_MS;
    ms = min_of(min_of(ms, c->request_ms), c->drain_ms) / 4;
    return ms > SWEEP_MAX_MS ? SWEEP_MAX_MS : ms < SWEEP_MIN_MS ? SWEEP_MIN_MS : ms;
}

static void tell_drained(struct net_server *s)
{
    net_fn fn = s->drained;

    if (!s->draining || s->n_conns > 0 || !fn)
        return;
    s->drained = NULL;
    fn(s->drained_ctx); /* may free s */
}

static void sweep(void *ctx)
{
    struct net_server *s = ctx;
    uint64_t now = os_mono_ms();

    s->sweep = net_loop_timer(s->loop, sweep_ms(s), sweep, s);
    if (!s->sweep)
        log_error("no memory for a timer: time-outs are off");
    for (struct net_conn *c = s->conns, *next; c; c = next) {
        next = c->next;
        if (s->draining && now >= s->drain_until)
            c->dead = true;
        net_conn_sweep(c, now);
    }
    tell_drained(s);
}

wax_rc net_server_new(struct net_loop *loop, const struct net_server_conf *conf,
                      const struct http_handler *handler, struct net_server **ret, char *err,
                      size_t err_size)
{
    struct net_server *s = mem_alloc(sizeof *s);
    wax_rc rc = WAX_E_NOMEM;

    if (err_size)
        err[0] = 0;
    if (!s)
        goto out;
    s->loop = loop;
    s->base = net_loop_base(loop);
    s->handler = handler;
    list_init(&s->unsettled);
    s->conf = *conf;
    set_defaults(&s->conf);
    s->listen = mem_strdup(conf->listen);
    s->cert_file = mem_strdup(conf->cert_file);
    s->key_file = mem_strdup(conf->key_file);
    if (!s->listen || !s->cert_file || !s->key_file)
        goto out;
    rc = net_h2_setup(s);
    if (!rc)
        rc = net_tls_server(s->cert_file, s->key_file, &s->tls, err, err_size);
    if (!rc)
        rc = net_listen(s, err, err_size);
    if (rc)
        goto out;
    s->sweep = net_loop_timer(loop, sweep_ms(s), sweep, s);
    rc = s->sweep ? WAX_OK : WAX_E_NOMEM;
out:
    if (rc) {
        if (err_size && !err[0])
            (void)snprintf(err, err_size, "%s", rc_text(rc));
        net_server_free(s);
        return rc;
    }
    *ret = s;
    return WAX_OK;
}

void net_server_free(struct net_server *s)
{
    if (!s)
        return;
    net_listen_stop(s);
    net_timer_cancel(s->sweep);
    while (s->conns)
        net_conn_free(s->conns);
    SSL_CTX_free(s->tls);
    net_h2_done(s);
    mem_free(s->listen);
    mem_free(s->cert_file);
    mem_free(s->key_file);
    mem_free(s);
}

unsigned net_server_port(const struct net_server *s) { return s->port; }

const char *net_server_address(const struct net_server *s) { return s->address; }

unsigned net_server_connections(const struct net_server *s) { return s->n_conns; }

wax_rc net_server_reload(struct net_server *s, char *err, size_t err_size)
{
    SSL_CTX *fresh;
    wax_rc rc = net_tls_server(s->cert_file, s->key_file, &fresh, err, err_size);

    if (rc)
        return rc;
    SSL_CTX_free(s->tls); /* open connections hold their own reference */
    s->tls = fresh;
    return WAX_OK;
}

void net_server_drain(struct net_server *s, net_fn done, void *ctx)
{
    if (s->draining)
        return;
    s->draining = true;
    s->drain_last_call = os_mono_ms() + DRAIN_NOTICE_MS;
    s->drain_until = os_mono_ms() + s->conf.drain_ms;
    s->drained = done;
    s->drained_ctx = ctx;
    net_listen_stop(s);
    for (struct net_conn *c = s->conns; c; c = c->next)
        net_conn_drain(c);
    /* Whoever drains may be in the middle of something: tell from the loop, soon. */
    net_timer_cancel(s->sweep);
    s->sweep = net_loop_timer(s->loop, 0, sweep, s);
}

void net_server_close_key(struct net_server *s, const struct point *key)
{
    for (struct net_conn *c = s->conns; c; c = c->next)
        if (c->has_key && ID_EQ(&c->key, key))
            net_conn_close(c, NGHTTP2_NO_ERROR);
}

/* IMF-fixdate, made once a second; strftime would follow the locale. */
const char *net_server_date(struct net_server *s)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    uint64_t now = os_now_ms() / 1000;
    time_t t = (time_t)now;
    struct tm tm;

    if (now != s->date_s && gmtime_r(&t, &tm)) {
        (void)snprintf(s->date, sizeof s->date, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                       days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], (tm.tm_year + 1900) % 10000,
                       tm.tm_hour, tm.tm_min, tm.tm_sec);
        s->date_s = now;
    }
    return s->date;
}
