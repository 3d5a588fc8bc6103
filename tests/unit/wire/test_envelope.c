/* Envelopes and P (RECORDS 5, 6). */
#include "wire_test.h"

#include "wire/envelope.h"

static void reencode(const struct envelope *e, struct bytes in)
{
    struct buf hdr = {0}, out = {0};

    assert_int_equal(env_hdr_encode(&e->hdr, &hdr), WAX_OK);
    assert_bytes(buf_view(&hdr), e->raw_hdr);
    assert_int_equal(envelope_encode(buf_view(&hdr), e->body, &e->fanout, &out), WAX_OK);
    assert_bytes(buf_view(&out), in);
    buf_done(&hdr);
    buf_done(&out);
}

/* The classes that the parser gives; all others are found later. */
static wax_rc parsed_as(const char *name, wax_rc cls)
{
    if (cls == WAX_R_PARSE || (cls == WAX_R_POINT && strncmp(name, "E begins", 8) == 0))
        return cls;
    return WAX_OK;
}

static void every_case_of_negative_json_parses_or_is_refused_as_said(void **state)
{
    json_t *root = vec_load("wax1/negative.json"), *it;
    size_t i, refused = 0, taken = 0;

    json_array_foreach(vec_get(root, "cases"), i, it)
    {
        struct buf in = {0};
        struct envelope e;
        const char *name = vec_str(it, "name");
        vec_hex(it, "envelope", &in);
        if (vec_has(it, "append_zeros"))
            buf_zero(&in, vec_u64(it, "append_zeros"));
        wax_rc got = envelope_decode(buf_view(&in), &e);
        assert_class(name, got, parsed_as(name, vec_class(it, "result")));
        if (got == WAX_OK)
            reencode(&e, buf_view(&in));
        refused += got != WAX_OK;
        taken += got == WAX_OK;
        buf_done(&in);
    }
    assert_int_equal(refused, 43 + 5);
    assert_int_equal(taken, 165 - 48);
    json_decref(root);
}

static void fanout_holds(const char *file)
{
    json_t *root = vec_load(file), *it;
    size_t i;

    json_array_foreach(vec_get(root, "recipients"), i, it)
    {
        struct buf in = {0}, hdr = {0}, body = {0}, p = {0}, back = {0};
        struct envelope e;
        struct payload plain;
        struct fanout_id id;
        vec_hex(it, "envelope", &in);
        vec_hex(it, "hdr", &hdr);
        vec_hex(it, "body", &body);
        vec_hex(it, "P", &p);
        vec_fixed(root, "fanout_id", id.b, sizeof id.b);
        assert_int_equal(envelope_decode(buf_view(&in), &e), WAX_OK);
        assert_bytes(e.raw_hdr, buf_view(&hdr));
        assert_bytes(e.body, buf_view(&body));
        assert_true(ID_EQ(&id, &e.fanout.id));
        assert_int_equal(e.fanout.depth, vec_u64(root, "depth"));
        assert_int_equal(e.fanout.index, vec_u64(it, "index"));
        reencode(&e, buf_view(&in));
        bool init = e.hdr.type == ENV_INIT;
        assert_int_equal(payload_decode(buf_view(&p), init, &plain), WAX_OK);
        assert_int_equal(payload_encode(&plain, init, &back), WAX_OK);
        assert_bytes(buf_view(&back), buf_view(&p));
        buf_reset(&back);
        vec_hex(root, "content", &back);
        assert_bytes(plain.content, buf_view(&back));
        buf_done(&in);
        buf_done(&hdr);
        buf_done(&body);
        buf_done(&p);
        buf_done(&back);
    }
    assert_true(i > 0);
    json_decref(root);
}

static void fanouts_of_the_vectors_decode_and_encode(void **state)
{
    fanout_holds("wax1/fanout-1.json");
    fanout_holds("wax1/fanout-3.json");
    fanout_holds("wax1/fanout-20.json");
}

static void messages_of_a_whole_session_decode_and_encode(void **state)
{
    json_t *root = vec_load("wax1/ratchet.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "messages"), i, it)
    {
        struct buf in = {0};
        struct envelope e;
        vec_hex(it, "envelope", &in);
        assert_int_equal(envelope_decode(buf_view(&in), &e), WAX_OK);
        assert_int_equal(e.hdr.epoch, vec_u64(it, "epoch"));
        assert_int_equal(e.hdr.ctr, vec_u64(it, "ctr"));
        reencode(&e, buf_view(&in));
        buf_done(&in);
    }
    assert_true(i > 0);
    json_decref(root);
}

/* RECORDS 5, "Sizes". */
static void sizes_are_those_of_the_text(void **state)
{
    static const uint8_t bytes[BODY_MAX];
    static const struct {
        uint8_t type, flags, depth;
        size_t hdr, c, whole;
    } rows[] = {
        {ENV_MSG, 0, 0, HDR_MSG, 1024, 1304},
        {ENV_MSG, ENV_FLAG_KP, 0, 1313, 1024, 1304 + 1184},
        {ENV_MSG, ENV_FLAG_CT, 0, 1217, 1024, 1304 + 1088},
        {ENV_INIT, ENV_FLAG_CT, 0, HDR_INIT, 1024, 2888},
        {ENV_MSG, 3, 0, HDR_MAX, 1024, 3576},
        {ENV_MSG, 3, 12, HDR_MAX, P_MAX, 260984},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct env_hdr h = {.type = rows[i].type, .flags = rows[i].flags};
        struct env_fanout f = {.depth = rows[i].depth};
        struct buf hdr = {0}, out = {0};
        struct envelope e;
        h.epoch = h.type == ENV_MSG ? 2 : 0;
        h.e.b[0] = 4;
        if (h.flags & ENV_FLAG_KP)
            h.kp = BYTES(bytes, KEM768_EK_SIZE);
        if (h.flags & ENV_FLAG_CT)
            h.ct = BYTES(bytes, h.type == ENV_INIT ? KEM1024_CT_SIZE : KEM768_CT_SIZE);
        assert_int_equal(env_hdr_encode(&h, &hdr), WAX_OK);
        assert_int_equal(hdr.n, rows[i].hdr);
        struct bytes body = {bytes, rows[i].c + TAG_SIZE};
        assert_int_equal(envelope_encode(buf_view(&hdr), body, &f, &out), WAX_OK);
        assert_int_equal(out.n, rows[i].whole);
        assert_int_equal(envelope_decode(buf_view(&out), &e), WAX_OK);
        assert_int_equal(env_hdr_decode(buf_view(&hdr), &h), WAX_OK);
        buf_done(&hdr);
        buf_done(&out);
    }
}

static void an_encoder_refuses_what_no_decoder_would_take(void **state)
{
    static const uint8_t bytes[HDR_MAX];
    struct env_hdr h = {.type = ENV_MSG, .epoch = 1};
    struct env_fanout f = {0};
    struct buf out = {0}, hdr = {0};

    assert_int_equal(env_hdr_encode(&h, &out), WAX_E_INVAL); /* E does not begin with 04 */
    h.e.b[0] = 4;
    h.pcl = 1;
    assert_int_equal(env_hdr_encode(&h, &out), WAX_E_INVAL);
    h.pcl = 0;
    h.ct = BYTES(bytes, KEM768_CT_SIZE); /* not said in flags */
    assert_int_equal(env_hdr_encode(&h, &out), WAX_E_INVAL);
    h.ct = (struct bytes){0};
    assert_int_equal(env_hdr_encode(&h, &hdr), WAX_OK);
    struct bytes body = {bytes, BODY_MIN};
    assert_int_equal(envelope_encode(BYTES(bytes, HDR_MSG), body, &f, &out), WAX_E_INVAL);
    body.n++;
    assert_int_equal(envelope_encode(buf_view(&hdr), body, &f, &out), WAX_E_INVAL);
    body.n--;
    f.index = 1;
    assert_int_equal(envelope_encode(buf_view(&hdr), body, &f, &out), WAX_E_INVAL);
    f.depth = 13;
    assert_int_equal(envelope_encode(buf_view(&hdr), body, &f, &out), WAX_E_INVAL);
    assert_int_equal(out.n, 0);
    buf_done(&out);
    buf_done(&hdr);
}

static void padding_is_that_of_the_vectors(void **state)
{
    json_t *root = vec_load("wax1/padding.json"), *it;
    size_t i;

    json_array_foreach(vec_get(root, "cases"), i, it)
        assert_int_equal(payload_pad(vec_u64(it, "x")), vec_u64(it, "pad"));
    assert_true(i >= 19);
    json_array_foreach(vec_get(root, "padme"), i, it)
        assert_int_equal(padme(vec_u64(it, "x")), vec_u64(it, "padme"));
    assert_true(i >= 9);
    json_decref(root);
}

static void a_size_is_valid_exactly_when_some_content_has_it(void **state)
{
    static bool reached[P_MAX + 1];

    for (size_t x = P_FIXED + 1; x <= P_MAX; x++)
        reached[payload_pad(x)] = true;
    for (size_t n = 0; n <= P_MAX; n++)
        assert_int_equal(payload_size_valid(n), reached[n]);
    assert_false(payload_size_valid(P_MAX + 1));
    assert_false(payload_size_valid(padme(P_MAX + 1)));
}

static struct payload full(bool init)
{
    struct payload p = {.my_seq = 1, .your_seq = 2, .skipped = 1};

    if (init) {
        p.start = 1;
        p.cont_sid.b[0] = p.cont_mac.b[0] = 1;
    } else {
        p.echo_count = 1;
    }
    p.my_hash.b[0] = p.your_hash.b[0] = p.checkpoint.b[123] = 1;
    p.content = BYTES("hello", 5);
    return p;
}

/* Bytes set in a P that holds, and that it then does not. */
static void p_is_refused_for_each_reason_of_the_text(void **state)
{
    static const struct {
        const char *what;
        bool init;
        size_t at, n;
        uint8_t value;
    } rows[] = {
        {"content length 0", true, 3, 1, 0},
        {"content length over the cap", true, 0, 1, 1},
        {"a length that pads to another size", true, 2, 1, 3},
        {"padding not zero", true, 1023, 1, 1},
        {"padding not zero, first byte", false, 297, 1, 1},
        {"start 0", true, 43, 1, 0},
        {"start 2^63", true, 36, 1, 0x80},
        {"echo epoch without a count", false, 36, 8, 0},
        {"my hash without a seq", true, 44, 4, 0},
        {"your hash without a seq", false, 80, 4, 0},
        {"skipped devices of no manifest", false, 80, 36, 0},
        {"continuity in a MSG", false, 244, 1, 1},
        {"a continuity MAC in a MSG", false, 260, 1, 1},
        {"a continuity MAC without a session", true, 244, 16, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct payload p = full(rows[i].init), back;
        struct buf b = {0};
        assert_int_equal(payload_encode(&p, rows[i].init, &b), WAX_OK);
        assert_int_equal(b.n, P_MIN);
        assert_int_equal(payload_decode(buf_view(&b), rows[i].init, &back), WAX_OK);
        memset(b.p + rows[i].at, rows[i].value, rows[i].n);
        if (strcmp(rows[i].what, "echo epoch without a count") == 0)
            b.p[39] = 1;
        assert_class(rows[i].what, payload_decode(buf_view(&b), rows[i].init, &back),
                     WAX_R_PAYLOAD);
        buf_done(&b);
    }
}

static void p_of_any_other_length_is_refused(void **state)
{
    struct payload p = full(true), back;
    struct buf b = {0};

    assert_int_equal(payload_encode(&p, true, &b), WAX_OK);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(payload_decode(BYTES(b.p, n), true, &back), WAX_R_PAYLOAD);
    buf_zero(&b, 64);
    assert_int_equal(payload_decode(buf_view(&b), true, &back), WAX_R_PAYLOAD);
    buf_done(&b);
}

static void content_of_every_size_up_to_the_cap_goes_through(void **state)
{
    static const uint8_t text[CONTENT_MAX + 1];
    struct payload p = full(false), back;
    struct buf b = {0};

    for (size_t n = 1; n <= CONTENT_MAX; n += n < 2000 ? 1 : 25574) {
        buf_reset(&b);
        p.content = BYTES(text, n);
        assert_int_equal(payload_encode(&p, false, &b), WAX_OK);
        assert_true(payload_size_valid(b.n));
        assert_int_equal(payload_decode(buf_view(&b), false, &back), WAX_OK);
        assert_int_equal(back.content.n, n);
    }
    buf_reset(&b);
    p.content.n = CONTENT_MAX;
    assert_int_equal(payload_encode(&p, false, &b), WAX_OK);
    assert_int_equal(b.n, P_MAX);
    p.content.n = CONTENT_MAX + 1;
    assert_int_equal(payload_encode(&p, false, &b), WAX_E_TOOBIG);
    p.content.n = 0;
    assert_int_equal(payload_encode(&p, false, &b), WAX_E_TOOBIG);
    p = full(true);
    assert_int_equal(payload_encode(&p, false, &b), WAX_E_INVAL);
    assert_int_equal(b.n, P_MAX);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_negative_json_parses_or_is_refused_as_said),
        cmocka_unit_test(fanouts_of_the_vectors_decode_and_encode),
        cmocka_unit_test(messages_of_a_whole_session_decode_and_encode),
        cmocka_unit_test(sizes_are_those_of_the_text),
        cmocka_unit_test(an_encoder_refuses_what_no_decoder_would_take),
        cmocka_unit_test(padding_is_that_of_the_vectors),
        cmocka_unit_test(a_size_is_valid_exactly_when_some_content_has_it),
        cmocka_unit_test(p_is_refused_for_each_reason_of_the_text),
        cmocka_unit_test(p_of_any_other_length_is_refused),
        cmocka_unit_test(content_of_every_size_up_to_the_cap_goes_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
