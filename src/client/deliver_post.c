/* The request of one queued message, and what its answer changes. */
#include "client/deliver.h"

struct post {
    struct fanout_target trees[DELIVER_DEVICES_MAX];
    struct env_fanout parts[DELIVER_DEVICES_MAX];
    size_t which[DELIVER_DEVICES_MAX]; /* index into targets */
    bool answered[DELIVER_DEVICES_MAX];
    size_t n;
    struct buf envelopes[DELIVER_DEVICES_MAX];
    Wax__V1__DeviceEnvelope entries[DELIVER_DEVICES_MAX], *list[DELIVER_DEVICES_MAX];
    ProtobufCBinaryData skipped[DELIVER_DEVICES_MAX];
};

static wax_rc split(const struct target *t, struct bytes *hdr, struct bytes *body)
{
    struct rd r = rd_init(buf_view(&t->sealed));
    (void)rd_u64(&r); /* when */
    uint32_t n = rd_u32(&r);

    *hdr = rd_take(&r, n);
    *body = rd_take(&r, r.left);
    return rd_end(&r) == WAX_OK ? WAX_OK : WAX_E_DAMAGED;
}

static ProtobufCBinaryData pb(const void *p, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)(uintptr_t)p};
}

/* Order at a device is kept even when its mailbox was full for an earlier message: what people
 * wrote later waits behind it, for that device only. A device that came on the list meanwhile gets
 * the earlier message at its next try, so what is later waits for that, too. */
struct earlier {
    const struct delivery *d;
    const struct target *t;
    bool found;
    wax_rc rc;
};

static bool waits_here(const struct delivery *d, const struct target *t, const struct outbox *o)
{
    bool same_peer = ID_EQ(&o->peer, &d->box.peer);

    if (outbox_one_device(o) || outbox_has(o, &t->party.dev))
        return false;
    if (o->why == (uint8_t)-WAX_E_DORMANT) /* whole, until somebody of the other side can get it */
        return same_peer && !t->own;
    return o->why == (uint8_t)-WAX_E_FULL && (same_peer || t->own);
}

static bool earlier_row(void *ctx, struct bytes key, struct bytes value)
{
    struct earlier *e = ctx;
    struct outbox o = {0};

    (void)value;
    if (key.n != 8 || get_u64(key.p) >= e->d->order)
        return false;
    e->rc = outbox_load(e->d->c, get_u64(key.p), &o);
    e->found = e->rc == WAX_OK && waits_here(e->d, e->t, &o);
    if (e->rc == WAX_E_NOTFOUND)
        e->rc = WAX_OK;
    outbox_done(&o);
    return e->rc == WAX_OK && !e->found;
}

static wax_rc earlier_waits(const struct delivery *d, const struct target *t, bool *ret)
{
    struct earlier e = {.d = d, .t = t};
    wax_rc rc = WAX_OK;

    if (!outbox_one_device(&d->box))
        rc = vault_scan(d->c->env.vault, VT_OUTBOX, BYTES(NULL, 0), BYTES(NULL, 0), false,
                        earlier_row, &e);
    *ret = e.found;
    return rc == WAX_OK ? e.rc : rc;
}

/* A new tree and signature over what is still missing; hdr and body are those stored. */
static wax_rc build_tree(struct delivery *d, struct post *p)
{
    struct party me = client_self(d->c);
    wax_rc rc = WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < d->n_targets; i++) {
        struct target *t = &d->targets[i];
        bool behind = false;
        if (t->sealed.n)
            rc = earlier_waits(d, t, &behind);
        d->held = d->held || behind;
        if (rc != WAX_OK || !t->sealed.n || behind)
            continue;
        struct fanout_target *f = &p->trees[p->n];
        f->to = &t->party;
        rc = split(t, &f->hdr, &f->body);
        p->which[p->n++] = i;
    }
    if (rc == WAX_OK && p->n)
        rc = fanout_sign(&me, d->c->keys.dsk, &d->box.fanout, &d->box.com, p->trees, p->n,
                         d->c->env.rng, p->parts);
    for (size_t i = 0; rc == WAX_OK && i < p->n; i++) {
        rc = envelope_encode(p->trees[i].hdr, p->trees[i].body, &p->parts[i], &p->envelopes[i]);
        wax__v1__device_envelope__init(&p->entries[i]);
        p->entries[i].dev_id = pb(p->trees[i].to->dev.b, 16);
        p->entries[i].envelope = pb(p->envelopes[i].p, p->envelopes[i].n);
        p->list[i] = &p->entries[i];
    }
    return rc;
}

static wax_rc build_request(struct delivery *d, struct post *p, struct buf *out)
{
    Wax__V1__SendRequest m = WAX__V1__SEND_REQUEST__INIT;
    Wax__V1__AccountSeq seqs[2], *accounts[2] = {&seqs[0], &seqs[1]};
    const struct pin *pins[2] = {&d->own, &d->peer};

    for (size_t i = 0; i < 2; i++) {
        wax__v1__account_seq__init(&seqs[i]);
        seqs[i].acct_id = pb(pins[i]->head.manifest.acct.b, 32);
        seqs[i].seq = pins[i]->head.manifest.seq;
    }
    m.fanout_id = pb(d->box.fanout.b, 16);
    m.n_accounts = ID_EQ(&d->box.peer, &d->c->acct) ? 1 : 2;
    m.accounts = accounts;
    m.n_envelopes = p->n;
    m.envelopes = p->list;
    for (size_t i = 0; i < d->n_targets; i++)
        if (d->targets[i].dormant)
            p->skipped[m.n_skipped_devs++] = pb(d->targets[i].party.dev.b, 16);
    m.skipped_devs = p->skipped;
    return proto_pack(&m.base, out);
}

/* --- 202 --- */

static wax_rc finish_history(struct delivery *d)
{
    struct item it = {0};
    wax_rc rc =
        d->box.history ? history_load(d->c->env.vault, d->box.history, &it) : WAX_E_NOTFOUND;

    if (rc == WAX_OK) {
        it.state = ITEM_ACCEPTED;
        it.count = (uint32_t)(d->box.done.n / 16);
        rc = history_store(d->c->env.vault, d->box.history, &it);
    }
    item_done(&it);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

/* What came back for the devices posted to, each of which has to be told of once. */
struct tally {
    size_t answered;
    bool full, gone;
};

static wax_rc take_result(struct delivery *d, struct post *p, const Wax__V1__DeviceResult *r,
                          struct tally *t)
{
    const struct dev_id *dev = NULL;
    uint8_t key[24];

    for (size_t i = 0; r->dev_id.len == 16 && i < p->n; i++)
        if (!p->answered[i] && memcmp(p->trees[i].to->dev.b, r->dev_id.data, 16) == 0) {
            p->answered[i] = true;
            dev = &p->trees[i].to->dev;
            break;
        }
    if (!dev) /* nobody asked for it, or told twice */
        return WAX_E_PROTO;
    t->answered++;
    switch (r->result) {
    case WAX__V1__DEVICE_RESULT__R__STORED:
    case WAX__V1__DEVICE_RESULT__R__ALREADY:
        buf_bytes(&d->box.done, BYTES_OF(dev->b));
        break;
    case WAX__V1__DEVICE_RESULT__R__NO_DEVICE:
        t->gone = true;
        break;
    case WAX__V1__DEVICE_RESULT__R__MAILBOX_FULL:
        t->full = true;
        return WAX_OK;
    default:
        return WAX_E_PROTO;
    }
    wax_rc rc = buf_rc(&d->box.done);
    return rc == WAX_OK ? vault_del(d->c->env.vault, VT_SEALED, sealed_key(d->order, dev, key))
                        : rc;
}

/* A notice about it comes up to two weeks after the server took it, however long it had waited
 * here before: own fanout → com counts from now (4.8). */
static wax_rc renew_fanout(struct delivery *d)
{
    uint8_t key[32], value[40];

    if (!d->box.has_fanout)
        return WAX_OK;
    memcpy(value, d->box.com.b, 32);
    put_u64(value + 32, now_late(d->c));
    return vault_put(d->c->env.vault, VT_FANOUT, fanout_key(&d->c->keys.dev, &d->box.fanout, key),
                     BYTES_OF(value));
}

/* What a repeat needs of it is kept (4.8); devices that it could not be sealed for may ask, too. */
static wax_rc note_sent(struct delivery *d, uint64_t accepted)
{
    struct dev_id listed[DELIVER_DEVICES_MAX];
    size_t n = 0;

    if (!d->box.has_fanout)
        return WAX_OK;
    for (size_t i = 0; i < d->n_targets; i++)
        if (d->targets[i].dormant)
            listed[n++] = d->targets[i].party.dev;
    return sent_finished(d->c, &d->box, listed, n, accepted);
}

static wax_rc finish_in_tx(struct delivery *d, uint64_t accepted)
{
    struct vault *v = d->c->env.vault;
    uint8_t key[8];
    wax_rc rc = finish_history(d);

    if (rc == WAX_OK && d->box.kind == OUTBOX_REPEAT && !d->box.done.n)
        rc = expiry_ended(d->c, &d->box);
    else if (rc == WAX_OK)
        rc = note_sent(d, accepted);

    if (rc == WAX_OK)
        rc = renew_fanout(d);
    if (rc == WAX_OK)
        rc = vault_del(v, VT_OUTBOX, order_key(d->order, key));
    return rc == WAX_OK ? vault_del_prefix(v, VT_SEALED, order_key(d->order, key)) : rc;
}

/* reply NULL: there was nobody left to post to. *ret: WAX_OK finished, WAX_E_FULL waits on,
 * WAX_E_CONFLICT: the devices posted to are gone, the directory has others. */
static wax_rc results_in_tx(struct delivery *d, struct post *p, const Wax__V1__SendReply *reply,
                            wax_rc *ret)
{
    struct tally t = {0};
    struct outbox now = {0};
    wax_rc rc = outbox_load(d->c, d->order, &now);

    outbox_done(&now);
    for (size_t i = 0; rc == WAX_OK && reply && i < reply->n_results; i++)
        rc = take_result(d, p, reply->results[i], &t);
    if (rc == WAX_OK && reply && t.answered != p->n)
        rc = WAX_E_PROTO;
    if (rc != WAX_OK)
        return rc;
    *ret = t.full || d->held                 ? WAX_E_FULL
           : t.gone && !delivery_has_peer(d) ? WAX_E_CONFLICT
                                             : WAX_OK;
    if (*ret == WAX_OK)
        return finish_in_tx(d, reply ? reply->accepted_at : 0);
    d->box.why = (uint8_t)-WAX_E_FULL;
    return outbox_store(d->c, d->order, &d->box);
}

static wax_rc apply_results(struct delivery *d, struct post *p, const Wax__V1__SendReply *reply,
                            bool *again, bool *finished)
{
    wax_rc verdict = WAX_OK, rc = vault_begin(d->c->env.vault);

    if (rc == WAX_OK)
        rc = vault_finish(d->c->env.vault, results_in_tx(d, p, reply, &verdict));
    if (rc == WAX_E_NOTFOUND) { /* another process finished it */
        rc = WAX_OK;
        verdict = WAX_OK;
    }
    if (rc != WAX_OK)
        return rc;
    *finished = verdict == WAX_OK;
    *again = verdict == WAX_E_CONFLICT;
    if (*again)
        directory_forget(d->c, &d->peer.head.manifest.acct);
    return verdict == WAX_E_FULL ? verdict : WAX_OK;
}

static wax_rc take_results(struct delivery *d, struct post *p, struct bytes body, bool *again,
                           bool *finished)
{
    ProtobufCMessage *m = NULL;
    wax_rc rc = proto_unpack(&wax__v1__send_reply__descriptor, body, API_BODY_MAX, &m);

    if (rc != WAX_OK)
        return rc == WAX_E_NOMEM ? rc : WAX_E_PROTO;
    rc = apply_results(d, p, (const void *)m, again, finished);
    proto_free(m);
    return rc;
}

/* --- 409 --- */

static wax_rc take_stale(struct delivery *d, const Wax__V1__StaleAccount *s)
{
    const struct pin *pin = &d->peer;

    if (s->acct_id.len != 32)
        return WAX_E_PROTO;
    if (memcmp(s->acct_id.data, d->own.head.manifest.acct.b, 32) == 0)
        pin = &d->own;
    if (memcmp(s->acct_id.data, pin->head.manifest.acct.b, 32) != 0)
        return WAX_E_PROTO;
    /* The links are the server's claim; the directory's answer brings them with the bundles of
     * the new devices, so it is asked and judged like any look-up. */
    directory_forget(d->c, &pin->head.manifest.acct);
    return directory_fresh(d->c, &pin->head.manifest.acct, pin->head.manifest.handle);
}

/* A newer bundle: every stored envelope of an INIT to the older one is sealed anew
 * (PROTOCOL 1). The session that was begun stays for reading. An INIT to the very bundle that
 * the directory serves is left alone: the server's word alone makes no session begin anew. */
struct stale_rows {
    const struct dev_id *dev;
    struct bundle_id served;
    struct buf keys;
};

static bool stale_row(void *ctx, struct bytes key, struct bytes value)
{
    struct stale_rows *s = ctx;
    struct env_hdr hdr;
    struct rd r = rd_init(value);
    (void)rd_u64(&r);
    struct bytes raw = rd_take(&r, rd_u32(&r));

    if (key.n == 24 && memcmp(key.p + 8, s->dev->b, 16) == 0 && !r.bad &&
        env_hdr_decode(raw, &hdr) == WAX_OK && hdr.type == ENV_INIT &&
        !ID_EQ(&hdr.bundle, &s->served))
        buf_bytes(&s->keys, key);
    return true;
}

static wax_rc reseal_in_tx(struct delivery *d, const struct dev_id *dev)
{
    struct client *c = d->c;
    struct stale_rows s = {.dev = dev};
    struct peer_sessions *state = mem_alloc(sizeof *state);
    const struct served_bundle *b = bundle_served(c, dev);
    struct hash32 hash;
    wax_rc rc = state ? WAX_OK : WAX_E_NOMEM;

    if (rc == WAX_OK && b && b->usable) {
        rc = bundle_hash(BYTES_OF(b->record), &hash);
        s.served = rc == WAX_OK ? bundle_id_of(&hash) : s.served;
    }
    if (rc == WAX_OK)
        rc = vault_scan(c->env.vault, VT_SEALED, BYTES(NULL, 0), BYTES(NULL, 0), false, stale_row,
                        &s);
    if (rc == WAX_OK)
        rc = buf_rc(&s.keys);
    for (size_t i = 0; rc == WAX_OK && i < s.keys.n; i += 24)
        rc = vault_del(c->env.vault, VT_SEALED, BYTES(s.keys.p + i, 24));
    if (rc == WAX_OK)
        rc = peer_load(c, dev, state);
    const struct session *sending = rc == WAX_OK ? session_choose(state) : NULL;
    if (sending && s.keys.n &&
        !sending->recv.on) { /* unanswered: it cannot go on towards the old bundle */
        struct sid sid = sending->sid;
        (void)session_mark_reading_only(state, &sid);
        rc = peer_store(c, state);
    }
    if (state)
        peer_sessions_wipe(state);
    mem_free(state);
    buf_done(&s.keys);
    return rc;
}

static wax_rc take_newer_bundle(struct delivery *d, struct bytes record)
{
    struct bundle b;

    if (bundle_decode(record, &b) != WAX_OK)
        return WAX_E_PROTO;
    for (size_t i = 0; i < d->n_targets; i++) {
        struct target *t = &d->targets[i];
        if (!ID_EQ(&t->party.dev, &b.dev))
            continue;
        const struct pin *pin = t->own ? &d->own : &d->peer;
        directory_forget(d->c, &pin->head.manifest.acct);
        wax_rc rc = directory_fresh(d->c, &pin->head.manifest.acct, pin->head.manifest.handle);
        if (rc == WAX_OK)
            rc = vault_begin(d->c->env.vault);
        return rc == WAX_OK ? vault_finish(d->c->env.vault, reseal_in_tx(d, &b.dev)) : rc;
    }
    return WAX_E_PROTO;
}

static wax_rc take_conflict(struct delivery *d, struct bytes body)
{
    ProtobufCMessage *m = NULL;
    wax_rc rc = proto_unpack(&wax__v1__send_conflict__descriptor, body, API_BODY_MAX, &m);

    if (rc != WAX_OK)
        return rc == WAX_E_NOMEM ? rc : WAX_E_PROTO;
    const Wax__V1__SendConflict *s = (const void *)m;
    if (!s->n_stale && !s->n_newer_bundles)
        rc = WAX_E_PROTO;
    for (size_t i = 0; rc == WAX_OK && i < s->n_stale; i++)
        rc = take_stale(d, s->stale[i]);
    for (size_t i = 0; rc == WAX_OK && i < s->n_newer_bundles; i++)
        rc = take_newer_bundle(d, PB_BYTES(s->newer_bundles[i]));
    proto_free(m);
    return rc;
}

static wax_rc post_or_finish(struct delivery *d, struct post *p, bool *ret_again,
                             bool *ret_finished)
{
    struct transport_reply reply = {0};
    struct buf body = {0};
    wax_rc rc = build_tree(d, p);

    if (rc == WAX_OK && p->n == 0) /* nobody left: notes to oneself, or all devices have it */
        return apply_results(d, p, NULL, ret_again, ret_finished);
    if (rc == WAX_OK)
        rc = build_request(d, p, &body);
    if (rc == WAX_OK)
        rc = client_call(d->c, "POST", "/v1/messages", buf_view(&body), &reply);
    if (rc == WAX_OK) {
        rc = take_results(d, p, buf_view(&reply.body), ret_again, ret_finished);
    } else if (rc == WAX_E_CONFLICT) {
        rc = take_conflict(d, buf_view(&reply.body));
        *ret_again = rc == WAX_OK;
    }
    reply_done(&reply);
    buf_done(&body);
    return rc;
}

wax_rc delivery_post(struct delivery *d, bool *ret_again, bool *ret_finished)
{
    struct post *p = mem_alloc(sizeof *p);
    wax_rc rc = p ? post_or_finish(d, p, ret_again, ret_finished) : WAX_E_NOMEM;

    for (size_t i = 0; p && i < p->n; i++)
        buf_done(&p->envelopes[i]);
    mem_free(p);
    return rc;
}
