/* Pinned accounts in the vault (PROTOCOL 1 "One head"): rows by acct_id, an index by handle and
 * one by device, and what a change of the device list brings with it. */
#include "client/internal.h"

#include <stdio.h>

static wax_rc handle_key(const char *handle, struct hash32 *ret)
{
    return hash_raw(ret, PARTS(BYTES_STR(handle)));
}

wax_rc pin_load(struct client *c, const struct acct_id *acct, struct pin *ret)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_PIN, BYTES_OF(acct->b), &b);

    if (rc == WAX_OK)
        rc = row_rc(pin_decode(buf_view(&b), ret));
    buf_done(&b);
    return rc;
}

wax_rc pin_load_handle(struct client *c, const char *handle, struct pin *ret)
{
    struct buf b = {0};
    struct acct_id acct;
    struct hash32 key;
    wax_rc rc = handle_key(handle, &key);

    if (rc == WAX_OK)
        rc = vault_get(c->env.vault, VT_HANDLE, BYTES_OF(key.b), &b);
    if (rc == WAX_OK && b.n != sizeof acct.b)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        memcpy(acct.b, b.p, sizeof acct.b);
        rc = pin_load(c, &acct, ret);
    }
    buf_done(&b);
    return rc;
}

wax_rc client_pin_by_handle(struct client *c, const char *handle, struct pin *ret)
{
    return pin_load_handle(c, handle, ret);
}

wax_rc client_pin_by_acct(struct client *c, const struct acct_id *acct, struct pin *ret)
{
    return pin_load(c, acct, ret);
}

/* VT_DEVICE: acct_id 32 ‖ issued 8 ‖ signed in by a device 0/1 ‖ its id 16 ‖ seq 4; written when a
 * device is first seen, and again only for another account. */
#define DEVICE_ROW 61

static wax_rc device_file(struct vault *v, const struct manifest *m, const struct dev_id *dev)
{
    struct buf b = {0};
    uint8_t row[DEVICE_ROW];
    wax_rc rc = vault_get(v, VT_DEVICE, BYTES_OF(dev->b), &b);
    bool there = rc == WAX_OK, same = there && b.n == DEVICE_ROW && memcmp(b.p, m->acct.b, 32) == 0;

    buf_done(&b);
    if (there && !same)
        return WAX_R_CHAIN; /* a dev_id in two accounts is refused (4.2) */
    if (same || rc != WAX_E_NOTFOUND)
        return rc;
    memcpy(row, m->acct.b, 32);
    put_u64(row + 32, m->issued);
    row[40] = m->signer_kind == SIGNER_DEVICE;
    memcpy(row + 41, m->signer.b, 16);
    put_u32(row + 57, m->seq);
    return vault_put(v, VT_DEVICE, BYTES_OF(dev->b), BYTES_OF(row));
}

wax_rc client_device_note(struct client *c, const struct dev_id *dev,
                          struct client_device_note *ret)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_DEVICE, BYTES_OF(dev->b), &b);

    if (rc == WAX_OK && b.n != DEVICE_ROW)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK) {
        ret->added_at = get_u64(b.p + 32);
        ret->has_by = b.p[40] == 1;
        memcpy(ret->added_by.b, b.p + 41, 16);
        ret->seq = get_u32(b.p + 57);
    }
    buf_done(&b);
    return rc;
}

wax_rc pin_store(struct client *c, const struct pin *pin)
{
    struct vault *v = c->env.vault;
    const struct manifest *m = &pin->head.manifest;
    struct buf b = {0};
    struct hash32 key;
    wax_rc rc = pin_encode(pin, &b);

    if (rc == WAX_OK)
        rc = vault_put(v, VT_PIN, BYTES_OF(m->acct.b), buf_view(&b));
    if (rc == WAX_OK)
        rc = handle_key(m->handle, &key);
    if (rc == WAX_OK)
        rc = vault_put(v, VT_HANDLE, BYTES_OF(key.b), BYTES_OF(m->acct.b));
    for (size_t i = 0; rc == WAX_OK && i < m->n_devices; i++)
        rc = device_file(v, m, &pin->devs[i]);
    buf_done(&b);
    return rc;
}

wax_rc client_device_acct(struct client *c, const struct dev_id *dev, struct acct_id *ret)
{
    struct buf b = {0};
    wax_rc rc = vault_get(c->env.vault, VT_DEVICE, BYTES_OF(dev->b), &b);

    if (rc == WAX_OK && b.n != DEVICE_ROW)
        rc = WAX_E_DAMAGED;
    if (rc == WAX_OK)
        memcpy(ret->b, b.p, sizeof ret->b);
    buf_done(&b);
    return rc;
}

wax_rc client_find_device(struct client *c, const struct dev_id *dev, struct party *ret)
{
    struct acct_id acct;
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? client_device_acct(c, dev, &acct) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = pin_load(c, &acct, pin);
    if (rc == WAX_OK) {
        int i = pin_find(pin, dev);
        if (i < 0 || !pin_readable(pin, now_own(c)))
            rc = WAX_E_NOTFOUND;
        else
            *ret =
                (struct party){.acct = acct, .dev = *dev, .dsk = pin->head.manifest.devices[i].dsk};
    }
    mem_free(pin);
    return rc;
}

/* --- What a change brings --- */

static wax_rc device_alert(struct client *c, const struct pin *pin, const struct manifest_device *d,
                           const char *kind)
{
    struct dev_id dev;
    char text[HANDLE_MAX + NAME_DEVICE_MAX + 64];
    wax_rc rc = dev_id_of(&d->dsk, &dev);

    if (rc != WAX_OK)
        return rc;
    bool own = ID_EQ(&pin->head.manifest.acct, &c->acct);
    (void)snprintf(text, sizeof text, "%s%s device: %s",
                   own ? "your account" : pin->head.manifest.handle,
                   strcmp(kind, "new_device") == 0 ? " has a new" : " has removed the", d->name);
    struct item a = alert_make(c, kind, WAX_OK, pin->head.manifest.handle, &dev, text);
    return event_put_item(c->env.vault, &a);
}

struct dev_list {
    struct buf ids;
};

static bool collect_key(void *ctx, struct bytes key, struct bytes value)
{
    struct dev_list *l = ctx;

    (void)value;
    if (key.n == 16)
        buf_bytes(&l->ids, key);
    return true;
}

static wax_rc offer_due(struct client *c, const struct dev_id *dev)
{
    struct peer_sessions *s = mem_alloc(sizeof *s);
    wax_rc rc = s ? peer_load(c, dev, s) : WAX_E_NOMEM;

    if (rc == WAX_OK && s->n_held) {
        session_mark_offer_due(s);
        rc = peer_store(c, s);
    }
    if (s)
        peer_sessions_wipe(s);
    mem_free(s);
    return rc;
}

/* PROTOCOL 2 "Offers": after a change in either account, in all sessions of and with it. */
static wax_rc offers_due(struct client *c, const struct pin *pin)
{
    struct dev_list l = {0};
    wax_rc rc = WAX_OK;

    if (ID_EQ(&pin->head.manifest.acct, &c->acct))
        rc = vault_scan(c->env.vault, VT_PEER, BYTES(NULL, 0), BYTES(NULL, 0), false, collect_key,
                        &l);
    else
        buf_add(&l.ids, pin->devs, (size_t)pin->head.manifest.n_devices * sizeof pin->devs[0]);
    if (rc == WAX_OK)
        rc = buf_rc(&l.ids);
    for (size_t i = 0; rc == WAX_OK && i < l.ids.n; i += 16) {
        struct dev_id dev;
        memcpy(dev.b, l.ids.p + i, 16);
        rc = offer_due(c, &dev);
    }
    buf_done(&l.ids);
    return rc;
}

/* The manifest is the one that this home is publishing: its person knows. One that was only signed
 * with this device's key is none of those. */
static wax_rc made_here(struct client *c, const struct pin *pin, bool *ret)
{
    struct buf next = {0};
    struct chain_link *link = mem_alloc(sizeof *link);
    wax_rc rc = link ? client_meta_get(c->env.vault, "manifest.next", &next) : WAX_E_NOMEM;

    *ret = false;
    if (rc == WAX_OK) {
        struct rd r = rd_init(buf_view(&next));
        (void)rd_lp(&r, BUNDLE_RECORD);
        struct bytes raw = rd_take(&r, r.left);
        rc = row_rc(rd_end(&r) == WAX_OK ? chain_link_decode(raw, link) : WAX_R_PARSE);
    }
    if (rc == WAX_OK) {
        struct hash32 h;
        rc = manifest_hash(link->body, &h);
        *ret = rc == WAX_OK && ID_EQ(&h, &pin->head.hash);
    }
    mem_free(link);
    buf_done(&next);
    return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
}

static wax_rc changes_apply(struct client *c, const struct pin *pin, const struct pin_change *ch)
{
    bool ours = false;
    wax_rc rc = ID_EQ(&pin->head.manifest.acct, &c->acct) ? made_here(c, pin, &ours) : WAX_OK;

    for (size_t i = 0; rc == WAX_OK && i < ch->n_removed; i++) {
        struct dev_id dev;
        rc = dev_id_of(&ch->removed[i].dsk, &dev);
        if (rc == WAX_OK)
            rc = peer_drop(c, &dev);
        if (rc == WAX_OK && !ours)
            rc = device_alert(c, pin, &ch->removed[i], "device_revoked");
    }
    for (size_t i = 0; rc == WAX_OK && !ours && i < ch->n_added; i++)
        if (memcmp(ch->added[i].dsk.b, ec_public(c->keys.dsk)->b, 65) != 0)
            rc = device_alert(c, pin, &ch->added[i], "new_device");
    if (rc == WAX_OK && ch->n_removed && ID_EQ(&pin->head.manifest.acct, &c->acct))
        rc = meta_put_u64(c->env.vault, "prekey.due", 1); /* 5.2 */
    if (ch->n_added)                                      /* their bundles have to be asked for */
        directory_forget(c, &pin->head.manifest.acct);
    if (rc == WAX_OK && (ch->n_added || ch->n_removed))
        rc = offers_due(c, pin);
    return rc;
}

wax_rc pin_apply(struct client *c, const struct pin *pin, const struct pin_change *ch)
{
    const char *handle = pin->head.manifest.handle;
    wax_rc rc = pin_store(c, pin);

    if (rc == WAX_OK && ch->outcome == PIN_NEW && !ID_EQ(&pin->head.manifest.acct, &c->acct))
        rc = sync_queue(c, (const struct pin *const[]){pin}, 1);
    if (rc == WAX_OK && (ch->outcome == PIN_CHANGED || ch->outcome == PIN_IDENTITY_CHANGED))
        rc = changes_apply(c, pin, ch);
    if (rc == WAX_OK && (ch->outcome == PIN_IDENTITY_CHANGED || ch->outcome == PIN_OTHER_ACCOUNT)) {
        struct item a = alert_make(c, "identity_changed", WAX_OK, handle, NULL,
                                   "this contact started over with new keys; compare the safety "
                                   "number, then accept-identity");
        rc = event_put_alert(c, &a);
    }
    return rc;
}

/* What the directory served does not hold: an alert, and the refusal as result. */
static wax_rc served_badly(struct client *c, const char *kind, wax_rc klass, const char *handle,
                           const char *what)
{
    wax_rc rc = vault_begin(c->env.vault);

    if (rc != WAX_OK)
        return rc;
    struct item a = alert_make(c, kind, klass, handle, NULL, what);
    rc = vault_finish(c->env.vault, event_put_alert(c, &a));
    client_say(c, "%s", what);
    return rc != WAX_OK ? rc : klass;
}

static wax_rc candidate_key(const struct pin *pin, struct buf *name)
{
    buf_str(name, "candidate.");
    buf_hex(name, BYTES_OF(pin->head.manifest.acct.b));
    return buf_rc(name);
}

wax_rc candidate_load(struct client *c, const struct pin *pin, struct pin *ret)
{
    struct buf name = {0}, b = {0};
    wax_rc rc = candidate_key(pin, &name);

    if (rc == WAX_OK)
        rc = vault_get(c->env.vault, VT_META, buf_view(&name), &b);
    if (rc == WAX_OK)
        rc = row_rc(pin_decode(buf_view(&b), ret));
    buf_done(&name);
    buf_done(&b);
    return rc;
}

wax_rc candidate_drop(struct client *c, const struct pin *pin)
{
    struct buf name = {0};
    wax_rc rc = candidate_key(pin, &name);

    if (rc == WAX_OK)
        rc = vault_del(c->env.vault, VT_META, buf_view(&name));
    buf_done(&name);
    return rc;
}

static wax_rc store_candidate(struct client *c, const struct pin *pin, const struct pin *other)
{
    struct buf name = {0}, b = {0};
    wax_rc rc = candidate_key(pin, &name);

    if (rc == WAX_OK)
        rc = pin_encode(other, &b);
    if (rc == WAX_OK)
        rc = vault_put(c->env.vault, VT_META, buf_view(&name), buf_view(&b));
    buf_done(&name);
    buf_done(&b);
    return rc;
}

struct take {
    struct pin pin, other, told;
    struct pin_change change;
};

/* A whole other account under the handle: waits for accept-identity, said once for each. The own
 * account is never replaced: what it is stands in this home. */
static wax_rc take_other(struct client *c, struct take *t, bool changed_before)
{
    if (ID_EQ(&t->pin.head.manifest.acct, &c->acct))
        return WAX_OK;
    wax_rc rc = pin_load(c, &t->other.head.manifest.acct, &t->told);
    if (rc != WAX_E_NOTFOUND) /* known by another handle, and its pin is not to be replaced */
        return rc == WAX_OK ? WAX_R_CHAIN : rc;
    rc = candidate_load(c, &t->pin, &t->told);
    bool said = changed_before && rc == WAX_OK &&
                ID_EQ(&t->told.head.manifest.acct, &t->other.head.manifest.acct);

    if (rc == WAX_OK || rc == WAX_E_NOTFOUND)
        rc = store_candidate(c, &t->pin, &t->other);
    return rc == WAX_OK && !said ? pin_apply(c, &t->pin, &t->change) : rc;
}

/* A handle not known yet may lead to an account that is (under an earlier handle): then what is
 * served is judged against that pin. A chain told from its genesis must never replace it, or an
 * older list, or a fork by a removed device, would come in through a second handle. */
static wax_rc judge_known(struct client *c, const char *handle, const struct pin_link *links,
                          size_t n, uint32_t newest, struct take *t)
{
    wax_rc rc = pin_load(c, &t->pin.head.manifest.acct, &t->told);

    if (rc != WAX_OK)
        return rc == WAX_E_NOTFOUND ? WAX_OK : rc;
    t->told.version = 0; /* versions count by handle */
    rc = pin_update(&t->told, handle, links, n, newest, now_late(c), &t->change, &t->other);
    if (rc == WAX_OK)
        t->pin = t->told;
    return rc;
}

static wax_rc take_in_tx(struct client *c, const char *handle, const struct pin_link *links,
                         size_t n, uint32_t newest, struct take *t)
{
    wax_rc rc = pin_load_handle(c, handle, &t->pin);
    bool known = rc == WAX_OK, changed = known && t->pin.identity_changed;

    if (rc == WAX_E_NOTFOUND)
        rc = WAX_OK;
    if (rc == WAX_OK)
        rc = pin_update(&t->pin, handle, links, n, newest, now_late(c), &t->change, &t->other);
    if (rc == WAX_OK && !known)
        rc = judge_known(c, handle, links, n, newest, t);
    if (rc != WAX_OK)
        return rc;
    enum pin_outcome o = t->change.outcome;
    if (o == PIN_LOWER || o == PIN_FORK || (o == PIN_SAME && known))
        return WAX_OK;
    if (o == PIN_OTHER_ACCOUNT)
        return take_other(c, t, changed);
    if (ID_EQ(&t->pin.head.manifest.acct, &c->acct))
        t->pin.identity_changed = false; /* shown, but there is nobody to ask */
    return pin_apply(c, &t->pin, &t->change);
}

wax_rc pins_take(struct client *c, const char *handle, const struct pin_link *links, size_t n,
                 uint32_t newest)
{
    struct take *t = mem_alloc(sizeof *t);
    wax_rc rc = t ? vault_begin(c->env.vault) : WAX_E_NOMEM;

    if (rc == WAX_OK)
        rc = vault_finish(c->env.vault, take_in_tx(c, handle, links, n, newest, t));
    if (rc_is_refusal(rc) || rc == WAX_E_PROTO)
        rc = served_badly(
            c, "tampered", rc == WAX_E_PROTO ? WAX_R_CHAIN : rc, handle,
            "the directory served a device list that does not hold; the known one stays in use");
    else if (rc == WAX_OK && t->change.outcome == PIN_LOWER)
        rc = served_badly(c, "server_refused", WAX_R_CHAIN, handle,
                          "the directory served an older device list than the one known");
    else if (rc == WAX_OK && t->change.outcome == PIN_FORK)
        rc = served_badly(c, "directory_equivocation", WAX_R_EQUIVOCATION, handle,
                          "the directory served another device list of the same number");
    else if (rc == WAX_OK && t->change.outcome == PIN_OTHER_ACCOUNT &&
             ID_EQ(&t->pin.head.manifest.acct, &c->acct))
        rc = served_badly(c, "directory_equivocation", WAX_R_EQUIVOCATION, handle,
                          "the directory shows another account under this account's own handle");
    else if (rc == WAX_OK && t->change.outcome == PIN_OTHER_ACCOUNT)
        rc = WAX_E_DENIED;
    mem_free(t);
    return rc;
}

/* --- Bundles served --- */

const struct served_bundle *bundle_served(const struct client *c, const struct dev_id *dev)
{
    const struct served_bundle *b = (const void *)c->bundles.p;

    for (size_t i = 0; i < c->bundles.n / sizeof *b; i++)
        if (ID_EQ(&b[i].dev, dev))
            return &b[i];
    return NULL;
}

wax_rc bundle_remember(struct client *c, const struct dev_id *dev, struct bytes record, bool usable)
{
    struct served_bundle *b = (void *)c->bundles.p, fresh = {.dev = *dev, .usable = usable};

    if (record.n == BUNDLE_RECORD)
        memcpy(fresh.record, record.p, BUNDLE_RECORD);
    for (size_t i = 0; i < c->bundles.n / sizeof *b; i++)
        if (ID_EQ(&b[i].dev, dev)) {
            b[i] = fresh;
            return WAX_OK;
        }
    buf_add(&c->bundles, &fresh, sizeof fresh);
    return buf_rc(&c->bundles);
}

static wax_rc take_bundle(struct client *c, struct pin *pin, size_t i, struct bytes record)
{
    struct bundle b;
    bool usable = false;

    if (record.n) {
        wax_rc rc = pin_bundle(pin, i, record, now_late(c), &b);
        if (rc_is_refusal(rc)) {
            struct item a = alert_make(
                c, "tampered", rc, pin->head.manifest.handle, &pin->devs[i],
                "the directory served a device key that does not hold; nothing is sealed to it");
            rc = event_put_alert(c, &a);
        } else if (rc == WAX_OK) {
            usable = bundle_usable_for_sealing(&b, now_own(c));
        }
        if (rc != WAX_OK)
            return rc;
    }
    return bundle_remember(c, &pin->devs[i], record, usable);
}

wax_rc pins_take_bundles(struct client *c, const char *handle, const ProtobufCBinaryData *records,
                         size_t n)
{
    struct pin *pin = mem_alloc(sizeof *pin);
    wax_rc rc = pin ? vault_begin(c->env.vault) : WAX_E_NOMEM;

    if (rc != WAX_OK) {
        mem_free(pin);
        return rc;
    }
    rc = pin_load_handle(c, handle, pin);
    if (rc == WAX_OK && n != pin->head.manifest.n_devices)
        rc = WAX_E_PROTO;
    for (size_t i = 0; rc == WAX_OK && i < n; i++)
        rc = take_bundle(c, pin, i, PB_BYTES(records[i]));
    if (rc == WAX_OK)
        rc = pin_store(c, pin);
    rc = vault_finish(c->env.vault, rc);
    mem_free(pin);
    return rc;
}
