/* wax verify, accept-identity */
#include "app.h"

int run_verify(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct buf line = {0};
    struct args in;
    const char *confirm = NULL;
    const struct option_of own[] = {{"confirm", &confirm, NULL, "CODE|-",
                                     "these are the digits the contact sees: mark it verified"},
                                    {0}};
    int code = app_args(a, argc, argv, own, 1, 1, &in);

    if (code == WAX_EX_OK)
        code = input_value(a, "safety number", &confirm, &line);
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code == WAX_EX_OK)
        code = app_result(a, wax_verify(a->w, in.v[0], confirm, print_event, a, &err), &err);
    buf_done(&line);
    return code;
}

int run_accept_identity(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct buf line = {0};
    struct args in;
    const char *number = NULL;
    const struct option_of own[] = {{"code", &number, NULL, "CODE|-", "the new safety number"},
                                    {0}};
    int code = app_args(a, argc, argv, own, 1, 1, &in);

    if (code == WAX_EX_OK && !number)
        code = app_fail(a, WAX_EX_USAGE, "usage",
                        "accept-identity: give the new safety number by --code; see wax verify %s",
                        in.v[0]);
    if (code == WAX_EX_OK)
        code = input_value(a, "safety number", &number, &line);
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code == WAX_EX_OK)
        code = app_result(a, wax_accept_identity(a->w, in.v[0], number, &err), &err);
    if (code == WAX_EX_OK)
        app_note(a, "wax: the new identity of %s is accepted", in.v[0]);
    buf_done(&line);
    return code;
}
