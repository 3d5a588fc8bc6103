/* Linking a new device (PROTOCOL 5.1): ann's new laptop N, her phone O, and who comes between. */
#include "room.h"

struct story {
    struct person ann;
    struct device_keys laptop;
    struct link_new *n;
    struct link_old *o;
    struct room room;
    struct rng rng;
    struct link_out out;
};

static void begin_as(struct story *s, uint64_t seed, const char *asked)
{
    struct link_old_in in = {.keys = &s->ann.keys, .head = &s->ann.head};

    memset(s, 0, sizeof(*s));
    person_make(&s->ann, "ann@example.org", true, seed);
    s->rng = people_rng(seed + 1000);
    assert_int_equal(device_keys_make(&s->rng, &s->laptop), WAX_OK);
    assert_int_equal(link_new_start(&s->laptop, "laptop", asked, &s->rng, &s->n), WAX_OK);
    in.code = link_new_code(s->n);
    assert_int_equal(link_old_start(&in, &s->rng, &s->o), WAX_OK);
    assert_memory_equal(link_new_rid(s->n), link_old_rid(s->o), LINK_RID);
}

static void begin(struct story *s, uint64_t seed) { begin_as(s, seed, "ann@example.org"); }

static void end(struct story *s)
{
    link_new_free(s->n);
    link_old_free(s->o);
    room_done(&s->room);
    device_keys_done(&s->laptop);
    person_done(&s->ann);
}

static wax_rc step_n(struct story *s)
{
    return link_new_step(s->n, s->room.view, s->room.n, &s->rng, NOW, &s->out);
}

static wax_rc step_o(struct story *s)
{
    return link_old_step(s->o, s->room.view, s->room.n, NOW, &s->out);
}

/* A step that must be a post of that number, and is posted. */
static void post(struct story *s, wax_rc (*step)(struct story *), uint8_t number)
{
    assert_int_equal(step(s), WAX_OK);
    assert_int_equal(s->out.event, LINK_POST);
    assert_int_equal(s->out.step, number);
    room_post(&s->room, s->out.post);
}

/* Up to O's question; gives the digits that N shows. */
static void until_asked(struct story *s, char digits[LINK_DIGITS + 1])
{
    post(s, step_n, 1);
    assert_int_equal(step_n(s), WAX_E_WAIT);
    post(s, step_o, 2);
    assert_int_equal(step_o(s), WAX_E_WAIT);
    post(s, step_n, 3);
    assert_int_equal(step_n(s), WAX_OK);
    assert_int_equal(s->out.event, LINK_SHOW);
    memcpy(digits, s->out.digits, LINK_DIGITS + 1);
    assert_string_equal(s->out.handle, "ann@example.org");
    assert_true(ID_EQ(s->out.acct, &s->ann.head.manifest.acct));
    assert_int_equal(step_n(s), WAX_E_WAIT);
    assert_int_equal(step_o(s), WAX_OK);
    assert_int_equal(s->out.event, LINK_ASK);
    assert_string_equal(s->out.name, "laptop");
}

static void a_new_device_is_linked(void **state)
{
    struct story s;
    char digits[LINK_DIGITS + 1];
    struct bundle b;

    (void)state;
    begin(&s, 1);
    until_asked(&s, digits);
    assert_int_equal(step_o(&s), WAX_E_INVAL); /* asks once; no harm done */
    assert_int_equal(link_old_published(s.o), WAX_E_INVAL);
    assert_int_equal(link_old_typed(s.o, digits), WAX_OK);
    post(&s, step_o, 4);
    post(&s, step_n, 5);
    assert_non_null(s.out.prekey);
    assert_int_equal(step_o(&s), WAX_OK);
    assert_int_equal(s.out.event, LINK_PUBLISH);
    assert_int_equal(judge_after(&s.ann, s.out.chain_link, NOW), WAX_OK);
    assert_int_equal(bundle_decode(s.out.bundle_record, &b), WAX_OK);
    person_take(&s.ann, s.out.chain_link);
    assert_int_equal(step_o(&s), WAX_E_INVAL); /* not before the server has it */
    assert_int_equal(link_old_published(s.o), WAX_OK);
    post(&s, step_o, 6);
    assert_int_equal(step_o(&s), WAX_OK);
    assert_int_equal(s.out.event, LINK_DONE);
    assert_string_equal(link_old_state(s.o), "done");
    assert_int_equal(step_n(&s), WAX_OK);
    assert_int_equal(s.out.event, LINK_DONE);
    assert_true(ID_EQ(s.out.manifest_hash, &s.ann.head.hash));
    assert_true(ID_EQ(ec_public(s.out.prekey->spk), &b.spk));
    assert_int_equal(s.ann.head.manifest.n_devices, 2);
    assert_string_equal(s.ann.head.manifest.devices[1].name, "laptop");
    assert_int_equal(step_n(&s), WAX_E_INVAL);
    end(&s);
}

static void digits_with_spaces_are_the_same_digits(void **state)
{
    struct story s;
    char digits[LINK_DIGITS + 1], spaced[16];

    (void)state;
    begin(&s, 2);
    until_asked(&s, digits);
    snprintf(spaced, sizeof(spaced), " %.3s %.3s\n", digits, digits + 3);
    assert_int_equal(link_old_typed(s.o, spaced), WAX_OK);
    end(&s);
}

static void a_wrong_code_ends_it_and_there_is_no_second_try(void **state)
{
    static const char *const slips[] = {"", "12345", "1234567", "abcdef"};
    struct story s;
    char digits[LINK_DIGITS + 1], wrong[LINK_DIGITS + 1];

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        begin(&s, 10 + i);
        until_asked(&s, digits);
        memcpy(wrong, digits, sizeof(wrong));
        wrong[5] = wrong[5] == '0' ? '1' : '0';
        assert_int_equal(link_old_typed(s.o, i < 4 ? slips[i] : wrong), WAX_E_DENIED);
        assert_int_equal(link_old_typed(s.o, digits), WAX_E_INVAL);
        assert_int_equal(step_o(&s), WAX_E_INVAL);
        assert_string_equal(link_old_state(s.o), "over");
        end(&s);
    }
}

/* Who has the link code (it was photographed) can seal records; what he cannot do is be N. */
static void secret_of(const struct story *s, uint8_t secret[16])
{
    struct link_code code;

    assert_int_equal(link_code_from_text(link_new_code(s->n), &code), WAX_OK);
    memcpy(secret, code.secret, 16);
}

static void forge_record(struct story *s, uint8_t k, struct bytes plain)
{
    uint8_t secret[16];
    struct buf sealed = {0};

    secret_of(s, secret);
    assert_int_equal(link_seal(secret, k, plain, &sealed), WAX_OK);
    room_post(&s->room, buf_view(&sealed));
    buf_done(&sealed);
}

static void a_swapped_device_is_seen_by_the_link_code(void **state)
{
    struct story s;
    struct device_keys thief;
    struct link1 l1 = {.suite = 1, .name = "laptop"};
    struct buf plain = {0};
    struct hash32 r = {{9}};

    (void)state;
    begin(&s, 20);
    assert_int_equal(device_keys_make(&s.rng, &thief), WAX_OK);
    l1.dsk = *ec_public(thief.dsk);
    l1.dtk = *ec_public(thief.dtk);
    assert_int_equal(link1_encode(&l1, &plain), WAX_OK);
    forge_record(&s, 1, buf_view(&plain));
    post(&s, step_o, 2);
    forge_record(&s, 3, BYTES_OF(r.b));
    assert_int_equal(step_o(&s), WAX_R_CHAIN);
    assert_int_equal(step_o(&s), WAX_E_INVAL);
    buf_done(&plain);
    device_keys_done(&thief);
    end(&s);
}

static void a_swapped_account_gives_other_digits(void **state)
{
    struct story s;
    struct person mallory;
    struct link_old_in in;
    struct link_old *evil = NULL;
    struct link_out out;
    char digits[LINK_DIGITS + 1], shown[LINK_DIGITS + 1];

    (void)state;
    begin(&s, 21);
    person_make(&mallory, "ann@example.org", false, 500);
    in = (struct link_old_in){
        .code = link_new_code(s.n), .keys = &mallory.keys, .head = &mallory.head};
    assert_int_equal(link_old_start(&in, &s.rng, &evil), WAX_OK);
    post(&s, step_n, 1);
    /* mallory answers N first; ann's phone talks to a room of mallory's own making. */
    struct room other = {0};
    room_post(&other, s.room.view[0]);
    assert_int_equal(link_old_step(s.o, other.view, other.n, NOW, &out), WAX_OK);
    room_post(&other, out.post);
    assert_int_equal(link_old_step(evil, s.room.view, s.room.n, NOW, &out), WAX_OK);
    room_post(&s.room, out.post);
    post(&s, step_n, 3);
    assert_int_equal(step_n(&s), WAX_OK);
    memcpy(shown, s.out.digits, sizeof(shown));
    assert_true(ID_EQ(s.out.acct, &mallory.head.manifest.acct));
    room_post(&other, s.room.view[2]);
    assert_int_equal(link_old_step(s.o, other.view, other.n, NOW, &out), WAX_OK);
    assert_int_equal(out.event, LINK_ASK);
    memcpy(digits, shown, sizeof(digits));
    assert_int_equal(link_old_typed(s.o, digits), WAX_E_DENIED);
    room_done(&other);
    link_old_free(evil);
    person_done(&mallory);
    end(&s);
}

static void another_handle_than_asked_for_is_refused_by_the_new_device(void **state)
{
    struct story s;

    (void)state;
    begin_as(&s, 22, "anne@example.org");
    post(&s, step_n, 1);
    post(&s, step_o, 2);
    assert_int_equal(step_n(&s), WAX_E_DENIED);
    assert_int_equal(step_n(&s), WAX_E_INVAL);
    assert_string_equal(link_new_state(s.n), "over");
    end(&s);
}

static void post_end(struct story *s, wax_rc (*how)(struct story *, struct bytes *))
{
    struct bytes record;

    assert_int_equal(how(s, &record), WAX_OK);
    room_post(&s->room, record);
    assert_int_equal(how(s, &record), WAX_E_INVAL); /* once */
}

static wax_rc end_n(struct story *s, struct bytes *ret) { return link_new_end(s->n, ret); }
static wax_rc end_o(struct story *s, struct bytes *ret) { return link_old_end(s->o, ret); }

static void who_typed_wrong_digits_tells_the_new_device(void **state)
{
    struct story s;
    char digits[LINK_DIGITS + 1];

    (void)state;
    begin(&s, 60);
    until_asked(&s, digits);
    digits[0] = digits[0] == '0' ? '1' : '0';
    assert_int_equal(link_old_typed(s.o, digits), WAX_E_DENIED);
    assert_int_equal(link_new_ended(s.n), LINK_END_NONE);
    post_end(&s, end_o);
    assert_int_equal(step_n(&s), WAX_E_CANCELLED);
    assert_int_equal(link_new_ended(s.n), LINK_END_DIGITS);
    assert_int_equal(step_n(&s), WAX_E_INVAL);
    end(&s);
}

static void who_types_nothing_tells_it_too(void **state)
{
    struct story s;
    char digits[LINK_DIGITS + 1];

    (void)state;
    begin(&s, 61);
    until_asked(&s, digits);
    post_end(&s, end_o);
    assert_int_equal(link_old_typed(s.o, digits), WAX_E_INVAL);
    assert_int_equal(step_n(&s), WAX_E_CANCELLED);
    assert_int_equal(link_new_ended(s.n), LINK_END_OTHER);
    end(&s);
}

static void a_new_device_tells_the_wrong_account(void **state)
{
    struct story s;
    struct bytes record;

    (void)state;
    begin_as(&s, 62, "anne@example.org");
    assert_int_equal(end_n(&s, &record), WAX_E_INVAL);
    post(&s, step_n, 1);
    post(&s, step_o, 2);
    assert_int_equal(end_o(&s, &record), WAX_E_INVAL);
    assert_int_equal(step_n(&s), WAX_E_DENIED);
    post_end(&s, end_n);
    assert_int_equal(step_o(&s), WAX_E_CANCELLED);
    assert_int_equal(link_old_ended(s.o), LINK_END_ACCOUNT);
    assert_int_equal(step_o(&s), WAX_E_INVAL);
    end(&s);
}

static void an_end_is_sealed_for_its_number_alone(void **state)
{
    struct story s;
    char digits[LINK_DIGITS + 1];
    struct bytes record;

    (void)state;
    begin(&s, 63);
    until_asked(&s, digits);
    assert_int_equal(link_old_typed(s.o, digits), WAX_OK);
    post(&s, step_o, 4);
    assert_int_equal(end_o(&s, &record), WAX_E_INVAL); /* record 4 is out: N's turn */
    post(&s, step_n, 5);
    assert_int_equal(step_o(&s), WAX_OK);
    assert_int_equal(s.out.event, LINK_PUBLISH);
    assert_int_equal(end_o(&s, &record), WAX_E_INVAL); /* perhaps published */
    assert_int_equal(link_old_lost(s.o), WAX_OK);
    post_end(&s, end_o);
    assert_int_equal(step_n(&s), WAX_E_CANCELLED);
    assert_int_equal(link_new_ended(s.n), LINK_END_OTHER);
    end(&s);
}

static void a_code_that_was_answered_is_not_answered_again(void **state)
{
    struct story s;
    struct link_old *second = NULL;

    (void)state;
    begin(&s, 64);
    post(&s, step_n, 1);
    post(&s, step_o, 2);
    struct link_old_in in = {.code = link_new_code(s.n), .keys = &s.ann.keys, .head = &s.ann.head};
    assert_int_equal(link_old_start(&in, &s.rng, &second), WAX_OK);
    assert_int_equal(link_old_step(second, s.room.view, s.room.n, NOW, &s.out), WAX_E_EXISTS);
    struct bytes record;
    assert_int_equal(link_old_end(second, &record), WAX_E_INVAL);
    link_old_free(second);
    end(&s);
}

static void a_new_device_joins_no_other_manifest(void **state)
{
    struct story s;
    char digits[LINK_DIGITS + 1];
    struct manifest m;
    struct buf link = {0};
    struct chain_link c;

    (void)state;
    begin(&s, 23);
    until_asked(&s, digits);
    /* The last entry has its keys, but says a higher suite. */
    m = successor_of(&s.ann, NOW);
    assert_int_equal(device_keys_entry(&s.laptop, "laptop", &m.devices[1]), WAX_OK);
    m.devices[1].suite = 2;
    m.n_devices = 2;
    forge(&m, s.ann.keys.dsk, NULL, 0, &link);
    assert_int_equal(chain_link_decode(buf_view(&link), &c), WAX_OK);
    forge_record(&s, 4, c.record);
    assert_int_equal(step_n(&s), WAX_R_CHAIN);
    buf_done(&link);
    end(&s);
}

/* Record 5 with one byte of its plaintext changed. */
static void damaged_5(uint64_t seed, size_t at, wax_rc want)
{
    struct story s;
    char digits[LINK_DIGITS + 1];
    uint8_t secret[16];
    struct buf plain = {0};

    begin(&s, seed);
    until_asked(&s, digits);
    assert_int_equal(link_old_typed(s.o, digits), WAX_OK);
    post(&s, step_o, 4);
    assert_int_equal(step_n(&s), WAX_OK);
    secret_of(&s, secret);
    assert_int_equal(link_open(secret, 5, s.out.post, &plain), WAX_OK);
    plain.p[at] ^= 1;
    forge_record(&s, 5, buf_view(&plain));
    assert_int_equal(step_o(&s), want);
    assert_int_equal(step_o(&s), WAX_E_INVAL);
    buf_done(&plain);
    end(&s);
}

static void a_join_or_bundle_that_does_not_hold_is_not_published(void **state)
{
    (void)state;
    damaged_5(30, 0, WAX_R_CHAIN);                /* join of another device id */
    damaged_5(31, 16 + 40, WAX_R_SIGNATURE);      /* join by DSK */
    damaged_5(32, 16 + 64 + 40, WAX_R_SIGNATURE); /* join by DTK */
    damaged_5(33, JOIN_SIZE + 3, WAX_R_CHAIN);    /* bundle of another device */
    damaged_5(34, JOIN_SIZE + BUNDLE_RECORD - 1, WAX_R_SIGNATURE);
}

static void records_seen_before_must_stay_as_they_were(void **state)
{
    struct story s;
    struct buf other = {0};

    (void)state;
    begin(&s, 40);
    post(&s, step_n, 1);
    post(&s, step_o, 2);
    buf_bytes(&other, s.room.view[0]);
    other.p[other.n - 1] ^= 1;
    s.room.view[0] = buf_view(&other);
    assert_int_equal(step_n(&s), WAX_R_CHAIN);
    buf_done(&other);
    end(&s);
}

static void a_flipped_bit_on_the_way_is_refused(void **state)
{
    struct story s;

    (void)state;
    begin(&s, 41);
    post(&s, step_n, 1);
    s.room.rec[0].p[60] ^= 4;
    assert_int_equal(step_o(&s), WAX_R_MAC);
    end(&s);
}

static void keys_off_the_curve_are_refused_before_any_question(void **state)
{
    struct story s;
    struct link1 l1 = {.suite = 1, .name = "laptop"};
    struct buf plain = {0};

    (void)state;
    begin(&s, 42);
    l1.dsk = *ec_public(s.laptop.dsk);
    l1.dtk = *ec_public(s.laptop.dtk);
    l1.dtk.b[64] ^= 1;
    assert_int_equal(link1_encode(&l1, &plain), WAX_OK);
    forge_record(&s, 1, buf_view(&plain));
    assert_int_equal(step_o(&s), WAX_R_POINT);
    buf_done(&plain);
    end(&s);
}

static void done_means_the_manifest_that_was_joined(void **state)
{
    struct story s;
    char digits[LINK_DIGITS + 1];
    struct hash32 other = {{7}};

    (void)state;
    begin(&s, 43);
    until_asked(&s, digits);
    assert_int_equal(link_old_typed(s.o, digits), WAX_OK);
    post(&s, step_o, 4);
    post(&s, step_n, 5);
    forge_record(&s, 6, BYTES_OF(other.b));
    assert_int_equal(step_n(&s), WAX_R_CHAIN);
    end(&s);
}

static void a_device_that_is_listed_already_cannot_be_linked_again(void **state)
{
    struct story s;
    struct link_new *again = NULL;
    char digits[LINK_DIGITS + 1];

    (void)state;
    begin(&s, 44);
    /* N runs with the phone's own keys. */
    assert_int_equal(link_new_start(&s.ann.keys, "laptop", "ann@example.org", &s.rng, &again),
                     WAX_OK);
    link_new_free(s.n);
    s.n = again;
    link_old_free(s.o);
    struct link_old_in in = {.code = link_new_code(s.n), .keys = &s.ann.keys, .head = &s.ann.head};
    assert_int_equal(link_old_start(&in, &s.rng, &s.o), WAX_OK);
    until_asked(&s, digits);
    assert_int_equal(link_old_typed(s.o, digits), WAX_OK);
    assert_int_equal(step_o(&s), WAX_E_EXISTS);
    end(&s);
}

static void what_cannot_be_begun_says_so(void **state)
{
    struct story s;
    struct link_old *o = NULL;
    struct link_new *n = NULL;
    struct link_old_in in;
    struct chain_prev full;

    (void)state;
    begin(&s, 45);
    in =
        (struct link_old_in){.code = "waxlink:too-short", .keys = &s.ann.keys, .head = &s.ann.head};
    assert_int_equal(link_old_start(&in, &s.rng, &o), WAX_R_PARSE);
    in.code = link_new_code(s.n);
    in.keys = &s.laptop;
    assert_int_equal(link_old_start(&in, &s.rng, &o), WAX_E_DENIED);
    full = s.ann.head;
    full.manifest.n_devices = MANIFEST_DEVICES_MAX;
    in.keys = &s.ann.keys;
    in.head = &full;
    assert_int_equal(link_old_start(&in, &s.rng, &o), WAX_E_FULL);
    assert_int_equal(link_new_start(&s.laptop, "", "ann@example.org", &s.rng, &n), WAX_E_INVAL);
    assert_int_equal(link_new_start(&s.laptop, "laptop", "ann", &s.rng, &n), WAX_E_INVAL);
    assert_null(o);
    assert_null(n);
    link_old_free(NULL);
    link_new_free(NULL);
    end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_device_is_linked),
        cmocka_unit_test(digits_with_spaces_are_the_same_digits),
        cmocka_unit_test(a_wrong_code_ends_it_and_there_is_no_second_try),
        cmocka_unit_test(who_typed_wrong_digits_tells_the_new_device),
        cmocka_unit_test(who_types_nothing_tells_it_too),
        cmocka_unit_test(a_new_device_tells_the_wrong_account),
        cmocka_unit_test(an_end_is_sealed_for_its_number_alone),
        cmocka_unit_test(a_code_that_was_answered_is_not_answered_again),
        cmocka_unit_test(a_swapped_device_is_seen_by_the_link_code),
        cmocka_unit_test(a_swapped_account_gives_other_digits),
        cmocka_unit_test(another_handle_than_asked_for_is_refused_by_the_new_device),
        cmocka_unit_test(a_new_device_joins_no_other_manifest),
        cmocka_unit_test(a_join_or_bundle_that_does_not_hold_is_not_published),
        cmocka_unit_test(records_seen_before_must_stay_as_they_were),
        cmocka_unit_test(a_flipped_bit_on_the_way_is_refused),
        cmocka_unit_test(keys_off_the_curve_are_refused_before_any_question),
        cmocka_unit_test(done_means_the_manifest_that_was_joined),
        cmocka_unit_test(a_device_that_is_listed_already_cannot_be_linked_again),
        cmocka_unit_test(what_cannot_be_begun_says_so),
    };

    return cmocka_run_group_tests(tests, people_start, NULL);
}
