/* Counter, linking, mailbox frames (RECORDS 8, 9, 14). */
#include "wire_test.h"

#include "wire/envelope.h"
#include "wire/records.h"

static void counters_of_the_vectors_go_both_ways(void **state)
{
    json_t *root = vec_load("wax1/rollback.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "records"), i, it)
    {
        uint8_t in[COUNTER_SIZE], out[COUNTER_SIZE];
        struct counter_record c;
        vec_fixed(it, "record", in, sizeof in);
        assert_int_equal(counter_decode(BYTES_OF(in), &c), WAX_OK);
        assert_int_equal(c.n, vec_u64(it, "n"));
        counter_encode(&c, out);
        assert_memory_equal(in, out, sizeof in);
        assert_int_equal(counter_decode(BYTES(in, sizeof in - 1), &c), WAX_R_PARSE);
    }
    assert_true(i > 0);
    json_decref(root);
}

static void link_records_of_the_vectors_go_both_ways(void **state)
{
    json_t *root = vec_load("wax1/link.json"), *it;
    struct buf plain = {0}, out = {0}, sealed = {0};
    size_t i;

    json_array_foreach(vec_get(root, "records"), i, it)
    {
        struct bytes c, tag, raw, bundle;
        struct manifest m;
        struct link1 one;
        struct link2 two;
        struct join join;
        uint8_t k;
        buf_reset(&plain);
        buf_reset(&out);
        buf_reset(&sealed);
        vec_hex(it, "plain", &plain);
        vec_hex(it, "sealed", &sealed);
        assert_int_equal(link_sealed_decode(buf_view(&sealed), &k, &c, &tag), WAX_OK);
        assert_int_equal(k, vec_u64(it, "step"));
        assert_int_equal(c.n, plain.n);
        assert_int_equal(tag.n, 32);
        if (k == 1) {
            assert_int_equal(link1_decode(buf_view(&plain), &one), WAX_OK);
            assert_int_equal(link1_encode(&one, &out), WAX_OK);
        } else if (k == 2) {
            assert_int_equal(link2_decode(buf_view(&plain), &two), WAX_OK);
            assert_string_equal(two.handle, vec_str(root, "handle"));
            assert_int_equal(link2_encode(&two, &out), WAX_OK);
        } else if (k == 4) {
            assert_int_equal(manifest_decode(buf_view(&plain), &m, NULL, NULL), WAX_OK);
            buf_bytes(&out, buf_view(&plain));
        } else if (k == 5) {
            assert_int_equal(link5_decode(buf_view(&plain), &join, &raw, &bundle), WAX_OK);
            join_encode(&join, &out);
            buf_bytes(&out, bundle);
        } else {
            buf_bytes(&out, buf_view(&plain));
        }
        assert_bytes(buf_view(&out), buf_view(&plain));
    }
    assert_int_equal(i, 6);
    buf_done(&plain);
    buf_done(&out);
    buf_done(&sealed);
    json_decref(root);
}

static void sealed_records_of_a_wrong_size_are_refused(void **state)
{
    static const size_t fits[6] = {133 + 10, 66 + 20, 32, 527, 1867, 32};
    uint8_t raw[LINK_SEALED_MAX + 1] = {0}, k;
    struct bytes c, tag;

    for (uint8_t i = 0; i < 8; i++) {
        raw[0] = i;
        size_t n = i >= 1 && i <= 6 ? fits[i - 1] : 32;
        wax_rc want = i >= 1 && i <= 6 ? WAX_OK : WAX_R_PARSE;
        assert_int_equal(link_sealed_decode(BYTES(raw, n + 33), &k, &c, &tag), want);
        assert_int_equal(link_sealed_decode(BYTES(raw, 33), &k, &c, &tag), WAX_R_PARSE);
        assert_int_equal(link_sealed_decode(BYTES(raw, 5), &k, &c, &tag), WAX_R_PARSE);
        assert_int_equal(link_sealed_decode(BYTES(raw, sizeof raw), &k, &c, &tag), WAX_R_PARSE);
    }
    assert_int_equal(link_sealed_decode(BYTES(raw, 0), &k, &c, &tag), WAX_R_PARSE);
}

static void the_link_code_is_read_as_people_pass_it_on(void **state)
{
    json_t *root = vec_load("wax1/link.json");
    const char *text = vec_str(root, "link_code_text");
    uint8_t raw[LINK_CODE_SIZE];
    struct link_code code;
    char out[LINK_CODE_TEXT + 1], spaced[256];

    vec_fixed(root, "link_code", raw, sizeof raw);
    assert_int_equal(link_code_from_text(text, &code), WAX_OK);
    assert_memory_equal(raw, code.commitment.b, 32);
    assert_memory_equal(raw + 32, code.secret, 16);
    link_code_to_text(&code, out);
    assert_string_equal(out, text);
    snprintf(spaced, sizeof spaced, " waxlink:%.20s %.20s\n%s ", text, text + 20, text + 40);
    memset(&code, 0, sizeof code);
    assert_int_equal(link_code_from_text(spaced, &code), WAX_OK);
    assert_memory_equal(raw + 32, code.secret, 16);
    snprintf(spaced, sizeof spaced, "%sA", text);
    assert_int_equal(link_code_from_text(spaced, &code), WAX_R_PARSE);
    spaced[63] = 0;
    assert_int_equal(link_code_from_text(spaced, &code), WAX_R_PARSE);
    snprintf(spaced, sizeof spaced, "%s", text);
    spaced[7] = '+';
    assert_int_equal(link_code_from_text(spaced, &code), WAX_R_PARSE);
    assert_int_equal(link_code_from_text("", &code), WAX_R_PARSE);
    json_decref(root);
}

static void every_digit_of_the_link_code_is_base64url(void **state)
{
    struct link_code c = {0};
    char out[LINK_CODE_TEXT + 1];
    struct buf want = {0};

    for (unsigned i = 0; i < 64; i++) {
        memset(c.secret, (int)(i << 2), sizeof c.secret);
        c.commitment.b[0] = (uint8_t)(i << 2);
        link_code_to_text(&c, out);
        uint8_t raw[LINK_CODE_SIZE];
        memcpy(raw, c.commitment.b, 32);
        memcpy(raw + 32, c.secret, 16);
        buf_reset(&want);
        base64url_encode(&want, BYTES_OF(raw));
        assert_string_equal(out, buf_cstr(&want));
    }
    buf_done(&want);
}

static void link_records_hold_only_names_handles_and_points(void **state)
{
    struct link1 one = {.suite = 1, .name = "laptop"};
    struct link2 two = {.handle = "Ann@example.org"};
    struct buf b = {0};

    assert_int_equal(link1_encode(&one, &b), WAX_E_INVAL);
    one.dsk.b[0] = one.dtk.b[0] = 4;
    one.suite = 0;
    assert_int_equal(link1_encode(&one, &b), WAX_E_INVAL);
    one.suite = 1;
    one.name[2] = '\n';
    assert_int_equal(link1_encode(&one, &b), WAX_E_INVAL);
    assert_int_equal(link2_encode(&two, &b), WAX_E_INVAL);
    assert_int_equal(b.n, 0);
    one.name[2] = 'p';
    assert_int_equal(link1_encode(&one, &b), WAX_OK);
    b.p[0] = 2;
    assert_int_equal(link1_decode(buf_view(&b), &one), WAX_R_POINT);
    buf_u8(&b, 0);
    assert_int_equal(link1_decode(buf_view(&b), &one), WAX_R_PARSE);
    buf_done(&b);
}

/* One of each type, as a server writes them. */
static void write_stream(struct buf *out)
{
    static const struct fanout_id fanout = {{1}};
    static const struct dev_id to = {{2}};
    struct buf rest = {0};

    assert_int_equal(frame_rest_envelope("ann@example.org", BYTES("envelope", 8), &rest), WAX_OK);
    assert_int_equal(frame_encode(FRAME_ENVELOPE, 7, 100, buf_view(&rest), out), WAX_OK);
    buf_reset(&rest);
    frame_rest_notice(&fanout, &to, 50, NOTICE_FULL, &rest);
    assert_int_equal(frame_encode(FRAME_NOTICE, 8, 101, buf_view(&rest), out), WAX_OK);
    assert_int_equal(frame_encode(FRAME_HEARTBEAT, 0, 102, BYTES(NULL, 0), out), WAX_OK);
    buf_reset(&rest);
    frame_rest_expired(3, &rest);
    assert_int_equal(frame_encode(FRAME_EXPIRED, 9, 103, buf_view(&rest), out), WAX_OK);
    assert_int_equal(frame_encode(FRAME_DRAINED, 9, 104, BYTES(NULL, 0), out), WAX_OK);
    assert_int_equal(frame_encode(77, 10, 105, BYTES("later", 5), out), WAX_OK);
    buf_done(&rest);
}

static void a_stream_gives_its_frames_wherever_it_is_cut(void **state)
{
    struct buf s = {0};

    write_stream(&s);
    for (size_t cut = 0; cut <= s.n; cut++) {
        struct bytes in = heap_copy(BYTES(s.p, cut)), left = in;
        struct frame f;
        size_t seen = 0;
        wax_rc rc;
        while ((rc = frame_next(&left, &f)) == WAX_OK) {
            seen++;
            assert_int_equal(f.time, 99 + seen);
            assert_int_equal(f.type, seen < 6 ? seen : 77);
        }
        assert_int_equal(rc, WAX_E_WAIT);
        assert_true(seen == 6 || cut < s.n);
        /* What was not taken begins at a frame's border. */
        assert_ptr_equal(left.p + left.n, in.p + in.n);
        heap_free(in);
    }
    buf_done(&s);
}

static void frames_carry_their_fields(void **state)
{
    struct buf s = {0};
    struct frame f;

    write_stream(&s);
    struct bytes in = buf_view(&s);
    assert_int_equal(frame_next(&in, &f), WAX_OK);
    assert_int_equal(f.seq, 7);
    assert_string_equal(f.handle, "ann@example.org");
    assert_bytes(f.envelope, BYTES("envelope", 8));
    assert_int_equal(frame_next(&in, &f), WAX_OK);
    assert_int_equal(f.fanout.b[0], 1);
    assert_int_equal(f.to.b[0], 2);
    assert_int_equal(f.accepted_at, 50);
    assert_int_equal(f.reason, NOTICE_FULL);
    assert_string_equal(f.handle, "");
    assert_int_equal(frame_next(&in, &f), WAX_OK);
    assert_int_equal(frame_next(&in, &f), WAX_OK);
    assert_int_equal(f.count, 3);
    buf_done(&s);
}

static void bad_frame(const char *what, uint8_t type, uint64_t seq, struct bytes rest)
{
    struct buf s = {0};
    struct frame f;

    assert_int_equal(frame_encode(type, seq, 1, rest, &s), WAX_OK);
    struct bytes in = buf_view(&s);
    assert_class(what, frame_next(&in, &f), WAX_R_PARSE);
    assert_int_equal(in.n, s.n);
    buf_done(&s);
}

static void frames_that_are_none_end_the_stream(void **state)
{
    static const uint8_t notice[41] = {[40] = 4};
    static const uint8_t big[4] = {0, 4, 4, 1}; /* 263,169 */
    static const uint8_t small[4] = {0, 0, 0, 16};
    struct bytes in = BYTES_OF(big);
    struct frame f;

    assert_int_equal(frame_next(&in, &f), WAX_R_PARSE);
    in = BYTES_OF(small);
    assert_int_equal(frame_next(&in, &f), WAX_R_PARSE);
    bad_frame("type 0", 0, 1, BYTES(NULL, 0));
    bad_frame("no hint", FRAME_ENVELOPE, 1, BYTES(NULL, 0));
    bad_frame("a hint that is no handle", FRAME_ENVELOPE, 1, BYTES("\0\3A@b", 5));
    bad_frame("reason 4", FRAME_NOTICE, 1, BYTES_OF(notice));
    bad_frame("reason 0", FRAME_NOTICE, 1, BYTES(notice, 40));
    bad_frame("a heartbeat with a seq", FRAME_HEARTBEAT, 1, BYTES(NULL, 0));
    bad_frame("a heartbeat with more", FRAME_HEARTBEAT, 0, BYTES("x", 1));
    bad_frame("a short count", FRAME_EXPIRED, 1, BYTES("abc", 3));
    bad_frame("a long count", FRAME_EXPIRED, 1, BYTES("abcde", 5));
    bad_frame("drained with more", FRAME_DRAINED, 1, BYTES("x", 1));
}

static void the_largest_envelope_fits_a_frame(void **state)
{
    static const uint8_t envelope[ENVELOPE_MAX];
    char handle[HANDLE_MAX + 1];
    struct buf rest = {0}, s = {0};
    struct frame f;

    memset(handle, 'a', HANDLE_MAX);
    handle[HANDLE_MAX] = 0;
    handle[63] = '@';
    for (size_t i = 63 + 1 + 63; i < HANDLE_MAX; i += 64)
        handle[i] = '.';
    assert_int_equal(frame_rest_envelope(handle, BYTES_OF(envelope), &rest), WAX_OK);
    assert_int_equal(frame_encode(FRAME_ENVELOPE, 1, 1, buf_view(&rest), &s), WAX_OK);
    struct bytes in = buf_view(&s);
    assert_int_equal(frame_next(&in, &f), WAX_OK);
    assert_int_equal(f.envelope.n, ENVELOPE_MAX);
    buf_zero(&rest, FRAME_MAX);
    assert_int_equal(frame_encode(FRAME_ENVELOPE, 1, 1, buf_view(&rest), &s), WAX_E_TOOBIG);
    assert_int_equal(frame_rest_envelope("Ann@b", BYTES("x", 1), &rest), WAX_E_INVAL);
    buf_done(&rest);
    buf_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_of_the_vectors_go_both_ways),
        cmocka_unit_test(link_records_of_the_vectors_go_both_ways),
        cmocka_unit_test(sealed_records_of_a_wrong_size_are_refused),
        cmocka_unit_test(the_link_code_is_read_as_people_pass_it_on),
        cmocka_unit_test(every_digit_of_the_link_code_is_base64url),
        cmocka_unit_test(link_records_hold_only_names_handles_and_points),
        cmocka_unit_test(a_stream_gives_its_frames_wherever_it_is_cut),
        cmocka_unit_test(frames_carry_their_fields),
        cmocka_unit_test(frames_that_are_none_end_the_stream),
        cmocka_unit_test(the_largest_envelope_fits_a_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
