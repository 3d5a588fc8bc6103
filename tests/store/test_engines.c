/* The stories of store.h, told to every engine. */
#include "harness.h"

#include <stdio.h>

#define STORIES_MAX 80

static int tell_all(const struct engine *e)
{
    const struct story *const books[] = {stories_accounts, stories_mail, stories_sweep,
                                         stories_misc, stories_log};
    struct CMUnitTest tests[STORIES_MAX];
    char names[STORIES_MAX][128];
    size_t n = 0;

    for (size_t b = 0; b < sizeof books / sizeof books[0]; b++) {
        for (const struct story *s = books[b]; s->name && n < STORIES_MAX; s++, n++) {
            snprintf(names[n], sizeof names[n], "%s: %s", e->name, s->name);
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = s->tell,
                                           .setup_func = world_setup,
                                           .teardown_func = world_teardown,
                                           .initial_state = (void *)(uintptr_t)e};
        }
    }
    return _cmocka_run_group_tests(e->name, tests, n, NULL, NULL);
}

int main(void)
{
    int failed = 0;

    for (size_t i = 0; i < n_engines; i++)
        failed += tell_all(&engines[i]);
    return failed ? 1 : 0;
}
