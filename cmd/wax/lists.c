/* wax list, contacts, history: what lies in the local store */
#include "app.h"

int run_list(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    int code = app_args(a, argc, argv, NULL, 0, 0, &in);

    if (code == WAX_EX_OK)
        code = app_open(a);
    return code == WAX_EX_OK ? app_result(a, wax_list(a->w, print_event, a, &err), &err) : code;
}

int run_contacts(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    int code = app_args(a, argc, argv, NULL, 0, 0, &in);

    if (code == WAX_EX_OK)
        code = app_open(a);
    return code == WAX_EX_OK ? app_result(a, wax_contacts(a->w, print_event, a, &err), &err) : code;
}

int run_history(struct app *a, int argc, char **argv)
{
    struct wax_history_options o = {0};
    struct wax_error err = {0};
    struct args in;
    const char *limit = NULL;
    const struct option_of own[] = {{"limit", &limit, NULL, "N", "the newest N only"},
                                    {"before", &o.before, NULL, "ID", "older than this message"},
                                    {0}};
    uint64_t n = 0;
    int code = app_args(a, argc, argv, own, 0, 1, &in);

    if (code == WAX_EX_OK && limit)
        code = input_number(a, "limit", limit, 1000000000, &n);
    if (code == WAX_EX_OK && limit && n == 0)
        code = app_fail(a, WAX_EX_USAGE, "usage", "history: --limit needs at least 1");
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code != WAX_EX_OK)
        return code;
    o.with = in.n ? in.v[0] : NULL;
    o.limit = (unsigned)n;
    return app_result(a, wax_history(a->w, &o, print_event, a, &err), &err);
}
