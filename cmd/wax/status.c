/* wax status */
#include "app.h"

int run_status(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    int code = app_args(a, argc, argv, NULL, 0, 0, &in);

    if (code == WAX_EX_OK)
        code = app_open(a);
    return code == WAX_EX_OK ? app_result(a, wax_status(a->w, print_event, a, &err), &err) : code;
}
