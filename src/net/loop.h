/* The event loop that carries the server: timers, signals, and work posted by other
 * threads. One thread runs it; only net_loop_post and net_loop_stop may come from others. */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/result.h"

struct net_loop;
struct net_timer;
typedef void (*net_fn)(void *ctx);

/* SIGPIPE is ignored from here on: a peer that hangs up is an error code, not a signal. */
wax_rc net_loop_new(struct net_loop **ret) WAX_MUST;
/* Everything that lives on the loop (server) is freed before it. Timers and signals left
 * are dropped, posted work that has not run is dropped too. NULL is fine. */
void net_loop_free(struct net_loop *l);
/* Runs until net_loop_stop; again after that is fine. */
wax_rc net_loop_run(struct net_loop *l) WAX_MUST;
/* From any thread, also from inside a callback or before run: run returns soon. */
void net_loop_stop(struct net_loop *l);

/* Calls fn once, ms from now, in the loop's thread. NULL: out of memory. The timer is
 * gone once fn was called or net_timer_cancel. */
struct net_timer *net_loop_timer(struct net_loop *l, unsigned ms, net_fn fn, void *ctx);
/* NULL is fine. */
void net_timer_cancel(struct net_timer *t);

/* From any thread: fn(ctx) runs soon in the loop's thread, in the order of posting. */
wax_rc net_loop_post(struct net_loop *l, net_fn fn, void *ctx) WAX_MUST;

/* Calls fn in the loop's thread on every such signal. One loop of a process handles
 * signals. */
wax_rc net_loop_signal(struct net_loop *l, int signo, net_fn fn, void *ctx) WAX_MUST;

#endif
