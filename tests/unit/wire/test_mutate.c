/* A thousand single-byte changes to every kind of valid record: each is taken or refused as
 * `parse`, `point` or `payload`, and what is taken is written back to the same bytes. Run
 * under the sanitizers, this is where a reader that overruns shows. */
#include "wire_test.h"

#include "wire/envelope.h"
#include "wire/proto.h"
#include "wire/records.h"

#define CHANGES 1000

/* Decodes x; when it is taken, appends its encoding to out. */
typedef wax_rc (*codec)(struct bytes x, struct buf *out);

static wax_rc link_again(struct bytes x, struct buf *out)
{
    struct chain_link c;
    struct buf body = {0};
    wax_rc rc = chain_link_decode(x, &c);

    if (rc != WAX_OK)
        return rc;
    assert_int_equal(manifest_encode_body(&c.manifest, &body), WAX_OK);
    buf_add(&body, c.sig.b, sizeof c.sig.b);
    assert_int_equal(chain_link_encode(buf_view(&body), c.joins, c.n_joins, out), WAX_OK);
    buf_done(&body);
    return rc;
}

static wax_rc bundle_again(struct bytes x, struct buf *out)
{
    struct bundle b;
    wax_rc rc = bundle_decode(x, &b);

    if (rc == WAX_OK) {
        bundle_encode_body(&b, out);
        buf_add(out, b.sig.b, sizeof b.sig.b);
    }
    return rc;
}

static wax_rc envelope_again(struct bytes x, struct buf *out)
{
    struct envelope e;
    struct buf hdr = {0};
    wax_rc rc = envelope_decode(x, &e);

    if (rc != WAX_OK)
        return rc;
    assert_int_equal(env_hdr_encode(&e.hdr, &hdr), WAX_OK);
    assert_int_equal(envelope_encode(buf_view(&hdr), e.body, &e.fanout, out), WAX_OK);
    buf_done(&hdr);
    return rc;
}

static wax_rc payload_again(struct bytes x, bool init, struct buf *out)
{
    struct payload p;
    wax_rc rc = payload_decode(x, init, &p);

    if (rc == WAX_OK)
        assert_int_equal(payload_encode(&p, init, out), WAX_OK);
    return rc;
}

static wax_rc init_again(struct bytes x, struct buf *out) { return payload_again(x, true, out); }
static wax_rc msg_again(struct bytes x, struct buf *out) { return payload_again(x, false, out); }

static wax_rc link1_again(struct bytes x, struct buf *out)
{
    struct link1 l;
    wax_rc rc = link1_decode(x, &l);

    if (rc == WAX_OK)
        assert_int_equal(link1_encode(&l, out), WAX_OK);
    return rc;
}

static wax_rc link2_again(struct bytes x, struct buf *out)
{
    struct link2 l;
    wax_rc rc = link2_decode(x, &l);

    if (rc == WAX_OK)
        assert_int_equal(link2_encode(&l, out), WAX_OK);
    return rc;
}

static wax_rc link5_again(struct bytes x, struct buf *out)
{
    struct join j;
    struct bytes raw, bundle;
    wax_rc rc = link5_decode(x, &j, &raw, &bundle);

    if (rc == WAX_OK) {
        join_encode(&j, out);
        buf_bytes(out, bundle);
    }
    return rc;
}

static wax_rc sealed_again(struct bytes x, struct buf *out)
{
    struct bytes c, tag;
    uint8_t k;
    wax_rc rc = link_sealed_decode(x, &k, &c, &tag);

    if (rc == WAX_OK) {
        buf_u8(out, k);
        buf_bytes(out, c);
        buf_bytes(out, tag);
    }
    return rc;
}

static wax_rc counter_again(struct bytes x, struct buf *out)
{
    struct counter_record c;
    wax_rc rc = counter_decode(x, &c);

    if (rc == WAX_OK)
        counter_encode(&c, buf_extend(out, COUNTER_SIZE));
    return rc;
}

/* Frames: the waiting rest is copied, types above 5 hold nothing to write. */
static wax_rc frame_again(struct bytes x, struct buf *out)
{
    struct bytes left = x;
    struct frame f;
    wax_rc rc = frame_next(&left, &f);

    if (rc == WAX_R_PARSE)
        return rc;
    buf_bytes(out, x);
    return WAX_OK;
}

/* proto3 has many encodings of one message: only the reading is tried. */
static wax_rc content_again(struct bytes x, struct buf *out)
{
    Wax__V1__Content *c = NULL;
    wax_rc rc = content_unpack(x, &c);

    content_free(c);
    buf_bytes(out, x);
    return rc;
}

static uint64_t next_random(void)
{
    static uint64_t x = 88172645463325252ULL;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return x;
}

static void change(const struct buf *record, codec again)
{
    struct buf out = {0};

    assert_int_equal(again(buf_view(record), &out), WAX_OK);
    assert_bytes(buf_view(&out), buf_view(record));
    for (int i = 0; i < CHANGES; i++) {
        struct bytes x = heap_copy(buf_view(record));
        ((uint8_t *)x.p)[next_random() % x.n] ^= (uint8_t)(1 + next_random() % 255);
        buf_reset(&out);
        wax_rc rc = again(x, &out);
        assert_true(rc == WAX_OK || rc == WAX_R_PARSE || rc == WAX_R_POINT || rc == WAX_R_PAYLOAD);
        if (rc == WAX_OK)
            assert_bytes(buf_view(&out), x);
        heap_free(x);
    }
    buf_done(&out);
}

static void change_member(const json_t *obj, const char *key, codec again)
{
    struct buf b = {0};

    vec_hex(obj, key, &b);
    change(&b, again);
    buf_done(&b);
}

static void chain_links_and_bundles(void **state)
{
    json_t *root = vec_load("wax1/manifest.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "chain"), i, it) change_member(it, "chain_link", link_again);
    json_decref(root);
    root = vec_load("wax1/bundle.json");
    change_member(root, "record", bundle_again);
    json_decref(root);
}

static void envelopes_and_payloads(void **state)
{
    json_t *root = vec_load("wax1/fanout-3.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "recipients"), i, it)
    {
        change_member(it, "envelope", envelope_again);
        change_member(it, "P", i == 0 ? init_again : msg_again);
    }
    change_member(root, "content", content_again);
    json_decref(root);
}

static void link_records(void **state)
{
    json_t *root = vec_load("wax1/link.json");
    json_t *records = vec_get(root, "records");

    for (size_t i = 0; i < 6; i++)
        change_member(json_array_get(records, i), "sealed", sealed_again);
    change_member(json_array_get(records, 0), "plain", link1_again);
    change_member(json_array_get(records, 1), "plain", link2_again);
    change_member(json_array_get(records, 4), "plain", link5_again);
    json_decref(root);
}

static void counters_and_frames(void **state)
{
    static const uint8_t notice[41] = {[40] = 1};
    json_t *root = vec_load("wax1/rollback.json");
    struct buf b = {0}, rest = {0};

    change_member(json_array_get(vec_get(root, "records"), 0), "record", counter_again);
    json_decref(root);
    assert_int_equal(frame_rest_envelope("a@b", BYTES("xyz", 3), &rest), WAX_OK);
    assert_int_equal(frame_encode(FRAME_ENVELOPE, 1, 2, buf_view(&rest), &b), WAX_OK);
    change(&b, frame_again);
    buf_reset(&b);
    assert_int_equal(frame_encode(FRAME_NOTICE, 1, 2, BYTES_OF(notice), &b), WAX_OK);
    change(&b, frame_again);
    buf_done(&b);
    buf_done(&rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chain_links_and_bundles),
        cmocka_unit_test(envelopes_and_payloads),
        cmocka_unit_test(link_records),
        cmocka_unit_test(counters_and_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
