/* NIST ACVP, ML-KEM (FIPS 203): key generation, encapsulation, decapsulation and both key
 * checks, on every back end. Set 512 is not ours. */
#include "outside.h"

#define DIR "acvp-mlkem/v1.1.0.40/"

/* What the run so far has seen, by kind. */
static struct {
    size_t keygen, encaps, decaps, ek_check, dk_check, refused;
} seen;

/* The element of an array whose member key is id. */
static const json_t *by_id(const json_t *array, const char *key, uint64_t id)
{
    const json_t *x;
    size_t i;

    json_array_foreach(array, i, x) if (vec_u64(x, key) == id) return x;
    fail_msg("no %s %llu", key, (unsigned long long)id);
    return NULL;
}

/* Joins prompts and results on (tgId, tcId). */
static void each(const char *prompt_file, const char *result_file,
                 void (*one)(enum kem_set, const char *, const json_t *, const json_t *))
{
    json_t *prompts = vec_load(prompt_file), *results = vec_load(result_file);
    const json_t *group, *test;
    size_t i, j;

    json_array_foreach(vec_get(prompts, "testGroups"), i, group)
    {
        const char *name = vec_str(group, "parameterSet");
        if (strcmp(name, "ML-KEM-512") == 0)
            continue;
        enum kem_set set = strcmp(name, "ML-KEM-768") == 0 ? KEM_768 : KEM_1024;
        const json_t *answers =
            vec_get(by_id(vec_get(results, "testGroups"), "tgId", vec_u64(group, "tgId")), "tests");
        json_array_foreach(vec_get(group, "tests"), j, test)
            one(set, vec_has(group, "function") ? vec_str(group, "function") : "", test,
                by_id(answers, "tcId", vec_u64(test, "tcId")));
    }
    json_decref(prompts);
    json_decref(results);
}

static void one_keygen(enum kem_set set, const char *function, const json_t *test,
                       const json_t *answer)
{
    struct seed64 seed;
    uint8_t ek[KEM_EK_MAX], dk[KEM1024_DK], want[KEM1024_DK];

    vec_fixed(test, "d", seed.b, 32);
    vec_fixed(test, "z", seed.b + 32, 32);
    assert_int_equal(kem_expand(set, &seed, ek, dk), WAX_OK);
    vec_fixed(answer, "ek", want, kem_ek_size(set));
    assert_memory_equal(ek, want, kem_ek_size(set));
    vec_fixed(answer, "dk", want, dk_size(set));
    assert_memory_equal(dk, want, dk_size(set));
    seen.keygen++;
}

static void one_encaps(enum kem_set set, const json_t *test, const json_t *answer)
{
    struct buf ek = hex_of(test, "ek");
    uint8_t c[KEM_CT_MAX], want_c[KEM_CT_MAX];
    struct key32 m, k, want;

    vec_fixed(test, "m", m.b, sizeof m.b);
    vec_fixed(answer, "c", want_c, kem_ct_size(set));
    vec_fixed(answer, "k", want.b, sizeof want.b);
    assert_int_equal(kem_encaps(set, buf_view(&ek), &m, c, &k), WAX_OK);
    assert_memory_equal(c, want_c, kem_ct_size(set));
    assert_memory_equal(k.b, want.b, sizeof k.b);
    buf_done(&ek);
    seen.encaps++;
}

static void one_decaps(enum kem_set set, const json_t *test, const json_t *answer)
{
    struct buf dk = hex_of(test, "dk"), c = hex_of(test, "c");
    struct key32 k, want;

    vec_fixed(answer, "k", want.b, sizeof want.b);
    assert_int_equal(kem_decaps_expanded(set, buf_view(&dk), buf_view(&c), &k), WAX_OK);
    assert_memory_equal(k.b, want.b, sizeof k.b);
    buf_done(&dk);
    buf_done(&c);
    seen.decaps++;
}

static void one_key_check(enum kem_set set, const json_t *test, const json_t *answer, bool dk)
{
    static const uint8_t ct[KEM_CT_MAX];
    wax_rc want = vec_bool(answer, "testPassed") ? WAX_OK : WAX_R_KEM;
    struct buf key = hex_of(test, dk ? "dk" : "ek");
    struct key32 k;

    if (dk)
        assert_int_equal(kem_decaps_expanded(set, buf_view(&key), BYTES(ct, kem_ct_size(set)), &k),
                         want);
    else
        assert_int_equal(kem_ek_check(set, buf_view(&key)), want);
    buf_done(&key);
    *(dk ? &seen.dk_check : &seen.ek_check) += 1;
    seen.refused += want != WAX_OK;
}

static void one(enum kem_set set, const char *function, const json_t *test, const json_t *answer)
{
    if (strcmp(function, "encapsulation") == 0)
        one_encaps(set, test, answer);
    else if (strcmp(function, "decapsulation") == 0)
        one_decaps(set, test, answer);
    else if (strcmp(function, "encapsulationKeyCheck") == 0)
        one_key_check(set, test, answer, false);
    else if (strcmp(function, "decapsulationKeyCheck") == 0)
        one_key_check(set, test, answer, true);
    else
        fail_msg("unknown function %s", function);
}

static void run_keygen(void)
{
    seen.keygen = 0;
    each(DIR "keygen-prompt.json", DIR "keygen-expectedResults.json", one_keygen);
    assert_int_equal(seen.keygen, 2 * 25);
}

static void key_generation_agrees(void **state)
{
    (void)state;
    each_backend(run_keygen);
}

static void run_encap_decap(void)
{
    memset(&seen, 0, sizeof seen);
    each(DIR "encap-decap-prompt.json", DIR "encap-decap-expectedResults.json", one);
    assert_int_equal(seen.encaps, 2 * 25);
    assert_int_equal(seen.decaps, 2 * 10);
    assert_int_equal(seen.ek_check, 2 * 10);
    assert_int_equal(seen.dk_check, 2 * 10);
    assert_true(seen.refused > 0);
}

static void encapsulation_decapsulation_and_key_checks_agree(void **state)
{
    (void)state;
    each_backend(run_encap_decap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_generation_agrees),
        cmocka_unit_test(encapsulation_decapsulation_and_key_checks_agree),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
