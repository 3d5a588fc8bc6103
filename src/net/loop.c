#include "net/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/loop_in.h"

struct net_timer {
    struct net_loop *loop;
    struct net_timer *prev, *next;
    struct event *ev;
    net_fn fn;
    void *ctx;
};

struct posted {
    struct posted *next;
    net_fn fn;
    void *ctx;
};

struct on_signal {
    struct on_signal *next;
    struct event *ev;
    net_fn fn;
    void *ctx;
};

/* The base itself runs without locks: what other threads hand over goes through `queue`
 * under our own mutex, and an eventfd wakes the loop. */
struct net_loop {
    struct event_base *base;
    int wake_fd;
    struct event *wake_ev;
    struct net_timer *timers;
    struct on_signal *signals;
    pthread_mutex_t lock; /* guards the three below */
    struct posted *first, *last;
    bool stop;
};

struct event_base *net_loop_base(struct net_loop *l) { return l->base; }

static void wake(struct net_loop *l)
{
    uint64_t one = 1;

    /* It fails only when the counter is full, and then the loop is awake anyway. */
    (void)!write(l->wake_fd, &one, sizeof one);
}

static void on_wake(evutil_socket_t fd, short what, void *ctx)
{
    struct net_loop *l = ctx;
    struct posted *p, *next;
    uint64_t n;
    bool stop;

    (void)what;
    (void)!read(fd, &n, sizeof n);
    (void)pthread_mutex_lock(&l->lock);
    p = l->first;
    l->first = l->last = NULL;
    stop = l->stop;
    (void)pthread_mutex_unlock(&l->lock);
    for (; p; p = next) {
        next = p->next;
        p->fn(p->ctx);
        mem_free(p);
    }
    if (stop)
        (void)event_base_loopbreak(l->base);
}

wax_rc net_loop_new(struct net_loop **ret)
{
    struct net_loop *l = mem_alloc(sizeof *l);
    struct event_config *conf = NULL;

    if (!l)
        return WAX_E_NOMEM;
    (void)pthread_mutex_init(&l->lock, NULL);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    conf = event_config_new();
    if (l->wake_fd < 0 || !conf ||
        event_config_set_flag(conf, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER) != 0)
        goto fail;
    l->base = event_base_new_with_config(conf);
    if (!l->base)
        goto fail;
    l->wake_ev = event_new(l->base, l->wake_fd, EV_READ | EV_PERSIST, on_wake, l);
    if (!l->wake_ev || event_add(l->wake_ev, NULL) != 0)
        goto fail;
    event_config_free(conf);
    (void)signal(SIGPIPE, SIG_IGN);
    *ret = l;
    return WAX_OK;
fail:
    if (conf)
        event_config_free(conf);
    net_loop_free(l);
    return WAX_E_NOMEM;
}

void net_loop_free(struct net_loop *l)
{
    if (!l)
        return;
    while (l->timers)
        net_timer_cancel(l->timers);
    while (l->signals) {
        struct on_signal *s = l->signals;
        l->signals = s->next;
        event_free(s->ev);
        mem_free(s);
    }
    while (l->first) {
        struct posted *p = l->first;
        l->first = p->next;
        mem_free(p);
    }
    if (l->wake_ev)
        event_free(l->wake_ev);
    /* A freed TLS connection is finalized by callbacks that libevent defers; nothing else is left
     * to run. Two layers of a connection take two turns. */
    for (int turn = 0; l->base && turn < 4; turn++)
        (void)event_base_loop(l->base, EVLOOP_NONBLOCK);
    if (l->base)
        event_base_free(l->base);
    if (l->wake_fd >= 0)
        (void)close(l->wake_fd);
    (void)pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

wax_rc net_loop_run(struct net_loop *l)
{
    int r = event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);

    (void)pthread_mutex_lock(&l->lock);
    l->stop = false;
    (void)pthread_mutex_unlock(&l->lock);
    return r < 0 ? WAX_E_IO : WAX_OK;
}

void net_loop_stop(struct net_loop *l)
{
    (void)pthread_mutex_lock(&l->lock);
    l->stop = true;
    (void)pthread_mutex_unlock(&l->lock);
    wake(l);
}

wax_rc net_loop_post(struct net_loop *l, net_fn fn, void *ctx)
{
    struct posted *p = mem_alloc(sizeof *p);

    if (!p)
        return WAX_E_NOMEM;
    *p = (struct posted){NULL, fn, ctx};
    (void)pthread_mutex_lock(&l->lock);
    if (l->last)
        l->last->next = p;
    else
        l->first = p;
    l->last = p;
    (void)pthread_mutex_unlock(&l->lock);
    wake(l);
    return WAX_OK;
}

static void on_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct net_timer *t = ctx;
    net_fn fn = t->fn;
    void *fn_ctx = t->ctx;

    (void)fd;
    (void)what;
    net_timer_cancel(t);
    fn(fn_ctx);
}

struct net_timer *net_loop_timer(struct net_loop *l, unsigned ms, net_fn fn, void *ctx)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (long)(ms % 1000) * 1000};
    struct net_timer *t = mem_alloc(sizeof *t);

    if (!t)
        return NULL;
    t->ev = evtimer_new(l->base, on_timer, t);
    if (!t->ev || evtimer_add(t->ev, &tv) != 0) {
        if (t->ev)
            event_free(t->ev);
        mem_free(t);
        return NULL;
    }
    t->loop = l;
    t->fn = fn;
    t->ctx = ctx;
    t->next = l->timers;
    if (t->next)
        t->next->prev = t;
    l->timers = t;
    return t;
}

void net_timer_cancel(struct net_timer *t)
{
    if (!t)
        return;
    if (t->prev)
        t->prev->next = t->next;
    else
        t->loop->timers = t->next;
    if (t->next)
        t->next->prev = t->prev;
    event_free(t->ev);
    mem_free(t);
}

static void on_signal(evutil_socket_t fd, short what, void *ctx)
{
    struct on_signal *s = ctx;

    (void)fd;
    (void)what;
    s->fn(s->ctx);
}

wax_rc net_loop_signal(struct net_loop *l, int signo, net_fn fn, void *ctx)
{
    struct on_signal *s = mem_alloc(sizeof *s);

    if (!s)
        return WAX_E_NOMEM;
    s->ev = evsignal_new(l->base, signo, on_signal, s);
    if (!s->ev || event_add(s->ev, NULL) != 0) {
        if (s->ev)
            event_free(s->ev);
        mem_free(s);
        return WAX_E_NOMEM;
    }
    s->fn = fn;
    s->ctx = ctx;
    s->next = l->signals;
    l->signals = s;
    return WAX_OK;
}
