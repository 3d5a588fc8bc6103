#include "directory.h"

struct map_claim claim_of(uint32_t version)
{
    struct map_claim c = {.acct = {{7}}, .seq = version, .manifest = {{9}}, .opening = {{11}}};

    c.manifest.b[31] = (uint8_t)version;
    return c;
}

struct ec_key *key_of(uint8_t number)
{
    struct key32 scalar = {{0}};
    struct ec_key *k = NULL;

    scalar.b[31] = number;
    assert_ok(ec_from_scalar(&scalar, &k));
    return k;
}

void open_directory(struct directory *d)
{
    *d = (struct directory){.map = MAP_TREE_EMPTY, .clock = DAY_ONE, .seed = 99};
    d->key = key_of(5);
    d->key2 = key_of(6);
    assert_ok(log_id_of(ec_public(d->key), "example.org", &d->log));
}

void close_directory(struct directory *d)
{
    ec_free(d->key);
    ec_free(d->key2);
    map_twin_done(&d->nodes);
    log_twin_done(&d->hashes);
}

void next_entry(struct directory *d, uint64_t time, bool change)
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

void run_three_days(struct directory *d)
{
    open_directory(d);
    for (uint64_t day = 0; day < 3; day++)
        for (uint64_t i = 0; i < 5; i++)
            next_entry(d, DAY_ONE + day * DAY_MS + i * 1000, i == 1);
}

void checkpoint_of(struct directory *d, struct checkpoint *ret)
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

void served_done(struct served *s)
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

void consistency_record(struct directory *d, uint64_t from, struct buf *out)
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

void bind_parts(struct served *s)
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

void serve(struct directory *d, uint64_t from, struct served *s)
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

void view_of(struct directory *d, struct log_view *ret)
{
    *ret = (struct log_view){.log = d->log, .keys = {.n = 1}, .has_checkpoint = true};
    ret->keys.v[0] = *ec_public(d->key);
    checkpoint_of(d, &ret->checkpoint);
}

wax_rc look(const struct log_view *view, const struct served *s)
{
    static struct lookup_result r;

    return lookup_judge(view, HANDLE, &s->answer, &r);
}
