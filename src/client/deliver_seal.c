/* Targets and sealing of one queued message. */
#include "client/deliver.h"

void delivery_done(struct delivery *d)
{
    outbox_done(&d->box);
    for (size_t i = 0; i < d->n_targets; i++)
        buf_done(&d->targets[i].sealed);
    d->n_targets = 0;
}

/* Its row, u64 when ‖ u32 |hdr| ‖ hdr ‖ body. Sealed so long ago that the keys for it may be gone
 * at the other side (1, 4.5), it counts as not sealed: the message gets a fresh slot, with the same
 * fanout id. */
static wax_rc sealed_get(struct client *c, struct bytes key, struct buf *out)
{
    uint64_t now = now_own(c);
    wax_rc rc = vault_get(c->env.vault, VT_SEALED, key, out);

    if (rc != WAX_OK)
        return rc;
    uint64_t at = out->n > 8 ? get_u64(out->p) : 0;
    if ((now > at && now - at > STALE_MS) || (at > now && at - now > STALE_MS)) {
        buf_reset(out);
        return WAX_E_NOTFOUND;
    }
    return WAX_OK;
}

static wax_rc add_targets(struct delivery *d, const struct pin *pin, bool own)
{
    struct client *c = d->c;
    bool sealable = pin_sealable(pin, now_own(c));

    for (int i = 0; i < pin->head.manifest.n_devices; i++) {
        const struct dev_id *dev = &pin->devs[i];
        if (ID_EQ(dev, &c->keys.dev) || outbox_has(&d->box, dev) ||
            (outbox_one_device(&d->box) && !ID_EQ(dev, &d->box.to)))
            continue;
        struct target *t = &d->targets[d->n_targets];
        *t = (struct target){.own = own, .index = i};
        t->party = (struct party){
            .acct = pin->head.manifest.acct, .dev = *dev, .dsk = pin->head.manifest.devices[i].dsk};
        uint8_t key[24];
        wax_rc rc = sealed_get(c, sealed_key(d->order, dev, key), &t->sealed);
        if (rc != WAX_OK && rc != WAX_E_NOTFOUND) {
            buf_done(&t->sealed);
            return rc;
        }
        const struct served_bundle *b = bundle_served(c, dev);
        t->dormant = !t->sealed.n && (!sealable || !b || !b->usable);
        if (t->dormant)
            *(own ? &d->skipped_own : &d->skipped_peer) |= 1U << i;
        d->n_targets++;
    }
    return WAX_OK;
}

wax_rc delivery_load(struct delivery *d)
{
    struct client *c = d->c;
    wax_rc rc = outbox_load(c, d->order, &d->box);

    d->skipped_own = d->skipped_peer = 0;
    if (rc == WAX_OK)
        rc = pin_load(c, &c->acct, &d->own);
    if (rc == WAX_OK)
        rc = pin_load(c, &d->box.peer, &d->peer);
    if (rc == WAX_OK && d->peer.identity_changed && !ID_EQ(&d->box.peer, &c->acct))
        rc = WAX_E_DENIED;
    if (rc == WAX_OK && !ID_EQ(&d->box.peer, &c->acct))
        rc = add_targets(d, &d->peer, false);
    if (rc == WAX_OK)
        rc = add_targets(d, &d->own, true);
    return rc;
}

static wax_rc seal_one(struct delivery *d, struct target *t, struct sealed *x,
                       struct peer_sessions *s)
{
    struct client *c = d->c;
    const struct pin *pin = t->own ? &d->own : &d->peer;
    const struct served_bundle *b = bundle_served(c, &t->party.dev);
    struct seal_bundle bundle = {.body = {b ? b->record : NULL, BUNDLE_BODY}};
    struct party me = client_self(c);
    struct payload p = {.r32 = d->box.r32, .content = buf_view(&d->box.content)};
    uint8_t key[24];

    p.my_seq = d->own.head.manifest.seq;
    p.my_hash = d->own.head.hash;
    p.your_seq = pin->head.manifest.seq;
    p.your_hash = pin->head.hash;
    p.skipped = t->own ? d->skipped_own : d->skipped_peer;
    struct seal_in in = {.me = &me,
                         .peer = &t->party,
                         .fanout = d->box.fanout,
                         .com = d->box.com,
                         .payload = &p,
                         .bundle = b && b->usable ? &bundle : NULL,
                         .now = now_early(c)};
    sealed_reset(x);
    wax_rc rc = peer_load(c, &t->party.dev, s);
    if (rc == WAX_OK && d->box.has_sid && session_find(s, &d->box.sid))
        in.in_session = &d->box.sid; /* answered in the session that the request came in (4.8) */
    if (rc == WAX_OK)
        rc = session_seal(&in, s, c->env.rng, x);
    if (rc == WAX_OK)
        rc = sent_sealed(c, &d->box, &t->party.dev, &x->slot.sid);
    if (rc == WAX_OK)
        rc = heal_sent(c, &t->party.dev);
    if (rc == WAX_OK)
        rc = peer_store(c, s);
    if (rc == WAX_OK)
        rc = delta_apply(c, &t->party.dev, &x->delta, NULL, now_own(c));
    if (rc == WAX_OK) {
        buf_u64(&t->sealed, now_own(c));
        buf_u32(&t->sealed, (uint32_t)x->hdr.n);
        buf_bytes(&t->sealed, buf_view(&x->hdr));
        buf_bytes(&t->sealed, buf_view(&x->body));
        rc = buf_rc(&t->sealed);
    }
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_SEALED, sealed_key(d->order, &t->party.dev, key),
                       buf_view(&t->sealed));
    return rc;
}

/* Draws the fanout id with the first seal, and files own fanout → com for notices (4.8). */
static wax_rc first_seal(struct delivery *d)
{
    struct client *c = d->c;
    uint8_t key[32], value[40];

    if (d->box.has_fanout)
        return WAX_OK;
    wax_rc rc = rng_fill(c->env.rng, d->box.fanout.b, sizeof d->box.fanout.b);
    d->box.has_fanout = true;
    memcpy(value, d->box.com.b, 32);
    put_u64(value + 32, now_late(c));
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_FANOUT, fanout_key(&c->keys.dev, &d->box.fanout, key),
                       BYTES_OF(value));
    return rc == WAX_OK ? outbox_store(c, d->order, &d->box) : rc;
}

/* The lists of devices as they stand in the vault: another process may have taken in a removal, or
 * a change of identity, since they were read, and nothing is sealed to who is out. */
static wax_rc still_listed(const struct delivery *d)
{
    const struct pin *read[2] = {&d->own, &d->peer};
    struct pin *now = mem_alloc(sizeof *now);
    wax_rc rc = now ? WAX_OK : WAX_E_NOMEM;

    for (size_t i = 0; rc == WAX_OK && i < 2; i++) {
        rc = pin_load(d->c, &read[i]->head.manifest.acct, now);
        if (rc == WAX_OK && (!ID_EQ(&now->head.hash, &read[i]->head.hash) ||
                             now->identity_changed != read[i]->identity_changed))
            rc = WAX_E_CONFLICT;
    }
    mem_free(now);
    return rc == WAX_E_NOTFOUND ? WAX_E_CONFLICT : rc;
}

static wax_rc seal_in_tx(struct delivery *d)
{
    struct peer_sessions *s = mem_alloc(sizeof *s);
    struct sealed x = {0};
    struct outbox now = {0};
    /* Another process may have finished or sealed it meanwhile: look again inside. */
    wax_rc rc = s ? outbox_load(d->c, d->order, &now) : WAX_E_NOMEM;

    if (rc == WAX_OK && ((now.has_fanout && !d->box.has_fanout) || now.done.n != d->box.done.n))
        rc = WAX_E_CONFLICT;
    outbox_done(&now);
    if (rc == WAX_OK)
        rc = still_listed(d);
    if (rc == WAX_OK)
        rc = first_seal(d);
    for (size_t i = 0; rc == WAX_OK && i < d->n_targets; i++) {
        struct target *t = &d->targets[i];
        uint8_t key[24];
        if (t->sealed.n || t->dormant)
            continue;
        rc = sealed_get(d->c, sealed_key(d->order, &t->party.dev, key), &t->sealed);
        if (rc == WAX_E_NOTFOUND)
            rc = seal_one(d, t, &x, s);
    }
    sealed_done(&x);
    if (s)
        peer_sessions_wipe(s);
    mem_free(s);
    return rc;
}

bool delivery_has_peer(const struct delivery *d)
{
    struct dev_id dev;

    if (ID_EQ(&d->box.peer, &d->c->acct))
        return true;
    for (size_t i = 0; i < d->box.done.n; i += 16) {
        memcpy(dev.b, d->box.done.p + i, 16);
        if (pin_find(&d->own, &dev) < 0)
            return true;
    }
    return false;
}

wax_rc delivery_seal(struct delivery *d)
{
    bool any_peer = delivery_has_peer(d), missing = false;

    for (size_t i = 0; i < d->n_targets; i++) {
        any_peer = any_peer || (!d->targets[i].own && !d->targets[i].dormant);
        missing = missing || (!d->targets[i].sealed.n && !d->targets[i].dormant);
    }
    /* Nobody of the other side has it or can get it now: it waits whole, own copies included. What
     * is for one device only is not worth waiting: it ends (4.8 "stop when dormant"). */
    if (!any_peer && !outbox_one_device(&d->box))
        return WAX_E_DORMANT;
    if (!missing)
        return WAX_OK;
    wax_rc rc = vault_begin(d->c->env.vault);
    if (rc != WAX_OK)
        return rc;
    return vault_finish(d->c->env.vault, seal_in_tx(d));
}
