/* A content that was taken apart, as bytes of a fixed layout: what the box (src/box) hands back
 * to a process that holds keys. The parser of a format that strangers write stays in the box;
 * this reader is ours, bounded, and trusts the box no more than it would trust the stranger.
 * Between two processes of one version on one machine only, never stored, never on the wire.
 *
 * Layout: the message's fields in the order of their numbers, each one always there.
 *   bytes     u32 length ‖ bytes
 *   uint64    u64        uint32, enum   u32        bool   00 or 01
 *   message   00: none; 01 ‖ its fields
 *   repeated  u16 count ‖ that many of it
 * Unknown fields are not in it. */
#ifndef WIRE_CONTENT_RECORD_H
#define WIRE_CONTENT_RECORD_H

#include "wire/envelope.h"
#include "wire/proto.h"

/* What fields cost beside their bytes at the most: 256 pins, 256 read marks, 256 ids each. */
#define CONTENT_RECORD_MAX (CONTENT_MAX + 32768)

/* Appends the record of a content that content_unpack gave. */
wax_rc content_record_encode(const Wax__V1__Content *c, struct buf *out) WAX_MUST;
/* WAX_R_PARSE: no record of a content that content_unpack would give; WAX_E_NOMEM. Holds sizes,
 * counts and UTF-8 to the same rules as content_unpack. *ret is freed by content_free. */
wax_rc content_record_decode(struct bytes in, Wax__V1__Content **ret) WAX_MUST;

#endif
