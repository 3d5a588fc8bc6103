/* Request and reply bodies, and content: proto3 with a lid on. */
#include "wire_test.h"

#include "wire/envelope.h"
#include "wire/manifest.h"
#include "wire/proto_rules.h"

#define TYPE(name) &wax__v1__##name##__descriptor

/* Every message of api.proto and content.proto that is not only found inside another. */
static const ProtobufCMessageDescriptor *const roots[] = {
    TYPE(register_request), TYPE(register_reply), TYPE(directory_reply),  TYPE(update_request),
    TYPE(update_reply),     TYPE(daily_request),  TYPE(daily_reply),      TYPE(bundle_request),
    TYPE(send_request),     TYPE(send_reply),     TYPE(send_conflict),    TYPE(ack_request),
    TYPE(blob_request),     TYPE(blob_reply),     TYPE(checkpoint_reply), TYPE(proof_reply),
    TYPE(updates_reply),    TYPE(link_post),      TYPE(link_reply),       TYPE(content),
};

static void each_type(const ProtobufCMessageDescriptor *t, int depth,
                      void (*fn)(const ProtobufCMessageDescriptor *, int))
{
    fn(t, depth);
    for (unsigned i = 0; i < t->n_fields; i++)
        if (t->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            each_type(t->fields[i].descriptor, depth + 1, fn);
}

static void all_types(void (*fn)(const ProtobufCMessageDescriptor *, int))
{
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        each_type(roots[i], 1, fn);
}

static void check_has_rules(const ProtobufCMessageDescriptor *t, int depth)
{
    assert_true(depth <= PROTO_NESTING_MAX);
    for (unsigned i = 0; i < t->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &t->fields[i];
        const struct proto_rule *r = proto_rule_of(proto_rules_of(t), f->id);
        bool repeated = f->label == PROTOBUF_C_LABEL_REPEATED;
        bool bytes = f->type == PROTOBUF_C_TYPE_BYTES;
        if ((repeated || bytes) != (r != NULL))
            fail_msg("%s.%s: a rule is missing or too many", t->name, f->name);
        if (r && ((r->count != 0) != repeated || (r->kind == PROTO_NUMBER) == bytes))
            fail_msg("%s.%s: its rule is of another kind", t->name, f->name);
        /* Strings are to be bytes, so that U+0000 survives. */
        if (f->type == PROTOBUF_C_TYPE_STRING)
            fail_msg("%s.%s: string_as_bytes is missing", t->name, f->name);
    }
}

static void every_bytes_and_repeated_field_has_its_rule(void **state)
{
    all_types(check_has_rules);
}

static uint8_t zeros[300000];

/* A message of the type that holds, with as little as it may have. */
static ProtobufCMessage *least_of(const ProtobufCMessageDescriptor *t)
{
    ProtobufCMessage *m = calloc(1, t->sizeof_message);

    assert_non_null(m);
    protobuf_c_message_init(t, m);
    for (unsigned i = 0; i < t->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &t->fields[i];
        const struct proto_rule *r = proto_rule_of(proto_rules_of(t), f->id);
        if (f->type != PROTOBUF_C_TYPE_BYTES || f->label == PROTOBUF_C_LABEL_REPEATED || !r->also)
            continue;
        ProtobufCBinaryData *x = (void *)((uint8_t *)m + f->offset);
        /* Records are longer than a byte: a list of empty ones would not be paid for by
         * its size (the budget). */
        *x = (ProtobufCBinaryData){r->least == 1 ? 200 : r->least, zeros};
    }
    return m;
}

static wax_rc round_trip(const ProtobufCMessage *m)
{
    struct buf b = {0};
    ProtobufCMessage *back = NULL;

    assert_int_equal(proto_pack(m, &b), WAX_OK);
    wax_rc rc = proto_unpack(m->descriptor, buf_view(&b), API_BODY_MAX, &back);
    if (rc == WAX_OK) {
        struct buf again = {0};
        assert_int_equal(proto_pack(back, &again), WAX_OK);
        assert_bytes(buf_view(&again), buf_view(&b));
        buf_done(&again);
    }
    proto_free(back);
    buf_done(&b);
    return rc;
}

/* One value of that size in the field, once. */
static wax_rc with_size(const ProtobufCMessageDescriptor *t, const ProtobufCFieldDescriptor *f,
                        size_t n)
{
    ProtobufCMessage *m = least_of(t);
    ProtobufCBinaryData x = {n, zeros};

    if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        *(size_t *)((uint8_t *)m + f->quantifier_offset) = 1;
        *(ProtobufCBinaryData **)((uint8_t *)m + f->offset) = &x;
    } else {
        *(ProtobufCBinaryData *)((uint8_t *)m + f->offset) = x;
    }
    wax_rc rc = round_trip(m);
    free(m);
    return rc;
}

static void check_sizes(const ProtobufCMessageDescriptor *t, int depth)
{
    ProtobufCMessage *m = least_of(t);

    assert_class(t->name, round_trip(m), WAX_OK);
    free(m);
    for (unsigned i = 0; i < t->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &t->fields[i];
        const struct proto_rule *r = proto_rule_of(proto_rules_of(t), f->id);
        /* Handles have a form besides: below. Feeds are larger than `zeros`. */
        if (f->type != PROTOBUF_C_TYPE_BYTES || r->kind == PROTO_HANDLE || r->most >= sizeof zeros)
            continue;
        assert_class(f->name, with_size(t, f, r->most), WAX_OK);
        assert_class(f->name, with_size(t, f, r->least), WAX_OK);
        assert_class(f->name, with_size(t, f, r->also), WAX_OK);
        assert_class(f->name, with_size(t, f, r->most + 1), WAX_R_PARSE);
        if (r->least > 0 && r->least - 1 != r->also)
            assert_class(f->name, with_size(t, f, r->least - 1), WAX_R_PARSE);
    }
}

static void every_size_is_held_to_its_rule(void **state) { all_types(check_sizes); }

static wax_rc with_count(const ProtobufCMessageDescriptor *t, const ProtobufCFieldDescriptor *f,
                         size_t n)
{
    const struct proto_rule *r = proto_rule_of(proto_rules_of(t), f->id);
    ProtobufCMessage *m = least_of(t), *below = NULL;
    void *items = calloc(n, sizeof(ProtobufCBinaryData));

    assert_non_null(items);
    if (f->type == PROTOBUF_C_TYPE_MESSAGE)
        below = least_of(f->descriptor);
    for (size_t i = 0; i < n; i++) {
        if (below)
            ((ProtobufCMessage **)items)[i] = below;
        else if (f->type == PROTOBUF_C_TYPE_BYTES)
            ((ProtobufCBinaryData *)items)[i] = (ProtobufCBinaryData){r->least, zeros};
        else
            ((uint64_t *)items)[i] = i;
    }
    *(size_t *)((uint8_t *)m + f->quantifier_offset) = n;
    *(void **)((uint8_t *)m + f->offset) = items;
    wax_rc rc = round_trip(m);
    free(items);
    free(below);
    free(m);
    return rc;
}

static void check_counts(const ProtobufCMessageDescriptor *t, int depth)
{
    for (unsigned i = 0; i < t->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &t->fields[i];
        if (f->label != PROTOBUF_C_LABEL_REPEATED)
            continue;
        const struct proto_rule *r = proto_rule_of(proto_rules_of(t), f->id);
        assert_class(f->name, with_count(t, f, r->count), WAX_OK);
        assert_class(f->name, with_count(t, f, r->count + 1), WAX_R_PARSE);
    }
}

static void every_count_is_held_to_its_rule(void **state) { all_types(check_counts); }

static wax_rc handle_query(const char *handle, size_t n)
{
    Wax__V1__DailyQuery q = WAX__V1__DAILY_QUERY__INIT;

    q.handle = (ProtobufCBinaryData){n, (uint8_t *)handle};
    return round_trip(&q.base);
}

static void handles_have_their_form(void **state)
{
    assert_int_equal(handle_query("ann@example.org", 15), WAX_OK);
    assert_int_equal(handle_query("", 0), WAX_OK);
    assert_int_equal(handle_query("Ann@example.org", 15), WAX_R_PARSE);
    assert_int_equal(handle_query("ann@example.org", 4), WAX_R_PARSE);
    assert_int_equal(handle_query("ann@e\0", 6), WAX_R_PARSE);
}

static void text_is_utf8_and_may_hold_a_nul(void **state)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT;
    uint8_t text[] = "a\0b";

    c.conversation = (ProtobufCBinaryData){64, zeros};
    c.text = (ProtobufCBinaryData){3, text};
    assert_int_equal(round_trip(&c.base), WAX_OK);
    text[1] = 0xff;
    assert_int_equal(round_trip(&c.base), WAX_R_PARSE);
}

static void an_undefined_result_is_refused(void **state)
{
    Wax__V1__DeviceResult r = WAX__V1__DEVICE_RESULT__INIT;

    r.dev_id = (ProtobufCBinaryData){16, zeros};
    r.result = WAX__V1__DEVICE_RESULT__R__NO_DEVICE;
    assert_int_equal(round_trip(&r.base), WAX_OK);
    r.result = (Wax__V1__DeviceResult__R)5;
    assert_int_equal(round_trip(&r.base), WAX_R_PARSE);
    r.result = (Wax__V1__DeviceResult__R)-1;
    assert_int_equal(round_trip(&r.base), WAX_R_PARSE);
}

static void no_field_has_the_number_0(void **state)
{
    static const uint8_t one_byte[] = {0x0a, 1, 'x', 0x00, 0x03};
    static const uint8_t two_bytes[] = {0x0a, 1, 'x', 0x80, 0x00, 0x03};
    static const uint8_t unknown[] = {0x0a, 1, 'x', 0x50, 0x03};
    ProtobufCMessage *m = NULL;

    assert_int_equal(proto_unpack(TYPE(link_post), BYTES_OF(one_byte), 99, &m), WAX_R_PARSE);
    assert_int_equal(proto_unpack(TYPE(link_post), BYTES_OF(two_bytes), 99, &m), WAX_R_PARSE);
    assert_int_equal(proto_unpack(TYPE(link_post), BYTES_OF(unknown), 99, &m), WAX_OK);
    proto_free(m);
}

static size_t largest, total;
static long countdown;

static int watch(size_t n)
{
    largest = n > largest ? n : largest;
    total += n;
    return 0;
}

static int fail_at_zero(size_t n) { return countdown-- == 0; }

static void a_claimed_length_allocates_nothing(void **state)
{
    /* AckRequest.seqs packed, SendRequest.envelopes, BundleRequest: 2^32 - 1 bytes. */
    static const uint8_t claims[] = {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 1};
    static const ProtobufCMessageDescriptor *const types[] = {TYPE(ack_request), TYPE(send_request),
                                                              TYPE(bundle_request), TYPE(content)};

    mem_set_fault(watch);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ProtobufCMessage *m = NULL;
        largest = 0;
        wax_rc rc = proto_unpack(types[i], BYTES_OF(claims), API_BODY_MAX, &m);
        assert_int_equal(rc, WAX_R_PARSE);
        assert_null(m);
        assert_true(largest < 4096);
    }
    mem_set_fault(NULL);
}

static void a_body_of_a_million_tiny_fields_stays_in_its_budget(void **state)
{
    struct buf b = {0};
    ProtobufCMessage *m = NULL;

    /* Unknown field 100, value 0: three bytes each, 32 and more in the parser's table. */
    for (size_t i = 0; i < 1000000; i++)
        buf_add(&b, "\xa0\x06\x00", 3);
    assert_int_equal(buf_rc(&b), WAX_OK);
    total = 0;
    mem_set_fault(watch);
    wax_rc rc = proto_unpack(TYPE(send_request), buf_view(&b), API_BODY_MAX, &m);
    mem_set_fault(NULL);
    assert_int_equal(rc, WAX_R_PARSE);
    assert_true(total < 4 * b.n + 600 * 1024);
    assert_int_equal(proto_unpack(TYPE(send_request), buf_view(&b), b.n - 1, &m), WAX_E_TOOBIG);
    buf_done(&b);
}

static void acks_may_come_unpacked(void **state)
{
    struct buf b = {0};
    ProtobufCMessage *m = NULL;

    for (size_t i = 0; i < 4096; i++)
        buf_add(&b, "\x08\x01", 2);
    assert_int_equal(proto_unpack(TYPE(ack_request), buf_view(&b), API_BODY_MAX, &m), WAX_OK);
    assert_int_equal(((Wax__V1__AckRequest *)m)->n_seqs, 4096);
    proto_free(m);
    buf_done(&b);
}

static void make_send_request(struct buf *out)
{
    Wax__V1__SendRequest r = WAX__V1__SEND_REQUEST__INIT;
    Wax__V1__AccountSeq account = WAX__V1__ACCOUNT_SEQ__INIT, *accounts[] = {&account, &account};
    Wax__V1__DeviceEnvelope envelope = WAX__V1__DEVICE_ENVELOPE__INIT, *envelopes[] = {&envelope};
    ProtobufCBinaryData skipped[] = {{16, zeros}, {16, zeros}};

    r.fanout_id = envelope.dev_id = (ProtobufCBinaryData){16, zeros};
    account.acct_id = (ProtobufCBinaryData){32, zeros};
    envelope.envelope = (ProtobufCBinaryData){1304, zeros};
    r.n_accounts = r.n_skipped_devs = 2;
    r.n_envelopes = 1;
    r.accounts = accounts;
    r.envelopes = envelopes;
    r.skipped_devs = skipped;
    assert_int_equal(proto_pack(&r.base, out), WAX_OK);
}

static void every_allocation_may_fail(void **state)
{
    struct buf b = {0};
    ProtobufCMessage *m = NULL;
    long k = 0;
    wax_rc rc;

    make_send_request(&b);
    mem_set_fault(fail_at_zero);
    do {
        countdown = k++;
        rc = proto_unpack(TYPE(send_request), buf_view(&b), API_BODY_MAX, &m);
        assert_true(rc == WAX_OK || (rc == WAX_E_NOMEM && m == NULL));
    } while (rc != WAX_OK);
    mem_set_fault(NULL);
    assert_true(k > 10);
    proto_free(m);
    buf_done(&b);
}

static void a_cut_body_is_refused(void **state)
{
    struct buf b = {0};
    ProtobufCMessage *m = NULL;

    make_send_request(&b);
    for (size_t n = 0; n < b.n; n++) {
        struct bytes cut = heap_copy(BYTES(b.p, n));
        m = NULL;
        wax_rc rc = proto_unpack(TYPE(send_request), cut, API_BODY_MAX, &m);
        /* proto3 has no end mark: a cut between two fields is another message. */
        assert_true(rc == WAX_OK || rc == WAX_R_PARSE);
        proto_free(m);
        heap_free(cut);
    }
    buf_done(&b);
}

static wax_rc content_with(int kind, size_t conversation, bool group)
{
    Wax__V1__Content c = WAX__V1__CONTENT__INIT, *back = NULL;
    Wax__V1__GroupRef g = WAX__V1__GROUP_REF__INIT;
    struct buf b = {0};

    g.gid = g.hash = (ProtobufCBinaryData){32, zeros};
    c.kind = (Wax__V1__Kind)kind;
    c.conversation = (ProtobufCBinaryData){conversation, zeros};
    c.group = group ? &g : NULL;
    assert_int_equal(proto_pack(&c.base, &b), WAX_OK);
    wax_rc rc = content_unpack(buf_view(&b), &back);
    if (rc == WAX_OK)
        assert_int_equal(back->kind, kind);
    content_free(back);
    buf_done(&b);
    return rc;
}

static void content_has_a_kind_and_a_conversation(void **state)
{
    assert_int_equal(content_with(1, 64, false), WAX_OK);
    assert_int_equal(content_with(1, 32, true), WAX_OK);
    assert_int_equal(content_with(16, 64, false), WAX_OK); /* of a later version */
    assert_int_equal(content_with(INT32_MAX, 64, false), WAX_OK);
    assert_int_equal(content_with(0, 64, false), WAX_R_PARSE);
    assert_int_equal(content_with(-1, 64, false), WAX_R_PARSE);
    assert_int_equal(content_with(1, 0, false), WAX_R_PARSE);
    assert_int_equal(content_with(1, 33, false), WAX_R_PARSE);
    assert_int_equal(content_with(1, 32, false), WAX_OK);
    assert_int_equal(content_with(1, 64, true), WAX_R_PARSE);
}

static void content_over_its_cap_is_not_looked_at(void **state)
{
    Wax__V1__Content *c = NULL;

    mem_set_fault(watch);
    total = 0;
    assert_int_equal(content_unpack(BYTES(zeros, CONTENT_MAX + 1), &c), WAX_R_PARSE);
    assert_int_equal(total, 0);
    mem_set_fault(NULL);
    assert_int_equal(content_unpack(BYTES(NULL, 0), &c), WAX_R_PARSE);
    content_free(NULL);
    proto_free(NULL);
}

static void contents_of_the_vectors_are_read(void **state)
{
    static const char *const files[] = {"wax1/fanout-1.json", "wax1/fanout-3.json",
                                        "wax1/fanout-20.json"};

    for (size_t i = 0; i < 3; i++) {
        json_t *root = vec_load(files[i]);
        struct buf in = {0}, out = {0}, conversation = {0};
        Wax__V1__Content *c = NULL;
        vec_hex(root, "content", &in);
        vec_hex(root, "conversation", &conversation);
        assert_int_equal(content_unpack(buf_view(&in), &c), WAX_OK);
        assert_int_equal(c->kind, WAX__V1__KIND__TEXT);
        assert_bytes(PB_BYTES(c->conversation), buf_view(&conversation));
        assert_int_equal(proto_pack(&c->base, &out), WAX_OK);
        assert_bytes(buf_view(&out), buf_view(&in));
        content_free(c);
        buf_done(&in);
        buf_done(&out);
        buf_done(&conversation);
        json_decref(root);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bytes_and_repeated_field_has_its_rule),
        cmocka_unit_test(every_size_is_held_to_its_rule),
        cmocka_unit_test(every_count_is_held_to_its_rule),
        cmocka_unit_test(handles_have_their_form),
        cmocka_unit_test(text_is_utf8_and_may_hold_a_nul),
        cmocka_unit_test(an_undefined_result_is_refused),
        cmocka_unit_test(no_field_has_the_number_0),
        cmocka_unit_test(a_claimed_length_allocates_nothing),
        cmocka_unit_test(a_body_of_a_million_tiny_fields_stays_in_its_budget),
        cmocka_unit_test(acks_may_come_unpacked),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(a_cut_body_is_refused),
        cmocka_unit_test(content_has_a_kind_and_a_conversation),
        cmocka_unit_test(content_over_its_cap_is_not_looked_at),
        cmocka_unit_test(contents_of_the_vectors_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
