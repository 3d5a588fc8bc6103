/* A server that lies: the real router over the memory store and the real listener, with a layer
 * between the two that may change, drop, repeat or make up whatever passes. Everything a way
 * does runs in the server's thread; the test sets ways only while no client is at work. */
#ifndef HOSTILE_EVIL_H
#define HOSTILE_EVIL_H

#include "base/http.h"
#include "wire/records.h"

struct evil;

/* What was asked; lives as long as its answer. */
struct ask {
    char method[8], path[400], device[33];
    struct buf body;
};
/* A whole answer that is no mailbox stream. */
struct answer {
    int status;
    char type[64]; /* "": no body */
    unsigned retry_after;
    struct buf body;
    bool never;   /* nothing is answered at all */
    bool endless; /* the body is followed by zeros for as long as somebody reads */
};

/* How it lies; NULL: it does not. */
struct ways {
    /* True: it has answered by itself, and the real server hears nothing of the request. */
    bool (*instead)(struct evil *e, const struct ask *q, struct answer *a);
    /* Changes the real server's answer. */
    void (*after)(struct evil *e, const struct ask *q, struct answer *a);
    /* A frame on its way into a device's mailbox stream: writes what goes there instead. */
    void (*frame)(struct evil *e, const struct ask *q, const struct frame *f, struct bytes raw,
                  struct buf *out);
};

struct evil {
    struct evil_in *in;
    char dir[64], ca_file[96], cert_file[96], key_file[96];
    unsigned port;
    /* For the ways: set by the test, kept between calls. */
    struct buf kept, kept2;
    unsigned long n, counted;
    int64_t number;
    char text[256];
};

/* Certificates in a folder of its own, then serves at 127.0.0.1:port. */
void evil_start(struct evil *e);
void evil_stop(struct evil *e);
/* NULL: honest from now on. Resets kept, n, counted, number and text when ways is not NULL. */
void evil_set(struct evil *e, const struct ways *ways);
/* Requests since the last call. */
unsigned long evil_requests(struct evil *e);
/* The clock of this process, and so of the server, is off by so many ms. */
extern int64_t evil_clock_off;

/* For ways. */
void answer_problem(struct answer *a, int status, const char *name, const char *detail);
void answer_body(struct answer *a, int status, struct bytes body);
bool asks(const struct ask *q, const char *method, const char *path_begins);
void frame_out(uint8_t type, uint64_t seq, uint64_t time, struct bytes rest, struct buf *out);

#endif
