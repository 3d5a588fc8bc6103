/* wax flush, outbox */
#include "app.h"

#include "os/clock.h"

int run_flush(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    const char *timeout = NULL;
    const struct option_of own[] = {
        {"timeout", &timeout, NULL, "S", "try so long at most: 30, 30s, 5m"}, {0}};
    uint64_t ms;
    int code = app_args(a, argc, argv, own, 0, 0, &in);

    if (code == WAX_EX_OK && timeout)
        code = input_duration(a, "timeout", timeout, &ms);
    if (code == WAX_EX_OK && timeout)
        a->deadline = os_mono_ms() + ms;
    if (code == WAX_EX_OK)
        code = app_open(a);
    return code == WAX_EX_OK ? app_result(a, wax_flush(a->w, print_event, a, &err), &err) : code;
}

int run_outbox(struct app *a, int argc, char **argv)
{
    struct wax_error err = {0};
    struct args in;
    const char *cancel = NULL;
    const struct option_of own[] = {{"cancel", &cancel, NULL, "ID", "take this message back"}, {0}};
    int code = app_args(a, argc, argv, own, 0, 0, &in);

    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code != WAX_EX_OK)
        return code;
    if (!cancel)
        return app_result(a, wax_outbox(a->w, print_event, a, &err), &err);
    code = app_result(a, wax_outbox_cancel(a->w, cancel, &err), &err);
    if (code == WAX_EX_OK)
        app_note(a, "wax: message %s is taken back", cancel);
    return code;
}
