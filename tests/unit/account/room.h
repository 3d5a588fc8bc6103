/* A rendezvous as the server keeps it: six records in order, no more. */
#ifndef ACCOUNT_ROOM_H
#define ACCOUNT_ROOM_H

#include "people.h"

#include "account/link.h"

struct room {
    struct buf rec[LINK_RECORDS];
    struct bytes view[LINK_RECORDS];
    size_t n;
};

static inline void room_post(struct room *r, struct bytes sealed)
{
    assert_true(r->n < LINK_RECORDS);
    assert_int_equal(sealed.p[0], r->n + 1);
    buf_bytes(&r->rec[r->n], sealed);
    assert_int_equal(buf_rc(&r->rec[r->n]), WAX_OK);
    r->view[r->n] = buf_view(&r->rec[r->n]);
    r->n++;
}

static inline void room_done(struct room *r)
{
    for (size_t i = 0; i < LINK_RECORDS; i++)
        buf_done(&r->rec[i]);
}

#endif
