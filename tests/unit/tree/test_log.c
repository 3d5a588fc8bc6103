/* The log against the definitions of RFC 6962, written down as they stand there. */
#include "tree_test.h"

#define LEAVES 130

static struct hash32 leaves[2048];

static uint64_t half(uint64_t n)
{
    uint64_t k = 1;

    while (2 * k < n)
        k *= 2;
    return k;
}

/* MTH(D[from : from + n]). */
static struct hash32 mth(uint64_t from, uint64_t n)
{
    struct hash32 h;

    if (n == 0) {
        assert_ok(log_empty_root(&h));
        return h;
    }
    if (n == 1)
        return leaves[from];
    struct hash32 l = mth(from, half(n)), r = mth(from + half(n), n - half(n));
    assert_ok(log_node(&l, &r, &h));
    return h;
}

static void add(struct log_path *p, struct hash32 h) { p->v[p->n++] = h; }

/* PATH(m, D[from : from + n]). */
static void model_path(uint64_t m, uint64_t from, uint64_t n, struct log_path *p)
{
    if (n <= 1)
        return;
    uint64_t k = half(n);
    if (m < k) {
        model_path(m, from, k, p);
        add(p, mth(from + k, n - k));
    } else {
        model_path(m - k, from + k, n - k, p);
        add(p, mth(from, k));
    }
}

/* SUBPROOF(m, D[from : from + n], b). */
static void model_proof(uint64_t m, uint64_t from, uint64_t n, bool b, struct log_path *p)
{
    if (m == n) {
        if (!b)
            add(p, mth(from, n));
        return;
    }
    uint64_t k = half(n);
    if (m <= k) {
        model_proof(m, from, k, b, p);
        add(p, mth(from + k, n - k));
    } else {
        model_proof(m - k, from + k, n - k, false, p);
        add(p, mth(from, k));
    }
}

static void same_path(const struct log_path *got, const struct log_path *want)
{
    assert_int_equal(got->n, want->n);
    if (want->n)
        assert_memory_equal(got->v, want->v, want->n * sizeof *want->v);
}

static struct log_head head(uint64_t size) { return (struct log_head){size, mth(0, size)}; }

static void fill(struct log_twin *twin, uint64_t seed, size_t n)
{
    struct log_store store = log_twin_store(twin);

    for (size_t i = 0; i < n; i++) {
        draw_bytes(&seed, leaves[i].b, sizeof leaves[i].b);
        assert_ok(log_append(&store, i, &leaves[i]));
    }
}

static void every_root_and_proof_of_every_size_is_the_definitions(void **state)
{
    struct log_twin twin = {0};
    struct log_store store = log_twin_store(&twin);
    struct log_path got, want;
    struct hash32 root;

    fill(&twin, 1, LEAVES);
    for (uint64_t size = 0; size <= LEAVES; size++) {
        struct log_head h = head(size);
        assert_ok(log_root(&store, size, &root));
        assert_true(ID_EQ(&root, &h.root));
        for (uint64_t i = 0; i < size; i += 1 + size / 20) {
            want.n = 0;
            model_path(i, 0, size, &want);
            assert_ok(log_prove_inclusion(&store, i, size, &got));
            same_path(&got, &want);
            assert_ok(log_check_inclusion(&h, i, &leaves[i], log_path_view(&got)));
        }
        for (uint64_t from = 1; from <= size; from += 1 + size / 20) {
            struct log_head earlier = head(from);
            want.n = 0;
            model_proof(from, 0, size, true, &want);
            assert_ok(log_prove_consistency(&store, from, size, &got));
            same_path(&got, &want);
            assert_ok(log_check_consistency(&earlier, &h, log_path_view(&got)));
        }
    }
    log_twin_done(&twin);
}

static void a_proof_reads_as_many_nodes_as_the_tree_is_high(void **state)
{
    struct log_twin twin = {0};
    struct log_store store = log_twin_store(&twin);
    struct log_path path;
    uint64_t seed = 5;

    fill(&twin, 2, 2047);
    assert_true(twin.puts < 2 * 2047);
    for (int i = 0; i < 500; i++) {
        uint64_t size = 1 + below(&seed, 2047), index = below(&seed, size);
        struct log_head h = {.size = size};
        twin.gets = 0;
        assert_ok(log_prove_inclusion(&store, index, size, &path));
        assert_true(twin.gets <= 2 * 11);
        assert_ok(log_root(&store, size, &h.root));
        assert_ok(log_check_inclusion(&h, index, &leaves[index], log_path_view(&path)));
        twin.gets = 0;
        assert_ok(log_prove_consistency(&store, index, size, &path));
        assert_true(twin.gets <= 2 * 11 + 1);
    }
    log_twin_done(&twin);
}

static wax_rc check_record(const struct log_head *earlier, const struct log_head *later,
                           uint64_t index, struct bytes record)
{
    struct bytes copy = heap_copy(record);
    struct hashes path;
    wax_rc rc = log_proof_decode(copy, &path);

    if (rc == WAX_OK)
        rc = earlier ? log_check_consistency(earlier, later, path)
                     : log_check_inclusion(later, index, &leaves[index], path);
    free((void *)copy.p);
    return rc;
}

/* Each bit pattern of one byte at a time, one byte less, one hash less or more. */
static void changes_are_refused(const struct log_head *earlier, const struct log_head *later,
                                uint64_t index, struct buf *record)
{
    assert_ok(check_record(earlier, later, index, buf_view(record)));
    for (size_t i = 0; i < record->n; i++) {
        uint8_t was = record->p[i];
        record->p[i] ^= (uint8_t)(1 + i % 255);
        assert_rc(check_record(earlier, later, index, buf_view(record)),
                  i == 0 ? WAX_R_PARSE : WAX_R_PROOF);
        record->p[i] = was;
    }
    assert_rc(check_record(earlier, later, index, (struct bytes){record->p, record->n - 1}),
              WAX_R_PARSE);
    if (record->p[0] > 0) {
        record->p[0]--;
        assert_rc(check_record(earlier, later, index, (struct bytes){record->p, record->n - 32}),
                  WAX_R_PROOF);
        record->p[0]++;
    }
    record->p[0]++;
    buf_zero(record, 32);
    assert_rc(check_record(earlier, later, index, buf_view(record)), WAX_R_PROOF);
}

static void a_proof_with_any_byte_changed_is_refused(void **state)
{
    struct log_twin twin = {0};
    struct log_store store = log_twin_store(&twin);
    struct log_path path;
    uint64_t seed = 3;

    fill(&twin, 4, 300);
    for (int i = 0; i < 40; i++) {
        uint64_t size = 1 + below(&seed, 300), index = below(&seed, size);
        struct log_head h = head(size), e = head(index + 1);
        struct buf record = {0};
        assert_ok(log_prove_inclusion(&store, index, size, &path));
        assert_ok(log_proof_encode(log_path_view(&path), &record));
        changes_are_refused(NULL, &h, index, &record);
        buf_reset(&record);
        assert_ok(log_prove_consistency(&store, index + 1, size, &path));
        assert_ok(log_proof_encode(log_path_view(&path), &record));
        changes_are_refused(&e, &h, 0, &record);
        buf_done(&record);
    }
    log_twin_done(&twin);
}

static void a_leaf_is_nowhere_else_and_a_size_no_other(void **state)
{
    struct log_twin twin = {0};
    struct log_store store = log_twin_store(&twin);
    struct log_path path;

    fill(&twin, 6, 70);
    for (uint64_t size = 1; size <= 70; size += 3) {
        struct log_head h = head(size);
        for (uint64_t i = 0; i < size; i += 5) {
            assert_ok(log_prove_inclusion(&store, i, size, &path));
            for (uint64_t j = 0; j <= size; j++)
                if (j != i)
                    assert_rc(log_check_inclusion(&h, j, &leaves[i], log_path_view(&path)),
                              WAX_R_PROOF);
        }
    }
    struct log_head e = head(33), h = head(70);
    assert_ok(log_prove_consistency(&store, 33, 70, &path));
    for (uint64_t size = 0; size <= 71; size++) {
        struct log_head other = {size, e.root};
        assert_rc(log_check_consistency(&other, &h, log_path_view(&path)),
                  size == 33 ? WAX_OK : WAX_R_PROOF);
    }
    log_twin_done(&twin);
}

static void sizes_up_to_the_largest_number_end_and_are_refused(void **state)
{
    static const uint64_t sizes[] = {
        0, 1, 2, 3, 1ULL << 63, (1ULL << 63) + 1, UINT64_MAX - 1, UINT64_MAX};
    struct hashes all = {leaves, LOG_PATH_MAX};
    struct log_twin twin = {0};

    fill(&twin, 7, LOG_PATH_MAX);
    log_twin_done(&twin);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++)
            for (all.n = 0; all.n <= LOG_PATH_MAX; all.n += 16) {
                struct log_head a = {sizes[i], leaves[0]}, b = {sizes[j], leaves[1]};
                assert_rc(log_check_consistency(&a, &b, all), WAX_R_PROOF);
                assert_rc(log_check_inclusion(&b, sizes[i], &leaves[2], all), WAX_R_PROOF);
            }
}

static void a_client_without_a_checkpoint_takes_an_empty_proof_alone(void **state)
{
    static const uint8_t none[] = {0};
    struct log_head h = {7, {{1}}};
    uint8_t some[33] = {1};

    assert_ok(log_check_extends(NULL, &h, (struct bytes){0}));
    assert_ok(log_check_extends(NULL, &h, BYTES_OF(none)));
    assert_rc(log_check_extends(NULL, &h, BYTES_OF(some)), WAX_R_PROOF);
    assert_rc(log_check_extends(&h, &h, (struct bytes){0}), WAX_R_PARSE);
    assert_ok(log_check_extends(&h, &h, BYTES_OF(none)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_root_and_proof_of_every_size_is_the_definitions),
        cmocka_unit_test(a_proof_reads_as_many_nodes_as_the_tree_is_high),
        cmocka_unit_test(a_proof_with_any_byte_changed_is_refused),
        cmocka_unit_test(a_leaf_is_nowhere_else_and_a_size_no_other),
        cmocka_unit_test(sizes_up_to_the_largest_number_end_and_are_refused),
        cmocka_unit_test(a_client_without_a_checkpoint_takes_an_empty_proof_alone),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
