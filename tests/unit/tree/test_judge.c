/* What a client makes of an honest directory's answers, and of those of one that lies: a
 * small directory with real trees and a real key stands for both. */
#include "tree_test.h"

#include "tree/judge.h"

#define DAY_ONE 1767225600000ULL /* midnight */
#define ENTRIES_MAX 64
#define HANDLE "ann@example.org"

struct directory {
    struct ec_key *key, *key2;
    struct log_id log;
    struct map_twin nodes;
    struct map_tree map;
    struct map_ref roots[ENTRIES_MAX];
    struct log_twin hashes;
    struct log_entry entries[ENTRIES_MAX];
    uint64_t size, daily;
    uint32_t generation, version; /* of HANDLE */
    uint64_t clock, seed;
};

static struct map_claim claim_of(uint32_t version)
{
    struct map_claim c = {.acct = {{7}}, .seq = version, .manifest = {{9}}, .opening = {{11}}};

    c.manifest.b[31] = (uint8_t)version;
    return c;
}

static struct ec_key *key_of(uint8_t number)
{
    struct key32 scalar = {{0}};
    struct ec_key *k = NULL;

    scalar.b[31] = number;
    assert_ok(ec_from_scalar(&scalar, &k));
    return k;
}

static void open_directory(struct directory *d)
{
    *d = (struct directory){.map = MAP_TREE_EMPTY, .clock = DAY_ONE, .seed = 99};
    d->key = key_of(5);
    d->key2 = key_of(6);
    assert_ok(log_id_of(ec_public(d->key), "example.org", &d->log));
}

static void close_directory(struct directory *d)
{
    ec_free(d->key);
    ec_free(d->key2);
    map_twin_done(&d->nodes);
    log_twin_done(&d->hashes);
}

/* The next log entry: some strangers' changes, and a new version of the handle or not. */
static void next_entry(struct directory *d, uint64_t time, bool change)
{
    struct map_store nodes = map_twin_store(&d->nodes);
    struct log_store hashes = log_twin_store(&d->hashes);
    struct feed_item items[4];
    uint8_t bytes[LOG_ENTRY_SIZE];
    struct hash32 leaf;
    size_t n = 0;

    for (; n < 3; n++)
        draw_bytes(&d->seed, (uint8_t *)&items[n], sizeof items[n]);
    if (change) {
        struct map_claim c = claim_of(++d->version);
        assert_ok(map_key_of(&d->log, HANDLE, d->version, &items[n].key));
        assert_ok(map_value_of(&c, &items[n++].value));
    }
    map_sort(items, n);
    assert_ok(map_insert(&nodes, &d->map, items, n, UINT64_MAX));
    if (d->size == 0 || day_of(d->entries[d->size - 1].time) < day_of(time))
        d->daily = d->size;
    assert_true(d->size < ENTRIES_MAX);
    d->roots[d->size] = d->map.root;
    d->entries[d->size] = (struct log_entry){time, d->map.root.hash, d->map.size};
    log_entry_encode(&d->entries[d->size], bytes);
    assert_ok(log_leaf(BYTES_OF(bytes), &leaf));
    assert_ok(log_append(&hashes, d->size++, &leaf));
    d->clock = time;
}

/* Five entries a day for three days; the handle has three versions. */
static void run_three_days(struct directory *d)
{
    open_directory(d);
    for (uint64_t day = 0; day < 3; day++)
        for (uint64_t i = 0; i < 5; i++)
            next_entry(d, DAY_ONE + day * DAY_MS + i * 1000, i == 1);
}

static void checkpoint_of(struct directory *d, struct checkpoint *ret)
{
    struct log_store hashes = log_twin_store(&d->hashes);

    *ret = (struct checkpoint){.log = d->log,
                               .generation = d->generation,
                               .size = d->size,
                               .time = d->clock + 500,
                               .daily = d->daily};
    assert_ok(log_root(&hashes, d->size, &ret->root));
    assert_ok(checkpoint_sign(d->key, ret));
}

/* --- An answer ------------------------------------------------------------------------ */

enum part { CHECKPOINT, CONSISTENCY, ENTRY, LAST, INCLUSION, INCLUSION2, ABSENCE, N_PARTS };
struct served {
    struct buf part[N_PARTS];
    struct lookup_version versions[2]; /* the newest two */
    struct lookup_answer answer;
};

static void served_done(struct served *s)
{
    for (int i = 0; i < N_PARTS; i++)
        buf_done(&s->part[i]);
}

static void map_record(struct directory *d, uint32_t version, struct buf *out)
{
    struct map_store nodes = map_twin_store(&d->nodes);
    struct map_proof p;
    struct map_key key;

    assert_ok(map_key_of(&d->log, HANDLE, version, &key));
    assert_ok(map_prove(&nodes, &d->map.root, &key, &p));
    assert_ok(map_proof_encode(&p, out));
}

static void consistency_record(struct directory *d, uint64_t from, struct buf *out)
{
    struct log_store hashes = log_twin_store(&d->hashes);
    struct log_path path;

    assert_ok(log_prove_consistency(&hashes, from, d->size, &path));
    assert_ok(log_proof_encode(log_path_view(&path), out));
}

static void inclusion_record(struct directory *d, uint64_t index, struct buf *out)
{
    struct log_store hashes = log_twin_store(&d->hashes);
    struct log_path path;

    assert_ok(log_prove_inclusion(&hashes, index, d->size, &path));
    assert_ok(log_proof_encode(log_path_view(&path), out));
}

/* Points the answer at the parts, as they are now. */
static void bind_parts(struct served *s)
{
    s->answer.advance.checkpoint = buf_view(&s->part[CHECKPOINT]);
    s->answer.advance.consistency = buf_view(&s->part[CONSISTENCY]);
    s->answer.last_entry = buf_view(&s->part[ENTRY]);
    s->answer.last_inclusion = buf_view(&s->part[LAST]);
    s->versions[0].inclusion = buf_view(&s->part[INCLUSION]);
    s->versions[1].inclusion = buf_view(&s->part[INCLUSION2]);
    s->answer.absence_next = buf_view(&s->part[ABSENCE]);
    s->answer.versions = s->versions;
    s->answer.n_versions = 2;
}

/* The newest two versions, for a client that knows the log up to `from` (0: nothing). */
static void serve(struct directory *d, uint64_t from, struct served *s)
{
    struct checkpoint c;

    *s = (struct served){.answer = {.last_index = d->size - 1, .version = d->version}};
    checkpoint_of(d, &c);
    checkpoint_encode(&c, buf_extend(&s->part[CHECKPOINT], CHECKPOINT_RECORD));
    consistency_record(d, from, &s->part[CONSISTENCY]);
    log_entry_encode(&d->entries[d->size - 1], buf_extend(&s->part[ENTRY], LOG_ENTRY_SIZE));
    inclusion_record(d, d->size - 1, &s->part[LAST]);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t v = d->version - 1 + i;
        s->versions[i] = (struct lookup_version){.version = v, .claim = claim_of(v)};
        map_record(d, v, &s->part[i ? INCLUSION2 : INCLUSION]);
    }
    map_record(d, d->version + 1, &s->part[ABSENCE]);
    bind_parts(s);
}

/* What a client knows that saw the directory as it is now. */
static void view_of(struct directory *d, struct log_view *ret)
{
    *ret = (struct log_view){.log = d->log, .keys = {.n = 1}, .has_checkpoint = true};
    ret->keys.v[0] = *ec_public(d->key);
    checkpoint_of(d, &ret->checkpoint);
}

static wax_rc look(const struct log_view *view, const struct served *s)
{
    static struct lookup_result r;

    return lookup_judge(view, HANDLE, &s->answer, &r);
}

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

/* --- Rotation and generations ----------------------------------------------------------- */

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
        cmocka_unit_test(an_honest_answer_is_taken_first_and_later),
        cmocka_unit_test(an_answer_with_any_byte_changed_or_a_part_missing_is_refused),
        cmocka_unit_test(a_version_left_out_hidden_or_swapped_is_refused),
        cmocka_unit_test(an_older_checkpoint_than_the_clients_is_refused),
        cmocka_unit_test(a_fork_shows_at_the_first_checkpoint_or_proof),
        cmocka_unit_test(a_checkpoint_of_another_day_than_the_last_entry_is_refused),
        cmocka_unit_test(daily_entries_are_shown_for_every_day_and_only_the_first),
        cmocka_unit_test(values_are_proven_at_the_daily_entries_that_were_kept),
        cmocka_unit_test(a_rotated_key_is_taken_with_its_record_alone),
        cmocka_unit_test(a_rotation_or_record_that_does_not_go_with_what_is_known_is_refused),
        cmocka_unit_test(generations_are_climbed_one_by_one),
        cmocka_unit_test(who_knows_more_than_the_backup_is_told_both_sizes),
        cmocka_unit_test(evidence_counts_for_keys_of_the_log_alone),
    };

    return cmocka_run_group_tests(tests, start_crypto, NULL);
}
