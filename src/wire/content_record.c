#include "wire/content_record.h"

#include "wire/proto_rules.h"

/* --- Writing --- */

static void put_message(const ProtobufCMessage *m, struct buf *out);

static void put_value(const ProtobufCFieldDescriptor *f, const void *at, struct buf *out)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *x = at;
        buf_u32(out, (uint32_t)x->len);
        buf_bytes(out, PB_BYTES(*x));
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        const ProtobufCMessage *below = *(ProtobufCMessage *const *)at;
        buf_u8(out, below != NULL);
        if (below)
            put_message(below, out);
        return;
    }
    case PROTOBUF_C_TYPE_UINT64:
        buf_u64(out, *(const uint64_t *)at);
        return;
    case PROTOBUF_C_TYPE_BOOL:
        buf_u8(out, *(const protobuf_c_boolean *)at != 0);
        return;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        buf_u32(out, *(const uint32_t *)at);
        return;
    default: /* content.proto has no other types; one more needs a line here and below */
        out->rc = WAX_E_INVAL;
    }
}

static void put_message(const ProtobufCMessage *m, struct buf *out)
{
    for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        const uint8_t *at = (const uint8_t *)m + f->offset;
        if (f->label != PROTOBUF_C_LABEL_REPEATED) {
            put_value(f, at, out);
            continue;
        }
        size_t n = *(const size_t *)((const uint8_t *)m + f->quantifier_offset);
        const uint8_t *items = *(const uint8_t *const *)at;
        buf_u16(out, (uint16_t)n); /* content_unpack has held it to its rule */
        for (size_t k = 0; k < n; k++)
            put_value(f, items + k * proto_size_of(f->type), out);
    }
}

wax_rc content_record_encode(const Wax__V1__Content *c, struct buf *out)
{
    put_message(&c->base, out);
    return buf_rc(out);
}

/* --- Reading --- */

struct reading {
    struct rd r;
    bool nomem;
};

static void take_message(struct reading *d, ProtobufCMessage *m, int depth);

static void *block(struct reading *d, size_t n)
{
    void *p = proto_block(n);

    if (!p)
        d->nomem = d->r.bad = true;
    return p;
}

static void take_bytes(struct reading *d, ProtobufCBinaryData *ret)
{
    struct bytes x = rd_take(&d->r, rd_u32(&d->r));

    if (x.n && (ret->data = block(d, x.n))) {
        memcpy(ret->data, x.p, x.n);
        ret->len = x.n;
    }
}

static void take_below(struct reading *d, const ProtobufCFieldDescriptor *f, ProtobufCMessage **ret,
                       int depth)
{
    const ProtobufCMessageDescriptor *type = f->descriptor;
    uint8_t there = rd_u8(&d->r);

    rd_refuse_if(&d->r, there > 1 || (there && depth >= PROTO_NESTING_MAX) ||
                            (!there && f->label == PROTOBUF_C_LABEL_REPEATED));
    if (d->r.bad || !there || !(*ret = block(d, type->sizeof_message)))
        return;
    protobuf_c_message_init(type, *ret);
    take_message(d, *ret, depth + 1);
}

/* `at` is zeroed, and stays fit for content_free whatever is refused. */
static void take_value(struct reading *d, const ProtobufCFieldDescriptor *f, void *at, int depth)
{
    switch (f->type) {
    case PROTOBUF_C_TYPE_BYTES:
        take_bytes(d, at);
        return;
    case PROTOBUF_C_TYPE_MESSAGE:
        take_below(d, f, at, depth);
        return;
    case PROTOBUF_C_TYPE_UINT64:
        *(uint64_t *)at = rd_u64(&d->r);
        return;
    case PROTOBUF_C_TYPE_BOOL: {
        uint8_t x = rd_u8(&d->r);
        rd_refuse_if(&d->r, x > 1);
        *(protobuf_c_boolean *)at = x == 1;
        return;
    }
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        *(uint32_t *)at = rd_u32(&d->r);
        return;
    default:
        d->r.bad = true;
    }
}

static void take_list(struct reading *d, const ProtobufCFieldDescriptor *f,
                      const struct proto_rule *rule, uint8_t *m, int depth)
{
    size_t *count = (size_t *)(void *)(m + f->quantifier_offset);
    size_t n = rd_u16(&d->r), size = proto_size_of(f->type);

    /* Each item takes at least a byte of what is left. */
    rd_refuse_if(&d->r, n > (rule ? rule->count : PROTO_COUNT_DEFAULT) || n > d->r.left);
    uint8_t *items = !d->r.bad && n ? block(d, n * size) : NULL;
    if (!items)
        return;
    *(uint8_t **)(void *)(m + f->offset) = items;
    for (size_t i = 0; i < n && !d->r.bad; i++) {
        take_value(d, f, items + i * size, depth);
        *count = i + 1;
    }
}

static void take_message(struct reading *d, ProtobufCMessage *m, int depth)
{
    const struct proto_rules *rules = proto_rules_of(m->descriptor);

    for (unsigned i = 0; i < m->descriptor->n_fields && !d->r.bad; i++) {
        const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
        if (f->label == PROTOBUF_C_LABEL_REPEATED)
            take_list(d, f, proto_rule_of(rules, f->id), (uint8_t *)m, depth);
        else
            take_value(d, f, (uint8_t *)m + f->offset, depth);
    }
}

wax_rc content_record_decode(struct bytes in, Wax__V1__Content **ret)
{
    struct reading d = {.r = rd_init(in)};
    Wax__V1__Content *c;

    if (in.n > CONTENT_RECORD_MAX)
        return WAX_R_PARSE;
    c = proto_block(sizeof *c);
    if (!c)
        return WAX_E_NOMEM;
    wax__v1__content__init(c);
    take_message(&d, &c->base, 1);
    wax_rc rc = d.nomem ? WAX_E_NOMEM : rd_end(&d.r);
    if (rc == WAX_OK)
        rc = proto_check(&c->base);
    if (rc == WAX_OK)
        rc = content_check(c);
    if (rc != WAX_OK) {
        content_free(c);
        return rc;
    }
    *ret = c;
    return WAX_OK;
}
