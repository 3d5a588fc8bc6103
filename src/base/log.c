#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

static log_fn sink;
static void *sink_ctx;
static enum log_level sink_max;

void log_set(log_fn fn, void *ctx, enum log_level max)
{
    sink = fn;
    sink_ctx = ctx;
    sink_max = max;
}

void log_write(enum log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    if (!sink || level > sink_max)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    sink(sink_ctx, level, line);
}
