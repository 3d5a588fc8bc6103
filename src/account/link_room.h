/* Inside src/account: the six records of one rendezvous as one side has seen them. */
#ifndef ACCOUNT_LINK_ROOM_H
#define ACCOUNT_LINK_ROOM_H

#include "account/link.h"

/* Embedded; ended by link_room_done, which wipes. */
struct link_room {
    uint8_t secret[16];
    uint8_t rid[LINK_RID];
    struct buf sealed[LINK_RECORDS]; /* own and received ones, sealed, in order */
    uint8_t n;                       /* how many of them are settled */
    enum link_end ended;             /* what the other side said in place of a record */
};

wax_rc link_room_init(struct link_room *r, const uint8_t secret[16]) WAX_MUST;
void link_room_done(struct link_room *r);
/* Seals the next record and settles it; *ret borrows it. */
wax_rc link_room_post(struct link_room *r, struct bytes plain, struct bytes *ret) WAX_MUST;
/* Compares what is settled with the records served (WAX_R_CHAIN), then opens the next one
 * and settles it; appends its plaintext. WAX_E_WAIT: it is not there yet. WAX_E_CANCELLED: the
 * other side has ended the link; r->ended says why. */
wax_rc link_room_take(struct link_room *r, const struct bytes *records, size_t n,
                      struct buf *plain) WAX_MUST;
/* Seals the end in place of the next record, which must be one of N's (odd) or not. WAX_E_INVAL:
 * it is the other side's turn, or records 1 and 2 are not settled. */
wax_rc link_room_end(struct link_room *r, bool at_n, enum link_end why, struct bytes *ret) WAX_MUST;

#endif
