/* What the stories share: Ann and Bob with two devices each, in virtual time. */
#ifndef SCENARIO_STORY_H
#define SCENARIO_STORY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "world.h"

#define ANN "ann@example.org"
#define BOB "bob@example.org"

struct four {
    struct world w;
    struct device *ann1, *ann2, *bob1, *bob2;
};

void story_ok(wax_rc rc);
int story_begin(void **state);
int story_end(void **state);
/* Writes and sends. */
void story_send(struct device *d, const char *to, const char *text);
/* How many alerts of that kind stand in its events; NULL: of any kind but new_device. */
unsigned story_alerts(struct device *d, const char *kind);

#define STORY(name) cmocka_unit_test_setup_teardown(name, story_begin, story_end)

#endif
