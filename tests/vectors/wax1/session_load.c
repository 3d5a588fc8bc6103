#include "session_load.h"

#include "wire/manifest.h"

struct bytes load_hex(const json_t *obj, const char *key, struct buf *out)
{
    buf_reset(out);
    vec_hex(obj, key, out);
    assert_ok(buf_rc(out));
    return buf_view(out);
}

struct party load_party(const json_t *obj)
{
    struct party p;

    vec_fixed(obj, "acct_id", p.acct.b, sizeof p.acct.b);
    vec_fixed(obj, "dev_id", p.dev.b, sizeof p.dev.b);
    vec_fixed(obj, "DSK", p.dsk.b, sizeof p.dsk.b);
    return p;
}

static void load_prekey(struct twin *t, const json_t *secret, struct bytes record)
{
    struct twin_prekey p = {0};
    struct bundle b;

    assert_ok(bundle_decode(record, &b));
    assert_ok(hash_label(&p.key.bundle_hash, LABEL_BUNDLE, PARTS(BYTES(record.p, BUNDLE_BODY))));
    memcpy(p.id.b, p.key.bundle_hash.b, sizeof p.id.b);
    p.key.spk = b.spk;
    memcpy(p.key.kpk, b.kpk, sizeof p.key.kpk);
    vec_fixed(secret, "SPK", p.key.spk_priv.b, 32);
    vec_fixed(secret, "KPK_seed_d_z", p.key.kpk_seed.b, 64);
    TWIN_PUSH(&t->prekeys, p);
}

void load_device(struct twin *t, const json_t *obj)
{
    json_t *secret = vec_get(obj, "secret"), *item;
    struct key32 scalar;
    struct buf b = {0};
    size_t i;

    *t = (struct twin){.me = load_party(obj), .seen_any_bundle = true};
    vec_fixed(secret, "DSK", scalar.b, sizeof scalar.b);
    assert_ok(ec_from_scalar(&scalar, &t->dsk));
    assert_memory_equal(ec_public(t->dsk)->b, t->me.dsk.b, sizeof t->me.dsk.b);
    if (vec_has(obj, "bundle")) {
        load_prekey(t, secret, load_hex(obj, "bundle", &b));
    } else {
        json_array_foreach(vec_get(obj, "bundles"), i, item)
        {
            buf_reset(&b);
            vec_hex_value(item, &b);
            load_prekey(t, secret, buf_view(&b));
        }
    }
    buf_done(&b);
}

/* "epoch:ctr" */
static struct slot slot_key(const struct sid *sid, const char *key)
{
    unsigned epoch, ctr;

    assert_int_equal(sscanf(key, "%u:%u", &epoch, &ctr), 2);
    return (struct slot){*sid, epoch, ctr};
}

static void load_send(const json_t *obj, struct send_chain *c)
{
    struct buf b = {0};

    c->on = true;
    c->epoch = (uint32_t)vec_u64(obj, "epoch");
    c->ctr = (uint32_t)vec_u64(obj, "ctr");
    c->pcl = (uint32_t)vec_u64(obj, "pcl");
    vec_fixed(obj, "CK", c->ck.b, 32);
    vec_fixed(obj, "E", c->e.b, 65);
    c->has_priv = vec_has(obj, "e_priv");
    if (c->has_priv)
        vec_fixed(obj, "e_priv", c->e_priv.b, 32);
    c->has_offer = vec_has(obj, "KP_seed");
    if (c->has_offer) {
        vec_fixed(obj, "KP_seed", c->kp_seed.b, 64);
        assert_ok(kem_keygen(KEM_768, &c->kp_seed, c->kp));
    }
    /* The nested form leaves out what only sealing needs. */
    c->ct_len = c->epoch == 0 ? KEM1024_CT : 0;
    if (vec_has(obj, "ct")) {
        struct bytes ct = load_hex(obj, "ct", &b);
        assert_true(ct.n == KEM1024_CT || ct.n == KEM768_CT);
        c->ct_len = (uint16_t)ct.n;
        memcpy(c->ct, ct.p, ct.n);
    }
    if (vec_has(obj, "bundle_id"))
        vec_fixed(obj, "bundle_id", c->bundle.b, 16);
    buf_done(&b);
}

static void load_recv(const json_t *obj, struct recv_chain *c)
{
    c->on = true;
    c->epoch = (uint32_t)vec_u64(obj, "epoch");
    c->next = (uint32_t)vec_u64(obj, "next");
    vec_fixed(obj, "CK", c->ck.b, 32);
    vec_fixed(obj, "E", c->e.b, 65);
    c->has_kp = vec_has(obj, "KP");
    if (c->has_kp)
        vec_fixed(obj, "KP", c->kp, sizeof c->kp);
}

static void load_xk(const json_t *obj, struct xk_set *x)
{
    json_t *item;
    size_t i;

    x->has_received = vec_has(obj, "newest_received");
    if (x->has_received)
        vec_fixed(obj, "newest_received", x->received.b, 32);
    json_array_foreach(vec_get(obj, "started"), i, item)
    {
        struct buf b = {0};
        assert_true(i < 2);
        vec_hex_value(item, &b);
        assert_int_equal(b.n, 32);
        memcpy(x->started[i].b, b.p, 32);
        x->n_started = (uint8_t)(i + 1);
        buf_done(&b);
    }
}

static void load_common(const json_t *obj, struct session *x)
{
    vec_fixed(obj, "SID", x->sid.b, 16);
    x->initiator = vec_bool(obj, "initiator");
    x->start = vec_hex_u64(obj, "start");
    vec_fixed(obj, "T", x->t.b, 32);
    vec_fixed(obj, "RK", x->rk.b, 32);
    x->came_at = x->used_at = x->kem_at = NOW;
}

static void load_session_rows(struct twin *t, const struct sid *sid, const struct dev_id *peer,
                              const json_t *obj)
{
    const char *key;
    json_t *v;

    json_object_foreach(vec_get(obj, "skipped"), key, v)
    {
        struct twin_skipped row = {*peer, slot_key(sid, key), {{0}}};
        vec_fixed(vec_get(obj, "skipped"), key, row.mk.b, 32);
        TWIN_PUSH(&t->skipped, row);
    }
    json_object_foreach(vec_get(obj, "slots"), key, v)
    {
        struct twin_slot row = {.slot = slot_key(sid, key)};
        vec_fixed(vec_get(obj, "slots"), key, row.hash.b, 32);
        TWIN_PUSH(&t->slots, row);
    }
    json_object_foreach(vec_get(obj, "epochs"), key, v)
    {
        struct epoch_row row = {.sid = *sid, .epoch = (uint32_t)atoi(key)};
        vec_fixed(v, "constants_hash", row.constants.b, 32);
        row.closed = vec_has(v, "limit");
        row.limit = row.closed ? (uint32_t)vec_u64(v, "limit") : 0;
        TWIN_PUSH(&t->epochs, row);
    }
}

static void load_session(struct twin *t, const json_t *obj)
{
    struct dev_id peer;
    struct session x = {0};

    vec_fixed(obj, "peer_dev", peer.b, sizeof peer.b);
    load_common(obj, &x);
    x.reading_only = vec_bool(obj, "reading_only");
    if (vec_has(obj, "send"))
        load_send(vec_get(obj, "send"), &x.send);
    if (vec_has(obj, "recv"))
        load_recv(vec_get(obj, "recv"), &x.recv);
    load_xk(vec_get(obj, "XK"), &x.xk);
    x.established_at = session_established(&x) ? NOW : 0;
    struct peer_sessions *s = twin_state(t, &peer);
    assert_true(s->n_held < SESSIONS_HELD_MAX);
    s->held[s->n_held++] = x;
    load_session_rows(t, &x.sid, &peer, obj);
}

static void load_kept(struct twin *t, const json_t *obj)
{
    struct dev_id peer;
    struct kept_session k = {0};

    vec_fixed(obj, "peer_dev", peer.b, sizeof peer.b);
    vec_fixed(obj, "SID", k.sid.b, 16);
    k.start = vec_hex_u64(obj, "start");
    load_xk(vec_get(obj, "XK"), &k.xk);
    struct peer_sessions *s = twin_state(t, &peer);
    assert_true(s->n_kept < SESSIONS_KEPT_MAX);
    s->kept[s->n_kept++] = k;
}

void load_state(struct twin *t, const json_t *state)
{
    const char *key;
    json_t *item;
    size_t i;

    json_array_foreach(vec_get(state, "sessions"), i, item) load_session(t, item);
    json_array_foreach(vec_get(state, "kept"), i, item) load_kept(t, item);
    json_array_foreach(vec_get(state, "seen"), i, item)
    {
        struct twin_seen row = {0};
        struct buf b = {0};
        vec_hex_value(item, &b);
        assert_int_equal(b.n, 32);
        memcpy(row.key.b, b.p, 32);
        TWIN_PUSH(&t->seen, row);
        buf_done(&b);
    }
    json_object_foreach(vec_get(state, "fanouts"), key, item)
    {
        struct twin_fanout row;
        struct buf b = {0};
        json_t *k = json_string(key);
        vec_hex_value(k, &b);
        json_decref(k);
        assert_int_equal(b.n, 32);
        memcpy(row.sender.b, b.p, 16);
        memcpy(row.id.b, b.p + 16, 16);
        vec_fixed(vec_get(state, "fanouts"), key, row.com.b, 32);
        TWIN_PUSH(&t->fanouts, row);
        buf_done(&b);
    }
}

void load_flat_session(struct twin *t, const struct dev_id *peer, const json_t *obj)
{
    struct peer_sessions *s = twin_state(t, peer);
    struct session x = {0};

    load_common(obj, &x);
    load_send(obj, &x.send);
    if (vec_has(obj, "recv")) {
        load_recv(vec_get(obj, "recv"), &x.recv);
        TWIN_PUSH(&t->epochs, (struct epoch_row){.sid = x.sid, .epoch = x.recv.epoch});
    }
    s->held[s->n_held++] = x;
}
