/* wax receive */
#include "app.h"

int run_receive(struct app *a, int argc, char **argv)
{
    struct wax_receive_options o = {0};
    struct wax_error err = {0};
    struct args in;
    const char *timeout = NULL, *max = NULL, *since = NULL;
    const struct option_of own[] = {
        {"follow", NULL, &o.follow, NULL, "go on, until stopped"},
        {"peek", NULL, &o.peek, NULL, "leave what is shown new"},
        {"timeout", &timeout, NULL, "S", "wait so long for a first event: 30, 30s, 5m"},
        {"max", &max, NULL, "N", "at most N events"},
        {"since", &since, NULL, "SEQ", "also those shown before, with a higher seq"},
        {0}};
    uint64_t n = 0;
    int code = app_args(a, argc, argv, own, 0, 0, &in);

    if (code == WAX_EX_OK && timeout)
        code = input_duration(a, "timeout", timeout, &o.timeout_ms);
    if (code == WAX_EX_OK && max)
        code = input_number(a, "max", max, 1000000000, &n);
    if (code == WAX_EX_OK && max && n == 0)
        code = app_fail(a, WAX_EX_USAGE, "usage", "receive: --max needs at least 1");
    if (code == WAX_EX_OK && since)
        code = input_number(a, "since", since, INT64_MAX, &o.since);
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code != WAX_EX_OK)
        return code;
    o.max = (unsigned)n;
    o.has_timeout = timeout != NULL;
    o.has_since = since != NULL;
    code = wax_receive(a->w, &o, print_event, a, &err);
    if (code == WAX_EX_AWAY && app_interrupted()) /* asked to stop: that is no failure */
        return WAX_EX_OK;
    return app_result(a, code, &err);
}
