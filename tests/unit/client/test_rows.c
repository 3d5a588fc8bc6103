/* The rows of the client's own tables: what is written can be read, and nothing shorter. */
#include "stage.h"

#include <stdlib.h>

static struct item a_message(void)
{
    struct item it = {.type = ITEM_MESSAGE,
                      .state = ITEM_ACCEPTED,
                      .own = true,
                      .sent_at = 5,
                      .received_at = UINT64_MAX,
                      .count = 3};

    memset(it.com.b, 0xab, sizeof it.com.b);
    item_short(it.conversation, sizeof it.conversation, BOB);
    item_short(it.from, sizeof it.from, ANN);
    item_short(it.to, sizeof it.to, BOB);
    item_short(it.detail, sizeof it.detail, "a detail");
    buf_str(&it.text, "hello");
    return it;
}

static void an_item_comes_back_as_it_was(void **state)
{
    struct item it = a_message(), back = {0};
    struct buf b = {0}, again = {0};

    (void)state;
    ok(item_encode(&it, &b));
    ok(item_decode(buf_view(&b), &back));
    assert_true(back.own && !back.needs_newer);
    assert_int_equal(back.count, 3);
    assert_string_equal(back.to, BOB);
    assert_true(bytes_eq(buf_view(&back.text), BYTES_STR("hello")));
    ok(item_encode(&back, &again));
    assert_true(bytes_eq(buf_view(&b), buf_view(&again)));
    buf_done(&b);
    buf_done(&again);
    item_done(&it);
    item_done(&back);
}

/* The decoder reads from a block of exactly n bytes, so that the sanitizer sees a step too far. */
static wax_rc from_exact(struct bytes in, wax_rc (*decode)(struct bytes in))
{
    uint8_t *p = malloc(in.n + !in.n);

    assert_non_null(p);
    if (in.n)
        memcpy(p, in.p, in.n);
    wax_rc rc = decode(BYTES(p, in.n));
    free(p);
    return rc;
}

static wax_rc decode_item(struct bytes in)
{
    struct item it = {0};
    wax_rc rc = item_decode(in, &it);

    item_done(&it);
    return rc;
}

static wax_rc decode_outbox(struct bytes in)
{
    struct outbox o = {0};
    wax_rc rc = outbox_decode(in, &o);

    outbox_done(&o);
    return rc;
}

static void no_part(const struct buf *b, wax_rc (*decode)(struct bytes in))
{
    struct buf more = {0};

    for (size_t n = 0; n < b->n; n++)
        assert_int_equal(from_exact(BYTES(b->p, n), decode), WAX_E_DAMAGED);
    buf_bytes(&more, buf_view(b));
    buf_u8(&more, 0);
    assert_int_equal(from_exact(buf_view(&more), decode), WAX_E_DAMAGED);
    buf_done(&more);
}

static void a_part_of_an_item_is_damage(void **state)
{
    struct item it = a_message();
    struct buf b = {0};

    (void)state;
    ok(item_encode(&it, &b));
    no_part(&b, decode_item);
    b.p[1] = 0; /* no such type */
    assert_int_equal(from_exact(buf_view(&b), decode_item), WAX_E_DAMAGED);
    buf_done(&b);
    item_done(&it);
}

static void a_queued_message_comes_back_as_it_was(void **state)
{
    struct outbox o = {.kind = OUTBOX_TEXT,
                       .has_fanout = true,
                       .why = 7,
                       .created = 1,
                       .history = 2},
                  back = {0};
    struct buf b = {0}, again = {0};
    uint8_t dev[16] = {1};

    (void)state;
    buf_add(&o.done, dev, sizeof dev);
    buf_str(&o.content, "content");
    ok(outbox_encode(&o, &b));
    ok(outbox_decode(buf_view(&b), &back));
    ok(outbox_encode(&back, &again));
    assert_true(bytes_eq(buf_view(&b), buf_view(&again)));
    assert_true(outbox_has(&back, (const struct dev_id *)dev));
    dev[0] = 2;
    assert_false(outbox_has(&back, (const struct dev_id *)dev));
    no_part(&b, decode_outbox);
    buf_done(&b);
    buf_done(&again);
    outbox_done(&o);
    outbox_done(&back);
}

static void a_long_field_is_cut_between_characters(void **state)
{
    char field[6];

    (void)state;
    item_short(field, sizeof field, "abc\xc3\xa4\xc3\xa4");
    assert_string_equal(field, "abc\xc3\xa4");
    item_short(field, 5, "abc\xc3\xa4\xc3\xa4");
    assert_string_equal(field, "abc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_comes_back_as_it_was),
        cmocka_unit_test(a_part_of_an_item_is_damage),
        cmocka_unit_test(a_queued_message_comes_back_as_it_was),
        cmocka_unit_test(a_long_field_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
