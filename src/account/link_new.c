/* N, the new device's side of a link. */
#include "account/link_room.h"

#include "base/mem.h"
#include "base/text.h"

enum state { N_BEGIN, N_WAIT_2, N_SHOW, N_WAIT_4, N_WAIT_6, N_DONE, N_OVER };

static const char *const state_names[] = {
    [N_BEGIN] = "begin",       [N_WAIT_2] = "wait for 2", [N_SHOW] = "show the digits",
    [N_WAIT_4] = "wait for 4", [N_WAIT_6] = "wait for 6", [N_DONE] = "done",
    [N_OVER] = "over",
};

struct link_new {
    enum state state;
    const struct device_keys *keys; /* borrowed */
    struct link_room room;
    char asked[HANDLE_MAX + 1];
    char code[LINK_CODE_TEXT + 1];
    struct hash32 r_n;
    struct link1 l1;
    struct link2 l2;
    char digits[LINK_DIGITS + 1];
    struct buf record; /* of record 4 */
    struct hash32 hash;
    struct prekey prekey;
    enum link_end why; /* ours, for O */
};

static wax_rc set_up(struct link_new *l, const char *name, const char *handle,
                     const struct rng *rng)
{
    struct manifest_device entry;
    struct link_code code;
    size_t n = strlen(handle);
    wax_rc rc;

    if (!handle_valid(BYTES(handle, n)))
        return WAX_E_INVAL;
    memcpy(l->asked, handle, n);
    rc = device_keys_entry(l->keys, name, &entry);
    if (rc != WAX_OK)
        return rc;
    l->l1.dsk = entry.dsk;
    l->l1.dtk = entry.dtk;
    l->l1.suite = entry.suite;
    memcpy(l->l1.name, entry.name, sizeof(l->l1.name));
    rc = rng_fill(rng, l->r_n.b, sizeof(l->r_n.b));
    if (rc == WAX_OK)
        rc = rng_fill(rng, code.secret, sizeof(code.secret));
    if (rc == WAX_OK)
        rc = link_commitment(&l->l1.dsk, &l->l1.dtk, &l->r_n, &code.commitment);
    if (rc == WAX_OK)
        rc = link_room_init(&l->room, code.secret);
    if (rc == WAX_OK)
        link_code_to_text(&code, l->code);
    mem_wipe(&code, sizeof(code));
    return rc;
}

wax_rc link_new_start(const struct device_keys *keys, const char *name, const char *handle,
                      const struct rng *rng, struct link_new **ret)
{
    struct link_new *l = mem_alloc(sizeof(*l));
    wax_rc rc;

    if (l == NULL)
        return WAX_E_NOMEM;
    l->keys = keys;
    l->why = LINK_END_OTHER;
    rc = set_up(l, name, handle, rng);
    if (rc == WAX_OK)
        *ret = l;
    else
        link_new_free(l);
    return rc;
}

void link_new_free(struct link_new *l)
{
    if (l == NULL)
        return;
    link_room_done(&l->room);
    buf_done(&l->record);
    prekey_done(&l->prekey);
    mem_free_wiped(l, sizeof(*l));
}

const char *link_new_code(const struct link_new *l) { return l->code; }
const uint8_t *link_new_rid(const struct link_new *l) { return l->room.rid; }
const char *link_new_state(const struct link_new *l) { return state_names[l->state]; }

static wax_rc post(struct link_new *l, struct bytes plain, struct link_out *out)
{
    wax_rc rc = link_room_post(&l->room, plain, &out->post);

    if (rc == WAX_OK) {
        out->event = LINK_POST;
        out->step = l->room.n;
    }
    return rc;
}

static wax_rc post_1(struct link_new *l, struct link_out *out)
{
    struct buf plain = {0};
    wax_rc rc = link1_encode(&l->l1, &plain);

    if (rc == WAX_OK)
        rc = post(l, buf_view(&plain), out);
    buf_done(&plain);
    return rc;
}

/* Record 2 → the digits; rN goes out only now, so that O had to choose first. */
static wax_rc take_2(struct link_new *l, const struct bytes *records, size_t n,
                     struct link_out *out)
{
    struct buf plain = {0};
    wax_rc rc = link_room_take(&l->room, records, n, &plain);

    if (rc == WAX_OK)
        rc = link2_decode(buf_view(&plain), &l->l2);
    if (rc == WAX_OK && strcmp(l->l2.handle, l->asked) != 0) {
        l->why = LINK_END_ACCOUNT;
        rc = WAX_E_DENIED;
    }
    if (rc == WAX_OK)
        rc = link_digits(&l->l1.dsk, &l->l1.dtk, &l->l2, &l->r_n, l->digits);
    if (rc == WAX_OK)
        rc = post(l, BYTES_OF(l->r_n.b), out);
    buf_done(&plain);
    return rc;
}

static void show(const struct link_new *l, struct link_out *out)
{
    out->event = LINK_SHOW;
    out->digits = l->digits;
    out->handle = l->l2.handle;
    out->acct = &l->l2.acct;
}

/* Join signature and first bundle, for exactly the manifest that was checked. */
static wax_rc post_5(struct link_new *l, const struct rng *rng, uint64_t now, struct link_out *out)
{
    struct join join;
    struct buf plain = {0};
    wax_rc rc = device_keys_join(l->keys, &l->hash, &join);

    if (rc == WAX_OK)
        rc = prekey_make(l->keys, rng, now, 0, &l->prekey);
    if (rc == WAX_OK) {
        join_encode(&join, &plain);
        buf_add(&plain, l->prekey.record, sizeof(l->prekey.record));
        rc = buf_rc(&plain);
    }
    if (rc == WAX_OK)
        rc = post(l, buf_view(&plain), out);
    if (rc == WAX_OK)
        out->prekey = &l->prekey;
    buf_done(&plain);
    return rc;
}

static wax_rc take_4(struct link_new *l, const struct bytes *records, size_t n,
                     const struct rng *rng, uint64_t now, struct link_out *out)
{
    struct manifest m;
    struct bytes body;
    struct sig sig;
    wax_rc rc = link_room_take(&l->room, records, n, &l->record);

    if (rc == WAX_OK)
        rc = manifest_decode(buf_view(&l->record), &m, &body, &sig);
    if (rc == WAX_OK)
        rc = link_check_4(&m, &l->l1, &l->l2);
    if (rc == WAX_OK)
        rc = manifest_hash(body, &l->hash);
    if (rc == WAX_OK)
        rc = post_5(l, rng, now, out);
    return rc;
}

static wax_rc take_6(struct link_new *l, const struct bytes *records, size_t n)
{
    struct buf plain = {0};
    wax_rc rc = link_room_take(&l->room, records, n, &plain);

    if (rc == WAX_OK && plain.n != sizeof(l->hash.b))
        rc = WAX_R_PARSE;
    if (rc == WAX_OK && !bytes_eq(buf_view(&plain), BYTES_OF(l->hash.b)))
        rc = WAX_R_CHAIN;
    buf_done(&plain);
    return rc;
}

static void tell_done(const struct link_new *l, struct link_out *out)
{
    out->event = LINK_DONE;
    out->handle = l->l2.handle;
    out->acct = &l->l2.acct;
    out->prekey = &l->prekey;
    out->manifest_record = buf_view(&l->record);
    out->manifest_hash = &l->hash;
}

wax_rc link_new_step(struct link_new *l, const struct bytes *records, size_t n,
                     const struct rng *rng, uint64_t now, struct link_out *ret)
{
    struct link_out out = {0};
    enum state next = N_OVER;
    wax_rc rc = WAX_OK;

    switch (l->state) {
    case N_BEGIN:
        rc = post_1(l, &out);
        next = N_WAIT_2;
        break;
    case N_WAIT_2:
        rc = take_2(l, records, n, &out);
        next = N_SHOW;
        break;
    case N_SHOW:
        show(l, &out);
        next = N_WAIT_4;
        break;
    case N_WAIT_4:
        rc = take_4(l, records, n, rng, now, &out);
        next = N_WAIT_6;
        break;
    case N_WAIT_6:
        rc = take_6(l, records, n);
        tell_done(l, &out);
        next = N_DONE;
        break;
    case N_DONE:
    case N_OVER:
        return WAX_E_INVAL;
    }
    if (rc == WAX_E_WAIT)
        return rc;
    l->state = rc == WAX_OK ? next : N_OVER;
    if (rc == WAX_OK)
        *ret = out;
    return rc;
}

enum link_end link_new_ended(const struct link_new *l) { return l->room.ended; }

wax_rc link_new_end(struct link_new *l, struct bytes *ret)
{
    if (l->state != N_OVER)
        return WAX_E_INVAL;
    return link_room_end(&l->room, true, l->why, ret);
}
