/* Judging what the directory serves against a pin: pin_update of account/pin.h. */
#include "account/pin.h"

#include "base/mem.h"
#include "crypto/crypto.h"

/* One walk over served links. On the heap: two pins and a link are some 30 KiB. */
struct walk {
    const struct pin *pin; /* as it was */
    struct pin cur;        /* the pinned account, raised */
    struct pin other;      /* another account under the handle; seq 0: none */
    struct chain_link link;
    struct acct_id last_acct; /* of the link before */
    uint32_t last_seq;        /* 0: none yet */
    bool recovered, raised;
    struct bytes fork; /* n = 0: none */
    uint64_t now;
};

/* Highest not_before of a device that stays. */
static uint64_t kept_not_before(const struct pin *old, const struct dev_id *dev)
{
    int at = pin_find(old, dev);

    return at < 0 ? 0 : old->bundle_not_before[at];
}

/* Makes the checked link the head of p. Where a link comes without its version, it is the next one:
 * each manifest is exactly version + 1 (PROTOCOL 8.1). A version left behind would make the next
 * look-up's links seem to leave a gap. */
static wax_rc raise_pin(struct pin *p, const struct chain_link *link, uint32_t version)
{
    struct dev_id devs[MANIFEST_DEVICES_MAX] = {0};
    uint64_t not_before[MANIFEST_DEVICES_MAX] = {0};
    struct hash32 hash;
    wax_rc rc = manifest_hash(link->body, &hash);

    for (size_t i = 0; rc == WAX_OK && i < link->manifest.n_devices; i++) {
        rc = dev_id_of(&link->manifest.devices[i].dsk, &devs[i]);
        not_before[i] = kept_not_before(p, &devs[i]);
    }
    if (rc == WAX_OK && link->record.n > sizeof(p->record))
        rc = WAX_R_PARSE;
    if (rc != WAX_OK)
        return rc;
    p->head.manifest = link->manifest;
    p->head.hash = hash;
    memcpy(p->record, link->record.p, link->record.n);
    p->record_n = (uint16_t)link->record.n;
    memcpy(p->devs, devs, sizeof(devs));
    memcpy(p->bundle_not_before, not_before, sizeof(not_before));
    if (version != 0)
        p->version = version;
    else if (p->version != 0)
        p->version++;
    return WAX_OK;
}

static wax_rc begin_account(struct walk *w, struct pin *p, uint32_t version)
{
    wax_rc rc = chain_check(&w->link, NULL, w->now);

    if (rc == WAX_OK) {
        memset(p, 0, sizeof(*p));
        rc = raise_pin(p, &w->link, version);
    }
    return rc;
}

/* Another manifest with the seq of the pin. Its own predecessor is not kept, so only a signer
 * that the pin knows can be checked; a signature that does not hold is no equivocation. */
static wax_rc note_fork(struct walk *w, struct bytes bytes)
{
    const struct manifest *m = &w->link.manifest, *head = &w->cur.head.manifest;
    const struct point *key = NULL;
    wax_rc rc = WAX_OK;

    if (m->seq == 1) /* the acct_id is the hash of this body */
        return WAX_R_CHAIN;
    if (m->signer_kind == SIGNER_DEVICE) {
        int at = pin_find(&w->cur, &m->signer);

        key = at < 0 ? NULL : &head->devices[at].dsk;
    } else if (head->has_recovery && head->signer_kind == SIGNER_DEVICE) {
        /* A device cannot have changed the key: it is that of the predecessor too. */
        key = &head->recovery;
    }
    if (key != NULL)
        rc = ec_verify(key, LABEL_MANIFEST, PARTS(w->link.body), &w->link.sig);
    if (rc == WAX_OK)
        w->fork = bytes;
    return rc;
}

/* A link of the account that is being walked (p). */
static wax_rc walk_same(struct walk *w, struct pin *p, const struct pin_link *l)
{
    const struct manifest *m = &w->link.manifest;
    struct hash32 hash;
    wax_rc rc;

    if (m->seq < p->head.manifest.seq)
        return WAX_OK; /* known history: the chain from the pin is what counts */
    if (m->seq == p->head.manifest.seq) {
        rc = manifest_hash(w->link.body, &hash);
        if (rc == WAX_OK && !ID_EQ(&hash, &p->head.hash))
            rc = note_fork(w, l->link);
        else if (rc == WAX_OK && l->version != 0)
            p->version = l->version;
        return rc;
    }
    rc = chain_check(&w->link, &p->head, w->now);
    if (rc == WAX_OK)
        rc = raise_pin(p, &w->link, l->version);
    if (rc == WAX_OK && p == &w->cur) {
        w->raised = true;
        w->recovered |= pin_known(w->pin) && m->signer_kind == SIGNER_RECOVERY;
    }
    return rc;
}

static wax_rc walk_link(struct walk *w, const struct pin_link *l)
{
    const struct manifest *m = &w->link.manifest;
    struct pin *p = pin_known(&w->other) ? &w->other : &w->cur;
    bool first = w->last_seq == 0;
    wax_rc rc = chain_link_decode(l->link, &w->link);

    if (rc != WAX_OK)
        return rc;
    /* Within one account every manifest is there, none twice. */
    if (!first && ID_EQ(&m->acct, &w->last_acct) &&
        (w->last_seq == UINT32_MAX || m->seq != w->last_seq + 1))
        return WAX_R_CHAIN;
    if (!pin_known(&w->cur)) {
        rc = begin_account(w, &w->cur, l->version);
        w->raised = rc == WAX_OK;
    } else if (ID_EQ(&m->acct, &p->head.manifest.acct)) {
        rc = walk_same(w, p, l);
    } else if (m->seq == 1) {
        rc = begin_account(w, &w->other, l->version);
    } else {
        rc = WAX_R_CHAIN;
    }
    w->last_acct = m->acct;
    w->last_seq = m->seq;
    return rc;
}

/* Versions rise by one and end at the newest; for a pin with a version they leave no gap. */
static wax_rc check_versions(const struct pin *pin, const struct pin_link *links, size_t n,
                             uint32_t newest)
{
    if (n == 0)
        return WAX_E_PROTO;
    for (size_t i = 0; i < n; i++) {
        bool told = newest != 0;

        if ((links[i].version != 0) != told)
            return WAX_E_PROTO;
        if (told && (uint64_t)links[i].version + (n - 1 - i) != newest)
            return WAX_E_PROTO;
    }
    if (newest != 0 && links[0].version > 1 && links[0].version - 1 > pin->version &&
        (pin->version != 0 || !pin_known(pin)))
        return WAX_E_PROTO;
    return WAX_OK;
}

static void diff_devices(const struct manifest *x, const struct manifest *y,
                         struct manifest_device *only_y, size_t *ret_n)
{
    size_t n = 0;

    for (size_t i = 0; i < y->n_devices; i++)
        if (manifest_find_dsk(x, &y->devices[i].dsk) < 0)
            only_y[n++] = y->devices[i];
    *ret_n = n;
}

static enum pin_outcome outcome_of(const struct walk *w)
{
    if (pin_known(&w->other))
        return PIN_OTHER_ACCOUNT;
    if (!pin_known(w->pin))
        return PIN_NEW;
    if (w->recovered)
        return PIN_IDENTITY_CHANGED;
    return w->raised ? PIN_CHANGED : PIN_SAME;
}

/* All held: what it comes to, handed over last. */
static void hand_over(struct walk *w, struct pin *pin, struct pin_change *ret,
                      struct pin *ret_other)
{
    const struct manifest *old = &w->pin->head.manifest, *new = &w->cur.head.manifest;
    struct pin_change *c = ret;

    memset(c, 0, sizeof(*c));
    c->outcome = outcome_of(w);
    c->old_seq = old->seq;
    c->new_seq = new->seq;
    diff_devices(old, new, c->added, &c->n_added);
    diff_devices(new, old, c->removed, &c->n_removed);
    if (c->outcome == PIN_OTHER_ACCOUNT || c->outcome == PIN_IDENTITY_CHANGED) {
        w->cur.identity_changed = true;
        pin_set_verified(&w->cur, NULL, 0);
    }
    if (c->outcome == PIN_OTHER_ACCOUNT && ret_other != NULL)
        *ret_other = w->other;
    *pin = w->cur;
}

/* An alert that leaves the pin as it is. */
static void only_tell(const struct walk *w, enum pin_outcome outcome, struct pin_change *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->outcome = outcome;
    ret->old_seq = w->pin->head.manifest.seq;
    ret->new_seq = w->last_seq;
    ret->fork_link = w->fork;
}

wax_rc pin_update(struct pin *pin, const char *handle, const struct pin_link *links, size_t n,
                  uint32_t newest, uint64_t now, struct pin_change *ret, struct pin *ret_other)
{
    wax_rc rc = check_versions(pin, links, n, newest);
    struct walk *w;

    if (rc != WAX_OK)
        return rc;
    w = mem_alloc(sizeof(*w));
    if (w == NULL)
        return WAX_E_NOMEM;
    w->pin = pin;
    w->cur = *pin;
    w->now = now;
    for (size_t i = 0; rc == WAX_OK && w->fork.n == 0 && i < n; i++)
        rc = walk_link(w, &links[i]);
    if (rc != WAX_OK)
        goto out;
    if (w->fork.n > 0) {
        only_tell(w, PIN_FORK, ret);
    } else if (!pin_known(&w->other) && w->last_seq < w->cur.head.manifest.seq) {
        only_tell(w, PIN_LOWER, ret);
    } else if (newest != 0 && pin_known(pin) && newest < pin->version) {
        only_tell(w, PIN_LOWER, ret);
    } else if (!handle_matches(&w->link.manifest, handle)) {
        rc = WAX_R_CHAIN;
    } else {
        hand_over(w, pin, ret, ret_other);
    }
out:
    mem_free(w);
    return rc;
}
