/* RFC 6962 vectors of others (merkle-rfc6962, tests/vectors/README.md): both verifiers, and
 * the tree of eight leaves. Numbers go up to 2^64 − 1, which a JSON number of the library
 * cannot hold: they are read as text. */
#include "tree_vec.h"

#include <ctype.h>

#include "base/text.h"

/* The file with every number as a string. */
static json_t *load_numbers_as_text(const char *file)
{
    char path[4096];
    struct buf text = {0};
    bool quoted = false, number = false;
    int c;

    assert_true(snprintf(path, sizeof path, "%s/%s", TEST_VECTORS, file) < (int)sizeof path);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    while ((c = fgetc(f)) != EOF) {
        if (c == '"')
            quoted = !quoted;
        if (!quoted && !!isdigit(c) != number) {
            number = !number;
            buf_u8(&text, '"');
        }
        buf_u8(&text, (uint8_t)c);
    }
    assert_int_equal(fclose(f), 0);
    json_t *root = json_loadb((const char *)text.p, text.n, 0, NULL);
    assert_non_null(root);
    buf_done(&text);
    return root;
}

static uint64_t number(const json_t *obj, const char *key)
{
    char *end;
    uint64_t v = strtoull(vec_str(obj, key), &end, 10);

    assert_int_equal(*end, 0);
    return v;
}

/* Base64 of 32 bytes. Some values are of another length ("dont care", none): for them stands a
 * hash of the text, which is equal where they are, and *whole is cleared. */
static struct hash32 hash_value(const json_t *value, bool *whole)
{
    const char *s = json_string_value(value);
    struct hash32 h;
    char url[44];
    size_t n = 0;

    assert_non_null(s);
    for (; s[n] && s[n] != '=' && n < sizeof url; n++)
        url[n] = s[n] == '+' ? '-' : s[n] == '/' ? '_' : s[n];
    if (n != 43 || base64url_decode(url, n, h.b, sizeof h.b) != WAX_OK) {
        assert_ok(hash_raw(&h, PARTS(BYTES_STR(s))));
        *whole = false;
    }
    return h;
}

/* A path of up to 70 hashes. */
static struct hashes path_of(const json_t *obj, struct hash32 v[70], bool *whole)
{
    const json_t *array = vec_get(obj, "proof");
    size_t n = json_array_size(array);

    assert_true(n <= 70);
    for (size_t i = 0; i < n; i++)
        v[i] = hash_value(json_array_get(array, i), whole);
    return (struct hashes){v, n};
}

static void inclusion_is_judged_as_by_others(void **state)
{
    json_t *root = load_numbers_as_text("merkle-rfc6962/inclusion.json"), *it;
    size_t i, good = 0;

    (void)state;
    json_array_foreach(root, i, it)
    {
        bool whole = true;
        struct log_head log = {number(it, "treeSize"), hash_value(vec_get(it, "root"), &whole)};
        struct hash32 leaf = hash_value(vec_get(it, "leafHash"), &whole), v[70];
        wax_rc rc = log_check_inclusion(&log, number(it, "leafIdx"), &leaf, path_of(it, v, &whole));
        /* In our types a leaf or a root of another length than 32 does not come so far. */
        if (!whole)
            rc = WAX_R_PROOF;
        expect_class(vec_str(it, "path"), rc, vec_bool(it, "wantErr") ? WAX_R_PROOF : WAX_OK);
        good += rc == WAX_OK;
    }
    assert_int_equal(i, 98);
    assert_int_equal(good, 6);
    json_decref(root);
}

static void consistency_is_judged_as_by_others(void **state)
{
    json_t *root = load_numbers_as_text("merkle-rfc6962/consistency.json"), *it;
    size_t i, good = 0;

    (void)state;
    json_array_foreach(root, i, it)
    {
        bool whole;
        struct log_head a = {number(it, "size1"), hash_value(vec_get(it, "root1"), &whole)};
        struct log_head b = {number(it, "size2"), hash_value(vec_get(it, "root2"), &whole)};
        struct hash32 v[70];
        wax_rc rc = log_check_consistency(&a, &b, path_of(it, v, &whole));
        expect_class(vec_str(it, "path"), rc, vec_bool(it, "wantErr") ? WAX_R_PROOF : WAX_OK);
        good += rc == WAX_OK;
    }
    assert_int_equal(i, 98);
    assert_int_equal(good, 6);
    json_decref(root);
}

static void the_tree_of_eight_leaves_has_the_roots_of_others(void **state)
{
    json_t *root = vec_load("merkle-rfc6962/tree8.json"), *it;
    struct log_twin twin = {0};
    struct log_store store = log_twin_store(&twin);
    size_t i;

    (void)state;
    json_array_foreach(vec_get(root, "leaves"), i, it)
    {
        struct buf leaf = {0};
        struct hash32 h;
        vec_hex_value(it, &leaf);
        assert_ok(log_leaf(buf_view(&leaf), &h));
        assert_ok(log_append(&store, i, &h));
        buf_done(&leaf);
    }
    assert_int_equal(i, 8);
    json_array_foreach(vec_get(root, "rootsBySize"), i, it)
    {
        struct buf want = {0};
        struct hash32 got;
        vec_hex_value(it, &want);
        assert_ok(log_root(&store, i, &got));
        assert_int_equal(want.n, sizeof got.b);
        assert_memory_equal(got.b, want.p, want.n);
        buf_done(&want);
    }
    assert_int_equal(i, 9);
    log_twin_done(&twin);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inclusion_is_judged_as_by_others),
        cmocka_unit_test(consistency_is_judged_as_by_others),
        cmocka_unit_test(the_tree_of_eight_leaves_has_the_roots_of_others),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
