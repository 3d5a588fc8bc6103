/* The people of these stories: `wax` processes whose cost is measured, behind a front that counts
 * their bytes and can itself misbehave. */
#ifndef HOSTILE_STORY_H
#define HOSTILE_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "evil.h"

#define OK(call) assert_int_equal((call), WAX_OK)

/* A CA and a server certificate of it for 127.0.0.1, in dir. */
void certificates(const char *dir, const char *prefix, char ca_file[96], char cert_file[96],
                  char key_file[96]);

/* What one command did and cost. */
struct run {
    int code;
    struct buf out, err;                                       /* NUL behind */
    uint64_t cpu_ms, wall_ms, rss_kib, bytes, requests, grown; /* grown: of the home's files */
};

struct scene {
    struct evil evil;
    struct front *front;
    const char *timeout; /* the next commands' --server-timeout; 10s, 1s where it will be reached */
    unsigned n_people;
    char ann[24], bob[24]; /* homes, and local parts of the handles */
    struct run r;          /* the last command */
};

int scene_start(void **state);
int scene_stop(void **state);
/* After each test, however it ended: honest again. */
int calm(void **state);
/* Two new people who have written to each other, so with sessions established. */
void two_friends(struct scene *s);
/* Registers; returns in name. */
void newcomer(struct scene *s, char name[24]);
/* NEW becomes a second device of OLD's account. */
void link_device(struct scene *s, const char *old, char name[24]);
/* Both halves of it at work at the same time; exit codes of the two. */
void try_link(struct scene *s, const char *old, const char *name, int *new_code, int *old_code);

/* Runs `wax --json --home NAME --server-timeout TIMEOUT …` to its end (NULL ends the words). */
int wax(struct scene *s, const char *home, ...) __attribute__((sentinel));
/* "NAME@example.org", good until the next but three calls. */
const char *at(const char *name);

/* --- What the last command printed --- */

/* Objects of that type (and with that field being that text, unless NULL). */
unsigned printed(const struct scene *s, const char *type, const char *field, const char *value);
/* A field of the n-th object of that type, or "". */
const char *field_of(const struct scene *s, const char *type, unsigned n, const char *field);
/* No byte that steers a terminal on either output. */
void is_clean(const struct scene *s);

/* --- Bounds: of the last command --- */
struct bound {
    uint64_t cpu_ms, wall_ms, rss_kib, bytes, requests, grown;
};
/* Ordinary commands of a person stay within it, whatever the server does: 3 s of processor (with
 * sanitizers and a loaded machine in mind), 20 s by the clock, 128 MiB, 1 MiB over the network,
 * 40 requests, 1 MiB in the home. */
extern const struct bound usual;
void cost_at_most(const struct scene *s, const struct bound *b);

/* From now on the server behaves so; NULL: honestly. */
void lie(struct scene *s, const struct ways *w);
/* Ann writes "one", "two", "three" to Bob; each stands so often in his history. */
void send_three(struct scene *s);
void bob_has_read_three(struct scene *s, unsigned times);
/* Honest again: a message each way is accepted and read, once. */
void all_is_well(struct scene *s);
/* How often that text stands in the history of that home. */
unsigned times_read(struct scene *s, const char *home, const char *text);

/* --- The front --- */
struct front;
/* A way to misbehave below HTTP: has the connection, in a thread of its own; returning ends it. */
typedef void (*front_fn)(struct scene *s, int fd);
/* NULL: passes on to the server. */
void front_set(struct scene *s, front_fn fn);
/* Connections taken since the last call. */
unsigned long front_connections(struct scene *s);
unsigned front_port(const struct scene *s);
uint64_t front_bytes(struct scene *s);

#endif
