/* checkpoint.json: checkpoints and their short form in P, pairs that contradict and pairs that
 * do not, rotation, generation, cosignature, restores. */
#include "tree_vec.h"

#include "tree/judge.h"
#include "wire/envelope.h"

struct file {
    json_t *root;
    struct log_id log;
    struct log_keys keys;
};

static void load(struct file *f)
{
    f->root = vec_load("wax1/checkpoint.json");
    vec_fixed(f->root, "log_id", f->log.b, sizeof f->log.b);
    vec_fixed(f->root, "log_key", f->keys.v[0].b, sizeof f->keys.v[0].b);
    f->keys.n = 1;
}

static struct ec_key *secret(const struct file *f, const char *name)
{
    struct key32 scalar;
    struct ec_key *k = NULL;

    vec_fixed(vec_get(f->root, "secret"), name, scalar.b, sizeof scalar.b);
    assert_ok(ec_from_scalar(&scalar, &k));
    return k;
}

static void check_fields(const json_t *it, const struct checkpoint *c)
{
    struct hash32 root;

    vec_fixed(it, "root", root.b, sizeof root.b);
    assert_true(ID_EQ(&c->root, &root));
    assert_int_equal(c->generation, vec_u64(it, "generation"));
    assert_int_equal(c->size, vec_u64(it, "size"));
    assert_int_equal(c->time, vec_u64(it, "time"));
    assert_int_equal(c->daily, vec_u64(it, "daily"));
}

static void checkpoints_hold_and_encode_to_the_same_bytes(void **state)
{
    struct file f;
    json_t *it;
    size_t i;

    (void)state;
    load(&f);
    json_array_foreach(vec_get(f.root, "checkpoints"), i, it)
    {
        struct buf record = hex_of(it, "record"), in_p = hex_of(it, "in_P");
        uint8_t out[CHECKPOINT_RECORD];
        struct checkpoint c, s;
        assert_ok(checkpoint_check(buf_view(&record), &f.log, &f.keys.v[0], &c));
        check_fields(it, &c);
        checkpoint_encode(&c, out);
        assert_memory_equal(out, record.p, record.n);

        assert_int_equal(in_p.n, CHECKPOINT_SHORT);
        assert_int_equal(sizeof(struct p_checkpoint), CHECKPOINT_SHORT);
        assert_ok(checkpoint_short_decode(buf_view(&in_p), &f.log, &s));
        assert_ok(checkpoint_verify(&s, &f.log, &f.keys.v[0]));
        checkpoint_encode(&s, out);
        assert_memory_equal(out, record.p, record.n);
        checkpoint_short_encode(&c, out);
        assert_memory_equal(out, in_p.p, in_p.n);
        buf_done(&record);
        buf_done(&in_p);
    }
    assert_int_equal(i, 9);
    json_decref(f.root);
}

static void the_honest_checkpoints_do_not_contradict_each_other(void **state)
{
    struct file f;
    json_t *x, *y;
    size_t i, j;

    (void)state;
    load(&f);
    json_array_foreach(vec_get(f.root, "checkpoints"), i, x)
        json_array_foreach(vec_get(f.root, "checkpoints"), j, y)
    {
        struct buf a = hex_of(x, "record"), b = hex_of(y, "record");
        assert_ok(equivocation_judge(buf_view(&a), buf_view(&b), &f.log, &f.keys));
        buf_done(&a);
        buf_done(&b);
    }
    json_decref(f.root);
}

/* In both orders; and not once one byte of one record is another. */
static size_t judge_pairs(const struct file *f, const char *list)
{
    json_t *it;
    size_t i;

    json_array_foreach(vec_get(f->root, list), i, it)
    {
        struct buf a = hex_of(it, "first"), b = hex_of(it, "second");
        wax_rc want = vec_class(it, "result");
        const char *name = vec_str(it, "name");
        expect_class(name, equivocation_judge(buf_view(&a), buf_view(&b), &f->log, &f->keys), want);
        expect_class(name, equivocation_judge(buf_view(&b), buf_view(&a), &f->log, &f->keys), want);
        b.p[50] ^= 1;
        expect_class(name, equivocation_judge(buf_view(&a), buf_view(&b), &f->log, &f->keys),
                     b.n == CHECKPOINT_RECORD ? WAX_R_SIGNATURE : WAX_R_CHAIN);
        buf_done(&a);
        buf_done(&b);
    }
    return i;
}

static void pairs_are_judged_in_either_order(void **state)
{
    struct file f;

    (void)state;
    load(&f);
    assert_int_equal(judge_pairs(&f, "equivocation"), 3);
    assert_int_equal(judge_pairs(&f, "generations"), 6);
    assert_int_equal(judge_pairs(&f, "generation_pairs"), 4);
    json_decref(f.root);
}

static void each_bad_record_is_refused_by_its_class(void **state)
{
    struct file f;
    json_t *it;
    size_t i;

    (void)state;
    load(&f);
    json_array_foreach(vec_get(f.root, "negative"), i, it)
    {
        struct buf record = hex_of(it, "record");
        struct checkpoint c;
        expect_class(vec_str(it, "name"),
                     checkpoint_check(buf_view(&record), &f.log, &f.keys.v[0], &c),
                     vec_class(it, "refused"));
        buf_done(&record);
    }
    assert_int_equal(i, 6);
    json_array_foreach(vec_get(f.root, "generation_negative"), i, it)
    {
        struct buf record = hex_of(it, "record");
        struct generation g;
        expect_class(vec_str(it, "name"), generation_check(buf_view(&record), &f.log, &f.keys, &g),
                     vec_class(it, "refused"));
        buf_done(&record);
    }
    assert_int_equal(i, 8);
    json_decref(f.root);
}

static void rotation_generation_and_cosignature_hold_for_their_keys_alone(void **state)
{
    struct file f;
    struct buf record;
    struct rotation r;
    struct generation g;
    struct checkpoint c, last;
    struct point witness;
    uint8_t out[ROTATION_RECORD];

    (void)state;
    load(&f);
    struct ec_key *new_key = secret(&f, "new_log_key"), *w = secret(&f, "witness_key");

    record = hex_of(f.root, "rotation");
    assert_ok(rotation_check(buf_view(&record), &f.log, &f.keys.v[0], &r));
    assert_true(ID_EQ(&r.new_key, ec_public(new_key)));
    rotation_encode(&r, out);
    assert_memory_equal(out, record.p, sizeof out);
    expect_class("new key as old", rotation_check(buf_view(&record), &f.log, &r.new_key, &r),
                 WAX_R_SIGNATURE);
    assert_ok(log_keys_rotate(&f.keys, &f.log, buf_view(&record), &last));
    assert_int_equal(f.keys.n, 2);
    assert_true(ID_EQ(&f.keys.v[1], ec_public(new_key)));
    buf_done(&record);

    record = hex_of(f.root, "generation");
    assert_ok(generation_check(buf_view(&record), &f.log, &f.keys, &g));
    assert_int_equal(g.number, g.checkpoint.generation + 1);
    generation_encode(&g, out);
    assert_memory_equal(out, record.p, GENERATION_RECORD);
    buf_done(&record);

    /* The cosignature is under the newest checkpoint. */
    record = hex_of(json_array_get(vec_get(f.root, "checkpoints"), 8), "record");
    assert_ok(checkpoint_decode(buf_view(&record), &c));
    buf_done(&record);
    record = hex_of(f.root, "cosignature");
    assert_ok(cosignature_check(buf_view(&record), &c, &witness));
    assert_true(ID_EQ(&witness, ec_public(w)));
    c.size++;
    expect_class("another checkpoint", cosignature_check(buf_view(&record), &c, &witness),
                 WAX_R_SIGNATURE);
    buf_done(&record);
    ec_free(new_key);
    ec_free(w);
    json_decref(f.root);
}

static void what_we_sign_with_the_keys_of_the_file_holds(void **state)
{
    struct file f;
    uint8_t out[ROTATION_RECORD];
    struct checkpoint c;
    struct rotation r, r2;
    struct generation g, g2;
    struct cosignature s;
    struct point witness;

    (void)state;
    load(&f);
    struct ec_key *old = secret(&f, "log_key"), *new = secret(&f, "new_log_key"),
                  *w = secret(&f, "witness_key");
    struct buf record = hex_of(json_array_get(vec_get(f.root, "checkpoints"), 8), "record");
    assert_ok(checkpoint_decode(buf_view(&record), &c));
    memset(c.sig.b, 0, sizeof c.sig.b);
    assert_ok(checkpoint_sign(old, &c));
    assert_ok(checkpoint_verify(&c, &f.log, &f.keys.v[0]));
    assert_ok(rotation_sign(old, new, &c, &r));
    rotation_encode(&r, out);
    assert_ok(rotation_check(BYTES(out, ROTATION_RECORD), &f.log, &f.keys.v[0], &r2));
    assert_ok(generation_sign(old, &c, &g));
    generation_encode(&g, out);
    assert_ok(generation_check(BYTES(out, GENERATION_RECORD), &f.log, &f.keys, &g2));
    assert_ok(cosignature_sign(w, &c, &s));
    cosignature_encode(&s, out);
    assert_ok(cosignature_check(BYTES(out, COSIGNATURE_RECORD), &c, &witness));
    c.daily = c.size;
    expect_class("no daily entry", checkpoint_sign(old, &c), WAX_E_INVAL);
    ec_free(old);
    ec_free(new);
    ec_free(w);
    buf_done(&record);
    json_decref(f.root);
}

static enum restore_verdict verdict_of(const char *name)
{
    if (strcmp(name, "larger") == 0)
        return RESTORE_LARGER;
    assert_string_equal(name, "extends");
    return RESTORE_EXTENDS;
}

static void a_restore_is_judged_by_each_client_for_itself(void **state)
{
    struct file f;
    json_t *it;
    struct generation g;
    struct checkpoint now;
    enum restore_verdict got;
    size_t i;

    (void)state;
    load(&f);
    const json_t *restore = vec_get(f.root, "restore");
    struct buf record = hex_of(restore, "record"), next = hex_of(restore, "new_checkpoint"),
               named = hex_of(restore, "consistency_from_named");
    assert_ok(generation_check(buf_view(&record), &f.log, &f.keys, &g));
    assert_int_equal(g.checkpoint.size, vec_u64(restore, "named_size"));
    assert_ok(checkpoint_check(buf_view(&next), &f.log, &f.keys.v[0], &now));
    json_array_foreach(vec_get(restore, "clients"), i, it)
    {
        struct buf own_record = hex_of(it, "own"), from_own = {0};
        struct bytes generation = buf_view(&record), consistency = buf_view(&named);
        struct log_view view = {.log = f.log, .keys = f.keys, .has_checkpoint = true};
        struct log_advanced advanced;
        assert_ok(checkpoint_check(buf_view(&own_record), &f.log, &f.keys.v[0], &view.checkpoint));
        if (vec_has(it, "consistency_from_own"))
            vec_hex(it, "consistency_from_own", &from_own);
        assert_ok(
            restore_judge(&g, &now, buf_view(&named), &view.checkpoint, buf_view(&from_own), &got));
        assert_int_equal(got, verdict_of(vec_str(it, "result")));

        /* The same as it comes with an answer. */
        struct log_advance in = {.checkpoint = buf_view(&next),
                                 .consistency = buf_view(&from_own),
                                 .generations = &generation,
                                 .generation_consistency = &consistency,
                                 .n_generations = 1};
        assert_ok(log_advance_judge(&view, &in, &advanced));
        assert_int_equal(advanced.restore, got);
        assert_int_equal(advanced.named_size, g.checkpoint.size);
        assert_int_equal(advanced.own_size, view.checkpoint.size);
        in.n_generations = 0;
        expect_class("record withheld", log_advance_judge(&view, &in, &advanced), WAX_R_CHAIN);
        buf_done(&own_record);
        buf_done(&from_own);
    }
    assert_int_equal(i, 3);
    json_array_foreach(vec_get(restore, "refused"), i, it)
    {
        struct buf proof = hex_of(it, "consistency_from_named");
        expect_class(vec_str(it, "name"),
                     restore_judge(&g, &now, buf_view(&proof), NULL, (struct bytes){0}, &got),
                     vec_class(it, "refused"));
        buf_done(&proof);
    }
    assert_int_equal(i, 2);
    buf_done(&record);
    buf_done(&next);
    buf_done(&named);
    json_decref(f.root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoints_hold_and_encode_to_the_same_bytes),
        cmocka_unit_test(the_honest_checkpoints_do_not_contradict_each_other),
        cmocka_unit_test(pairs_are_judged_in_either_order),
        cmocka_unit_test(each_bad_record_is_refused_by_its_class),
        cmocka_unit_test(rotation_generation_and_cosignature_hold_for_their_keys_alone),
        cmocka_unit_test(what_we_sign_with_the_keys_of_the_file_holds),
        cmocka_unit_test(a_restore_is_judged_by_each_client_for_itself),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
