#include "people.h"

static uint64_t streams[64];
static size_t n_streams;

/* splitmix64: a fixed stream a seed. */
static wax_rc fill(void *ctx, uint8_t *out, size_t n)
{
    uint64_t *x = ctx;

    for (size_t i = 0; i < n; i++) {
        uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
        out[i] = (uint8_t)(z ^ z >> 31);
    }
    return WAX_OK;
}

struct rng people_rng(uint64_t seed)
{
    uint64_t *x = &streams[n_streams++ % 64];

    *x = seed * 0x2545f4914f6cdd1dULL;
    return (struct rng){fill, x};
}

int people_start(void **state)
{
    (void)state;
    return crypto_init() == WAX_OK ? 0 : -1;
}

void person_take(struct person *p, struct bytes bytes)
{
    struct chain_link link;
    struct buf *kept = &p->links[p->n_links];

    assert_true(p->n_links < LINKS_MAX);
    buf_bytes(kept, bytes);
    assert_int_equal(buf_rc(kept), WAX_OK);
    assert_int_equal(chain_link_decode(buf_view(kept), &link), WAX_OK);
    assert_int_equal(chain_prev_of(&link, &p->head), WAX_OK);
    p->n_links++;
}

void person_make(struct person *p, const char *handle, bool with_recovery, uint64_t seed)
{
    struct rng rng = people_rng(seed);
    struct genesis_in in = {.keys = &p->keys, .handle = handle, .name = "phone", .now = NOW};
    struct buf link = {0};

    memset(p, 0, sizeof(*p));
    assert_int_equal(device_keys_make(&rng, &p->keys), WAX_OK);
    if (with_recovery) {
        assert_int_equal(ec_generate(&rng, &p->recovery), WAX_OK);
        in.recovery = ec_public(p->recovery);
    }
    assert_int_equal(genesis_make(&in, &rng, &link, &p->prekey), WAX_OK);
    person_take(p, buf_view(&link));
    buf_done(&link);
}

void person_done(struct person *p)
{
    device_keys_done(&p->keys);
    ec_free(p->recovery);
    prekey_done(&p->prekey);
    for (size_t i = 0; i < p->n_links; i++)
        buf_done(&p->links[i]);
}

void person_change_as(struct person *p, const struct update_signer *signer,
                      const struct update_change *change, const struct device_keys *joiner,
                      uint64_t now)
{
    struct buf link = {0};

    assert_int_equal(update_make(&p->head, signer, change, joiner, now, &link), WAX_OK);
    person_take(p, buf_view(&link));
    buf_done(&link);
}

void person_change(struct person *p, const struct update_change *change,
                   const struct device_keys *joiner, uint64_t now)
{
    struct update_signer signer = update_signer_device(&p->keys);

    person_change_as(p, &signer, change, joiner, now);
}

void person_add_device(struct person *p, const char *name, struct device_keys *ret, uint64_t seed)
{
    struct rng rng = people_rng(seed);
    struct manifest_device entry;
    struct update_change change = {.add = &entry, .n_add = 1};

    assert_int_equal(device_keys_make(&rng, ret), WAX_OK);
    assert_int_equal(device_keys_entry(ret, name, &entry), WAX_OK);
    person_change(p, &change, ret, NOW);
}

void forge(const struct manifest *m, const struct ec_key *signer,
           const struct device_keys *const *joiners, size_t n_joiners, struct buf *link)
{
    struct buf record = {0};
    struct join joins[MANIFEST_DEVICES_MAX];
    struct hash32 hash;
    struct sig sig;

    assert_int_equal(manifest_encode_body(m, &record), WAX_OK);
    assert_int_equal(manifest_hash(buf_view(&record), &hash), WAX_OK);
    assert_int_equal(ec_sign(signer, LABEL_MANIFEST, PARTS(buf_view(&record)), &sig), WAX_OK);
    buf_add(&record, sig.b, sizeof(sig.b));
    for (size_t i = 0; i < n_joiners; i++)
        assert_int_equal(device_keys_join(joiners[i], &hash, &joins[i]), WAX_OK);
    assert_int_equal(chain_link_encode(buf_view(&record), joins, n_joiners, link), WAX_OK);
    buf_done(&record);
}

wax_rc judge_after(const struct person *p, struct bytes bytes, uint64_t now)
{
    struct chain_link link;
    wax_rc rc = chain_link_decode(bytes, &link);

    return rc == WAX_OK ? chain_check(&link, &p->head, now) : rc;
}

struct manifest successor_of(const struct person *p, uint64_t now)
{
    struct manifest m = p->head.manifest;

    m.seq++;
    m.prev = p->head.hash;
    m.issued = now;
    m.signer_kind = SIGNER_DEVICE;
    m.signer = p->keys.dev;
    return m;
}
