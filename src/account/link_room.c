/* Sealing of link records and the values both sides compute (RECORDS 9). */
#include "account/link_room.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

/* Of a sealed record over its C: u8 k, tag. */
#define OVERHEAD (1 + sizeof(struct key32))

struct record_keys {
    uint8_t enc[16], iv[16], mac[32];
};
_Static_assert(sizeof(struct record_keys) == 64, "Expand fills the struct");

wax_rc link_rid(const uint8_t secret[16], uint8_t ret[LINK_RID])
{
    struct hash32 h;
    wax_rc rc = hash_label(&h, LABEL_LINK_ID, PARTS(BYTES(secret, 16)));

    if (rc == WAX_OK)
        memcpy(ret, h.b, LINK_RID);
    return rc;
}

static wax_rc record_keys(const uint8_t secret[16], const uint8_t rid[LINK_RID], uint8_t k,
                          struct record_keys *ret)
{
    static const uint8_t zero[32];
    struct key32 prk;
    wax_rc rc = hkdf_extract(&prk, BYTES_OF(zero), PARTS(BYTES(secret, 16)));

    if (rc == WAX_OK)
        rc = hkdf_expand_label(BYTES_OF(prk.b), LABEL_LINK_KEY,
                               PARTS(BYTES(rid, LINK_RID), BYTES(&k, 1)), (uint8_t *)ret,
                               sizeof(*ret));
    mem_wipe(&prk, sizeof(prk));
    return rc;
}

static wax_rc record_tag(const struct record_keys *keys, const uint8_t rid[LINK_RID], uint8_t k,
                         struct bytes c, struct key32 *ret)
{
    return hmac_label(ret, BYTES_OF(keys->mac), LABEL_LINK_TAG,
                      PARTS(BYTES(rid, LINK_RID), BYTES(&k, 1), c));
}

wax_rc link_seal(const uint8_t secret[16], uint8_t k, struct bytes plain, struct buf *out)
{
    uint8_t rid[LINK_RID];
    struct record_keys keys;
    struct key32 tag;
    struct buf sealed = {0};
    uint8_t *c = NULL;
    wax_rc rc;

    if (k < 1 || k > LINK_RECORDS)
        return WAX_E_INVAL;
    if (plain.n < 1 || plain.n > LINK_SEALED_MAX - OVERHEAD)
        return WAX_E_TOOBIG;
    rc = link_rid(secret, rid);
    if (rc == WAX_OK)
        rc = record_keys(secret, rid, k, &keys);
    if (rc == WAX_OK) {
        buf_u8(&sealed, k);
        c = buf_extend(&sealed, plain.n);
        rc = buf_rc(&sealed);
    }
    if (rc == WAX_OK)
        rc = aes128_ctr(keys.enc, keys.iv, plain.p, c, plain.n);
    if (rc == WAX_OK)
        rc = record_tag(&keys, rid, k, BYTES(c, plain.n), &tag);
    if (rc == WAX_OK) {
        buf_add(&sealed, tag.b, sizeof(tag.b));
        rc = buf_rc(&sealed);
    }
    if (rc == WAX_OK) {
        buf_bytes(out, buf_view(&sealed));
        rc = buf_rc(out);
    }
    buf_done(&sealed);
    mem_wipe(&keys, sizeof(keys));
    return rc;
}

/* Sealed record: u8 k ‖ C ‖ tag. Only sizes that hold for all six are judged before the tag
 * is: a record under another number is `mac`, not `parse` (the server's own check of posts,
 * link_sealed_decode, knows the size of each). */
static wax_rc split(struct bytes sealed, uint8_t k, struct bytes *c, struct bytes *tag)
{
    struct rd r = rd_init(sealed);

    if (sealed.n < OVERHEAD + 1 || sealed.n > LINK_SEALED_MAX || rd_u8(&r) != k)
        return WAX_R_PARSE;
    *c = rd_take(&r, sealed.n - OVERHEAD);
    *tag = rd_take(&r, sizeof(struct key32));
    return rd_end(&r);
}

wax_rc link_open(const uint8_t secret[16], uint8_t k, struct bytes sealed, struct buf *out)
{
    uint8_t rid[LINK_RID];
    struct record_keys keys;
    struct key32 tag;
    struct bytes c, told;
    wax_rc rc = split(sealed, k, &c, &told);

    if (rc != WAX_OK)
        return rc;
    rc = link_rid(secret, rid);
    if (rc == WAX_OK)
        rc = record_keys(secret, rid, k, &keys);
    if (rc == WAX_OK)
        rc = record_tag(&keys, rid, k, c, &tag);
    if (rc == WAX_OK && !ct_equal(tag.b, told.p, sizeof(tag.b)))
        rc = WAX_R_MAC;
    if (rc == WAX_OK) {
        uint8_t *plain = buf_extend(out, c.n);

        rc = buf_rc(out);
        if (rc == WAX_OK)
            rc = aes128_ctr(keys.enc, keys.iv, c.p, plain, c.n);
    }
    mem_wipe(&keys, sizeof(keys));
    return rc;
}

wax_rc link_commitment(const struct point *dsk, const struct point *dtk, const struct hash32 *r_n,
                       struct hash32 *ret)
{
    return hash_label(ret, LABEL_LINK, PARTS(BYTES_OF(dsk->b), BYTES_OF(dtk->b), BYTES_OF(r_n->b)));
}

wax_rc link_digits(const struct point *dsk, const struct point *dtk, const struct link2 *l2,
                   const struct hash32 *r_n, char ret[LINK_DIGITS + 1])
{
    struct hash32 h;
    uint8_t len[2];
    size_t n = strlen(l2->handle);
    wax_rc rc;

    put_u16(len, (uint16_t)n);
    rc = hash_label(&h, LABEL_SAS,
                    PARTS(BYTES_OF(dsk->b), BYTES_OF(dtk->b), BYTES_OF(l2->acct.b), BYTES_OF(len),
                          BYTES(l2->handle, n), BYTES_OF(r_n->b), BYTES_OF(l2->r_o.b)));
    if (rc == WAX_OK)
        snprintf(ret, LINK_DIGITS + 1, "%06u", (unsigned)(get_u64(h.b) % 1000000));
    return rc;
}

wax_rc link_check_4(const struct manifest *m, const struct link1 *l1, const struct link2 *l2)
{
    const struct manifest_device *last;

    if (m->n_devices < 1)
        return WAX_R_CHAIN;
    last = &m->devices[m->n_devices - 1];
    if (!ID_EQ(&m->acct, &l2->acct) || !handle_matches(m, l2->handle) ||
        !ID_EQ(&last->dsk, &l1->dsk) || !ID_EQ(&last->dtk, &l1->dtk) || last->suite != l1->suite ||
        strcmp(last->name, l1->name) != 0)
        return WAX_R_CHAIN;
    return WAX_OK;
}

/* --- The room ------------------------------------------------------------------------------ */

wax_rc link_room_init(struct link_room *r, const uint8_t secret[16])
{
    memset(r, 0, sizeof(*r));
    memcpy(r->secret, secret, sizeof(r->secret));
    return link_rid(secret, r->rid);
}

void link_room_done(struct link_room *r)
{
    for (size_t i = 0; i < LINK_RECORDS; i++)
        buf_done(&r->sealed[i]);
    mem_wipe(r, sizeof(*r));
}

wax_rc link_room_post(struct link_room *r, struct bytes plain, struct bytes *ret)
{
    struct buf *b;
    wax_rc rc;

    if (r->n >= LINK_RECORDS)
        return WAX_E_INVAL;
    b = &r->sealed[r->n];
    rc = link_seal(r->secret, (uint8_t)(r->n + 1), plain, b);
    if (rc == WAX_OK) {
        r->n++;
        *ret = buf_view(b);
    }
    return rc;
}

wax_rc link_room_take(struct link_room *r, const struct bytes *records, size_t n, struct buf *plain)
{
    struct buf *b;
    size_t before = plain->n;
    wax_rc rc;

    if (n > LINK_RECORDS || r->n >= LINK_RECORDS)
        return WAX_R_CHAIN;
    for (size_t i = 0; i < n && i < r->n; i++)
        if (!bytes_eq(records[i], buf_view(&r->sealed[i])))
            return WAX_R_CHAIN;
    if (n <= r->n)
        return WAX_E_WAIT;
    rc = link_open(r->secret, (uint8_t)(r->n + 1), records[r->n], plain);
    if (rc != WAX_OK)
        return rc;
    b = &r->sealed[r->n];
    buf_bytes(b, records[r->n]);
    rc = buf_rc(b);
    if (rc == WAX_OK)
        r->n++;
    if (rc == WAX_OK && plain->n - before == 1) { /* no record of the six is that short */
        uint8_t why = plain->p[before];

        r->ended =
            why == LINK_END_DIGITS || why == LINK_END_ACCOUNT ? (enum link_end)why : LINK_END_OTHER;
        rc = WAX_E_CANCELLED;
    }
    return rc;
}

wax_rc link_room_end(struct link_room *r, bool at_n, enum link_end why, struct bytes *ret)
{
    uint8_t plain = (uint8_t)why;

    /* Record 2 is sealed once for each code, and not for this (PROTOCOL 5.1). */
    if (r->n < 2 || r->n >= LINK_RECORDS || (r->n % 2 == 0) != at_n || r->ended != LINK_END_NONE)
        return WAX_E_INVAL;
    return link_room_post(r, BYTES(&plain, 1), ret);
}
