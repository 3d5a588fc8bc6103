/* Hostile clients before the real server: what each of them tries stands in the test; that the
 * server outlives it, that it gives back what it held and that the neighbours go on meanwhile is
 * asserted after every one of them. */
#ifndef HOSTILE_SIEGE_H
#define HOSTILE_SIEGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/floods.h"
#include "../../bench/neighbour.h"
#include "../../bench/request.h"

#define OK(call) assert_int_equal((call), WAX_OK)

struct siege {
    struct site site; /* users: FLOOD_*, and those that siege_start was asked for */
    struct neighbour *neighbour;
    uint64_t began;        /* monotonic ms */
    size_t fds, kib, sent; /* before the test: the server's, and the neighbours' messages */
};

/* For main: a server with FLOOD_USERS + more accounts and the neighbours at work. */
int siege_start(void **state, size_t more);
int siege_stop(void **state);
/* Around every test. siege_over: the server lives; within 5 s it holds no more descriptors than
 * before; its memory has grown by 64 MiB at most; the neighbours' next two messages arrive, and
 * 99 of 100 since siege_on took less than 3 s (as far as a test on a busy machine can tell; the
 * figure is that of `./dev bench --only siege`). */
int siege_on(void **state);
int siege_over(void **state);
#define UNDER_SIEGE(test) cmocka_unit_test_setup_teardown(test, siege_on, siege_over)

/* Somebody new, from another address than the foe's, gets an answer. */
void newcomer_is_served(const struct siege *s);
/* A whole request on a connection of its own, by u (NULL: nobody) as that device. */
int ask_as(const struct siege *s, const struct user *u, const char *device, const char *method,
           const char *path, struct bytes body, struct foe_answer *ret);
/* Envelopes in a user's mailbox, as its owner sees them; seqs may be NULL. */
size_t mailbox_of(const struct siege *s, size_t who, uint64_t seqs[64]);
/* The answer is that one, and the problem has that name ("" : none). */
void refused_with(const struct foe_answer *a, int status, const char *problem);

#endif
