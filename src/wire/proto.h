/* proto3 bodies and content (proto/api.proto, proto/content.proto) through protobuf-c, with a
 * lid on: the size is capped before parsing, memory is bounded by a budget (4 × size + 512 KiB),
 * nesting, counts, fixed field sizes and UTF-8 are checked after it. The generated structs
 * (Wax__V1__…) are used directly by the layers above. */
#ifndef WIRE_PROTO_H
#define WIRE_PROTO_H

#include "base/buf.h"
#include "wire/api.pb-c.h"
#include "wire/content.pb-c.h"

#define API_BODY_MAX (16U * 1024 * 1024)

/* Parses a body of that type. WAX_R_PARSE: not that message, or over a cap (RECORDS 0);
 * WAX_E_TOOBIG: over `cap` bytes; WAX_E_NOMEM. *ret is freed by proto_free. */
wax_rc proto_unpack(const ProtobufCMessageDescriptor *type, struct bytes in, size_t cap,
                    ProtobufCMessage **ret) WAX_MUST;
/* Wipes nothing (bodies are ciphertext and routing); contents: see content_free. NULL is fine. */
void proto_free(ProtobufCMessage *m);
/* Appends the packed message. */
wax_rc proto_pack(const ProtobufCMessage *m, struct buf *out) WAX_MUST;

/* Content of a message: caps of content.proto. Kinds above the known ones are given as they
 * are ("needs a newer version"); kind NONE is refused, and so is a group reference beside a
 * conversation that is no gid. WAX_R_PARSE (also over CONTENT_MAX bytes), WAX_E_NOMEM. */
wax_rc content_unpack(struct bytes in, Wax__V1__Content **ret) WAX_MUST;
/* Wipes all of it. NULL is fine. */
void content_free(Wax__V1__Content *c);

/* Borrowed view of a protobuf bytes field. */
#define PB_BYTES(f) ((struct bytes){(f).data, (f).len})

#endif
