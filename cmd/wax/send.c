/* wax send */
#include "app.h"

#include <string.h>
#include <unistd.h>

/* More than libwax takes, so that its refusal names the limit. */
#define TEXT_READ_MAX 1000000

static int text_of(struct app *a, const struct args *in, struct buf *stdin_text,
                   struct wax_send_options *o)
{
    if (in->n > 1 && strcmp(in->v[1], "-") != 0) {
        o->text = in->v[1];
        o->text_len = strlen(in->v[1]);
        return WAX_EX_OK;
    }
    if (in->n == 1 && os_term_is(STDIN_FILENO))
        return app_fail(a, WAX_EX_USAGE, "usage",
                        "send: no text; give TEXT, or - and type it, ending with Ctrl-D");
    int code = input_all(a, TEXT_READ_MAX, stdin_text);
    if (code == WAX_EX_OK) {
        o->text = buf_cstr(stdin_text);
        o->text_len = stdin_text->n;
    }
    return code;
}

static int show(struct app *a, const char *to, const struct wax_sent *sent)
{
    char folded[320];
    size_t n = 0;

    for (; to[n] && n < sizeof folded - 1; n++) /* handles are lower-case */
        folded[n] = to[n] >= 'A' && to[n] <= 'Z' ? (char)(to[n] + 32) : to[n];
    folded[n] = 0;
    struct wax_event e = {.type = WAX_EVENT_SENT,
                          .id = sent->id,
                          .to = folded,
                          .devices = sent->devices,
                          .state = sent->accepted ? "accepted" : "queued"};
    return print_event(a, &e);
}

int run_send(struct app *a, int argc, char **argv)
{
    struct wax_send_options o = {0};
    struct wax_sent sent = {0};
    struct wax_error err = {0};
    struct buf stdin_text = {0};
    struct args in;
    const struct option_of own[] = {{"no-wait", NULL, &o.no_wait, NULL, "only queue it"}, {0}};
    int code = app_args(a, argc, argv, own, 1, 2, &in);

    if (code == WAX_EX_OK)
        code = text_of(a, &in, &stdin_text, &o);
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code == WAX_EX_OK) {
        o.to = in.v[0];
        code = wax_send(a->w, &o, &sent, &err);
        /* An id means that the message is committed, whatever became of it since. */
        if (sent.id[0] && show(a, o.to, &sent) != 0)
            code =
                app_fail(a, WAX_EX_IO, "output",
                         "send: message %s is committed, but its id could not be printed", sent.id);
        else
            (void)app_result(a, code, &err);
    }
    buf_done(&stdin_text);
    return code;
}
