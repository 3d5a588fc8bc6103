/* Problem documents (RFC 9457): the closed list of types at the head of api.proto. */
#ifndef SERVER_PROBLEM_H
#define SERVER_PROBLEM_H

#include "base/buf.h"

enum problem {
    PROBLEM_UNKNOWN_HANDLE,
    PROBLEM_INVITE_INVALID,
    PROBLEM_HANDLE_TAKEN,
    PROBLEM_HANDLE_INVALID,
    PROBLEM_NOT_A_DEVICE,
    PROBLEM_SUSPENDED,
    PROBLEM_STALE,
    PROBLEM_MAILBOX_FULL,
    PROBLEM_TOO_LARGE,
    PROBLEM_RATE_LIMITED,
    PROBLEM_METHOD,
    PROBLEM_BAD_REQUEST,
    PROBLEM_LINK_GONE,
    PROBLEM_NOT_FOUND,
    PROBLEM_OVERLOADED,
    PROBLEM_COUNT,
};

int problem_status(enum problem p);
const char *problem_name(enum problem p); /* "unknown-handle"; static */
/* Appends the JSON object: type, title, status and, unless it is empty, detail. */
void problem_write(enum problem p, const char *detail, struct buf *out);

#endif
