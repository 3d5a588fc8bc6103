/* O, the existing device's side of a link. */
#include "account/link_room.h"

#include "base/mem.h"
#include "chain/bundle_check.h"

enum state {
    O_WAIT_1,
    O_WAIT_3,
    O_TYPING,
    O_SEND_4,
    O_WAIT_5,
    O_PUBLISHING,
    O_SEND_6,
    O_FINISH,
    O_DONE,
    O_OVER
};

static const char *const state_names[] = {
    [O_WAIT_1] = "wait for 1", [O_WAIT_3] = "wait for 3", [O_TYPING] = "digits asked",
    [O_SEND_4] = "send 4",     [O_WAIT_5] = "wait for 5", [O_PUBLISHING] = "publish",
    [O_SEND_6] = "send 6",     [O_FINISH] = "finish",     [O_DONE] = "done",
    [O_OVER] = "over",
};

struct link_old {
    enum state state;
    const struct device_keys *keys; /* borrowed */
    struct chain_prev head;
    struct link_room room;
    struct hash32 commitment;
    struct link1 l1;
    struct link2 l2;
    char digits[LINK_DIGITS + 1];
    struct buf record; /* record 4: the manifest */
    struct hash32 hash;
    struct buf link; /* record and join, to be published */
    struct buf bundle;
    enum link_end why; /* ours, for N */
};

static wax_rc set_up(struct link_old *l, const struct link_old_in *in, const struct rng *rng)
{
    struct link_code code;
    int at;
    wax_rc rc = link_code_from_text(in->code, &code);

    if (rc == WAX_OK)
        rc = manifest_find(&in->head->manifest, &in->keys->dev, &at);
    if (rc == WAX_OK && at < 0)
        rc = WAX_E_DENIED;
    if (rc == WAX_OK && in->head->manifest.n_devices >= MANIFEST_DEVICES_MAX)
        rc = WAX_E_FULL;
    if (rc == WAX_OK)
        rc = link_room_init(&l->room, code.secret);
    if (rc == WAX_OK)
        rc = rng_fill(rng, l->l2.r_o.b, sizeof(l->l2.r_o.b));
    if (rc == WAX_OK) {
        l->keys = in->keys;
        l->head = *in->head;
        l->commitment = code.commitment;
        l->why = LINK_END_OTHER;
        l->l2.acct = in->head->manifest.acct;
        memcpy(l->l2.handle, in->head->manifest.handle, sizeof(l->l2.handle));
    }
    mem_wipe(&code, sizeof(code));
    return rc;
}

wax_rc link_old_start(const struct link_old_in *in, const struct rng *rng, struct link_old **ret)
{
    struct link_old *l = mem_alloc(sizeof(*l));
    wax_rc rc;

    if (l == NULL)
        return WAX_E_NOMEM;
    rc = set_up(l, in, rng);
    if (rc == WAX_OK)
        *ret = l;
    else
        link_old_free(l);
    return rc;
}

void link_old_free(struct link_old *l)
{
    if (l == NULL)
        return;
    link_room_done(&l->room);
    buf_done(&l->record);
    buf_done(&l->link);
    buf_done(&l->bundle);
    mem_free_wiped(l, sizeof(*l));
}

const uint8_t *link_old_rid(const struct link_old *l) { return l->room.rid; }
const char *link_old_state(const struct link_old *l) { return state_names[l->state]; }

static wax_rc post(struct link_old *l, struct bytes plain, struct link_out *out)
{
    wax_rc rc = link_room_post(&l->room, plain, &out->post);

    if (rc == WAX_OK) {
        out->event = LINK_POST;
        out->step = l->room.n;
    }
    return rc;
}

static wax_rc take_1(struct link_old *l, const struct bytes *records, size_t n,
                     struct link_out *out)
{
    struct buf plain = {0};
    /* Record 2 is there: another device, or this one before. */
    wax_rc rc = n > 1 ? WAX_E_EXISTS : link_room_take(&l->room, records, n, &plain);

    if (rc == WAX_OK)
        rc = link1_decode(buf_view(&plain), &l->l1);
    if (rc == WAX_OK)
        rc = ec_point_check(&l->l1.dsk);
    if (rc == WAX_OK)
        rc = ec_point_check(&l->l1.dtk);
    if (rc == WAX_OK) {
        buf_reset(&plain);
        rc = link2_encode(&l->l2, &plain);
    }
    if (rc == WAX_OK)
        rc = post(l, buf_view(&plain), out);
    buf_done(&plain);
    return rc;
}

/* rN opens what the link code committed N to: keys and rN are those behind the code. */
static wax_rc take_3(struct link_old *l, const struct bytes *records, size_t n)
{
    struct buf plain = {0};
    struct hash32 r_n, commitment;
    wax_rc rc = link_room_take(&l->room, records, n, &plain);

    if (rc == WAX_OK && plain.n != sizeof(r_n.b))
        rc = WAX_R_PARSE;
    if (rc == WAX_OK) {
        memcpy(r_n.b, plain.p, sizeof(r_n.b));
        rc = link_commitment(&l->l1.dsk, &l->l1.dtk, &r_n, &commitment);
    }
    if (rc == WAX_OK && !ID_EQ(&commitment, &l->commitment))
        rc = WAX_R_CHAIN;
    if (rc == WAX_OK)
        rc = link_digits(&l->l1.dsk, &l->l1.dtk, &l->l2, &r_n, l->digits);
    buf_done(&plain);
    return rc;
}

static void ask(const struct link_old *l, struct link_out *out)
{
    out->event = LINK_ASK;
    out->name = l->l1.name;
}

static wax_rc send_4(struct link_old *l, uint64_t now, struct link_out *out)
{
    struct update_signer signer = update_signer_device(l->keys);
    struct manifest_device entry = {.dsk = l->l1.dsk, .dtk = l->l1.dtk, .suite = l->l1.suite};
    struct update_change change = {.add = &entry, .n_add = 1};
    wax_rc rc;

    memcpy(entry.name, l->l1.name, sizeof(entry.name));
    rc = update_record(&l->head, &signer, &change, now, &l->record);
    if (rc == WAX_OK)
        rc = manifest_hash(BYTES(l->record.p, l->record.n - sizeof(struct sig)), &l->hash);
    if (rc == WAX_OK)
        rc = post(l, buf_view(&l->record), out);
    return rc;
}

/* N's bundle, as every contact will check it. */
static wax_rc check_bundle(const struct link_old *l, struct bytes record, uint64_t now)
{
    struct bundle b;
    struct dev_id dev;
    wax_rc rc = bundle_decode(record, &b);

    if (rc == WAX_OK)
        rc = dev_id_of(&l->l1.dsk, &dev);
    if (rc == WAX_OK)
        rc = bundle_check(record, &b, &dev, &l->l1.dsk, now, 0);
    return rc;
}

static wax_rc take_5(struct link_old *l, const struct bytes *records, size_t n, uint64_t now,
                     struct link_out *out)
{
    struct buf plain = {0};
    struct join join;
    struct bytes join_raw, bundle;
    wax_rc rc = link_room_take(&l->room, records, n, &plain);

    if (rc == WAX_OK)
        rc = link5_decode(buf_view(&plain), &join, &join_raw, &bundle);
    if (rc == WAX_OK)
        rc = update_link(&l->head, buf_view(&l->record), &join, 1, now, &l->link);
    if (rc == WAX_OK)
        rc = check_bundle(l, bundle, now);
    if (rc == WAX_OK) {
        buf_bytes(&l->bundle, bundle);
        rc = buf_rc(&l->bundle);
    }
    if (rc == WAX_OK) {
        out->event = LINK_PUBLISH;
        out->chain_link = buf_view(&l->link);
        out->bundle_record = buf_view(&l->bundle);
    }
    buf_done(&plain);
    return rc;
}

static void tell_done(const struct link_old *l, struct link_out *out)
{
    out->event = LINK_DONE;
    out->name = l->l1.name;
    out->manifest_record = buf_view(&l->record);
    out->manifest_hash = &l->hash;
}

wax_rc link_old_step(struct link_old *l, const struct bytes *records, size_t n, uint64_t now,
                     struct link_out *ret)
{
    struct link_out out = {0};
    enum state next = O_OVER;
    wax_rc rc = WAX_OK;

    switch (l->state) {
    case O_WAIT_1:
        rc = take_1(l, records, n, &out);
        next = O_WAIT_3;
        break;
    case O_WAIT_3:
        rc = take_3(l, records, n);
        ask(l, &out);
        next = O_TYPING;
        break;
    case O_SEND_4:
        rc = send_4(l, now, &out);
        next = O_WAIT_5;
        break;
    case O_WAIT_5:
        rc = take_5(l, records, n, now, &out);
        next = O_PUBLISHING;
        break;
    case O_SEND_6:
        rc = post(l, BYTES_OF(l->hash.b), &out);
        next = O_FINISH;
        break;
    case O_FINISH:
        tell_done(l, &out);
        next = O_DONE;
        break;
    case O_TYPING:
    case O_PUBLISHING:
    case O_DONE:
    case O_OVER:
        return WAX_E_INVAL;
    }
    if (rc == WAX_E_WAIT)
        return rc;
    l->state = rc == WAX_OK ? next : O_OVER;
    if (rc == WAX_OK)
        *ret = out;
    return rc;
}

wax_rc link_old_typed(struct link_old *l, const char *digits)
{
    char typed[LINK_DIGITS] = {0};
    size_t n = 0;
    bool same;

    if (l->state != O_TYPING)
        return WAX_E_INVAL;
    for (; *digits != '\0'; digits++) {
        if (*digits == ' ' || *digits == '\t' || *digits == '\r' || *digits == '\n')
            continue;
        if (n < LINK_DIGITS)
            typed[n] = *digits;
        n++;
    }
    same = n == LINK_DIGITS && ct_equal(typed, l->digits, LINK_DIGITS);
    mem_wipe(typed, sizeof(typed));
    l->state = same ? O_SEND_4 : O_OVER;
    if (!same)
        l->why = LINK_END_DIGITS;
    return same ? WAX_OK : WAX_E_DENIED;
}

wax_rc link_old_published(struct link_old *l)
{
    if (l->state != O_PUBLISHING)
        return WAX_E_INVAL;
    l->state = O_SEND_6;
    return WAX_OK;
}

wax_rc link_old_lost(struct link_old *l)
{
    if (l->state != O_PUBLISHING)
        return WAX_E_INVAL;
    l->state = O_OVER;
    return WAX_OK;
}

enum link_end link_old_ended(const struct link_old *l) { return l->room.ended; }

wax_rc link_old_end(struct link_old *l, struct bytes *ret)
{
    if (l->state != O_OVER && l->state != O_TYPING)
        return WAX_E_INVAL;
    l->state = O_OVER;
    return link_room_end(&l->room, false, l->why, ret);
}
