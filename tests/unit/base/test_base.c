/* base: codecs that stick to their bounds, text that cannot drive a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/label.h"
#include "base/mem.h"
#include "base/text.h"

static void reader_cannot_run_past_its_end(void **state)
{
    (void)state;
    uint8_t in[] = {0, 2, 'h', 'i', 9};
    struct rd r = rd_init(BYTES_OF(in));

    struct bytes s = rd_lp(&r, 2);
    assert_int_equal(s.n, 2);
    assert_int_equal(rd_end(&r), WAX_R_PARSE); /* a leftover byte */
    assert_int_equal(rd_u8(&r), 9);
    assert_int_equal(rd_end(&r), WAX_OK);
    assert_int_equal(rd_u32(&r), 0);
    assert_int_equal(rd_end(&r), WAX_R_PARSE);
}

static void length_over_its_cap_is_refused(void **state)
{
    (void)state;
    uint8_t in[] = {0, 3, 'a', 'b', 'c'};
    struct rd r = rd_init(BYTES_OF(in));

    (void)rd_lp(&r, 2);
    assert_int_equal(rd_end(&r), WAX_R_PARSE);
}

static int fail_all(size_t n)
{
    (void)n;
    return 1;
}

static void buffer_errors_stick(void **state)
{
    (void)state;
    struct buf b = {0};

    buf_str(&b, "kept");
    mem_set_fault(fail_all);
    buf_zero(&b, 1000);
    mem_set_fault(NULL);
    buf_str(&b, "dropped");
    assert_int_equal(buf_rc(&b), WAX_E_NOMEM);
    assert_int_equal(b.n, 4);
    buf_done(&b);
}

static void base64url_takes_only_the_canonical_form(void **state)
{
    (void)state;
    uint8_t in[] = {0xff, 0xee}, out[2];
    struct buf b = {0};

    base64url_encode(&b, BYTES_OF(in));
    assert_memory_equal(b.p, "_-4", 3);
    assert_int_equal(base64url_decode("_-4", 3, out, 2), WAX_OK);
    assert_memory_equal(out, in, 2);
    assert_int_equal(base64url_decode("_-5", 3, out, 2), WAX_R_PARSE);
    assert_int_equal(base64url_decode("_-4=", 4, out, 2), WAX_R_PARSE);
    buf_done(&b);
}

static void handles_are_folded_or_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "@", "a@", "@b", "a b@c", "a@b@c", "a@-b", "a@b-", "a@b..c", ".a@b", "a@b.", "a\xc3\xa4@b"};
    char out[318];

    assert_int_equal(handle_fold("Ann@Example.ORG", out), WAX_OK);
    assert_string_equal(out, "ann@example.org");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(handle_fold(bad[i], out), WAX_E_INVAL);
}

static void text_of_others_cannot_drive_the_terminal(void **state)
{
    (void)state;
    static const char in[] = "a\x1b[2J\xe2\x80\xae\xc2\x9b\xff\n\xc3\xa4";
    struct buf b = {0};

    text_escape(&b, BYTES(in, sizeof in - 1), false);
    assert_string_equal(buf_cstr(&b), "a\\x1b[2J\\u{202e}\\x9b\\xff\\x0a\xc3\xa4");
    buf_done(&b);
}

static void times_sizes_and_durations(void **state)
{
    (void)state;
    char t[32];
    uint64_t v;

    format_time(1767225600123ULL, t);
    assert_string_equal(t, "2026-01-01T00:00:00.123Z");
    format_time(951827696000ULL, t); /* a leap day */
    assert_string_equal(t, "2000-02-29T12:34:56.000Z");
    assert_int_equal(parse_duration("7d", &v), WAX_OK);
    assert_int_equal(v, 604800000);
    assert_int_equal(parse_duration("7", &v), WAX_E_INVAL);
    assert_int_equal(parse_duration("99999999999999999999d", &v), WAX_E_INVAL);
    assert_int_equal(parse_size("256M", &v), WAX_OK);
    assert_int_equal(v, 256 << 20);
    assert_int_equal(parse_u64("18446744073709551616", &v), WAX_E_INVAL);
}

static void refusal_classes_have_their_names(void **state)
{
    (void)state;
    assert_string_equal(rc_refusal(WAX_R_PARSE), "parse");
    assert_string_equal(rc_refusal(WAX_R_EQUIVOCATION), "equivocation");
    assert_int_equal(rc_from_refusal("conversation"), WAX_R_CONVERSATION);
    assert_null(rc_refusal(WAX_E_IO));
    assert_null(rc_refusal((wax_rc)-120));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reader_cannot_run_past_its_end),
        cmocka_unit_test(length_over_its_cap_is_refused),
        cmocka_unit_test(buffer_errors_stick),
        cmocka_unit_test(base64url_takes_only_the_canonical_form),
        cmocka_unit_test(handles_are_folded_or_refused),
        cmocka_unit_test(text_of_others_cannot_drive_the_terminal),
        cmocka_unit_test(times_sizes_and_durations),
        cmocka_unit_test(refusal_classes_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
