/* What the box hands back of a content: all of it, and nothing that the box's parser would not
 * have given. */
#include "wire_test.h"

#include "wire/content_record.h"

static uint8_t filler[300000];

/* A content with something in every field, as many as there may be. */
static void make_full(struct buf *ret)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT;
    Wax__V1__Attachment a = WAX__V1__ATTACHMENT__INIT, *as[32];
    Wax__V1__Receipt r = WAX__V1__RECEIPT__INIT;
    Wax__V1__RepeatRequest repeat = WAX__V1__REPEAT_REQUEST__INIT;
    Wax__V1__CloneEvidence clone = WAX__V1__CLONE_EVIDENCE__INIT;
    Wax__V1__HandedOn on = WAX__V1__HANDED_ON__INIT;
    Wax__V1__Sync s = WAX__V1__SYNC__INIT;
    Wax__V1__Pin pin = WAX__V1__PIN__INIT, *pins[256];
    Wax__V1__ReadMark mark = WAX__V1__READ_MARK__INIT, *marks[256];
    ProtobufCBinaryData b16 = {16, filler}, b32 = {32, filler}, b64 = {64, filler}, ids[256],
                        m[256];

    memset(filler, 'f', sizeof filler);
    for (size_t i = 0; i < 256; i++) {
        ids[i] = b16;
        m[i] = b32;
        pins[i] = &pin;
        marks[i] = &mark;
        as[i % 32] = &a;
    }
    a.blob_id = b16;
    a.key = a.tags_hash = a.sha256 = b32;
    a.name = (ProtobufCBinaryData){5, (uint8_t *)"a\0txt"};
    a.size = UINT64_MAX;
    r.what = WAX__V1__RECEIPT__WHAT__READ;
    r.n_ids = 256;
    r.ids = ids;
    repeat = (Wax__V1__RepeatRequest){.base = repeat.base, .n_coms = 256, .coms = m};
    clone.first = clone.second = b64;
    on.r32 = on.com = on.sender_acct = on.root = b32;
    on.content = b64;
    on.fanout_id = on.sender_dev = b16;
    on.sender_dsk = (ProtobufCBinaryData){65, filler};
    on.sig = b64;
    pin.acct_id = pin.hash = b32;
    pin.handle = (ProtobufCBinaryData){15, (uint8_t *)"ann@example.org"};
    pin.accepted = true;
    mark = (Wax__V1__ReadMark){.base = mark.base, .conversation = b64, .message_id = b16};
    s.n_pins = 256;
    s.pins = pins;
    s.n_reads = 256;
    s.reads = marks;
    c.kind = (Wax__V1__Kind)77;
    c.conversation = b64;
    c.sent_at = 1234567890123456789ULL;
    c.text = (ProtobufCBinaryData){100000, filler};
    c.n_parents = 8;
    c.parents = ids;
    c.n_attachments = 32;
    c.attachments = as;
    c.receipt = &r;
    c.repeat = &repeat;
    c.clone = &clone;
    c.handed_on = &on;
    c.sync = &s;
    assert_int_equal(proto_pack(&c.base, ret), WAX_OK);
    assert_true(ret->n <= CONTENT_MAX);
}

static void record_of(struct bytes content, struct buf *ret)
{
    Wax__V1__Content *c = NULL;

    assert_int_equal(content_unpack(content, &c), WAX_OK);
    assert_int_equal(content_record_encode(c, ret), WAX_OK);
    content_free(c);
}

static void all_of_a_content_comes_out_again(void **state)
{
    struct buf in = {0}, record = {0}, out = {0};
    Wax__V1__Content *c = NULL;

    (void)state;
    make_full(&in);
    record_of(buf_view(&in), &record);
    assert_true(record.n <= CONTENT_RECORD_MAX);
    assert_int_equal(content_record_decode(buf_view(&record), &c), WAX_OK);
    assert_int_equal(proto_pack(&c->base, &out), WAX_OK);
    assert_bytes(buf_view(&out), buf_view(&in));
    assert_int_equal(c->sync->n_pins, 256);
    assert_int_equal(c->sent_at, 1234567890123456789ULL);
    content_free(c);
    buf_done(&in);
    buf_done(&record);
    buf_done(&out);
}

/* The largest content, made of what costs most beside its bytes. */
static void every_content_has_a_record_within_the_cap(void **state)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT;
    ProtobufCBinaryData states[256];
    struct buf in = {0}, record = {0};

    (void)state;
    for (size_t i = 0; i < 256; i++)
        states[i] = (ProtobufCBinaryData){1000, filler};
    c.kind = WAX__V1__KIND__GROUP_STATE;
    c.conversation = (ProtobufCBinaryData){32, filler};
    c.n_group_states = 256;
    c.group_states = states;
    c.text = (ProtobufCBinaryData){CONTENT_MAX - 256 * 1003 - 45, filler};
    assert_int_equal(proto_pack(&c.base, &in), WAX_OK);
    assert_in_range(in.n, CONTENT_MAX - 20, CONTENT_MAX);
    record_of(buf_view(&in), &record);
    assert_true(record.n <= CONTENT_RECORD_MAX);
    buf_done(&in);
    buf_done(&record);
}

static void a_cut_or_longer_record_is_refused(void **state)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT, *back = NULL;
    Wax__V1__Receipt r = WAX__V1__RECEIPT__INIT;
    ProtobufCBinaryData ids[2] = {{16, filler}, {16, filler}};
    struct buf in = {0}, record = {0};

    (void)state;
    c.kind = WAX__V1__KIND__RECEIPT;
    c.conversation = (ProtobufCBinaryData){64, filler};
    r.what = WAX__V1__RECEIPT__WHAT__READ;
    r.n_ids = 2;
    r.ids = ids;
    c.receipt = &r;
    assert_int_equal(proto_pack(&c.base, &in), WAX_OK);
    record_of(buf_view(&in), &record);
    for (size_t n = 0; n < record.n; n++) {
        struct bytes cut = heap_copy(BYTES(record.p, n));
        assert_int_equal(content_record_decode(cut, &back), WAX_R_PARSE);
        heap_free(cut);
    }
    buf_u8(&record, 0);
    assert_int_equal(content_record_decode(buf_view(&record), &back), WAX_R_PARSE);
    assert_null(back);
    buf_done(&in);
    buf_done(&record);
}

/* A box that was taken over says what it likes; what breaks the rules of contents is refused. */
static void a_record_is_held_to_the_rules_of_contents(void **state)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT, *back = NULL;
    Wax__V1__Sync s = WAX__V1__SYNC__INIT;
    Wax__V1__Pin pin = WAX__V1__PIN__INIT, *pins[257];
    ProtobufCBinaryData b64 = {64, filler}, odd = {33, filler};
    struct buf record = {0};

    (void)state;
#define REFUSED()                                                                                  \
    do {                                                                                           \
        assert_int_equal(content_record_encode(&c, &record), WAX_OK);                              \
        assert_int_equal(content_record_decode(buf_view(&record), &back), WAX_R_PARSE);            \
        buf_reset(&record);                                                                        \
    } while (0)
    c.conversation = b64;
    REFUSED(); /* no kind */
    c.kind = WAX__V1__KIND__TEXT;
    c.text = (ProtobufCBinaryData){2, (uint8_t *)"\xc3("};
    REFUSED(); /* no UTF-8 */
    c.text = (ProtobufCBinaryData){0};
    c.conversation = odd;
    REFUSED();
    c.conversation = b64;
    for (size_t i = 0; i < 257; i++)
        pins[i] = &pin;
    pin.acct_id = pin.hash = (ProtobufCBinaryData){32, filler};
    s.pins = pins;
    s.n_pins = 257;
    c.sync = &s;
    REFUSED(); /* one pin too many */
    s.n_pins = 256;
    assert_int_equal(content_record_encode(&c, &record), WAX_OK);
    assert_int_equal(content_record_decode(buf_view(&record), &back), WAX_OK);
    content_free(back);
    buf_done(&record);
}

static unsigned fail_at, calls;
static int kth(size_t n)
{
    (void)n;
    return ++calls == fail_at;
}

static void every_allocation_may_fail(void **state)
{
    struct buf in = {0}, record = {0};
    wax_rc rc = WAX_E_NOMEM;

    (void)state;
    make_full(&in);
    record_of(buf_view(&in), &record);
    for (fail_at = 1; rc == WAX_E_NOMEM && fail_at < 100000; fail_at += fail_at < 50 ? 1 : 97) {
        Wax__V1__Content *c = NULL;
        calls = 0;
        mem_set_fault(kth);
        rc = content_record_decode(buf_view(&record), &c);
        mem_set_fault(NULL);
        assert_true(rc == WAX_OK || (rc == WAX_E_NOMEM && !c));
        content_free(c);
    }
    assert_int_equal(rc, WAX_OK);
    assert_true(fail_at > 50);
    buf_done(&in);
    buf_done(&record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_a_content_comes_out_again),
        cmocka_unit_test(every_content_has_a_record_within_the_cap),
        cmocka_unit_test(a_cut_or_longer_record_is_refused),
        cmocka_unit_test(a_record_is_held_to_the_rules_of_contents),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
