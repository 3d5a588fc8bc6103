/* Devices that talk: sealing, signing and opening as a client would, on twins. */
#ifndef SUPPORT_SESSION_TALK_H
#define SUPPORT_SESSION_TALK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "session/fanout.h"
#include "session_twin.h"

#define TALK_NOW 1767225600000ULL
#define HOUR_MS 3600000ULL
#define DAY_MS 86400000ULL

#define assert_rc(expr, want) assert_string_equal(rc_text(expr), rc_text(want))
#define assert_ok(expr) assert_rc(expr, WAX_OK)

struct device {
    struct twin t;
    struct buf bundle; /* its body, 1,659 bytes */
    struct seeded seed;
    struct rng rng;
};

/* A message on its way, as its sender knows it. */
struct letter {
    struct buf env;
    struct slot slot;
    struct hash32 com;
    struct fanout_id fanout;
    char text[32];
    bool started;
};

void device_new(struct device *d, uint64_t seed);
void device_done(struct device *d);
/* Both know each other's manifest. */
void devices_meet(struct device *a, struct device *b);

/* What a letter is made of besides its text; zero is the plain case. */
struct letter_how {
    bool force_init;
    const struct sid *in_session;
};
/* Seals `text` for one device, commits, signs. Fails as session_seal does; then nothing is
 * committed. how may be NULL. */
wax_rc letter_seal(struct device *from, struct device *to, const char *text, uint64_t now,
                   const struct letter_how *how, struct letter *ret);
/* Must succeed. */
void letter_write(struct device *from, struct device *to, const char *text, uint64_t now,
                  struct letter *ret);
void letter_done(struct letter *l);
/* Opens and commits; compares the text when it opens. */
wax_rc letter_open(struct device *to, const struct letter *l, uint64_t now, struct opened *ret);
/* Must open; nothing else is wanted of it. */
void letter_read(struct device *to, const struct letter *l, uint64_t now);
/* write and read at once. */
void say(struct device *from, struct device *to, const char *text, uint64_t now);

/* The small state that `d` has of `peer`. */
struct peer_sessions *state_of(struct device *d, struct device *peer);
/* Content {TEXT, conversation of the two accounts, time, text}. */
void content_text(const struct acct_id *a, const struct acct_id *b, uint64_t at, const char *text,
                  struct buf *out);

#endif
