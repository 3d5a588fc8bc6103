#include "server/problem.h"

static const struct {
    const char *name;
    int status;
    const char *title;
} table[PROBLEM_COUNT] = {
    [PROBLEM_UNKNOWN_HANDLE] = {"unknown-handle", 404, "No such handle"},
    [PROBLEM_INVITE_INVALID] = {"invite-invalid", 403, "Invitation does not hold"},
    [PROBLEM_HANDLE_TAKEN] = {"handle-taken", 409, "Handle is taken"},
    [PROBLEM_HANDLE_INVALID] = {"handle-invalid", 422, "Handle cannot be served here"},
    [PROBLEM_NOT_A_DEVICE] = {"not-a-device", 401, "Not a device of an account"},
    [PROBLEM_SUSPENDED] = {"suspended", 403, "Account is suspended"},
    [PROBLEM_STALE] = {"stale", 409, "A newer state exists"},
    [PROBLEM_MAILBOX_FULL] = {"mailbox-full", 507, "Mailbox is full"},
    [PROBLEM_TOO_LARGE] = {"too-large", 413, "Too large"},
    [PROBLEM_RATE_LIMITED] = {"rate-limited", 429, "Too many requests"},
    [PROBLEM_METHOD] = {"method", 405, "Method does not apply"},
    [PROBLEM_BAD_REQUEST] = {"bad-request", 400, "Request does not hold"},
    [PROBLEM_LINK_GONE] = {"link-gone", 404, "No such rendezvous"},
    [PROBLEM_NOT_FOUND] = {"not-found", 404, "Not found"},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, "Server cannot do this now"},
};

int problem_status(enum problem p) { return table[p].status; }
const char *problem_name(enum problem p) { return table[p].name; }

/* A JSON string; bytes that are no ASCII pass as they are (details are our own UTF-8). */
static void json_string(struct buf *out, const char *s)
{
    buf_u8(out, '"');
    for (; *s; s++) {
        unsigned char ch = (unsigned char)*s;
        if (ch == '"' || ch == '\\')
            buf_printf(out, "\\%c", ch);
        else if (ch < 0x20 || ch == 0x7f)
            buf_printf(out, "\\u%04x", ch);
        else
            buf_u8(out, ch);
    }
    buf_u8(out, '"');
}

void problem_write(enum problem p, const char *detail, struct buf *out)
{
    buf_printf(out, "{\"type\":\"urn:waxwing:%s\",\"title\":", table[p].name);
    json_string(out, table[p].title);
    buf_printf(out, ",\"status\":%d", table[p].status);
    if (detail && *detail) {
        buf_str(out, ",\"detail\":");
        json_string(out, detail);
    }
    buf_str(out, "}");
}
