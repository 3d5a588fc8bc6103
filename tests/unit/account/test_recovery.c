/* The twelve words (BIP-39 English). */
#include "people.h"

#include "account/recovery.h"

/* The reference's own examples: entropy and words. */
static const struct {
    const char *entropy, *words;
} known[] = {
    {"00000000000000000000000000000000", "abandon abandon abandon abandon abandon abandon abandon "
                                         "abandon abandon abandon abandon about"},
    {"7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f",
     "legal winner thank year wave sausage worth useful legal winner thank yellow"},
    {"80808080808080808080808080808080",
     "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"},
    {"ffffffffffffffffffffffffffffffff", "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"},
};

static void the_words_are_those_of_bip39(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        uint8_t entropy[RECOVERY_ENTROPY], back[RECOVERY_ENTROPY];
        struct buf words = {0};

        assert_int_equal(hex_decode(known[i].entropy, 32, entropy, sizeof(entropy)), WAX_OK);
        assert_int_equal(recovery_words(entropy, &words), WAX_OK);
        assert_string_equal(buf_cstr(&words), known[i].words);
        assert_int_equal(recovery_parse(buf_view(&words), back, NULL), WAX_OK);
        assert_memory_equal(back, entropy, sizeof(back));
        buf_done(&words);
    }
}

static void each_entropy_comes_back(void **state)
{
    struct rng rng = people_rng(7);

    (void)state;
    for (int i = 0; i < 200; i++) {
        uint8_t entropy[RECOVERY_ENTROPY], back[RECOVERY_ENTROPY];
        struct buf words = {0};

        assert_int_equal(rng_fill(&rng, entropy, sizeof(entropy)), WAX_OK);
        assert_int_equal(recovery_words(entropy, &words), WAX_OK);
        assert_int_equal(recovery_parse(buf_view(&words), back, NULL), WAX_OK);
        assert_memory_equal(back, entropy, sizeof(back));
        buf_done(&words);
    }
}

static void words_are_read_as_people_type_them(void **state)
{
    static const char *const typed[] = {
        "LEGAL Winner thank year wave sausage worth useful legal winner thank yellow",
        "  legal\twinner thank\r\nyear wave  sausage worth useful legal winner thank yellow\n",
        "lega winn than year wave saus wort usef lega winn than yell",
        "legal winne thank year wave sausag worth usefu legal winner thank yello",
    };
    uint8_t back[RECOVERY_ENTROPY], want[RECOVERY_ENTROPY];

    (void)state;
    memset(want, 0x7f, sizeof(want));
    for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
        memset(back, 0, sizeof(back));
        assert_int_equal(recovery_parse(BYTES_STR(typed[i]), back, NULL), WAX_OK);
        assert_memory_equal(back, want, sizeof(want));
    }
}

static void expect_fault(const char *text, enum words_fault fault, unsigned word)
{
    uint8_t back[RECOVERY_ENTROPY] = {0xaa};
    struct words_error e;

    assert_int_equal(recovery_parse(BYTES_STR(text), back, &e), WAX_R_PARSE);
    assert_int_equal(e.fault, fault);
    assert_int_equal(e.word, word);
    assert_int_equal(back[0], 0xaa);
}

static void a_slip_is_named(void **state)
{
    (void)state;
    expect_fault("", WORDS_COUNT, 0);
    expect_fault("legal winner thank", WORDS_COUNT, 3);
    expect_fault("legal winner thank year wave sausage worth useful legal winner thank yellow zoo",
                 WORDS_COUNT, 13);
    expect_fault("legal winner thank yeer wave sausage worth useful legal winner thank yellow",
                 WORDS_UNKNOWN, 4);
    expect_fault("legal winner thank year wave sausages worth useful legal winner thank yellow",
                 WORDS_UNKNOWN, 6);
    /* Three letters of a longer word are not enough, a whole short word is. */
    expect_fault("legal winner thank year wave sau worth useful legal winner thank yellow",
                 WORDS_UNKNOWN, 6);
    expect_fault("leg winner thank year wave sausage worth useful legal winner thank yellow",
                 WORDS_CHECKSUM, 0);
    expect_fault("zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo", WORDS_CHECKSUM, 0);
    expect_fault("winner legal thank year wave sausage worth useful legal winner thank yellow",
                 WORDS_CHECKSUM, 0);
    expect_fault(
        "l\xc3\xa9gal winner thank year wave sausage worth useful legal winner thank yellow",
        WORDS_UNKNOWN, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_are_those_of_bip39),
        cmocka_unit_test(each_entropy_comes_back),
        cmocka_unit_test(words_are_read_as_people_type_them),
        cmocka_unit_test(a_slip_is_named),
    };

    return cmocka_run_group_tests(tests, people_start, NULL);
}
