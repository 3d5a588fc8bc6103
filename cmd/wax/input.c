/* Values that need not stand in argv: standard input and files. */
#include "app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/file.h"

#define LINE_MAX_BYTES 4096

/* One line of standard input, without its newline. 78 at its end: nobody answers. */
static int read_line(struct app *a, const char *what, struct buf *line)
{
    int c = EOF;

    buf_reset(line);
    while (line->n < LINE_MAX_BYTES && (c = getchar()) != EOF && c != '\n')
        buf_u8(line, (uint8_t)c);
    if (c == EOF && line->n == 0)
        return app_fail(a, WAX_EX_CONFIG, "no-input", "%s: standard input has no %s", a->command,
                        what);
    if (line->n >= LINE_MAX_BYTES || memchr(line->p ? line->p : (const uint8_t *)"", 0, line->n))
        return app_fail(a, WAX_EX_DATA, "input", "%s: the %s on standard input makes no sense",
                        a->command, what);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return buf_cstr(line) ? WAX_EX_OK
                          : app_fail(a, WAX_EX_FAULT, "no-memory", "%s: out of memory", a->command);
}

int input_value(struct app *a, const char *what, const char **value, struct buf *line)
{
    if (!*value || strcmp(*value, "-") != 0)
        return WAX_EX_OK;
    int code = read_line(a, what, line);
    if (code == WAX_EX_OK)
        *value = buf_cstr(line);
    return code;
}

const char *input_unlabelled(const char *text, const char *what)
{
    size_t n = strlen(what);

    if (strncmp(text, what, n) != 0 || text[n] != ':')
        return text;
    return text + n + 1 + strspn(text + n + 1, " \t");
}

/* Of the lines that begin with `what: ` the first, without that. */
static bool labelled(struct buf *text, const char *what)
{
    char *s = (char *)(uintptr_t)buf_cstr(text), *end;

    for (; s && *s; s = end) {
        end = s + strcspn(s, "\r\n");
        const char *found = input_unlabelled(s, what);
        size_t n = (size_t)(end - found);
        end += strspn(end, "\r\n");
        if (found == s)
            continue;
        memmove(text->p, found, n);
        text->n = n;
        return buf_cstr(text) != NULL;
    }
    return false;
}

int input_file(struct app *a, const char *what, const char *path, struct buf *line)
{
    wax_rc rc = os_file_read(path, LINE_MAX_BYTES, line);

    if (rc != WAX_OK)
        return app_fail(a,
                        rc == WAX_E_NOTFOUND ? WAX_EX_NOINPUT
                        : rc == WAX_E_TOOBIG ? WAX_EX_DATA
                                             : WAX_EX_IO,
                        "file", "%s: read the %s from %s: %s; check the path", a->command, what,
                        path, rc_text(rc));
    if (labelled(line, what))
        return WAX_EX_OK;
    const uint8_t *end = line->n ? memchr(line->p, '\n', line->n) : NULL;
    if (end)
        line->n = (size_t)(end - line->p);
    if (line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return buf_cstr(line) ? WAX_EX_OK
                          : app_fail(a, WAX_EX_FAULT, "no-memory", "%s: out of memory", a->command);
}

int input_all(struct app *a, size_t cap, struct buf *ret)
{
    int c;

    while (ret->n <= cap && (c = getchar()) != EOF)
        buf_u8(ret, (uint8_t)c);
    if (ferror(stdin) && !app_interrupted())
        return app_fail(a, WAX_EX_IO, "input", "%s: standard input cannot be read", a->command);
    if (app_interrupted())
        return app_fail(a, WAX_EX_AWAY, "cancelled", "%s: it was stopped", a->command);
    if (ret->n && ret->p[ret->n - 1] == '\n')
        ret->n--;
    return buf_cstr(ret) ? WAX_EX_OK
                         : app_fail(a, WAX_EX_FAULT, "no-memory", "%s: out of memory", a->command);
}

static bool digits(const char *text, size_t n, uint64_t max, uint64_t *ret)
{
    uint64_t v = 0;

    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9' || v > (max - (uint64_t)(text[i] - '0')) / 10)
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *ret = v;
    return true;
}

int input_number(struct app *a, const char *option, const char *text, uint64_t max, uint64_t *ret)
{
    if (digits(text, strlen(text), max, ret))
        return WAX_EX_OK;
    return app_fail(a, WAX_EX_USAGE, "usage", "%s: --%s needs a whole number, not %s", a->command,
                    option, text);
}

int input_duration(struct app *a, const char *option, const char *text, uint64_t *ret)
{
    size_t n = strlen(text);
    const char *units = "smhd", *unit = n ? strchr(units, text[n - 1]) : NULL;
    static const uint64_t ms[] = {1000, 60000, 3600000, 86400000};
    uint64_t v, per = unit ? ms[unit - units] : 1000;

    if (!digits(text, unit ? n - 1 : n, 366ULL * 86400000 / per, &v))
        return app_fail(a, WAX_EX_USAGE, "usage",
                        "%s: --%s needs a time such as 30s or 15m, not %s", a->command, option,
                        text);
    *ret = v * per;
    return WAX_EX_OK;
}
