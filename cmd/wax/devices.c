/* wax devices, revoke, rename */
#include "app.h"

int run_devices(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    int code = app_args(a, argc, argv, NULL, 0, 1, &in);

    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code != WAX_EX_OK)
        return code;
    return app_result(a, wax_devices(a->w, in.n ? in.v[0] : NULL, print_event, a, &err), &err);
}

int run_revoke(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    int code = app_args(a, argc, argv, NULL, 1, 1, &in);

    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code != WAX_EX_OK)
        return code;
    return app_result(a, wax_revoke(a->w, in.v[0], print_event, a, &err), &err);
}

int run_rename(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    int code = app_args(a, argc, argv, NULL, 1, 1, &in);

    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code != WAX_EX_OK)
        return code;
    return app_result(a, wax_rename(a->w, in.v[0], print_event, a, &err), &err);
}
