/* Speed and size of the directory's two trees (src/tree): 10^5 accounts and 10^6 changes in
 * batches, then proofs out of what came of it. Floors: as many SHA-256 of a node (65 bytes:
 * prefix and two hashes) as the work hashes, and one signature check for a look-up. JSON
 * lines (measure.h). */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "measure.h"
#include "os/random.h"
#include "tree/judge.h"
#include "tree_nodes.h"

#define MS 800U
#define ACCOUNTS 100000
#define CHANGES 1000000
#define BATCH 100        /* changes of a log entry */
#define DAY_CHANGES 7000 /* of a day, where each account signs anew every 15 days */
#define DAYS 5
#define SAMPLES 64
#define DOMAIN "bench.example"

struct site {
    struct log_id log;
    struct ec_key *key;
    struct map_nodes *nodes;
    struct log_nodes *hashes;
    struct map_store map;
    struct log_store store;
    struct map_tree tree;
    uint32_t *version; /* of each account */
    uint64_t size, time, seed;
    struct log_entry last;
};

static uint64_t draw(struct site *s)
{
    s->seed ^= s->seed >> 12;
    s->seed ^= s->seed << 25;
    s->seed ^= s->seed >> 27;
    return (s->seed * 2685821657736338717ULL) >> 20;
}

static void print(const char *name, const char *unit, double value, double floor)
{
    figure_print(&(struct figure){.name = name, .unit = unit, .value = value, .floor = floor});
}

/* --- Building ------------------------------------------------------------------------- */

static void handle_of(size_t account, char out[40])
{
    (void)snprintf(out, 40, "user%06zu@" DOMAIN, account);
}

static struct map_claim claim_of(size_t account, uint32_t version)
{
    struct map_claim c = {.seq = version};

    put_u64(c.acct.b, account);
    put_u32(c.manifest.b, version);
    put_u64(c.opening.b, account ^ version);
    return c;
}

static void next_version(struct site *s, size_t account, struct feed_item *ret)
{
    struct map_claim c = claim_of(account, ++s->version[account]);
    char handle[40];

    handle_of(account, handle);
    must(map_key_of(&s->log, handle, c.seq, &ret->key), "key");
    must(map_value_of(&c, &ret->value), "value");
}

/* The least time of a hash of a node, in ns, of a few tries now. */
static double node_hash_ns(void)
{
    struct hash32 l = {{1}}, r = {{2}};
    double best = 1e9;

    for (int k = 0; k < 5; k++) {
        uint64_t start = cpu_ns();
        for (int i = 0; i < 400; i++)
            must(map_inner(&l, &r, &l), "hash");
        double each = (double)(cpu_ns() - start) / 400;
        best = each < best ? each : best;
    }
    return best;
}

/* One batch and its log entry; gives the processor time in ns. */
static double batch(struct site *s, struct feed_item *items, size_t n, uint64_t keep_below)
{
    uint8_t bytes[LOG_ENTRY_SIZE];
    struct hash32 leaf;
    uint64_t start = cpu_ns();

    map_sort(items, n);
    must(map_insert(&s->map, &s->tree, items, n, keep_below), "insert");
    s->last = (struct log_entry){s->time++, s->tree.root.hash, s->tree.size};
    log_entry_encode(&s->last, bytes);
    must(log_leaf(BYTES_OF(bytes), &leaf), "leaf");
    must(log_append(&s->store, s->size++, &leaf), "append");
    return (double)(cpu_ns() - start);
}

/* `changes` of them: accounts not there yet come first, then any. */
static double grow(struct site *s, size_t *registered, size_t changes, uint64_t keep_below,
                   double *best_hash)
{
    struct feed_item items[BATCH];
    double ns = 0;

    for (size_t done = 0; done < changes; done += BATCH) {
        for (size_t i = 0; i < BATCH; i++) {
            bool new = *registered < ACCOUNTS;
            next_version(s, new ? (*registered)++ : (size_t)draw(s) % ACCOUNTS, &items[i]);
        }
        ns += batch(s, items, BATCH, keep_below);
        if (done % 20000 == 0) {
            double h = node_hash_ns();
            *best_hash = h < *best_hash ? h : *best_hash;
        }
    }
    return ns;
}

static void build(struct site *s)
{
    size_t registered = 0;
    double hash = 1e9;

    double ns = grow(s, &registered, CHANGES, 0, &hash);
    double hashes = (double)(map_nodes_puts(s->nodes) + log_nodes_puts(s->hashes));
    print("tree_change", "us", ns / CHANGES / 1000, hashes * hash / CHANGES / 1000);
    print("tree_writes", "rows", (double)map_nodes_puts(s->nodes) / CHANGES, 0);
    print("tree_file", "MB", (double)map_nodes_bytes(s->nodes) / 1e6, 0);

    /* What it costs to go on giving proofs under the daily entry's root. */
    uint64_t before = map_nodes_bytes(s->nodes), added = 0;
    for (int day = 0; day < DAYS; day++) {
        (void)grow(s, &registered, DAY_CHANGES, s->tree.next, &hash);
        added += DAY_CHANGES;
    }
    /* Less what the changes themselves add. */
    double grown =
        (double)(map_nodes_bytes(s->nodes) - before) - (double)before / CHANGES * (double)added;
    print("tree_day", "MB", grown / DAYS / 1e6, 0);
}

/* --- Proofs --------------------------------------------------------------------------- */

struct sample {
    size_t account;
    uint64_t index, from; /* log */
    struct map_key key, next;
    struct map_value value;
    struct hash32 leaf;
    struct log_head earlier;
    struct buf inclusion, absence, log_inclusion, consistency;
    struct lookup_version version;
    struct lookup_answer answer;
    struct log_view view;
};
struct job {
    struct site *site;
    struct log_head head;
    uint8_t checkpoint[CHECKPOINT_RECORD], entry[LOG_ENTRY_SIZE];
    struct buf last_inclusion;
    struct sample *v; /* SAMPLES */
    size_t hashes;    /* of the floor, in a round of all samples */
    size_t checks;    /* signatures of it */
    struct checkpoint c;
};

static void map_record(const struct site *s, const struct map_key *key, struct buf *out)
{
    struct map_proof p;

    must(map_prove(&s->map, &s->tree.root, key, &p), "prove");
    buf_reset(out);
    must(map_proof_encode(&p, out), "encode");
}

static void log_record(const struct site *s, bool consistency, uint64_t at, struct buf *out)
{
    struct log_path path;

    must(consistency ? log_prove_consistency(&s->store, at, s->size, &path)
                     : log_prove_inclusion(&s->store, at, s->size, &path),
         "prove");
    buf_reset(out);
    must(log_proof_encode(log_path_view(&path), out), "encode");
}

static void sample_make(struct job *j, struct sample *x)
{
    struct site *s = j->site;
    char handle[40];

    x->account = (size_t)draw(s) % ACCOUNTS;
    x->index = draw(s) % s->size;
    x->from = 1 + draw(s) % (s->size - 1);
    uint32_t version = s->version[x->account];
    x->version =
        (struct lookup_version){.version = version, .claim = claim_of(x->account, version)};
    handle_of(x->account, handle);
    must(map_key_of(&s->log, handle, version, &x->key), "key");
    must(map_key_of(&s->log, handle, version + 1, &x->next), "key");
    must(map_value_of(&x->version.claim, &x->value), "value");
    must(s->store.get(s->store.ctx, 0, x->index, &x->leaf), "leaf");
    x->earlier.size = x->from;
    must(log_root(&s->store, x->from, &x->earlier.root), "root");
    map_record(s, &x->key, &x->inclusion);
    map_record(s, &x->next, &x->absence);
    log_record(s, false, x->index, &x->log_inclusion);
    log_record(s, true, x->from, &x->consistency);
}

/* A client that saw the log at x->from looks the account up. */
static void sample_answer(struct job *j, struct sample *x)
{
    x->version.inclusion = buf_view(&x->inclusion);
    x->answer = (struct lookup_answer){.advance = {.checkpoint = BYTES_OF(j->checkpoint),
                                                   .consistency = buf_view(&x->consistency)},
                                       .last_index = j->head.size - 1,
                                       .last_entry = BYTES_OF(j->entry),
                                       .last_inclusion = buf_view(&j->last_inclusion),
                                       .version = x->version.version,
                                       .versions = &x->version,
                                       .n_versions = 1,
                                       .absence_next = buf_view(&x->absence)};
    x->view = (struct log_view){.log = j->site->log, .has_checkpoint = true, .keys = {.n = 1}};
    x->view.keys.v[0] = *ec_public(j->site->key);
    x->view.checkpoint = j->c;
    x->view.checkpoint.size = x->from;
    x->view.checkpoint.root = x->earlier.root;
}

static void job_make(struct job *j, struct site *s)
{
    *j = (struct job){.site = s, .head = {.size = s->size}};
    j->v = must_alloc(SAMPLES * sizeof *j->v);
    must(log_root(&s->store, s->size, &j->head.root), "root");
    j->c = (struct checkpoint){
        .log = s->log, .size = s->size, .root = j->head.root, .time = s->last.time};
    must(checkpoint_sign(s->key, &j->c), "sign");
    checkpoint_encode(&j->c, j->checkpoint);
    log_entry_encode(&s->last, j->entry);
    log_record(s, false, s->size - 1, &j->last_inclusion);
    for (size_t i = 0; i < SAMPLES; i++) {
        sample_make(j, &j->v[i]);
        sample_answer(j, &j->v[i]);
    }
}

static void job_done(struct job *j)
{
    for (size_t i = 0; i < SAMPLES; i++) {
        buf_done(&j->v[i].inclusion);
        buf_done(&j->v[i].absence);
        buf_done(&j->v[i].log_inclusion);
        buf_done(&j->v[i].consistency);
    }
    buf_done(&j->last_inclusion);
    mem_free(j->v);
}

static void size_print(const char *name, const struct job *j,
                       size_t (*size)(const struct job *j, const struct sample *x))
{
    char most[40];
    size_t sum = 0, max = 0;

    for (size_t i = 0; i < SAMPLES; i++) {
        size_t n = size(j, &j->v[i]);
        sum += n;
        max = n > max ? n : max;
    }
    print(name, "B", (double)sum / SAMPLES, 0);
    (void)snprintf(most, sizeof most, "%s_max", name);
    print(most, "B", (double)max, 0);
}

static size_t inclusion_size(const struct job *j, const struct sample *x) { return x->inclusion.n; }

static size_t absence_size(const struct job *j, const struct sample *x) { return x->absence.n; }

static size_t consistency_size(const struct job *j, const struct sample *x)
{
    return x->consistency.n;
}

/* All that proves it; without chain links and bundles. */
static size_t lookup_size(const struct job *j, const struct sample *x)
{
    return CHECKPOINT_RECORD + x->consistency.n + LOG_ENTRY_SIZE + j->last_inclusion.n +
           sizeof(struct map_opening) + x->inclusion.n + x->absence.n;
}

/* --- Times: rounds over all samples ----------------------------------------------------- */

static void floor_of(void *ctx, size_t step)
{
    struct job *j = ctx;
    struct hash32 l = {{1}}, r = {{2}};

    for (size_t i = 0; i < j->hashes; i++)
        must(map_inner(&l, &r, &l), "hash");
    for (size_t i = 0; i < j->checks; i++)
        must(checkpoint_verify(&j->c, &j->site->log, ec_public(j->site->key)), "verify");
}

static void check_inclusions(void *ctx, size_t step)
{
    const struct job *j = ctx;

    for (size_t i = 0; i < SAMPLES; i++)
        must(map_check_inclusion(&j->site->tree.root.hash, &j->v[i].key, &j->v[i].value,
                                 buf_view(&j->v[i].inclusion)),
             "inclusion");
}

static void check_absences(void *ctx, size_t step)
{
    const struct job *j = ctx;

    for (size_t i = 0; i < SAMPLES; i++)
        must(map_check_absence(&j->site->tree.root.hash, &j->v[i].next, buf_view(&j->v[i].absence)),
             "absence");
}

static void check_consistencies(void *ctx, size_t step)
{
    const struct job *j = ctx;

    for (size_t i = 0; i < SAMPLES; i++)
        must(log_check_extends(&j->v[i].earlier, &j->head, buf_view(&j->v[i].consistency)),
             "consistency");
}

static void check_lookups(void *ctx, size_t step)
{
    static struct lookup_result r;
    const struct job *j = ctx;
    char handle[40];

    for (size_t i = 0; i < SAMPLES; i++) {
        handle_of(j->v[i].account, handle);
        must(lookup_judge(&j->v[i].view, handle, &j->v[i].answer, &r), "look-up");
    }
}

/* What the server makes for a look-up; the log's last inclusion and the checkpoint are made
 * once an entry. */
static void prove_lookups(void *ctx, size_t step)
{
    struct job *j = ctx;

    for (size_t i = 0; i < SAMPLES; i++) {
        map_record(j->site, &j->v[i].key, &j->v[i].inclusion);
        map_record(j->site, &j->v[i].next, &j->v[i].absence);
        log_record(j->site, true, j->v[i].from, &j->v[i].consistency);
    }
}

static void time_print(const char *name, struct job *j, void (*fn)(void *ctx, size_t step),
                       size_t hashes, size_t checks)
{
    struct work w = {.floor = floor_of, .subject = fn, .ctx = j};
    double floor, value;

    j->hashes = hashes;
    j->checks = checks;
    measure(&w, MS, &floor, &value);
    print(name, "us", value / SAMPLES, hashes ? floor / SAMPLES : 0);
}

/* Hashes to recompute: siblings of a path, and the leaf. Key and value are hashed for a
 * look-up only: three of 80 to 110 bytes, counted as one node each. */
static size_t path_hashes(const struct buf *record, size_t head) { return (record->n - head) / 32; }

/* As RFC 9162 2.1.4.2 counts them: a sibling on the left is in both roots. */
static size_t consistency_hashes(uint64_t from, uint64_t to)
{
    uint64_t at = from - 1, last = to - 1;
    size_t n = 0;

    if (from == to)
        return 0;
    for (; at & 1; at >>= 1)
        last >>= 1;
    for (; last != 0; at >>= 1, last >>= 1) {
        if (at & 1)
            n += 2;
        else if (at != last)
            n++;
    }
    return n;
}

static void times(struct job *j)
{
    size_t in = 0, out = 0, extends = 0, last = path_hashes(&j->last_inclusion, 1) + 1;

    for (size_t i = 0; i < SAMPLES; i++) {
        const struct sample *x = &j->v[i];
        bool other = x->absence.p[0] == ABSENCE_OTHER;
        in += path_hashes(&x->inclusion, 2) + 1;
        out += path_hashes(&x->absence, 3) - (other ? 2 : 0) + other;
        extends += consistency_hashes(x->from, j->head.size);
    }
    time_print("inclusion_check", j, check_inclusions, in, 0);
    time_print("absence_check", j, check_absences, out, 0);
    time_print("consistency_check", j, check_consistencies, extends, 0);
    time_print("lookup_check", j, check_lookups, in + out + extends + (last + 3) * SAMPLES,
               SAMPLES);
    time_print("lookup_prove", j, prove_lookups, 0, 0);
}

/* --------------------------------------------------------------------------------------- */

static void site_make(struct site *s)
{
    *s = (struct site){.tree = MAP_TREE_EMPTY, .time = 1767225600000, .seed = 2026};
    s->nodes = map_nodes_open();
    s->hashes = log_nodes_open();
    s->map = map_nodes_store(s->nodes);
    s->store = log_nodes_store(s->hashes);
    s->version = must_alloc(ACCOUNTS * sizeof *s->version);
    must(ec_generate(os_rng(), &s->key), "key");
    must(log_id_of(ec_public(s->key), DOMAIN, &s->log), "log");
}

static void site_done(struct site *s)
{
    ec_free(s->key);
    map_nodes_close(s->nodes);
    log_nodes_close(s->hashes);
    mem_free(s->version);
}

int main(void)
{
    static struct site s;
    static struct job j;

    must(crypto_init(), "crypto");
    site_make(&s);
    build(&s);
    job_make(&j, &s);
    size_print("inclusion_size", &j, inclusion_size);
    size_print("absence_size", &j, absence_size);
    size_print("consistency_size", &j, consistency_size);
    size_print("lookup_size", &j, lookup_size);
    times(&j);
    job_done(&j);
    site_done(&s);
    return 0;
}
