#include "wire/proto_rules.h"

#include "base/text.h"
#include "wire/checkpoint.h"
#include "wire/envelope.h"
#include "wire/manifest.h"
#include "wire/proof.h"
#include "wire/records.h"

#define GROUP_RECORD_MAX 352333
/* As many as a fan-out has devices: each list that goes with it. */
#define MANY FANOUT_LEAVES_MAX

/* Exactly n bytes; the same or absent; at most n; any of it repeated. */
#define EXACT(id, n)                                                                               \
    {                                                                                              \
        (id), PROTO_BYTES, (n), (n), (n), 0                                                        \
    }
#define MAYBE(id, n)                                                                               \
    {                                                                                              \
        (id), PROTO_BYTES, (n), (n), 0, 0                                                          \
    }
#define UPTO(id, n)                                                                                \
    {                                                                                              \
        (id), PROTO_BYTES, 0, (n), 0, 0                                                            \
    }
#define SOME(id, n)                                                                                \
    {                                                                                              \
        (id), PROTO_BYTES, 1, (n), (n), 0                                                          \
    }
#define TEXT(id, n)                                                                                \
    {                                                                                              \
        (id), PROTO_TEXT, 0, (n), 0, 0                                                             \
    }
#define HANDLE(id)                                                                                 \
    {                                                                                              \
        (id), PROTO_HANDLE, 3, HANDLE_MAX, 0, 0                                                    \
    }
#define LIST(id, least, most, count)                                                               \
    {                                                                                              \
        (id), PROTO_BYTES, (least), (most), (most), (count)                                        \
    }
#define ITEMS(id, count)                                                                           \
    {                                                                                              \
        (id), PROTO_NUMBER, 0, 0, 0, (count)                                                       \
    }

static const struct proto_rule register_request[] = {SOME(1, CHAIN_LINK_MAX),
                                                     EXACT(2, BUNDLE_RECORD), TEXT(3, 256)};
static const struct proto_rule directory_reply[] = {
    MAYBE(1, CHECKPOINT_RECORD),
    UPTO(2, LOG_PROOF_MAX),
    MAYBE(4, LOG_ENTRY_SIZE),
    UPTO(5, LOG_PROOF_MAX),
    ITEMS(7, MANY),
    UPTO(8, MAP_ABSENCE_MAX),
    /* "empty if none" */
    {9, PROTO_BYTES, BUNDLE_RECORD, BUNDLE_RECORD, 0, MANIFEST_DEVICES_MAX},
    LIST(10, COSIGNATURE_RECORD, COSIGNATURE_RECORD, 64),
    LIST(11, ROTATION_RECORD, ROTATION_RECORD, 64),
    LIST(12, GENERATION_RECORD, GENERATION_RECORD, 64),
    LIST(13, 1, LOG_PROOF_MAX, 64)};
static const struct proto_rule version_proof[] = {SOME(2, CHAIN_LINK_MAX), MAYBE(3, 16),
                                                  UPTO(4, MAP_INCLUSION_MAX)};
static const struct proto_rule update_request[] = {
    SOME(1, CHAIN_LINK_MAX), LIST(2, BUNDLE_RECORD, BUNDLE_RECORD, MANIFEST_DEVICES_MAX)};
static const struct proto_rule daily_request[] = {ITEMS(3, 256)};
static const struct proto_rule daily_query[] = {HANDLE(2)};
static const struct proto_rule daily_reply[] = {MAYBE(1, CHECKPOINT_RECORD), UPTO(2, LOG_PROOF_MAX),
                                                ITEMS(3, 256)};
static const struct proto_rule daily_day[] = {UPTO(2, DAILY_PROOF_MAX), ITEMS(3, 256)};
static const struct proto_rule daily_answer[] = {
    HANDLE(1), MAYBE(3, 16), UPTO(4, MAP_INCLUSION_MAX), UPTO(5, MAP_ABSENCE_MAX)};
static const struct proto_rule bundle_request[] = {EXACT(1, BUNDLE_RECORD)};
static const struct proto_rule send_request[] = {EXACT(1, 16), ITEMS(2, MANY), ITEMS(3, MANY),
                                                 LIST(4, 16, 16, MANY)};
static const struct proto_rule account_seq[] = {EXACT(1, 32)};
static const struct proto_rule device_envelope[] = {EXACT(1, 16), SOME(2, ENVELOPE_MAX)};
static const struct proto_rule send_reply[] = {ITEMS(2, MANY)};
static const struct proto_rule device_result[] = {EXACT(1, 16)};
static const struct proto_rule send_conflict[] = {ITEMS(1, MANY),
                                                  LIST(2, BUNDLE_RECORD, BUNDLE_RECORD, MANY)};
static const struct proto_rule stale_account[] = {EXACT(1, 32), HANDLE(2),
                                                  LIST(3, 1, CHAIN_LINK_MAX, MANY)};
static const struct proto_rule ack_request[] = {ITEMS(1, 4096)};
static const struct proto_rule blob_reply[] = {EXACT(1, 16)};
static const struct proto_rule checkpoint_reply[] = {
    EXACT(1, CHECKPOINT_RECORD), LIST(2, COSIGNATURE_RECORD, COSIGNATURE_RECORD, 64)};
static const struct proto_rule proof_reply[] = {UPTO(1, LOG_PROOF_MAX),
                                                EXACT(2, CHECKPOINT_RECORD)};
static const struct proto_rule updates_reply[] = {ITEMS(2, MANY)};
static const struct proto_rule log_batch[] = {
    EXACT(1, LOG_ENTRY_SIZE), UPTO(2, API_BODY_MAX / FEED_ITEM_SIZE * FEED_ITEM_SIZE)};
static const struct proto_rule link_post[] = {SOME(1, LINK_SEALED_MAX)};
static const struct proto_rule link_reply[] = {LIST(1, 1, LINK_SEALED_MAX, 6)};

static const struct proto_rule content[] = {{2, PROTO_BYTES, 64, 64, 32, 0},
                                            LIST(6, 16, 16, 8),
                                            TEXT(7, CONTENT_MAX),
                                            ITEMS(8, 32),
                                            MAYBE(9, 16),
                                            MAYBE(10, 16),
                                            LIST(13, 1, GROUP_RECORD_MAX, 256),
                                            MAYBE(15, 16)};
static const struct proto_rule group_ref[] = {EXACT(1, 32), EXACT(3, 32)};
static const struct proto_rule attachment[] = {EXACT(1, 16), EXACT(2, 32), EXACT(6, 32),
                                               TEXT(7, 255), TEXT(8, 127), EXACT(9, 32)};
static const struct proto_rule receipt[] = {LIST(2, 16, 16, 256)};
static const struct proto_rule repeat_request[] = {LIST(1, 32, 32, 256)};
static const struct proto_rule clone_evidence[] = {UPTO(1, ENVELOPE_MAX), UPTO(2, ENVELOPE_MAX)};
static const struct proto_rule sync_rules[] = {ITEMS(1, 256), ITEMS(2, 256),
                                               LIST(3, 1, CHAIN_LINK_MAX, 64), MAYBE(4, 32)};
static const struct proto_rule pin[] = {EXACT(1, 32), HANDLE(2), EXACT(4, 32), MAYBE(6, 16)};
static const struct proto_rule read_mark[] = {{1, PROTO_BYTES, 64, 64, 32, 0}, EXACT(2, 16)};
static const struct proto_rule handed_on[] = {EXACT(1, 32), SOME(2, CONTENT_MAX), EXACT(3, 32),
                                              EXACT(4, 16), EXACT(5, 32),         EXACT(6, 16),
                                              EXACT(7, 65), EXACT(9, 32),         EXACT(10, 64)};

#define RULES(message, array)                                                                      \
    {                                                                                              \
        &wax__v1__##message##__descriptor, array, sizeof(array) / sizeof *(array)                  \
    }

static const struct proto_rules all[] = {
    RULES(register_request, register_request),
    RULES(directory_reply, directory_reply),
    RULES(version_proof, version_proof),
    RULES(update_request, update_request),
    RULES(daily_request, daily_request),
    RULES(daily_query, daily_query),
    RULES(daily_reply, daily_reply),
    RULES(daily_day, daily_day),
    RULES(daily_answer, daily_answer),
    RULES(bundle_request, bundle_request),
    RULES(send_request, send_request),
    RULES(account_seq, account_seq),
    RULES(device_envelope, device_envelope),
    RULES(send_reply, send_reply),
    RULES(device_result, device_result),
    RULES(send_conflict, send_conflict),
    RULES(stale_account, stale_account),
    RULES(ack_request, ack_request),
    RULES(blob_reply, blob_reply),
    RULES(checkpoint_reply, checkpoint_reply),
    RULES(proof_reply, proof_reply),
    RULES(updates_reply, updates_reply),
    RULES(log_batch, log_batch),
    RULES(link_post, link_post),
    RULES(link_reply, link_reply),
    RULES(content, content),
    RULES(group_ref, group_ref),
    RULES(attachment, attachment),
    RULES(receipt, receipt),
    RULES(repeat_request, repeat_request),
    RULES(clone_evidence, clone_evidence),
    RULES(sync, sync_rules),
    RULES(pin, pin),
    RULES(read_mark, read_mark),
    RULES(handed_on, handed_on),
};

const struct proto_rules *proto_rules_of(const ProtobufCMessageDescriptor *type)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].type == type)
            return &all[i];
    return NULL;
}

const struct proto_rule *proto_rule_of(const struct proto_rules *rules, uint32_t id)
{
    for (size_t i = 0; rules && i < rules->n; i++)
        if (rules->rules[i].id == id)
            return &rules->rules[i];
    return NULL;
}

static bool size_fits(const struct proto_rule *rule, size_t n)
{
    return (n >= rule->least && n <= rule->most) || n == rule->also;
}

/* A bytes field without a rule is not ours: refused rather than let through. */
static bool value_fits(const struct proto_rule *rule, struct bytes x)
{
    if (!rule || !size_fits(rule, x.n))
        return false;
    switch (rule->kind) {
    case PROTO_NUMBER:
        return false;
    case PROTO_BYTES:
        return true;
    case PROTO_TEXT:
        return utf8_valid(x);
    case PROTO_HANDLE:
        return x.n == 0 || handle_valid(x);
    }
    return false;
}

/* Content.kind is open: kinds of later versions are shown as such. */
static bool enum_fits(const ProtobufCFieldDescriptor *field, int value)
{
    if (field->descriptor == &wax__v1__kind__descriptor)
        return true;
    return protobuf_c_enum_descriptor_get_value(field->descriptor, value) != NULL;
}

static bool message_fits(const ProtobufCMessage *m, int depth);

static bool one_fits(const ProtobufCFieldDescriptor *field, const struct proto_rule *rule,
                     const void *value, int depth)
{
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        const ProtobufCBinaryData *x = value;
        return value_fits(rule, PB_BYTES(*x));
    }
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return enum_fits(field, *(const int *)value);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *below = *(ProtobufCMessage *const *)value;
        return !below || message_fits(below, depth + 1);
    }
    return true;
}

size_t proto_size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(ProtobufCMessage *);
    case PROTOBUF_C_TYPE_UINT64:
        return sizeof(uint64_t);
    default:
        return sizeof(uint32_t);
    }
}

static bool field_fits(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field,
                       const struct proto_rule *rule, int depth)
{
    const uint8_t *at = (const uint8_t *)m + field->offset;

    if (field->label != PROTOBUF_C_LABEL_REPEATED)
        return one_fits(field, rule, at, depth);
    size_t n = *(const size_t *)((const uint8_t *)m + field->quantifier_offset);
    if (n > (rule ? rule->count : PROTO_COUNT_DEFAULT))
        return false;
    const uint8_t *items = *(const uint8_t *const *)at;
    for (size_t i = 0; i < n; i++)
        if (!one_fits(field, rule, items + i * proto_size_of(field->type), depth))
            return false;
    return true;
}

/* No field has number 0. protobuf-c refuses it only when it is written as one byte, and would
 * pack what it took in a form that it then refuses: two readers of one body would differ. */
static bool unknown_fit(const ProtobufCMessage *m)
{
    for (unsigned i = 0; i < m->n_unknown_fields; i++)
        if (m->unknown_fields[i].tag == 0)
            return false;
    return true;
}

/* The schema nests at most four deep and names no message inside itself, so the depth is
 * bounded by it already; the lid holds when the schema grows. */
static bool message_fits(const ProtobufCMessage *m, int depth)
{
    if (depth > PROTO_NESTING_MAX || !unknown_fit(m))
        return false;
    const struct proto_rules *rules = proto_rules_of(m->descriptor);
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &m->descriptor->fields[i];
        if (!field_fits(m, field, proto_rule_of(rules, field->id), depth))
            return false;
    }
    return true;
}

wax_rc proto_check(const ProtobufCMessage *m) { return message_fits(m, 1) ? WAX_OK : WAX_R_PARSE; }
