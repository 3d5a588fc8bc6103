/* What a client makes of an honest directory's answers, and of those of one that lies. */
#include "directory.h"

/* --- Honest --------------------------------------------------------------------------- */

static void an_honest_answer_is_taken_first_and_later(void **state)
{
    static struct directory d;
    struct log_view view, new = {.keys = {.n = 1}};
    struct lookup_result r;
    struct served s;

    run_three_days(&d);
    new.log = d.log;
    new.keys.v[0] = *ec_public(d.key);
    serve(&d, 0, &s);
    assert_ok(lookup_judge(&new, HANDLE, &s.answer, &r));
    assert_true(r.log.view.has_checkpoint);
    assert_int_equal(r.log.view.checkpoint.size, d.size);
    assert_int_equal(r.entry.time, d.entries[d.size - 1].time);
    served_done(&s);

    view = r.log.view;
    next_entry(&d, d.clock + 10, true);
    serve(&d, view.checkpoint.size, &s);
    assert_ok(lookup_judge(&view, HANDLE, &s.answer, &r));
    assert_int_equal(r.log.view.checkpoint.size, view.checkpoint.size + 1);
    assert_int_equal(r.log.restore, RESTORE_NONE);
    assert_false(checkpoint_stale(&r.log.view.checkpoint, d.clock + 500 + CHECKPOINT_STALE_MS));
    assert_true(checkpoint_stale(&r.log.view.checkpoint, d.clock + 501 + CHECKPOINT_STALE_MS));
    served_done(&s);
    close_directory(&d);
}

static void an_answer_with_any_byte_changed_or_a_part_missing_is_refused(void **state)
{
    static struct directory d;
    struct log_view view;
    struct served s;
    size_t tried = 0;

    run_three_days(&d);
    view_of(&d, &view);
    next_entry(&d, d.clock + 10, true);
    serve(&d, view.checkpoint.size, &s);
    assert_ok(look(&view, &s));
    for (int part = 0; part < N_PARTS; part++) {
        struct buf *b = &s.part[part];
        for (size_t i = 0; i < b->n; i++, tried++) {
            b->p[i] ^= (uint8_t)(1 << i % 8);
            wax_rc rc = look(&view, &s);
            if (!rc_is_refusal(rc))
                fail_msg("part %d, byte %zu: %s", part, i, rc_text(rc));
            b->p[i] ^= (uint8_t)(1 << i % 8);
        }
        struct buf kept = *b;
        *b = (struct buf){0};
        bind_parts(&s);
        assert_rc(look(&view, &s), WAX_R_PARSE);
        *b = kept;
        bind_parts(&s);
    }
    assert_true(tried > 1000);
    assert_ok(look(&view, &s));
    served_done(&s);
    close_directory(&d);
}

/* --- Lies ----------------------------------------------------------------------------- */

static void a_version_left_out_hidden_or_swapped_is_refused(void **state)
{
    static struct directory d;
    struct log_view view;
    struct served s;

    run_three_days(&d);
    view_of(&d, &view);
    serve(&d, view.checkpoint.size, &s);
    assert_ok(look(&view, &s));

    s.versions[1].claim.manifest.b[0] ^= 1; /* a device more in one person's answer */
    assert_rc(look(&view, &s), WAX_R_PROOF);
    s.versions[1].claim.manifest.b[0] ^= 1;

    s.answer.n_versions = 1; /* the newest is not told */
    assert_rc(look(&view, &s), WAX_R_PROOF);
    s.answer.version--; /* … nor that there is one */
    assert_rc(look(&view, &s), WAX_R_PROOF);
    s.answer.version++;
    s.answer.n_versions = 2;

    s.versions[0].version--; /* a gap */
    assert_rc(look(&view, &s), WAX_R_PROOF);
    s.versions[0].version++;
    s.answer.n_versions = 0;
    assert_rc(look(&view, &s), WAX_R_PROOF);
    s.answer.n_versions = 2;
    assert_rc(lookup_judge(&view, "bob@example.org", &s.answer, &(struct lookup_result){0}),
              WAX_R_PROOF);
    s.answer.last_index--; /* an earlier entry passed off as the last */
    assert_rc(look(&view, &s), WAX_R_PROOF);
    s.answer.last_index++;
    assert_ok(look(&view, &s));
    served_done(&s);
    close_directory(&d);
}

static void an_older_checkpoint_than_the_clients_is_refused(void **state)
{
    static struct directory d;
    struct log_view view, later;
    struct served s;

    run_three_days(&d);
    serve(&d, d.size, &s);
    view_of(&d, &view);
    next_entry(&d, d.clock + 10, false);
    view_of(&d, &later);
    assert_ok(look(&view, &s));
    assert_rc(look(&later, &s), WAX_R_PROOF);
    served_done(&s);
    close_directory(&d);
}

/* Two directories with one key: what a fork is. */
static void a_fork_shows_at_the_first_checkpoint_or_proof(void **state)
{
    static struct directory d, e;
    struct log_view view;
    struct served s;

    run_three_days(&d);
    run_three_days(&e);
    e.seed ^= 5;
    next_entry(&d, d.clock + 10, false);
    next_entry(&e, e.clock + 10, true);
    view_of(&d, &view);
    serve(&e, e.size, &s); /* same size, other root */
    assert_rc(look(&view, &s), WAX_R_EQUIVOCATION);
    served_done(&s);

    next_entry(&e, e.clock + 10, false);
    serve(&e, d.size, &s); /* larger: two checkpoints alone do not tell, the proof does */
    assert_rc(look(&view, &s), WAX_R_PROOF);
    served_done(&s);

    e.clock = d.clock - 1; /* larger and earlier */
    serve(&e, d.size, &s);
    assert_rc(look(&view, &s), WAX_R_EQUIVOCATION);
    served_done(&s);
    close_directory(&d);
    close_directory(&e);
}

static void a_checkpoint_of_another_day_than_the_last_entry_is_refused(void **state)
{
    static struct directory d;
    struct log_view view;
    struct served s;

    run_three_days(&d);
    view_of(&d, &view);
    uint64_t clock = d.clock;
    d.clock += DAY_MS; /* signed without that day's entry */
    serve(&d, d.size, &s);
    assert_rc(look(&view, &s), WAX_R_PROOF);
    served_done(&s);
    d.clock = clock - 600; /* signed before its last entry */
    view.has_checkpoint = false;
    serve(&d, 0, &s);
    assert_rc(look(&view, &s), WAX_R_PROOF);
    served_done(&s);
    close_directory(&d);
}

static void daily_entries_are_shown_for_every_day_and_only_the_first(void **state)
{
    static struct directory d;
    struct checkpoint under, held;
    struct log_store hashes;
    uint64_t got;

    run_three_days(&d);
    hashes = log_twin_store(&d.hashes);
    checkpoint_of(&d, &under);
    held = under;
    held.time = DAY_ONE + DAY_MS + 7; /* of day 1, which day 2's proof is not asked about */
    held.daily = 5;
    for (uint64_t day = 0; day < 3; day++)
        for (uint64_t index = day * 5; index < day * 5 + 5; index++) {
            struct daily_proof p = {.index = index, .entry = d.entries[index]};
            struct log_path path, before;
            struct log_entry entry;
            struct buf record = {0};
            assert_ok(log_prove_inclusion(&hashes, index, d.size, &path));
            p.path = log_path_view(&path);
            if (index > 0) {
                p.before = d.entries[index - 1];
                assert_ok(log_prove_inclusion(&hashes, index - 1, d.size, &before));
                p.before_path = log_path_view(&before);
            }
            assert_ok(daily_proof_encode(&p, &record));
            wax_rc rc = daily_check(buf_view(&record), day_of(DAY_ONE) + day, &under, &held, 1,
                                    &entry, &got);
            assert_rc(rc, index % 5 == 0 ? WAX_OK : WAX_R_PROOF);
            if (rc == WAX_OK) {
                assert_int_equal(got, index);
                assert_true(ID_EQ(&entry.map_root, &d.roots[index].hash));
            }
            for (size_t i = 0; rc == WAX_OK && i < record.n; i++) {
                record.p[i] ^= (uint8_t)(1 << i % 8);
                assert_true(rc_is_refusal(daily_check(buf_view(&record), day_of(DAY_ONE) + day,
                                                      &under, &held, 1, &entry, &got)));
                record.p[i] ^= (uint8_t)(1 << i % 8);
            }
            buf_done(&record);
        }
    close_directory(&d);
}

static void values_are_proven_at_the_daily_entries_that_were_kept(void **state)
{
    static struct directory d;
    struct map_proof p;
    struct map_key key;

    run_three_days(&d);
    struct map_store nodes = map_twin_store(&d.nodes);
    /* Version v came with entry 1 of day v − 1: absent at that day's daily entry. */
    for (uint32_t v = 1; v <= 3; v++)
        for (uint32_t day = 0; day < 3; day++) {
            struct buf record = {0};
            struct map_claim c = claim_of(v);
            const struct map_ref *root = &d.roots[(size_t)day * 5];
            assert_ok(map_key_of(&d.log, HANDLE, v, &key));
            assert_ok(map_prove(&nodes, root, &key, &p));
            assert_int_equal(p.found, day >= v);
            assert_ok(map_proof_encode(&p, &record));
            assert_rc(version_check(&root->hash, &d.log, HANDLE, v, &c, buf_view(&record)),
                      day >= v ? WAX_OK : WAX_R_PARSE);
            assert_rc(version_absent(&root->hash, &d.log, HANDLE, v, buf_view(&record)),
                      day >= v ? WAX_R_PARSE : WAX_OK);
            buf_done(&record);
        }
    close_directory(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_honest_answer_is_taken_first_and_later),
        cmocka_unit_test(an_answer_with_any_byte_changed_or_a_part_missing_is_refused),
        cmocka_unit_test(a_version_left_out_hidden_or_swapped_is_refused),
        cmocka_unit_test(an_older_checkpoint_than_the_clients_is_refused),
        cmocka_unit_test(a_fork_shows_at_the_first_checkpoint_or_proof),
        cmocka_unit_test(a_checkpoint_of_another_day_than_the_last_entry_is_refused),
        cmocka_unit_test(daily_entries_are_shown_for_every_day_and_only_the_first),
        cmocka_unit_test(values_are_proven_at_the_daily_entries_that_were_kept),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
