/* Rotated keys, new generations, evidence (PROTOCOL 8.4, 8.8). */
#include "directory.h"

static void turn_keys(struct directory *d, uint8_t record[ROTATION_RECORD])
{
    struct checkpoint c;
    struct rotation r;
    struct ec_key *old = d->key;

    checkpoint_of(d, &c);
    assert_ok(rotation_sign(d->key, d->key2, &c, &r));
    rotation_encode(&r, record);
    d->key = d->key2;
    d->key2 = old;
}

static void a_rotated_key_is_taken_with_its_record_alone(void **state)
{
    static struct directory d;
    struct log_view view;
    struct lookup_result r;
    struct served s;
    uint8_t record[ROTATION_RECORD];

    run_three_days(&d);
    view_of(&d, &view);
    turn_keys(&d, record);
    next_entry(&d, d.clock + 10, false);
    serve(&d, view.checkpoint.size, &s);
    struct bytes rotation = BYTES_OF(record);
    assert_rc(look(&view, &s), WAX_R_SIGNATURE);
    s.answer.advance.rotations = &rotation;
    s.answer.advance.n_rotations = 1;
    assert_ok(lookup_judge(&view, HANDLE, &s.answer, &r));
    assert_int_equal(r.log.view.keys.n, 2);
    assert_true(ID_EQ(&r.log.view.keys.v[1], ec_public(d.key)));
    for (size_t i = 0; i < sizeof record; i += 7) {
        record[i] ^= 1;
        assert_true(rc_is_refusal(look(&view, &s)));
        record[i] ^= 1;
    }
    served_done(&s);
    close_directory(&d);
}

static void a_rotation_or_record_that_does_not_go_with_what_is_known_is_refused(void **state)
{
    static struct directory d, e;
    struct log_view view;
    struct served s;
    struct checkpoint c;
    struct rotation r;
    struct generation g;
    uint8_t record[ROTATION_RECORD];
    uint8_t same[] = {0};
    enum restore_verdict verdict;

    run_three_days(&d);
    run_three_days(&e);
    e.seed ^= 5;
    next_entry(&d, d.clock + 10, false);
    next_entry(&e, e.clock + 10, false);
    view_of(&d, &view);
    checkpoint_of(&e, &c); /* the last one of a fork, of the same size */
    assert_ok(rotation_sign(d.key, d.key2, &c, &r));
    rotation_encode(&r, record);
    struct bytes rotation = BYTES_OF(record);
    serve(&d, d.size, &s);
    s.answer.advance.rotations = &rotation;
    s.answer.advance.n_rotations = 1;
    assert_rc(look(&view, &s), WAX_R_EQUIVOCATION);
    served_done(&s);

    /* A checkpoint of the old generation does not stand for the new one. */
    checkpoint_of(&d, &c);
    assert_ok(generation_sign(d.key, &c, &g));
    assert_rc(restore_judge(&g, &c, BYTES_OF(same), &c, BYTES_OF(same), &verdict), WAX_R_CHAIN);
    close_directory(&d);
    close_directory(&e);
}

/* A restore from the backup of now; the record names the newest checkpoint known. */
static void restore(struct directory *d, uint8_t record[GENERATION_RECORD], uint64_t *ret_named)
{
    struct checkpoint c;
    struct generation g;

    checkpoint_of(d, &c);
    assert_ok(generation_sign(d->key, &c, &g));
    generation_encode(&g, record);
    *ret_named = c.size;
    d->generation++;
    d->clock += 60000;
}

static void generations_are_climbed_one_by_one(void **state)
{
    static struct directory d;
    struct log_view view, unseen;
    struct lookup_result r;
    struct served s;
    uint8_t record[2][GENERATION_RECORD];
    struct buf from[2] = {{0}};
    uint64_t named[2];

    run_three_days(&d);
    view_of(&d, &view);
    unseen = view;
    unseen.has_checkpoint = false;
    restore(&d, record[0], &named[0]);
    next_entry(&d, d.clock + 10, true);
    restore(&d, record[1], &named[1]);
    next_entry(&d, d.clock + 10, false);
    serve(&d, view.checkpoint.size, &s);
    for (int i = 0; i < 2; i++)
        consistency_record(&d, named[i], &from[i]);
    struct bytes records[2] = {BYTES_OF(record[0]), BYTES_OF(record[1])};
    struct bytes proofs[2] = {buf_view(&from[0]), buf_view(&from[1])};
    s.answer.advance.generations = records;
    s.answer.advance.generation_consistency = proofs;
    s.answer.advance.n_generations = 2;
    assert_ok(lookup_judge(&view, HANDLE, &s.answer, &r));
    assert_int_equal(r.log.restore, RESTORE_EXTENDS);
    assert_int_equal(r.log.view.checkpoint.generation, 2);
    assert_int_equal(r.log.named_size, named[0]);

    s.answer.advance.n_generations = 1; /* a step withheld */
    assert_rc(look(&view, &s), WAX_R_CHAIN);
    s.answer.advance.generations = records + 1;
    assert_rc(look(&view, &s), WAX_R_CHAIN);
    s.answer.advance.generations = records;
    s.answer.advance.n_generations = 2;
    proofs[1] = proofs[0]; /* the second one's checkpoint is not extended */
    assert_rc(look(&view, &s), WAX_R_PROOF);
    s.answer.advance.n_generations = 0;
    assert_rc(look(&view, &s), WAX_R_CHAIN);
    served_done(&s);
    serve(&d, 0, &s); /* who never saw the log needs none of it */
    assert_ok(look(&unseen, &s));
    served_done(&s);
    buf_done(&from[0]);
    buf_done(&from[1]);
    close_directory(&d);
}

static void who_knows_more_than_the_backup_is_told_both_sizes(void **state)
{
    static struct directory d, backup;
    struct log_view view;
    struct lookup_result r;
    struct served s;
    uint8_t record[GENERATION_RECORD];
    struct buf from = {0};
    uint64_t named;

    run_three_days(&d);
    run_three_days(&backup);
    next_entry(&d, d.clock + 10, true); /* lost with the disk */
    view_of(&d, &view);
    restore(&backup, record, &named);
    next_entry(&backup, backup.clock + 10, false);
    next_entry(&backup, backup.clock + 10, false);
    serve(&backup, 0, &s);
    consistency_record(&backup, named, &from);
    struct bytes generation = BYTES_OF(record), proof = buf_view(&from);
    s.answer.advance.generations = &generation;
    s.answer.advance.generation_consistency = &proof;
    s.answer.advance.n_generations = 1;
    s.answer.advance.consistency = (struct bytes){0}; /* there can be none */
    assert_ok(lookup_judge(&view, HANDLE, &s.answer, &r));
    assert_int_equal(r.log.restore, RESTORE_LARGER);
    assert_int_equal(r.log.named_size, named);
    assert_int_equal(r.log.own_size, named + 1);
    served_done(&s);

    /* The old one goes on beside the new one: both are of one time. */
    view.checkpoint.time = backup.clock + 500;
    serve(&backup, 0, &s);
    s.answer.advance.generations = &generation;
    s.answer.advance.generation_consistency = &proof;
    s.answer.advance.n_generations = 1;
    assert_rc(look(&view, &s), WAX_R_EQUIVOCATION);
    served_done(&s);
    buf_done(&from);
    close_directory(&d);
    close_directory(&backup);
}

static void evidence_counts_for_keys_of_the_log_alone(void **state)
{
    static struct directory d;
    struct checkpoint a, b;
    struct log_view view;
    uint8_t x[CHECKPOINT_RECORD], y[CHECKPOINT_RECORD], z[GENERATION_RECORD] = {0};
    struct ec_key *other = key_of(8);

    run_three_days(&d);
    view_of(&d, &view);
    checkpoint_of(&d, &a);
    b = a;
    b.root.b[0] ^= 1;
    assert_ok(checkpoint_sign(d.key, &b));
    checkpoint_encode(&a, x);
    checkpoint_encode(&b, y);
    assert_rc(equivocation_judge(BYTES_OF(x), BYTES_OF(y), &d.log, &view.keys), WAX_R_EQUIVOCATION);
    assert_rc(equivocation_judge(BYTES_OF(x), BYTES_OF(z), &d.log, &view.keys), WAX_R_PARSE);
    assert_ok(checkpoint_sign(other, &b));
    checkpoint_encode(&b, y);
    assert_rc(equivocation_judge(BYTES_OF(x), BYTES_OF(y), &d.log, &view.keys), WAX_R_SIGNATURE);
    a.log.b[0] ^= 1; /* of another log of the same key: no contradiction to be had */
    assert_ok(checkpoint_sign(d.key, &a));
    checkpoint_encode(&a, x);
    assert_rc(equivocation_judge(BYTES_OF(x), BYTES_OF(y), &d.log, &view.keys), WAX_R_CHAIN);
    ec_free(other);
    close_directory(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rotated_key_is_taken_with_its_record_alone),
        cmocka_unit_test(a_rotation_or_record_that_does_not_go_with_what_is_known_is_refused),
        cmocka_unit_test(generations_are_climbed_one_by_one),
        cmocka_unit_test(who_knows_more_than_the_backup_is_told_both_sizes),
        cmocka_unit_test(evidence_counts_for_keys_of_the_log_alone),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
