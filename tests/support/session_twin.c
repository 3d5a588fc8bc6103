#include "session_twin.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "session/fanout.h"
#include "wire/manifest.h"

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "session twin: %s\n", what);
    abort();
}

void *twin_grow(void *v, size_t *cap, size_t n, size_t size)
{
    if (n < *cap)
        return v;
    *cap = *cap ? *cap * 2 : 16;
    v = realloc(v, *cap * size);
    if (!v)
        die("no memory");
    return v;
}

void twin_done(struct twin *t)
{
    ec_free(t->dsk);
    free(t->skipped.v);
    free(t->slots.v);
    free(t->epochs.v);
    free(t->seen.v);
    free(t->fanouts.v);
    free(t->prekeys.v);
    free(t->known.v);
    for (size_t i = 0; i < t->states.n; i++)
        free(t->states.v[i]);
    free(t->states.v);
    *t = (struct twin){0};
}

static bool slot_eq(const struct slot *x, const struct slot *y)
{
    return x->ctr == y->ctr && x->epoch == y->epoch && ID_EQ(&x->sid, &y->sid);
}

/* --- Rows ---------------------------------------------------------------------------- */

static wax_rc row_sender(void *ctx, const struct dev_id *dev, struct party *ret)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->known.n; i++)
        if (ID_EQ(&t->known.v[i].dev, dev)) {
            *ret = t->known.v[i];
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

static wax_rc row_owner(void *ctx, const struct sid *sid, struct dev_id *ret)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->states.n; i++)
        if (session_find(t->states.v[i], sid)) {
            *ret = t->states.v[i]->peer;
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

static wax_rc row_skipped(void *ctx, const struct slot *slot, struct key32 *ret)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->skipped.n; i++)
        if (slot_eq(&t->skipped.v[i].slot, slot)) {
            *ret = t->skipped.v[i].mk;
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

static wax_rc row_slot(void *ctx, const struct slot *slot, struct hash32 *ret)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->slots.n; i++)
        if (slot_eq(&t->slots.v[i].slot, slot)) {
            *ret = t->slots.v[i].hash;
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

static wax_rc row_epoch(void *ctx, const struct sid *sid, uint32_t epoch, struct epoch_row *ret)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->epochs.n; i++)
        if (t->epochs.v[i].epoch == epoch && ID_EQ(&t->epochs.v[i].sid, sid)) {
            *ret = t->epochs.v[i];
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

static wax_rc row_seen(void *ctx, const struct bundle_id *bundle, const struct hash32 *key)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->seen.n; i++)
        if (ID_EQ(&t->seen.v[i].key, key) &&
            (t->seen_any_bundle || ID_EQ(&t->seen.v[i].bundle, bundle)))
            return WAX_OK;
    return WAX_E_NOTFOUND;
}

static wax_rc row_seen_count(void *ctx, const struct dev_id *sender, const struct bundle_id *bundle,
                             size_t *ret)
{
    struct twin *t = ctx;
    size_t n = 0;

    t->lookups++;
    for (size_t i = 0; i < t->seen.n; i++)
        n += ID_EQ(&t->seen.v[i].sender, sender) && ID_EQ(&t->seen.v[i].bundle, bundle);
    *ret = n;
    return WAX_OK;
}

static wax_rc row_fanout(void *ctx, const struct dev_id *sender, const struct fanout_id *id,
                         struct hash32 *ret_com)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->fanouts.n; i++)
        if (ID_EQ(&t->fanouts.v[i].id, id) && ID_EQ(&t->fanouts.v[i].sender, sender)) {
            *ret_com = t->fanouts.v[i].com;
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

static wax_rc row_skipped_count(void *ctx, const struct dev_id *peer, size_t *ret_peer,
                                size_t *ret_all)
{
    struct twin *t = ctx;
    size_t n = 0;

    t->lookups++;
    for (size_t i = 0; i < t->skipped.n; i++)
        n += ID_EQ(&t->skipped.v[i].peer, peer);
    *ret_peer = n;
    *ret_all = t->skipped.n;
    return WAX_OK;
}

static wax_rc row_prekey(void *ctx, const struct bundle_id *id, struct own_prekey *ret)
{
    struct twin *t = ctx;

    t->lookups++;
    for (size_t i = 0; i < t->prekeys.n; i++)
        if (ID_EQ(&t->prekeys.v[i].id, id)) {
            *ret = t->prekeys.v[i].key;
            return WAX_OK;
        }
    return WAX_E_NOTFOUND;
}

struct session_rows twin_rows(struct twin *t)
{
    return (struct session_rows){
        .ctx = t,
        .find_sender = row_sender,
        .sid_owner = row_owner,
        .skipped_key = row_skipped,
        .slot_hash = row_slot,
        .epoch = row_epoch,
        .seen = row_seen,
        .seen_count = row_seen_count,
        .fanout = row_fanout,
        .skipped_count = row_skipped_count,
        .prekey = row_prekey,
    };
}

struct peer_sessions *twin_state(struct twin *t, const struct dev_id *peer)
{
    for (size_t i = 0; i < t->states.n; i++)
        if (ID_EQ(&t->states.v[i]->peer, peer))
            return t->states.v[i];
    struct peer_sessions *s = malloc(sizeof *s);
    if (!s)
        die("no memory");
    peer_sessions_init(s, peer);
    TWIN_PUSH(&t->states, s);
    return s;
}

/* --- The transaction ------------------------------------------------------------------ */

#define REMOVE_IF(list, cond)                                                                      \
    do {                                                                                           \
        size_t kept_ = 0;                                                                          \
        for (size_t i = 0; i < (list)->n; i++)                                                     \
            if (!(cond))                                                                           \
                (list)->v[kept_++] = (list)->v[i];                                                 \
        (list)->n = kept_;                                                                         \
    } while (0)

static bool erased(const struct session_delta *d, const struct sid *sid)
{
    for (size_t i = 0; i < d->n_erased; i++)
        if (ID_EQ(&d->erased[i], sid))
            return true;
    return false;
}

static void evict(struct twin *t, const struct dev_id *peer, size_t n)
{
    REMOVE_IF(&t->skipped, ID_EQ(&t->skipped.v[i].peer, peer) && n && n--);
}

static void evict_largest(struct twin *t)
{
    struct dev_id worst = {0};
    size_t most = 0;

    for (size_t s = 0; s < t->states.n; s++) {
        size_t n = 0, all;
        (void)row_skipped_count(t, &t->states.v[s]->peer, &n, &all);
        if (n > most) {
            most = n;
            worst = t->states.v[s]->peer;
        }
    }
    evict(t, &worst, 1);
}

static void put_epoch(struct twin *t, const struct epoch_row *row)
{
    for (size_t i = 0; i < t->epochs.n; i++)
        if (t->epochs.v[i].epoch == row->epoch && ID_EQ(&t->epochs.v[i].sid, &row->sid)) {
            t->epochs.v[i] = *row;
            return;
        }
    TWIN_PUSH(&t->epochs, *row);
}

void twin_apply(struct twin *t, const struct dev_id *peer, const struct session_delta *d)
{
    REMOVE_IF(&t->skipped, erased(d, &t->skipped.v[i].slot.sid));
    REMOVE_IF(&t->slots, erased(d, &t->slots.v[i].slot.sid));
    REMOVE_IF(&t->epochs, erased(d, &t->epochs.v[i].sid));
    if (d->key_used)
        REMOVE_IF(&t->skipped, slot_eq(&t->skipped.v[i].slot, &d->used));
    evict(t, peer, d->evict_peer);
    for (size_t i = 0; i < d->n_skipped; i++)
        if (!erased(d, &d->skipped[i].slot.sid))
            TWIN_PUSH(&t->skipped,
                      (struct twin_skipped){*peer, d->skipped[i].slot, d->skipped[i].mk});
    for (size_t i = 0; i < d->evict_largest; i++)
        evict_largest(t);
    if (d->has_slot && !erased(d, &d->slot.sid))
        TWIN_PUSH(&t->slots, (struct twin_slot){d->slot, d->slot_hash, d->slot_own});
    for (size_t i = 0; i < d->n_epochs; i++)
        if (!erased(d, &d->epochs[i].sid))
            put_epoch(t, &d->epochs[i]);
    if (d->has_seen)
        TWIN_PUSH(&t->seen, (struct twin_seen){*peer, d->seen_bundle, d->seen_key});
    if (d->has_fanout)
        TWIN_PUSH(&t->fanouts, (struct twin_fanout){*peer, d->fanout, d->com});
}

void twin_dump(const struct twin *t, struct buf *out)
{
    for (size_t i = 0; i < t->states.n; i++)
        if (t->states.v[i]->n_held || t->states.v[i]->n_kept)
            if (peer_sessions_encode(t->states.v[i], out) != WAX_OK)
                die("state does not encode");
    for (size_t i = 0; i < t->skipped.n; i++) {
        buf_add(out, t->skipped.v[i].peer.b, 16);
        buf_add(out, t->skipped.v[i].slot.sid.b, 16);
        buf_u32(out, t->skipped.v[i].slot.epoch);
        buf_u32(out, t->skipped.v[i].slot.ctr);
        buf_add(out, t->skipped.v[i].mk.b, 32);
    }
    for (size_t i = 0; i < t->slots.n; i++) {
        buf_add(out, t->slots.v[i].slot.sid.b, 16);
        buf_u32(out, t->slots.v[i].slot.epoch);
        buf_u32(out, t->slots.v[i].slot.ctr);
        buf_add(out, t->slots.v[i].hash.b, 32);
    }
    for (size_t i = 0; i < t->epochs.n; i++) {
        buf_add(out, t->epochs.v[i].sid.b, 16);
        buf_u32(out, t->epochs.v[i].epoch);
        buf_add(out, t->epochs.v[i].constants.b, 32);
        buf_u8(out, t->epochs.v[i].closed);
        buf_u32(out, t->epochs.v[i].limit);
    }
    for (size_t i = 0; i < t->seen.n; i++)
        buf_add(out, t->seen.v[i].key.b, 32);
    for (size_t i = 0; i < t->fanouts.n; i++) {
        buf_add(out, t->fanouts.v[i].sender.b, 16);
        buf_add(out, t->fanouts.v[i].id.b, 16);
        buf_add(out, t->fanouts.v[i].com.b, 32);
    }
    if (buf_rc(out) != WAX_OK)
        die("dump");
}

#define COPY_LIST(to, from)                                                                        \
    for (size_t i = 0; i < (from)->n; i++)                                                         \
    TWIN_PUSH(to, (from)->v[i])

void twin_copy(const struct twin *t, struct twin *ret)
{
    *ret = (struct twin){.me = t->me, .seen_any_bundle = t->seen_any_bundle};
    COPY_LIST(&ret->skipped, &t->skipped);
    COPY_LIST(&ret->slots, &t->slots);
    COPY_LIST(&ret->epochs, &t->epochs);
    COPY_LIST(&ret->seen, &t->seen);
    COPY_LIST(&ret->fanouts, &t->fanouts);
    COPY_LIST(&ret->prekeys, &t->prekeys);
    COPY_LIST(&ret->known, &t->known);
    for (size_t i = 0; i < t->states.n; i++)
        *twin_state(ret, &t->states.v[i]->peer) = *t->states.v[i];
}

wax_rc twin_open(struct twin *t, struct bytes envelope, uint64_t now, struct opened *ret,
                 struct open_why *why)
{
    struct session_rows rows = twin_rows(t);
    struct envelope env;
    struct party sender;
    struct hash32 root;
    wax_rc rc = session_judge(&t->me, &rows, envelope, &env, &sender, &root);

    if (rc != WAX_OK)
        return rc;
    rc = session_open_known(&t->me, &sender, &root, twin_state(t, &sender.dev), &rows, &env, now,
                            ret, why);
    if (rc == WAX_OK)
        twin_apply(t, &sender.dev, &ret->delta);
    return rc;
}

/* --- Devices and randomness ----------------------------------------------------------- */

static void must(wax_rc rc)
{
    if (rc != WAX_OK)
        die(rc_text(rc));
}

void twin_device(struct twin *t, const struct rng *rng, struct buf *ret_bundle)
{
    struct twin_prekey p;
    struct ec_key *spk;
    struct bundle b = {0};
    struct hash32 h;
    size_t at = ret_bundle->n;

    *t = (struct twin){0};
    must(ec_generate(rng, &t->dsk));
    t->me.dsk = *ec_public(t->dsk);
    must(hash_label(&h, LABEL_DEV, PARTS(BYTES_OF(t->me.dsk.b))));
    memcpy(t->me.dev.b, h.b, sizeof t->me.dev.b);
    must(rng_fill(rng, t->me.acct.b, sizeof t->me.acct.b));
    must(ec_generate(rng, &spk));
    p.key.spk = *ec_public(spk);
    ec_scalar(spk, &p.key.spk_priv);
    ec_free(spk);
    must(rng_fill(rng, p.key.kpk_seed.b, sizeof p.key.kpk_seed.b));
    must(kem_keygen(KEM_1024, &p.key.kpk_seed, p.key.kpk));
    b.dev = t->me.dev;
    b.not_before = 1;
    b.spk = p.key.spk;
    memcpy(b.kpk, p.key.kpk, sizeof b.kpk);
    bundle_encode_body(&b, ret_bundle);
    must(buf_rc(ret_bundle));
    must(hash_label(&p.key.bundle_hash, LABEL_BUNDLE,
                    PARTS(BYTES(ret_bundle->p + at, BUNDLE_BODY))));
    memcpy(p.id.b, p.key.bundle_hash.b, sizeof p.id.b);
    TWIN_PUSH(&t->prekeys, p);
}

static wax_rc seeded_fill(void *ctx, uint8_t *out, size_t n)
{
    struct seeded *s = ctx;

    while (n) {
        uint8_t count[8];
        struct hash32 h;
        size_t k = n < 32 ? n : 32;
        put_u64(count, s->counter++);
        must(hash_raw(&h, PARTS(BYTES_OF(s->key), BYTES_OF(count))));
        memcpy(out, h.b, k);
        out += k;
        n -= k;
    }
    return WAX_OK;
}

struct rng seeded_rng(struct seeded *s, uint64_t seed)
{
    *s = (struct seeded){0};
    put_u64(s->key, seed);
    return (struct rng){seeded_fill, s};
}

static wax_rc scripted_fill(void *ctx, uint8_t *out, size_t n)
{
    struct scripted *s = ctx;

    if (s->bytes.n - s->at < n)
        return WAX_E_RANDOM;
    memcpy(out, s->bytes.p + s->at, n);
    s->at += n;
    return WAX_OK;
}

struct rng scripted_rng(struct scripted *s) { return (struct rng){scripted_fill, s}; }
