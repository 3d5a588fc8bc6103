/* wax approve */
#include "app.h"

#include <string.h>
#include <unistd.h>

struct asking {
    struct app *a;
    int said; /* exit code of an error that was said already */
};

/* Six digits, spaces anywhere. */
static bool take_digits(const char *line, char digits[7])
{
    size_t n = 0;

    for (; *line; line++) {
        if (*line == ' ' || *line == '\t')
            continue;
        if (*line < '0' || *line > '9' || n == 6)
            return false;
        digits[n++] = *line;
    }
    digits[n] = 0;
    return n == 6;
}

static int on_digits(void *ctx, const char *name, char digits[7])
{
    struct asking *q = ctx;
    struct buf line = {0};
    const char *text = "-";
    int code = WAX_EX_OK;

    (void)name; /* print_event has shown it */
    if (os_term_is(STDIN_FILENO)) {
        wax_rc rc = app_ask("The six digits that the new device shows: ", &line);
        text = rc == WAX_OK ? buf_cstr(&line) : NULL;
        if (!text)
            code = app_fail(q->a, WAX_EX_CONFIG, "no-input", "approve: no digits were entered");
    } else {
        code = input_value(q->a, "six digits", &text, &line);
    }
    if (code == WAX_EX_OK && !take_digits(text, digits))
        code = app_fail(q->a, WAX_EX_DATA, "wrong-code",
                        "approve: the new device shows six digits, nothing else fits; begin again "
                        "with a new link code");
    buf_done(&line);
    q->said = code;
    return code == WAX_EX_OK ? 0 : -1;
}

static int link_code(struct app *a, const struct args *in, struct buf *line, const char **ret)
{
    *ret = in->n ? in->v[0] : NULL;
    if (*ret)
        return input_value(a, "link code", ret, line);
    if (!os_term_is(STDIN_FILENO) || app_ask("Link code of the new device: ", line) != WAX_OK)
        return app_fail(
            a, WAX_EX_CONFIG, "no-terminal",
            "approve: there is no terminal to ask for the link code on; give LINK-CODE, "
            "or - and a line on standard input");
    *ret = buf_cstr(line);
    return *ret ? WAX_EX_OK : app_fail(a, WAX_EX_FAULT, "no-memory", "approve: out of memory");
}

int run_approve(struct app *a, int argc, char **argv)
{
    struct asking q = {.a = a};
    struct wax_approve_options o = {.digits = on_digits, .ctx = &q};
    struct wax_error err = {0};
    struct buf line = {0};
    struct args in;
    int code = app_args(a, argc, argv, NULL, 0, 1, &in);

    if (code == WAX_EX_OK)
        code = link_code(a, &in, &line, &o.link_code);
    if (code == WAX_EX_OK)
        code = app_open(a);
    if (code == WAX_EX_OK) {
        code = wax_approve(a->w, &o, print_event, a, &err);
        if (code != WAX_EX_OK && q.said)
            code = q.said;
        else
            (void)app_result(a, code, &err);
    }
    buf_done(&line);
    return code;
}
