/* What api.proto and content.proto say about sizes and counts but proto3 cannot enforce:
 * one rule for each bytes field and each repeated field. */
#ifndef WIRE_PROTO_RULES_H
#define WIRE_PROTO_RULES_H

#include "base/buf.h"
#include "wire/proto.h"

enum proto_kind {
    PROTO_NUMBER, /* no bytes at all: only the count is ruled */
    PROTO_BYTES,
    PROTO_TEXT,   /* valid UTF-8 */
    PROTO_HANDLE, /* RECORDS 2, or empty */
};

struct proto_rule {
    uint32_t id; /* field number */
    enum proto_kind kind;
    uint32_t least, most; /* size of one value */
    uint32_t also;        /* one more size that is fine; 0: the field may be absent */
    uint32_t count;       /* most items of a repeated field; 0: not repeated */
};

struct proto_rules {
    const ProtobufCMessageDescriptor *type;
    const struct proto_rule *rules;
    size_t n;
};

#define PROTO_NESTING_MAX 4
#define PROTO_COUNT_DEFAULT 64

/* The rules of a message type; NULL when it has none. */
const struct proto_rules *proto_rules_of(const ProtobufCMessageDescriptor *type);
/* The rule of a field; NULL when it has none. rules may be NULL. */
const struct proto_rule *proto_rule_of(const struct proto_rules *rules, uint32_t id);
/* What one value of a repeated field takes in its array. */
size_t proto_size_of(ProtobufCType type);
/* Checks a parsed message and all below it: WAX_R_PARSE. */
wax_rc proto_check(const ProtobufCMessage *m) WAX_MUST;
/* What a content has to hold beyond that. */
wax_rc content_check(const Wax__V1__Content *c) WAX_MUST;
/* n zeroed bytes of a content that content_free ends, made without the parser; NULL: no memory. */
void *proto_block(size_t n);

#endif
