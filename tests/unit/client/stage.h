/* Two people on the scenario's world, and a wire that lies, or ends a process, where a test
 * says so. */
#ifndef CLIENT_STAGE_H
#define CLIENT_STAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "account/pin.h"
#include "client/internal.h"
#include "world.h"

#define ANN "ann@example.org"
#define BOB "bob@example.org"

/* The wire of one device. It lies by `change`, which may do anything to a reply. */
struct wire {
    struct transport real;
    void (*change)(struct wire *w, const char *method, const char *path,
                   struct transport_reply *reply);
    const void *ctx;
    unsigned calls;
    unsigned die_before, die_after; /* at that call the process ends; 0: never */
    bool dead;
};

struct stage {
    struct world w;
    struct device *ann, *ann2, *bob, *bob2; /* ann2, bob2: NULL without links */
    struct wire wire;
};

void ok(wax_rc rc);
/* With linked: ann2 and bob2 too. All have taken in what waited. */
void stage_open(struct stage *s, bool linked);
void stage_close(struct stage *s);
/* From now on the device's requests go over s->wire, fresh and honest. */
void stage_tap(struct stage *s, struct device *d);
void stage_untap(struct stage *s, struct device *d);

/* Sends a text and expects nothing to wait any more. */
void say(struct device *d, const char *to, const char *text);
/* All of the stage's devices that are up receive, twice. */
void all_receive(struct stage *s);
/* All of them send and receive, four times: what repair queues goes out, too. */
void all_talk(struct stage *s);
/* d forgets its sessions with the other one: what that one seals in them it cannot read. */
void lose_sessions(struct device *d, struct device *with);
/* Lines of the history that stand so. */
unsigned lines(struct device *d, enum item_state state);
/* Open, and Ann and Bob have written to each other. */
void stage_acquainted(struct stage *s, bool linked);
/* Rows of that kind in the outbox. */
unsigned queued(struct device *d, enum outbox_kind kind);
/* Alerts of that kind, or events of any type when kind is NULL. */
unsigned alerts(struct device *d, const char *kind);
unsigned events(struct device *d, enum item_type type);
unsigned waiting(struct device *d);
/* The pinned account; freed by the caller. */
struct pin *pinned(struct device *d, const char *handle);

#endif
