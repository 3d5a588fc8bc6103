#include "wire/proto.h"

#include "base/mem.h"
#include "wire/envelope.h"
#include "wire/proto_rules.h"

/* protobuf-c keeps a table of 32 bytes for each field while it parses, so 4 × size alone
 * would refuse a full SendReply (4,096 results of 22 bytes take 0.55 MB at the peak). */
#define BUDGET_FACTOR 4
#define BUDGET_BASE (512U * 1024)

/* The size is kept in front of each block: to give it back to the budget, and to wipe it. */
struct block {
    _Alignas(16) size_t n;
};

struct budget {
    size_t left;
    bool over, nomem;
    bool wipe;
};

static void *budget_alloc(void *ctx, size_t n)
{
    struct budget *b = ctx;

    if (n > b->left || n > SIZE_MAX - sizeof(struct block)) {
        b->over = true;
        return NULL;
    }
    struct block *block = mem_alloc(sizeof *block + n);
    if (!block) {
        b->nomem = true;
        return NULL;
    }
    block->n = n;
    b->left -= n;
    return block + 1;
}

static void block_free(void *p, bool wipe, size_t *left)
{
    if (!p)
        return;
    struct block *block = (struct block *)p - 1;
    if (left)
        *left += block->n;
    if (wipe)
        mem_free_wiped(block, sizeof *block + block->n);
    else
        mem_free(block);
}

static void budget_free(void *ctx, void *p)
{
    struct budget *b = ctx;

    block_free(p, b->wipe, &b->left);
}

void *proto_block(size_t n)
{
    struct block *block = mem_alloc(sizeof *block + n);

    if (!block)
        return NULL;
    block->n = n;
    return block + 1;
}

static void free_plain(void *ctx, void *p) { block_free(p, false, NULL); }
static void free_wiped(void *ctx, void *p) { block_free(p, true, NULL); }

static void release(ProtobufCMessage *m, bool wipe)
{
    ProtobufCAllocator a = {.free = wipe ? free_wiped : free_plain};

    if (m)
        protobuf_c_message_free_unpacked(m, &a);
}

static wax_rc unpack(const ProtobufCMessageDescriptor *type, struct bytes in, size_t cap, bool wipe,
                     ProtobufCMessage **ret)
{
    if (in.n > cap)
        return WAX_E_TOOBIG;
    struct budget b = {.left = BUDGET_FACTOR * in.n + BUDGET_BASE, .wipe = wipe};
    ProtobufCAllocator a = {budget_alloc, budget_free, &b};
    static const uint8_t none;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &a, in.n, in.n ? in.p : &none);
    if (!m)
        return b.nomem ? WAX_E_NOMEM : WAX_R_PARSE;
    wax_rc rc = proto_check(m);
    if (rc != WAX_OK) {
        release(m, wipe);
        return rc;
    }
    *ret = m;
    return WAX_OK;
}

wax_rc proto_unpack(const ProtobufCMessageDescriptor *type, struct bytes in, size_t cap,
                    ProtobufCMessage **ret)
{
    return unpack(type, in, cap, false, ret);
}

void proto_free(ProtobufCMessage *m) { release(m, false); }

wax_rc proto_pack(const ProtobufCMessage *m, struct buf *out)
{
    wax_rc rc = buf_rc(out);

    if (rc != WAX_OK)
        return rc;
    size_t n = protobuf_c_message_get_packed_size(m);
    if (n == 0)
        return WAX_OK;
    uint8_t *at = buf_extend(out, n);
    if (!at)
        return buf_rc(out);
    protobuf_c_message_pack(m, at);
    return WAX_OK;
}

wax_rc content_unpack(struct bytes in, Wax__V1__Content **ret)
{
    ProtobufCMessage *m = NULL;

    if (in.n > CONTENT_MAX)
        return WAX_R_PARSE;
    wax_rc rc = unpack(&wax__v1__content__descriptor, in, CONTENT_MAX, true, &m);
    if (rc == WAX_OK)
        rc = content_check((Wax__V1__Content *)m);
    if (rc != WAX_OK) {
        release(m, true);
        return rc;
    }
    *ret = (Wax__V1__Content *)m;
    return WAX_OK;
}

/* A kind below 1 is none; `group` belongs to a conversation that is a gid. One without it is left
 * to the layer that judges conversations: the known answers hold such. */
wax_rc content_check(const Wax__V1__Content *c)
{
    return (int)c->kind < 1 || (c->group && c->conversation.len != 32) ? WAX_R_PARSE : WAX_OK;
}

void content_free(Wax__V1__Content *c) { release((ProtobufCMessage *)c, true); }
